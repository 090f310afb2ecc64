//! The cluster commands.
//!
//! Rows and arguments: `crate::cluster` knows nodes, slots and votes, and `container` forwards
//! CLUSTER's subcommands to it. `migration` has the rows of slots that move, `asking` a client's
//! flags; `clusterscan` and `slot_stats` are answered here.
//!
//! Outside of a cluster each of these commands is refused with one error, CLUSTER HELP too.
//!
//! Decided elsewhere: redirections (MOVED, ASK): a gate before the handler.

mod asking;
mod clusterscan;
mod container;
pub(super) mod docs;
mod migration;
mod slot_stats;

use crate::command::CommandError;
use crate::commands::help::misused;
use crate::server::{Call, CommandResult, Spec};

pub(super) static SPECS: &[Spec] = &[
    container::CLUSTER,
    clusterscan::CLUSTERSCAN,
    migration::TRIMSLOTS,
    asking::ASKING,
    asking::READONLY,
    asking::READWRITE,
];

/// The error of all these commands outside of a cluster.
const DISABLED: &str = "ERR This instance has cluster support disabled";

/// Outside of a cluster all of CLUSTER is refused, HELP too.
fn check_enabled(call: &Call<'_>) -> CommandResult {
    if call.server.is_cluster() {
        Ok(())
    } else {
        Err(CommandError::Text(DISABLED))
    }
}
