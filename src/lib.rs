//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` follows one command from accept to reply. The modules below are layers:
//! each uses only modules above it in the list (`layers.rs` checks that). None of them is a public
//! library: `main` uses [`daemon`].
#![deny(unsafe_code)]

mod base;

mod net;

mod config;

mod resp;

mod command;

mod encodings;

mod types;

mod keyspace;

mod replication;

mod sentinel;

mod cluster;

mod migration;

mod persistence;

mod operator;

mod pubsub;

mod acl;

mod scripting;

mod console;

mod server;

mod commands;

#[cfg(feature = "testing")]
pub mod fuzzing;

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
    pub use crate::resp::{Args, Bounds, Progress, Span, Step, step};
    pub use crate::server::Testbed;
    pub use crate::server::node;
}
