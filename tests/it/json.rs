//! JSON documents of a daemon: files, payloads, the log and replication, to and from Redis Stack.

use std::fs;

use crate::long_documents::long_array;
use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::{Connection, Daemon, wait_until};
use tempfile::TempDir;

/// Keys, paths and values; each pair of servers must show the same texts.
const DOCUMENTS: [(&str, &str); 9] = [
    ("null", "null"),
    ("number", "-12.50"),
    ("text", r#""caf\u00e9 \ud83d\ude00 \u0007 \"q\" /""#),
    ("empty", "{}"),
    (
        "order",
        r#"{"id":1,"lines":[{"sku":"a","n":2},{"sku":"b","n":3.5}],"to":{"name":"x"}}"#,
    ),
    ("numbers", "[1,2,300,-4,5000000000,18446744073709551615]"),
    ("floats", "[1.5,2.25,1e300,-0.0,0.1]"),
    ("mixed", r#"[true,null,"a",1,{"a":[]},[[]]]"#),
    ("deep", r#"{"a":{"a":{"a":{"a":{"a":[{"a":1}]}}}}}"#),
];

fn fill(c: &mut Connection) {
    for (key, text) in DOCUMENTS {
        assert_eq!(c.call(&["JSON.SET", key, "$", text]), b"+OK\r\n");
    }
    let many: Vec<String> = (0..3000)
        .map(|at| format!("{{\"n\":{at},\"s\":\"{at}\"}}"))
        .collect();
    let many = format!("[{}]", many.join(","));
    assert_eq!(c.call(&["JSON.SET", "many", "$", &many]), b"+OK\r\n");
    c.ask("PEXPIREAT order 33177117420000");
}

/// The texts of all documents.
fn texts(c: &mut Connection) -> Vec<String> {
    let keys = DOCUMENTS.iter().map(|(key, _)| *key).chain(["many"]);
    keys.map(|key| c.ask(&format!("JSON.GET {key}"))).collect()
}

/// A Redis Stack, or `None` if it is not installed.
fn stack(args: &[&str], folder: Option<TempDir>) -> Option<Daemon> {
    let program = Peer::Stack7.program_for("JSON beside Redis Stack")?;
    Some(match folder {
        Some(folder) => Daemon::start_in(&program, args, folder),
        None => Daemon::start_program(&program, args),
    })
}

/// The folder of a server that has ended, with only its RDB file.
fn moved(from: &Daemon) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let file = "dump.rdb";
    fs::copy(from.folder().join(file), folder.path().join(file)).expect("a file");
    folder
}

#[test]
fn files_go_both_ways() {
    let Some(redis) = stack(&[], None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (from, to_redis) in [(&ours, true), (&redis, false)] {
        let mut c = from.connect();
        fill(&mut c);
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        let folder = moved(from);
        let to = if to_redis {
            stack(&[], Some(folder)).expect("it is installed")
        } else {
            Daemon::start_in(&russet(), &[], folder)
        };
        let mut other = to.connect();
        assert_eq!(texts(&mut other), texts(&mut c));
        assert_eq!(other.ask("PEXPIRETIME order"), ":33177117420000\r\n");
    }
    // russet and Redis Stack write the same payload: encver 3.
    let (mut ours, mut redis) = (ours.connect(), redis.connect());
    for (key, _) in DOCUMENTS {
        let payload = |c: &mut Connection| {
            let reply = c.call(&["DUMP", key]);
            // Version and checksum differ with the server's release.
            reply[..reply.len() - 12].to_vec()
        };
        assert_eq!(payload(&mut ours), payload(&mut redis), "{key}");
    }
}

#[test]
fn replication_goes_both_ways() {
    let Some(redis) = stack(&[], None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (primary, replica) in [(&ours, &redis), (&redis, &ours)] {
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        fill(&mut c);
        let mut other = replica.connect();
        other.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        wait_until("the full sync", || {
            replica.info("master_link_status").as_deref() == Some("up")
        });
        for line in [
            "JSON.SET order $.lines[0].n 7",
            "JSON.NUMINCRBY order $..n 2",
            "JSON.ARRAPPEND numbers $ 1 2.5",
            "JSON.ARRPOP mixed $ 0",
            "JSON.ARRINSERT mixed $ 1 9",
            "JSON.ARRTRIM floats $ 1 2",
            "JSON.DEL order $.to",
            "JSON.CLEAR deep $.a.a.a",
            "JSON.DEL empty",
            "JSON.MSET a $ 1 b $ 2",
        ] {
            assert!(!c.ask(line).starts_with('-'), "{line}");
        }
        c.call(&["JSON.MERGE", "order", "$", r#"{"id":null,"new":{"a":1}}"#]);
        c.call(&["JSON.STRAPPEND", "text", "$", "\"more\""]);
        let expected = texts(&mut c);
        wait_until("the replica to follow", || texts(&mut other) == expected);
        other.ask("REPLICAOF NO ONE");
    }
}

#[test]
fn times_reach_a_redis_stack_that_has_none() {
    let Some(redis) = stack(&[], None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let mut other = redis.connect();
    other.ask(&format!("REPLICAOF 127.0.0.1 {}", ours.port()));
    wait_until("the full sync", || {
        redis.info("master_link_status").as_deref() == Some("up")
    });
    let mut c = ours.connect();
    assert_eq!(c.ask("JSON.SET k $ 1 PXAT 33177117420000"), "+OK\r\n");
    assert_eq!(c.ask("JSON.SET k $ 2 XX KEEPTTL"), "+OK\r\n");
    assert_eq!(c.ask("JSON.SET gone $ 1 NX EXAT 1"), "+OK\r\n");
    wait_until("the replica to follow", || {
        other.ask("JSON.GET k") == "$1\r\n2\r\n"
    });
    assert_eq!(other.ask("PEXPIRETIME k"), ":33177117420000\r\n");
    assert_eq!(other.ask("DBSIZE"), ":1\r\n");
}

#[test]
fn migrate_goes_both_ways() {
    let Some(redis) = stack(&[], None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (from, to) in [(&ours, &redis), (&redis, &ours)] {
        let (mut from, port) = (from.connect(), to.port());
        fill(&mut from);
        let expected = texts(&mut from);
        let port = port.to_string();
        let words = [
            "MIGRATE",
            "127.0.0.1",
            &port,
            "",
            "0",
            "5000",
            "KEYS",
            "many",
        ];
        let keys = DOCUMENTS.iter().map(|(key, _)| *key);
        let words: Vec<&str> = words.into_iter().chain(keys).collect();
        assert_eq!(from.call(&words), b"+OK\r\n");
        assert_eq!(texts(&mut to.connect()), expected);
        assert_eq!(from.ask("DBSIZE"), ":0\r\n");
        to.connect().ask("FLUSHALL");
    }
}

#[test]
fn the_log_has_documents_in_both_forms() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        fill(&mut c);
        c.ask("JSON.SET fpha $ [1,2.5] FPHA FP16");
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        c.ask("JSON.NUMINCRBY order $..n 2");
        let mut expected = texts(&mut c);
        expected.push(c.ask("JSON.GET fpha"));
        server.kill();
        server.restart();
        let mut c = server.connect();
        let mut kept = texts(&mut c);
        kept.push(c.ask("JSON.GET fpha"));
        assert_eq!(kept, expected, "preamble {preamble}");
    }
}

/// A Redis without the JSON module refuses a document, and its data stays as it is.
#[test]
fn a_redis_without_the_module_refuses_them_by_name() {
    let Some(program) = Peer::Redis8.program_for("JSON beside a Redis without it") else {
        return;
    };
    let ours = Daemon::start(&[]);
    let redis = Daemon::start_program(&program, &[]);
    let mut c = ours.connect();
    assert_eq!(c.ask("JSON.SET k $ 1"), "+OK\r\n");
    let line = format!("MIGRATE 127.0.0.1 {} k 0 5000", redis.port());
    let refused = c.ask(&line);
    assert!(refused.starts_with("-"), "{refused}");
    assert_eq!(c.ask("JSON.GET k"), "$1\r\n1\r\n");
}

#[test]
fn a_config_of_redis_stack_starts() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(&file, "loadmodule /opt/redis-stack/lib/rejson.so\n").expect("a file");
    let file = file.to_str().expect("UTF-8").to_owned();
    let server = Daemon::start_with_file(&file, &[], folder);
    server.wait_for_log("Module /opt/redis-stack/lib/rejson.so is not loaded: its commands are");
    assert!(server.connect().ask("MODULE LIST").contains("ReJSON"));
}

#[test]
fn an_error_is_the_whole_reply() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("JSON.SET k $ [1]");
    for line in [
        "JSON.TYPE k $[",
        "JSON.GET k FORMAT EXPAND $[",
        "JSON.OBJKEYS k $[",
    ] {
        let replies = c.ask("HELLO 3");
        assert!(replies.starts_with('%'));
        assert!(
            c.ask(line).starts_with("-Error occurred on position 2"),
            "{line}"
        );
        assert_eq!(c.ask("PING"), "+PONG\r\n");
    }
}

#[test]
fn the_change_stream_names_the_paths_that_change() {
    let server = Daemon::start(&["--changes-retain", "1mb"]);
    let mut c = server.connect();
    c.ask(r#"JSON.SET k $ {"a":{"n":1},"l":[]}"#);
    c.ask("SET other 1");
    c.ask("JSON.NUMINCRBY k $.a.n 2");
    c.ask("JSON.MSET k $.l[0] 1 j $ 2");
    c.ask("JSON.SET k $.a 5 EX 1000");
    c.ask("JSON.DEL k $..n");
    c.ask("JSON.DEL k $.a");
    let read = c.ask("CHANGES READ - TYPES json");
    for words in [
        "*4\r\n$14\r\nJSON.NUMINCRBY\r\n$1\r\nk\r\n$5\r\n$.a.n\r\n$1\r\n2\r\n*1\r\n$1\r\nk\r\n",
        "*4\r\n$8\r\nJSON.SET\r\n$1\r\nk\r\n$3\r\n$.a\r\n$1\r\n5\r\n*1\r\n$1\r\nk\r\n",
        "*3\r\n$8\r\nJSON.DEL\r\n$1\r\nk\r\n$3\r\n$.a\r\n*1\r\n$1\r\nk\r\n",
    ] {
        assert!(read.contains(words), "{words:?} in {read}");
    }
    // The failed command has changed nothing.
    assert!(!read.contains("$..n") && !read.contains("other"), "{read}");
}

#[test]
fn what_every_type_has_documents_have() {
    let server = Daemon::start(&["--flush-grace", "60", "--script-rollback", "yes"]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let long = long_array();
    c.call(&["JSON.SET", "long", "$", &long]);
    c.ask(r#"JSON.SET k $ {"a":1,"b":[1,2]}"#);
    let before = c.ask("DEBUG DIGEST");
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), before);

    // A copy does not change with its source.
    for key in ["k", "long"] {
        assert_eq!(c.ask(&format!("COPY {key} copy REPLACE")), ":1\r\n");
        let kept = c.ask(&format!("JSON.GET {key}"));
        assert_eq!(c.ask("JSON.GET copy"), kept);
        c.ask("JSON.CLEAR copy");
        assert_eq!(c.ask(&format!("JSON.GET {key}")), kept);
    }
    let usage = |c: &mut Connection, key: &str| -> usize {
        let reply = c.ask(&format!("MEMORY USAGE {key}"));
        reply.trim().trim_start_matches(':').parse().expect("bytes")
    };
    let (small, large) = (usage(&mut c, "k"), usage(&mut c, "long"));
    assert!((20..200).contains(&small), "{small}");
    assert!((long.len() / 4..long.len()).contains(&large), "{large}");

    // Only a change of the watched document makes EXEC fail.
    for (line, reply) in [
        ("JSON.SET k $.a 2", "*-1\r\n"),
        ("JSON.SET k $.a 2 NX", "*1\r\n+PONG\r\n"),
        ("JSON.TOGGLE k $.a", "*1\r\n+PONG\r\n"),
        ("JSON.GET k", "*1\r\n+PONG\r\n"),
    ] {
        c.ask("WATCH k");
        other.ask(line);
        c.ask("MULTI");
        c.ask("PING");
        assert_eq!(c.ask("EXEC"), reply, "{line}");
    }

    // A script that fails changes no document.
    c.ask(r#"JSON.SET k $ {"a":1,"b":[1,2]}"#);
    let script = "redis.call('JSON.SET', KEYS[1], '$.a', '7') \
                  redis.call('JSON.CLEAR', KEYS[2]) error('no')";
    assert!(
        c.call(&["EVAL", script, "2", "k", "long"])
            .starts_with(b"-")
    );
    assert_eq!(c.ask("JSON.GET k $.a"), "$3\r\n[1]\r\n");
    assert_eq!(c.ask("JSON.ARRLEN long"), ":300001\r\n");

    // FLUSH UNDO brings the documents back.
    let before = c.ask("DEBUG DIGEST");
    c.ask("FLUSHALL");
    assert_eq!(c.ask("JSON.GET k"), "$-1\r\n");
    assert!(!c.ask("FLUSH UNDO").starts_with('-'));
    assert_eq!(c.ask("DEBUG DIGEST"), before);
}

#[test]
fn a_client_that_tracks_learns_of_a_changed_document() {
    let server = Daemon::start(&[]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let long = long_array();
    c.ask("HELLO 3");
    c.ask("CLIENT TRACKING ON");
    for (value, read) in [("[1,2]", "JSON.GET k $[0]"), (&long, "JSON.GET k")] {
        other.call(&["JSON.SET", "k", "$", value]);
        assert!(c.ask(read).starts_with('$'));
        other.ask("JSON.NUMINCRBY k $[0] 1");
        let push = String::from_utf8(c.reply()).expect("text");
        assert_eq!(push, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    }
}
