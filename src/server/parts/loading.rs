//! Loading persisted data: the progress of the current load ([`Loading`]), and RDB files
//! ([`RdbFile`]), which are loaded at the start, for DEBUG RELOAD, and as the base of an append only
//! file.
//!
//! A file is read in slices ([`RdbFile::step`]) or, for DEBUG RELOAD, at once. Expired keys are
//! left out; function libraries are loaded after the keys ([`RdbFile::load_functions`]). A faulty
//! file leaves the keys read before the fault in the keyspace; at the start the server then refuses
//! to start.
//!
//! Cost: O(bytes of the file), in slices of `loading-process-events-interval-bytes`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::clock::Now;
use crate::base::text::Printable;
use crate::config::{Config, SanitizePayload, system_text};
use crate::keyspace::{Cause, DbIndex, Keyspace, OwnedValue};
use crate::persistence::rdb::{Fault, Input, KeyFacts, Loader, RdbError, ReadOptions, Reader};
use crate::replication::{Position, ReplId, ReplOffset};
use crate::scripting::Libraries;
use crate::types::Limits;

/// With `key-load-delay`, the longest pause of the loop at a time.
const PAUSE_MAX_US: u64 = 1000;

/// The current load, and the last one.
#[derive(Default)]
pub struct Loading {
    progress: Option<LoadProgress>,
    /// With `key-load-delay`, when loading continues, microseconds since the start.
    due_us: u64,
    last: LoadFigures,
}

impl Loading {
    /// Whether data is being loaded.
    #[inline]
    pub fn in_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// The progress of the current load.
    pub fn progress(&self) -> Option<&LoadProgress> {
        self.progress.as_ref()
    }

    /// Figures of the last file loaded.
    pub fn last(&self) -> &LoadFigures {
        &self.last
    }

    pub(in crate::server) fn begin(&mut self, now: &Now, total_bytes: u64) {
        self.progress = Some(LoadProgress {
            began_s: now.unix_s(),
            began_mono_ms: now.mono_ms,
            total_bytes,
            loaded_bytes: 0,
            rdb_used_mem: 0,
        });
    }

    pub(in crate::server) fn end(&mut self) {
        self.progress = None;
    }

    /// This many of the bytes have been loaded.
    pub(in crate::server) fn note_bytes(&mut self, loaded_bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress.loaded_bytes = loaded_bytes;
        }
    }

    /// Figures of an RDB file so far.
    pub(in crate::server) fn note_figures(&mut self, figures: LoadFigures) {
        self.last = figures;
        if let Some(progress) = &mut self.progress {
            progress.rdb_used_mem = figures.used_mem;
        }
    }

    /// An RDB file has been loaded.
    pub(in crate::server) fn note_loaded(&mut self, figures: LoadFigures) {
        self.last = figures;
        tracing::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
            figures.keys_loaded,
            figures.keys_expired,
            figures.empty_keys
        );
    }

    /// Bytes of the next slice. `None`: with `key-load-delay`, which makes a load slow for tests,
    /// it is not due yet; a part of the delay has been slept. `started`: when the process began.
    pub(in crate::server) fn slice_bytes(&self, config: &Config, started: Instant) -> Option<u64> {
        if config.key_load_delay == 0 {
            return Some(match config.loading_process_events_interval_bytes {
                0 => u64::MAX,
                bytes => bytes,
            });
        }
        let now_us = started.elapsed().as_micros() as u64;
        if now_us < self.due_us {
            let pause_us = (self.due_us - now_us).min(PAUSE_MAX_US);
            std::thread::sleep(Duration::from_micros(pause_us));
            return None;
        }
        Some(1)
    }

    /// A slice has loaded this many keys.
    pub(in crate::server) fn note_slice(&mut self, config: &Config, started: Instant, keys: u64) {
        let delay_us = i64::from(config.key_load_delay);
        let pause_us = match delay_us {
            0 => return,
            1.. => keys.saturating_mul(delay_us.unsigned_abs()),
            _ => keys / delay_us.unsigned_abs(),
        };
        self.due_us = started.elapsed().as_micros() as u64 + pause_us;
    }
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
    pub(in crate::server) fn position(&self) -> Option<Position> {
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

/// Why a file was not loaded, for the log.
pub(in crate::server) fn reason(error: &LoadError) -> String {
    match error {
        LoadError::Io(error) => system_text(error),
        LoadError::Damaged(error) => error.to_string(),
        LoadError::Function(_) => error.to_string(),
    }
}

/// How files are read. `skips_checksums`: whatever the setting (DEBUG).
pub(in crate::server) fn read_options(config: &Config, skips_checksums: bool) -> ReadOptions {
    ReadOptions {
        checksum: config.rdbchecksum && !skips_checksums,
        deep: config.sanitize_dump_payload == SanitizePayload::Yes,
    }
}

/// A file that is loaded in slices.
pub(in crate::server) struct RdbFile {
    reader: Reader<'static>,
    merges: bool,
    figures: LoadFigures,
    functions: Vec<Vec<u8>>,
    bytes: u64,
}

impl RdbFile {
    /// Reads the header. With `merges` existing keys are overwritten.
    pub fn open(
        options: ReadOptions,
        keyspace: &mut Keyspace,
        path: &Path,
        merges: bool,
    ) -> Result<RdbFile, LoadError> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
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

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The offset reached.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    pub fn figures(&self) -> LoadFigures {
        self.figures
    }

    /// Loads the libraries read so far. One that exists is replaced if the file merges, otherwise
    /// it is an error.
    pub fn load_functions(
        &mut self,
        libraries: &mut Libraries,
        config: &Config,
    ) -> Result<(), LoadError> {
        let limit = config.script_memory_limit as usize;
        for code in std::mem::take(&mut self.functions) {
            let loaded = libraries.load(&code, self.merges, false, limit);
            loaded.map_err(|why| LoadError::Function(Printable(&why).to_string()))?;
        }
        Ok(())
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Done,
}

/// The data cannot be loaded; the reason is in the log already. The server does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadFailed;

/// Progress of the loading, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadProgress {
    /// Unix seconds.
    pub began_s: i64,
    pub began_mono_ms: u64,
    pub total_bytes: u64,
    pub loaded_bytes: u64,
    /// `used_memory` where the snapshot was made, as stored in the file.
    pub rdb_used_mem: u64,
}

impl LoadProgress {
    pub fn percent(&self) -> f64 {
        match self.total_bytes {
            0 => 0.0,
            total => self.loaded_bytes as f64 / total as f64 * 100.0,
        }
    }

    /// Estimated seconds left; 1 while there is no estimate.
    pub fn eta_s(&self, now_ms: u64) -> u64 {
        let left = self.total_bytes.saturating_sub(self.loaded_bytes);
        let passed_s = now_ms.saturating_sub(self.began_mono_ms) / 1000;
        match self.loaded_bytes {
            0 => 1,
            _ if passed_s == 0 => 1,
            loaded => (u128::from(passed_s) * u128::from(left) / u128::from(loaded)) as u64,
        }
    }
}
