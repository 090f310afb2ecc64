//! The documents of a part of a query, gathered in any order and kept from slice to slice.
//!
//! Few documents are a list, which is sorted at the end. Many become bits, because sorting a number
//! takes about as long as clearing [`WORDS`] words. So the list is short, and sorting it is no long
//! step.
//!
//! Cost: O(1) to add a document; a bit for each document of the index at most.

use super::super::END;
use super::super::ids::next_bit;

/// Words of bits that are cleared in the time in which a number is sorted.
const WORDS: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct DocumentSet {
    /// Ascending once it is finished.
    list: Vec<u32>,
    /// `None`: they are listed.
    bits: Option<Vec<u64>>,
    /// How many bits are set.
    count: usize,
    words: usize,
}

impl DocumentSet {
    /// None yet, of documents below `end`, of which about `count` will be added.
    pub(crate) fn new(end: u32, count: usize) -> DocumentSet {
        let words = (end as usize).div_ceil(64);
        DocumentSet {
            bits: (count > words / WORDS).then(|| vec![0; words]),
            words,
            ..DocumentSet::default()
        }
    }

    /// Adds a document.
    #[inline]
    pub(crate) fn add(&mut self, id: u32) {
        if self.bits.is_none() && self.list.len() > self.words / WORDS {
            self.bits = Some(vec![0; self.words]);
            for id in std::mem::take(&mut self.list) {
                self.add(id);
            }
        }
        let Some(bits) = &mut self.bits else {
            return self.list.push(id);
        };
        let word = id as usize / 64;
        if word >= bits.len() {
            // It has come meanwhile.
            bits.resize(word + 1, 0);
        }
        self.count += usize::from(bits[word] >> (id % 64) & 1 == 0);
        bits[word] |= 1 << (id % 64);
    }

    /// Takes a document out, if it is there.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(bits) = &mut self.bits else {
            return self.list.retain(|its| *its != id);
        };
        if let Some(word) = bits.get_mut(id as usize / 64) {
            self.count -= (*word >> (id % 64) & 1) as usize;
            *word &= !(1 << (id % 64));
        }
    }

    /// Puts them in order.
    pub(crate) fn finish(&mut self) {
        self.list.sort_unstable();
        self.list.dedup();
    }

    /// How many there are; before the end doubled documents count twice.
    pub(crate) fn len(&self) -> usize {
        self.count + self.list.len()
    }

    /// The lowest numbers first; `None`: they are listed.
    pub(crate) fn bits(&self) -> Option<&[u64]> {
        self.bits.as_deref()
    }

    /// The documents of a finished list, ascending.
    pub(crate) fn list(&self) -> &[u32] {
        &self.list
    }

    /// Whether a document of a finished set is among them.
    pub(crate) fn has(&self, id: u32) -> bool {
        match &self.bits {
            Some(bits) => {
                let word = bits.get(id as usize / 64);
                word.is_some_and(|word| word >> (id % 64) & 1 == 1)
            }
            None => self.list.binary_search(&id).is_ok(),
        }
    }

    /// The first document of a finished set that is `from` or more.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        match &self.bits {
            Some(bits) => Some(next_bit(bits, from)).filter(|id| *id != END),
            None => {
                let at = self.list.partition_point(|id| *id < from);
                self.list.get(at).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// A list and bits hold the same as a set.
        #[test]
        fn they_are_a_set(
            steps in prop::collection::vec((0..3000u32, prop::bool::weighted(0.8)), 0..400),
            end in prop::sample::select(vec![64, 3000, 1 << 20]),
            count in prop::sample::select(vec![0, 1000, 1 << 20]),
        ) {
            let (mut gathered, mut model) = (DocumentSet::new(end, count), BTreeSet::new());
            for (id, adds) in steps {
                if adds {
                    gathered.add(id);
                    model.insert(id);
                } else {
                    gathered.remove(id);
                    model.remove(&id);
                }
            }
            gathered.finish();
            prop_assert_eq!(gathered.len(), model.len());
            let mut from = 0;
            for id in &model {
                prop_assert!(gathered.has(*id));
                prop_assert_eq!(gathered.next(from), Some(*id));
                from = id + 1;
            }
            prop_assert_eq!(gathered.next(from), None);
        }
    }
}
