//! russet in a cluster with real nodes: the test creates it, fails over, grows, reshards and
//! shrinks it while clients write. Every write that a replica has acknowledged (WAIT 1) is there
//! afterwards.

use crate::group::{Group, Kind, start_node};
use crate::support::peers::Peer;
use crate::writers::Writers;

/// The number of times that a cluster goes through all changes: `RUSSET_CYCLES`, or once.
fn cycles() -> usize {
    let wanted = std::env::var("RUSSET_CYCLES").unwrap_or_default();
    wanted.parse().unwrap_or(1)
}

/// Nodes of russet and of another program: each primary has a replica of the other program.
fn run(peer: Peer, russet: Kind) {
    let its = Kind::Peer(peer);
    let what = format!("a cluster with {}", peer.name());
    let Some(mut group) = Group::create(&what, &[russet, its, russet, its, russet, its], 1) else {
        return;
    };
    group.check();
    group.write("a", 300);
    group.wait_until_synced();
    for cycle in 0..cycles() {
        let writers = Writers::start(&group.ports(), &format!("{cycle}"));
        for kind in [russet, its] {
            lose_a_primary(&mut group, kind);
        }
        grow_and_shrink(&mut group, [russet, its]);
        writers.finish(&group);
        group.assert_written("a", 300);
    }
}

/// Kills a primary: its replica takes over, and the killed node comes back as a replica.
fn lose_a_primary(group: &mut Group, kind: Kind) {
    let lost = group.primary(|its| its == kind);
    let id = group.nodes[lost].id();
    group.kill(lost);
    group.wait_for_failover(&id);
    group.restart(lost);
    group.wait("the old primary to be a replica", |group| {
        let text = group.nodes[lost].text("INFO replication");
        text.contains("role:slave")
    });
    group.wait_until_well();
    group.check();
}

/// A new primary of each program gets slots, passes some of them to the other new primary, and
/// gives its slots back before it leaves.
fn grow_and_shrink(group: &mut Group, kinds: [Kind; 2]) {
    let any = group.nodes[0].address();
    let before = group.nodes.len();
    for kind in kinds {
        group.nodes.push(start_node(kind, &[]));
        let new = group.nodes[group.nodes.len() - 1].address();
        group.order(&["add-node", &new, &any]);
        group.wait_until_well();
    }
    let (first, second) = (group.nodes[before].id(), group.nodes[before + 1].id());
    // Each new primary has a replica, because the writers wait for replicas.
    for primary in [first.as_str(), &second] {
        group.nodes.push(start_node(kinds[0], &[]));
        let new = group.nodes[group.nodes.len() - 1].address();
        let its = ["--cluster-slave", "--cluster-master-id", primary];
        group.order(&[&["add-node", &new, &any][..], &its].concat());
        group.wait_until_well();
    }
    let old = group.nodes[group.primary(|_| true)].id();
    for (from, to, slots) in [
        ("all", &first, "60"),
        (&first, &second, "30"),
        (&first, &old, "30"),
        (&second, &old, "30"),
    ] {
        let from = ["--cluster-from", from];
        let to = ["--cluster-to", to, "--cluster-slots", slots];
        group.order(&[&["reshard", &any][..], &from, &to].concat());
        group.wait_until_well();
        group.check();
    }
    for at in (before..group.nodes.len()).rev() {
        let id = group.nodes[at].id();
        group.order(&["del-node", &any, &id]);
        group.nodes.truncate(at);
        group.wait("the deleted node to be forgotten", |group| {
            group.living().all(|node| node.view().len() == at)
        });
    }
    group.wait_until_well();
    group.check();
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
