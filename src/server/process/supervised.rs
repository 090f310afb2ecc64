//! `supervised`: telling systemd when the server is ready and when it stops.

use sd_notify::NotifyState;

use crate::config::Supervised;

/// Who looks after the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    Nobody,
    /// Waits for messages on `$NOTIFY_SOCKET`.
    Systemd,
}

/// Who it is, by configuration and environment. A supervised server is not daemonized.
pub fn supervisor(setting: Supervised) -> Supervisor {
    let has_socket = std::env::var_os("NOTIFY_SOCKET").is_some();
    match setting {
        Supervised::Systemd | Supervised::Auto if has_socket => Supervisor::Systemd,
        _ => Supervisor::Nobody,
    }
}

impl Supervisor {
    /// What is to be said about the setting once there is a log.
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

    pub fn tell_ready(self) {
        let status = NotifyState::Status("Ready to accept connections");
        self.tell(&[status, NotifyState::Ready]);
    }

    pub fn tell_stopping(self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self == Supervisor::Systemd
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!("Telling systemd: {error}");
        }
    }
}
