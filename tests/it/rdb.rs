//! Files and payloads exchanged with real servers in both directions, and damaged files.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::random::Random;
use crate::support::{Connection, Daemon, Reply, daemon::russet, peers::Peer};

const PEERS: [Peer; 4] = [Peer::Redis7, Peer::Redis8, Peer::Redis810, Peer::Valkey9];

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("russet-test-")
        .tempdir()
        .expect("a folder")
}

/// A server that starts in a new folder with this file.
pub(crate) fn with_file(program: &Path, file: &Path, args: &[&str]) -> Daemon {
    let folder = folder();
    std::fs::copy(file, folder.path().join("dump.rdb")).expect("a copy");
    Daemon::start_in(program, args, folder)
}

/// The files of `tests/data/compressed-snapshots.txt`.
fn compressed() -> Vec<Vec<u8>> {
    let text = include_str!("../data/compressed-snapshots.txt");
    let hex = text.lines().filter(|line| !line.starts_with('#'));
    let hex = hex.filter_map(|line| Some(line.split_once(" | ")?.1));
    let digit = |hex: &str, at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
    hex.map(|hex| (0..hex.len()).step_by(2).map(|at| digit(hex, at)).collect())
        .collect()
}

/// Valkey 9.2 writes these files with `rdbcompression lz4` and `zstd`.
#[test]
fn files_that_are_compressed_as_a_whole_are_loaded() {
    let files = compressed();
    assert_eq!(files.len(), 4);
    for file in &files {
        let folder = folder();
        std::fs::write(folder.path().join("dump.rdb"), file).expect("a file");
        let server = Daemon::start_in(&russet(), &["--rdbcompression", "lz4"], folder);
        let mut c = server.connect();
        assert_eq!(c.ask("DBSIZE"), ":3\r\n");
        assert_eq!(
            c.ask("LRANGE list 0 -1"),
            "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"
        );
        assert_eq!(c.ask("STRLEN long"), ":1200\r\n");
        assert!(
            server.log().contains("rdbcompression lz4: "),
            "it says what it does"
        );
        assert_eq!(c.ask("CONFIG SET rdbcompression zstd"), "+OK\r\n");
        assert!(
            c.ask("CONFIG GET rdbcompression")
                .ends_with("$4\r\nzstd\r\n")
        );
        assert!(
            c.ask("CONFIG SET rdbcompression x")
                .contains("argument must be 'yes' or 'no'")
        );
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        let saved = std::fs::read(server.folder().join("dump.rdb")).expect("a file");
        assert!(saved.starts_with(b"REDIS"));
    }
    // The file as the base of an append only file.
    let folder = folder();
    let dir = folder.path().join("appendonlydir");
    std::fs::create_dir(&dir).expect("a folder");
    std::fs::write(dir.join("appendonly.aof.1.base.rdb"), &files[0]).expect("a file");
    std::fs::write(
        dir.join("appendonly.aof.1.incr.aof"),
        "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n",
    )
    .expect("a file");
    let manifest = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    std::fs::write(dir.join("appendonly.aof.manifest"), manifest).expect("a file");
    let checked = Command::new(russet())
        .args(["check-aof", "appendonlydir/appendonly.aof.manifest"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    assert!(checked.status.success(), "{checked:?}");
    let server = Daemon::start_in(&russet(), &["--appendonly", "yes"], folder);
    let mut c = server.connect();
    assert_eq!(c.ask("DBSIZE"), ":4\r\n");
}

/// Values of every type and encoding.
pub(crate) fn fill(c: &mut Connection) {
    let mut run = |line: &str| {
        let reply = c.ask(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    };
    run("SET int 12345");
    run("SET int:big 9223372036854775807");
    run("SET int:text 007");
    run("SET text hello");
    run("APPEND raw 42");
    run(&format!("SET long {}", "abcdefgh".repeat(4000)));
    run(&format!("SET huge {}", "0123456789".repeat(150_000)));
    run("SET expires 1 EX 100000");
    for i in 0..10 {
        run(&format!("RPUSH list {i} value:{i}"));
        run(&format!("SADD set:int {}", i * 70_000_000_000u64));
        run(&format!("SADD set:small {i} member:{i}"));
        run(&format!("ZADD zset:small {}.25 member:{i}", i * 3));
        run(&format!("HSET hash:small field:{i} {i}"));
    }
    run("ZADD zset:small -inf low +inf high 1e16 far 0 nought");
    for i in 0..1500 {
        run(&format!("RPUSH list:long value:{i} {i}"));
        run(&format!("SADD set:large member:{i}"));
        run(&format!("ZADD zset:large {i}.5 member:{i}"));
        run(&format!("HSET hash:large field:{i} value:{i}"));
    }
    run(&format!("RPUSH list:long {}", "x".repeat(20_000)));
    run("SELECT 9");
    run("SET other database");
    run("SELECT 0");
}

pub(crate) fn fill_expiring_fields(c: &mut Connection) {
    for i in 0..600 {
        c.ask(&format!("HSET hash:ttl:large field:{i} value:{i}"));
        let at = 33_177_117_420_000u64 + i;
        c.ask(&format!(
            "HPEXPIREAT hash:ttl:large {at} FIELDS 1 field:{}",
            i / 2
        ));
    }
    c.ask("HSET hash:ttl:small a 1 b 2 c 3");
    let reply = c.ask("HPEXPIREAT hash:ttl:small 33177117420000 FIELDS 2 a c");
    assert_eq!(reply, "*2\r\n:1\r\n:1\r\n");
}

/// Hashes whose field names Redis 8.10 keeps in templates.
pub(crate) fn fill_templates(c: &mut Connection) {
    c.ask("HIMPORT PREPARE few name age city");
    let names: Vec<String> = (0..600).map(|at| format!("field:{at}")).collect();
    c.ask(&format!("HIMPORT PREPARE many {}", names.join(" ")));
    c.ask("HIMPORT PREPARE unused x");
    for i in 0..20 {
        let long = "y".repeat(100);
        c.ask(&format!("HIMPORT SET template:{i} few name:{i} {i} Paris"));
        c.ask(&format!(
            "HIMPORT SET template:long:{i} few {long} {i} Paris"
        ));
        c.ask(&format!(
            "HIMPORT SET template:many:{i} many {}",
            names.join(" ")
        ));
    }
    assert_eq!(c.ask("HLEN template:many:7"), ":600\r\n");
}

/// A key's value, as text independent of the order of its elements.
fn value(c: &mut Connection, key: &str) -> String {
    let kind = c.ask(&format!("TYPE {key}"));
    let (line, sorts, width) = match kind.trim_end() {
        "+string" => (format!("GET {key}"), false, 1),
        "+list" => (format!("LRANGE {key} 0 -1"), false, 1),
        "+set" => (format!("SMEMBERS {key}"), true, 1),
        "+zset" => (format!("ZRANGE {key} 0 -1 WITHSCORES"), false, 2),
        "+hash" => (format!("HGETALL {key}"), true, 2),
        "+stream" => (format!("XRANGE {key} - +"), false, 1),
        other => panic!("{key}: {other}"),
    };
    let reply = c.value(&line);
    let Some(items) = reply.items() else {
        return format!("{key} {reply:?}");
    };
    let mut elements: Vec<_> = items
        .chunks(width)
        .map(|item| format!("{item:?}"))
        .collect();
    if sorts {
        elements.sort();
    }
    format!("{key} {kind}{elements:?}")
}

/// The contents of both databases, except expiring hashes.
pub(crate) fn contents(c: &mut Connection) -> Vec<String> {
    let mut all = Vec::new();
    for db in [9, 0] {
        c.ask(&format!("SELECT {db}"));
        let reply = c.value("KEYS *");
        let keys = reply.items().expect("keys").iter();
        let mut keys: Vec<String> = keys
            .map(|key| String::from_utf8_lossy(key.text().expect("a key")).into_owned())
            .filter(|key| !key.starts_with("hash:ttl"))
            .collect();
        keys.sort();
        all.extend(keys.iter().map(|key| value(c, key)));
    }
    all
}

/// The contents of the expiring hashes, in a fixed order.
pub(crate) fn expiring_fields(c: &mut Connection) -> Vec<String> {
    let mut all = Vec::new();
    for (key, count) in [("hash:ttl:large", 600), ("hash:ttl:small", 3)] {
        assert_eq!(c.ask(&format!("HLEN {key}")), format!(":{count}\r\n"));
    }
    for i in 0..600 {
        let field = format!("field:{i}");
        all.push(c.ask(&format!("HGET hash:ttl:large {field}")));
        all.push(c.ask(&format!("HPEXPIRETIME hash:ttl:large FIELDS 1 {field}")));
    }
    for field in ["a", "b", "c"] {
        all.push(c.ask(&format!("HGET hash:ttl:small {field}")));
        all.push(c.ask(&format!("HPEXPIRETIME hash:ttl:small FIELDS 1 {field}")));
    }
    all
}

fn encodings(c: &mut Connection) -> Vec<String> {
    [
        "int",
        "int:text",
        "text",
        "long",
        "list",
        "list:long",
        "set:int",
        "set:small",
        "set:large",
        "zset:small",
        "zset:large",
        "hash:small",
        "hash:large",
    ]
    .iter()
    .map(|key| format!("{key}: {}", c.ask(&format!("OBJECT ENCODING {key}"))))
    .collect()
}

/// The setting that allows DEBUG, the same for every server.
const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

#[test]
fn files_of_other_servers_hold_here_what_they_hold_there() {
    for peer in PEERS {
        let Some(program) = peer.program_for("files of other servers") else {
            continue;
        };
        for compression in ["yes", "no"] {
            let theirs = Daemon::start_program(&program, &["--rdbcompression", compression]);
            let mut there = theirs.connect();
            fill(&mut there);
            let expires = peer != Peer::Redis7;
            if expires {
                fill_expiring_fields(&mut there);
            }
            if peer == Peer::Redis810 {
                fill_templates(&mut there);
            }
            assert_eq!(there.ask("SAVE"), "+OK\r\n");
            let ours = with_file(&russet(), &theirs.folder().join("dump.rdb"), &[]);
            let mut here = ours.connect();
            if expires {
                assert_eq!(expiring_fields(&mut here), expiring_fields(&mut there));
            }
            let ttl = here.ask("TTL expires");
            assert!(ttl.starts_with(":9999") || ttl == ":100000\r\n", "{ttl}");
            assert!(
                contents(&mut here) == contents(&mut there),
                "{}",
                peer.name()
            );
            if peer == Peer::Redis8 {
                assert_eq!(encodings(&mut here), encodings(&mut there));
            }
        }
    }
}

#[test]
fn other_servers_load_our_files() {
    let ours = Daemon::start(&DEBUG);
    let mut here = ours.connect();
    fill(&mut here);
    let held = contents(&mut here);
    let file = ours.folder().join("dump.rdb");
    for (peer, version) in [
        (Peer::Redis7, "9"),
        (Peer::Redis7, "10"),
        (Peer::Redis8, "11"),
        (Peer::Redis8, "12"),
        (Peer::Redis810, "0"),
        (Peer::Redis810, "15"),
        (Peer::Valkey9, "0"),
    ] {
        let Some(program) = peer.program_for("our files on other servers") else {
            continue;
        };
        let reply = here.ask(&format!("CONFIG SET rdb-version {version}"));
        assert_eq!(reply, "+OK\r\n");
        assert_eq!(here.ask("SAVE"), "+OK\r\n");
        let theirs = with_file(&program, &file, &[]);
        let mut there = theirs.connect();
        assert!(contents(&mut there) == held, "{} {version}", peer.name());
    }
    fill_expiring_fields(&mut here);
    assert!(here.ask("CONFIG SET rdb-version 11").starts_with('+'));
    assert!(here.ask("SAVE").starts_with("-ERR "));
    ours.wait_for_log("hash:ttl:");
    assert!(here.ask("CONFIG SET rdb-version 0").starts_with('+'));
    assert_eq!(here.ask("SAVE"), "+OK\r\n");
    let Some(program) = Peer::Redis8.program_for("our expiring fields on Redis") else {
        return;
    };
    let theirs = with_file(&program, &file, &[]);
    let mut there = theirs.connect();
    assert_eq!(expiring_fields(&mut there), expiring_fields(&mut here));
    let checker = program.with_file_name("redis-check-rdb");
    if checker.exists() {
        let checked = Command::new(checker).arg(&file).output().expect("it runs");
        assert!(checked.status.success(), "{checked:?}");
    }
}

/// The bytes of a bulk string.
pub(crate) fn bulk(reply: &[u8]) -> Vec<u8> {
    let start = reply.iter().position(|&b| b == b'\n').expect("a line") + 1;
    reply[start..reply.len() - 2].to_vec()
}

#[test]
fn payloads_of_other_servers_are_restored_and_ours_there() {
    let ours = Daemon::start(&DEBUG);
    let mut here = ours.connect();
    for peer in PEERS {
        let Some(program) = peer.program_for("payloads of other servers") else {
            continue;
        };
        let theirs = Daemon::start_program(&program, &[]);
        let mut there = theirs.connect();
        fill(&mut there);
        if peer != Peer::Redis7 {
            fill_expiring_fields(&mut there);
        }
        if peer == Peer::Redis810 {
            fill_templates(&mut there);
        }
        here.ask("FLUSHALL");
        let keys = there.value("KEYS *");
        for key in keys.items().expect("keys") {
            let key = key.text().expect("a key");
            let payload = bulk(&there.call(&[b"DUMP", key]));
            let reply = here.call(&[b"RESTORE", key, b"0", &payload]);
            assert_eq!(reply, b"+OK\r\n", "{} {key:?}", peer.name());
            let name = String::from_utf8_lossy(key).into_owned();
            let same = value(&mut here, &name) == value(&mut there, &name);
            assert!(
                same || name.starts_with("hash:ttl"),
                "{} {name}",
                peer.name()
            );
            if matches!(peer, Peer::Redis8 | Peer::Redis810) {
                let back = bulk(&here.call(&[b"DUMP", key]));
                let reply = there.call(&[b"RESTORE", key, b"0", &back, b"REPLACE"]);
                assert_eq!(reply, b"+OK\r\n", "{name}");
                let same = value(&mut here, &name) == value(&mut there, &name);
                assert!(same || name.starts_with("hash:ttl"), "{name}");
            }
        }
        if peer != Peer::Redis7 {
            assert_eq!(expiring_fields(&mut here), expiring_fields(&mut there));
        }
    }
}

/// With `rdb-version` a payload has the form that the other server reads.
#[test]
fn our_payloads_have_the_configured_version() {
    let ours = Daemon::start(&DEBUG);
    let mut here = ours.connect();
    fill(&mut here);
    fill_expiring_fields(&mut here);
    for (peer, version) in [
        (Peer::Redis7, "10"),
        (Peer::Redis8, "12"),
        (Peer::Redis810, "14"),
        (Peer::Valkey9, "11"),
        (Peer::Valkey9, "80"),
    ] {
        let Some(program) = peer.program_for("our payloads on other servers") else {
            continue;
        };
        let theirs = Daemon::start_program(&program, &[]);
        let mut there = theirs.connect();
        let set = here.ask(&format!("CONFIG SET rdb-version {version}"));
        assert_eq!(set, "+OK\r\n");
        let expires = ["12", "14", "80"].contains(&version);
        let keys = here.value("KEYS *");
        for key in keys.items().expect("keys") {
            let key = key.text().expect("a key");
            let name = String::from_utf8_lossy(key).into_owned();
            let payload = bulk(&here.call(&[b"DUMP", key]));
            let stated =
                u16::from_le_bytes([payload[payload.len() - 10], payload[payload.len() - 9]]);
            if name.starts_with("hash:ttl") && !expires {
                // This version cannot hold the value, so DUMP writes the lowest version that can.
                assert_eq!(stated, 12, "{name}");
                continue;
            }
            assert_eq!(stated.to_string(), version, "{name}");
            let reply = there.call(&[b"RESTORE", key, b"0", &payload]);
            assert_eq!(reply, b"+OK\r\n", "{} {name}", peer.name());
            let back = here.call(&[b"RESTORE", key, b"0", &payload, b"REPLACE"]);
            assert_eq!(back, b"+OK\r\n", "{name}");
            let same = value(&mut here, &name) == value(&mut there, &name);
            assert!(
                same || name.starts_with("hash:ttl"),
                "{} {name}",
                peer.name()
            );
        }
        if expires {
            assert_eq!(expiring_fields(&mut here), expiring_fields(&mut there));
        }
    }
    for version in ["16", "79", "82", "-1"] {
        let refused = here.ask(&format!("CONFIG SET rdb-version {version}"));
        assert!(refused.starts_with("-ERR"), "{version}: {refused}");
    }
    // A file version of Valkey.
    assert_eq!(here.ask("CONFIG SET rdb-version 80"), "+OK\r\n");
    assert_eq!(here.ask("SAVE"), "+OK\r\n");
    let file = ours.folder().join("dump.rdb");
    assert!(
        std::fs::read(&file)
            .expect("a file")
            .starts_with(b"VALKEY080")
    );
    let Some(program) = Peer::Valkey9.program_for("our files of its own version") else {
        return;
    };
    let theirs = with_file(&program, &file, &[]);
    let mut there = theirs.connect();
    assert!(contents(&mut there) == contents(&mut here));
    assert_eq!(expiring_fields(&mut there), expiring_fields(&mut here));
}

#[test]
fn a_restart_keeps_what_was_saved() {
    let mut server = Daemon::start(&DEBUG);
    let mut c = server.connect();
    fill(&mut c);
    fill_expiring_fields(&mut c);
    let digest = c.ask("DEBUG DIGEST");
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    assert_eq!(
        server.info("rdb_last_load_keys_loaded").as_deref(),
        Some("20")
    );
    server.kill();
    server.restart();
    let mut c = server.connect();
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    server.wait_for_log("DB loaded from disk: ");
    assert_eq!(c.ask("DEBUG RELOAD NOSAVE MERGE NOFLUSH"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
    let twice = c.ask("DEBUG RELOAD NOSAVE NOFLUSH");
    assert!(
        twice.starts_with("-ERR Error trying to load the RDB dump"),
        "{twice}"
    );
}

/// Runs russet in a folder until it exits by itself; returns its exit status and its log.
fn refused(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(russet())
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--unixsocket",
            "socket",
            "--dir",
        ])
        .arg(folder)
        .output()
        .expect("it runs");
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), log)
}

fn check(file: &Path) -> (Option<i32>, String) {
    let output = Command::new(russet())
        .args(["check-rdb", "--stats"])
        .arg(file)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn a_damaged_file_stops_the_start_and_the_place_is_logged() {
    let server = Daemon::start(&DEBUG);
    let mut c = server.connect();
    c.ask("SET first 1");
    c.ask("RPUSH broken one two three");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    let file = server.folder().join("dump.rdb");
    let (code, text) = check(&file);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Checksum OK"), "{text}");
    assert!(text.contains("[stats] list: 1 keys"), "{text}");

    let sound = std::fs::read(&file).expect("a file");
    let folder = folder();
    let name = folder.path().join("dump.rdb");
    let mut bytes = sound.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&name, &bytes).expect("written");
    let (code, log) = refused(folder.path());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("CRC error"), "{log}");
    assert!(
        log.trim_end()
            .ends_with("Fatal error loading the DB, check server logs. Exiting.")
    );
    assert_eq!(check(&name).0, Some(1));

    let mut bytes = sound;
    let at = bytes
        .windows(3)
        .position(|w| w == b"two")
        .expect("an element");
    bytes[at - 1] = 0xFE;
    std::fs::write(&name, &bytes).expect("written");
    let (code, text) = check(&name);
    assert_eq!(code, Some(1));
    for line in [
        "List listpack integrity check failed",
        "[additional info] While doing: read-object-value",
        "[additional info] Reading key 'broken'",
        "[additional info] Reading type 18 (quicklist-v2)",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let (code, log) = refused(folder.path());
    assert_eq!(code, Some(1));
    assert!(
        log.contains("key 'broken': List listpack integrity check failed"),
        "{log}"
    );
    assert!(
        log.contains("Terminating server after rdb file reading failure."),
        "{log}"
    );
}

/// The checksum of a payload: CRC-64 of Redis, one bit at a time.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc, _| {
            let odd = crc & 1;
            (crc >> 1) ^ (0x95ac_9329_ac4b_c9b5 * odd)
        })
    })
}

/// Streams with groups, small and of several nodes.
fn fill_streams(c: &mut Connection) {
    for (key, entries) in [("stream:small", 5), ("stream:large", 300)] {
        for i in 1..=entries {
            c.ask(&format!(
                "XADD {key} {i}-{i} field:{} {i} other value",
                i % 3
            ));
        }
        c.ask(&format!("XDEL {key} 2-2"));
        for group in ["g", "h"] {
            assert_eq!(c.ask(&format!("XGROUP CREATE {key} {group} 0")), "+OK\r\n");
        }
        c.ask(&format!("XREADGROUP GROUP g c COUNT 3 STREAMS {key} >"));
        c.ask(&format!("XREADGROUP GROUP g d COUNT 1 STREAMS {key} >"));
        c.ask(&format!("XACK {key} g 1-1"));
    }
}

/// Commands for an accepted value: for each type some commands that walk the value and change it.
const USES: [&str; 32] = [
    "DEBUG DIGEST-VALUE m",
    "MEMORY USAGE m SAMPLES 0",
    "OBJECT ENCODING m",
    "DUMP m",
    "LRANGE m 0 -1",
    "LPOP m",
    "RPUSH m x",
    "SMEMBERS m",
    "SADD m x",
    "SPEXPIRE m 100000 MEMBERS 1 x",
    "SPERSIST m MEMBERS 1 x",
    "SPOP m",
    "HGETALL m",
    "HSET m x 1",
    "HPEXPIRE m 100000 FIELDS 1 x",
    "HDEL m x",
    "ZRANGE m 0 -1 WITHSCORES",
    "ZADD m 1 x",
    "ZPOPMIN m",
    "APPEND m x",
    "XRANGE m - +",
    "XREVRANGE m + - COUNT 3",
    "XINFO STREAM m FULL",
    "XADD m MAXLEN ~ 3 * f v",
    "XREADGROUP GROUP g c COUNT 2 STREAMS m >",
    "XAUTOCLAIM m g d 0 0",
    "XPENDING m g",
    "XTRIM m MAXLEN 1",
    "PFCOUNT m",
    "SORT m ALPHA",
    "SCAN 0 TYPE stream",
    "COPY m n REPLACE",
];

/// Payloads with a valid checksum and random content: the server refuses a payload, or has a value
/// that every command can use. `RUSSET_PAYLOADS` is the number of payloads for each value of
/// `sanitize-dump-payload`.
#[test]
fn mutated_payloads_harm_nobody() {
    let count = std::env::var("RUSSET_PAYLOADS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(1500);
    for (seed, sanitize) in (20..).zip(["no", "yes", "clients"]) {
        restore_mutated(count, seed, sanitize);
    }
}

fn restore_mutated(count: usize, seed: u64, sanitize: &str) {
    let server = Daemon::start(&DEBUG);
    let mut c = server.connect();
    assert_eq!(
        c.ask(&format!("CONFIG SET sanitize-dump-payload {sanitize}")),
        "+OK\r\n"
    );
    fill(&mut c);
    fill_expiring_fields(&mut c);
    fill_streams(&mut c);
    let keys = c.value("KEYS *");
    let keys = keys.items().expect("keys").iter();
    let dump = |key: &Reply| {
        bulk(
            &server
                .connect()
                .call(&[b"DUMP", key.text().expect("a key")]),
        )
    };
    let payloads: Vec<Vec<u8>> = keys.map(dump).filter(|p| p.len() < 40_000).collect();
    let uses = USES.map(|line| format!("{line}\r\n")).concat();
    let mut random = Random::new(seed);
    let mut taken = 0;
    for _ in 0..count {
        let mut bytes = random.pick(&payloads).clone();
        let body = bytes.len() - 10;
        for _ in 0..random.few() {
            let at = random.below(body);
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                // Changes the type, or the lengths after it.
                2 => bytes[random.below(body.min(8))] = random.below(256) as u8,
                _ => bytes[at] = [0, 0xff, 0x7f, 0x80][random.below(4)],
            }
        }
        let end = bytes.len() - 8;
        let crc = crc64(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&crc);
        let reply = c.call(&[&b"RESTORE"[..], b"m", b"0", &bytes, b"REPLACE"]);
        if reply != b"+OK\r\n" {
            assert!(reply.starts_with(b"-ERR "), "{reply:?}");
            continue;
        }
        taken += 1;
        c.send(uses.as_bytes());
        for _ in USES {
            c.reply();
        }
    }
    assert_eq!(c.ask("PING"), "+PONG\r\n");
    assert!(taken > count / 20 && taken < count, "{taken} of {count}");
}

/// While a file loads, INFO reports the progress from the first second on.
#[test]
fn loading_reports_its_progress() {
    let mut server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("DEBUG POPULATE 500");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    let port = server.port().to_string();
    server.kill();
    let mut slow = Command::new(russet())
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
        .args([
            "--key-load-delay",
            "20000",
            "--loading-process-events-interval-bytes",
            "1024",
        ])
        .current_dir(server.folder())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut reported = String::new();
    let number = |reported: &str, name: &str| -> u64 {
        let line = reported.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().expect("a number"))
    };
    crate::support::wait_until("some keys to be loaded", || {
        let Ok(mut c) = Connection::open(server.port()) else {
            return false;
        };
        reported = c.ask("INFO persistence");
        number(&reported, "rdb_last_load_keys_loaded:") > 0
    });
    let _ = slow.kill();
    let _ = slow.wait();
    assert!(reported.contains("\nloading:1\r"), "{reported}");
    assert!(number(&reported, "loading_rdb_used_mem:") > 0, "{reported}");
    assert!(number(&reported, "loading_eta_seconds:") > 0, "{reported}");
}
