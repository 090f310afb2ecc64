//! The cluster in the world: events and orders of nodes, and an operator with redis-cli.

use super::broken::Broken;
use super::commands::{host_of, ip_of};
use super::data::written_slots;
use super::member::{BUS_PORT, own_of};
use super::world::{CLUSTER, HOSTS, PRIMARIES, Process, World, bus_door};
use russet_cluster::{Action, Cluster, Host, Order, ReplyCondition, Viewer};
use russet_host::simulation::World as _;
use russet_host::{Event, LinkId, Machine, Now};
use russet_resp::Reply;

impl World {
    /// The core of a host's node, or `None` if the process does not run.
    pub fn core(&self, host: usize) -> Option<&Cluster> {
        self.server(host).member.as_ref()?.core.as_ref()
    }

    /// Calls a core, and carries out its actions.
    pub fn drive<T>(&mut self, host: usize, act: impl FnOnce(&mut Cluster, Now) -> T) -> Option<T> {
        let clock = self.clock(host);
        let own = own_of(self.server(host), clock);
        let core = self.server_mut(host).member.as_mut()?.core.as_mut()?;
        core.own(clock, own);
        let result = act(core, clock);
        self.obey_member(host);
        Some(result)
    }

    pub fn on_bus(&mut self, host: usize, event: Event<'_>) {
        self.drive(host, |core, now| core.event(now, &(), event));
    }

    pub fn accept_on_bus(&mut self, host: usize, peer: &[u8], local: &[u8]) -> Option<LinkId> {
        self.drive(host, |core, now| core.accept(now, peer, local))?
    }

    /// Carries out a node's actions.
    pub fn obey_member(&mut self, host: usize) {
        while let Process::Server(server) = &mut self.hosts[host].process
            && let Some(member) = &mut server.member
            && let Some(core) = &mut member.core
            && let Some(action) = core.pop()
        {
            match action {
                Action::Persist { sync } => {
                    let is_saved = member.disk.save(core.conf(), sync);
                    let clock = self.clock(host);
                    let core = self.server_mut(host).member.as_mut();
                    if let Some(core) = core.and_then(|member| member.core.as_mut()) {
                        core.persisted(clock, is_saved);
                    }
                }
                Action::Log { text, .. } => self.note(|| format!("host {host}: {text}")),
                Action::Order(order) => self.obey_order(host, order),
                action => _ = self.on_network(bus_door(host), action),
            }
        }
    }

    fn obey_order(&mut self, host: usize, order: Order) {
        match order {
            Order::Follow { ip, .. } => {
                if let Some(to) = host_of(&ip) {
                    self.follow(host, to);
                }
            }
            Order::Lead => {
                self.lead(host);
                self.lead_moves(host);
            }
            Order::PauseWrites { until_ms } => self.pause(host, until_ms),
            Order::ResumeWrites => self.pause(host, 0),
            Order::DropSlots(ranges) => self.drop_slots(host, written_in(&ranges)),
            Order::LoseSlots(ranges) => self.lose_slots(host, written_in(&ranges)),
            Order::Flush => {
                let node = &mut self.server_mut(host).node;
                if node.is_primary() {
                    node.write(&[(b"flush", 0)]);
                }
                self.flush_moves(host);
            }
            Order::RoutesChanged => self.review_moves(host),
            // Without groups these do not come.
            Order::TakeOver | Order::LeaveGroup => {}
            Order::FlushSlot(_)
            | Order::DropShardChannels(_)
            | Order::Question { .. }
            | Order::AskAgain { .. }
            | Order::Deliver { .. } => {}
        }
    }

    fn pause(&mut self, host: usize, until_ms: i64) {
        if let Some(member) = &mut self.server_mut(host).member {
            member.paused_until = until_ms;
        }
    }

    /// Runs CLUSTER ..., and returns its reply; empty if the process is down.
    pub fn command(&mut self, host: usize, words: &[&[u8]], is_from_primary: bool) -> String {
        let data = self.server(host).node.data.clone();
        let mut is_acknowledged = false;
        loop {
            let mut reply = Reply::new();
            let around = Host {
                viewer: Viewer::default(),
                keys_in_slot: &|slot| data.count(slot),
                unsent: &|_| (0, 0),
                is_from_primary,
                may_wait: true,
                is_acknowledged,
            };
            let after = self.drive(host, |core, now| {
                let after = core.command(now, words, &around, &mut reply);
                (after, core.take_is_for_replicas())
            });
            let Some((after, is_for_replicas)) = after else {
                return String::new();
            };
            let node = &mut self.server_mut(host).node;
            let waits = matches!(after, ReplyCondition::Acknowledged { .. }) && !is_acknowledged;
            if (is_for_replicas || waits) && node.is_primary() {
                node.append(words);
            }
            if waits {
                // The replica gets it before any later message of this world.
                is_acknowledged = true;
                continue;
            }
            let is_saved = self.core(host).is_some_and(Cluster::is_saved);
            let text = match after {
                ReplyCondition::Persist { otherwise } if !is_saved => otherwise,
                _ => reply.take_text(),
            };
            return String::from_utf8_lossy(&text).into_owned();
        }
    }

    fn order(&mut self, host: usize, line: &str) -> bool {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.is_awake_host(host) && self.command(host, &words, false) == "+OK\r\n"
    }

    /// A cluster as `redis-cli --cluster create` makes it: primaries, then a replica of each.
    pub fn create_cluster(&mut self) -> Result<(), String> {
        for n in 0..PRIMARIES {
            let bound = |n: usize| n * 16_384 / PRIMARIES;
            let (first, last) = (bound(n), bound(n + 1) - 1);
            let is_added = self.order(
                CLUSTER + n,
                &format!("CLUSTER ADDSLOTSRANGE {first} {last}"),
            );
            if !is_added {
                return Err("slots are not taken".into());
            }
        }
        for n in 0..2 * PRIMARIES {
            self.order(CLUSTER + n, &format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1));
        }
        for n in 1..2 * PRIMARIES {
            let line = format!("CLUSTER MEET {} 6379 {BUS_PORT}", ip_of(CLUSTER));
            self.order(CLUSTER + n, &line);
        }
        let mut follows = [false; PRIMARIES];
        let is_created = self.run_until(30_000, |world| {
            for (n, follows) in follows.iter_mut().enumerate() {
                let primary = world.core(CLUSTER + n).map(Cluster::my_id);
                let line = format!("CLUSTER REPLICATE {}", primary.expect("it runs"));
                *follows = *follows || world.order(CLUSTER + PRIMARIES + n, &line);
            }
            follows == [true; PRIMARIES] && world.disagreement().is_none()
        });
        for slot in written_slots() {
            if let Some(owner) = self.owner(slot) {
                self.checks.moved(slot, owner, owner);
            }
        }
        if is_created {
            Ok(())
        } else {
            Err(format!("no cluster: {:?}", self.disagreement()))
        }
    }

    /// The single host that considers itself the owner of a slot.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        let is_its = |host: &usize| self.core(*host).is_some_and(|core| core.is_mine(slot));
        let mut owners = (CLUSTER..HOSTS).filter(is_its);
        owners.next().filter(|_| owners.next().is_none())
    }

    /// Moves a slot as `redis-cli --cluster reshard` does; it may be left open.
    pub fn move_slot(&mut self, slot: u16, from: usize, to: usize) {
        let ids = [from, to].map(|host| self.core(host).map(Cluster::my_id));
        let [Some(source), Some(target)] = ids else {
            return;
        };
        if !self.order(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"))
            || !self.order(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {target}"))
        {
            return;
        }
        if self.broken == Some(Broken::Open) {
            return;
        }
        self.run_ms(40);
        let serves = self.core(from).is_some_and(|core| core.is_mine(slot));
        if !serves || !self.is_awake_host(to) || !self.is_awake_host(from) {
            return;
        }
        self.migrate_keys(slot, from, to);
        if self.order(to, &format!("CLUSTER SETSLOT {slot} NODE {target}")) {
            self.order(from, &format!("CLUSTER SETSLOT {slot} NODE {target}"));
        }
    }

    /// MIGRATE: the target stores and syncs the keys, then the source deletes them.
    pub fn migrate_keys(&mut self, slot: u16, from: usize, to: usize) {
        let now_ms = self.clock(to).monotonic_ms as u64;
        let writes = self.server(from).node.data.of(slot);
        let target = self.server_mut(to);
        if !target.node.is_primary() || writes.is_empty() {
            return;
        }
        for write in writes {
            target.node.write(&[(b"write", write)]);
            if let Some(moves) = target.member.as_mut().and_then(|its| its.moves.as_mut()) {
                moves.stream(write, false);
            }
        }
        target.save(now_ms);
        let source = &mut self.server_mut(from).node;
        if source.is_primary() {
            source.write(&[(b"drop", slot.into())]);
        }
        self.checks.moved(slot, from, to);
    }

    /// Closes slots that were left open, and gives their keys to the owner.
    pub fn close_slots(&mut self) {
        for slot in written_slots() {
            let Some(owner) = self.owner(slot) else {
                continue;
            };
            for host in CLUSTER..HOSTS {
                let is_primary = self.core(host).is_some_and(|core| !core.is_replica());
                if !self.is_awake_host(host) || !is_primary {
                    continue;
                }
                let has_open = self
                    .core(host)
                    .is_some_and(|core| core.open_slots() != (false, false));
                if has_open {
                    self.order(host, &format!("CLUSTER SETSLOT {slot} STABLE"));
                }
                if host != owner && self.server(host).node.data.count(slot) > 0 {
                    self.migrate_keys(slot, host, owner);
                }
            }
        }
    }

    /// The reason why the nodes do not form a healthy cluster, or `None` if they do.
    pub fn disagreement(&self) -> Option<String> {
        for host in CLUSTER..HOSTS {
            let Some(core) = self.core(host) else {
                return Some(format!("{host} is down"));
            };
            if !core.is_ok() {
                return Some(format!("{host} is not well"));
            }
            // Valkey's replicas have marks of open slots, also from copies; these replicas have
            // none.
            if !core.is_replica() && core.open_slots() != (false, false) {
                return Some(format!("a slot of {host} is open"));
            }
            let server = self.server(host);
            if !server.node.serves() {
                return Some(format!("{host} is not in sync: {:?}", server.node.phase()));
            }
            let moves = server.member.as_ref().and_then(|its| its.moves.as_ref());
            if !core.is_replica() && !moves.is_some_and(|moves| moves.is_idle()) {
                return Some(format!("slots of {host} move"));
            }
            let is_follower = server.node.follows.is_some();
            if is_follower != core.is_replica() {
                return Some(format!("{host}: roles differ"));
            }
        }
        for slot in written_slots() {
            let mut owners = (CLUSTER..HOSTS).filter_map(|host| self.core(host)?.slot_owner(slot));
            let first = owners.next();
            if owners.any(|other| Some(other) != first) {
                return Some(format!("slot {slot} has two owners"));
            }
            let serving = (CLUSTER..HOSTS).filter(|host| self.takes(*host, Some(slot)));
            if serving.count() != 1 {
                return Some(format!("slot {slot} is not served by one node"));
            }
        }
        None
    }
}

/// The slots of these ranges that clients write to.
fn written_in(ranges: &[(u16, u16)]) -> impl Iterator<Item = u16> + use<> {
    let ranges = ranges.to_vec();
    written_slots().filter(move |slot| {
        let mut ranges = ranges.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(slot))
    })
}
