//! Random situations: nodes and Sentinels that die and return, cuts in a single or both directions,
//! clocks that jump, machines that stand still, disks that fail. `checks` look at every action;
//! when all is well again, all must agree on a single primary in bounded time.
//!
//! `RUSSET_SENTINEL_STORMS=N` tries N seeds in place of the usual few.

use proptest::prelude::*;

use super::world::World;
use russet_host::simulation::number;

/// Longer than two failover timeouts, TILT, and the patience with replicas that differ.
const PEACE_MS: i64 = 240_000;
/// Longer than TILT.
const CALM_MS: i64 = 40_000;

fn host(world: &mut World) -> String {
    let (sentinels, nodes) = (world.machines.len(), world.nodes.len());
    let n = world.random.place(sentinels + nodes);
    if n < sentinels {
        world.machines[n].place.0.clone()
    } else {
        world.nodes[n - sentinels].place.0.clone()
    }
}

fn hosts(world: &World) -> Vec<String> {
    let machines = world.machines.iter().map(|machine| machine.place.0.clone());
    let nodes = world.nodes.iter().map(|node| node.place.0.clone());
    machines.chain(nodes).collect()
}

fn trouble(world: &mut World) {
    let machine = world.random.place(world.machines.len());
    let node = world.random.place(world.nodes.len());
    match world.random.below(12) {
        0 | 1 if world.nodes[node].is_up => world.stop_node(node),
        0..=2 => {
            if !world.nodes[node].is_up {
                world.start_node(node);
            }
        }
        3 | 4 => match world.machines[machine].core {
            Some(_) => world.crash(machine),
            None => world.start(machine),
        },
        5 => {
            let (a, b) = (host(world), host(world));
            world.cut(&a, &b);
        }
        6 => {
            // A side of the network cannot reach the other.
            let mask = world.random.next_u64();
            let all = hosts(world);
            let side = |n: usize| mask >> n & 1;
            for (a, from) in all.iter().enumerate() {
                for (b, to) in all.iter().enumerate() {
                    if side(a) != side(b) {
                        world.cut(from, to);
                    }
                }
            }
        }
        7 | 8 => world.cuts.clear(),
        9 => {
            let jump = world.random.below(20_000) - 10_000;
            world.machines[machine].clock.wall_skew_ms += jump;
        }
        10 => {
            let until = world.now + world.random.below(8_000);
            world.machines[machine].clock.frozen_until = until;
        }
        _ => {
            world.machines[machine].disk.is_bad ^= true;
        }
    }
}

/// Whether all agree, before long, for a while. A running failover may still be carried out, and a
/// failover that TILT has postponed may begin.
fn calms(world: &mut World) -> bool {
    let (end, mut since) = (world.now + PEACE_MS, None);
    while world.now < end {
        match world.agreed() {
            None => since = None,
            Some(_) => {
                let since = *since.get_or_insert(world.now);
                if world.now - since > CALM_MS {
                    return true;
                }
            }
        }
        world.run_ms(500);
    }
    false
}

fn storm(sentinels: usize, nodes: usize, seed: u64) -> usize {
    let mut world = World::new(sentinels, nodes, sentinels / 2 + 1, seed);
    world.run_ms(15_000);
    world.checks.may_crash = true;
    for _ in 0..25 {
        trouble(&mut world);
        for n in 0..sentinels {
            if world.machines[n].core.is_some() {
                let reported = world.command(n, "SENTINEL EXPLAIN mymaster");
                assert!(reported.starts_with('*'), "{reported}");
            }
        }
        let pause = world.random.below(8_000);
        world.run_ms(pause);
    }
    world.heal();
    assert!(
        calms(&mut world),
        "seed {seed}: they do not agree: {}",
        world.shown()
    );
    world.checks.leaders()
}

/// The seeds to try.
fn seeds(usual: u64) -> std::ops::RangeInclusive<u64> {
    1..=number("RUSSET_SENTINEL_STORMS").unwrap_or(usual)
}

#[test]
fn three_sentinels_weather_storms() {
    let led: usize = seeds(20).map(|seed| storm(3, 3, seed)).sum();
    assert!(led > 10, "{led} failovers");
}

#[test]
fn five_sentinels_weather_storms() {
    let led: usize = seeds(10).map(|seed| storm(5, 4, seed)).sum();
    assert!(led > 5, "{led} failovers");
}

const WORDS: &[&str] = &[
    "master",
    "masters",
    "replicas",
    "slaves",
    "sentinels",
    "set",
    "monitor",
    "remove",
    "reset",
    "config",
    "get",
    "debug",
    "explain",
    "count",
    "failover",
    "coordinated",
    "is-master-down-by-addr",
    "info-cache",
    "ckquorum",
    "pending-scripts",
    "simulate-failure",
    "mymaster",
    "*",
    "10.0.0.1",
    "6379",
    "quorum",
    "rename-command",
    "auth-pass",
    "parallel-syncs",
    "info-period",
    "tilt-period",
    "announce-ip",
    "announce-port",
    "yes",
    "",
    "-1",
    "0",
    "1",
    "9223372036854775807",
];

/// Words for commands, plausible and not.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![4 => known, 1 => proptest::collection::vec(any::<u8>(), 0..8)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Clients, peers and data nodes may send anything; the file saved afterwards can be read
    /// again.
    #[test]
    fn any_words_are_answered_and_any_state_is_saved(
        lines in proptest::collection::vec(proptest::collection::vec(word(), 0..7), 1..12),
        hello in "[0-9]{1,3},[0-9]{1,6},[a-f]{0,4},[0-9]{1,20},mymaster,10.0.0.[12],6379,[0-9]{1,20}",
        info: Vec<u8>,
    ) {
        let mut world = World::new(2, 2, 1, 5);
        world.run_ms(3_000);
        for words in lines {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let words = [&[&b"SENTINEL"[..]], &words[..]].concat();
            let reply = world.command_bytes(0, &words);
            prop_assert!(world.machines[0].core.is_none() || reply.ends_with(b"\r\n"));
            world.run_ms(200);
            if world.machines[0].core.is_none() {
                world.start(0);
            }
        }
        world.receive(0, hello.as_bytes());
        world.receive(0, &info);
        crate::instances::Report::read(&info);
        world.command_bytes(0, &[b"SENTINEL", b"FLUSHCONFIG"]);
        world.crash(0);
        world.start(0);
    }
}
