//! Loading RDB files: at the start, for DEBUG RELOAD, and as the base of an append only file.
//!
//! A file is read in slices ([`RdbFile::step`]) or, for DEBUG RELOAD, at once. Expired keys are
//! left out; function libraries are loaded after the keys. A faulty file leaves the keys read
//! before the fault in the keyspace; at the start the server then refuses to start.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::load_steps::{self, LoadFailed, LoadProgress, Progress};
use super::{Engine, Server};
use crate::base::text::Printable;
use crate::config::{SanitizePayload, system_text};
use crate::keyspace::{Cause, DbIndex, Keyspace, OwnedValue};
use crate::persistence::check::FaultReport;
use crate::persistence::rdb::{Fault, Input, KeyFacts, Loader, RdbError, ReadOptions, Reader};
use crate::replication::{Position, ReplId, ReplOffset};
use crate::types::Limits;

/// The current load, and the last one.
#[derive(Default)]
pub struct Loading {
    /// The current load, and its progress.
    pub(super) loader: Option<load_steps::Loader>,
    pub progress: Option<LoadProgress>,
    /// With `key-load-delay`, when loading continues, microseconds since the start.
    pub(super) due_us: u64,
    /// Figures of the last file loaded.
    pub last: LoadFigures,
}

/// Figures of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadFigures {
    pub keys_loaded: u64,
    /// Expired keys, which are left out.
    pub keys_expired: u64,
    pub empty_keys: u64,
    /// Function libraries.
    pub functions: u64,
    /// `used_memory` where the file was made, as stored in it.
    pub used_mem: u64,
    /// The stream position stored in the file.
    repl_id: Option<ReplId>,
    repl_offset: Option<ReplOffset>,
}

impl LoadFigures {
    fn position(&self) -> Option<Position> {
        let (id, offset) = (self.repl_id?, self.repl_offset?);
        Some(Position { id, offset })
    }
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(#[from] RdbError),
    #[error("a library of functions cannot be loaded: {0}")]
    Function(String),
}

/// Puts a file's keys into the keyspace.
struct Filler<'a> {
    keyspace: &'a mut Keyspace,
    /// Existing keys are overwritten.
    merges: bool,
    figures: LoadFigures,
    /// Function libraries, which are loaded after the keys.
    functions: Vec<Vec<u8>>,
}

impl Loader for Filler<'_> {
    fn limits(&self) -> Limits {
        self.keyspace.limits
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
        match name {
            b"redis-ver" | b"valkey-ver" => {
                tracing::info!("Loading RDB produced by version {}", Printable(value));
            }
            b"ctime" => {
                let now_s = self.keyspace.now_ms() / 1000;
                let age = number().map_or(0, |at| now_s.saturating_sub(at).max(0));
                tracing::info!("RDB age {age} seconds");
            }
            b"used-mem" => {
                let bytes = number().unwrap_or(0);
                self.figures.used_mem = u64::try_from(bytes).unwrap_or(0);
                let mb = bytes as f64 / (1024.0 * 1024.0);
                tracing::info!("RDB memory usage when created {mb:.2} Mb");
            }
            b"repl-id" => self.figures.repl_id = ReplId::parse(value),
            b"repl-offset" => {
                let offset = number().and_then(|n| ReplOffset::try_from(n).ok());
                self.figures.repl_offset = offset;
            }
            _ => {}
        }
    }

    fn database(&mut self, db: u64) -> Result<DbIndex, Fault> {
        match u32::try_from(db) {
            Ok(at) if (at as usize) < self.keyspace.databases() => Ok(DbIndex(at)),
            _ => Err(Fault::Database(db)),
        }
    }

    fn key(
        &mut self,
        db: DbIndex,
        key: &[u8],
        value: OwnedValue<'_>,
        facts: KeyFacts,
    ) -> Result<(), Fault> {
        if facts.expiry.is_some_and(|at| at < self.keyspace.due_ms()) {
            self.figures.keys_expired += 1;
            return Ok(());
        }
        if self.merges {
            self.keyspace.db(db).delete(key, Cause::Server);
        }
        let is_new = self
            .keyspace
            .load(db, key, value, facts.expiry, facts.last_use);
        if !is_new {
            return Err(Fault::DuplicateKey(db.0));
        }
        self.figures.keys_loaded += 1;
        Ok(())
    }

    fn empty_key(&mut self, _db: DbIndex, key: &[u8]) {
        // A few of them are enough in the log.
        const TOLD_MAX: u64 = 10;
        self.figures.empty_keys += 1;
        if self.figures.empty_keys <= TOLD_MAX {
            tracing::info!("Loading: skipping empty key: {}", Printable(key));
        }
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        self.figures.functions += 1;
        self.functions.push(code.to_vec());
        Ok(())
    }
}

impl Server {
    /// Loads a file into the keyspace, beside its keys. With `merges` existing keys are
    /// overwritten, otherwise they are an error.
    pub fn load_file(
        &mut self,
        keyspace: &mut Keyspace,
        path: &Path,
        merges: bool,
    ) -> Result<LoadFigures, LoadError> {
        let mut file = RdbFile::open(self, keyspace, path, merges)?;
        file.step(keyspace, u64::MAX)?;
        self.load_functions(&file.take_functions(), merges)?;
        self.note_loaded(file.figures);
        Ok(file.figures)
    }

    /// Updates the progress.
    pub(super) fn note_loading(&mut self, figures: LoadFigures) {
        self.loading.last = figures;
        if let Some(progress) = &mut self.loading.progress {
            progress.rdb_used_mem = figures.used_mem;
        }
    }

    /// A file has been loaded.
    pub(super) fn note_loaded(&mut self, figures: LoadFigures) {
        self.loading.last = figures;
        tracing::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
            figures.keys_loaded,
            figures.keys_expired,
            figures.empty_keys
        );
    }

    /// Loads a file's libraries. With `merges` those of the same name are replaced, otherwise they
    /// are an error.
    pub(super) fn load_functions(
        &mut self,
        codes: &[Vec<u8>],
        merges: bool,
    ) -> Result<(), LoadError> {
        let limit = self.config.script_memory_limit as usize;
        for code in codes {
            let loaded = self.scripting.libraries.load(code, merges, false, limit);
            loaded.map_err(|why| LoadError::Function(Printable(&why).to_string()))?;
        }
        Ok(())
    }

    /// DEBUG RELOAD: loads the data from the file, in place of (`flushes`) or on top of the current
    /// keys. `false`: it could not be read; the reason is in the log, and what was read before the
    /// fault is in the keyspace.
    pub fn reload(&mut self, keyspace: &mut Keyspace, flushes: bool, merges: bool) -> bool {
        self.cancel_save(keyspace);
        if flushes {
            for at in 0..keyspace.databases() {
                keyspace.flush(DbIndex(at as u32), false);
            }
            self.scripting.libraries.flush();
        }
        let path = self.config.dbfilename.path().to_owned();
        match self.load_file(keyspace, &path, merges) {
            Ok(_) => {
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

/// Why a file was not loaded, for the log.
fn reason(error: &LoadError) -> String {
    match error {
        LoadError::Io(error) => system_text(error),
        LoadError::Damaged(error) => error.to_string(),
        LoadError::Function(_) => error.to_string(),
    }
}

/// A file that is loaded in slices.
pub(super) struct RdbFile {
    reader: Reader<'static>,
    merges: bool,
    figures: LoadFigures,
    functions: Vec<Vec<u8>>,
    bytes: u64,
}

impl RdbFile {
    /// Reads the header. With `merges` existing keys are overwritten.
    pub fn open(
        server: &Server,
        keyspace: &mut Keyspace,
        path: &Path,
        merges: bool,
    ) -> Result<RdbFile, LoadError> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let options = ReadOptions {
            checksum: server.config.rdbchecksum && !server.debug.skips_checksums,
            deep: server.config.sanitize_dump_payload == SanitizePayload::Yes,
        };
        let mut filler = Filler {
            keyspace,
            merges,
            figures: LoadFigures::default(),
            functions: Vec::new(),
        };
        let input = Input::of_reader(Box::new(file), Some(bytes));
        let reader = Reader::begin(input, options, &mut filler)?;
        Ok(RdbFile {
            reader,
            merges,
            figures: filler.figures,
            functions: filler.functions,
            bytes,
        })
    }

    /// Loads about `bytes` bytes; at the end returns its offset.
    pub fn step(&mut self, keyspace: &mut Keyspace, bytes: u64) -> Result<Option<u64>, LoadError> {
        let until = self.reader.offset().saturating_add(bytes);
        let mut filler = Filler {
            keyspace,
            merges: self.merges,
            figures: self.figures,
            functions: std::mem::take(&mut self.functions),
        };
        let end = loop {
            if let Some(end) = self.reader.step(&mut filler)? {
                break Some(end.bytes);
            }
            if self.reader.offset() >= until {
                break None;
            }
        };
        (self.figures, self.functions) = (filler.figures, filler.functions);
        Ok(end)
    }

    /// The offset reached.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    pub fn figures(&self) -> LoadFigures {
        self.figures
    }

    /// Takes the libraries read so far.
    pub fn take_functions(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.functions)
    }
}

/// The configured file, loaded at the start.
pub(super) struct RdbLoader {
    file: RdbFile,
    path: PathBuf,
    began: Instant,
}

impl RdbLoader {
    /// Keys so far.
    pub fn keys(&self) -> u64 {
        self.file.figures().keys_loaded
    }

    pub fn step(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed> {
        let stepped = self.file.step(keyspace, bytes);
        if let Some(progress) = &mut server.loading.progress {
            progress.loaded_bytes = self.file.offset();
        }
        server.note_loading(self.file.figures());
        match stepped {
            Ok(None) => Ok(Progress::More),
            Ok(Some(_)) => Ok(Progress::Done),
            Err(error) => Err(tell_fatal(&self.path, &error)),
        }
    }

    /// Everything has been loaded.
    pub fn finish(
        mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
    ) -> Result<(), LoadFailed> {
        server
            .load_functions(&self.file.take_functions(), false)
            .map_err(|error| tell_fatal(&self.path, &error))?;
        server.note_loaded(self.file.figures());
        if let Some(position) = self.file.figures().position() {
            server.stream.resume(position);
        }
        let seconds = self.began.elapsed().as_secs_f64();
        tracing::info!("DB loaded from disk: {seconds:.3} seconds");
        server.read_clock(keyspace);
        server.end_loading(keyspace);
        if server.config.appendonly {
            // The append only file was switched on meanwhile.
            server
                .set_appendonly(keyspace, true, false)
                .map_err(|why| {
                    tracing::warn!("{why}");
                    LoadFailed
                })?;
        }
        Ok(())
    }
}

fn tell_fatal(path: &Path, error: &LoadError) -> LoadFailed {
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

impl Engine {
    /// Prepares to load the configured file, if it exists. A file that cannot be loaded must stop
    /// the server, which would otherwise overwrite it.
    pub(super) fn begin_loading_rdb(&mut self) -> Result<(), LoadFailed> {
        let Engine { keyspace, server } = self;
        let path = server.config.dbfilename.path().to_owned();
        let file = match RdbFile::open(server, keyspace, &path, false) {
            Ok(file) => file,
            Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(tell_fatal(&path, &error)),
        };
        server.begin_loading(keyspace, file.bytes);
        let began = Instant::now();
        let loader = RdbLoader { file, path, began };
        server.loading.loader = Some(super::load_steps::Loader::Rdb(Box::new(loader)));
        Ok(())
    }
}
