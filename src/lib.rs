//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` is the map. The modules below are layers: each uses only modules above it
//! in the list (`layers.rs` checks that). None of them is a public library: `main` uses [`daemon`].
#![deny(unsafe_code)]

/// Memory, numbers as text, checksums, clocks, the operating system.
mod base;

/// Sockets, readiness, TLS: the only owner of descriptors.
mod net;

/// Directives, redis.conf, CONFIG; where the dialects differ.
mod config;

/// RESP2 and RESP3: request parser, reply writer, reply parser.
mod resp;

/// Facts about commands: flags, key specs, plans of keys, refusals.
mod command;

/// The bytes of values: hash table, listpack, quicklist, tree, graph.
mod encodings;

/// Values: which encoding each has, and when that changes.
mod types;

/// Databases of keys: lookups, expiry, eviction, slots, changes, snapshots.
mod keyspace;

/// The stream of effects, its history, and the talk about it.
mod replication;

/// Sentinel: a machine without I/O.
mod sentinel;

/// A node of a cluster: a machine without I/O.
mod cluster;

/// Slots that move with their keys: a machine without I/O.
mod migration;

/// RDB and AOF files.
mod persistence;

/// `russet ping`, `doctor`, `tail`: clients of a running server.
mod operator;

/// Channels and patterns with their subscribers.
mod pubsub;

/// Users, rules, budgets.
mod acl;

/// Lua: states, libraries, stored scripts.
mod scripting;

/// The web console's HTTP and JSON, without a server.
mod console;

/// Everything that needs all of the above: the loop and the way of a command.
mod server;

/// Rows and handlers, one folder for each Redis group.
mod commands;

/// Fuzz targets as functions of bytes. Outside of `src`: nothing here is for the program.
#[cfg(feature = "testing")]
#[path = "../tests/fuzzing/mod.rs"]
pub mod fuzzing;

/// Tests that each module uses only what stands above it.
#[cfg(test)]
mod layers;

/// The interface of the program.
pub mod daemon {
    pub use crate::commands::all_tables as tables;
    pub use crate::config::{Called, Dialect, Errand, Startup, start, version};
    pub use crate::operator::{
        Target, doctor::run as doctor, ping::run as ping, tail::run as tail,
    };
    pub use crate::persistence::aof::check::run as check_aof;
    pub use crate::persistence::aof::restore::run as restore_aof;
    pub use crate::persistence::check::check_rdb;
    pub use crate::server::convert::{check_for, convert};
    pub use crate::server::start::startup::{check, fail, run};
}

/// The interface of `benches/`.
#[cfg(feature = "testing")]
pub mod testing {
    pub use crate::base::clock::{Cycles, cycles};
    pub use crate::base::hashing::hash::HashKeys;
    pub use crate::encodings::hashtable::{HashTable, Word};
    pub use crate::resp::{Args, Bounds, ParseStep, Progress, Span, step};
    pub use crate::server::Testbed;
    pub use crate::server::node;
}
