//! Times of replies, exactly, in microseconds.

/// Times of requests, sorted once by [`Latencies::sort`].
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// Each 4 bytes: the longest time is 71 minutes.
    times_us: Vec<u32>,
}

impl Latencies {
    /// Adds the time of `requests` requests.
    pub(super) fn add(&mut self, time_us: u128, requests: usize) {
        let time = u32::try_from(time_us).unwrap_or(u32::MAX);
        self.times_us.extend(std::iter::repeat_n(time, requests));
    }

    /// Before anything but [`Latencies::count`] is asked. O(n log n).
    pub(super) fn sort(&mut self) {
        self.times_us.sort_unstable();
    }

    pub(super) fn count(&self) -> usize {
        self.times_us.len()
    }

    /// The time within which `percent` of the requests were answered, milliseconds; 0 of none.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let count = self.times_us.len();
        let at = (percent / 100.0 * count as f64).ceil() as usize;
        let time = self.times_us.get(at.clamp(1, count.max(1)) - 1);
        f64::from(time.copied().unwrap_or(0)) / 1000.0
    }

    /// How many requests were answered within a time.
    pub(super) fn within(&self, time_us: u32) -> usize {
        self.times_us.partition_point(|time| *time <= time_us)
    }

    pub(super) fn max_us(&self) -> u32 {
        self.times_us.last().copied().unwrap_or(0)
    }

    pub(super) fn min_ms(&self) -> f64 {
        f64::from(self.times_us.first().copied().unwrap_or(0)) / 1000.0
    }

    /// Milliseconds; 0 of none.
    pub(super) fn mean_ms(&self) -> f64 {
        let sum: u64 = self.times_us.iter().map(|time| u64::from(*time)).sum();
        sum as f64 / self.times_us.len().max(1) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times = Latencies::default();
        assert_eq!((times.percentile(50.0), times.mean_ms()), (0.0, 0.0));
        for time in [4000_u128, 1000, 2000, 3000] {
            times.add(time, 25);
        }
        times.sort();
        assert_eq!(times.percentile(0.0), 1.0);
        assert_eq!(times.percentile(50.0), 2.0);
        assert_eq!(times.percentile(51.0), 3.0);
        assert_eq!(times.percentile(100.0), 4.0);
        assert_eq!(
            (times.min_ms(), times.mean_ms(), times.max_us()),
            (1.0, 2.5, 4000)
        );
        assert_eq!((times.within(999), times.within(2000)), (0, 50));
        times.add(u128::MAX, 1);
        times.sort();
        assert_eq!(times.max_us(), u32::MAX);
    }
}
