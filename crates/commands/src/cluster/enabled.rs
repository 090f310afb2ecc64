//! The refusal of these commands outside of a cluster.

use russet_command::CommandError;
use russet_server::{Call, CommandResult};

/// The error of all these commands outside of a cluster.
pub(super) const DISABLED: &str = "ERR This instance has cluster support disabled";

/// Outside of a cluster all of CLUSTER is refused, HELP too.
pub(super) fn check_enabled(call: &Call<'_>) -> CommandResult {
    if call.server.cluster.is_some() {
        Ok(())
    } else {
        Err(CommandError::Text(DISABLED))
    }
}
