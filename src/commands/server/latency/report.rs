//! The texts of LATENCY GRAPH and LATENCY DOCTOR.
//!
//! GRAPH draws a bar for each spike, up to 80 in a part and 4 rows high; the lowest spike is the
//! base. Its age stands below it, read downwards.
//!
//! DOCTOR names each event with its figures, then the advice for those events (`ADVICE`). Both only
//! format figures that are there; nothing is measured here.

use std::fmt::Write;

use crate::server::{EventSeries, Server};

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// The top of a bar within its row, from low to high.
const ENDS: [char; 3] = ['_', 'o', '#'];

/// A bar for each spike, with its age below.
pub(in crate::commands::server) fn graph_text(
    event: &str,
    series: &EventSeries,
    now_s: i64,
) -> String {
    let spikes = series.samples.iter().map(|&(_, ms)| ms);
    let (high, low) = (spikes.clone().max().unwrap_or(0), spikes.min().unwrap_or(0));
    let most = series.max_ms;
    let mut out = format!("{event} - high {high} ms, low {low} ms (all time high {most} ms)\n");
    out.push_str(&"-".repeat(COLUMNS));
    out.push('\n');
    let bars: Vec<(u64, String)> = series
        .samples
        .iter()
        .map(|&(at, ms)| (ms - low, ago(now_s - at)))
        .collect();
    let range = (high - low).max(1);
    let parts: Vec<String> = bars.chunks(COLUMNS).map(|part| draw(part, range)).collect();
    out.push_str(&parts.join("\n"));
    out
}

/// `5s`, `2m`, `3h`, `1d`.
fn ago(seconds: i64) -> String {
    match seconds {
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m", s / 60),
        s if s < 86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// The rows of bars, an empty row, and the labels written downwards.
fn draw(bars: &[(u64, String)], range: u64) -> String {
    let steps = ROWS * ENDS.len();
    let mut out = String::new();
    for row in 0..ROWS {
        let below = (ROWS - row - 1) * ENDS.len();
        out.extend(bars.iter().map(|(height, _)| {
            let step = (*height as usize * steps / range as usize).min(steps - 1);
            match step.checked_sub(below) {
                None => ' ',
                Some(level) => ENDS.get(level).copied().unwrap_or('|'),
            }
        }));
        out.push('\n');
    }
    out.push_str(&" ".repeat(bars.len()));
    out.push('\n');
    let longest = bars.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
    for i in 0..longest {
        let letter = |label: &String| label.as_bytes().get(i).map_or(' ', |&b| char::from(b));
        out.extend(bars.iter().map(|(_, label)| letter(label)));
        out.push('\n');
    }
    out
}

/// Statistics of the spikes, and possible remedies.
pub(in crate::commands::server) fn doctor_text(server: &Server) -> String {
    if server.diagnostics.latency.threshold_ms == 0 {
        return "The latency monitor is off. 'CONFIG SET latency-monitor-threshold \
                <milliseconds>' turns it on; then ask again after a while.\n"
            .into();
    }
    let events = &server.diagnostics.latency.series;
    if events.is_empty() {
        return "No latency spike has been seen since the monitor was turned on or reset.\n".into();
    }
    let mut out = String::from("Latency spikes of this server, by event:\n\n");
    for (i, (event, series)) in events.iter().enumerate() {
        let count = series.samples.len();
        let mean = series.samples.iter().map(|&(_, ms)| ms).sum::<u64>() / count.max(1) as u64;
        let far = series
            .samples
            .iter()
            .map(|&(_, ms)| ms.abs_diff(mean))
            .sum::<u64>();
        let first = series.samples.front().map_or(0, |&(at, _)| at);
        let period = (server.now.unix_s() - first) as f64 / count.max(1) as f64;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{}. {event}: {count} spikes, {mean} ms on average (mean deviation {} ms), one every \
             {period:.1} s; the worst ever took {} ms.",
            i + 1,
            far / count.max(1) as u64,
            series.max_ms,
        );
    }
    out.push_str("\nWhat may help:\n\n");
    for (event, advice) in ADVICE {
        if events.contains_key(event) {
            let _ = writeln!(out, "- {advice}");
        }
    }
    let slow_us = server.config.slowlog_log_slower_than;
    if slow_us < 0 || slow_us > server.diagnostics.latency.threshold_ms as i64 * 1000 {
        let _ = writeln!(
            out,
            "- The slow log misses commands that count as spikes here: 'CONFIG SET \
             slowlog-log-slower-than {}' shows them.",
            server.diagnostics.latency.threshold_ms * 1000
        );
    }
    out
}

const ADVICE: &[(&str, &str)] = &[
    (
        "command",
        "Look into the slow log for the commands that take long; everybody waits for them.",
    ),
    (
        "fast-command",
        "Commands that are always short took long: the machine is short of processor time or \
         memory, or large arguments and replies are sent.",
    ),
    (
        "command-unblocking",
        "Many blocked clients are served at once, or what they are served is large.",
    ),
    (
        "replication-load",
        "A slice of a full synchronization took long: the dataset has very large keys, or the \
         machine is short of processor time.",
    ),
    (
        "expire-cycle",
        "Many keys, or very large ones, expire together: spread their times, or split them.",
    ),
    ("expire-del", "Large values expire: split them."),
    ("evict-del", "Large values are evicted: split them."),
    (
        "eviction-cycle",
        "Eviction has much to do: raise maxmemory, or let large values be freed off the loop \
         ('CONFIG SET lazyfree-lazy-eviction yes').",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_spikes() {
        let series = EventSeries {
            samples: [(90, 10), (100, 30), (100 - 7200, 20)].into(),
            max_ms: 40,
        };
        let graph = graph_text("x", &series, 100);
        let lines: Vec<&str> = graph.lines().skip(2).collect();
        assert_eq!(
            lines,
            [" # ", " |_", " ||", "_||", "   ", "102", "0sh", "s  "]
        );
    }
}
