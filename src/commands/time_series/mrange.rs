//! MRANGE and MREVRANGE.
//!
//! Series are found by their labels, read one after the other, and with GROUPBY merged as they
//! come.

use super::compact::latest;
use super::filters::{Shown, begin_labels, keys_of, parse_filters, reply_label};
use super::query::{begin_key, begin_keys};
use super::range::too_many;
use super::range_args::RangeArgs;
use super::row::{READING, READS, find};
use super::rows_text::RowsText;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_resp::{Args, Reply};
use russet_timeseries::reduce::Reduction;
use russet_timeseries::{Aggregator, Sample};
use russet_types::TimeSeries;
use std::collections::BTreeMap;

const NO_FILTER: CommandError = CommandError::Text("ERR TSDB: missing FILTER argument");
const NO_LABELS: CommandError = CommandError::Text("ERR TSDB: missing labels for filter argument");
const GROUPED_FIRST: CommandError =
    CommandError::Text("ERR TSDB: GROUPBY should always come after filter");
const BAD_REDUCER: CommandError = CommandError::Text("ERR TSDB: Invalid reducer type");

/// The words after GROUPBY, itself included.
const GROUP_WORDS: usize = 4;
/// Words that may follow the names of labels.
const AFTER_NAMES: [&str; 9] = [
    "FILTER",
    "AGGREGATION",
    "COUNT",
    "LATEST",
    "ALIGN",
    "FILTER_BY_TS",
    "FILTER_BY_VALUE",
    "EMPTY",
    "BUCKETTIMESTAMP",
];

pub(super) const MRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    categories: READING,
    ..Spec::new("ts.mrange", mrange)
};

/// `TS.MRANGE from to [options of RANGE] [WITHLABELS | SELECTED_LABELS name ...] FILTER filter ...
/// [GROUPBY label REDUCE reducer]`: the rows of the series of this database whose labels satisfy
/// all filters; with GROUPBY one series for each value of a label, whose values are reduced at each
/// timestamp. The client must be allowed to read each of the series.
///
/// Reply: map (RESP2: array) by key, or by `label=value`, of labels and rows; in RESP3 with the
/// aggregators, or with reducers and sources. O(samples of the ranges).
fn mrange(call: &mut Call<'_>) -> CommandResult {
    reply_ranges(call, false)
}

pub(super) const MREVRANGE: Spec = Spec {
    handler: mrevrange,
    name: "ts.mrevrange",
    ..MRANGE
};

/// `TS.MREVRANGE from to [options of MRANGE]`: as MRANGE, the latest rows first.
///
/// Reply: as of MRANGE.
fn mrevrange(call: &mut Call<'_>) -> CommandResult {
    reply_ranges(call, true)
}

/// GROUPBY and REDUCE.
#[derive(Clone, Copy)]
struct Group<'a> {
    label: &'a [u8],
    reducer: Aggregator,
}

impl<'a> Group<'a> {
    /// The words after FILTER: those of the filters, and a group.
    fn parse(words: Args<'a>, name: &str) -> Result<(Args<'a>, Option<Group<'a>>), CommandError> {
        let Some(at) = find(words, 0, "GROUPBY") else {
            return Ok((words, None));
        };
        if at + GROUP_WORDS != words.len() || !words.is(at + 2, "REDUCE") {
            return Err(CommandError::WrongArity(name.to_owned()));
        }
        let reducer = Aggregator::by_name(words.at(at + 3)).filter(|one| one.reduces());
        let group = Group {
            label: words.at(at + 1),
            reducer: reducer.ok_or(BAD_REDUCER)?,
        };
        Ok((words.first(at), Some(group)))
    }
}

fn reply_ranges(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    let args = call.args;
    let filter = find(args, 3, "FILTER");
    let head = args.first(filter.unwrap_or(args.len()));
    let range = RangeArgs::parse(head, 1, call.name)?;
    let filter = filter.ok_or(NO_FILTER)?;
    if find(head, 3, "GROUPBY").is_some() {
        return Err(GROUPED_FIRST);
    }
    if filter + 1 == args.len() {
        return Err(NO_LABELS);
    }
    let shown = Shown::parse(args, 3, &AFTER_NAMES)?;
    let (words, group) = Group::parse(args.from(filter + 1), call.name)?;
    let filters = parse_filters(words)?;
    let keys = keys_of(call, &filters, true)?;
    match group {
        None => reply_each(call, &keys, &range, shown, backwards),
        Some(group) => reply_groups(call, &keys, &range, (group, shown), backwards),
    }
}

/// The open bucket of a destination, if it is asked.
fn extra_of(call: &Call<'_>, range: &RangeArgs, key: &[u8]) -> Option<Sample> {
    if range.latest {
        latest(&call.db, key)
    } else {
        None
    }
}

fn reply_each(
    call: &mut Call<'_>,
    keys: &[Box<[u8]>],
    range: &RangeArgs,
    shown: Shown<'_>,
    backwards: bool,
) -> CommandResult {
    let mut rows = RowsText::new(call.reply);
    begin_keys(call.reply, keys.len());
    let is_map = call.reply.resp3();
    for key in keys {
        let extra = extra_of(call, range, key);
        let series = call.db.peek::<TimeSeries>(key)?.expect("in the index");
        let reply = &mut *call.reply;
        begin_key(reply, key, if is_map { 3 } else { 2 });
        shown.reply(&series, reply);
        if is_map {
            let aggregators = range.aggregators();
            reply_names("aggregators", aggregators.iter().copied(), reply);
        }
        let push = |timestamp, values: &[f64]| rows.push(timestamp, values);
        range
            .run(&series, extra, backwards, push)
            .map_err(too_many)?;
        rows.reply(reply);
    }
    Ok(())
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

fn reply_groups(
    call: &mut Call<'_>,
    keys: &[Box<[u8]>],
    range: &RangeArgs,
    (group, shown): (Group<'_>, Shown<'_>),
    backwards: bool,
) -> CommandResult {
    let mut groups: BTreeMap<Box<[u8]>, Vec<&[u8]>> = BTreeMap::new();
    for key in keys {
        let series = call.db.peek::<TimeSeries>(key)?.expect("in the index");
        if let Some(value) = series.labels().get(group.label) {
            groups.entry(value.into()).or_default().push(key);
        }
    }
    begin_keys(call.reply, groups.len());
    let mut rows = RowsText::new(call.reply);
    for (value, sources) in &groups {
        let mut reduction = Reduction::new(group.reducer, range.width(), backwards);
        for key in sources {
            let series = call.db.peek::<TimeSeries>(key)?.expect("in the index");
            let extra = extra_of(call, range, key);
            let add = |at, values: &[f64]| reduction.add(at, values);
            let run = range.run_all(&series, extra, backwards, add);
            run.map_err(too_many)?;
            reduction.end_series();
        }
        let is_map = call.reply.resp3();
        let name = [group.label, b"=", value].concat();
        begin_key(call.reply, &name, if is_map { 4 } else { 2 });
        reply_group(call.reply, group, value, sources, shown);
        let count = range.count();
        reduction.each(count, |at, values| rows.push(at, values));
        rows.reply(call.reply);
    }
    Ok(())
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
