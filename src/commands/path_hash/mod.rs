//! The path hash commands of Valkey 9.2.
//!
//! A path hash maps paths, which are plain bytes, to fields: a key, then a path, then a field name.
//! A path goes with its last field, the key with its last path. Arguments are checked before the
//! key is looked up, conditions (FNX, FXX) before the first field is set.
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

use crate::server::Spec;

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
