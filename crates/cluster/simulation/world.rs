//! Machines on a network, a clock, clients that write. One seed decides everything. Invariants are
//! checked as actions are carried out (`checks`).

use std::collections::BTreeSet;

use super::checks::Checks;
use super::data::Change;
use super::machine::{BUS_PORT, Machine, at_ip};
use crate::actions::{Action, Order};
use crate::conf::NodesConf;
use crate::core::{Cluster, Host, ReplyCondition, TICK_MS};
use crate::message::SLOTS;
use crate::ownership::route::{Keys, Request};
use crate::ownership::viewer::Viewer;
use russet_config::Dialect;
use russet_host::simulation::{self, MachineId, Network, World as _};
use russet_host::{Event, Level, LinkId, Machine as _, Now, Random};
use russet_resp::Reply;

/// The step of the simulated time.
pub(super) const STEP_MS: i64 = 20;
/// Slots that clients write to: this many, evenly spread.
pub(super) const WRITTEN_SLOTS: u16 = 32;

pub(super) struct World {
    pub now: i64,
    pub random: Random,
    pub machines: Vec<Machine>,
    pub network: Network,
    pub checks: Checks,
    /// Slots whose move an operator has given up.
    pub given_up: BTreeSet<u16>,
    /// Clients write.
    pub(crate) has_clients: bool,
    /// Saves may be interrupted by a crash, links may break.
    pub(crate) has_accidents: bool,
    /// The last number of a change, or of a write.
    numbers: u64,
    /// The events so far, for a failed test.
    events: Vec<String>,
}

impl World {
    pub(super) fn new(dialects: &[Dialect], seed: u64) -> World {
        let numbered = dialects.iter().enumerate();
        let machines = numbered.map(|(at, dialect)| Machine::new(at, *dialect));
        let mut world = World {
            now: 1_000_000,
            random: Random(seed),
            machines: machines.collect(),
            network: Network::default(),
            checks: Checks::new(dialects.len()),
            given_up: BTreeSet::new(),
            has_clients: false,
            has_accidents: false,
            numbers: 0,
            events: Vec::new(),
        };
        for at in 0..dialects.len() {
            world.start(at);
        }
        world
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn note(&mut self, event: String) {
        self.events.push(format!("{} {event}", self.now));
    }

    pub(super) fn any_machine(&mut self) -> MachineId {
        let count = self.machines.len() as i64;
        self.random.below(count) as MachineId
    }

    /// A slot that clients write to.
    pub(super) fn any_slot(&mut self) -> u16 {
        written_slots()
            .nth(self.random.below(WRITTEN_SLOTS.into()) as usize)
            .expect("one of them")
    }

    /// Starts a server with its file and its data.
    pub(super) fn start(&mut self, at: MachineId) {
        let seed = self.random.next_u64();
        let now = self.now;
        let machine = &mut self.machines[at];
        let saved = if machine.disk.file.is_empty() {
            NodesConf::fresh(seed)
        } else {
            NodesConf::parse(&machine.disk.file).expect("our own file")
        };
        self.checks.restarted(at, &saved);
        let mut core = Cluster::new(saved, machine.settings(), seed, machine.clock.at(now));
        let own = machine.own(now, 0);
        let data = &machine.data;
        core.own(machine.clock.at(now), own);
        core.loaded(machine.clock.at(now), &|slot| data.keys_in(slot));
        machine.core = Some(core);
        machine.next_tick = now + now % TICK_MS as i64;
        self.carry_out(at);
    }

    /// The process dies, and all that it had not saved is lost. `is_silent`: the whole host dies,
    /// with all that it had not synced, and the other ends of its links stay open for a minute.
    pub(super) fn crash(&mut self, at: MachineId, is_silent: bool) {
        let machine = &mut self.machines[at];
        machine.core = None;
        (machine.follows, machine.paused_until) = (None, 0);
        machine.answers_at = None;
        if is_silent {
            machine.disk.crash();
        }
        let due = self.now + if is_silent { 60_000 } else { 1 };
        for link in self.network.links_of(at) {
            self.network.close(at, link, due);
        }
    }

    pub(super) fn is_up(&self, at: MachineId) -> bool {
        self.machines[at].core.is_some()
    }

    pub(super) fn core(&self, at: MachineId) -> &Cluster {
        self.machines[at].core.as_ref().expect("it is running")
    }

    pub(super) fn up(&self) -> Vec<MachineId> {
        (0..self.machines.len())
            .filter(|at| self.is_up(*at))
            .collect()
    }

    /// Time passes.
    pub(super) fn run_ms(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += STEP_MS;
            self.move_parcels();
            for at in 0..self.machines.len() {
                self.replicate(at);
                self.answer_candidate(at);
                if self.is_awake(at) && self.machines[at].next_tick <= self.now {
                    self.machines[at].next_tick = self.now + TICK_MS as i64;
                    self.drive(at, |core, now| core.tick(now));
                }
            }
            if self.has_clients {
                for _ in 0..8 {
                    self.write();
                }
            }
            self.check();
        }
    }

    /// Runs until the condition holds, at most for this time. Returns the time that it took;
    /// `None`: it does not hold.
    pub(super) fn run_until(&mut self, ms: i64, holds: impl Fn(&World) -> bool) -> Option<i64> {
        let begin = self.now;
        while self.now < begin + ms && !holds(self) {
            self.run_ms(STEP_MS);
        }
        holds(self).then_some(self.now - begin)
    }

    /// The members of a machine's group have promised it to lead, or not enough of them have.
    fn answer_candidate(&mut self, at: MachineId) {
        let now = self.now;
        let is_due = self.machines[at].answers_at.is_some_and(|due| due <= now);
        if is_due && self.is_awake(at) {
            self.machines[at].answers_at = None;
            let outcome = if self.chance(4) {
                Err("NOQUORUM")
            } else {
                Ok(())
            };
            self.drive(at, |core, now| core.taken_over(now, outcome));
        }
    }

    fn check(&mut self) {
        for at in self.up() {
            let awake = (0..self.machines.len()).filter(|other| self.is_awake(*other));
            let received_at = awake.filter(|other| self.network.leads(*other, at));
            let received_at: Vec<MachineId> = received_at.collect();
            let both = received_at
                .iter()
                .copied()
                .filter(|other| self.network.leads(at, *other));
            let both: Vec<MachineId> = both.collect();
            self.checks
                .reaches(at, &self.machines, [&received_at, &both], self.now);
            let core = self.machines[at].core.as_ref().expect("it is up");
            self.checks.look(at, core);
        }
    }

    /// Calls a core, and carries out its actions.
    pub(super) fn drive<T>(
        &mut self,
        at: MachineId,
        act: impl FnOnce(&mut Cluster, Now) -> T,
    ) -> Option<T> {
        let now = self.now;
        let online = self.followers(at).len();
        let machine = &mut self.machines[at];
        let (clock, own) = (machine.clock.at(now), machine.own(now, online));
        let core = machine.core.as_mut()?;
        core.own(clock, own);
        let out = act(core, clock);
        self.carry_out(at);
        Some(out)
    }

    fn carry_out(&mut self, at: MachineId) {
        while let Some(core) = &mut self.machines[at].core
            && let Some(action) = core.pop()
        {
            self.carry_out_one(at, action);
        }
    }

    fn carry_out_one(&mut self, at: MachineId, action: Action) {
        let now = self.now;
        if let Action::Send { link, bytes } = &action {
            let to = self.network.peer(at, *link);
            self.checks.sends(at, to, bytes, &self.machines[at]);
        }
        let Some(action) = self.on_network(at, action) else {
            return;
        };
        match action {
            Action::Persist { sync } => {
                if self.has_accidents && self.chance(400) {
                    return self.crash(at, false);
                }
                let machine = &mut self.machines[at];
                let clock = machine.clock.at(now);
                let core = machine.core.as_mut().expect("it is running");
                let is_saved = machine.disk.save(core.conf(), sync);
                core.persisted(clock, is_saved);
            }
            Action::Log { level, text } => {
                self.checks.logged(at, &text, now);
                if level > Level::Verbose {
                    self.machines[at].log.push((now, text));
                }
            }
            Action::Order(order) => self.obey(at, order),
            _ => panic!("a node knows addresses only"),
        }
    }

    fn obey(&mut self, at: MachineId, order: Order) {
        let now = self.now;
        match order {
            Order::Follow { ip, .. } => {
                if let Some(primary) = at_ip(&ip, self.machines.len()) {
                    self.follow(at, primary);
                }
            }
            Order::Lead => {
                self.machines[at].follows = None;
                self.checks.leads(at, &self.machines, now);
            }
            Order::TakeOver => {
                self.machines[at].answers_at = Some(now + self.random.below(800));
            }
            Order::PauseWrites { until_ms } => self.machines[at].paused_until = until_ms,
            Order::ResumeWrites => self.machines[at].paused_until = 0,
            // The copy is of no use here.
            Order::LoseSlots(_) if self.core(at).is_replica() => {}
            Order::DropSlots(ranges) | Order::LoseSlots(ranges) => {
                assert!(
                    !self.core(at).is_replica(),
                    "a replica hears of it by the stream"
                );
                for slot in self.machines[at].data.slots() {
                    if ranges
                        .iter()
                        .any(|(first, last)| (*first..=*last).contains(&slot))
                    {
                        assert!(!self.core(at).is_mine(slot), "keys of our own slot {slot}");
                        self.change(at, Change::Drop(slot));
                    }
                }
            }
            Order::Flush => self.change(at, Change::Flush),
            Order::LeaveGroup
            | Order::DropShardChannels(_)
            | Order::FlushSlot(_)
            | Order::RoutesChanged
            | Order::Question { .. }
            | Order::AskAgain { .. }
            | Order::Deliver { .. } => {}
        }
    }

    fn follow(&mut self, at: MachineId, primary: MachineId) {
        assert_ne!(at, primary, "a server that replicates from itself");
        let clock = self.machines[at].clock.at(self.now);
        let machine = &mut self.machines[at];
        if machine.follows != Some(primary) {
            machine.follows = Some(primary);
            (machine.is_link_up, machine.received_ms) = (false, clock.monotonic_ms);
            machine.is_synced = false;
        }
    }

    /// The machines that replicate from this machine, by links that are up.
    fn followers(&self, primary: MachineId) -> Vec<MachineId> {
        let follows = |at: &MachineId| {
            let machine = &self.machines[*at];
            machine.follows == Some(primary) && machine.is_link_up && self.is_up(*at)
        };
        (0..self.machines.len()).filter(follows).collect()
    }

    fn propagate(&mut self, at: MachineId, words: &[Vec<u8>]) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        for replica in self.followers(at) {
            self.command_as(replica, &words, true);
        }
    }

    /// A change of a server's data, by its clients or its core.
    pub(super) fn change(&mut self, at: MachineId, change: Change) {
        let (number, now) = (self.number(), self.now);
        self.machines[at].data.change(number, now, change);
    }

    /// A replica applies the changes of its primary's stream that have reached it.
    fn replicate(&mut self, at: MachineId) {
        let Some(primary) = self.machines[at].follows.filter(|_| self.is_awake(at)) else {
            return;
        };
        if !self.is_up(primary) {
            self.machines[at].is_link_up = false;
            return;
        }
        if !self.network.is_open(at, primary) || !self.is_awake(primary) {
            return;
        }
        let until = self.now - self.random.below(60);
        let clock = self.machines[at].clock.at(self.now);
        let [machine, primary] = self.machines.get_disjoint_mut([at, primary]).expect("two");
        machine.data.follow(&primary.data, until);
        (machine.is_link_up, machine.received_ms) = (true, clock.monotonic_ms);
        machine.is_synced = true;
    }

    /// A client of some machine writes to some slot, if the machine takes it.
    fn write(&mut self) {
        let (at, slot) = (self.any_machine(), self.any_slot());
        if !self.is_awake(at) || !self.serves(at, slot) {
            return;
        }
        let write = self.number();
        self.change(at, Change::Add(slot, write));
        let wrote = self
            .checks
            .wrote((at, slot, write), &self.machines[at], self.now);
        wrote.unwrap_or_else(|why| panic!("{why}: {}", self.shown()));
    }

    /// Whether a write to this slot is taken at once.
    pub(super) fn serves(&self, at: MachineId, slot: u16) -> bool {
        let machine = &self.machines[at];
        let request = Request {
            slot,
            is_write: true,
            is_shard_pubsub: false,
            is_asking: false,
            is_readonly: false,
            is_migrate: false,
            has_several_keys: false,
            // A new key, which the next owner of a slot that moves would take.
            keys: &|| Keys::None,
        };
        let core = self.core(at);
        let is_taken = core.route(&request).is_ok();
        assert!(
            is_taken || !core.serves(slot),
            "the short way and the long one"
        );
        is_taken && machine.follows.is_none() && !machine.is_paused(self.now)
    }

    /// Carries a command out, and returns its reply; empty if the machine is down.
    pub(super) fn command(&mut self, at: MachineId, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        if self.is_awake(at) {
            self.command_as(at, &words, false)
        } else {
            String::new()
        }
    }

    pub(super) fn command_as(
        &mut self,
        at: MachineId,
        words: &[&[u8]],
        is_from_primary: bool,
    ) -> String {
        let (mut is_acknowledged, mut text) = (false, Vec::new());
        let data = self.machines[at].data.clone();
        loop {
            let mut reply = Reply::new();
            let host = Host {
                viewer: Viewer::default(),
                keys_in_slot: &|slot| data.keys_in(slot),
                unsent: &|_| (0, 0),
                is_from_primary,
                may_wait: true,
                is_acknowledged,
            };
            let mut is_for_replicas = false;
            let after = self.drive(at, |core, now| {
                let after = core.command(now, words, &host, &mut reply);
                is_for_replicas = core.take_is_for_replicas();
                after
            });
            let owned = || words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
            if is_for_replicas {
                self.propagate(at, &owned());
            }
            match (after, &self.machines[at].core) {
                (Some(ReplyCondition::Acknowledged { .. }), Some(_)) if !is_acknowledged => {
                    self.propagate(at, &owned());
                    is_acknowledged = true;
                    continue;
                }
                (Some(ReplyCondition::Persist { otherwise }), Some(core)) if !core.is_saved() => {
                    text = otherwise;
                }
                (_, Some(_)) => text = reply.take_text(),
                (_, None) => {}
            }
            return String::from_utf8(text).expect("UTF-8");
        }
    }

    /// Whether all machines see one cluster, which is well: the same nodes, roles, slots; no node
    /// fails.
    pub(super) fn agrees(&self) -> bool {
        self.disagreement().is_none()
    }

    /// Why the machines do not agree; `None`: they do.
    pub(super) fn disagreement(&self) -> Option<String> {
        let views: Vec<_> = self
            .up()
            .iter()
            .map(|at| View::of(self.core(*at)))
            .collect();
        let first = views.first()?;
        for (at, view) in self.up().into_iter().zip(&views) {
            if !view.is_ok {
                return Some(format!("{at} is not ok"));
            }
            if let Some(node) = view.nodes.iter().find(|node| node.is_failing) {
                return Some(format!("{at} sees {node:?} failing"));
            }
            if view != first {
                return Some(format!("{at} sees {view:?}, 0 sees {first:?}"));
            }
        }
        None
    }

    /// How many writes were acknowledged, and how many of them may be lost; no other is.
    pub(super) fn survived(&self) -> (usize, usize) {
        let survived = self.checks.survived(&self.machines);
        survived.unwrap_or_else(|lost| panic!("{lost}: {}", self.shown()))
    }

    /// The view of each machine, for a failed test.
    pub(super) fn shown(&self) -> String {
        let machine = |at: MachineId| {
            let machine = &self.machines[at];
            let last: Vec<String> = machine
                .log
                .iter()
                .rev()
                .take(16)
                .rev()
                .map(|(at, text)| format!("  {at} {text}"))
                .collect();
            let file = machine.core.as_ref().map_or(Vec::new(), Cluster::conf);
            let file = String::from_utf8_lossy(&file).into_owned();
            format!(
                "== {at} {:?} up: {}\n{file}{}",
                machine.dialect,
                self.is_up(at),
                last.join("\n")
            )
        };
        let machines: Vec<String> = (0..self.machines.len()).map(machine).collect();
        let (now, events) = (self.now, self.events.join("\n"));
        format!("now {now}\n{events}\n{}", machines.join("\n"))
    }
}

impl simulation::World for World {
    fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn now_ms(&self) -> i64 {
        self.now
    }

    fn is_awake(&self, at: MachineId) -> bool {
        self.is_up(at) && !self.is_frozen(at)
    }

    fn is_frozen(&self, at: MachineId) -> bool {
        self.machines[at].clock.is_frozen(self.now)
    }

    fn ip(&self, at: MachineId) -> String {
        self.machines[at].ip.clone()
    }

    fn accept(&mut self, at: MachineId, peer_ip: &[u8], local_ip: &[u8]) -> Option<LinkId> {
        self.drive(at, |core, now| core.accept(now, peer_ip, local_ip))?
    }

    fn event(&mut self, at: MachineId, event: Event<'_>) {
        self.drive(at, |core, now| core.event(now, &(), event));
    }

    fn find(&self, _: MachineId, host: &[u8], port: u16) -> Option<MachineId> {
        at_ip(host, self.machines.len()).filter(|_| port == BUS_PORT)
    }

    fn breaks(&mut self) -> bool {
        self.has_accidents && self.chance(20_000)
    }
}

pub(super) fn written_slots() -> impl Iterator<Item = u16> {
    (0..SLOTS).step_by(usize::from(SLOTS / WRITTEN_SLOTS))
}

/// A node's view of its cluster, comparable with another's.
#[derive(Debug, PartialEq, Eq)]
struct View {
    is_ok: bool,
    nodes: Vec<SeenNode>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SeenNode {
    id: String,
    primary: Option<String>,
    epoch: u64,
    slots: Vec<(u16, u16)>,
    is_failing: bool,
}

impl View {
    fn of(core: &Cluster) -> View {
        let seen = core.nodes.iter().map(|(_, node)| SeenNode {
            id: node.id.to_string()[..6].to_owned(),
            primary: node
                .primary
                .map(|at| core.nodes[at].id.to_string()[..6].to_owned()),
            epoch: if node.is_replica() {
                0
            } else {
                node.config_epoch
            },
            slots: node.slots.view().ranges(),
            is_failing: node.is_failing() || node.is_handshake() || !node.has_address(),
        });
        let mut nodes: Vec<SeenNode> = seen.collect();
        nodes.sort();
        View {
            is_ok: core.is_ok(),
            nodes,
        }
    }
}
