//! The options of a shutdown, given by SHUTDOWN or by the setting for a signal.

use crate::parts::run::signals::Signals;
use russet_config::ShutdownFlags;
use std::sync::Arc;

/// The options of a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    /// Skip all waits.
    pub now: bool,
    /// Ignore errors that would prevent the shutdown.
    pub force: bool,
    /// `Some(true)`: SAVE, `Some(false)`: NOSAVE.
    pub save: Option<bool>,
    /// Refuse on a primary that votes in a cluster.
    pub safe: bool,
    /// Have a replica of the cluster take over first.
    pub failover: bool,
}

/// A shutdown that waits until replicas have everything (`shutdown-timeout`). Writes wait
/// meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingShutdown {
    pub request: ShutdownRequest,
    /// Monotonic milliseconds.
    pub deadline_ms: u64,
    /// A signal requested the shutdown.
    pub by_signal: bool,
    /// A replica was asked to take over.
    pub has_reported: bool,
    /// Until when clients may finish their work (`shutdown-drain-seconds`), monotonic milliseconds;
    /// `None`: that time is over.
    pub drains_until_ms: Option<u64>,
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
            safe: flags.safe,
            failover: flags.failover,
        }
    }
}

/// The end of the process: signals, and the requested shutdown.
pub struct Shutdown {
    pub signals: Arc<Signals>,
    pub request: Option<ShutdownRequest>,
    /// A shutdown that waits until replicas have everything.
    pub waiting: Option<WaitingShutdown>,
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
