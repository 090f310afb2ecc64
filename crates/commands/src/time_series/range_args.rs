//! The options of ranges, in Redis's order of checks.
//!
//! The parser finds words anywhere and ignores unknown words, as in Redis.

use super::range::bounds;
use super::row::find;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Args;
use russet_timeseries::calendar::{Calendar, Unit, parse_span};
use russet_timeseries::range::{
    self, Aggregation, Allowance, EvenBuckets, Query, Stamp, TooManyValues,
};
use russet_timeseries::{Aggregator, Sample, Series};
use smallvec::SmallVec;

const NO_COUNT: CommandError = CommandError::Text("ERR TSDB: COUNT argument is missing");
const BAD_COUNT: CommandError = CommandError::Text("ERR TSDB: Couldn't parse COUNT");
const WRONG_COUNT: CommandError = CommandError::Text("ERR TSDB: Invalid COUNT value");
pub(super) const BAD_AGGREGATION: CommandError =
    CommandError::Text("ERR TSDB: Couldn't parse AGGREGATION");
const UNKNOWN_AGGREGATOR: CommandError = CommandError::Text("ERR TSDB: Unknown aggregation type");
const EMPTY_AGGREGATOR: CommandError =
    CommandError::Text("ERR TSDB: Empty aggregation type in list");
pub(super) const BAD_DURATION: CommandError =
    CommandError::Text("ERR TSDB: bucketDuration must be greater than zero");
const UNKNOWN_ZONE: CommandError = CommandError::Text("ERR TSDB: unknown time zone");
const ZONE_OF_MS: CommandError = CommandError::Text(
    "ERR TSDB: TZ can only be used with a bucketDuration of days, weeks, months or years",
);
const OTHER_NUMBER: CommandError =
    CommandError::Text("ERR TSDB: the number of AGGREGATION arguments must be equal to numkeys");
const BAD_STAMP: CommandError = CommandError::Text("ERR TSDB: unknown BUCKETTIMESTAMP parameter");
const MISPLACED_STAMP: CommandError = CommandError::Text(
    "ERR TSDB: BUCKETTIMESTAMP flag should be the 3rd or 4th flag after AGGREGATION flag",
);
const MISPLACED_EMPTY: CommandError =
    CommandError::Text("ERR TSDB: EMPTY flag should be the 3rd or 5th flag after AGGREGATION flag");
const BAD_ALIGN: CommandError = CommandError::Text("ERR TSDB: unknown ALIGN parameter");
const ALIGN_ALONE: CommandError =
    CommandError::Text("ERR TSDB: ALIGN parameter can only be used with AGGREGATION");
const NO_START: CommandError =
    CommandError::Text("ERR TSDB: start alignment can only be used with explicit start timestamp");
const NO_END: CommandError =
    CommandError::Text("ERR TSDB: end alignment can only be used with explicit end timestamp");
const NO_VALUES: CommandError =
    CommandError::Text("ERR TSDB: FILTER_BY_VALUE one or more arguments are missing");
const BAD_MIN: CommandError = CommandError::Text("ERR TSDB: Couldn't parse MIN");
const BAD_MAX: CommandError = CommandError::Text("ERR TSDB: Couldn't parse MAX");
const NO_TIMES: CommandError =
    CommandError::Text("ERR TSDB: FILTER_BY_TS one or more arguments are missing");

/// Timestamps of FILTER_BY_TS that are read.
const TIMES_MAX: usize = 128;

/// See the module.
pub(super) struct RangeArgs {
    from: u64,
    to: u64,
    count: usize,
    /// The open bucket of a destination is asked, too.
    pub latest: bool,
    timestamps: Option<Vec<u64>>,
    values: Option<(f64, f64)>,
    aggregation: Option<Buckets>,
}

/// Aggregators of a series.
pub(super) type List = SmallVec<[Aggregator; 2]>;

/// The options of AGGREGATION.
pub(super) struct Buckets {
    /// A single list, or a list for each key.
    lists: SmallVec<[List; 1]>,
    spans: Spans,
    stamp: Stamp,
    empty: bool,
}

/// The times of buckets.
enum Spans {
    Even(EvenBuckets),
    Calendar(Box<Calendar>),
}

impl Spans {
    /// Has a bucket begin at a timestamp.
    fn align(&mut self, align: i64) {
        match self {
            Spans::Even(even) => even.align = align,
            Spans::Calendar(calendar) => calendar.align(align),
        }
    }

    fn buckets(&self) -> &dyn range::Buckets {
        match self {
            Spans::Even(even) => even,
            Spans::Calendar(calendar) => &**calendar,
        }
    }
}

impl RangeArgs {
    /// From the words of a command whose range begins at the argument `from`.
    pub(super) fn parse(
        args: Args<'_>,
        from: usize,
        name: &str,
    ) -> Result<RangeArgs, CommandError> {
        RangeArgs::parse_for(args, from, None, name)
    }

    /// As [`RangeArgs::parse`], of a command whose AGGREGATION has an argument for each key.
    pub(super) fn parse_for(
        args: Args<'_>,
        from: usize,
        keys: Option<usize>,
        name: &str,
    ) -> Result<RangeArgs, CommandError> {
        let (start, end) = (args.at(from), args.at(from + 1));
        let (from_time, to) = bounds(start, end)?;
        let options = from + 2;
        let aggregation = find(args, options, "AGGREGATION");
        let count = count(args, options, aggregation.map(|at| (at, keys.unwrap_or(1))))?;
        let mut buckets = match aggregation {
            None => None,
            Some(at) => Some(Buckets::parse(args, options, (at, keys), name)?),
        };
        if let Some(at) = find(args, options, "ALIGN") {
            let word = args.get(at + 1);
            let word = word.ok_or_else(|| CommandError::WrongArity(name.to_owned()))?;
            let buckets = buckets.as_mut().ok_or(ALIGN_ALONE)?;
            let is_start = word == b"-" || args.is(at + 1, "start");
            let is_end = word == b"+" || args.is(at + 1, "end");
            let align = match parse_i64(word) {
                _ if is_start && start == b"-" => return Err(NO_START),
                _ if is_start => from_time as i64,
                _ if is_end && end == b"+" => return Err(NO_END),
                _ if is_end => to as i64,
                Some(align @ 0..) => align,
                _ => return Err(BAD_ALIGN),
            };
            buckets.spans.align(align);
        }
        let values = match find(args, options, "FILTER_BY_VALUE") {
            None => None,
            Some(at) => {
                let (min, max) = (args.get(at + 1), args.get(at + 2));
                let (min, max) = min.zip(max).ok_or(NO_VALUES)?;
                let min = parse_double(min).ok_or(BAD_MIN)?;
                Some((min, parse_double(max).ok_or(BAD_MAX)?))
            }
        };
        let timestamps = match find(args, options, "FILTER_BY_TS") {
            None => None,
            Some(at) => Some(timestamps(args.from(at + 1))?),
        };
        Ok(RangeArgs {
            from: from_time,
            to,
            count,
            latest: find(args, options, "LATEST").is_some(),
            timestamps,
            values,
            aggregation: buckets,
        })
    }

    /// The aggregators, none without AGGREGATION.
    pub(super) fn aggregators(&self) -> &[Aggregator] {
        self.aggregators_of(0)
    }

    /// The aggregators of a key.
    fn aggregators_of(&self, key: usize) -> &[Aggregator] {
        let buckets = self.aggregation.as_ref();
        let list = buckets.and_then(|buckets| buckets.lists.get(key));
        list.map_or(&[], |list| list.as_slice())
    }

    /// Values of a row.
    pub(super) fn width(&self) -> usize {
        self.width_of(0)
    }

    /// Values of a row of a key.
    pub(super) fn width_of(&self, key: usize) -> usize {
        self.aggregators_of(key).len().max(1)
    }

    /// The work that the rows of a series take, in samples; with that of buckets without any.
    pub(super) fn work(&self, series: &Series, key: usize) -> u64 {
        let samples = series.samples_between(self.from, self.to);
        let aggregators = self.aggregators_of(key);
        if aggregators.is_empty() && self.timestamps.is_none() && self.values.is_none() {
            return samples.min(self.count as u64);
        }
        let is_filled = self
            .aggregation
            .as_ref()
            .is_some_and(|buckets| buckets.empty);
        let filled = match (is_filled, samples) {
            (true, 1..) => range::EMPTY_VALUES_MAX.min(self.count) as u64,
            _ => 0,
        };
        let width = aggregators.len().max(1) as u64;
        samples.saturating_mul(width).saturating_add(filled)
    }

    /// A copy of the samples from which the rows of a series are made: of all samples, if the rows
    /// depend on samples beyond the range.
    pub(super) fn excerpt(&self, series: &Series, key: usize) -> Series {
        let is_beyond = |one: &Aggregator| matches!(one, Aggregator::Twa | Aggregator::Last);
        if self.aggregators_of(key).iter().any(is_beyond) {
            return series.clone();
        }
        series.excerpt(self.from, self.to)
    }

    /// The first and the last timestamp.
    pub(super) fn bounds(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    /// Rows at most.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Calls `row` with the time and the values of each row of a series, with `extra` after the
    /// series' samples. `allowance`: of all series of the command.
    pub(super) fn run(
        &self,
        series: &Series,
        extra: Option<Sample>,
        backwards: bool,
        allowance: &Allowance,
        row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        self.run_up_to((self.count, allowance), (series, extra), 0, backwards, row)
    }

    /// As [`RangeArgs::run`], with the aggregators of a key.
    pub(super) fn run_of(
        &self,
        key: usize,
        (series, extra): (&Series, Option<Sample>),
        backwards: bool,
        allowance: &Allowance,
        row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        let most = (self.count, allowance);
        self.run_up_to(most, (series, extra), key, backwards, row)
    }

    /// As [`RangeArgs::run`], however many rows there are.
    pub(super) fn run_all(
        &self,
        series: &Series,
        extra: Option<Sample>,
        backwards: bool,
        allowance: &Allowance,
        row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        let most = (usize::MAX, allowance);
        self.run_up_to(most, (series, extra), 0, backwards, row)
    }

    fn run_up_to(
        &self,
        (count, allowance): (usize, &Allowance),
        (series, extra): (&Series, Option<Sample>),
        key: usize,
        backwards: bool,
        row: impl FnMut(u64, &[f64]),
    ) -> Result<(), TooManyValues> {
        let aggregation = self.aggregation.as_ref().map(|buckets| Aggregation {
            aggregators: self.aggregators_of(key),
            buckets: buckets.spans.buckets(),
            stamp: buckets.stamp,
            empty: buckets.empty,
            allowance,
        });
        let query = Query {
            from: self.from,
            to: self.to,
            backwards,
            timestamps: self.timestamps.as_deref(),
            values: self.values,
            count,
            aggregation: aggregation.as_ref(),
            extra,
        };
        query.run(series, row)
    }
}

impl Buckets {
    fn parse(
        args: Args<'_>,
        options: usize,
        (at, keys): (usize, Option<usize>),
        name: &str,
    ) -> Result<Buckets, CommandError> {
        let is_duration = |word: &usize| Duration::parse(args.at(*word)).is_some();
        let end = match keys {
            None => at + 2,
            Some(_) => {
                let end = (at + 1..args.len()).find(is_duration);
                end.ok_or(BAD_AGGREGATION)?
            }
        };
        let duration = args.get(end).and_then(Duration::parse);
        let duration = duration.ok_or(BAD_AGGREGATION)?;
        if end != at + 1 + keys.unwrap_or(1) {
            return Err(OTHER_NUMBER);
        }
        let lists = (at + 1..end).map(|word| list(args.at(word)));
        let lists = lists.collect::<Result<_, _>>()?;
        let zone = args.get(end + 2).filter(|_| args.is(end + 1, "TZ"));
        let spans = duration.spans(zone)?;
        // The other options follow the zone.
        let end = if zone.is_some() { end + 2 } else { end };
        let stamp = match find(args, options, "BUCKETTIMESTAMP") {
            None => Stamp::Start,
            Some(found) => {
                let word = args.get(found + 1);
                let word = word.ok_or_else(|| CommandError::WrongArity(name.to_owned()))?;
                if found != end + 1 && found != end + 2 {
                    return Err(MISPLACED_STAMP);
                }
                match word {
                    b"-" => Stamp::Start,
                    b"~" => Stamp::Mid,
                    b"+" => Stamp::End,
                    _ if args.is(found + 1, "start") => Stamp::Start,
                    _ if args.is(found + 1, "mid") => Stamp::Mid,
                    _ if args.is(found + 1, "end") => Stamp::End,
                    _ => return Err(BAD_STAMP),
                }
            }
        };
        let empty = find(args, options, "EMPTY");
        if empty.is_some_and(|found| found != end + 1 && found != end + 3) {
            return Err(MISPLACED_EMPTY);
        }
        Ok(Buckets {
            lists,
            spans,
            stamp,
            empty: empty.is_some(),
        })
    }
}

/// The length of buckets.
enum Duration {
    Ms(i64),
    /// Of russet's own.
    Calendar((i64, Unit)),
}

impl Duration {
    fn parse(word: &[u8]) -> Option<Duration> {
        let ms = parse_i64(word).map(Duration::Ms);
        ms.or_else(|| parse_span(word).map(Duration::Calendar))
    }

    /// The spans, in the time zone of this name, if the command names a time zone.
    fn spans(self, zone: Option<&[u8]>) -> Result<Spans, CommandError> {
        match self {
            Duration::Ms(..=0) => Err(BAD_DURATION),
            Duration::Ms(_) if zone.is_some() => Err(ZONE_OF_MS),
            Duration::Ms(duration) => Ok(Spans::Even(EvenBuckets { duration, align: 0 })),
            Duration::Calendar(span) => {
                let calendar = Calendar::new(span, zone.unwrap_or(b"UTC"));
                let calendar = calendar.map_err(|_| UNKNOWN_ZONE)?;
                Ok(Spans::Calendar(Box::new(calendar)))
            }
        }
    }
}

/// The aggregators that a word names, with commas between them.
fn list(word: &[u8]) -> Result<List, CommandError> {
    let names = word.split(|byte| *byte == b',');
    names.map(aggregator).collect()
}

/// The aggregator of a name.
pub(super) fn aggregator(name: &[u8]) -> Result<Aggregator, CommandError> {
    if name.is_empty() {
        return Err(EMPTY_AGGREGATOR);
    }
    Aggregator::by_name(name).ok_or(UNKNOWN_AGGREGATOR)
}

/// COUNT, which after AGGREGATION, whose place and keys are given, is an aggregator.
fn count(
    args: Args<'_>,
    options: usize,
    aggregation: Option<(usize, usize)>,
) -> Result<usize, CommandError> {
    let is_aggregator = |at: usize| {
        aggregation.is_some_and(|(before, keys)| (before + 1..=before + keys).contains(&at))
    };
    let found = (options..args.len()).find(|at| args.is(*at, "COUNT") && !is_aggregator(*at));
    let Some(at) = found else {
        return Ok(usize::MAX);
    };
    let n = parse_i64(args.get(at + 1).ok_or(NO_COUNT)?).ok_or(BAD_COUNT)?;
    usize::try_from(n)
        .ok()
        .filter(|n| *n > 0)
        .ok_or(WRONG_COUNT)
}

/// The numbers with which words begin, sorted.
fn timestamps(words: Args<'_>) -> Result<Vec<u64>, CommandError> {
    let times = words
        .iter()
        .map_while(|word| u64::try_from(parse_i64(word)?).ok());
    let mut times: Vec<u64> = times.take(TIMES_MAX).collect();
    if times.is_empty() {
        return Err(NO_TIMES);
    }
    times.sort_unstable();
    times.dedup();
    Ok(times)
}
