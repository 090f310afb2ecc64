//! Servers, clients and an authority in one virtual time, and what must hold.
//!
//!   Q1  No acknowledged write is lost: each new leader has all, at its place.
//!       A server that goes on alone (QUORUM TAKEOVER LOSSY) is another group: what its former
//!       group has acknowledged is at that group's leaders.
//!   Q2  A group has ended only if each later leader of it knows that.
//!   Q3  A ballot has one leader; ballots and promises do not fall, also over crashes; equal
//!       positions have equal data.
//!   Q4  A read at a leader whose lease holds sees each write that was acknowledged before.
//!   Q5  When all is well again there is one leader, all follow it, and writes are acknowledged, in
//!       bounded time; unless more was lost than the group bears, and then no server leads.
//!       A group that has ended is left by all.
//!   Q6  At most the window is unsafe, and a turn.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::network::{Connection, Use};
use super::node::{EndCause, Entry, Node, address_of, number_of};
use crate::ReplOffset;
use crate::quorum::{
    Ballot, Change, Fault, GroupId, GroupState, LeaderState, Member, Position, QuorumSettings,
    Report, SyncOn, TakeoverCause, WriteGate,
};
use russet_host::Random;

/// Milliseconds after which all must be well.
const PEACE_MS: u64 = 30_000;
/// Unsafe entries, then writers wait.
const WINDOW: u64 = 20;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A client writes to a server; to the leader, if there is no server of this number.
    Write(usize),
    /// A client reads at a server.
    Read(usize),
    /// Packets from one server to another are held.
    Cut(usize, usize),
    /// All directions are open again.
    Heal,
    /// A process ends in this way, and is back after so many milliseconds.
    Crash(usize, EndCause, u64),
    /// A process stands still.
    Stop(usize, u64),
    /// An order to take over, right or wrong.
    TakeOver(usize),
    /// An order to follow, right or wrong.
    Follow(usize, usize),
    /// An order to hand over to another server.
    HandOver(usize, usize),
    /// A disk takes no more files, or does again.
    BadDisk(usize),
    /// A member is added.
    Add(usize, usize),
    /// A member is removed.
    Remove(usize, usize),
    /// Another k; 0 ends the group.
    Set(usize, usize),
    /// A server goes on alone.
    Lossy(usize),
}

/// The world of a storm.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Members.
    pub members: usize,
    /// Servers that are there besides.
    pub others: usize,
    pub acknowledgements: usize,
    pub sync_on: SyncOn,
    /// Milliseconds of a leader's lease; 0: none.
    pub lease_ms: u64,
    pub fault: Option<Fault>,
    /// Milliseconds that a packet takes at most.
    pub delay_ms: u64,
    /// An authority looks after the group also before peace.
    pub has_authority: bool,
    /// Operators give up what other members have (QUORUM TAKEOVER LOSSY).
    pub is_given_up: bool,
}

/// How much has happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub steps: u64,
    pub acknowledged: u64,
    pub takeovers: u64,
    pub tails: u64,
    pub copies: u64,
    pub changes: u64,
    /// Servers that went on alone, groups that ended.
    pub lossy: u64,
    pub ended: u64,
    /// Reads under a lease.
    pub reads: u64,
    pub crashes: u64,
    /// Groups that had lost too much to go on.
    pub stopped: u64,
    /// Milliseconds until all was well, at most.
    pub slowest_ms: u64,
}

/// See the module.
#[derive(Clone)]
pub struct World {
    pub plan: Plan,
    pub random: Random,
    pub now_ms: u64,
    pub nodes: Vec<Node>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) cuts: BTreeSet<(usize, usize)>,
    /// Writes whose reply a client has, with the end of each, and the ballot and the group of its
    /// leader.
    pub acknowledged: Vec<(u64, ReplOffset, Ballot, GroupId)>,
    /// Groups that a server has left because they have ended (QUORUM SET 0).
    pub(super) ended: BTreeSet<GroupId>,
    pub(super) ballots: HashMap<Ballot, usize>,
    pub(super) digests: HashMap<Position, u64>,
    pub figures: Figures,
    pub(super) last_id: u64,
    pub(super) last_connection: u64,
    pub(super) value: u64,
    pub is_calm: bool,
    /// Disks sync now and then.
    pub syncs: bool,
    /// Primaries send their stream up to there only.
    pub feed_end: ReplOffset,
    pub(super) leaderless_since: Option<u64>,
    pub(super) authority_ms: u64,
    pub(super) failure: Option<String>,
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64, plan: &Plan, keeps_log: bool) -> World {
        let count = plan.members + plan.others;
        let node = |number| {
            let settings = QuorumSettings {
                acknowledgements: plan.acknowledgements,
                replicas: plan.members - 1,
                sync_on: plan.sync_on,
                timeout_ms: 2000,
                lease_ms: plan.lease_ms,
                window_bytes: WINDOW,
                takeover_timeout_ms: 3000,
                ..QuorumSettings::new(address_of(number))
            };
            Node::new(number, settings, plan.fault)
        };
        let mut world = World {
            plan: plan.clone(),
            random: Random(seed),
            now_ms: 1000,
            nodes: (0..count).map(node).collect(),
            connections: BTreeMap::new(),
            cuts: BTreeSet::new(),
            acknowledged: Vec::new(),
            ended: BTreeSet::new(),
            ballots: HashMap::new(),
            digests: HashMap::new(),
            figures: Figures::default(),
            last_id: 1000,
            last_connection: 0,
            value: 0,
            is_calm: true,
            syncs: true,
            feed_end: ReplOffset::MAX,
            leaderless_since: None,
            authority_ms: 0,
            failure: None,
            log: keeps_log.then(Vec::new),
        };
        (0..count).for_each(|number| world.start(number));
        world
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(log) = &mut self.log {
            log.push(format!("{now_ms:>6} {}", text()));
        }
    }

    pub(super) fn fail(&mut self, why: String) {
        self.note(|| why.clone());
        self.failure.get_or_insert(why);
    }

    // --- a storm ---

    /// The group forms, the troubles come, then all is well.
    pub fn run(&mut self, troubles: &[(u64, Trouble)]) -> Result<Figures, String> {
        self.form()?;
        self.is_calm = false;
        let begin_ms = self.now_ms;
        for &(at_ms, trouble) in troubles {
            while self.now_ms < begin_ms + at_ms {
                let by_ms = 1 + self.random.place(15) as u64;
                self.step(by_ms.min(begin_ms + at_ms - self.now_ms))?;
            }
            self.note(|| format!("{trouble:?}"));
            self.happen(trouble);
            self.outcome()?;
        }
        self.make_peace()?;
        self.figures.acknowledged = self.acknowledged.len() as u64;
        Ok(self.figures)
    }

    /// Waits until the group has its members.
    pub fn form(&mut self) -> Result<(), String> {
        let is_formed = |world: &World| {
            world.leader().is_some_and(|leader| {
                let machine = world.nodes[leader].machine.as_ref().expect("it leads");
                let status = machine.status();
                let is_ok = status.state == GroupState::Leader(LeaderState::Ok);
                is_ok && status.members.len() == world.plan.members && status.unsafe_bytes == 0
            })
        };
        self.run_until(PEACE_MS, "a group is formed", is_formed)
    }

    /// Steps until something holds.
    ///
    /// # Errors
    /// It does not, within this time; or a claim fails.
    pub fn run_until(
        &mut self,
        limit_ms: u64,
        what: &str,
        holds: impl Fn(&World) -> bool,
    ) -> Result<(), String> {
        let end_ms = self.now_ms + limit_ms;
        while !holds(self) {
            if self.now_ms >= end_ms {
                return Err(format!(
                    "not within {limit_ms} ms: {what}\n{}",
                    self.shown()
                ));
            }
            let by_ms = 1 + self.random.place(15) as u64;
            self.step(by_ms)?;
        }
        Ok(())
    }

    /// Steps for so long.
    pub fn run_for(&mut self, ms: u64) -> Result<(), String> {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            self.step(5)?;
        }
        Ok(())
    }

    pub(super) fn outcome(&mut self) -> Result<(), String> {
        self.failure.take().map_or(Ok(()), Err)
    }

    pub(super) fn shown(&self) -> String {
        let shown = |node: &Node| {
            let machine = node.machine.as_ref();
            let state = machine.map_or_else(
                || "down".to_owned(),
                |its| {
                    let (status, lineage) = (its.status(), its.lineage());
                    let all: Vec<String> = lineage
                        .configurations
                        .iter()
                        .map(|its| {
                            let members = its.configuration.members.iter();
                            let members: Vec<usize> =
                                members.map(|its| number_of(&its.address)).collect();
                            format!(
                                "v{} k{} {members:?}",
                                its.configuration.version, its.configuration.acknowledgements
                            )
                        })
                        .collect();
                    format!(
                        "{} promised {:?} at {:?} clean {} safe {} {all:?} {:?}",
                        status.state,
                        status.promised,
                        status.position,
                        status.is_clean,
                        status.safe,
                        status.obstacle
                    )
                },
            );
            let Node {
                number,
                is_primary,
                follows,
                ..
            } = node;
            format!("node {number} primary {is_primary} follows {follows:?}: {state}")
        };
        let nodes: Vec<String> = self.nodes.iter().map(shown).collect();
        nodes.join("\n")
    }

    pub(super) fn make_peace(&mut self) -> Result<(), String> {
        self.note(|| "peace".to_owned());
        self.is_calm = true;
        self.cuts.clear();
        let now_ms = self.now_ms;
        for node in &mut self.nodes {
            node.back_ms = node.back_ms.min(now_ms);
            node.frozen_ms = 0;
            node.disk.is_bad = false;
        }
        self.step(1)?;
        if !self.ended.is_empty() {
            return self.end_group();
        }
        if self.figures.lossy > 0 {
            // Two groups may be there for good: the claims hold all the same.
            return self.run_for(5000);
        }
        if self.has_lost_too_much() {
            self.figures.stopped += 1;
            return Ok(());
        }
        let count = self.acknowledged.len();
        let begin_ms = self.now_ms;
        let is_well = |world: &World| {
            let is_served = world.acknowledged.len() > count + 3;
            is_served
                && world
                    .leader()
                    .is_some_and(|leader| world.all_follow(leader))
        };
        let end_ms = self.now_ms + PEACE_MS;
        while !is_well(self) {
            if self.now_ms >= end_ms {
                // A loss may show only when the nodes have what they can get.
                if self.has_lost_too_much() {
                    self.figures.stopped += 1;
                    return Ok(());
                }
                return Err(format!("Q5: all is not well\n{}", self.shown()));
            }
            let by_ms = 1 + self.random.place(15) as u64;
            self.step(by_ms)?;
            let leader = self.leader();
            if let Some(leader) = leader.filter(|_| self.random.place(10) == 0) {
                self.write(leader);
                self.outcome()?;
            }
        }
        self.figures.slowest_ms = self.now_ms - begin_ms;
        let leader = self.leader().expect("all is well");
        self.check_leader(leader);
        self.outcome()
    }

    /// A group has ended: all servers learn that.
    fn end_group(&mut self) -> Result<(), String> {
        self.figures.ended += 1;
        self.run_until(PEACE_MS, "Q5: all have left the group", |world| {
            let has_left = |node: &Node| {
                let group = node.machine.as_ref().and_then(|its| its.group());
                group.is_none_or(|group| !world.ended.contains(&group))
            };
            world.nodes.iter().all(has_left)
        })
    }

    /// Whether members that a takeover or a write needs are unclean, or gone.
    pub(super) fn has_lost_too_much(&self) -> bool {
        if self.leader().is_some_and(|leader| self.all_follow(leader)) {
            return false;
        }
        let running = || {
            self.nodes
                .iter()
                .filter_map(|node| Some((node, node.machine.as_ref()?)))
        };
        let longest = running().map(|(_, machine)| (machine.position(), machine.lineage()));
        let Some((_, lineage)) = longest.max_by_key(|(position, _)| *position) else {
            return true;
        };
        lineage.configurations.newest().is_none()
            || lineage.configurations.iter().any(|placed| {
                let its = &placed.configuration;
                let of = |id| running().find(|(node, _)| node.id == id);
                let is_there = |id| of(id).is_some();
                let is_clean = |id| of(id).is_some_and(|(_, machine)| machine.status().is_clean);
                !its.is_promised_by(is_clean) || !its.is_acknowledged_by(is_there)
            })
    }

    /// The server that leads by the greatest ballot.
    pub fn leader(&self) -> Option<usize> {
        let leads = |node: &&Node| {
            let machine = node.machine.as_ref();
            machine.is_some_and(|machine| machine.safe_offset().is_some())
        };
        let ballot = |node: &&Node| node.machine.as_ref().map(|its| its.promised());
        let leaders = self.nodes.iter().filter(leads);
        leaders.max_by_key(ballot).map(|node| node.number)
    }

    pub fn all_follow(&self, leader: usize) -> bool {
        let machine = self.nodes[leader].machine.as_ref().expect("it leads");
        let (status, ballot) = (machine.status(), machine.promised());
        let is_ok = status.state == GroupState::Leader(LeaderState::Ok);
        let follows = |node: &Node| {
            let its = node.machine.as_ref().map(|its| its.status());
            node.number == leader
                || its.is_some_and(|its| its.ballot == Some(ballot) && its.is_clean)
        };
        is_ok && self.nodes.iter().all(follows)
    }

    // --- troubles ---

    pub fn happen(&mut self, trouble: Trouble) {
        let now_ms = self.now_ms;
        let runs = |world: &World, number: usize| {
            let node = &world.nodes[number];
            node.machine.is_some() && node.frozen_ms <= now_ms
        };
        match trouble {
            Trouble::Write(number) if number == self.nodes.len() => {
                if let Some(leader) = self.leader().filter(|&leader| runs(self, leader)) {
                    self.write(leader);
                }
            }
            Trouble::Write(number) if runs(self, number) => {
                self.write(number);
            }
            Trouble::Read(number) if runs(self, number) => self.read(number),
            Trouble::Cut(from, to) if from != to => {
                self.cuts.insert((from, to));
            }
            Trouble::Heal => self.cuts.clear(),
            Trouble::Crash(number, ending, ms) => self.crash(number, ending, ms),
            Trouble::Stop(number, ms) => self.nodes[number].frozen_ms = now_ms + ms,
            Trouble::TakeOver(number) if runs(self, number) => self.order(number),
            Trouble::Follow(number, to) if runs(self, number) && number != to => {
                self.order_to_follow(number, to);
            }
            Trouble::HandOver(number, to) if runs(self, number) && number != to => {
                self.order_to_hand_over(number, to);
            }
            Trouble::BadDisk(number) => {
                let disk = &mut self.nodes[number].disk;
                disk.is_bad = !disk.is_bad;
            }
            Trouble::Add(number, other) if runs(self, number) => {
                let member = Member {
                    id: self.nodes[other].id,
                    address: address_of(other),
                };
                self.change(number, &Change::Add(member));
            }
            Trouble::Remove(number, other) if runs(self, number) => {
                let id = self.nodes[other].id;
                self.change(number, &Change::Remove(id));
            }
            Trouble::Lossy(number) if runs(self, number) => {
                self.figures.lossy += 1;
                self.report(number, Report::TakeOver(TakeoverCause::Lossy));
            }
            Trouble::Set(number, acknowledgements) if runs(self, number) => {
                self.change(number, &Change::Set(acknowledgements));
            }
            _ => {}
        }
    }

    /// A client writes to a server that takes writes.
    pub fn write(&mut self, number: usize) -> Option<u64> {
        let node = &mut self.nodes[number];
        let machine = node.machine.as_ref()?;
        let is_leading = machine.safe_offset().is_some();
        if !node.is_primary || !is_leading || machine.write_gate() != WriteGate::Open {
            return None;
        }
        self.value += 1;
        node.push(Entry::Write(self.value));
        node.waiting.push((self.value, node.end()));
        let value = self.value;
        self.note(|| format!("node {number} runs write {value}"));
        self.report(number, Report::Progress);
        let unsafe_bytes = self.nodes[number].machine().status().unsafe_bytes;
        if unsafe_bytes > WINDOW + 4 {
            self.fail(format!("Q6: node {number} has {unsafe_bytes} unsafe"));
        }
        Some(value)
    }

    /// A client reads everything at a server that leads by a lease.
    pub fn read(&mut self, number: usize) {
        let now_ms = self.now_ms;
        if !self.nodes[number].machine().lease_holds(now_ms) {
            return;
        }
        self.figures.reads += 1;
        let group = self.nodes[number].machine().group();
        let log = &self.nodes[number].log;
        let lacks = |&&(value, end, _, of): &&(u64, ReplOffset, Ballot, GroupId)| {
            Some(of) == group && log.get(end as usize - 1) != Some(&Entry::Write(value))
        };
        if let Some((value, end, ..)) = self.acknowledged.iter().find(lacks).copied() {
            self.fail(format!(
                "Q4: node {number} is read without write {value}@{end}"
            ));
        }
    }

    /// A process ends, and comes back later.
    pub fn crash(&mut self, number: usize, ending: EndCause, ms: u64) {
        if self.nodes[number].machine.is_none() {
            return;
        }
        self.figures.crashes += 1;
        if ending == EndCause::Orderly {
            self.report(number, Report::Ending);
        }
        self.last_id += 1;
        let (now_ms, next_id) = (self.now_ms, self.last_id);
        let node = &mut self.nodes[number];
        node.end_process(ending, next_id);
        node.back_ms = now_ms + ms;
        node.frozen_ms = 0;
        let is_seen = ending == EndCause::Kill || ending == EndCause::Orderly;
        for connection in self.connections.values_mut() {
            for end in 0..2 {
                if connection.ends[end] == number && connection.is_open[end] {
                    if is_seen {
                        connection.close(end, now_ms + 1);
                    } else {
                        connection.is_open[end] = false;
                        connection.ways[end].clear();
                        connection.stuck_since = Some(now_ms);
                    }
                }
            }
        }
    }

    /// An order to take over.
    pub fn order(&mut self, number: usize) {
        self.report(number, Report::TakeOver(TakeoverCause::Order));
    }

    /// An order to hand over to another node.
    pub fn order_to_hand_over(&mut self, number: usize, to: usize) {
        self.report(number, Report::HandOver(address_of(to)));
    }

    /// An order to follow.
    pub fn order_to_follow(&mut self, number: usize, to: usize) {
        self.report(number, Report::Follow(address_of(to)));
        self.replicate(number, to);
    }

    pub(super) fn replicate(&mut self, number: usize, to: usize) {
        self.close_links(number, |connection| connection.its == Use::Stream);
        let node = &mut self.nodes[number];
        (node.is_primary, node.follows, node.redial_ms) = (false, Some(to), 0);
    }

    /// A change of the members.
    pub fn change(&mut self, number: usize, change: &Change) {
        if self.nodes[number].machine().change(change).is_ok() {
            self.figures.changes += 1;
            self.carry_out(number);
        }
    }

    /// Open connections to a server.
    pub fn links_to(&self, at: usize, its: Use) -> usize {
        let is_its = |c: &&Connection| c.ends[1] == at && c.is_open[1] && c.its == its;
        self.connections.values().filter(is_its).count()
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        self.cuts.extend([(a, b), (b, a)]);
    }

    // --- the authority ---

    pub(super) fn is_alive(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.machine.is_some() && node.frozen_ms <= self.now_ms
    }

    /// Names a leader if there is none, and sends all others to the leader.
    pub(super) fn rule(&mut self) {
        let is_due = self.now_ms >= self.authority_ms;
        if !is_due || !(self.is_calm || self.plan.has_authority) {
            return;
        }
        self.authority_ms = self.now_ms + 300;
        let leader = self.leader().filter(|&leader| self.is_alive(leader));
        if let Some(leader) = leader {
            self.leaderless_since = None;
            for number in 0..self.nodes.len() {
                let node = &self.nodes[number];
                let is_lost = node.is_primary || node.follows != Some(leader);
                if number != leader && is_lost && self.is_alive(number) {
                    self.note(|| format!("the authority sends {number} to {leader}"));
                    self.order_to_follow(number, leader);
                }
            }
            return;
        }
        let now_ms = self.now_ms;
        let since_ms = *self.leaderless_since.get_or_insert(now_ms);
        if now_ms >= since_ms + 2000 {
            // The longest position first, later another.
            self.leaderless_since = Some(now_ms);
            let alive = (0..self.nodes.len()).filter(|&number| self.is_alive(number));
            let mut alive: Vec<usize> = alive.collect();
            alive.sort_by_key(|&number| {
                let machine = self.nodes[number].machine.as_ref().expect("it runs");
                (machine.is_member(), machine.position())
            });
            let best = alive.len().saturating_sub(1 + self.random.place(10) / 7);
            if let Some(&number) = alive.get(best) {
                self.note(|| format!("the authority orders {number} to lead"));
                self.order(number);
            }
        }
    }
}
