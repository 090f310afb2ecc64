//! Keys that a source keeps of slots that other nodes have claimed (`russet_cluster::migration`,
//! its `kept`): their deletion, at the end of their grace or if memory is short.

use crate::state::Server;
use russet_base::memory::alloc;
use russet_keyspace::Keyspace;

/// The time that a command spends on deleting kept keys when memory is short.
const ROOM_NANOS: u64 = 500_000;

impl Server {
    /// Memory is short: deletes kept keys, a part now and the rest by the next commands and between
    /// turns. Returns whether some are left, so that no key needs to be evicted yet.
    pub(crate) fn free_kept_for_room(&mut self, keyspace: &mut Keyspace, bound: usize) -> bool {
        if !alloc::exceeds(bound) {
            return false;
        }
        self.give_up_kept_slots(keyspace);
        keyspace.free_dropped(self.cycles.ticks(ROOM_NANOS), true);
        let continues = keyspace.has_dropped();
        if let Some(driver) = &mut self.migrations {
            driver.frees_kept = continues;
        }
        continues
    }

    /// Deletes all kept keys, because memory is short.
    pub(crate) fn give_up_kept_slots(&mut self, keyspace: &mut Keyspace) {
        self.with_migrations(keyspace, |machine, _| {
            machine.give_up_kept("memory is short");
        });
    }
}
