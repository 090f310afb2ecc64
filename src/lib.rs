//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` follows one command from accept to reply. The modules below
//! are in layers: each uses what stands above it, never what stands below (`layers.rs` checks
//! it). None of them is a library for others: what `main` needs is in [`daemon`].
#![deny(unsafe_code)]

mod base;

mod net;

mod config;

mod resp;

mod operator;

mod command;

mod encodings;

mod types;

mod keyspace;

mod replication;

mod persistence;

mod pubsub;

mod acl;

mod scripting;

mod server;

mod commands;

#[cfg(feature = "testing")]
pub mod fuzzing;

#[cfg(test)]
mod layers;

/// What the program is made of.
pub mod daemon {
    pub use crate::commands::table;
    pub use crate::config::{Errand, Startup, start, version};
    pub use crate::operator::{Target, doctor::run as doctor, ping::run as ping};
    pub use crate::persistence::aof::check::run as check_aof;
    pub use crate::persistence::aof::restore::run as restore_aof;
    pub use crate::persistence::check::check_rdb;
    pub use crate::server::startup::{check, fail, run};
}

/// What `benches/` measures.
#[cfg(feature = "testing")]
pub mod testing {
    pub use crate::base::clock::{Cycles, cycles};
    pub use crate::base::hash::HashKeys;
    pub use crate::encodings::hashtable::{HashTable, Word};
    pub use crate::resp::{Args, Bounds, Progress, Span, Step, step};
    pub use crate::server::Testbed;
}
