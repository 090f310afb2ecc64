//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` is the map. The modules below are layers: each uses only modules above it
//! in the list (`layers.rs` checks that). None of them is a public library: `main` uses [`daemon`].
#![deny(unsafe_code)]

/// Channels and patterns with their subscribers.
mod pubsub;

/// HTTP, as the web console and the endpoints of metrics share it.
mod http;

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

/// The interface of the program. No type of the server is named in it: what nothing calls is then
/// seen by the compiler, wherever it stands.
pub mod daemon {
    use std::ffi::OsStr;
    use std::io::Write;

    use crate::commands::all_tables;
    use crate::server;
    use crate::server::start::startup;
    use russet_config::{Check, Conversion, Run};

    pub use crate::server::convert::check_for;
    pub use crate::server::start::startup::fail;
    pub use russet_config::{Dialect, Errand, NameDefaults, Startup, start, version};
    pub use russet_operator::{
        Target, doctor::run as doctor, ping::run as ping, tail::run as tail,
    };
    pub use russet_persistence::aof::check::run as check_aof;
    pub use russet_persistence::aof::restore::run as restore_aof;
    pub use russet_persistence::check::check_rdb;

    /// The server, until it ends: its exit status.
    pub fn run(run: Run, program: &OsStr) -> u8 {
        startup::run(run, program, &all_tables())
    }

    /// `--check-config`: the text to print and the exit status.
    pub fn check(check: Check) -> (String, i32) {
        startup::check(check, &all_tables())
    }

    /// `russet convert`: its exit status.
    pub fn convert(asked: &Conversion, out: &mut dyn Write) -> u8 {
        server::convert::convert(asked, &all_tables(), out)
    }
}

/// The interface of `benches/`.
#[cfg(feature = "testing")]
pub mod testing {
    pub use crate::server::Testbed;
    pub use crate::server::node;
    pub use russet_base::clock::{Cycles, cycles};
    pub use russet_base::hashing::hash::HashKeys;
    pub use russet_encodings::hashtable::{HashTable, Word};
    pub use russet_resp::{Args, Bounds, ParseStep, Progress, Span, step};
}
