//! Every command: rows, handlers and documentation, one folder per Redis group.
//!
//! A row (`Spec`) stands beside its handler and has all that the server knows about the command;
//! `server` names no command. `GROUPS` is the only list of groups; each group lists its own rows.
//!
//! Shared by groups: `arguments` (parsing), `help` (HELP of containers), `stored` (results of the
//! STORE forms), `work` (elements that a command would touch). `conformance` tests all rows at
//! once.
//!
//! Decided elsewhere: the fields of a row: `russet_command`; the gates before a handler and their
//! order: `server::execution::dispatch`.

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
mod list;
mod path_hash;
mod pubsub;
mod scripting;
mod sentinel;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;
mod vector;

mod docs;
mod help;
mod stored;
mod work;

pub use docs::docs_for;

use crate::server::Spec;
use russet_command::docs::Doc;

/// The list of groups: the rows of each, and the documentation.
const GROUPS: &[(&[Spec], &[Doc])] = &[
    (acl::SPECS, &[]),
    (command::SPECS, &[]),
    (connection::SPECS, connection::docs::DOCS),
    (server::SPECS, server::docs::DOCS),
    (generic::SPECS, generic::docs::DOCS),
    (array::SPECS, array::docs::DOCS),
    (hash::SPECS, hash::docs::DOCS),
    (list::SPECS, list::docs::DOCS),
    (path_hash::SPECS, path_hash::docs::DOCS),
    (pubsub::SPECS, pubsub::docs::DOCS),
    (scripting::SPECS, scripting::docs::DOCS),
    (set::SPECS, set::docs::DOCS),
    (sorted_set::SPECS, sorted_set::docs::DOCS),
    (stream::SPECS, stream::docs::DOCS),
    (string::SPECS, string::docs::DOCS),
    (vector::SPECS, vector::docs::DOCS),
    (bitmap::SPECS, bitmap::docs::DOCS),
    (hyperloglog::SPECS, hyperloglog::docs::DOCS),
    (geo::SPECS, geo::docs::DOCS),
    (transactions::SPECS, transactions::docs::DOCS),
    (cluster::SPECS, cluster::docs::DOCS),
    // A Sentinel has these rows.
    (&[], sentinel::docs::DOCS),
];

/// All rows, by group.
pub fn table() -> Vec<&'static [Spec]> {
    GROUPS.iter().map(|(specs, _)| *specs).collect()
}

/// All rows, by group, those that only a Sentinel has included.
pub fn all_tables() -> Vec<&'static [Spec]> {
    [table(), vec![sentinel::SPECS]].concat()
}
