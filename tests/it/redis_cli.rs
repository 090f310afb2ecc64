//! redis-cli and redis-benchmark with the daemon, if they are installed.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Daemon, peers};

/// Whether the tool is installed; prints a message if not.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok();
    if !there {
        peers::left_out(&format!("{tool} is not installed: its tests"));
    }
    there
}

fn cli(server: &Daemon, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.port().to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input)
        .expect("input");
    child.wait_with_output().expect("output")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn redis_cli_scans_and_finds_big_keys() {
    if !has("redis-cli") {
        return;
    }
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for i in 0..300 {
        c.ask(&format!("SET user:{i} {}", "x".repeat(i)));
    }
    c.ask("RPUSH biglist a b c d");
    let out = text(&cli(&server, &["--scan", "--pattern", "user:1?"], b""));
    assert_eq!(out.lines().count(), 10, "{out}");
    let out = text(&cli(&server, &["--bigkeys"], b""));
    assert!(
        out.contains("Biggest string found '\"user:299\"' has 299 bytes"),
        "{out}"
    );
    assert!(
        out.contains("Biggest   list found '\"biglist\"' has 4 items"),
        "{out}"
    );
    let out = text(&cli(&server, &["--memkeys"], b""));
    assert!(out.contains("Sampled 300 keys"), "{out}");
}

#[test]
fn redis_cli_pipes_and_reads_commands_from_its_input() {
    if !has("redis-cli") {
        return;
    }
    let server = Daemon::start(&[]);
    let mut bulk = Vec::new();
    for i in 0..20_000 {
        bulk.extend_from_slice(format!("SET p{i} {i}\r\n").as_bytes());
    }
    let out = text(&cli(&server, &["--pipe"], &bulk));
    assert!(out.contains("errors: 0, replies: 20000"), "{out}");
    let out = text(&cli(&server, &[], b"GET p7\nMULTI\nINCR p7\nEXEC\n"));
    assert_eq!(out, "7\nOK\nQUEUED\n8\n");
    let out = text(&cli(
        &server,
        &["-3", "--json", "COMMAND", "DOCS", "get"],
        b"",
    ));
    assert!(out.contains("\"group\":\"string\""), "{out}");
}

#[test]
fn redis_cli_measures_latency_and_shows_statistics() {
    if !has("redis-cli") {
        return;
    }
    let server = Daemon::start(&[]);
    let out = text(&cli(&server, &["--raw", "-i", "1", "--latency"], b""));
    let numbers = out
        .split_whitespace()
        .filter(|w| w.parse::<f64>().is_ok())
        .count();
    assert!(numbers >= 4, "{out}");
    let mut stat = Command::new("redis-cli")
        .args(["-p", &server.port().to_string(), "-i", "0.05", "--stat"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli");
    let mut lines = String::new();
    let out = stat.stdout.take().expect("piped");
    let mut reader = std::io::BufReader::new(out);
    // Two headings, then a line of figures.
    for _ in 0..3 {
        std::io::BufRead::read_line(&mut reader, &mut lines).expect("a line");
    }
    stat.kill().expect("it runs until it is stopped");
    stat.wait().expect("it ends");
    assert!(
        lines.contains("keys") && lines.contains("clients"),
        "{lines}"
    );
}

#[test]
fn redis_benchmark_runs_its_string_tests() {
    if !has("redis-benchmark") {
        return;
    }
    let server = Daemon::start(&[]);
    let out = Command::new("redis-benchmark")
        .args([
            "-p",
            &server.port().to_string(),
            "-n",
            "2000",
            "-P",
            "8",
            "--csv",
        ])
        .args(["-t", "ping_inline,ping_mbulk,set,get,incr,mset"])
        .output()
        .expect("redis-benchmark");
    let out = text(&out);
    assert_eq!(out.lines().count(), 7, "{out}");
    assert!(!out.to_lowercase().contains("err"), "{out}");
}

/// All default tests of redis-benchmark: russet has each of their commands.
#[test]
fn redis_benchmark_runs_all_it_has() {
    if !has("redis-benchmark") {
        return;
    }
    let server = Daemon::start(&[]);
    let out = Command::new("redis-benchmark")
        .args(["-p", &server.port().to_string(), "-q", "-n", "1000"])
        .output()
        .expect("redis-benchmark");
    let (out, err) = (
        text(&out),
        String::from_utf8_lossy(&out.stderr).into_owned(),
    );
    // redis-benchmark overwrites a test's line while the test runs; the last version has the
    // result.
    let done = |name: &str| {
        out.split(['\r', '\n'])
            .any(|line| line.starts_with(name) && line.contains("requests per second"))
    };
    for name in [
        "PING_INLINE",
        "PING_MBULK",
        "SET",
        "GET",
        "INCR",
        "LPUSH",
        "RPUSH",
        "LPOP",
        "RPOP",
        "SADD",
        "HSET",
        "SPOP",
        "ZADD",
        "ZPOPMIN",
        "LRANGE_100",
        "LRANGE_600",
        "MSET",
    ] {
        assert!(done(name), "{name}: {out}{err}");
    }
    assert!(!out.contains("Error") && !err.contains("ERR"), "{out}{err}");
}

/// redis-cli takes its hints from COMMAND DOCS.
#[test]
fn redis_cli_gives_hints_on_a_terminal() {
    if !has("redis-cli") {
        return;
    }
    let server = Daemon::start(&[]);
    let line = format!("stty cols 150; redis-cli -p {}", server.port());
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env("REDISCLI_HISTFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, which gives it a terminal");
    let mut keys = terminal.stdin.take().expect("piped");
    let mut out = terminal.stdout.take().expect("piped");
    let (send, shown) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = out.read(&mut bytes) {
            if send.send(bytes[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut screen = String::new();
    let until = |what: &str, screen: &mut String| {
        let end = Instant::now() + Duration::from_secs(10);
        while !screen.contains(what) {
            let left = end.saturating_duration_since(Instant::now());
            let bytes = shown
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("{what:?} does not come: {screen:?}"));
            screen.push_str(&String::from_utf8_lossy(&bytes));
        }
        screen.clear();
    };
    until("> ", &mut screen);
    for (typed, hint) in [
        ("getex ", "key [EX seconds|PX milliseconds|EXAT"),
        ("zadd z ", "[NX|XX] [GT|LT] [CH] [INCR] score member"),
        ("config set ", "parameter value"),
    ] {
        // Control-U empties the line.
        keys.write_all(b"\x15").expect("keys");
        keys.write_all(typed.as_bytes()).expect("keys");
        until(hint, &mut screen);
    }
    keys.write_all(b"\x15quit\r").expect("keys");
    assert!(terminal.wait().expect("it ends").success());
    reader.join().expect("it reads to the end");
}

/// Runs a script in `redis-cli --ldb` with these commands; returns the text without colours.
fn ldb(server: &Daemon, mode: &str, commands: &str) -> String {
    let file = server.folder().join("script.lua");
    let script = "local a = {1, {2}}\nredis.call('SET', KEYS[1], ARGV[1])\n\
                  local v = redis.call('GET', KEYS[1])\nreturn v\n";
    std::fs::write(&file, script).expect("a file");
    let file = file.to_str().expect("text");
    let out = cli(
        server,
        &[mode, "--eval", file, "key", ",", "value"],
        commands.as_bytes(),
    );
    let out = text(&out);
    let mut parts = out.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or("", |(_, rest)| rest));
    first + &rest.collect::<String>()
}

#[test]
fn redis_cli_debugs_a_script() {
    if !has("redis-cli") {
        return;
    }
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (mode, end, kept) in [
        (
            "--ldb",
            "(Lua debugging session ended -- dataset changes rolled back)",
            "$-1\r\n",
        ),
        (
            "--ldb-sync-mode",
            "(Lua debugging session ended)",
            "$5\r\nvalue\r\n",
        ),
    ] {
        let out = ldb(&server, mode, "s\np a\nb 4\nc\nprint v\nc\nquit\n");
        for line in [
            "* Stopped at 1, stop reason = step over",
            "-> 1   local a = {1, {2}}",
            "<value> {1; {2}}",
            "  #4   return v",
            "* Stopped at 4, stop reason = break point",
            "->#4   return v",
            "<value> \"value\"",
            end,
        ] {
            assert!(out.lines().any(|l| l == line), "{line}:\n{out}");
        }
        assert_eq!(c.ask("GET key"), kept);
    }
    assert!(ldb(&server, "--ldb", "s\nabort\n").contains("script aborted for user request"));
}
