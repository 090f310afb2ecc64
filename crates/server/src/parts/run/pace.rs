//! The pace of work that no client waits for, beside clients that are being served.
//!
//! Such work comes in slices between the turns of clients. A loop that goes from slice to slice
//! answers its own clients in time, but keeps its core: on a machine with few cores the clients
//! themselves, and other servers, then wait for the scheduler, milliseconds at a time. So beside
//! clients a slice is short, and after it the loop yields: a thread that waits for this core runs
//! at once, and if none does, no time is lost. (Sleeping between slices costs far more: the kernel
//! adds 50 us to each sleep.)
//!
//! A program that computes without pause would get a time slice of milliseconds for each slice of
//! this work. After such a long yield the work does not yield for [`KEEPS`] times the yield's
//! length: the scheduler's own fairness has to suffice.
//!
//! Without clients the work gets all the time there is.

use russet_base::clock::{self, Cycles};

/// A client that has sent a command within this time may send another at any moment.
const RECENT_NANOS: u64 = 20_000_000;
/// Nanoseconds of a slice beside clients.
pub(crate) const SLICE_NANOS: u64 = 25_000;
/// A yield that took this long gave the core to no client, but to a program that computes.
const LONG_YIELD_NANOS: u64 = 1_000_000;
/// How long no other yield follows, in multiples of the long yield's duration.
const KEEPS: u64 = 10;

/// See the module.
#[derive(Debug, Default)]
pub struct Pace {
    /// The number of clients' commands so far, and when it last changed, in ticks.
    commands: (u64, u64),
    /// Whether there was a slice beside clients since the last yield.
    has_worked: bool,
    /// Until when there is no yield, in ticks.
    keeps_until: u64,
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

    /// There was a slice beside clients.
    pub fn worked(&mut self) {
        self.has_worked = true;
    }

    /// Called before each poll: after a slice beside clients, yields the core to waiting threads.
    pub fn give_way(&mut self, cycles: &Cycles) {
        if !std::mem::take(&mut self.has_worked) {
            return;
        }
        let began = clock::cycles();
        if began >= self.keeps_until {
            std::thread::yield_now();
            self.yielded(cycles, began, clock::cycles());
        }
    }

    fn yielded(&mut self, cycles: &Cycles, began: u64, ended: u64) {
        let ticks = ended.saturating_sub(began);
        if ticks >= cycles.ticks(LONG_YIELD_NANOS) {
            self.keeps_until = ended.saturating_add(ticks.saturating_mul(KEEPS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_computes_gets_a_part_of_the_time_only() {
        let (cycles, mut pace) = (Cycles::default(), Pace::default());
        let long = cycles.ticks(LONG_YIELD_NANOS);
        pace.yielded(&cycles, 1000, 1000 + long / 2);
        assert_eq!(pace.keeps_until, 0);
        pace.yielded(&cycles, 1000, 1000 + long * 3);
        assert_eq!(pace.keeps_until, 1000 + long * 3 * (1 + KEEPS));
    }

    #[test]
    fn the_core_is_given_away_once_a_slice() {
        let (cycles, mut pace) = (Cycles::default(), Pace::default());
        pace.worked();
        pace.give_way(&cycles);
        assert!(!pace.has_worked);
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
