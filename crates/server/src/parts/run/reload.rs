//! The configuration as it was last read, and its source: SIGHUP reads it again.

use russet_config::{Config, Sources};

/// See the module.
pub struct Reload {
    pub sources: Sources,
    pub loaded: Box<Config>,
}
