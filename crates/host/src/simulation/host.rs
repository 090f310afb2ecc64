//! A simulated host's clocks and disk.
//!
//! Clocks are skewed against the world's, and may jump; a process may stand still. A disk may be
//! bad, and forgets unsynced bytes when its host dies.

use super::super::time::Now;

/// The clocks of a host, against the world's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// The monotonic clock minus the world's.
    pub monotonic_skew_ms: i64,
    /// The wall clock minus the world's.
    pub wall_skew_ms: i64,
    /// The process stands still until then, by the world's clock.
    pub frozen_until: i64,
}

impl Clock {
    /// The clocks, when the world's shows this.
    pub fn at(&self, now_ms: i64) -> Now {
        Now {
            monotonic_ms: now_ms + self.monotonic_skew_ms,
            wall_ms: now_ms + self.wall_skew_ms,
        }
    }

    /// Whether the process stands still.
    pub fn is_frozen(&self, now_ms: i64) -> bool {
        self.frozen_until > now_ms
    }
}

/// The file in which a machine is saved.
#[derive(Clone, Debug, Default)]
pub struct Disk<T> {
    /// The contents, as the next process reads them.
    pub file: T,
    /// The contents after a crash of the host: as they were last synced.
    pub synced: T,
    /// Saves fail.
    pub is_bad: bool,
    /// How often it was asked to save.
    pub saves: usize,
}

impl<T: Clone> Disk<T> {
    /// Of a new host, with this file.
    pub fn new(file: T) -> Disk<T> {
        Disk {
            synced: file.clone(),
            file,
            is_bad: false,
            saves: 0,
        }
    }

    /// Saves a state; `false`: the disk is bad.
    pub fn save(&mut self, state: T, sync: bool) -> bool {
        self.saves += 1;
        if !self.is_bad {
            self.file = state;
            if sync {
                self.synced = self.file.clone();
            }
        }
        !self.is_bad
    }

    /// The host dies, with what it had not synced.
    pub fn crash(&mut self) {
        self.file = self.synced.clone();
    }
}
