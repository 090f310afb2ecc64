//! FLUSH UNDO brings flushed data back: in normal use, after crashes, on replicas, and when the
//! server needs the memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::peers::Peer;
use crate::support::wait::SetOnDrop;
use crate::support::{Connection, Daemon, Reply, wait_until};

const GRACE: [&str; 2] = ["--flush-grace", "600"];

fn start(args: &[&str]) -> Daemon {
    Daemon::start(&[&GRACE[..], args].concat())
}

/// Writes keys with commands that the log and replicas receive.
fn fill(c: &mut Connection, prefix: &str, keys: usize) {
    let script = format!(
        "for i=1,{keys} do redis.call('SET','{prefix}:'..i,string.rep('x',100)..i) end return {keys}"
    );
    let reply = c.call(&["EVAL", &script, "0"]);
    assert_eq!(reply, format!(":{keys}\r\n").into_bytes());
}

fn number(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn size(server: &Daemon) -> String {
    server.connect().ask("DBSIZE")
}

fn pending(c: &mut Connection) -> usize {
    let Reply::Array(all) = c.value("FLUSH PENDING") else {
        panic!("an array");
    };
    all.len()
}

fn follow(replica: &Daemon, primary: &Daemon) {
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert!(replica.connect().ask(&line).starts_with("+OK"));
    wait_until("the link to be up", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
}

fn wait_for_offset(replica: &Daemon, primary: &Daemon) {
    wait_until("the replica to have everything", || {
        replica.info("master_link_status").as_deref() == Some("up")
            && number(replica, "slave_repl_offset") == number(primary, "master_repl_offset")
    });
}

fn digest(server: &Daemon) -> String {
    server.connect().ask("DEBUG DIGEST")
}

#[test]
fn what_was_flushed_is_back_and_is_listed_until_then() {
    let server = start(&[]);
    let mut c = server.connect();
    assert!(
        c.ask("FLUSH UNDO")
            .starts_with("-ERR there is no flush to undo")
    );
    fill(&mut c, "a", 1000);
    c.ask("SELECT 3");
    c.ask("SET b 1 EX 1000");
    c.ask("RPUSH list 1 2 3");
    let before = digest(&server);
    assert_eq!(c.ask("FLUSHALL"), "+OK\r\n");
    assert_eq!(c.ask("DBSIZE"), ":0\r\n");
    assert!(number(&server, "mem_set_aside") > 100_000);
    let Reply::Array(flushes) = c.value("FLUSH PENDING") else {
        panic!("an array");
    };
    let [flush] = &flushes[..] else {
        panic!("one flush: {flushes:?}");
    };
    let fields = flush.items().expect("a flat map");
    let field = |name: &str| {
        let at = fields
            .iter()
            .position(|its| its.text() == Some(name.as_bytes()));
        &fields[at.expect("the field") + 1]
    };
    assert!(matches!(field("keys"), Reply::Integer(1002)));
    assert!(matches!(field("seconds-left"), Reply::Integer(590..=600)));
    let databases = field("databases").items().expect("a flat map");
    assert_eq!(databases.len(), 4);
    assert_eq!(c.ask("FLUSH UNDO"), ":1002\r\n");
    assert_eq!(digest(&server), before);
    assert_eq!((pending(&mut c), number(&server, "mem_set_aside")), (0, 0));
    assert!(matches!(c.value("TTL b"), Reply::Integer(900..=1000)));
}

#[test]
fn it_does_not_mix_with_what_came_since_unless_that_is_replaced() {
    let server = start(&[]);
    let mut c = server.connect();
    fill(&mut c, "old", 100);
    c.ask("FLUSHDB");
    c.ask("SET new 1");
    assert!(
        c.ask("FLUSH UNDO")
            .starts_with("-ERR the database is not empty")
    );
    assert_eq!(c.ask("DBSIZE"), ":1\r\n");
    assert_eq!(c.ask("FLUSH UNDO REPLACE"), ":100\r\n");
    assert_eq!(c.ask("EXISTS new"), ":0\r\n");
    // A second undo brings the new data back.
    assert_eq!(c.ask("FLUSH UNDO REPLACE"), ":1\r\n");
    assert_eq!(c.ask("KEYS *"), "*1\r\n$3\r\nnew\r\n");
    assert_eq!(pending(&mut c), 1);
}

#[test]
fn one_database_of_several_comes_back() {
    let server = start(&[]);
    let mut c = server.connect();
    c.ask("SET a 1");
    c.ask("SELECT 1");
    c.ask("SET b 1");
    c.ask("FLUSHALL");
    c.ask("SELECT 0");
    c.ask("SET newer 1");
    assert!(c.ask("FLUSH UNDO").starts_with("-ERR the database"));
    assert_eq!(c.ask("FLUSH UNDO DB 1"), ":1\r\n");
    assert!(
        c.ask("FLUSH UNDO DB 1")
            .starts_with("-ERR there is no flush")
    );
    assert!(c.ask("FLUSH UNDO DB 99").starts_with("-ERR DB index"));
    assert!(c.ask("FLUSH UNDO OF 0 1").starts_with("-ERR syntax"));
    c.ask("DEL newer");
    // Data that a flush set aside moves with its database.
    c.ask("SWAPDB 0 5");
    assert_eq!(c.ask("FLUSH UNDO"), ":1\r\n");
    c.ask("SELECT 5");
    assert_eq!(c.ask("EXISTS a"), ":1\r\n");
}

#[test]
fn transactions_and_scripts_flush_and_undo() {
    let server = start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    fill(&mut c, "a", 100);
    let before = digest(&server);
    for line in ["MULTI", "FLUSHALL", "SET x 1", "FLUSH UNDO REPLACE"] {
        c.ask(line);
    }
    assert_eq!(c.ask("EXEC"), "*3\r\n+OK\r\n+OK\r\n:100\r\n");
    assert_eq!(digest(&server), before);
    let script = "redis.call('FLUSHALL') return redis.call('FLUSH', 'UNDO')";
    assert_eq!(c.call(&["EVAL", script, "0"]), b":100\r\n");
    assert_eq!(digest(&server), before);
    // A flush that the log and replicas do not receive sets nothing aside, because an undo there
    // could not name it.
    let script = "redis.set_repl(redis.REPL_NONE) redis.call('FLUSHALL')";
    c.call(&["EVAL", script, "0"]);
    assert_eq!(pending(&mut c), 0);
}

#[test]
fn clients_that_watch_wait_or_cache_are_notified() {
    let server = start(&[]);
    let (mut c, mut watcher, mut waiter) = (server.connect(), server.connect(), server.connect());
    c.ask("RPUSH list x");
    c.ask("SET a 1");
    c.ask("SET passing 1 PX 20");
    c.ask("FLUSHALL");
    watcher.ask("WATCH a");
    watcher.ask("MULTI");
    watcher.ask("PING");
    waiter.send(b"*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n");
    wait_until("the waiter to wait", || {
        number(&server, "blocked_clients") == 1
    });
    std::thread::sleep(Duration::from_millis(30));
    let mut caches = server.connect();
    caches.ask("HELLO 3");
    caches.ask("CLIENT TRACKING ON");
    caches.ask("GET a");
    assert_eq!(c.ask("FLUSH UNDO"), ":3\r\n");
    assert_eq!(waiter.reply(), b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    assert_eq!(watcher.ask("EXEC"), "*-1\r\n");
    assert_eq!(caches.reply(), b">2\r\n$10\r\ninvalidate\r\n_\r\n");
    assert_eq!(
        c.ask("GET passing"),
        "$-1\r\n",
        "its time has passed meanwhile"
    );
    assert_eq!(c.ask("GET a"), "$1\r\n1\r\n");
}

#[test]
fn it_is_freed_after_the_grace_at_0_and_now() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    assert_eq!(pending(&mut c), 0, "the default frees at once");
    c.ask("CONFIG SET flush-grace 1");
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    assert_eq!(pending(&mut c), 1);
    wait_until("the grace to end", || pending(&mut c) == 0);
    wait_until("its memory to be free", || {
        number(&server, "lazyfree_pending_objects") == 0
    });
    c.ask("CONFIG SET flush-grace 600");
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    c.ask("CONFIG SET flush-grace 0");
    assert_eq!(pending(&mut c), 0);
    c.ask("CONFIG SET flush-grace 600");
    fill(&mut c, "a", 100);
    c.ask("FLUSHDB");
    fill(&mut c, "b", 100);
    assert_eq!(c.ask("FLUSHALL NOW"), "+OK\r\n");
    assert_eq!((pending(&mut c), number(&server, "mem_set_aside")), (0, 0));
    assert!(c.ask("FLUSHDB NOW").starts_with("-ERR syntax"));
    assert!(c.ask("CONFIG SET flush-grace 3601").starts_with("-ERR"));
}

#[test]
fn it_counts_towards_no_limit_and_goes_before_any_key() {
    let server = start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut c = server.connect();
    let value = "v".repeat(100_000);
    let write = |c: &mut Connection, prefix: &str, n: usize| {
        for i in 0..n {
            let key = format!("{prefix}:{i}");
            assert_eq!(c.call(&["SET", &key, &value]), b"+OK\r\n");
        }
    };
    write(&mut c, "old", 300);
    let full = number(&server, "used_memory");
    c.ask("FLUSHALL");
    assert!(number(&server, "used_memory") + 25_000_000 < full);
    assert!(number(&server, "mem_set_aside") > 25_000_000);
    write(&mut c, "new", 100);
    assert_eq!(pending(&mut c), 1);
    write(&mut c, "newer", 300);
    assert_eq!((pending(&mut c), number(&server, "evicted_keys")), (0, 0));
    assert_eq!(c.ask("DBSIZE"), ":400\r\n");
}

#[test]
fn log_and_replicas_receive_a_renamed_flush_by_its_name() {
    let words = [
        "--appendonly yes --appendfsync always",
        "--rename-command FLUSHALL wipe-it",
        "--rename-command FLUSH bring-it",
    ];
    let words: Vec<&str> = words.iter().flat_map(|line| line.split(' ')).collect();
    let mut server = start(&words);
    let replica = start(&words);
    follow(&replica, &server);
    let mut c = server.connect();
    for word in ["wipe-it", "wipe-it SYNC", "wipe-it ASYNC"] {
        fill(&mut c, "a", 10);
        assert_eq!(c.ask(word), "+OK\r\n");
        server.restart();
        c = server.connect();
        assert_eq!(size(&server), ":0\r\n");
        wait_for_offset(&replica, &server);
        assert_eq!(size(&replica), ":0\r\n", "{word}");
        assert_eq!(c.ask("bring-it UNDO"), ":10\r\n", "{word}");
        server.restart();
        c = server.connect();
        assert_eq!(size(&server), ":10\r\n");
        wait_for_offset(&replica, &server);
        assert_eq!(size(&replica), ":10\r\n", "{word}");
    }
    fill(&mut c, "a", 10);
    assert_eq!(c.ask("wipe-it NOW"), "+OK\r\n");
    server.restart();
    assert_eq!(size(&server), ":0\r\n");
    wait_for_offset(&replica, &server);
    assert_eq!(size(&replica), ":0\r\n");
    let reported = replica.connect().ask("bring-it UNDO");
    assert!(reported.starts_with('-'), "{reported}");
}

#[test]
fn a_restart_within_the_grace_finds_it_in_the_log() {
    for args in [&["--appendfsync", "always"][..], &["--aof-checksum", "no"]] {
        let mut server = start(&[&["--appendonly", "yes"], args].concat());
        let mut c = server.connect();
        fill(&mut c, "first", 50);
        c.ask("FLUSHALL");
        fill(&mut c, "a", 1000);
        let before = digest(&server);
        c.ask("FLUSHALL");
        fill(&mut c, "b", 10);
        server.kill();
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.ask("DBSIZE"), ":10\r\n");
        assert_eq!(pending(&mut c), 2);
        assert_eq!(c.ask("FLUSH UNDO REPLACE"), ":1000\r\n");
        assert_eq!(digest(&server), before);
        // The log has the undo, too.
        server.kill();
        server.restart();
        assert_eq!(digest(&server), before);
        let mut c = server.connect();
        assert_eq!(c.ask("FLUSH UNDO REPLACE"), ":10\r\n");
        assert_eq!(size(&server), ":10\r\n");
    }
}

#[test]
fn the_log_undoes_what_was_undone_whatever_the_grace_is_now() {
    let mut server = start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    fill(&mut c, "a", 500);
    let before = digest(&server);
    c.ask("FLUSHALL");
    fill(&mut c, "b", 10);
    c.ask("FLUSHDB");
    c.ask("FLUSHDB");
    assert_eq!(c.ask("FLUSH UNDO"), ":10\r\n");
    c.ask("FLUSHALL NOW");
    fill(&mut c, "a", 500);
    c.ask("FLUSHDB ASYNC");
    assert_eq!(c.ask("FLUSH UNDO"), ":500\r\n");
    assert_eq!(digest(&server), before);
    server.kill();
    let off = ["--appendonly", "yes", "--flush-grace", "0"].map(str::to_owned);
    server.set_args(&off);
    server.restart();
    assert_eq!(digest(&server), before);
    let mut c = server.connect();
    assert_eq!((pending(&mut c), number(&server, "mem_set_aside")), (0, 0));
    assert_eq!(c.ask("DEBUG LOADAOF"), "+OK\r\n");
    assert_eq!(digest(&server), before);
}

/// The log has the undo in the middle of a long transaction, later than the flush, and the grace
/// period is over at the start.
#[test]
fn a_long_unit_undoes_after_a_restart_too() {
    let mut server = start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut c = server.connect();
    fill(&mut c, "a", 10);
    c.ask("FLUSHALL");
    c.ask("SET later 1");
    let script =
        "redis.call('FLUSH','UNDO','REPLACE') for i=1,40 do redis.call('SET','b'..i,i) end";
    c.call(&["EVAL", script, "0"]);
    let before = digest(&server);
    assert_eq!(c.ask("DBSIZE"), ":50\r\n");
    // Two flushes in a transaction, and an undo of the first flush.
    for line in [
        "MULTI",
        "FLUSHDB",
        "SET c 1",
        "FLUSHDB",
        "FLUSH UNDO",
        "FLUSH UNDO REPLACE",
    ] {
        c.ask(line);
    }
    assert_eq!(c.ask("EXEC"), "*5\r\n+OK\r\n+OK\r\n+OK\r\n:1\r\n:50\r\n");
    assert_eq!(digest(&server), before);
    server.kill();
    let off = ["--appendonly", "yes", "--flush-grace", "0"].map(str::to_owned);
    server.set_args(&off);
    server.restart();
    assert_eq!(digest(&server), before);
}

/// A replay of the log sets nothing aside, and keeps nothing, that the server has freed.
#[test]
fn what_was_freed_stays_so_after_a_restart() {
    let quick = ["--repl-diskless-sync-delay", "0", "--appendonly", "yes"];
    let (mut primary, replica) = (start(&quick), start(&quick));
    follow(&replica, &primary);
    let mut c = primary.connect();
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    fill(&mut c, "b", 100);
    assert_eq!(c.ask("FLUSHALL NOW"), "+OK\r\n");
    wait_for_offset(&replica, &primary);
    assert_eq!(pending(&mut replica.connect()), 0, "NOW frees there, too");
    // A flush that frees its data does not count as a flush that sets it aside.
    fill(&mut c, "c", 100);
    c.ask("FLUSHALL SYNC");
    c.ask("CONFIG SET flush-grace 0");
    for _ in 0..20 {
        fill(&mut c, "d", 10);
        c.ask("FLUSHDB");
    }
    c.ask("CONFIG SET flush-grace 1");
    fill(&mut c, "e", 100);
    c.ask("FLUSHALL");
    assert_eq!(pending(&mut c), 1);
    wait_until("the grace to end", || pending(&mut c) == 0);
    std::thread::sleep(Duration::from_millis(250));
    c.ask("SET x 1");
    primary.kill();
    primary.restart();
    let mut c = primary.connect();
    assert_eq!((pending(&mut c), size(&primary)), (0, ":1\r\n".to_owned()));
    assert_eq!(number(&primary, "mem_set_aside"), 0);
}

#[test]
fn a_backup_frees_what_it_would_wait_for() {
    let server = start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    assert_eq!(pending(&mut c), 1);
    let begun = c.ask("BACKUP START");
    assert!(!begun.starts_with('-'), "{begun}");
    wait_until("the base", || number(&server, "aof_rewrites") == 1);
    assert_eq!(pending(&mut c), 0);
}

#[test]
fn a_rewrite_waits_for_what_is_set_aside() {
    let mut server = start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    fill(&mut c, "a", 100);
    c.ask("FLUSHALL");
    let scheduled = "+Background append only file rewriting scheduled\r\n";
    assert_eq!(c.ask("BGREWRITEAOF"), scheduled);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(number(&server, "aof_rewrite_in_progress"), 0);
    assert_eq!(c.ask("FLUSH UNDO"), ":100\r\n");
    wait_until("the rewrite", || number(&server, "aof_rewrites") == 1);
    server.kill();
    server.restart();
    assert_eq!(size(&server), ":100\r\n");
    // Several flushes in a row delay a rewrite by a single grace period.
    let mut c = server.connect();
    c.ask("CONFIG SET flush-grace 1");
    c.ask("FLUSHALL");
    assert_eq!(c.ask("BGREWRITEAOF"), scheduled);
    wait_until("the rewrite", || {
        fill(&mut c, "b", 1);
        c.ask("FLUSHALL");
        number(&server, "aof_rewrites") == 1
    });
}

/// A running snapshot holds the data that a flush removed in the middle of the snapshot.
#[test]
fn it_comes_back_from_under_a_snapshot() {
    let server = start(&["--rdb-key-save-delay", "1000"]);
    let mut c = server.connect();
    fill(&mut c, "a", 2000);
    let before = digest(&server);
    assert!(c.ask("BGSAVE").starts_with("+Background"));
    assert_eq!(c.ask("FLUSHDB"), "+OK\r\n");
    assert_eq!(number(&server, "rdb_bgsave_in_progress"), 1);
    assert_eq!(c.ask("FLUSH UNDO"), ":2000\r\n");
    assert_eq!(digest(&server), before);
    c.ask("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(digest(&server), before);
}

#[test]
fn a_replica_repeats_it_without_a_copy() {
    let quick = ["--repl-diskless-sync-delay", "0"];
    let with_log = [&quick[..], &["--appendonly", "yes"]].concat();
    let (primary, replica) = (start(&quick), start(&with_log));
    let below = start(&[]);
    follow(&replica, &primary);
    follow(&below, &replica);
    let mut c = primary.connect();
    fill(&mut c, "a", 1000);
    let before = digest(&primary);
    c.ask("FLUSHALL");
    fill(&mut c, "b", 5);
    wait_for_offset(&replica, &primary);
    assert_eq!(size(&replica), ":5\r\n");
    assert!(replica.connect().ask("FLUSH UNDO").starts_with("-READONLY"));
    assert_eq!(c.ask("FLUSH UNDO REPLACE"), ":1000\r\n");
    for server in [&replica, &below] {
        wait_until("the undo", || size(server) == ":1000\r\n");
        assert_eq!(digest(server), before);
    }
    assert_eq!(number(&primary, "sync_full"), 1);
    assert_eq!(number(&replica, "sync_full"), 1);
}

#[test]
fn a_replica_without_the_data_asks_for_a_copy_of_everything() {
    let quick = ["--repl-diskless-sync-delay", "0", "--appendonly", "yes"];
    let primary = start(&quick);
    let mut c = primary.connect();
    fill(&mut c, "a", 1000);
    let before = digest(&primary);
    // A replica that connects after the flush, and a replica that sets nothing aside.
    let other = Daemon::start(&["--appendonly", "yes"]);
    follow(&other, &primary);
    c.ask("FLUSHALL");
    let strict = [
        "--appendonly",
        "yes",
        "--propagation-error-behavior",
        "panic",
    ];
    let late = start(&strict);
    follow(&late, &primary);
    for line in ["MULTI", "SET x 1", "FLUSH UNDO REPLACE", "EXEC"] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    for server in [&other, &late] {
        server.wait_for_log("asking for a full copy");
        wait_until("the copy", || size(server) == ":1000\r\n");
        assert_eq!(digest(server), before);
    }
    c.ask("SET y 1");
    for server in [&other, &late] {
        wait_for_offset(server, &primary);
        assert_eq!(digest(server), digest(&primary));
    }
    assert_eq!(number(&primary, "sync_full"), 4);
}

#[test]
fn real_replicas_are_given_a_copy_instead() {
    for peer in [Peer::Redis810, Peer::Valkey9] {
        let Some(program) = peer.program_for("FLUSH UNDO with a real replica") else {
            continue;
        };
        let mut primary = start(&[
            "--repl-diskless-sync-delay",
            "0",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--repl-log-retain",
            "100mb",
        ]);
        let theirs = Daemon::start_program(&program, &["--repl-diskless-load", "disabled"]);
        follow(&theirs, &primary);
        let mut c = primary.connect();
        fill(&mut c, "a", 1000);
        c.ask("FLUSHALL");
        wait_until("the flush", || size(&theirs) == ":0\r\n");
        assert_eq!(c.ask("FLUSH UNDO"), ":1000\r\n");
        wait_until("the copy", || size(&theirs) == ":1000\r\n");
        c.ask("SET x 1");
        wait_for_offset(&theirs, &primary);
        assert_eq!(digest(&theirs), digest(&primary));
        assert_eq!(number(&primary, "sync_full"), 2);
        // A restarted primary remembers which undo it must not send to the replica.
        theirs.signal(Signal::STOP);
        c.ask("FLUSHALL");
        assert_eq!(c.ask("FLUSH UNDO"), ":1001\r\n");
        primary.kill();
        primary.restart();
        theirs.signal(Signal::CONT);
        wait_for_offset(&theirs, &primary);
        assert_eq!(digest(&theirs), digest(&primary));
        assert_eq!(number(&primary, "sync_full"), 1);
        // The same with an undo in a file that the primary keeps for replicas only.
        theirs.signal(Signal::STOP);
        let mut c = primary.connect();
        c.ask("FLUSHALL");
        assert_eq!(c.ask("FLUSH UNDO"), ":1001\r\n");
        c.ask("BGREWRITEAOF");
        wait_until("the rewrite", || number(&primary, "aof_rewrites") == 1);
        primary.kill();
        primary.restart();
        theirs.signal(Signal::CONT);
        wait_for_offset(&theirs, &primary);
        assert_eq!(digest(&theirs), digest(&primary));
        assert_eq!(number(&primary, "sync_full"), 1);
        assert!(!theirs.log().contains("CRITICAL"), "{}", theirs.log());
    }
}

#[test]
fn a_user_that_may_not_flush_may_not_undo() {
    let server = start(&[]);
    let mut c = server.connect();
    fill(&mut c, "a", 10);
    c.ask("FLUSHALL");
    c.ask("ACL SETUSER ann on nopass ~* +@all -@dangerous");
    assert_eq!(c.ask("AUTH ann x"), "+OK\r\n");
    assert!(c.ask("FLUSH UNDO").starts_with("-NOPERM"));
    assert!(c.ask("FLUSH PENDING").starts_with("-NOPERM"));
}

/// Many clients write while flushes and undos run.
#[test]
fn under_load_nothing_is_lost() {
    let server = start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    fill(&mut c, "base", 20_000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = SetOnDrop(&stop);
        for client in 0..4 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut c = server.connect();
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reply = c.ask(&format!("SET w{client}:{n} x"));
                    assert_eq!(reply, "+OK\r\n");
                    n += 1;
                }
            });
        }
        for _ in 0..50 {
            assert_eq!(c.ask("FLUSHALL"), "+OK\r\n");
            assert!(c.ask("FLUSH UNDO REPLACE").starts_with(':'));
            assert_eq!(c.ask("EXISTS base:1 base:20000"), ":2\r\n");
        }
    });
    let before = digest(&server);
    assert_eq!(c.ask("DEBUG LOADAOF"), "+OK\r\n");
    assert_eq!(digest(&server), before);
}
