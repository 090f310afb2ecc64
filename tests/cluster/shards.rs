//! A small cluster without redis-cli, which cannot reach the addresses of these nodes.

use crate::group::Node;
use crate::support::resp::Connection;
use crate::support::wait::wait_until;

/// A node, and its address for CLUSTER MEET.
pub struct Member {
    pub node: Node,
    pub meet: String,
}

#[track_caller]
fn ok(node: &Node, order: &str) {
    let mut connection = Connection::open(node.port()).expect("a node");
    assert_eq!(connection.ask(order), "+OK\r\n", "{order}");
}

/// Starts three primaries and a replica of the last primary, and kills that primary: the replica
/// takes over with its data. Returns the living nodes.
#[track_caller]
pub fn fails_over(members: [Member; 4]) -> Vec<Member> {
    for (at, range) in ["0 5460", "5461 10922", "10923 16383"].iter().enumerate() {
        ok(&members[at].node, &format!("CLUSTER ADDSLOTSRANGE {range}"));
        ok(
            &members[at].node,
            &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1),
        );
    }
    for member in &members[1..] {
        ok(&members[0].node, &format!("CLUSTER MEET {}", member.meet));
    }
    let are_well = |members: &[Member]| {
        members.iter().all(|member| {
            let view = member.node.view();
            let is_linked = |seen: &crate::group::NodesLine| {
                seen.is_connected && !seen.is("handshake") && !seen.is("fail")
            };
            view.iter().filter(|seen| is_linked(seen)).count() == members.len()
                && member.node.state("cluster_state") == "ok"
        })
    };
    wait_until("all to know all", || are_well(&members));
    let id = members[2].node.id();
    ok(&members[3].node, &format!("CLUSTER REPLICATE {id}"));
    wait_until("the replica to follow", || {
        let text = members[3].node.text("INFO replication");
        text.contains("master_link_status:up")
    });
    // The slot of `a` is 15495.
    ok(&members[2].node, "SET a 1");
    wait_until("the replica to have it", || {
        members[3].node.text("DBSIZE") == "1"
            || members[3].node.text("INFO keyspace").contains("keys=1")
    });
    let mut living = Vec::from(members);
    let mut killed = living.remove(2);
    killed.node.daemon.kill();
    wait_until("the replica to take over", || {
        let text = living[2].node.text("INFO replication");
        text.contains("role:master") && are_well(&living)
    });
    assert_eq!(living[2].node.text("GET a"), "1");
    living
}
