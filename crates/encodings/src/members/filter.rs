//! The members of a table that another table has, or has not, in batches: the lines that a batch of
//! lookups reads are prefetched in three stages, each for the whole batch before the next.
//!
//!     the members' texts -> hashes and lines -> the word that is likely -> its text
#![allow(unsafe_code)]

use super::{FLAGS, INLINE, MemberTable, entry_of, hash_of, prefetch_text, text_of};
use crate::hashtable::{ElementPlace, LikelyWord, Word};
use crate::listpack::Entry;
use russet_base::text::is_same;

/// Members per batch.
const BATCH: usize = 32;
/// Members of a batch that is likely to be the last: fewer would not wait together for memory.
const BATCH_MIN: usize = 8;

/// A member that is looked up.
#[derive(Clone, Copy)]
struct SoughtMember<'o> {
    hash: u64,
    place: ElementPlace<'o>,
    likely: LikelyWord,
}

/// Whether two members are the same.
///
/// # Safety
/// The entries of both words are alive.
#[inline(always)]
unsafe fn are_same(a: Word, b: Word) -> bool {
    if a == b {
        return true;
    }
    let flags = (a.raw() | b.raw()) & FLAGS;
    if flags == 0 {
        // SAFETY: the caller's promise.
        return is_same(unsafe { text_of(a) }, unsafe { text_of(b) });
    }
    // SAFETY: the caller's promise.
    flags != INLINE && unsafe { members_are_same(a, b) }
}

/// As [`are_same`], if either may expire.
///
/// # Safety
/// As [`are_same`].
#[cold]
unsafe fn members_are_same(a: Word, b: Word) -> bool {
    // A member has a single form, so equal members are equal entries.
    // SAFETY: the caller's promise.
    unsafe { entry_of(a) == entry_of(b) }
}

impl MemberTable {
    /// Calls `see` with the members that `other` has (`wanted`) or has not, and their hashes, in
    /// the order of [`MemberTable::visit`]. `needed` is how many it needs, and it returns how many
    /// more it needs: at 0 the walk ends. It is a hint for the size of batches.
    pub fn filter<'a>(
        &'a self,
        other: &MemberTable,
        wanted: bool,
        mut needed: usize,
        mut see: impl FnMut(Entry<'a>, u64) -> usize,
    ) {
        // A word that is not zero; whatever it is, it is replaced before it is read.
        let mut words = [Word::from_raw(INLINE); BATCH];
        let mut len = 0;
        self.table.visit(prefetch_text, |word| {
            words[len] = word;
            len += 1;
            if len == needed.clamp(BATCH_MIN, BATCH) {
                needed = self.filter_batch(&words[..len], other, wanted, needed, &mut see);
                len = 0;
            }
            needed > 0
        });
        if needed > 0 {
            self.filter_batch(&words[..len], other, wanted, needed, &mut see);
        }
    }

    /// The step of [`MemberTable::filter`] for these of its words, [`BATCH`] at most. Returns how
    /// many members are still needed.
    #[inline]
    fn filter_batch<'a>(
        &'a self,
        words: &[Word],
        other: &MemberTable,
        wanted: bool,
        mut needed: usize,
        see: &mut impl FnMut(Entry<'a>, u64) -> usize,
    ) -> usize {
        let mut asked = [SoughtMember {
            hash: 0,
            place: ElementPlace::NONE,
            likely: LikelyWord::NONE,
        }; BATCH];
        for (asked, &word) in asked.iter_mut().zip(words) {
            asked.hash = hash_of(word);
            asked.place = other.table.seek(asked.hash);
        }
        for asked in &mut asked[..words.len()] {
            asked.likely = other.table.likely(asked.place);
            asked.likely.prefetch();
        }
        for (&word, asked) in words.iter().zip(&asked) {
            // SAFETY: the words are in the two tables, which are borrowed.
            let is_same = |other| unsafe { are_same(word, other) };
            let is_in = asked.likely.word().is_some_and(|likely| {
                // Another member may have the tag of the hash, but hardly ever has.
                is_same(likely) || other.table.find(asked.hash, is_same).is_some()
            });
            if is_in == wanted {
                // SAFETY: as above.
                needed = see(unsafe { entry_of(word) }, asked.hash);
                if needed == 0 {
                    break;
                }
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn table(members: &BTreeSet<Vec<u8>>) -> MemberTable {
        let mut table = MemberTable::default();
        members.iter().for_each(|member| _ = table.add(member));
        table
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn filters_as_a_lookup_of_each_member_does(
            a in prop::collection::btree_set(0u32..3000, 0..1500),
            b in prop::collection::btree_set(0u32..3000, 0..1500),
            wanted in any::<bool>(),
            limit in 1usize..2000,
        ) {
            let text = |n: &u32| match n % 3 {
                0 => n.to_string().into_bytes(),
                1 => format!("m:{n}").into_bytes(),
                _ => format!("a member of more than sixteen bytes:{n}").into_bytes(),
            };
            let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.iter().map(text).collect(), b.iter().map(text).collect());
            let (first, other) = (table(&a), table(&b));
            let mut seen = Vec::new();
            first.filter(&other, wanted, limit, |member, hash| {
                assert_eq!(hash, MemberTable::hash_entry(member));
                seen.push(member.to_vec());
                limit - seen.len()
            });
            let expected = first.iter().map(Entry::to_vec).filter(|member| b.contains(member) == wanted);
            prop_assert_eq!(seen, expected.take(limit).collect::<Vec<_>>());
        }
    }
}
