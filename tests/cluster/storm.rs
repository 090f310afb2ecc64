//! Whole shards in a storm: slots move between primaries with replicas, and any part is killed at any moment of it,
//! while clients write. A write that a replica has acknowledged (WAIT 1) is on the node that serves its slot.
//!
//! `RUSSET_MOVES`: moves of each kind of cluster, else a few. `RUSSET_STORM_SEED` runs a storm again; the moments
//! depend on the machine, too.

use std::time::Duration;

use crate::group::{Group, Kind, Way};
use crate::support::peers::Peer;
use crate::writers::Writers;

/// The slots that go to and fro.
const FIRST: u16 = 0;
const LAST: u16 = 2000;
/// Within this time after the order a part is killed, milliseconds. A move takes a part of it.
const KILLED_WITHIN: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Of a linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// The primary that serves the first of the slots that move, and another one.
fn ends(group: &Group, random: &mut Random) -> (usize, usize) {
    let (mut source, mut others) = (None, Vec::new());
    for at in (0..3).map(|nth| group.primary_at(nth)) {
        let view = group.nodes[at].view();
        let mine = view.iter().find(|seen| seen.is("myself")).expect("itself");
        let first = |range: &String| range.split('-').next() == Some("0");
        match mine.slots.iter().any(first) {
            true => source = Some(at),
            false => others.push(at),
        }
    }
    let other = random.below(others.len() as u64) as usize;
    (source.expect("a source"), others[other])
}

/// Begins a move. Its refusal is no fault: the last attempt at the same slots may still end.
fn begin(group: &Group, way: Way, source: usize, target: usize) {
    group.move_slots(way, (FIRST, LAST), source, target);
}

/// Whether no primary says that it has a migration that goes on. A replica may remember one that its primary has
/// forgotten; Valkey's dialect has no such field.
fn is_over(group: &Group) -> bool {
    group.living().all(|node| {
        let text = node.text("INFO replication");
        let active = node.state("cluster_slot_migration_active_tasks");
        text.contains("role:slave") || active.is_empty() || active == "0"
    })
}

/// One move, in which a part dies. It comes back at once, with the link of its replica going on, or after its
/// replica has taken its place.
fn stir(group: &mut Group, way: Way, random: &mut Random) {
    let (source, target) = ends(group, random);
    let parts = [
        source,
        target,
        group.replica_of(source),
        group.replica_of(target),
    ];
    let part = random.below(4) as usize;
    let victim = parts[part];
    let waits = part < 2 && random.below(2) == 0;
    let within = Duration::from_millis(random.below(KILLED_WITHIN));
    let id = group.nodes[victim].id();
    begin(group, way, source, target);
    // The moment is what this test varies: no condition is waited for.
    std::thread::sleep(within);
    group.kill(victim);
    if waits {
        group.wait_for_failover(&id);
    }
    group.restart(victim);
    group.wait_until_well();
    group.wait("migrations to end", is_over);
    group.wait_until_well();
}

fn storm(what: &str, kinds: &[Kind; 6], way: Way) {
    let Some(mut group) = Group::create_with(what, kinds, 1, &["--appendonly", "yes"]) else {
        return;
    };
    let seed = number("RUSSET_STORM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let moves = number("RUSSET_MOVES").unwrap_or(2);
    println!("{what}: {moves} moves, RUSSET_STORM_SEED={seed}");
    let mut random = Random(seed);
    group.write("old", 500);
    group.wait_until_synced();
    for each in 0..moves {
        let writers = Writers::start(&group.ports(), &format!("{each}"));
        stir(&mut group, way, &mut random);
        writers.finish(&group);
        group.wait_until_synced();
        group.assert_written("old", 500);
    }
}

#[test]
fn shards_that_pull_slots_lose_nothing_in_a_storm() {
    storm("a storm of pulls", &[Kind::Russet; 6], Way::Pull);
}

#[test]
fn shards_that_push_slots_lose_nothing_in_a_storm() {
    storm("a storm of pushes", &[Kind::RussetValkey; 6], Way::Push);
}

/// Each of russet's primaries has a replica of its own kind: what Valkey's own replicas lose is not shown here.
#[test]
#[ignore = "Valkey's own primaries claim slots before their replicas have the keys"]
fn shards_of_two_programs_lose_nothing_in_a_storm() {
    let (russet, valkey) = (Kind::RussetValkey, Kind::Peer(Peer::Valkey9));
    let kinds = [russet, russet, valkey, russet, russet, russet];
    storm("a storm with Valkey", &kinds, Way::Push);
}
