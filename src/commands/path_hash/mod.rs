//! The path hash commands of Valkey 9.2.

mod args;
mod delete;
pub(super) mod docs;
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
