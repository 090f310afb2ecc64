//! Machines on a network, a clock, clients that write. One seed decides everything. Invariants are
//! checked as actions are carried out (`checks`).

use std::collections::BTreeSet;

use super::checks::Checks;
use super::data::Change;
use super::machine::{BUS_PORT, Machine, at_ip};
use super::network::{At, Network, Parcel};
use crate::actions::{Action, Order};
use crate::conf::Saved;
use crate::core::{After, Cluster, Host, TICK_MS};
use crate::message::SLOTS;
use crate::ownership::route::{Keys, Request};
use crate::ownership::viewer::Viewer;
use russet_config::Dialect;
use russet_host::{Level, LinkId, Machine as _, Now, Random};
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

    /// True once in `once_in` times, at random.
    pub(super) fn chance(&mut self, once_in: i64) -> bool {
        self.random.below(once_in) == 0
    }

    pub(super) fn any_machine(&mut self) -> At {
        let count = self.machines.len() as i64;
        self.random.below(count) as At
    }

    /// A slot that clients write to.
    pub(super) fn any_slot(&mut self) -> u16 {
        written_slots()
            .nth(self.random.below(WRITTEN_SLOTS.into()) as usize)
            .expect("one of them")
    }

    /// Starts a server with its file and its data.
    pub(super) fn start(&mut self, at: At) {
        let seed = self.random.next();
        let now = self.now;
        let machine = &mut self.machines[at];
        let saved = if machine.file.is_empty() {
            Saved::fresh(seed)
        } else {
            Saved::parse(&machine.file).expect("our own file")
        };
        self.checks.restarted(at, &saved);
        let mut core = Cluster::new(saved, machine.settings(), seed, machine.clock(now));
        let own = machine.own(now, 0);
        let data = &machine.data;
        core.own(machine.clock(now), own);
        core.loaded(machine.clock(now), &|slot| data.keys_in(slot));
        machine.core = Some(core);
        machine.next_tick = now + now % TICK_MS as i64;
        self.carry_out(at);
    }

    /// The process dies, and all that it had not saved is lost. `is_silent`: the whole host dies,
    /// with all that it had not synced, and the other ends of its links stay open for a minute.
    pub(super) fn crash(&mut self, at: At, is_silent: bool) {
        let machine = &mut self.machines[at];
        machine.core = None;
        (machine.follows, machine.paused_until) = (None, 0);
        if is_silent {
            machine.file.clone_from(&machine.synced_file);
        }
        let due = self.now + if is_silent { 60_000 } else { 1 };
        for link in self.network.links_of(at) {
            self.network.close(at, link, due);
        }
    }

    pub(super) fn is_up(&self, at: At) -> bool {
        self.machines[at].core.is_some()
    }

    fn is_awake(&self, at: At) -> bool {
        self.is_up(at) && self.machines[at].frozen_until <= self.now
    }

    pub(super) fn core(&self, at: At) -> &Cluster {
        self.machines[at].core.as_ref().expect("it is running")
    }

    pub(super) fn up(&self) -> Vec<At> {
        (0..self.machines.len())
            .filter(|at| self.is_up(*at))
            .collect()
    }

    fn delay(&mut self) -> i64 {
        self.now + 1 + self.random.below(30)
    }

    /// Time passes.
    pub(super) fn run_ms(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += STEP_MS;
            self.move_parcels();
            for at in 0..self.machines.len() {
                self.replicate(at);
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

    fn check(&mut self) {
        for at in self.up() {
            let awake = (0..self.machines.len()).filter(|other| self.is_awake(*other));
            let received_at = awake.filter(|other| self.network.leads(*other, at));
            let received_at: Vec<At> = received_at.collect();
            let both = received_at
                .iter()
                .copied()
                .filter(|other| self.network.leads(at, *other));
            let both: Vec<At> = both.collect();
            self.checks
                .reaches(at, &self.machines, [&received_at, &both], self.now);
            let core = self.machines[at].core.as_ref().expect("it is up");
            self.checks.look(at, core);
        }
    }

    /// Calls a core, and carries out its actions.
    pub(super) fn drive<T>(
        &mut self,
        at: At,
        act: impl FnOnce(&mut Cluster, Now) -> T,
    ) -> Option<T> {
        let now = self.now;
        let online = self.followers(at).len();
        let machine = &mut self.machines[at];
        let (clock, own) = (machine.clock(now), machine.own(now, online));
        let core = machine.core.as_mut()?;
        core.own(clock, own);
        let out = act(core, clock);
        self.carry_out(at);
        Some(out)
    }

    /// A core gets bytes by one of its links.
    pub(super) fn receive(&mut self, at: At, link: LinkId, bytes: &[u8]) {
        self.drive(at, |core, now| core.received(now, link, bytes));
    }

    fn carry_out(&mut self, at: At) {
        while let Some(core) = &mut self.machines[at].core
            && let Some(action) = core.pop()
        {
            self.carry_out_one(at, action);
        }
    }

    fn carry_out_one(&mut self, at: At, action: Action) {
        let now = self.now;
        match action {
            Action::Dial { link, host, port } => {
                let to = at_ip(&host, self.machines.len()).filter(|_| port == BUS_PORT);
                let due = self.delay();
                match to {
                    Some(to) => self.network.dial(at, link, to, due),
                    None => {
                        let machine = &mut self.machines[at];
                        let clock = machine.clock(now);
                        let core = machine.core.as_mut().expect("it is running");
                        core.refused(clock, link, "No route to host");
                    }
                }
            }
            Action::Send { link, bytes } => {
                let to = self.network.peer(at, link);
                self.checks.sends(at, to, &bytes, &self.machines[at]);
                let due = self.delay();
                self.network.send(at, link, due, Parcel::Bytes(bytes));
            }
            Action::Close(link) => {
                let due = self.delay();
                self.network.close(at, link, due);
            }
            Action::Persist { sync } => {
                if self.has_accidents && self.chance(400) {
                    return self.crash(at, false);
                }
                let machine = &mut self.machines[at];
                let clock = machine.clock(now);
                let core = machine.core.as_mut().expect("it is running");
                if !machine.has_bad_disk {
                    machine.file = core.conf();
                    if sync {
                        machine.synced_file.clone_from(&machine.file);
                    }
                }
                core.persisted(clock, !machine.has_bad_disk);
            }
            Action::Log { level, text } => {
                self.checks.logged(at, &text, now);
                if level > Level::Verbose {
                    self.machines[at].log.push((now, text));
                }
            }
            Action::Order(order) => self.obey(at, order),
            Action::Resolve(_) => panic!("a node knows addresses only"),
        }
    }

    fn obey(&mut self, at: At, order: Order) {
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
            Order::PauseWrites { until_ms } => self.machines[at].paused_until = until_ms,
            Order::ResumeWrites => self.machines[at].paused_until = 0,
            // Its copy is of no use here.
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
            Order::DropShardChannels(_)
            | Order::FlushSlot(_)
            | Order::RoutesChanged
            | Order::Deliver { .. } => {}
        }
    }

    fn follow(&mut self, at: At, primary: At) {
        assert_ne!(at, primary, "a server that replicates from itself");
        let clock = self.machines[at].clock(self.now);
        let machine = &mut self.machines[at];
        if machine.follows != Some(primary) {
            machine.follows = Some(primary);
            (machine.is_link_up, machine.received_ms) = (false, clock.monotonic_ms);
            machine.is_synced = false;
        }
    }

    /// The machines that replicate from this one, by links that are up.
    fn followers(&self, primary: At) -> Vec<At> {
        let follows = |at: &At| {
            let machine = &self.machines[*at];
            machine.follows == Some(primary) && machine.is_link_up && self.is_up(*at)
        };
        (0..self.machines.len()).filter(follows).collect()
    }

    fn propagate(&mut self, at: At, words: &[Vec<u8>]) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        for replica in self.followers(at) {
            self.command_as(replica, &words, true);
        }
    }

    /// A change of a server's data, by its clients or its core.
    pub(super) fn change(&mut self, at: At, change: Change) {
        let (number, now) = (self.number(), self.now);
        self.machines[at].data.change(number, now, change);
    }

    /// A replica applies the changes of its primary's stream that have reached it.
    fn replicate(&mut self, at: At) {
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
        let clock = self.machines[at].clock(self.now);
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
    pub(super) fn serves(&self, at: At, slot: u16) -> bool {
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

    /// Carries a command out, and returns its reply; an empty one of a machine that is down.
    pub(super) fn command(&mut self, at: At, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        if self.is_awake(at) {
            self.command_as(at, &words, false)
        } else {
            String::new()
        }
    }

    pub(super) fn command_as(&mut self, at: At, words: &[&[u8]], is_from_primary: bool) -> String {
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
                (Some(After::Acknowledged { .. }), Some(_)) if !is_acknowledged => {
                    self.propagate(at, &owned());
                    is_acknowledged = true;
                    continue;
                }
                (Some(After::Persist { otherwise }), Some(core)) if !core.is_saved() => {
                    text = otherwise;
                }
                (_, Some(_)) => text = reply.take_text(),
                (_, None) => {}
            }
            return String::from_utf8(text).expect("UTF-8");
        }
    }

    /// Delivers the parcels that are due, link by link, in order.
    fn move_parcels(&mut self) {
        let pipes: Vec<u64> = self.network.pipes.keys().copied().collect();
        for number in pipes {
            self.open_pipe(number);
            for end in 0..2 {
                self.move_to_end(number, end);
            }
        }
    }

    fn open_pipe(&mut self, number: u64) {
        let Some(pipe) = self.network.pipes.get(&number) else {
            return;
        };
        let [from, to] = [pipe.ends[0].machine, pipe.ends[1].machine];
        let is_due = pipe.accepted_at.is_some_and(|at| at <= self.now);
        let Some(link) = pipe.ends[0].link else {
            // Given up before it came about.
            if pipe.accepted_at.is_some() {
                self.network.remove(number);
            }
            return;
        };
        if !is_due || !self.network.is_open(from, to) || !self.is_awake(from) {
            return;
        }
        let [here, there] = [from, to].map(|at| self.machines[at].ip.clone());
        let accepted = if self.is_awake(to) {
            self.drive(to, |core, now| {
                core.accepted(now, here.as_bytes(), there.as_bytes())
            })
            .flatten()
        } else {
            None
        };
        match accepted {
            Some(accepted) => {
                self.network.accept(number, accepted);
                self.drive(from, |core, now| core.opened(now, link, here.as_bytes()));
            }
            None if self.machines[to].frozen_until > self.now => {}
            None => {
                self.network.remove(number);
                self.drive(from, |core, now| {
                    core.refused(now, link, "Connection refused")
                });
            }
        }
    }

    fn move_to_end(&mut self, number: u64, end: usize) {
        while let Some(pipe) = self.network.pipes.get_mut(&number)
            && let Some(link) = pipe.ends[end].link
            && let Some((due, _)) = pipe.under_way[end].front()
            && *due <= self.now
        {
            let [to, from] = [pipe.ends[end].machine, pipe.ends[1 - end].machine];
            if !self.is_awake(to) || !self.network.passes(number, end) {
                return;
            }
            let breaks = self.has_accidents && self.chance(20_000);
            let pipe = self.network.pipes.get_mut(&number).expect("it is there");
            match pipe.under_way[end].pop_front() {
                Some((_, Parcel::Bytes(bytes))) if !breaks => {
                    let cut = self.random.below(bytes.len() as i64) as usize;
                    self.drive(to, |core, now| {
                        core.received(now, link, &bytes[..cut]);
                        core.received(now, link, &bytes[cut..]);
                    });
                }
                _ => {
                    let other = pipe.ends[1 - end].link;
                    self.network.remove(number);
                    self.drive(to, |core, now| core.closed(now, link, false));
                    if let Some(other) = other {
                        self.drive(from, |core, now| core.closed(now, other, false));
                    }
                }
            }
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
        let machine = |at: At| {
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
