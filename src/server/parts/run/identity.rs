//! The identity of the process: its id, its files, its start.
//!
//! All of it is fixed at start, but for the sources of the configuration.

use std::path::PathBuf;
use std::time::Instant;

use crate::server::parts::run::reload::Reload;

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
