//! Loads persisted data in slices: between them the loop serves clients, which get the error that
//! the server is loading (`server::gates`) but may ask for the progress or shut it down.
//!
//! A loader is resumable: [`Loader::step`] handles about `bytes` bytes of the file.
//! `server::loading` (snapshots) and `server::aof` read the files.

use std::time::Duration;

use super::aof::AofLoader;
use super::loading::RdbLoader;
use super::{Engine, Server};
use crate::keyspace::{Audience, Keyspace};

/// With `key-load-delay`, the longest pause of the loop at a time.
const LOAD_PAUSE_MAX_US: u64 = 1000;
/// For a caller that waits: bytes loaded between two checks of anything else.
const RELOAD_STEP_BYTES: u64 = 64 * 1024;

/// What is being loaded from.
pub(super) enum Loader {
    Rdb(Box<RdbLoader>),
    Aof(Box<AofLoader>),
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

impl Loader {
    fn step(
        &mut self,
        keyspace: &mut Keyspace,
        server: &mut Server,
        bytes: u64,
    ) -> Result<Progress, LoadFailed> {
        match self {
            Loader::Rdb(loader) => loader.step(keyspace, server, bytes),
            Loader::Aof(loader) => loader.step(keyspace, server, bytes),
        }
    }

    /// Keys and commands loaded so far.
    fn done(&self) -> u64 {
        match self {
            Loader::Rdb(loader) => loader.keys(),
            Loader::Aof(loader) => loader.commands(),
        }
    }

    /// Everything has been loaded.
    fn finish(self, keyspace: &mut Keyspace, server: &mut Server) -> Result<(), LoadFailed> {
        match self {
            Loader::Rdb(loader) => loader.finish(keyspace, server),
            Loader::Aof(loader) => loader.finish(keyspace, server),
        }
    }
}

impl Server {
    /// Whether data is being loaded.
    pub fn is_loading(&self) -> bool {
        self.loading.progress.is_some()
    }

    pub(super) fn begin_loading(&mut self, keyspace: &mut Keyspace, total_bytes: u64) {
        self.loading.progress = Some(LoadProgress {
            began_s: self.now.unix_s(),
            began_mono_ms: self.now.mono_ms,
            total_bytes,
            loaded_bytes: 0,
            rdb_used_mem: 0,
        });
        keyspace.effects.set_wanted(Audience::empty());
        self.update_interest();
    }

    pub(super) fn end_loading(&mut self, keyspace: &mut Keyspace) {
        self.loading.progress = None;
        self.update_effects(keyspace);
        self.update_interest();
    }

    /// A command of the file being loaded has failed, although it succeeded when it was written.
    #[cold]
    pub(super) fn note_load_error(&mut self, error: &[u8], name: &str) {
        self.stats.unexpected_error_replies += 1;
        tracing::warn!(
            "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' \
             after processing the command '{name}'",
            String::from_utf8_lossy(error)
        );
    }
}

/// Loads the whole append only file, already written, for a caller that waits.
pub(super) fn reload_now(
    keyspace: &mut Keyspace,
    server: &mut Server,
    mut loader: AofLoader,
) -> Result<(), LoadFailed> {
    while loader.step(keyspace, server, RELOAD_STEP_BYTES)? == Progress::More {
        server.defrag_while_loading(keyspace);
    }
    keyspace.dirty = 0;
    server.end_loading(keyspace);
    Ok(())
}

impl Engine {
    /// Prepares to load the configured persisted data, if any.
    pub(super) fn begin_loading_data(&mut self) -> Result<(), LoadFailed> {
        match self.server.config.appendonly {
            true => self.begin_loading_aof(),
            false => self.begin_loading_rdb(),
        }
    }

    /// Continues loading for one slice of a turn.
    pub(super) fn load_on(&mut self) -> Result<(), LoadFailed> {
        let Engine { keyspace, server } = self;
        let Some(mut loader) = server.loading.loader.take() else {
            return Ok(());
        };
        let mut bytes = match server.config.loading_process_events_interval_bytes {
            0 => u64::MAX,
            bytes => bytes,
        };
        // A delay per key makes a load slow, for tests: the loop continues meanwhile.
        let delay_us = i64::from(server.config.key_load_delay);
        let done = loader.done();
        if delay_us != 0 {
            let now_us = server.identity.started.elapsed().as_micros() as u64;
            if now_us < server.loading.due_us {
                let pause_us = (server.loading.due_us - now_us).min(LOAD_PAUSE_MAX_US);
                std::thread::sleep(Duration::from_micros(pause_us));
                server.loading.loader = Some(loader);
                return Ok(());
            }
            bytes = 1;
        }
        let progress = loader.step(keyspace, server, bytes)?;
        if delay_us != 0 {
            let loaded = loader.done().saturating_sub(done);
            let pause_us = match delay_us {
                1.. => loaded.saturating_mul(delay_us.unsigned_abs()),
                _ => loaded / delay_us.unsigned_abs(),
            };
            server.loading.due_us = server.identity.started.elapsed().as_micros() as u64 + pause_us;
        }
        match progress {
            Progress::More => server.loading.loader = Some(loader),
            Progress::Done => loader.finish(keyspace, server)?,
        }
        Ok(())
    }
}
