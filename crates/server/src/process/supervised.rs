//! `supervised`: notifies systemd when the server is ready, alive and stopping.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use russet_config::Supervised;

/// The process's supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    Nobody,
    /// Waits for messages on `$NOTIFY_SOCKET`.
    Systemd,
}

/// The supervisor, by configuration and environment. A supervised server is not daemonized.
pub fn supervisor(setting: Supervised) -> Supervisor {
    let has_socket = std::env::var_os("NOTIFY_SOCKET").is_some();
    match setting {
        Supervised::Systemd | Supervised::Auto if has_socket => Supervisor::Systemd,
        _ => Supervisor::Nobody,
    }
}

impl Supervisor {
    /// Logs warnings about the setting, once there is a log.
    pub fn log_warnings(self, setting: Supervised) {
        match setting {
            Supervised::Systemd if self == Supervisor::Nobody => {
                tracing::warn!(
                    "systemd supervision requested or auto-detected, but NOTIFY_SOCKET \
                                is not set"
                );
            }
            Supervised::Upstart => {
                tracing::warn!("upstart supervision is not supported: the setting is ignored");
            }
            _ => {}
        }
    }

    pub fn announce_ready(self) {
        if self == Supervisor::Systemd
            && let Some(limit) = sd_notify::watchdog_enabled()
        {
            // Set once: a process becomes ready once.
            let _ = WATCHDOG.set(Watchdog {
                every: limit / 3,
                began: Instant::now(),
                notified_ms: AtomicU64::new(0),
            });
        }
        let status = NotifyState::Status("Ready to accept connections");
        self.notify(&[status, NotifyState::Ready]);
    }

    pub fn announce_stopping(self) {
        self.notify(&[NotifyState::Stopping]);
    }

    fn notify(self, states: &[NotifyState<'_>]) {
        if self == Supervisor::Systemd
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!("Telling systemd: {error}");
        }
    }
}

/// systemd kills a service that sends nothing for `WatchdogSec`.
struct Watchdog {
    every: Duration,
    began: Instant,
    notified_ms: AtomicU64,
}

static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();

/// Announces to systemd that the server is alive, if it expects that: called by cron, and by work
/// that may hold the loop for long. Cheap when no message is due.
pub fn feed_watchdog() {
    let Some(watchdog) = WATCHDOG.get() else {
        return;
    };
    let now = watchdog.began.elapsed();
    let reported = Duration::from_millis(watchdog.notified_ms.load(Ordering::Relaxed));
    if now < reported + watchdog.every {
        return;
    }
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    watchdog.notified_ms.store(now_ms, Ordering::Relaxed);
    if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
        tracing::warn!("Telling systemd: {error}");
    }
}
