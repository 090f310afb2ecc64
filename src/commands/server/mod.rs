//! The server commands.

mod config;
mod debug;
mod debug_digest;
mod debug_inspect;
mod debug_protocol;
pub(super) mod docs;
mod info;
mod keyspace;
mod shutdown;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    config::CONFIG,
    debug::DEBUG,
    info::INFO,
    keyspace::DBSIZE,
    keyspace::FLUSHDB,
    keyspace::FLUSHALL,
    keyspace::SWAPDB,
    shutdown::SHUTDOWN,
];
