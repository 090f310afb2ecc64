//! A replica that never had its primary's data is not elected in the primary's place.

use crate::group::{Group, Kind, start_node};
use crate::support::resp::Connection;

/// The primary has no password and refuses this password, so no copy begins.
const NO_COPY: [&str; 2] = ["--masterauth", "wrong"];

/// Regression: the nodes elected a replica without any keys, and the old primary came back, became
/// its replica and lost all keys.
#[test]
fn a_replica_without_its_primarys_data_is_not_elected_and_empties_nobody() {
    let what = "a replica that was never in sync";
    let kinds = [Kind::Russet; 3];
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut group) = Group::create_with(what, &kinds, 0, &arguments) else {
        return;
    };
    let primary = group.primary_at(0);
    let id = group.nodes[primary].id();
    group.write("k", 200);
    let any = group.nodes[primary].address();
    let keys = Connection::open(group.nodes[primary].port())
        .expect("a node")
        .ask("DBSIZE");
    assert_ne!(keys, ":0\r\n");

    group.nodes.push(start_node(Kind::Russet, &NO_COPY));
    let replica = group.nodes.len() - 1;
    let new = group.nodes[replica].address();
    group.order(&["add-node", &new, &any]);
    group.wait_until_well();
    assert_eq!(
        group.nodes[replica].text(&format!("CLUSTER REPLICATE {id}")),
        "OK"
    );
    group.wait("the others to know of the replica", |group| {
        let seen = |node: usize| group.nodes[node].text("CLUSTER NODES");
        seen(1).contains(&format!("slave {id}"))
    });
    group.kill(primary);
    group.wait("the replica to see that it cannot take over", |group| {
        let log = group.nodes[replica].daemon.log();
        log.contains("not been in sync with its primary")
    });
    let lost = group.nodes[1].text("CLUSTER NODES");
    assert!(lost.contains("master,fail "), "{lost}");
    assert!(
        group.nodes[replica]
            .text("CLUSTER NODES")
            .contains("myself,slave")
    );
    group.restart_loading(primary);
    group.wait("the primary to serve again", |group| {
        let node = Connection::open(group.nodes[primary].port());
        node.is_ok_and(|mut node| node.ask("DBSIZE") == keys)
    });
}
