//! Publications on shard channels while slots move, and the messages of subscribers whose slot has
//! gone.

use crate::group::{Kind, Node, start_node};
use crate::support::resp::{Connection, printable};
use crate::support::wait::wait_until;

/// The slot of `{foo}`.
const SLOT: u16 = 12182;

#[track_caller]
fn ask(node: &Node, line: &str) -> String {
    Connection::open(node.port()).expect("a node").ask(line)
}

#[track_caller]
fn ok(node: &Node, line: &str) {
    assert_eq!(ask(node, line), "+OK\r\n", "{line}");
}

#[track_caller]
fn subscribed(node: &Node, channel: &str) -> Connection {
    let mut connection = Connection::open(node.port()).expect("a node");
    let reply = connection.ask(&format!("SSUBSCRIBE {channel}"));
    assert!(reply.ends_with(":1\r\n"), "{reply}");
    connection
}

/// The words of a subscriber's next message.
#[track_caller]
fn next(connection: &mut Connection) -> String {
    printable(&connection.reply())
}

fn pair() -> [Node; 2] {
    let nodes = [start_node(Kind::Russet, &[]), start_node(Kind::Russet, &[])];
    ok(&nodes[0], "CLUSTER ADDSLOTSRANGE 0 16383");
    let (port, bus) = (nodes[1].port(), bus_port(&nodes[1]));
    ok(&nodes[0], &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    let is_well = |node: &Node| {
        node.state("cluster_state") == "ok" && node.state("cluster_known_nodes") == "2"
    };
    wait_until("the nodes to know each other", || nodes.iter().all(is_well));
    nodes
}

fn bus_port(node: &Node) -> String {
    let mut connection = Connection::open(node.port()).expect("a node");
    let reply = connection.value("CONFIG GET cluster-port");
    let items = reply.items().expect("an array");
    String::from_utf8_lossy(items[1].text().expect("a text")).into_owned()
}

#[test]
fn the_source_serves_channels_until_the_slot_is_gone() {
    let [source, target] = pair();
    let (source_id, target_id) = (source.id(), target.id());
    ok(
        &target,
        &format!("CLUSTER SETSLOT {SLOT} IMPORTING {source_id}"),
    );
    ok(
        &source,
        &format!("CLUSTER SETSLOT {SLOT} MIGRATING {target_id}"),
    );
    let mut subscriber = subscribed(&source, "{foo}c");
    assert_eq!(ask(&source, "SPUBLISH {foo}c m"), ":1\r\n");
    assert!(next(&mut subscriber).contains("smessage"));
    let mut other = Connection::open(source.port()).expect("a node");
    assert_eq!(other.ask("MULTI"), "+OK\r\n");
    assert_eq!(other.ask("SPUBLISH {foo}c m"), "+QUEUED\r\n");
    assert_eq!(other.ask("EXEC"), "*1\r\n:1\r\n");
    assert!(next(&mut subscriber).contains("smessage"));
    // A command on keys of the slot is redirected as before.
    assert!(ask(&source, "GET {foo}k").starts_with("-ASK 12182 "));
    assert!(ask(&target, "SPUBLISH {foo}c m").starts_with("-MOVED 12182 "));
    ok(&target, &format!("CLUSTER SETSLOT {SLOT} NODE {target_id}"));
    ok(&source, &format!("CLUSTER SETSLOT {SLOT} NODE {target_id}"));
    assert!(next(&mut subscriber).contains("sunsubscribe"));
    assert!(ask(&source, "SPUBLISH {foo}c m").starts_with("-MOVED 12182 "));
}

#[test]
fn each_way_of_losing_a_slot_notifies_its_subscribers() {
    let [node, _other] = pair();
    let orders = [
        format!("CLUSTER DELSLOTS {SLOT}"),
        format!("CLUSTER DELSLOTSRANGE {SLOT} {SLOT}"),
        "CLUSTER FLUSHSLOTS".to_owned(),
        "CLUSTER RESET".to_owned(),
    ];
    for order in &orders {
        if ask(&node, &format!("CLUSTER ADDSLOTS {SLOT}")) != "+OK\r\n" {
            assert_eq!(order, &orders[0]);
        }
        ok(&node, "CONFIG SET cluster-allow-pubsubshard-when-down yes");
        let mut subscriber = subscribed(&node, "{foo}c");
        ok(&node, order);
        let reported = next(&mut subscriber);
        assert!(reported.contains("sunsubscribe"), "{order}: {reported}");
    }
}
