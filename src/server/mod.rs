//! The server: the run loop, the way of a command, clients and their state.
//!
//! `Engine` holds keyspace and server side by side, so that a handler can borrow both. Nothing here
//! names a command; `main` passes the table in.

mod aof;
mod backoff;
mod backup;
mod batch;
mod blocking;
mod busy;
mod call;
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
mod hotkeys;
pub mod info;
mod input;
mod latency;
mod limits;
pub mod listen;
mod load_steps;
mod loading;
pub mod log;
mod memory_limit;
mod metrics;
mod migrate;
mod monitor;
mod outbox;
pub mod process;
mod pubsub;
mod recent;
mod recorder;
mod run;
mod script;
mod session;
mod shutdown;
mod signals;
mod snapshot;
pub mod startup;
mod state;
mod stats;
mod table;
#[cfg(feature = "testing")]
mod testbed;
pub mod tls;
mod tracking;
mod turn;
mod undo;
mod users;
mod world;

pub use aof::{Aof, AofState, NO_AOF};
pub use blocking::Blocked;
pub use call::{Call, CommandResult, Handler, Spec};
pub use client::{Client, ClientFlags, ClientKind};
pub use client_line::{buffers, client_line, flag_letters};
pub use clients::Clients;
pub use command_log::{CommandLogs, LogKind};
pub use engine::{Engine, Flow};
pub use histogram::Histogram;
pub use hotkeys::{Hotkeys, Wanted as HotkeysWanted};
pub use latency::{EventSeries, Latency};
pub use migrate::{MigrateLink, MigrateLinks};
pub use recent::{Buffers, RecentPeaks};
pub use recorder::Recorder;
pub use run::Loop;
pub use script::{Program, Scripting};
pub use session::Session;
pub use shutdown::ShutdownRequest;
pub use signals::Signals;
pub use state::{Diagnostics, Identity, Pause, Rates, Server};
pub use stats::{CommandStats, Rate, Stats};
pub use table::{CommandTable, Row};
#[cfg(feature = "testing")]
pub use testbed::Testbed;
pub use tracking::{Mode as TrackingMode, Tracker, Tracking};
pub use users::Acl;
#[cfg(feature = "testing")]
pub use users::commands_of;
pub use world::{Origin, World};
