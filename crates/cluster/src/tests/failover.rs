//! Failures, votes, failovers.
//!
//! Nodes of small clusters are killed, cut off, or kept from saving (`net`). Claims: one vote in an
//! epoch, also across a crash; no vote leaves that is not saved; a primary in a minority stops; a
//! replica with old data or none does not take over, unless an operator orders it; a replica moves
//! to a primary that has lost its last replica.
//!
//! Elsewhere: random trouble, and how long a failover takes (`simulation`).

use super::net::{Net, TIMEOUT_MS};
use crate::{Order, Primary};
use russet_base::Millis;
use russet_config::Dialect::{Redis, Valkey};

fn is_primary(net: &Net, at: usize) -> bool {
    !net.nodes[at].core.is_replica()
}

#[test]
fn a_failed_primary_is_replaced_and_comes_back_as_replica() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 3);
        net.kill(0);
        let took = net.until(3 * TIMEOUT_MS + 3000, |net| is_primary(net, 3));
        assert!(took > TIMEOUT_MS, "{took}");
        net.run(2000);
        for at in 1..6 {
            assert!(net.nodes[at].core.is_ok(), "{at}: {:?}", net.nodes[at].log);
        }
        assert!(net.nodes[3].done.contains(&Order::Lead));
        assert!(net.nodes[3].core.serves(0));
        net.restart(0);
        net.until(6000, |net| {
            net.nodes[0].core.is_replica() && net.nodes[0].core.is_ok()
        });
        assert!(net.nodes[3].core.serves(0));
    }
}

#[test]
fn replicas_of_one_dialect_get_votes_of_the_other() {
    let mut net = Net::new(&[Redis, Valkey, Redis, Valkey]);
    for (at, range) in ["0 5000", "5001 10000", "10001 16383"].iter().enumerate() {
        net.ok(at, &format!("ADDSLOTSRANGE {range}"));
    }
    for at in 1..4 {
        net.ok(0, &format!("MEET 10.0.0.{at} {}", 7000 + at));
    }
    net.run(6000);
    let id = net.id(0);
    net.ok(3, &format!("REPLICATE {id}"));
    net.run(4000);
    net.kill(0);
    net.until(6000, |net| is_primary(net, 3));
}

#[test]
fn a_minority_primary_stops() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.cut = vec![(0, 1), (0, 2)];
    let took = net.until(2 * TIMEOUT_MS, |net| !net.nodes[0].core.is_ok());
    assert!(took <= TIMEOUT_MS * 3 / 2 + 200, "{took}");
    assert!(!net.nodes[0].core.serves(0));
    net.run(2 * TIMEOUT_MS);
    net.cut.clear();
    net.until(6000, |net| (0..3).all(|at| net.nodes[at].core.is_ok()));
}

#[test]
fn a_primary_cut_off_from_one_is_not_failed() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.cut = vec![(0, 1)];
    net.run(5 * TIMEOUT_MS);
    assert!(net.command(1, "NODES").contains("fail?"));
    assert!(net.nodes.iter().all(|node| node.core.is_ok()));
}

#[test]
fn a_manual_failover_loses_nothing() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 3);
        net.nodes[0].own.offset = 500;
        net.nodes[3].own.offset = 400;
        net.ok(3, "FAILOVER");
        assert!(net.nodes[0].own.is_paused);
        net.run(500);
        assert!(!is_primary(&net, 3), "it has not got all yet");
        net.nodes[3].own.offset = 500;
        net.until(1500, |net| is_primary(net, 3));
        net.until(1000, |net| net.nodes[0].core.is_replica());
        assert!(!net.nodes[0].own.is_paused);
        assert!(net.nodes[3].core.serves(1));
    }
}

#[test]
fn a_manual_failover_that_does_not_come_about_ends() {
    let mut net = Net::cluster(Redis, 3, 3);
    net.nodes[0].own.offset = 500;
    net.ok(3, "FAILOVER");
    net.run(5500);
    assert!(!net.nodes[0].own.is_paused);
    assert!(
        net.nodes[3]
            .log
            .iter()
            .any(|line| line.contains("Manual failover timed out"))
    );
    assert!(!is_primary(&net, 3));
}

#[test]
fn force_and_takeover_need_no_primary() {
    let mut net = Net::cluster(Redis, 3, 3);
    net.kill(0);
    let down = net.command(3, "FAILOVER");
    net.ok(3, "FAILOVER FORCE");
    net.until(1000, |net| is_primary(net, 3));
    assert!(down.contains("Master is down or failed"), "{down}");
    // No majority is left.
    net.kill(1);
    net.kill(2);
    net.ok(4, "FAILOVER TAKEOVER");
    assert!(is_primary(&net, 4));
}

#[test]
fn one_vote_in_an_epoch_also_across_a_crash() {
    let mut net = Net::cluster(Valkey, 3, 3);
    net.kill(0);
    net.until(6000, |net| is_primary(net, 3));
    let epoch = net.nodes[1].core.last_vote_epoch;
    assert!(epoch > 0);
    net.kill(1);
    net.restart(1);
    assert_eq!(net.nodes[1].core.last_vote_epoch, epoch);
}

#[test]
fn votes_that_cannot_be_saved_do_not_leave() {
    let mut net = Net::cluster(Redis, 3, 3);
    for at in [1, 2] {
        net.nodes[at].can_save = false;
    }
    net.kill(0);
    net.run(8000);
    assert!(!is_primary(&net, 3));
    for at in [1, 2] {
        net.nodes[at].can_save = true;
    }
    net.until(20_000, |net| is_primary(net, 3));
}

#[test]
fn a_primary_that_cannot_save_serves_nothing() {
    let mut net = Net::cluster(Redis, 3, 0);
    net.nodes[0].can_save = false;
    let now = net.clocks();
    let mut settings = super::net::settings(Redis, 0);
    settings.require_full_coverage = false;
    net.nodes[0].core.set_settings(now, settings);
    // Another's new epoch has to be saved.
    _ = net.command(1, "BUMPEPOCH");
    net.run(1000);
    assert!(!net.nodes[0].core.is_ok(), "{:#?}", net.nodes[0].log);
    net.nodes[0].can_save = true;
    net.until(20_000, |net| net.nodes[0].core.is_ok());
}

#[test]
fn old_data_is_no_data() {
    let mut net = Net::cluster(Redis, 3, 3);
    let now = net.clocks();
    net.nodes[3].own.primary = Some(Primary {
        is_up: false,
        received_ms: now.monotonic_ms,
        is_synced: true,
    });
    let mut settings = super::net::settings(Redis, 3);
    settings.replica_validity_factor = 1;
    settings.repl_ping_period = Millis::default();
    net.nodes[3].core.set_settings(now, settings);
    net.cut = vec![(3, 0)];
    net.run(TIMEOUT_MS * 3);
    net.kill(0);
    net.run(8000);
    assert!(!is_primary(&net, 3));
    assert!(
        net.nodes[3]
            .log
            .iter()
            .any(|line| line.contains("Disconnected from primary for longer"))
    );
}

#[test]
fn an_orphan_gets_a_replica() {
    let mut net = Net::cluster(Redis, 2, 4);
    // Replicas 2 and 4 are of node 0, 3 and 5 of node 1.
    net.kill(3);
    net.run(2000);
    net.kill(5);
    net.until(12_000, |net| {
        let ids = [net.id(2), net.id(4)];
        let _ = ids;
        [2, 4]
            .iter()
            .any(|&at| net.nodes[at].core.primary_of_mine() == Some(net.nodes[1].core.my_id()))
    });
}

/// Redis's replica with an address but no data took over with 0 of its primary's keys.
#[test]
fn a_replica_that_was_never_in_sync_does_not_take_over() {
    for dialect in [Redis, Valkey] {
        let mut net = Net::cluster(dialect, 3, 0);
        net.nodes[0].own.offset = 500;
        net.copies = false;
        net.nodes.truncate(3);
        let mut net = with_replica(net, dialect);
        net.kill(0);
        net.run(8 * TIMEOUT_MS);
        assert!(!is_primary(&net, 3));
        let log = net.nodes[3].log.join("\n");
        assert!(log.contains("not been in sync"), "{log}");
        // An operator may still order it, and is warned.
        net.ok(3, "FAILOVER TAKEOVER");
        net.run(1000);
        assert!(is_primary(&net, 3));
        let log = net.nodes[3].log.join("\n");
        assert!(log.contains("never been in sync"), "{log}");
    }
}

/// A fourth node, which follows the first node and never gets its data.
fn with_replica(mut net: Net, dialect: russet_config::Dialect) -> Net {
    net.add(dialect);
    net.ok(0, "MEET 10.0.0.3 7003");
    net.run(3000);
    let id = net.id(0);
    net.ok(3, &format!("REPLICATE {id}"));
    net.run(600);
    net
}

/// The manual failover cannot start: it must not keep the automatic one waiting.
#[test]
fn a_failover_that_is_asked_of_a_silent_primary_is_as_quick_as_one_that_nobody_asks_for() {
    for seed in 0..5 {
        let mut net = Net::cluster(Redis, 3, 3);
        net.run(seed * 300);
        net.cut = (1..6).map(|at| (0, at)).collect();
        net.ok(3, "FAILOVER");
        let took = net.until(3 * TIMEOUT_MS, |net| is_primary(net, 3));
        assert!(took <= TIMEOUT_MS * 3 / 2 + 700, "{took}");
    }
}
