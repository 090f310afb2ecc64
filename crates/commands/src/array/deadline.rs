//! The end of a slice of ARGREP, by the clock, which is read only once in some steps.

use std::time::{Duration, Instant};

/// Steps between two looks at the clock: some 30 us if each step takes the longest time.
const STEPS: usize = 1 << 13;

/// See the module. A step is a look at a state of an expression's program, or at a few bytes of a
/// text.
pub(super) struct Deadline {
    end: Instant,
    /// Steps up to the next look at the clock.
    left: usize,
    is_over: bool,
}

impl Deadline {
    pub fn after(nanos: usize) -> Deadline {
        Deadline {
            end: Instant::now() + Duration::from_nanos(nanos as u64),
            left: STEPS,
            is_over: false,
        }
    }

    /// Counts work that is done.
    #[inline]
    pub fn spend(&mut self, steps: usize) {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => {
                self.left = STEPS;
                self.is_over |= Instant::now() >= self.end;
            }
        }
    }

    /// How many steps are free before the clock is read.
    pub fn left(&self) -> usize {
        self.left
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }
}
