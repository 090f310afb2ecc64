//! `sync-quorum` in a cluster: the votes say when and which replica, the promises of the shard's
//! members decide. No write that was answered is lost, whoever votes.

use rustix::process::Signal;

use crate::client::{Client, slot_of};
use crate::group::{Group, Kind, start_node};
use crate::support::daemon::Daemon;
use crate::support::peers::Peer;
use crate::support::resp::Reply;
use crate::writers::{Acknowledgement, Writers};

const MODE: &[&str] = &[
    "--sync-quorum",
    "yes",
    "--min-sync-replicas",
    "1",
    "--appendonly",
    "yes",
    "--save",
    "",
];

/// The first shard, nodes 0 to 2, is a group; the voters of the two other shards, nodes 3 and 4,
/// are of other makes.
#[track_caller]
fn cluster(what: &str, voters: [Kind; 2]) -> Option<Group> {
    let mut group = Group::start(what, &voters, &[])?;
    for at in 0..3 {
        group.nodes.insert(at, start_node(Kind::Russet, MODE));
    }
    let ranges = [(0, "0 6000"), (3, "6001 11000"), (4, "11001 16383")];
    for (at, range) in ranges {
        ok(&group, at, &format!("CLUSTER ADDSLOTSRANGE {range}"));
        ok(&group, at, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
    }
    for at in 1..5 {
        let (port, bus) = (group.nodes[at].port(), bus_port(&group, at));
        ok(&group, 0, &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    }
    group.wait("all to know all", |group| {
        group.nodes.iter().all(|node| node.view().len() == 5)
    });
    group.wait_until_well();
    let id = group.nodes[0].id();
    ok(&group, 1, &format!("CLUSTER REPLICATE {id}"));
    ok(&group, 2, &format!("CLUSTER REPLICATE {id}"));
    wait_for_members(&group);
    Some(group)
}

fn bus_port(group: &Group, at: usize) -> String {
    let text = group.nodes[at].text("CONFIG GET cluster-port");
    if !text.is_empty() {
        return text;
    }
    let mut connection = group.nodes[at].daemon.connect();
    let reply = connection.value("CONFIG GET cluster-port");
    let items = reply.items().unwrap_or_default();
    let port = items.get(1).and_then(Reply::text).unwrap_or_default();
    String::from_utf8_lossy(port).into_owned()
}

#[track_caller]
fn ok(group: &Group, at: usize, order: &str) {
    assert_eq!(group.nodes[at].text(order), "OK", "{order}");
}

fn daemon(group: &Group, at: usize) -> &Daemon {
    &group.nodes[at].daemon
}

#[track_caller]
fn wait_for_members(group: &Group) {
    group.wait("all three to be members", |group| {
        (0..3).all(|at| {
            let field = |name| daemon(group, at).info(name).unwrap_or_default();
            field("sync_members") == "3" && field("sync_members_changing") == "0"
        })
    });
    group.wait_until_well();
}

/// The node of the first shard that leads and has the slots.
fn leader(group: &Group) -> Option<usize> {
    (0..3).find(|&at| {
        let node = &group.nodes[at];
        if node.is_killed {
            return false;
        }
        let text = node.text("INFO replication");
        let mine = node.view().into_iter().find(|seen| seen.is("myself"));
        text.contains("sync_state:ok") && mine.is_some_and(|seen| !seen.slots.is_empty())
    })
}

#[track_caller]
fn wait_for_leader(group: &Group, but: Option<usize>) -> usize {
    group.wait("a member to lead", |group| {
        leader(group).is_some_and(|at| Some(at) != but)
    });
    leader(group).expect("it leads")
}

/// Writers to the slots of the first shard, which count the replies.
fn writers(group: &Group, name: &str) -> Writers {
    Writers::start_in(&group.ports(), name, 0..=6000, Acknowledgement::Reply)
}

/// Writes until the second of two of them succeeds, so that all writers have succeeded about then.
fn wait_for_writes(group: &Group) {
    let mut client = Client::new(&group.ports());
    for number in 0..50 {
        let key = (0..)
            .map(|n| format!("probe:{n}"))
            .find(|key| slot_of(key) <= 6000)
            .expect("a key");
        let reply = client.run(slot_of(&key), &["SET", &key, &number.to_string()]);
        assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    }
}

fn kills_and_orders(mut group: Group) {
    let before = writers(&group, "a");
    wait_for_writes(&group);
    // A killed primary is replaced, and comes back as a replica.
    let first = wait_for_leader(&group, None);
    group.kill(first);
    let second = wait_for_leader(&group, Some(first));
    wait_for_writes(&group);
    group.restart(first);
    group.wait_until_well();
    wait_for_members(&group);
    // So is a primary that stands still.
    daemon(&group, second).signal(Signal::STOP);
    group.wait("another to lead", |group| {
        (0..3).any(|at| {
            at != second && {
                let text = group.nodes[at].text("INFO replication");
                text.contains("sync_state:ok")
            }
        })
    });
    daemon(&group, second).signal(Signal::CONT);
    group.wait_until_well();
    // Every order hands over.
    for order in ["", " FORCE", " TAKEOVER"] {
        let now = wait_for_leader(&group, None);
        let to = (now + 1) % 3;
        ok(&group, to, &format!("CLUSTER FAILOVER{order}"));
        group.wait("the replica to take over", |group| {
            leader(group) == Some(to)
        });
        group.wait_until_well();
    }
    wait_for_writes(&group);
    before.finish(&group);
}

#[test]
fn voters_of_redis_and_valkey_elect_and_the_members_decide() {
    let voters = [Kind::Peer(Peer::Redis8), Kind::Peer(Peer::Valkey9)];
    if let Some(group) = cluster("voters of Redis and Valkey", voters) {
        kills_and_orders(group);
    }
}

#[test]
fn voters_of_russet_elect_and_the_members_decide() {
    if let Some(group) = cluster("voters of russet", [Kind::Russet, Kind::RussetValkey]) {
        kills_and_orders(group);
    }
}

/// The votes of the others do not help a replica whose group does not follow it.
#[test]
fn an_elected_replica_without_promises_claims_nothing() {
    let Some(mut group) = cluster("a replica alone", [Kind::Russet, Kind::Russet]) else {
        return;
    };
    let writing = writers(&group, "b");
    wait_for_writes(&group);
    let first = wait_for_leader(&group, None);
    let (second, third) = ((first + 1) % 3, (first + 2) % 3);
    group.kill(second);
    group.kill(first);
    group.wait("the votes to come, and the group to refuse", |group| {
        let explained = group.nodes[third]
            .daemon
            .connect()
            .call(&["QUORUM", "EXPLAIN"]);
        String::from_utf8_lossy(&explained)
            .contains("NOQUORUM Taking over needs promises of 2 of 3")
    });
    assert_eq!(leader(&group), None);
    let mine = group.nodes[third].view();
    let mine = mine.iter().find(|seen| seen.is("myself"));
    assert!(mine.is_some_and(|seen| seen.is("slave") && seen.slots.is_empty()));
    group.restart(second);
    wait_for_leader(&group, Some(first));
    wait_for_writes(&group);
    group.restart(first);
    wait_for_members(&group);
    writing.finish(&group);
}

/// All nodes of the shard at once; and a member that is to leave its shard.
#[test]
fn a_shard_comes_back_and_its_members_stay() {
    let Some(mut group) = cluster("a shard that comes back", [Kind::Russet, Kind::Russet]) else {
        return;
    };
    let writing = writers(&group, "c");
    wait_for_writes(&group);
    (0..3).for_each(|at| group.kill(at));
    (0..3).for_each(|at| group.restart_loading(at));
    let now = wait_for_leader(&group, None);
    wait_for_writes(&group);
    group.wait_until_well();
    let replica = (now + 1) % 3;
    let other = group.nodes[3].id();
    for order in [
        format!("CLUSTER REPLICATE {other}"),
        "CLUSTER RESET".to_owned(),
    ] {
        let reply = group.nodes[replica].text(&order);
        assert!(reply.contains("QUORUM REMOVE"), "{order}: {reply}");
    }
    // After it has left the group it may go.
    let node = daemon(&group, replica).info("sync_node").expect("a group");
    group.wait("it to be removed", |group| {
        group.nodes[now].text(&format!("QUORUM REMOVE {node}")) == "OK"
    });
    group.wait("it to know that", |group| {
        daemon(group, replica).info("sync_member").as_deref() == Some("0")
    });
    ok(&group, replica, &format!("CLUSTER REPLICATE {other}"));
    group.wait_until_well();
    writing.finish(&group);
}
