//! The server: the run loop, the way of a command, clients and what is kept about them.
//!
//! `Engine` is the keyspace beside the server, so that a handler can hold both. Nothing here
//! names a command; `main` hands the table in.

mod aof;
mod backup;
mod batch;
mod blocking;
mod busy;
mod call;
mod child;
mod client;
mod client_eviction;
mod client_line;
mod clients;
mod command_log;
pub mod crash;
mod cross_protocol;
mod defrag;
mod dispatch;
mod engine;
mod execute;
mod gates;
mod gather;
mod histogram;
pub mod info;
mod input;
mod latency;
mod limits;
pub mod listen;
mod load_steps;
mod loading;
pub mod log;
mod metrics;
mod migrate;
mod monitor;
mod outbox;
pub mod process;
mod pubsub;
mod recent;
mod recorder;
mod run;
mod saving;
mod script;
mod session;
mod shutdown;
mod signals;
pub mod startup;
mod stats;
mod table;
#[cfg(feature = "testing")]
mod testbed;
pub mod tls;
mod tracking;
mod undo;
mod users;
mod world;

pub use aof::{Aof, AofState};
pub use backup::Begun as Backup;
pub use blocking::{Blocked, unblock_client};
pub use call::{Call, CommandResult, Handler, Spec};
pub use client::{Client, ClientFlags, ClientKind};
pub use client_line::{buffers, client_line, flag_letters};
pub use clients::Clients;
pub use command_log::{CommandLogs, LogKind};
pub use engine::{Engine, Flow, kill_client};
pub use histogram::Histogram;
pub use latency::{EventSeries, Latency};
pub use load_steps::LoadProgress;
pub use loading::LoadFigures;
pub use migrate::{MigrateLink, MigrateLinks};
pub use recent::{Buffers, RecentPeaks};
pub use recorder::Recorder;
pub use run::Loop;
pub use script::{Program, Scripting};
pub use session::Session;
pub use shutdown::ShutdownRequest;
pub use signals::Signals;
pub use stats::{CommandStats, Rate, Stats};
pub use table::{CommandTable, Row};
#[cfg(feature = "testing")]
pub use testbed::Testbed;
pub use tracking::{Mode as TrackingMode, Tracker, Tracking};
pub use users::Acl;
#[cfg(feature = "testing")]
pub use users::commands_of;
pub use world::{Origin, World};

use std::sync::Arc;
use std::time::Instant;

use crate::base::clock::{Cycles, Now};
use crate::config::Config;
use crate::keyspace::ClientId;
use crate::net::Listener;
use crate::pubsub::Registry;
use blocking::Deadlines;

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until_ms: u64,
    /// All commands, not only writes.
    pub all: bool,
}

/// Everything but the keyspace.
pub struct Server {
    pub config: Config,
    /// Where the configuration came from; CONFIG REWRITE writes there.
    pub config_file: Option<std::path::PathBuf>,
    pub executable: std::path::PathBuf,
    pub table: CommandTable,
    pub command_stats: Vec<CommandStats>,
    pub stats: Stats,
    pub rates: Rates,
    pub started: Instant,
    /// The clock is set by hand (tests): it is never read.
    pub clock_by_hand: bool,
    /// Unix seconds.
    pub started_at: i64,
    pub now: Now,
    pub cycles: Cycles,
    /// When the last command ended, in ticks: the next one of a batch begins then.
    ended: u64,
    pub run_id: String,
    /// The replication history's id (INFO `master_replid`).
    pub replid: String,
    /// `used_memory` when start-up was done.
    pub startup_bytes: usize,
    pub clients: Clients,
    outbox: outbox::Outbox,
    /// Who listens to what.
    pub pubsub: Registry,
    /// Who keeps what it has read.
    pub tracking: Tracking,
    /// What a test wants to see of effects and changes.
    pub recorder: Option<Recorder>,
    pub command_logs: CommandLogs,
    pub latency: Latency,
    /// Buffers of clients in the last seconds.
    pub recent: RecentPeaks,
    client_memory: client_eviction::ClientMemory,
    /// When the log last told of an HTTP request, monotonic milliseconds.
    http_told_ms: Option<u64>,
    pub monitors: Vec<ClientId>,
    pub aof: Aof,
    backups: backup::Backups,
    /// What is being loaded, and how far that is.
    loader: Option<load_steps::Loader>,
    pub load_progress: Option<LoadProgress>,
    pub pause: Option<Pause>,
    pub shutdown: Option<ShutdownRequest>,
    pub signals: Arc<Signals>,
    /// Commands that must take the long way through the gates.
    interest: gates::Interest,
    has_monitors: bool,
    latency_tracking: bool,
    /// Commands from here on may go into the command logs.
    thresholds: command_log::Thresholds,
    deadlines: Deadlines,
    /// Clients that wait for memory to be freed, in the order of their marks.
    awaiting_memory: Vec<(u64, ClientId)>,
    /// Clients whose replies go out before the loop sleeps.
    flush: Vec<ClientId>,
    /// Clients with more to read or to execute.
    ready: Vec<ClientId>,
    to_close: Vec<ClientId>,
    pub blocked_clients: usize,
    cron_due_ms: u64,
    /// Turns of cron so far.
    pub cron_turns: u64,
    /// More is to be evicted than there was time for.
    evicting: bool,
    /// Something is still to be freed in slices.
    freeing: bool,
    /// The sockets that clients come to.
    pub listeners: Vec<Listener>,
    pub metrics: metrics::Metrics,
    /// The listeners are others than the loop knows.
    pub(crate) relisten: bool,
    /// Snapshots as files.
    pub saving: saving::Saving,
    pub forks: child::Forks,
    /// EXEC runs: what begins a snapshot waits for its end.
    pub in_exec: bool,
    pub migrate_links: MigrateLinks,
    /// With `key-load-delay`, when loading goes on, microseconds since the start.
    load_due_us: u64,
    /// What the last load of a file found.
    pub last_load: LoadFigures,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: files and payloads may have any checksum.
    pub skips_checksums: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    pub scripting: Scripting,
    /// Users and what was denied to them.
    pub acl: Acl,
    /// Where the loop's connections are registered; none without a loop.
    registry: Option<mio::Registry>,
    /// What serves others while a script runs for long.
    guest: Option<Box<Loop>>,
    pub tls: tls::Tls,
    pub defrag: defrag::Defrag,
}

/// What INFO calls `instantaneous_*`.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: Rate,
    pub input: Rate,
    pub output: Rate,
    pub turns: Rate,
    pub turn_us: Rate,
}
