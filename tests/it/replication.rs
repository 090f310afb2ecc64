//! Primaries and replicas as processes: the commands that a replica refuses, the data after a
//! demotion, and the figures of the links.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::daemon::russet;
use crate::support::{Daemon, wait_until};

const MIB: usize = 1 << 20;

fn follow(replica: &Daemon, primary: &Daemon) {
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert!(replica.connect().ask(&line).starts_with("+OK"));
}

fn is_up(replica: &Daemon) -> bool {
    replica.info("master_link_status").as_deref() == Some("up")
}

pub fn wait_for_link(replica: &Daemon) {
    wait_until("the link to be up", || is_up(replica));
}

/// A primary and a replica in sync with it.
pub fn pair(primary_args: &[&str], replica_args: &[&str]) -> (Daemon, Daemon) {
    const USUAL: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
    let primary = Daemon::start(&[&USUAL[..], primary_args].concat());
    let replica = Daemon::start(&[&USUAL[..], replica_args].concat());
    follow(&replica, &primary);
    wait_for_link(&replica);
    (primary, replica)
}

fn set_keys(server: &Daemon, n: usize) {
    let reply = server.connect().ask(&format!("DEBUG POPULATE {n}"));
    assert_eq!(reply, "+OK\r\n");
}

fn keys(server: &Daemon) -> String {
    server.connect().ask("DBSIZE")
}

fn number(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub fn wait_for_offset(replica: &Daemon, primary: &Daemon) {
    wait_until("the replica to have everything", || {
        number(replica, "slave_repl_offset") == number(primary, "master_repl_offset")
    });
}

/// Regression: replicas refused a trim with LIMIT, XADD with IDMP in a transaction, and numbers of
/// the other dialect, as if a client had sent them.
#[test]
fn what_a_primary_has_taken_its_replica_takes() {
    let (primary, replica) = pair(
        &["--stream-node-max-entries", "2"],
        &["--dialect", "valkey", "--stream-node-max-entries", "2"],
    );
    let mut c = primary.connect();
    let script = |line: &str| {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        format!("redis.call({}) redis.call('INCR', 'n')", words.join(","))
    };
    let lines = [
        "XTRIM s MINID ~ 6 LIMIT 100",
        "XADD s MAXLEN ~ 12 LIMIT 100 * f v",
        "XADD i IDMPAUTO p * f v",
        "XADD i IDMP p x * f v",
        "ZADD z 0x10 a",
        "GEOADD g 0x10 0x10 a",
    ];
    for line in lines {
        for way in 0..3 {
            c.ask("DEL i");
            for id in 1..20 {
                c.ask(&format!("XADD s {}-{id} f v", way + 2));
            }
            match way {
                0 => assert!(!c.ask(line).starts_with('-'), "{line}"),
                1 => {
                    c.ask("MULTI");
                    c.ask(line);
                    c.ask("INCR n");
                    let reply = c.ask("EXEC");
                    assert!(!reply.contains("-ERR"), "{line}: {reply}");
                }
                _ => {
                    let reply = c.call(&["EVAL", &script(line), "0"]);
                    assert_eq!(reply, b"$-1\r\n", "{line}");
                }
            }
            wait_for_offset(&replica, &primary);
            let digests = [&primary, &replica].map(|server| server.connect().ask("DEBUG DIGEST"));
            assert_eq!(digests[0], digests[1], "{line}, {way}");
            c.ask("DEL s");
        }
    }
}

/// Regression: a replica refused strings longer than its own `proto-max-bulk-len`, or than that of
/// its next start, and requests and transactions beyond its `client-query-buffer-limit` ended the
/// link.
#[test]
fn what_was_taken_by_a_higher_limit_is_kept() {
    const LOW: [&str; 4] = [
        "--proto-max-bulk-len",
        "1mb",
        "--client-query-buffer-limit",
        "1mb",
    ];
    let (primary, replica) = pair(&["--appendonly", "yes"], &LOW);
    let mut c = primary.connect();
    let long = "x".repeat(700_000);
    for line in [
        "SETRANGE range 2000000 x",
        "SETBIT bit 20000000 1",
        "BITFIELD field SET u8 20000000 1",
        "MULTI",
        "SETRANGE queued 2000000 x",
        "INCR n",
        "EXEC",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    for _ in 0..2 {
        c.call(&["APPEND", "appended", &long]);
    }
    c.call(&["SET", "whole", &"x".repeat(2_000_000)]);
    c.ask("MULTI");
    for key in ["a", "b", "c"] {
        c.call(&["SET", key, &long]);
    }
    assert!(c.ask("EXEC").starts_with("*3"));
    wait_for_offset(&replica, &primary);
    let digest = c.ask("DEBUG DIGEST");
    assert_eq!(replica.connect().ask("DEBUG DIGEST"), digest);
    assert_eq!(c.ask("CONFIG SET proto-max-bulk-len 1mb"), "+OK\r\n");
    assert!(c.ask("SETRANGE range 2000000 x").starts_with('-'));
    assert_eq!(c.ask("DEBUG LOADAOF"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG DIGEST"), digest);
}

/// Regression: the replica checked the commands of its primary's transactions against its own
/// default user, and left out the commands that this user may not run.
#[test]
fn rights_of_the_replicas_users_do_not_concern_its_primary() {
    let (primary, replica) = pair(&[], &[]);
    let mut admin = replica.connect();
    admin.ask("ACL SETUSER admin on nopass ~* +@all");
    admin.ask("AUTH admin x");
    assert_eq!(
        admin.ask("ACL SETUSER default -@all +ping +info"),
        "+OK\r\n"
    );
    let mut c = primary.connect();
    for line in ["MULTI", "SET k v", "INCR n", "EXEC", "SET single 1"] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    let function =
        "#!lua name=l\nredis.register_function('f', function(k) redis.call('SET', k[1], 1) end)";
    c.call(&["FUNCTION", "LOAD", function]);
    c.ask("FCALL f 1 called");
    // The default user may not read all keys, and BY does not name its keys.
    for line in [
        "RPUSH list 2 1",
        "SORT list BY w_* STORE sorted",
        "MULTI",
        "SORT list BY w_* STORE again",
        "INCR n",
        "EXEC",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    wait_for_offset(&replica, &primary);
    assert_eq!(admin.ask("EXISTS k n single called"), ":4\r\n");
    assert_eq!(admin.ask("EXISTS sorted again"), ":2\r\n");
}

#[test]
fn a_primary_that_comes_back_empty_does_not_empty_its_replica() {
    for load in ["disabled", "swapdb", "flushdb", "flush-before-load"] {
        let (mut primary, replica) = pair(&[], &["--repl-diskless-load", load]);
        for i in 0..300 {
            primary.connect().ask(&format!("SET k{i} v"));
        }
        wait_for_offset(&replica, &primary);
        primary.restart();
        assert_eq!(keys(&primary), ":0\r\n");
        replica.wait_for_log("refused (replica-min-retain-percent)");
        assert_eq!(keys(&replica), ":300\r\n", "{load}");
        assert!(!is_up(&replica));
        assert_eq!(replica.connect().ask("GET k7"), "$1\r\nv\r\n");
        assert_eq!(number(&replica, "master_sync_refused_own_keys"), 300);
        assert_eq!(
            replica.info("master_sync_refused_keys").as_deref(),
            Some("0")
        );
        let doctor = Command::new(russet())
            .args(["doctor", "-p", &replica.port().to_string()])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(text.contains("FAIL refused sync: "), "{text}");
        // The replica does not request the refused snapshot again at once.
        assert!(number(&primary, "sync_full") <= 2);
        // REPLICAOF is the operator's request to try again.
        follow(&replica, &primary);
        wait_for_link(&replica);
        assert_eq!(keys(&replica), ":0\r\n", "{load}");
        assert_eq!(replica.info("master_sync_refused_keys"), None);
    }
}

#[test]
fn a_snapshot_with_fewer_keys_is_taken_if_they_are_enough_or_the_primary_is_another() {
    let (mut primary, replica) = pair(&[], &["--replica-min-retain-percent", "10"]);
    for i in 0..50 {
        primary.connect().ask(&format!("SET k{i} v"));
    }
    wait_for_offset(&replica, &primary);
    primary.restart();
    replica.wait_for_log("has 0 keys and this replica 50");
    let other = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    follow(&replica, &other);
    wait_for_link(&replica);
    assert_eq!(keys(&replica), ":0\r\n");
    set_keys(&other, 50);
    other.connect().ask("DEBUG CHANGE-REPL-ID");
    // The keys of DEBUG POPULATE are not in the stream, so the replica needs a snapshot for them.
    replica.connect().ask("REPLICAOF NO ONE");
    follow(&replica, &other);
    wait_for_link(&replica);
    wait_until("the keys", || keys(&replica) == ":50\r\n");
}

#[test]
fn a_replica_that_restarts_knows_its_primary() {
    let (mut primary, mut replica) = pair(&[], &["--save", "3600 1"]);
    for i in 0..20 {
        primary.connect().ask(&format!("SET k{i} v"));
    }
    wait_for_offset(&replica, &primary);
    let mut args = vec![
        "--save".to_owned(),
        "3600 1".to_owned(),
        "--replicaof".to_owned(),
        format!("127.0.0.1 {}", primary.port()),
    ];
    args.extend(["--repl-diskless-sync-delay".to_owned(), "0".to_owned()]);
    replica.set_args(&args);
    assert_eq!(replica.connect().ask("SAVE"), "+OK\r\n");
    primary.restart();
    replica.restart();
    replica.wait_for_log("has 0 keys and this replica 20");
    assert_eq!(keys(&replica), ":20\r\n");
}

#[test]
fn what_a_demotion_loses_is_kept_in_a_file() {
    let (primary, replica) = pair(&[], &[]);
    let mut c = primary.connect();
    c.ask("SET shared 1");
    wait_for_offset(&replica, &primary);
    wait_until("the acknowledgement", || {
        let line = primary.info("slave0").unwrap_or_default();
        let offset = number(&primary, "master_repl_offset");
        line.contains(&format!("offset={offset},"))
    });
    assert_eq!(replica.connect().ask("REPLICAOF NO ONE"), "+OK\r\n");
    wait_until("the replica to leave", || {
        number(&primary, "connected_slaves") == 0
    });
    for line in ["SELECT 3", "SET lost 1", "INCR lost", "PUBLISH x y"] {
        c.ask(line);
    }
    assert_eq!(
        replica.connect().ask("SET a b"),
        "+OK\r\n",
        "the new primary has its own writes"
    );
    follow(&primary, &replica);
    wait_for_link(&primary);
    assert_eq!(number(&primary, "demotion_lost_commands"), 2);
    let name = primary.info("demotion_lost_file").expect("a file");
    assert!(
        name.starts_with("lost-") && name.ends_with(".aof"),
        "{name}"
    );
    let text = std::fs::read_to_string(primary.folder().join(&name)).expect("UTF-8");
    let text = text.replace("\r\n", " ");
    assert_eq!(
        text,
        "*2 $6 SELECT $1 0 *2 $6 SELECT $1 3 *3 $3 SET $4 lost $1 1 *2 $4 INCR $4 lost "
    );
    primary.wait_for_log("lacks 2 commands");
    // The file of lost writes can be sent to the new primary.
    let mut raw = TcpStream::connect(("127.0.0.1", replica.port())).expect("it listens");
    let file = std::fs::read(primary.folder().join(&name)).expect("it is there");
    raw.write_all(&file).expect("room");
    let mut replies = [0; 19];
    raw.read_exact(&mut replies).expect("four replies");
    assert_eq!(&replies, b"+OK\r\n+OK\r\n+OK\r\n:2\r\n");
}

/// After a restart of a whole group, a server with old data led, and the others copied it over what
/// they had acknowledged.
#[test]
fn data_that_a_restart_makes_a_replica_s_is_kept() {
    let older = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    assert_eq!(older.connect().ask("SET where older"), "+OK\r\n");
    let log = ["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned);
    let mut newer = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    assert_eq!(newer.connect().ask("SET where newer"), "+OK\r\n");
    let primary = [
        "--replicaof".to_owned(),
        format!("127.0.0.1 {}", older.port()),
    ];
    newer.set_args(&[&log[..], &primary].concat());
    newer.restart();
    wait_for_link(&newer);
    assert_eq!(newer.connect().ask("GET where"), "$5\r\nolder\r\n");
    newer.wait_for_log("are kept as replaced-");
    let kept = || {
        let files = std::fs::read_dir(newer.folder()).expect("a folder");
        let paths = files.map(|entry| entry.expect("an entry").path());
        let is_kept = |path: &std::path::PathBuf| path.to_string_lossy().contains("/replaced-");
        paths.filter(is_kept).collect::<Vec<_>>()
    };
    let [folder] = &kept()[..] else {
        panic!("{:?}", kept());
    };
    let mut check = Command::new(russet());
    let checked = check.arg("check-aof").arg(folder).output();
    assert!(checked.expect("it runs").status.success());
    let files = std::fs::read_dir(folder).expect("a folder");
    let contents = files.map(|entry| std::fs::read(entry.expect("an entry").path()));
    let all: Vec<u8> = contents.flat_map(|bytes| bytes.expect("a file")).collect();
    assert!(all.windows(5).any(|word| word == b"newer"));
}

#[test]
fn a_demotion_that_loses_nothing_leaves_no_file() {
    let (primary, replica) = pair(&[], &[]);
    primary.connect().ask("SET shared 1");
    wait_for_offset(&replica, &primary);
    assert_eq!(primary.connect().ask("WAIT 1 5000"), ":1\r\n");
    assert_eq!(replica.connect().ask("REPLICAOF NO ONE"), "+OK\r\n");
    follow(&primary, &replica);
    wait_for_link(&primary);
    assert_eq!(primary.info("demotion_lost_commands"), None);
    let files = std::fs::read_dir(primary.folder()).expect("a folder");
    let mut names = files.map(|entry| entry.expect("an entry").file_name());
    assert!(names.all(|name| !name.to_string_lossy().starts_with("lost-")));
}

#[test]
fn tail_prints_the_stream_and_asks_for_no_snapshot() {
    let (primary, replica) = pair(&[], &[]);
    let from = number(&primary, "master_repl_offset");
    let mut c = primary.connect();
    for words in [
        &["SET", "a", "1"][..],
        &["SELECT", "2"],
        &["SET", "b", "x y"],
    ] {
        assert_eq!(c.call(words), b"+OK\r\n");
    }
    let syncs = number(&primary, "sync_full");
    let port = primary.port().to_string();
    let mut tail = Command::new(russet())
        .args(["tail", "-p", &port, "--from", &from.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let out = BufReader::new(tail.stdout.take().expect("piped"));
    let (to, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    let next = || {
        let line = lines.recv_timeout(Duration::from_secs(10)).expect("a line");
        line.split_once(' ').expect("a time").1.to_owned()
    };
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let line = next();
        if !line.ends_with("\"ping\"") && !line.ends_with("\"PING\"") {
            seen.push(line);
        }
    }
    assert_eq!(seen[0], format!("[0 {from}] \"SELECT\" \"0\""));
    assert!(seen[1].ends_with("] \"SET\" \"a\" \"1\""), "{seen:?}");
    assert!(seen[2].starts_with("[2 "), "{seen:?}");
    assert!(seen[3].ends_with("] \"SET\" \"b\" \"x y\""), "{seen:?}");
    // `russet tail` acknowledges, and does not count as a copy.
    wait_until("its acknowledgement", || {
        let line = primary.info("slave1").unwrap_or_default();
        line.contains(&format!(
            "offset={},",
            number(&primary, "master_repl_offset")
        ))
    });
    drop(replica);
    wait_until("the replica to leave", || {
        number(&primary, "connected_slaves") == 1
    });
    c.ask("SET c 1");
    assert_eq!(c.ask("WAIT 1 100"), ":0\r\n");
    assert_eq!(number(&primary, "sync_full"), syncs);
    tail.kill().expect("it runs");
    tail.wait().expect("it ends");
    reader.join().expect("it ends with its pipe");
    let refused = Command::new(russet())
        .args(["tail", "-p", &port, "--from", "99999999"])
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("offset 99999999 is not available"), "{why}");
    assert_eq!(number(&primary, "sync_full"), syncs);
}

#[test]
fn what_a_replica_has_still_to_be_sent_is_shown() {
    let (primary, replica) = pair(&[], &[]);
    replica.signal(rustix::process::Signal::STOP);
    let mut c = primary.connect();
    let value = "v".repeat(1 << 20);
    for i in 0..20 {
        c.call(&["SET", &format!("k{i}"), &value]);
    }
    wait_until("the socket to be full", || {
        let list = c.ask("CLIENT LIST TYPE replica");
        let omem = list.split("omem=").nth(1).unwrap_or("0");
        let omem = omem.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        omem.is_some_and(|n| n > 1 << 20)
    });
    assert!(number(&primary, "mem_clients_slaves") > 0);
    replica.signal(rustix::process::Signal::CONT);
    wait_for_offset(&replica, &primary);
    assert!(number(&primary, "total_net_repl_output_bytes") > 20 << 20);
}

/// The primary holds new writes for a replica that stops in its snapshot, up to the limit of the
/// replica's output buffer. Beyond the limit it drops the replica.
#[test]
fn a_replica_that_stops_in_its_snapshot_costs_no_more_than_configured() {
    use rustix::process::Signal;
    for two_links in ["no", "yes"] {
        let primary = Daemon::start(&[
            "--repl-diskless-sync-delay",
            "0",
            "--repl-backlog-size",
            "1mb",
            "--repl-spool-memory",
            "1mb",
            "--client-output-buffer-limit",
            "replica 16mb 16mb 60",
            "--rdbcompression",
            "no",
        ]);
        let replica = Daemon::start(&["--repl-rdb-channel", two_links]);
        let (mut c, value) = (primary.connect(), vec![b'v'; MIB]);
        for key in 0..60 {
            c.call(&[b"SET", format!("k{key}").as_bytes(), &value]);
        }
        let before = number(&primary, "used_memory");
        follow(&replica, &primary);
        wait_until("the snapshot", || {
            replica.log().contains("Full resync from master")
        });
        replica.signal(Signal::STOP);
        let mut most = 0;
        for round in 0..80 {
            assert_eq!(c.call(&[b"SET", &b"k0"[..], &value]), b"+OK\r\n");
            if round % 4 == 0 {
                most = most.max(number(&primary, "used_memory").saturating_sub(before));
            }
        }
        wait_until("the replica to be dropped", || {
            most = most.max(number(&primary, "used_memory").saturating_sub(before));
            number(&primary, "connected_slaves") == 0
        });
        assert!(most < 40 * MIB as u64, "{most}");
        replica.signal(Signal::CONT);
        wait_for_link(&replica);
        wait_for_offset(&replica, &primary);
        assert_eq!(keys(&replica), keys(&primary));
    }
}

/// A slow load slows down the whole replica: its stream waits at the primary, where the output
/// limit applies. Regression: the replica read the stream as fast as it came.
#[test]
fn a_replica_that_loads_slowly_is_dropped_at_its_limit() {
    for threads in ["1", "3"] {
        let primary = Daemon::start(&[
            "--io-threads",
            threads,
            "--io-threads-always-active",
            "yes",
            "--repl-rdb-channel",
            "yes",
            "--repl-diskless-sync-delay",
            "0",
            "--repl-backlog-size",
            "1mb",
            "--client-output-buffer-limit",
            "replica 100k 0 0",
        ]);
        let replica = Daemon::start(&[
            "--repl-rdb-channel",
            "yes",
            "--repl-diskless-load",
            "flushdb",
            "--key-load-delay",
            "10000",
            "--loading-process-events-interval-bytes",
            "1024",
        ]);
        let (mut c, value) = (primary.connect(), vec![b'v'; MIB]);
        for key in 0..5000 {
            let key = format!("k{key}");
            c.call(&[b"SET", key.as_bytes(), &[b'v'; 100]]);
        }
        follow(&replica, &primary);
        wait_until("the load", || {
            replica.log().contains("Loading DB in memory")
        });
        for _ in 0..40 {
            assert_eq!(c.call(&[b"SET", &b"large"[..], &value]), b"+OK\r\n");
        }
        primary.wait_for_log("for overcoming of output buffer limits");
        assert_eq!(
            replica.connect().ask("CONFIG SET key-load-delay 0"),
            "+OK\r\n"
        );
        wait_for_link(&replica);
        wait_for_offset(&replica, &primary);
        assert_eq!(keys(&replica), keys(&primary));
    }
}

/// Regression: the primary took links that CLIENT KILL had ended for copies that could not be
/// loaded, and made the replica wait.
#[test]
fn links_that_an_operator_ends_are_no_failed_copies() {
    let debug = ["--enable-debug-command", "yes"];
    let primary = Daemon::start(&[&debug[..], &["--repl-diskless-sync-delay", "0"]].concat());
    let replica = Daemon::start(&["--repl-diskless-load", "swapdb", "--key-load-delay", "1000"]);
    let mut c = primary.connect();
    // More bytes than the sockets hold, because CLIENT KILL cannot cut a copy that the sockets
    // hold.
    assert_eq!(c.ask("DEBUG POPULATE 100000 key 300"), "+OK\r\n");
    follow(&replica, &primary);
    for kills in 1..=4 {
        wait_until("the load", || {
            replica.log().matches("Loading DB in memory").count() >= kills
        });
        assert_ne!(c.ask("CLIENT KILL TYPE replica"), ":0\r\n");
        wait_until("its end", || {
            let log = replica.log();
            log.matches("Internal error in RDB reading offset").count() >= kills
        });
    }
    assert_eq!(primary.info("sync_failing0"), None);
    assert!(!primary.log().contains("has acknowledged none"));
    replica.connect().ask("CONFIG SET key-load-delay 0");
    wait_for_link(&replica);
    assert_eq!(keys(&replica), keys(&primary));
}

#[test]
fn a_writable_replica_deletes_the_keys_to_which_its_clients_gave_a_time() {
    let (primary, replica) = pair(&[], &["--replica-read-only", "no"]);
    let mut c = replica.connect();
    assert_eq!(c.ask("SET own v PX 50"), "+OK\r\n");
    assert_eq!(c.ask("SET kept v"), "+OK\r\n");
    assert_eq!(number(&replica, "slave_expires_tracked_keys"), 1);
    primary.connect().ask("SET theirs v PX 1000000");
    wait_for_offset(&replica, &primary);
    wait_until("the key to be deleted", || keys(&replica) == ":2\r\n");
    assert_eq!(number(&replica, "slave_expires_tracked_keys"), 0);
    assert_eq!(number(&replica, "expired_keys"), 1);
}

#[test]
fn a_smaller_backlog_is_smaller_at_once() {
    let (primary, replica) = pair(&[], &[]);
    let mut c = primary.connect();
    let value = "v".repeat(1000);
    let write = |n: usize| {
        let mut c = primary.connect();
        for i in 0..n {
            c.call(&["SET", &format!("k{i}"), &value]);
        }
        wait_for_offset(&replica, &primary);
    };
    write(300);
    assert!(number(&primary, "repl_backlog_histlen") > 300_000);
    assert_eq!(c.ask("CONFIG SET repl-backlog-size 16384"), "+OK\r\n");
    write(1);
    wait_until("the backlog to shrink", || {
        number(&primary, "repl_backlog_histlen") < 100_000
    });
}

#[test]
fn a_command_that_fails_on_a_writable_replica_does_not_end_it() {
    let (primary, replica) = pair(&[], &["--replica-read-only", "no"]);
    let mut c = replica.connect();
    let strict = "CONFIG SET propagation-error-behavior panic";
    assert_eq!(c.ask(strict), "+OK\r\n");
    assert_eq!(c.ask("RPUSH k a"), ":1\r\n");
    assert_eq!(primary.connect().ask("INCR k"), ":1\r\n");
    replica.wait_for_log(
        "This replica is sending an error to its master: 'WRONGTYPE Operation against a key",
    );
    wait_for_offset(&replica, &primary);
    assert_eq!(c.ask("LLEN k"), ":1\r\n");
}

/// The client's offset belongs to a history that the server has left.
#[test]
fn a_client_that_wrote_before_a_full_synchronization_is_answered() {
    let other = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    other.connect().ask("SET k theirs");
    let server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    c.call(&["SET", "k", &"v".repeat(10_000)]);
    assert!(number(&server, "master_repl_offset") > 10_000);
    follow(&server, &other);
    wait_for_link(&server);
    assert!(number(&server, "master_repl_offset") < 10_000);
    assert_eq!(c.ask("GET k"), "$6\r\ntheirs\r\n");
}

#[test]
fn a_log_without_annotations_holds_back_no_pings() {
    let args = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--aof-checksum",
        "no",
        "--repl-ping-replica-period",
        "1",
    ];
    let (primary, replica) = pair(&args, &[]);
    assert_eq!(primary.connect().ask("SET k v"), "+OK\r\n");
    wait_for_offset(&replica, &primary);
    let before = number(&replica, "slave_repl_offset");
    wait_until("a PING", || number(&replica, "slave_repl_offset") > before);
}

#[test]
fn a_replica_that_speaks_as_a_client_is_disconnected_and_the_log_has_the_reason() {
    let primary = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    for (command, reported) in [
        ("XINFO HELP", "a reply to command 'xinfo|help'"),
        (
            "GET k",
            "This master is sending an error to its replica: \
             'ERR Replica can't interact with the keyspace' after processing the command 'get'",
        ),
    ] {
        let address = ("127.0.0.1", primary.port());
        let mut socket = TcpStream::connect(address).expect("it listens");
        let lines = format!("SYNC\r\n{command}\r\n");
        socket.write_all(lines.as_bytes()).expect("a socket");
        primary.wait_for_log(reported);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    let mut c = primary.connect();
    assert!(c.ask("PSYNC ? x").starts_with("-ERR value is not"));
    primary.wait_for_log("asks for synchronization but with a wrong offset");
}

#[test]
fn a_transfer_logs_its_replicas_at_its_end() {
    let (primary, _replica) = pair(&["--repl-diskless-sync", "yes"], &[]);
    primary.wait_for_log("done reading from pipe, 1 replicas still up");
}

#[test]
fn flushall_ends_the_transfer_of_what_it_deletes() {
    let slow = [
        "--repl-diskless-sync-delay",
        "0",
        "--rdb-key-save-delay",
        "100000",
    ];
    let primary = Daemon::start(&slow);
    set_keys(&primary, 5000);
    let replica = Daemon::start(&[]);
    follow(&replica, &primary);
    wait_until("the transfer", || {
        number(&primary, "rdb_bgsave_in_progress") == 1
    });
    assert_eq!(primary.connect().ask("FLUSHALL"), "+OK\r\n");
    wait_for_link(&replica);
    assert_eq!(keys(&replica), ":0\r\n");
}

/// A helper thread frees the old data, and the loop answers in the meantime.
#[test]
fn a_large_old_dataset_is_freed_before_the_new_one_is_loaded() {
    let primary = Daemon::start(&["--repl-diskless-sync-delay", "0"]);
    primary.connect().ask("SET k v");
    let replica = Daemon::start(&["--replica-lazy-flush", "no"]);
    set_keys(&replica, 50_000);
    follow(&replica, &primary);
    wait_for_link(&replica);
    assert_eq!(keys(&replica), ":1\r\n");
    assert_eq!(number(&replica, "lazyfreed_objects"), 50_000);
    assert_eq!(number(&replica, "lazyfree_pending_objects"), 0);
}
