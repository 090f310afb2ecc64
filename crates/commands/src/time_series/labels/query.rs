//! QUERYINDEX and MGET: keys, or the newest samples, of the series that satisfy conditions.
//!
//! In slices on one server; in a cluster the node first asks all shards.

use super::super::compact::open_bucket;
use super::super::count;
use super::super::row::{READING, READS, find};
use super::super::rows_text::reply_sample;
use super::filters::{ReplyLabels, parse_filters};
use super::shards::gather;
use super::slices::{Gather, Parts, SeriesSelector, Unreadable, in_slices};
use russet_command::{Arity, CommandError, Facts};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::{Sample, Series};
use russet_types::TimeSeries;

pub(crate) const QUERYINDEX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: READING,
    facts: Facts::ASKS_NODES,
    work: count::MATCHED,
    ..Spec::new("ts.queryindex", queryindex)
};

/// `TS.QUERYINDEX filter [filter ...]`: the keys of the series of this database whose labels
/// satisfy all filters, in a cluster of all shards.
///
/// Reply: set (RESP2: array) of keys, sorted. O(series of the rarest label * filters).
fn queryindex(call: &mut Call<'_>) -> CommandResult {
    let filters = parse_filters(call.args.from(1))?;
    let wanted = SeriesSelector {
        filters: Some(&filters),
        unreadable: Unreadable::Named,
    };
    if call.is_in_cluster() {
        let found = gather(call, wanted, |_, _| Ok(()))?;
        if let Some(found) = found {
            call.reply.set(found.len());
            found.iter().for_each(|one| call.reply.bulk(&one.key));
        }
        return Ok(());
    }
    if let Some(parts) = in_slices(call, &(), wanted, |_| Names)? {
        parts.reply(call.reply, Reply::set);
    }
    Ok(())
}

struct Names;

impl Gather for Names {
    type Request<'a> = ();

    fn take(
        &mut self,
        _call: &Call<'_>,
        (): &(),
        (key, _): (&[u8], &Series),
        out: &mut Parts,
    ) -> Result<(), CommandError> {
        out.reply.bulk(key);
        out.len += 1;
        Ok(())
    }
}

pub(crate) const MGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    handler: mget,
    name: "ts.mget",
    work: count::FILTERED,
    ..QUERYINDEX
};

/// `TS.MGET [LATEST] [WITHLABELS | SELECTED_LABELS name ...] FILTER filter [filter ...]`: the
/// newest samples of the series of this database whose labels satisfy all filters. The client must
/// be allowed to read each of them.
///
/// Reply: map (RESP2: array) of keys with labels and a sample. O(series of the rarest label *
/// filters).
fn mget(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let arity = || CommandError::WrongArity(call.name.to_owned());
    let filter = find(args, 1, "FILTER").filter(|at| at + 1 < args.len());
    let filter = filter.ok_or_else(arity)?;
    let shown = ReplyLabels::parse(args, 1, &["FILTER"])?;
    let filters = parse_filters(args.from(filter + 1))?;
    let wanted = SeriesSelector {
        filters: Some(&filters),
        unreadable: Unreadable::Refused,
    };
    let asked = Newest {
        asks_latest: find(args.first(filter), 1, "LATEST").is_some(),
        shown,
    };
    if call.is_in_cluster() {
        return mget_of_shards(call, wanted, &asked);
    }
    if let Some(parts) = in_slices(call, &asked, wanted, |_| Samples)? {
        parts.reply(call.reply, begin_keys);
    }
    Ok(())
}

/// The words of MGET.
struct Newest<'a> {
    asks_latest: bool,
    shown: ReplyLabels<'a>,
}

impl Newest<'_> {
    /// The newest sample of a series, of the open bucket if that is asked.
    fn of(&self, call: &Call<'_>, key: &[u8], series: &Series) -> Option<Sample> {
        let latest = self.asks_latest.then(|| open_bucket(&call.db, key));
        latest.flatten().or(series.last())
    }
}

struct Samples;

impl Gather for Samples {
    type Request<'a> = Newest<'a>;

    fn take(
        &mut self,
        call: &Call<'_>,
        asked: &Newest<'_>,
        (key, series): (&[u8], &Series),
        out: &mut Parts,
    ) -> Result<(), CommandError> {
        let reply = &mut out.reply;
        begin_key(reply, key, 2);
        asked.shown.reply(series.labels(), reply);
        match asked.of(call, key, series) {
            Some(last) => reply_sample(reply, last.timestamp, last.value),
            None => reply.array(0),
        }
        out.len += 1;
        Ok(())
    }
}

/// As `mget`, of the series of all shards.
fn mget_of_shards(
    call: &mut Call<'_>,
    wanted: SeriesSelector<'_>,
    asked: &Newest<'_>,
) -> CommandResult {
    let found = gather(call, wanted, |call, one| {
        let series = call.db.peek::<TimeSeries>(&one.key)?.expect("found");
        if let Some(last) = asked.of(call, &one.key, &series) {
            one.push(last.timestamp, &[last.value]);
        }
        Ok(())
    })?;
    let Some(found) = found else {
        return Ok(());
    };
    let reply = &mut *call.reply;
    begin_keys(reply, found.len());
    for one in &found {
        begin_key(reply, &one.key, 2);
        asked.shown.reply(&one.labels, reply);
        match one.rows().next() {
            Some((time, values)) => reply_sample(reply, time, values[0]),
            None => reply.array(0),
        }
    }
    Ok(())
}

/// Begins a reply by keys: a map, in RESP2 an array.
pub(crate) fn begin_keys(reply: &mut Reply, keys: usize) {
    if reply.resp3() {
        reply.map(keys);
    } else {
        reply.array(keys);
    }
}

/// Begins the reply's part of a key; `parts`: the number of parts without the key.
pub(crate) fn begin_key(reply: &mut Reply, key: &[u8], parts: usize) {
    if reply.resp3() {
        reply.bulk(key);
        reply.array(parts);
    } else {
        reply.array(1 + parts);
        reply.bulk(key);
    }
}
