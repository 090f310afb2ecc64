//! Memory as INFO reports it: when the server allocates it, and when the server frees it.

use std::time::Duration;

use crate::support::daemon::russet;
use crate::support::memory::{Memory, assert_agrees};
use crate::support::peers::Peer;
use crate::support::resp::{Connection, command};
use crate::support::wait::wait_within;
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
        // The server runs the rest of the pipeline after the flush.
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

/// Regression: the figure kept buffers that the loop filled and a helper thread freed. Two log
/// rewrites without a write between them doubled it, and `maxmemory` evicted every key.
#[test]
fn background_work_leaves_used_memory_as_it_was() {
    const KEYS: u64 = 100_000;
    const ROUNDS: usize = 10;
    let server = Daemon::start(&[
        "--appendonly",
        "yes",
        "--aof-use-rdb-preamble",
        "no",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let mut c = server.connect();
    let empty = Memory::of(&mut c).expect("INFO has it").used;
    assert_eq!(c.ask(&format!("DEBUG POPULATE {KEYS} key 100")), "+OK\r\n");
    let full = used(&server);
    // Bytes that wait for the disk count until they are written.
    limit_to(&mut c, full + (full - empty) / 2 + (24 << 20));
    let ended = |what: &str| {
        wait_until("the background work to end", || {
            server.info(what).as_deref() == Some("0")
        });
    };
    for round in 0..ROUNDS {
        let reply = c.ask("BGREWRITEAOF");
        assert!(reply.starts_with("+Background"), "{reply}");
        ended("aof_rewrite_in_progress");
        assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
        ended("rdb_bgsave_in_progress");
        let reply = c.ask(&format!("BACKUP CREATE round-{round}"));
        assert!(reply.starts_with('$'), "{reply}");
        assert_eq!(c.ask(&format!("BACKUP DROP round-{round}")), "+OK\r\n");
        if round % 3 == 0 {
            assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
        }
        // The server checks its memory before a write.
        assert_eq!(c.ask("SET key:0 x"), "+OK\r\n");
        assert_eq!(number(&c.ask("DBSIZE")), KEYS, "round {round}");
        assert_agrees(&mut c);
        let now = used(&server);
        assert!(
            now.abs_diff(full) < (2 << 20),
            "round {round}: {full} {now}"
        );
    }
    assert_eq!(c.ask("FLUSHALL"), "+OK\r\n");
    let now = used(&server);
    assert!(now < empty + (2 << 20), "{empty} {now}");
    assert_agrees(&mut c);
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
    // CONFIG SET itself did only a small part of the eviction.
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

/// `HSET key f0 v f1 v ...` with this many fields, each of about 30 bytes.
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

/// A hundred thousand keys, four fifths of which are deleted again: slabs with few values.
fn leave_one_in_five(c: &mut Connection) {
    assert_eq!(c.ask("DEBUG POPULATE 100000 key 400"), "+OK\r\n");
    for chunk in 0..100 {
        let gone: Vec<String> = (chunk * 1000..(chunk + 1) * 1000)
            .filter(|at| at % 5 != 0)
            .map(|at| format!("key:{at}"))
            .collect();
        c.ask(&format!("DEL {}", gone.join(" ")));
    }
}

fn limit_to(c: &mut Connection, bytes: u64) {
    assert_eq!(c.ask(&format!("CONFIG SET maxmemory {bytes}")), "+OK\r\n");
}

fn number(reply: &str) -> u64 {
    reply[1..].trim().parse().expect("a number")
}

/// The remaining keys, once eviction has ended.
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
        // By then the server may have evicted more keys, among them the string.
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
        // 2 MiB hold 205 of the strings, or the hash, or the list and some strings.
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
            // SET itself needs memory.
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

/// The values that the helper thread frees under each option, as Redis counts them.
#[test]
fn the_helper_thread_frees_what_the_options_say() {
    let mut answers = Vec::new();
    let programs = [
        Some(russet()),
        Peer::Redis8.program_for("lazyfreed_objects"),
    ];
    for program in programs.into_iter().flatten() {
        let mut reported = Vec::new();
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
                reported.push((value, removal, before, server.info("lazyfreed_objects")));
                c.ask("DEL big members");
                wait_until("the thread has nothing to do", || {
                    server.info("lazyfree_pending_objects").as_deref() == Some("0")
                });
                c.ask("CONFIG RESETSTAT");
            }
        }
        answers.push(reported);
    }
    let russet = &answers[0];
    let of = |value, removal| {
        let found = russet.iter().find(|t| (t.0, t.1) == (value, removal));
        found.and_then(|t| t.3.clone()).expect("counted")
    };
    assert_eq!(of("no", "DEL big"), "0");
    assert_eq!(of("no", "UNLINK big"), "1", "{russet:?}");
    // The evicted string, and the value that was deleted before it.
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

/// Active defragmentation with nothing but its directives: it begins, returns pages and ends. The
/// values stay the same, and the server answers clients all the time.
#[test]
fn thinly_filled_pages_go_back_while_clients_are_served() {
    let server = Daemon::start(&[
        "--enable-debug-command",
        "yes",
        "--active-defrag-ignore-bytes",
        "1mb",
        "--active-defrag-cycle-max",
        "50",
        "--active-defrag-idle",
        "no",
    ]);
    let mut c = server.connect();
    leave_one_in_five(&mut c);
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

/// Regression: after random frees the resident size stayed at eight times the used memory while
/// `activedefrag` was off, which is the default.
#[test]
fn an_idle_server_gives_back_what_was_freed() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    leave_one_in_five(&mut c);
    let before = c.ask("DEBUG DIGEST");
    // A request per second leaves the server idle between requests.
    let minute = Duration::from_secs(60);
    wait_within(minute, "what was freed to be given back", || {
        std::thread::sleep(Duration::from_secs(1));
        figure(&server, "allocator_frag_ratio") < 1.2
    });
    assert!(figure(&server, "active_defrag_hits") > 10_000.0);
    assert_eq!(
        c.ask("CONFIG GET activedefrag"),
        "*2\r\n$12\r\nactivedefrag\r\n$2\r\nno\r\n"
    );
    assert_eq!(c.ask("DEBUG DIGEST"), before);
}

/// A field of INFO.
fn field(server: &Daemon, name: &str) -> u64 {
    let text = server.info(name).unwrap_or_else(|| panic!("{name}"));
    text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

/// The bytes of the data, key by key. With INFO's lines for everything else they must add up to the
/// allocator's figure.
fn bytes_of_all_keys(c: &mut Connection) -> u64 {
    let keys = c.ask("KEYS *");
    let keys: Vec<&str> = keys.lines().skip(2).step_by(2).collect();
    let mut bytes = 0;
    for keys in keys.chunks(500) {
        let asked: String = keys
            .iter()
            .map(|key| format!("MEMORY USAGE {key} SAMPLES 0\r\n"))
            .collect();
        c.send(asked.as_bytes());
        for _ in keys {
            let reply = String::from_utf8(c.reply()).expect("a number");
            let reported: u64 = reply[1..].trim().parse().expect("a number");
            // The key's place in the table has its own line in INFO.
            bytes += reported - 10;
        }
    }
    bytes
}

/// Operators restart, rather than repair, a server with unexplained memory.
#[test]
fn the_lines_of_memory_add_up_to_what_the_allocator_has_under_load() {
    let server = Daemon::start(&[
        "--appendonly",
        "no",
        "--prefix-stats",
        "yes",
        "--slowlog-log-slower-than",
        "0",
        "--slowlog-max-len",
        "2000",
        "--enable-debug-command",
        "yes",
        "--client-output-buffer-limit",
        "normal 0 0 0",
    ]);
    let mut c = server.connect();
    // Data of every type and encoding.
    assert_eq!(c.ask("DEBUG POPULATE 60000 str 200"), "+OK\r\n");
    for n in 0..400 {
        let many = |word: &str, count: usize| {
            (0..count)
                .map(|i| format!(" {word}{n}-{i}"))
                .collect::<String>()
        };
        let numbers: String = (0..300).map(|i| format!(" {}", i * n)).collect();
        let pairs: String = (0..200).map(|i| format!(" f{i} value-{n}-{i}")).collect();
        let scored: String = (0..200).map(|i| format!(" {i} member-{n}-{i}")).collect();
        for line in [
            format!("RPUSH list:{n}{}", many("a-long-element-of-a-list-", 300)),
            format!("SADD set:{n}{}", many("member", 200)),
            format!("SADD ints:{n}{numbers}"),
            format!("HSET hash:{n}{pairs}"),
            format!("HPEXPIRE hash:{n} 100000000 FIELDS 1 f{}", n % 200),
            format!("ZADD zset:{n}{scored}"),
            format!("SETRANGE raw:{n} {} x", 100 * n),
        ] {
            assert!(!c.ask(&line).starts_with('-'), "{line}");
        }
        for i in 0..40 {
            c.ask(&format!("XADD stream:{n} {}-1 field value-{i}", i + 1));
        }
        c.ask(&format!("XGROUP CREATE stream:{n} group 0"));
        c.ask(&format!(
            "XREADGROUP GROUP group consumer STREAMS stream:{n} >"
        ));
    }
    // Users, scripts, functions.
    for n in 0..500 {
        let patterns: String = (0..20).map(|i| format!(" ~{n}:{i}:*")).collect();
        c.ask(&format!(
            "ACL SETUSER user{n} on >password{n} +@all{patterns}"
        ));
        let text = format!("return {n} --{}", "x".repeat(2000));
        c.send(&command(&[&b"SCRIPT"[..], b"LOAD", text.as_bytes()]));
        assert!(c.reply().starts_with(b"$40"));
    }
    // Clients that subscribe, watch, track, queue, send half a command and do not read.
    let mut clients = Vec::new();
    for n in 0..150 {
        let mut client = server.connect();
        match n % 5 {
            0 => {
                let names: String = (0..200).map(|i| format!(" channel-{n}-{i}")).collect();
                client.send(format!("SUBSCRIBE{names}\r\nPSUBSCRIBE p{n}.*\r\n").as_bytes());
                (0..201).for_each(|_| _ = client.reply());
            }
            1 => {
                client.ask("HELLO 3");
                client.ask("CLIENT TRACKING ON");
                for i in 0..300 {
                    client.ask(&format!("GET str:{}", n * 300 + i));
                }
            }
            2 => {
                let keys: String = (0..100).map(|i| format!(" str:{}", n * 100 + i)).collect();
                client.ask(&format!("WATCH{keys}"));
                client.ask("MULTI");
                client.ask(&format!("SET queued {}", "x".repeat(30_000)));
            }
            3 => client
                .send(format!("*2\r\n$3\r\nSET\r\n$30000\r\n{}", "y".repeat(20_000)).as_bytes()),
            _ => {
                // More bytes than the socket buffers hold.
                client.ask("SETRANGE large 300000 x");
                client.send("GETRANGE large 0 250000\r\n".repeat(30).as_bytes());
            }
        }
        clients.push(client);
    }
    c.ask("HOTKEYS START METRICS 2 CPU NET COUNT 64");
    for n in 0..1000 {
        c.ask(&format!("GET str:{n}"));
    }
    // The server has read all input, and sent all replies that clients take.
    wait_until("memory to stand still", || {
        let before = used(&server);
        std::thread::sleep(std::time::Duration::from_millis(200));
        used(&server).abs_diff(before) < 4096
    });
    let data = bytes_of_all_keys(&mut c);
    let (used, overhead) = (
        field(&server, "used_memory"),
        field(&server, "used_memory_overhead"),
    );
    let lines = [
        "used_memory_startup",
        "mem_clients_normal",
        "mem_aof_buffer",
        "used_memory_scripts",
        "used_memory_vm_total",
        "mem_db_tables",
        "mem_field_expiries",
        "mem_pubsub",
        "mem_tracking",
        "mem_users",
        "mem_watched_keys",
        "mem_command_logs",
        "mem_latency_histograms",
        "mem_hotkeys",
        "mem_prefix_stats",
        "mem_io_threads",
        "mem_snapshot_early",
    ];
    let reported: Vec<(&str, u64)> = lines.iter().map(|l| (*l, field(&server, l))).collect();
    let sum: u64 = reported.iter().map(|(_, bytes)| bytes).sum();
    assert!(
        sum.abs_diff(overhead) < overhead / 100,
        "{reported:?}: {sum} {overhead}"
    );
    for line in [
        "mem_pubsub",
        "mem_tracking",
        "mem_users",
        "mem_watched_keys",
        "mem_command_logs",
    ] {
        assert!(field(&server, line) > 50_000, "{reported:?}");
    }
    let all = sum + data;
    assert!(
        all.abs_diff(used) < used / 50,
        "{all} listed, {used} used; data {data}, {reported:?}"
    );
    // MEMORY STATS shows the same lines.
    let stats = c.ask("MEMORY STATS");
    for name in [
        "pubsub",
        "tracking",
        "users",
        "command.logs",
        "db.tables",
        "snapshot.cow",
    ] {
        assert!(
            stats.contains(&format!("\r\n{name}\r\n:")),
            "{name}: {stats}"
        );
    }
}

#[test]
fn the_backlog_of_replicas_is_no_data() {
    let primary = Daemon::start(&["--repl-backlog-size", "4mb"]);
    let to = format!("127.0.0.1 {}", primary.port());
    let _replica = Daemon::start(&["--replicaof", &to]);
    wait_until("the replica is online", || {
        primary
            .info("slave0")
            .is_some_and(|line| line.contains("state=online"))
    });
    let mut c = primary.connect();
    for _ in 0..64 {
        c.ask(&format!("SET k {}", "x".repeat(50_000)));
    }
    let [backlog, overhead, data] = [
        "mem_replication_backlog",
        "used_memory_overhead",
        "used_memory_dataset",
    ]
    .map(|name| field(&primary, name));
    assert!(backlog > 2 << 20, "{backlog}");
    assert!(overhead > backlog, "{overhead} {backlog}");
    assert!(data < 2 << 20, "{data} of one key of 50 kB");
}

/// A memory control group with a limit and its file names, or the reason why the test has none.
struct Group {
    folder: std::path::PathBuf,
    limit: &'static str,
}

impl Group {
    fn make() -> Result<Group, String> {
        let places = [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/unified", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ];
        let mut reasons = Vec::new();
        for (mount, limit) in places {
            let folder = std::path::Path::new(mount).join(format!("russet-{}", std::process::id()));
            if let Err(error) = std::fs::create_dir(&folder) {
                reasons.push(format!("{}: {error}", folder.display()));
                continue;
            }
            if folder.join(limit).exists() {
                return Ok(Group { folder, limit });
            }
            let _ = std::fs::remove_dir(&folder);
            reasons.push(format!("{mount} does not control memory"));
        }
        Err(reasons.join("; "))
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(self.folder.join(file), value).expect("a control group's file");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel removes the group after its processes have ended.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[test]
fn in_a_container_memory_ends_with_refusals_or_evictions_not_with_the_process() {
    let group = match Group::make() {
        Ok(group) => group,
        Err(reason) => {
            eprintln!("skipped: no control group can be made here ({reason})");
            return;
        }
    };
    let mib = 1u64 << 20;
    let server = Daemon::start(&["--maxmemory", "auto", "--maxmemory-policy", "noeviction"]);
    assert_ne!(server.info("maxmemory_auto_of").as_deref(), Some("none"));
    // Both versions accept a number.
    group.set(group.limit, &(96 * mib).to_string());
    group.set("cgroup.procs", &server.pid().to_string());
    wait_until("the group's limit", || {
        field(&server, "maxmemory") == 72 * mib
    });
    assert_eq!(server.info("maxmemory_auto_of").as_deref(), Some("cgroup"));
    assert_eq!(field(&server, "maxmemory_auto_memory"), 96 * mib);
    let mut c = server.connect();
    assert_eq!(
        c.ask("CONFIG GET maxmemory"),
        "*2\r\n$9\r\nmaxmemory\r\n$4\r\nauto\r\n"
    );
    let value = "x".repeat(100_000);
    let fill = |c: &mut Connection, from: usize| {
        let mut refused = 0;
        for n in from..from + 1500 {
            refused += usize::from(c.ask(&format!("SET key:{n} {value}")).starts_with("-OOM"));
        }
        refused
    };
    assert!(fill(&mut c, 0) > 500, "150 MB do not fit");
    assert_eq!(c.ask("PING"), "+PONG\r\n");
    assert_eq!(c.ask("CONFIG SET maxmemory-policy allkeys-lru"), "+OK\r\n");
    assert_eq!(fill(&mut c, 2000), 0);
    assert!(field(&server, "evicted_keys") > 500);
    assert!(used(&server) <= 73 * mib);
    // The server follows a change of the limit.
    group.set(group.limit, &(192 * mib).to_string());
    wait_until("the new limit", || field(&server, "maxmemory") == 144 * mib);
    drop(c);
    drop(server);
}

#[test]
fn figures_by_prefix_survive_a_reload_exactly() {
    let server = Daemon::start(&["--prefix-stats", "yes", "--enable-debug-command", "yes"]);
    let mut c = server.connect();
    for n in 0..3000 {
        c.ask(&format!("SET p{}:{n} {}", n % 7, "v".repeat(n % 300)));
        c.ask(&format!("SADD s{}:x {n} m{n}", n % 3));
    }
    let lines = |c: &mut Connection| {
        let info = c.ask("INFO prefixstats");
        let lines: Vec<String> = info
            .lines()
            .filter_map(|line| {
                let (_, figures) = line.split_once(":keys=")?;
                let (bytes, _) = figures.split_once(",reads=")?;
                let (_, prefix) = figures.split_once("prefix=")?;
                Some(format!("{prefix} {bytes}"))
            })
            .collect();
        lines
    };
    let keys = |lines: &[String]| {
        let names = lines
            .iter()
            .map(|l| l.split(",bytes").next().expect("a line").to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = lines(&mut c);
    assert_eq!(before.len(), 10);
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    let after = lines(&mut c);
    assert_eq!(keys(&before), keys(&after));
    assert_eq!(c.ask("CONFIG SET prefix-stats no"), "+OK\r\n");
    assert!(c.ask("PREFIXSTATS").starts_with("-ERR"));
    // A new count gives the same figure, to the byte.
    assert_eq!(c.ask("CONFIG SET prefix-stats yes"), "+OK\r\n");
    wait_until("the walk", || {
        server.info("prefix_stats_walking").as_deref() == Some("0")
    });
    assert_eq!(lines(&mut c), after);
}
