//! Sketches of a daemon: files, payloads, the log and replication, to and from Redis Stack.

use std::fs;

use crate::stack::{follow, moved, stack, survives_in_the_log};
use crate::support::{Connection, Daemon, wait_until};
use tempfile::TempDir;

/// Lines that fill a server. Both servers of a pair must have the same payloads of the keys.
const LINES: [&str; 12] = [
    "BF.RESERVE bloom 0.01 20",
    "BF.MADD bloom a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9 10 11 12 13",
    "BF.RESERVE fixed 0.001 1000 NONSCALING",
    "BF.MADD fixed a b c d",
    "BF.ADD usual a",
    "BF.RESERVE empty 0.1 5 EXPANSION 4",
    "CF.RESERVE cuckoo 8 BUCKETSIZE 2 EXPANSION 2 MAXITERATIONS 5",
    "CF.INSERT cuckoo ITEMS a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "CF.DEL cuckoo a",
    "CF.ADD common a",
    "CF.RESERVE vacant 100 BUCKETSIZE 3",
    "PEXPIREAT bloom 33177117420000",
];
const KEYS: [&str; 7] = [
    "bloom", "fixed", "usual", "empty", "cuckoo", "common", "vacant",
];

fn fill(c: &mut Connection) {
    c.ask("CONFIG SET rdbcompression no");
    for line in LINES {
        let reply = c.ask(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    // A filter larger than a piece of a file.
    assert_eq!(c.ask("BF.RESERVE large 0.0001 1000000"), "+OK\r\n");
    let items: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    let line = format!("BF.MADD large {}", items.join(" "));
    assert!(c.ask(&line).starts_with("*2000"));
}

/// The payloads of all keys, without version and checksum, which differ with the release.
fn payloads(c: &mut Connection) -> Vec<Vec<u8>> {
    let keys = KEYS.iter().chain(&["large"]);
    keys.map(|key| {
        let reply = c.call(&["DUMP", key]);
        assert!(reply.len() > 12, "{key}");
        reply[..reply.len() - 12].to_vec()
    })
    .collect()
}

#[test]
fn files_and_payloads_go_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let (mut c, mut d) = (ours.connect(), redis.connect());
    fill(&mut c);
    fill(&mut d);
    let expected = payloads(&mut c);
    assert!(payloads(&mut d) == expected);
    for (from, to_redis) in [(&ours, true), (&redis, false)] {
        let (_to, mut other) = moved(from, to_redis);
        assert!(payloads(&mut other) == expected);
        assert_eq!(other.ask("PEXPIRETIME bloom"), ":33177117420000\r\n");
        assert_eq!(other.ask("BF.EXISTS large 1999"), ":1\r\n");
    }
}

#[test]
fn replication_goes_both_ways() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    for (primary, replica) in [(&ours, &redis), (&redis, &ours)] {
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        fill(&mut c);
        let mut other = follow(replica, primary);
        for line in [
            "BF.ADD bloom more",
            "BF.MADD usual b c d",
            "BF.INSERT new CAPACITY 7 ERROR 0.05 EXPANSION 3 ITEMS a b c d e f g h",
            "BF.RESERVE new2 0.2 5 NONSCALING",
            "CF.ADDNX cuckoo 100",
            "CF.INSERTNX cuckoo ITEMS 100 101 102",
            "CF.DEL cuckoo c",
            "CF.DEL cuckoo d",
            "CF.DEL cuckoo e",
            "CF.COMPACT cuckoo",
            "CF.INSERT new3 CAPACITY 20 ITEMS a b c",
        ] {
            let reply = c.ask(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        let all = |c: &mut Connection| {
            let mut all = payloads(c);
            all.extend(["new", "new2", "new3"].map(|key| {
                let reply = c.call(&["DUMP", key]);
                reply[..reply.len().saturating_sub(12)].to_vec()
            }));
            all
        };
        let expected = all(&mut c);
        wait_until("the replica to follow", || {
            other.ask("EXISTS new3") == ":1\r\n" && all(&mut other) == expected
        });
        other.ask("REPLICAOF NO ONE");
    }
}

/// Servers with other settings make the same filters.
#[test]
fn settings_of_the_primary_count_on_a_redis_stack() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let mut c = ours.connect();
    c.ask("CONFIG SET rdbcompression no");
    let mut other = follow(&redis, &ours);
    c.ask(
        "CONFIG SET bf-error-rate 0.001 bf-initial-size 7 cf-bucket-size 4 cf-expansion-factor 2",
    );
    c.ask("BF.MADD bloom a b c d e f g h");
    c.ask("BF.RESERVE half 0.5 100");
    c.ask("CF.INSERT cuckoo ITEMS a b c");
    let dumps = |c: &mut Connection| {
        ["bloom", "half", "cuckoo"].map(|key| {
            let reply = c.call(&["DUMP", key]);
            reply[..reply.len().saturating_sub(12)].to_vec()
        })
    };
    let expected = dumps(&mut c);
    wait_until("the replica to follow", || {
        other.ask("EXISTS cuckoo") == ":1\r\n" && dumps(&mut other) == expected
    });
}

/// A key in header and chunks, as SCANDUMP returns them.
fn chunks(c: &mut Connection, command: &str, key: &str) -> Vec<(String, Vec<u8>)> {
    let (mut at, mut chunks) = ("0".to_owned(), Vec::new());
    loop {
        let reply = c.call(&[command, key, &at]);
        let text = reply.strip_prefix(b"*2\r\n:").expect("two elements");
        let end = text.iter().position(|byte| *byte == b'\r').expect("a line");
        at = String::from_utf8(text[..end].to_vec()).expect("digits");
        if at == "0" {
            return chunks;
        }
        let rest = &text[end + 3..];
        let end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
        chunks.push((at.clone(), rest[end + 1..rest.len() - 2].to_vec()));
    }
}

#[test]
fn chunks_go_both_ways_and_to_replicas() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let replica = Daemon::start(&[]);
    let mut followed = follow(&replica, &ours);
    for (from, to) in [(&ours, &redis), (&redis, &ours)] {
        let (mut c, mut d) = (from.connect(), to.connect());
        c.ask("FLUSHALL");
        d.ask("FLUSHALL");
        fill(&mut c);
        d.ask("CONFIG SET rdbcompression no");
        for (dump, load, key) in [
            ("BF.SCANDUMP", "BF.LOADCHUNK", "bloom"),
            ("BF.SCANDUMP", "BF.LOADCHUNK", "large"),
            ("CF.SCANDUMP", "CF.LOADCHUNK", "cuckoo"),
        ] {
            for (at, chunk) in chunks(&mut c, dump, key) {
                let words = [load.as_bytes(), key.as_bytes(), at.as_bytes(), &chunk];
                assert_eq!(d.call(&words), b"+OK\r\n");
            }
            let (wanted, got) = (c.call(&["DUMP", key]), d.call(&["DUMP", key]));
            assert_eq!(wanted[..wanted.len() - 12], got[..got.len() - 12], "{key}");
        }
    }
    // In the last round russet loaded the chunks of Redis, so russet's replica must have them.
    let c = &mut followed;
    wait_until("the replica to follow", || {
        c.ask("CF.EXISTS cuckoo z") == ":1\r\n" && c.ask("BF.EXISTS large 1999") == ":1\r\n"
    });
}

#[test]
fn the_log_has_filters_in_both_forms() {
    let change = |c: &mut Connection| {
        c.ask("BF.ADD bloom more");
        c.ask("CF.DEL cuckoo b");
    };
    survives_in_the_log(fill, change, payloads);
}

/// A replica and a log take the start of a generation from the primary, not from their own clock.
#[test]
fn a_filter_that_forgets_is_the_same_on_replicas_and_after_a_crash() {
    let change = |c: &mut Connection| {
        for n in 0..10 {
            assert_eq!(c.ask(&format!("BF.ADD short {n}")), ":1\r\n");
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
    };
    let fill = |c: &mut Connection| {
        assert_eq!(c.ask("BF.RESERVE short 0.01 100 ROTATE 40 4"), "+OK\r\n");
        assert_eq!(
            c.ask("BF.RESERVE long 0.01 100 ROTATE 3600000 2"),
            "+OK\r\n"
        );
        assert_eq!(c.ask("BF.ADD long a"), ":1\r\n");
        change(c);
    };
    let seen = |c: &mut Connection| {
        let short = c.call(&["DUMP", "short"]);
        (short, c.call(&["DUMP", "long"]), c.ask("BF.EXISTS long a"))
    };
    survives_in_the_log(fill, change, seen);
    let (ours, early, late) = (Daemon::start(&[]), Daemon::start(&[]), Daemon::start(&[]));
    let mut early = follow(&early, &ours);
    let mut c = ours.connect();
    c.ask("CONFIG SET rdbcompression no");
    fill(&mut c);
    let mut late = follow(&late, &ours);
    change(&mut c);
    let expected = seen(&mut c);
    for other in [&mut early, &mut late] {
        wait_until("the replica to follow", || seen(other) == expected);
    }
}

/// Redis refuses such a filter, because it would never forget there.
#[test]
fn redis_refuses_filters_that_forget() {
    let Some(redis) = stack(None) else {
        return;
    };
    let ours = Daemon::start(&[]);
    let (mut c, mut d) = (ours.connect(), redis.connect());
    c.ask("BF.RESERVE k 0.01 100 ROTATE 1000 3");
    c.ask("BF.ADD k a");
    let dump = c.call(&["DUMP", "k"]);
    let start = dump.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    let mut payload = dump[start..dump.len() - 2].to_vec();
    let end = payload.len() - 10;
    payload.truncate(end);
    russet_persistence::rdb::seal(&mut payload, 12);
    let words: [&[u8]; 4] = [b"RESTORE", b"k", b"0", &payload];
    assert_eq!(d.call(&words), b"-ERR Bad data format\r\n");
    let (_, header) = &chunks(&mut c, "BF.SCANDUMP", "k")[0];
    let words: [&[u8]; 4] = [b"BF.LOADCHUNK", b"k", b"1", header];
    assert_eq!(d.call(&words), b"-ERR received bad data\r\n");
    assert_eq!(d.ask("EXISTS k"), ":0\r\n");
}

#[test]
fn a_config_of_redis_stack_starts() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("redis.conf");
    fs::write(&file, "loadmodule /opt/redis-stack/lib/redisbloom.so\n").expect("a file");
    let file = file.to_str().expect("UTF-8").to_owned();
    let server = Daemon::start_with_file(&file, &[], folder);
    server
        .wait_for_log("Module /opt/redis-stack/lib/redisbloom.so is not loaded: its commands are");
    assert!(server.connect().ask("MODULE LIST").contains("bf"));
}
