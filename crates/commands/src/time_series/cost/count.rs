//! How many samples and series each command would touch: the work of the command
//! (`commands::work`).
//!
//! The functions count samples by the lengths of chunks: the chunks at the ends of a range count
//! whole. A sample counts once for each aggregator. O(log chunks) and the chunks of the range; for
//! commands that find series by labels also the search for the series.

use super::super::filters::parse_filters;
use super::super::range::bounds;
use super::super::range_args::RangeArgs;
use super::super::row::find;
use super::super::slices::{SeriesSelector, Unreadable};
use crate::work::{self, Work, look};
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_server::{Call, CommandResult};
use russet_timeseries::TIMESTAMP_MAX;
use russet_types::TimeSeries;

pub(crate) const FEWER_SERIES: &str = "use filters that fewer series satisfy, or a shorter range";

/// TS.RANGE's.
pub(crate) const RANGE: Work = work::by(range, work::SHORTER);
/// TS.NRANGE's.
pub(crate) const SEVERAL: Work = work::by(several, work::SHORTER);
/// TS.READ's.
pub(crate) const NEWER: Work = work::by(newer, "use a smaller MAX_COUNT");
/// TS.DEL's.
pub(crate) const DELETED: Work = work::by(deleted, work::SHORTER);
/// TS.MGET's: the series after FILTER.
pub(crate) const FILTERED: Work = work::by(filtered, FEWER_SERIES);
/// TS.QUERYINDEX's: the series of the first words.
pub(crate) const MATCHED: Work = work::by(matched, FEWER_SERIES);

/// Samples of the series at a key in a range; none without a series.
fn samples(call: &mut Call<'_>, key: &[u8], (from, to): (u64, u64)) -> u64 {
    let found = look::<TimeSeries, _>(call, key, |series| series.samples_between(from, to));
    found.unwrap_or(0)
}

/// The work of the rows of a key's series.
pub(crate) fn of_series(call: &mut Call<'_>, key: &[u8], args: &RangeArgs, at: usize) -> u64 {
    let samples = samples(call, key, args.bounds());
    if args.aggregators().is_empty() {
        return samples.min(args.count() as u64);
    }
    samples.saturating_mul(args.width_of(at) as u64)
}

fn range(call: &mut Call<'_>) -> CommandResult {
    let args = RangeArgs::parse(call.args, 2, call.name)?;
    let touched = of_series(call, call.args.at(1), &args, 0);
    call.touches(touched);
    Ok(())
}

fn several(call: &mut Call<'_>) -> CommandResult {
    let keys = parse_i64(call.args.at(1)).and_then(|n| usize::try_from(n).ok());
    let keys = keys.filter(|n| *n > 0 && *n <= call.args.len() - 4);
    let keys = keys.ok_or(CommandError::Syntax)?;
    let args = RangeArgs::parse_for(call.args, 2 + keys, Some(keys), call.name)?;
    let touched = (0..keys).fold(0, |sum: u64, at| {
        sum.saturating_add(of_series(call, call.args.at(2 + at), &args, at))
    });
    call.touches(touched);
    Ok(())
}

fn newer(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    // `+` and `$` read no more than the newest sample, and samples that come later.
    let from = match args.at(2) {
        b"-" => 0,
        b"+" | b"$" => TIMESTAMP_MAX,
        text => parse_i64(text)
            .and_then(|n| u64::try_from(n).ok())
            .ok_or(CommandError::Syntax)?,
    };
    let max = find(args, 3, "MAX_COUNT").and_then(|at| parse_i64(args.get(at + 1)?));
    let max = max.and_then(|n| u64::try_from(n).ok()).unwrap_or(u64::MAX);
    let touched = samples(call, args.at(1), (from, u64::MAX)).min(max);
    call.touches(touched.max(1));
    Ok(())
}

fn deleted(call: &mut Call<'_>) -> CommandResult {
    let range = bounds(call.args.at(2), call.args.at(3))?;
    let touched = samples(call, call.args.at(1), range);
    call.touches(touched);
    Ok(())
}

fn filtered(call: &mut Call<'_>) -> CommandResult {
    let Some(at) = find(call.args, 1, "FILTER") else {
        return Ok(());
    };
    count_series(call, at + 1)
}

fn matched(call: &mut Call<'_>) -> CommandResult {
    count_series(call, 1)
}

/// The series that satisfy the filters from an argument on.
fn count_series(call: &mut Call<'_>, from: usize) -> CommandResult {
    let filters = parse_filters(call.args.from(from))?;
    let wanted = SeriesSelector {
        filters: Some(&filters),
        unreadable: Unreadable::Named,
    };
    let mut search = wanted.search(call)?;
    let mut touched = 0;
    while search.next_key().is_some() {
        touched += 1;
    }
    call.touches(touched);
    Ok(())
}
