//! Links to nodes that slots come from or go to: their events. `server::migration` serves them.

use crate::server::run::Loop;

impl Loop {
    pub(in crate::server) fn migration_event(&mut self, slot: u32, generation: u32) {
        let driver = self.engine.server.migrations.as_ref();
        let number = driver.and_then(|driver| driver.links.number_at(slot, generation));
        if let Some(number) = number {
            self.engine.serve_slot_link(number);
        }
    }
}
