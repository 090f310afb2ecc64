//! Signals that request a shutdown, or that the configuration is read again: a thread of its own
//! receives them, so that a second SIGINT works even while the loop is busy with a long command.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGUSR2};

use crate::process::pidfile::PidFile;
use russet_base::wake::Wake;
use russet_base::{sys, threads};

/// Signals that are ignored, as in Redis.
pub(crate) const IGNORED: &[i32] = &[SIGUSR2, SIGALRM];

/// Requests made by signals, read by the loop when it is woken.
#[derive(Debug, Default)]
pub struct Signals {
    /// Number of SIGINT and SIGTERM received.
    pub stop: AtomicU32,
    /// The first of them.
    pub first: AtomicI32,
    /// SIGHUP was received: the configuration is to be read again.
    pub reload: AtomicBool,
}

impl Signals {
    /// Receives SIGINT, SIGTERM and SIGHUP from now on; signals that Redis ignores are ignored
    /// (SIGPIPE by Rust's runtime). They wake the loop.
    pub fn watch(self: &Arc<Signals>, wake: Wake, pidfile: Option<PidFile>) -> io::Result<()> {
        for &signal in IGNORED {
            sys::ignore_signal(signal)?;
        }
        let mut incoming = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let signals = Arc::clone(self);
        let watch = move || {
            for signal in incoming.forever() {
                signals.on_signal(signal, &wake, pidfile.as_ref());
            }
        };
        threads::start("signals", watch)?;
        Ok(())
    }

    fn on_signal(&self, signal: i32, wake: &Wake, pidfile: Option<&PidFile>) {
        if signal == SIGHUP {
            self.reload.store(true, Ordering::Release);
            wake.wake();
            return;
        }
        let name = if signal == SIGINT {
            "SIGINT"
        } else {
            "SIGTERM"
        };
        let before = self.stop.load(Ordering::Acquire);
        if before > 0 && signal == SIGINT {
            tracing::warn!("You insist... exiting now.");
            // The final snapshot, if it is being saved, remains unfinished.
            let _ = std::fs::remove_file(crate::parts::persist::snapshot::temp_name(
                std::process::id(),
            ));
            if let Some(pidfile) = pidfile {
                pidfile.remove();
            }
            std::process::exit(1);
        }
        if before == 0 {
            self.first.store(signal, Ordering::Release);
        }
        // First: a turn that ends sees the flag before the loop is woken.
        tracing::warn!("Received {name} scheduling shutdown...");
        self.stop.fetch_add(1, Ordering::AcqRel);
        wake.wake();
    }
}
