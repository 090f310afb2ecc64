//! The values of a SORTABLE field of tags by document: a number each, because most documents share
//! a value with others.
//!
//!     of each document: number of the value, 0: none
//!     of each value:    the bytes as `columns` has them | documents that have it
//!
//! Invariant: a value has a number as long as a document has the value; numbers of values that are
//! gone are used again, which [`InternedColumn::generation`] counts.
//!
//! Cost: O(1); 4 bytes a document, and some 40 and the bytes a value.

use hashbrown::HashTable;
use russet_base::hashing::hash::keys;

#[derive(Debug, Default)]
struct Value {
    bytes: Box<[u8]>,
    documents: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct InternedColumn {
    numbers: Vec<u32>,
    /// The first stands for no value.
    values: Vec<Value>,
    free: Vec<u32>,
    by_bytes: HashTable<u32>,
    generation: u64,
    bytes: usize,
}

impl InternedColumn {
    /// The number of a document's value; 0: it has none.
    #[inline]
    pub(crate) fn number(&self, id: u32) -> u32 {
        self.numbers.get(id as usize).copied().unwrap_or(0)
    }

    /// The number after the highest number of a value.
    pub(crate) fn end(&self) -> usize {
        self.values.len().max(1)
    }

    /// Changes whenever a number gets another meaning.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The value of a document.
    pub(super) fn get(&self, id: u32) -> Option<&[u8]> {
        match self.number(id) {
            0 => None,
            number => Some(&self.values[number as usize].bytes),
        }
    }

    /// Gives a document another value.
    pub(super) fn put(&mut self, id: u32, value: Option<&[u8]>) {
        let at = id as usize;
        super::grow(&mut self.numbers, at + 1, || 0);
        let number = value.map_or(0, |value| self.intern(value));
        let before = std::mem::replace(&mut self.numbers[at], number);
        if before > 0 {
            self.give_back(before);
        }
    }

    /// The number of a value, for another document.
    fn intern(&mut self, bytes: &[u8]) -> u32 {
        let hash = keys().hash(bytes);
        let values = &self.values;
        let same = |number: &u32| *values[*number as usize].bytes == *bytes;
        if let Some(number) = self.by_bytes.find(hash, same) {
            let number = *number;
            self.values[number as usize].documents += 1;
            return number;
        }
        let value = Value {
            bytes: bytes.into(),
            documents: 1,
        };
        self.bytes += bytes.len();
        if self.values.is_empty() {
            self.values.push(Value::default());
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = value;
                number
            }
            None => {
                self.values.push(value);
                (self.values.len() - 1) as u32
            }
        };
        let values = &self.values;
        let hash_of = |number: &u32| keys().hash(&values[*number as usize].bytes);
        self.by_bytes.insert_unique(hash, number, hash_of);
        number
    }

    fn give_back(&mut self, number: u32) {
        let value = &mut self.values[number as usize];
        value.documents -= 1;
        if value.documents > 0 {
            return;
        }
        let bytes = std::mem::take(&mut value.bytes);
        let hash = keys().hash(&bytes);
        if let Ok(entry) = self.by_bytes.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        self.bytes -= bytes.len();
        self.free.push(number);
        self.generation += 1;
    }

    pub(super) fn bytes(&self) -> usize {
        let values = self.values.capacity() * size_of::<Value>() + self.free.capacity() * 4;
        self.numbers.capacity() * 4 + values + self.by_bytes.capacity() * 5 + self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Values of documents are as in a map; equal values, and no others, share a number; and
        /// numbers keep their meaning as long as the generation stays.
        #[test]
        fn values_are_a_map(
            steps in prop::collection::vec((0..40u32, prop::option::weighted(0.8, "[ab]{0,3}")), 0..200),
        ) {
            let (mut interned, mut model) = (InternedColumn::default(), HashMap::new());
            let mut meanings: HashMap<u32, String> = HashMap::new();
            let mut generation = 0;
            for (id, value) in steps {
                interned.put(id, value.as_ref().map(String::as_bytes));
                if interned.generation() != generation {
                    generation = interned.generation();
                    meanings.clear();
                }
                match value {
                    Some(value) => {
                        let number = interned.number(id);
                        prop_assert!((number as usize) < interned.end());
                        prop_assert_eq!(meanings.entry(number).or_insert(value.clone()), &value);
                        model.insert(id, value);
                    }
                    None => drop(model.remove(&id)),
                }
                for id in 0..41 {
                    let expected = model.get(&id).map(String::as_bytes);
                    prop_assert_eq!(interned.get(id), expected);
                    for other in 0..id {
                        let is_same = interned.number(id) == interned.number(other);
                        prop_assert_eq!(is_same, model.get(&id) == model.get(&other));
                    }
                }
            }
            let held: usize = interned.values.iter().map(|value| value.bytes.len()).sum();
            prop_assert_eq!(interned.bytes, held);
        }
    }
}
