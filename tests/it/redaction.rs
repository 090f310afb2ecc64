//! Each command that takes a password gets a password in each form: nothing that other clients can
//! see shows the password.

use std::fs;

use crate::support::resp::{command, printable};
use crate::support::{Connection, Daemon, wait_until};

/// The password. The test looks for its parts, too, because a part helps an attacker.
const PASSWORD: &str = "zqxzqxzqxzqxzqx";
const PART: &str = "zqxzq";

/// Commands with a password among their words.
const COMMANDS: [&str; 19] = [
    "AUTH zqxzqxzqxzqxzqx",
    "AUTH ann zqxzqxzqxzqxzqx",
    "AUTH ann zqxzqxzqxzqxzqx x",
    "HELLO 3 AUTH ann zqxzqxzqxzqxzqx",
    "HELLO 2 SETNAME me AUTH ann zqxzqxzqxzqxzqx",
    "HELLO 3 ATH ann zqxzqxzqxzqxzqx",
    "CONFIG SET masterauth zqxzqxzqxzqxzqx",
    "CONFIG SET masteruser zqxzqxzqxzqxzqx hz 11",
    "CONFIG SET metrics-password zqxzqxzqxzqxzqx",
    "CONFIG SET requirepas zqxzqxzqxzqxzqx",
    "CONFIG SET hz requirepass zqxzqxzqxzqxzqx",
    "ACL SETUSER bob on >zqxzqxzqxzqxzqx",
    "ACL SETUSER >zqxzqxzqxzqxzqx",
    "ACL GETUSER >zqxzqxzqxzqxzqx",
    "ACL SETROLE >zqxzqxzqxzqxzqx",
    "MIGRATE 127.0.0.1 1 k 0 10 AUTH zqxzqxzqxzqxzqx",
    "MIGRATE 127.0.0.1 1 k 0 10 COPY AUTH2 ann zqxzqxzqxzqxzqx",
    "MIGRATE 127.0.0.1 1 k 0 10 AUTHH zqxzqxzqxzqxzqx",
    "MIGRATE 127.0.0.1 1 k AUTH zqxzqxzqxzqxzqx",
];

/// Words before a command that is an argument of another command.
const NAMED_BY: [&str; 5] = [
    "ACL DRYRUN default",
    "COMMAND GETKEYS",
    "COMMAND GETKEYSANDFLAGS",
    "ACL DRYRUN default COMMAND GETKEYS",
    "COMMAND GETKEYS ACL DRYRUN default ACL DRYRUN default ACL DRYRUN default ACL DRYRUN default ACL DRYRUN default",
];

/// Requests that break RESP, or have wrong lengths.
const BROKEN: [&str; 10] = [
    "AUTH \"zqxzqxzqxzqxzqx\r\n",
    "AUTH ann \"zqxzqxzqxzqxzqx\r\n",
    "AUHT \"zqxzqxzqxzqxzqx\r\n",
    "CONFIG SET requirepass \"zqxzqxzqxzqxzqx\r\n",
    "*2\r\n$4\r\nAUTH\r\n:zqxzqxzqxzqxzqx\r\n",
    "*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$-5\r\nzqxzqxzqxzqxzqx\r\n",
    "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$x\r\nzqxzqxzqxzqxzqx\r\n",
    "*2\r\n$4\r\nAUTH\r\n$3\r\nzqxzqxzqxzqxzqx\"zqxzqx\r\n",
    "*2\r\n$4\r\nAUTH\r\n$3\r\nzqx\r\n*x\"zqxzqxzqx\r\n",
    "*2\r\n$4\r\nAHTU\r\n$3\r\nzqx\r\n*x\"zqxzqxzqx\r\n",
];

/// Everything that a server shows of its clients' commands.
fn all_shown(
    server: &Daemon,
    admin: &mut Connection,
    monitor: &mut Connection,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in [
        "SLOWLOG GET -1",
        "COMMANDLOG GET -1 slow",
        "COMMANDLOG GET -1 large-request",
        "COMMANDLOG GET -1 large-reply",
        "CLIENT LIST",
        "CLIENT CLOSED",
        "INFO everything",
        "ACL LOG",
        "LATENCY DOCTOR",
    ] {
        all.push((line.to_string(), admin.ask(line)));
    }
    admin.ask("ECHO the-last-of-all");
    let mut seen = String::new();
    while !seen.contains("the-last-of-all") {
        seen = printable(&monitor.reply());
        all.push(("MONITOR".to_string(), seen.clone()));
    }
    all.push(("the log".to_string(), server.log()));
    let audit = fs::read_to_string(server.folder().join("audit.log")).unwrap_or_default();
    all.push(("the audit".to_string(), audit));
    all
}

#[track_caller]
fn assert_hidden(shown: &[(String, String)]) {
    for (place, text) in shown {
        if let Some(at) = text.find(PART) {
            let start = text.floor_char_boundary(at.saturating_sub(200));
            let end = text.floor_char_boundary((at + 100).min(text.len()));
            panic!("{place}: {}", &text[start..end]);
        }
    }
}

fn start() -> (Daemon, Connection, Connection) {
    let server = Daemon::start(&[
        "--loglevel",
        "debug",
        "--audit-log",
        "audit.log",
        "--audit-categories",
        "+@all",
        "--slowlog-log-slower-than",
        "0",
        "--slowlog-max-len",
        "10000",
        "--commandlog-request-larger-than",
        "0",
        "--commandlog-large-request-max-len",
        "10000",
        "--commandlog-reply-larger-than",
        "0",
        "--commandlog-large-reply-max-len",
        "10000",
        "--latency-monitor-threshold",
        "1",
    ]);
    let admin = server.connect();
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
    (server, admin, monitor)
}

#[test]
fn a_password_is_shown_by_nothing() {
    let (server, mut admin, mut monitor) = start();
    for line in COMMANDS {
        let words: Vec<&str> = line.split(' ').collect();
        let mut c = server.connect();
        c.call(&words);
        c.ask("MULTI");
        c.call(&words);
        c.ask("EXEC");
        for outer in NAMED_BY {
            let words: Vec<&str> = outer.split(' ').chain(words.iter().copied()).collect();
            let reply = printable(&c.call(&words));
            assert!(!reply.contains(PART), "{outer} {line}: {reply}");
            c.ask("MULTI");
            c.call(&words);
            c.ask("EXEC");
        }
        // The script builds the password, so the text of the script does not contain it.
        let words = words.iter().map(|word| match word.strip_suffix(PASSWORD) {
            Some(sign) => format!("'{sign}' .. ('zqx'):rep(5)"),
            None => format!("'{word}'"),
        });
        let words: Vec<String> = words.collect();
        let script = format!("return redis.pcall({})", words.join(", "));
        c.call(&["EVAL", &script, "0"]);
    }
    assert_hidden(&all_shown(&server, &mut admin, &mut monitor));
    let slow = admin.ask("SLOWLOG GET -1");
    assert!(
        slow.matches("(redacted)").count() > COMMANDS.len(),
        "{slow}"
    );
}

#[test]
fn a_broken_request_is_shown_without_what_may_be_a_password() {
    let (server, mut admin, mut monitor) = start();
    for (at, broken) in BROKEN.iter().enumerate() {
        let mut c = server.connect();
        assert_eq!(c.ask(&format!("CLIENT SETNAME broken{at}")), "+OK\r\n");
        c.send(broken.as_bytes());
        c.finish_sending();
        c.rest();
        wait_until("it has ended", || {
            admin
                .ask("CLIENT CLOSED")
                .contains(&format!("broken{at}\r\n"))
        });
    }
    // The server shows words that cannot be a password.
    let mut c = server.connect();
    c.ask("CLIENT SETNAME harmless");
    c.send(&command(&["GET", "k"]));
    c.send(b"*1\r\n$x\r\n");
    c.rest();
    wait_until("it has ended", || {
        let closed = admin.ask("CLIENT CLOSED");
        closed.contains("harmless\r\n") && closed.contains("*1\\r\\n$x")
    });
    assert_hidden(&all_shown(&server, &mut admin, &mut monitor));
}
