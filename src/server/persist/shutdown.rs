//! Shutting down: signals, SHUTDOWN, and what is saved before.

use std::sync::atomic::Ordering;

use signal_hook::consts::SIGINT;

use crate::keyspace::Keyspace;
use crate::server::parts::shutdown::ShutdownRequest;
use crate::server::state::Server;
use crate::server::state::world::{Engine, Flow};

impl Engine {
    /// Handles requests made by signals.
    pub(in crate::server) fn handle_signals(&mut self) {
        let server = &mut self.server;
        let asked = server.shutdown.signals.stop.load(Ordering::Acquire) > 0;
        // In Redis cron does this, so not while cron is paused (DEBUG PAUSE-CRON).
        if !asked || server.shutdown.request.is_some() || server.debug.cron_paused {
            return;
        }
        let flags = match server.shutdown.signals.first.load(Ordering::Acquire) {
            SIGINT => server.config.shutdown_on_sigint,
            _ => server.config.shutdown_on_sigterm,
        };
        let request = ShutdownRequest::from(flags);
        tracing::info!("User requested shutdown...");
        if server.prepare_shutdown(&mut self.keyspace, request) {
            server.shutdown.request = Some(request);
            return;
        }
        tracing::warn!(
            "SIGTERM received but errors trying to shut down the server, check the logs for more \
             information"
        );
        server.shutdown.signals.stop.store(0, Ordering::Release);
    }

    /// Whether the loop stops: a shutdown was requested and is prepared.
    pub(in crate::server) fn shutdown_flow(&self) -> Flow {
        match self.server.shutdown.request {
            Some(_) => Flow::Stop,
            None => Flow::GoOn,
        }
    }
}

impl Server {
    /// Prepares the shutdown: saves if that is requested, or configured and not forbidden. `false`:
    /// it failed, and the server continues unless it is forced.
    pub fn prepare_shutdown(&mut self, keyspace: &mut Keyspace, request: ShutdownRequest) -> bool {
        if self.writes_first_base() && !request.force {
            tracing::warn!("Writing initial AOF, can't exit");
            return false;
        }
        if self.cancel_save(keyspace) {
            tracing::warn!("A snapshot was being saved: it is given up.");
        }
        self.cancel_rewrite(keyspace);
        if self.persist.aof.log().is_some() {
            tracing::info!("Calling fsync() on the AOF file.");
        }
        if !self.finish_aof() && !request.force {
            tracing::warn!("Error writing the append only file, can't exit.");
            return false;
        }
        let wanted = match request.save {
            Some(wanted) => wanted,
            None => !self.config.save.0.is_empty(),
        };
        // A partial load would replace the complete file.
        if !wanted || !self.persist.saving.on_disk || self.is_loading() {
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

    /// SHUTDOWN ABORT: cancels a shutdown requested by a signal and not yet done. `false`: there is
    /// none.
    pub fn abort_shutdown(&mut self) -> bool {
        let aborted = self.shutdown.signals.stop.swap(0, Ordering::AcqRel) > 0;
        if aborted {
            tracing::info!("Shutdown manually aborted.");
        }
        aborted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ShutdownFlags;

    #[test]
    fn the_flags_of_a_signal_become_a_request() {
        let flags = ShutdownFlags {
            nosave: true,
            force: true,
            ..ShutdownFlags::default()
        };
        let request = ShutdownRequest::from(flags);
        assert_eq!(request.save, Some(false));
        assert!(request.force && !request.now);
    }
}
