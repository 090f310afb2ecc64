//! The identity of the process: its id, its files, its start.
//!
//! All of it is fixed at start, but for the sources of the configuration.

use std::path::PathBuf;
use std::time::Instant;

use crate::parts::run::reload::Reload;
use russet_config::{Config, Sources, load};

/// The identity of this server, and its start.
pub struct Identity {
    pub run_id: String,
    pub executable: PathBuf,
    /// The configuration file; CONFIG REWRITE writes it.
    pub config_file: Option<PathBuf>,
    /// The sources that SIGHUP reads again.
    pub reload: Option<Reload>,
    pub started: Instant,
    /// Unix seconds.
    pub started_at: i64,
    /// `used_memory` at the end of start-up.
    pub startup_bytes: usize,
}

impl Identity {
    /// The configuration in the file now; `None`: there is no file, or it does not load. Options
    /// and standard input are left out.
    pub fn config_of_file(&self) -> Option<Config> {
        let reload = self.reload.as_ref()?;
        let sources = Sources {
            stdin: None,
            options: None,
            ..reload.sources.clone()
        };
        load(&sources).ok()
    }
}
