//! How long something that did not pay is let be: twice as long each time, until it pays again.

/// Moments that are let pass after the first bad trial.
const SKIP_MIN: u32 = 64;

/// See the module. `MAX` is the most moments that are let pass.
#[derive(Debug)]
pub struct Backoff<const MAX: u32> {
    skip: u32,
    next: u32,
}

impl<const MAX: u32> Default for Backoff<MAX> {
    fn default() -> Self {
        Backoff {
            skip: 0,
            next: SKIP_MIN,
        }
    }
}

impl<const MAX: u32> Backoff<MAX> {
    /// Whether this moment is let pass; it is counted.
    #[inline]
    pub fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip -= u32::from(skips);
        skips
    }

    /// A trial is over, and has paid or not.
    pub fn judged(&mut self, has_paid: bool) {
        if has_paid {
            self.next = SKIP_MIN;
        } else {
            self.skip = self.next;
            self.next = (2 * self.next).min(MAX);
        }
    }
}
