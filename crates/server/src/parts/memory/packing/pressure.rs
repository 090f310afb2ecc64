//! How urgent packing is: how far memory has come from the start of packing towards the limit, at
//! which keys are evicted.
//!
//!     steps             0        1        2       3
//!     from the start    0        1/4      1/2     3/4    of the way to the limit
//!     youngest, s       30       20       10      0      idle for less, a string is not packed
//!     uses at most      1        5        5       255    of an LFU counter, which begins at 5
//!     pause, ms         10       5        2       0      between two batches
//!     threads           1        1        2       2
//!
//! The floor of the first step spares strings that are about to be read again. It gives way,
//! because an evicted key costs its owner more than 1.5 us. At the last step the threads decide how
//! fast batches go, as long as the walk finds cold strings.

use russet_config::{CompressValues, Config};
use russet_keyspace::ColdLimit;

use super::{MemoryState, PAUSE_MS, ROUND_MS};
use crate::process::processors;

/// Of the way from the start to the limit, the parts that were gone, 0 to 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure(u8);

impl Pressure {
    /// The pressure of `auto`; other settings know none, because they pack at any memory.
    pub(super) fn of(config: &Config, memory: MemoryState) -> Pressure {
        let start = memory.start(config);
        let packs = config.compress_values == CompressValues::Auto && memory.limit > 0;
        if !packs || memory.used <= start {
            return Pressure(0);
        }
        let quarters = (memory.used - start) * 4 / memory.limit.saturating_sub(start).max(1);
        Pressure(quarters.min(3) as u8)
    }

    fn step(self) -> usize {
        usize::from(self.0)
    }

    /// The strictest limit that `auto` may not go below.
    pub(super) fn floor(self) -> ColdLimit {
        ColdLimit {
            idle_seconds: [30, 20, 10, 0][self.step()],
            uses_max: [1, 5, 5, 255][self.step()],
        }
    }

    /// Milliseconds until the next batch; `has_found`: the walk has just met cold strings.
    pub(super) fn pause_ms(self, has_found: bool) -> u64 {
        match (self.0, has_found) {
            (3, true) => 0,
            (2 | 3, _) => 2,
            (1, _) => PAUSE_MS / 2,
            _ => PAUSE_MS,
        }
    }

    /// Milliseconds until the next round, if the last has packed as many strings.
    pub(super) fn round_ms(self, packed: u64) -> u64 {
        /// Strings whose packing is worth a round at once.
        const MANY: u64 = 1000;
        match self.0 {
            2 | 3 if packed >= MANY => ROUND_MS / 20,
            _ => ROUND_MS,
        }
    }

    /// Milliseconds for which a chosen limit holds.
    pub(super) fn limit_ms(self) -> u64 {
        [5000, 1000, 500, 250][self.step()]
    }

    /// Threads that pack, at most.
    pub(super) fn threads(self) -> u32 {
        match self.0 {
            2 | 3 => processors().min(2) as u32,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(used: u64) -> Pressure {
        let config = Config {
            compress_values: CompressValues::Auto,
            ..Config::default()
        };
        Pressure::of(&config, MemoryState { used, limit: 1000 })
    }

    #[test]
    fn younger_strings_are_packed_as_memory_grows_towards_the_limit() {
        // The start is 75 percent.
        let floors = [0, 700, 750, 813, 875, 938, 1000, 1200].map(|used| pressure(used).floor());
        let idle = floors.map(|floor| floor.idle_seconds);
        assert_eq!(idle, [30, 30, 30, 20, 10, 0, 0, 0]);
        assert!(floors.is_sorted_by_key(|floor| floor.uses_max));
        let pauses = [700, 813, 875, 938].map(|used| pressure(used).pause_ms(true));
        assert_eq!(pauses, [10, 5, 2, 0]);
        assert_eq!(pressure(1000).pause_ms(false), 2);
        let config = Config {
            compress_values: CompressValues::Auto,
            ..Config::default()
        };
        let unlimited = MemoryState { used: 9, limit: 0 };
        assert_eq!(Pressure::of(&config, unlimited), Pressure(0));
    }

    #[test]
    fn rounds_follow_at_once_only_if_they_pack() {
        assert_eq!(pressure(1000).round_ms(0), ROUND_MS);
        assert!(pressure(1000).round_ms(10_000) < ROUND_MS);
        assert_eq!(pressure(700).round_ms(10_000), ROUND_MS);
    }
}
