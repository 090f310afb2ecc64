//! Latencies of commands as metrics, with redis_exporter's names, types and labels: a summary
//! `redis_latency_percentiles_usec` of the last minute, whose quantiles are per cent, and a
//! histogram `redis_commands_latencies_usec` since the start. The encoder has neither in this form,
//! so they are written here.

use std::fmt::Write;

use crate::parts::observe::percentiles::Percentiles;
use crate::state::Server;
use russet_config::percentile_text;

impl Percentiles {
    /// Puts both before the end mark, in either format. OpenMetrics allows no quantile above 1 in a
    /// summary: in it the three names are families of type `unknown`.
    pub fn write(&self, server: &Server, is_open_metrics: bool, to: &mut String) {
        const END: &str = "# EOF\n";
        let has_end = to.ends_with(END);
        if has_end {
            to.truncate(to.len() - END.len());
        }
        let percents = self.percents.iter();
        let quantiles: Vec<String> = percents
            .map(|&percent| percentile_text(percent).to_string())
            .collect();
        let [mut levels, mut sums, mut counts, mut histogram] = [const { String::new() }; 4];
        for (row, found) in server.table.rows().iter().zip(&self.found) {
            let Some(&(_, calls)) = found.levels.last() else {
                continue;
            };
            let (cmd, sum) = (row.full_name, server.cycles.micros(found.ticks));
            // Writing to a String does not fail, here and below.
            for (quantile, micros) in quantiles.iter().zip(&found.micros) {
                let labels = format!("{{cmd=\"{cmd}\",quantile=\"{quantile}\"}}");
                let _ = writeln!(levels, "{SUMMARY}{labels} {micros}");
            }
            let _ = writeln!(sums, "{SUMMARY}_sum{{cmd=\"{cmd}\"}} {sum}");
            let _ = writeln!(counts, "{SUMMARY}_count{{cmd=\"{cmd}\"}} {calls}");
            for &(level, calls) in &found.levels {
                let labels = format!("{{cmd=\"{cmd}\",le=\"{level}\"}}");
                let _ = writeln!(histogram, "{HISTOGRAM}_bucket{labels} {calls}");
            }
            let labels = format!("{{cmd=\"{cmd}\",le=\"+Inf\"}}");
            let _ = writeln!(histogram, "{HISTOGRAM}_bucket{labels} {calls}");
            let _ = writeln!(histogram, "{HISTOGRAM}_sum{{cmd=\"{cmd}\"}} {sum}");
            let _ = writeln!(histogram, "{HISTOGRAM}_count{{cmd=\"{cmd}\"}} {calls}");
        }
        let help = "Microseconds that this per cent of the last minute's calls did not exceed";
        if is_open_metrics {
            family(to, SUMMARY, "unknown", help, &levels);
            let (sum, count) = (format!("{SUMMARY}_sum"), format!("{SUMMARY}_count"));
            family(to, &sum, "unknown", "Microseconds of all calls", &sums);
            family(to, &count, "unknown", "Calls", &counts);
        } else {
            family(to, SUMMARY, "summary", help, &(levels + &sums + &counts));
        }
        let help = "Calls by their microseconds";
        family(to, HISTOGRAM, "histogram", help, &histogram);
        if has_end {
            to.push_str(END);
        }
    }
}

/// A family of samples below its description, unless it is empty.
fn family(to: &mut String, name: &str, kind: &str, help: &str, samples: &str) {
    if !samples.is_empty() {
        let _ = write!(to, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
    }
}

const SUMMARY: &str = "redis_latency_percentiles_usec";
const HISTOGRAM: &str = "redis_commands_latencies_usec";
