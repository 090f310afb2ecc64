//! When commands begin and end, by the cycle counter.
//!
//! A read of the counter takes as long as a small command: about 10 ns, and 20 or more on some
//! virtual machines. So a command of a batch starts when the previous command ended, and neighbours
//! that are calls of the same fast command are timed together, at most [`TOGETHER_MAX`] of them:
//! each counts with their average. A large request or reply ends such a group, because it may take
//! long: it counts with its own time, plus the small calls before it. If a group takes long, its
//! last call is logged.
//!
//! Invariant: calls that wait for their time are of a single row. They get it before any other
//! command runs.

use russet_base::clock;

/// Calls that are timed together.
pub(crate) const TOGETHER_MAX: usize = 4;
/// Bytes of a request and its reply above which no call waits for the end of the next call.
const SMALL: usize = 4096;

/// The time of calls of a single row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTime {
    /// Ticks of all these calls.
    pub ticks: u64,
    /// 0: their time is not known yet.
    pub calls: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Timing {
    /// When the last timed call ended.
    ended: u64,
    /// Calls after the next call that are timed together with it.
    left: usize,
    /// Calls that wait for their time.
    waiting: u64,
    /// The row of the calls that are timed together.
    row: usize,
}

impl Timing {
    /// A call starts now. None waits for its time.
    #[inline]
    pub fn begin(&mut self) {
        debug_assert_eq!(self.waiting, 0, "the invariant of the module");
        self.ended = clock::cycles();
    }

    /// When the call that runs has started.
    #[inline]
    pub fn start(&self) -> u64 {
        self.ended
    }

    /// The call that runs started at this tick: others have run meanwhile.
    pub(crate) fn set_start(&mut self, ticks: u64) {
        self.ended = ticks;
    }

    /// The next so many calls are of this row, and timed together. None waits for its time.
    #[inline]
    pub fn join(&mut self, row: usize, calls: usize) {
        self.left = calls - 1;
        self.row = row;
    }

    /// A call has ended, with so many bytes of request and reply. It may have to wait for the end
    /// of the next call.
    #[inline(always)]
    pub fn end(&mut self, bytes: usize) -> CallTime {
        if self.left > 0 {
            self.left -= 1;
            if bytes <= SMALL {
                self.waiting += 1;
                return CallTime { ticks: 0, calls: 0 };
            }
        }
        self.read(1)
    }

    /// The next call is timed alone. Whether calls wait for their time.
    #[inline]
    pub fn part(&mut self) -> bool {
        self.left = 0;
        self.waiting > 0
    }

    /// The row of the calls that wait, and their time, which ends now.
    pub fn settle(&mut self) -> (usize, CallTime) {
        (self.row, self.read(0))
    }

    /// The time until now of the calls that wait, and of so many more.
    #[inline(always)]
    fn read(&mut self, more: u64) -> CallTime {
        let now = clock::cycles();
        CallTime {
            ticks: now.wrapping_sub(std::mem::replace(&mut self.ended, now)),
            calls: std::mem::take(&mut self.waiting) + more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_neighbours_share_a_time() {
        let mut timing = Timing::default();
        timing.begin();
        timing.join(7, 3);
        assert_eq!([10, 10, 10].map(|bytes| timing.end(bytes).calls), [0, 0, 3]);
        assert!(!timing.part());
        assert_eq!(timing.end(10).calls, 1, "one alone");
    }

    #[test]
    fn a_large_call_ends_the_time_of_those_before_it() {
        let mut timing = Timing::default();
        timing.begin();
        timing.join(7, 4);
        let sizes = [10, SMALL + 1, SMALL, 10];
        assert_eq!(sizes.map(|bytes| timing.end(bytes).calls), [0, 2, 0, 2]);
    }

    #[test]
    fn calls_that_wait_can_be_timed_before_others_run() {
        let mut timing = Timing::default();
        timing.begin();
        timing.join(7, 4);
        assert_eq!(timing.end(10).calls, 0);
        assert!(timing.part());
        let (row, timed) = timing.settle();
        assert_eq!((row, timed.calls), (7, 1));
        assert_eq!(timing.end(10).calls, 1, "the rest is timed alone");
    }
}
