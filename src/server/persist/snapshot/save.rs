//! Saves: when one is made (SAVE, BGSAVE, save points, FLUSHALL, shutdown), and what follows from
//! its end.

use std::sync::Arc;

use crate::keyspace::Keyspace;
use crate::persistence::background::Wake;
use crate::server::parts::snapshot::save::Running;
use crate::server::parts::snapshot::sink::{Target, What};
use crate::server::parts::snapshot::{Consumer, End};
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// Delay of save points after a failed save.
const RETRY_MS: u64 = 5_000;

impl Server {
    /// Whether writes are refused because the last save failed, as configured.
    pub(in crate::server) fn is_stopped_by_failed_save(&self) -> bool {
        !self.persist.saving.last_status_ok
            && self.config.stop_writes_on_bgsave_error
            && !self.config.save.0.is_empty()
    }

    /// The dump file: in the current working folder, which may change before the save ends.
    fn dump(&self) -> Target {
        let here = std::env::current_dir().unwrap_or_default();
        let name = here.join(self.config.dbfilename.path());
        Target::new(What::Dump { name })
    }

    /// SAVE, synchronously. Returns whether it succeeded; the log has the error. O(all data), after
    /// completing the current pass.
    pub fn save_now(&mut self, keyspace: &mut Keyspace) -> bool {
        let saved = self.save_at_once(keyspace);
        if saved {
            tracing::info!("DB saved on disk");
            keyspace.dirty = 0;
            self.persist.saving.note_saved(self.now.unix_s());
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
        saved
    }

    fn save_at_once(&mut self, keyspace: &mut Keyspace) -> bool {
        self.persist.saving.last_try_ms = self.now.mono_ms;
        let this = std::thread::current();
        let wake: Wake = Arc::new(move || this.unpark());
        let mut saving = match self.begin_pass(keyspace, vec![self.dump()], wake) {
            Ok(saving) => saving,
            Err(why) => {
                tracing::warn!("{why}");
                return false;
            }
        };
        let delay_us = u64::try_from(self.config.rdb_key_save_delay).unwrap_or(0);
        saving.save_rest(keyspace, delay_us);
        let end = saving.wait();
        if end != End::Done {
            tracing::warn!("Error saving DB on disk: {}", end.why());
        }
        end == End::Done
    }

    /// BGSAVE: the snapshot begins now, and continues between turns or in a child. An error, which
    /// is also logged: why it could not begin.
    pub fn save_in_background(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        let dirty = keyspace.dirty;
        self.persist.saving.last_try_ms = self.now.mono_ms;
        match self.begin_snapshot(keyspace, vec![self.dump()]) {
            Ok(pid) => {
                tracing::info!("Background saving started by pid {pid}");
                if dirty > 0 {
                    tracing::debug!("{dirty} changes since the last save");
                }
                self.persist.saving.running = Some(Running {
                    began_ms: self.now.mono_ms,
                    dirty,
                });
                Ok(())
            }
            Err(why) => {
                tracing::warn!("Can't save in background: {why}");
                self.persist.saving.last_status_ok = false;
                self.refresh_interest(keyspace);
                Err(why)
            }
        }
    }

    /// BGSAVE SCHEDULE: a save begins as soon as possible.
    pub fn schedule_save(&mut self) {
        self.persist.snapshots.set_queued(Consumer::Save, true);
    }

    /// Removes a scheduled save. `false`: there is none.
    pub fn unschedule_save(&mut self) -> bool {
        self.persist.snapshots.set_queued(Consumer::Save, false)
    }

    /// Cancels the current save (FLUSHALL, SHUTDOWN, BGSAVE CANCEL); its file is removed. `false`:
    /// there is none.
    pub fn cancel_save(&mut self, keyspace: &mut Keyspace) -> bool {
        let was_running = self.persist.saving.in_progress();
        if was_running {
            self.give_up_snapshot(keyspace, Consumer::Save);
        }
        was_running
    }

    /// FLUSHALL: cancels the current save. With save points, also saves the empty dataset.
    pub fn flushed_all(&mut self, keyspace: &mut Keyspace) {
        if !self.config.save.0.is_empty() && self.persist.saving.on_disk {
            self.save_now(keyspace);
        }
    }

    /// The snapshot of a save has ended.
    pub(in crate::server) fn save_ended(
        &mut self,
        keyspace: &mut Keyspace,
        target: &Target,
        end: &End,
    ) {
        let Some(running) = self.persist.saving.running.take() else {
            return;
        };
        let took_ms = self.now.mono_ms.saturating_sub(running.began_ms);
        match end {
            End::Cancelled => return,
            End::Done => {
                tracing::info!("DB saved on disk");
                tracing::info!("Background saving terminated with success");
                keyspace.dirty = keyspace.dirty.saturating_sub(running.dirty);
                self.persist.saving.note_saved(self.now.unix_s());
            }
            End::Failed(_) | End::Killed(_) | End::Unwanted => {
                let signal = match end {
                    End::Killed(signal) => Some(*signal),
                    End::Unwanted => Some(rustix::process::Signal::USR1.as_raw()),
                    _ => None,
                };
                if let Some(signal) = signal {
                    tracing::warn!("Background saving terminated by signal {signal}");
                }
                let (path, why) = (target.path(), end.why());
                tracing::warn!("Write error saving DB on disk ({}): {why}", path.display());
                tracing::warn!("Background saving error");
                self.persist.saving.last_status_ok &= *end == End::Unwanted;
            }
        }
        self.persist.saving.last_time_s = (took_ms / 1000) as i64;
    }
}

impl Engine {
    /// Begins a scheduled save, or one that a save point triggers.
    pub(in crate::server) fn begin_due_save(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let is_busy = server.persist.saving.in_progress() || server.is_rewriting();
        if is_busy || server.is_loading() || !server.persist.saving.on_disk {
            return;
        }
        if server.unschedule_save() {
            // The log says why it could not begin.
            let _ = server.save_in_background(keyspace);
            return;
        }
        let since_s = server.now.unix_s() - server.persist.saving.last_save_s;
        let due = server.config.save.0.iter().find(|point| {
            keyspace.dirty >= u64::from(point.changes)
                && since_s > i64::try_from(point.seconds).unwrap_or(i64::MAX)
        });
        let Some(point) = due else { return };
        let waited = server
            .now
            .mono_ms
            .saturating_sub(server.persist.saving.last_try_ms);
        if !server.persist.saving.last_status_ok && waited < RETRY_MS {
            return;
        }
        tracing::info!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
        // The log says why it could not begin.
        let _ = server.save_in_background(keyspace);
    }
}
