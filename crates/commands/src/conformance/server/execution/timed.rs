//! The times of commands, alone and in pipelines.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_resp::OwnedArgs;
use russet_server::inside::request;

fn wire(line: &str) -> Vec<u8> {
    let words: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
    request(words.args())
}

/// Calls of a command, those whose time is counted, and whether their sum is.
fn counted(t: &Testbed, name: &str) -> (u64, u64, bool) {
    let server = &t.engine.server;
    let row = server.table.find(name.as_bytes()).expect("a command").id;
    let stats = &server.diagnostics.command_stats[row];
    let timed = stats.latency.as_ref().map_or(0, |calls| calls.total());
    (stats.calls, timed, stats.ticks > 0)
}

fn pipeline(lines: &[String]) -> Testbed {
    let mut t = Testbed::new();
    t.run_pipeline(
        &lines
            .iter()
            .flat_map(|line| wire(line))
            .collect::<Vec<u8>>(),
    );
    t
}

#[test]
fn each_call_of_a_pipeline_is_counted_and_timed_once() {
    for calls in [1, 2, 3, 4, 5, 16, 17, 70] {
        let lines: Vec<String> = (0..calls).map(|n| format!("SET key:{n} value")).collect();
        assert_eq!(counted(&pipeline(&lines), "set"), (calls, calls, true));
    }
}

#[test]
fn other_commands_refused_ones_and_large_ones_end_no_count() {
    let large = format!("SET large {}", "x".repeat(5000));
    let round = [
        "SET a 1",
        "GET a",
        "GET a",
        "GET",
        "GET a",
        "HGET a f",
        "GET a b",
        "GET a",
        &large,
        "GET large",
        "GET a",
        "GET a",
        "GET large",
        "EVAL return(redis.call('GET','a')) 0",
        "MULTI",
        "GET a",
        "GET a",
        "GET a",
        "EXEC",
        "GET a",
        "NOSUCH",
        "GET a",
        "RPUSH l 1",
    ];
    let lines: Vec<String> = (0..50).flat_map(|_| round).map(str::to_owned).collect();
    let t = pipeline(&lines);
    // The script's GET and those of the transaction are calls, too.
    assert_eq!(counted(&t, "get"), (50 * 14, 50 * 14, true));
    assert_eq!(counted(&t, "set"), (50 * 2, 50 * 2, true));
    assert_eq!(counted(&t, "hget"), (50, 50, true));
    assert_eq!(counted(&t, "exec"), (50, 50, true));
    let sum: u64 = (t.engine.server.diagnostics.command_stats.iter())
        .map(|stats| stats.ticks)
        .sum();
    // Calls in a transaction or a script are a part of its time.
    assert!(t.engine.server.stats.command_ticks < sum);
}

#[test]
fn clients_that_are_served_in_between_take_no_time_of_a_group() {
    let mut t = Testbed::new();
    let blocked = t.connect();
    assert_eq!(t.run_as(blocked, "BLPOP q 0"), "");
    let pushes: Vec<u8> = (0..4).flat_map(|_| wire("RPUSH q v")).collect();
    t.run_pipeline(&pushes);
    assert_ne!(t.take_reply(blocked), b"");
    assert_eq!(counted(&t, "rpush"), (4, 4, true));
    assert_eq!(counted(&t, "blpop"), (1, 1, true));
}

#[test]
fn where_each_call_is_asked_for_it_is_timed_alone() {
    let gets: Vec<u8> = (0..8).flat_map(|_| wire("GET a")).collect();
    let mut t = Testbed::new();
    t.run("CONFIG SET slowlog-log-slower-than 0");
    t.run("SLOWLOG RESET");
    t.run_pipeline(&gets);
    assert_eq!(t.run("SLOWLOG LEN"), ":9\r\n", "and RESET");
}
