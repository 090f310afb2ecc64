//! Commands about the primary and the replicas of this server.

pub(super) mod failover;
pub(super) mod psync;
pub(super) mod replicaof;
