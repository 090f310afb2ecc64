//! Backups at work (`parts::persist::backups`): a backup's turns with the append only file, the
//! save that it waits for, and its client. Redis's way (`parts::persist::backups::session`) begins
//! with a rewrite of the append only file, which is switched on for the backup if necessary, and
//! ends like BACKUP CREATE, with the seal.

use crate::state::Connections;
use russet_base::clock::Now;
use russet_config::Config;
use russet_replication::Stream;
use std::path::{Path, PathBuf};

use crate::clients::blocked::Until;
use crate::parts::persist::Persist;
use crate::parts::persist::aof::{Aof, AofState};
use crate::parts::persist::backups::{Folder, SessionState, Way};
use crate::parts::persist::snapshot::SnapshotEnd;
use crate::state::Server;
use russet_command::CommandError;
use russet_config::system_text;
use russet_keyspace::{ClientId, Keyspace};
use russet_persistence::aof::{CompletedChange, Owner};

fn failed(name: &str, why: &str) -> CommandError {
    tracing::warn!("Backup {name} failed: {why}");
    CommandError::owned(format!("ERR The backup failed: {why}"))
}

impl Server {
    /// BACKUP CREATE. The default name is the time. `client` blocks until the set is made.
    pub fn begin_backup(
        &mut self,
        keyspace: &mut Keyspace,
        name: Option<&[u8]>,
        client: ClientId,
    ) -> Result<(), CommandError> {
        let persist = &mut self.persist;
        let name = persist.backups.new_name(&self.config, &self.now, name)?;
        match persist.aof.state() {
            AofState::On if !persist.aof.refuses_writes() => {
                persist.backups.begin(name.clone(), client, Way::Files);
                self.persist
                    .take_turn(&self.stream, &self.now)
                    .map_err(|why| {
                        self.persist.backups.forget();
                        failed(&name, &why)
                    })
            }
            AofState::Off => {
                if persist.snapshots.in_progress() || persist.aof.rewrites.in_progress() {
                    return Err(CommandError::Text(
                        "ERR A snapshot is being saved: try again when it is done",
                    ));
                }
                let begun = self.save_in_background(keyspace);
                begun.map_err(|why| failed(&name, &why))?;
                self.persist.backups.begin(name, client, Way::Snapshot);
                Ok(())
            }
            _ => Err(CommandError::Text(
                "ERR The append only file is not whole: try again when it has been rewritten",
            )),
        }
    }

    /// BACKUP START. `in_transaction`: the rewrite begins after the transaction.
    pub fn start_backup(
        &mut self,
        keyspace: &mut Keyspace,
        in_transaction: bool,
    ) -> Result<(), CommandError> {
        self.persist.backups.session.start(&self.config)?;
        if !in_transaction {
            self.advance_session(keyspace);
        }
        Ok(())
    }

    /// BACKUP ABORT: ends a session that is not sealed yet.
    pub fn abort_backup(&mut self, keyspace: &mut Keyspace) -> Result<(), CommandError> {
        if !self.persist.backups.session.state.is_active() {
            return Err(CommandError::Text("ERR No backup in progress"));
        }
        if self.persist.backups.seals_session() {
            self.persist.aof.unseal();
            self.end_backup(keyspace, Err("aborted by user".to_owned()));
            return Ok(());
        }
        self.fail_session(keyspace, "aborted by user");
        Ok(())
    }

    /// BACKUP SEAL: `client` may block until the session is sealed.
    pub fn seal_backup(
        &mut self,
        keyspace: &mut Keyspace,
        client: ClientId,
    ) -> Result<(), CommandError> {
        if self.persist.aof.state() != AofState::On {
            self.check_backup_session(keyspace);
        }
        self.persist.backups.begin_seal(client)?;
        if let Err(why) = self.persist.take_turn(&self.stream, &self.now) {
            self.end_backup(keyspace, Err(why.clone()));
            return Err(CommandError::owned(format!("ERR The backup failed: {why}")));
        }
        Ok(())
    }

    /// Cron's check of a session: fails it if the append only file was switched off, and cleans up
    /// a sealed backup whose time is over.
    pub(crate) fn check_backup_session(&mut self, keyspace: &mut Keyspace) {
        let session = &mut self.persist.backups.session;
        if session.state == SessionState::Incrementing && self.persist.aof.state() == AofState::Off
        {
            self.fail_session(keyspace, "appendonly is stopped");
        } else if session.is_outdated(&self.config, &self.now) {
            // The session is sealed, so this cannot be refused.
            let _ = session.clean_up(&self.config);
        }
    }

    /// Begins the rewrite of a session as soon as possible, and links the base when it is made.
    fn advance_session(&mut self, keyspace: &mut Keyspace) {
        let Persist {
            aof,
            backups,
            snapshots,
            ..
        } = &mut self.persist;
        let session = &mut backups.session;
        let rewrites = (aof.rewrites.done, aof.rewrites.failed_in_a_row);
        match session.state {
            SessionState::Pending => {
                let is_busy = snapshots.in_progress()
                    || aof.rewrites.in_progress()
                    || aof.is_changing()
                    || self.scripting.is_running();
                if is_busy {
                    return;
                }
                session.record_begin(rewrites, &self.now);
                session.switched_on = aof.state() == AofState::Off;
                let is_off = session.switched_on;
                // The base is needed now.
                self.free_aside_for_base(keyspace);
                let begun = if is_off {
                    self.set_appendonly(keyspace, true, false)
                } else {
                    self.rewrite_aof(keyspace, false)
                        .map(drop)
                        .map_err(str::to_owned)
                };
                if let Err(why) = begun {
                    self.fail_session(keyspace, &why);
                }
            }
            SessionState::Snapshotting if aof.state() == AofState::Off => {
                self.fail_session(keyspace, "appendonly is stopped");
            }
            SessionState::Snapshotting if session.awaits_link(rewrites.0) => {
                let base = aof.base_path();
                let folder = Folder::of(&self.config);
                let linked = base
                    .ok_or_else(|| "there is no base".to_owned())
                    .and_then(|base| folder.link(&base).map_err(|e| system_text(&e)));
                match linked {
                    Ok(()) => session.state = SessionState::Incrementing,
                    Err(why) => self.fail_session(keyspace, &why),
                }
            }
            SessionState::Snapshotting if rewrites.1 > session.rewrites.1 => {
                self.fail_session(keyspace, "the append only file could not be rewritten");
            }
            _ => {}
        }
    }

    fn fail_session(&mut self, keyspace: &mut Keyspace, why: &str) {
        (self.persist.backups.session).record_failure(&self.config, why);
        self.end_session(keyspace);
    }

    /// A session has ended: the append only file is off again if it was before.
    fn end_session(&mut self, keyspace: &mut Keyspace) {
        let switched_on = std::mem::take(&mut self.persist.backups.session.switched_on);
        if switched_on
            && !self.config.appendonly
            && let Err(why) = self.set_appendonly(keyspace, false, false)
        {
            tracing::warn!("{why}");
        }
    }

    /// The change of the append only file that a backup waited for has ended.
    pub(super) fn backup_changed(
        &mut self,
        keyspace: &mut Keyspace,
        ended: Result<CompletedChange, String>,
    ) {
        let went_on = ended.and_then(|changed| match changed {
            CompletedChange::Ahead => self.persist.begin_sealing(&self.stream, &self.now),
            CompletedChange::Next => self.persist.link_sealed(&self.connections, &self.config),
            CompletedChange::Base => Ok(()),
        });
        if let Err(why) = went_on {
            self.end_backup(keyspace, Err(why));
        }
    }

    /// A save has ended; on success the snapshot is in the file `name`.
    pub(super) fn backup_saved(&mut self, keyspace: &mut Keyspace, name: &Path, end: &SnapshotEnd) {
        let backups = &mut self.persist.backups;
        if !backups.awaits_snapshot() {
            return;
        }
        let begun = match end {
            SnapshotEnd::Done => {
                backups.link_snapshot(&self.config, name.to_owned(), self.connections.wake.clone())
            }
            _ => Err(end.why().to_owned()),
        };
        if let Err(why) = begun {
            self.end_backup(keyspace, Err(why));
        }
    }

    /// Advances the backup as far as possible without waiting.
    pub(super) fn continue_backup(&mut self, keyspace: &mut Keyspace) {
        if self.persist.backups.session.is_waiting() {
            self.advance_session(keyspace);
        }
        let Persist { aof, backups, .. } = &self.persist;
        let is_on = aof.state() == AofState::On;
        if let Some(why) = backups.interruption(is_on, aof.is_changing()) {
            return self.end_backup(keyspace, Err(why.to_owned()));
        }
        if let Err(why) = self.persist.take_turn(&self.stream, &self.now) {
            return self.end_backup(keyspace, Err(why));
        }
        if let Some(ended) = self.persist.backups.take_links() {
            self.persist.aof.unseal();
            self.end_backup(keyspace, ended);
        }
    }

    /// The backup has its folder, or has failed: resumes the client of the backup.
    fn end_backup(&mut self, keyspace: &mut Keyspace, ended: Result<PathBuf, String>) {
        if self.persist.backups.seals_session() {
            match &ended {
                Ok(_) => self.persist.backups.session.record_sealed(&self.now),
                Err(why) => (self.persist.backups.session).record_failure(&self.config, why),
            }
        }
        let seals_session = self.persist.backups.seals_session();
        let Some(client) = self.persist.backups.record_end(ended) else {
            return;
        };
        // The client may be gone, or be waiting for something else by now.
        let blocked = self.clients.get(client).map(|s| &s.client.blocked);
        let until = blocked.and_then(|b| Some(&b.as_ref()?.until));
        if matches!(until, Some(Until::Backup)) {
            self.unblock_client(keyspace, client, None);
        }
        self.persist.backups.forget();
        if seals_session {
            self.end_session(keyspace);
        }
    }
}

impl Persist {
    /// Begins the file that follows the files linked by the backup.
    pub(crate) fn begin_sealing(&mut self, stream: &Stream, now: &Now) -> Result<(), String> {
        let (aof, now) = (&mut self.aof, now);
        aof.begin_next_incr(Owner::Backup, "backup", now, stream)
    }

    /// Begins to seal the append only file if nothing else changes it just now.
    pub(crate) fn take_turn(&mut self, stream: &Stream, now: &Now) -> Result<(), String> {
        let Persist { aof, backups, .. } = self;
        if aof.is_changing() || !backups.take_turn() {
            return Ok(());
        }
        if aof.begin_ahead(Owner::Backup)? {
            Ok(())
        } else {
            self.begin_sealing(stream, now)
        }
    }

    /// The files are sealed: begins to link them.
    pub(crate) fn link_sealed(
        &mut self,
        connections: &Connections,
        config: &Config,
    ) -> Result<(), String> {
        let Persist { aof, backups, .. } = self;
        if !backups.in_progress() {
            return Ok(());
        }
        let sealed = aof.seal().ok_or("the append only file is off")?;
        let (disk, wake) = (aof.disk().clone(), connections.wake.clone());
        let names = Aof::names(config);
        let begun = backups.link_files(config, sealed, names, disk, wake);
        begun.inspect_err(|_| aof.unseal())
    }
}
