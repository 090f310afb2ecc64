//! Known situations, and how long they take.
//!
//! Most have six machines, three primaries with a replica each, in Redis's dialect, in Valkey's and
//! mixed, with clients that write. Bounds: FAIL within two node timeouts, an election within 2 s of
//! it; a manual failover within 2 s and without a lost write; equal views within `AGREED_MS`.
//!
//! Elsewhere: random trouble (`storms`), checks at every moment (`checks`).

use super::machine::TIMEOUT_MS;
use super::world::World;
use russet_config::Dialect::{self, Redis, Valkey};
use russet_host::simulation::MachineId;

const REDIS: [Dialect; 6] = [Redis; 6];
const VALKEY: [Dialect; 6] = [Valkey; 6];
const MIXED: [Dialect; 6] = [Redis, Valkey, Redis, Valkey, Redis, Valkey];

/// All views are equal by then: a node that has failed is well again after two node timeouts, a
/// primary that was in a minority waits, too, and then both are announced to all.
pub(super) const AGREED_MS: i64 = 2 * TIMEOUT_MS + TIMEOUT_MS + 2000;

fn is_failed(world: &World, by: MachineId, whom: MachineId, id: &str) -> bool {
    let core = world.core(by);
    let mut nodes = core.nodes.iter();
    nodes.any(|(_, node)| node.id.to_string() == id && node.has_failed() && by != whom)
}

#[test]
fn a_primary_that_dies_is_replaced_in_time() {
    for (dialects, seed) in [
        (REDIS, 1),
        (VALKEY, 2),
        (MIXED, 3),
        (MIXED, 4),
        (REDIS, 5),
        (VALKEY, 6),
    ] {
        let mut world = World::created(&dialects, 3, seed);
        world.has_clients = true;
        world.run_ms(3000);
        let (id, replica) = (
            world.core(0).my_id().to_string(),
            world.replica_of(0).expect("one"),
        );
        world.crash(0, seed % 2 == 0);
        let seen = world.run_until(60_000, |world| is_failed(world, 1, 0, &id));
        let seen = seen.expect("it is seen");
        assert!(seen <= 2 * TIMEOUT_MS, "FAIL after {seen} ms");
        let taken = world.run_until(60_000, |world| world.core(replica).is_voter());
        let taken = taken.expect("the replica takes over");
        assert!(
            taken <= 2000,
            "an election of {taken} ms: {}",
            world.shown()
        );
        world.heal();
        let agreed = world.run_until(60_000, World::agrees);
        let agreed =
            agreed.unwrap_or_else(|| panic!("{:?} {}", world.disagreement(), world.shown()));
        assert!(agreed <= AGREED_MS, "agreed after {agreed} ms");
        assert!(world.core(0).is_replica(), "{}", world.shown());
        world.run_ms(1000);
        world.survived();
    }
}

#[test]
fn a_manual_failover_loses_nothing() {
    for (dialects, seed) in [(REDIS, 1), (VALKEY, 2), (MIXED, 3), (MIXED, 4)] {
        let mut world = World::created(&dialects, 3, seed);
        world.has_clients = true;
        world.run_ms(3000);
        let replica = world.replica_of(1).expect("one");
        world.ordered(replica, "CLUSTER FAILOVER");
        let taken = world.run_until(6000, |world| world.core(replica).is_voter());
        assert!(
            taken.is_some_and(|ms| ms < 2000),
            "{taken:?} {}",
            world.shown()
        );
        let agreed = world.run_until(10_000, World::agrees);
        assert!(
            agreed.is_some(),
            "{:?} {}",
            world.disagreement(),
            world.shown()
        );
        world.run_ms(1000);
        assert!(world.core(1).is_replica());
        assert_eq!(world.checks.manual_failovers, 1);
        let (writes, lost) = world.survived();
        assert!(writes > 100 && lost == 0, "{lost} of {writes}");
    }
}

#[test]
fn a_minority_stops_and_the_majority_goes_on() {
    for (dialects, seed) in [(REDIS, 1), (VALKEY, 2), (MIXED, 3)] {
        let mut world = World::created(&dialects, 3, seed);
        world.has_clients = true;
        world.run_ms(3000);
        world.part(&[0], &[1, 2, 3, 4, 5], true);
        let replica = world.replica_of(0).expect("one");
        let taken = world.run_until(20_000, |world| world.core(replica).is_voter());
        assert!(taken.is_some(), "{}", world.shown());
        // Either side finds out by itself, when its own pings have no answer.
        let stopped = world.run_until(TIMEOUT_MS, |world| !world.core(0).is_ok());
        assert!(stopped.is_some(), "{}", world.shown());
        world.run_ms(3000);
        world.heal();
        let agreed = world.run_until(60_000, World::agrees);
        assert!(
            agreed.is_some_and(|ms| ms <= AGREED_MS),
            "{agreed:?} {:?} {}",
            world.disagreement(),
            world.shown()
        );
        world.run_ms(500);
        world.survived();
    }
}

#[test]
fn slots_move_under_load_without_a_loss() {
    for (dialects, seed) in [(REDIS, 1), (VALKEY, 2), (MIXED, 3)] {
        let mut world = World::created(&dialects, 3, seed);
        world.has_clients = true;
        world.run_ms(2000);
        for slot in super::world::written_slots().take(10) {
            let from = world.owner_seen_by(0, slot).expect("an owner");
            assert!(world.move_slot(slot, from, 2), "{}", world.shown());
        }
        let agreed = world.run_until(10_000, World::agrees);
        assert!(
            agreed.is_some(),
            "{:?} {}",
            world.disagreement(),
            world.shown()
        );
        world.run_ms(1000);
        assert!(
            super::world::written_slots()
                .take(10)
                .all(|slot| world.core(2).is_mine(slot))
        );
        let (writes, lost) = world.survived();
        assert!(writes > 100 && lost == 0, "{lost} of {writes}");
    }
}

/// A MEET that is sent once may be lost, and one side would know nothing of the other.
#[test]
fn meet_is_repeated_until_it_is_answered() {
    let mut world = World::new(&[Redis, Redis], 7);
    world.network.cuts.insert((1, 0));
    world.ordered(0, "CLUSTER MEET 10.0.0.2 6379 16379");
    world.run_ms(1500);
    world.heal();
    let both = |world: &World| (0..2).all(|at| world.core(at).nodes.len() == 2);
    assert!(world.run_until(10_000, both).is_some(), "{}", world.shown());
}

#[test]
fn a_forgotten_node_stays_away() {
    for (dialects, seed) in [(REDIS, 1), (VALKEY, 2), (MIXED, 3)] {
        let mut world = World::created(&dialects, 3, seed);
        let id = world.core(5).my_id().to_string();
        let knows = |world: &World, at: MachineId| {
            world
                .core(at)
                .nodes
                .iter()
                .any(|(_, node)| node.id.to_string() == id)
        };
        // Only one node receives the command: the others learn it from that node.
        world.ordered(0, &format!("CLUSTER FORGET {id}"));
        let gone = world.run_until(20_000, |world| (0..5).all(|at| !knows(world, at)));
        assert!(gone.is_some(), "{}", world.shown());
        let back = world.run_until(50_000 - gone.unwrap_or(0), |world| {
            (0..5).any(|at| knows(world, at))
        });
        assert!(back.is_none(), "back after {back:?}: {}", world.shown());
    }
}
