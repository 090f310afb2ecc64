//! Full caches beside Redis 8.10, under each policy: the keys that a server loses, and the writes
//! that it refuses, because of memory that it frees again soon.
//!
//!     log       30,000 keys of 2 KB are overwritten in pipelines of 500, with an append only file
//!               and 3 MB of room; then as many new keys are written, and the rest is counted
//!     script    one EVAL builds 10 MB of strings and keeps none; then 1,000 keys are overwritten
//!     readers   500 keys of 10 KB, 20 and 200 clients that request ten of them again and again and
//!               read nothing, with a limit on clients; then the keys are overwritten
//!
//! `-- --nocapture` prints the table. `RUSSET_CACHE_KEYS` sets the number of keys of the first two.

use std::env;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::support::policies::POLICIES;
use crate::support::resp::{Connection, command};
use crate::support::wait::{wait_until, wait_within};
use crate::support::{Daemon, daemon::russet, peers::Peer};

const PIPELINE: usize = 500;
const ROOM: u64 = 3 << 20;
const SCRIPT: &str =
    "local t = {} for i = 1, 10000 do t[i] = string.rep('x', 1000) .. i end return #t";
const AFTER_SCRIPT: usize = 1000;
const READERS: [usize; 2] = [20, 200];
/// Requests of each reader, whose replies are more than the kernel's buffers take.
const REQUESTS: usize = 60;
/// A cache cannot hold all new keys: russet must hold at least this share of the keys that Redis
/// holds.
const HELD_MIN: f64 = 0.98;

/// Keys evicted and writes refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct CacheLosses {
    evicted: u64,
    refused: usize,
}

impl CacheLosses {
    fn total(self) -> u64 {
        self.evicted + self.refused as u64
    }
}

/// The losses of a server under a policy.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    log: CacheLosses,
    script: CacheLosses,
    readers: [CacheLosses; READERS.len()],
    held: u64,
}

fn figure(c: &mut Connection, section: &str, name: &str) -> u64 {
    let text = c.ask(&format!("INFO {section}"));
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(field, _)| *field == name);
    let value = values
        .next()
        .unwrap_or_else(|| panic!("{name} in {text}"))
        .1;
    value.parse().expect("a number")
}

/// Sets keys in pipelines; returns the number of refused writes.
fn set(c: &mut Connection, keys: impl Iterator<Item = usize>, bytes: usize) -> usize {
    let value = "x".repeat(bytes);
    let keys: Vec<String> = keys.map(|key| format!("key:{key}")).collect();
    let mut refused = 0;
    for names in keys.chunks(PIPELINE) {
        let mut all = Vec::with_capacity(names.len() * (bytes + 80));
        for name in names {
            all.extend_from_slice(&command(&["SET", name, &value, "EX", "100000"]));
        }
        c.send(&all);
        for name in names {
            let reply = c.reply();
            if reply != b"+OK\r\n" {
                assert!(reply.starts_with(b"-OOM"), "{name}: {reply:?}");
                refused += 1;
            }
        }
    }
    refused
}

/// The losses during `act`, which returns the number of refused writes.
fn lost(c: &mut Connection, act: impl FnOnce(&mut Connection) -> usize) -> CacheLosses {
    let before = figure(c, "stats", "evicted_keys");
    let refused = act(c);
    let evicted = figure(c, "stats", "evicted_keys") - before;
    CacheLosses { evicted, refused }
}

fn config(c: &mut Connection, name: &str, value: &str) {
    let reply = c.call(&["CONFIG", "SET", name, value]);
    assert_eq!(reply, b"+OK\r\n", "{name} {value}");
}

/// Fills a cache with a log again for each policy, and plays the writes.
fn play_writes(program: &Path, keys: usize, figures: &mut [Figures]) {
    let args = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let server = Daemon::start_program(program, &args);
    let mut c = server.connect();
    c.reply_limit(Duration::from_secs(60));
    config(&mut c, "auto-aof-rewrite-percentage", "0");
    for (policy, its) in POLICIES.iter().zip(figures) {
        config(&mut c, "maxmemory", "0");
        assert_eq!(c.ask("FLUSHALL SYNC"), "+OK\r\n");
        config(&mut c, "maxmemory-policy", policy);
        set(&mut c, 0..keys, 2000);
        wait_within(Duration::from_secs(60), "the log to be written", || {
            figure(&mut c, "persistence", "aof_buffer_length") == 0
                && figure(&mut c, "persistence", "aof_pending_bio_fsync") == 0
        });
        let limit = figure(&mut c, "memory", "used_memory") + ROOM;
        config(&mut c, "maxmemory", &limit.to_string());
        its.log = lost(&mut c, |c| set(c, 0..keys, 2000));
        its.script = lost(&mut c, |c| {
            assert_eq!(c.call(&["EVAL", SCRIPT, "0"]), b":10000\r\n");
            set(c, 0..AFTER_SCRIPT, 2000)
        });
        set(&mut c, keys..2 * keys, 2000);
        its.held = c.ask("DBSIZE")[1..].trim().parse().expect("a number");
    }
}

/// Clients that request much and read no reply.
fn readers(server: &Daemon, count: usize) -> Vec<Connection> {
    let keys: Vec<String> = (0..10).map(|key| format!("key:{key}")).collect();
    let words = ["MGET"].into_iter().chain(keys.iter().map(String::as_str));
    let requests = command(&words.collect::<Vec<_>>()).repeat(REQUESTS);
    let mut all: Vec<Connection> = (0..count).map(|_| server.connect()).collect();
    for c in &mut all {
        // The server may close the connection while it sends.
        let _ = c.write(&requests);
    }
    all
}

fn play_readers(program: &Path, figures: &mut [Figures]) {
    let args = ["--maxmemory", "11mb", "--maxmemory-clients", "3mb"];
    let server = Daemon::start_program(program, &args);
    let mut c = server.connect();
    for (policy, its) in POLICIES.iter().zip(figures) {
        config(&mut c, "maxmemory-policy", policy);
        for (count, lost_keys) in READERS.iter().zip(&mut its.readers) {
            assert_eq!(c.ask("FLUSHALL SYNC"), "+OK\r\n");
            assert_eq!(set(&mut c, 0..500, 10_000), 0, "{policy}: all fit");
            *lost_keys = lost(&mut c, |c| {
                let closed = figure(c, "stats", "evicted_clients");
                let all = readers(&server, *count);
                wait_until("clients to be closed", || {
                    figure(c, "stats", "evicted_clients") > closed
                });
                let refused = set(c, 0..500, 10_000);
                drop(all);
                refused
            });
            wait_until("clients to be gone", || {
                figure(&mut c, "clients", "connected_clients") == 1
            });
        }
    }
}

fn play(program: &Path, keys: usize) -> [Figures; POLICIES.len()] {
    let mut figures = [Figures::default(); POLICIES.len()];
    play_writes(program, keys, &mut figures);
    play_readers(program, &mut figures);
    figures
}

#[test]
fn a_full_cache_loses_no_more_than_beside_it() {
    let Some(redis) = Peer::Redis810.program_for("full caches") else {
        return;
    };
    let keys = env::var("RUSSET_CACHE_KEYS").ok();
    let keys = keys.and_then(|text| text.parse().ok()).unwrap_or(30_000);
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| play(&redis, keys));
        (play(&russet(), keys), theirs.join().expect("Redis plays"))
    });
    let mut table = String::from(
        "| policy | log | script | 20 readers | 200 readers | held after new keys |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut faults = Vec::new();
    for ((policy, ours), theirs) in POLICIES.iter().zip(&ours).zip(&theirs) {
        let all = |its: &Figures| [its.log, its.script, its.readers[0], its.readers[1]];
        let pairs = all(ours).into_iter().zip(all(theirs));
        let cells: String = pairs
            .map(|(ours, theirs)| format!(" {} / {} |", ours.total(), theirs.total()))
            .collect();
        let held = format!("{} / {}", ours.held, theirs.held);
        writeln!(table, "| {policy} |{cells} {held} |").expect("a string");
        if all(ours) != [CacheLosses::default(); 4] {
            faults.push(format!("{policy}: {ours:?}"));
        }
        if (ours.held as f64) < HELD_MIN * theirs.held as f64 {
            faults.push(format!("{policy} holds {held}"));
        }
    }
    println!("lost by russet / by Redis 8.10, of {keys} keys:\n{table}");
    assert!(faults.is_empty(), "{faults:#?}\n{table}");
}
