//! `aof-scrub-hours`: when the files are read again (`persistence::aof::scrub`), and what was found.
//!
//! A pass begins so many hours after the file was opened, or after the last pass: a start has just
//! read everything. It waits for a change of the set, and begins again if the set has changed
//! meanwhile. Damage stays known until a rewrite has replaced the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Aof, AofState};
use crate::base::clock::Now;
use crate::persistence::aof::{Damage, Log, Manifest, Names, ScrubEnd, ScrubPlan, scrub};
use crate::persistence::errand::Errand;

const HOUR_MS: u64 = 3_600_000;
/// Delay of the next try if the set has changed, or no thread was to be had.
const AGAIN_MS: u64 = 1000;

/// A pass under way.
struct Running {
    errand: Errand<ScrubEnd>,
    stop: Arc<AtomicBool>,
    began_ms: u64,
    /// `DEBUG AOF-SCRUB` has asked for it.
    was_asked: bool,
    manifest: Manifest,
}

/// See the module.
pub struct Scrubs {
    running: Option<Running>,
    /// When the hours began.
    since_ms: Option<u64>,
    not_before_ms: u64,
    /// A pass is to begin at once.
    asked: bool,
    /// Passes that came to their end.
    pub done: u64,
    /// Unix second of the last end; 0: there was none.
    pub last_s: i64,
    /// Seconds that the last pass took; -1: there was none.
    pub last_time_s: i64,
    /// What the last pass has found and no rewrite has replaced.
    pub damage: Vec<Damage>,
}

impl Default for Scrubs {
    fn default() -> Scrubs {
        Scrubs {
            running: None,
            since_ms: None,
            not_before_ms: 0,
            asked: false,
            done: 0,
            last_s: 0,
            last_time_s: -1,
            damage: Vec::new(),
        }
    }
}

impl Scrubs {
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Begins a pass as soon as the set allows it.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    fn is_due(&mut self, hours: u32, now_ms: u64) -> bool {
        let since = *self.since_ms.get_or_insert(now_ms);
        let is_time = hours > 0 && now_ms - since.min(now_ms) >= u64::from(hours) * HOUR_MS;
        (self.asked || is_time) && now_ms >= self.not_before_ms
    }

    fn begin(&mut self, log: &Log, now: &Now) {
        let Ok(dir) = std::path::absolute(&log.names.dir) else {
            return;
        };
        let plan = ScrubPlan {
            names: Names {
                dir,
                basename: log.names.basename.clone(),
            },
            manifest: log.manifest.clone(),
            current_bytes: log.writer.length(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let manifest = plan.manifest.clone();
        match Errand::start("aof-scrub", None, move || scrub(&plan, &theirs)) {
            Ok(errand) => {
                let running = Running {
                    errand,
                    stop,
                    began_ms: now.mono_ms,
                    was_asked: std::mem::take(&mut self.asked),
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

    /// Takes the end of a pass, if it has ended.
    fn take_end(&mut self, log: Option<&Log>, now: &Now) {
        let Some(running) = &self.running else { return };
        let Some(mut end) = running.errand.take() else {
            return;
        };
        if let (ScrubEnd::Changed, Some(log)) = (&end, log)
            && !log.is_changing()
            && log.manifest.lists_same(&running.manifest)
        {
            // The server has not changed it.
            let damage = Damage {
                file: log.names.manifest(),
                offset: 0,
                what: "it does not list the files that the server has written".to_owned(),
            };
            end = ScrubEnd::Read {
                bytes: 0,
                damage: vec![damage],
            };
        }
        let (was_asked, took_ms) = (running.was_asked, now.mono_ms - running.began_ms);
        self.running = None;
        match end {
            ScrubEnd::Stopped => {}
            ScrubEnd::Changed => {
                self.asked |= was_asked;
                self.not_before_ms = now.mono_ms + AGAIN_MS;
            }
            ScrubEnd::Read { bytes, damage } => {
                self.done += 1;
                self.last_s = now.unix_s();
                self.last_time_s = (took_ms / 1000) as i64;
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
            }
        }
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
    /// Begins and ends passes: called by cron.
    pub(in crate::server) fn tend_scrubs(&mut self, hours: u32, now: &Now) {
        self.scrubs.take_end(self.log.as_deref(), now);
        let Some(log) = &self.log else {
            self.scrubs.stop();
            self.scrubs.damage.clear();
            return;
        };
        if !self.scrubs.damage.is_empty() {
            let is_listed = |file: &String| log.manifest.parts().any(|part| part.name == *file);
            let manifest = log.names.manifest();
            self.scrubs
                .damage
                .retain(|each| each.file == manifest || is_listed(&each.file));
        }
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
            self.scrubs.begin(log, now);
        }
    }
}
