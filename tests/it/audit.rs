//! The audit log with real connections: its lines, its rules, and a log that cannot be written.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::once::run_once;
use crate::support::{Daemon, wait_until};

fn lines(server: &Daemon) -> Vec<Value> {
    let text = fs::read_to_string(server.folder().join("audit.log")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// Waits until the log has `len` commands, and returns them.
fn wait_for(server: &Daemon, len: usize) -> Vec<Value> {
    wait_until("lines", || lines(server).len() >= len);
    lines(server)
}

#[test]
fn lines_name_client_command_and_result() {
    let server = Daemon::start(&["--audit-log", "audit.log"]);
    let mut c = server.connect();
    c.ask("SET plain 1");
    c.ask("CLIENT SETNAME ops");
    c.ask("ACL SETUSER ann on >secret ~* +@all -flushall");
    c.ask("AUTH ann wrong");
    c.ask("AUTH ann secret");
    c.ask("FLUSHALL");
    c.call(&["EVAL", "return redis.call('KEYS', KEYS[1])", "1", "a\nb"]);
    c.ask("MULTI");
    c.ask("FLUSHDB");
    c.ask("EXEC");
    c.ask("GET plain");
    let all = wait_for(&server, 7);
    let shown: Vec<(&str, &str, &str)> = all
        .iter()
        .map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or("");
            (field("command"), field("user"), field("result"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("acl|setuser", "default", "ok"),
            ("auth", "default", "error"),
            ("auth", "ann", "ok"),
            ("flushall", "ann", "refused"),
            ("keys", "ann", "ok"),
            ("eval", "ann", "ok"),
            ("flushdb", "ann", "ok"),
        ]
    );
    assert_eq!(all[0]["args"][1], "ann");
    assert_eq!(all[0]["args"][2], "(redacted)");
    let text = fs::read_to_string(server.folder().join("audit.log")).expect("a log");
    assert!(
        !text.contains("secret") && !text.contains("wrong"),
        "{text}"
    );
    assert_eq!(all[1]["error"], "WRONGPASS");
    assert_eq!(all[4]["by"], "script");
    assert_eq!(
        (&all[4]["client"], &all[4]["addr"]),
        (&all[5]["client"], &all[5]["addr"])
    );
    assert_eq!(all[5]["keys"][0], "a\nb");
    assert_eq!(all[6]["by"], "exec");
    assert_eq!(all[5]["name"], "ops");
    assert!(all[5]["us"].is_u64() && all[0]["time"].is_string());
    assert!(
        all[0]["addr"]
            .as_str()
            .is_some_and(|a| a.starts_with("127.0.0.1:"))
    );
    // INFO reports the audit of a running server, and the rules change while it runs.
    assert_eq!(server.info("audit_lines_written").as_deref(), Some("7"));
    let mut admin = server.connect();
    admin.call(&["CONFIG", "SET", "audit-categories", "-@all get"]);
    let wrong = admin.call(&["CONFIG", "SET", "audit-categories", "@nothing"]);
    let wrong = String::from_utf8(wrong).expect("text");
    assert!(wrong.contains("unknown category '@nothing'"), "{wrong}");
    admin.call(&["CONFIG", "SET", "audit-users", "* -default"]);
    admin.ask("GET plain");
    c.ask("GET plain");
    let gets = || {
        let mut all = lines(&server);
        all.retain(|line| line["command"] == "get");
        all
    };
    wait_until("the line of GET", || !gets().is_empty());
    let gets = gets();
    assert_eq!((gets.len(), &gets[0]["user"]), (1, &"ann".into()));
    assert_eq!(gets[0]["keys"][0], "plain");
}

#[test]
fn secrets_are_hidden_wherever_a_command_has_them() {
    let server = Daemon::start(&[
        "--audit-log",
        "audit.log",
        "--audit-categories",
        "@admin @dangerous command|getkeys",
    ]);
    let mut c = server.connect();
    let lines = [
        ("CONFIG SET masterath hunter2", "set masterath (redacted)"),
        (
            "MIGRATE h 1 k 0 10 COPY AUTHH hunter2",
            "h 1 k 0 10 COPY (redacted) (redacted)",
        ),
        (
            "ACL DRYRUN default CONFIG SET requirepass hunter2 hz 10",
            "dryrun default config set requirepass (redacted) hz 10",
        ),
        (
            "ACL DRYRUN default MIGRATE h 1 k 0 10 AUTH hunter2",
            "dryrun default migrate h 1 k 0 10 auth (redacted)",
        ),
        (
            "ACL DRYRUN default NOSUCH hunter2",
            "dryrun default (redacted) (redacted)",
        ),
        (
            "COMMAND GETKEYS MIGRATE h 1 k 0 10 AUTH2 me hunter2",
            "getkeys migrate h 1 k 0 10 auth2 (redacted) (redacted)",
        ),
        ("MIGRATE h 1 k AUTH hunter2", "h 1 k (redacted) (redacted)"),
        (
            "CONFIG SET hz requirepass hunter2",
            "set hz requirepass (redacted)",
        ),
        (
            "ACL DRYRUN default CONFIG STE requirepass hunter2",
            "dryrun default (redacted) (redacted) (redacted) (redacted)",
        ),
        (
            "COMMAND GETKEYS ACL SETUSR bob >hunter2",
            "getkeys (redacted) (redacted) (redacted) (redacted)",
        ),
        ("ACL SETROLE >hunter2", "setrole (redacted)"),
        ("ACL SETUSER >hunter2", "setuser (redacted)"),
        ("ACL DELUSER ann bob", "deluser ann bob"),
        ("COMMAND GETKEYS GET k", "getkeys get k"),
        ("ACL DRYRUN default", "dryrun default"),
        ("COMMAND GETKEYS", "getkeys"),
    ];
    for (line, _) in lines {
        c.ask(line);
    }
    let all = wait_for(&server, lines.len());
    for (recorded, (line, args)) in all.iter().zip(lines) {
        let shown: Vec<&str> = recorded["args"]
            .as_array()
            .map(|args| args.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        assert_eq!(
            shown.join(" ").to_lowercase(),
            args.to_lowercase(),
            "{line}"
        );
    }
    let text = fs::read_to_string(server.folder().join("audit.log")).expect("a log");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_log_that_takes_nothing_drops_lines_or_blocks_commands() {
    let server = Daemon::start(&[
        "--audit-log",
        "/dev/full",
        "--audit-categories",
        "-@all get",
    ]);
    let mut c = server.connect();
    // The first line fails, and 8,192 more wait.
    for _ in 0..100 {
        let replies = b"GET k\r\n".repeat(100);
        c.send(&replies);
        (0..100).for_each(|_| assert_eq!(c.reply(), b"$-1\r\n"));
    }
    wait_until("lines are dropped", || {
        server.info("audit_lines_dropped").is_some_and(|n| n != "0")
    });
    assert_eq!(server.info("audit_lines_written").as_deref(), Some("0"));
    assert_eq!(c.ask("CONFIG SET audit-on-full block"), "+OK\r\n");
    wait_until("audited commands are refused", || {
        c.ask("GET k")
            .starts_with("-ERR The audit log takes no lines")
    });
    let refused = c.call(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]);
    assert!(refused.starts_with(b"-ERR The audit log takes no lines"));
    assert_eq!(c.ask("SET k v"), "+OK\r\n");
    // The server never refuses the commands that repair or end the audit.
    assert_eq!(c.ask("CONFIG SET audit-categories @all"), "+OK\r\n");
    assert!(c.ask("PING").starts_with("-ERR The audit log"));
    assert!(c.ask("AUTH default x").starts_with("+OK"));
    assert!(
        c.ask("CONFIG SET maxmemory 0")
            .starts_with("-ERR The audit log")
    );
    assert_eq!(c.ask("CONFIG SET audit-categories get"), "+OK\r\n");
    server.wait_for_log("Writing the audit log: No space left on device");
    // CONFIG SET moves the log to a disk with room.
    assert_eq!(c.ask("CONFIG SET audit-log audit.log"), "+OK\r\n");
    assert_eq!(c.ask("GET k"), "$1\r\nv\r\n");
    wait_for(&server, 1);
}

/// Regression: the server looked for the keys of a command that lacked its arguments.
#[test]
fn refused_commands_are_recorded_whatever_they_lack() {
    let server = Daemon::start(&[
        "--audit-log",
        "audit.log",
        "--audit-categories",
        "@all",
        "--requirepass",
        "s3cret",
    ]);
    let mut admin = server.connect();
    assert_eq!(admin.ask("AUTH s3cret"), "+OK\r\n");
    let names = admin.value("COMMAND LIST");
    let names = names.items().expect("names").iter();
    let names: Vec<Vec<u8>> = names
        .map(|name| name.text().expect("a name").to_vec())
        .collect();
    let mut c = server.connect();
    for name in names
        .iter()
        .filter(|name| ![&b"quit"[..], b"hello"].contains(&&name[..]))
    {
        for len in 0..5 {
            let mut words = vec![name.clone()];
            words.resize(1 + len, b"x".to_vec());
            let reply = c.call(&words);
            assert!(
                reply.starts_with(b"-") || reply.starts_with(b"+RESET"),
                "{words:?}"
            );
        }
    }
    assert_eq!(admin.ask("PING"), "+PONG\r\n");
}

#[test]
fn what_scripts_and_transactions_may_not_do_is_recorded() {
    let server = Daemon::start(&["--audit-log", "audit.log"]);
    let mut c = server.connect();
    c.ask("ACL SETUSER ann on nopass ~* +@all -config|set");
    c.ask("AUTH ann x");
    let script = "return redis.pcall('CONFIG', 'SET', 'maxmemory', '0')";
    assert!(c.call(&["EVAL", script, "0"]).starts_with(b"-"));
    c.ask("MULTI");
    assert_eq!(c.ask("FLUSHALL"), "+QUEUED\r\n");
    let mut admin = server.connect();
    admin.ask("ACL SETUSER ann -flushall");
    c.ask("EXEC");
    let all = wait_for(&server, 6);
    let refused: Vec<(&str, &str, &str)> = all
        .iter()
        .filter(|line| line["result"] == "refused")
        .map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or("");
            (field("command"), field("by"), field("error"))
        })
        .collect();
    let wanted = [
        ("config|set", "script", "ERR"),
        ("flushall", "exec", "NOPERM"),
    ];
    assert_eq!(refused, wanted);
    let eval = all
        .iter()
        .find(|line| line["command"] == "eval")
        .expect("a line");
    assert_eq!(
        (&eval["result"], &eval["error"]),
        (&"error".into(), &"ERR".into())
    );
}

/// Regression: the server lost queued lines at its end, and never recorded SHUTDOWN.
#[test]
fn a_shutdown_writes_what_is_queued_and_itself() {
    let mut server = Daemon::start(&["--audit-log", "audit.log", "--audit-categories", "@all"]);
    let mut c = server.connect();
    c.send(&b"SET k v\r\n".repeat(2000));
    c.send(b"SHUTDOWN NOSAVE NOW\r\n");
    server.wait_end();
    let all = lines(&server);
    let sets = all.iter().filter(|line| line["command"] == "set").count();
    assert_eq!(sets, 2000);
    let last = all.last().expect("lines");
    assert_eq!(
        (&last["command"], &last["result"]),
        (&"shutdown".into(), &"accepted".into())
    );
}

#[test]
fn a_pipe_without_a_reader_does_not_hold_the_server() {
    let server = Daemon::start(&[]);
    let path = server.folder().join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("a pipe");
    let mut c = server.connect();
    let said = c.ask("CONFIG SET audit-log pipe");
    assert!(said.contains("audit-log"), "{said}");
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_wrong_rule_or_an_unwritable_log_refuses_the_start() {
    use std::process::Command;
    for (directive, value, wanted) in [
        (
            "--audit-categories",
            "@nothing",
            "unknown category '@nothing'",
        ),
        (
            "--audit-log",
            "/no/such/folder/audit.log",
            "audit-log: No such file or directory",
        ),
    ] {
        let line = format!("{} {value}\n", directive.trim_start_matches('-'));
        let checked = run_once(Path::new("/"), &["--check-config", "-"], line.as_bytes());
        let about = directive.trim_start_matches('-');
        assert!(
            checked.code == Some(1) && checked.err.contains(about),
            "{checked:?}"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let out = Command::new(crate::support::daemon::russet())
            .args(["--port", "0", "--unixsocket", "s.sock", "--dir"])
            .arg(folder.path())
            .args([directive, value])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(!out.status.success() && text.contains(wanted), "{text}");
    }
}
