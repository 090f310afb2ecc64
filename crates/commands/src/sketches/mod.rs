//! The commands of sketches, a folder for each kind.
//!
//!     row         common parts of all rows
//!     count       the work of some of them, for budgets
//!     room        how large a sketch may become
//!     each        commands that ask about each item
//!     filter      common parts of Bloom and cuckoo filters
//!     bloom       BF.*: was this item added?
//!     cuckoo      CF.*: the same, and items can be deleted
//!     count_min   CMS.*: how often was this item added?
//!     top_k       TOPK.*: which items were added most often?
//!     t_digest    TDIGEST.*: quantiles of values
//!
//! The log and replicas do not receive a command that changes nothing, unlike in Redis. A command
//! that makes a key with this server's settings reaches the log and replicas with these settings.
//!
//! Decided elsewhere: sketches, and that their bytes are Redis's: `russet_sketches`.

pub(super) mod bloom;
mod count;
pub(super) mod count_min;
pub(super) mod cuckoo;
mod each;
mod filter;
mod room;
mod row;
pub(super) mod t_digest;
pub(super) mod top_k;
#[cfg(test)]
pub(super) mod transcript;
