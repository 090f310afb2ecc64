//! Ranges of scores, of members and of ranks: what they mean, and where they begin and end.

use crate::base::float::parse_score_bound;
use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::types::{Container, Zset};

/// Scores between two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreRange {
    min: f64,
    min_excluded: bool,
    max: f64,
    max_excluded: bool,
}

impl ScoreRange {
    pub fn parse(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
        let bound = |text| parse_score_bound(text).ok_or(CommandError::MinMaxNotFloat);
        let (min, min_excluded) = bound(min)?;
        let (max, max_excluded) = bound(max)?;
        Ok(ScoreRange {
            min,
            min_excluded,
            max,
            max_excluded,
        })
    }

    /// The rank of the first element that is not below the range.
    pub fn start(&self, zset: &Zset) -> usize {
        zset.count_below(self.min, self.min_excluded)
    }

    /// The rank of the first element that is above the range.
    pub fn end(&self, zset: &Zset) -> usize {
        zset.count_below(self.max, !self.max_excluded)
    }

    #[inline]
    pub fn is_above_min(&self, score: f64) -> bool {
        if self.min_excluded {
            score > self.min
        } else {
            score >= self.min
        }
    }

    #[inline]
    pub fn is_below_max(&self, score: f64) -> bool {
        if self.max_excluded {
            score < self.max
        } else {
            score <= self.max
        }
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexBound<'a> {
    /// `-`: before every member.
    Least,
    /// `+`: behind every member.
    Greatest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Result<LexBound<'a>, CommandError> {
        // A NUL byte ends what Redis compares with `-` and `+`.
        match text {
            [b'-'] | [b'-', 0, ..] => Ok(LexBound::Least),
            [b'+'] | [b'+', 0, ..] => Ok(LexBound::Greatest),
            [b'[', member @ ..] => Ok(LexBound::Included(member)),
            [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
            _ => Err(CommandError::MinMaxNotLexRange),
        }
    }
}

/// Members between two ends, in a set whose scores are all equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct LexRange<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
        Ok(LexRange {
            min: LexBound::parse(min)?,
            max: LexBound::parse(max)?,
        })
    }

    /// As [`ScoreRange::start`].
    pub fn start(&self, zset: &Zset) -> usize {
        zset.partition_point(|_, member| !self.is_above_min(member))
    }

    /// As [`ScoreRange::end`].
    pub fn end(&self, zset: &Zset) -> usize {
        zset.partition_point(|_, member| self.is_below_max(member))
    }

    pub fn is_above_min(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Least => true,
            LexBound::Greatest => false,
            LexBound::Included(min) => member >= min,
            LexBound::Excluded(min) => member > min,
        }
    }

    pub fn is_below_max(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Included(max) => member <= max,
            LexBound::Excluded(max) => member < max,
        }
    }
}

/// Ranks from one to another, negative ones counted from the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankRange {
    start: i64,
    end: i64,
}

impl RankRange {
    pub fn parse(start: &[u8], end: &[u8]) -> Result<RankRange, CommandError> {
        let rank = |text| parse_i64(text).ok_or(CommandError::NotAnInteger);
        Ok(RankRange {
            start: rank(start)?,
            end: rank(end)?,
        })
    }

    /// First rank and number of elements, counted from whichever end the caller counts from.
    pub fn within(&self, zset: &Zset) -> (usize, usize) {
        let len = zset.len() as i64;
        let from_end = |rank: i64| {
            if rank < 0 {
                rank.saturating_add(len)
            } else {
                rank
            }
        };
        let start = from_end(self.start).max(0);
        let end = from_end(self.end).min(len - 1);
        if start > end {
            return (0, 0);
        }
        (start as usize, (end - start + 1) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Limits;

    fn zset(members: &[(f64, &str)]) -> Zset {
        let limits = Limits::default();
        let mut zset = Zset::new_for(0, 0, &limits);
        for (score, member) in members {
            zset.set(member.as_bytes(), *score, &limits);
        }
        zset
    }

    #[test]
    fn score_ranges_end_where_they_say() {
        let zset = zset(&[(1.0, "a"), (2.0, "b"), (2.0, "c"), (3.0, "d")]);
        for (min, max, start, end) in [
            ("1", "2", 0, 3),
            ("(1", "(2", 1, 1),
            ("2", "2", 1, 3),
            ("(2", "+inf", 3, 4),
            ("-inf", "(1", 0, 0),
        ] {
            let range = ScoreRange::parse(min.as_bytes(), max.as_bytes()).expect("a range");
            assert_eq!(
                (range.start(&zset), range.end(&zset)),
                (start, end),
                "{min} {max}"
            );
        }
        assert!(ScoreRange::parse(b"nan", b"1").is_err());
    }

    #[test]
    fn lex_ranges_end_where_they_say() {
        let zset = zset(&[(0.0, "a"), (0.0, "b"), (0.0, "c")]);
        for (min, max, start, end) in [
            ("-", "+", 0, 3),
            ("[b", "[b", 1, 2),
            ("(a", "(c", 1, 2),
            ("+", "-", 3, 0),
            ("[", "(b", 0, 1),
        ] {
            let range = LexRange::parse(min.as_bytes(), max.as_bytes()).expect("a range");
            assert_eq!(
                (range.start(&zset), range.end(&zset)),
                (start, end),
                "{min} {max}"
            );
        }
        for text in ["", "a", "--", "+x"] {
            assert!(LexRange::parse(b"-", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn ranks_count_from_both_ends() {
        let zset = zset(&[(1.0, "a"), (2.0, "b"), (3.0, "c")]);
        for (start, end, expected) in [
            ("0", "-1", (0, 3)),
            ("-2", "-1", (1, 2)),
            ("-100", "100", (0, 3)),
            ("2", "1", (0, 0)),
            ("3", "5", (0, 0)),
            ("-9223372036854775808", "9223372036854775807", (0, 3)),
            ("0", "-9", (0, 0)),
        ] {
            let range = RankRange::parse(start.as_bytes(), end.as_bytes()).expect("a range");
            assert_eq!(range.within(&zset), expected, "{start} {end}");
        }
    }
}
