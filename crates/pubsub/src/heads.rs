//! A map keyed by prefixes ("heads"): finds the values of all heads of a text in one pass over
//! the text, however many different lengths heads have.
//!
//! A head is looked up by a rolling hash of its bytes, extended from one length to the next: a
//! polynomial over the field of 2^61 - 1 elements, at a random point. Two heads of n bytes collide
//! with a probability of n / 2^61, and no client can construct such pairs. The caller compares the
//! bytes of a found head, so a collision causes a miss, never a wrong result.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rand::RngExt;

use super::gives_back;

/// A prime: the numbers below it form a field.
const MODULUS: u64 = (1 << 61) - 1;

/// See the module. `T` is the value of a head.
#[derive(Debug)]
pub(super) struct Heads<T> {
    table: HashTable<PrefixHead<T>>,
    /// The number of heads of each length.
    lengths: BTreeMap<usize, usize>,
    /// The point at which polynomials are evaluated.
    point: u64,
}

#[derive(Debug)]
struct PrefixHead<T> {
    hash: u64,
    len: usize,
    under: T,
}

impl<T> Default for Heads<T> {
    fn default() -> Heads<T> {
        Heads {
            table: HashTable::new(),
            lengths: BTreeMap::new(),
            point: rand::rng().random_range(1 << 32..MODULUS),
        }
    }
}

/// The product of two elements.
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let sum = (product as u64 & MODULUS) + (product >> 61) as u64;
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

impl<T> Heads<T> {
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Extends the hash of a text by the bytes that follow it.
    #[inline]
    fn extend_hash(&self, hash: u64, more: &[u8]) -> u64 {
        more.iter().fold(hash, |hash, &byte| {
            // Adding 1 makes no byte zero: "" and "\0" differ.
            let sum = multiply(hash, self.point) + u64::from(byte) + 1;
            if sum >= MODULUS { sum - MODULUS } else { sum }
        })
    }

    /// The value of a head, inserted if missing. O(head).
    pub fn under(&mut self, head: &[u8]) -> &mut T
    where
        T: Default,
    {
        let (hash, len) = (self.extend_hash(0, head), head.len());
        let is_it = |known: &PrefixHead<T>| known.hash == hash && known.len == len;
        match self.table.entry(hash, is_it, |known| known.hash) {
            Entry::Occupied(found) => &mut found.into_mut().under,
            Entry::Vacant(place) => {
                *self.lengths.entry(len).or_default() += 1;
                let under = T::default();
                &mut place
                    .insert(PrefixHead { hash, len, under })
                    .into_mut()
                    .under
            }
        }
    }

    /// Changes the value of a head; if `change` returns true, it is empty and removed. O(head).
    pub fn change(&mut self, head: &[u8], change: impl FnOnce(&mut T) -> bool) {
        let (hash, len) = (self.extend_hash(0, head), head.len());
        let is_it = |known: &PrefixHead<T>| known.hash == hash && known.len == len;
        let Ok(mut found) = self.table.find_entry(hash, is_it) else {
            return;
        };
        if !change(&mut found.get_mut().under) {
            return;
        }
        found.remove();
        if gives_back(self.table.len(), self.table.capacity()) {
            self.table
                .shrink_to(self.table.len() * 2, |known| known.hash);
        }
        if let Some(heads) = self.lengths.get_mut(&len) {
            *heads -= 1;
            if *heads == 0 {
                self.lengths.remove(&len);
            }
        }
    }

    /// Calls `visit` with the value and length of each head that the text begins with. `visit` must
    /// compare the bytes: hashes may collide. O(text + lengths).
    #[inline]
    pub fn of(&self, text: &[u8], mut visit: impl FnMut(&T, usize)) {
        let (mut hash, mut from) = (0, 0);
        for &len in self.lengths.range(..=text.len()).map(|(len, _)| len) {
            hash = self.extend_hash(hash, &text[from..len]);
            from = len;
            let is_it = |known: &PrefixHead<T>| known.hash == hash && known.len == len;
            if let Some(found) = self.table.find(hash, is_it) {
                visit(&found.under, len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_left_of_what_went() {
        let mut heads = Heads::<u32>::default();
        for n in 0..1000u32 {
            *heads.under(&n.to_be_bytes()[..1 + n as usize % 4]) += 1;
        }
        for n in 0..1000u32 {
            heads.change(&n.to_be_bytes()[..1 + n as usize % 4], |count| {
                *count -= 1;
                *count == 0
            });
        }
        assert!(heads.is_empty() && heads.lengths.is_empty());
        assert!(heads.table.capacity() < 256);
    }

    proptest! {
        #[test]
        fn all_that_begin_a_text_are_found(
            texts in prop::collection::vec("[\\x00a]{0,6}", 0..30),
            text in "[\\x00a]{0,8}",
        ) {
            let mut heads = Heads::<Vec<String>>::default();
            for head in &texts {
                heads.under(head.as_bytes()).push(head.clone());
            }
            let mut found = Vec::new();
            heads.of(text.as_bytes(), |under, len| {
                assert!(under.iter().all(|head| head.len() == len));
                found.extend(under.iter().cloned());
            });
            found.sort();
            let mut wanted = texts;
            wanted.retain(|head| text.starts_with(head.as_str()));
            wanted.sort();
            prop_assert_eq!(found, wanted);
        }
    }
}
