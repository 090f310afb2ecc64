//! `ts-chunk-size-bytes`, `ts-ignore-max-val-diff` and `ts-compaction-policy`: time series that are
//! made without them.

use super::{Special, listed};
use crate::problem::refusal::ValueError;
use crate::words::Text;
use russet_base::numbers::{float, number};

/// `ts-chunk-size-bytes`: a multiple of 8 from 48 up to 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkSize(pub u32);

impl Special for ChunkSize {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let bytes = number::parse_digits(word).and_then(|n| u32::try_from(n).ok());
        let is_size = |n: &u32| (48..=1 << 20).contains(n) && n.is_multiple_of(8);
        self.0 = bytes.filter(is_size).ok_or(ValueError::NotAChunkSize)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// `ts-ignore-max-val-diff`: 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IgnoredChange(pub f64);

impl Special for IgnoredChange {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [word] = words else {
            return Err(ValueError::ArgumentCount);
        };
        let change = float::parse_double(word).filter(|change| *change >= 0.0);
        self.0 = change.ok_or(ValueError::NegativeDifference)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// `ts-compaction-policy`: the rules of time series that ADD, INCRBY and DECRBY make.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompactionPolicy(pub Vec<Compaction>);

/// A rule: `aggregator:bucket:retention[:align]`, times as numbers with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// A name of an aggregator.
    pub aggregator: &'static str,
    /// Milliseconds, more than 0.
    pub bucket_ms: u64,
    /// Of the destination.
    pub retention_ms: u64,
    /// A start of the buckets.
    pub align_ms: u64,
}

const AGGREGATORS: [&str; 15] = [
    "min", "max", "sum", "avg", "count", "first", "last", "range", "std.p", "std.s", "var.p",
    "var.s", "twa", "countnan", "countall",
];

/// Units, the largest first; `m` is a millisecond, and `M` a minute.
const UNITS: [(u8, u64); 5] = [
    (b'd', 86_400_000),
    (b'h', 3_600_000),
    (b'M', 60_000),
    (b's', 1000),
    (b'm', 1),
];

impl Special for CompactionPolicy {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let rules = match listed(words) {
            [] => Some(Vec::new()),
            [word] => {
                let rules = word.split(|byte| *byte == b';');
                let rules = rules.filter(|rule| !rule.is_empty());
                rules.map(compaction).collect()
            }
            _ => return Err(ValueError::ArgumentCount),
        };
        self.0 = rules.ok_or(ValueError::NotACompactionPolicy)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let rule = |rule: &Compaction| {
            let align = match rule.align_ms {
                0 => String::new(),
                align => format!(":{}", duration_text(align)),
            };
            let bucket = duration_text(rule.bucket_ms);
            let retention = duration_text(rule.retention_ms);
            format!("{}:{bucket}:{retention}{align}", rule.aggregator)
        };
        let rules: Vec<String> = self.0.iter().map(rule).collect();
        rules.join(";").into_bytes()
    }
}

fn compaction(text: &[u8]) -> Option<Compaction> {
    let mut parts = text.split(|byte| *byte == b':');
    let name = parts.next()?;
    let is_named = |known: &&&str| known.as_bytes().eq_ignore_ascii_case(name);
    let rule = Compaction {
        aggregator: AGGREGATORS.iter().find(is_named)?,
        bucket_ms: duration(parts.next()?).filter(|ms| *ms > 0)?,
        retention_ms: duration(parts.next()?)?,
        align_ms: match parts.next() {
            None => 0,
            Some(align) => duration(align)?,
        },
    };
    parts.next().is_none().then_some(rule)
}

fn duration(text: &[u8]) -> Option<u64> {
    let (unit, digits) = text.split_last()?;
    let (_, ms) = UNITS.iter().find(|(name, _)| name == unit)?;
    let n = number::parse_digits(digits)?;
    n.checked_mul(*ms).filter(|ms| i64::try_from(*ms).is_ok())
}

fn duration_text(ms: u64) -> String {
    let whole = |unit: &&(u8, u64)| ms.is_multiple_of(unit.1);
    let (name, unit) = UNITS.iter().find(whole).expect("1 divides all");
    format!("{}{}", ms / unit, char::from(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_policy_is_shown_in_the_largest_units() {
        let shown = |text: &str| {
            let mut policy = CompactionPolicy::default();
            policy.read(&[Text::from(text.as_bytes())], false).ok()?;
            Some(String::from_utf8(policy.text()).expect("text"))
        };
        for (text, expected) in [
            ("", ""),
            (
                "max:1m:1h:1m;min:10s:10d:0m;last:5M:10m;avg:2h:10d:1d;",
                "max:1m:1h:1m;min:10s:10d;last:5M:10m;avg:2h:10d:1d",
            ),
            ("MAX:60s:24h", "max:1M:1d"),
            ("countall:1h:0s", "countall:1h:0d"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "max",
            "max:",
            "max:1m",
            "max:1m:1",
            "max:0m:1h",
            "nope:1m:1h",
            "max:1x:1h",
            "max:-1m:1h",
            "max:1m:1h:1m:1m",
            "max:99999999999999999d:1h",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
