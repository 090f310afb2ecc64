//! Shutting down: signals, SHUTDOWN, and what is saved before.

use std::sync::atomic::Ordering;

use signal_hook::consts::SIGINT;

use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::server::parts::shutdown::ShutdownRequest;
use crate::server::state::world::{Engine, Flow};
use crate::server::state::{Server, Shutdown};

impl Engine {
    /// Handles requests made by signals.
    pub(in crate::server) fn handle_signals(&mut self) {
        let server = &mut self.server;
        // In Redis cron does this, so not while cron is paused (DEBUG PAUSE-CRON).
        if server.debug.cron_paused {
            return;
        }
        let Some(request) = server.shutdown.signalled(&server.config) else {
            return;
        };
        tracing::info!("User requested shutdown...");
        if server.prepare_shutdown(&mut self.keyspace, request) {
            server.shutdown.request = Some(request);
            return;
        }
        tracing::warn!(
            "SIGTERM received but errors trying to shut down the server, check the logs for more \
             information"
        );
        server.shutdown.forget_signals();
    }

    /// Whether the loop stops: a shutdown was requested and is prepared.
    pub(in crate::server) fn shutdown_flow(&self) -> Flow {
        match self.server.shutdown.request {
            Some(_) => Flow::Stop,
            None => Flow::GoOn,
        }
    }
}

impl Shutdown {
    /// What a signal requests, unless a shutdown is requested already.
    fn signalled(&self, config: &Config) -> Option<ShutdownRequest> {
        if self.signals.stop.load(Ordering::Acquire) == 0 || self.request.is_some() {
            return None;
        }
        let flags = match self.signals.first.load(Ordering::Acquire) {
            SIGINT => config.shutdown_on_sigint,
            _ => config.shutdown_on_sigterm,
        };
        Some(ShutdownRequest::from(flags))
    }

    fn forget_signals(&self) {
        self.signals.stop.store(0, Ordering::Release);
    }

    /// SHUTDOWN ABORT: cancels a shutdown requested by a signal and not yet done. `false`: there is
    /// none.
    pub fn abort(&self) -> bool {
        let aborted = self.signals.stop.swap(0, Ordering::AcqRel) > 0;
        if aborted {
            tracing::info!("Shutdown manually aborted.");
        }
        aborted
    }
}

impl Server {
    /// Prepares the shutdown: saves if that is requested, or configured and not forbidden. `false`:
    /// it failed, and the server continues unless it is forced.
    pub fn prepare_shutdown(&mut self, keyspace: &mut Keyspace, request: ShutdownRequest) -> bool {
        if self.persist.aof.writes_first_base() && !request.force {
            tracing::warn!("Writing initial AOF, can't exit");
            return false;
        }
        if self.cancel_save(keyspace) {
            tracing::warn!("A snapshot was being saved: it is given up.");
        }
        self.give_up_sync(keyspace);
        self.cancel_rewrite(keyspace);
        if self.persist.aof.log().is_some() {
            tracing::info!("Calling fsync() on the AOF file.");
        }
        if !self.persist.aof.finish(&self.now, &self.stream) && !request.force {
            tracing::warn!("Error writing the append only file, can't exit.");
            return false;
        }
        let wanted = match request.save {
            Some(wanted) => wanted,
            None => !self.config.save.0.is_empty(),
        };
        // A partial load would replace the complete file.
        if !wanted || !self.persist.saving.on_disk || self.persist.loading.in_progress() {
            return true;
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        if self.save_now(keyspace) {
            return true;
        }
        if request.force {
            tracing::warn!("Error trying to save the DB, but we are exiting anyway.");
            return true;
        }
        tracing::warn!("Error trying to save the DB, can't exit.");
        false
    }
}
