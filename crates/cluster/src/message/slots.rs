//! A set of slots as messages hold it: one bit for each, slot `s` is bit `s % 8`, from the lowest,
//! of byte `s / 8`.

use std::fmt;

/// The number of slots.
pub const SLOTS: u16 = 16_384;

const BYTES: usize = SLOTS as usize / 8;

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotMap([u8; BYTES]);

/// A set of slots in a message, or a borrowed [`SlotMap`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slots<'m>(&'m [u8; BYTES]);

impl SlotMap {
    /// No slot.
    pub const EMPTY: SlotMap = SlotMap([0; BYTES]);

    /// The set as messages hold it, borrowed.
    pub fn view(&self) -> Slots<'_> {
        Slots(&self.0)
    }

    /// Whether the slot, below 16,384, is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        self.view().contains(slot)
    }

    /// Adds a slot, below 16,384.
    pub fn insert(&mut self, slot: u16) {
        self.0[usize::from(slot / 8)] |= 1 << (slot % 8);
    }

    /// Removes a slot, below 16,384; nothing changes if it is not in the set.
    pub fn remove(&mut self, slot: u16) {
        self.0[usize::from(slot / 8)] &= !(1 << (slot % 8));
    }
}

impl<'m> Slots<'m> {
    /// The length in messages.
    pub(super) const BYTES: usize = BYTES;

    pub(super) fn new(bytes: &'m [u8; BYTES]) -> Slots<'m> {
        Slots(bytes)
    }

    pub(super) fn as_bytes(self) -> &'m [u8; BYTES] {
        self.0
    }

    pub(crate) fn to_map(self) -> SlotMap {
        SlotMap(*self.0)
    }

    pub fn contains(self, slot: u16) -> bool {
        self.0[usize::from(slot / 8)] & 1 << (slot % 8) != 0
    }

    #[cfg(test)]
    pub fn is_empty(self) -> bool {
        *self.0 == [0; BYTES]
    }

    /// 64 slots at a time, lowest bit first.
    pub fn words(self) -> impl Iterator<Item = u64> + 'm {
        let words = self.0.as_chunks().0.iter();
        words.map(|word| u64::from_le_bytes(*word))
    }

    pub fn count(self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// The slots, ascending. O(256 + their number).
    pub fn iter(self) -> impl Iterator<Item = u16> + 'm {
        (0..)
            .step_by(64)
            .zip(self.words())
            .flat_map(|(first, mut word)| {
                std::iter::from_fn(move || {
                    let bit = word.trailing_zeros() as u16;
                    word &= word.checked_sub(1)?;
                    Some(first + bit)
                })
            })
    }

    /// The runs, as first and last slot. O(256 + their number).
    pub fn ranges(self) -> Vec<(u16, u16)> {
        let mut ranges = Vec::new();
        let mut begun: Option<u16> = None;
        for (first, word) in (0..).step_by(64).zip(self.words()) {
            // A bit for each slot that differs from the slot before it.
            let mut edges = word ^ (word << 1 | u64::from(begun.is_some()));
            while edges != 0 {
                let at = first + edges.trailing_zeros() as u16;
                match begun.take() {
                    Some(from) => ranges.push((from, at - 1)),
                    None => begun = Some(at),
                }
                edges &= edges - 1;
            }
        }
        ranges.extend(begun.map(|from| (from, SLOTS - 1)));
        ranges
    }
}

impl Default for SlotMap {
    fn default() -> SlotMap {
        SlotMap::EMPTY
    }
}

impl FromIterator<u16> for SlotMap {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> SlotMap {
        let mut map = SlotMap::EMPTY;
        slots.into_iter().for_each(|slot| map.insert(slot));
        map
    }
}

impl fmt::Debug for SlotMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for Slots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_lowest_of_each_byte() {
        let map: SlotMap = [0, 9, SLOTS - 1].into_iter().collect();
        let bytes = map.view().as_bytes();
        assert_eq!((bytes[0], bytes[1], bytes[BYTES - 1]), (1, 2, 0x80));
    }

    #[test]
    fn slots_and_runs_ascend() {
        let slots = [3, 62, 63, 64, 65, 1000, SLOTS - 2, SLOTS - 1];
        let mut map: SlotMap = slots.into_iter().collect();
        assert!(map.view().iter().eq(slots));
        assert_eq!(map.view().count(), slots.len());
        let runs = [(3, 3), (62, 65), (1000, 1000), (SLOTS - 2, SLOTS - 1)];
        assert_eq!(map.view().ranges(), runs);
        map.remove(1000);
        assert!(!map.contains(1000) && map.contains(SLOTS - 1));
        slots.into_iter().for_each(|slot| map.remove(slot));
        assert!(map.view().is_empty());
    }
}
