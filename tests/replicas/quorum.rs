//! `sync-quorum`: takeovers go by the promises of the group, and lose no acknowledged write.
//!
//! Three servers are killed, stopped and ordered about, by directed tests and by a storm, while
//! clients write to all of them. Each write that was answered is at the leader afterwards.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::link::Link;
use super::node::{Kind, Node};
use crate::support::Daemon;
use crate::support::random::Random;
use crate::support::resp::Connection;
use crate::support::wait::{SetOnDrop, wait_until, wait_within};

const GROUP: &[&str] = &[
    "--sync-quorum",
    "yes",
    "--min-sync-replicas",
    "1",
    "--appendonly",
    "yes",
    "--save",
    "",
    "--repl-diskless-sync-delay",
    "0",
];

fn start(args: &[&str]) -> Daemon {
    Daemon::start(&[GROUP, args].concat())
}

fn start_replica(port: u16) -> Daemon {
    start(&["--replicaof", "127.0.0.1", &port.to_string()])
}

fn state(server: &Daemon) -> String {
    server.info("sync_state").unwrap_or_default()
}

pub fn leads(server: &Daemon) -> bool {
    state(server) == "ok" && server.info("role").as_deref() == Some("master")
}

pub fn wait_for_leader(server: &Daemon) {
    let what = format!("the server at port {} leads", server.port());
    wait_until(&what, || leads(server));
}

/// Waits until all servers know that all of them are members, and that this is safe: before, the
/// members of before decide as well.
fn wait_for_members(all: &[&Daemon]) {
    let count = all.len().to_string();
    wait_until("all are members, and that is safe", || {
        all.iter().all(|its| {
            its.info("sync_members").as_ref() == Some(&count)
                && its.info("sync_members_changing").as_deref() == Some("0")
        })
    });
}

/// A group of three; the first leads.
fn group() -> [Daemon; 3] {
    group_with(&[])
}

/// As [`group`], with more arguments.
pub fn group_with(args: &[&str]) -> [Daemon; 3] {
    let first = start(args);
    let port = first.port().to_string();
    let follow = ["--replicaof", "127.0.0.1", &port];
    let replica = || start(&[&follow, args].concat());
    let (second, third) = (replica(), replica());
    wait_for_leader(&first);
    wait_for_members(&[&first, &second, &third]);
    [first, second, third]
}

pub fn ask(server: &Daemon, line: &str) -> String {
    server.connect().ask(line)
}

/// aphyr's history: a replica that lacks what another has acknowledged is ordered to lead.
#[test]
fn a_replica_that_lags_leads_with_all_that_was_acknowledged() {
    let first = start(&[]);
    let link = Link::to(first.port());
    let lagging = start_replica(link.port());
    let other = start_replica(first.port());
    let mut first = first;
    wait_for_leader(&first);
    wait_for_members(&[&first, &lagging, &other]);
    link.halt();
    for i in 0..100 {
        assert_eq!(ask(&first, &format!("SET key:{i} {i}")), "+OK\r\n");
    }
    assert_ne!(ask(&lagging, "GET key:99"), "$2\r\n99\r\n");
    first.kill();
    drop(link);
    assert_eq!(ask(&lagging, "REPLICAOF NO ONE"), "+OK\r\n");
    wait_for_leader(&lagging);
    for i in 0..100 {
        let value = i.to_string();
        let reply = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(ask(&lagging, &format!("GET key:{i}")), reply);
    }
    assert_ne!(lagging.info("sync_tail_bytes").as_deref(), Some("0"));
    // The former leader comes back as a replica, by itself.
    first.restart();
    wait_until("the first follows", || {
        first.info("master_link_status").as_deref() == Some("up")
    });
    assert_eq!(ask(&first, "GET key:99"), "$2\r\n99\r\n");
    drop(other);
}

/// With one server of three no takeover, and the reason in one sentence.
#[test]
fn a_server_alone_does_not_lead_and_says_why() {
    let [mut first, mut second, third] = group();
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    first.kill();
    second.kill();
    ask(&third, "REPLICAOF NO ONE");
    wait_until("the takeover is under way", || {
        state(&third) == "taking-over"
    });
    let why = String::from_utf8_lossy(&third.connect().call(&["QUORUM", "EXPLAIN"])).into_owned();
    assert!(
        why.contains("NOQUORUM Taking over needs promises of 2 of 3 members"),
        "{why}"
    );
    assert!(ask(&third, "SET key other").starts_with("-READONLY"));
    // One more is enough, whichever it is.
    first.restart();
    wait_until("one of both leads", || leads(&first) || leads(&third));
    let leader = if leads(&first) { &first } else { &third };
    wait_until("the write is there", || {
        ask(leader, "GET key") == "$5\r\nvalue\r\n"
    });
    second.restart();
    wait_until("the second follows", || {
        second.info("master_link_status").as_deref() == Some("up")
    });
}

/// A primary that stands still while another takes over answers nothing of its own afterwards.
#[test]
fn a_stopped_primary_acknowledges_nothing_afterwards() {
    let [first, second, third] = group();
    assert_eq!(ask(&first, "SET key 1"), "+OK\r\n");
    let mut before = first.connect();
    first.signal(Signal::STOP);
    before.send(b"SET key 2\r\n");
    ask(&second, "REPLICAOF NO ONE");
    wait_for_leader(&second);
    assert_eq!(ask(&second, "SET key 3"), "+OK\r\n");
    first.signal(Signal::CONT);
    let (reply, _) = before.read().expect("an error, or the end");
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert!(
        reply.starts_with("-INDOUBT") || reply.starts_with("-READONLY"),
        "{reply}"
    );
    wait_until("the first follows", || {
        first.info("master_link_status").as_deref() == Some("up")
    });
    assert_eq!(ask(&first, "GET key"), "$1\r\n3\r\n");
    assert_eq!(ask(&third, "GET key"), "$1\r\n3\r\n");
}

/// FAILOVER hands over to a member, with and without naming it, while clients write.
#[test]
fn a_failover_hands_the_lead_to_a_member() {
    let servers = group();
    let ports = servers.each_ref().map(Daemon::port);
    let (answered, is_over) = (AnsweredWrites::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = SetOnDrop(&is_over);
        for writer in 0..2 {
            let (ports, answered, is_over) = (&ports, &answered, &is_over);
            scope.spawn(move || write(writer, ports, answered, is_over));
        }
        for round in 0..6 {
            let leads = |server: &&Daemon| leads(server);
            wait_until("a server leads", || servers.iter().any(|its| leads(&its)));
            let now = servers
                .iter()
                .position(|its| leads(&its))
                .expect("it leads");
            let to = (now + 1) % 3;
            let line = match round % 3 {
                0 => "FAILOVER".to_owned(),
                1 => format!("FAILOVER TO 127.0.0.1 {}", ports[to]),
                _ => format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 1", ports[to]),
            };
            let mut last = String::new();
            wait_until("the order is taken", || {
                last = ask(&servers[now], &line);
                last == "+OK\r\n" || last.contains("when server is a replica")
            });
            wait_until("another leads", || {
                servers
                    .iter()
                    .any(|its| its.port() != ports[now] && leads(&its))
            });
            wait_until("the former leader follows", || {
                servers[now].info("master_link_status").as_deref() == Some("up")
            });
            let state = servers[now].info("master_failover_state");
            assert_eq!(state.as_deref(), Some("no-failover"), "{line}");
        }
    });
    check(&servers, answered);
    let stranger = ask(&servers[0], "FAILOVER TO 127.0.0.1 1");
    assert!(stranger.starts_with("-ERR FAILOVER"), "{stranger}");
}

/// A member that cannot take over leaves the lead where it is, and the writes go on.
#[test]
fn a_failover_to_a_member_that_stands_still_is_given_up() {
    let [first, second, third] = group();
    let set = ask(&first, "CONFIG SET sync-takeover-timeout 500");
    assert_eq!(set, "+OK\r\n");
    second.signal(Signal::STOP);
    let port = second.port();
    let line = format!("FAILOVER TO 127.0.0.1 {port} FORCE TIMEOUT 1");
    assert_eq!(ask(&first, &line), "+OK\r\n");
    wait_until("it is given up", || {
        first.info("master_failover_state").as_deref() == Some("no-failover")
    });
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    assert!(leads(&first));
    second.signal(Signal::CONT);
    drop(third);
}

/// A replica that comes back continues at the end of its own data: nothing between is passed over.
#[test]
fn a_replica_that_comes_back_has_every_write() {
    let [first, second, mut third] = group();
    for round in 0..3 {
        third.kill();
        for number in 0..5 {
            let line = format!("SADD set {round}:{number}");
            assert_eq!(ask(&first, &line), ":1\r\n");
        }
        third.restart();
        let digest = ask(&first, "DEBUG DIGEST");
        wait_until("the replica has the data", || {
            third.info("master_link_status").as_deref() == Some("up")
                && third.info("master_repl_offset") == first.info("master_repl_offset")
        });
        assert_eq!(ask(&third, "DEBUG DIGEST"), digest);
    }
    drop(second);
}

/// Members are added and removed by the leader alone; a foreign replica is none.
#[test]
fn members_are_what_the_leader_notes() {
    let [first, second, mut third] = group();
    assert!(ask(&second, "QUORUM SET 2").starts_with("-ERR This server does not lead"));
    let id = third.info("sync_node").expect("a group");
    third.kill();
    wait_until("it is removed", || {
        ask(&first, &format!("QUORUM REMOVE {id}")) == "+OK\r\n"
    });
    wait_until("the group knows", || {
        second.info("sync_members").as_deref() == Some("2")
    });
    // It asks the leader, follows it, and is taken in again.
    third.restart();
    ask(&third, &format!("REPLICAOF 127.0.0.1 {}", first.port()));
    wait_for_members(&[&first, &second, &third]);
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    let port = first.port().to_string();
    for kind in [Kind::Redis80, Kind::Valkey91] {
        if kind.program_for("a replica of another make").is_some() {
            let args = ["--replicaof", "127.0.0.1", &port].map(str::to_owned);
            let foreign = Node::start(kind, &args);
            wait_until("it follows", || foreign.is_linked());
            assert_eq!(first.info("sync_members").as_deref(), Some("3"));
        }
    }
}

/// Without the other members a server that comes back leads nothing, also with all of its data.
#[test]
fn a_primary_that_comes_back_waits_for_its_group() {
    let [mut first, mut second, mut third] = group();
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    first.kill();
    second.kill();
    third.kill();
    first.restart();
    assert!(ask(&first, "SET key other").starts_with("-READONLY"));
    assert_eq!(first.info("role").as_deref(), Some("slave"));
    second.restart();
    wait_until("one leads", || leads(&first) || leads(&second));
    let leader = if leads(&first) { &first } else { &second };
    assert_eq!(ask(leader, "GET key"), "$5\r\nvalue\r\n");
}

/// Two of three are gone for good: an operator gives up what they have, and says so. The server
/// leads at once, in another group; the others join it as new nodes when they follow it.
#[test]
fn a_server_goes_on_alone_by_an_order_that_says_so() {
    let [mut first, mut second, third] = group();
    assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
    let group = third.info("sync_group").expect("a group");
    let node = second.info("sync_node").expect("a node");
    first.kill();
    second.kill();
    assert!(ask(&third, "QUORUM TAKEOVER LOSSILY").starts_with("-ERR syntax error"));
    assert_eq!(ask(&third, "QUORUM TAKEOVER LOSSY"), "+OK\r\n");
    assert_eq!(third.info("role").as_deref(), Some("master"));
    assert_eq!(state(&third), "forming", "writes wait for members");
    assert_ne!(third.info("sync_group").as_ref(), Some(&group));
    assert_eq!(third.info("sync_left_group").as_ref(), Some(&group));
    assert_eq!(third.info("sync_lossy_takeovers").as_deref(), Some("1"));
    assert!(
        third
            .log()
            .contains("ACKNOWLEDGED WRITES THAT OTHER MEMBERS")
    );
    let explain = third.connect().call(&["QUORUM", "EXPLAIN"]);
    let explain = String::from_utf8_lossy(&explain).into_owned();
    assert!(
        explain.contains("because of QUORUM TAKEOVER LOSSY: led"),
        "{explain}"
    );
    // A member of the former group that comes back follows when it is told to.
    second.restart();
    ask(&second, &format!("REPLICAOF 127.0.0.1 {}", third.port()));
    wait_for_leader(&third);
    wait_for_members(&[&third, &second]);
    assert_ne!(second.info("sync_node").as_ref(), Some(&node), "a new node");
    assert_eq!(second.info("sync_left_group").as_ref(), Some(&group));
    assert_eq!(ask(&third, "SET key other"), "+OK\r\n");
    wait_until("the second has it", || {
        ask(&second, "GET key") == "$5\r\nother\r\n"
    });
    // All of it survives a restart, and the next takeover.
    let new_group = third.info("sync_group");
    second.restart();
    drop(third);
    first.restart();
    assert_eq!(second.info("sync_group"), new_group);
    assert_eq!(first.info("sync_group").as_ref(), Some(&group));
}

/// QUORUM SET changes k; 0 ends the group at all servers, and it can be formed anew.
#[test]
fn a_group_ends_and_is_formed_anew() {
    let [first, second, third] = group();
    let group = first.info("sync_group").expect("a group");
    for k in ["2", "1"] {
        wait_until("k is changed", || {
            ask(&first, &format!("QUORUM SET {k}")) == "+OK\r\n"
        });
        assert_eq!(ask(&first, "SET key value"), "+OK\r\n");
        wait_until("that is safe", || {
            second.info("sync_members_changing").as_deref() == Some("0")
        });
    }
    assert!(ask(&first, "QUORUM SET 3").starts_with("-ERR 3 acknowledgements are not"));
    assert!(ask(&first, "CONFIG SET min-sync-replicas 0").contains("QUORUM SET 0"));
    // A change before may not be safe yet.
    wait_until("the group ends", || {
        ask(&first, "QUORUM SET 0") == "+OK\r\n"
    });
    for server in [&first, &second, &third] {
        wait_until("a server has left", || state(server) == "off");
        assert_eq!(server.info("sync_group").as_deref(), Some(""));
        assert_eq!(server.info("sync_left_group").as_ref(), Some(&group));
    }
    // As without the mode: writes wait for nobody, an order promotes at once.
    third.signal(Signal::STOP);
    second.signal(Signal::STOP);
    assert_eq!(ask(&first, "SET key 2"), "+OK\r\n");
    assert_eq!(ask(&first, "GET key"), "$1\r\n2\r\n");
    third.signal(Signal::CONT);
    second.signal(Signal::CONT);
    assert_eq!(ask(&third, "REPLICAOF NO ONE"), "+OK\r\n");
    assert_eq!(third.info("role").as_deref(), Some("master"));
    let port = first.port();
    assert_eq!(
        ask(&third, &format!("REPLICAOF 127.0.0.1 {port}")),
        "+OK\r\n"
    );
    for server in [&first, &second, &third] {
        assert_eq!(ask(server, "CONFIG SET min-sync-replicas 1"), "+OK\r\n");
    }
    // Replicas that said nothing of a group when they were linked are introduced by a new link.
    for server in [&second, &third] {
        ask(server, "REPLICAOF NO ONE");
        ask(server, &format!("REPLICAOF 127.0.0.1 {port}"));
    }
    wait_for_leader(&first);
    wait_for_members(&[&first, &second, &third]);
    assert_ne!(first.info("sync_group").as_ref(), Some(&group));
    assert_eq!(ask(&first, "SET key 3"), "+OK\r\n");
}

/// The writes of a storm: per key the last value that was answered.
#[derive(Default)]
struct AnsweredWrites(Mutex<HashMap<String, u64>>);

/// Writes ever greater values to keys of its own, to all servers in turn, until the storm is over.
fn write(number: usize, ports: &[u16], answered: &AnsweredWrites, is_over: &AtomicBool) {
    let mut random = Random::new(number as u64 + 77);
    let mut connections: HashMap<u16, Connection> = HashMap::new();
    let mut value = 0;
    while !is_over.load(Ordering::Relaxed) {
        let port = *random.pick(ports);
        let key = format!("w{number}:{}", random.below(50));
        value += 1;
        let mut connection = match connections.remove(&port) {
            Some(connection) => connection,
            None => match Connection::open(port) {
                Ok(connection) => connection,
                Err(_) => continue,
            },
        };
        connection.reply_limit(Duration::from_secs(3));
        let request = format!("SET {key} {value}\r\n");
        let reply = connection
            .write(request.as_bytes())
            .and_then(|()| connection.read());
        let Ok((reply, _)) = reply else {
            continue;
        };
        if reply == b"+OK\r\n" {
            answered.0.lock().unwrap().insert(key, value);
        }
        if !reply.starts_with(b"-INDOUBT") {
            connections.insert(port, connection);
        }
    }
}

fn order(servers: &[Daemon], at: usize, line: &str) {
    // A server that is down or stands still does not get the order.
    if let Ok(mut connection) = Connection::open(servers[at].port()) {
        connection.reply_limit(Duration::from_millis(500));
        let sent = connection.write(format!("{line}\r\n").as_bytes());
        let _ = sent.and_then(|()| connection.read());
    }
}

pub fn trouble(servers: &mut [Daemon], random: &mut Random) {
    let count = servers.len();
    let leader = servers.iter().position(leads).unwrap_or(0);
    let other = (leader + 1 + random.below(count - 1)) % count;
    match random.below(6) {
        0 | 1 => {
            let at = if random.chance(60) { leader } else { other };
            servers[at].kill();
            let next = (at + 1 + random.below(count - 1)) % count;
            order(servers, next, "REPLICAOF NO ONE");
            std::thread::sleep(Duration::from_millis(random.below(300) as u64));
            servers[at].restart_loading();
        }
        2 => {
            servers[leader].signal(Signal::STOP);
            order(servers, other, "REPLICAOF NO ONE");
            std::thread::sleep(Duration::from_millis(random.below(800) as u64));
            servers[leader].signal(Signal::CONT);
        }
        // A server that takes a full copy has lost its data for as long: the promise is for one
        // such server at a time.
        3 if servers
            .iter()
            .all(|its| its.info("sync_clean").as_deref() == Some("1")) =>
        {
            servers.iter_mut().for_each(Daemon::kill);
            servers.iter_mut().for_each(Daemon::restart_loading);
        }
        4 => {
            order(servers, leader, "QUORUM TAKEOVER");
            order(servers, other, "REPLICAOF NO ONE");
        }
        _ => {
            let port = servers[other].port();
            order(servers, leader, &format!("REPLICAOF 127.0.0.1 {port}"));
        }
    }
}

/// Every write that was answered is at the leader, or a later one of the same key.
#[track_caller]
fn check(servers: &[Daemon], answered: AnsweredWrites) {
    let leader = servers.iter().position(leads).expect("it leads");
    let mut connection = servers[leader].connect();
    let answered = answered.0.into_inner().unwrap();
    assert!(!answered.is_empty());
    for (key, value) in answered {
        let reply = connection.call(&["GET", &key]);
        let text = String::from_utf8_lossy(&reply).into_owned();
        let kept: u64 = text
            .lines()
            .nth(1)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        assert!(kept >= value, "{key} was {value}, is {text:?}");
    }
}

/// `RUSSET_QUORUM_TROUBLES`: so many troubles, 15 by default; `RUSSET_QUORUM_SEED`.
#[test]
fn answered_writes_survive_a_storm() {
    let number = |name: &str, usual| {
        let text = std::env::var(name).ok();
        text.map_or(usual, |text| text.parse::<u64>().expect("a number"))
    };
    let seed = number("RUSSET_QUORUM_SEED", 1);
    let mut random = Random::new(seed);
    let mut servers = group();
    let ports = servers.each_ref().map(Daemon::port);
    let (answered, is_over) = (AnsweredWrites::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = SetOnDrop(&is_over);
        for writer in 0..4 {
            let (ports, answered, is_over) = (&ports, &answered, &is_over);
            scope.spawn(move || write(writer, ports, answered, is_over));
        }
        for _ in 0..number("RUSSET_QUORUM_TROUBLES", 15) {
            std::thread::sleep(Duration::from_millis(random.below(500) as u64));
            trouble(&mut servers, &mut random);
        }
    });
    let explain = || {
        let lines = servers
            .iter()
            .map(|its| its.connect().call(&["QUORUM", "EXPLAIN"]));
        let lines: Vec<String> = lines
            .map(|reply| String::from_utf8_lossy(&reply).into_owned())
            .collect();
        lines.join("\n")
    };
    let end = Instant::now() + Duration::from_secs(30);
    while !servers.iter().any(leads) {
        assert!(
            Instant::now() < end,
            "seed {seed}: no server leads: {}",
            explain()
        );
        std::thread::yield_now();
    }
    check(&servers, answered);
    wait_within(
        Duration::from_secs(30),
        "all follow after the storm",
        || {
            let others = servers.iter().filter(|its| !leads(its));
            let links =
                others.filter(|its| its.info("master_link_status").as_deref() == Some("up"));
            links.count() == 2
        },
    );
}
