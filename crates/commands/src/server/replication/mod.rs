//! Commands about the primary and the replicas of this server.
//!
//! REPLICAOF and ROLE (`replicaof`), PSYNC, SYNC and REPLCONF (`psync`), FAILOVER (`failover`),
//! QUORUM (`quorum`), the change stream (`changes`), WAIT and WAITAOF (`wait`, of the group
//! `generic`).
//! Handlers check arguments; `server::replication` changes roles and makes a client a link.

pub(super) mod changes;
pub(super) mod failover;
pub(super) mod psync;
pub(super) mod quorum;
pub(super) mod replicaof;
pub(crate) mod wait;
