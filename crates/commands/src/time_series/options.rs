//! How a series is kept: the options of CREATE, ALTER, ADD and INCRBY.
//!
//! The parser finds words anywhere after the key, and ignores unknown words, as in Redis; LABELS
//! takes all later words as pairs, also words with a meaning.

use super::row::find;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_config::{Config, SeriesEncoding, SeriesPolicy};
use russet_resp::Args;
use russet_timeseries::{Labels, Options, Policy};
use russet_types::TimeSeries;

const BAD_LABELS: CommandError = CommandError::Text("ERR TSDB: Couldn't parse LABELS");
const BAD_RETENTION: CommandError = CommandError::Text("ERR TSDB: Couldn't parse RETENTION");
/// As Redis has it, without a code.
const NEGATIVE_RETENTION: CommandError = CommandError::Text("TSDB: Couldn't parse RETENTION");
const BAD_SIZE: CommandError = CommandError::Text("ERR TSDB: Couldn't parse CHUNK_SIZE");
const WRONG_SIZE: CommandError = CommandError::Text(
    "ERR TSDB: CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]",
);
const BAD_ENCODING: CommandError = CommandError::Text("ERR TSDB: unknown ENCODING parameter");
const NO_POLICY: CommandError = CommandError::Text("ERR TSDB: Couldn't parse DUPLICATE_POLICY");
const BAD_POLICY: CommandError = CommandError::Text("ERR TSDB: Unknown DUPLICATE_POLICY");
const BAD_IGNORE: CommandError = CommandError::Text("ERR TSDB: Couldn't parse IGNORE");
const NEGATIVE_IGNORE: CommandError =
    CommandError::Text("ERR TSDB: IGNORE arguments cannot be negative");

/// Bytes of a chunk.
const CHUNK_BYTES: std::ops::RangeInclusive<i64> = 48..=1 << 20;

/// The options of a command; `None`: the command does not have the option.
#[derive(Default)]
pub(super) struct SeriesOptions<'a> {
    retention_ms: Option<u64>,
    chunk_bytes: Option<u32>,
    is_packed: Option<bool>,
    policy: Option<Policy>,
    ignored: Option<(u64, f64)>,
    /// Pairs.
    labels: Option<Args<'a>>,
}

impl<'a> SeriesOptions<'a> {
    /// From the words after the first `from` arguments, in Redis's order of checks.
    pub(super) fn parse(
        args: Args<'a>,
        from: usize,
        name: &str,
    ) -> Result<SeriesOptions<'a>, CommandError> {
        if args.len() == from {
            return Ok(SeriesOptions::default());
        }
        let find = |word| find(args, from, word);
        Ok(SeriesOptions {
            labels: labels(args, find("LABELS"))?,
            retention_ms: match find("RETENTION") {
                None => None,
                Some(at) => Some(retention(args.get(at + 1))?),
            },
            chunk_bytes: match find("CHUNK_SIZE") {
                None => None,
                Some(at) => Some(chunk_bytes(args.get(at + 1))?),
            },
            is_packed: encoding(args, from, name)?,
            policy: policy(args, find("DUPLICATE_POLICY"))?,
            ignored: match find("IGNORE") {
                None => None,
                Some(at) => Some(ignored(args.get(at + 1), args.get(at + 2))?),
            },
        })
    }

    /// The options of a new series.
    fn options(&self, config: &Config) -> Options {
        self.change(defaults(config))
    }

    /// The given options, changed as the command asks.
    fn change(&self, options: Options) -> Options {
        let ignored = (options.ignored_ms, options.ignored_change);
        let (ignored_ms, ignored_change) = self.ignored.unwrap_or(ignored);
        Options {
            retention_ms: self.retention_ms.unwrap_or(options.retention_ms),
            chunk_bytes: self.chunk_bytes.unwrap_or(options.chunk_bytes),
            is_packed: self.is_packed.unwrap_or(options.is_packed),
            policy: self.policy.or(options.policy),
            ignored_ms,
            ignored_change,
        }
    }

    /// The labels that are asked, perhaps none.
    pub(super) fn labels(&self) -> Option<Labels> {
        let pairs = self.labels?;
        let names = (0..pairs.len() / 2).map(|pair| (pairs.at(2 * pair), pairs.at(2 * pair + 1)));
        Some(Labels::new(names))
    }

    /// A new series.
    pub(super) fn series(&self, config: &Config) -> TimeSeries {
        let labels = self.labels().unwrap_or_default();
        russet_timeseries::Series::new(self.options(config), labels).into()
    }

    /// Changes the options of an existing series, except the labels.
    pub(super) fn alter(&self, series: &mut TimeSeries) {
        let options = self.change(*series.options());
        series.set_options(options);
    }
}

/// The options that the settings give to a new series.
pub(super) fn defaults(config: &Config) -> Options {
    Options {
        retention_ms: config.ts_retention_policy,
        chunk_bytes: config.ts_chunk_size_bytes.0,
        is_packed: config.ts_encoding == SeriesEncoding::Compressed,
        policy: None,
        ignored_ms: config.ts_ignore_max_time_diff,
        ignored_change: config.ts_ignore_max_val_diff.0,
    }
}

/// The policy of a series for a second sample at a timestamp, by the series' options or the
/// settings.
pub(super) fn policy_of(series: &TimeSeries, config: &Config) -> Policy {
    let usual = || match config.ts_duplicate_policy {
        SeriesPolicy::Block => Policy::Block,
        SeriesPolicy::Last => Policy::Last,
        SeriesPolicy::First => Policy::First,
        SeriesPolicy::Min => Policy::Min,
        SeriesPolicy::Max => Policy::Max,
        SeriesPolicy::Sum => Policy::Sum,
    };
    series.options().policy.unwrap_or_else(usual)
}

/// The policy that a word names, after the word at an index.
pub(super) fn policy(args: Args<'_>, at: Option<usize>) -> Result<Option<Policy>, CommandError> {
    let Some(at) = at else {
        return Ok(None);
    };
    let word = args.get(at + 1).ok_or(NO_POLICY)?;
    Policy::by_name(word).map(Some).ok_or(BAD_POLICY)
}

/// The labels after the word at an index, without an odd last word.
fn labels(args: Args<'_>, at: Option<usize>) -> Result<Option<Args<'_>>, CommandError> {
    let Some(at) = at else {
        return Ok(None);
    };
    let rest = args.from(at + 1);
    let pairs = rest.first(rest.len() / 2 * 2);
    for at in (0..pairs.len()).step_by(2) {
        let (name, value) = (pairs.at(at), pairs.at(at + 1));
        let is_list = value.iter().any(|byte| b"(),".contains(byte));
        if name.is_empty() || value.is_empty() || is_list {
            return Err(BAD_LABELS);
        }
    }
    Ok(Some(pairs))
}

fn retention(text: Option<&[u8]>) -> Result<u64, CommandError> {
    let n = text.and_then(parse_i64).ok_or(BAD_RETENTION)?;
    u64::try_from(n).map_err(|_| NEGATIVE_RETENTION)
}

fn chunk_bytes(text: Option<&[u8]>) -> Result<u32, CommandError> {
    let n = text.and_then(parse_i64).ok_or(BAD_SIZE)?;
    if CHUNK_BYTES.contains(&n) && n % 8 == 0 {
        Ok(n as u32)
    } else {
        Err(WRONG_SIZE)
    }
}

/// Whether chunks are compressed, by ENCODING or by COMPRESSED or UNCOMPRESSED alone.
fn encoding(args: Args<'_>, from: usize, name: &str) -> Result<Option<bool>, CommandError> {
    let of = |at: usize| match at {
        at if args.is(at, "COMPRESSED") => Some(true),
        at if args.is(at, "UNCOMPRESSED") => Some(false),
        _ => None,
    };
    if let Some(at) = find(args, from, "ENCODING") {
        if at + 1 == args.len() {
            return Err(CommandError::WrongArity(name.to_owned()));
        }
        return of(at + 1).map(Some).ok_or(BAD_ENCODING);
    }
    if find(args, from, "UNCOMPRESSED").is_some() {
        return Ok(Some(false));
    }
    Ok(find(args, from, "COMPRESSED").map(|_| true))
}

fn ignored(time: Option<&[u8]>, change: Option<&[u8]>) -> Result<(u64, f64), CommandError> {
    let time = time.and_then(parse_i64).ok_or(BAD_IGNORE)?;
    let change = change.and_then(parse_double).ok_or(BAD_IGNORE)?;
    match u64::try_from(time) {
        Ok(time) if change >= 0.0 => Ok((time, change)),
        _ => Err(NEGATIVE_IGNORE),
    }
}
