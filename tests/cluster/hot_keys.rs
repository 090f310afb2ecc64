//! HOTKEYS on a node: the slots of a session, beside Redis 8.10.

use crate::group::{Kind, Node, start_node};
use crate::support::peers::Peer;
use crate::support::resp::{Connection, Reply};
use crate::support::wait::wait_until;

/// The slots of the keys `b` and `a`.
const B: u16 = 3300;
const A: u16 = 15495;

fn serving(kind: Kind) -> Node {
    let node = start_node(kind, &["--cluster-require-full-coverage", "no"]);
    for range in ["0 8191", "8193 16383"] {
        assert_eq!(node.text(&format!("CLUSTER ADDSLOTSRANGE {range}")), "OK");
    }
    wait_until("the node to serve", || node.state("cluster_state") == "ok");
    node
}

/// The fields of HOTKEYS GET: names with their values, but without times.
fn shown(c: &mut Connection) -> Vec<(String, String)> {
    let reply = c.value("HOTKEYS GET");
    let maps = reply.items().expect("an array");
    let fields = maps[0].items().expect("a map");
    let field = |pair: &[Reply]| {
        let name = String::from_utf8_lossy(pair[0].text().expect("a name")).into_owned();
        let is_time = name.ends_with("-us") || name.ends_with("-ms");
        let value = if is_time {
            String::new()
        } else {
            format!("{:?}", pair[1])
        };
        (name, value)
    };
    fields.chunks(2).map(field).collect()
}

#[test]
fn only_keys_of_the_chosen_slots_are_counted() {
    if Peer::Redis810.program_for("the slots of HOTKEYS").is_none() {
        return;
    }
    let nodes = [Kind::Peer(Peer::Redis810), Kind::Russet].map(serving);
    let mut connections = nodes
        .each_ref()
        .map(|node| Connection::open(node.port()).expect("a node"));
    let refused = [
        "SLOTS",
        "SLOTS 0",
        "SLOTS 16385 1",
        "SLOTS x 1",
        "SLOTS -1 1",
        "SLOTS 2 1",
        "SLOTS 2 1 1",
        "SLOTS 3 1 1 x",
        "SLOTS 3 1 8192 x",
        "SLOTS 1 16384",
        "SLOTS 1 -1",
        "SLOTS 1 x",
        "SLOTS 1 8192",
        "SLOTS 2 1 SAMPLE 2",
        "SLOTS 1 1 SLOTS",
        "SLOTS 1 1 SLOTS 1 2",
        "SLOTS 1 1 2",
        "SLOTS 1 1 SAMPLE",
        "SAMPLE 2 SLOTS 1 9 COUNT 100",
    ];
    for words in refused {
        let line = format!("HOTKEYS START METRICS 1 CPU {words}");
        let [real, ours] = connections.each_mut().map(|c| c.ask(&line));
        assert!(real.starts_with("-ERR"), "{line}: {real}");
        assert_eq!(ours, real, "{line}");
    }
    let sessions = [
        "METRICS 2 CPU NET",
        "METRICS 2 CPU NET SAMPLE 2147483647",
        &format!("METRICS 2 CPU NET SLOTS 2 {A} {B}"),
        &format!("METRICS 1 NET SLOTS 1 {B}"),
        &format!("METRICS 1 CPU COUNT 3 SLOTS 2 9 {B} SAMPLE 2147483647"),
    ];
    for session in sessions {
        let [real, ours] = connections.each_mut().map(|c| {
            c.ask("HOTKEYS STOP");
            c.ask("HOTKEYS RESET");
            assert_eq!(c.ask(&format!("HOTKEYS START {session}")), "+OK\r\n");
            for line in [
                "SET a 1",
                "GET b",
                "SET b 123",
                "SET c 12",
                "SET {b}1 x",
                "SET {b}2 yyyyyy",
                "PING",
            ] {
                c.ask(line);
            }
            shown(c)
        });
        assert_eq!(ours, real, "{session}");
    }
}

#[test]
fn a_slot_that_leaves_the_node_leaves_the_selection() {
    let node = serving(Kind::Russet);
    let mut c = Connection::open(node.port()).expect("a node");
    assert_eq!(
        c.ask(&format!("HOTKEYS START METRICS 1 CPU SLOTS 2 {A} {B}")),
        "+OK\r\n"
    );
    let selected = |c: &mut Connection| {
        let fields = shown(c);
        let found = fields.iter().find(|(name, _)| name == "selected-slots");
        found.expect("the field").1.clone()
    };
    assert!(selected(&mut c).contains(&A.to_string()));
    assert_eq!(c.ask(&format!("CLUSTER DELSLOTS {A}")), "+OK\r\n");
    let rest = selected(&mut c);
    assert!(
        !rest.contains(&A.to_string()) && rest.contains(&B.to_string()),
        "{rest}"
    );
}
