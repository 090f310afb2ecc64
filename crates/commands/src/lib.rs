//! Every command: rows, handlers and documentation, in a folder for each Redis group.
//!
//! A row (`Spec`) stands beside its handler and has all that the server knows about the command;
//! `server` names no command. `GROUPS` is the only list of groups; each group lists the rows of the
//! group.
//!
//! Shared by groups: `arguments` (parsing), `help` (HELP of containers), `stored` (results of the
//! STORE forms), `work` (elements that a command would touch). `conformance` tests all rows at
//! once.
//!
//! Decided elsewhere: the fields of a row: `russet_command`; the gates before a handler and their
//! order: `server::execution::gates`.

mod acl;
mod arguments;
mod array;
mod bitmap;
mod cluster;
mod command;
mod conformance;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod json;
mod list;
mod path_hash;
mod pubsub;
mod scripting;
mod search;
mod sentinel;
mod server;
mod set;
mod sketches;
mod sorted_set;
mod stream;
mod string;
mod time_series;
mod transactions;
mod vector;

#[cfg(any(test, feature = "testing"))]
pub mod testbed;

mod docs;
mod help;
mod stored;
mod work;

pub use docs::docs_for;

use russet_server::Spec;

/// A group's documentation as path and text.
type Text = (&'static str, &'static str);

macro_rules! text {
    ($group:literal) => {
        (
            concat!("crates/commands/src/", $group, "/docs.txt"),
            include_str!(concat!($group, "/docs.txt")),
        )
    };
}

/// The list of groups: the rows of each, and the documentation.
const GROUPS: &[(&[Spec], Text)] = &[
    // Redis documents these two with the group `server`.
    (acl::SPECS, ("", "")),
    (command::SPECS, ("", "")),
    (connection::SPECS, text!("connection")),
    (server::SPECS, text!("server")),
    (generic::SPECS, text!("generic")),
    (array::SPECS, text!("array")),
    (hash::SPECS, text!("hash")),
    (json::SPECS, text!("json")),
    (list::SPECS, text!("list")),
    (path_hash::SPECS, text!("path_hash")),
    (pubsub::SPECS, text!("pubsub")),
    (scripting::SPECS, text!("scripting")),
    (search::SPECS, text!("search")),
    (set::SPECS, text!("set")),
    (sketches::bloom::SPECS, text!("sketches/bloom")),
    (sketches::count_min::SPECS, text!("sketches/count_min")),
    (sketches::cuckoo::SPECS, text!("sketches/cuckoo")),
    (sketches::t_digest::SPECS, text!("sketches/t_digest")),
    (sketches::top_k::SPECS, text!("sketches/top_k")),
    (sorted_set::SPECS, text!("sorted_set")),
    (stream::SPECS, text!("stream")),
    (string::SPECS, text!("string")),
    (time_series::SPECS, text!("time_series")),
    (vector::SPECS, text!("vector")),
    (bitmap::SPECS, text!("bitmap")),
    (hyperloglog::SPECS, text!("hyperloglog")),
    (geo::SPECS, text!("geo")),
    (transactions::SPECS, text!("transactions")),
    (cluster::SPECS, text!("cluster")),
    // A Sentinel has these rows.
    (&[], text!("sentinel")),
];

/// All rows, by group.
pub fn table() -> Vec<&'static [Spec]> {
    GROUPS.iter().map(|(specs, _)| *specs).collect()
}

/// All rows, by group, including the rows that only a Sentinel has.
pub fn all_tables() -> Vec<&'static [Spec]> {
    [table(), vec![sentinel::SPECS]].concat()
}
