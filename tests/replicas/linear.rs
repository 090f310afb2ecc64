//! `sync-reads linear`: a primary that was replaced shows no old data.
//!
//! A directed history of a primary that stands still, reads without members, and a storm whose
//! clients keep the history of each key for the checker (`support::linear`). A read counts if the
//! server called itself the primary in the same transaction.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::quorum::{ask, group_with, leads, trouble, wait_for_leader};
use crate::support::Daemon;
use crate::support::linear::{Access, Operation, check_register};
use crate::support::random::Random;
use crate::support::resp::Connection;
use crate::support::wait::{SetOnDrop, wait_until, wait_within};

const LINEAR: &[&str] = &[
    "--sync-reads",
    "linear",
    "--sync-lease",
    "500",
    "--sync-timeout",
    "2000",
];

fn rounds(server: &Daemon) -> u64 {
    let text = server.info("sync_read_rounds").expect("the mode is on");
    text.parse().expect("a number")
}

/// The primary stands still with a request in its socket, and another leads meanwhile.
#[test]
fn a_stopped_primary_reads_nothing_old() {
    let [first, second, third] = group_with(LINEAR);
    assert_eq!(ask(&first, "SET key old"), "+OK\r\n");
    let mut before = first.connect();
    assert_eq!(before.ask("GET key"), "$3\r\nold\r\n");
    first.signal(Signal::STOP);
    before.send(b"GET key\r\n");
    ask(&second, "REPLICAOF NO ONE");
    wait_for_leader(&second);
    assert_eq!(ask(&second, "SET key new"), "+OK\r\n");
    first.signal(Signal::CONT);
    if let Ok((reply, _)) = before.read() {
        let reply = String::from_utf8_lossy(&reply).into_owned();
        assert!(
            reply.starts_with("-INDOUBT") || reply.starts_with("-NOSYNCREPLICAS"),
            "{reply}"
        );
    }
    wait_until("the first follows", || {
        first.info("master_link_status").as_deref() == Some("up")
    });
    drop(third);
}

/// Under the lease a read asks nobody, also after a rest; without members there is none.
#[test]
fn reads_need_the_lease_or_a_round() {
    let [first, second, third] = group_with(LINEAR);
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    let mut client = first.connect();
    wait_until("the lease holds", || {
        let before = rounds(&first);
        let reply = client.ask("GET key");
        assert_eq!(reply, "$5\r\nvalue\r\n");
        rounds(&first) == before
    });
    second.signal(Signal::STOP);
    // One member is enough.
    wait_until("the lease is kept by the third", || {
        let before = rounds(&first);
        client.ask("GET key") == "$5\r\nvalue\r\n" && rounds(&first) == before
    });
    third.signal(Signal::STOP);
    wait_within(Duration::from_secs(10), "a read is refused", || {
        let Ok(mut client) = Connection::open(first.port()) else {
            return false;
        };
        client.reply_limit(Duration::from_secs(5));
        let reply = client.write(b"GET key\r\n").and_then(|()| client.read());
        reply.is_ok_and(|(reply, _)| reply.starts_with(b"-NOSYNCREPLICAS"))
    });
    assert_eq!(ask(&first, "PING"), "+PONG\r\n", "no data, no wait");
    second.signal(Signal::CONT);
    third.signal(Signal::CONT);
    wait_until("reads are served again", || {
        ask(&first, "GET key") == "$5\r\nvalue\r\n"
    });
}

/// The histories of all keys.
#[derive(Default)]
struct Histories(Mutex<HashMap<usize, Vec<Operation<Access>>>>);

const KEYS: usize = 12;

/// A client: writes values of its own, and reads, at all servers in turn.
fn play(number: usize, ports: &[u16], clock: &AtomicU64, all: &Histories, over: &AtomicBool) {
    let mut random = Random::new(number as u64 + 500);
    let mut connections: HashMap<u16, Connection> = HashMap::new();
    let mut value = number as u64 * 1_000_000_000;
    let tick = || clock.fetch_add(1, Ordering::SeqCst) + 1;
    while !over.load(Ordering::Relaxed) {
        let (port, key) = (*random.pick(ports), random.below(KEYS));
        let mut connection = match connections.remove(&port) {
            Some(connection) => connection,
            None => match Connection::open(port) {
                Ok(connection) => connection,
                Err(_) => continue,
            },
        };
        connection.reply_limit(Duration::from_secs(3));
        let writes = random.chance(40);
        value += 1;
        let request = if writes {
            format!("SET l:{key} {value}\r\n")
        } else {
            format!("MULTI\r\nROLE\r\nGET l:{key}\r\nEXEC\r\n")
        };
        let begin = tick();
        let mut replies = Vec::new();
        let mut is_open = connection.write(request.as_bytes()).is_ok();
        while is_open && replies.len() < if writes { 1 } else { 4 } {
            match connection.read() {
                Ok((reply, _)) => {
                    is_open = !reply.starts_with(b"-INDOUBT");
                    replies.push(String::from_utf8_lossy(&reply).into_owned());
                }
                Err(_) => is_open = false,
            }
        }
        let end = tick();
        let what = match replies.last().map(String::as_str) {
            Some("+OK\r\n") if writes => Some((Access::Write(value), Some(end))),
            Some(reply) if writes && is_open && reply.starts_with('-') => None,
            _ if writes => Some((Access::Write(value), None)),
            Some(reply) if replies.len() == 4 && reply.contains("\r\nmaster\r\n") => {
                let lines: Vec<&str> = reply.trim_end().lines().collect();
                let read = lines.last().and_then(|line| line.parse().ok());
                Some((Access::Read(read), Some(end)))
            }
            _ => None,
        };
        if let Some((what, end)) = what {
            let mut all = all.0.lock().unwrap();
            let history = all.entry(key).or_default();
            history.push(Operation { what, begin, end });
        }
        if is_open {
            connections.insert(port, connection);
        }
    }
}

/// `RUSSET_QUORUM_TROUBLES`: so many troubles, 10 by default; `RUSSET_QUORUM_SEED`.
#[test]
fn histories_of_a_storm_are_linearizable() {
    let number = |name: &str, usual| {
        let text = std::env::var(name).ok();
        text.map_or(usual, |text| text.parse::<u64>().expect("a number"))
    };
    let seed = number("RUSSET_QUORUM_SEED", 1);
    let mut random = Random::new(seed);
    let mut servers = group_with(LINEAR);
    let ports = servers.each_ref().map(Daemon::port);
    let (all, clock, over) = (
        Histories::default(),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    std::thread::scope(|scope| {
        let _over = SetOnDrop(&over);
        for client in 0..4 {
            let (ports, clock, all, over) = (&ports, &clock, &all, &over);
            scope.spawn(move || play(client, ports, clock, all, over));
        }
        for _ in 0..number("RUSSET_QUORUM_TROUBLES", 10) {
            std::thread::sleep(Duration::from_millis(random.below(500) as u64));
            trouble(&mut servers, &mut random);
        }
        wait_within(Duration::from_secs(40), "one leads again", || {
            servers.iter().any(leads)
        });
        std::thread::sleep(Duration::from_millis(500));
    });
    let (mut reads, mut writes) = (0, 0);
    for (key, history) in all.0.into_inner().unwrap() {
        for operation in &history {
            match operation.what {
                Access::Read(_) => reads += 1,
                Access::Write(_) => writes += usize::from(operation.end.is_some()),
            }
        }
        if let Err(why) = check_register(&history) {
            panic!("seed {seed}, key {key}: {why}\n{history:#?}");
        }
    }
    println!("{reads} reads, {writes} acknowledged writes");
    assert!(reads > 50 && writes > 50, "{reads} reads, {writes} writes");
}
