//! Turns without sleep, at a time that is given: for a simulator, which owns network and clock.

use std::io;
use std::time::Duration;

use super::Loop;

use crate::state::world::Flow;
use russet_base::clock::Now;

impl Loop {
    /// A turn, with the events that have come. Returns whether there was an event.
    pub(crate) fn turn_at(&mut self, now: Now) -> io::Result<(Flow, bool)> {
        self.poll_for(Duration::ZERO)?;
        let had_events = !self.events.is_empty();
        self.engine.server.now = now;
        Ok((self.work()?, had_events))
    }

    /// Whether the loop would not sleep now.
    pub(crate) fn is_urgent(&mut self) -> bool {
        self.timeout().is_zero() || self.engine.server.replication.gathers_since.is_some()
    }
}
