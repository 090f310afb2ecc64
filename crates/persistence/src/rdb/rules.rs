//! How values are read: what a file's header, its templates and the settings say about them.

use super::format::RdbOrigin;
use super::templates::Templates;
use russet_types::Limits;

/// How values are read.
#[derive(Debug)]
pub struct Rules {
    pub limits: Limits,
    /// Whether a packed form with a duplicate element is rejected.
    pub deep: bool,
    pub dialect: RdbOrigin,
    /// Field names that hashes share.
    pub templates: Templates,
}
