//! The durations of a command's calls, to two significant digits.
//!
//! The counters are crate `histogram`'s, laid out as in HdrHistogram, which Redis uses: a counter
//! per nanosecond up to 256, then 128 counters of equal width per doubling, up to a second.
//! Percentiles and buckets (INFO latencystats, LATENCY HISTOGRAM) are computed here, to round as
//! Redis does: the crate rounds up to a whole call, while Redis takes the nearest (the 99th
//! percentile of 60 calls is the 59th, not the 60th), and its buckets end below a power of two, not
//! at it.
//!
//! Cost: every command is recorded, in some 15 instructions. Crate `hdrhistogram`, whose bounds
//! are of any kind, took 50, a thirtieth of the instructions of a pipelined GET.

use russet_base::memory::alloc;

/// Longer calls count as this many nanoseconds: a second.
const NANOS_MAX: u64 = 1_000_000_000;
/// `NANOS_MAX` is below two to this power.
const MAX_POWER: u8 = 30;
/// Two to this power is the number of counters of a doubling: two significant decimal digits.
const GROUPING_POWER: u8 = 7;
/// Where LATENCY HISTOGRAM's first bucket ends; the others double from there.
const FIRST_LEVEL: u64 = 1024;

/// See the module. 24 KiB.
#[derive(Clone, Debug)]
pub struct Histogram {
    counters: histogram::Histogram,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let counters = histogram::Histogram::new(GROUPING_POWER, MAX_POWER);
        Histogram {
            counters: counters.expect("powers that can be"),
            total: 0,
        }
    }
}

impl Histogram {
    /// Counts calls of so many nanoseconds each. O(1).
    #[inline]
    pub fn record(&mut self, nanos: u64, calls: u64) {
        let counted = self.counters.add(nanos.clamp(1, NANOS_MAX), calls);
        counted.expect("below the highest power");
        self.total += calls;
    }

    /// Bytes of the counters.
    pub fn memory_bytes(&self) -> usize {
        alloc::array_bytes::<u64>(self.counters.as_slice().len())
    }

    /// Calls counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The calls counted since `earlier`, a copy of this; `None` if counting began anew meanwhile.
    pub fn since(&self, earlier: &Histogram) -> Option<Histogram> {
        let counters = self.counters.checked_sub(&earlier.counters).ok()?;
        let total = self.total.checked_sub(earlier.total)?;
        Some(Histogram { counters, total })
    }

    /// The longest duration of each counter that has counted, and its calls.
    fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        let counted = self.counters.iter().filter(|bucket| bucket.count() > 0);
        counted.map(|bucket| (bucket.end(), bucket.count()))
    }

    /// The duration that `percent` of the calls did not exceed, nanoseconds; 0 without calls.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent.clamp(0.0, 100.0) / 100.0 * self.total as f64 + 0.5) as u64;
        let mut seen = 0;
        let reached = self.recorded().find(|(_, calls)| {
            seen += calls;
            seen >= wanted
        });
        reached.map_or(0, |(longest, _)| longest)
    }

    /// `(microseconds, calls that took no longer)` at every doubling where the count grew.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        // The longest duration of the counter that a power of two is in.
        let end_of = |level: u64| level + (level >> GROUPING_POWER) - 1;
        let mut levels: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        let mut level = FIRST_LEVEL;
        for (longest, calls) in self.recorded() {
            while longest > end_of(level) {
                level *= 2;
            }
            seen += calls;
            let reported = (end_of(level) / 1000, seen);
            match levels.last_mut() {
                Some(last) if last.0 == reported.0 => *last = reported,
                _ => levels.push(reported),
            }
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_within_one_percent() {
        for nanos in (1..NANOS_MAX).step_by(999_983) {
            let mut h = Histogram::default();
            h.record(nanos, 1);
            let highest = h.percentile(100.0);
            assert!(
                highest >= nanos && highest - nanos <= nanos / 128,
                "{nanos}"
            );
        }
    }

    #[test]
    fn percentiles_follow_the_calls() {
        let mut h = Histogram::default();
        assert_eq!(h.percentile(50.0), 0);
        for nanos in 1..=100 {
            h.record(nanos, 1);
        }
        assert_eq!([h.percentile(0.0), h.percentile(50.0)], [1, 50]);
        assert_eq!([h.percentile(99.0), h.percentile(100.0)], [99, 100]);
        h.record(u64::MAX, 1);
        assert_eq!(h.percentile(100.0), 1_002_438_655);
    }

    #[test]
    fn a_percentile_is_the_nearest_call() {
        let mut h = Histogram::default();
        (1..=60).for_each(|nanos| h.record(nanos, 1));
        assert_eq!(h.percentile(99.0), 59);
    }

    #[test]
    fn levels_are_shown_where_they_grow() {
        let mut h = Histogram::default();
        for nanos in [500, 1000, 2_000, 30_000, 66_000, 1_000_000_000] {
            h.record(nanos, 1);
        }
        let expected = [(1, 2), (2, 3), (33, 4), (66, 5), (1_082_130, 6)];
        assert_eq!(h.cumulative(), expected);
    }
}
