//! Reports about the server: INFO, metrics, memory that does not count towards `maxmemory`, the
//! command logs, hot keys, clients as lines of text, what is wrong (`verdict`).
//!
//! A figure that several reports show is computed in one place: most metrics are fields of INFO,
//! and MEMORY STATS shares the figures of INFO memory.
//! Elsewhere: `figures` and `parts::observe` count and keep; handlers in `commands` reply.

pub mod audit;
pub mod client_line;
pub mod closed;
pub mod command_log;
pub mod crash;
pub mod info;
pub mod metrics;
pub mod not_counted;
pub mod observers;
pub mod verdict;
pub mod watchdog;
