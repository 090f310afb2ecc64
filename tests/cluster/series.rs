//! Time series of a cluster: commands that find series by labels reply for all shards, from any
//! node; rules stay within a slot.

use crate::group::{Kind, Node, start_node};
use crate::support::resp::{Connection, printable};
use crate::support::wait::wait_until;
use std::time::{Duration, Instant};

/// Keys of three slots, a slot for each node below.
const KEYS: [&str; 3] = ["b", "c", "a"];

fn connect(node: &Node) -> Connection {
    Connection::open(node.port()).expect("a node")
}

#[track_caller]
fn ok(node: &Node, order: &str) {
    let reply = connect(node).ask(order);
    assert!(!reply.starts_with('-'), "{order}: {reply}");
}

/// Starts three primaries.
fn three() -> [Node; 3] {
    let nodes = [(); 3].map(|()| start_node(Kind::Russet, &["--cluster-node-timeout", "2000"]));
    for (at, range) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
        ok(&nodes[at], &format!("CLUSTER ADDSLOTSRANGE {range}"));
        ok(&nodes[at], &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
    }
    for node in &nodes[1..] {
        let mut c = connect(node);
        let reply = c.value("CONFIG GET cluster-port");
        let bus = reply.items().expect("an array")[1]
            .text()
            .expect("a text")
            .to_vec();
        let bus = String::from_utf8(bus).expect("text");
        ok(
            &nodes[0],
            &format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port()),
        );
    }
    wait_until("all to know all", || {
        nodes.iter().all(|node| {
            let linked = node.view();
            let linked = linked
                .iter()
                .filter(|seen| seen.is_connected && !seen.is("handshake"));
            linked.count() == 3 && node.state("cluster_state") == "ok"
        })
    });
    nodes
}

/// The position of the node that has a key.
fn owner(key: &str) -> usize {
    KEYS.iter().position(|known| *known == key).expect("known")
}

fn fill(nodes: &[Node; 3]) {
    for (n, key) in KEYS.iter().enumerate() {
        let node = &nodes[owner(key)];
        let odd = if n % 2 == 1 { "yes" } else { "no" };
        ok(
            node,
            &format!("TS.CREATE {key} LABELS all 1 odd {odd} n {n}"),
        );
        for at in 0..5 {
            ok(node, &format!("TS.ADD {key} {at} {}", at * 10 + n));
        }
    }
}

#[test]
fn any_node_replies_the_series_of_all_shards() {
    let nodes = three();
    fill(&nodes);
    let first = |line: &str| connect(&nodes[0]).ask(line);
    assert_eq!(
        first("TS.QUERYINDEX all=1"),
        "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"
    );
    assert_eq!(
        first("TS.MGET FILTER odd=no"),
        "*2\r\n*3\r\n$1\r\na\r\n*0\r\n*2\r\n:4\r\n+42\r\n*3\r\n$1\r\nb\r\n*0\r\n*2\r\n:4\r\n+40\r\n"
    );
    assert_eq!(
        first("TS.QUERYLABELS VALUES n"),
        "*3\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n"
    );
    assert_eq!(
        first("TS.MRANGE - + AGGREGATION sum 5 FILTER all=1 GROUPBY odd REDUCE max"),
        "*2\r\n*3\r\n$6\r\nodd=no\r\n*0\r\n*1\r\n*2\r\n:0\r\n+110\r\n\
         *3\r\n$7\r\nodd=yes\r\n*0\r\n*1\r\n*2\r\n:0\r\n+105\r\n"
    );
    assert!(first("TS.MRANGE 7 8 EXCLUDEEMPTY FILTER all=1").starts_with("*0"));
    // All nodes give the same reply, in both protocols.
    for line in [
        "TS.MGET WITHLABELS FILTER all=1",
        "TS.MRANGE 1 3 WITHLABELS FILTER all=1",
        "TS.MREVRANGE - + COUNT 2 SELECTED_LABELS n FILTER all=1 n!=1",
        "TS.MREVRANGE - + COUNT 2 FILTER all=1 GROUPBY odd REDUCE sum",
        "TS.QUERYLABELS LABELS FILTER all=1",
        "TS.MRANGE - + FILTER all",
    ] {
        for hello in ["HELLO 2", "HELLO 3"] {
            let replies = nodes.each_ref().map(|node| {
                let mut c = connect(node);
                c.ask(hello);
                printable(&c.call(&line.split(' ').collect::<Vec<_>>()))
            });
            assert_eq!(replies[0], replies[1], "{line}");
            assert_eq!(replies[0], replies[2], "{line}");
        }
    }
    // A pipeline keeps its order, and a transaction cannot wait.
    let mut c = connect(&nodes[1]);
    c.send(b"TS.QUERYINDEX n=0\r\nPING\r\n");
    assert_eq!(printable(&c.reply()), "*1\r\n$1\r\nb\r\n");
    assert_eq!(printable(&c.reply()), "+PONG\r\n");
    c.ask("MULTI");
    c.ask("TS.QUERYINDEX all=1");
    assert!(c.ask("EXEC").contains("multi sharded command"));
}

/// A user's rules apply to keys of all shards.
#[test]
fn users_see_what_they_may_read_of_all_shards() {
    let nodes = three();
    fill(&nodes);
    ok(&nodes[0], "ACL SETUSER some on nopass %R~a %R~b +@all");
    let mut some = connect(&nodes[0]);
    some.ask("AUTH some x");
    assert!(some.ask("TS.MGET FILTER odd=no").starts_with("*2\r\n"));
    assert!(some.ask("TS.MGET FILTER all=1").starts_with("-NOPERM"));
    assert_eq!(
        some.ask("TS.QUERYLABELS VALUES n FILTER all=1"),
        "*2\r\n$1\r\n0\r\n$1\r\n2\r\n"
    );
}

/// A command never replies with a part of the shards.
#[test]
fn a_shard_that_does_not_answer_is_an_error() {
    let mut nodes = three();
    fill(&nodes);
    let mut c = connect(&nodes[0]);
    nodes[2].daemon.signal(rustix::process::Signal::STOP);
    let began = Instant::now();
    c.reply_limit(Duration::from_secs(20));
    let reply = c.ask("TS.QUERYINDEX all=1");
    assert!(reply.starts_with('-'), "{reply}");
    assert!(began.elapsed() < Duration::from_secs(8));
    nodes[2].daemon.signal(rustix::process::Signal::CONT);
    nodes[2].daemon.kill();
    wait_until("the shard to be missed", || {
        let reply = connect(&nodes[0]).ask("TS.QUERYINDEX all=1");
        reply.starts_with("-CLUSTERDOWN")
    });
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn rules_are_of_one_slot() {
    let nodes = three();
    let node = &nodes[owner("a")];
    let mut c = connect(node);
    ok(node, "TS.CREATE a");
    ok(node, "TS.CREATE {a}d");
    let reply = c.ask("TS.CREATERULE a d AGGREGATION avg 10");
    assert!(reply.starts_with("-CROSSSLOT"), "{reply}");
    ok(node, "TS.CREATERULE a {a}d AGGREGATION avg 10");
    ok(node, "CONFIG SET ts-compaction-policy max:10m:1h");
    ok(node, "TS.ADD {a}made 1 1");
    ok(node, "DEL a");
    ok(node, "TS.ADD a 1 1");
    ok(node, "TS.ADD a 11 5");
    assert_eq!(c.ask("TS.GET {a}_MAX_10"), "*2\r\n:0\r\n+1\r\n");
    assert_eq!(c.ask("EXISTS {a}made_MAX_10"), ":1\r\n");
}
