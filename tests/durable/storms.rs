//! Storms: the troubles of a seed, and the state at the end.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use russet_host::Random;
use russet_host::simulation::{Storm, StormResult, caught, number, play_all};

use super::checks::{Figures, SETS, Value, key, slot_of};
use super::clients::members_of;
use super::fleet::PORT;
use super::folders;
use super::world::{Form, World};

/// Milliseconds of troubles.
const STORM_MS: u64 = 15_000;
/// The milliseconds in which the world must become whole.
const PEACE_MS: u64 = 60_000;
/// An authority that sees no leader for so long orders a server to lead.
const LEADERLESS_MS: u64 = 2000;
/// The number of seeds of each form that always run, as far as the time allows.
const STORMS: u64 = 12;
const TIME: Duration = Duration::from_secs(10);

/// A test holds it while it runs, because servers write files to the process's working folder.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A trouble.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// A process ends, and is back after this time.
    Stop(usize, u64),
    /// A process ends, and comes back without its files; once in a storm, when the group is whole.
    LoseDisk(usize, u64),
    /// All processes end, and are back after up to this time.
    StopAll(u64),
    /// A process stands still for this time.
    Freeze(usize, u64),
    /// All links of two nodes end, and lose the messages on their way.
    Cut([usize; 2]),
    /// Nothing passes between two nodes for this time.
    Part([usize; 2], u64),
    /// Nothing passes from one node to another, but in the other direction.
    Hold([usize; 2], u64),
    /// A node reaches no other node for this time, only its clients.
    Isolate(usize, u64),
    /// An order to lead: 0 to 2 are its forms.
    Lead(usize, usize),
    /// An order to follow another server.
    Follow(usize, usize),
    /// An order to the leader to hand over.
    HandOver(usize),
    /// Slots move to a node in a migration.
    Move(usize, u16, u16),
    /// A log is rewritten.
    Rewrite(usize),
}

struct Plan {
    form: Form,
    seed: u64,
    is_on: bool,
    troubles: Vec<(u64, Trouble)>,
}

fn trouble(random: &mut Random, form: Form) -> Trouble {
    let count = form.count();
    let a = random.place(count);
    let two = [a, (a + 1 + random.place(count - 1)) % count];
    let mut ms = |limit: i64| random.below(limit) as u64;
    match ms(22) {
        0..3 => Trouble::Stop(a, ms(3000)),
        3 if form != Form::Five => Trouble::StopAll(ms(2000)),
        3..6 => Trouble::Freeze(a, ms(4000)),
        6 => Trouble::Cut(two),
        7 => Trouble::Part(two, 100 + ms(4000)),
        8 => Trouble::Hold(two, 100 + ms(4000)),
        9 | 10 => Trouble::Isolate(a, 100 + ms(5000)),
        11..15 => Trouble::Lead(a, ms(3) as usize),
        15 if form != Form::Cluster => Trouble::Follow(a, two[1]),
        16 => Trouble::HandOver(two[1]),
        17 => Trouble::Rewrite(a),
        18 if form != Form::Cluster => Trouble::LoseDisk(a, ms(3000)),
        _ if form == Form::Cluster => {
            let first = ms(16_000) as u16;
            Trouble::Move(a, first, (first + ms(3000) as u16).min(16_383))
        }
        _ => Trouble::Lead(a, 0),
    }
}

impl World {
    fn happen(&mut self, trouble: Trouble) {
        self.note(|| format!("{trouble:?}"));
        let (now_ms, count) = (self.now_ms, self.form.count());
        match trouble {
            Trouble::Stop(number, ms) if self.is_up(number) => self.stop(number, ms),
            Trouble::LoseDisk(number, ms) => {
                let is_whole = self.trouble_left(true).is_none();
                if is_whole && !self.has_lost_disk {
                    self.has_lost_disk = true;
                    self.lose_disk(number, ms);
                }
            }
            Trouble::StopAll(ms) => {
                for number in 0..count {
                    if self.is_up(number) {
                        let back_ms = self.random.below(ms as i64 + 1) as u64;
                        self.stop(number, back_ms);
                    }
                }
            }
            Trouble::Freeze(number, ms) => self.freeze(number, ms),
            Trouble::Cut(two) => self.cut(two),
            Trouble::Part(two, ms) => self.parted.push((two, now_ms + ms)),
            Trouble::Hold(two, ms) => self.held.push((two, now_ms + ms)),
            Trouble::Isolate(number, ms) => {
                let others = (0..count).filter(|other| *other != number);
                let parted = others.map(|other| ([number, other], now_ms + ms));
                self.parted.extend(parted);
            }
            Trouble::Lead(number, form) => {
                let order = match (self.form, form) {
                    (Form::Cluster, 0) => "CLUSTER FAILOVER",
                    (Form::Cluster, 1) => "CLUSTER FAILOVER FORCE",
                    (Form::Cluster, _) => "CLUSTER FAILOVER TAKEOVER",
                    (_, 0) => "QUORUM TAKEOVER",
                    _ => "REPLICAOF NO ONE",
                };
                self.order(number, order);
            }
            Trouble::Follow(number, to) => {
                let port = PORT + to as u16;
                self.order(number, &format!("REPLICAOF 127.0.0.1 {port}"));
            }
            Trouble::HandOver(to) => {
                let port = PORT + to as u16;
                for leader in self.leaders() {
                    self.order(leader, &format!("FAILOVER TO 127.0.0.1 {port} TIMEOUT 500"));
                }
            }
            Trouble::Move(to, first, last) => {
                self.order(to, &format!("CLUSTER MIGRATION IMPORT {first} {last}"));
            }
            Trouble::Rewrite(number) => self.order(number, "BGREWRITEAOF"),
            Trouble::Stop(..) => {}
        }
    }

    /// Makes the groups, or the cluster, and waits until all members are safe.
    fn begin(&mut self, is_on: bool) -> Result<(), String> {
        self.step()?;
        if self.form == Form::Cluster {
            let ranges = [
                (0, "0 8191"),
                (1, "8192 16382"),
                (Form::VOTER, "16383 16383"),
            ];
            for (at, (number, range)) in ranges.into_iter().enumerate() {
                self.ask(number, &format!("CLUSTER ADDSLOTSRANGE {range}"))?;
                self.ask(number, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1))?;
            }
            for number in 1..self.form.count() {
                self.ask(number, "CLUSTER MEET 127.0.0.1 7001 17001")?;
            }
            let are_ok =
                |world: &mut World| Ok(world.places.iter().all(|place| place.its.shard.is_ok));
            if !self.run_until(30_000, are_ok)? {
                return Err("no cluster".to_owned());
            }
            for group in self.form.groups() {
                let id = self.places[group[0]].its.shard.id.clone();
                for number in &group[1..] {
                    self.ask(*number, &format!("CLUSTER REPLICATE {id}"))?;
                }
            }
        }
        let is_whole = |world: &mut World| Ok(world.trouble_left(is_on).is_none());
        if !self.run_until(60_000, is_whole)? {
            return Err(format!("no begin: {:?}", self.trouble_left(is_on)));
        }
        Ok(())
    }

    /// The reason why the world is not whole, or `None`.
    fn trouble_left(&self, is_on: bool) -> Option<String> {
        let leaders = self.leaders();
        for (number, place) in self.places.iter().enumerate() {
            let Some(node) = &place.node else {
                return Some(format!("node {number} is down"));
            };
            let (facts, group) = (node.facts(), &place.its.group);
            let is_voter = self.form == Form::Cluster && number == Form::VOTER;
            let follows = facts.follows.is_some() && facts.link == "connected";
            let is_at_work = leaders.contains(&number) || follows || is_voter;
            if !is_at_work || facts.is_loading {
                let text = group.obstacle.clone().unwrap_or_default();
                return Some(format!("node {number}: {facts:?} {} {text}", group.state));
            }
            if self.form == Form::Cluster && !place.its.shard.is_ok {
                return Some(format!("node {number}: {:?}", place.its.shard));
            }
            if is_on && !is_voter && (group.is_changing || !group.is_clean) {
                return Some(format!("node {number}: {group:?}"));
            }
        }
        let first = leaders.first().map(|at| &self.places[*at].its.group);
        let members = first.map_or(0, |group| group.members.len());
        if is_on && self.form != Form::Cluster && members != self.form.count() {
            return Some(format!("{members} members"));
        }
        let groups = self.form.groups().len();
        let wanted = if self.form == Form::Cluster {
            groups + 1
        } else {
            groups
        };
        let owners = leaders
            .iter()
            .filter(|at| **at != Form::VOTER || self.form != Form::Cluster);
        if owners.count() != groups && leaders.len() != wanted {
            return Some(format!("{leaders:?} lead"));
        }
        None
    }

    /// What an authority does that sees no leader of a group.
    fn order_leaders(&mut self) {
        if self.form != Form::Cluster && self.leaders().is_empty() {
            let count = self.form.count();
            let number = self.random.place(count);
            self.order(number, "REPLICAOF NO ONE");
        }
    }

    /// What an operator does whose group has a member that is gone for good: the group forgets it,
    /// and a server that has lost its files, and so is a primary without members, follows.
    fn remove_gone(&mut self) {
        let places = self.places.iter();
        let living: Vec<String> = places.map(|place| place.its.group.id.clone()).collect();
        let leaders = self.leaders();
        let of_more = |at: &usize| self.places[*at].its.group.members.len();
        let Some(real) = leaders.iter().copied().max_by_key(of_more) else {
            return;
        };
        let port = PORT + real as u16;
        for leader in leaders {
            if leader != real && self.places[leader].its.group.members.len() == 1 {
                self.order(leader, &format!("REPLICAOF 127.0.0.1 {port}"));
            }
            let members = self.places[leader].its.group.members.clone();
            for gone in members.iter().filter(|id| !living.contains(id)) {
                self.order(leader, &format!("QUORUM REMOVE {gone}"));
            }
        }
    }

    /// The members of a set, as its leader has them.
    fn members(&mut self, set: usize) -> Result<BTreeSet<Value>, String> {
        let mut last = None;
        for _ in 0..20 {
            let leader = match self.form {
                Form::Cluster => self.owner(slot_of(set)),
                Form::Three | Form::Five => self.leaders().first().copied(),
            };
            if let Some(leader) = leader {
                last = self.ask(leader, &format!("SMEMBERS {}", key(set)))?;
                if let Some(members) = last.as_ref().and_then(members_of) {
                    return Ok(members);
                }
            }
            let until_ms = self.now_ms + 500;
            self.run_until(500, |world| Ok(world.now_ms >= until_ms))?;
        }
        Err(format!("set {set} cannot be read: {last:?}"))
    }

    /// Checks that everything is where it belongs.
    fn finish(&mut self) -> Result<(), String> {
        for slot in 0..SETS / 2 {
            let sets = [2 * slot, 2 * slot + 1];
            let members = [self.members(sets[0])?, self.members(sets[1])?];
            for (set, members) in sets.into_iter().zip(&members) {
                self.checks.at_end(set, members)?;
            }
            self.checks.are_whole([&members[0], &members[1]])?;
        }
        let are_equal = |world: &mut World| Ok(world.differing().is_none());
        if !self.run_until(10_000, are_equal)? {
            return Err(format!("{:?}", self.differing()));
        }
        Ok(())
    }

    /// A replica with other data than its primary.
    fn differing(&mut self) -> Option<String> {
        for number in 0..self.form.count() {
            let node = self.places[number].node.as_mut()?;
            let (follows, own) = (node.facts().follows, node.signature());
            let Some(primary) = follows.map(|port| usize::from(port - PORT)) else {
                continue;
            };
            let other = self.places[primary].node.as_mut()?;
            if other.signature() != own {
                let theirs: BTreeSet<String> = other.contents().into_iter().collect();
                let mine = self.places[number].node.as_mut()?.contents();
                let mine: BTreeSet<String> = mine.into_iter().collect();
                let lines: Vec<&String> = mine.symmetric_difference(&theirs).collect();
                return Some(format!(
                    "node {number} has other data than node {primary}: {lines:?}"
                ));
            }
        }
        None
    }
}

impl Plan {
    fn new(form: Form, seed: u64, is_on: bool) -> Plan {
        // Independent of the random numbers of the world.
        let mut random = Random(seed ^ 0x5eed << 32);
        let count = 10 + random.place(25);
        let times = (0..count).map(|_| random.below(STORM_MS as i64) as u64);
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        let troubles = times.into_iter().map(|at| (at, trouble(&mut random, form)));
        Plan {
            form,
            seed,
            is_on,
            troubles: troubles.collect(),
        }
    }

    fn run_in(&self, world: &mut World, troubles: &[(u64, Trouble)]) -> Result<(), String> {
        world.begin(self.is_on)?;
        let begin_ms = world.now_ms;
        let (mut left, mut led_ms) = (troubles.iter().peekable(), begin_ms);
        while world.now_ms < begin_ms + STORM_MS {
            while let Some((_, trouble)) = left.next_if(|(at, _)| begin_ms + at <= world.now_ms) {
                world.happen(*trouble);
            }
            if !world.leaders().is_empty() {
                led_ms = world.now_ms;
            } else if world.now_ms > led_ms + LEADERLESS_MS {
                world.order_leaders();
                led_ms = world.now_ms;
            }
            world.write_or_read();
            world.step()?;
        }
        world.note(|| "all is well again".to_owned());
        world.heal();
        let begin_ms = world.now_ms;
        let mut answered_ms = None;
        loop {
            let why = world.trouble_left(self.is_on);
            if why.is_none() && answered_ms.is_some() {
                break;
            }
            if world.now_ms - begin_ms > PEACE_MS {
                return Err(format!("not well in time: {why:?}, {answered_ms:?}"));
            }
            for round in 0..100 {
                if round == 0 && world.now_ms - begin_ms > LEADERLESS_MS {
                    world.order_leaders();
                    world.remove_gone();
                }
                world.write_or_read();
                world.step()?;
            }
            if world.answered_ms > begin_ms {
                answered_ms.get_or_insert(world.answered_ms - begin_ms);
            }
        }
        world.checks.figures.well_ms = answered_ms.unwrap_or_default();
        // Requests on their way come to an end.
        let are_free = |world: &mut World| Ok(world.are_clients_free());
        world.run_until(10_000, are_free)?;
        world.finish()
    }
}

impl Storm for Plan {
    type Event = (u64, Trouble);
    type Figures = Figures;

    fn plan(&self) -> (u64, &[(u64, Trouble)]) {
        (self.seed, &self.troubles)
    }

    fn play(&self, troubles: &[(u64, Trouble)], keeps_log: bool) -> StormResult<Figures> {
        let folder = folders::of_simulation("durable");
        let folder = folder.join(RUNS.fetch_add(1, Relaxed).to_string());
        let mut world = World::new(self.form, self.seed, self.is_on, &folder, keeps_log);
        let result = caught(|| self.run_in(&mut world, troubles));
        let log = world.log.take().unwrap_or_default();
        let result = result.map(|()| world.checks.figures.clone());
        drop(world);
        let _ = std::env::set_current_dir("/");
        let _ = std::fs::remove_dir_all(folder);
        (result, log)
    }
}

fn weather(form: Form) {
    let _alone = ONE_AT_A_TIME.lock();
    let (from, count) = match (number("RUSSET_DURABLE_SEED"), number("RUSSET_DURABLE_RUNS")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (0, count.unwrap_or(STORMS)),
    };
    let is_brief = std::env::var_os("RUSSET_DURABLE_BRIEF").is_some();
    let (began, mut total, mut runs) = (Instant::now(), Figures::default(), 0);
    let seeds = (from..from + count).take_while(|_| count != STORMS || began.elapsed() <= TIME);
    let new = |seed| Plan::new(form, seed, true);
    play_all(seeds, is_brief, new, |its| {
        runs += 1;
        total.add(its);
    });
    if count == 1 {
        eprintln!("{}", new(from).history().join("\n"));
    }
    eprintln!(
        "{form:?}: {runs} storms in {:?}: {total:#?}",
        began.elapsed()
    );
}

#[test]
fn a_group_of_three_loses_nothing_in_any_storm() {
    weather(Form::Three);
}

#[test]
fn a_group_of_five_loses_nothing_in_any_storm() {
    weather(Form::Five);
}

#[test]
fn shards_lose_nothing_in_any_storm() {
    weather(Form::Cluster);
}

/// The claims can fail: without the mode the same storms lose answered writes.
#[test]
fn the_same_storms_lose_writes_with_the_mode_off() {
    let _alone = ONE_AT_A_TIME.lock();
    for form in [Form::Three, Form::Cluster] {
        let fails = |seed: &u64| Plan::new(form, *seed, false).fails_by("lost:");
        let found = (0..30).find(fails);
        eprintln!("{form:?}: seed {found:?}");
        assert!(found.is_some(), "no storm loses anything");
    }
}
