//! A Sentinel for its operators and clients: commands, events, changes at run time, TILT.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;

use crate::group::{SETTINGS, Server, start_nodes};
use crate::process::{Kind, NAME, Sentinel, text};
use crate::support::peers::Peer;
use crate::support::resp::{Reply, command, printable};
use crate::support::wait_until;

/// A Sentinel that watches a server which does not exist.
fn alone() -> Sentinel {
    Sentinel::start(Kind::Russet, 1, 1, "")
}

#[test]
fn subscribers_get_the_events() {
    let sentinel = alone();
    let mut all = sentinel.events();
    let mut one = sentinel.connect();
    one.send(&command(&["HELLO", "3"]));
    one.reply();
    one.send(&command(&["SUBSCRIBE", "+monitor", "-monitor"]));
    one.reply();
    one.reply();
    sentinel.ask("SENTINEL MONITOR x 127.0.0.1 2 1");
    sentinel.ask("SENTINEL SET x quorum 2");
    sentinel.ask("SENTINEL REMOVE x");
    for event in [
        "+monitor master x 127.0.0.1 2 quorum 1",
        "+set master x 127.0.0.1 2 quorum 2",
        "-monitor master x 127.0.0.1 2",
    ] {
        assert_eq!(all.wait(&event[..5]), event);
    }
    let Ok((_, Reply::Push(words))) = one.read() else {
        panic!("no push message");
    };
    let words: Vec<String> = words.iter().map(text).collect();
    assert_eq!(
        words,
        ["message", "+monitor", "master x 127.0.0.1 2 quorum 1"]
    );
    let (_, message) = one.read().expect("another message");
    let words: Vec<String> = message.items().expect("a push").iter().map(text).collect();
    assert_eq!(words, ["message", "-monitor", "master x 127.0.0.1 2"]);
}

#[test]
fn replies_are_those_of_redis() {
    let Some(_) = Peer::Redis8.program_for("a Sentinel's replies") else {
        return;
    };
    let start = |kind| Sentinel::start(kind, 1, 2, "");
    let (russet, redis) = (start(Kind::Russet), start(Kind::Redis80));
    let (mut ours, mut theirs) = (russet.connect(), redis.connect());
    let mut differences = Vec::new();
    for line in [
        "PING",
        "PING x",
        "GET a",
        "SET a b",
        "SELECT 0",
        "MULTI x",
        "EXEC x",
        "ECHO a",
        "EVAL return 0",
        "FLUSHALL x",
        "CONFIG GET port",
        "CONFIG SET maxclients 10",
        "DEBUG SLEEP 0",
        "MONITOR x",
        "SPUBLISH a b",
        "SSUBSCRIBE a",
        "REPLICAOF NO ONE",
        "PUBLISH",
        "PUBLISH a b",
        "PUBLISH __sentinel__:hello damaged",
        "CLIENT SETNAME tester",
        "CLIENT GETNAME",
        "CLIENT NOPE",
        "CLIENT SETINFO LIB-NAME x",
        "ACL WHOAMI",
        "ACL SETUSER ann on nopass +ping",
        "ACL LIST",
        "ACL NOPE",
        "AUTH ann x",
        "PING",
        "SENTINEL MASTERS",
        "AUTH nobody x",
        "AUTH default x",
        "AUTH x",
        "ACL DELUSER ann",
        "HELLO 9",
        "HELLO 3 AUTH default",
        "ROLE",
        "SENTINEL",
        "SENTINEL NOPE",
        "SENTINEL MASTER",
        "SENTINEL MASTER nope",
        "SENTINEL REPLICAS nope",
        "SENTINEL SENTINELS nope",
        "SENTINEL SENTINELS m",
        "SENTINEL REPLICAS m",
        "SENTINEL GET-MASTER-ADDR-BY-NAME nope",
        "SENTINEL GET-MASTER-ADDR-BY-NAME m",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
        "SENTINEL CKQUORUM nope",
        "SENTINEL CKQUORUM m",
        "SENTINEL FAILOVER nope",
        "SENTINEL FAILOVER m",
        "SENTINEL REMOVE nope",
        "SENTINEL RESET nope",
        "SENTINEL SET nope quorum 1",
        "SENTINEL SET m quorum 0",
        "SENTINEL SET m nope 1",
        "SENTINEL SET m quorum",
        "SENTINEL SET m down-after-milliseconds x",
        "SENTINEL MONITOR m 127.0.0.1 1 1",
        "SENTINEL MONITOR y 127.0.0.1 1 0",
        "SENTINEL MONITOR y 127.0.0.1 99999 1",
        "SENTINEL MONITOR y 127.0.0.1 1 x",
        "SENTINEL PENDING-SCRIPTS",
        "SENTINEL SIMULATE-FAILURE nope",
        "SENTINEL SIMULATE-FAILURE help",
        "SENTINEL CONFIG GET *hostnames",
        "SENTINEL CONFIG GET nope",
        "SENTINEL CONFIG SET nope 1",
        "SENTINEL DEBUG nope 1",
        "SENTINEL DEBUG info-period x",
        "SENTINEL INFO-CACHE nope",
        "RESET x",
        "SUBSCRIBE a",
        "GET a",
        "UNSUBSCRIBE a",
        "PSUBSCRIBE a*",
        "PUNSUBSCRIBE",
    ] {
        let (russet, redis) = (ours.ask(line), theirs.ask(line));
        if russet != redis {
            differences.push(format!("{line}: {russet:?}, Redis: {redis:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Answers a connection as the Sentinel with this run id.
fn answer_as_sentinel(place: &TcpListener, run_id: &str) {
    let (stream, _) = place.accept().expect("a connection");
    let mut requests = BufReader::new(&stream);
    let mut line = || {
        let mut line = String::new();
        requests.read_line(&mut line).ok().filter(|&n| n > 0)?;
        Some(line.trim_end().to_owned())
    };
    while let Some(head) = line() {
        let words: usize = head.trim_start_matches('*').parse().expect("a request");
        let words = (0..2 * words).filter_map(|_| line());
        let words: Vec<String> = words.skip(1).step_by(2).collect();
        let reply = match words.last().map(String::as_str) {
            Some("MYID") => format!("${}\r\n{run_id}\r\n", run_id.len()),
            Some("PING") => "+PONG\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        if (&stream).write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn only_another_sentinels_hello_may_be_published() {
    let sentinel = alone();
    let mut events = sentinel.events();
    let refused = sentinel
        .try_ask(&["PUBLISH", "news", "x"])
        .expect_err("no other channel");
    assert_eq!(
        refused,
        "ERR Only HELLO messages are accepted by Sentinel instances."
    );
    let run_id = "a".repeat(40);
    let place = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = place.local_addr().expect("bound").port();
    let its_id = run_id.clone();
    // The thread ends with the connection.
    std::thread::spawn(move || answer_as_sentinel(&place, &its_id));
    let hello = format!("127.0.0.1,{port},{run_id},0,{NAME},127.0.0.1,1,0");
    sentinel
        .try_ask(&["PUBLISH", "__sentinel__:hello", &hello])
        .expect("a hello");
    let event = events.wait("+sentinel");
    assert_eq!(
        event,
        format!("+sentinel sentinel {run_id} 127.0.0.1 {port} @ {NAME} 127.0.0.1 1")
    );
    let line = format!("sentinel known-sentinel {NAME} 127.0.0.1 {port} {run_id}");
    wait_until("the file to have it", || sentinel.file().contains(&line));
    // RESET removes the other Sentinel, also from the file.
    assert_eq!(sentinel.ask("SENTINEL RESET *"), Reply::Integer(1));
    events.wait("+reset-master");
    assert!(sentinel.list("SENTINELS").is_empty());
    assert!(
        !sentinel.file().contains("known-sentinel"),
        "{}",
        sentinel.file()
    );
}

#[test]
fn changes_at_run_time_are_in_the_file() {
    let mut sentinel = alone();
    let has = |sentinel: &Sentinel, line: &str| sentinel.file().lines().any(|is| is == line);
    sentinel.ask("SENTINEL MONITOR x 127.0.0.1 2 1");
    assert!(
        has(&sentinel, "sentinel monitor x 127.0.0.1 2 1"),
        "{}",
        sentinel.file()
    );
    sentinel.ask(
        "SENTINEL SET x quorum 3 down-after-milliseconds 4000 failover-timeout 5000 parallel-syncs 2 \
         auth-pass secret auth-user ann",
    );
    sentinel.ask("SENTINEL CONFIG SET announce-port 1234 sentinel-user bob sentinel-pass secret2");
    let lines = [
        "sentinel monitor x 127.0.0.1 2 3",
        "sentinel down-after-milliseconds x 4000",
        "sentinel failover-timeout x 5000",
        "sentinel parallel-syncs x 2",
        "sentinel auth-pass x \"secret\"",
        "sentinel auth-user x \"ann\"",
        "sentinel announce-port 1234",
        "sentinel sentinel-user \"bob\"",
        "sentinel sentinel-pass \"secret2\"",
    ];
    let check = |sentinel: &Sentinel| {
        for line in lines {
            let unquoted = line.replace('"', "");
            assert!(
                has(sentinel, line) || has(sentinel, &unquoted),
                "{line} in\n{}",
                sentinel.file()
            );
        }
    };
    check(&sentinel);
    sentinel.restart();
    check(&sentinel);
    let reply = sentinel.ask("SENTINEL MASTERS");
    assert_eq!(reply.items().map(<[Reply]>::len), Some(2));
    sentinel.ask("SENTINEL REMOVE x");
    assert!(
        !sentinel
            .file()
            .lines()
            .any(|line| line.split(' ').any(|word| word == "x"))
    );
    sentinel.restart();
    let reply = sentinel.ask("SENTINEL MASTERS");
    assert_eq!(reply.items().map(<[Reply]>::len), Some(1));
    let missing = sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME x");
    assert_eq!(missing, Reply::Null);
}

#[test]
fn a_sentinel_has_users_and_clients() {
    let sentinel = alone();
    let mut c = sentinel.connect();
    assert_eq!(
        c.ask("ACL SETUSER ann on >secret &* -@all +ping +sentinel|masters +subscribe"),
        "+OK\r\n"
    );
    assert_eq!(c.ask("CLIENT SETNAME tester"), "+OK\r\n");
    assert!(c.ask("CLIENT LIST").contains("name=tester"));
    assert!(c.ask("CLIENT ID").starts_with(':'));
    let mut ann = sentinel.connect();
    assert_eq!(ann.ask("AUTH ann secret"), "+OK\r\n");
    assert_eq!(ann.ask("PING"), "+PONG\r\n");
    assert!(ann.ask("SENTINEL MASTERS").starts_with("*1\r\n"));
    assert!(ann.ask("SENTINEL MYID").starts_with("-NOPERM"));
    let hello = c.ask("HELLO 3");
    assert!(hello.contains("mode\r\n$8\r\nsentinel\r\n"), "{hello}");
    let (_, role) = {
        c.send(&command(&["ROLE"]));
        c.read().expect("a reply")
    };
    let items = role.items().expect("a list");
    assert_eq!(text(&items[0]), "sentinel");
    assert_eq!(
        items[1]
            .items()
            .map(|names| names.iter().map(text).collect()),
        Some(vec![NAME.to_owned()])
    );
    assert!(printable(&c.call(&["INFO"])).contains("# Sentinel"));
    // The file has the user.
    sentinel.ask("SENTINEL FLUSHCONFIG");
    assert!(
        sentinel.file().contains("user ann on"),
        "{}",
        sentinel.file()
    );
}

#[test]
fn a_sentinel_that_stood_still_reports_nothing_down() {
    let mut nodes = start_nodes(&[Server::Russet; 2], &[]);
    let port = nodes[0].port();
    // The quorum is two and there is a single Sentinel, so it only watches.
    let sentinel = Sentinel::start(Kind::Russet, port, 2, SETTINGS);
    sentinel.ask("SENTINEL DEBUG tilt-period 3000");
    let mut events = sentinel.events();
    let is_down = || {
        let reply = sentinel.ask(&format!(
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 0 *"
        ));
        reply.items().expect("three items")[0].clone()
    };
    assert_eq!(is_down(), Reply::Integer(0));
    nodes[0].kill();
    events.wait("+sdown master");
    assert_eq!(is_down(), Reply::Integer(1));
    sentinel.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(2500));
    sentinel.signal(Signal::CONT);
    events.wait("+tilt");
    assert_eq!(is_down(), Reply::Integer(0));
    let info = text(&sentinel.ask("INFO sentinel"));
    assert!(info.contains("sentinel_tilt:1\r\n"), "{info}");
    events.wait("-tilt");
    wait_until("it to be down again", || is_down() == Reply::Integer(1));
    let info = text(&sentinel.ask("INFO sentinel"));
    assert!(info.contains("sentinel_tilt:0\r\n"), "{info}");
}
