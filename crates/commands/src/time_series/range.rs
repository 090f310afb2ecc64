//! RANGE and REVRANGE.

use super::compact::latest;
use super::count;
use super::range_args::RangeArgs;
use super::row::{MISSING, READ_KEY, READING, READS, WRONG_TYPE};
use super::rows_text::RowsText;
use super::thread::{self, Column, MakeRows};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::TIMESTAMP_MAX;
use russet_timeseries::range::{Allowance, TooManyValues};
use russet_types::TimeSeries;

const BAD_FROM: CommandError = CommandError::Text("ERR TSDB: wrong fromTimestamp");
const BAD_TO: CommandError = CommandError::Text("ERR TSDB: wrong toTimestamp");
const TOO_MANY: CommandError = CommandError::Text(
    "ERR TSDB: there would be too many values, use COUNT, longer buckets or fewer aggregators",
);
/// Rows for which memory is reserved at once, at most.
const EXPECTED_MAX: usize = 1 << 12;

pub(super) const RANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: count::RANGE,
    ..Spec::new("ts.range", range)
};

/// `TS.RANGE key from to [LATEST] [FILTER_BY_TS timestamp ...] [FILTER_BY_VALUE min max]
/// [COUNT rows] [[ALIGN align] AGGREGATION aggregators duration [BUCKETTIMESTAMP stamp] [EMPTY]]`:
/// samples, or rows of buckets.
///
/// Reply: array of arrays of a timestamp and values (RESP2: simple strings); a row has a value for
/// each aggregator; commas join a list of aggregators. O(log chunks + samples).
fn range(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, false)
}

pub(super) const REVRANGE: Spec = Spec {
    handler: revrange,
    name: "ts.revrange",
    ..RANGE
};

/// `TS.REVRANGE key from to [options of RANGE]`: as RANGE, the latest first.
///
/// Reply: as of RANGE. O(log chunks + samples); without AGGREGATION and with COUNT, the handler
/// decodes samples from the end.
fn revrange(call: &mut Call<'_>) -> CommandResult {
    reply_range(call, true)
}

fn reply_range(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    if let Some(outcome) = thread::made(call) {
        return outcome;
    }
    let key = call.args.at(1);
    let series = call.db.read::<TimeSeries>(key).map_err(|_| WRONG_TYPE)?;
    series.ok_or(MISSING)?;
    let args = RangeArgs::parse(call.args, 2, call.name)?;
    let extra = if args.latest {
        latest(&call.db, key)
    } else {
        None
    };
    let make: MakeRows = if backwards {
        |args, name, series, rows| make_rows(&RangeArgs::parse(args, 2, name)?, series, true, rows)
    } else {
        |args, name, series, rows| make_rows(&RangeArgs::parse(args, 2, name)?, series, false, rows)
    };
    let series = call.db.peek::<TimeSeries>(key)?.expect("found above");
    if thread::is_long(call, args.work(&series, 0)) {
        let excerpt = args.excerpt(&series, 0);
        return thread::leave(call, vec![(excerpt, extra)], make);
    }
    let mut rows = RowsText::new(call.reply);
    make_rows(&args, &[(&**series, extra)], backwards, &mut rows)?;
    rows.reply(call.reply);
    Ok(())
}

/// Makes the rows of the single series.
fn make_rows(
    args: &RangeArgs,
    series: &[Column<'_>],
    backwards: bool,
    rows: &mut RowsText,
) -> Result<(), CommandError> {
    let Some((series, extra)) = series.first() else {
        return Ok(());
    };
    if args.aggregators().is_empty() {
        let samples = usize::try_from(series.total()).unwrap_or(usize::MAX);
        rows.expect(samples.min(args.count()).min(EXPECTED_MAX));
    }
    let push = |timestamp, values: &[f64]| rows.push(timestamp, values);
    let run = args.run(series, *extra, backwards, &Allowance::default(), push);
    run.map_err(too_many)
}

pub(super) fn too_many(_: TooManyValues) -> CommandError {
    TOO_MANY
}

/// The ends of a range; `-` and `+` are the first and the last of all times.
pub(super) fn bounds(from: &[u8], to: &[u8]) -> Result<(u64, u64), CommandError> {
    let time = |text: &[u8]| parse_i64(text).and_then(|n| u64::try_from(n).ok());
    let from = match from {
        b"-" => 0,
        text => time(text).ok_or(BAD_FROM)?,
    };
    let to = match to {
        b"+" => TIMESTAMP_MAX,
        text => time(text).ok_or(BAD_TO)?,
    };
    Ok((from, to))
}
