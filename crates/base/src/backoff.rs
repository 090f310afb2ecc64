//! Exponential backoff for optional work: skips twice as many chances each time, until it pays.

/// See the module. `MAX` is the most chances skipped in a row, `MIN` how many are after the first
/// bad trial.
#[derive(Debug)]
pub struct Backoff<const MAX: u32, const MIN: u32 = 64> {
    skip: u32,
    next: u32,
}

impl<const MAX: u32, const MIN: u32> Default for Backoff<MAX, MIN> {
    fn default() -> Self {
        Backoff::new()
    }
}

impl<const MAX: u32, const MIN: u32> Backoff<MAX, MIN> {
    /// The next chance is a trial.
    pub const fn new() -> Self {
        Backoff { skip: 0, next: MIN }
    }

    /// Whether to skip this chance; counts it.
    #[inline]
    pub fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip -= u32::from(skips);
        skips
    }

    /// Reports whether the last trial paid.
    pub fn record_trial(&mut self, has_paid: bool) {
        if has_paid {
            self.next = MIN;
        } else {
            self.skip = self.next;
            self.next = (2 * self.next).min(MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_bad_trials_ever_fewer_chances_are_tried() {
        let mut backoff = Backoff::<4, 1>::new();
        let mut tried = |is_bad: &dyn Fn(u32) -> bool| {
            let mut at = Vec::new();
            for chance in 0..16 {
                if !backoff.skips() {
                    backoff.record_trial(!is_bad(chance));
                    at.push(chance);
                }
            }
            at
        };
        assert_eq!(tried(&|_| true), [0, 2, 5, 10, 15]);
        let paid: Vec<u32> = (4..16).collect();
        assert_eq!(tried(&|_| false), paid);
        assert_eq!(tried(&|chance| chance == 3)[..6], [0, 1, 2, 3, 5, 6]);
    }
}
