//! The server's state, by parts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::backup::Backups;
use super::client_eviction::ClientMemory;
use super::defrag::Defrag;
use super::gates::Gates;
use super::loading::Loading;
use super::memory_limit::MemoryLimit;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::run::{Loop, Roles};
use super::snapshot::{Saving, Snapshots};
use super::tls::Tls;
use super::turn::Turn;
use super::{
    Acl, Aof, Clients, CommandLogs, CommandStats, CommandTable, Hotkeys, Latency, MigrateLinks,
    Rate, RecentPeaks, Recorder, Scripting, ShutdownRequest, Signals, Stats, Tracking,
};
use crate::base::clock::{Cycles, Now};
use crate::config::Config;
use crate::keyspace::ClientId;
use crate::net::Listener;
use crate::pubsub::Registry;
use crate::replication::Stream;

/// Everything but the keyspace.
pub struct Server {
    pub config: Config,
    pub identity: Identity,
    pub table: CommandTable,
    pub now: Now,
    pub cycles: Cycles,
    pub stats: Stats,
    pub diagnostics: Diagnostics,
    pub clients: Clients,
    pub(super) client_memory: ClientMemory,
    pub memory_limit: MemoryLimit,
    pub connections: Connections,
    pub tls: Tls,
    pub metrics: Metrics,
    pub(super) gates: Gates,
    pub(super) turn: Turn,
    pub pause: Option<Pause>,
    pub(super) outbox: Outbox,
    /// Subscriptions.
    pub pubsub: Registry,
    /// Clients that track keys.
    pub tracking: Tracking,
    pub monitors: Vec<ClientId>,
    pub loading: Loading,
    /// The snapshot in progress, whatever its purpose.
    pub snapshots: Snapshots,
    /// Snapshots to the dump file.
    pub saving: Saving,
    pub aof: Aof,
    /// The stream of effects, for the append only file and replicas.
    pub stream: Stream,
    pub(super) backups: Backups,
    pub migrate_links: MigrateLinks,
    pub scripting: Scripting,
    /// Users, and the log of denials.
    pub acl: Acl,
    pub defrag: Defrag,
    pub signals: Arc<Signals>,
    pub shutdown: Option<ShutdownRequest>,
    pub debug: Debugging,
}

/// The identity of this server, and its start.
pub struct Identity {
    pub run_id: String,
    pub executable: PathBuf,
    /// The configuration file; CONFIG REWRITE writes it.
    pub config_file: Option<PathBuf>,
    pub started: Instant,
    /// Unix seconds.
    pub started_at: i64,
    /// `used_memory` at the end of start-up.
    pub startup_bytes: usize,
}

/// Diagnostic figures.
#[derive(Default)]
pub struct Diagnostics {
    /// By row number.
    pub command_stats: Vec<CommandStats>,
    pub rates: Rates,
    pub command_logs: CommandLogs,
    pub latency: Latency,
    /// Peaks of clients' buffers in the last seconds.
    pub recent: RecentPeaks,
    /// The last session of HOTKEYS.
    pub(super) hotkeys: Option<Box<Hotkeys>>,
    /// When the log last reported an HTTP request, monotonic milliseconds.
    pub(super) http_told_ms: Option<u64>,
}

/// INFO's `instantaneous_*`.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: Rate,
    pub input: Rate,
    pub output: Rate,
    pub turns: Rate,
    pub turn_us: Rate,
}

impl Rates {
    pub(super) fn sample(&mut self, stats: &Stats, now_ms: u64) {
        self.commands.sample(stats.commands, now_ms);
        self.input.sample(stats.net_input_bytes, now_ms);
        self.output.sample(stats.net_output_bytes, now_ms);
        self.turns.sample(stats.turns, now_ms);
        self.turn_us.sample(stats.turn_us, now_ms);
    }
}

/// Connections to the server.
#[derive(Default)]
pub struct Connections {
    /// The sockets for clients.
    pub listeners: Vec<Listener>,
    /// The listeners have changed: the loop must register them.
    pub(crate) relisten: bool,
    /// Where the loop registers connections; `None` without a loop.
    pub(super) registry: Option<mio::Registry>,
    /// Connections that are not clients.
    pub(super) roles: Roles,
    /// The loop that serves others while a script runs for long.
    pub(super) guest: Option<Box<Loop>>,
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until_ms: u64,
    /// All commands, not only writes.
    pub all: bool,
}

/// Switches of DEBUG and tests.
#[derive(Default)]
pub struct Debugging {
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: files and payloads may have any checksum.
    pub skips_checksums: bool,
    /// DEBUG SET-ACTIVE-EXPIRE 0.
    pub no_active_expire: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    /// The clock is set by hand (tests): it is never read.
    pub clock_by_hand: bool,
    /// Records effects and changes for a test.
    pub recorder: Option<Recorder>,
}
