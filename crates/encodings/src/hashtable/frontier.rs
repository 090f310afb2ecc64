//! A walk in the order of the table's own hashes, with a frontier between visited and unvisited
//! elements: whatever grows, splits or shrinks meanwhile, the walk knows on which side each element
//! is. Unlike a scan the walk visits every element once.
//!
//! A place is the top half of an element's own hash in the table.

use super::line::word_of_cell;
use super::{Handle, HashTable, Word};

/// The position after the last place.
const END: u64 = 1 << 32;

impl Handle {
    /// The element's place.
    #[inline]
    pub fn place(self) -> u32 {
        (self.hash() >> 32) as u32
    }
}

impl HashTable {
    /// The place of an element with this hash.
    #[inline]
    pub fn place_of(&self, hash: u64) -> u32 {
        (self.own(hash) >> 32) as u32
    }

    /// Visits the elements at or after place `from` in the segment of that place; returns the place
    /// where the next segment begins, 2^32 after the last. `rehash` as for `insert`. O(segment).
    pub fn walk_from(
        &self,
        from: u64,
        rehash: impl Fn(Word) -> u64,
        mut see: impl FnMut(Word),
    ) -> u64 {
        if from >= END {
            return END;
        }
        let segment = self.directory.get(from << 32);
        if segment.is_none() {
            return END;
        }
        let start = u64::from(segment.segment().header().prefix);
        // A segment that has merged since begins before `from`.
        let is_new = |word: &Word| start >= from || u64::from(self.place_of(rehash(*word))) >= from;
        let overflow = self.overflow_of(segment).iter().copied();
        let words = segment.cells().chain(overflow).map(word_of_cell);
        words.filter(is_new).for_each(&mut see);
        start + (END >> segment.depth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_is_met_once_whatever_happens_to_the_table() {
        // The hash of a word is the word, spread over all bits.
        let rehash = |word: Word| (word.raw() >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = |n: u64| Word::from_raw((n + 1) << 3);
        let mut table = HashTable::new();
        let insert = |table: &mut HashTable, n| {
            table.insert(rehash(word(n)), word(n), rehash);
        };
        (0..3000).for_each(|n| insert(&mut table, n));
        let (mut met, mut from, mut step) = (std::collections::HashSet::new(), 0, 0);
        while from < END {
            from = table.walk_from(from, rehash, |word| assert!(met.insert(word.raw())));
            // Elements added later are before the frontier, or visited.
            step += 1;
            let (grown, shrinks) = (3000 + step * 400, step % 3 == 0);
            for n in grown..grown + 400 {
                insert(&mut table, n);
                if u64::from(table.place_of(rehash(word(n)))) < from {
                    met.insert(word(n).raw());
                }
            }
            for n in (0..grown).filter(|_| shrinks) {
                table.remove(rehash(word(n)), |other| other == word(n));
                met.remove(&word(n).raw());
            }
        }
        assert_eq!(met.len(), table.len());
        assert!(table.iter().all(|word| met.contains(&word.raw())));
    }
}
