//! Ranges of scores, of members and of ranks: parsing, and finding their first and last rank.
//!
//! A range of scores or members becomes a range of ranks: O(log n) in a large set, a walk in a
//! packed set.
//!
//! A range of members is defined for equal scores only. With different scores a packed set gives
//! Redis's result, the result of a walk from the end where the command begins: hence two ends,
//! [`LexRange::end`] and [`LexRange::end_from_behind`].

use russet_base::numbers::float::parse_score_bound;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_types::{Container, Zset};

/// Scores between two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreRange {
    min: f64,
    min_excluded: bool,
    max: f64,
    max_excluded: bool,
}

impl ScoreRange {
    /// Two ends: numbers or `-inf`, `+inf`, after `(` if excluded.
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

    /// False if the range is empty, or the whole set is below or above it.
    pub fn meets(&self, zset: &Zset) -> bool {
        let score = |rank| {
            let mut found = None;
            zset.visit(rank, 1, false, |score, _| {
                found = Some(score);
                false
            });
            found
        };
        let excluded = self.min_excluded || self.max_excluded;
        let room = self.min < self.max || self.min == self.max && !excluded;
        room && score(0).is_some_and(|first| self.is_below_max(first))
            && score(zset.len() - 1).is_some_and(|last| self.is_above_min(last))
    }

    /// Whether the score is not below the range.
    #[inline]
    pub fn is_above_min(&self, score: f64) -> bool {
        if self.min_excluded {
            score > self.min
        } else {
            score >= self.min
        }
    }

    /// Whether the score is not above the range.
    #[inline]
    pub fn is_below_max(&self, score: f64) -> bool {
        if self.max_excluded {
            score < self.max
        } else {
            score <= self.max
        }
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexBound<'a> {
    /// `-`: before every member.
    Least,
    /// `+`: after every member.
    Greatest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Result<LexBound<'a>, CommandError> {
        // Redis compares with `-` and `+` only up to a NUL byte.
        match text {
            [b'-'] | [b'-', 0, ..] => Ok(LexBound::Least),
            [b'+'] | [b'+', 0, ..] => Ok(LexBound::Greatest),
            [b'[', member @ ..] => Ok(LexBound::Included(member)),
            [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
            _ => Err(CommandError::MinMaxNotLexRange),
        }
    }
}

/// Members between two ends, in a set whose scores are all equal. With different scores a packed
/// set gives Redis's result, the result of a walk from an end; the result for a large set is
/// unspecified.
#[derive(Clone, Copy, Debug)]
pub(super) struct LexRange<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// Two ends: `[member`, `(member` for an excluded member, `-` or `+`.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
        Ok(LexRange {
            min: LexBound::parse(min)?,
            max: LexBound::parse(max)?,
        })
    }

    /// The rank of the first element that is not below the range; the set's length if no member is
    /// in the range.
    pub fn start(&self, zset: &Zset) -> usize {
        if !self.meets(zset) {
            return zset.len();
        }
        let start = zset.partition_point(|_, member| !self.is_above_min(member));
        let in_range = zset.is_table() || member_is(zset, start, |first| self.is_below_max(first));
        if in_range { start } else { zset.len() }
    }

    /// The rank after the range, as found from the set's first element; 0 if no member is in the
    /// range.
    pub fn end(&self, zset: &Zset) -> usize {
        if !self.meets(zset) {
            return 0;
        }
        zset.partition_point(|_, member| !self.is_above_min(member) || self.is_below_max(member))
    }

    /// First rank and number of elements in a large set, without checking the set's first and last
    /// element.
    pub fn within_table(&self, zset: &Zset) -> (usize, usize) {
        let start = zset.partition_point(|_, member| !self.is_above_min(member));
        let end = zset.partition_point(|_, member| self.is_below_max(member));
        (start, end.saturating_sub(start))
    }

    /// The rank after the last element that is not above the range, found by walking back from the
    /// set's end; 0 if no member is in the range.
    pub fn end_from_behind(&self, zset: &Zset) -> usize {
        if zset.is_table() {
            return self.end(zset);
        }
        let mut end = if self.meets(zset) { zset.len() } else { 0 };
        let (last, mut buffer) = (end.saturating_sub(1), itoa::Buffer::new());
        zset.visit(last, end, true, |_, member| {
            let above = !self.is_below_max(member.bytes(&mut buffer));
            end -= usize::from(above);
            above
        });
        let in_range = end > 0 && member_is(zset, end - 1, |last| self.is_above_min(last));
        if in_range { end } else { 0 }
    }

    /// False if the range is empty, or the set's last element is below the range, or the first
    /// above it.
    fn meets(&self, zset: &Zset) -> bool {
        self.has_room()
            && member_is(zset, zset.len() - 1, |last| self.is_above_min(last))
            && member_is(zset, 0, |first| self.is_below_max(first))
    }

    fn has_room(&self) -> bool {
        use LexBound::{Excluded, Greatest, Included, Least};
        match (self.min, self.max) {
            (Greatest, _) => self.max == Greatest,
            (_, Least) => self.min == Least,
            (Least, _) | (_, Greatest) => true,
            (Included(min), Included(max)) => min <= max,
            (Included(min) | Excluded(min), Included(max) | Excluded(max)) => min < max,
        }
    }

    /// Whether the member is not below the range.
    pub fn is_above_min(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Least => true,
            LexBound::Greatest => false,
            LexBound::Included(min) => member >= min,
            LexBound::Excluded(min) => member > min,
        }
    }

    /// Whether the member is not above the range.
    pub fn is_below_max(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Included(max) => member <= max,
            LexBound::Excluded(max) => member < max,
        }
    }
}

/// Whether the member at `rank` exists and `wanted` holds for it.
fn member_is(zset: &Zset, rank: usize, wanted: impl Fn(&[u8]) -> bool) -> bool {
    let (mut found, mut buffer) = (false, itoa::Buffer::new());
    zset.visit(rank, 1, false, |_, member| {
        found = wanted(member.bytes(&mut buffer));
        false
    });
    found
}

/// Ranks between two ranks, negative ranks counted from the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankRange {
    start: i64,
    end: i64,
}

impl RankRange {
    /// Two integers, both included.
    pub fn parse(start: &[u8], end: &[u8]) -> Result<RankRange, CommandError> {
        let rank = |text| parse_i64(text).ok_or(CommandError::NotAnInteger);
        Ok(RankRange {
            start: rank(start)?,
            end: rank(end)?,
        })
    }

    /// First rank and number of elements, counted from the caller's end.
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
    use russet_types::Limits;

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
    fn a_packed_set_of_different_scores_is_walked_from_an_end() {
        let set = zset(&[(0.0, "a"), (1.0, "z"), (2.0, "b")]);
        for (min, max, start, end, end_from_behind) in [
            ("-", "[c", 0, 1, 3),
            ("[c", "+", 3, 0, 0),
            ("[b", "[c", 3, 1, 3),
            ("[b", "+", 1, 3, 3),
        ] {
            let range = LexRange::parse(min.as_bytes(), max.as_bytes()).expect("a range");
            let found = (range.start(&set), range.end(&set));
            assert_eq!(found, (start, end), "{min} {max}");
            assert_eq!(range.end_from_behind(&set), end_from_behind, "{min} {max}");
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
