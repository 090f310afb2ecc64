//! How fragmented memory is, and the share of time to spend on it.

use russet_base::memory::alloc;
use russet_config::Config;

/// The longest slice, microseconds, whatever is configured; the last step may exceed it.
pub(crate) const SLICE_US_MAX: u64 = 700;
const SLICE_US_MIN: u64 = 50;

/// Fragmentation of the small slabs.
#[derive(Clone, Copy, Debug)]
pub struct Fragmentation {
    pub bytes: usize,
    /// Percent of the allocated bytes.
    pub percent: f64,
}

pub(crate) fn fragmentation() -> Option<Fragmentation> {
    let totals = alloc::totals()?;
    Some(Fragmentation {
        bytes: totals.unused,
        percent: totals.unused as f64 * 100.0 / totals.allocated.max(1) as f64,
    })
}

/// The length of a slice, microseconds.
pub(crate) fn slice_us(config: &Config) -> u64 {
    u64::from(config.active_defrag_cycle_us).clamp(SLICE_US_MIN, SLICE_US_MAX)
}

/// The share of the time for a degree of fragmentation, percent.
pub fn share(config: &Config, percent: f64) -> u32 {
    let (lower, upper) = (
        f64::from(config.active_defrag_threshold_lower),
        f64::from(config.active_defrag_threshold_upper),
    );
    let (least, most) = (
        config.active_defrag_cycle_min,
        config.active_defrag_cycle_max,
    );
    let way = if upper > lower {
        ((percent - lower) / (upper - lower)).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let share = f64::from(least) + way * (f64::from(most) - f64::from(least));
    // Redis accepts a minimum above the maximum, and then uses the maximum.
    (share as u32).max(least).min(most).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_share_grows_with_the_fragmentation() {
        let mut config = Config::default();
        for (percent, expected) in [(0.0, 1), (10.0, 1), (55.0, 13), (100.0, 25), (900.0, 25)] {
            assert_eq!(share(&config, percent), expected, "{percent}");
        }
        (
            config.active_defrag_cycle_min,
            config.active_defrag_cycle_max,
        ) = (65, 75);
        config.active_defrag_threshold_lower = 5;
        assert!((65..=75).contains(&share(&config, 40.0)));
        (
            config.active_defrag_cycle_min,
            config.active_defrag_cycle_max,
        ) = (9, 1);
        assert_eq!(share(&config, 40.0), 1);
        config.active_defrag_threshold_upper = 0;
        assert_eq!(share(&config, 40.0), 1);
    }
}
