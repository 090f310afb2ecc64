//! How values are read: what a file's header, its templates and the settings say about them.

use super::format::RdbOrigin;
use super::templates::Templates;
use russet_types::Limits;

/// How values are read.
#[derive(Debug)]
pub struct Rules {
    /// Limits for the encodings of values.
    pub(crate) limits: Limits,
    /// Whether a packed form with a duplicate element is rejected.
    pub deep: bool,
    /// The meaning of numbers that Redis and Valkey use differently.
    pub(crate) dialect: RdbOrigin,
    /// Field names that hashes share.
    pub templates: Templates,
}
