//! The commands of t-digests.
//!
//!     row                                     errors, compressions, a digest to ask
//!     create, add, merge, ask, rank, info     the commands
//!
//! Reads use a compressed copy, which the value keeps beside the digest until the next change. So,
//! unlike in Redis, a read changes nothing that the server saves, propagates or reports.

mod add;
mod ask;
mod create;
mod info;
mod merge;
mod rank;
mod row;
#[cfg(test)]
mod tests;

use russet_server::Spec;

pub(crate) static SPECS: &[Spec] = &[
    add::ADD,
    ask::CDF,
    ask::QUANTILE,
    ask::TRIMMED_MEAN,
    create::CREATE,
    create::RESET,
    info::INFO,
    info::MAX,
    info::MIN,
    merge::MERGE,
    rank::BYRANK,
    rank::BYREVRANK,
    rank::RANK,
    rank::REVRANK,
];
