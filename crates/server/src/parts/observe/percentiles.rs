//! Latencies of commands for scrapes, refreshed in turn.
//!
//! A histogram has thousands of counters, and a server has hundreds of commands: reading all of
//! them would hold the loop for milliseconds. Each scrape reads up to [`LOOKS_MAX`] histograms of
//! commands, in turn; the others keep their values.
//!
//! Percentiles are of the last minute, so that an alert ends with its reason: of the calls since a
//! copy of the histogram that is between [`STEP_MS`] and twice that old. A command without calls in
//! that time has none. Memory: two histograms (48 KiB) for each command that is called, from the
//! first scrape on.

use smallvec::SmallVec;

use crate::figures::histogram::Histogram;
use crate::figures::stats::CommandStats;

/// Histograms read per scrape: a quarter of a millisecond.
const LOOKS_MAX: usize = 24;
/// The age from which a copy is subtracted.
const STEP_MS: u64 = 30_000;

/// The last read of a command's histogram.
#[derive(Clone, Debug, Default)]
pub struct CommandPercentiles {
    /// Calls at that time, and the ticks of the cycle counter that they took.
    pub calls: u64,
    pub ticks: u64,
    /// Microseconds, in the order of `latency-tracking-info-percentiles`; of the last minute.
    pub micros: SmallVec<[f64; 4]>,
    /// `(microseconds, calls that took no longer)`, since the start.
    pub(crate) levels: Vec<(u64, u64)>,
    read_ms: u64,
    /// The copy that is subtracted, and the copy that replaces it when it is old enough.
    base: Option<Box<Histogram>>,
    next: Option<(u64, Box<Histogram>)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Percentiles {
    pub found: Vec<CommandPercentiles>,
    /// The configured percentiles.
    pub(crate) percents: Vec<f64>,
    /// The next row to read.
    pub next: usize,
}

impl Percentiles {
    /// Reads some histograms of the commands' `stats` again.
    pub fn refresh(&mut self, percents: &[f64], stats: &[CommandStats], now_ms: u64) {
        if *percents != self.percents {
            self.percents = percents.to_vec();
            self.found.clear();
        }
        let rows = stats.len();
        self.found.resize(rows, CommandPercentiles::default());
        let mut looks = 0;
        for step in 0..rows {
            let row = (self.next + step) % rows;
            let (stats, found) = (&stats[row], &mut self.found[row]);
            let Some(histogram) = &stats.latency else {
                *found = CommandPercentiles::default();
                continue;
            };
            if !found.is_due(histogram.total(), now_ms) {
                continue;
            }
            if looks == LOOKS_MAX {
                self.next = row;
                return;
            }
            looks += 1;
            found.read(histogram, percents, now_ms);
            found.ticks = stats.ticks;
        }
    }
}

impl CommandPercentiles {
    /// Whether there are new calls, or the calls shown are too old.
    fn is_due(&self, total: u64, now_ms: u64) -> bool {
        let is_old = now_ms.saturating_sub(self.read_ms) >= STEP_MS;
        total != self.calls || is_old && !self.micros.is_empty()
    }

    fn read(&mut self, histogram: &Histogram, percents: &[f64], now_ms: u64) {
        if histogram.total() < self.calls {
            // CONFIG RESETSTAT.
            (self.base, self.next) = (None, None);
        }
        if let Some((taken_ms, _)) = self.next
            && now_ms.saturating_sub(taken_ms) >= STEP_MS
        {
            self.base = self.next.take().map(|(_, copy)| copy);
        }
        if self.next.is_none() {
            self.next = Some((now_ms, Box::new(histogram.clone())));
        }
        let recent = self.base.as_ref().and_then(|base| histogram.since(base));
        let recent = recent.as_ref().unwrap_or(histogram);
        let micros = |&percent: &f64| recent.percentile(percent) as f64 / 1000.0;
        self.micros = match recent.total() {
            0 => SmallVec::new(),
            _ => percents.iter().map(micros).collect(),
        };
        self.calls = histogram.total();
        self.levels = histogram.cumulative();
        self.read_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An alert on the slowest command never ended, because its percentile was that since the
    /// start.
    #[test]
    fn what_was_slow_is_forgotten_within_a_minute() {
        let mut stats = [CommandStats::default()];
        (0..10).for_each(|_| stats[0].record_latency(900_000_000, 1, &mut 0));
        let mut percentiles = Percentiles::default();
        let mut look = |stats: &[CommandStats], now_ms| {
            percentiles.refresh(&[99.0], stats, now_ms);
            percentiles.found[0].clone()
        };
        assert!(look(&stats, 0).micros[0] > 800_000.0);
        stats[0].record_latency(1_000, 1, &mut 0);
        assert!(look(&stats, 10_000).micros[0] > 800_000.0);
        stats[0].record_latency(1_000, 1, &mut 0);
        assert!(look(&stats, 31_000).micros[0] < 2.0, "since the first look");
        assert!(look(&stats, 62_000).micros.is_empty(), "no calls since");
        assert_eq!(look(&stats, 62_000).levels.last().map(|l| l.1), Some(12));
        stats[0].record_latency(5_000_000, 1, &mut 0);
        assert!(look(&stats, 70_000).micros[0] > 4_000.0);
    }
}
