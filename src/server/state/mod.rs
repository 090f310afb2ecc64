//! The server's state, all parts together; [`world`] holds it beside the keyspace, [`call`] is a
//! command's view of it.
//!
//! [`Server`] is a struct of parts (`server::parts`), each owning its state and knowing no other;
//! work that needs several borrows them here. `cluster`, `migrations` and `sentinel` are boxed and
//! `None` in a server that is no such node.
//! Invariant: only the loop's thread has it; other threads get clones, channels or atomics.
//! Elsewhere: `engine` makes it, `settings` derives state from directives.

pub mod call;
pub mod script;
pub mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::pubsub::Registry;
use crate::server::clients::table::Clients;
use crate::server::figures::latency::Latency;
use crate::server::figures::recent::RecentPeaks;
use crate::server::figures::stats::{CommandStats, Rate, Stats};
use crate::server::parts::clients::tls::Tls;
use crate::server::parts::cluster::ClusterDriver;
use crate::server::parts::cluster::slot_stats::SlotStats;
use crate::server::parts::console::Console;
use crate::server::parts::execution::gates::Gates;
use crate::server::parts::execution::migrate::MigrateLinks;
use crate::server::parts::execution::scripting::Scripting;
use crate::server::parts::execution::searches::Searches;
use crate::server::parts::http::Pool;
use crate::server::parts::memory::client_memory::ClientMemory;
use crate::server::parts::memory::defrag::Defrag;
use crate::server::parts::memory::memory_limit::MemoryLimit;
use crate::server::parts::memory::spare_buffers::SpareBuffers;
use crate::server::parts::messages::outbox::Outbox;
use crate::server::parts::messages::tracking::Tracking;
use crate::server::parts::migration::MigrationDriver;
use crate::server::parts::observe::audit::Audit;
use crate::server::parts::observe::closed::Closed;
use crate::server::parts::observe::command_log::CommandLogs;
use crate::server::parts::observe::hotkeys::Hotkeys;
use crate::server::parts::observe::metrics::Metrics;
use crate::server::parts::observe::recorder::Recorder;
use crate::server::parts::persist::aof::Aof;
use crate::server::parts::persist::backups::Backups;
use crate::server::parts::persist::loading::Loading;
use crate::server::parts::persist::shutdown::{ShutdownRequest, WaitingShutdown};
use crate::server::parts::persist::snapshot::Snapshots;
use crate::server::parts::persist::snapshot::save::Saving;
use crate::server::parts::replication::Replication;
use crate::server::parts::replication::changes::Changes;
use crate::server::parts::run::couriers::Couriers;
use crate::server::parts::run::reload::Reload;
use crate::server::parts::run::signals::Signals;
use crate::server::parts::run::turn::Turn;
use crate::server::parts::search::Indexes;
use crate::server::parts::sentinel::SentinelDriver;
use crate::server::parts::users::Acl;
use crate::server::process::DataLocks;
use crate::server::state::call::CommandTable;
use crate::server::state::world::{Guest, NewGuest};
use russet_base::clock::{Cycles, Now};
use russet_base::sys::locale::Collation;
use russet_base::wake::Wake;
use russet_config::Config;
use russet_json::PathCache;
use russet_keyspace::ClientId;
use russet_net::{Destination, Listener, SocketSettings};
use russet_replication::Stream;
use rustls::ClientConfig;

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
    pub connections: Connections,
    pub messages: Messages,
    /// Users, and the log of denials.
    pub acl: Acl,
    pub gates: Gates,
    pub(in crate::server) turn: Turn,
    pub scripting: Scripting,
    /// The order of SORT ALPHA (`locale-collate`).
    pub collation: Collation,
    /// Searches of vector sets, off the loop.
    pub searches: Searches,
    /// Paths of JSON commands, compiled.
    pub json_paths: PathCache,
    /// The indexes of FT.*.
    pub search: Indexes,
    pub memory: Memory,
    /// The stream of effects, for the append only file and replicas.
    pub stream: Stream,
    pub replication: Replication,
    /// Readers of the stream (`CHANGES`).
    pub changes: Changes,
    pub persist: Persist,
    pub shutdown: Shutdown,
    /// The driver of a cluster's node (`cluster-enabled`).
    pub(crate) cluster: Option<Box<ClusterDriver>>,
    /// Slots on their way from and to this node.
    pub(crate) migrations: Option<Box<MigrationDriver>>,
    /// The driver of a process that is a Sentinel.
    pub(crate) sentinel: Option<Box<SentinelDriver>>,
    pub debug: Debugging,
}

impl Server {
    /// Whether this is a node of a cluster.
    #[inline]
    pub fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// A machine's way to another server, from the address that is configured for that.
    pub(in crate::server) fn destination(
        &self,
        host: &[u8],
        port: u16,
        tls: Option<Arc<ClientConfig>>,
    ) -> Destination {
        Destination {
            host: String::from_utf8_lossy(host).into_owned(),
            port,
            source: self.config.bind_source_addr.lossy().parse().ok(),
            socket: self.link_socket(),
            tls,
        }
    }

    /// How sockets of links to other servers are made.
    pub(in crate::server) fn link_socket(&self) -> SocketSettings {
        SocketSettings {
            mark: self.config.socket_mark_id,
            multipath: self.config.repl_mptcp,
        }
    }

    /// Links of the cluster's bus.
    pub fn cluster_links(&self) -> usize {
        let cluster = self.cluster.as_ref();
        cluster.map_or(0, |cluster| cluster.links.len())
    }

    /// Bytes of buffers of slots on their way: (output, input).
    pub fn slot_migration_bytes(&self) -> (usize, usize) {
        let driver = self.migrations.as_ref();
        driver.map_or((0, 0), |driver| driver.memory_bytes())
    }

    /// Memory of these links. O(links).
    pub fn cluster_link_bytes(&self) -> usize {
        let cluster = self.cluster.as_ref();
        cluster.map_or(0, |cluster| {
            cluster.links.bytes() + cluster.core.links_bytes()
        })
    }
}

/// Messages between clients, and their receivers.
#[derive(Default)]
pub struct Messages {
    pub(in crate::server) outbox: Outbox,
    /// Subscriptions.
    pub pubsub: Registry,
    /// Clients that track keys.
    pub tracking: Tracking,
    pub monitors: Vec<ClientId>,
}

/// Limits of memory, and how it is kept dense.
#[derive(Default)]
pub struct Memory {
    pub limit: MemoryLimit,
    /// `maxmemory-clients`.
    pub(in crate::server) clients: ClientMemory,
    pub(in crate::server) spare: SpareBuffers,
    pub defrag: Defrag,
}

/// The parts that keep data on disk, and load it.
pub struct Persist {
    pub loading: Loading,
    /// The snapshot in progress, whatever its purpose.
    pub snapshots: Snapshots,
    /// Snapshots to the dump file.
    pub saving: Saving,
    pub aof: Aof,
    pub backups: Backups,
    pub locks: DataLocks,
}

impl Persist {
    /// `now_s`: Unix seconds.
    pub(in crate::server) fn new(now_s: i64) -> Persist {
        Persist {
            loading: Loading::default(),
            snapshots: Snapshots::default(),
            saving: Saving::new(now_s),
            aof: Aof::default(),
            backups: Backups::default(),
            locks: DataLocks::default(),
        }
    }
}

/// The end of the process: signals, and the requested shutdown.
pub struct Shutdown {
    pub signals: Arc<Signals>,
    pub request: Option<ShutdownRequest>,
    /// A shutdown that waits until replicas have everything.
    pub waiting: Option<WaitingShutdown>,
}

/// The identity of this server, and its start.
pub struct Identity {
    pub run_id: String,
    pub executable: PathBuf,
    /// The configuration file; CONFIG REWRITE writes it.
    pub config_file: Option<PathBuf>,
    /// The sources that SIGHUP reads again.
    pub(in crate::server) reload: Option<Reload>,
    pub started: Instant,
    /// Unix seconds.
    pub started_at: i64,
    /// `used_memory` at the end of start-up.
    pub startup_bytes: usize,
}

/// Diagnostic figures.
#[derive(Default)]
pub struct Diagnostics {
    pub metrics: Metrics,
    /// By row number.
    pub command_stats: Vec<CommandStats>,
    /// Bytes of the histograms in `command_stats`.
    pub histogram_bytes: usize,
    pub rates: Rates,
    pub command_logs: CommandLogs,
    pub latency: Latency,
    /// Peaks of clients' buffers in the last seconds.
    pub recent: RecentPeaks,
    pub(in crate::server) hotkeys: Hotkeys,
    pub audit: Audit,
    /// Connections that ended.
    pub closed: Closed,
    /// Figures of slots.
    pub slot_stats: SlotStats,
    /// When the log last reported an HTTP request, monotonic milliseconds.
    pub(in crate::server) http_reported_ms: Option<u64>,
    /// When the crash report's INFO is renewed, monotonic milliseconds.
    pub(in crate::server) report_due_ms: u64,
}

/// INFO's `instantaneous_*`.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: Rate,
    pub input: Rate,
    pub output: Rate,
    pub repl_input: Rate,
    pub repl_output: Rate,
    pub turns: Rate,
    pub turn_us: Rate,
}

impl Rates {
    pub(in crate::server) fn sample(&mut self, stats: &Stats, now_ms: u64) {
        self.commands.sample(stats.commands, now_ms);
        self.input.sample(stats.net_input_bytes, now_ms);
        self.output.sample(stats.net_output_bytes, now_ms);
        self.repl_input.sample(stats.net_repl_input_bytes, now_ms);
        self.repl_output.sample(stats.net_repl_output_bytes, now_ms);
        self.turns.sample(stats.turns, now_ms);
        self.turn_us.sample(stats.turn_us, now_ms);
    }
}

/// Connections to the server.
#[derive(Default)]
pub struct Connections {
    pub tls: Tls,
    pub migrate_links: MigrateLinks,
    /// The sockets for clients.
    pub listeners: Vec<Listener>,
    /// The listeners have changed: the loop must register them.
    pub(crate) relisten: bool,
    /// Where the loop registers connections; `None` without a loop.
    pub(in crate::server) registry: Option<mio::Registry>,
    /// Wakes the loop, for those who work on a thread of their own.
    pub(in crate::server) wake: Wake,
    /// The threads that read and write for clients.
    pub(in crate::server) couriers: Couriers,
    /// Scrapes of metrics, and probes.
    pub(in crate::server) scrapes: Pool,
    /// Pages of the console.
    pub(in crate::server) console: Console,
    /// The loop that serves others while a script runs for long, and its maker.
    pub(in crate::server) guest: Option<Box<dyn Guest>>,
    pub(in crate::server) new_guest: Option<NewGuest>,
    /// Connects to the primary over a simulated network.
    #[cfg(feature = "testing")]
    pub(in crate::server) dialler: Option<Dialler>,
}

/// Connects to a host and a port.
#[cfg(feature = "testing")]
pub(in crate::server) type Dialler =
    Box<dyn FnMut(&str, u16) -> std::io::Result<russet_net::Stream>>;

/// Switches of DEBUG and tests.
#[derive(Default)]
pub struct Debugging {
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: files and payloads may have any checksum.
    pub skips_checksums: bool,
    /// DEBUG SEARCH-2.10: queries are scored and refused as by RediSearch 2.10.
    pub searches_as_2_10: bool,
    /// DEBUG SET-ACTIVE-EXPIRE 0.
    pub no_active_expire: bool,
    /// DEBUG SET-ALLOW-ACCESS-EXPIRED: expired keys are there as long as nothing deletes them.
    pub shows_expired: bool,
    /// DEBUG KEYSIZES-HIST-ASSERT, ALLOCSIZE-SLOTS-ASSERT: the invariants of the keyspace are
    /// checked after each command.
    pub checks_accounts: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    /// The clock is set by hand (tests): it is never read.
    pub clock_by_hand: bool,
    /// A rule of queries over shards that a simulation breaks on purpose.
    #[cfg(feature = "testing")]
    pub broken_rule: Option<crate::server::parts::cluster::BrokenRule>,
    /// Records effects and changes for a test.
    pub recorder: Option<Recorder>,
}
