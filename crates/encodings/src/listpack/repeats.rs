//! Detects records of a listpack that begin with the same text: sets and hashes must not have any.
//!
//! An integer and a string of its digits are the same text: foreign listpacks contain both.

use std::collections::HashSet;

use super::{Entry, Listpack, Pack, Pos};
use russet_base::hashing::hash;
use smallvec::SmallVec;

/// Slots on the stack: enough for 128 records, which few listpacks exceed.
const SLOTS: usize = 256;

fn canonical(entry: Entry<'_>) -> Entry<'_> {
    match entry {
        Entry::Str(text) => Entry::parse(text),
        number => number,
    }
}

fn hash_of(name: Entry<'_>) -> u64 {
    match name {
        Entry::Int(value) => hash::keys().hash(&value.to_le_bytes()),
        Entry::Str(text) => hash::keys().hash(text),
    }
}

impl Pack {
    /// Whether no two records of `width` entries begin with the same text. O(bytes), about twice
    /// the cost of iterating over them; allocates only for more than 128 records.
    pub fn all_differ(&self, width: usize) -> bool {
        let slots = (2 * self.len().div_ceil(width)).max(1).next_power_of_two();
        // Half of a record's hash, and its position; 0: free.
        let mut seen: SmallVec<[u64; SLOTS]> = SmallVec::from_elem(0, slots);
        let mut items = self.iter();
        while let Some(Pos(offset)) = items.pos() {
            let name = canonical(items.next().expect("it stands there"));
            items.pass(width - 1);
            let hash = hash_of(name);
            let word = hash >> 32 << 32 | u64::from(offset);
            let mut at = hash as usize & (slots - 1);
            while seen[at] != 0 {
                let same_hash = (seen[at] ^ word) >> 32 == 0;
                if same_hash && canonical(self.get(Pos(seen[at] as u32))) == name {
                    return false;
                }
                at = (at + 1) & (slots - 1);
            }
            seen[at] = word;
        }
        true
    }

    /// The records of `width` entries, without the records that begin like an earlier record.
    pub fn without_repeats(&self, width: usize) -> Listpack {
        let (mut seen, mut pack) = (HashSet::new(), Listpack::new());
        let mut items = self.iter();
        loop {
            let record: SmallVec<[Entry<'_>; 3]> = items.by_ref().take(width).collect();
            let Some(name) = record.first() else {
                return pack;
            };
            if seen.insert(name.to_vec()) {
                pack.append_all(&record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pack_of(entries: &[Entry<'_>]) -> Listpack {
        Listpack::from_entries(entries.iter().copied())
    }

    #[test]
    fn digits_are_the_integer_that_they_spell() {
        let pack = pack_of(&[Entry::Int(5), Entry::Str(b"05"), Entry::Str(b"5")]);
        assert!(!pack.all_differ(1));
        let rest = pack.without_repeats(1);
        assert_eq!(
            rest.as_bytes(),
            pack_of(&[Entry::Int(5), Entry::Str(b"05")]).as_bytes()
        );
        assert!(Listpack::new().all_differ(3));
    }

    #[test]
    fn the_first_of_several_records_stays_whole() {
        let words = [b"a", b"1", b"b", b"1", b"a", b"2"].map(|word| Entry::parse(word));
        assert!(!pack_of(&words).all_differ(2));
        assert!(pack_of(&words[..4]).all_differ(2));
        let rest = pack_of(&words).without_repeats(2);
        assert_eq!(rest.as_bytes(), pack_of(&words[..4]).as_bytes());
    }

    proptest! {
        #[test]
        fn they_differ_as_a_set_of_their_texts_does(
            names in prop::collection::vec("[a-c]{0,3}|[0-9]{1,3}", 0..400),
            width in 1usize..4,
        ) {
            let entries: Vec<Entry<'_>> = names.iter().map(|name| match name.len() {
                2 => Entry::Str(name.as_bytes()),
                _ => Entry::parse(name.as_bytes()),
            }).collect();
            let pack = pack_of(&entries);
            let firsts: Vec<_> = names.iter().step_by(width).collect();
            let unique: HashSet<_> = firsts.iter().collect();
            prop_assert_eq!(pack.all_differ(width), unique.len() == firsts.len());
            let rest = pack.without_repeats(width);
            prop_assert!(rest.all_differ(width));
            prop_assert_eq!(rest.iter().step_by(width).count(), unique.len());
        }
    }
}
