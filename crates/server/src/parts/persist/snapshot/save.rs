//! Saves: snapshots that become the dump file. When a save is due (save points), the save in
//! progress, and the result of the last save.
//!
//! Invariants
//!   1. At most one save is in progress.
//!   2. A save that succeeds takes off the changes counted when it began; later changes stay
//!      counted.
//!   3. A save that is cancelled changes no result: neither the last status nor the last time.
//!
//! After a failure save points wait five seconds, and writes are refused if configured
//! ([`SaveState::stops_writes`]). Cost: O(save points) per check. The snapshot itself: `snapshot`.

use super::end::SnapshotEnd;
use super::target::{Target, TargetKind};

use russet_base::clock::Now;
use russet_config::Config;
use russet_keyspace::Keyspace;

/// Delay of save points after a failed save.
const RETRY_MS: u64 = 5_000;

/// A save in progress.
struct SaveJob {
    began_ms: u64,
    /// Changes counted when the save began.
    dirty: u64,
}

/// See the module.
pub struct SaveState {
    running: Option<SaveJob>,
    /// Unix seconds.
    pub last_save_s: i64,
    pub last_status_ok: bool,
    /// Why the last save failed; empty after a save that succeeded.
    pub last_error: String,
    /// Seconds that the last save took; -1: none yet.
    pub last_time_s: i64,
    last_try_ms: u64,
    pub saves: u64,
    pub failed_in_a_row: u64,
    /// Whether a child made the last save.
    pub last_forked: bool,
    /// Whether files are made; not for commands run in a test's process.
    pub on_disk: bool,
}

impl SaveState {
    /// `now_s`: Unix seconds.
    pub fn new(now_s: i64) -> SaveState {
        SaveState {
            running: None,
            last_save_s: now_s,
            last_status_ok: true,
            last_error: String::new(),
            last_time_s: -1,
            last_try_ms: 0,
            saves: 0,
            failed_in_a_row: 0,
            last_forked: false,
            on_disk: false,
        }
    }

    /// The dump file: in the current working folder, which may change before the save ends.
    pub fn target(config: &Config) -> Target {
        let here = std::env::current_dir().unwrap_or_default();
        let name = here.join(config.dbfilename.path());
        Target::new(TargetKind::Dump { name })
    }

    /// Whether a save is in progress.
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Seconds that the current save has taken so far; -1: none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }

    /// Seconds until the current save ends, judged by the keys saved so far of a total; -1: there
    /// is no save, or nothing to judge by.
    pub fn remaining_s(&self, (saved, total): (u64, u64), now_ms: u64) -> i64 {
        let Some(running) = &self.running else {
            return -1;
        };
        let took_ms = u128::from(now_ms.saturating_sub(running.began_ms));
        let left = u128::from(total.saturating_sub(saved));
        let left_ms = (left * took_ms).checked_div(u128::from(saved));
        left_ms.map_or(-1, |ms| i64::try_from(ms / 1000).unwrap_or(i64::MAX))
    }

    /// Whether writes are refused because the last save failed, as configured.
    pub(crate) fn stops_writes(&self, config: &Config) -> bool {
        !self.last_status_ok && config.stop_writes_on_bgsave_error && !config.save.0.is_empty()
    }

    /// Whether a save point triggers a save; the log names it.
    pub(crate) fn is_due(&self, config: &Config, now: &Now, dirty: u64) -> bool {
        let since_s = now.unix_s() - self.last_save_s;
        let due = config.save.0.iter().find(|point| {
            dirty >= u64::from(point.changes)
                && since_s > i64::try_from(point.seconds).unwrap_or(i64::MAX)
        });
        let Some(point) = due else { return false };
        let waited = now.mono_ms.saturating_sub(self.last_try_ms);
        if !self.last_status_ok && waited < RETRY_MS {
            return false;
        }
        tracing::info!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
        true
    }

    /// A save is tried now.
    pub(crate) fn record_try(&mut self, now: &Now) {
        self.last_try_ms = now.mono_ms;
    }

    /// A save has begun, with this many changes since the last save.
    pub(crate) fn record_begin(&mut self, now: &Now, dirty: u64) {
        self.running = Some(SaveJob {
            began_ms: now.mono_ms,
            dirty,
        });
    }

    pub(crate) fn record_saved(&mut self, now: &Now) {
        self.last_save_s = now.unix_s();
        self.last_status_ok = true;
        self.last_error.clear();
        self.saves += 1;
        self.failed_in_a_row = 0;
    }

    /// The snapshot of a save has ended.
    pub(crate) fn ended(
        &mut self,
        keyspace: &mut Keyspace,
        target: &Target,
        end: &SnapshotEnd,
        now: &Now,
    ) {
        let Some(running) = self.running.take() else {
            return;
        };
        let took_ms = now.mono_ms.saturating_sub(running.began_ms);
        match end {
            SnapshotEnd::Cancelled => return,
            SnapshotEnd::Done => {
                tracing::info!("DB saved on disk");
                tracing::info!("Background saving terminated with success");
                keyspace.dirty = keyspace.dirty.saturating_sub(running.dirty);
                self.record_saved(now);
            }
            SnapshotEnd::Failed(_) | SnapshotEnd::Killed(_) | SnapshotEnd::Unwanted => {
                let signal = match end {
                    SnapshotEnd::Killed(signal) => Some(*signal),
                    SnapshotEnd::Unwanted => Some(rustix::process::Signal::USR1.as_raw()),
                    _ => None,
                };
                if let Some(signal) = signal {
                    tracing::warn!("Background saving terminated by signal {signal}");
                }
                let (path, why) = (target.path(), end.why());
                tracing::warn!("Write error saving DB on disk ({}): {why}", path.display());
                tracing::warn!("Background saving error");
                if *end != SnapshotEnd::Unwanted {
                    self.last_status_ok = false;
                    self.last_error = format!("{}: {why}", path.display());
                }
                self.failed_in_a_row += u64::from(*end != SnapshotEnd::Unwanted);
            }
        }
        self.last_time_s = (took_ms / 1000) as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Now {
        Now {
            unix_us: seconds * 1_000_000,
            mono_ms: seconds as u64 * 1000,
        }
    }

    #[test]
    fn a_save_point_is_due_after_its_time_and_waits_after_a_failure() {
        let (config, mut saving) = (Config::default(), SaveState::new(1000));
        // By default after an hour with a single change.
        assert!(!saving.is_due(&config, &at(4600), 1));
        assert!(saving.is_due(&config, &at(4601), 1));
        assert!(!saving.is_due(&config, &at(4601), 0));
        saving.record_try(&at(4601));
        saving.last_status_ok = false;
        assert!(!saving.is_due(&config, &at(4605), 1));
        assert!(saving.is_due(&config, &at(4606), 1));
        assert!(saving.stops_writes(&config));
        saving.record_saved(&at(4606));
        assert!(!saving.is_due(&config, &at(4606), 1) && !saving.stops_writes(&config));
    }
}
