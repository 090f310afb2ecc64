//! Rewriting the append only file: a base from the current keyspace, which the driver of snapshots
//! makes (`server::snapshot`), and a new incremental file for effects recorded meanwhile.
//!
//!     wanted -> (a save is under way: scheduled) -> the file so far goes to disk
//!            -> new incremental file, snapshot begins
//!            -> the base is on disk -> manifest names it
//!
//! The old files stay until the manifest names the new base, so a crash at any point leaves a whole
//! set. If the file was off before, effects go to a file that the manifest does not name until
//! then. If the server has moved to another folder (CONFIG SET dir), the new set is made there,
//! while the old one remains whole and is still written.
//!
//! The size of the base is unknown before it is made, and the size of the log does not predict it:
//! a rewrite is always tried. Where space is short, it is the remedy.

use std::path::PathBuf;

use crate::persistence::aof::BaseForm;

/// A rewrite that is under way.
pub(in crate::server) struct Running {
    pub(in crate::server) stage: Stage,
    pub(in crate::server) began_ms: u64,
}

pub(in crate::server) enum Stage {
    /// The current file is being forced to disk; no snapshot yet.
    Ahead,
    /// The driver of snapshots makes the base.
    Saving,
    /// The base, at this path, is whole: it is installed when no other change of the set is under
    /// way, after the files that exist by then.
    Made(PathBuf, BaseForm),
    /// The base is being added to the set.
    Installing(PathBuf),
}

impl Running {
    /// Removes its base; an unfinished one belongs to the driver of snapshots.
    pub(in crate::server) fn forget(&self) {
        if let Stage::Made(path, _) | Stage::Installing(path) = &self.stage {
            // Best effort: the next rewrite replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// See the module.
pub struct Rewrites {
    pub last_ok: bool,
    /// Seconds that the last one took; -1: none yet.
    pub last_time_s: i64,
    pub done: u64,
    pub failed_in_a_row: u64,
    pub(in crate::server) running: Option<Running>,
    /// The effects recorded beside the base are lost: the rewrite begins again.
    pub(in crate::server) restarts: bool,
    /// No other try before this time.
    pub(in crate::server) retry_ms: u64,
    /// Rate limit: no try before this time; the next wait, minutes.
    pub(in crate::server) limited_until_ms: u64,
    pub(in crate::server) wait_minutes: u64,
}

impl Default for Rewrites {
    fn default() -> Rewrites {
        Rewrites {
            last_ok: true,
            last_time_s: -1,
            done: 0,
            failed_in_a_row: 0,
            running: None,
            restarts: false,
            retry_ms: 0,
            limited_until_ms: 0,
            wait_minutes: 0,
        }
    }
}

impl Rewrites {
    pub fn in_progress(&self) -> bool {
        self.running.is_some()
    }

    /// Seconds that the current one has taken so far; -1: none.
    pub fn current_time_s(&self, now_ms: u64) -> i64 {
        let running = self.running.as_ref();
        running.map_or(-1, |r| (now_ms.saturating_sub(r.began_ms) / 1000) as i64)
    }
}
