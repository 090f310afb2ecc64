//! What a function of ours may take that a script can make work for long: it stops when the
//! script is to end, and when what it makes would be more than the state may hold.
//!
//! While such a function runs the allocator refuses nothing, and what it puts together stands in
//! buffers that the allocator of the state does not know. Both count against the script's memory:
//! a text is there twice when it is handed to Lua, in its buffer and as a string.

use std::cmp::Ordering;

use super::errors;
use super::lua::{Frame, Raise};

/// Steps between two questions whether the script is to end.
const STEPS: u32 = 4096;
/// Strings from this length on are asked for before they are made; so many shorter ones as there
/// are steps between two looks take a few megabytes at most.
pub const LONG: usize = 1024;

/// See the module.
pub struct Effort<'m> {
    frame: Frame<'m>,
    steps: u32,
    /// Bytes that stand beside the state meanwhile.
    beside: usize,
}

impl<'m> Effort<'m> {
    pub fn new(frame: Frame<'m>) -> Effort<'m> {
        Effort::beside(frame, 0)
    }

    /// While so many bytes are held on behalf of the script, what it makes apart.
    pub fn beside(frame: Frame<'m>, bytes: usize) -> Effort<'m> {
        Effort {
            frame,
            steps: STEPS,
            beside: bytes,
        }
    }

    /// A step; the buffer has so many bytes so far.
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
        // So many bytes take as long as all the steps between two questions.
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
        // A shorter piece counts as so many steps as it takes of the time of a whole one.
        let steps = (common - at) / (PIECE / STEPS as usize);
        self.steps = self.steps.saturating_sub(steps as u32).max(1);
        Ok(a[at..].cmp(&b[at..]))
    }

    /// As [`Effort::step`] of something that may take long by itself.
    #[cold]
    pub fn look(&mut self, bytes: usize) -> Result<(), Raise> {
        self.steps = STEPS;
        if self.frame.is_stopped() {
            return Err(stopped(self.frame));
        }
        self.check(bytes)
    }

    /// Whether a text of so many bytes may be put together and handed to Lua.
    #[inline]
    pub fn check(&self, bytes: usize) -> Result<(), Raise> {
        self.check_string(bytes.saturating_mul(2))
    }

    /// Whether Lua may take so many bytes more.
    #[inline]
    pub fn check_string(&self, bytes: usize) -> Result<(), Raise> {
        check_room(self.frame, self.beside.saturating_add(bytes))
    }
}

/// Whether the state, and what is made on behalf of its script, may take so many bytes more.
#[inline]
pub fn check_room(f: Frame<'_>, bytes: usize) -> Result<(), Raise> {
    match bytes >= f.machine.room() {
        true => Err(Raise::Plain(NO_MEMORY.into())),
        false => Ok(()),
    }
}

/// As Lua says it.
pub const NO_MEMORY: &str = "not enough memory";

/// What a script is told that is to end.
pub fn stopped(f: Frame<'_>) -> Raise {
    errors::push_error(f.stack, errors::KILLED);
    Raise::Top
}

/// Whether so many bytes may be made beside the state and then be copied into it: there are
/// two of them for a moment.
#[inline]
pub fn check_copied(f: Frame<'_>, bytes: usize) -> Result<(), Raise> {
    check_room(f, bytes.saturating_mul(2))
}
