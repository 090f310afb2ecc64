//! Slots that stay with their source, after it has held their writes for a target that has not
//! claimed them.

use crate::state::Server;
use russet_cluster::migration::{Name, Settings};
use russet_config::Config;
use russet_keyspace::Keyspace;

/// The target claims within so many times [`Settings::claim_wait`], or never: half of the time for
/// which writes are held.
pub(super) const CLAIM_WAITS: u32 = 2;

/// Meanwhile a voter is greeted that was silent for this part of the other half.
const SILENT_PART: i64 = 4;

impl Server {
    /// Each tick of migrations: while writes are held, greets silent voters, so that this node soon
    /// receives a claim that others have seen.
    pub(super) fn greet_while_held(&mut self, keyspace: &mut Keyspace) {
        if self.gates.held_slots.is_empty() {
            return;
        }
        let silent_ms = held_after_claims_ms(&self.config) / SILENT_PART;
        self.with_cluster(keyspace, |driver, now| {
            driver.core.greet_voters(now, silent_ms);
        });
    }

    /// The hold of an export's slots is about to end. If they are still this node's, a claim that
    /// it has not received must not win later. A claim made in time has reached every node from
    /// which this node has received a message since that time was over.
    pub(super) fn keep_held_slots(&mut self, keyspace: &mut Keyspace, job: Name) {
        let Some(slots) = self.gates.held_slots.of(job).cloned() else {
            return;
        };
        let within_ms = held_after_claims_ms(&self.config);
        self.with_cluster(keyspace, |driver, now| {
            driver.core.keep_slots(now, slots.pairs(), within_ms)
        });
    }
}

/// The second half of a hold, in which the target does not claim any more; milliseconds.
fn held_after_claims_ms(config: &Config) -> i64 {
    let waits = Settings::of(config).claim_wait().get();
    waits.saturating_mul(i64::from(CLAIM_WAITS))
}
