//! The hash of a key, computed once for a command, with the key's slot.
//!
//!     hash 64 | address of the key 48 | slot 16
//!
//! A batch hashes the keys of its commands ahead, to prefetch them; a lookup recognizes its key by
//! the address alone: no two arguments of a request begin at the same one, because bytes follow
//! each argument, even an empty one.

use crate::base::hash::{self, HashKeys};

/// Bits of the slot, below those of the address.
const SLOT_BITS: u32 = 16;

/// The slot of every key while keys have no slots.
const NO_SLOT: u16 = 0;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash {
    hash: u64,
    at: u64,
}

const _: () = assert!(size_of::<KeyHash>() <= 16);

impl KeyHash {
    /// Hashes `key`. The result identifies the key as long as it stays at its address.
    #[inline]
    pub fn of(key: &[u8]) -> KeyHash {
        KeyHash::new(hash::keys(), key)
    }

    /// As [`KeyHash::of`], with the process's [`hash::keys`], which a loop fetches once. The only
    /// constructor: a key's slot is computed here.
    #[inline]
    pub fn new(keys: &HashKeys, key: &[u8]) -> KeyHash {
        KeyHash {
            hash: keys.hash(key),
            at: address(key) << SLOT_BITS | u64::from(NO_SLOT),
        }
    }

    /// The hash, for tables.
    #[inline]
    pub fn hash(self) -> u64 {
        self.hash
    }

    /// The slot, which selects the table; 0 while keys have no slots.
    #[inline]
    pub fn slot(self) -> u16 {
        self.at as u16
    }

    /// Whether this is the hash of `key`, which must be a whole argument or not part of one.
    #[inline]
    pub(super) fn is_of(self, key: &[u8]) -> bool {
        let is_it = self.at >> SLOT_BITS == address(key);
        debug_assert!(!is_it || self.hash == hash::keys().hash(key));
        is_it
    }
}

/// Addresses have 48 bits on all supported machines, as in the words of a hash table.
#[inline]
fn address(key: &[u8]) -> u64 {
    key.as_ptr() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_recognized_by_its_key_and_has_no_slot() {
        let (key, other) = (b"some key".to_vec(), b"some key".to_vec());
        let hash = KeyHash::of(&key);
        assert!(hash.is_of(&key) && !hash.is_of(&other));
        assert_eq!(hash.hash(), KeyHash::of(&other).hash());
        assert_eq!(hash.slot(), 0);
    }
}
