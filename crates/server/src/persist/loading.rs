//! Loads RDB files (`parts::persist::loading`) into keyspace and scripts: at the start, for DEBUG
//! RELOAD. At the start a faulty file ends the server.
//!
//! At the start the file is read in slices, and the file's position becomes the stream's, so that
//! replicas can continue. Expired keys are left out and their deletion is recorded, because
//! replicas have these keys; a server that is to be a replica keeps expired keys. With `appendonly
//! yes` and no append only file yet, a copy of the file becomes its first base. DEBUG RELOAD reads
//! the whole file at once.
//!
//! Cost: O(bytes of the file). A primary's snapshot is loaded by `server::replication::load`.

use crate::parts::run::debug::DebugSwitches;
use russet_config::Config;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::parts::persist::aof::Aof;
use crate::parts::persist::loading::{
    ExpiredKeys, LoadError, LoadFailed, LoadOptions, Progress, RdbFile, read_options, reason,
};
use crate::state::Server;
use crate::state::world::{Engine, Load};
use russet_keyspace::{Keyspace, slot_of};
use russet_persistence::check::FaultReport;

impl Server {
    /// Loads a file into the keyspace, beside its keys. With `merges` existing keys are
    /// overwritten, otherwise they are an error.
    fn load_file(
        &mut self,
        keyspace: &mut Keyspace,
        path: &Path,
        merges: bool,
    ) -> Result<(), LoadError> {
        let options = LoadOptions {
            merges,
            ..load_options(&self.config, &self.debug)
        };
        let mut file = RdbFile::open(options, keyspace, path)?;
        file.step(keyspace, u64::MAX)?;
        file.load
            .load_functions(&mut self.scripting.libraries, &self.config)?;
        self.restore_indexes(keyspace, file.load.take_search()?);
        self.persist.loading.record_loaded(file.load.figures());
        Ok(())
    }

    /// DEBUG RELOAD: loads the data from the file, in place of (`flushes`) or on top of the current
    /// keys. `false`: the file could not be read; the reason is in the log, and the keys read
    /// before the fault are in the keyspace.
    pub fn reload(&mut self, keyspace: &mut Keyspace, flushes: bool, merges: bool) -> bool {
        self.cancel_save(keyspace);
        if flushes {
            keyspace.flush_all(false);
            self.scripting.libraries.flush();
        }
        let path = self.config.dbfilename.path().to_owned();
        match self.load_file(keyspace, &path, merges) {
            Ok(()) => {
                tracing::warn!("DB reloaded by DEBUG RELOAD");
                true
            }
            Err(error) => {
                tracing::warn!("Loading '{}': {}", path.display(), reason(&error));
                false
            }
        }
    }
}

impl Engine {
    /// Prepares to load a file, if it exists. A file that cannot be loaded must stop
    /// the server, which would otherwise overwrite it.
    pub(super) fn begin_loading_rdb(
        &mut self,
        path: &Path,
        after: AfterLoading,
    ) -> Result<(), LoadFailed> {
        let Engine {
            keyspace, server, ..
        } = self;
        let path = path.to_owned();
        let options = LoadOptions {
            expired: match server.config.replicaof.0 {
                // The primary's stream deletes them.
                Some(_) => ExpiredKeys::Keep,
                None => ExpiredKeys::SkipNamed,
            },
            ..load_options(&server.config, &server.debug)
        };
        let file = match RdbFile::open(options, keyspace, &path) {
            Ok(file) => file,
            Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(log_fatal(&path, &error)),
        };
        server.begin_loading(keyspace, file.bytes());
        let began = Instant::now();
        let loader = RdbLoader {
            file,
            path,
            after,
            began,
        };
        self.loader = Some(Box::new(loader));
        Ok(())
    }
}

/// The step after the loading of a snapshot at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLoading {
    /// Nothing more.
    Serve,
    /// A copy of the file is the base of the append only file, which does not exist yet.
    BecomeBase,
}

/// The configured file, loaded at the start.
struct RdbLoader {
    file: RdbFile,
    path: PathBuf,
    after: AfterLoading,
    began: Instant,
}

impl Load for RdbLoader {
    fn done(&self) -> u64 {
        self.file.load.figures().keys_loaded
    }

    fn step(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed> {
        let stepped = self.file.step(keyspace, bytes);
        let loading = &mut server.persist.loading;
        loading.record_loaded_bytes(self.file.offset());
        loading.record_rdb_figures(self.file.load.figures());
        match stepped {
            Ok(None) => Ok(Progress::More),
            Ok(Some(_)) => Ok(Progress::Done),
            Err(error) => Err(log_fatal(&self.path, &error)),
        }
    }

    fn finish(
        mut self: Box<Self>,
        keyspace: &mut Keyspace,
        server: &mut Server,
    ) -> Result<(), LoadFailed> {
        self.file
            .load
            .load_functions(&mut server.scripting.libraries, &server.config)
            .map_err(|error| log_fatal(&self.path, &error))?;
        let search = self.file.load.take_search();
        let search = search.map_err(|error| log_fatal(&self.path, &error))?;
        server.restore_indexes(keyspace, search);
        server
            .persist
            .loading
            .record_loaded(self.file.load.figures());
        server.stream.lineage = self.file.load.take_lineage();
        if let Some(position) = self.file.load.figures().position() {
            server.stream.resume(position);
            server
                .stream
                .set_selected(self.file.load.figures().stream_db());
            // Replicas that reconnect continue from here.
            server.stream.keep_backlog(server.config.repl_backlog_size);
            server.stream.cursors = self.file.load.take_cursors();
            server.stream.cursors.lose_after(position.offset);
        } else {
            server.stream.cursors = self.file.load.take_cursors();
            server.stream.cursors.lose_all();
        }
        let seconds = self.began.elapsed().as_secs_f64();
        tracing::info!("DB loaded from disk: {seconds:.3} seconds");
        server.read_clock(keyspace);
        server.end_loading(keyspace);
        for (db, key) in self.file.load.take_expired() {
            // Replicas that continue have these keys.
            let slot = || Some(slot_of(&key));
            let words = [&b"DEL"[..], &key];
            keyspace.effects.record(db, slot, words.into_iter());
        }
        let is_base = self.after == AfterLoading::BecomeBase;
        if server.config.appendonly && is_base && server.persist.aof.log().is_none() {
            let names = Aof::names(&server.config);
            match names.begin_with(server.persist.aof.disk(), &self.path) {
                Ok(manifest) => server.open_aof(keyspace, names, manifest)?,
                Err(error) if error.lack_of_space().is_some() => {
                    tracing::warn!(
                        "{error}. Writes are refused until there is space for the base of the append only file"
                    );
                    server.await_aof_base(keyspace)?;
                }
                Err(error) => {
                    tracing::warn!("{error}");
                    return Err(LoadFailed);
                }
            }
        } else if server.config.appendonly {
            // The append only file was switched on meanwhile.
            server.switch_aof_on(keyspace)?;
        }
        Ok(())
    }
}

impl Server {
    /// The append only file begins with the loaded data.
    fn switch_aof_on(&mut self, keyspace: &mut Keyspace) -> Result<(), LoadFailed> {
        let switched = self.set_appendonly(keyspace, true, false);
        switched.map_err(|why| {
            tracing::warn!("{why}");
            LoadFailed
        })
    }

    /// There is no space for a copy of the snapshot as the first base. Writes are refused until a
    /// rewrite has made a base, so the snapshot has all data: a server that starts again loads it.
    fn await_aof_base(&mut self, keyspace: &mut Keyspace) -> Result<(), LoadFailed> {
        self.switch_aof_on(keyspace)?;
        self.persist.aof.await_base();
        self.update_interest();
        Ok(())
    }
}

fn log_fatal(path: &Path, error: &LoadError) -> LoadFailed {
    tracing::warn!("The file '{}': {}", path.display(), reason(error));
    if let LoadError::Damaged(error) = error {
        for line in FaultReport(error).to_string().lines() {
            tracing::warn!("{line}");
        }
        tracing::warn!("Terminating server after rdb file reading failure.");
    }
    tracing::warn!("Fatal error loading the DB, check server logs. Exiting.");
    LoadFailed
}

/// How files are loaded.
pub(crate) fn load_options(config: &Config, debug: &DebugSwitches) -> LoadOptions {
    LoadOptions {
        read: read_options(config, debug.skips_checksums),
        merges: false,
        expired: ExpiredKeys::Skip,
    }
}
