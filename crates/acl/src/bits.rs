//! A bit for each command of the table.

const WORDS: usize = 16;

/// The maximum number of commands and subcommands.
pub(super) const COMMANDS_MAX: usize = WORDS * 64;

/// A set of commands, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub const NONE: Bits = Bits([0; WORDS]);
    pub const ALL: Bits = Bits([u64::MAX; WORDS]);

    #[inline]
    pub fn has(&self, id: usize) -> bool {
        self.0[id / 64 % WORDS] >> (id % 64) & 1 == 1
    }

    pub fn insert(&mut self, id: usize) {
        self.0[id / 64] |= 1 << (id % 64);
    }

    /// Adds or removes all of `others`.
    pub fn set(&mut self, others: &Bits, on: bool) {
        for (mine, other) in self.0.iter_mut().zip(others.0) {
            if on { *mine |= other } else { *mine &= !other }
        }
    }
}
