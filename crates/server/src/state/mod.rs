//! The server's state, all parts together; [`world`] holds it beside the keyspace, [`call`] is a
//! command's view of it.
//!
//! [`Server`] is a struct of parts (`server::parts`), each owning its state and knowing no other
//! part; work that needs several borrows them here. `cluster`, `migrations` and `sentinel` are
//! boxed and `None` in a server that is no such node. Invariant: only the loop's thread has the
//! server; other threads get clones, channels or atomics. Elsewhere: `engine` makes it, `settings`
//! derives state from directives.

pub mod call;
pub mod script;
pub mod world;

use crate::clients::table::Clients;
use crate::clients::waiting_replies::WaitingReplies;
use crate::figures::stats::Stats;
use crate::parts::clients::tls::Tls;
use crate::parts::cluster::ClusterDriver;
use crate::parts::console::Console;
use crate::parts::execution::gates::Gates;
use crate::parts::execution::migrate::MigrateLinks;
use crate::parts::execution::scripting::ScriptState;
use crate::parts::execution::tasks::TaskQueue;
use crate::parts::execution::turn_queue::TurnQueue;
use crate::parts::http::Pool;
use crate::parts::memory::Memory;
use crate::parts::messages::Messages;
use crate::parts::migration::MigrationDriver;
use crate::parts::observe::Diagnostics;
use crate::parts::persist::Persist;
use crate::parts::persist::shutdown::Shutdown;
use crate::parts::replication::Replication;
use crate::parts::replication::changes::Changes;
use crate::parts::run::debug::DebugSwitches;
use crate::parts::run::identity::Identity;
use crate::parts::run::io_threads::IoThreads;
use crate::parts::run::turn::Turn;
use crate::parts::search::Indexes;
use crate::parts::sentinel::SentinelDriver;
use crate::parts::users::Acl;
use crate::state::call::CommandTable;
use crate::state::world::{Guest, NewGuest};
use russet_base::clock::{Cycles, Now};
use russet_base::sys::locale::Collation;
use russet_base::wake::Wake;
use russet_config::Config;
use russet_json::PathCache;
use russet_net::Listener;
use russet_replication::Stream;

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
    /// Replies that wait until their writes are safe.
    pub replies: WaitingReplies,
    pub messages: Messages,
    /// Users, and the log of denials.
    pub acl: Acl,
    pub gates: Gates,
    pub turn: Turn,
    pub scripting: ScriptState,
    /// The order of SORT ALPHA (`locale-collate`).
    pub collation: Collation,
    /// Long work of commands, in slices and off the loop.
    pub tasks: TaskQueue,
    pub turns: TurnQueue,
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
    pub cluster: Option<Box<ClusterDriver>>,
    /// Slots on their way from and to this node.
    pub(crate) migrations: Option<Box<MigrationDriver>>,
    /// The driver of a process that is a Sentinel.
    pub sentinel: Option<Box<SentinelDriver>>,
    pub debug: DebugSwitches,
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
    pub(crate) registry: Option<mio::Registry>,
    /// Wakes the loop, for work on other threads.
    pub wake: Wake,
    /// The threads that read and write for clients.
    pub(crate) io_threads: IoThreads,
    /// Scrapes of metrics, and probes.
    pub(crate) scrapes: Pool,
    /// Pages of the console.
    pub console: Console,
    /// The loop that serves others while a script runs for long, and its maker.
    pub(crate) guest: Option<Box<dyn Guest>>,
    pub(crate) new_guest: Option<NewGuest>,
    /// Connects to the primary over a simulated network.
    #[cfg(feature = "testing")]
    pub(crate) dialler: Option<Dialler>,
}

/// Connects to a host and a port.
#[cfg(feature = "testing")]
pub type Dialler = Box<dyn FnMut(&str, u16) -> std::io::Result<russet_net::Stream>>;
