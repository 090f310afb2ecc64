//! The server's end of a replica's link: what feeds its socket.

use super::packing::CompressedLink;
use super::sending::SnapshotTransfer;

use russet_persistence::aof::LogFeed;
use russet_replication::primary::{self, Transport};

/// A replica of this server.
pub type Replica = primary::Replica<ReplicaLink>;
/// The replicas of this server.
pub type Replicas = primary::Replicas<ReplicaLink>;

/// See the module.
#[derive(Debug, Default)]
pub struct ReplicaLink {
    /// The snapshot on its way, while the replica's state is `Sending`.
    pub(crate) snapshot: Option<Box<SnapshotTransfer>>,
    /// State of the compression, if the replica's stream is compressed.
    pub(crate) packing: Option<Box<CompressedLink>>,
    /// The reader of the log that serves the replica; `None`: the backlog serves it.
    pub(crate) log: Option<Box<LogFeed>>,
    /// The earliest time of the next try to serve the replica from the log, monotonic milliseconds.
    pub(crate) log_retry_ms: u64,
    /// The replica's socket has the settings for replicas.
    pub(crate) is_tuned: bool,
}

impl ReplicaLink {
    /// Whether the replica's socket has taken only a part of the last block.
    pub(crate) fn is_inside_block(&self) -> bool {
        let packing = self.packing.as_ref();
        packing.is_some_and(|packing| !packing.unsent().is_empty())
    }
}

impl Transport for ReplicaLink {
    fn waits_for_snapshot(&self) -> bool {
        let snapshot = self.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| snapshot.waits())
    }

    fn snapshot_moved_ms(&self) -> u64 {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(0, |snapshot| snapshot.moved_ms)
    }

    fn reads_log(&self) -> bool {
        self.log.is_some()
    }

    fn is_packed(&self) -> bool {
        self.packing.is_some()
    }
}
