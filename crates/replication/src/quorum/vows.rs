//! Vows of members to their leader, and the times from which a leader counts its lease.
//!
//! See `lease`. Cost: at most [`MARKS_MAX`] marks of 16 bytes.

use std::collections::VecDeque;

use super::ballot::Ballot;
use crate::ReplOffset;

const MARKS_MAX: usize = 1024;

/// Milliseconds of the stream that have one time.
const MARK_MS: u64 = 5;

/// A member's vow to a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vow {
    /// The leader's ballot.
    pub leader: Ballot,
    /// Milliseconds that remain.
    pub ms: u64,
}

/// A vow for a lease of so many milliseconds: clocks may differ by a tenth.
pub(super) fn vow_ms(lease_ms: u64) -> u64 {
    lease_ms + lease_ms.div_ceil(10)
}

/// When stretches of the stream were sent, of the last lease.
#[derive(Clone, Debug, Default)]
pub(super) struct SentTimes(VecDeque<(ReplOffset, u64)>);

impl SentTimes {
    /// The stream has grown to `end`.
    pub fn grow(&mut self, now_ms: u64, end: ReplOffset, lease_ms: u64) {
        while self
            .0
            .front()
            .is_some_and(|&(_, at)| at + lease_ms < now_ms)
        {
            self.0.pop_front();
        }
        let is_full = self.0.len() >= MARKS_MAX;
        match self.0.back_mut() {
            Some((last, at_ms)) if is_full || now_ms < *at_ms + MARK_MS => *last = end,
            _ => self.0.push_back((end, now_ms)),
        }
    }

    /// The time at which the last stretch that ends at or before this offset began. 0: unknown.
    pub fn of(&self, acknowledged: ReplOffset) -> u64 {
        let count = self.0.partition_point(|&(end, _)| end <= acknowledged);
        count.checked_sub(1).map_or(0, |at| self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_from_the_time_of_sending() {
        let mut sent = SentTimes::default();
        sent.grow(1000, 10, 500);
        sent.grow(1003, 20, 500);
        sent.grow(1100, 30, 500);
        assert_eq!(sent.of(9), 0);
        assert_eq!(sent.of(19), 0, "a stretch counts as a whole");
        assert_eq!((sent.of(20), sent.of(29)), (1000, 1000));
        assert_eq!(sent.of(u64::MAX), 1100);
        sent.grow(1550, 40, 500);
        assert_eq!(sent.of(29), 0, "it is older than a lease");
        for at in 0..5000 {
            sent.grow(2000 + at, 50 + at, u64::MAX / 2);
        }
        assert!(sent.0.len() <= MARKS_MAX);
        assert_eq!(vow_ms(1000), 1100);
        assert_eq!(vow_ms(1), 2);
    }
}
