//! MRANGE and MREVRANGE: the parser of their words; [`GatheredRows`] has the rows of one keyspace.
//!
//! In a cluster the other shards send the rows of their series: [`gather`]. The node that replies
//! makes the groups.

use super::count;
use super::filters::{ReplyLabels, parse_filters};
use super::gathered::{GatheredRows, begin_group, begin_series, extra_of};
use super::query::begin_keys;
use super::range::too_many;
use super::range_args::RangeArgs;
use super::row::{READING, READS, find};
use super::rows_text::RowsText;
use super::shards::{FoundSeries, gather};
use super::slices::{SeriesSelector, Unreadable, in_slices};
use crate::work;
use russet_command::{Arity, CommandError, Facts};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::Aggregator;
use russet_timeseries::index::Filter;
use russet_timeseries::range::Allowance;
use russet_timeseries::reduce::Reduction;
use russet_types::TimeSeries;
use std::collections::BTreeMap;

const NO_FILTER: CommandError = CommandError::Text("ERR TSDB: missing FILTER argument");
const NO_LABELS: CommandError = CommandError::Text("ERR TSDB: missing labels for filter argument");
const GROUPED_FIRST: CommandError =
    CommandError::Text("ERR TSDB: GROUPBY should always come after filter");
const EMPTY_GROUPS: CommandError =
    CommandError::Text("ERR TSDB: EXCLUDEEMPTY is not allowed with GROUPBY");
const SEVERAL_IN_GROUPS: CommandError =
    CommandError::Text("ERR TSDB: GROUPBY is not allowed when multiple aggregators are specified");
const BAD_REDUCER: CommandError = CommandError::Text("ERR TSDB: Invalid reducer type");

/// The words after GROUPBY, itself included.
const GROUP_WORDS: usize = 4;
/// Words that may follow the names of labels.
const AFTER_NAMES: [&str; 10] = [
    "FILTER",
    "EXCLUDEEMPTY",
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
    facts: Facts::ASKS_NODES,
    work: work::by(count_ranges, count::FEWER_SERIES),
    ..Spec::new("ts.mrange", mrange)
};

/// Counts the series, and the work of their rows.
fn count_ranges(call: &mut Call<'_>) -> CommandResult {
    let backwards = call.name == "ts.mrevrange";
    let asked = RangeRequest::parse(call.args, call.name, backwards)?;
    let mut search = asked.series_selector().search(call)?;
    let mut touched = 0u64;
    while let Some(key) = search.next_key() {
        let found = 1 + count::of_series(call, key, &asked.range, 0);
        touched = touched.saturating_add(found);
    }
    call.touches(touched);
    Ok(())
}

/// `TS.MRANGE from to [options of RANGE] [WITHLABELS | SELECTED_LABELS name ...] [EXCLUDEEMPTY]
/// FILTER filter ... [GROUPBY label REDUCE reducer]`: the rows of the series of this database whose
/// labels satisfy all filters, with EXCLUDEEMPTY only of series that have rows; with GROUPBY one
/// series for each value of a label, with the values reduced at each timestamp. The client must be
/// allowed to read each of the series.
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
pub(super) struct Group<'a> {
    pub label: &'a [u8],
    pub reducer: Aggregator,
}

impl<'a> Group<'a> {
    /// The words after FILTER: the filters, and a group.
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

/// The words of the command.
pub(crate) struct RangeRequest<'a> {
    pub range: RangeArgs,
    pub shown: ReplyLabels<'a>,
    pub group: Option<Group<'a>>,
    pub excludes_empty: bool,
    pub backwards: bool,
    filters: Vec<Filter>,
}

impl<'a> RangeRequest<'a> {
    pub(super) fn parse(
        args: Args<'a>,
        name: &str,
        backwards: bool,
    ) -> Result<RangeRequest<'a>, CommandError> {
        let filter = find(args, 3, "FILTER");
        let head = args.first(filter.unwrap_or(args.len()));
        let range = RangeArgs::parse(head, 1, name)?;
        let filter = filter.ok_or(NO_FILTER)?;
        if find(head, 3, "GROUPBY").is_some() {
            return Err(GROUPED_FIRST);
        }
        if filter + 1 == args.len() {
            return Err(NO_LABELS);
        }
        let shown = ReplyLabels::parse(args, 3, &AFTER_NAMES)?;
        let (words, group) = Group::parse(args.from(filter + 1), name)?;
        let filters = parse_filters(words)?;
        let excludes_empty = find(head, 3, "EXCLUDEEMPTY").is_some();
        if group.is_some() && excludes_empty {
            return Err(EMPTY_GROUPS);
        }
        if group.is_some() && range.aggregators().len() > 1 {
            return Err(SEVERAL_IN_GROUPS);
        }
        Ok(RangeRequest {
            range,
            shown,
            group,
            excludes_empty,
            backwards,
            filters,
        })
    }

    pub(super) fn series_selector(&self) -> SeriesSelector<'_> {
        SeriesSelector {
            filters: Some(&self.filters),
            unreadable: Unreadable::Refused,
        }
    }
}

fn reply_ranges(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    let asked = RangeRequest::parse(call.args, call.name, backwards)?;
    if call.is_in_cluster() {
        return reply_shards(call, &asked);
    }
    let gathered = in_slices(call, &asked, asked.series_selector(), GatheredRows::new)?;
    if let Some(parts) = gathered {
        parts.reply(call.reply, begin_keys);
    }
    Ok(())
}

/// Replies the series of all shards; the other shards send the rows of their series.
fn reply_shards(call: &mut Call<'_>, asked: &RangeRequest<'_>) -> CommandResult {
    let (range, backwards) = (&asked.range, asked.backwards);
    let allowance = Allowance::default();
    let found = gather(call, asked.series_selector(), |call, one| {
        let extra = extra_of(call, range, &one.key);
        let series = call.db.peek::<TimeSeries>(&one.key)?.expect("found");
        let push = |time, values: &[f64]| one.push(time, values);
        // Groups count the rows that they have reduced.
        let run = match asked.group {
            None => range.run(&series, extra, backwards, &allowance, push),
            Some(_) => range.run_all(&series, extra, backwards, &allowance, push),
        };
        run.map_err(too_many)
    })?;
    let Some(mut found) = found else {
        return Ok(());
    };
    if let Some(group) = asked.group {
        reply_groups(call.reply, &found, asked, group);
        return Ok(());
    }
    let mut rows = RowsText::new(call.reply);
    found.retain(|one| !asked.excludes_empty || one.rows().len() > 0);
    begin_keys(call.reply, found.len());
    for one in &found {
        begin_series(call.reply, (&one.key, &one.labels), asked);
        one.rows().for_each(|(at, values)| rows.push(at, values));
        rows.reply(call.reply);
    }
    Ok(())
}

/// Replies the groups of series that were found.
fn reply_groups(
    reply: &mut Reply,
    found: &[FoundSeries],
    asked: &RangeRequest<'_>,
    group: Group<'_>,
) {
    let range = &asked.range;
    let mut groups: BTreeMap<&[u8], Vec<&FoundSeries>> = BTreeMap::new();
    for one in found {
        if let Some(value) = one.labels.get(group.label) {
            groups.entry(value).or_default().push(one);
        }
    }
    let mut rows = RowsText::new(reply);
    begin_keys(reply, groups.len());
    for (value, series) in &groups {
        let mut reduction = Reduction::new(group.reducer, range.width(), asked.backwards);
        for one in series {
            one.rows()
                .for_each(|(at, values)| reduction.add(at, values));
            reduction.end_series();
        }
        let sources: Vec<&[u8]> = series.iter().map(|one| &*one.key).collect();
        begin_group(reply, (group, value), &sources, asked.shown);
        reduction.each(range.count(), |at, values| rows.push(at, values));
        rows.reply(reply);
    }
}
