//! MRANGE takes series and writes the rows as they come, with GROUPBY merged.
//!
//! It writes groups after all series, some rows of a group in a step.

use super::super::compact::latest;
use super::super::filters::{ReplyLabels, begin_labels, reply_label};
use super::super::mrange::{Group, MREVRANGE, RangeRequest};
use super::super::query::begin_key;
use super::super::range::too_many;
use super::super::range_args::RangeArgs;
use super::super::rows_text::RowsText;
use super::super::slices::{Gather, Parts, PendingSeries};
use super::super::thread;
use russet_command::CommandError;
use russet_resp::{Args, Reply};
use russet_server::Call;
use russet_timeseries::range::Allowance;
use russet_timeseries::reduce::Reduction;
use russet_timeseries::{Aggregator, Labels, Sample, Series};
use std::collections::BTreeMap;
use std::ops::Range;

/// The series with a value of the label of GROUPBY.
struct Members {
    sources: Vec<Box<[u8]>>,
    reduction: Reduction,
}

/// The rows of a group that are yet to be written.
struct Unwritten {
    reduction: Reduction,
    rows: Range<usize>,
}

/// Rows of a group that are written in a step: some tenths of a millisecond.
const STEP_ROWS: usize = 1 << 12;

/// See the module.
pub(crate) struct GatheredRows {
    groups: BTreeMap<Box<[u8]>, Members>,
    unwritten: Option<Unwritten>,
    rows: RowsText,
    allowance: Allowance,
}

impl GatheredRows {
    pub(crate) fn new(reply: &Reply) -> GatheredRows {
        GatheredRows {
            groups: BTreeMap::new(),
            unwritten: None,
            rows: RowsText::new(reply),
            allowance: Allowance::default(),
        }
    }

    /// Merges a series into the group of its label.
    fn merge(
        &mut self,
        (key, series): (&[u8], &Series),
        (asked, group): (&RangeRequest<'_>, Group<'_>),
        extra: Option<Sample>,
    ) -> Result<(), CommandError> {
        let Some(value) = series.labels().get(group.label) else {
            return Ok(());
        };
        let range = &asked.range;
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
        let run = range.run_all(series, extra, asked.backwards, &self.allowance, add);
        run.map_err(too_many)?;
        reduction.end_series();
        Ok(())
    }
}

impl Gather for GatheredRows {
    type Request<'a> = RangeRequest<'a>;

    fn take(
        &mut self,
        call: &Call<'_>,
        asked: &RangeRequest<'_>,
        (key, series): (&[u8], &Series),
        out: &mut Parts,
    ) -> Result<(), CommandError> {
        let extra = extra_of(call, &asked.range, key);
        self.take_with(asked, (key, series), extra, out)
    }

    fn is_long(
        &self,
        call: &Call<'_>,
        asked: &RangeRequest<'_>,
        (key, series): (&[u8], &Series),
    ) -> Option<PendingSeries> {
        if !thread::is_long(call, asked.range.work(series, 0)) {
            return None;
        }
        Some(PendingSeries {
            key: key.into(),
            series: asked.range.excerpt(series, 0),
            extra: extra_of(call, &asked.range, key),
        })
    }

    fn take_pending(
        &mut self,
        args: Args<'_>,
        name: &str,
        PendingSeries { key, series, extra }: &PendingSeries,
        out: &mut Parts,
    ) -> Result<(), CommandError> {
        let asked = RangeRequest::parse(args, name, name == MREVRANGE.name)?;
        self.take_with(&asked, (key, series), *extra, out)
    }

    /// Writes the next rows of a group, before the first row the group's label and value.
    fn write_next(&mut self, asked: &RangeRequest<'_>, out: &mut Parts) -> bool {
        let reply = &mut out.reply;
        if self.unwritten.is_none() {
            let Some((group, (value, members))) = asked.group.zip(self.groups.pop_first()) else {
                return false;
            };
            let sources: Vec<&[u8]> = members.sources.iter().map(|key| &**key).collect();
            begin_group(reply, (group, &value), &sources, asked.shown);
            let mut reduction = members.reduction;
            let rows = reduction.len().min(asked.range.count());
            reply.array(rows);
            out.len += 1;
            self.unwritten = Some(Unwritten {
                reduction,
                rows: 0..rows,
            });
        }
        if let Some(mut unwritten) = self.unwritten.take() {
            let Range { start, end } = unwritten.rows;
            let next = end.min(start.saturating_add(STEP_ROWS));
            let rows = &mut self.rows;
            let push = |at, values: &[f64]| rows.push(at, values);
            unwritten.reduction.each_of(start..next, push);
            rows.reply_more(reply);
            if next < end {
                unwritten.rows = next..end;
                self.unwritten = Some(unwritten);
            }
        }
        true
    }
}

impl GatheredRows {
    fn take_with(
        &mut self,
        asked: &RangeRequest<'_>,
        (key, series): (&[u8], &Series),
        extra: Option<Sample>,
        out: &mut Parts,
    ) -> Result<(), CommandError> {
        if let Some(group) = asked.group {
            return self.merge((key, series), (asked, group), extra);
        }
        let rows = &mut self.rows;
        let push = |timestamp, values: &[f64]| rows.push(timestamp, values);
        let allowance = &self.allowance;
        let run = asked
            .range
            .run(series, extra, asked.backwards, allowance, push);
        run.map_err(too_many)?;
        if asked.excludes_empty && rows.is_empty() {
            return Ok(());
        }
        begin_series(&mut out.reply, (key, series.labels()), asked);
        rows.reply(&mut out.reply);
        out.len += 1;
        Ok(())
    }
}

/// The open bucket of a destination, if the command asks for it.
pub(crate) fn extra_of(call: &Call<'_>, range: &RangeArgs, key: &[u8]) -> Option<Sample> {
    if range.latest {
        latest(&call.db, key)
    } else {
        None
    }
}

/// Begins the reply's part of a series with the key and the labels.
pub(crate) fn begin_series(
    reply: &mut Reply,
    (key, labels): (&[u8], &Labels),
    asked: &RangeRequest<'_>,
) {
    let is_map = reply.resp3();
    begin_key(reply, key, if is_map { 3 } else { 2 });
    asked.shown.reply(labels, reply);
    if is_map {
        let aggregators = asked.range.aggregators();
        reply_names("aggregators", aggregators.iter().copied(), reply);
    }
}

/// Begins the reply's part of a group.
pub(crate) fn begin_group(
    reply: &mut Reply,
    (group, value): (Group<'_>, &[u8]),
    sources: &[&[u8]],
    shown: ReplyLabels<'_>,
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
    shown: ReplyLabels<'_>,
) {
    let is_map = reply.resp3();
    let reducer = group.reducer.name().to_ascii_lowercase();
    let joined = sources.join(&b","[..]);
    let own: [(&[u8], &[u8]); 3] = [
        (group.label, value),
        (b"__reducer__", reducer.as_bytes()),
        (b"__source__", &joined),
    ];
    // In RESP3 the other parts have separate places.
    let own = if is_map { &own[..1] } else { &own[..] };
    match shown {
        ReplyLabels::Nothing => begin_labels(reply, 0),
        ReplyLabels::All => {
            begin_labels(reply, own.len());
            own.iter()
                .for_each(|(name, value)| reply_label(name, Some(value), reply));
        }
        ReplyLabels::Named(names) => {
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
