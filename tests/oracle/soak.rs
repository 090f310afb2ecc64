//! A mixed load for a while: commands of every group from several clients, every background job,
//! and changing settings. At the end three datasets must be equal: the data that Redis 8.0 loads
//! from the files, the data after a kill, and the data in the server itself.
//!
//! `RUSSET_SOAK_SECONDS` (default 20; `just soak` runs 900).

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::followers::keeps_from_followers;
use crate::random::Random;
use crate::streams::grammar::Row;
use crate::streams::rows::{self, Group};
use crate::support::memory::Memory;
use crate::support::wait::{SetOnDrop, wait_within};
use crate::support::{Connection, Daemon, Reply, peers::Peer, resp};

pub(crate) const GROUPS: &[&Group] = &[
    &rows::STRING,
    &rows::GENERIC,
    &rows::EXPIRE,
    &rows::LIST,
    &rows::SET,
    &rows::HASH,
    &rows::HASH_FIELD_TTL,
    &rows::ZSET,
    &rows::SORT,
    &rows::TRANSACTION,
    &rows::BITMAP,
    &rows::HYPERLOGLOG,
    &rows::GEO,
    &rows::STREAM,
    &rows::ARRAY,
    &rows::FIELDSET,
    &rows::SCRIPTING,
];

/// Settings that may change at any moment, and their values.
const SETTINGS: &[(&str, &[&str])] = &[
    ("appendonly", &["no", "yes", "yes"]),
    ("appendfsync", &["always", "everysec", "no"]),
    ("aof-use-rdb-preamble", &["yes", "no"]),
    ("aof-checksum", &["yes", "no"]),
    ("aof-timestamp-enabled", &["yes", "no"]),
    ("no-appendfsync-on-rewrite", &["yes", "no"]),
    ("auto-aof-rewrite-percentage", &["100", "1", "0"]),
    ("auto-aof-rewrite-min-size", &["64mb", "64kb"]),
    ("snapshot-method", &["loop", "fork"]),
    ("rdbcompression", &["yes", "no"]),
    ("save", &["", "1 10", "3600 1"]),
    ("activedefrag", &["yes", "no"]),
    ("maxmemory", &["0", "1gb"]),
    (
        "maxmemory-policy",
        &["noeviction", "allkeys-lru", "volatile-ttl"],
    ),
    ("lazyfree-lazy-expire", &["yes", "no"]),
    ("lazyfree-lazy-user-del", &["yes", "no"]),
    ("notify-keyspace-events", &["", "KEA"]),
    ("hz", &["10", "100"]),
    ("hash-max-listpack-entries", &["512", "4"]),
    ("set-max-intset-entries", &["512", "4"]),
    ("set-max-listpack-entries", &["128", "4"]),
    ("zset-max-listpack-entries", &["128", "4"]),
    ("list-max-listpack-size", &["-2", "4"]),
    ("list-compress-depth", &["0", "1"]),
    ("stream-node-max-entries", &["100", "3"]),
];

/// Time limit of a rewrite or a save on a busy machine.
const JOB_MAX: Duration = Duration::from_secs(60);
const PLAYERS: u64 = 3;
/// Commands that a player sends together.
const BURST: usize = 16;
/// A database large enough to make background jobs last; players do not select it.
const BULK_DB: &str = "9";
const BULK_KEYS: usize = 20_000;
/// The longest array that DEBUG DIGEST reads, because Redis visits every position there, used or
/// not.
const DIGEST_SPAN_MAX: i64 = 1 << 20;

#[test]
fn what_a_mixed_load_leaves_is_what_redis_loads() {
    let Some(redis) = Peer::Redis810.program_for("the soak") else {
        return;
    };
    let seconds = env::var("RUSSET_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut server = Daemon::start(&["--appendonly", "yes"]);
    let mut control = server.connect();
    control.reply_limit(JOB_MAX);
    let before = Memory::of(&mut control).expect("INFO is answered");

    let stop = AtomicBool::new(false);
    let mut played = 0;
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..PLAYERS)
            .map(|player| {
                let (connection, stop) = (server.connect(), &stop);
                scope.spawn(move || play(connection, Random::new(player + 1), stop))
            })
            .collect();
        let bulk = server.connect();
        let bulk = scope.spawn(|| change_bulk(bulk, Random::new(100), &stop));
        let ended = SetOnDrop(&stop);
        disturb(&mut control, Duration::from_secs(seconds));
        drop(ended);
        // No client writes the keys that a player still waits for.
        wait_within(JOB_MAX, "the players to end", || {
            unblock_all(&mut control);
            players.iter().all(|player| player.is_finished())
        });
        for player in players {
            played += player.join().expect("a player ends");
        }
        bulk.join().expect("the bulk of keys is changed");
    });
    println!("soak: {played} commands in {seconds} s");

    settle(&mut control);
    let digest = control.ask("DEBUG DIGEST");
    assert_eq!(control.ask("SAVE"), "+OK\r\n");
    let far = far_arrays(&mut control);
    let mut others = Vec::new();
    for (appendonly, files) in [("no", "RDB"), ("yes", "AOF")] {
        let loaded = load_copy(&redis, server.folder(), appendonly);
        let mut other = loaded.connect();
        other.reply_limit(JOB_MAX);
        for (db, key) in &far {
            let name = key.escape_ascii();
            let ours = elements(&mut control, *db, key);
            assert_eq!(elements(&mut other, *db, key), ours, "{files}: {name}");
            other.call(&[&b"DEL"[..], key]);
        }
        others.push((files, loaded, other));
    }
    server.kill();
    server.restart();
    control = server.connect();
    control.reply_limit(JOB_MAX);
    let after_kill = control.ask("DEBUG DIGEST");

    for (db, key) in &far {
        control.ask(&format!("SELECT {db}"));
        assert_eq!(control.call(&[&b"DEL"[..], key]), b":1\r\n");
    }
    if after_kill != digest {
        let (_, _, saved) = &mut others[0];
        let differ = different_keys(&mut control, saved);
        panic!("a kill left other keys than SAVE wrote: {differ:#?}");
    }
    let digest = control.ask("DEBUG DIGEST");
    for (files, _loaded, mut other) in others {
        if other.ask("DEBUG DIGEST") != digest {
            panic!("{files}: {:#?}", different_keys(&mut control, &mut other));
        }
    }

    for command in ["FLUSHALL SYNC", "FUNCTION FLUSH SYNC", "SCRIPT FLUSH SYNC"] {
        assert_eq!(control.ask(command), "+OK\r\n", "{command}");
    }
    let slack = before.used / 2 + (4 << 20);
    wait_within(JOB_MAX, "memory to be as at the start", || {
        Memory::of(&mut control).is_some_and(|now| now.used <= before.used + slack)
    });
}

/// Sends commands of all groups until `stop`; returns their number. Any reply is accepted.
fn play(mut connection: Connection, mut random: Random, stop: &AtomicBool) -> u64 {
    connection.reply_limit(JOB_MAX);
    let groups: Vec<Vec<Row>> = GROUPS.iter().map(|group| group.rows()).collect();
    let mut played = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut requests = Vec::new();
        while requests.len() < BURST {
            let rows = random.pick(&groups);
            let args = random.pick(rows).generate(&mut random);
            // The append only file does not have the writes of such a script.
            if !keeps_from_followers(&args) {
                requests.push(resp::command(&args));
            }
        }
        let sent = connection.write(&requests.concat());
        sent.expect("the server takes commands");
        for request in &requests {
            if let Err(error) = connection.read() {
                panic!("{error} in place of a reply to {}", request.escape_ascii());
            }
        }
        played += BURST as u64;
    }
    played
}

/// Ends the waits of blocked clients.
fn unblock_all(control: &mut Connection) {
    let Reply::Bulk(list) = control.value("CLIENT LIST") else {
        panic!("CLIENT LIST is not refused");
    };
    for line in String::from_utf8_lossy(&list).lines() {
        let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name));
        if field("flags=").is_some_and(|flags| flags.contains('b'))
            && let Some(id) = field("id=")
        {
            control.ask(&format!("CLIENT UNBLOCK {id}"));
        }
    }
}

/// Overwrites and deletes keys of all types until `stop`.
fn change_bulk(mut connection: Connection, mut random: Random, stop: &AtomicBool) {
    connection.reply_limit(JOB_MAX);
    connection.ask(&format!("SELECT {BULK_DB}"));
    while !stop.load(Ordering::Relaxed) {
        let mut bytes = Vec::new();
        for _ in 0..BURST {
            let at = random.below(BULK_KEYS);
            let (key, value) = (format!("bulk:{at}"), random.below(1 << 20).to_string());
            let many: Vec<String> = (0..random.below(40)).map(|i| (i * i).to_string()).collect();
            let mut line: Vec<&str> = match at % 6 {
                0 => vec!["SET", &key, &value],
                1 => vec!["RPUSH", &key, &value],
                2 => vec!["SADD", &key, &value],
                3 => vec!["HSET", &key, &value, &value],
                4 => vec!["ZADD", &key, &value, &value],
                _ => vec!["XADD", &key, "MAXLEN", "100", "*", "field", &value],
            };
            if random.chance(20) {
                line = vec!["DEL", &key];
            } else if (1..3).contains(&(at % 6)) {
                line.extend(many.iter().map(String::as_str));
            }
            bytes.extend_from_slice(&resp::command(&line));
        }
        connection.write(&bytes).expect("the server takes commands");
        for _ in 0..BURST {
            let (_, reply) = connection.read().expect("the server answers");
            assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        }
    }
}

/// Starts background jobs and changes settings for `time`.
fn disturb(control: &mut Connection, time: Duration) {
    let mut random = Random::new(7);
    let until = Instant::now() + time;
    while Instant::now() < until {
        match random.below(8) {
            0 => _ = control.ask("BGSAVE"),
            1 => _ = control.ask("BGREWRITEAOF"),
            2 => {
                control.ask("BACKUP CREATE soak");
                control.ask("BACKUP DROP soak");
            }
            3 => _ = control.ask("MEMORY PURGE"),
            _ => {
                let (name, values) = random.pick(SETTINGS);
                let value = random.pick(values);
                let reply = control.call(&["CONFIG", "SET", name, value]);
                assert_eq!(reply, b"+OK\r\n", "{name} {value}");
            }
        }
        std::thread::sleep(Duration::from_millis(20 + random.below(150) as u64));
        assert_eq!(control.ask("PING"), "+PONG\r\n");
    }
}

/// Waits until nothing runs in the background or expires, and the append only file is complete.
fn settle(control: &mut Connection) {
    let values = [
        ("save", ""),
        ("snapshot-method", "loop"),
        ("maxmemory", "0"),
        ("auto-aof-rewrite-percentage", "0"),
        ("appendfsync", "everysec"),
        ("appendonly", "yes"),
    ];
    for (name, value) in values {
        let reply = control.call(&["CONFIG", "SET", name, value]);
        assert_eq!(reply, b"+OK\r\n", "{name}");
    }
    wait_within(JOB_MAX, "the background jobs to end", || {
        let Reply::Bulk(text) = control.value("INFO persistence") else {
            return false;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let idle = [
            "rdb_bgsave_in_progress:0",
            "aof_rewrite_in_progress:0",
            "aof_rewrite_scheduled:0",
            "aof_enabled:1",
        ];
        idle.iter().all(|line| text.contains(line))
    });
    persist_all(control);
    clear_negative_zeros(control);
}

/// Gives members with a score of -0 a score of 0. A large sorted set keeps the sign, in Redis as
/// well, and a small sorted set has none. A set that shrank is small when the log brings it back.
fn clear_negative_zeros(control: &mut Connection) {
    for db in 0..16 {
        control.ask(&format!("SELECT {db}"));
        let Reply::Array(keys) = control.value("KEYS *") else {
            panic!("KEYS is not refused");
        };
        for key in keys.iter().filter_map(Reply::text) {
            let zeros = [&b"ZRANGEBYSCORE"[..], key, b"0", b"0", b"WITHSCORES"];
            control.send(&resp::command(&zeros));
            let (_, reply) = control.read().expect("ZRANGEBYSCORE is answered");
            for pair in reply.items().unwrap_or_default().chunks_exact(2) {
                if let [Some(member), Some(b"-0")] = [pair[0].text(), pair[1].text()] {
                    control.call(&[&b"ZREM"[..], key, member]);
                    control.call(&[&b"ZADD"[..], key, b"0", member]);
                }
            }
        }
    }
    control.ask("SELECT 0");
}

/// Removes the expiry from all keys and fields.
pub(crate) fn persist_all(control: &mut Connection) {
    for db in 0..16 {
        control.ask(&format!("SELECT {db}"));
        let Reply::Array(keys) = control.value("KEYS *") else {
            panic!("KEYS is not refused");
        };
        for key in keys.iter().filter_map(Reply::text) {
            control.call(&[b"PERSIST", key]);
            let fields = control.call(&[b"HKEYS".as_slice(), key]);
            if fields.starts_with(b"*") && !fields.starts_with(b"*0") {
                persist_fields(control, key);
            }
        }
    }
    control.ask("SELECT 0");
}

fn persist_fields(control: &mut Connection, key: &[u8]) {
    control.send(&resp::command(&[b"HKEYS".as_slice(), key]));
    let (_, reply) = control.read().expect("HKEYS is answered");
    let fields: Vec<&[u8]> = reply
        .items()
        .unwrap_or_default()
        .iter()
        .filter_map(Reply::text)
        .collect();
    let count = fields.len().to_string();
    let mut line = vec![b"HPERSIST".as_slice(), key, b"FIELDS", count.as_bytes()];
    line.extend(fields);
    control.call(&line);
}

/// Some of the keys with different values, and how each server shows them.
pub(crate) fn different_keys(server: &mut Connection, other: &mut Connection) -> Vec<String> {
    const SHOWN_MAX: usize = 8;
    let mut shown = Vec::new();
    for db in 0..16 {
        let mut names = BTreeSet::new();
        for side in [&mut *server, &mut *other] {
            side.ask(&format!("SELECT {db}"));
            let keys = side.value("KEYS *");
            let keys = keys.items().unwrap_or_default().iter();
            names.extend(keys.filter_map(Reply::text).map(<[u8]>::to_vec));
        }
        for key in names {
            let asked: [&[&[u8]]; 3] = [
                &[b"DEBUG", b"DIGEST-VALUE", &key],
                &[b"TYPE", &key],
                &[b"DUMP", &key],
            ];
            let show = |side: &mut Connection| {
                asked.map(|line| side.call(line).escape_ascii().to_string())
            };
            let (ours, theirs) = (show(server), show(other));
            if ours[0] != theirs[0] {
                let key = key.escape_ascii();
                shown.push(format!("database {db}, {key}: {ours:?} but {theirs:?}"));
            }
            if shown.len() == SHOWN_MAX {
                return shown;
            }
        }
    }
    shown
}

/// The database and the key of every array that is too long for Redis's DEBUG DIGEST.
pub(crate) fn far_arrays(server: &mut Connection) -> Vec<(usize, Vec<u8>)> {
    let mut far = Vec::new();
    for db in 0..16 {
        server.ask(&format!("SELECT {db}"));
        let mut cursor = b"0".to_vec();
        loop {
            let line: [&[u8]; 6] = [b"SCAN", &cursor, b"COUNT", b"10000", b"TYPE", b"array"];
            server.send(&resp::command(&line));
            let (_, reply) = server.read().expect("SCAN is answered");
            let [next, keys] = reply.items().expect("a cursor and keys") else {
                panic!("{reply:?}");
            };
            for key in keys.items().unwrap_or_default() {
                let key = key.text().expect("a key");
                server.send(&resp::command(&[b"ARLEN", key]));
                let (_, length) = server.read().expect("ARLEN is answered");
                if !matches!(length, Reply::Integer(length) if (0..=DIGEST_SPAN_MAX).contains(&length))
                {
                    far.push((db, key.to_vec()));
                }
            }
            cursor = next.text().expect("a cursor").to_vec();
            if cursor == b"0" {
                break;
            }
        }
    }
    far
}

/// The reply to ARSCAN over the whole array `key` of database `db`, which stays selected.
pub(crate) fn elements(server: &mut Connection, db: usize, key: &[u8]) -> Vec<u8> {
    server.ask(&format!("SELECT {db}"));
    server.call(&[b"ARSCAN", key, b"0", b"18446744073709551614"])
}

/// Redis, after it has loaded a copy of the files.
fn load_copy(redis: &Path, folder: &Path, appendonly: &str) -> Daemon {
    let copy = tempfile::tempdir().expect("a folder");
    let copied = |from: &Path, to: &Path| {
        if from.is_file() {
            fs::copy(from, to).expect("copied");
        }
    };
    copied(&folder.join("dump.rdb"), &copy.path().join("dump.rdb"));
    let (from, to) = (
        folder.join("appendonlydir"),
        copy.path().join("appendonlydir"),
    );
    fs::create_dir(&to).expect("a folder");
    for file in fs::read_dir(from).expect("listed").flatten() {
        copied(&file.path(), &to.join(file.file_name()));
    }
    let args = ["--appendonly", appendonly];
    Daemon::start_in(redis, &args, copy)
}
