//! The snapshot of a full synchronization, as this replica loads it: in slices of the loop, as data
//! is loaded at the start.
//!
//!     from a file     received whole first; then the old data goes
//!     from the socket after the header the old data goes, or (`swapdb`) the new data is loaded
//!                     beside it and replaces it at the end
//!
//! A snapshot that cannot be loaded ends the attempt, not the server: the next one is delayed.

use std::io::{ErrorKind, Write};

use crate::server::parts::persist::loading::{
    ExpiredKeys, LoadError, LoadFigures, LoadOptions, LoadStep, RdbFile, RdbStream, reason,
};
use crate::server::parts::replication::upstream::{
    Delay, Receiving, Source, SyncLoad, UpstreamLink,
};
use crate::server::process::log::MASTER;
use crate::server::replication::guard::Judged;
use crate::server::state::Server;
use crate::server::state::world::Engine;
use russet_config::{DisklessLoad, system_text};
use russet_keyspace::{Expiring, Keyspace};
use russet_net::Stream;
use russet_replication::change_stream::Cursors;
use russet_replication::{Payload, Position};
use russet_scripting::Libraries;

/// Bytes that wait to be loaded while the socket is not read.
const WAITING_MAX: usize = 4 << 20;
/// Reads of the socket in one turn.
const READS_MAX: usize = 16;
/// Keys, and elements of a key, that the loop frees itself: a millisecond.
const FREED_HERE_MAX: u64 = 10_000;

/// A link whose dataset is loaded: the stream follows.
pub(in crate::server) struct Loaded {
    pub stream: Stream,
    /// Bytes of the stream that came after the snapshot.
    pub rest: Vec<u8>,
}

/// The reason why a synchronization has failed.
enum Failed {
    /// The link was lost.
    Lost(String),
    /// The snapshot cannot be loaded.
    Unloadable(String),
    /// The snapshot has too few keys.
    Guarded(String),
}

/// The file that a snapshot is received into.
pub(in crate::server) fn file_name(unix_s: i64) -> String {
    format!("temp-{unix_s}.{}.rdb", std::process::id())
}

impl Server {
    /// Whether the next snapshot is loaded from the socket.
    pub(in crate::server) fn loads_from_socket(&self, keyspace: &Keyspace) -> bool {
        match self.config.repl_diskless_load {
            DisklessLoad::Disabled => false,
            DisklessLoad::OnEmptyDb => {
                keyspace.len() == 0 && self.scripting.libraries.iter().next().is_none()
            }
            DisklessLoad::SwapDb | DisklessLoad::FlushDb | DisklessLoad::FlushBeforeLoad => true,
        }
    }

    fn sync_options(&self) -> LoadOptions {
        LoadOptions {
            expired: ExpiredKeys::Keep,
            ..self.load_options()
        }
    }

    /// A snapshot is to be loaded from the socket. `rest`: bytes that have been read already.
    pub(in crate::server) fn load_from_socket(
        &self,
        keyspace: &Keyspace,
        stream: Stream,
        position: Option<Position>,
        rest: Vec<u8>,
    ) -> SyncLoad {
        let swaps = self.config.repl_diskless_load == DisklessLoad::SwapDb;
        let own = self.stream.history().id;
        SyncLoad {
            stream,
            position,
            source: Source::Socket {
                rdb: Box::new(RdbStream::new(self.sync_options(), None)),
                payload: Payload::default(),
                unread: rest,
                is_loaded: false,
                head: (!swaps && self.guards(keyspace).is_some()).then(Vec::new),
            },
            rest: Vec::new(),
            beside: swaps.then(|| Box::new(keyspace.beside())),
            // The old data is another moment of the same history: it may be shown meanwhile.
            serves_old: swaps && position.is_some_and(|at| at.id == own),
            has_begun: false,
            awaits_freed: None,
            is_starved: false,
        }
    }

    /// The whole snapshot has been received into a file: the old data goes, and the new data is
    /// loaded.
    pub(in crate::server) fn load_from_file(
        &mut self,
        keyspace: &mut Keyspace,
        receiving: Receiving,
    ) -> Result<SyncLoad, String> {
        let Receiving {
            stream,
            position,
            file,
            rest,
            ..
        } = receiving;
        if let Err(error) = file.sync() {
            return Err(format!(
                "Failed trying to sync the temp DB to disk in {MASTER} <-> REPLICA synchronization: \
                 {}",
                system_text(&error)
            ));
        }
        let name = self.config.dbfilename.path().to_owned();
        file.keep_as(&name).map_err(|error| {
            format!(
                "Failed trying to rename the temp DB into {} in {MASTER} <-> REPLICA \
                 synchronization: {}",
                name.display(),
                system_text(&error)
            )
        })?;
        let opened = RdbFile::open(self.sync_options(), keyspace, &name);
        let file = opened.map_err(|error| self.log_unloadable(&error))?;
        let load = SyncLoad {
            stream,
            position,
            source: Source::File(Box::new(file)),
            rest,
            beside: None,
            serves_old: false,
            has_begun: false,
            awaits_freed: None,
            is_starved: false,
        };
        Ok(load)
    }

    /// The header has been read: the old data goes, unless it stays until the new one is complete.
    fn begin_sync_load(&mut self, keyspace: &mut Keyspace, load: &mut SyncLoad) {
        load.has_begun = true;
        tracing::info!("{MASTER} <-> REPLICA sync: Loading DB in memory");
        if load.beside.is_none() {
            load.awaits_freed = self.empty_for_sync(keyspace);
        }
        let bytes = load.expected_bytes();
        self.begin_loading(keyspace, bytes);
        self.persist.loading.set_async(load.serves_old);
        self.update_interest();
    }

    /// The old data goes, and with it everything that refers to it. Returns the mark of the helper
    /// thread at which it is free, if the new data has to wait for that.
    fn empty_for_sync(&mut self, keyspace: &mut Keyspace) -> Option<u64> {
        tracing::info!("{MASTER} <-> REPLICA sync: Flushing old data");
        self.leave_old_data(keyspace);
        // Until the new data is there, the data belongs to no known position.
        self.stream.begin_history();
        let is_lazy = self.config.replica_lazy_flush;
        let is_large =
            keyspace.len() as u64 > FREED_HERE_MAX || keyspace.has_containers_of(FREED_HERE_MAX);
        let is_awaited = !is_lazy && is_large && keyspace.lazyfree.can_notify();
        keyspace.flush_all(is_lazy || is_awaited);
        self.scripting.libraries.flush();
        is_awaited.then(|| keyspace.lazyfree.mark()).flatten()
    }

    /// Ends everything that is made from the old data: files, and replicas' snapshots.
    fn leave_old_data(&mut self, keyspace: &mut Keyspace) {
        self.forget_followed_slots(keyspace);
        self.keep_lost_writes();
        if self.persist.aof.log().is_some() {
            // A new set of files begins when the new data is there.
            let _ = self.set_appendonly(keyspace, false, false);
        }
        // BGREWRITEAOF makes a base with the file switched off, too.
        self.cancel_rewrite(keyspace);
        self.cancel_save(keyspace);
        self.give_up_sync(keyspace);
        self.drop_replicas();
    }

    fn log_unloadable(&self, error: &LoadError) -> String {
        let of_type = match error {
            LoadError::Damaged(error) => error.type_name(),
            _ => None,
        };
        match of_type {
            Some((name, number)) => {
                tracing::warn!("{} (reading type {number}, {name})", reason(error));
            }
            None => tracing::warn!("{}", reason(error)),
        }
        format!(
            "Failed trying to load the {MASTER} synchronization DB from disk, check server logs."
        )
    }

    /// Loading ends, well or not.
    pub(in crate::server) fn end_sync_loading(&mut self, keyspace: &mut Keyspace) {
        self.read_clock(keyspace);
        self.end_loading(keyspace);
        self.begin_log_again(keyspace);
    }

    /// Begins the append only file that ended with the old data.
    pub(in crate::server) fn begin_log_again(&mut self, keyspace: &mut Keyspace) {
        if self.config.appendonly
            && self.persist.aof.log().is_none()
            && let Err(why) = self.set_appendonly(keyspace, true, false)
        {
            tracing::warn!("{why}");
        }
    }

    /// A synchronization has failed. The old data is kept if it is still there.
    pub(in crate::server) fn sync_failed(
        &mut self,
        keyspace: &mut Keyspace,
        why: &str,
        load: Option<SyncLoad>,
    ) {
        self.sync_ended_badly(keyspace, Failed::Unloadable(why.to_owned()), load);
    }

    /// The stream that belongs to a snapshot under way was lost.
    pub(in crate::server) fn sync_lost(&mut self, keyspace: &mut Keyspace, load: SyncLoad) {
        let why = format!(
            "Failed trying to load the {MASTER} synchronization DB from socket, check server logs."
        );
        self.sync_ended_badly(keyspace, Failed::Lost(why), Some(load));
    }

    fn sync_ended_badly(
        &mut self,
        keyspace: &mut Keyspace,
        failed: Failed,
        load: Option<SyncLoad>,
    ) {
        let (why, delay) = match failed {
            Failed::Lost(why) => (why, Delay::None),
            Failed::Unloadable(why) => (why, Delay::Unloadable),
            Failed::Guarded(why) => (why, Delay::Guarded),
        };
        tracing::warn!("{why}");
        let has_begun = load.as_ref().is_some_and(|load| load.has_begun);
        let beside = load.and_then(|load| load.beside);
        let keeps_data = !has_begun || beside.is_some();
        let now_ms = self.now.mono_ms;
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.has_data &= keeps_data;
            upstream.lose(now_ms, delay);
        }
        if let Some(beside) = beside {
            keyspace.discard(*beside, true);
        }
        if has_begun {
            if !keeps_data {
                // The keys read before the fault are no moment of any dataset.
                keyspace.flush_all(self.config.replica_lazy_flush);
                self.scripting.libraries.flush();
            }
            self.end_sync_loading(keyspace);
        }
        self.update_interest();
    }
}

impl Engine {
    /// Continues to load a snapshot for its slice of the turn. `Some`: it is loaded.
    pub(in crate::server) fn continue_sync_load(&mut self, inbuf: &mut [u8]) -> Option<Loaded> {
        let Engine {
            keyspace, server, ..
        } = self;
        let upstream = server.replication.upstream.as_mut()?;
        let UpstreamLink::Loading(mut load) =
            std::mem::replace(&mut upstream.link, UpstreamLink::Down)
        else {
            return None;
        };
        let stepped = server.read_for_load(&mut load, inbuf);
        let stepped = stepped.and_then(|()| server.step_load(keyspace, &mut load));
        match stepped {
            Ok(false) => {
                server.set_loading(load);
                None
            }
            Ok(true) => server.finish_load(keyspace, *load),
            Err(failed) => {
                server.sync_ended_badly(keyspace, failed, Some(*load));
                None
            }
        }
    }
}

impl Server {
    fn set_loading(&mut self, load: Box<SyncLoad>) {
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.link = UpstreamLink::Loading(load);
        }
    }

    /// Reads the socket until [`WAITING_MAX`] bytes wait to be loaded.
    fn read_for_load(&mut self, load: &mut SyncLoad, inbuf: &mut [u8]) -> Result<(), Failed> {
        let now_ms = self.now.mono_ms;
        let Source::Socket { unread, .. } = &mut load.source else {
            return Ok(());
        };
        let unread = std::mem::take(unread);
        load.receive(&unread).map_err(Failed::Unloadable)?;
        for _ in 0..READS_MAX {
            if load.is_received() || load.has_much() {
                return Ok(());
            }
            let lost =
                |why: &str| Failed::Lost(format!("I/O error trying to sync with {MASTER}: {why}"));
            match load.stream.fill(inbuf) {
                Ok((0, _)) => return Err(lost("connection lost")),
                Ok((n, _)) => {
                    self.stats.net_repl_input_bytes += n as u64;
                    if let Some(upstream) = &mut self.replication.upstream {
                        upstream.received_ms = now_ms;
                    }
                    load.receive(&inbuf[..n]).map_err(Failed::Unloadable)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(lost(&system_text(&error))),
            }
        }
        self.turn.receives = true;
        Ok(())
    }

    /// One slice. `true`: everything is loaded, and received.
    fn step_load(&mut self, keyspace: &mut Keyspace, load: &mut SyncLoad) -> Result<bool, Failed> {
        let unloadable =
            |server: &Server, error: &LoadError| Failed::Unloadable(server.log_unloadable(error));
        if !load.has_begun {
            if let Source::Socket { rdb, .. } = &mut load.source {
                let read = rdb.read_header(keyspace);
                if !read.map_err(|error| unloadable(self, &error))? {
                    return if load.is_received() {
                        Err(Failed::Unloadable("the snapshot has no header".to_owned()))
                    } else {
                        Ok(false)
                    };
                }
            }
            match self.judge_head(keyspace, load) {
                Judged::Unknown => return Ok(false),
                Judged::Taken => {}
                Judged::Refused(why) => return Err(Failed::Guarded(why)),
            }
            self.begin_sync_load(keyspace, load);
        }
        if load
            .awaits_freed
            .is_some_and(|mark| keyspace.lazyfree.marks_met() < mark)
        {
            // The thread wakes the loop.
            return Ok(false);
        }
        load.awaits_freed = None;
        let started = self.identity.started;
        let Some(bytes) = self.persist.loading.slice_bytes(&self.config, started) else {
            self.turn.receives = true;
            return Ok(false);
        };
        let before = load.figures().keys_loaded;
        let mut beside = load.beside.take();
        let target = match beside.as_deref_mut() {
            Some(beside) => {
                beside.follow(keyspace);
                beside
            }
            None => &mut *keyspace,
        };
        let usual = target.set_expiring(Expiring::Replay);
        let stepped = match &mut load.source {
            Source::File(file) => file.step(target, bytes).map(|end| match end {
                Some(_) => LoadStep::Done,
                None => LoadStep::More,
            }),
            Source::Socket {
                is_loaded: true, ..
            } => Ok(LoadStep::Done),
            Source::Socket { rdb, .. } => rdb.step(target, bytes),
        };
        target.set_expiring(usual);
        load.beside = beside;
        let figures = load.figures();
        let loading = &mut self.persist.loading;
        loading.note_bytes(load.loaded_bytes());
        loading.note_figures(figures);
        let keys = figures.keys_loaded.saturating_sub(before);
        loading.note_slice(&self.config, started, keys);
        let stepped = stepped.map_err(|error| unloadable(self, &error))?;
        load.is_starved = stepped == LoadStep::Starved;
        match (&mut load.source, stepped) {
            (Source::File(_), step) => Ok(step == LoadStep::Done),
            (Source::Socket { is_loaded, .. }, LoadStep::Done) => {
                *is_loaded = true;
                Ok(load.is_received())
            }
            (Source::Socket { .. }, LoadStep::More) => {
                self.turn.receives = true;
                Ok(false)
            }
            (Source::Socket { payload, .. }, LoadStep::Starved) => {
                if payload.is_whole() {
                    Err(Failed::Unloadable(
                        "Short read or OOM loading DB. Unrecoverable error, aborting now."
                            .to_owned(),
                    ))
                } else {
                    Ok(false)
                }
            }
        }
    }

    /// Everything is loaded: it is the dataset from now on.
    fn finish_load(&mut self, keyspace: &mut Keyspace, mut load: SyncLoad) -> Option<Loaded> {
        let keys = load.beside.as_ref().map(|beside| beside.len() as u64);
        if let Some(keys) = keys
            && let Some(why) = self.refuse_sync(keyspace, keys)
        {
            self.sync_ended_badly(keyspace, Failed::Guarded(why), Some(load));
            return None;
        }
        // Before the old data goes: if a library cannot be loaded, it stays.
        let mut libraries = Libraries::default();
        let loaded = match &mut load.source {
            Source::File(file) => file.load_functions(&mut libraries, &self.config),
            Source::Socket { rdb, .. } => rdb.load_functions(&mut libraries, &self.config),
        };
        if let Err(error) = loaded {
            let why = self.log_unloadable(&error);
            self.sync_failed(keyspace, &why, Some(load));
            return None;
        }
        if let Some(beside) = load.beside.take() {
            self.leave_old_data(keyspace);
            keyspace.take_over(*beside, self.config.replica_lazy_flush);
        }
        self.scripting.libraries = libraries;
        let figures = load.figures();
        self.persist.loading.note_loaded(figures);
        let main = self.replication.upstream.as_ref();
        let main = main.and_then(|upstream| upstream.main.as_ref());
        let said = main.and_then(|main| main.selected);
        let selected = said.unwrap_or_else(|| figures.stream_db());
        self.adopt_stream(keyspace, load.position, selected);
        self.stream.cursors = load.take_cursors();
        self.end_sync_loading(keyspace);
        self.hide_foreign_slots(keyspace);
        if let Some(marks) = load.take_open_slots() {
            self.with_cluster(keyspace, |driver, now| {
                driver.core.take_open_slots(now, &marks);
            });
        }
        self.follow_copied_imports(keyspace, &load.take_slot_imports());
        tracing::info!("{MASTER} <-> REPLICA sync: Finished with success");
        let is_file = matches!(load.source, Source::File(_));
        let keeps_files = self.config.appendonly || !self.config.save.0.is_empty();
        if is_file && self.config.rdb_del_sync_files && !keeps_files {
            // Best effort: the next synchronization replaces it.
            let _ = std::fs::remove_file(self.config.dbfilename.path());
        }
        Some(Loaded {
            stream: load.stream,
            rest: load.rest,
        })
    }
}

impl SyncLoad {
    fn figures(&self) -> LoadFigures {
        match &self.source {
            Source::File(file) => file.figures(),
            Source::Socket { rdb, .. } => rdb.figures(),
        }
    }

    fn take_cursors(&mut self) -> Cursors {
        match &mut self.source {
            Source::File(file) => file.take_cursors(),
            Source::Socket { rdb, .. } => rdb.take_cursors(),
        }
    }

    fn take_slot_imports(&mut self) -> Vec<Vec<u8>> {
        match &mut self.source {
            Source::File(file) => file.take_slot_imports(),
            Source::Socket { rdb, .. } => rdb.take_slot_imports(),
        }
    }

    fn take_open_slots(&mut self) -> Option<Vec<u8>> {
        match &mut self.source {
            Source::File(file) => file.take_open_slots(),
            Source::Socket { rdb, .. } => rdb.take_open_slots(),
        }
    }

    /// Bytes of the snapshot, if they are known.
    pub(in crate::server) fn expected_bytes(&self) -> u64 {
        match &self.source {
            Source::File(file) => file.bytes(),
            Source::Socket { payload, .. } => payload.length().unwrap_or(0),
        }
    }

    pub(in crate::server) fn loaded_bytes(&self) -> u64 {
        match &self.source {
            Source::File(file) => file.offset(),
            Source::Socket { rdb, .. } => rdb.offset(),
        }
    }

    /// Whether the load can continue only when the link brings more.
    pub(super) fn awaits_link(&self) -> bool {
        match &self.source {
            Source::File(_) => false,
            Source::Socket { is_loaded, .. } => {
                !self.is_received() && (!self.has_begun || self.is_starved || *is_loaded)
            }
        }
    }

    /// Whether the link has brought the whole snapshot.
    pub(super) fn is_received(&self) -> bool {
        match &self.source {
            Source::File(_) => true,
            Source::Socket { payload, .. } => payload.is_whole(),
        }
    }

    /// Whether so much waits to be loaded that the socket is not read.
    fn has_much(&self) -> bool {
        match &self.source {
            Source::File(_) => true,
            Source::Socket { rdb, .. } => rdb.buffered() > WAITING_MAX && !self.is_starved,
        }
    }

    /// Takes bytes of the link.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Source::Socket {
            rdb,
            payload,
            is_loaded,
            head,
            ..
        } = &mut self.source
        else {
            return Ok(());
        };
        let mut content = Vec::new();
        let taken = payload.receive(bytes, &mut content);
        let taken = taken.map_err(|error| error.to_string())?;
        self.rest.extend_from_slice(&bytes[taken..]);
        if let Some(head) = head {
            head.extend_from_slice(&content);
        }
        if !*is_loaded {
            rdb.feed(&content);
        }
        Ok(())
    }

    /// Keeps the link alive while nothing else is sent.
    pub(in crate::server) fn send_newline(&mut self) {
        // Best effort: if the socket is full, the primary has more to read anyway.
        let _ = self.stream.write(b"\n");
    }
}
