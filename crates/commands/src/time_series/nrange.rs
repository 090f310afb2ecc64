//! NRANGE and NREVRANGE: the rows of several series, joined by their timestamps.
//!
//! The command makes the rows of the series in order, and keeps them until it joins them. The
//! values beyond the first series' values are bounded (`Allowance`), because a client may name a
//! key many times. Cost: O(samples), and rows * keys.

use super::compact::latest;
use super::count;
use super::range::too_many;
use super::range_args::RangeArgs;
use super::row::{MISSING, READING, READS};
use super::rows_text::RowsText;
use super::thread::{self, Column, MakeRows};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::range::{Allowance, TooManyValues};
use russet_types::TimeSeries;

const BAD_NUMBER: CommandError = CommandError::Text("ERR TSDB: numkeys must be a positive integer");

pub(super) const NRANGE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: READS,
    keys: &[KeySpec::counted(1, Access::READ)],
    categories: READING,
    work: count::SEVERAL,
    ..Spec::new("ts.nrange", nrange)
};

/// `TS.NRANGE numkeys key [key ...] from to [options of RANGE]`: the rows of several series, joined
/// by their timestamps; a series without a row at a timestamp has NaN there. AGGREGATION has an
/// argument for each key, in the order of the keys: an aggregator, or several with commas between
/// them. COUNT limits the joined rows.
///
/// Reply: array of arrays of a timestamp and an array of values (RESP2: simple strings).
/// O(samples + rows * keys).
fn nrange(call: &mut Call<'_>) -> CommandResult {
    reply_joined(call, false)
}

pub(super) const NREVRANGE: Spec = Spec {
    handler: nrevrange,
    name: "ts.nrevrange",
    ..NRANGE
};

/// `TS.NREVRANGE numkeys key [key ...] from to [options of RANGE]`: as NRANGE, the latest first.
///
/// Reply: as of NRANGE.
fn nrevrange(call: &mut Call<'_>) -> CommandResult {
    reply_joined(call, true)
}

/// The rows of a series; the rows from `at` on are not joined yet.
struct SeriesRows {
    width: usize,
    times: Vec<u64>,
    values: Vec<f64>,
    at: usize,
}

/// The number of keys, and the options after them.
fn parse(args: Args<'_>, name: &str) -> Result<(usize, RangeArgs), CommandError> {
    let keys = parse_i64(args.at(1)).filter(|n| *n > 0).ok_or(BAD_NUMBER)?;
    let keys = usize::try_from(keys).unwrap_or(usize::MAX);
    if keys > args.len() - 4 {
        return Err(CommandError::WrongArity(name.to_owned()));
    }
    let range = RangeArgs::parse_for(args, 2 + keys, Some(keys), name)?;
    Ok((keys, range))
}

fn reply_joined(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    if let Some(outcome) = thread::made(call) {
        return outcome;
    }
    let args = call.args;
    let (keys, range) = parse(args, call.name)?;
    for at in 0..keys {
        call.db
            .read::<TimeSeries>(args.at(2 + at))?
            .ok_or(MISSING)?;
    }
    let make: MakeRows = if backwards {
        |args, name, columns, rows| make_rows(&parse(args, name)?.1, columns, true, rows)
    } else {
        |args, name, columns, rows| make_rows(&parse(args, name)?.1, columns, false, rows)
    };
    let mut found = Vec::with_capacity(keys);
    for at in 0..keys {
        let key = args.at(2 + at);
        let extra = if range.latest {
            latest(&call.db, key)
        } else {
            None
        };
        let series = call.db.peek::<TimeSeries>(key)?.expect("found above");
        found.push((series, extra));
    }
    let works = found.iter().enumerate();
    let work = works.fold(0, |sum: u64, (at, (series, _))| {
        sum.saturating_add(range.work(series, at))
    });
    if thread::is_long(call, work) {
        let series = found.iter().enumerate();
        let series = series.map(|(at, (series, extra))| (range.excerpt(series, at), *extra));
        let series = series.collect();
        return thread::leave(call, series, make);
    }
    let columns: Vec<Column<'_>> = found
        .iter()
        .map(|(series, extra)| (&***series, *extra))
        .collect();
    let mut rows = RowsText::new(call.reply);
    make_rows(&range, &columns, backwards, &mut rows)?;
    rows.reply(call.reply);
    Ok(())
}

/// Makes the joined rows of the series.
fn make_rows(
    range: &RangeArgs,
    columns: &[Column<'_>],
    backwards: bool,
    rows: &mut RowsText,
) -> Result<(), CommandError> {
    let allowance = Allowance::default();
    let mut joined = Vec::with_capacity(columns.len());
    for (at, (series, extra)) in columns.iter().enumerate() {
        let mut column = SeriesRows {
            width: range.width_of(at),
            times: Vec::new(),
            values: Vec::new(),
            at: 0,
        };
        let push = |time, values: &[f64]| {
            column.times.push(time);
            column.values.extend_from_slice(values);
        };
        range
            .run_of(at, (*series, *extra), backwards, &allowance, push)
            .map_err(too_many)?;
        // A series may be named several times.
        if at > 0 {
            let values = column.values.len();
            allowance.spend_further(values).map_err(too_many)?;
        }
        joined.push(column);
    }
    let run = join(&mut joined, backwards, range.count(), |time, values| {
        allowance.spend_further(values.len() - 1)?;
        rows.push_joined(time, values);
        Ok(())
    });
    run.map_err(too_many)
}

/// Calls `row` with each time and the values of all columns at it.
fn join(
    columns: &mut [SeriesRows],
    backwards: bool,
    count: usize,
    mut row: impl FnMut(u64, &[f64]) -> Result<(), TooManyValues>,
) -> Result<(), TooManyValues> {
    let mut values = Vec::new();
    for _ in 0..count {
        let heads = columns
            .iter()
            .filter_map(|column| column.times.get(column.at));
        let next = if backwards { heads.max() } else { heads.min() };
        let Some(&time) = next else {
            break;
        };
        values.clear();
        for column in columns.iter_mut() {
            if column.times.get(column.at) == Some(&time) {
                let start = column.at * column.width;
                values.extend_from_slice(&column.values[start..start + column.width]);
                column.at += 1;
            } else {
                values.extend(std::iter::repeat_n(f64::NAN, column.width));
            }
        }
        row(time, &values)?;
    }
    Ok(())
}
