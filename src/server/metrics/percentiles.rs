//! Latency percentiles of commands, refreshed in turn.
//!
//! A histogram has thousands of counters, and a server has hundreds of commands: reading all of
//! them would hold the loop for milliseconds. Each scrape reads up to [`LOOKS_MAX`] histograms of
//! commands called since their last read, in turn; the others keep their values.

use smallvec::SmallVec;

use super::exposition::{Families, Kind, Labels, Value};
use crate::config::percentile_text;
use crate::server::Server;

/// Histograms read per scrape: a quarter of a millisecond.
const LOOKS_MAX: usize = 24;

/// The last read of one command's histogram.
#[derive(Clone, Debug, Default)]
struct Found {
    /// Calls at that time.
    calls: u64,
    /// Microseconds, in the order of `latency-tracking-info-percentiles`.
    micros: SmallVec<[f64; 4]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Percentiles {
    found: Vec<Found>,
    /// The configured percentiles.
    percents: Vec<f64>,
    /// The next row to read.
    next: usize,
}

impl Percentiles {
    /// Reads some histograms again.
    pub(super) fn look(&mut self, server: &Server) {
        let percents = &server.config.latency_tracking_info_percentiles.0;
        if *percents != self.percents {
            self.percents.clone_from(percents);
            self.found.clear();
        }
        let rows = server.diagnostics.command_stats.len();
        self.found.resize(rows, Found::default());
        let mut looks = 0;
        for step in 0..rows {
            let row = (self.next + step) % rows;
            let (stats, found) = (&server.diagnostics.command_stats[row], &mut self.found[row]);
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

    /// Adds them in the form of a summary, which the encoder lacks.
    pub(super) fn add(&self, server: &Server, to: &mut Families) {
        let quantiles: Vec<String> = self
            .percents
            .iter()
            .map(|&percent| percentile_text(percent / 100.0).to_string())
            .collect();
        let mut samples = Vec::new();
        for (row, found) in server.table.rows().iter().zip(&self.found) {
            for (quantile, &micros) in quantiles.iter().zip(&found.micros) {
                let labels = [
                    ("cmd", row.full_name.to_owned()),
                    ("quantile", quantile.clone()),
                ];
                samples.push((Labels(labels.into()), Value::Real(micros)));
            }
        }
        to.several(
            "redis_latency_percentiles_usec",
            Kind::Unknown,
            "Microseconds that this share of a command's calls did not exceed",
            samples,
        );
    }
}
