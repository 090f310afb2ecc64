//! The primary's side of replication: its replicas, as a state machine without I/O.
//!
//!     Introduced -> Waits -> Sending -> AwaitsAck -> Online
//!              (partial: straight to Online)
//!
//! A replica with two links has an entry for each:
//!
//!     main    Introduced -> AwaitsSnapshot -> Streams -> Online
//!     second  Introduced -> Waits -> Sending -> closed
//!
//! Redis names the main link on the second link ([`Facts::main`]), and the main link streams from
//! the snapshot's position on by itself. Valkey names the second link on the main link
//! ([`Facts::second`]), which asks for the stream by PSYNC; until then, or for a grace period after
//! the second link's end, the stream from the snapshot's position on is kept.
//!
//!     requests    PSYNC and SYNC: continue, open a second link, or wait for a snapshot
//!     snapshots   which replicas share a snapshot, and when it begins
//!     replicas    the table: acknowledgements, ends of links
//!     cron        time limits, limits of unsent bytes, PINGs, the end of an idle backlog
//!     failing     replicas that load no copy
//!
//! # The server's duties
//!
//! - Answer a replica by what [`Replicas::request`] returns; report acknowledgements
//!   ([`Replicas::acknowledge`]) and ends of links ([`Replicas::depart`]).
//! - Each turn: [`Replicas::due_snapshot`], and begin it or let the replicas join;
//!   [`Replicas::over_limit`].
//! - Each second: [`Replicas::tend`].
//! - A replica's stream is not copied to it: [`Replica::sent`] is its position in the backlog, from
//!   which the server writes to the socket. A replica that is further back than the backlog is
//!   served from the files of the log. Sockets, files and compression are the server's
//!   ([`Transport`]).
//!
//! Invariants
//!   1. Nothing here reads a clock, a socket, a file or a source of randomness.
//!   2. At most one snapshot for replicas is being made; all waiting replicas with the same needs
//!      share it, and a replica with other needs waits for the snapshot's end.
//!   3. A replica continues only within this dataset's history, from the backlog or from the log.
//!   4. A position that a replica has acknowledged on a link does not fall while the link lasts.
//!
//! Cost: O(replicas) each.

mod cron;
mod facts;
mod failing;
mod replica;
mod replicas;
mod requests;
mod snapshots;
#[cfg(test)]
mod tests;

pub use cron::{CronWork, Silence};
pub use facts::{Facts, Filter, Peer, ReaderMake, SnapshotFraming, SyncNeeds};
pub use failing::{FailingReplica, FailingReplicas};
pub use replica::{Replica, ReplicaState, SnapshotWait, Transport};
pub use replicas::{Departure, Replicas, ReplicasAhead, SyncCounts};
pub use requests::{Refusal, SyncAnswer, SyncRequest};
pub use snapshots::{DueSnapshot, SentSnapshot, SnapshotLead, SnapshotStart};
