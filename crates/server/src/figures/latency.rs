//! The latency monitor: spikes over `latency-monitor-threshold`, by event.

use std::collections::{BTreeMap, VecDeque};

use crate::figures::histogram::Histogram;

/// Spikes kept of an event.
const SERIES_LEN: usize = 160;

/// The spikes of an event, oldest first.
#[derive(Debug, Default)]
pub struct EventSeries {
    /// Unix seconds and milliseconds of duration.
    pub samples: VecDeque<(i64, u64)>,
    /// The longest ever.
    pub max_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Latency {
    /// 0: off.
    pub threshold_ms: u64,
    pub series: BTreeMap<&'static str, EventSeries>,
    pub now_s: i64,
    /// Microseconds of every turn of the loop that did something.
    pub turns: Histogram,
}

impl Latency {
    /// Records `ms` under `event` if it is over the threshold.
    #[inline]
    pub fn add_if_slow(&mut self, event: &'static str, ms: u64) {
        if self.threshold_ms > 0 && ms >= self.threshold_ms {
            self.add(event, ms);
        }
    }

    #[cold]
    fn add(&mut self, event: &'static str, ms: u64) {
        let series = self.series.entry(event).or_default();
        series.max_ms = series.max_ms.max(ms);
        match series.samples.back_mut() {
            // A sample a second: the worst.
            Some((at, worst)) if *at == self.now_s => *worst = (*worst).max(ms),
            _ => {
                if series.samples.len() == SERIES_LEN {
                    series.samples.pop_front();
                }
                series.samples.push_back((self.now_s, ms));
            }
        }
    }

    /// Counts a turn of the loop.
    #[inline]
    pub fn sample_turn(&mut self, micros: u64) {
        self.turns.record(micros, 1);
    }
}
