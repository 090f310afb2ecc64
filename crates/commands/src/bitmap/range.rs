//! Ranges of a string in the syntax of BITCOUNT and BITPOS: `start end [BYTE | BIT]`.

use std::ops::RangeInclusive;

use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_config::Dialect;
use russet_resp::Args;

/// The unit of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    Bit,
}

/// A range as given; negative offsets count back from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitRange {
    pub start: i64,
    /// `None`: up to the string's end.
    pub end: Option<i64>,
    unit: Unit,
}

impl BitRange {
    /// From a unit to another, both inclusive.
    pub fn new(start: i64, end: i64, unit: Unit) -> BitRange {
        BitRange {
            start,
            end: Some(end),
            unit,
        }
    }

    /// The whole string.
    pub const ALL: BitRange = BitRange {
        start: 0,
        end: None,
        unit: Unit::Byte,
    };

    /// Parses the arguments from `at` on.
    pub fn parse(args: Args<'_>, at: usize, dialect: Dialect) -> Result<BitRange, CommandError> {
        let integer = |at| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
        let mut range = BitRange::ALL;
        if args.len() > at + 3 {
            return Err(CommandError::Syntax);
        }
        if args.len() > at {
            range.start = integer(at)?;
        }
        let unit = match () {
            _ if args.len() <= at + 2 || args.is(at + 2, "BYTE") => Ok(Unit::Byte),
            _ if args.is(at + 2, "BIT") => Ok(Unit::Bit),
            _ => Err(CommandError::Syntax),
        };
        if dialect.bit_unit_first() && unit.is_err() {
            return Err(CommandError::Syntax);
        }
        if args.len() > at + 1 {
            range.end = Some(integer(at + 1)?);
        }
        range.unit = unit?;
        Ok(range)
    }

    /// The bits of the range in a string of `len` bytes; `None` if it is empty.
    pub fn within(self, len: usize) -> Option<RangeInclusive<u64>> {
        let (units, bits) = match self.unit {
            Unit::Byte => (len as i64, 8),
            Unit::Bit => (len as i64 * 8, 1),
        };
        let from_start = |at: i64| if at < 0 { (units + at).max(0) } else { at };
        let start = from_start(self.start);
        let end = from_start(self.end.unwrap_or(-1)).min(units - 1);
        (start <= end).then(|| start as u64 * bits..=end as u64 * bits + bits - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_string() {
        let bytes = |start, end| {
            let range = BitRange {
                start,
                end,
                ..BitRange::ALL
            };
            range.within(4)
        };
        assert_eq!(bytes(0, None), Some(0..=31));
        assert_eq!(bytes(1, Some(1)), Some(8..=15));
        assert_eq!(bytes(-2, Some(-1)), Some(16..=31));
        assert_eq!(bytes(i64::MIN, Some(i64::MAX)), Some(0..=31));
        assert_eq!(bytes(4, None), None);
        assert_eq!(bytes(3, Some(2)), None);
        assert_eq!(bytes(0, Some(i64::MIN)), Some(0..=7));
        assert_eq!(BitRange::ALL.within(0), None);
        let bits = BitRange {
            start: -9,
            end: Some(-2),
            unit: Unit::Bit,
        };
        assert_eq!(bits.within(4), Some(23..=30));
    }
}
