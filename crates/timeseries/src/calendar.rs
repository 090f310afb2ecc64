//! Buckets of days, weeks, months or years in a time zone.
//!
//!     bucket n:  anchor + n * (so many days, weeks, months or years), as clocks there show it
//!
//! Without an anchor of its own a bucket begins at midnight: of each day from 1970-01-01 on, of
//! Mondays, of the first of a month or a year, counted from 1970 if a bucket is several of them. A
//! day with a change of clocks has 23 or 25 hours. If clocks skip a start, the bucket begins after
//! the gap; if they show a start twice, the bucket begins the first time.
//!
//! Years end with 9999: all later timestamps are in the last bucket of that year.
//!
//! Cost: the rules of a zone are read from the system's database, or from the built-in database if
//! there is none, when a query first names the zone, and kept. A bucket costs some 100 ns.

use crate::range::Buckets;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// See the module.
#[derive(Clone, Debug)]
pub struct Calendar {
    every: i64,
    unit: Unit,
    zone: TimeZone,
    anchor: DateTime,
}

/// The unit of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From midnight to midnight.
    Day,
    /// Seven days, from Monday on.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// There is no such time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone")]
pub struct NoZone;

/// The greatest multiple.
pub const MULTIPLE_MAX: i64 = 9999;

/// A multiple of a unit: `1d`, `2w`, `3mo`, `1y`. `None`: the text is no such thing.
pub fn parse_span(text: &[u8]) -> Option<(i64, Unit)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits);
    let unit = match unit {
        b"d" => Unit::Day,
        b"w" => Unit::Week,
        b"mo" => Unit::Month,
        b"y" => Unit::Year,
        _ => return None,
    };
    let n: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (1..=MULTIPLE_MAX).contains(&n).then_some((n, unit))
}

impl Calendar {
    /// Multiples of a unit, in a zone of the database of time zones.
    pub fn new((every, unit): (i64, Unit), zone: &[u8]) -> Result<Calendar, NoZone> {
        let zone = std::str::from_utf8(zone).map_err(|_| NoZone)?;
        let zone = TimeZone::get(zone).map_err(|_| NoZone)?;
        let anchor = match unit {
            // A Monday.
            Unit::Week => date(1970, 1, 5),
            Unit::Day | Unit::Month | Unit::Year => date(1970, 1, 1),
        };
        Ok(Calendar {
            every,
            unit,
            zone,
            anchor: anchor.at(0, 0, 0, 0),
        })
    }

    /// Has a bucket begin at a timestamp. In a month that is too short, the last day replaces the
    /// day.
    pub fn align(&mut self, timestamp: i64) {
        self.anchor = self.zone.to_datetime(instant(timestamp));
    }

    /// The start of a bucket.
    fn start(&self, n: i64) -> i64 {
        let beyond = if n > 0 { i64::MAX } else { i64::MIN };
        let span = Span::new();
        let span = n.checked_mul(self.every).and_then(|n| {
            let span = match self.unit {
                Unit::Day => span.try_days(n),
                Unit::Week => span.try_weeks(n),
                Unit::Month => span.try_months(n),
                Unit::Year => span.try_years(n),
            };
            span.ok()
        });
        let time = span.and_then(|span| self.anchor.checked_add(span).ok());
        let start = time.and_then(|time| self.zone.to_timestamp(time).ok());
        start.map_or(beyond, |start| start.as_millisecond())
    }

    /// The number of the bucket of a date, give or take 1.
    fn guess(&self, time: DateTime) -> i64 {
        let (from, to) = (self.anchor.date(), time.date());
        let days = || from.until(to).map_or(0, |span| i64::from(span.get_days()));
        let years = || i64::from(to.year()) - i64::from(from.year());
        let months = || years() * 12 + i64::from(to.month()) - i64::from(from.month());
        let units = match self.unit {
            Unit::Day => days(),
            Unit::Week => days().div_euclid(7),
            Unit::Month => months(),
            Unit::Year => years(),
        };
        units.div_euclid(self.every)
    }
}

/// A timestamp, the last timestamp for dates after it.
fn instant(timestamp: i64) -> Timestamp {
    let last = Timestamp::MAX;
    Timestamp::from_millisecond(timestamp.min(last.as_millisecond())).unwrap_or(Timestamp::MIN)
}

impl Buckets for Calendar {
    fn around(&self, timestamp: i64) -> (i64, i64) {
        let mut n = self.guess(self.zone.to_datetime(instant(timestamp)));
        let (mut start, mut end) = (self.start(n), self.start(n + 1));
        while start > timestamp {
            n -= 1;
            (start, end) = (self.start(n), start);
        }
        while end <= timestamp && end < i64::MAX {
            n += 1;
            (start, end) = (end, self.start(n + 1));
        }
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calendar(span: &[u8], zone: &str) -> Calendar {
        Calendar::new(parse_span(span).expect("a span"), zone.as_bytes()).expect("a zone")
    }

    fn at(text: &str) -> i64 {
        let time: Timestamp = text.parse().expect("a time");
        time.as_millisecond()
    }

    /// The bucket of a time, as text.
    fn bucket(span: &[u8], zone: &str, time: &str) -> (String, String) {
        let (start, end) = calendar(span, zone).around(at(time));
        let text = |ms| Timestamp::from_millisecond(ms).expect("a time").to_string();
        (text(start), text(end))
    }

    #[test]
    fn buckets_are_those_of_clocks() {
        for (span, zone, time, start, end) in [
            // A day of 23 hours, and a day of 25.
            (
                "1d",
                "Europe/Berlin",
                "2024-03-31T12:00:00Z",
                "2024-03-30T23:00:00Z",
                "2024-03-31T22:00:00Z",
            ),
            (
                "1d",
                "Europe/Berlin",
                "2024-10-27T00:30:00Z",
                "2024-10-26T22:00:00Z",
                "2024-10-27T23:00:00Z",
            ),
            (
                "1d",
                "Europe/Berlin",
                "2024-10-27T23:00:00Z",
                "2024-10-27T23:00:00Z",
                "2024-10-28T23:00:00Z",
            ),
            // Midnight was skipped there.
            (
                "1d",
                "America/Sao_Paulo",
                "2017-10-15T03:00:00Z",
                "2017-10-15T03:00:00Z",
                "2017-10-16T02:00:00Z",
            ),
            (
                "1d",
                "America/Sao_Paulo",
                "2017-10-15T02:59:59Z",
                "2017-10-14T03:00:00Z",
                "2017-10-15T03:00:00Z",
            ),
            // Midnight came twice.
            (
                "1d",
                "America/Havana",
                "2023-11-05T05:30:00Z",
                "2023-11-05T04:00:00Z",
                "2023-11-06T05:00:00Z",
            ),
            (
                "1w",
                "Europe/Berlin",
                "2024-04-03T00:00:00Z",
                "2024-03-31T22:00:00Z",
                "2024-04-07T22:00:00Z",
            ),
            (
                "1mo",
                "Europe/Berlin",
                "2024-02-29T22:59:59Z",
                "2024-01-31T23:00:00Z",
                "2024-02-29T23:00:00Z",
            ),
            (
                "1mo",
                "Europe/Berlin",
                "2024-03-15T00:00:00Z",
                "2024-02-29T23:00:00Z",
                "2024-03-31T22:00:00Z",
            ),
            (
                "3mo",
                "UTC",
                "2024-05-05T00:00:00Z",
                "2024-04-01T00:00:00Z",
                "2024-07-01T00:00:00Z",
            ),
            (
                "1y",
                "Asia/Tokyo",
                "2023-12-31T15:00:00Z",
                "2023-12-31T15:00:00Z",
                "2024-12-31T15:00:00Z",
            ),
            (
                "2d",
                "UTC",
                "1970-01-02T05:00:00Z",
                "1970-01-01T00:00:00Z",
                "1970-01-03T00:00:00Z",
            ),
            (
                "1d",
                "America/New_York",
                "1970-01-01T00:00:00Z",
                "1969-12-31T05:00:00Z",
                "1970-01-01T05:00:00Z",
            ),
        ] {
            let expected = (start.to_owned(), end.to_owned());
            assert_eq!(
                bucket(span.as_bytes(), zone, time),
                expected,
                "{span} {zone} {time}"
            );
        }
    }

    #[test]
    fn a_bucket_begins_at_the_anchor() {
        let mut calendar = calendar(b"1mo", "UTC");
        calendar.align(at("2024-01-31T12:00:00Z"));
        let bucket = calendar.around(at("2024-03-01T00:00:00Z"));
        assert_eq!(
            bucket,
            (at("2024-02-29T12:00:00Z"), at("2024-03-31T12:00:00Z"))
        );
    }

    #[test]
    fn spans_and_zones_are_checked() {
        for text in [
            "",
            "d",
            "0d",
            "1",
            "1m",
            "1h",
            "1D",
            "1mon",
            "10000d",
            "-1d",
            "99999999999999999999y",
        ] {
            assert_eq!(parse_span(text.as_bytes()), None, "{text}");
        }
        for zone in [&b"Nowhere"[..], b"", b"\xff", b"../../etc/passwd"] {
            assert!(Calendar::new((1, Unit::Day), zone).is_err());
        }
    }

    proptest! {
        #[test]
        fn buckets_follow_each_other(
            timestamp in prop_oneof![0..i64::MAX, 0..4_000_000_000_000_i64],
            every in 1..40_i64,
            unit in proptest::sample::select(vec![Unit::Day, Unit::Week, Unit::Month, Unit::Year]),
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"]),
            align in proptest::option::of(0..4_000_000_000_000_i64),
        ) {
            let mut calendar = Calendar::new((every, unit), zone.as_bytes()).expect("a zone");
            if let Some(align) = align {
                calendar.align(align);
            }
            let (start, end) = calendar.around(timestamp);
            prop_assert!(start <= timestamp && (timestamp < end || end == i64::MAX));
            prop_assert_eq!(calendar.around(start), (start, end));
            if end < i64::MAX {
                prop_assert_eq!(calendar.around(end - 1), (start, end));
                prop_assert_eq!(calendar.around(end).0, end);
            }
        }
    }
}
