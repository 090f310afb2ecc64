//! TIMESERIES.REFRESHCLUSTER, which the module's tests and tools send to each node first.
//!
//! Redis's module keeps a copy of the cluster's topology, which this command renews. Here each
//! M-command asks the shards that the bus knows at that moment, so that no copy can be old. Only
//! Redis's own nodes may call the other commands that Redis registers under TIMESERIES; CLUSTERSET,
//! by which Redis Enterprise sets a topology, does not exist.

use super::super::row::READS;
use russet_command::{Arity, Flags};
use russet_server::{Call, CommandResult, Spec};

pub(crate) const REFRESHCLUSTER: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: READS.union(Flags::NOSCRIPT),
    ..Spec::new("timeseries.REFRESHCLUSTER", refreshcluster)
};

/// `TIMESERIES.REFRESHCLUSTER`: M-commands from now on ask the shards of the cluster's present
/// topology, as they do anyway. Arguments are ignored, as in Redis.
///
/// Reply: OK. O(1).
fn refreshcluster(call: &mut Call<'_>) -> CommandResult {
    call.reply.ok();
    Ok(())
}
