//! The hash of a key, computed once for a command, with the key's slot.
//!
//!     hash 64 | address of the key 48 | slot 16
//!
//! A batch hashes the keys of its commands ahead, to prefetch them; a lookup recognizes its key by
//! the address alone: no two arguments of a request begin at the same address, because bytes follow
//! each argument, even an empty argument.

use super::super::slots::slot::SlotMemo;
use russet_base::hashing::hash::{self, HashKeys};

/// Bits of the slot, below those of the address.
const SLOT_BITS: u32 = 16;

/// The slot of every key in a keyspace without slots.
const NO_SLOT: u16 = 0;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash {
    hash: u64,
    at: u64,
}

const _: () = assert!(size_of::<KeyHash>() <= 16);

/// How a keyspace hashes its keys; a loop fetches it once
/// ([`Keyspace::hasher`](super::super::Keyspace)).
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    keys: &'static HashKeys,
    has_slots: bool,
}

impl KeyHasher {
    /// With the process's seeds. `has_slots`: keys have slots.
    pub fn new(has_slots: bool) -> KeyHasher {
        KeyHasher {
            keys: hash::keys(),
            has_slots,
        }
    }

    /// Whether keys have slots.
    #[inline]
    pub fn has_slots(self) -> bool {
        self.has_slots
    }

    /// Hashes `key`. The result identifies the key as long as the key stays at its address.
    #[inline(always)]
    pub fn hash(self, key: &[u8]) -> KeyHash {
        if self.has_slots {
            return self.hash_with(&mut SlotMemo::default(), key);
        }
        KeyHash {
            hash: self.keys.hash(key),
            at: address(key) << SLOT_BITS | u64::from(NO_SLOT),
        }
    }

    /// As `hash`, for a key among others, which may have the same hash tag.
    #[inline]
    pub fn hash_with<'k>(self, slots: &mut SlotMemo<'k>, key: &'k [u8]) -> KeyHash {
        let slot = if self.has_slots {
            slots.slot_of(key)
        } else {
            NO_SLOT
        };
        KeyHash {
            hash: self.keys.hash(key),
            at: address(key) << SLOT_BITS | u64::from(slot),
        }
    }
}

impl KeyHash {
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
    pub fn is_of(self, key: &[u8]) -> bool {
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
    use crate::slots::slot::slot_of;

    #[test]
    fn a_hash_is_recognized_by_its_key() {
        let (key, other) = (b"some key".to_vec(), b"some key".to_vec());
        for has_slots in [false, true] {
            let hasher = KeyHasher::new(has_slots);
            let hash = hasher.hash(&key);
            assert!(hash.is_of(&key) && !hash.is_of(&other));
            assert_eq!(hash.hash(), hasher.hash(&other).hash());
        }
    }

    #[test]
    fn a_hash_has_the_slot_of_its_key_if_keys_have_slots() {
        let key = b"{user}:1".to_vec();
        assert_eq!(KeyHasher::new(false).hash(&key).slot(), 0);
        assert_eq!(KeyHasher::new(true).hash(&key).slot(), slot_of(b"user"));
        assert_ne!(slot_of(b"user"), 0);
    }
}
