//! The end, asked for by a signal or by SHUTDOWN.

use std::sync::atomic::Ordering;

use signal_hook::consts::SIGINT;

use super::{Engine, Flow, Server};
use crate::config::ShutdownFlags;

/// How a shutdown was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    /// Skip whatever would delay.
    pub now: bool,
    /// Go on over errors that would refuse.
    pub force: bool,
    /// `Some(true)`: SAVE, `Some(false)`: NOSAVE.
    pub save: Option<bool>,
}

impl From<ShutdownFlags> for ShutdownRequest {
    fn from(flags: ShutdownFlags) -> ShutdownRequest {
        let save = match (flags.save, flags.nosave) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        ShutdownRequest {
            now: flags.now,
            force: flags.force,
            save,
        }
    }
}

impl Engine {
    /// Looks at what signals have asked for.
    pub(super) fn handle_signals(&mut self) {
        let server = &mut self.server;
        let asked = server.signals.stop.load(Ordering::Acquire) > 0;
        // Cron does it where it is paused now (DEBUG PAUSE-CRON).
        if !asked || server.shutdown.is_some() || server.debug.cron_paused {
            return;
        }
        let flags = match server.signals.first.load(Ordering::Acquire) {
            SIGINT => server.config.shutdown_on_sigint,
            _ => server.config.shutdown_on_sigterm,
        };
        let request = ShutdownRequest::from(flags);
        tracing::info!("User requested shutdown...");
        if server.prepare_shutdown(&mut self.keyspace, request) {
            server.shutdown = Some(request);
            return;
        }
        tracing::warn!(
            "SIGTERM received but errors trying to shut down the server, check the logs for more \
             information"
        );
        server.signals.stop.store(0, Ordering::Release);
    }

    /// Whether the loop stops: a shutdown was asked for and nothing stands in its way.
    pub(super) fn shutdown_flow(&self) -> Flow {
        match self.server.shutdown {
            Some(_) => Flow::Stop,
            None => Flow::GoOn,
        }
    }
}

impl Server {
    /// SHUTDOWN ABORT: what a signal has asked for, and is not done yet, is not done. `false`:
    /// there is nothing.
    pub fn abort_shutdown(&mut self) -> bool {
        let aborted = self.signals.stop.swap(0, Ordering::AcqRel) > 0;
        if aborted {
            tracing::info!("Shutdown manually aborted.");
        }
        aborted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
