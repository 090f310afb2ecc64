//! Shards in a storm: each message is a possible point of death of each part, while slots move. A
//! write that a replica has acknowledged is on the node that serves its slot, also when that node
//! dies long after and its replica follows.
//!
//! Two broken rules lose keys here, which shows that the storms test them: a claim that waits for
//! no replica, and a source that keeps nothing.
//!
//! `RUSSET_SHARD_STORMS`: seeds of each case and moment, else one seed of each fifth moment.

use std::collections::BTreeMap;

use super::world::*;
use crate::migration::*;
use russet_base::Millis;
use russet_config::{Config, Dialect};
use russet_host::simulation::number;

/// The fate of the killed node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The node comes back at once, and its replication link continues.
    Back,
    /// The node comes back after some more steps.
    Late,
    /// The replica takes its place before it is back.
    Replaced,
}

/// A rule that is broken, to test that the storms find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    ClaimsAtOnce,
    NoGrace,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    mutation: Mutation,
    wire: MigrationProtocol,
    dialect: Dialect,
    victim: usize,
    fate: Fate,
    /// Steps before it dies.
    at: usize,
    seed: u64,
}

/// Keys that are written before anything moves.
const FIRST: u64 = 10;

/// A cluster, and a client's record of its writes.
struct Storm {
    world: World,
    next: u64,
    /// Node, offset after the write, key, value.
    unacknowledged: Vec<(usize, usize, String, u64)>,
    acknowledged: BTreeMap<String, u64>,
}

impl Storm {
    fn new(case: Case) -> Storm {
        let settings = Settings {
            dialect: case.dialect,
            repl_timeout: Millis::of_s(3),
            manual_failover_timeout: Millis::of_ms(1000),
            write_pause_timeout: Millis::of_ms(2000),
            keep_grace: match case.mutation {
                Mutation::NoGrace => Millis::of_ms(0),
                _ => Millis::of_s(10),
            },
            ..Settings::of(&Config::default())
        };
        let seed = case.seed + 2 * case.at as u64;
        let mut storm = Storm {
            world: World::of_shards([settings.clone(), settings], seed),
            next: 0,
            unacknowledged: Vec::new(),
            acknowledged: BTreeMap::new(),
        };
        for _ in 0..FIRST {
            storm.write();
        }
        while storm.step() {}
        storm.world.claims_at_once = case.mutation == Mutation::ClaimsAtOnce;
        storm.world.disturb();
        storm
    }

    fn owners(&self) -> Vec<usize> {
        let all = 0..self.world.nodes.len();
        all.filter(|&at| self.world.nodes[at].is_owner()).collect()
    }

    /// A client writes, unless two nodes serve the slot at the moment, because a node has yet to
    /// receive the other's claim.
    fn write(&mut self) {
        if self.owners().len() != 1 {
            return;
        }
        // The first keys are never written again: a second write would hide a loss.
        let key = if self.next < FIRST {
            format!("first{}", self.next)
        } else {
            format!("k{}", self.next % 13)
        };
        self.next += 1;
        if let Some(node) = self.world.write(&key, self.next) {
            let offset = self.world.offset(node);
            self.unacknowledged.push((node, offset, key, self.next));
            self.receive_acks();
        }
    }

    fn receive_acks(&mut self) {
        let world = &self.world;
        let acknowledged = &mut self.acknowledged;
        self.unacknowledged.retain(|(node, offset, key, value)| {
            let replica = world.replica_of(*node);
            let is_there = replica.is_some_and(|replica| world.offset(replica) >= *offset);
            if is_there {
                acknowledged.insert(key.clone(), *value);
            }
            !is_there
        });
    }

    fn step(&mut self) -> bool {
        let is_done = self.world.step();
        self.receive_acks();
        is_done
    }

    /// Runs this many steps or moments, with writes in between.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if !self.step() {
                self.world.pass(100);
            }
            if self.world.random(3) == 0 {
                self.write();
            }
        }
    }

    fn settle(&mut self) {
        self.world.settle();
        self.receive_acks();
    }

    fn kill(&mut self, node: usize) {
        self.world.stop(node);
        self.unacknowledged.retain(|(at, ..)| *at != node);
    }

    fn begin(&mut self, wire: MigrationProtocol) {
        let [source, target] = self.world.primaries();
        match wire {
            MigrationProtocol::Pull => {
                let words: [&[u8]; 2] = [b"0", b"10"];
                let begun = self.world.call(target, |m, view| m.import(view, &words));
                begun.expect("begun");
            }
            MigrationProtocol::Push => {
                let target = id(target);
                let words: [&[u8]; 5] = [b"SLOTSRANGE", b"0", b"10", b"NODE", target.as_bytes()];
                let begun = self
                    .world
                    .call(source, |m, view| m.migrate_slots(view, &words));
                begun.expect("begun");
            }
        }
    }

    /// The replica of a dead node takes its place, if it can, and the node comes back.
    fn replace(&mut self, node: usize) -> bool {
        let replica = self.world.replica_of(node);
        let mut is_replaced = false;
        for _ in 0..30 {
            self.run(4);
            is_replaced = is_replaced || replica.is_some_and(|replica| self.world.promote(replica));
        }
        is_replaced
    }

    fn check(&self, context: &str) {
        let world = &self.world;
        let owners = self.owners();
        assert_eq!(owners.len(), 1, "{context}");
        let owner = owners[0];
        let keys = &world.nodes[owner].keys;
        for (key, value) in &self.acknowledged {
            let is_there = keys.get(key).is_some_and(|its| its >= value);
            assert!(is_there, "{context}: {key} {value} in {keys:?}");
        }
        let replica = world.replica_of(owner).expect("a replica");
        assert_eq!(&world.nodes[replica].keys, keys, "{context}");
        assert_eq!(world.nodes[replica].hidden, 0, "{context}");
        for node in world.nodes.iter().filter(|node| node.view.is_primary) {
            assert!(node.held.is_empty() && node.exports.is_empty(), "{context}");
            assert_eq!((node.hidden, node.machine.active()), (0, 0), "{context}");
            assert!(!node.is_kept && !node.machine.has_kept(), "{context}");
            let is_empty = node.keys.is_empty();
            assert!(is_empty || node.is_owner(), "{context}");
        }
    }
}

/// Returns whether the slots have moved with the first attempt.
fn run(case: Case) -> bool {
    let mut storm = Storm::new(case);
    storm.begin(case.wire);
    storm.run(case.at);
    storm.kill(case.victim);
    match case.fate {
        Fate::Back => (),
        Fate::Late => storm.run(20),
        Fate::Replaced => _ = storm.replace(case.victim),
    }
    storm.world.rejoin(case.victim);
    storm.run(60);
    storm.settle();
    storm.check(&format!("{case:?}, after the move"));
    let [source, target] = storm.world.primaries();
    let has_moved = storm.owners() == [target];
    if !has_moved {
        assert_eq!(storm.owners(), [source], "{case:?}");
        storm.begin(case.wire);
        storm.run(60);
        storm.settle();
        storm.check(&format!("{case:?}, after another move"));
    }
    // Long after, the owner is lost.
    let owner = storm.owners()[0];
    if owner < OTHER {
        storm.kill(owner);
        assert!(storm.replace(owner), "{case:?}");
        storm.world.rejoin(owner);
        storm.settle();
        storm.check(&format!("{case:?}, after the loss of the owner"));
    }
    has_moved
}

#[test]
fn shards_keep_what_a_replica_has_acknowledged_whoever_dies_and_whenever() {
    let seeds = number("RUSSET_SHARD_STORMS");
    // Without a number: some of the moments.
    let stride = if seeds.is_some() { 1 } else { 5 };
    for (wire, dialect) in [
        (MigrationProtocol::Pull, Dialect::Redis),
        (MigrationProtocol::Push, Dialect::Redis),
        (MigrationProtocol::Push, Dialect::Valkey),
    ] {
        for fate in [Fate::Back, Fate::Late, Fate::Replaced] {
            for victim in [SOURCE, TARGET, REPLICAS[SOURCE], REPLICAS[TARGET]] {
                let mut moved = [0, 0];
                for at in (0..200).step_by(stride) {
                    for seed in 0..seeds.unwrap_or(1) {
                        let case = Case {
                            mutation: Mutation::None,
                            wire,
                            dialect,
                            victim,
                            fate,
                            at,
                            seed,
                        };
                        moved[usize::from(run(case))] += 1;
                    }
                }
                assert!(moved[1] > 0, "{wire:?} {fate:?} {victim}: {moved:?}");
            }
        }
    }
}

/// How many cases it takes until a broken rule loses a key: the target dies and its replica takes
/// its place.
#[track_caller]
fn cases_until_loss(mutation: Mutation, cases: u64) -> u64 {
    let mut tried = 0;
    for seed in 0..cases / 200 {
        for at in 0..200 {
            let case = Case {
                mutation,
                wire: MigrationProtocol::Pull,
                dialect: Dialect::Redis,
                victim: TARGET,
                fate: Fate::Replaced,
                at,
                seed,
            };
            tried += 1;
            if std::panic::catch_unwind(|| run(case)).is_err() {
                return tried;
            }
        }
    }
    panic!("{mutation:?}: nothing is lost in {tried} cases");
}

#[test]
fn a_claim_that_waits_for_no_replica_is_found() {
    let cases = cases_until_loss(Mutation::ClaimsAtOnce, 4000);
    println!("found after {cases} cases");
}

#[test]
fn a_source_that_keeps_nothing_is_found() {
    let cases = cases_until_loss(Mutation::NoGrace, 4000);
    println!("found after {cases} cases");
}
