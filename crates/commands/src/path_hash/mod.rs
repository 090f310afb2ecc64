//! The path hash commands of Valkey 9.2.
//!
//! A path hash maps paths, which are plain bytes, to fields: a key, then a path, then a field name.
//! A command that removes the last field removes the path, with the last path the key. The handlers
//! check arguments before they look up the key, conditions (FNX, FXX) before they set the first
//! field.
//!
//! Paths come in the order of their bytes, in replies and in pages of PHSCAN.
//!
//! Decided elsewhere: the tree of paths, and its costs: `types::path_hash`.

mod args;
mod delete;
mod get;
mod prefixes;
mod scan;
mod set;
#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    delete::PHDEL,
    delete::PHDELPREFIX,
    get::PHCARD,
    get::PHEXISTS,
    get::PHGET,
    get::PHGETALL,
    get::PHMGET,
    prefixes::PHLONGEST,
    prefixes::PHPREFIXES,
    scan::PHSCAN,
    set::PHMSET,
    set::PHSET,
];
