//! Memory of a script outside Lua: replies, arguments, texts. It counts towards the script's limit,
//! and SCRIPT KILL works while the script fills it.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

const MB: u64 = 1 << 20;

fn limited(limit_mb: u64, more: &[&str]) -> Daemon {
    let limit = format!("{limit_mb}mb");
    let settings = [
        &["--script-memory-limit", limit.as_str()][..],
        &["--busy-reply-threshold", "30"],
        more,
    ];
    Daemon::start(&settings.concat())
}

fn reported(c: &mut Connection) -> String {
    let reply = c.reply();
    String::from_utf8_lossy(&reply[..reply.len().min(300)]).into_owned()
}

fn eval(c: &mut Connection, script: &str) -> String {
    c.send(&command(&["EVAL", script, "0"]));
    reported(c)
}

/// The highest resident size since the start.
fn resident(server: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}

#[test]
fn what_is_made_for_a_script_counts_as_its_memory() {
    // Sixty copies of a 5 MB text, or other data many times larger than Lua's own.
    const SIXTY: &str =
        "local s = string.rep('x', 5000000) local t = {} for i = 1, 60 do t[i] = s end ";
    const OTHERS: &str =
        "local s = string.rep('\\n', 5000000) local t = {} for i = 1, 60 do t[i] = s end ";
    let bombs = [
        format!("{SIXTY} return #cjson.encode(t)"),
        format!("{OTHERS} return #cjson.encode(s .. s)"),
        format!("{SIXTY} return #cmsgpack.pack(t)"),
        format!("{SIXTY} return redis.call('DEL', unpack(t))"),
        format!("{SIXTY} return t"),
        format!("{SIXTY} return {{map = {{[s] = t}}}}"),
        format!("{SIXTY} return struct.pack(string.rep('s', 60), unpack(t))"),
        format!("{OTHERS} return string.format(string.rep('%q', 60), unpack(t))"),
        format!("{SIXTY} return string.find(s, '.' .. string.rep('(.', 30) .. '.*' .. string.rep(')', 30))"),
        "redis.call('SET', 'k', string.rep('x', 5000000)) local t = {} for i = 1, 60 do t[i] = 'k' end \
         return #redis.call('MGET', unpack(t))"
            .to_owned(),
        "local t = {1} for i = 1, 40 do t = {t, t} end return t".to_owned(),
        "local t = {1} for i = 1, 40 do t = {map = {t, t}} end return t".to_owned(),
        "local t = {a = 1} for i = 1, 40 do t = {set = {[t] = 1, [{t}] = 2}} end return t".to_owned(),
    ];
    const LIMIT_MB: u64 = 16;
    let server = limited(LIMIT_MB, &[]);
    let mut c = server.connect();
    assert_eq!(eval(&mut c, "return 1"), ":1\r\n");
    let before = resident(&server);
    for bomb in bombs {
        c.reply_limit(Duration::from_secs(100));
        let reported = eval(&mut c, &bomb);
        assert!(
            reported.starts_with('-') && reported.contains("not enough memory"),
            "{bomb}\n{reported}"
        );
        let rose = resident(&server).saturating_sub(before) / MB;
        assert!(rose <= LIMIT_MB + 32, "{bomb}: {rose} MB");
        assert_eq!(eval(&mut c, "return 'a'"), "$1\r\na\r\n");
    }
    // The server cuts a long log line, which is no error.
    assert_eq!(
        eval(&mut c, &format!("{SIXTY} redis.log(3, unpack(t))")),
        "$-1\r\n"
    );
    server.wait_for_log("xxx... and 2");
}

/// A script whose reply takes long to build, and another client that got the BUSY error.
fn replying(server: &Daemon, before: &str) -> (Connection, Connection) {
    let mut running = server.connect();
    let script = format!("{before} local t = {{1}} for i = 1, 60 do t = {{t, t}} end return t");
    running.send(&command(&["EVAL", &script, "0"]));
    let mut other = server.connect();
    wait_until("BUSY", || other.ask("PING").starts_with("-BUSY"));
    (running, other)
}

#[test]
fn a_reply_that_is_long_in_the_making_can_be_stopped() {
    let mut server = limited(1024, &[]);
    let (mut running, mut other) = replying(&server, "");
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).contains("Script killed by user"));
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    // A killed script keeps its writes, as any failing script; no command is half done.
    let (mut running, mut other) = replying(&server, "redis.call('SET', 'a', 1)");
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).contains("Script killed by user"));
    assert_eq!(other.ask("GET a"), "$1\r\n1\r\n");
    let (_running, _other) = replying(&server, "");
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
}

#[test]
fn a_signal_ends_a_script_that_has_not_written() {
    let mut server = limited(64, &[]);
    server
        .connect()
        .send(&command(&["EVAL", "while true do end", "0"]));
    let mut other = server.connect();
    wait_until("BUSY", || other.ask("PING").starts_with("-BUSY"));
    assert!(server.terminate().success());
}

#[test]
fn an_atomic_script_whose_reply_is_refused_is_undone() {
    let server = limited(8, &[]);
    let mut c = server.connect();
    c.reply_limit(Duration::from_secs(100));
    let reply = "local t = {1} for i = 1, 40 do t = {t, t} end return t";
    let reported = eval(
        &mut c,
        &format!("#!lua flags=atomic\nredis.call('SET', 'a', 1) {reply}"),
    );
    assert!(reported.contains("not enough memory"), "{reported}");
    assert_eq!(c.ask("EXISTS a"), ":0\r\n");
    let reported = eval(&mut c, &format!("redis.call('SET', 'a', 1) {reply}"));
    assert!(reported.contains("not enough memory"), "{reported}");
    assert_eq!(c.ask("EXISTS a"), ":1\r\n");
}

#[test]
fn a_client_has_its_own_limit_for_a_reply() {
    let server = limited(64, &["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut c = server.connect();
    c.send(&command(&[
        "EVAL",
        "local t = {1} for i = 1, 60 do t = {t, t} end return t",
        "0",
    ]));
    assert_eq!(c.rest(), b"");
    assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
}

#[test]
fn a_deep_reply_costs_no_more_than_its_bytes() {
    let server = limited(64, &[]);
    let time = |depth: usize| {
        let mut c = server.connect();
        let script = format!(
            "local t = {{string.rep('x', 8000000)}} for i = 1, {depth} do t = {{t}} end return t"
        );
        let began = Instant::now();
        c.send(&command(&["EVAL", &script, "0"]));
        c.send(b"QUIT\r\n");
        let len = c.rest().len();
        assert_eq!(len, 4 * (depth + 1) + 10 + 8_000_000 + 2 + 5);
        began.elapsed()
    };
    let flat = time(1);
    // Moving 8 MB 7,900 times would take seconds.
    let deep = time(7_900);
    assert!(
        deep < 4 * flat + Duration::from_millis(1500),
        "{flat:?} {deep:?}"
    );
}
