//! The pairs of bytes of texts, each with the texts that have it: parts within words and their ends
//! are found without a walk over all words. WITHSUFFIXTRIE asks for these pairs.
//!
//!     hello -> he el ll lo o0
//!
//! Only texts with all pairs of a part may contain the part; these are then looked at. The end of a
//! text is a pair of the last byte and 0, which no word has.
//!
//! Cost: a text of n bytes is put in n sets of numbers, some 2 bytes each; suffixes of all words,
//! as Redis's module keeps them, take a list each.

use std::collections::HashMap;

use roaring::RoaringBitmap;

pub(crate) type Pair = [u8; 2];

/// Texts by number.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    by_pair: HashMap<Pair, RoaringBitmap>,
    all: RoaringBitmap,
}

/// The pairs of a part; `is_end`: the part ends a text.
pub(crate) fn pairs_of(part: &[u8], is_end: bool) -> impl Iterator<Item = Pair> {
    let inner = part.array_windows().copied();
    let end = part.last().filter(|_| is_end).map(|last| [*last, 0]);
    inner.chain(end)
}

impl Pairs {
    /// Puts a text; a text that is there stays.
    pub(crate) fn put(&mut self, number: u32, text: &[u8]) {
        if self.all.insert(number) {
            for pair in pairs_of(text, true) {
                self.by_pair.entry(pair).or_default().insert(number);
            }
        }
    }

    /// Takes a text out, if it is there.
    pub(crate) fn remove(&mut self, number: u32, text: &[u8]) {
        if !self.all.remove(number) {
            return;
        }
        for pair in pairs_of(text, true) {
            if let Some(numbers) = self.by_pair.get_mut(&pair) {
                numbers.remove(number);
                if numbers.is_empty() {
                    self.by_pair.remove(&pair);
                }
            }
        }
    }

    /// The texts that have all of some pairs; all texts if there are none.
    pub(crate) fn candidates(&self, pairs: &[Pair]) -> RoaringBitmap {
        let sets: Option<Vec<&RoaringBitmap>> =
            pairs.iter().map(|pair| self.by_pair.get(pair)).collect();
        let Some(mut sets) = sets else {
            return RoaringBitmap::new();
        };
        sets.sort_unstable_by_key(|set| set.len());
        let mut sets = sets.into_iter();
        let Some(rarest) = sets.next() else {
            return self.all.clone();
        };
        sets.fold(rarest.clone(), |left, set| left & set)
    }

    pub(crate) fn bytes(&self) -> usize {
        let sets = self.by_pair.values().map(|set| set.serialized_size() + 48);
        sets.sum::<usize>() + self.all.serialized_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A part's candidates include all texts that contain the part, and removed texts leave no
        /// entry.
        #[test]
        fn candidates_hold_all_that_have_a_part(
            texts in prop::collection::vec("[abc]{0,6}", 1..40),
            part in "[abc]{0,4}",
        ) {
            let mut pairs = Pairs::default();
            for (number, text) in texts.iter().enumerate() {
                pairs.put(number as u32, text.as_bytes());
            }
            for is_end in [false, true] {
                let of_part: Vec<Pair> = pairs_of(part.as_bytes(), is_end).collect();
                let found = pairs.candidates(&of_part);
                for (number, text) in texts.iter().enumerate() {
                    let has = if is_end { text.ends_with(&part) } else { text.contains(&part) };
                    prop_assert!(!has || found.contains(number as u32));
                }
            }
            for (number, text) in texts.iter().enumerate() {
                pairs.remove(number as u32, text.as_bytes());
            }
            prop_assert!(pairs.by_pair.is_empty() && pairs.all.is_empty());
        }
    }
}
