//! The pace of work that no client waits for, beside clients that are being served.
//!
//! Such work comes in slices between the turns of clients. A loop that goes from slice to slice answers its
//! own clients in time, but never gives its core away: on a machine with few cores the clients themselves,
//! and other servers, then wait for the scheduler, milliseconds at a time; and a peer that gets more than it
//! can use at once is as busy. So beside clients a slice is short, and the next one comes only after a rest
//! of [`REST`] times its length, in which the loop serves clients or sleeps.
//!
//! Without clients the work gets all the time there is.

use crate::base::clock::Cycles;

/// A client that has sent a command within this time may send another at any moment.
const RECENT_NANOS: u64 = 20_000_000;
/// Nanoseconds of a slice beside clients.
pub(in crate::server) const SLICE_NANOS: u64 = 25_000;
/// The rest after a slice, in lengths of the slice. Longer ones cost time and hardly help: an event ends the sleep
/// in any case.
const REST: u64 = 1;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::server) struct Pace {
    /// The commands of clients so far, and when that was another number, in ticks.
    commands: (u64, u64),
    /// When the next slice may begin beside clients, in ticks.
    due: u64,
}

impl Pace {
    /// `commands`: of clients, since the start.
    pub fn note(&mut self, commands: u64, now: u64) {
        if self.commands.0 != commands {
            self.commands = (commands, now);
        }
    }

    /// Whether clients are being served.
    pub fn is_beside_clients(&self, cycles: &Cycles, now: u64) -> bool {
        now.wrapping_sub(self.commands.1) < cycles.ticks(RECENT_NANOS)
    }

    /// The ticks that are left of the rest; 0: a slice may begin.
    pub fn rest(&self, now: u64) -> u64 {
        self.due.saturating_sub(now)
    }

    /// A slice has lasted from `began` to `now`.
    pub fn worked(&mut self, began: u64, now: u64) {
        self.due = now.saturating_add(now.saturating_sub(began).saturating_mul(REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_followed_by_a_rest_as_long_as_it_asks_for() {
        let mut pace = Pace::default();
        assert_eq!(pace.rest(1000), 0);
        pace.worked(1000, 1100);
        assert_eq!(pace.rest(1100), 100 * REST);
        assert_eq!(pace.rest(1100 + 100 * REST - 1), 1);
        assert_eq!(pace.rest(1100 + 100 * REST), 0);
    }

    #[test]
    fn clients_count_for_a_while_after_their_last_command() {
        let cycles = Cycles::default();
        let recent = cycles.ticks(RECENT_NANOS);
        let mut pace = Pace::default();
        pace.note(7, recent * 2);
        assert!(pace.is_beside_clients(&cycles, recent * 2));
        pace.note(7, recent * 3 - 1);
        assert!(pace.is_beside_clients(&cycles, recent * 3 - 1));
        assert!(!pace.is_beside_clients(&cycles, recent * 3));
        pace.note(8, recent * 4);
        assert!(pace.is_beside_clients(&cycles, recent * 4));
    }
}
