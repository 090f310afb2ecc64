//! The server commands.
//!
//! Most handlers read a figure, change a setting or begin work that ends later: they begin to save,
//! flush, synchronize and shut down, and `server` does the work, in slices, threads or a child
//! process. Container commands check the arity by the rows of their subcommands.
//!
//! A text or a table of one command is in the command's file; the server counts figures where they
//! arise (`server::parts::observe`, `server::figures`).
//!
//! Decided elsewhere: INFO's sections: `server::observe::info`; settings: `russet_config`; roles
//! and the stream: `server::replication`.

mod commandlog;
mod config;
pub(super) mod debug;
mod flush;
mod hotkeys;
mod info;
mod keyspace;
mod latency;
mod memory;
mod module;
mod persistence;
mod prefix_stats;
pub(super) mod replication;
mod slowlog;
#[cfg(test)]
mod some_commands;
mod state;

pub(super) use module::write_modules;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    persistence::append_only::BGREWRITEAOF,
    persistence::backup::BACKUP,
    replication::changes::CHANGES,
    config::CONFIG,
    debug::DEBUG,
    replication::failover::FAILOVER,
    flush::FLUSH,
    hotkeys::HOTKEYS,
    info::INFO,
    keyspace::DBSIZE,
    keyspace::FLUSHALL,
    keyspace::FLUSHDB,
    keyspace::SWAPDB,
    latency::LATENCY,
    memory::MEMORY,
    module::MODULE,
    prefix_stats::PREFIXSTATS,
    replication::psync::PSYNC,
    replication::quorum::QUORUM,
    replication::psync::REPLCONF,
    replication::psync::SYNC,
    replication::replicaof::REPLICAOF,
    replication::replicaof::ROLE,
    replication::replicaof::SLAVEOF,
    persistence::save::BGSAVE,
    persistence::save::LASTSAVE,
    persistence::save::SAVE,
    persistence::shutdown::SHUTDOWN,
    commandlog::COMMANDLOG,
    slowlog::SLOWLOG,
    state::LOLWUT,
    state::MONITOR,
    state::TIME,
];
