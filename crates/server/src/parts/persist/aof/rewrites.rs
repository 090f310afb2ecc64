//! Rewriting the append only file: a base from the current keyspace, and a new incremental file for
//! effects recorded meanwhile.
//!
//!     wanted (scheduled while a save is under way)
//!       -> the file so far goes to disk            Stage::Ahead
//!       -> new incremental file, snapshot begins   Stage::Saving
//!       -> the base is on disk                     Stage::Made
//!       -> the manifest names it                   Stage::Installing
//!
//! This module has the state, and changes the set of files. `persist::aof::rewrite` decides when a
//! rewrite begins and asks the driver of snapshots (`parts::persist::snapshot`) for the base.
//!
//! The old files stay until the manifest names the new base, so a crash at any point leaves a whole
//! set. If the file was off before, effects go to a file that the manifest does not name until
//! then. If the server has moved to another folder (CONFIG SET dir), the new set is made there,
//! while the old set remains whole and is still written.
//!
//! The size of the base is unknown before it is made, and the size of the log does not predict it:
//! a rewrite is always tried. If space is short, a rewrite is the remedy. After failures, automatic
//! tries wait a second, and with many incremental files up to an hour.

use std::path::PathBuf;

use super::set::OFF;
use super::{Aof, AofState, time};

use russet_base::clock::Now;
use russet_base::memory::alloc;
use russet_config::{Config, SnapshotMethod, system_text};
use russet_persistence::aof::{BaseForm, Names, Owner, free_bytes};
use russet_replication::Stream;

/// With this many incremental files that no rewrite has replaced, tries become rare.
const INCRS_LIMIT: usize = 3;
/// Longest wait, minutes: the wait starts at 1 and doubles with each further failure.
const WAIT_MINUTES_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;
/// A log shorter than this is not rewritten for lack of space.
const ROOM_MIN: u64 = 2 << 20;
/// Delay of the next automatic try after a failure.
const RETRY_MS: u64 = 1000;
/// Why an incremental file begins, for the log.
const WHY: &str = "background rewrite";

/// A rewrite that is under way.
pub struct RewriteJob {
    stage: RewriteStage,
    began_ms: u64,
}

enum RewriteStage {
    /// The current file is being forced to disk; no snapshot yet.
    Ahead,
    /// The driver of snapshots makes the base.
    Saving,
    /// The base, at this path, is whole: it is installed when no other change of the set is under
    /// way, after the files that exist by then.
    Made(PathBuf, BaseForm),
    /// The base is being added to the set.
    Installing(PathBuf),
}

impl RewriteJob {
    /// Whether the driver of snapshots makes the rewrite's base.
    pub fn is_saving(&self) -> bool {
        matches!(self.stage, RewriteStage::Saving)
    }

    /// Removes the rewrite's base; an unfinished base belongs to the driver of snapshots.
    fn forget(&self) {
        if let RewriteStage::Made(path, _) | RewriteStage::Installing(path) = &self.stage {
            // Best effort: the next rewrite replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The consequences of the beginning of a rewrite.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteStart {
    /// The base is to be made now, from the current keyspace.
    Base,
    /// The file is being forced to disk: the base is made when that change has ended.
    Ahead,
}

/// The consequences of the end of a rewrite.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteOutcome {
    /// The set is whole: writes that were refused for its sake are accepted.
    Whole,
    /// The rewrite failed. `is_needed`: another rewrite must follow as soon as possible.
    Failed { is_needed: bool },
}

/// See the module.
pub struct Rewrites {
    pub last_ok: bool,
    /// Seconds that the last rewrite took; -1: none yet.
    pub last_time_s: i64,
    pub done: u64,
    pub failed_in_a_row: u64,
    running: Option<RewriteJob>,
    /// The effects recorded beside the base are lost: the rewrite begins again.
    restarts: bool,
    /// Since when a rewrite waits for the end of `flush-grace`, monotonic milliseconds.
    pub(crate) waits_since_ms: Option<u64>,
    /// No other try before this time.
    retry_ms: u64,
    /// Rate limit: no try before this time; the next wait, minutes.
    limited_until_ms: u64,
    wait_minutes: u64,
}

impl Default for Rewrites {
    fn default() -> Rewrites {
        Rewrites {
            last_ok: true,
            last_time_s: -1,
            done: 0,
            failed_in_a_row: 0,
            running: None,
            restarts: false,
            waits_since_ms: None,
            retry_ms: 0,
            limited_until_ms: 0,
            wait_minutes: 0,
        }
    }
}

impl Rewrites {
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Seconds that the current rewrite has taken so far; -1: none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }

    /// Takes the current rewrite, to end it or to put it back.
    pub fn take(&mut self) -> Option<RewriteJob> {
        self.running.take()
    }

    pub fn put_back(&mut self, running: RewriteJob) {
        self.running = Some(running);
    }

    /// Takes the current rewrite if its base is being made.
    pub(crate) fn take_saving(&mut self) -> Option<RewriteJob> {
        self.running.take_if(|running| running.is_saving())
    }

    /// The base of the current rewrite is whole, at this path.
    pub(crate) fn base_made(&mut self, path: PathBuf, form: BaseForm) {
        if let Some(running) = &mut self.running
            && running.is_saving()
        {
            running.stage = RewriteStage::Made(path, form);
        }
    }

    /// Has the current rewrite begin again at the next check of rewrites.
    pub(super) fn restart(&mut self) {
        self.restarts = true;
    }

    /// Whether the current rewrite must begin again; `true` only once.
    pub(crate) fn take_restart(&mut self) -> bool {
        std::mem::take(&mut self.restarts)
    }

    fn record_failure(&mut self, now_ms: u64) {
        self.last_ok = false;
        self.failed_in_a_row += 1;
        self.retry_ms = now_ms + RETRY_MS;
    }

    /// Whether the next rewrite must wait because of repeated failures. `incrs`: incremental files
    /// that no rewrite has replaced.
    fn apply_retry_limit(&mut self, incrs: usize, now_ms: u64) -> bool {
        if now_ms < self.retry_ms {
            return true;
        }
        if self.last_ok || incrs < INCRS_LIMIT {
            (self.limited_until_ms, self.wait_minutes) = (0, 0);
            return false;
        }
        if self.limited_until_ms > 0 {
            let is_over = now_ms >= self.limited_until_ms;
            if is_over {
                self.limited_until_ms = 0;
            }
            return !is_over;
        }
        let minutes = (self.wait_minutes * 2).clamp(1, WAIT_MINUTES_MAX);
        self.wait_minutes = minutes;
        self.limited_until_ms = now_ms + minutes * MINUTE_MS;
        tracing::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \
             {minutes} minutes"
        );
        true
    }
}

/// Whether a rewrite is due.
impl Aof {
    /// Whether the file has grown enough for an automatic rewrite.
    pub(crate) fn is_rewrite_due(&self, config: &Config) -> bool {
        let Some(log) = &self.log else {
            return false;
        };
        let (now, base) = (log.current_bytes(), log.base_bytes.max(1));
        let percentage = u64::from(config.auto_aof_rewrite_percentage);
        let grown = u128::from(now) * 100 / u128::from(base);
        self.state == AofState::On
            && percentage > 0
            && now > config.auto_aof_rewrite_min_size
            && grown >= 100 + u128::from(percentage)
    }

    /// Whether disk space is short and a rewrite would probably free some: a base takes about as
    /// much space as the data in memory, or as the last base. The growth settings alone may not
    /// start a rewrite before the disk is full. `startup_bytes`: the memory used without data.
    pub(crate) fn is_room_short(&self, config: &Config, startup_bytes: usize) -> bool {
        let Some(log) = &self.log else {
            return false;
        };
        if self.state != AofState::On || config.auto_aof_rewrite_percentage == 0 {
            return false;
        }
        let data = alloc::used_memory() as u64;
        let base = data.saturating_sub(startup_bytes as u64);
        let base = base.max(log.base_file_bytes);
        // At least half of the log is freed, so the rest has to double before the next rewrite.
        if log.current_bytes() < ROOM_MIN.max(2 * base) {
            return false;
        }
        let free = free_bytes(&log.names.dir);
        free.is_ok_and(|free| free < 2 * base + ROOM_MIN)
    }

    /// Whether the next rewrite must wait because of repeated failures.
    pub(crate) fn apply_rewrite_limit(&mut self, now_ms: u64) -> bool {
        let log = self.log.as_ref();
        let incrs = log.map_or(0, |log| log.manifest.incrs.len());
        self.rewrites.apply_retry_limit(incrs, now_ms)
    }
}

/// The stages.
impl Aof {
    /// Begins a rewrite. No other change of the set may be under way.
    pub(crate) fn begin_rewrite(
        &mut self,
        config: &Config,
        now: &Now,
        stream: &Stream,
    ) -> Result<RewriteStart, String> {
        let names = Aof::names(config);
        let is_on = self.state == AofState::On;
        let Some(log) = &mut self.log else {
            self.begin_next_set(names, config, stream)?;
            return Ok(RewriteStart::Base);
        };
        if !is_on {
            // The base will have these effects: they must not be applied twice.
            log.writer.skip();
            let begun = log.begin_incr(true, stream.offset(), WHY);
            begun.map_err(|error| error.to_string())?;
            log.replace_all();
            super::begin_followed(log, stream);
            return Ok(RewriteStart::Base);
        }
        if !log.follow(&names) {
            tracing::warn!(
                "The append only file moves from {} to {}",
                log.names.dir.display(),
                names.dir.display()
            );
            self.begin_next_set(names, config, stream)?;
            return Ok(RewriteStart::Base);
        }
        // With `snapshot-method fork` the child exists when BGREWRITEAOF answers, as in Redis: then
        // writes, not the fork, wait until the rest is forced to disk.
        if config.snapshot_method != SnapshotMethod::Fork {
            let is_ahead = log.begin_ahead(Owner::Rewrite);
            if is_ahead.map_err(|error| error.to_string())? {
                self.rewrites.running = Some(RewriteJob {
                    stage: RewriteStage::Ahead,
                    began_ms: now.mono_ms,
                });
                return Ok(RewriteStart::Ahead);
            }
        }
        self.begin_replacing_incr(now, stream)?;
        Ok(RewriteStart::Base)
    }

    /// Nearly all effects are on disk: begins the incremental file that remains beside the base,
    /// which is to be made from the current keyspace.
    pub(crate) fn begin_replacing_incr(
        &mut self,
        now: &Now,
        stream: &Stream,
    ) -> Result<(), String> {
        if let Some(log) = &mut self.log {
            log.replace_all();
        }
        self.begin_next_incr(Owner::Rewrite, WHY, now, stream)
    }

    /// Begins a separate set, which replaces the current set when it is whole.
    fn begin_next_set(
        &mut self,
        names: Names,
        config: &Config,
        stream: &Stream,
    ) -> Result<(), String> {
        names.make_folder().map_err(|error| error.to_string())?;
        let manifest = Aof::manifest_for_base(config, &names).map_err(|error| error.to_string())?;
        let mut next = self.new_log(config, (names, manifest), stream.offset());
        if self.state != AofState::Off {
            let begun = next.begin_incr(true, stream.offset(), WHY);
            begun.map_err(|error| error.to_string())?;
        }
        next.replace_all();
        self.next = Some(Box::new(next));
        Ok(())
    }

    /// The names of the set that the base is for.
    pub(crate) fn base_names(&self) -> Option<Names> {
        let log = self.next.as_ref().or(self.log.as_ref());
        log.map(|log| log.names.clone())
    }

    /// The base is being made.
    pub(crate) fn record_base_begin(&mut self, config: &Config, now: &Now) {
        let began = self.rewrites.running.take();
        self.rewrites.running = Some(RewriteJob {
            stage: RewriteStage::Saving,
            began_ms: began.map_or(now.mono_ms, |running| running.began_ms),
        });
        self.apply_settings(config);
    }

    /// Discards the set that was to replace the current set.
    pub(crate) fn give_up_next_set(&mut self) {
        if let Some(mut next) = self.next.take() {
            next.settle();
            next.give_up_unlisted();
        }
    }

    /// The separate set is whole: it becomes the current set.
    fn take_next_set(&mut self, now: &Now, stream: &Stream) {
        let Some(mut next) = self.next.take() else {
            return;
        };
        if self.state == AofState::Off {
            return;
        }
        let at = time(now);
        // Writes acknowledged by the old set are in the new set too, and as safe.
        if let Err(error) = next.writer.finish(at) {
            tracing::warn!("{}", system_text(&error));
        }
        if let Some(mut old) = self.log.replace(next) {
            old.close(at, stream.offset());
            if let Some(log) = &self.log {
                old.continue_in(log);
            }
        }
    }

    /// Whether a base is finished and no change of the set is under way.
    pub(crate) fn may_install_base(&self) -> bool {
        let running = self.rewrites.running.as_ref();
        !self.is_changing()
            && running.is_some_and(|running| matches!(running.stage, RewriteStage::Made(..)))
    }

    /// Adds a finished base to the set as soon as no other change is under way. An error: that
    /// rewrite has failed, for this reason.
    pub(crate) fn install_base(&mut self, config: &Config) -> Result<(), (RewriteJob, String)> {
        let may_install = self.may_install_base();
        let Some(mut running) = self.rewrites.running.take_if(|_| may_install) else {
            return Ok(());
        };
        let RewriteStage::Made(path, form) = &running.stage else {
            return Ok(());
        };
        let keep_history = config.aof_disable_auto_gc;
        let log = self.next.as_mut().or(self.log.as_mut());
        let begun = log.ok_or(OFF.to_owned()).and_then(|log| {
            let begun = log.begin_base(path, *form, keep_history);
            begun.map_err(|error| error.to_string())
        });
        if let Err(why) = begun {
            return Err((running, why));
        }
        running.stage = RewriteStage::Installing(path.clone());
        self.rewrites.running = Some(running);
        Ok(())
    }

    /// Discards a rewrite whose snapshot, if any, has been given up.
    pub(crate) fn discard_rewrite(&mut self, running: &RewriteJob, config: &Config) {
        self.give_up_next_set();
        if let Some(log) = &mut self.log {
            log.settle();
        }
        running.forget();
        self.apply_settings(config);
    }

    /// A rewrite has ended. Its base is in the set, or is removed.
    pub(crate) fn rewrite_ended(
        &mut self,
        running: &RewriteJob,
        result: Result<(), String>,
        config: &Config,
        now: &Now,
        stream: &Stream,
    ) -> RewriteOutcome {
        let seconds = now.mono_ms.saturating_sub(running.began_ms) / 1000;
        self.rewrites.last_time_s = seconds as i64;
        let ended = match result {
            Ok(()) => {
                self.take_next_set(now, stream);
                tracing::info!("Background AOF rewrite finished successfully");
                let rewrites = &mut self.rewrites;
                (rewrites.last_ok, rewrites.failed_in_a_row) = (true, 0);
                rewrites.done += 1;
                if self.state == AofState::WaitsForBase {
                    self.state = AofState::On;
                }
                self.incomplete = false;
                RewriteOutcome::Whole
            }
            Err(why) => {
                tracing::warn!("Background AOF rewrite terminated with error: {why}");
                running.forget();
                self.give_up_next_set();
                if self.state == AofState::WaitsForBase
                    && let Some(log) = &mut self.log
                {
                    log.give_up_unlisted();
                }
                self.rewrite_failed(now)
            }
        };
        self.apply_settings(config);
        ended
    }

    /// A rewrite has failed, or could not begin.
    pub(crate) fn rewrite_failed(&mut self, now: &Now) -> RewriteOutcome {
        self.rewrites.record_failure(now.mono_ms);
        // A file that was switched on or lacks bytes is not whole until a rewrite succeeds.
        let is_needed = self.state == AofState::WaitsForBase || self.incomplete;
        RewriteOutcome::Failed { is_needed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare_when_many_files_wait_for_a_rewrite() {
        let mut rewrites = Rewrites::default();
        assert!(!rewrites.apply_retry_limit(INCRS_LIMIT, 0));
        rewrites.record_failure(0);
        assert!(rewrites.apply_retry_limit(0, RETRY_MS - 1));
        assert!(!rewrites.apply_retry_limit(INCRS_LIMIT - 1, RETRY_MS));
        // Each wait begins with the look that finds it necessary, and is twice as long.
        let mut now_ms = RETRY_MS;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(rewrites.apply_retry_limit(INCRS_LIMIT, now_ms));
            now_ms += minutes * MINUTE_MS;
            assert!(rewrites.apply_retry_limit(INCRS_LIMIT, now_ms - 1));
            assert!(
                !rewrites.apply_retry_limit(INCRS_LIMIT, now_ms),
                "{minutes}"
            );
        }
        rewrites.last_ok = true;
        assert!(!rewrites.apply_retry_limit(INCRS_LIMIT, now_ms));
    }

    #[test]
    fn a_failed_rewrite_is_needed_again_if_the_file_waits_for_a_base() {
        let now = Now {
            unix_us: 0,
            mono_ms: 0,
        };
        let mut aof = Aof::default();
        assert_eq!(
            aof.rewrite_failed(&now),
            RewriteOutcome::Failed { is_needed: false }
        );
        aof.state = AofState::WaitsForBase;
        assert_eq!(
            aof.rewrite_failed(&now),
            RewriteOutcome::Failed { is_needed: true }
        );
        assert_eq!(aof.rewrites.failed_in_a_row, 2);
    }
}
