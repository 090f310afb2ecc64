//! How a snapshot ended for one of its targets.

use std::io;

use russet_config::system_text;

/// How a snapshot ended for one of its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotEnd {
    /// The file is whole, on disk, and has its name.
    Done,
    Failed(String),
    /// The child was ended by this signal.
    Killed(i32),
    /// SIGUSR1 ended the child, because the snapshot is not wanted: no failure.
    Unwanted,
    /// The consumer cancelled the snapshot.
    Cancelled,
}

impl SnapshotEnd {
    /// Why there is no file.
    pub fn why(&self) -> &str {
        match self {
            SnapshotEnd::Done => "",
            SnapshotEnd::Failed(why) => why,
            SnapshotEnd::Killed(_) => "the child was killed",
            SnapshotEnd::Unwanted => "the child was told to end",
            SnapshotEnd::Cancelled => "the snapshot was given up",
        }
    }

    pub(super) fn of(result: io::Result<()>) -> SnapshotEnd {
        match result {
            Ok(()) => SnapshotEnd::Done,
            Err(error) => SnapshotEnd::Failed(system_text(&error)),
        }
    }
}
