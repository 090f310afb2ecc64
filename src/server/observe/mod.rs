//! Reports about the server: INFO, metrics, memory that does not count towards `maxmemory`, the
//! command logs, hot keys, clients as lines of text.

pub mod audit;
pub mod client_line;
pub mod closed;
pub mod command_log;
pub mod info;
pub mod metrics;
pub mod not_counted;
pub mod observers;
