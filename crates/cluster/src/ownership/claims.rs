//! Claims: each primary announces its slots, and epochs decide between two claims of a slot.
//!
//! Each primary claims its slots, with its config epoch, in all its headers. A claim wins against
//! an owner with a smaller epoch. Equal epochs do not last: of two primaries the primary with the
//! smaller id takes a new epoch.

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::{Header, NodeFlags, NodeId, Slots};
use russet_base::numbers::ranges;
use russet_host::Level;

/// Epochs grow by 1. An epoch beyond this is invented, and would leave none for later elections.
pub const EPOCH_MAX: u64 = 1 << 62;

impl Cluster {
    /// Gives a slot to a node.
    pub fn bind(&mut self, slot: u16, to: NodeIndex) {
        self.bind_unsynced(slot, to);
        self.owners.vital_gains = self.owners.gains;
    }

    /// As `bind`, but a slot that comes to this node is written before anything leaves, and synced
    /// with the next tick.
    pub(crate) fn bind_unsynced(&mut self, slot: u16, to: NodeIndex) {
        let former = self.owners.set(slot, Some(to));
        let mine = self.me().primary.unwrap_or(ME);
        if former != Some(to) && to == mine {
            self.owners.gains += 1;
        }
        if former == Some(mine) && to != mine {
            self.changed.channels.push(slot);
        }
        if let Some(former) = former {
            self.nodes[former].slots.remove(slot);
        }
        let is_first = self.nodes[to].slots.is_empty();
        self.nodes[to].slots.insert(slot);
        // In a cluster with replicas a primary wants some, too.
        if is_first && self.nodes.iter().any(|(_, node)| !node.replicas.is_empty()) {
            self.nodes[to].flags.insert(NodeFlags::MIGRATE_TO);
        }
        (self.changed.health, self.changed.routes) = (true, true);
    }

    /// Leaves a slot without an owner.
    pub(crate) fn unbind(&mut self, slot: u16) {
        if let Some(former) = self.owners.set(slot, None) {
            if former == self.me().primary.unwrap_or(ME) {
                self.owners.gains += 1;
                self.owners.vital_gains = self.owners.gains;
                self.changed.channels.push(slot);
            }
            self.nodes[former].slots.remove(slot);
            (self.changed.health, self.changed.routes) = (true, true);
        }
    }

    /// Takes a node's role: primary, or replica of which primary.
    pub(crate) fn receive_role(&mut self, at: NodeIndex, header: &Header<'_>) {
        let was_primary = self.nodes[at].is_primary();
        let Some(primary) = &header.primary else {
            if !was_primary {
                self.become_known_primary(at);
            }
            return;
        };
        let primary = self
            .nodes
            .find(primary)
            .filter(|&primary| primary != at && !self.nodes[primary].is_handshake());
        if !self.nodes[at].is_replica() {
            let node = &mut self.nodes[at];
            node.flags
                .remove(NodeFlags::PRIMARY | NodeFlags::MIGRATE_TO);
            node.flags.insert(NodeFlags::REPLICA);
            // By then the node's header has the claims of the new primary.
            if let Some(primary) = primary.filter(|&primary| primary != ME)
                && header.config_epoch > self.nodes[primary].config_epoch
                && self.nodes[primary].is_replica()
            {
                self.become_known_primary(primary);
                self.nodes[primary].config_epoch = header.config_epoch;
                self.claim(primary, header.config_epoch, header.slots);
            }
            let left: Vec<u16> = self.nodes[at].slots.iter().collect();
            for slot in left {
                self.unbind(slot);
            }
            (self.changed.health, self.changed.routes) = (true, true);
            self.save_soon();
        }
        if let Some(primary) = primary
            && self.nodes[at].primary != Some(primary)
        {
            self.nodes.set_primary(at, Some(primary));
            self.nodes[at].shard = self.nodes[primary].shard;
            self.changed.routes = true;
            self.save_soon();
        }
        self.leave_sub_replica();
    }

    fn become_known_primary(&mut self, at: NodeIndex) {
        let was_replica = self.nodes[at].is_replica();
        self.nodes.set_primary(at, None);
        let node = &mut self.nodes[at];
        node.flags.remove(NodeFlags::REPLICA);
        node.flags.insert(NodeFlags::PRIMARY);
        node.flags.set(NodeFlags::MIGRATE_TO, was_replica);
        (self.changed.health, self.changed.routes) = (true, true);
        self.save_soon();
    }

    /// A replica of a replica follows the primary of both.
    fn leave_sub_replica(&mut self) {
        let Some(middle) = self.me().primary else {
            return;
        };
        if let Some(top) = self.nodes[middle].primary
            && top != ME
            && self.nodes[top].is_primary()
            && self.may_follow(top)
        {
            let (middle, name) = (self.called(middle), self.called(top));
            self.warn(format!(
                "I'm a sub-replica: reconfiguring myself from {middle} to {name}"
            ));
            self.become_replica(top);
        }
    }

    /// The slots of a header: the sender's own or its primary's.
    pub(crate) fn receive_claims(&mut self, at: NodeIndex, header: &Header<'_>) {
        let claimer = match header.primary {
            None => Some(at),
            Some(_) => self.nodes[at].primary,
        };
        let Some(claimer) = claimer else {
            return;
        };
        let is_known = self.nodes[claimer].slots.view() == header.slots;
        if header.primary.is_none() {
            if !is_known || !self.owners.unclaimed.is_empty() {
                self.claim(at, header.config_epoch, header.slots);
            }
            self.end_collision(at, header.config_epoch);
        }
        if is_known {
            let now = self.ms();
            let node = &mut self.nodes[at];
            node.noticed.disputed = None;
            node.noticed.agreed = Some((now, header.offset));
            return;
        }
        self.answer_stale_claim(at, claimer, header);
    }

    /// Sends an UPDATE to a node that claims slots which another node owns by a newer epoch. It
    /// names one such owner; the next greeting is answered for the next owner.
    fn answer_stale_claim(&mut self, at: NodeIndex, claimer: NodeIndex, header: &Header<'_>) {
        let differing = header.slots.iter().filter(|&slot| {
            let owner = self.owners.owner(slot);
            owner.is_some_and(|owner| owner != claimer)
        });
        let (mut count, mut first, mut newer) = (0, 0, None);
        for slot in differing {
            if count == 0 {
                first = slot;
            }
            count += 1;
            let owner = self.owners.owner(slot);
            newer = newer
                .or(owner.filter(|&owner| self.nodes[owner].config_epoch > header.config_epoch));
        }
        let now = self.ms();
        let noticed = &mut self.nodes[at].noticed;
        let since = noticed.disputed.map_or(now, |(_, _, since)| since);
        noticed.disputed = (count > 0).then_some((count, first, since));
        if let Some(owner) = newer {
            let (name, called) = (self.called(at), self.called(owner));
            self.log(
                Level::Verbose,
                format!(
                    "Node {name} has an old slots configuration, sending an UPDATE about {called}"
                ),
            );
            self.send_update(at, owner);
        }
    }

    /// UPDATE: another node's slots, because we claim some of them by an older epoch.
    pub(crate) fn take_update(&mut self, id: &NodeId, epoch: u64, slots: Slots<'_>) {
        let Some(at) = self.nodes.find(id).filter(|&at| at != ME) else {
            return;
        };
        let node = &self.nodes[at];
        if node.is_handshake() || node.config_epoch >= epoch || epoch > EPOCH_MAX {
            return;
        }
        if node.is_replica() {
            self.become_known_primary(at);
        }
        self.nodes[at].config_epoch = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
        self.save();
        self.claim(at, epoch, slots);
    }

    /// A primary claims slots. O(16,384 / 64 + its slots).
    fn claim(&mut self, claimer: NodeIndex, epoch: u64, slots: Slots<'_>) {
        if claimer == ME {
            return;
        }
        let mine = self.me().primary.unwrap_or(ME);
        let had_slots = !self.nodes[mine].slots.is_empty();
        let (mut taken, mut lost) = (0, Vec::new());
        let (mut is_changed, mut is_first) = (false, false);
        for slot in slots.iter() {
            let owner = self.owners.owner(slot);
            if owner == Some(claimer) {
                self.owners.unclaimed.remove(slot);
                continue;
            }
            // An operator moves it; in Redis only an operator ends that.
            if self.owners.importing.contains_key(&slot) && !self.is_valkey() {
                continue;
            }
            let is_free = owner.is_none() || self.owners.unclaimed.contains(slot);
            let is_older = owner.is_some_and(|owner| self.nodes[owner].config_epoch < epoch);
            if !is_free && !is_older {
                continue;
            }
            if owner == Some(mine) {
                taken += 1;
                lost.push(slot);
            }
            is_first |= !self.owners.known.contains(slot);
            self.move_marks(slot, owner, claimer);
            self.bind(slot, claimer);
            is_changed = true;
        }
        if is_first {
            self.trust_first_owner(claimer);
        }
        is_changed |= self.mark_unclaimed(claimer, slots);
        if is_changed {
            self.save();
        }
        if !lost.is_empty() {
            self.lose_slots(claimer, slots.count(), lost, had_slots && taken > 0);
        }
        self.leave_sub_replica();
    }

    /// The marks of a slot that changes hands: a migration ends, and an import continues from a
    /// node that replaces the source.
    fn move_marks(&mut self, slot: u16, owner: Option<NodeIndex>, claimer: NodeIndex) {
        if self.owners.migrating.remove(&slot).is_some() {
            self.note(format!(
                "Slot {slot} is not ours any more, and migrates no longer"
            ));
        }
        if let Some(&from) = self.owners.importing.get(&slot)
            && owner == Some(from)
        {
            let (source, taker) = (&self.nodes[from], &self.nodes[claimer]);
            let is_failover = source.shard == taker.shard || source.primary == Some(claimer);
            if is_failover {
                self.owners.importing.insert(slot, claimer);
            } else {
                self.owners.importing.remove(&slot);
            }
        }
    }

    /// Slots that a primary has left out of a claim stay this primary's until another node claims
    /// them. With Valkey, however, the importer takes a slot at once when the source gives it up.
    fn mark_unclaimed(&mut self, claimer: NodeIndex, slots: Slots<'_>) -> bool {
        let has = |slot: &u16| !slots.contains(*slot);
        let left_out: Vec<u16> = self.nodes[claimer].slots.iter().filter(has).collect();
        let takes = self.is_valkey() && self.me().is_primary();
        let mut is_changed = false;
        for slot in left_out {
            if takes && self.owners.importing.get(&slot) == Some(&claimer) {
                self.note(format!("Slot {slot} is left by its source: taking it"));
                self.owners.importing.remove(&slot);
                self.bind(slot, ME);
                self.bump_epoch();
                is_changed = true;
            } else {
                self.owners.unclaimed.insert(slot);
            }
        }
        is_changed
    }

    /// Slots of ours, or of our primary, were taken by another primary.
    fn lose_slots(
        &mut self,
        taker: NodeIndex,
        taker_slots: usize,
        lost: Vec<u16>,
        was_serving: bool,
    ) {
        let mine = self.me().primary.unwrap_or(ME);
        let is_last = was_serving && self.nodes[mine].slots.is_empty();
        let is_same_shard = self.nodes[taker].shard == self.me().shard;
        let follows = self.settings.allow_replica_migration
            || if self.is_valkey() {
                is_same_shard
            } else {
                taker_slots == lost.len()
            };
        if is_last && follows && self.may_follow(taker) {
            let called = self.called(taker);
            self.warn(format!(
                "The last slot went to node {called}: reconfiguring myself as a replica of it"
            ));
            self.become_replica(taker);
            return;
        }
        if mine != ME {
            self.out.push(Order::LoseSlots(ranges(lost)));
            return;
        }
        if is_last {
            let called = self.called(taker);
            self.note(format!(
                "My last slot went to node {called}: I am now an empty primary"
            ));
        }
        let ranges = ranges(lost);
        self.note(format!(
            "Losing {} slot ranges with their keys, which node {} has taken",
            ranges.len(),
            self.called(taker)
        ));
        self.out.push(Order::LoseSlots(ranges));
    }

    /// Two primaries with the same epoch: the smaller id takes a new epoch.
    fn end_collision(&mut self, at: NodeIndex, epoch: u64) {
        let me = self.me();
        let is_collision = me.is_primary() && epoch == me.config_epoch;
        if !is_collision || self.nodes[at].id < me.id || self.out.has_failed() {
            return;
        }
        self.current_epoch += 1;
        let epoch = self.current_epoch;
        self.nodes[ME].config_epoch = epoch;
        self.save();
        let called = self.called(at);
        self.log(
            Level::Debug,
            format!("Config epoch collision with node {called}: ours is now {epoch}"),
        );
    }

    /// A new config epoch without a vote, unless ours is the newest already: an operator's order.
    pub(crate) fn bump_epoch(&mut self) -> bool {
        let newest = self.nodes.iter().map(|(_, node)| node.config_epoch).max();
        let newest = newest.unwrap_or(0).max(self.current_epoch);
        if self.me().config_epoch != 0 && self.me().config_epoch == newest {
            return false;
        }
        self.current_epoch = newest + 1;
        self.nodes[ME].config_epoch = newest + 1;
        self.note(format!("New config epoch set to {}", newest + 1));
        self.save();
        true
    }
}
