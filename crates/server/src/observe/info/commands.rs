//! INFO commandstats, errorstats, latencystats: every command's and every error's counters.

use std::fmt;

use super::{InfoWriter, Source};
use crate::figures::stats::SlowStats;
use russet_config::percentile_text;

pub(crate) fn commandstats(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    to.section("Commandstats");
    for (row, stats) in from.commands_used() {
        let usec = server.cycles.micros(stats.ticks);
        let usec_per_call = usec as f64 / stats.calls.max(1) as f64;
        to.line(format_args!(
            "cmdstat_{}:calls={},usec={usec},usec_per_call={usec_per_call:.2},\
             rejected_calls={},failed_calls={}{}",
            row.full_name,
            stats.calls,
            stats.rejected,
            stats.failed,
            SlowText(&stats.slow),
        ));
    }
}

/// The end of a line of commandstats: nothing for a command that was never slow.
struct SlowText<'a>(&'a SlowStats);

impl fmt::Display for SlowText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlowStats {
            commands,
            us_max,
            us_sum,
        } = *self.0;
        if commands == 0 {
            return Ok(());
        }
        let millis = |micros: u64| micros as f64 / 1000.0;
        write!(
            f,
            ",slowlog_count={commands},slowlog_time_ms_sum={:.2},slowlog_time_ms_max={:.2}",
            millis(us_sum),
            millis(us_max)
        )
    }
}

pub(crate) fn errorstats(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Errorstats");
    for (code, count) in &from.server.stats.errors {
        // The code may come from a client (DEBUG ERROR): keep the line whole.
        let safe: String = String::from_utf8_lossy(code)
            .chars()
            .map(|c| {
                if matches!(c, '#' | ':' | '\n' | '\r') {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        to.line(format_args!("errorstat_{safe}:count={count}"));
    }
}

pub(crate) fn latencystats(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    to.section("Latencystats");
    if !server.config.latency_tracking {
        return;
    }
    for (row, stats) in server
        .table
        .rows()
        .iter()
        .zip(&server.diagnostics.command_stats)
    {
        let Some(histogram) = &stats.latency else {
            continue;
        };
        let percentiles: Vec<String> = server
            .config
            .latency_tracking_info_percentiles
            .0
            .iter()
            .map(|&percent| {
                let micros = histogram.percentile(percent) as f64 / 1000.0;
                format!("p{}={micros:.3}", percentile_text(percent))
            })
            .collect();
        let (name, list) = (row.full_name, percentiles.join(","));
        to.line(format_args!("latency_percentiles_usec_{name}:{list}"));
    }
}
