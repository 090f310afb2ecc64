//! A snapshot in progress: its stage, and the saving of keys by a pass.

use std::time::Duration;

use super::child::Child;
use super::end::SnapshotEnd;
use super::fan_out::FanOut;
use super::target::Target;

use crate::process::feed_watchdog;
use russet_keyspace::{Keyspace, Slice};

/// How often a wait for the disk is interrupted to feed the watchdog.
const WAIT: Duration = Duration::from_millis(100);

/// A snapshot in progress.
pub(super) struct SnapshotJob {
    pub work: Work,
    pub outlets: FanOut,
}

pub(super) enum Work {
    /// A pass between slices.
    Pass {
        /// With `rdb-key-save-delay`, when the next step is due, monotonic microseconds.
        next_step_us: u64,
    },
    /// A child, and cancelled targets: their files are removed when it has ended.
    Child(Child, Vec<Target>),
    /// All keys are saved, or no sink is left; the sinks are being finished.
    Ending,
}

impl SnapshotJob {
    /// Saves for `ticks`, at least a key or a part of a key. Returns the outcome, and how many keys
    /// were saved, unless they were the last keys.
    pub fn slice(&mut self, keyspace: &mut Keyspace, ticks: u64) -> (Slice, u64) {
        let before = keyspace.pass_progress().0;
        let slice = keyspace.pass_slice(&mut self.outlets, ticks);
        if slice == Slice::Done {
            self.work = Work::Ending;
            self.outlets.finish();
        }
        let saved = keyspace.pass_progress().0.saturating_sub(before);
        (slice, saved)
    }

    /// Saves the remaining keys of a pass, while the loop waits. `delay_us`: after each key. Ends
    /// early when every sink has failed.
    pub fn save_rest(&mut self, keyspace: &mut Keyspace, delay_us: u64) {
        let ticks = if delay_us > 0 { 0 } else { u64::MAX };
        while matches!(self.work, Work::Pass { .. }) {
            feed_watchdog();
            let pause_us = match self.slice(keyspace, ticks) {
                (Slice::Done, _) => return,
                // The disk is slower than the loop, or has failed.
                (Slice::Full, _) => 1000,
                (Slice::More, saved) => delay_us * saved,
            };
            self.outlets.fail_stuck();
            if self.outlets.poll() {
                self.work = Work::Ending;
                keyspace.abort_pass();
                return;
            }
            std::thread::sleep(Duration::from_micros(pause_us));
        }
    }

    /// Waits until all sinks have ended; returns the first error. To be called when all keys are
    /// saved, by the thread that the sinks wake.
    pub fn wait(mut self) -> SnapshotEnd {
        while !self.outlets.poll() {
            feed_watchdog();
            std::thread::park_timeout(WAIT);
        }
        self.outlets.end()
    }
}
