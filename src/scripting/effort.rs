//! What a function of ours may take that a script can make work for long: it stops when the
//! script is to end, and when what it makes would be more than the state may hold.

use super::errors;
use super::lua::{Frame, Raise};

/// Steps between two questions whether the script is to end.
const STEPS: u32 = 4096;

/// See the module.
pub struct Effort<'m> {
    frame: Frame<'m>,
    steps: u32,
}

impl<'m> Effort<'m> {
    pub fn new(frame: Frame<'m>) -> Effort<'m> {
        Effort {
            frame,
            steps: STEPS,
        }
    }

    /// A step; so much has been made so far.
    #[inline]
    pub fn step(&mut self, bytes: usize) -> Result<(), Raise> {
        self.steps -= 1;
        if self.steps > 0 {
            return Ok(());
        }
        self.look(bytes)
    }

    #[cold]
    fn look(&mut self, bytes: usize) -> Result<(), Raise> {
        self.steps = STEPS;
        if self.frame.is_stopped() {
            return Err(stopped(self.frame));
        }
        self.check(bytes)
    }

    /// Whether so much may be made.
    #[inline]
    pub fn check(&self, bytes: usize) -> Result<(), Raise> {
        match bytes >= self.frame.machine.room() {
            true => Err(Raise::Plain("not enough memory".into())),
            false => Ok(()),
        }
    }
}

/// What a script is told that is to end.
pub fn stopped(f: Frame<'_>) -> Raise {
    errors::push_error(f.stack, errors::KILLED);
    Raise::Top
}
