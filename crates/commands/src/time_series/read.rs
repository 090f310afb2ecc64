//! READ: the samples from a timestamp on, immediately or when there are enough of them.
//!
//! A read that waits blocks the client; the command runs again when the series gets a sample, with
//! `+` and `$` replaced by the timestamps that they stood for, and when the key is removed. Readers
//! take nothing from each other.

use super::count as counted;
use super::row::{READ_KEY, READING, READS};
use super::rows_text::RowsText;
use super::thread::{self, Column};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_resp::{Args, OwnedArgs};
use russet_server::{Call, CommandResult, OnTimeout, Spec};
use russet_timeseries::Series;
use russet_types::{TimeSeries, Type};
use std::ops::ControlFlow;

// Without a code, as in Redis.
const BAD_TIME: CommandError = CommandError::Text("TSDB: invalid timestamp");
const BAD_MAX: CommandError = CommandError::Text("TSDB: MAX_COUNT must be a positive integer");
const BAD_TIMEOUT: CommandError =
    CommandError::Text("TSDB: BLOCK milliseconds must be a non-negative integer");
const BAD_MIN: CommandError =
    CommandError::Text("TSDB: BLOCK min_count must be a positive integer");
const MIN_ABOVE_MAX: CommandError =
    CommandError::Text("TSDB: BLOCK min_count must be <= MAX_COUNT");
const MAY_NOT_BLOCK: CommandError = CommandError::Text(
    "TSDB: blocking TS.READ (with BLOCK) is not allowed inside MULTI, EVAL, or a deny-blocking context",
);

pub(super) const READ: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    tips: &["dont_cache"],
    work: counted::NEWER,
    ..Spec::new("ts.read", read)
};

/// BLOCK and MAX_COUNT.
struct BlockOptions {
    /// Milliseconds, and the samples that end the wait.
    block: Option<(u64, usize)>,
    /// Samples at most.
    max: usize,
}

/// `TS.READ key timestamp [BLOCK milliseconds min_count] [MAX_COUNT max_count]`: the oldest samples
/// from a timestamp on; `-` is the earliest time, `+` the newest sample's timestamp, `$` the
/// timestamp after it. With BLOCK the command waits for `min_count` samples, for the time (0: for
/// ever), or for the removal of the key, and replies the samples that are there.
///
/// Reply: array of arrays of a timestamp and a value (RESP2: simple string), empty if the key is
/// missing. O(log chunks + samples).
fn read(call: &mut Call<'_>) -> CommandResult {
    if let Some(outcome) = thread::made(call) {
        return outcome;
    }
    let (args, key) = (call.args, call.args.at(1));
    let asked = BlockOptions::parse(args, call.name)?;
    let is_time_up = call.is_time_up();
    let literal = literal(args.at(2))?;
    let series = call.db.read::<TimeSeries>(key)?;
    let last = series.as_ref().and_then(|series| series.last());
    let is_missing = series.is_none();
    let cursor = literal.unwrap_or_else(|| match (last, args.at(2)) {
        (None, _) => 0,
        (Some(last), b"+") => last.timestamp,
        (Some(last), _) => last.timestamp + 1,
    });
    let is_enough = |min: usize| {
        let series = series.as_deref();
        series.is_some_and(|series| series.has_samples(cursor, min as u64))
    };
    match asked.block {
        Some((timeout_ms, min)) if !is_enough(min) && !is_time_up => {
            if call.is_retry() && is_missing {
                call.reply.array(0);
                return Ok(());
            }
            if !call.may_block() {
                return Err(MAY_NOT_BLOCK);
            }
            wait(call, cursor, timeout_ms);
        }
        _ => {
            let mut rows = RowsText::new(call.reply);
            if let Some(series) = call.db.peek::<TimeSeries>(key)? {
                let samples = series.samples_between(cursor, u64::MAX);
                // `+` and `$` have a meaning here alone, and read few samples.
                if literal.is_some() && thread::is_long(call, samples.min(asked.max as u64)) {
                    let excerpt = series.excerpt(cursor, u64::MAX);
                    return thread::leave(call, vec![(excerpt, None)], read_all);
                }
                push_rows(&series, cursor, asked.max, &mut rows);
            }
            rows.reply(call.reply);
        }
    }
    Ok(())
}

/// Makes the rows of a series from a timestamp on.
fn read_all(
    args: Args<'_>,
    name: &str,
    series: &[Column<'_>],
    rows: &mut RowsText,
) -> Result<(), CommandError> {
    let (asked, cursor) = (BlockOptions::parse(args, name)?, literal(args.at(2))?);
    if let Some(((series, _), cursor)) = series.first().zip(cursor) {
        push_rows(series, cursor, asked.max, rows);
    }
    Ok(())
}

fn push_rows(series: &Series, cursor: u64, max: usize, rows: &mut RowsText) {
    let mut left = max;
    let _ = series.scan(cursor, u64::MAX, |sample| {
        rows.push(sample.timestamp, &[sample.value]);
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
}

impl BlockOptions {
    /// Words that do not belong there make a wrong number of arguments, as in Redis.
    fn parse(args: Args<'_>, name: &str) -> Result<BlockOptions, CommandError> {
        let arity = || CommandError::WrongArity(name.to_owned());
        let (mut block, mut max) = (None, None);
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "BLOCK") && block.is_none() && at + 2 < args.len() {
                block = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if args.is(at, "MAX_COUNT") && max.is_none() && at + 1 < args.len() {
                max = Some(args.at(at + 1));
                at += 2;
            } else {
                return Err(arity());
            }
        }
        let block = match block {
            None => None,
            Some((timeout, min)) => {
                let both = parse_i64(timeout).zip(parse_i64(min)).ok_or(BAD_TIMEOUT)?;
                let timeout_ms = u64::try_from(both.0).map_err(|_| BAD_TIMEOUT)?;
                Some((timeout_ms, count(Some(both.1)).ok_or(BAD_MIN)?))
            }
        };
        let max = match max {
            None => usize::MAX,
            Some(max) => count(parse_i64(max)).ok_or(BAD_MAX)?,
        };
        if block.is_some_and(|(_, min)| min > max) {
            return Err(MIN_ABOVE_MAX);
        }
        Ok(BlockOptions { block, max })
    }
}

fn count(n: Option<i64>) -> Option<usize> {
    usize::try_from(n?).ok().filter(|n| *n > 0)
}

/// A timestamp that does not depend on the series.
fn literal(text: &[u8]) -> Result<Option<u64>, CommandError> {
    match text {
        b"-" => Ok(Some(0)),
        b"+" | b"$" => Ok(None),
        _ => {
            let n = parse_i64(text).and_then(|n| u64::try_from(n).ok());
            n.map(Some).ok_or(BAD_TIME)
        }
    }
}

/// Blocks the client on the series.
fn wait(call: &mut Call<'_>, cursor: u64, timeout_ms: u64) {
    let mut digits = itoa::Buffer::new();
    let mut args = OwnedArgs::new();
    for (at, arg) in call.args.iter().enumerate() {
        let word = if at == 2 {
            digits.format(cursor).as_bytes()
        } else {
            arg
        };
        args.push(word);
    }
    let keys = [call.args.at(1)];
    let until = (Type::TimeSeries, true);
    call.block_on_keys_as(args, &keys, until, timeout_ms, OnTimeout::Handler);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn text(reply: Vec<u8>) -> String {
        String::from_utf8(reply).expect("text")
    }

    /// `$` keeps the meaning that it had when the command came, and each reader gets all samples.
    #[test]
    fn readers_wait_until_there_are_enough_samples() {
        let mut t = Testbed::new();
        t.run("TS.ADD s 100 1");
        let (one, two) = (t.connect(), t.connect());
        assert_eq!(t.run_as(one, "TS.READ s $ BLOCK 0 2"), "");
        assert_eq!(t.run_as(two, "TS.READ s + BLOCK 0 2 MAX_COUNT 2"), "");
        t.run("TS.ADD s 200 2");
        assert!(t.take_reply(one).is_empty());
        let pair = |at, value| format!("*2\r\n:{at}\r\n+{value}\r\n");
        let both = format!("*2\r\n{}{}", pair(100, 1), pair(200, 2));
        assert_eq!(text(t.take_reply(two)), both);
        t.run("TS.MADD s 300 3 s 400 4");
        let all = format!("*3\r\n{}{}{}", pair(200, 2), pair(300, 3), pair(400, 4));
        assert_eq!(text(t.take_reply(one)), all);
    }

    #[test]
    fn readers_of_a_destination_wait_for_its_buckets() {
        let mut t = Testbed::new();
        for line in [
            "TS.CREATE s",
            "TS.CREATE d",
            "TS.CREATERULE s d AGGREGATION avg 10",
        ] {
            t.run(line);
        }
        let reader = t.connect();
        assert_eq!(t.run_as(reader, "TS.READ d - BLOCK 0 1"), "");
        t.run("TS.ADD s 1 1");
        assert!(t.take_reply(reader).is_empty());
        t.run("TS.INCRBY s 1 TIMESTAMP 15");
        assert_eq!(text(t.take_reply(reader)), "*1\r\n*2\r\n:0\r\n+1\r\n");
    }

    /// The removal of the key, and the end of the time, end a wait without an error.
    #[test]
    fn a_wait_ends_with_what_there_is() {
        for line in [
            "DEL s",
            "UNLINK s",
            "FLUSHALL",
            "FLUSHDB",
            "SET s x",
            "RENAME s other",
        ] {
            let mut t = Testbed::new();
            t.run("TS.ADD s 100 1");
            let reader = t.connect();
            assert_eq!(t.run_as(reader, "TS.READ s 0 BLOCK 0 5"), "");
            t.run(line);
            let expected = match line {
                "SET s x" => {
                    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
                }
                _ => "*0\r\n",
            };
            assert_eq!(text(t.take_reply(reader)), expected, "{line}");
        }
        let mut t = Testbed::new();
        t.run("TS.ADD s 100 1");
        let (one, two) = (t.connect(), t.connect());
        t.run_as(one, "TS.READ s 0 BLOCK 50 5");
        t.run_as(two, "TS.READ missing 0 BLOCK 50 1");
        t.advance_ms(60);
        t.time_out_blocked();
        assert_eq!(text(t.take_reply(one)), "*1\r\n*2\r\n:100\r\n+1\r\n");
        assert_eq!(text(t.take_reply(two)), "*0\r\n");
    }

    #[test]
    fn a_series_that_comes_wakes_its_readers() {
        let mut t = Testbed::new();
        let reader = t.connect();
        assert_eq!(t.run_as(reader, "TS.READ s $ BLOCK 0 1"), "");
        t.run("TS.CREATE s");
        assert!(t.take_reply(reader).is_empty());
        t.run("TS.ADD s 5 1");
        assert_eq!(text(t.take_reply(reader)), "*1\r\n*2\r\n:5\r\n+1\r\n");
    }
}
