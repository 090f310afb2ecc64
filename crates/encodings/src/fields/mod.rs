//! The fields of a large hash in a hash table, each with its value in the same allocation
//! (`entry`).
//!
//! Invariants
//!   1. The table owns the entries that its words point to.
//!   2. The table records every expiry in an entry, so that none is missed; a recorded expiry may
//!      belong to a removed field.
//!
//! Cost: the table's; a value that keeps the entry's size class is written in place.
#![allow(unsafe_code)]

mod entry;

pub use entry::Field;

use crate::elements::Elements;
use crate::hashtable::{HashTable, Word};
use entry::{build, expire_of, expires, field_of, free, memory_bytes, name_of, overwrite};
use rand::Rng;
use russet_base::hashing::hash;
use russet_base::memory::mover::Mover;
use russet_base::text::is_same;

/// How setting a value changes the field's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// An existing field's expiry stays as it is; a new field has none.
    Keep,
    /// The field has none afterwards.
    Clear,
    /// The field expires at this time, in Unix milliseconds.
    Set(u64),
}

fn hash_of(word: Word) -> u64 {
    // SAFETY: words in the table are alive.
    hash::keys().hash(unsafe { name_of(word) })
}

/// See the module.
#[derive(Default)]
pub struct FieldTable {
    table: HashTable,
    /// Bytes of all fields' entries.
    bytes: usize,
}

impl FieldTable {
    /// The field of this name, whether it has expired or not.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        let hash = hash::keys().hash(name);
        // SAFETY: words in the table are alive.
        let word = self
            .table
            .find(hash, |word| is_same(unsafe { name_of(word) }, name))?;
        // SAFETY: alive and unchanged while the table is borrowed.
        Some(unsafe { field_of(word) })
    }

    /// Sets a field's value; true if the field is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], ttl: Ttl) -> bool {
        let hash = hash::keys().hash(name);
        // SAFETY: words in the table are alive.
        let handle = self
            .table
            .find_handle(hash, |word| is_same(unsafe { name_of(word) }, name));
        let Some(handle) = handle else {
            let expire_ms = if let Ttl::Set(ms) = ttl {
                Some(ms)
            } else {
                None
            };
            let field = Field {
                name,
                value,
                expire_ms,
            };
            self.table.insert(hash, build(field), hash_of);
            self.bytes += memory_bytes(field);
            self.table.count_expiring(false, expire_ms.is_some());
            self.note(hash, expire_ms);
            return true;
        };
        let word = self.table.word_at(handle);
        // SAFETY: alive.
        let old = unsafe { expire_of(word) };
        let expire_ms = match ttl {
            Ttl::Keep => old,
            Ttl::Clear => None,
            Ttl::Set(ms) => Some(ms),
        };
        // SAFETY: alive, and the table is exclusive.
        if !(expire_ms == old && unsafe { overwrite(word, name, value) }) {
            let field = Field {
                name,
                value,
                expire_ms,
            };
            self.table.replace_at(handle, build(field));
            // SAFETY: out of the table.
            let freed = unsafe { free(word) };
            self.bytes = self.bytes + memory_bytes(field) - freed;
        }
        if expire_ms != old {
            self.table
                .count_expiring(old.is_some(), expire_ms.is_some());
            self.note(hash, expire_ms);
        }
        false
    }

    fn note(&mut self, hash: u64, expire_ms: Option<u64>) {
        if let Some(ms) = expire_ms {
            self.table
                .record_expiry(hash, i64::try_from(ms).unwrap_or(i64::MAX));
        }
    }

    /// Sets or clears a field's expiry; false if there is no such field.
    pub fn set_expire(&mut self, name: &[u8], expire_ms: Option<u64>) -> bool {
        let hash = hash::keys().hash(name);
        // SAFETY: words in the table are alive.
        let handle = self
            .table
            .find_handle(hash, |word| is_same(unsafe { name_of(word) }, name));
        let Some(handle) = handle else { return false };
        let word = self.table.word_at(handle);
        self.table
            .count_expiring(expires(word), expire_ms.is_some());
        match (expire_ms, expires(word)) {
            (None, false) => return true,
            // SAFETY: alive, and the table is exclusive.
            (Some(ms), true) => unsafe { entry::set_expire(word, ms) },
            _ => {
                let field = Field {
                    expire_ms,
                    // SAFETY: alive until freed below.
                    ..unsafe { field_of(word) }
                };
                self.table.replace_at(handle, build(field));
                self.bytes += memory_bytes(field);
                // SAFETY: out of the table.
                self.bytes -= unsafe { free(word) };
            }
        }
        self.note(hash, expire_ms);
        true
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let hash = hash::keys().hash(name);
        // SAFETY: words in the table are alive.
        let gone = self
            .table
            .remove(hash, |word| is_same(unsafe { name_of(word) }, name));
        let Some(word) = gone else { return false };
        self.table.count_expiring(expires(word), false);
        // SAFETY: out of the table.
        self.bytes -= unsafe { free(word) };
        true
    }

    /// Number of fields with an expiry.
    pub fn volatile(&self) -> usize {
        self.table.expiring()
    }

    /// A lower bound of all expiries: no field expires earlier, and perhaps none then.
    pub fn next_due(&self) -> Option<u64> {
        if self.volatile() == 0 {
            return None;
        }
        self.table.next_due().map(i64::cast_unsigned)
    }

    /// Removes up to `limit` fields whose expiry is at or before `now_ms`, passing each name to
    /// `see` first; returns how many.
    pub fn remove_expired(
        &mut self,
        now_ms: u64,
        limit: usize,
        mut see: impl FnMut(&[u8]),
    ) -> usize {
        let bytes = &mut self.bytes;
        // SAFETY: words in the table are alive.
        let expiry_of = |word| unsafe { expire_of(word) };
        self.table
            .remove_due(now_ms, limit, hash_of, expiry_of, |word| {
                // SAFETY: out of the table but alive.
                see(unsafe { name_of(word) });
                // SAFETY: out of the table.
                *bytes -= unsafe { free(word) };
            })
    }

    /// Panics if an invariant is broken. O(n).
    pub fn check_invariants(&self) {
        self.table.check_invariants(hash_of);
        assert_eq!(self.iter().map(memory_bytes).sum::<usize>(), self.bytes);
        let first = self.iter().filter_map(|field| field.expire_ms).min();
        assert!(
            first.is_none_or(|first| self.next_due().is_some_and(|due| due <= first)),
            "the bound is not after any expiry"
        );
    }

    /// All fields, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        // SAFETY: words in the table are alive and unchanged while it is borrowed.
        self.table.iter().map(|word| unsafe { field_of(word) })
    }

    /// A uniformly random field.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Field<'_>> {
        // SAFETY: as in `iter`.
        self.table.random(rng).map(|word| unsafe { field_of(word) })
    }

    /// A step of SCAN; returns the next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(Field<'_>)) -> u64 {
        // SAFETY: as in `iter`.
        self.table
            .scan(cursor, |word| see(unsafe { field_of(word) }))
    }

    /// Offers the blocks of about `n` fields from a cursor on, and before the first field the
    /// blocks of the table; returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, mover: &mut Mover, cursor: u64, n: usize) -> u64 {
        self.table.relocate_about(mover, cursor, n, |word, mover| {
            // SAFETY: the word is in the table, which replaces it by the returned word.
            unsafe { entry::moved(word, mover) }
        })
    }

    /// Frees up to `n` fields; true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let bytes = &mut self.bytes;
        // SAFETY: out of the table.
        self.table
            .drain_step(n, |word| *bytes -= unsafe { free(word) })
    }
}

impl Elements for FieldTable {
    #[inline]
    fn table(&self) -> &HashTable {
        &self.table
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.bytes
    }
}

impl Drop for FieldTable {
    fn drop(&mut self) {
        self.free_step(usize::MAX);
    }
}

impl Clone for FieldTable {
    fn clone(&self) -> Self {
        let mut copy = FieldTable {
            // SAFETY: words in the table are alive while it is borrowed.
            table: self
                .table
                .copy_with(|word| build(unsafe { field_of(word) })),
            bytes: self.bytes,
        };
        if self.volatile() > 0 {
            for field in self.iter() {
                copy.note(hash::keys().hash(field.name), field.expire_ms);
                copy.table.count_expiring(false, field.expire_ms.is_some());
            }
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn value(n: usize) -> Vec<u8> {
        vec![b'a' + (n % 26) as u8; n]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn behaves_like_a_map_with_expiries(
            ops in prop::collection::vec((0u8..8, 0u32..300, 0usize..40, 0u64..1000), 0..1500)
        ) {
            let mut table = FieldTable::default();
            let mut model: HashMap<Vec<u8>, (Vec<u8>, Option<u64>)> = HashMap::new();
            for (op, name, len, ms) in ops {
                let name = format!("field:{name}").into_bytes();
                let text = value(if len == 39 { 3000 } else { len });
                let old = model.get(&name).and_then(|(_, ms)| *ms);
                match op {
                    0..2 => {
                        let new = table.set(&name, &text, Ttl::Clear);
                        prop_assert_eq!(new, model.insert(name, (text, None)).is_none());
                    }
                    2 => {
                        let new = table.set(&name, &text, Ttl::Keep);
                        prop_assert_eq!(new, model.insert(name, (text, old)).is_none());
                    }
                    3 => {
                        let new = table.set(&name, &text, Ttl::Set(ms));
                        prop_assert_eq!(new, model.insert(name, (text, Some(ms))).is_none());
                    }
                    4 => prop_assert_eq!(table.remove(&name), model.remove(&name).is_some()),
                    5 | 6 => {
                        let expire = (op == 5).then_some(ms);
                        prop_assert_eq!(table.set_expire(&name, expire), model.contains_key(&name));
                        model.entry(name).and_modify(|(_, ms)| *ms = expire);
                    }
                    _ => {
                        let now = ms / 20;
                        let due = model.values().filter(|(_, ms)| ms.is_some_and(|ms| ms <= now)).count();
                        let gone = table.remove_expired(now, 3, |name| {
                            let (_, ms) = model.remove(name).expect("a field");
                            assert!(ms.is_some_and(|ms| ms <= now));
                        });
                        prop_assert_eq!(gone, due.min(3));
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                let volatile = model.values().filter(|(_, ms)| ms.is_some()).count();
                prop_assert_eq!(table.volatile(), volatile);
            }
            let copy = table.clone();
            for (name, (text, ms)) in &model {
                let expected = Field { name, value: text, expire_ms: *ms };
                prop_assert_eq!(copy.get(name), Some(expected));
            }
            prop_assert_eq!(table.iter().count(), model.len());
        }
    }
}
