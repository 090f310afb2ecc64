//! The cluster commands.
//!
//! Rows and arguments: `russet_cluster` knows nodes, slots and votes, and `container` forwards
//! CLUSTER's subcommands to it. `migration` has the rows of slots that move, `asking` a client's
//! flags; `clusterscan` and `slot_stats` answer by themselves. `debug`: DEBUG's switches of the
//! bus.
//!
//! Outside of a cluster each of these commands, also CLUSTER HELP, replies the same error.
//!
//! Decided elsewhere: redirections (MOVED, ASK): a gate before the handler.

mod asking;
mod clusterscan;
mod container;
pub(super) mod debug;
mod enabled;
mod migration;
mod slot_stats;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    container::CLUSTER,
    clusterscan::CLUSTERSCAN,
    migration::TRIMSLOTS,
    asking::ASKING,
    asking::READONLY,
    asking::READWRITE,
];
