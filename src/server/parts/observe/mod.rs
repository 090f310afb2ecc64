//! Records for the server's operators: logs, counters, and the state of their endpoints.
//!
//! Each is bounded: a log by its length, the audit by its queue, counters by the number of keys or
//! rows that they count. Whether anything observes commands, and from which thresholds on, is kept
//! in `parts::execution::gates`, so that a command costs a few comparisons if nothing does.
//! [`recorder`] alone is for tests.
//!
//! The observers of a command, INFO and the metrics: `server::observe`.

pub mod audit;
pub mod closed;
pub mod command_log;
pub mod hotkeys;
pub mod metrics;
pub mod percentiles;
pub mod recorder;
