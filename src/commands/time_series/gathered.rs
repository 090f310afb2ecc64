//! The series of a MRANGE, gathered one after the other: written as they come, with GROUPBY merged.
//!
//! Work of a client's command that takes long is divided: after [`SLICE_US`] the loop serves
//! others, and the command runs again where it was. Meanwhile series may change: each is read at
//! one time between the command's beginning and its end, and those that are gone by then are left
//! out. In a script and in EXEC nothing changes meanwhile.

use super::compact::latest;
use super::filters::{Keys, Shown, begin_labels, reply_label};
use super::mrange::{Asked, Group};
use super::query::begin_key;
use super::range::too_many;
use super::range_args::RangeArgs;
use super::rows_text::RowsText;
use crate::server::Call;
use crate::server::searches::Task;
use bytes::Bytes;
use russet_base::clock;
use russet_command::CommandError;
use russet_resp::{Reply, message};
use russet_timeseries::reduce::Reduction;
use russet_timeseries::{Aggregator, Labels, Sample};
use russet_types::TimeSeries;
use russet_types::vector_set::Progress;
use std::collections::BTreeMap;

/// The loop is held for about so long at a time.
const SLICE_US: u64 = 1000;

/// The series with a value of the label of GROUPBY.
struct Members {
    sources: Vec<Box<[u8]>>,
    reduction: Reduction,
}

/// See the module.
pub(super) struct Gathered {
    keys: Keys,
    next: usize,
    groups: BTreeMap<Box<[u8]>, Members>,
    rows: RowsText,
    /// The text of this slice, and those of the slices before it: a single one would be copied as
    /// it grows.
    reply: Reply,
    texts: Vec<Bytes>,
    replied: usize,
}

impl Task for Gathered {
    /// Nothing can be done without the keyspace: the command only waits for its turn.
    fn step(&mut self, _nanos: usize) -> Progress {
        Progress::Done
    }
}

impl Gathered {
    /// Of the series at these keys, none yet.
    pub(super) fn new(keys: Keys, is_resp3: bool) -> Gathered {
        let mut reply = Reply::new();
        reply.set_resp3(is_resp3);
        reply.copy_pieces();
        Gathered {
            keys,
            next: 0,
            groups: BTreeMap::new(),
            rows: RowsText::new(&reply),
            reply,
            texts: Vec::new(),
            replied: 0,
        }
    }

    /// Goes on until the slice that began at a time is over.
    pub(super) fn gather(
        &mut self,
        call: &Call<'_>,
        asked: &Asked<'_>,
        slice_began: u64,
    ) -> Result<Progress, CommandError> {
        let is_over = || {
            let cycles = clock::cycles().wrapping_sub(slice_began);
            call.server.cycles.micros(cycles) >= SLICE_US
        };
        while self.take_next(call, asked)? || self.reply_next(asked) {
            if is_over() {
                self.texts.push(message(self.reply.take_text()));
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    /// Replies what has been gathered.
    pub(super) fn reply(mut self, reply: &mut Reply) {
        if reply.resp3() {
            reply.map(self.replied);
        } else {
            reply.array(self.replied);
        }
        self.texts.push(message(self.reply.take_text()));
        self.texts.into_iter().for_each(|text| reply.shared(text));
    }

    /// Takes the series of the next key; `false`: there is no key.
    fn take_next(&mut self, call: &Call<'_>, asked: &Asked<'_>) -> Result<bool, CommandError> {
        let Some(key) = self.keys.get(self.next) else {
            return Ok(false);
        };
        self.next += 1;
        // It may have gone since the last slice.
        let Ok(Some(series)) = call.db.peek::<TimeSeries>(key) else {
            return Ok(true);
        };
        let range = &asked.range;
        let extra = extra_of(call, range, key);
        if let Some(group) = asked.group {
            let Some(value) = series.labels().get(group.label) else {
                return Ok(true);
            };
            if !self.groups.contains_key(value) {
                let reduction = Reduction::new(group.reducer, range.width(), asked.backwards);
                let members = Members {
                    sources: Vec::new(),
                    reduction,
                };
                self.groups.insert(value.into(), members);
            }
            let members = self.groups.get_mut(value).expect("inserted above");
            members.sources.push(key.into());
            let reduction = &mut members.reduction;
            let add = |at, values: &[f64]| reduction.add(at, values);
            let run = range.run_all(&series, extra, asked.backwards, add);
            run.map_err(too_many)?;
            reduction.end_series();
            return Ok(true);
        }
        let (reply, rows) = (&mut self.reply, &mut self.rows);
        let push = |timestamp, values: &[f64]| rows.push(timestamp, values);
        let run = range.run(&series, extra, asked.backwards, push);
        run.map_err(too_many)?;
        if asked.excludes_empty && rows.is_empty() {
            return Ok(true);
        }
        begin_series(reply, (key, series.labels()), asked);
        rows.reply(reply);
        self.replied += 1;
        Ok(true)
    }

    /// Writes the next group; `false`: there is none.
    fn reply_next(&mut self, asked: &Asked<'_>) -> bool {
        let Some((group, (value, members))) = asked.group.zip(self.groups.pop_first()) else {
            return false;
        };
        let (reply, rows) = (&mut self.reply, &mut self.rows);
        let sources: Vec<&[u8]> = members.sources.iter().map(|key| &**key).collect();
        begin_group(reply, (group, &value), &sources, asked.shown);
        let count = asked.range.count();
        members
            .reduction
            .each(count, |at, values| rows.push(at, values));
        rows.reply(reply);
        self.replied += 1;
        true
    }
}

/// The open bucket of a destination, if it is asked.
pub(super) fn extra_of(call: &Call<'_>, range: &RangeArgs, key: &[u8]) -> Option<Sample> {
    if range.latest {
        latest(&call.db, key)
    } else {
        None
    }
}

/// Begins what is replied of a series with its key and its labels.
pub(super) fn begin_series(reply: &mut Reply, (key, labels): (&[u8], &Labels), asked: &Asked<'_>) {
    let is_map = reply.resp3();
    begin_key(reply, key, if is_map { 3 } else { 2 });
    asked.shown.reply(labels, reply);
    if is_map {
        let aggregators = asked.range.aggregators();
        reply_names("aggregators", aggregators.iter().copied(), reply);
    }
}

/// Begins what is replied of a group.
pub(super) fn begin_group(
    reply: &mut Reply,
    (group, value): (Group<'_>, &[u8]),
    sources: &[&[u8]],
    shown: Shown<'_>,
) {
    let name = [group.label, b"=", value].concat();
    begin_key(reply, &name, if reply.resp3() { 4 } else { 2 });
    reply_group(reply, group, value, sources, shown);
}

/// Replies a map of a name with names of aggregators.
fn reply_names(name: &str, of: impl ExactSizeIterator<Item = Aggregator>, reply: &mut Reply) {
    reply.map(1);
    reply.bulk(name.as_bytes());
    reply.array(of.len());
    for aggregator in of {
        reply.bulk(aggregator.name().to_ascii_lowercase().as_bytes());
    }
}

/// Replies the labels of a group, in RESP3 with reducers and sources after them.
fn reply_group(
    reply: &mut Reply,
    group: Group<'_>,
    value: &[u8],
    sources: &[&[u8]],
    shown: Shown<'_>,
) {
    let is_map = reply.resp3();
    let reducer = group.reducer.name().to_ascii_lowercase();
    let joined = sources.join(&b","[..]);
    let own: [(&[u8], &[u8]); 3] = [
        (group.label, value),
        (b"__reducer__", reducer.as_bytes()),
        (b"__source__", &joined),
    ];
    // In RESP3 the others have places of their own.
    let own = if is_map { &own[..1] } else { &own[..] };
    match shown {
        Shown::Nothing => begin_labels(reply, 0),
        Shown::All => {
            begin_labels(reply, own.len());
            own.iter()
                .for_each(|(name, value)| reply_label(name, Some(value), reply));
        }
        Shown::Named(names) => {
            let find = |name: &[u8]| {
                own.iter()
                    .find(|label| label.0 == name)
                    .map(|label| label.1)
            };
            shown.reply_named(names, find, reply);
        }
    }
    if is_map {
        reply_names("reducers", std::iter::once(group.reducer), reply);
        reply.map(1);
        reply.bulk(b"sources");
        reply.array(sources.len());
        sources.iter().for_each(|key| reply.bulk(key));
    }
}
