//! Whole shards in a storm: slots move between primaries with replicas, and at any moment of a move
//! the test kills a part or orders it to hand over. Meanwhile logs are rewritten, primaries without
//! replicas borrow replicas, and clients write.
//!
//! The rule: at the end of each round a write that a replica has acknowledged (WAIT 1) is on the
//! node that serves its slot. Real nodes take part in some storms, as sources, targets, replicas
//! and bystanders. They claim slots before their replicas have the keys, and may publish a claim
//! before it is in their file. So the test counts, and does not forbid, lost keys of the moving
//! slots after a round in which the target's primary is a real node and is killed or replaced. It
//! checks all other keys in each round. If the source or a replica of the target is a real node, it
//! checks all keys.
//!
//! An operator's FORCE and TAKEOVER promote a replica that may lack a write that another replica
//! has acknowledged. So only shards with a single replica get FORCE. Shards that are groups
//! (`sync-quorum`) get both: there the write need not be followed by WAIT, its reply is enough.
//!
//! `RUSSET_MOVES`: rounds of each storm, else a few. `RUSSET_STORM_SEED` draws the same rounds
//! again; the moments depend on the machine, too.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::slot_of;
use crate::group::{Group, Kind, Way};
use crate::support::peers::Peer;
use crate::support::random::Random;
use crate::support::resp::{Connection, Reply};
use crate::writers::{Acknowledgement, Writers};

/// The slots that move to and fro.
const FIRST: u16 = 0;
const LAST: u16 = 2000;
/// An event comes within this time after the order, in milliseconds. A move takes a part of it.
const HAPPENS_WITHIN: usize = 400;
/// Or an event comes when an end of the move has logged this many lines; the test does not wait for
/// a line longer than `LINE_LIMIT`.
const LINES: usize = 12;
const LINE_LIMIT: Duration = Duration::from_secs(1);
/// The number of keys that the test writes once and reads after each round.
const OLD: usize = 1000;
/// The time for each key of a snapshot, in microseconds: a move is quick, or takes most of
/// `HAPPENS_WITHIN`.
const KEY_DELAYS: [usize; 3] = [0, 500, 2000];

/// The time that a source holds writes for a claim, in milliseconds: shorter than a failover. Each
/// program, and each way of moving, has its own directive.
const HOLD_MS: &str = "1000";
const HOLDS: [&str; 2] = [
    "cluster-slot-migration-write-pause-timeout",
    "cluster-manual-failover-timeout",
];

/// A cluster in a storm.
struct Form {
    what: &'static str,
    /// The primary of each shard, then its replicas.
    shards: [&'static [Kind]; 3],
    way: Way,
    /// The nodes of each shard are a group, whose failovers lose no answered write.
    has_groups: bool,
}

/// A part of the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Source,
    Target,
    SourceReplica,
    TargetReplica,
    /// The primary of the third shard.
    Other,
}

/// The way in which a killed part comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// At once: the link to its replica continues.
    Back,
    /// After its replica has taken its place, or its primary has another replica.
    Replaced,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Failover,
    Force,
    TakeOver,
}

/// The moment of an event in a move. Most messages of a move leave a line in the log of an end, so
/// a line marks a moment near a message.
#[derive(Clone, Copy, Debug)]
enum Moment {
    After(Duration),
    Line { part: Part, lines: usize },
}

impl Moment {
    fn draw(random: &mut Random) -> Moment {
        if random.chance(50) {
            let within = random.below(HAPPENS_WITHIN);
            return Moment::After(Duration::from_millis(within as u64));
        }
        Moment::Line {
            part: *random.pick(&[Part::Source, Part::Target]),
            lines: 1 + random.below(LINES),
        }
    }
}

/// The events of a round, drawn at random.
#[derive(Debug)]
struct Round {
    kill: Option<(Part, Fate, Moment)>,
    /// A replica of this shard takes over on an order.
    handover: Option<(Part, Order, Moment)>,
    is_kill_first: bool,
    /// Microseconds.
    key_delay: usize,
    /// For each node: whether it rewrites its log, or writes a snapshot, at the beginning.
    rewrites: Vec<Option<&'static str>>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

impl Round {
    fn draw(random: &mut Random, nodes: usize) -> Round {
        let parts = [
            Part::Source,
            Part::Target,
            Part::SourceReplica,
            Part::TargetReplica,
            Part::Other,
        ];
        let has_handover = random.chance(40);
        let has_kill = !has_handover || random.chance(60);
        let kill = (
            *random.pick(&parts),
            *random.pick(&[Fate::Back, Fate::Replaced]),
            Moment::draw(random),
        );
        let handover = (
            *random.pick(&[Part::Source, Part::Target, Part::Target, Part::Other]),
            *random.pick(&[Order::Failover, Order::Force, Order::TakeOver]),
            Moment::draw(random),
        );
        let rewrites = (0..nodes).map(|_| match random.below(6) {
            0 => Some("BGREWRITEAOF"),
            1 => Some("BGSAVE"),
            _ => None,
        });
        Round {
            rewrites: rewrites.collect(),
            is_kill_first: random.chance(50),
            key_delay: *random.pick(&KEY_DELAYS),
            kill: has_kill.then_some(kill),
            handover: has_handover.then_some(handover),
        }
    }
}

/// The primaries of a round.
#[derive(Clone, Copy)]
struct Ends {
    source: usize,
    target: usize,
    other: usize,
}

impl Ends {
    /// The primary that serves the first moving slot, and the two other primaries in any order.
    fn draw(group: &Group, random: &mut Random) -> Ends {
        let (mut source, mut others) = (None, Vec::new());
        for at in (0..3).map(|nth| group.primary_at(nth)) {
            if serves_moved(group, at) {
                source = Some(at);
            } else {
                others.push(at);
            }
        }
        random.shuffle(&mut others);
        Ends {
            source: source.expect("a source"),
            target: others[0],
            other: others[1],
        }
    }

    fn primary(&self, part: Part) -> usize {
        match part {
            Part::Source | Part::SourceReplica => self.source,
            Part::Target | Part::TargetReplica => self.target,
            Part::Other => self.other,
        }
    }

    fn node(&self, group: &Group, part: Part) -> usize {
        match part {
            Part::SourceReplica | Part::TargetReplica => group.replica_of(self.primary(part)),
            _ => self.primary(part),
        }
    }
}

/// Whether a primary serves the first moving slot.
fn serves_moved(group: &Group, at: usize) -> bool {
    let view = group.nodes[at].view();
    let mine = view.iter().find(|seen| seen.is("myself")).expect("itself");
    let first = |range: &String| range.split('-').next() == Some("0");
    mine.slots.iter().any(first)
}

/// The numbers of a node's living replicas, in the node's own view.
fn replicas_of(group: &Group, primary: usize) -> Vec<usize> {
    let (view, id) = (group.nodes[primary].view(), group.nodes[primary].id());
    let its =
        |seen: &&crate::group::NodesLine| seen.primary.as_ref() == Some(&id) && !seen.is("fail");
    let replicas = view.iter().filter(its);
    let at = |seen: &crate::group::NodesLine| {
        let mut nodes = group.nodes.iter();
        nodes.position(|node| node.port() == seen.port && !node.is_killed)
    };
    replicas.filter_map(at).collect()
}

/// The begin of a move, and the length of its ends' logs at that time.
struct MoveClock {
    ends: Ends,
    began: Instant,
    source_bytes: u64,
    target_bytes: u64,
}

impl MoveClock {
    fn start(group: &Group, ends: Ends) -> MoveClock {
        let bytes = |at: usize| std::fs::metadata(log_of(group, at)).map_or(0, |log| log.len());
        MoveClock {
            ends,
            began: Instant::now(),
            source_bytes: bytes(ends.source),
            target_bytes: bytes(ends.target),
        }
    }

    /// Moments vary on purpose, so the test waits for no condition except a log line.
    fn wait(&self, group: &Group, moment: Moment) {
        let (part, lines) = match moment {
            Moment::After(within) => {
                return std::thread::sleep(within.saturating_sub(self.began.elapsed()));
            }
            Moment::Line { part, lines } => (part, lines),
        };
        let from = match part {
            Part::Source => self.source_bytes,
            _ => self.target_bytes,
        };
        let log = log_of(group, self.ends.primary(part));
        while self.began.elapsed() < LINE_LIMIT && lines_since(&log, from) < lines {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn log_of(group: &Group, at: usize) -> PathBuf {
    group.nodes[at].daemon.folder().join("log")
}

fn lines_since(log: &Path, from: u64) -> usize {
    let Ok(mut file) = File::open(log) else {
        return 0;
    };
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(from));
    if read.is_err() || file.read_to_end(&mut bytes).is_err() {
        return 0;
    }
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Whether no primary has a running migration. A replica may remember a migration that its primary
/// has forgotten.
fn is_over(group: &Group) -> bool {
    let primaries = group
        .living()
        .filter(|node| !node.text("INFO replication").contains("role:slave"));
    primaries.into_iter().all(|node| {
        let active = node.state("cluster_slot_migration_active_tasks");
        let Ok(mut connection) = Connection::open(node.port()) else {
            return false;
        };
        let pushes = connection.value("CLUSTER GETSLOTMIGRATIONS");
        let ended = [&b"success"[..], b"failed", b"cancelled", b"canceled"];
        let has_ended = |one: &Reply| {
            let fields = match one {
                Reply::Map(pairs) => pairs.iter().flat_map(|(a, b)| [a, b]).collect(),
                other => other.items().unwrap_or_default().iter().collect::<Vec<_>>(),
            };
            let mut texts = fields.into_iter().filter_map(Reply::text);
            texts.any(|text| ended.contains(&text))
        };
        // Redis does not have this subcommand.
        let pushes = pushes.items().unwrap_or_default();
        (active.is_empty() || active == "0") && pushes.iter().all(has_ended)
    })
}

/// Places replicas as the form says, because redis-cli places them at random.
#[track_caller]
fn arrange(group: &Group, shards: &[&[Kind]; 3]) {
    let mut next = 3;
    for (primary, shard) in shards.iter().enumerate() {
        let id = group.nodes[primary].id();
        for _ in 1..shard.len() {
            let order = format!("CLUSTER REPLICATE {id}");
            assert_eq!(group.nodes[next].text(&order), "OK", "{order}");
            next += 1;
        }
    }
    group.wait("each primary to have its replicas", |group| {
        let counts = |at: usize| replicas_of(group, at).len() == shards[at].len() - 1;
        (0..3).all(counts)
    });
    group.wait_until_well();
}

/// A replica of a shard takes over on an order, unless the round kills it.
fn hand_over(group: &Group, form: &Form, ends: Ends, (part, order): (Part, Order)) -> bool {
    let replicas = replicas_of(group, ends.primary(part));
    let Some(&replica) = replicas.first() else {
        return false;
    };
    // See the module.
    let order = match order {
        Order::Force if replicas.len() == 1 || form.has_groups => "CLUSTER FAILOVER FORCE",
        Order::TakeOver if form.has_groups => "CLUSTER FAILOVER TAKEOVER",
        _ => "CLUSTER FAILOVER",
    };
    group.nodes[replica].text(order) == "OK"
}

/// A move with an event. Returns whether a loss in the moving slots is excused (see the module).
fn stir(group: &mut Group, form: &Form, ends: Ends, round: &Round) -> bool {
    let victim = (round.kill).map(|(part, fate, _)| (ends.node(group, part), part, fate));
    let is_real = matches!(group.nodes[ends.target].kind, Kind::Peer(_));
    let mut is_excused = false;
    for (node, rewrite) in group.nodes.iter().zip(&round.rewrites) {
        node.text(&format!(
            "CONFIG SET rdb-key-save-delay {}",
            round.key_delay
        ));
        for hold in HOLDS {
            node.text(&format!("CONFIG SET {hold} {HOLD_MS}"));
        }
        if let Some(rewrite) = rewrite {
            node.text(rewrite);
        }
    }
    let clock = MoveClock::start(group, ends);
    // A refusal is no fault, because the last migration of the same slots may still be ending.
    group.move_slots(form.way, (FIRST, LAST), ends.source, ends.target);
    let by_order = |group: &Group, is_excused: &mut bool| {
        if let Some((part, order, moment)) = round.handover {
            clock.wait(group, moment);
            hand_over(group, form, ends, (part, order));
            *is_excused |= is_real && part == Part::Target;
        }
    };
    if !round.is_kill_first || round.kill.is_none() {
        by_order(group, &mut is_excused);
    }
    if let Some((.., moment)) = round.kill
        && let Some((victim, part, fate)) = victim
    {
        let id = group.nodes[victim].id();
        clock.wait(group, moment);
        group.kill(victim);
        is_excused |= is_real && part == Part::Target;
        if round.is_kill_first {
            by_order(group, &mut is_excused);
        }
        // After a takeover on an order the shard may have no other replica that could take over.
        if fate == Fate::Replaced && round.handover.is_none() {
            wait_for_another(group, ends, part, &id);
        }
        group.restart(victim);
    }
    group.wait_until_well();
    group.wait("migrations to end", is_over);
    group.wait_until_well();
    for node in &group.nodes {
        node.text("CONFIG SET rdb-key-save-delay 0");
    }
    is_excused
}

/// Waits until another node has the role of the killed node.
fn wait_for_another(group: &Group, ends: Ends, part: Part, killed: &str) {
    if !matches!(part, Part::SourceReplica | Part::TargetReplica) {
        group.wait_for_failover(killed);
        return;
    }
    let primary = ends.primary(part);
    let can_lend = |at: usize| at != primary && replicas_of(group, at).len() > 1;
    if (0..3).any(|nth| can_lend(group.primary_at(nth))) {
        group.wait("a replica to be lent to the primary", |group| {
            let text = group.nodes[primary].text("INFO replication");
            text.contains("state=online") && !replicas_of(group, primary).is_empty()
        });
    }
}

fn storm(form: &Form) {
    // The primaries, then the replicas of all shards.
    let mut kinds: Vec<Kind> = form.shards.iter().map(|shard| shard[0]).collect();
    kinds.extend(form.shards.iter().flat_map(|shard| &shard[1..]));
    let lends = if kinds.len() > 6 { "yes" } else { "no" };
    let arguments = [
        ["--appendonly", "yes"],
        ["--loglevel", "verbose"],
        ["--cluster-allow-replica-migration", lends],
    ];
    let mut arguments = arguments.concat();
    if form.has_groups {
        arguments.extend(["--sync-quorum", "yes", "--min-sync-replicas", "1"]);
    }
    let replicas = kinds.len() / form.shards.len() - 1;
    let Some(mut group) = Group::create_with(form.what, &kinds, replicas, &arguments) else {
        return;
    };
    // A member of a group stays in its shard.
    if !form.has_groups {
        arrange(&group, &form.shards);
    }
    let seed = number("RUSSET_STORM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let rounds = number("RUSSET_MOVES").unwrap_or(2);
    println!("{}: {rounds} rounds, RUSSET_STORM_SEED={seed}", form.what);
    let mut random = Random::new(seed);
    let (mut moved, mut lost) = (0, 0);
    group.write("old", OLD);
    group.wait_until_synced();
    for each in 0..rounds {
        let began = Instant::now();
        let round = Round::draw(&mut random, kinds.len());
        let acknowledgement = if form.has_groups {
            Acknowledgement::Reply
        } else {
            Acknowledgement::Replica
        };
        let (ports, name) = (group.ports(), each.to_string());
        let writers = Writers::start_in(&ports, &name, FIRST..=LAST, acknowledgement);
        let ends = Ends::draw(&group, &mut random);
        let shard = [vec![ends.source], replicas_of(&group, ends.source)].concat();
        let kinds = [ends.source, ends.target, ends.other].map(|at| group.nodes[at].kind);
        let is_excused = stir(&mut group, form, ends, &round);
        let outcome = writers.outcome(&group);
        group.wait_until_synced();
        let mut primaries = (0..3).map(|nth| group.primary_at(nth));
        let has_moved = primaries.any(|at| serves_moved(&group, at) && !shard.contains(&at));
        moved += usize::from(has_moved);
        let old = old_lost(&group);
        let mut all: Vec<(u16, &str)> = Vec::new();
        all.extend(outcome.lost.iter().map(|one| (one.slot, one.text.as_str())));
        all.extend(old.iter().map(|(slot, key)| (*slot, key.as_str())));
        let is_required = |slot: u16| !(is_excused && (FIRST..=LAST).contains(&slot));
        let faults: Vec<&str> = all
            .iter()
            .filter(|(slot, _)| is_required(*slot))
            .map(|(_, text)| *text)
            .collect();
        println!(
            "{} {each}: {kinds:?} {round:?}: moved {has_moved}, {} acknowledged, {} lost, {} excused, {:?}",
            form.what,
            outcome.acknowledged,
            faults.len(),
            all.len() - faults.len(),
            began.elapsed()
        );
        assert!(
            faults.is_empty(),
            "RUSSET_STORM_SEED={seed}, round {each}: {round:?}\n{}\n{}",
            faults.join("\n"),
            group.report()
        );
        assert!(outcome.acknowledged > 0, "no write was acknowledged");
        lost += all.len();
        if !old.is_empty() {
            group.write("old", OLD);
            group.wait_until_synced();
        }
    }
    println!(
        "{}: {moved} of {rounds} moves done, {lost} keys lost by real nodes",
        form.what
    );
}

/// The old keys that are missing.
fn old_lost(group: &Group) -> Vec<(u16, String)> {
    let mut client = group.client();
    let mut is_there = |n: usize| {
        let key = format!("old:{n}");
        let reply = client.run(slot_of(&key), &["GET", &key]);
        reply == Reply::Bulk(n.to_string().into_bytes())
    };
    let lost = (0..OLD).filter(|&n| !is_there(n));
    lost.map(|n| (slot_of(&format!("old:{n}")), format!("old:{n}")))
        .collect()
}

const RUSSET: Kind = Kind::Russet;
const VALKEYS: Kind = Kind::RussetValkey;
const REDIS: Kind = Kind::Peer(Peer::Redis810);
const VALKEY: Kind = Kind::Peer(Peer::Valkey9);

#[test]
fn shards_that_pull_slots_lose_nothing_in_a_storm() {
    storm(&Form {
        what: "a storm of pulls",
        shards: [
            &[RUSSET, RUSSET, RUSSET],
            &[RUSSET, RUSSET],
            &[RUSSET, RUSSET],
        ],
        way: Way::Pull,
        has_groups: false,
    });
}

#[test]
fn shards_that_push_slots_lose_nothing_in_a_storm() {
    storm(&Form {
        what: "a storm of pushes",
        shards: [
            &[VALKEYS, VALKEYS, VALKEYS],
            &[VALKEYS, VALKEYS],
            &[VALKEYS, VALKEYS],
        ],
        way: Way::Push,
        has_groups: false,
    });
}

/// Shards of Valkey alone, of russet alone, and of both.
#[test]
fn shards_of_russet_and_valkey_lose_nothing_in_a_storm() {
    storm(&Form {
        what: "a storm with Valkey",
        shards: [&[VALKEYS, VALKEYS], &[VALKEY, VALKEY], &[VALKEYS, VALKEY]],
        way: Way::Push,
        has_groups: false,
    });
}

/// Shards of Redis alone, of russet alone, and of both.
#[test]
fn shards_of_russet_and_redis_lose_nothing_in_a_storm() {
    storm(&Form {
        what: "a storm with Redis",
        shards: [&[RUSSET, RUSSET], &[REDIS, REDIS], &[RUSSET, REDIS]],
        way: Way::Pull,
        has_groups: false,
    });
}

#[test]
fn shards_that_are_groups_lose_no_answered_write_in_a_storm_of_pulls() {
    storm(&Form {
        what: "a storm of groups that pull",
        shards: [&[RUSSET; 3], &[RUSSET; 3], &[RUSSET; 3]],
        way: Way::Pull,
        has_groups: true,
    });
}

#[test]
fn shards_that_are_groups_lose_no_answered_write_in_a_storm_of_pushes() {
    storm(&Form {
        what: "a storm of groups that push",
        shards: [&[VALKEYS; 3], &[VALKEYS; 3], &[VALKEYS; 3]],
        way: Way::Push,
        has_groups: true,
    });
}
