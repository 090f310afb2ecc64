//! Backups while the server runs: sealed sets of files, each in a folder of its own.
//!
//!     dir/backups/NAME/appendonlydir/...     append only file: hard links, made at once
//!     dir/backups/NAME/dump.rdb              without it: a snapshot saved for the backup
//!
//! A folder gets its name when it is whole; an unfinished one is called `NAME.part` and is removed
//! on failure. A thread does the disk I/O; only the client that asked blocks. A server starts on a
//! set as it is (`--dir dir/backups/NAME`): it writes to new files, so it changes neither the set
//! nor its source.
//!
//! Invariant: at most one backup is in progress (`Backups::pending`).

use std::path::PathBuf;

use crate::keyspace::ClientId;
use crate::persistence::errand::Errand;

/// See the module.
#[derive(Debug, Default)]
pub struct Backups {
    /// The one in progress.
    pub(in crate::server) pending: Option<Pending>,
}

#[derive(Debug)]
pub(in crate::server) struct Pending {
    pub(in crate::server) name: String,
    pub(in crate::server) client: ClientId,
    pub(in crate::server) stage: Stage,
    /// How it ended.
    pub(in crate::server) ended: Option<Result<PathBuf, String>>,
}

/// What a backup waits for.
#[derive(Debug)]
pub(in crate::server) enum Stage {
    /// The end of another change of the append only file.
    Turn,
    /// Its own change, after which the existing files no longer grow.
    Sealing,
    Snapshot,
    /// The links in its folder.
    Links(Errand<Result<PathBuf, String>>),
}

/// A set on disk.
pub struct Set {
    pub name: String,
    /// `aof`, `rdb` or, while in progress, `unfinished`.
    pub kind: &'static str,
    pub bytes: u64,
    /// Unix seconds.
    pub created_s: i64,
}
