//! The snapshot of a full synchronization, as this replica loads it: in slices of the loop, as data
//! is loaded at the start.
//!
//! The machine of the link decides which snapshot is loaded, when the old data is removed, and the
//! consequences of a fault (`russet_replication::upstream`); here is the load itself.

use crate::parts::execution::scripting::ScriptState;
use crate::parts::replication::Replication;
use crate::parts::run::debug::DebugSwitches;
use crate::persist::loading::load_options;
use russet_config::Config;
use russet_replication::Stream;
use russet_replication::quorum::Report;
use std::path::PathBuf;

use crate::parts::persist::loading::{
    ExpiredKeys, LoadError, LoadOptions, LoadStep, RdbFile, RdbLoad, RdbStream, reason,
};
use crate::parts::replication::upstream::{Source, SyncLoad};
use crate::process::log::MASTER;
use crate::replication::demotion::ReplacedData;
use crate::state::Server;
use crate::state::world::Engine;
use russet_config::system_text;
use russet_keyspace::{DbIndex, ExpiryMode, Keyspace};
use russet_persistence::rdb::{self, Input, count_keys};
use russet_replication::Position;
use russet_replication::upstream::{Answer, CountedKeys, LocalDataset, Step, keys_min};
use russet_scripting::Libraries;

/// Bytes that wait to be loaded while the socket is not read.
const WAITING_MAX: usize = 4 << 20;
/// Keys, and elements of a key, that the loop frees itself: a millisecond.
const FREED_HERE_MAX: u64 = 10_000;
/// Entries per database whose expiry is looked at to count keys.
const SAMPLES: usize = 1000;

/// The file that a snapshot is received into.
pub(super) fn sync_file_path(unix_s: i64) -> PathBuf {
    let name = format!("temp-{unix_s}.{}.rdb", std::process::id());
    std::env::current_dir().unwrap_or_default().join(name)
}

impl Server {
    /// Removes the old data, unless it stays until the new data is complete. `length`: bytes of the
    /// snapshot that a link brings, if they are known.
    pub(super) fn begin_sync_load(
        &mut self,
        keyspace: &mut Keyspace,
        serves_old: bool,
        length: u64,
    ) {
        let Some(mut load) = self.replication.take_load() else {
            return;
        };
        load.has_begun = true;
        load.head = None;
        if load.beside.is_none() {
            load.awaits_freed = self.empty_for_sync(keyspace);
        }
        let bytes = match &load.source {
            Source::File(file) => file.bytes(),
            Source::Link(_) => length,
        };
        self.begin_loading(keyspace, bytes);
        self.persist.loading.set_async(serves_old);
        self.update_interest();
        self.replication.put_load(load);
    }

    /// Removes the old data, and everything that refers to it. Returns the mark of the helper
    /// thread at which the old data is freed, if the new data has to wait for that.
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
        self.end_reads_of_old_data();
        self.with_migrations(keyspace, |m, around| m.forget_followed(around));
        let keeps = self.config.demotion_lost_max_bytes > 0 && keyspace.len() > 0;
        let may_be_lost = keeps && self.replication.primary_may_lack(&self.stream);
        let own = self.stream.position();
        let is_kept = self
            .replication
            .keep_lost_writes(&self.config, &self.stream);
        let has_log = self.persist.aof.log().is_some();
        if has_log {
            // A new set of files begins when the new data is there.
            let _ = self.set_appendonly(keyspace, false, false);
        }
        if may_be_lost && !is_kept {
            ReplacedData::new(own).keep(&self.config, has_log);
        }
        // BGREWRITEAOF makes a base with the file switched off, too.
        self.cancel_rewrite(keyspace);
        self.cancel_save(keyspace);
        self.give_up_sync(keyspace);
        self.replication
            .drop_replicas(&mut self.clients, &mut self.turn);
    }

    /// Loading ends, well or not.
    pub(crate) fn end_sync_loading(&mut self, keyspace: &mut Keyspace) {
        self.read_clock(keyspace);
        self.end_loading(keyspace);
        self.begin_log_again(keyspace);
    }

    /// Begins the append only file that ended with the old data.
    pub(crate) fn begin_log_again(&mut self, keyspace: &mut Keyspace) {
        if self.config.appendonly
            && self.persist.aof.log().is_none()
            && let Err(why) = self.set_appendonly(keyspace, true, false)
        {
            tracing::warn!("{why}");
        }
    }

    /// A load has failed. The old data is kept if it is still there.
    pub(super) fn abandon_load(
        &mut self,
        keyspace: &mut Keyspace,
        has_begun: bool,
        keeps_data: bool,
    ) {
        let load = self.replication.take_load();
        if let Some(beside) = load.and_then(|load| load.beside) {
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

/// How a slice ended; `None`: it could not begin.
type Slice = Result<Option<Step>, String>;

impl Engine {
    /// Continues to load a snapshot for its slice of the turn.
    pub(crate) fn continue_sync_load(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(mut load) = server.replication.take_load() else {
            return;
        };
        if !load.has_begun {
            let read = read_header(keyspace, &mut load);
            server.replication.put_load(load);
            server.report_slice(keyspace, read);
            match server.replication.take_load() {
                Some(begun) if begun.has_begun => load = begun,
                Some(waiting) => return server.replication.put_load(waiting),
                None => return,
            }
        }
        let stepped = server.step_load(keyspace, &mut load);
        server.replication.put_load(load);
        server.report_slice(keyspace, stepped);
    }
}

impl Server {
    fn report_slice(&mut self, keyspace: &mut Keyspace, slice: Slice) {
        match slice {
            Ok(None) => {}
            Ok(Some(step)) => self.answer_upstream(keyspace, Answer::Stepped(step)),
            Err(why) => self.answer_upstream(keyspace, Answer::Unloadable(why)),
        }
    }

    fn step_load(&mut self, keyspace: &mut Keyspace, load: &mut SyncLoad) -> Slice {
        if load
            .awaits_freed
            .is_some_and(|mark| keyspace.lazyfree.marks_met() < mark)
        {
            // The thread wakes the loop.
            return Ok(None);
        }
        load.awaits_freed = None;
        let started = self.identity.started;
        let target = load.beside.as_deref_mut().unwrap_or(keyspace);
        let Some(bytes) = self.load_slice_bytes(target) else {
            self.turn.receives = true;
            return Ok(None);
        };
        let before = load.rdb().figures().keys_loaded;
        let upstream = self.replication.upstream.as_ref();
        let has_loaded = upstream.is_some_and(|upstream| upstream.core.has_loaded());
        let mut beside = load.beside.take();
        let target = match beside.as_deref_mut() {
            Some(beside) => {
                beside.follow(keyspace);
                beside
            }
            None => &mut *keyspace,
        };
        let usual = target.set_expiring(ExpiryMode::Replay);
        let stepped = match &mut load.source {
            Source::File(file) => file.step(target, bytes).map(|end| match end {
                Some(_) => LoadStep::Done,
                None => LoadStep::More,
            }),
            Source::Link(_) if has_loaded => Ok(LoadStep::Done),
            Source::Link(rdb) => rdb.step(target, bytes),
        };
        target.set_expiring(usual);
        load.beside = beside;
        let figures = load.rdb().figures();
        let loading = &mut self.persist.loading;
        loading.record_loaded_bytes(load.loaded_bytes());
        loading.record_rdb_figures(figures);
        let keys = figures.keys_loaded.saturating_sub(before);
        loading.delay_next_slice(&self.config, started, keys);
        let stepped = stepped.map_err(|error| log_unloadable(&error))?;
        load.is_starved = stepped == LoadStep::Starved;
        Ok(Some(match stepped {
            LoadStep::Starved => Step::Starved,
            LoadStep::Done => Step::Done(load.beside.as_ref().map(|beside| beside.len() as u64)),
            LoadStep::More => {
                if matches!(load.source, Source::Link(_)) {
                    self.turn.receives = true;
                }
                Step::More
            }
        }))
    }

    /// Everything is loaded: it is the dataset from now on. Error: a line for the log.
    pub(super) fn adopt_load(
        &mut self,
        keyspace: &mut Keyspace,
        position: Option<Position>,
        selected: Option<Option<DbIndex>>,
    ) -> Result<(), String> {
        let Some(mut load) = self.replication.take_load() else {
            return Ok(());
        };
        // Before the old data goes: if a library cannot be loaded, it stays.
        let mut libraries = Libraries::default();
        let rdb = load.rdb_mut();
        let loaded = rdb.load_functions(&mut libraries, &self.config);
        let search = match loaded.and_then(|()| rdb.take_search()) {
            Ok(search) => search,
            Err(error) => {
                self.replication.put_load(load);
                return Err(log_unloadable(&error));
            }
        };
        if let Some(beside) = load.beside.take() {
            self.leave_old_data(keyspace);
            keyspace.take_over(*beside, self.config.replica_lazy_flush);
        }
        self.scripting.libraries = libraries;
        self.restore_indexes(keyspace, search);
        let figures = load.rdb().figures();
        self.persist.loading.record_loaded(figures);
        let selected = selected.unwrap_or_else(|| figures.stream_db());
        self.adopt_stream(keyspace, position, selected);
        self.doubt_unconfirmed(keyspace, true);
        self.stream.cursors = load.rdb_mut().take_cursors();
        self.stream.lineage = load.rdb_mut().take_lineage();
        let lineage = self.stream.lineage.clone().unwrap_or_default();
        self.report_quorum(keyspace, Report::Copied(*lineage));
        self.end_sync_loading(keyspace);
        if let Some(driver) = &self.cluster {
            driver.hide_foreign_slots(keyspace);
        }
        if let Some(marks) = load.rdb_mut().take_open_slots() {
            self.with_cluster(keyspace, |driver, now| {
                driver.core.take_open_slots(now, &marks);
            });
        }
        self.follow_copied_imports(keyspace, &load.rdb_mut().take_slot_imports());
        tracing::info!("{MASTER} <-> REPLICA sync: Finished with success");
        let is_file = matches!(load.source, Source::File(_));
        let keeps_files = self.config.appendonly || !self.config.save.0.is_empty();
        if is_file && self.config.rdb_del_sync_files && !keeps_files {
            // Best effort: the next synchronization replaces it.
            let _ = std::fs::remove_file(self.config.dbfilename.path());
        }
        Ok(())
    }
}

impl SyncLoad {
    fn new(source: Source) -> SyncLoad {
        SyncLoad {
            source,
            beside: None,
            head: None,
            has_begun: false,
            awaits_freed: None,
            is_starved: false,
        }
    }

    fn rdb(&self) -> &RdbLoad {
        match &self.source {
            Source::File(file) => &file.load,
            Source::Link(rdb) => &rdb.load,
        }
    }

    fn rdb_mut(&mut self) -> &mut RdbLoad {
        match &mut self.source {
            Source::File(file) => &mut file.load,
            Source::Link(rdb) => &mut rdb.load,
        }
    }

    fn loaded_bytes(&self) -> u64 {
        match &self.source {
            Source::File(file) => file.offset(),
            Source::Link(rdb) => rdb.offset(),
        }
    }

    /// Whether so much waits to be loaded that the link is not read.
    pub(crate) fn has_much(&self) -> bool {
        match &self.source {
            Source::File(_) => true,
            Source::Link(rdb) => rdb.buffered() > WAITING_MAX && !self.is_starved,
        }
    }

    /// Takes bytes of the snapshot.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Source::Link(rdb) = &mut self.source {
            if let Some(head) = &mut self.head {
                head.extend_from_slice(bytes);
            }
            rdb.feed(bytes);
        }
    }
}

fn sync_options(config: &Config, debug: &DebugSwitches) -> LoadOptions {
    LoadOptions {
        expired: ExpiredKeys::Keep,
        ..load_options(config, debug)
    }
}

/// Facts that decide how a snapshot is received. O(databases).
pub(super) fn survey(
    stream: &Stream,
    scripting: &ScriptState,
    config: &Config,
    keyspace: &Keyspace,
) -> LocalDataset {
    LocalDataset {
        id: stream.history().id,
        // Keys that have expired are hidden here and deleted there.
        keys: keyspace.live_keys(SAMPLES),
        is_empty: keyspace.len() == 0 && scripting.libraries.iter().next().is_none(),
        diskless: config.repl_diskless_load,
    }
}

impl Replication {
    /// This server's keys, and the keys of a snapshot, as far as the guard needs the count: O(bytes
    /// of the snapshot) at most, as a rule only its first bytes.
    pub(crate) fn count_for_guard(
        &self,
        keyspace: &Keyspace,
        counted: CountedKeys,
        percent: u32,
    ) -> (u64, Option<u64>) {
        let own_keys = keyspace.live_keys(SAMPLES);
        let upstream = self.upstream.as_ref();
        let (Some(min), Some(upstream)) = (keys_min(own_keys, percent), upstream) else {
            return (own_keys, None);
        };
        let load = upstream.load.as_ref();
        let keys = match counted {
            CountedKeys::File => upstream.file.as_ref().and_then(|file| {
                let (mut input, _) = rdb::open(file.path()).ok()?;
                count_keys(&mut input, min).ok()
            }),
            CountedKeys::Head => load
                .and_then(|load| load.head.as_deref())
                .and_then(|head| count_keys(&mut Input::of_bytes(head), min).ok()),
            CountedKeys::Beside => load
                .and_then(|load| load.beside.as_ref())
                .map(|beside| beside.len() as u64),
        };
        (own_keys, keys)
    }

    /// A snapshot is to be loaded as the link brings it.
    pub(crate) fn prepare_stream(
        &mut self,
        config: &Config,
        debug: &DebugSwitches,
        keyspace: &Keyspace,
        beside: bool,
        keeps_head: bool,
    ) {
        let rdb = RdbStream::new(sync_options(config, debug), None);
        let mut load = SyncLoad::new(Source::Link(Box::new(rdb)));
        load.head = keeps_head.then(Vec::new);
        load.beside = beside.then(|| Box::new(keyspace.new_beside()));
        if let Some(upstream) = &mut self.upstream {
            upstream.load = Some(Box::new(load));
        }
    }

    /// The file that was received is to be loaded. Error: a line for the log.
    pub(crate) fn prepare_file(
        &mut self,
        config: &Config,
        debug: &DebugSwitches,
        keyspace: &mut Keyspace,
    ) -> Result<(), String> {
        let upstream = self.upstream.as_mut();
        let Some(file) = upstream.and_then(|upstream| upstream.file.take()) else {
            return Ok(());
        };
        if let Err(error) = file.sync() {
            return Err(format!(
                "Failed trying to sync the temp DB to disk in {MASTER} <-> REPLICA synchronization: \
                 {}",
                system_text(&error)
            ));
        }
        let name = config.dbfilename.path().to_owned();
        file.keep_as(&name).map_err(|error| {
            format!(
                "Failed trying to rename the temp DB into {} in {MASTER} <-> REPLICA \
                 synchronization: {}",
                name.display(),
                system_text(&error)
            )
        })?;
        let opened = RdbFile::open(sync_options(config, debug), keyspace, &name);
        let file = opened.map_err(|error| log_unloadable(&error))?;
        if let Some(upstream) = &mut self.upstream {
            upstream.load = Some(Box::new(SyncLoad::new(Source::File(Box::new(file)))));
        }
        Ok(())
    }

    pub(crate) fn take_load(&mut self) -> Option<Box<SyncLoad>> {
        self.upstream.as_mut()?.load.take()
    }

    pub(crate) fn put_load(&mut self, load: Box<SyncLoad>) {
        if let Some(upstream) = &mut self.upstream {
            upstream.load = Some(load);
        }
    }
}

fn log_unloadable(error: &LoadError) -> String {
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
    format!("Failed trying to load the {MASTER} synchronization DB from disk, check server logs.")
}

fn read_header(keyspace: &mut Keyspace, load: &mut SyncLoad) -> Slice {
    let is_read = match &mut load.source {
        Source::File(_) => true,
        Source::Link(rdb) => {
            let read = rdb.read_header(keyspace);
            read.map_err(|error| log_unloadable(&error))?
        }
    };
    Ok(Some(if is_read { Step::Header } else { Step::Starved }))
}
