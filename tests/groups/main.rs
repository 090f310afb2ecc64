//! Whole groups in one simulation: servers with data that Sentinels watch, and a cluster with
//! replicas, on one network, from one seed. The machines are the product's (`russet_sentinel`,
//! `russet_cluster` with its `migration`, `russet_replication::upstream`); the data of a server is
//! a set of writes.
//!
//!     storms     troubles from a seed; the test reduces a failing storm to few troubles
//!     world      hosts, network, clocks; the steps of time
//!     clients    the writes, and which of them were acknowledged
//!     bus        the cluster's part of the network: nodes' orders, an operator
//!     checks     the claims, after each step and at the end (`look`: which hosts reach which)
//!     broken     rules broken on purpose: each claim is seen to fail
//!     server     a server with data: links, saves, sessions of replicas (`commands`: of Sentinels)
//!     member     a server's node of the cluster; moves: slots that leave or arrive with their keys
//!     watcher    a Sentinel
//!     data       a set of writes
//!
//! # The claims
//!
//! 1. A write that all servers of the group have acknowledged (WAIT) is at each server that leads
//!    from then on. Excused, and counted: the leader had dropped its data for a copy that did not
//!    come; the power failed without `appendfsync always`; the slot has moved to a server without a
//!    replica that has it (by SETSLOT, or at once while none was in sync).
//! 2. With `appendfsync always` a restart keeps each acknowledged write, without it each restart of
//!    the process alone does. A write that only the primary has acknowledged is lost only if a
//!    replica without the write is promoted, or if the primary had been replaced already: counted.
//! 3. Two servers take writes to the same keys for a bounded time: in a cluster until a primary in
//!    a minority stops; in a group of Sentinels until the network is whole, and with
//!    `min-replicas-to-write` a primary that no replica reaches stops in time. The longest times
//!    are printed.
//! 4. In the end one node serves each slot, with all keys of the slot, and no other node has any.
//! 5. No slot is left open, and none is on its way: moves end, or are undone. A target that claims
//!    slots has every acknowledged write to them.
//! 6. Equal positions have equal data, and no offset of a history falls but by a copy or a crash.
//! 7. When all is well again, all agree in bounded time.
//!
//! A seed repeats by construction; ids of histories come from the system's generator.

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
