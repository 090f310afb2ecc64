//! Decides whether polling before sleeping pays.
//!
//! Meeting a request awake saves the loop a sleep, and its client a wake-up; polling for a request
//! that does not come wastes the processor. Polls are tried in rounds of [`ROUND`]; after a bad
//! round they are suspended, twice as long each time.

use russet_base::backoff::Backoff;

/// Polls that are judged together, and the least number of them that must find something.
const ROUND: u32 = 16;
const MET_MIN: u32 = 12;
/// The most sleeps without a poll after bad rounds.
const SKIP_MAX: u32 = 8192;

/// See the module.
#[derive(Debug, Default)]
pub struct Spin {
    tried: u32,
    met: u32,
    backoff: Backoff<SKIP_MAX>,
}

impl Spin {
    /// Whether to poll before this sleep.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        !self.backoff.skips()
    }

    /// Counts a poll and whether it found something.
    #[inline]
    pub fn count(&mut self, met: bool) {
        self.tried += 1;
        self.met += u32::from(met);
        if self.tried < ROUND {
            return;
        }
        self.backoff.record_trial(self.met >= MET_MIN);
        (self.tried, self.met) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `sleeps` sleeps follow a poll, if polls find something `met` times in 16?
    fn polls(sleeps: u32, met: u32) -> u32 {
        let mut spin = Spin::default();
        let mut polls = 0;
        for _ in 0..sleeps {
            if spin.is_due() {
                spin.count(polls % 16 < met);
                polls += 1;
            }
        }
        polls
    }

    #[test]
    fn what_pays_goes_on_and_what_does_not_ends() {
        assert_eq!(polls(100_000, 16), 100_000);
        assert_eq!(polls(100_000, MET_MIN), 100_000);
        assert!(polls(100_000, MET_MIN - 1) < 500);
        assert!(polls(100_000, 0) < 500);
    }
}
