//! russet: a Redis-compatible server daemon.
//!
//! `docs/architecture.md` is the map. The server and its commands are crates (`crates/`); here they
//! meet: the table of commands is handed to the server. This is no public library: `main` uses
//! [`daemon`].
#![deny(unsafe_code)]

/// Fuzz targets as functions of bytes. Outside of `src`: nothing here is for the program.
#[cfg(feature = "testing")]
#[path = "../tests/fuzzing/mod.rs"]
pub mod fuzzing;

/// The interface of the program. No type of the server is named in it: what nothing calls is then
/// seen by the compiler, wherever it stands.
pub mod daemon {
    use std::ffi::OsStr;
    use std::io::Write;

    use russet_commands::all_tables;
    use russet_config::{Check, Conversion, Run};
    use russet_server::start::startup;

    pub use russet_config::{Dialect, Errand, NameDefaults, Startup, start, version};
    pub use russet_operator::{
        Target, doctor::run as doctor, ping::run as ping, tail::run as tail,
    };
    pub use russet_persistence::aof::check::run as check_aof;
    pub use russet_persistence::aof::restore::run as restore_aof;
    pub use russet_persistence::check::check_rdb;
    pub use russet_server::convert::check_for;
    pub use russet_server::start::startup::fail;

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
        russet_server::convert::convert(asked, &all_tables(), out)
    }
}

/// The interface of `benches/`.
#[cfg(feature = "testing")]
pub mod testing {
    pub use russet_base::clock::{Cycles, cycles};
    pub use russet_base::hashing::hash::HashKeys;
    pub use russet_commands::testbed::{AllCommands, Testbed, command_table};
    pub use russet_encodings::hashtable::{HashTable, Word};
    pub use russet_resp::{Args, Bounds, ParseStep, Progress, Span, step};
    pub use russet_server::node;
}
