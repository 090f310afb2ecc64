//! Slots that stay with their source, after it has held their writes for a target that has not claimed them.

use crate::keyspace::Keyspace;
use crate::migration::{Name, Settings};
use crate::server::state::Server;

/// The target claims within so many times [`Settings::claim_wait`], or never: half of the time for which writes
/// are held.
pub(super) const CLAIM_WAITS: u32 = 2;

impl Server {
    /// The writes of an export's slots are about to be held no longer. If the slots are still this node's, a claim
    /// that it has not seen must not win later. A claim that was made has reached whoever this node has heard
    /// from since the target's time for it was over.
    pub(super) fn keep_held_slots(&mut self, keyspace: &mut Keyspace, job: Name) {
        let Some(slots) = self.gates.held_slots.of(job).cloned() else {
            return;
        };
        let waits = Settings::of(&self.config).claim_wait().get();
        let within_ms = waits.saturating_mul(i64::from(CLAIM_WAITS));
        self.with_cluster(keyspace, |driver, now| {
            driver.core.keep_slots(now, slots.pairs(), within_ms)
        });
    }
}
