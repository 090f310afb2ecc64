//! A cache at its memory limit: memory that the server frees soon costs no key and refuses no
//! write.
//!
//! For comparison, Redis 8.10.2 with 30,000 keys of 2 KB evicts no key in most of these cases. It
//! does evict for transactions, half-sent commands, and unread replies without `maxmemory-clients`.

use crate::support::policies::POLICIES;
use crate::support::resp::{Connection, command};
use crate::support::{Daemon, wait_until};

const KEY_BYTES: usize = 2000;
const KEYS: usize = 4000;
/// Commands of a pipeline: twice as many as the free memory below has room for.
const PIPELINE: usize = 500;
const ROOM: u64 = 512 << 10;

fn figure(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field).expect("INFO has it");
    text.parse().expect("a number")
}

/// Sets keys in pipelines; returns the number of refused writes.
fn set_keys(c: &mut Connection, keys: impl Iterator<Item = usize>, fill: char) -> usize {
    let value: String = std::iter::repeat_n(fill, KEY_BYTES).collect();
    let keys: Vec<String> = keys.map(|key| format!("key:{key}")).collect();
    let mut refused = 0;
    for names in keys.chunks(PIPELINE) {
        let of = |name: &String| command(&["SET", name.as_str(), value.as_str(), "EX", "10000"]);
        let all: Vec<u8> = names.iter().flat_map(of).collect();
        c.send(&all);
        for _ in names {
            let reply = c.reply();
            assert!(reply == b"+OK\r\n" || reply.starts_with(b"-OOM"));
            refused += usize::from(reply != b"+OK\r\n");
        }
    }
    refused
}

/// A full cache: its keys, and a limit that leaves `room` bytes.
fn full(args: &[&str], room: u64) -> (Daemon, Connection) {
    let server = Daemon::start(args);
    let mut c = server.connect();
    set_keys(&mut c, 0..KEYS, 'x');
    wait_until("the log to be written", || {
        server
            .info("aof_buffer_length")
            .is_none_or(|bytes| bytes == "0")
    });
    let counted = figure(&server, "used_memory") - figure(&server, "mem_not_counted_for_evict");
    let set = format!("CONFIG SET maxmemory {}", counted + room);
    assert_eq!(c.ask(&set), "+OK\r\n");
    (server, c)
}

fn assert_whole(server: &Daemon, what: &str) {
    assert_eq!(figure(server, "evicted_keys"), 0, "{what}");
}

#[test]
fn the_logs_buffer_costs_no_key_and_refuses_no_write() {
    let (server, mut c) = full(&["--appendonly", "yes", "--appendfsync", "everysec"], ROOM);
    for (policy, fill) in POLICIES.iter().zip('a'..) {
        c.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        assert_eq!(set_keys(&mut c, 0..KEYS, fill), 0, "{policy}");
        assert_whole(&server, policy);
    }
}

#[test]
fn a_full_cache_holds_as_much_with_a_log_as_without() {
    let held = |args: &[&str]| {
        let (server, mut c) = full(
            &[args, &["--maxmemory-policy", "allkeys-lru"]].concat(),
            ROOM,
        );
        assert_eq!(set_keys(&mut c, KEYS..4 * KEYS, 'y'), 0);
        assert!(figure(&server, "evicted_keys") > 0, "it is full");
        let size = c.ask("DBSIZE");
        size[1..].trim().parse::<f64>().expect("a number")
    };
    let (with, without) = (held(&["--appendonly", "yes"]), held(&[]));
    assert!(with >= 0.98 * without, "{with} {without}");
}

/// Used memory that counts.
fn counted(server: &Daemon) -> u64 {
    figure(server, "used_memory") - figure(server, "mem_not_counted_for_evict")
}

/// Sets `maxmemory` to this part of the memory in use.
fn set_limit(server: &Daemon, c: &mut Connection, of_used: f64) {
    let limit = (counted(server) as f64 / of_used) as u64;
    assert_eq!(c.ask(&format!("CONFIG SET maxmemory {limit}")), "+OK\r\n");
}

#[test]
fn marked_keys_stay_and_writes_may_exceed_the_limit_by_a_quarter() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    set_keys(&mut c, 0..KEYS, 'x');
    for key in 0..KEYS {
        assert_eq!(c.ask(&format!("BLESS SET key:{key} NO-EVICT")), ":1\r\n");
    }
    assert_eq!(figure(&server, "blessed_keys"), KEYS as u64);
    let evicting = POLICIES.iter().filter(|policy| **policy != "noeviction");
    for policy in evicting {
        c.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        for (of_used, passes) in [(1.11, true), (1.15, true), (1.4, false)] {
            set_limit(&server, &mut c, of_used);
            let reply = c.ask("SET key:0 y KEEPTTL");
            assert_eq!(
                reply.starts_with("+OK"),
                passes,
                "{policy} {of_used} {reply}"
            );
        }
        c.ask("CONFIG SET maxmemory 0");
    }
    assert_whole(&server, "marked");
    c.ask("CONFIG SET maxmemory-policy noeviction");
    set_limit(&server, &mut c, 1.11);
    assert!(c.ask("SET key:0 y KEEPTTL").starts_with("-OOM"), "no grace");
    c.ask("CONFIG SET maxmemory-policy allkeys-random");
    set_limit(&server, &mut c, 1.4);
    // It needs no memory, and what it sets free goes.
    assert_eq!(c.ask("BLESS CLEAR key:1 NO-EVICT"), ":1\r\n");
    assert_eq!(c.ask("EXISTS key:1"), ":0\r\n");
    assert_eq!(c.ask("EXISTS key:2"), ":1\r\n");
}

/// 500 marked keys and 50 others: 3,000 writes evict the others alone, and none is refused.
#[test]
fn the_few_other_keys_go_among_many_marked_ones() {
    let server = Daemon::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut c = server.connect();
    set_keys(&mut c, 0..550, 'x');
    for key in 0..500 {
        assert_eq!(c.ask(&format!("BLESS SET key:{key} NO-EVICT")), ":1\r\n");
    }
    set_limit(&server, &mut c, 1.0);
    assert_eq!(set_keys(&mut c, 1000..4000, 'y'), 0);
    assert!(figure(&server, "evicted_keys") > 2000);
    for key in 0..500 {
        assert_eq!(c.ask(&format!("EXISTS key:{key}")), ":1\r\n", "{key}");
    }
}

#[test]
fn what_a_script_leaves_costs_no_key_and_is_collected() {
    const GARBAGE: &str =
        "local t = {} for i = 1, 10000 do t[i] = string.rep('x', 1000) .. i end return #t";
    let (server, mut c) = full(&[], ROOM);
    for (policy, fill) in POLICIES.iter().zip('a'..) {
        c.ask(&format!("CONFIG SET maxmemory-policy {policy}"));
        assert_eq!(c.call(&["EVAL", GARBAGE, "0"]), b":10000\r\n");
        assert_eq!(set_keys(&mut c, 0..PIPELINE, fill), 0, "{policy}");
        assert_whole(&server, policy);
        wait_until("the garbage to be collected", || {
            figure(&server, "used_memory_vm_eval") < 1 << 20
        });
    }
}

/// Connections that each request much and read no reply.
fn readers(server: &Daemon, n: usize) -> Vec<Connection> {
    let keys: Vec<String> = (0..50).map(|key| format!("key:{key}")).collect();
    let mget: Vec<&str> = ["MGET"]
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .collect();
    let requests = command(&mget).repeat(50);
    let mut all: Vec<Connection> = (0..n).map(|_| server.connect()).collect();
    for c in &mut all {
        // The server may close the connection while it sends.
        let _ = c.write(&requests);
    }
    all
}

#[test]
fn clients_that_do_not_read_are_closed_before_keys_are_evicted() {
    let limit = [
        "--maxmemory-clients",
        "3mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ];
    for n in [20, 100] {
        let (server, mut c) = full(&limit, ROOM);
        let all = readers(&server, n);
        wait_until("clients to be closed", || {
            figure(&server, "evicted_clients") > 0
        });
        assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
        assert_whole(&server, "readers");
        drop(all);
    }
}

/// In Redis unread replies evict every key.
#[test]
fn clients_that_do_not_read_are_read_no_more_and_go_on_when_they_do() {
    let (server, mut c) = full(&["--maxmemory-policy", "allkeys-lru"], ROOM);
    let mut all = readers(&server, 20);
    assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
    assert_whole(&server, "readers");
    for c in &mut all {
        for _ in 0..50 {
            let reply = c.reply();
            assert!(reply.starts_with(b"*50\r\n$2000\r\n"));
        }
        assert_eq!(c.ask("PING"), "+PONG\r\n");
    }
    assert_eq!(figure(&server, "evicted_clients"), 0);
    assert_whole(&server, "readers");
    // So many clients that their allowed buffers add up to the bound: the server closes the
    // largest.
    let all = readers(&server, 300);
    assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
    assert_whole(&server, "many readers");
    drop(all);
}

/// The value belongs to the keyspace, however many replies refer to it.
#[test]
fn a_large_value_that_waits_for_clients_closes_none_and_costs_no_key() {
    let (server, mut c) = full(&["--maxmemory-policy", "allkeys-lru"], 50 << 20);
    let large = "v".repeat(20_000_000);
    assert_eq!(c.call(&["SET", "large", &large]), b"+OK\r\n");
    let mut all: Vec<Connection> = (0..3).map(|_| server.connect()).collect();
    for client in &mut all {
        client.send(&command(&["GET", "large"]));
    }
    wait_until("the replies to be made", || {
        figure(&server, "keyspace_hits") >= 3
    });
    assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
    assert_whole(&server, "a large value");
    assert_eq!(figure(&server, "evicted_clients"), 0);
    assert!(figure(&server, "mem_not_counted_for_evict") < 30 << 20);
    for client in &mut all {
        assert_eq!(
            client.reply().len(),
            large.len() + "$20000000\r\n\r\n".len()
        );
    }
}

/// In Redis this evicts nearly every key.
#[test]
fn transactions_and_half_sent_commands_cost_no_key() {
    let (server, mut c) = full(&["--maxmemory-policy", "allkeys-lru"], ROOM);
    let mut all: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    let (small, large) = ("x".repeat(1000), "x".repeat(1_000_000));
    for (i, client) in all.iter_mut().enumerate() {
        if i % 2 == 0 {
            client.send(&command(&["SET", "large", &large])[..900_000]);
            continue;
        }
        client.send(&command(&["MULTI"]));
        client.send(&command(&["SET", "small", &small]).repeat(1000));
        for _ in 0..=1000 {
            client.reply();
        }
    }
    assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
    assert_whole(&server, "buffers");
    assert!(figure(&server, "mem_not_counted_for_evict") > 15 << 20);
    // The queued commands wait in EXEC, too.
    for client in all.iter_mut().skip(1).step_by(2) {
        client.send(&command(&["EXEC"]));
        assert!(client.reply().starts_with(b"*1000\r\n+OK\r\n"));
    }
    assert_whole(&server, "EXEC");
}

/// A message belongs to no client's own memory, and exists once for all its receivers.
#[test]
fn messages_and_overwritten_values_that_wait_cost_no_key() {
    let (server, mut c) = full(&["--maxmemory-policy", "allkeys-lru"], 3 * ROOM);
    let message = "m".repeat(100_000);
    let mut all: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    for client in &mut all {
        client.ask("SUBSCRIBE news");
    }
    for _ in 0..60 {
        assert_eq!(c.call(&["PUBLISH", "news", &message]), b":20\r\n");
    }
    assert_eq!(set_keys(&mut c, 0..PIPELINE, 'z'), 0);
    assert_whole(&server, "messages");
    drop(all);
}
