//! The texts of LATENCY GRAPH and LATENCY DOCTOR.
//!
//! GRAPH draws a bar for each spike, up to 80 in a part and 4 rows high; the lowest spike is the
//! base. The age of a spike stands below the bar, read downwards.
//!
//! DOCTOR begins with the faults of the verdict that slow the server, then names each event with
//! the event's figures, then the advice for these events (`ADVICE`). Both only format existing
//! figures and measure nothing.

use std::fmt::Write;

use russet_base::finding::{Finding, Weight};
use russet_server::{EventSeries, Server};

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// The top of a bar within a row, from low to high.
const ENDS: [char; 3] = ['_', 'o', '#'];

/// A bar for each spike, with the spike's age below.
pub(crate) fn graph_text(event: &str, series: &EventSeries, now_s: i64) -> String {
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

/// A finding for each event: the spikes, and advice. If the slow log misses some commands, the last
/// finding is about the log.
fn findings(server: &Server) -> Vec<Finding> {
    let latency = &server.diagnostics.latency;
    let now_s = server.now.unix_s();
    let events = latency.series.iter();
    let mut found: Vec<Finding> = events
        .map(|(event, series)| {
            let finding = Finding::new(Weight::Warning, *event, spikes(series, now_s));
            let advice = ADVICE.iter().find(|(of, _)| of == event);
            Finding {
                remedy: advice.map(|(_, advice)| (*advice).to_owned()),
                ..finding
            }
        })
        .collect();
    let slow_us = server.config.slowlog_log_slower_than;
    if slow_us < 0 || slow_us > latency.threshold_ms as i64 * 1000 {
        let text = "The slow log misses commands that count as spikes here";
        let threshold_us = latency.threshold_ms * 1000;
        let remedy = format!("'CONFIG SET slowlog-log-slower-than {threshold_us}' shows them.");
        found.push(Finding::notice(SLOW_LOG, text).with_remedy(remedy));
    }
    found
}

/// The code of the finding of the slow log.
const SLOW_LOG: &str = "slow log";

/// How many there are of an event, how long and how often.
fn spikes(series: &EventSeries, now_s: i64) -> String {
    let spikes = || series.samples.iter().map(|&(_, ms)| ms);
    let count = series.samples.len();
    let divisor = count.max(1) as u64;
    let mean = spikes().sum::<u64>() / divisor;
    let far = spikes().map(|ms| ms.abs_diff(mean)).sum::<u64>() / divisor;
    let first = series.samples.front().map_or(0, |&(at, _)| at);
    let period = (now_s - first) as f64 / divisor as f64;
    format!(
        "{count} spikes, {mean} ms on average (mean deviation {far} ms), one every {period:.1} s; \
         the worst ever took {} ms.",
        series.max_ms,
    )
}

/// The faults of the verdict that slow the server, statistics of the spikes, and possible remedies.
pub(crate) fn doctor_text(server: &Server, faults: &[Finding]) -> String {
    let mut out = String::new();
    for Finding {
        code, text, remedy, ..
    } in faults
    {
        let mend = remedy.as_ref().filter(|its| *its != "LATENCY DOCTOR");
        let mend = mend.map_or(String::new(), |its| format!(". Fix: {its}"));
        out += &format!("* {code}: {text}{mend}\n");
    }
    out + &spikes_text(server)
}

fn spikes_text(server: &Server) -> String {
    if server.diagnostics.latency.threshold_ms == 0 {
        return "The latency monitor is off. 'CONFIG SET latency-monitor-threshold \
                <milliseconds>' turns it on; then ask again after a while.\n"
            .into();
    }
    if server.diagnostics.latency.series.is_empty() {
        return "No latency spike has been seen since the monitor was turned on or reset.\n".into();
    }
    let found = findings(server);
    let mut out = String::from("Latency spikes of this server, by event:\n\n");
    let events = found.iter().filter(|finding| finding.code != SLOW_LOG);
    for (i, Finding { code, text, .. }) in events.enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}. {code}: {text}", i + 1);
    }
    out.push_str("\nWhat may help:\n\n");
    for Finding {
        code, text, remedy, ..
    } in &found
    {
        if let Some(remedy) = remedy {
            let of_the_log = if code == SLOW_LOG {
                format!("{text}: ")
            } else {
                String::new()
            };
            let _ = writeln!(out, "- {of_the_log}{remedy}");
        }
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
        "sync-ack",
        "Replies waited for replicas (min-sync-replicas): the network or a replica is slow. \
         'INFO replication' shows the members and their lag.",
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
