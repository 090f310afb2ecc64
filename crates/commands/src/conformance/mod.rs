//! Tests of every command at once: rows against recorded facts, key plans, costs, scans, snapshots.
//!
//! They find commands through `commands::table` and words through the documentation, so they test a
//! new row without a line here; a row that cannot meet a check is in a list beside the check, with
//! the reason.
//!
//!     facts        rows and documentation, against Redis and Valkey as recorded
//!     key_plans, opened_keys   the keys that a row plans, and the keys that the handler opens
//!     confirmed_reads      replies that depend on data wait for replicas
//!     growth, work             time by the size of the input, and the elements counted before
//!     rights                   the keys that the engines' commands read, write and delete, by ACL
//!     bounds               time, work and memory of small commands of the engines
//!     scans, fairness          guarantees of SCAN, equal chances of random picks
//!     snapshots, moved         values while a snapshot or a defragmentation runs
//!     packed, packed_containers, packed_model   values as compressed frames
//!     names                no name of a command in the server's code
//!     server               the server's parts, as real commands drive them

#[cfg(test)]
pub(super) mod bounds;
#[cfg(test)]
mod confirmed_reads;
#[cfg(test)]
pub(super) mod facts;
#[cfg(test)]
pub(super) mod fairness;
#[cfg(test)]
pub(super) mod growth;
#[cfg(test)]
pub(super) mod key_plans;
#[cfg(test)]
pub(super) mod moved;
#[cfg(test)]
mod names;
#[cfg(test)]
pub(super) mod opened_keys;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod packed_containers;
#[cfg(test)]
mod packed_model;
#[cfg(test)]
pub(super) mod rights;
#[cfg(test)]
pub(super) mod scans;
#[cfg(test)]
mod server;
#[cfg(test)]
pub(super) mod snapshots;
#[cfg(test)]
pub(super) mod work;
