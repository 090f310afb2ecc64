//! The server: clients and their state, the way of a command, data on disk, the run loop.
//!
//! The modules are listed in the order of their layers: each uses only modules above it in the list
//! (`tests/tidy` checks that). From the top: the process and its surroundings; figures; clients;
//! the server's parts, each a type that owns its state and knows no other part; `state`, which has
//! all parts together, and a handler's view of it; then the work with the parts: clients' messages,
//! data on disk, commands, upkeep, reports. `Engine` holds keyspace and server side by side, so
//! that a handler can borrow both; `Loop` drives it. Nothing here compares a command's name
//! (`russet-commands` checks that): a command's row states the facts (`command::Facts`); `main`
//! passes the table in.

pub mod process;

mod figures;

mod origin;

mod clients;

mod parts;

mod state;

mod messages;

mod observe;

mod memory;

mod users;

mod execution;

pub mod search;

mod persist;

mod replication;

pub mod sentinel;

mod cluster;

mod migration;

mod console;

mod settings;

mod engine;

mod run;

pub mod start;

pub mod convert;

/// The inside, as tests of real commands see it (`russet-commands`, `conformance/server`).
#[cfg(feature = "testing")]
pub mod inside {
    pub use crate::clients::batch::{Batch, InputRemainder};
    pub use crate::clients::input::request;
    pub use crate::cluster::answers::NOT_ASKED;
    pub use crate::execution::gates::Stop;
    pub use crate::memory::limits::PROTECTED_MODE;
    pub use crate::observe::info::keyspace::short;
    pub use crate::observe::metrics::OPEN_METRICS;
    pub use crate::observe::metrics::fields::rows;
    pub use crate::observe::metrics::health::Readiness;
    pub use crate::parts::cluster::{Asker, ClusterDriver, ParsedQuestion, ShardQueries};
    pub use crate::parts::http::Port;
    pub use crate::parts::memory::client_memory::HELD_MAX_S;
    pub use crate::parts::observe::audit::rules::Rules;
    pub use crate::parts::observe::recorder::KeyEvent;
    pub use crate::parts::persist::aof::AofState;
    pub use crate::parts::persist::loading::rdb::load_pieces;
    pub use crate::parts::persist::loading::{LoadFailed, Progress};
    pub use crate::parts::persist::snapshot::{SyncContent, SyncForm, Target, TargetKind};
    pub use crate::parts::run::early::{EARLY_BYTES_MAX, EARLY_MAX};
    pub use crate::parts::run::signals::Signals;
    pub use crate::parts::sentinel::SentinelDriver;
    pub use crate::parts::users::lock::lock;
    pub use crate::persist::aof::loader::AofLoader;
    pub use crate::run::Loop;
    pub use crate::run::read::READ_BYTES;
    pub use crate::run::write::{REST_PART, SHARE_BYTES};
    pub use crate::state::world::{Engine, Load};
    pub use russet_replication::primary::Facts;
}

#[cfg(feature = "testing")]
mod testbed;

#[cfg(feature = "testing")]
pub mod node;

pub use clients::blocked::OnTimeout;
pub use clients::client::{Client, ClientFlags, ClientKind};
pub use clients::ending::{Disconnection, EndReason};
pub use clients::fieldsets::{Fieldset, Fieldsets};
pub use clients::table::Clients;
pub use cluster::ShardAnswers;
pub use execution::debugging::DebugMode;
pub use execution::gates::{TO_STRANGERS, is_stranger};
pub use execution::script::Program;
pub use execution::slices::{Pieces, Slice};
pub use figures::histogram::Histogram;
pub use figures::latency::EventSeries;
pub use figures::stats::{CommandStats, Stats};
pub use observe::client_line::{client_line, flag_letters};
pub use observe::info;
pub use observe::verdict::{OF_LATENCY, OF_MEMORY};
pub use origin::Origin;
#[cfg(feature = "testing")]
pub use parts::cluster::BrokenRule;
pub use parts::execution::gates::Pause;
pub use parts::execution::migrate::MigrateLink;
pub use parts::execution::tasks;
pub use parts::messages::tracking::{Mode as TrackingMode, Tracker};
pub use parts::observe::Rates;
pub use parts::observe::closed::ClosedClient;
pub use parts::observe::command_log::LogKind;
pub use parts::observe::hotkeys::{Session as HotkeysSession, SessionSettings as HotkeysSettings};
pub use parts::persist::aof::{AofState, NO_AOF};
pub use parts::persist::backups::{Backups, SessionState};
pub use parts::persist::shutdown::ShutdownRequest;
pub use parts::replication::PausePoint;
pub use parts::replication::changes::{MatchedChange, Reader as ChangeReader};
#[cfg(feature = "testing")]
pub use parts::users::commands_of;
pub use persist::flushes::UndoRequest;
pub use replication::changes::{ChangeFilter, Read as ChangesRead, TYPES as CHANGE_TYPES};
pub use replication::failover::FailoverRequest;
pub use russet_replication::primary::Filter;
pub use russet_replication::primary::SyncRequest;
pub use state::Server;
pub use state::call::{Call, CommandResult, CommandTable, Handler, Row, Spec};
pub use state::world::World;
#[cfg(feature = "testing")]
pub use testbed::Testbed;
