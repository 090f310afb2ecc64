//! Loading persisted data: the progress of the current load ([`LoadState`]), and RDB files (`rdb`).
//!
//! At most one load is in progress: at the start, for DEBUG RELOAD and LOADAOF, or of a primary's
//! snapshot. During a load clients get -LOADING, unless the old data is shown meanwhile
//! ([`LoadState::is_async`]).
//!
//! The slices of a load: `server::persist::load_steps`. A primary's snapshot:
//! `server::replication::load`. The append only file: `server::persist::aof::loader`.

pub mod rdb;

use std::io;
use std::time::{Duration, Instant};

pub(crate) use rdb::{ExpiredKeys, LoadOptions, RdbFile};
pub(crate) use rdb::{LoadStep, RdbLoad, RdbStream, SearchData};

use russet_base::clock::Now;
use russet_config::{Config, RdbVersionCheck, SanitizePayload, UnknownModules, system_text};
use russet_keyspace::DbIndex;
use russet_persistence::rdb::{RdbError, ReadOptions};
use russet_replication::{Position, ReplId, ReplOffset};
use russet_search::file::DecodeError;

/// With `key-load-delay`, the longest pause of the loop at a time.
const PAUSE_MAX_US: u64 = 1000;

/// The current load, and the result of the last load.
#[derive(Default)]
pub struct LoadState {
    progress: Option<LoadProgress>,
    /// With `key-load-delay`, when loading continues, microseconds since the start.
    due_us: u64,
    /// With `key-load-delay`, loaded bytes from which on the held stream is read again.
    held_at: u64,
    last: LoadFigures,
    is_async: bool,
    pub(crate) flushes: ReplayedFlushes,
}

/// The line of the append only file being replayed about its next unit with a flush.
#[derive(Default)]
pub struct ReplayedFlushes {
    /// The flushed data was set aside at this Unix millisecond; `None`: it was freed.
    pub set_aside_ms: Option<i64>,
    /// Flushes before that unit.
    pub before: u64,
}

impl LoadState {
    /// Whether the old data is shown while a snapshot is loaded beside it.
    pub fn is_async(&self) -> bool {
        self.in_progress() && self.is_async
    }

    pub(crate) fn set_async(&mut self, on: bool) {
        self.is_async = on;
    }

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

    pub fn begin(&mut self, now: &Now, total_bytes: u64) {
        self.held_at = 0;
        self.progress = Some(LoadProgress {
            began_s: now.unix_s(),
            began_mono_ms: now.mono_ms,
            total_bytes,
            loaded_bytes: 0,
            rdb_used_mem: 0,
        });
    }

    pub fn end(&mut self) {
        self.progress = None;
        self.is_async = false;
    }

    /// This many of the bytes have been loaded.
    pub(crate) fn record_loaded_bytes(&mut self, loaded_bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress.loaded_bytes = loaded_bytes;
        }
    }

    /// Records the figures of an RDB file so far.
    pub(crate) fn record_rdb_figures(&mut self, figures: LoadFigures) {
        self.last = figures;
        if let Some(progress) = &mut self.progress {
            progress.rdb_used_mem = figures.used_mem;
        }
    }

    /// An RDB file has been loaded.
    pub(crate) fn record_loaded(&mut self, figures: LoadFigures) {
        self.last = figures;
        tracing::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
            figures.keys_loaded,
            figures.keys_expired,
            figures.empty_keys
        );
    }

    /// Bytes of the next slice. `None`: with `key-load-delay`, which makes a load slow for tests,
    /// the slice is not due yet; the call has slept for a part of the delay. `started`: when the
    /// process began.
    pub(crate) fn slice_bytes(&self, config: &Config, started: Instant) -> Option<u64> {
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

    /// Whether the stream that comes beside the snapshot is read now. With `key-load-delay` a load
    /// makes the whole server slow, so that its primary has to keep the stream: it is read once for
    /// each interval of loaded bytes.
    pub(crate) fn reads_held(&mut self, config: &Config) -> bool {
        let Some(progress) = &self.progress else {
            return true;
        };
        let is_due = config.key_load_delay == 0 || progress.loaded_bytes >= self.held_at;
        if is_due {
            let interval = config.loading_process_events_interval_bytes;
            self.held_at = progress.loaded_bytes.saturating_add(interval);
        }
        is_due
    }

    /// A slice has loaded this many keys.
    pub(crate) fn delay_next_slice(&mut self, config: &Config, started: Instant, keys: u64) {
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
    /// Expired keys that were left out.
    pub keys_expired: u64,
    pub empty_keys: u64,
    /// Function libraries.
    pub functions: u64,
    /// `used_memory` of the server that made the file, as stored in the file.
    pub used_mem: u64,
    /// The stream position stored in the file.
    repl_id: Option<ReplId>,
    repl_offset: Option<ReplOffset>,
    /// The database that the stream had selected there.
    stream_db: Option<DbIndex>,
}

impl LoadFigures {
    pub fn position(&self) -> Option<Position> {
        let (id, offset) = (self.repl_id?, self.repl_offset?);
        Some(Position { id, offset })
    }

    /// The database that the stream had selected at [`LoadFigures::position`]. `None`: the file
    /// has none, and the stream begins with SELECT.
    pub(crate) fn stream_db(&self) -> Option<DbIndex> {
        self.stream_db
    }
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(#[from] RdbError),
    #[error("definitions of indexes cannot be loaded: {0}")]
    Search(#[from] DecodeError),
    #[error("a library of functions cannot be loaded: {0}")]
    Function(String),
}

/// Why a file was not loaded, for the log.
pub fn reason(error: &LoadError) -> String {
    match error {
        LoadError::Io(error) => system_text(error),
        LoadError::Damaged(error) => error.to_string(),
        LoadError::Search(_) | LoadError::Function(_) => error.to_string(),
    }
}

/// How files are read. `skips_checksums` overrides the setting (DEBUG).
pub(crate) fn read_options(config: &Config, skips_checksums: bool) -> ReadOptions {
    ReadOptions {
        checksum: config.rdbchecksum && !skips_checksums,
        deep: config.sanitize_dump_payload == SanitizePayload::Yes,
        skips_modules: config.rdb_unknown_modules == UnknownModules::Skip,
        takes_later: config.rdb_version_check == RdbVersionCheck::Relaxed,
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
    /// `used_memory` of the server that made the snapshot, as stored in the file.
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
