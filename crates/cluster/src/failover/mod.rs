//! Which node is down, and which replica takes over.
//!
//!     silence --failure--> suspected --reports of a majority--> failed
//!     failed --election--> candidate --votes--> primary, with a new epoch
//!     CLUSTER FAILOVER --manual--> the same, with the primary's consent
//!     votes --group--> the promises of the shard's replication group, where it has one
//!
//! Invariants: a node votes once an epoch, and saves its vote before it is sent (`votes`); a
//! replica that was never in sync with its primary does not stand (`election`). The owners of
//! slots afterwards: `ownership`. The state of these steps, which the core holds: `state`.

pub(super) mod election;
pub(super) mod failure;
pub(super) mod group;
pub(super) mod health;
pub(super) mod manual;
pub(super) mod reports;
pub(super) mod state;
pub(super) mod votes;
