//! `aof-scrub-hours`: when the files are read again (`persistence::aof::scrub`), and the damage
//! found in them.
//!
//! A pass begins so many hours after the file was opened (a start has just read everything), or
//! after the last pass. It waits while the set is being changed, and begins again if the set has
//! changed meanwhile, later each time. Damage stays known until a rewrite has replaced the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Aof, AofState};
use russet_base::clock::Now;
use russet_config::Config;
use russet_persistence::aof::{Damage, Log, Manifest, Names, ScrubEnd, ScrubPlan, scrub};
use russet_persistence::errand::Errand;

const HOUR_MS: u64 = 3_600_000;
/// Delay of the next try if no thread could be started, and of the first scrub after a change of
/// the set.
const AGAIN_MS: u64 = 1000;
/// The number of passes in a row that changes of the set have ended, at which this is logged.
const CHANGES_REPORTED: u32 = 6;

/// A pass under way.
struct ScrubJob {
    errand: Errand<ScrubEnd>,
    stop: Arc<AtomicBool>,
    began_ms: u64,
    /// `DEBUG AOF-SCRUB` has asked for the pass.
    was_asked: bool,
    /// The names of the set, with the folder as it was at the begin.
    names: Names,
    manifest: Manifest,
}

/// See the module.
pub struct Scrubs {
    running: Option<ScrubJob>,
    /// When the hours began.
    since_ms: Option<u64>,
    not_before_ms: u64,
    /// Passes in a row that changes of the set have ended.
    changes: u32,
    /// A pass is to begin at once.
    asked: bool,
    /// Passes that came to their end.
    pub done: u64,
    /// Unix second of the last end; 0: there was none.
    pub last_s: i64,
    /// Seconds that the last pass took; -1: there was none.
    pub last_time_s: i64,
    /// The damage that the last pass has found and no rewrite has replaced.
    pub damage: Vec<Damage>,
    /// The set that it has read.
    read: Manifest,
}

impl Default for Scrubs {
    fn default() -> Scrubs {
        Scrubs {
            running: None,
            since_ms: None,
            not_before_ms: 0,
            changes: 0,
            asked: false,
            done: 0,
            last_s: 0,
            last_time_s: -1,
            damage: Vec::new(),
            read: Manifest::default(),
        }
    }
}

/// The delay after so many scrubs in a row that changes have ended: each time twice the last delay,
/// up to an hour.
fn delay_ms(changes: u32) -> u64 {
    let doubled = changes.saturating_sub(1).min(20);
    (AGAIN_MS << doubled).min(HOUR_MS)
}

impl Scrubs {
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a pass as soon as the set allows it.
    pub fn ask(&mut self) {
        self.asked = true;
        (self.not_before_ms, self.changes) = (0, 0);
    }

    fn is_due(&mut self, hours: u32, now_ms: u64) -> bool {
        let since = *self.since_ms.get_or_insert(now_ms);
        let is_time = hours > 0 && now_ms - since.min(now_ms) >= u64::from(hours) * HOUR_MS;
        (self.asked || is_time) && now_ms >= self.not_before_ms
    }

    fn begin(&mut self, log: &Log, now: &Now) {
        let names = log.names.clone();
        let plan = ScrubPlan {
            names: names.clone(),
            manifest: log.manifest.clone(),
            current_bytes: log.writer.length(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let manifest = plan.manifest.clone();
        match Errand::start("aof-scrub", None, move || scrub(&plan, &theirs)) {
            Ok(errand) => {
                let running = ScrubJob {
                    errand,
                    stop,
                    began_ms: now.mono_ms,
                    was_asked: std::mem::take(&mut self.asked),
                    names,
                    manifest,
                };
                self.running = Some(running);
            }
            Err(error) => {
                tracing::warn!("The append only file is not read again: {error}");
                self.not_before_ms = now.mono_ms + AGAIN_MS;
            }
        }
    }

    /// Takes a pass that has ended.
    fn take_ended(&mut self) -> Option<(ScrubJob, ScrubEnd)> {
        let end = self.running.as_ref()?.errand.take()?;
        Some((self.running.take()?, end))
    }

    /// A pass has ended; `log`: as it is now, by its present name.
    fn judge(&mut self, running: ScrubJob, end: ScrubEnd, log: Option<&Log>, now: &Now) {
        let is_there = log.is_some_and(|log| log.names == running.names);
        let is_same = |log: &&Log| !log.is_changing() && log.manifest.lists_same(&running.manifest);
        let same = log.filter(is_same).filter(|_| is_there);
        match (end, same) {
            (ScrubEnd::Stopped, _) => {}
            // Another program has changed the set.
            (ScrubEnd::Changed, Some(log)) => {
                let damage = Damage {
                    file: log.names.manifest(),
                    offset: 0,
                    what: "it does not list the files that the server has written".to_owned(),
                };
                self.end(running, 0, vec![damage], now);
            }
            (ScrubEnd::Changed, None) => self.begin_again(&running, now),
            // The folder has another name now: files were missing only under the old name.
            (ScrubEnd::Read { damage, .. }, _) if !is_there && !damage.is_empty() => {
                self.begin_again(&running, now);
            }
            (ScrubEnd::Read { bytes, damage }, _) => self.end(running, bytes, damage, now),
        }
    }

    /// The set was changed during a pass.
    fn begin_again(&mut self, running: &ScrubJob, now: &Now) {
        self.asked |= running.was_asked;
        self.changes = self.changes.saturating_add(1);
        self.not_before_ms = now.mono_ms + delay_ms(self.changes);
        if self.changes == CHANGES_REPORTED {
            tracing::warn!(
                "The append only file was not read again: rewrites have replaced it during \
                 {CHANGES_REPORTED} tries. More follow, at longer intervals."
            );
        }
    }

    /// Records a pass that has read everything.
    fn end(&mut self, running: ScrubJob, bytes: u64, damage: Vec<Damage>, now: &Now) {
        self.done += 1;
        self.changes = 0;
        self.last_s = now.unix_s();
        self.last_time_s = ((now.mono_ms - running.began_ms) / 1000) as i64;
        self.since_ms = Some(now.mono_ms);
        for each in &damage {
            tracing::warn!(
                "The append only file is damaged: {each}. A restart would not load it: \
                 rewrite it now (BGREWRITEAOF), and look at the disk."
            );
        }
        if damage.is_empty() {
            tracing::info!("The append only file is sound: {bytes} bytes were read again");
        }
        self.damage = damage;
        self.read = running.manifest;
    }

    /// Forgets the damage of files that were replaced since, and of a manifest that was written
    /// anew.
    fn forget_replaced(&mut self, log: &Log) {
        if self.damage.is_empty() {
            return;
        }
        let manifest = log.names.manifest();
        let is_same_set = log.manifest.lists_same(&self.read);
        self.damage.retain(|each| {
            if each.file == manifest {
                is_same_set
            } else {
                log.manifest.parts().any(|part| part.name == each.file)
            }
        });
    }

    fn stop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Scrubs {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Aof {
    /// Adopts the folder's new name, if it was renamed and the settings lead to it by that.
    fn follow_folder(&mut self, config: &Config) {
        if let Some(log) = &mut self.log
            && !log.is_changing()
        {
            log.follow(&Aof::names(config));
        }
    }

    /// Begins and ends passes: called by cron.
    pub(crate) fn tend_scrubs(&mut self, config: &Config, now: &Now) {
        let hours = config.aof_scrub_hours;
        if let Some((running, end)) = self.scrubs.take_ended() {
            self.follow_folder(config);
            self.scrubs.judge(running, end, self.log.as_deref(), now);
        }
        let Some(log) = &self.log else {
            self.scrubs.stop();
            self.scrubs.damage.clear();
            return;
        };
        self.scrubs.forget_replaced(log);
        if let Some(running) = &self.scrubs.running {
            if hours == 0 && !running.was_asked {
                self.scrubs.stop();
            }
            return;
        }
        let is_whole = self.state == AofState::On
            && !self.incomplete
            && !log.is_changing()
            && !log.is_unlisted();
        if self.scrubs.is_due(hours, now.mono_ms) && is_whole {
            self.follow_folder(config);
            if let Some(log) = &self.log {
                self.scrubs.begin(log, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_changes_end_come_ever_later() {
        let delays: Vec<u64> = [1, 2, 3, 12, 13, u32::MAX].map(delay_ms).into();
        assert_eq!(delays, [1000, 2000, 4000, 2_048_000, HOUR_MS, HOUR_MS]);
    }
}
