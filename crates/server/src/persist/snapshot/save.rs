//! Saves at work (`parts::persist::snapshot::save`): SAVE, BGSAVE, save points, FLUSHALL.

use crate::parts::persist::snapshot::save::SaveState;
use crate::parts::persist::snapshot::{Consumer, SnapshotEnd, Target};
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::Keyspace;

impl Server {
    /// SAVE, synchronously. Returns whether it succeeded;
    /// `SaveState::last_error` and the log have the error. O(all data), after
    /// completing the current pass.
    pub fn save_now(&mut self, keyspace: &mut Keyspace) -> bool {
        self.persist.saving.record_try(&self.now);
        let target = SaveState::target(&self.config);
        let path = target.path().to_owned();
        let (snapshots, making) = self.snapshots();
        let failed = match snapshots.make_now(keyspace, target, &making) {
            Ok(SnapshotEnd::Done) => None,
            Ok(end) => {
                tracing::warn!("Error saving DB on disk: {}", end.why());
                Some(format!("{}: {}", path.display(), end.why()))
            }
            Err(why) => {
                tracing::warn!("{why}");
                Some(why)
            }
        };
        let saved = failed.is_none();
        if let Some(why) = failed {
            self.persist.saving.last_error = why;
        } else {
            tracing::info!("DB saved on disk");
            keyspace.dirty = 0;
            self.persist.saving.record_saved(&self.now);
        }
        self.refresh_interest(keyspace);
        self.release_awaiting();
        saved
    }

    /// BGSAVE: the snapshot begins now, and continues between turns or in a child. An error, which
    /// is also logged: the reason why the snapshot could not begin.
    pub fn save_in_background(&mut self, keyspace: &mut Keyspace) -> Result<(), String> {
        self.save_in_background_with(keyspace, Vec::new())
    }

    /// BGSAVE with more targets of the same moment: they begin with the save or not at all.
    pub fn save_in_background_with(
        &mut self,
        keyspace: &mut Keyspace,
        more: Vec<Target>,
    ) -> Result<(), String> {
        let dirty = keyspace.dirty;
        self.persist.saving.record_try(&self.now);
        let mut targets = vec![SaveState::target(&self.config)];
        targets.extend(more);
        match self.begin_snapshot(keyspace, targets) {
            Ok(pid) => {
                tracing::info!("Background saving started by pid {pid}");
                if dirty > 0 {
                    tracing::debug!("{dirty} changes since the last save");
                }
                self.persist.saving.record_begin(&self.now, dirty);
                Ok(())
            }
            Err(why) => {
                tracing::warn!("Can't save in background: {why}");
                self.persist.saving.last_status_ok = false;
                self.persist.saving.last_error.clone_from(&why);
                self.refresh_interest(keyspace);
                Err(why)
            }
        }
    }

    /// Cancels the current save (FLUSHALL, SHUTDOWN, BGSAVE CANCEL); removes the save's file.
    /// `false`: no save is in progress.
    pub fn cancel_save(&mut self, keyspace: &mut Keyspace) -> bool {
        let was_running = self.persist.saving.in_progress();
        if was_running {
            self.give_up_snapshot(keyspace, Consumer::Save);
        }
        was_running
    }

    /// FLUSHALL has emptied all databases. With save points, saves the empty dataset.
    pub fn flushed_all(&mut self, keyspace: &mut Keyspace) {
        if !self.config.save.0.is_empty() && self.persist.saving.on_disk {
            self.save_now(keyspace);
        }
    }
}

impl Engine {
    /// Begins a scheduled save, or a save that a save point triggers.
    pub(super) fn begin_due_save(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let persist = &mut server.persist;
        let is_busy = persist.snapshots.in_progress() || persist.aof.rewrites.in_progress();
        if is_busy || persist.loading.in_progress() || !persist.saving.on_disk {
            return;
        }
        let is_due = persist.snapshots.unschedule_save()
            || persist
                .saving
                .is_due(&server.config, &server.now, keyspace.dirty);
        if is_due {
            // The log has the reason if it could not begin.
            let _ = server.save_in_background(keyspace);
        }
    }
}
