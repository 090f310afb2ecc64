//! Memory as INFO tells it: when it is taken, and when it is back.

use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::resp::{Connection, command};
use crate::support::{Daemon, wait_until};

fn used(server: &Daemon) -> u64 {
    let text = server.info("used_memory").expect("INFO has it");
    text.parse().expect("a number")
}

#[test]
fn a_flush_that_is_not_async_has_freed_its_memory_when_it_answers() {
    let server = Daemon::start(&["--enable-debug-command", "yes"]);
    let mut c = server.connect();
    let before = used(&server);
    for flush in ["FLUSHALL", "FLUSHALL SYNC", "FLUSHDB SYNC"] {
        assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+OK\r\n");
        c.ask("SADD set a");
        for chunk in 0..50 {
            let members: Vec<String> = (0..1000).map(|i| format!("{chunk}:{i}")).collect();
            c.ask(&format!("SADD set {}", members.join(" ")));
        }
        assert!(used(&server) > before + (20 << 20));
        // What stands behind it in the pipeline waits with it.
        c.send(format!("{flush}\r\nINFO memory\r\nDBSIZE\r\n").as_bytes());
        assert_eq!(c.reply(), b"+OK\r\n");
        let info = String::from_utf8(c.reply()).expect("text");
        assert_eq!(c.reply(), b":0\r\n");
        let line = |l: &str| {
            l.strip_prefix("used_memory:")
                .and_then(|n| n.parse::<u64>().ok())
        };
        let after = info.lines().find_map(line).expect("a line");
        assert!(after < before + (1 << 20), "{flush}: {before} {after}");
    }
    assert_eq!(c.ask("MULTI"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+QUEUED\r\n");
    assert_eq!(c.ask("FLUSHALL SYNC"), "+QUEUED\r\n");
    assert_eq!(c.ask("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
    assert!(used(&server) < before + (1 << 20));
}

#[test]
fn a_limit_far_below_what_is_used_is_reached_between_other_work() {
    let server = Daemon::start(&[
        "--maxmemory-policy",
        "allkeys-random",
        "--enable-debug-command",
        "yes",
    ]);
    let mut c = server.connect();
    assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+OK\r\n");
    let limit = used(&server) / 2;
    assert_eq!(c.ask(&format!("CONFIG SET maxmemory {limit}")), "+OK\r\n");
    // The command that set it did a small part of the work.
    let at_once = c.ask("DBSIZE");
    let keys = |reply: &str| reply[1..].trim().parse::<u64>().expect("a number");
    assert!(keys(&at_once) > 150_000, "{at_once}");
    assert_eq!(c.ask("SET another value"), "+OK\r\n");
    // INFO itself takes some memory.
    wait_until("the limit is kept", || used(&server) < limit + (1 << 18));
    assert!(keys(&c.ask("DBSIZE")) < 150_000);
}

/// Sends many commands at once and reads their replies.
fn pipeline(c: &mut Connection, commands: &[Vec<Vec<u8>>]) {
    c.send(&commands.iter().flat_map(|c| command(c)).collect::<Vec<_>>());
    for _ in commands {
        c.reply();
    }
}

/// `HSET key f0 v f1 v ...` with so many fields, each of about 30 bytes.
fn hset(key: &str, fields: usize) -> Vec<Vec<u8>> {
    let mut words = vec![b"HSET".to_vec(), key.into()];
    for i in 0..fields {
        words.push(format!("field:{i:06}").into());
        words.push(format!("value:{i:012}").into());
    }
    words
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.into()).collect()
}

fn limit_to(c: &mut Connection, bytes: u64) {
    assert_eq!(c.ask(&format!("CONFIG SET maxmemory {bytes}")), "+OK\r\n");
}

fn number(reply: &str) -> u64 {
    reply[1..].trim().parse().expect("a number")
}

/// The keys that are left, once nothing more is evicted.
fn settled(server: &Daemon, limit: u64) -> u64 {
    // INFO itself takes some memory.
    wait_until("the limit is kept", || used(server) < limit + (1 << 18));
    number(&server.connect().ask("DBSIZE"))
}

#[test]
fn no_more_hashes_are_evicted_than_must_go() {
    const HASHES: u64 = 400;
    for lazy in ["no", "yes"] {
        let server = Daemon::start(&["--lazyfree-lazy-eviction", lazy]);
        let mut c = server.connect();
        let before = used(&server);
        for i in 0..HASHES {
            pipeline(&mut c, &[hset(&format!("hash:{i}"), 600)]);
        }
        let full = used(&server);
        assert_eq!(c.ask("OBJECT ENCODING hash:0"), "$9\r\nhashtable\r\n");
        c.ask("CONFIG SET maxmemory-policy allkeys-lru");
        let too_many = HASHES / 12;
        let limit = full - too_many * ((full - before) / HASHES);
        limit_to(&mut c, limit);
        assert_eq!(c.ask("SET another value"), "+OK\r\n");
        let gone = HASHES + 1 - settled(&server, limit);
        assert!(gone.abs_diff(too_many) <= 4, "{lazy}: {gone} of {too_many}");
        // More may have gone meanwhile; the string may be among them.
        wait_until("they are freed", || {
            let text = server.info("lazyfreed_objects").expect("INFO has it");
            let freed = text.parse::<u64>().expect("a number");
            let gone = HASHES + 1 - number(&server.connect().ask("DBSIZE"));
            match lazy {
                "yes" => (gone - 1..=gone).contains(&freed),
                _ => freed == 0,
            }
        });
    }
}

#[test]
fn what_must_go_is_enough_among_values_of_all_sizes() {
    for lazy in ["no", "yes"] {
        let server = Daemon::start(&["--lazyfree-lazy-eviction", lazy]);
        let mut c = server.connect();
        let text = "x".repeat(10_000);
        for i in 0..500 {
            pipeline(&mut c, &[words(&format!("SET string:{i} {text}"))]);
        }
        let elements = vec!["element"; 10_000].join(" ");
        for _ in 0..20 {
            c.send(format!("RPUSH list {elements}\r\n").as_bytes());
            c.reply();
        }
        pipeline(&mut c, &[hset("hash", 50_000)]);
        let limit = used(&server) - (2 << 20);
        c.ask("CONFIG SET maxmemory-policy allkeys-random");
        limit_to(&mut c, limit);
        assert_eq!(c.ask("SET another value"), "+OK\r\n");
        // 2 MiB are 205 of the strings, or the hash, or the list and some strings.
        let left = settled(&server, limit);
        assert!(left >= 503 - 215, "{lazy}: {left}");
    }
}

#[test]
fn what_was_deleted_makes_room_at_once() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let limit = used(&server) + (2 << 20);
    for deletion in [
        "DEL big",
        "UNLINK big",
        "FLUSHALL ASYNC",
        "SET big x",
        "RENAME small big",
    ] {
        limit_to(&mut c, 0);
        pipeline(
            &mut c,
            &[
                words("FLUSHALL"),
                words("SET small x"),
                hset("big", 100_000),
            ],
        );
        limit_to(&mut c, limit);
        let refused = c.ask("SET k v");
        assert!(refused.starts_with("-OOM "), "{refused}");
        if deletion == "SET big x" {
            // It needs memory itself.
            limit_to(&mut c, 0);
        }
        c.send(
            format!("{deletion}\r\nCONFIG SET maxmemory {limit}\r\nSET k v\r\nPING\r\n").as_bytes(),
        );
        c.reply();
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"+OK\r\n", "{deletion}");
        c.reply();
    }
}

#[test]
fn new_keys_stay_after_a_flush() {
    let server = Daemon::start(&["--maxmemory-policy", "allkeys-random"]);
    let mut c = server.connect();
    let limit = used(&server) + (8 << 20);
    assert_eq!(c.ask("DEBUG POPULATE 300000 key 100"), "+OK\r\n");
    pipeline(&mut c, &[hset("hash", 100_000)]);
    let mut batch = vec![
        words("FLUSHALL ASYNC"),
        words(&format!("CONFIG SET maxmemory {limit}")),
    ];
    batch.extend((0..1000).map(|i| words(&format!("SET new:{i} value"))));
    pipeline(&mut c, &batch);
    assert_eq!(c.ask("DBSIZE"), ":1000\r\n");
    assert_eq!(server.info("evicted_keys").as_deref(), Some("0"));
}

/// Who frees what, by the options that say so, as Redis counts it.
#[test]
fn the_helper_thread_frees_what_the_options_say() {
    let mut answers = Vec::new();
    let programs = [
        Some(russet()),
        Peer::Redis8.program_for("lazyfreed_objects"),
    ];
    for program in programs.into_iter().flatten() {
        let mut told = Vec::new();
        for value in ["no", "yes"] {
            let server = Daemon::start_program(&program, &[]);
            let mut c = server.connect();
            for cause in ["expire", "eviction", "server-del", "user-del"] {
                c.ask(&format!("CONFIG SET lazyfree-lazy-{cause} {value}"));
            }
            c.ask("CONFIG SET maxmemory-policy noeviction");
            for removal in [
                "DEL big",
                "UNLINK big",
                "SET big x",
                "RENAME small big",
                "SINTERSTORE big none",
                "PEXPIREAT big 1",
                "expired",
                "evicted",
            ] {
                c.ask("SET small x");
                pipeline(&mut c, &[hset("big", 2000)]);
                let members: Vec<String> = (0..1000).map(|i| format!("m:{i}")).collect();
                c.ask(&format!("SADD members {}", members.join(" ")));
                let before = server.info("lazyfreed_objects");
                match removal {
                    "expired" => {
                        c.ask("PEXPIRE big 1");
                        wait_until("it expires", || c.ask("EXISTS big") == ":0\r\n");
                    }
                    "evicted" => {
                        c.ask("DEL members");
                        c.ask("DEL small");
                        c.ask("CONFIG SET maxmemory-policy allkeys-lru");
                        c.ask("CONFIG SET maxmemory 1");
                        wait_until("it is evicted", || c.ask("EXISTS big") == ":0\r\n");
                        c.ask("CONFIG SET maxmemory 0");
                    }
                    removal => _ = c.ask(removal),
                }
                wait_until("the thread has nothing to do", || {
                    server.info("lazyfree_pending_objects").as_deref() == Some("0")
                });
                told.push((value, removal, before, server.info("lazyfreed_objects")));
                c.ask("DEL big members");
                wait_until("the thread has nothing to do", || {
                    server.info("lazyfree_pending_objects").as_deref() == Some("0")
                });
                c.ask("CONFIG RESETSTAT");
            }
        }
        answers.push(told);
    }
    let russet = &answers[0];
    let of = |value, removal| {
        let found = russet.iter().find(|t| (t.0, t.1) == (value, removal));
        found.and_then(|t| t.3.clone()).expect("counted")
    };
    assert_eq!(of("no", "DEL big"), "0");
    assert_eq!(of("no", "UNLINK big"), "1", "{russet:?}");
    // And what was deleted before it.
    assert_eq!(of("yes", "evicted"), "2", "{russet:?}");
    for redis in &answers[1..] {
        assert_eq!(russet, redis);
    }
}

#[test]
fn a_huge_value_is_freed_between_other_work() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let before = used(&server);
    for part in 0..20 {
        let mut add = words("SADD huge");
        add.extend((0..10_000).map(|i| format!("member:{part}:{i}").into()));
        pipeline(&mut c, &[add]);
    }
    let full = used(&server);
    assert!(full > before + (4 << 20), "{before} {full}");
    c.send(b"DEL huge\r\nINFO memory\r\n");
    assert_eq!(c.reply(), b":1\r\n");
    let info = String::from_utf8(c.reply()).expect("text");
    let at_once = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|n| n.parse::<u64>().ok())
        .expect("a line");
    assert!(
        at_once < before + (full - before) / 10,
        "{before} {full} {at_once}"
    );
    assert!(info.contains("lazyfree_pending_objects:0\r\n"));
    wait_until("all is back", || used(&server) < before + (1 << 20));
    // The loop sleeps again.
    let turns = || {
        let text = server.info("eventloop_cycles").expect("INFO has it");
        text.parse::<u64>().expect("a number")
    };
    wait_until("the loop has nothing to do", || {
        let first = turns();
        std::thread::sleep(std::time::Duration::from_millis(50));
        turns() - first < 100
    });
}

fn figure(server: &Daemon, name: &str) -> f64 {
    let text = server.info(name).expect("INFO has it");
    text.parse().expect("a number")
}

/// Active defragmentation by its directives alone: it begins, gives pages back and ends; what the
/// keys hold is what they held, and clients are served meanwhile.
#[test]
fn thinly_filled_pages_go_back_while_clients_are_served() {
    let server = Daemon::start(&[
        "--enable-debug-command",
        "yes",
        "--active-defrag-ignore-bytes",
        "1mb",
        "--active-defrag-cycle-max",
        "50",
    ]);
    let mut c = server.connect();
    assert_eq!(c.ask("DEBUG POPULATE 100000 key 400"), "+OK\r\n");
    for chunk in 0..100 {
        let gone: Vec<String> = (chunk * 1000..(chunk + 1) * 1000)
            .filter(|at| at % 5 != 0)
            .map(|at| format!("key:{at}"))
            .collect();
        c.ask(&format!("DEL {}", gone.join(" ")));
    }
    let before = c.ask("DEBUG DIGEST");
    wait_until("what was freed is seen", || {
        figure(&server, "allocator_frag_ratio") > 2.0
    });
    assert_eq!(figure(&server, "active_defrag_running"), 0.0);
    assert_eq!(c.ask("CONFIG SET activedefrag yes"), "+OK\r\n");
    wait_until("it has begun", || {
        figure(&server, "total_active_defrag_time") > 0.0
    });
    wait_until("it has ended", || {
        assert_eq!(c.ask("PING"), "+PONG\r\n");
        figure(&server, "active_defrag_running") == 0.0
            && figure(&server, "allocator_frag_ratio") < 1.15
    });
    assert!(figure(&server, "active_defrag_hits") > 10_000.0);
    assert!(figure(&server, "active_defrag_key_hits") > 5_000.0);
    assert_eq!(c.ask("DEBUG DIGEST"), before);
    assert_eq!(c.ask("MEMORY PURGE"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG RESETSTAT"), "+OK\r\n");
    assert_eq!(figure(&server, "active_defrag_hits"), 0.0);
}
