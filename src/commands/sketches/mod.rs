//! The commands of sketches, one folder for each kind.
//!
//!     row         what the rows of all of them share
//!     count       the work of some of them, for budgets
//!     room        how large a sketch may become
//!     each        commands that ask about each of their items
//!     filter      what Bloom and cuckoo filters have in common
//!     bloom       BF.*: was this item added?
//!     cuckoo      CF.*: the same, and items can be deleted
//!     count_min   CMS.*: how often was this item added?
//!     top_k       TOPK.*: which items were added most often?
//!     t_digest    TDIGEST.*: quantiles of values
//!
//! A command that changes nothing is not repeated by the log and by replicas, unlike in Redis; one
//! that makes a key by this server's own settings is repeated with them.
//!
//! Decided elsewhere: what a sketch is, and that its bytes are Redis's: `russet_sketches`.

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
