//! A set of slots: a bit for each, 2 KiB.
//!
//! Word `w` has slots 64 `w` to 64 `w` + 63, so a walk passes over 64 absent slots in a step, and
//! two sets are combined word by word: 256 steps. `has`, `insert` and `remove` are O(1); they take
//! slots below 16384 only, as the hash of a key gives them; ranges from outside are cut
//! ([`SlotSet::of_ranges`]). [`SlotFilter`] selects the slots of a walk without making a set.

use super::slot::SLOTS;

/// Slots in a word.
const WORD: usize = 64;
pub const WORDS: usize = SLOTS / WORD;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotSet(Box<[u64; WORDS]>);

impl Default for SlotSet {
    fn default() -> SlotSet {
        SlotSet(Box::new([0; WORDS]))
    }
}

impl SlotSet {
    /// The slots of some ranges (first, last). Slots from 16384 on are ignored.
    pub fn of_ranges(ranges: &[(u16, u16)]) -> SlotSet {
        let mut set = SlotSet::default();
        for &(first, last) in ranges {
            (first..=last)
                .filter(|&slot| usize::from(slot) < SLOTS)
                .for_each(|slot| set.insert(slot));
        }
        set
    }

    /// Whether the slot, below 16,384, is in the set.
    #[inline]
    pub fn has(&self, slot: u16) -> bool {
        self.0[word_of(slot)] & bit_of(slot) != 0
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: u16) {
        self.0[word_of(slot)] |= bit_of(slot);
    }

    /// Removes a slot; nothing changes if it is not in the set.
    pub fn remove(&mut self, slot: u16) {
        self.0[word_of(slot)] &= !bit_of(slot);
    }

    /// Whether the set has no slot. O(words).
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let slots = |(at, &word)| bits(word).map(move |bit| (at * WORD) as u16 + bit);
        self.0.iter().enumerate().flat_map(slots)
    }

    /// The bits of the slots from `64 * at` on.
    #[inline]
    pub fn word(&self, at: usize) -> u64 {
        self.0[at]
    }

    /// Bytes of memory, but for the box itself.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// Inserts all slots of the other set.
    pub fn add(&mut self, other: &SlotSet) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= other;
        }
    }

    /// Removes all slots of the other set.
    pub fn subtract(&mut self, other: &SlotSet) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word &= !other;
        }
    }

    /// Slots that are in both sets, or in neither, are removed; the others are inserted.
    pub(crate) fn toggle(&mut self, other: &SlotSet) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word ^= other;
        }
    }
}

/// Which slots a walk visits.
#[derive(Clone, Copy, Debug)]
pub enum SlotFilter<'s> {
    All,
    One(u16),
    Only(&'s SlotSet),
    Without(&'s SlotSet),
}

impl SlotFilter<'_> {
    /// The bits of the slots from `64 * at` on.
    #[inline]
    pub fn word(self, at: usize) -> u64 {
        match self {
            SlotFilter::All => u64::MAX,
            SlotFilter::One(slot) if word_of(slot) == at => bit_of(slot),
            SlotFilter::One(_) => 0,
            SlotFilter::Only(set) => set.word(at),
            SlotFilter::Without(set) => !set.word(at),
        }
    }
}

fn word_of(slot: u16) -> usize {
    usize::from(slot) / WORD % WORDS
}

fn bit_of(slot: u16) -> u64 {
    1 << (usize::from(slot) % WORD)
}

/// The numbers of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as u16)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_ranges() {
        let set = SlotSet::of_ranges(&[(0, 2), (63, 65), (16383, 16500)]);
        let slots: Vec<u16> = set.iter().collect();
        assert_eq!(slots, [0, 1, 2, 63, 64, 65, 16383]);
        assert!(slots.iter().all(|&slot| set.has(slot)) && !set.has(3));
        assert!(!set.is_empty() && SlotSet::default().is_empty());
    }

    #[test]
    fn what_is_toggled_twice_is_as_before() {
        let mut set = SlotSet::of_ranges(&[(5, 9)]);
        let other = SlotSet::of_ranges(&[(8, 300)]);
        set.toggle(&other);
        assert_eq!(set, SlotSet::of_ranges(&[(5, 7), (10, 300)]));
        set.toggle(&other);
        set.remove(5);
        assert_eq!(set, SlotSet::of_ranges(&[(6, 9)]));
    }

    #[test]
    fn a_walk_visits_what_its_word_has() {
        let set = SlotSet::of_ranges(&[(64, 64), (70, 70)]);
        let slots = |among: SlotFilter<'_>| among.word(1);
        assert_eq!(slots(SlotFilter::All), u64::MAX);
        assert_eq!(slots(SlotFilter::One(65)), 2);
        assert_eq!(SlotFilter::One(65).word(0), 0);
        assert_eq!(slots(SlotFilter::Only(&set)), 1 | 1 << 6);
        assert_eq!(slots(SlotFilter::Without(&set)), !(1 | 1 << 6));
    }
}
