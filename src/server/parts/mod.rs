//! The server's parts: each is a type that owns its state. It takes settings, time and events, and
//! returns what is to be done; none knows the server. `state::Server` is all of them together.

pub mod aof;
pub mod audit;
pub mod backups;
pub mod client_memory;
pub mod closed;
pub mod cluster;
pub mod command_log;
pub mod console;
pub mod defrag;
pub mod eviction;
pub mod gates;
pub mod hotkeys;
pub mod loading;
pub mod memory_limit;
pub mod message;
pub mod metrics;
pub mod migrate;
pub mod migration;
pub mod outbox;
pub mod output_limits;
pub mod percentiles;
pub mod recorder;
pub mod reload;
pub mod replication;
pub mod scrapes;
pub mod scripting;
pub mod searches;
pub mod sentinel;
pub mod shutdown;
pub mod slot_stats;
pub mod snapshot;
pub mod tls;
pub mod tracking;
pub mod turn;
pub mod users;
