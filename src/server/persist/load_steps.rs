//! Loads persisted data in slices: between them the loop serves clients, which get the error that
//! the server is loading (`execution::gates`) but may ask for the progress or shut it down.
//!
//! A loader ([`Load`]) is resumable: `loading` reads snapshots, `aof::loader` the append only file.

use std::time::Duration;

use crate::keyspace::{Audience, Keyspace};
use crate::server::parts::loading::{LoadFailed, LoadProgress, Progress};
use crate::server::persist::aof::loader::AofLoader;
use crate::server::state::Server;
use crate::server::state::world::{Engine, Load};

/// With `key-load-delay`, the longest pause of the loop at a time.
const LOAD_PAUSE_MAX_US: u64 = 1000;
/// For a caller that waits: bytes loaded between two checks of anything else.
const RELOAD_STEP_BYTES: u64 = 64 * 1024;

impl Server {
    /// Whether data is being loaded.
    pub fn is_loading(&self) -> bool {
        self.persist.loading.progress.is_some()
    }

    pub(in crate::server) fn begin_loading(&mut self, keyspace: &mut Keyspace, total_bytes: u64) {
        self.persist.loading.progress = Some(LoadProgress {
            began_s: self.now.unix_s(),
            began_mono_ms: self.now.mono_ms,
            total_bytes,
            loaded_bytes: 0,
            rdb_used_mem: 0,
        });
        keyspace.effects.set_wanted(Audience::empty());
        self.update_interest();
    }

    pub(in crate::server) fn end_loading(&mut self, keyspace: &mut Keyspace) {
        self.persist.loading.progress = None;
        self.update_effects(keyspace);
        self.update_interest();
    }

    /// A command of the file being loaded has failed, although it succeeded when it was written.
    #[cold]
    pub(in crate::server) fn note_load_error(&mut self, error: &[u8], name: &str) {
        self.stats.unexpected_error_replies += 1;
        tracing::warn!(
            "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' \
             after processing the command '{name}'",
            String::from_utf8_lossy(error)
        );
    }
}

/// Loads the whole append only file, already written, for a caller that waits.
pub(in crate::server) fn reload_now(
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
    pub(in crate::server) fn begin_loading_data(&mut self) -> Result<(), LoadFailed> {
        match self.server.config.appendonly {
            true => self.begin_loading_aof(),
            false => self.begin_loading_rdb(),
        }
    }

    /// Continues loading for one slice of a turn.
    pub(in crate::server) fn load_on(&mut self) -> Result<(), LoadFailed> {
        let Engine {
            keyspace,
            server,
            loader: place,
        } = self;
        let Some(mut loader) = place.take() else {
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
            if now_us < server.persist.loading.due_us {
                let pause_us = (server.persist.loading.due_us - now_us).min(LOAD_PAUSE_MAX_US);
                std::thread::sleep(Duration::from_micros(pause_us));
                *place = Some(loader);
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
            server.persist.loading.due_us =
                server.identity.started.elapsed().as_micros() as u64 + pause_us;
        }
        match progress {
            Progress::More => *place = Some(loader),
            Progress::Done => loader.finish(keyspace, server)?,
        }
        Ok(())
    }
}
