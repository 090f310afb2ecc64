//! Exponential backoff for optional work: skips twice as many chances each time, until it pays.

/// Chances skipped after the first bad trial.
const SKIP_MIN: u32 = 64;

/// See the module. `MAX` is the most chances skipped in a row.
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
    /// Whether to skip this chance; counts it.
    #[inline]
    pub fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip -= u32::from(skips);
        skips
    }

    /// Reports whether the last trial paid.
    pub fn judged(&mut self, has_paid: bool) {
        if has_paid {
            self.next = SKIP_MIN;
        } else {
            self.skip = self.next;
            self.next = (2 * self.next).min(MAX);
        }
    }
}
