//! QUERYINDEX and MGET.
//!
//! Keys in the index may have expired: replies are counted as they are written.

use super::super::compact::open_bucket;
use super::super::row::{READING, READS, find};
use super::super::rows_text::reply_sample;
use super::filters::{Shown, keys_of, parse_filters};
use super::shards::gather;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_resp::Reply;
use russet_timeseries::index::Filter;
use russet_types::TimeSeries;

pub(in crate::commands::time_series) const QUERYINDEX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: READING,
    ..Spec::new("ts.queryindex", queryindex)
};

/// `TS.QUERYINDEX filter [filter ...]`: the keys of the series of this database whose labels
/// satisfy all filters, in a cluster those of all shards.
///
/// Reply: set (RESP2: array) of keys, sorted. O(series of the rarest label * filters).
fn queryindex(call: &mut Call<'_>) -> CommandResult {
    let filters = parse_filters(call.args.from(1))?;
    if call.is_in_cluster() {
        let found = gather(call, Some(&filters), (false, false), |_, _| Ok(()))?;
        if let Some(found) = found {
            call.reply.set(found.len());
            found.iter().for_each(|one| call.reply.bulk(&one.key));
        }
        return Ok(());
    }
    let keys = keys_of(call, &filters, false)?;
    let place = call.reply.defer();
    let mut replied = 0;
    for key in keys.iter().filter(|key| call.db.peek_exists(key)) {
        call.reply.bulk(key);
        replied += 1;
    }
    call.reply.finish_set(place, replied);
    Ok(())
}

pub(in crate::commands::time_series) const MGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    handler: mget,
    name: "ts.mget",
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
    let shown = Shown::parse(args, 1, &["FILTER"])?;
    let filters = parse_filters(args.from(filter + 1))?;
    let asks_latest = find(args.first(filter), 1, "LATEST").is_some();
    if call.is_in_cluster() {
        return mget_of_shards(call, &filters, (asks_latest, shown));
    }
    let keys = keys_of(call, &filters, true)?;
    let place = call.reply.defer();
    let mut replied = 0;
    for key in keys.iter() {
        let Some(series) = call.db.peek::<TimeSeries>(key)? else {
            continue;
        };
        replied += 1;
        let latest = if asks_latest {
            open_bucket(&call.db, key)
        } else {
            None
        };
        let reply = &mut *call.reply;
        begin_key(reply, key, 2);
        shown.reply(series.labels(), reply);
        match latest.or(series.last()) {
            Some(last) => reply_sample(reply, last.timestamp, last.value),
            None => reply.array(0),
        }
    }
    if call.reply.resp3() {
        call.reply.finish_map(place, replied);
    } else {
        call.reply.finish_array(place, replied);
    }
    Ok(())
}

/// The same, of the series of all shards.
fn mget_of_shards(
    call: &mut Call<'_>,
    filters: &[Filter],
    (asks_latest, shown): (bool, Shown<'_>),
) -> CommandResult {
    let found = gather(call, Some(filters), (true, false), |call, one| {
        let latest = if asks_latest {
            open_bucket(&call.db, &one.key)
        } else {
            None
        };
        let series = call.db.peek::<TimeSeries>(&one.key)?;
        let last = series.and_then(|series| series.last());
        if let Some(last) = latest.or(last) {
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
        shown.reply(&one.labels, reply);
        match one.rows().next() {
            Some((time, values)) => reply_sample(reply, time, values[0]),
            None => reply.array(0),
        }
    }
    Ok(())
}

/// Begins a reply by keys: a map, in RESP2 an array.
pub(in crate::commands::time_series) fn begin_keys(reply: &mut Reply, keys: usize) {
    if reply.resp3() {
        reply.map(keys);
    } else {
        reply.array(keys);
    }
}

/// Begins what is replied of a key, `parts` without it.
pub(in crate::commands::time_series) fn begin_key(reply: &mut Reply, key: &[u8], parts: usize) {
    if reply.resp3() {
        reply.bulk(key);
        reply.array(parts);
    } else {
        reply.array(1 + parts);
        reply.bulk(key);
    }
}
