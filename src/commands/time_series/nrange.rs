//! NRANGE and NREVRANGE: the rows of several series, joined by their timestamps.

use super::compact::latest;
use super::range::too_many;
use super::range_args::RangeArgs;
use super::row::{MISSING, READING, READS};
use super::rows_text::RowsText;
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_types::TimeSeries;

const BAD_NUMBER: CommandError = CommandError::Text("ERR TSDB: numkeys must be a positive integer");

pub(super) const NRANGE: Spec = Spec {
    arity: Arity::AtLeast(5),
    flags: READS,
    keys: &[KeySpec::counted(1, Access::READ)],
    categories: READING,
    ..Spec::new("ts.nrange", nrange)
};

/// `TS.NRANGE numkeys key [key ...] from to [options of RANGE]`: the rows of several series, joined
/// by their timestamps; a series without a row at one has NaN there. AGGREGATION has an argument
/// for each key, in their order: an aggregator, or several with commas between them. COUNT limits
/// the joined rows.
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

/// The rows of a series, with those that are not joined yet.
struct Column {
    width: usize,
    times: Vec<u64>,
    values: Vec<f64>,
    at: usize,
}

fn reply_joined(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    let args = call.args;
    let keys = parse_i64(args.at(1)).filter(|n| *n > 0).ok_or(BAD_NUMBER)?;
    let keys = usize::try_from(keys).unwrap_or(usize::MAX);
    if keys > args.len() - 4 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let range = RangeArgs::parse_for(args, 2 + keys, Some(keys), call.name)?;
    for at in 0..keys {
        call.db
            .read::<TimeSeries>(args.at(2 + at))?
            .ok_or(MISSING)?;
    }
    let mut columns = Vec::with_capacity(keys);
    for at in 0..keys {
        let key = args.at(2 + at);
        let extra = if range.latest {
            latest(&call.db, key)
        } else {
            None
        };
        let series = call.db.peek::<TimeSeries>(key)?.expect("found above");
        let mut column = Column {
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
            .run_of(at, (&series, extra), backwards, push)
            .map_err(too_many)?;
        columns.push(column);
    }
    let mut rows = RowsText::new(call.reply);
    join(&mut columns, backwards, range.count(), |time, values| {
        rows.push_joined(time, values);
    });
    rows.reply(call.reply);
    Ok(())
}

/// Calls `row` with each time and the values of all columns at it.
fn join(columns: &mut [Column], backwards: bool, count: usize, mut row: impl FnMut(u64, &[f64])) {
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
        row(time, &values);
    }
}
