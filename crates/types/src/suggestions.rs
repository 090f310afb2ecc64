//! A dictionary of suggestions: the value of FT.SUG* commands.
//!
//! Its trie is in `russet_encodings`. A key holds one dictionary, so its length is 1: one without
//! entries is a value, too. The encoding is that of all values of modules.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::{Container, Encoding, Measured, Relocate, Signature, Type, boxed};
use russet_base::memory::alloc::boxed_bytes;
use russet_base::memory::mover::Mover;
use russet_encodings::suggestions::Suggestions as Trie;

/// See the module.
#[derive(Clone)]
pub struct Suggestions(Box<Trie>);

impl From<Trie> for Suggestions {
    fn from(trie: Trie) -> Suggestions {
        Suggestions(Box::new(trie))
    }
}

impl Deref for Suggestions {
    type Target = Trie;

    #[inline]
    fn deref(&self) -> &Trie {
        &self.0
    }
}

impl DerefMut for Suggestions {
    #[inline]
    fn deref_mut(&mut self) -> &mut Trie {
        &mut self.0
    }
}

impl Measured for Suggestions {
    fn memory_bytes(&self) -> usize {
        boxed_bytes::<Trie>() + self.0.memory_bytes()
    }
}

impl Relocate for Suggestions {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        self.0.relocate(mover, at, n)
    }
}

impl Container for Suggestions {
    const TYPE: Type = Type::Suggestions;
    const NAME: &'static str = "trietype0";
    /// Redis's number of values of modules.
    const NUMBER: u32 = 5;

    #[inline]
    fn into_word(self) -> (Encoding, u64) {
        (Encoding::OfModule, boxed::into_word(self.0))
    }

    #[inline]
    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::OfModule);
        // SAFETY: the caller guarantees it.
        Suggestions(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::OfModule
    }

    fn len(&self) -> usize {
        1
    }

    fn check_invariants(&self) {
        self.0.check_invariants();
    }

    /// Redis has no signature of these values: this is of their content.
    fn sign(&self, signature: &mut Signature) {
        self.0.sign(&mut |part| signature.follow(part));
    }

    fn free_effort(&self) -> usize {
        self.0.free_effort()
    }

    fn free_step(&mut self, n: usize) -> bool {
        self.0.free_step(n)
    }
}
