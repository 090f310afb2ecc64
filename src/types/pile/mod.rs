//! A pile: numbers in the order in which they came.
#![allow(unsafe_code)]

use super::{Container, Encoding, Measured, Relocate, Signature, Type, boxed};
use crate::base::alloc::{boxed_bytes, good_size};
use crate::base::mover::Mover;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Pile(Box<Vec<u64>>);

impl Pile {
    pub fn add(&mut self, number: u64) {
        self.0.push(number);
    }

    pub fn numbers(&self) -> &[u64] {
        &self.0
    }
}

impl Measured for Pile {
    fn memory_bytes(&self) -> usize {
        let numbers = match self.0.capacity() {
            0 => 0,
            room => good_size(8 * room),
        };
        boxed_bytes::<Vec<u64>>() + numbers
    }
}

impl Relocate for Pile {
    fn relocate(&mut self, mover: &mut Mover, _at: u64, _n: usize) -> Option<u64> {
        mover.boxed(&mut self.0);
        None
    }
}

impl Container for Pile {
    const TYPE: Type = Type::Pile;
    const NAME: &str = "pile";
    const NUMBER: u32 = 7;

    fn into_word(self) -> (Encoding, u64) {
        (Encoding::Pile, boxed::into_word(self.0))
    }

    unsafe fn from_word(encoding: Encoding, word: u64) -> Self {
        assert_eq!(encoding, Encoding::Pile);
        // SAFETY: the caller guarantees it.
        Pile(unsafe { boxed::from_word(word) })
    }

    fn encoding(&self) -> Encoding {
        Encoding::Pile
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn check_invariants(&self) {}

    fn sign(&self, signature: &mut Signature) {
        for number in self.numbers() {
            signature.follow(number.to_string().as_bytes());
        }
    }

    fn free_effort(&self) -> usize {
        2
    }

    fn free_step(&mut self, _n: usize) -> bool {
        true
    }
}
