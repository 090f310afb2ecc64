//! How long a command's calls took, kept to two significant digits.
//!
//!     0 .. 255 ns        one counter a nanosecond
//!     2^k .. 2^(k+1)     128 counters of equal width, up to a second
//!
//! Recording is a shift, an add and one increment: it is done for every call. What is read
//! from it (INFO latencystats, LATENCY HISTOGRAM) is rounded as HdrHistogram rounds.

/// Longer calls count as this many nanoseconds: a second.
const NANOS_MAX: u64 = 1_000_000_000;
/// Counters of one doubling.
const STEPS: usize = 128;
const COUNTERS: usize = index_of(NANOS_MAX) + 1;
/// Where LATENCY HISTOGRAM's first bucket ends; the others double from there.
const FIRST_LEVEL: u64 = 1024;

/// See the module. 24 KiB.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64; COUNTERS]>,
}

/// Which counter a duration belongs to.
#[inline]
const fn index_of(nanos: u64) -> usize {
    let shift = match (nanos | 1).ilog2() {
        0..=7 => 0,
        log => log as usize - 7,
    };
    shift * STEPS + (nanos >> shift) as usize
}

/// The largest duration that shares a counter with the smallest one of `index`.
const fn highest_of(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    let step = (index % STEPS + STEPS) as u64;
    ((step + 1) << shift) - 1
}

impl Default for Histogram {
    fn default() -> Histogram {
        let counts = vec![0; COUNTERS].into_boxed_slice();
        Histogram {
            counts: counts.try_into().expect("as many as were made"),
        }
    }
}

impl Histogram {
    /// Counts one call. O(1).
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.counts[index_of(nanos.clamp(1, NANOS_MAX))] += 1;
    }

    /// Calls counted. O(counters).
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration that `percent` of the calls did not exceed, nanoseconds; 0 without calls.
    pub fn percentile(&self, percent: f64) -> u64 {
        let total = self.total();
        let wanted = (percent.clamp(0.0, 100.0) / 100.0 * total as f64 + 0.5) as u64;
        let mut seen = 0;
        for (index, &n) in self.counts.iter().enumerate() {
            seen += n;
            if n > 0 && seen >= wanted.max(1) {
                return highest_of(index);
            }
        }
        0
    }

    /// `(microseconds, calls that took no longer)` at every doubling where the number grew.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let (mut levels, mut seen, mut told, mut at) = (Vec::new(), 0, 0, 0);
        let total = self.total();
        let mut level = FIRST_LEVEL;
        while told < total {
            let last = index_of(level).min(COUNTERS - 1);
            while at <= last {
                seen += self.counts[at];
                at += 1;
            }
            if seen > told {
                levels.push((highest_of(index_of(level)) / 1000, seen));
                told = seen;
            }
            level *= 2;
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_touch_without_a_gap() {
        for index in 0..COUNTERS - 1 {
            let highest = highest_of(index);
            assert_eq!(index_of(highest), index);
            assert_eq!(index_of(highest + 1), index + 1);
        }
    }

    #[test]
    fn rounding_is_within_one_percent() {
        for nanos in (1..NANOS_MAX).step_by(999_983) {
            let highest = highest_of(index_of(nanos));
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
            h.record(nanos);
        }
        assert_eq!([h.percentile(0.0), h.percentile(50.0)], [1, 50]);
        assert_eq!([h.percentile(99.0), h.percentile(100.0)], [99, 100]);
        h.record(u64::MAX);
        assert_eq!(h.percentile(100.0), highest_of(index_of(NANOS_MAX)));
    }

    #[test]
    fn levels_are_told_where_they_grow() {
        let mut h = Histogram::default();
        for nanos in [500, 1000, 2_000, 30_000, 66_000, 1_000_000_000] {
            h.record(nanos);
        }
        let expected = [(1, 2), (2, 3), (33, 4), (66, 5), (1_082_130, 6)];
        assert_eq!(h.cumulative(), expected);
    }
}
