//! The snapshot of a full synchronization, as this replica loads it: in slices of the loop, as data
//! is loaded at the start.
//!
//! A snapshot that cannot be loaded ends the attempt, not the server: the next one is delayed.

use crate::config::system_text;
use crate::keyspace::Keyspace;
use crate::net::Stream;
use crate::server::parts::loading::{LoadError, RdbFile, reason};
use crate::server::parts::replication::upstream::{Delay, Link, Receiving, SyncLoad};
use crate::server::state::Server;
use crate::server::state::world::Engine;

/// A link whose dataset is loaded: what follows is the stream.
pub(in crate::server) struct Loaded {
    pub stream: Stream,
    /// Bytes of the stream that came after the snapshot.
    pub rest: Vec<u8>,
}

/// The file that a snapshot is received into.
pub(in crate::server) fn file_name(unix_s: i64) -> String {
    format!("temp-{unix_s}.{}.rdb", std::process::id())
}

impl Server {
    /// The whole snapshot has been received: the old data goes, and the new data is loaded.
    pub(in crate::server) fn begin_sync_loading(
        &mut self,
        keyspace: &mut Keyspace,
        receiving: Receiving,
    ) -> Result<SyncLoad, String> {
        let Receiving {
            stream,
            position,
            file,
            path,
            rest,
            ..
        } = receiving;
        if self.config.rdb_del_sync_files {
            drop(file);
        } else if let Err(error) = file.sync_all() {
            return Err(format!(
                "Failed trying to sync the temp DB to disk in MASTER <-> REPLICA synchronization: {}",
                system_text(&error)
            ));
        }
        let name = self.config.dbfilename.path().to_owned();
        std::fs::rename(&path, &name).map_err(|error| {
            format!(
                "Failed trying to rename the temp DB into {} in MASTER <-> REPLICA synchronization: {}",
                name.display(),
                system_text(&error)
            )
        })?;
        self.empty_for_sync(keyspace);
        let opened = RdbFile::open(self.read_options(), keyspace, &name, false);
        let file = opened.map_err(|error| self.tell_unloadable(&error))?;
        self.begin_loading(keyspace, file.bytes());
        tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        Ok(SyncLoad {
            stream,
            position,
            file,
            rest,
            beside: None,
        })
    }

    /// The old data goes, and with it everything that refers to it.
    fn empty_for_sync(&mut self, keyspace: &mut Keyspace) {
        tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
        if self.persist.aof.log().is_some() {
            // Its files are the old data's; a new set begins when the new data is there.
            let _ = self.set_appendonly(keyspace, false, false);
        }
        self.cancel_save(keyspace);
        let lazily = self.config.replica_lazy_flush;
        for at in 0..keyspace.databases() {
            keyspace.flush(crate::keyspace::DbIndex(at as u32), lazily);
        }
        self.scripting.libraries.flush();
    }

    fn tell_unloadable(&self, error: &LoadError) -> String {
        tracing::warn!("{}", reason(error));
        "Failed trying to load the MASTER synchronization DB from disk, check server logs."
            .to_owned()
    }

    /// Loading ends, well or not.
    pub(in crate::server) fn end_sync_loading(&mut self, keyspace: &mut Keyspace) {
        self.read_clock(keyspace);
        self.end_loading(keyspace);
        if self.config.appendonly
            && self.persist.aof.log().is_none()
            && let Err(why) = self.set_appendonly(keyspace, true, false)
        {
            tracing::warn!("{why}");
        }
    }
}

impl Engine {
    /// Continues to load a snapshot for its slice of the turn. `Some`: it is loaded.
    pub(in crate::server) fn load_sync_on(&mut self) -> Option<Loaded> {
        let Engine {
            keyspace, server, ..
        } = self;
        let upstream = server.replication.upstream.as_mut()?;
        let Link::Loading(load) = &mut upstream.link else {
            return None;
        };
        let started = server.identity.started;
        let bytes = server
            .persist
            .loading
            .slice_bytes(&server.config, started)?;
        let before = load.file.figures().keys_loaded;
        let stepped = load.file.step(keyspace, bytes);
        let (figures, offset) = (load.file.figures(), load.file.offset());
        let loading = &mut server.persist.loading;
        loading.note_bytes(offset);
        loading.note_figures(figures);
        let keys = figures.keys_loaded.saturating_sub(before);
        loading.note_slice(&server.config, started, keys);
        let failed = match stepped {
            Ok(None) => return None,
            Ok(Some(_)) => None,
            Err(error) => Some(error),
        };
        let Link::Loading(load) = std::mem::replace(&mut upstream.link, Link::Down) else {
            return None;
        };
        let SyncLoad {
            stream,
            position,
            mut file,
            rest,
            ..
        } = *load;
        let failed = match failed {
            Some(error) => Err(error),
            None => file.load_functions(&mut server.scripting.libraries, &server.config),
        };
        if let Err(error) = failed {
            let why = server.tell_unloadable(&error);
            server.sync_failed(keyspace, &why);
            return None;
        }
        loading_done(server, &file);
        server.adopt_stream(keyspace, position, None);
        server.end_sync_loading(keyspace);
        tracing::info!("MASTER <-> REPLICA sync: Finished with success");
        if server.config.rdb_del_sync_files
            && !server.config.appendonly
            && server.config.save.0.is_empty()
        {
            let _ = std::fs::remove_file(server.config.dbfilename.path());
        }
        Some(Loaded { stream, rest })
    }
}

fn loading_done(server: &mut Server, file: &RdbFile) {
    server.persist.loading.note_loaded(file.figures());
}

impl Server {
    /// A snapshot was received and could not be loaded.
    pub(in crate::server) fn sync_failed(&mut self, keyspace: &mut Keyspace, why: &str) {
        tracing::warn!("{why}");
        let now_ms = self.now.mono_ms;
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.has_data = false;
            upstream.lose(now_ms, Delay::Unloadable);
        }
        if self.persist.loading.in_progress() {
            self.end_sync_loading(keyspace);
        }
    }
}
