//! Signatures of contents, identical to Redis's DEBUG DIGEST: equal contents have equal signatures,
//! whatever their encoding and table order.
//!
//! A signature combines parts in either of two ways: by exclusive or of their SHA-1, if their order
//! is irrelevant, or by hashing the result again, if their order counts.

use sha1::{Digest, Sha1};

use super::Entry;

/// See the module.
#[derive(Clone, Copy, Default)]
pub struct Signature([u8; 20]);

impl Signature {
    /// As DEBUG DIGEST replies it: 40 hexadecimal digits, lowercase.
    pub fn hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Combines a part whose order is irrelevant.
    pub fn join(&mut self, part: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(part).into();
        self.0.iter_mut().zip(hash).for_each(|(a, b)| *a ^= b);
    }

    /// Combines a part whose order counts.
    pub fn follow(&mut self, part: &[u8]) {
        self.join(part);
        self.0 = Sha1::digest(self.0).into();
    }

    pub(crate) fn follow_entry(&mut self, entry: Entry<'_>) {
        self.follow(entry.bytes(&mut itoa::Buffer::new()));
    }

    /// Combines an element that already has a signature, and whose order is irrelevant.
    pub fn join_signed(&mut self, one: Signature) {
        self.join(&one.0);
    }
}
