//! Reads the files of TLS again in a thread, because they may be on a slow disk.

use std::sync::mpsc::{self, Receiver};

use russet_base::threads;
use russet_net::tls::{Files, Materials, Settings, TlsError};

/// The result of the thread that reads the files again.
pub(super) enum ReloadResult {
    Unchanged,
    Changed(Box<(Settings, Materials)>),
    Failed(TlsError),
}

/// Starts the thread; `fingerprint` is of the contents in use. `None`: it could not be started.
pub(super) fn read_again(
    settings: Settings,
    fingerprint: [u8; 32],
) -> Option<Receiver<ReloadResult>> {
    let (sender, logged) = mpsc::channel();
    let work = move || {
        let read = Files::read(&settings);
        let reloaded = match read {
            Ok(files) if files.fingerprint() == fingerprint => ReloadResult::Unchanged,
            Ok(files) => {
                let now = jiff::Timestamp::now().as_second();
                match Materials::build(&settings, &files, now) {
                    Ok(materials) => ReloadResult::Changed(Box::new((settings, materials))),
                    Err(error) => ReloadResult::Failed(error),
                }
            }
            Err(error) => ReloadResult::Failed(error),
        };
        // If the receiver is gone, the result is not wanted.
        let _ = sender.send(reloaded);
    };
    match threads::start("tls_reload", work) {
        Ok(_) => Some(logged),
        Err(error) => {
            tracing::warn!("TLS materials are not read again: {error}");
            None
        }
    }
}
