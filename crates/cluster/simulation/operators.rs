//! An operator with redis-cli: creates a cluster, moves slots, asks for failovers.

use super::data::Change;
use super::machine::{BUS_PORT, PORT, ip};
use super::world::World;
use crate::message::SLOTS;
use russet_config::Dialect;
use russet_host::simulation::MachineId;

impl World {
    /// A cluster as `redis-cli --cluster create` makes it: machine `n` of the first is a primary,
    /// the others are replicas in turn.
    pub(super) fn created(dialects: &[Dialect], primaries: usize, seed: u64) -> World {
        let mut world = World::new(dialects, seed);
        world.create(primaries);
        world
    }

    fn create(&mut self, primaries: usize) {
        let count = self.machines.len();
        for at in 0..primaries {
            let bound = |n: usize| n * usize::from(SLOTS) / primaries;
            let (first, last) = (bound(at), bound(at + 1) - 1);
            self.ordered(at, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for at in 0..count {
            self.ordered(at, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        }
        for at in 1..count {
            self.ordered(at, &format!("CLUSTER MEET {} {PORT} {BUS_PORT}", ip(0)));
        }
        let is_joined = |world: &World| {
            let knows_all = |at: MachineId| {
                let nodes = &world.core(at).nodes;
                nodes.len() == count && nodes.iter().all(|(_, node)| !node.is_handshake())
            };
            (0..count).all(knows_all)
        };
        let joined = self.run_until(20_000, is_joined);
        assert!(joined.is_some(), "they do not meet: {}", self.shown());
        for at in primaries..count {
            let primary = self.core((at - primaries) % primaries).my_id();
            self.ordered(at, &format!("CLUSTER REPLICATE {primary}"));
        }
        let agreed = self.run_until(20_000, World::agrees);
        assert!(
            agreed.is_some(),
            "{:?} {}",
            self.disagreement(),
            self.shown()
        );
    }

    /// A command that must not be refused.
    pub(super) fn ordered(&mut self, at: MachineId, line: &str) {
        let reply = self.command(at, line);
        assert_eq!(reply, "+OK\r\n", "{at}: {line}: {}", self.shown());
    }

    /// The machine of the node that a machine sees as a slot's owner.
    pub(super) fn owner_seen_by(&self, at: MachineId, slot: u16) -> Option<MachineId> {
        let owner = self.core(at).slot_owner(slot)?;
        self.up()
            .into_iter()
            .find(|other| self.core(*other).my_id() == owner)
    }

    /// Moves a slot as `redis-cli --cluster reshard` does. False: a node refused, and the slot may
    /// be left open, as redis-cli leaves it.
    pub(super) fn move_slot(&mut self, slot: u16, from: MachineId, to: MachineId) -> bool {
        let [source, target] = [from, to].map(|at| self.core(at).my_id());
        let is_ok = |reply: String| reply == "+OK\r\n";
        if !is_ok(self.command(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {source}")))
            || !is_ok(self.command(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {target}")))
        {
            return false;
        }
        self.run_ms(40);
        if !self.is_up(from) || !self.is_up(to) || !self.core(from).is_mine(slot) {
            return false;
        }
        self.migrate_keys(slot, from, to);
        let done = is_ok(self.command(to, &format!("CLUSTER SETSLOT {slot} NODE {target}")));
        if !done {
            self.given_up.insert(slot);
        } else {
            self.command(from, &format!("CLUSTER SETSLOT {slot} NODE {target}"));
        }
        done
    }

    /// MIGRATE: the target has the keys, then the source deletes them.
    pub(super) fn migrate_keys(&mut self, slot: u16, from: MachineId, to: MachineId) {
        if self.machines[from].data.keys_in(slot) == 0 {
            return;
        }
        for write in self.machines[from].data.writes_in(slot) {
            self.change(to, Change::Add(slot, write));
            self.checks.moved(write, from, to);
        }
        self.change(from, Change::Drop(slot));
    }

    /// A replica of this machine that is up, as it sees itself.
    pub(super) fn replica_of(&self, primary: MachineId) -> Option<MachineId> {
        self.replicas_of(primary).first().copied()
    }

    pub(super) fn replicas_of(&self, primary: MachineId) -> Vec<MachineId> {
        let id = self.core(primary).my_id();
        let is_its = |at: &MachineId| {
            let core = self.core(*at);
            core.me().primary.is_some_and(|at| core.nodes[at].id == id)
        };
        self.up().into_iter().filter(is_its).collect()
    }

    pub(super) fn primaries(&self) -> Vec<MachineId> {
        self.up()
            .into_iter()
            .filter(|at| self.core(*at).is_voter())
            .collect()
    }

    pub(super) fn heal(&mut self) {
        self.network.cuts.clear();
        self.has_accidents = false;
        for at in 0..self.machines.len() {
            let frozen_until = &mut self.machines[at].clock.frozen_until;
            *frozen_until = self.now.min(*frozen_until);
            self.machines[at].disk.is_bad = false;
            if !self.is_up(at) {
                self.start(at);
            }
        }
    }

    /// Nothing passes between two groups, in one direction or both.
    pub(super) fn part(&mut self, left: &[MachineId], right: &[MachineId], is_both: bool) {
        for &a in left {
            for &b in right {
                self.network.cuts.insert((a, b));
                if is_both {
                    self.network.cuts.insert((b, a));
                }
            }
        }
    }
}
