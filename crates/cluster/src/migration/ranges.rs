//! The slots of a migration, as ranges of 4 bytes each.
//!
//! Invariants: `first <= last < 16384`, and no two ranges overlap; so there are at most 16,384.
//! Their order is the one given: Redis's commands sort and join them, Valkey's keep their order.
//!
//! Cost: `push` and `contains` O(ranges), `common` O(product of both), `of_slots` O(n log n). Words
//! of commands are parsed, and refused, in `commands` and `requests`.

use std::fmt;

/// Slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// Ranges (first, last) that do not overlap, in the order given; so at most 16,384 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u16, u16)>);

/// A slot's number.
pub fn slot(text: &[u8]) -> Option<u16> {
    let number = russet_base::numbers::number::parse_i64(text)?;
    u16::try_from(number).ok().filter(|&slot| slot < SLOTS)
}

impl Ranges {
    /// Adds a range of valid slots, first <= last. Returns the range that it overlaps, if any; it
    /// is not added then. O(ranges), of which there are no more than slots.
    pub fn push(&mut self, first: u16, last: u16) -> Result<(), (u16, u16)> {
        debug_assert!(first <= last && last < SLOTS);
        match self.overlapped(first, last) {
            Some(other) => Err(other),
            None => {
                self.0.push((first, last));
                Ok(())
            }
        }
    }

    fn overlapped(&self, first: u16, last: u16) -> Option<(u16, u16)> {
        let mut ranges = self.0.iter().copied();
        ranges.find(|&(from, to)| first <= to && from <= last)
    }

    /// The first slot that is in both, in the order of ours.
    pub fn common(&self, other: &Ranges) -> Option<u16> {
        let common = |&(first, last): &(u16, u16)| {
            let (from, _) = other.overlapped(first, last)?;
            Some(first.max(from))
        };
        self.0.iter().find_map(common)
    }

    /// The first of our ranges that shares slots with the other.
    pub(crate) fn common_range(&self, other: &Ranges) -> Option<(u16, u16)> {
        let mut ranges = self.0.iter().copied();
        ranges.find(|&(first, last)| other.overlapped(first, last).is_some())
    }

    /// Whether the slot is in any range. O(ranges).
    pub fn contains(&self, slot: u16) -> bool {
        self.overlapped(slot, slot).is_some()
    }

    /// The ranges of slots that are each given once: ascending, neighbours joined.
    pub fn of_slots(slots: impl Iterator<Item = u16>) -> Ranges {
        Ranges(slots.map(|slot| (slot, slot)).collect()).sorted()
    }

    /// Whether there is no slot in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges (first, last), both ends included, in their order.
    pub fn pairs(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Every slot, range by range in their order.
    pub fn slots(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// In ascending order, neighbours joined.
    pub fn sorted(mut self) -> Ranges {
        self.0.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0 {
            match joined.last_mut() {
                Some((_, end)) if *end + 1 == first => *end = last,
                _ => joined.push((first, last)),
            }
        }
        Ranges(joined)
    }

    /// The words of a command: first, last, first, ..
    pub fn words(&self) -> impl Iterator<Item = Vec<u8>> {
        let ends = self.0.iter().flat_map(|&(first, last)| [first, last]);
        ends.map(|slot| slot.to_string().into_bytes())
    }

    /// Reads the text that `Display` writes.
    pub fn parse_shown(text: &[u8]) -> Option<Ranges> {
        let mut ranges = Ranges::default();
        for part in text.split(|&byte| byte == b' ') {
            let (first, last) = match memchr::memchr(b'-', part) {
                Some(at) => (slot(&part[..at])?, slot(&part[at + 1..])?),
                None => (slot(part)?, slot(part)?),
            };
            if first > last {
                return None;
            }
            ranges.push(first, last).ok()?;
        }
        Some(ranges)
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let gap = if at > 0 { " " } else { "" };
            write!(f, "{gap}{first}-{last}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(u16, u16)]) -> Ranges {
        let mut ranges = Ranges::default();
        for &(first, last) in pairs {
            assert_eq!(ranges.push(first, last), Ok(()));
        }
        ranges
    }

    #[test]
    fn a_range_that_overlaps_is_refused() {
        let mut ranges = of(&[(3, 6), (10, 10)]);
        for (first, last) in [(0, 5), (3, 6), (4, 4), (6, 9), (0, 100)] {
            assert_eq!(ranges.push(first, last), Err((3, 6)));
        }
        assert_eq!(ranges.push(8, 12), Err((10, 10)));
        assert_eq!(ranges.push(7, 9), Ok(()));
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for pairs in [&[(0, 16_383)][..], &[(5, 5)], &[(20, 30), (0, 10)]] {
            let ranges = of(pairs);
            let shown = ranges.to_string();
            assert_eq!(Ranges::parse_shown(shown.as_bytes()), Some(ranges));
        }
        assert_eq!(of(&[(20, 30), (5, 5)]).to_string(), "20-30 5-5");
        for bad in ["", "1-", "2-1", "0-16384", "0-3 3-4", "a", "1  2"] {
            assert_eq!(Ranges::parse_shown(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn sorted_ranges_join_their_neighbours() {
        let ranges = of(&[(7, 9), (3, 6), (11, 12)]).sorted();
        assert_eq!(ranges.pairs(), [(3, 9), (11, 12)]);
        assert_eq!(ranges.slots().count(), 9);
    }

    #[test]
    fn common_slots_are_found() {
        let ours = of(&[(0, 10), (20, 30)]);
        assert_eq!(ours.common(&of(&[(25, 40)])), Some(25));
        assert_eq!(ours.common(&of(&[(8, 22)])), Some(8));
        assert_eq!(ours.common(&of(&[(11, 19), (31, 99)])), None);
        assert_eq!(ours.common_range(&of(&[(25, 40)])), Some((20, 30)));
    }
}
