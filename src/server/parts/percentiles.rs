//! Latency percentiles of commands, refreshed in turn.
//!
//! A histogram has thousands of counters, and a server has hundreds of commands: reading all of
//! them would hold the loop for milliseconds. Each scrape reads up to [`LOOKS_MAX`] histograms of
//! commands called since their last read, in turn; the others keep their values.

use smallvec::SmallVec;

use crate::server::figures::stats::CommandStats;

/// Histograms read per scrape: a quarter of a millisecond.
const LOOKS_MAX: usize = 24;

/// The last read of one command's histogram.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Found {
    /// Calls at that time.
    pub(in crate::server) calls: u64,
    /// Microseconds, in the order of `latency-tracking-info-percentiles`.
    pub(in crate::server) micros: SmallVec<[f64; 4]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::server) struct Percentiles {
    pub(in crate::server) found: Vec<Found>,
    /// The configured percentiles.
    pub(in crate::server) percents: Vec<f64>,
    /// The next row to read.
    pub(in crate::server) next: usize,
}

impl Percentiles {
    /// Reads some histograms of the commands' `stats` again.
    pub(in crate::server) fn look(&mut self, percents: &[f64], stats: &[CommandStats]) {
        if *percents != self.percents {
            self.percents = percents.to_vec();
            self.found.clear();
        }
        let rows = stats.len();
        self.found.resize(rows, Found::default());
        let mut looks = 0;
        for step in 0..rows {
            let row = (self.next + step) % rows;
            let (stats, found) = (&stats[row], &mut self.found[row]);
            let Some(histogram) = &stats.latency else {
                *found = Found::default();
                continue;
            };
            if found.calls == histogram.total() {
                continue;
            }
            if looks == LOOKS_MAX {
                self.next = row;
                return;
            }
            looks += 1;
            found.calls = histogram.total();
            let micros = |&percent: &f64| histogram.percentile(percent) as f64 / 1000.0;
            found.micros = percents.iter().map(micros).collect();
        }
    }
}
