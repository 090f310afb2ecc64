//! `russet benchmark` beside Redis's own redis-benchmark: the same tests in the same form. Figures
//! are times, so the comparison leaves numbers out.

use std::process::Command;

use crate::support::daemon::{self, Daemon};
use crate::support::peers::{self, Peer};

/// Standard output, standard error, exit status.
fn said(mut command: Command, words: &str) -> (String, String, Option<i32>) {
    let output = command
        .args(words.split_whitespace())
        .env_remove("REDISCLI_AUTH")
        .output()
        .expect("a load generator");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

fn ours(port: u16, words: &str) -> (String, String, Option<i32>) {
    let mut command = Command::new(daemon::russet());
    command.args(["benchmark", "-p", &port.to_string()]);
    said(command, words)
}

/// The lines with `#` for each number; without the progress, which redis-benchmark overwrites, and
/// without the distributions, whose lines depend on the times.
fn form(output: &str) -> Vec<String> {
    output
        .lines()
        .map(|line| line.rsplit('\r').next().unwrap_or_default())
        .filter(|line| !line.contains("% <= "))
        .map(without_numbers)
        .collect()
}

/// A line with `#` for each number, and one blank for several. Of a test that took less than a
/// millisecond redis-benchmark says `inf requests per second`.
fn without_numbers(line: &str) -> String {
    let mut form = String::new();
    let line = line.replace("inf requests", "0 requests");
    for c in line.trim_end().chars() {
        let before = form.chars().next_back();
        match c {
            '0'..='9' if before != Some('#') => form.push('#'),
            '0'..='9' => {}
            // The decimals belong to the number.
            '.' if before == Some('#') => {}
            ' ' if before == Some(' ') => {}
            c => form.push(c),
        }
    }
    form
}

#[test]
fn figures_have_the_form_of_redis_benchmark() {
    let server = Daemon::start(&["--save", "3600 1"]);
    let program = Peer::Redis8.program();
    let program = program.map(|server| server.with_file_name("redis-benchmark"));
    let Some(program) = program.filter(|its| its.exists()) else {
        peers::left_out("russet benchmark beside redis-benchmark 8.0");
        return;
    };
    let theirs = |words: &str| {
        let mut command = Command::new(&program);
        command.args(["-p", &server.port().to_string()]);
        said(command, words)
    };
    for words in [
        "-n 300 -c 5 -q",
        "-n 300 -c 5 -q -P 16 -r 100 -d 20 -t set,zadd,lrange,mset,xadd",
        "-n 300 -c 5 --csv -t ping,get,lrange_300",
        "-n 300 -c 5 -t incr,hset",
        "-n 300 -c 5 -3 -q HSET h __rand_int__ 1",
    ] {
        let (expected, got) = (theirs(words), ours(server.port(), words));
        assert_eq!(form(&got.0), form(&expected.0), "{words}\n{}", got.0);
        assert_eq!((got.1.as_str(), got.2), ("", Some(0)), "{words}");
    }
}

#[test]
fn as_many_requests_are_answered_as_are_asked_for() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let (_, err, code) = ours(
        server.port(),
        "-n 1000 -c 7 -r 1000000 -q RPUSH list __rand_int__",
    );
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert_eq!(c.ask("LLEN list"), ":1000\r\n");
    // The numbers are random and have twelve digits; the seed decides about them.
    let first = c.ask("LRANGE list 0 0");
    assert!(first.starts_with("*1\r\n$12\r\n0"), "{first}");
    let words = "-n 1 -c 1 -r 1000000 --seed 7 -q SET seed:a __rand_int__";
    ours(server.port(), words);
    ours(server.port(), &words.replace("seed:a", "seed:b"));
    assert_eq!(c.ask("GET seed:a"), c.ask("GET seed:b"));
    // Pipelines are whole: at most one of each connection is beyond.
    ours(server.port(), "-n 1000 -c 3 -P 16 -q INCR n");
    let n = c.ask("GET n");
    let n: u64 = n
        .lines()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    assert!((1000..1000 + 3 * 16).contains(&n), "{n}");
    // Without -r the words are sent as they are.
    ours(server.port(), "-n 1 -c 1 -t set -d 5 -q");
    assert_eq!(c.ask("STRLEN key:__rand_int__"), ":5\r\n");
}

#[test]
fn errors_are_shown_and_counted_as_failures() {
    let server = Daemon::start(&["--requirepass", "secret"]);
    let port = server.port();
    let (out, err, code) = ours(port, "-a wrong -n 10 -c 1 -q -t ping");
    assert_eq!((out.as_str(), code), ("", Some(1)), "{err}");
    assert!(err.contains("AUTH failed: WRONGPASS"), "{err}");
    let (out, err, code) = ours(port, "-a secret -n 10 -c 2 -q INCR a b");
    assert!(out.starts_with("INCR a b: ") && code == Some(1), "{out}");
    let wanted = "Error from server: ERR wrong number of arguments for 'incr' command\n";
    assert_eq!(err, wanted);
    let (_, err, code) = ours(port, "-t nosuch");
    assert!(
        err.contains("There is no test 'nosuch'") && code == Some(1),
        "{err}"
    );
    let (_, err, code) = ours(1, "-n 1 -t ping");
    assert!(
        err.contains("Could not connect to Redis") && code == Some(1),
        "{err}"
    );
    let (out, _, code) = ours(1, "--help");
    assert!(out.starts_with("Usage: russet benchmark") && code == Some(0));
    // A restart in the midst ends it.
    let (_, err, code) = ours(port, "-a secret -n 10 -c 1 -q QUIT");
    assert!(
        err.contains("Server closed the connection") && code == Some(1),
        "{err}"
    );
}
