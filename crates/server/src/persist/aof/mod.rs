//! The append only file at work (`parts::persist::aof`): the write before replies leave, the
//! replies and waits that it releases, the end of changes of its set of files.
//!
//! `parts::persist::aof` decides and writes; the consequences for clients, the gates and snapshots
//! are carried out here. [`rewrite`] does the same for rewrites, [`loader`] replays the set.

pub mod loader;
pub mod rewrite;

pub(crate) use loader::{AofLoader, CutEnd};

use crate::clients::blocked::Until;
use crate::clients::client::ClientFlags;
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::waiting_replies::OverdueReply;
use crate::parts::migration::exports_slots;
use crate::parts::persist::aof::{Aof, AofState, UnloadedSet};
use crate::parts::persist::loading::LoadFailed;
use crate::persist::loading::AfterLoading;
use crate::state::Server;
use crate::state::world::Engine;
use russet_keyspace::{Audience, Keyspace};
use russet_persistence::aof::{Manifest, Names, Owner};

impl Server {
    /// The listeners of effects have changed.
    pub(crate) fn update_effects(&mut self, keyspace: &mut Keyspace) {
        self.stream
            .count(self.persist.aof.log().is_some() || self.stream.backlog().is_some());
        keyspace.effects.set_wanted(self.audience());
    }

    /// The listeners of effects. On a replica the stream is the primary's: writes of local clients
    /// are for the log alone.
    pub(crate) fn audience(&self) -> Audience {
        let has_log = self.persist.aof.log().is_some();
        let is_streamed = self.stream.backlog().is_some() && !self.replication.is_replica();
        let mut wanted = Audience::empty();
        wanted.set(Audience::LOG, has_log || self.debug.recorder.is_some());
        wanted.set(Audience::REPLICAS, is_streamed);
        wanted.set(Audience::EXPORTS, exports_slots(self.migrations.as_deref()));
        wanted
    }

    /// The append only file is loaded: effects are appended to it from now on. The log has the
    /// reason of an error.
    pub fn open_aof(
        &mut self,
        keyspace: &mut Keyspace,
        names: Names,
        manifest: Manifest,
    ) -> Result<(), LoadFailed> {
        let (aof, set) = (&mut self.persist.aof, (names, manifest));
        aof.open(&self.config, &self.now, &self.stream, set)
            .map_err(|error| {
                tracing::warn!("{error}");
                LoadFailed
            })?;
        self.update_effects(keyspace);
        // Without space on the disk writes are refused.
        self.update_interest();
        Ok(())
    }

    /// Writes the turn's effects. `all`: without deferring anything.
    fn flush_aof(&mut self, all: bool) {
        let flushed = self.persist.aof.flush(&self.now, &self.stream, all);
        if flushed.rewrites {
            self.persist.schedule_rewrite(true);
        }
        if flushed.gates {
            self.update_interest();
        }
        self.update_log_full();
    }

    /// Holds clients that write while many bytes wait for the disk.
    #[inline]
    pub(super) fn update_log_full(&mut self) {
        let is_full = self.persist.aof.is_full();
        if is_full != self.gates.log_is_full {
            self.set_log_full(is_full);
        }
    }

    /// Sends the held replies of clients whose writes are safe by now.
    fn release_held(&mut self) {
        if self.persist.aof.is_overdue(&self.now) && !self.replies.is_empty() {
            self.give_up_replies();
        }
        self.release_replies();
    }

    /// DEBUG LOADAOF: empties the keyspace and loads it from the append only file.
    pub fn reload_aof(&mut self, keyspace: &mut Keyspace) -> Result<(), LoadFailed> {
        if self.persist.aof.state() != AofState::Off {
            self.flush_aof(true);
        }
        let names = self.persist.aof.current_names(&self.config);
        let (loader, bytes) = AofLoader::prepare(names, self.persist.aof.disk())?;
        keyspace.flush_all(false);
        let Some(loader) = loader else { return Ok(()) };
        self.begin_loading(keyspace, bytes);
        crate::persist::load_steps::reload_now(keyspace, self, loader)
    }
}

impl Engine {
    /// Before replies leave: everything they acknowledge is written, and on disk if the policy
    /// promises that.
    #[inline]
    pub fn write_aof(&mut self) {
        if self.server.persist.aof.is_changing() || self.server.persist.backups.in_progress() {
            self.continue_after_change();
        }
        if self.server.persist.aof.must_flush() {
            self.write_aof_now();
        }
    }

    /// Continues the work that waited for a change of the set of files.
    #[cold]
    fn continue_after_change(&mut self) {
        match self.server.persist.aof.take_change() {
            Some((Owner::Rewrite, ended)) => self.rewrite_changed(ended),
            Some((Owner::Backup, ended)) => {
                let Engine {
                    keyspace, server, ..
                } = self;
                server.backup_changed(keyspace, ended);
            }
            None => {}
        }
        let Engine {
            keyspace, server, ..
        } = self;
        server.persist.aof.begin_followed(&server.stream);
        server.continue_backup(keyspace);
        server.install_base();
        server.release_held();
        self.serve_synced();
    }

    fn write_aof_now(&mut self) {
        self.server.flush_aof(false);
        self.server.release_held();
        self.serve_synced();
        if self.server.persist.aof.take_room_check() {
            self.begin_due_rewrites();
        }
    }

    /// Resumes clients in WAITAOF whose writes are on disk.
    pub fn serve_synced(&mut self) {
        let aof = &mut self.server.persist.aof;
        aof.collect_fsync();
        let synced = aof.synced();
        // A client whose wait has ended otherwise may wait for something else by now.
        let waits = |clients: &crate::Clients, offset, id| {
            let blocked = clients.get(id).and_then(|s| s.client.blocked.as_ref());
            matches!(blocked.map(|b| &b.until), Some(Until::Synced { offset: o }) if *o == Some(offset))
        };
        for (offset, id) in aof.take_awaiting() {
            if !waits(&self.server.clients, offset, id) {
                continue;
            }
            if offset <= synced {
                self.end_wait(id)
            } else {
                self.server.persist.aof.await_synced(offset, id)
            }
        }
    }

    /// The append only file is off: logs a warning if a file with data exists, because it is not
    /// loaded, and records it for the doctor.
    pub(super) fn warn_of_unused_aof(&mut self) {
        let config = &self.server.config;
        let names = Aof::names(config);
        if let Some(strays) = names.strays(None) {
            tracing::warn!(
                "appendonly is no, and '{}' has an append only file with data: {} files, {} bytes. They \
                 are not loaded, and '{}' may be older. \"appendonly yes\" at start loads them",
                names.dir.display(),
                strays.len(),
                strays.bytes(),
                config.dbfilename.path().display()
            );
            self.server.persist.aof.unloaded = Some(UnloadedSet {
                files: strays.len(),
                bytes: strays.bytes(),
                dir: names.dir,
            });
        }
    }

    /// Prepares to load the append only file. If no such file exists, it begins with the data of
    /// the snapshot, or empty if no snapshot exists either.
    pub(super) fn begin_loading_aof(&mut self) -> Result<(), LoadFailed> {
        let Engine {
            keyspace, server, ..
        } = self;
        let names = Aof::names(&server.config);
        let snapshot = server.config.dbfilename.path().to_owned();
        if let Ok(manifest) = names.read_manifest()
            && let Some(strays) = names.unlisted(&manifest, Some(&snapshot))
        {
            for line in strays.to_string().lines() {
                tracing::warn!("{line}");
            }
            return Err(LoadFailed);
        }
        match AofLoader::prepare(names.clone(), server.persist.aof.disk())? {
            (Some(loader), bytes) => {
                server.begin_loading(keyspace, bytes);
                self.loader = Some(Box::new(loader));
            }
            (None, _) if snapshot.exists() => {
                tracing::warn!(
                    "There is no append only file in '{}': the snapshot '{}' is loaded and becomes \
                     its base",
                    names.dir.display(),
                    snapshot.display()
                );
                self.begin_loading_rdb(&snapshot, AfterLoading::BecomeBase)?;
            }
            (None, _) => server.open_aof(keyspace, names, Manifest::default())?,
        }
        Ok(())
    }
}

impl Server {
    /// Ends the connections whose replies have waited for the file for too long: whether their
    /// writes will be in the file is unknown.
    #[cold]
    fn give_up_replies(&mut self) {
        let why = self.persist.aof.trouble_text().unwrap_or_default();
        let detail = format!(
            "errors writing to the AOF file: {why}; the outcome of the commands without a reply is unknown"
        );
        let mut ended = 0;
        for OverdueReply { client: id, free } in self.replies.take_all() {
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            let client = &session.client;
            let needs = self.needs_of(client);
            let is_other = client.flags.intersects(ClientFlags::BETWEEN_SERVERS);
            if is_other || session.stream.is_none() || needs <= self.reply_limit() {
                self.replies.await_position(id, needs);
            } else if !client.flags.contains(ClientFlags::CLOSE_ASAP) {
                session.reply.keep_pending(free);
                self.turn.close_soon(
                    &mut session,
                    Disconnection::new(EndReason::Disk, detail.as_str()),
                );
                ended += 1;
            }
            self.clients.put_back(session);
        }
        if ended > 0 {
            tracing::warn!("{ended} connections are closed ({detail})");
        }
    }
}
