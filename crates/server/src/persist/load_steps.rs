//! Loads persisted data in slices: between them the loop serves clients, which get the error that
//! the server is loading (`execution::gates`) but may ask for the progress or shut the server down.
//!
//! A loader ([`Load`]) is resumable: `loading` reads snapshots, `aof::loader` the append only file.
//! `parts::persist::loading` has the progress, and the pace of slices.

use crate::figures::stats::Stats;
use crate::parts::persist::loading::{LoadFailed, Progress};
use crate::persist::aof::loader::AofLoader;
use crate::persist::loading::AfterLoading;
use crate::state::Server;
use crate::state::world::{Engine, Load};
use russet_keyspace::{Audience, Keyspace};

/// Bytes of a step for a caller that waits for the whole load.
const RELOAD_STEP_BYTES: u64 = 64 * 1024;

impl Server {
    /// From now on, commands are refused and no effects are recorded.
    pub fn begin_loading(&mut self, keyspace: &mut Keyspace, total_bytes: u64) {
        self.persist.loading.begin(&self.now, total_bytes);
        self.memory.packing.begin_load();
        keyspace.effects.set_wanted(Audience::empty());
        self.update_interest();
    }

    pub fn end_loading(&mut self, keyspace: &mut Keyspace) {
        self.persist.loading.end();
        keyspace.packing.collect(None);
        self.search.reindex();
        self.changes.repeat_note();
        self.update_effects(keyspace);
        self.update_interest();
    }
}

/// Loads the whole append only file for a caller that waits. The file has all effects already.
pub(super) fn reload_now(
    keyspace: &mut Keyspace,
    server: &mut Server,
    mut loader: AofLoader,
) -> Result<(), LoadFailed> {
    while loader.step(keyspace, server, RELOAD_STEP_BYTES)? == Progress::More {
        server.defrag_while_loading(keyspace);
    }
    server.replayed_flushes(keyspace);
    keyspace.dirty = 0;
    server.end_loading(keyspace);
    Ok(())
}

impl Engine {
    /// Prepares to load the configured persisted data, if any.
    pub(crate) fn begin_loading_data(&mut self) -> Result<(), LoadFailed> {
        let config = &self.server.config;
        if !config.preload_file.is_empty() {
            return self.begin_preloading();
        }
        if config.appendonly {
            self.begin_loading_aof()
        } else {
            let path = config.dbfilename.path().to_owned();
            self.warn_of_unused_aof();
            self.begin_loading_rdb(&path, AfterLoading::Serve)
        }
    }

    /// Continues loading for a slice of a turn.
    pub(crate) fn continue_load(&mut self) -> Result<(), LoadFailed> {
        let Engine {
            keyspace,
            server,
            loader: place,
        } = self;
        let Some(mut loader) = place.take() else {
            return Ok(());
        };
        let started = server.identity.started;
        let Some(bytes) = server.load_slice_bytes(keyspace) else {
            *place = Some(loader);
            return Ok(());
        };
        let done = loader.done();
        let progress = loader.step(keyspace, server, bytes)?;
        let loaded = loader.done().saturating_sub(done);
        let loading = &mut server.persist.loading;
        loading.delay_next_slice(&server.config, started, loaded);
        match progress {
            Progress::More => *place = Some(loader),
            Progress::Done => {
                loader.finish(keyspace, server)?;
                // Deletions of keys that have expired meanwhile: the position is that of the data.
                self.take_effects();
            }
        }
        Ok(())
    }
}

impl Stats {
    /// A command of the file being loaded has failed, although it succeeded when it was written.
    #[cold]
    pub(crate) fn log_load_error(&mut self, error: &[u8], name: &str) {
        self.unexpected_error_replies += 1;
        tracing::warn!(
            "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' \
             after processing the command '{name}'",
            String::from_utf8_lossy(error)
        );
    }
}
