//! Whole groups in a simulation: servers with data that Sentinels watch, and a cluster with
//! replicas, on a single network, from a single seed. The machines are the product's
//! (`russet_sentinel`, `russet_cluster` with its `migration`, `russet_replication::upstream`); the
//! data of a server is a set of writes.
//!
//!     storms     troubles from a seed; the test reduces a failing storm to few troubles
//!     world      hosts, network, clocks; the steps of time
//!     clients    the writes, and the servers that have acknowledged them
//!     bus        the cluster's part of the network: nodes' orders, an operator
//!     checks     the claims, after each step and at the end (`look`: which hosts reach which)
//!     broken     rules broken on purpose, which show that each claim can fail
//!     server     a server with data: links, saves, sessions of replicas (`commands`: of Sentinels)
//!     member     a server's node of the cluster; moves: slots that leave or arrive with their keys
//!     watcher    a Sentinel
//!     data       a set of writes
//!
//! # The claims
//!
//! 1. A write that all servers of the group have acknowledged (WAIT) is at each server that leads
//!    from then on. Excuses, which are counted: the leader had dropped its data for a copy that did
//!    not arrive; the power failed without `appendfsync always`; the slot has moved to a server
//!    without a replica that has the write (by SETSLOT, or in a migration while no replica was in
//!    sync).
//! 2. With `appendfsync always` every restart keeps each acknowledged write; otherwise every
//!    restart without a loss of power does. A write that only the primary has acknowledged is lost
//!    only if a replica without the write is promoted, or if the primary had already been replaced:
//!    counted.
//! 3. Two servers take writes to the same keys for a bounded time: in a cluster until a primary in
//!    a minority stops, in a group of Sentinels until the network is whole. With
//!    `min-replicas-to-write` a primary that no replica reaches stops in time. The test prints the
//!    longest times.
//! 4. In the end a single node serves each slot and has all keys of the slot, and no other node has
//!    any.
//! 5. No slot stays open or on its way: a move ends or is undone. A target that claims slots has
//!    every acknowledged write to them.
//! 6. Equal positions have equal data, and only a copy or a crash makes an offset of a history
//!    fall.
//! 7. When the world is whole again, all nodes agree in bounded time.
//!
//! A seed repeats by construction, except the ids of histories, which come from the system's
//! generator.

mod broken;
mod bus;
mod checks;
mod clients;
mod commands;
mod data;
mod look;
mod member;
mod moves;
mod server;
mod storms;
mod watcher;
mod world;
