//! Random trouble: crashes, cuts in one direction or both, standstills, clocks that jump, disks
//! that fail, operators. The invariants (`checks`) are checked all the time; after it, all agree in
//! time.
//!
//! `RUSSET_CLUSTER_STORMS`: how many seeds of each kind; few by default. `RUSSET_CLUSTER_SEED`:
//! this seed alone.

use super::machine::TIMEOUT_MS;
use super::world::World;
use russet_config::Dialect;
use russet_host::simulation::{MachineId, World as _, number};

/// After the trouble: an election that has begun is over, then all views are equal, then writes are
/// replicated.
const CALM_MS: i64 = 12 * TIMEOUT_MS;
const STILL_MS: i64 = 3000;

fn trouble(world: &mut World) {
    let (a, b) = (world.any_machine(), world.any_machine());
    let kind = world.random.below(16);
    world.note(format!("trouble {kind} with {a} and {b}"));
    match kind {
        0 | 1 if world.is_up(a) => {
            let is_silent = world.chance(2);
            world.crash(a, is_silent);
        }
        0..=3 => {
            let down = (0..world.machines.len()).filter(|at| !world.is_up(*at));
            let down: Vec<MachineId> = down.collect();
            down.into_iter().for_each(|at| world.start(at));
        }
        4 if a != b => _ = world.network.cuts.insert((a, b)),
        5 => {
            let others: Vec<MachineId> = (0..world.machines.len()).filter(|at| *at != a).collect();
            let is_both = !world.chance(3);
            world.part(&[a], &others, is_both);
        }
        6 => {
            let sides = world.random.next_u64();
            let side = |at: &MachineId| sides >> at & 1 == 0;
            let (left, right): (Vec<MachineId>, Vec<MachineId>) =
                (0..world.machines.len()).partition(side);
            world.part(&left, &right, true);
        }
        4 | 7..=9 => world.network.cuts.clear(),
        10 => {
            world.machines[a].clock.wall_skew_ms += world.random.below(20_000) - 10_000;
            world.checks.are_clocks_skewed = true;
        }
        11 => world.machines[a].clock.frozen_until = world.now + world.random.below(8000),
        12 => world.machines[a].disk.is_bad ^= true,
        13 => fail_over(world, a),
        _ if world.checks.has_voteless_epochs => reshard(world, a, b),
        _ => fail_over(world, b),
    }
}

fn fail_over(world: &mut World, at: MachineId) {
    if world.is_up(at) && world.core(at).is_replica() {
        let line = match world.random.below(3) {
            0 => "CLUSTER FAILOVER FORCE",
            _ => "CLUSTER FAILOVER",
        };
        world.command(at, line);
    }
}

fn reshard(world: &mut World, seen_by: MachineId, to: MachineId) {
    let slot = world.any_slot();
    if world.is_up(seen_by)
        && world.is_up(to)
        && !world.core(to).is_replica()
        && let Some(from) = world.owner_seen_by(seen_by, slot)
        && from != to
        && world.network.is_open(from, to)
    {
        world.move_slot(slot, from, to);
    }
}

/// Mends slots that were left open: their keys go to the owner. A move that was given up may have
/// left keys at a node that lost its mark by a failover, as in Redis, whose replicas know of no
/// marks.
fn close_slots(world: &mut World) {
    for at in world.up() {
        let owners = &world.core(at).owners;
        let open = owners.migrating.keys().chain(owners.importing.keys());
        for slot in open.copied().collect::<Vec<u16>>() {
            world.given_up.insert(slot);
            world.command(at, &format!("CLUSTER SETSLOT {slot} STABLE"));
        }
    }
    for slot in world.given_up.clone() {
        for at in world.primaries() {
            let owner = world.owner_seen_by(at, slot);
            if let Some(owner) =
                owner.filter(|owner| *owner != at && world.core(*owner).is_mine(slot))
            {
                world.migrate_keys(slot, at, owner);
            }
        }
    }
}

fn storm(dialects: &[Dialect], primaries: usize, seed: u64) -> usize {
    let mut world = World::created(dialects, primaries, seed);
    world.has_clients = true;
    world.has_accidents = true;
    // In a third of the storms the shards are groups, whose members may refuse an elected replica.
    let has_groups = seed.is_multiple_of(3);
    for machine in &mut world.machines {
        machine.has_group = has_groups;
    }
    world.run_ms(2000);
    // In each second storm an operator moves slots, whose SETSLOT gives out epochs without votes.
    world.checks.has_voteless_epochs = seed.is_multiple_of(2);
    for _ in 0..20 {
        trouble(&mut world);
        let pause = world.random.below(5000);
        world.run_ms(pause);
    }
    world.note("heals".to_owned());
    world.heal();
    let begin = world.now;
    let mut since = None;
    while since.is_none_or(|since| world.now - since < STILL_MS) {
        close_slots(&mut world);
        world.run_ms(200);
        match world.disagreement() {
            None => _ = since.get_or_insert(world.now),
            Some(why) => {
                since = None;
                assert!(
                    world.now - begin < CALM_MS,
                    "seed {seed}: {why}\n{}",
                    world.shown()
                );
            }
        }
    }
    world.has_clients = false;
    world.run_ms(500);
    let epochs = world
        .primaries()
        .into_iter()
        .map(|at| world.core(at).me().config_epoch);
    let mut epochs: Vec<u64> = epochs.collect();
    epochs.sort_unstable();
    assert!(
        epochs.windows(2).all(|pair| pair[0] < pair[1]),
        "seed {seed}: {epochs:?}"
    );
    world.survived();
    world.checks.failovers
}

/// The seeds to try: the usual number, `RUSSET_CLUSTER_STORMS`, or `RUSSET_CLUSTER_SEED` alone.
fn seeds(usual: u64) -> std::ops::RangeInclusive<u64> {
    match number("RUSSET_CLUSTER_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("RUSSET_CLUSTER_STORMS").unwrap_or(usual),
    }
}

/// Runs each storm; a storm that fails names its seed.
fn weather(usual: u64, primaries: usize, count: usize, dialect: fn(u64, usize) -> Dialect) {
    let storm = |seed: u64| {
        let dialects: Vec<Dialect> = (0..count).map(|at| dialect(seed, at)).collect();
        let outcome = std::panic::catch_unwind(|| storm(&dialects, primaries, seed));
        outcome.unwrap_or_else(|panic| {
            eprintln!("seed {seed} of {count} nodes");
            std::panic::resume_unwind(panic)
        })
    };
    let seeds = seeds(usual);
    let tried = seeds.clone().count();
    let failovers: usize = seeds.map(storm).sum();
    assert!(
        failovers >= tried || tried == 1,
        "{failovers} failovers in {tried} storms"
    );
}

fn mixed(seed: u64, at: usize) -> Dialect {
    match seed >> at & 1 {
        0 => Dialect::Redis,
        _ => Dialect::Valkey,
    }
}

#[test]
fn six_redis_nodes_weather_storms() {
    weather(10, 3, 6, |_, _| Dialect::Redis);
}

#[test]
fn six_valkey_nodes_weather_storms() {
    weather(10, 3, 6, |_, _| Dialect::Valkey);
}

#[test]
fn six_mixed_nodes_weather_storms() {
    weather(10, 3, 6, mixed);
}

#[test]
fn twelve_mixed_nodes_weather_storms() {
    weather(4, 4, 12, mixed);
}
