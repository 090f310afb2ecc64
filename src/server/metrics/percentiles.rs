//! Latency percentiles of commands, as the last looks found them.
//!
//! A histogram has thousands of counters, and a server has hundreds of commands: reading all of
//! them would hold the loop for milliseconds. Each scrape reads those whose command has been
//! called since, up to [`LOOKS_MAX`], in turn; the others stay as they were.

use smallvec::SmallVec;

use super::exposition::{Families, Kind, Labels, Value};
use crate::config::percentile_text;
use crate::server::Server;

/// Histograms read by one scrape: a quarter of a millisecond.
const LOOKS_MAX: usize = 24;

/// What was found of one command.
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
    /// The percentiles that were asked for.
    percents: Vec<f64>,
    /// The row to go on with.
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

    /// The name and labels are those of a summary, which the encoder does not know.
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
