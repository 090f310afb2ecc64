//! LATENCY: spikes by event, and histograms of command durations.
//!
//! A spike is an occurrence of an event that took at least `latency-monitor-threshold` ms; the
//! server keeps the worst of each second. An event exists from the first spike to a reset.
//! Histograms count every call, whatever the threshold, while `latency-tracking` is on.
//!
//! Cost: replies O(spikes) or O(commands).
//!
//! Decided elsewhere: recording: `server::figures`; the texts of GRAPH and DOCTOR:
//! `latency_report`.

pub(super) mod report;

use crate::help::{self, write_help};
use report::{doctor_text, graph_text};
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Histogram, OF_LATENCY, Row, Spec, World};

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE);
const TIPS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

pub(super) const LATENCY: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[DOCTOR, GRAPH, HELP, HISTOGRAM, HISTORY, LATEST, RESET],
    ..Spec::new("latency", help)
};

const DOCTOR: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("doctor", doctor)
};

/// `LATENCY DOCTOR`: verbatim text about spikes and possible remedies.
fn doctor(call: &mut Call<'_>) -> CommandResult {
    let World {
        keyspace, server, ..
    } = call.world();
    let faults = server.faults_of(keyspace, OF_LATENCY);
    let text = doctor_text(server, &faults);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

const GRAPH: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: FLAGS,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("graph", graph)
};

/// `LATENCY GRAPH event`: verbatim text, a chart of the event's spikes.
fn graph(call: &mut Call<'_>) -> CommandResult {
    let event = call.args.at(2);
    let latency = &call.server.diagnostics.latency;
    let found = latency
        .series
        .iter()
        .find(|(name, _)| name.as_bytes() == event);
    let Some((name, series)) = found else {
        const NO_SAMPLES: &str = "ERR No samples available for event '";
        return Err(CommandError::naming(NO_SAMPLES, event, "'"));
    };
    let text = graph_text(name, series, call.server.now.unix_s());
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

const HELP: Spec = help::row(help);

/// `LATENCY HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "DOCTOR",
            "    What was slow, in words.",
            "GRAPH <event>",
            "    The spikes of <event>, drawn.",
            "HISTORY <event>",
            "    The spikes of <event>: Unix time and milliseconds.",
            "LATEST",
            "    The last spike of every event.",
            "RESET [<event> ...]",
            "    Forget the spikes of these events, or of all.",
            "HISTOGRAM [COMMAND ...]",
            "    How many calls of these commands, or of all, took how long.",
        ],
    );
    Ok(())
}

const HISTOGRAM: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("histogram", histogram)
};

/// `LATENCY HISTOGRAM [command ...]`.
///
/// Reply: a map of `{calls, histogram_usec}` by command; the inner map gives, at each doubling of
/// the microseconds, the number of calls that took no longer. A container stands for all its
/// subcommands; the reply leaves out unknown commands and commands never called.
fn histogram(call: &mut Call<'_>) -> CommandResult {
    let server = &*call.server;
    let mut wanted: Vec<&Row> = Vec::new();
    if call.args.len() == 2 {
        wanted.extend(server.table.rows());
    }
    for name in call.args.from(2).iter() {
        let Some(row) = server.table.find_full(name) else {
            continue;
        };
        wanted.push(row);
        wanted.extend(row.subcommands.iter().map(|&id| server.table.row(id)));
    }
    let seen = |row: &&Row| {
        Some((
            row.full_name,
            server.diagnostics.command_stats[row.id].latency.as_ref()?,
        ))
    };
    let shown: Vec<(&str, &Histogram)> = wanted.iter().filter_map(seen).collect();
    call.reply.map(shown.len());
    for (name, histogram) in shown {
        call.reply.bulk(name.as_bytes());
        distribution(call.reply, histogram);
    }
    Ok(())
}

fn distribution(reply: &mut Reply, histogram: &Histogram) {
    let levels = histogram.cumulative();
    reply.map(2);
    reply.bulk(b"calls");
    reply.int(histogram.total() as i64);
    reply.bulk(b"histogram_usec");
    reply.map(levels.len());
    for (micros, calls) in levels {
        reply.int(micros as i64);
        reply.int(calls as i64);
    }
}

const HISTORY: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: FLAGS,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("history", history)
};

/// `LATENCY HISTORY event`: array of `[unix seconds, milliseconds]`, oldest first.
fn history(call: &mut Call<'_>) -> CommandResult {
    let series = &call.server.diagnostics.latency.series;
    let found = series
        .iter()
        .find(|(name, _)| name.as_bytes() == call.args.at(2));
    let samples = found.map(|(_, series)| &series.samples);
    call.reply.array(samples.map_or(0, |s| s.len()));
    for &(at, ms) in samples.into_iter().flatten() {
        call.reply.array(2);
        call.reply.int(at);
        call.reply.int(ms as i64);
    }
    Ok(())
}

const LATEST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("latest", latest)
};

/// `LATENCY LATEST`: array of `[event, unix seconds, last milliseconds, all-time maximum]`.
fn latest(call: &mut Call<'_>) -> CommandResult {
    let events = &call.server.diagnostics.latency.series;
    call.reply.array(events.len());
    for (name, series) in events {
        let &(at, ms) = series.samples.back().expect("an event begins with a spike");
        call.reply.array(4);
        call.reply.bulk(name.as_bytes());
        call.reply.int(at);
        call.reply.int(ms as i64);
        call.reply.int(series.max_ms as i64);
    }
    Ok(())
}

const RESET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    ..Spec::new("reset", reset)
};

/// `LATENCY RESET [event ...]`: the number of events that were reset; their names are
/// case-insensitive here.
fn reset(call: &mut Call<'_>) -> CommandResult {
    let series = &mut call.server.diagnostics.latency.series;
    let before = series.len();
    if call.args.len() == 2 {
        series.clear();
    }
    for event in call.args.from(2).iter() {
        series.retain(|name, _| !name.as_bytes().eq_ignore_ascii_case(event));
    }
    call.reply.int((before - series.len()) as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn with_spikes() -> Testbed {
        let mut t = Testbed::new();
        let latency = &mut t.engine.server.diagnostics.latency;
        latency.threshold_ms = 100;
        for (now_s, ms) in [
            (999_990, 300),
            (999_990, 200),
            (999_995, 500),
            (999_996, 99),
        ] {
            latency.now_s = now_s;
            latency.add_if_slow("command", ms);
        }
        t
    }

    #[test]
    fn the_worst_of_every_second_is_kept() {
        let mut t = with_spikes();
        let expected = "*2\r\n*2\r\n:999990\r\n:300\r\n*2\r\n:999995\r\n:500\r\n";
        assert_eq!(t.run("LATENCY HISTORY command"), expected);
        assert_eq!(t.run("LATENCY HISTORY nosuch"), "*0\r\n");
        let latest = "*1\r\n*4\r\n$7\r\ncommand\r\n:999995\r\n:500\r\n:500\r\n";
        assert_eq!(t.run("LATENCY LATEST"), latest);
        assert_eq!(t.run("LATENCY RESET nosuch"), ":0\r\n");
        assert_eq!(t.run("LATENCY RESET nosuch COMMAND"), ":1\r\n");
        assert_eq!(t.run("LATENCY LATEST"), "*0\r\n");
    }

    #[test]
    fn a_graph_names_its_extremes() {
        let mut t = with_spikes();
        let graph = t.run("LATENCY GRAPH command");
        let head = "command - high 500 ms, low 300 ms (all time high 500 ms)\n";
        assert!(graph.contains(head), "{graph}");
        let none = "-ERR No samples available for event 'nosuch'\r\n";
        assert_eq!(t.run("LATENCY GRAPH nosuch"), none);
        let reply = t.run_args(&[b"LATENCY", b"GRAPH", b"nosuch\0more"]);
        assert_eq!(reply, none.as_bytes());
    }

    #[test]
    fn histograms_are_of_commands_that_ran() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run("CLIENT ID");
        assert_eq!(t.run("LATENCY HISTOGRAM nosuch get"), "*0\r\n");
        let text = t.run("LATENCY HISTOGRAM set client");
        assert!(
            text.starts_with("*4\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:1\r\n"),
            "{text}"
        );
        assert!(text.contains("$9\r\nclient|id\r\n"), "{text}");
        assert!(
            t.run("LATENCY HISTOGRAM CLIENT|ID")
                .starts_with("*2\r\n$9\r\nclient|id\r\n")
        );
    }
}
