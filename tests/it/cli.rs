//! `russet cli` beside Redis's own redis-cli: both get the same words and talk to the same daemon.
//!
//! The tests compare standard output, standard error and the exit status. The rows combine
//! options with commands. Each difference on purpose has a test that names it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::daemon::{self, Daemon};
use crate::support::peers;

/// Standard output, standard error, exit status.
type CliOutput = (String, String, Option<i32>);

fn said(mut command: Command, words: &[&str], input: &[u8]) -> CliOutput {
    let mut child = command
        .args(words)
        .env_remove("REDISCLI_AUTH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a client");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input)
        .expect("input");
    let output = child.wait_with_output().expect("output");
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\n");
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

/// `russet cli` with these words, at this port.
fn ours(port: u16, words: &[&str], input: &[u8]) -> CliOutput {
    let mut command = Command::new(daemon::russet());
    command.args(["cli", "-p", &port.to_string()]);
    said(command, words, input)
}

/// The real client of Redis 8.10, if it is installed.
fn theirs(port: u16, words: &[&str], input: &[u8]) -> Option<CliOutput> {
    let program = peers::folder().join("redis810/redis-cli");
    if !program.exists() {
        peers::left_out("russet cli beside redis-cli 8.10");
        return None;
    }
    let mut command = Command::new(program);
    command.args(["-p", &port.to_string()]);
    Some(said(command, words, input))
}

fn filled() -> Daemon {
    let server = Daemon::start(&["--enable-debug-command", "yes"]);
    let mut c = server.connect();
    for line in [
        "MSET k1 v1 k2 v2",
        "HSET h a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11",
        "ZADD z 1.5 a inf b",
        "XADD s 1-1 f v",
        "RPUSH l 1 2 3",
        "EVAL return(redis.call('SET','bin','\\1\\255\"\\\\q\\n')) 0",
    ] {
        c.ask(line);
    }
    server
}

#[test]
fn replies_are_printed_as_redis_cli_does() {
    let server = filled();
    let forms = ["", "--no-raw", "--csv", "--json"];
    let commands = [
        "get k1",
        "get bin",
        "get none",
        "hgetall h",
        "hgetall none",
        "zrange z 0 -1 withscores",
        "xrange s - +",
        "lrange l 0 -1",
        "smembers none",
        "command info get set",
        "command docs get",
        "foo bar",
        "set",
        "dbsize",
        "debug protocol double",
        "debug protocol verbatim",
        "debug protocol true",
        "debug protocol null",
        "debug protocol map",
        "debug protocol set",
        "client list x",
        "acl getuser default",
        "xinfo stream s full",
        "type h",
    ];
    for form in forms {
        for protocol in ["-2", "-3"] {
            for command in commands {
                let words = [form, protocol].into_iter().chain(command.split(' '));
                let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
                let Some(wanted) = theirs(server.port(), &words, b"") else {
                    return;
                };
                assert_eq!(ours(server.port(), &words, b""), wanted, "{words:?}");
            }
        }
    }
}

#[test]
fn options_mean_what_they_mean_to_redis_cli() {
    let server = filled();
    let rows: &[(&str, &[u8])] = &[
        ("-e foo", b""),
        ("--csv -e foo", b""),
        ("-x set from-input", b"five\n"),
        ("get from-input", b""),
        ("-X tag set tag x", b"named"),
        ("-X tag set x y", b""),
        ("--no-raw --scan --pattern k?", b""),
        ("--scan --pattern k? --count 100", b""),
        ("-r 2 -i 0.01 get k1", b""),
        ("-n 99 ping", b""),
        ("-n 2 get k1", b""),
        ("-a x ping", b""),
        ("-a x --no-auth-warning ping", b""),
        ("--user u --pass p ping", b""),
        ("-d , lrange l 0 -1", b""),
        ("-D ; lrange l 0 -1", b""),
        ("--quoted-input get \"k1\"", b""),
        ("-s /nonexistent ping", b""),
        ("--foo", b""),
        (
            "",
            b"set a 1\n\nget \"a\\x41\nget a\nmulti\nget a\nexec\nquit\nget b\n",
        ),
        ("--no-raw", b"3 ping\nselect 3\nget a\nfoo\n"),
        ("--json", b"get 'a\nping"),
        ("--pipe", b"SET x 1\r\nGET x\r\n"),
        ("--pipe", b""),
        ("--bigkeys", b""),
        ("--memkeys", b""),
        ("--memkeys-samples 0", b""),
        ("--hotkeys", b""),
        ("--ldb", b""),
        ("--cluster help", b""),
        ("--cluster check x", b""),
        ("--cluster check 127.0.0.1:1", b""),
    ];
    for (words, input) in rows {
        let words: Vec<&str> = words.split_whitespace().collect();
        let Some(wanted) = theirs(server.port(), &words, input) else {
            return;
        };
        assert_eq!(ours(server.port(), &words, input), wanted, "{words:?}");
    }
}

#[test]
fn a_load_is_piped_and_a_snapshot_is_taken() {
    let server = Daemon::start(&[]);
    let mut load = Vec::new();
    for i in 0..20_000 {
        load.extend_from_slice(format!("SET p{i} {i}\r\n").as_bytes());
    }
    let (out, err, code) = ours(server.port(), &["--pipe"], &load);
    assert!(out.ends_with("errors: 0, replies: 20000\n"), "{out}{err}");
    assert_eq!(code, Some(0));
    let file = server.folder().join("taken.rdb");
    let name = file.to_str().expect("UTF-8");
    let (_, err, code) = ours(server.port(), &["--rdb", name], b"");
    assert_eq!(code, Some(0), "{err}");
    let mut check = Command::new(daemon::russet());
    check.args(["check-rdb", "--stats", name]);
    let (out, err, code) = said(check, &[], b"");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("20000"), "{out}");
    let (_, err, code) = ours(1, &["ping"], b"");
    let wanted = "Could not connect to Redis at 127.0.0.1:1: Connection refused\n";
    assert_eq!((err.as_str(), code), (wanted, Some(1)));
}

#[test]
fn messages_and_commands_are_printed_as_they_come() {
    use std::io::{BufRead, BufReader};
    let server = Daemon::start(&[]);
    for (words, wanted) in [
        (
            &["subscribe", "c"][..],
            &["subscribe", "c", "1", "message", "c", "hi"][..],
        ),
        (
            &["--csv", "psubscribe", "c*"],
            &[
                "\"psubscribe\",\"c*\",1",
                "\"pmessage\",\"c*\",\"c\",\"hi\"",
            ],
        ),
    ] {
        let mut child = Command::new(daemon::russet())
            .args(["cli", "-p", &server.port().to_string()])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("russet cli");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut c = server.connect();
        let mut next = || lines.next().expect("a line").expect("UTF-8");
        let first = wanted.len() / 2;
        for line in &wanted[..first] {
            assert_eq!(next(), *line);
        }
        c.ask("PUBLISH c hi");
        for line in &wanted[first..] {
            assert_eq!(next(), *line);
        }
        child.kill().expect("it runs until it is stopped");
        child.wait().expect("it ends");
    }
}

#[test]
fn options_that_are_missing_are_named() {
    let (_, err, code) = ours(1, &["--vset-recall", "k"], b"");
    let begin = "russet cli has no --vset-recall: ";
    assert!(err.starts_with(begin), "{err}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_hottest_keys_are_named() {
    let server = filled();
    let mut c = server.connect();
    c.ask("CONFIG SET maxmemory-policy allkeys-lfu");
    for _ in 0..200 {
        c.ask("GET k1");
    }
    let (out, err, code) = ours(server.port(), &["--hotkeys"], b"");
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(out.contains(r#"keyname: \"k1\""#), "{out}");
}

/// The distribution of names has more rows than redis-cli's; all before it is the same.
#[test]
fn sizes_of_all_keys_are_reported_as_redis_cli_does() {
    let server = filled();
    let words = ["--keystats-samples", "0", "--top", "2"];
    let Some(wanted) = theirs(server.port(), &words, b"") else {
        return;
    };
    let before = |said: CliOutput| {
        let (sizes, names) = said.0.split_once("Key name length").expect("both parts");
        assert!(names.contains("Type        Total keys"), "{names}");
        (sizes.to_owned(), said.1, said.2)
    };
    assert_eq!(before(ours(server.port(), &words, b"")), before(wanted));
}

#[test]
fn a_script_is_debugged_line_by_line() {
    let server = filled();
    let script = server.folder().join("script.lua");
    std::fs::write(
        &script,
        "local x = redis.call('get', KEYS[1])\nreturn {x, 1}",
    )
    .expect("a file");
    let name = script.to_str().expect("UTF-8");
    let words = ["--ldb", "--eval", name, "k1"];
    let (out, err, code) = ours(server.port(), &words, b"step\nprint x\ncontinue\n");
    assert_eq!((err.as_str(), code), ("", Some(0)));
    for line in [
        "-> 2   return {x, 1}",
        r#"<value> \"v1\""#,
        r#"1) \"v1\""#,
        "(Lua debugging session ended -- dataset changes rolled back)",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
}

#[test]
fn a_replica_prints_what_it_gets() {
    use std::io::{BufRead, BufReader};
    let server = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    let mut child = Command::new(daemon::russet())
        .args(["cli", "-p", &server.port().to_string(), "--replica"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("russet cli");
    let mut notes = BufReader::new(child.stderr.take().expect("piped")).lines();
    let is_streaming = notes.any(|line| line.expect("UTF-8").ends_with("commands from master."));
    assert!(is_streaming);
    server.connect().ask("SET a b");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let is_there = lines.any(|line| {
        line.expect("UTF-8")
            .eq_ignore_ascii_case("\"set\",\"a\",\"b\"")
    });
    assert!(is_there);
    child.kill().expect("it runs until it is stopped");
    child.wait().expect("it ends");
}
