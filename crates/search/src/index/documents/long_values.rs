//! The hashes of a field's long values. An unchanged value is not split into words again, so that a
//! change of another field costs little.
//!
//! Invariant: a document with a hash has exactly the entries of the value with this hash. Cost: a
//! hash of the value; 12 bytes for each document with a long value.

use std::collections::HashMap;

use russet_base::hashing::hash::keys;

/// Bytes from which on a value is long.
const LONG: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct LongValues(HashMap<u32, u64>);

impl LongValues {
    /// Notes the value of a document, in parts. True: the value is long, and the same as before.
    pub(crate) fn is_same<'v>(
        &mut self,
        document: u32,
        parts: impl Iterator<Item = &'v [u8]> + Clone,
    ) -> bool {
        if parts.clone().map(<[u8]>::len).sum::<usize>() < LONG {
            self.forget(document);
            return false;
        }
        let mix = |hash: u64, part: &[u8]| {
            let mixed = hash.rotate_left(7) ^ keys().hash(part);
            mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let hash = parts.fold(1, mix);
        self.0.insert(document, hash) == Some(hash)
    }

    /// The document has no value, or a new value.
    pub(crate) fn forget(&mut self, document: u32) {
        if !self.0.is_empty() {
            self.0.remove(&document);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * 13
    }
}
