//! A replica: its state, and the positions that it was sent and has acknowledged.
//!
//! The state says what the primary sends on the link; a trait ([`Transport`])
//! stands for the server's end of the link, because the machine touches neither sockets nor files.

use std::net::IpAddr;

use super::facts::Facts;
use crate::history::ReplOffset;
use russet_keyspace::ClientId;

/// The state of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicaState {
    /// The replica has announced a fact, and asked for nothing yet.
    #[default]
    Introduced,
    /// The replica waits for a snapshot to begin.
    Waits(SnapshotWait),
    /// The main link of two, before the snapshot has begun.
    AwaitsSnapshot,
    /// The main link of two: it gets the stream while the second link brings the snapshot.
    Streams,
    /// The replica's snapshot is being made or sent ([`Transport`]).
    Sending,
    /// The replica has a whole snapshot of unannounced length. The primary sends nothing until the
    /// replica acknowledges.
    AwaitsAck,
    /// The replica has everything, and gets the stream.
    Online,
}

/// A replica that waits for a snapshot to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotWait {
    /// When the replica asked, monotonic milliseconds.
    pub since_ms: u64,
    /// The replica asked by SYNC: no +FULLRESYNC, no ACKs.
    pub by_sync: bool,
}

/// The server's end of a replica's link: sockets, files and compression, which the machine does not
/// touch.
pub trait Transport: Default {
    /// Whether no byte of the snapshot can be sent before the snapshot is whole.
    fn waits_for_snapshot(&self) -> bool;
    /// When the socket last took bytes of the snapshot, monotonic milliseconds.
    fn snapshot_moved_ms(&self) -> u64;
    /// Whether the files of the log serve the replica, not the backlog.
    fn reads_log(&self) -> bool;
    /// Whether the replica's stream is compressed.
    fn is_packed(&self) -> bool;
}

/// A replica.
#[derive(Debug)]
pub struct Replica<T> {
    /// The client that the link is.
    pub id: ClientId,
    /// The address of the connection.
    pub(super) connection: Option<IpAddr>,
    /// The facts that it announces.
    pub facts: Facts,
    /// The server's end of the link.
    pub transport: T,
    /// See [`ReplicaState`].
    pub state: ReplicaState,
    /// The position up to which the stream has been given to the replica's socket.
    pub sent: ReplOffset,
    /// The position that the replica has acknowledged as applied.
    pub acked: ReplOffset,
    /// The same of what is on the replica's disk.
    pub acked_on_disk: ReplOffset,
    /// The acknowledged position counts, because on this link the replica has sent it, or has asked
    /// to continue from it. Before, the replica may still be loading its snapshot.
    pub is_confirmed: bool,
    /// A later link has the same announced address, and this link has brought nothing since. It is
    /// the half-open link of a replica that has connected again, and the replica does not count
    /// twice.
    pub is_replaced: bool,
    /// When the replica's last bytes were received, monotonic milliseconds.
    pub received_ms: u64,
    /// Bytes received from the replica up to cron's last check.
    pub received_bytes: u64,
    /// Since when the replica's unsent bytes exceed the soft limit, monotonic milliseconds.
    pub over_soft_since_ms: Option<u64>,
    /// The replica asked by SYNC, and never acknowledges.
    pub is_mute: bool,
}

impl<T: Transport> Replica<T> {
    /// Whether the replica has acknowledged the data up to a position.
    pub fn has_acked(&self, offset: ReplOffset) -> bool {
        self.is_online() && self.is_confirmed && self.acked >= offset
    }

    /// Whether the primary has sent the replica a whole snapshot, or is sending it, and the
    /// replica, which would acknowledge it, has acknowledged nothing.
    pub fn owes_ack_of_copy(&self) -> bool {
        let facts = &self.facts;
        // Without a port, replicas cannot be distinguished.
        let acknowledges = facts.port > 0
            && !(self.is_mute || facts.rdb_only || facts.observer || facts.rdb_channel_link);
        let has_copy = matches!(
            self.state,
            ReplicaState::Sending
                | ReplicaState::AwaitsAck
                | ReplicaState::Streams
                | ReplicaState::Online
        );
        acknowledges && has_copy && !self.is_confirmed && self.acked == 0
    }

    /// Whether this is the second link of a replica whose main link is listed as well.
    pub(super) fn is_unlisted(&self) -> bool {
        self.facts.main.is_some()
    }

    /// INFO's word for either of two links, as in Valkey.
    pub fn link_name(&self) -> Option<&'static str> {
        if self.facts.rdb_channel_link && self.facts.main.is_none() {
            return Some("rdb-channel");
        }
        self.facts.second.map(|_| "main-channel")
    }

    /// Whether the primary sends this link the stream.
    pub fn gets_stream(&self) -> bool {
        matches!(self.state, ReplicaState::Online | ReplicaState::Streams)
    }

    /// Whether the replica has everything.
    pub fn is_online(&self) -> bool {
        matches!(self.state, ReplicaState::Online)
    }

    /// INFO's word for the replica's state.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            ReplicaState::Introduced | ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot => {
                "wait_bgsave"
            }
            ReplicaState::Streams if self.facts.second.is_some() => "bg_transfer",
            ReplicaState::Streams => "send_bulk_and_stream",
            ReplicaState::Sending if self.transport.waits_for_snapshot() => "wait_bgsave",
            ReplicaState::Sending | ReplicaState::AwaitsAck => "send_bulk",
            ReplicaState::Online => "online",
        }
    }

    /// The address under which the replica is announced.
    pub fn address(&self) -> (String, u16) {
        (self.facts.announced_ip(self.connection), self.facts.port)
    }

    /// The name of the replica in the log.
    pub fn name(&self) -> String {
        match self.address() {
            (ip, port) if port > 0 => format!("{ip}:{port}"),
            _ => format!("client id #{}", self.id.0),
        }
    }
}
