//! russet in one cluster with real nodes: created, written, resharded, failed over, grown and shrunk.

use crate::group::{Group, Kind, start_node};
use crate::support::peers::Peer;

/// Nodes of russet and of another program, each primary with a replica of the other one.
fn run(peer: Peer, russet: Kind) {
    let its = Kind::Peer(peer);
    let what = format!("a cluster with {}", peer.name());
    let Some(mut group) = Group::create(&what, &[russet, its, russet, its, russet, its], 1) else {
        return;
    };
    group.check();
    group.write("a", 300);
    group.wait_until_synced();

    for kind in [russet, its] {
        let lost = group.primary(|its| its == kind);
        let id = group.nodes[lost].id();
        group.kill(lost);
        group.wait_for_failover(&id);
        group.assert_written("a", 300);
        group.restart(lost);
        group.wait("the old primary to be a replica", |group| {
            group.nodes[lost]
                .text("INFO replication")
                .contains("role:slave")
        });
        group.wait_until_well();
        group.check();
        group.wait_until_synced();
    }

    let any = group.nodes[0].address();
    for kind in [russet, its] {
        group.nodes.push(start_node(kind, &[]));
        let at = group.nodes.len() - 1;
        let new = group.nodes[at].address();
        group.order(&["add-node", &new, &any]);
        group.wait_until_well();
    }
    let (first, second) = (group.nodes[6].id(), group.nodes[7].id());
    group.order(&[
        "reshard",
        &any,
        "--cluster-from",
        "all",
        "--cluster-to",
        &first,
        "--cluster-slots",
        "20",
    ]);
    group.wait_until_well();
    group.order(&[
        "reshard",
        &any,
        "--cluster-from",
        &first,
        "--cluster-to",
        &second,
        "--cluster-slots",
        "20",
    ]);
    group.wait_until_well();
    group.check();
    group.assert_written("a", 300);
}

#[test]
fn with_redis_80() {
    run(Peer::Redis8, Kind::Russet);
}

#[test]
fn with_redis_810() {
    run(Peer::Redis810, Kind::Russet);
}

#[test]
fn with_valkey_91() {
    run(Peer::Valkey9, Kind::RussetValkey);
}
