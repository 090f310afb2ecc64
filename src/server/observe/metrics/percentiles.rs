//! Latency percentiles of commands as metrics.

use super::exposition::{Families, Labels, MetricKind, Value};

use crate::config::percentile_text;
use crate::server::parts::percentiles::Percentiles;
use crate::server::state::Server;

impl Percentiles {
    /// Adds them in the form of a summary, which the encoder lacks.
    pub(in crate::server) fn add(&self, server: &Server, to: &mut Families) {
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
            MetricKind::Unknown,
            "Microseconds that this share of a command's calls did not exceed",
            samples,
        );
    }
}
