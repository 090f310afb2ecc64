//! The server commands.
//!
//! Most read a figure, change a setting or begin work that ends later: saving, flushing,
//! synchronizing and shutting down are begun here and done by `server`, in slices, threads or a
//! child process. Container commands check their arity by the rows of their subcommands.
//!
//! A text or a table of one command is in that command's file; figures are counted where they arise
//! (`server::parts::observe`, `server::figures`).
//!
//! Decided elsewhere: INFO's sections: `server::observe::info`; settings: `crate::config`; roles
//! and the stream: `server::replication`.

mod append_only;
mod backup;
mod changes;
mod commandlog;
mod config;
mod debug;
mod debug_allocator;
mod debug_cluster;
mod debug_digest;
mod debug_inspect;
mod debug_protocol;
mod debug_reload;
pub(super) mod docs;
mod failover;
mod flush;
mod hotkeys;
mod info;
mod keyspace;
mod latency;
mod latency_report;
mod memory;
mod memory_doctor;
mod module;
mod prefix_stats;
mod psync;
mod replicaof;
mod save;
mod shutdown;
mod slowlog;
#[cfg(test)]
mod some_commands;
mod state;

pub(super) use module::write_modules;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    append_only::BGREWRITEAOF,
    backup::BACKUP,
    changes::CHANGES,
    config::CONFIG,
    debug::DEBUG,
    failover::FAILOVER,
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
    psync::PSYNC,
    psync::REPLCONF,
    psync::SYNC,
    replicaof::REPLICAOF,
    replicaof::ROLE,
    replicaof::SLAVEOF,
    save::BGSAVE,
    save::LASTSAVE,
    save::SAVE,
    shutdown::SHUTDOWN,
    commandlog::COMMANDLOG,
    slowlog::SLOWLOG,
    state::LOLWUT,
    state::MONITOR,
    state::TIME,
];
