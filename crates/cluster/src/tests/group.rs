//! Shards whose nodes are replication groups: what the group decides, and what the votes decide.

use super::net::{Net, TIMEOUT_MS};
use crate::{GroupMember, Order};
use russet_config::Dialect::{Redis, Valkey};

const MEMBER: GroupMember = GroupMember {
    may_lead: true,
    is_bound: true,
    unled_since_ms: None,
};

/// Three shards of two nodes each: node 3 follows node 0. All are members of groups.
fn shards(dialect: russet_config::Dialect) -> Net {
    let mut net = Net::cluster(dialect, 3, 3);
    for node in &mut net.nodes {
        node.own.group = Some(MEMBER);
    }
    net.run(500);
    net
}

fn asks_group(net: &Net, at: usize) -> bool {
    net.nodes[at].done.contains(&Order::TakeOver)
}

fn answer(net: &mut Net, at: usize, outcome: Result<(), &str>) {
    let now = net.clocks();
    net.nodes[at].done.retain(|order| *order != Order::TakeOver);
    net.nodes[at].core.taken_over(now, outcome);
    net.settle();
}

#[test]
fn slots_are_claimed_when_the_group_follows() {
    for dialect in [Redis, Valkey] {
        let mut net = shards(dialect);
        net.kill(0);
        net.until(3 * TIMEOUT_MS + 3000, |net| asks_group(net, 3));
        net.run(2000);
        assert!(net.nodes[3].core.is_replica());
        assert!(!net.nodes[3].done.contains(&Order::Lead));
        // The members do not promise: another election follows.
        answer(&mut net, 3, Err("NOQUORUM no member answers"));
        net.until(6 * TIMEOUT_MS + 6000, |net| asks_group(net, 3));
        answer(&mut net, 3, Ok(()));
        assert!(net.nodes[3].core.serves(0));
        net.run(2000);
        let epoch = net.nodes[3].core.me().config_epoch;
        let seen = net.nodes[1].core.nodes.find(&net.nodes[3].core.me().id);
        let seen = seen.map(|at| &net.nodes[1].core.nodes[at]);
        assert!(seen.is_some_and(|node| node.is_primary() && node.config_epoch == epoch));
    }
}

#[test]
fn a_takeover_without_votes_waits_for_the_group_too() {
    let mut net = shards(Redis);
    net.ok(3, "FAILOVER TAKEOVER");
    assert!(asks_group(&net, 3) && net.nodes[3].core.is_replica());
    answer(&mut net, 3, Err("NOQUORUM"));
    net.run(1000);
    assert!(net.nodes[3].core.is_replica() && net.nodes[0].core.serves(0));
    // QUORUM TAKEOVER at a replica, without any order of the cluster.
    answer(&mut net, 3, Ok(()));
    net.until(2000, |net| net.nodes[0].core.is_replica());
    assert!(net.nodes[3].core.serves(0));
}

#[test]
fn a_member_stands_for_a_primary_that_does_not_lead() {
    for dialect in [Redis, Valkey] {
        let mut net = shards(dialect);
        let since = net.clocks().monotonic_ms;
        net.nodes[3].own.group = Some(GroupMember {
            unled_since_ms: Some(since),
            ..MEMBER
        });
        let took = net.until(3 * TIMEOUT_MS + 2000, |net| asks_group(net, 3));
        assert!(took >= 2 * TIMEOUT_MS, "{took}");
        answer(&mut net, 3, Ok(()));
        net.until(2000, |net| net.nodes[0].core.is_replica());
    }
}

#[test]
fn a_node_without_whole_data_does_not_stand() {
    let mut net = shards(Redis);
    net.nodes[3].own.group = Some(GroupMember {
        may_lead: false,
        ..MEMBER
    });
    net.run(500);
    let nodes = net.command(1, "NODES");
    assert!(nodes.contains("nofailover"), "{nodes}");
    net.kill(0);
    net.run(4 * TIMEOUT_MS);
    assert!(net.nodes[3].core.is_replica() && !asks_group(&net, 3));
    let log = net.nodes[3].log.join("\n");
    assert!(log.contains("no member with whole data"), "{log}");
}

#[test]
fn a_member_does_not_leave_its_shard() {
    let mut net = shards(Redis);
    let other = net.id(1);
    for order in [
        format!("REPLICATE {other}"),
        "RESET SOFT".to_owned(),
        "RESET HARD".to_owned(),
    ] {
        let reply = net.command(3, &order);
        assert!(reply.contains("QUORUM REMOVE"), "{order}: {reply}");
    }
    let own = net.id(0);
    net.ok(3, &format!("REPLICATE {own}"));
    // The last slot of its primary goes to another shard: neither of the two follows it.
    net.nodes[0].core.settings.allow_replica_migration = true;
    net.nodes[3].core.settings.allow_replica_migration = true;
    let now = net.clocks();
    let ranges: Vec<(u16, u16)> = net.nodes[0].core.me().slots.view().ranges();
    assert!(net.nodes[1].core.take_slots_without_vote(now, &ranges));
    net.settle();
    net.run(2000);
    assert!(!net.nodes[0].core.is_replica());
    assert_eq!(
        net.nodes[3].core.primary_of_mine(),
        Some(net.nodes[0].core.my_id())
    );
}
