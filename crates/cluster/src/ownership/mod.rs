//! Which node serves which slot: claims, moves, routes, and the roles that follow.
//!
//! Invariants: the claim with the greater epoch wins (`claims`); a node that loses its last slot to
//! another shard follows that shard (`roles`); a slot has at most one owner in a node's view
//! (`slots`).
//!
//! Cost: a route is O(keys of the command) (`route`, with addresses of `viewer`); a claim O(slots
//! of the header). The keys of moved slots: the folders `migration` and `keyspace/slots`.

pub(super) mod claims;
pub(super) mod migration;
pub(super) mod roles;
pub(super) mod route;
pub(super) mod slots;
pub(super) mod unclaimed;
pub(super) mod viewer;
