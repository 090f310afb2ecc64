//! What the server records for its operators.

pub mod audit;
pub mod closed;
pub mod command_log;
pub mod hotkeys;
pub mod metrics;
pub mod percentiles;
pub mod recorder;
pub mod scrapes;
