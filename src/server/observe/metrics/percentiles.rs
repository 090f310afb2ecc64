//! Latencies of commands as metrics, with redis_exporter's names, types and labels: a summary
//! `redis_latency_percentiles_usec` of the last minute, whose quantiles are per cent, and a histogram
//! `redis_commands_latencies_usec` since the start. The encoder has neither in this form, so they are written
//! here.

use std::fmt::Write;

use crate::config::percentile_text;
use crate::server::parts::percentiles::Percentiles;
use crate::server::state::Server;

impl Percentiles {
    /// Puts both before the end mark of OpenMetrics text.
    pub(in crate::server) fn write(&self, server: &Server, to: &mut String) {
        const END: &str = "# EOF\n";
        let has_end = to.ends_with(END);
        to.truncate(to.len() - if has_end { END.len() } else { 0 });
        let quantiles: Vec<String> = self
            .percents
            .iter()
            .map(|&percent| percentile_text(percent).to_string())
            .collect();
        let (mut summary, mut histogram) = (String::new(), String::new());
        let rows = server.table.rows().iter().zip(&self.found);
        let stats = &server.diagnostics.command_stats;
        for ((row, found), stats) in rows.zip(stats) {
            let Some(&(_, calls)) = found.levels.last() else {
                continue;
            };
            let (cmd, sum) = (row.full_name, server.cycles.micros(stats.ticks));
            let ends = |name| {
                format!(
                    "{name}_sum{{cmd=\"{cmd}\"}} {sum}\n{name}_count{{cmd=\"{cmd}\"}} {calls}\n"
                )
            };
            for (quantile, micros) in quantiles.iter().zip(&found.micros) {
                // Memory takes what is written, here and below.
                let _ = writeln!(
                    summary,
                    "{SUMMARY}{{cmd=\"{cmd}\",quantile=\"{quantile}\"}} {micros}"
                );
            }
            summary += &ends(SUMMARY);
            let levels = found.levels.iter();
            let levels = levels.map(|&(level, calls)| (level.to_string(), calls));
            for (level, calls) in levels.chain([("+Inf".to_owned(), calls)]) {
                let _ = writeln!(
                    histogram,
                    "{HISTOGRAM}_bucket{{cmd=\"{cmd}\",le=\"{level}\"}} {calls}"
                );
            }
            histogram += &ends(HISTOGRAM);
        }
        for (name, kind, help, text) in [
            (
                SUMMARY,
                "summary",
                "Microseconds that this per cent of the last minute's calls did not exceed",
                summary,
            ),
            (
                HISTOGRAM,
                "histogram",
                "Calls by their microseconds",
                histogram,
            ),
        ] {
            if !text.is_empty() {
                let _ = write!(to, "# HELP {name} {help}\n# TYPE {name} {kind}\n{text}");
            }
        }
        if has_end {
            to.push_str(END);
        }
    }
}

const SUMMARY: &str = "redis_latency_percentiles_usec";
const HISTOGRAM: &str = "redis_commands_latencies_usec";
