//! The budget of our own functions that a script can make run long: they stop when the script is
//! stopped, or when their result would exceed the memory limit of the state.
//!
//! While such a function runs, the allocator refuses nothing, and its buffers are outside the
//! state's allocator. Both count against the script's memory: a text handed to Lua exists twice,
//! in its buffer and as a string.

use std::cmp::Ordering;

use super::errors::{self, NO_MEMORY};
use super::lua::{Frame, Raise};

/// Steps between two checks whether the script must stop.
const STEPS: u32 = 4096;
/// Strings of this length or more are checked before they are made; shorter strings add up to a few
/// megabytes at most between two checks.
pub const LONG: usize = 1024;

/// See the module.
pub(crate) struct Effort<'m> {
    frame: Frame<'m>,
    steps: u32,
    /// Bytes held outside the state meanwhile.
    beside: usize,
}

impl<'m> Effort<'m> {
    pub fn new(frame: Frame<'m>) -> Effort<'m> {
        Effort::beside(frame, 0)
    }

    /// With `bytes` already held on behalf of the script, apart from its own memory.
    pub fn beside(frame: Frame<'m>, bytes: usize) -> Effort<'m> {
        Effort {
            frame,
            steps: STEPS,
            beside: bytes,
        }
    }

    /// Counts a step; `bytes`: the size of the buffer so far.
    #[inline]
    pub fn step(&mut self, bytes: usize) -> Result<(), Raise> {
        self.steps -= 1;
        if self.steps > 0 {
            return Ok(());
        }
        self.look(bytes)
    }

    /// Compares two texts by their bytes.
    pub fn compare(&mut self, a: &[u8], b: &[u8]) -> Result<Ordering, Raise> {
        // Comparing this many bytes takes as long as `STEPS` steps.
        const PIECE: usize = 64 * 1024;
        let common = a.len().min(b.len());
        let mut at = 0;
        while common - at > PIECE {
            let piece = at..at + PIECE;
            match a[piece.clone()].cmp(&b[piece]) {
                Ordering::Equal => at += PIECE,
                different => return Ok(different),
            }
            self.look(0)?;
        }
        // A shorter piece counts for its share of `STEPS`.
        let steps = (common - at) / (PIECE / STEPS as usize);
        self.steps = self.steps.saturating_sub(steps as u32).max(1);
        Ok(a[at..].cmp(&b[at..]))
    }

    /// Like [`Effort::step`], but checks at once: for a single step that may take long.
    #[cold]
    pub fn look(&mut self, bytes: usize) -> Result<(), Raise> {
        self.steps = STEPS;
        if self.frame.is_stopped() {
            return Err(stopped(self.frame));
        }
        self.check(bytes)
    }

    /// Checks that a text of this size may be built and handed to Lua (it exists twice).
    #[inline]
    pub fn check(&self, bytes: usize) -> Result<(), Raise> {
        self.check_string(bytes.saturating_mul(2))
    }

    /// Checks that Lua may take this many bytes more.
    #[inline]
    pub(crate) fn check_string(&self, bytes: usize) -> Result<(), Raise> {
        check_room(self.frame, self.beside.saturating_add(bytes))
    }
}

/// Checks that the state, with everything made on behalf of its script, may grow by `bytes`.
#[inline]
pub(crate) fn check_room(f: Frame<'_>, bytes: usize) -> Result<(), Raise> {
    if bytes >= f.machine.room() {
        Err(Raise::Plain(NO_MEMORY.into()))
    } else {
        Ok(())
    }
}

/// The error of a script that is being stopped.
pub fn stopped(f: Frame<'_>) -> Raise {
    errors::push_error(f.stack, errors::KILLED);
    Raise::Top
}

/// Checks room for a buffer of `bytes` outside the state that is then copied into it: it exists
/// twice for a moment.
#[inline]
pub(crate) fn check_copied(f: Frame<'_>, bytes: usize) -> Result<(), Raise> {
    check_room(f, bytes.saturating_mul(2))
}
