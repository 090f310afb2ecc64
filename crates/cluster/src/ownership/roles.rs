//! This node becomes a replica or a primary.

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::NodeFlags;

impl Cluster {
    /// This node follows another node.
    pub(crate) fn become_replica(&mut self, primary: NodeIndex) {
        assert!(primary != ME, "a node does not follow itself");
        if self.me().primary != Some(primary) {
            self.leave_channels();
        }
        let slots: Vec<u16> = self.me().slots.iter().collect();
        for slot in slots {
            self.unbind(slot);
        }
        self.owners.migrating.clear();
        self.owners.importing.clear();
        self.nodes.set_primary(ME, Some(primary));
        let shard = self.nodes[primary].shard;
        if self.own.group.is_some_and(|group| !group.is_bound) && shard != self.me().shard {
            self.out.push(Order::LeaveGroup);
        }
        let me = &mut self.nodes[ME];
        me.flags.remove(NodeFlags::PRIMARY | NodeFlags::MIGRATE_TO);
        me.flags.insert(NodeFlags::REPLICA);
        me.shard = shard;
        self.election.reset();
        self.end_manual();
        self.save();
        self.follow_primary();
        // No node may take this node for a primary, not even until its next greeting.
        self.announce(false);
        (self.changed.health, self.changed.routes) = (true, true);
    }

    /// The slots of this node, or of its primary, are not served here any more: subscribers of
    /// their shard channels are notified.
    pub(crate) fn leave_channels(&mut self) {
        let mine = self.me().primary.unwrap_or(ME);
        self.changed.channels.extend(self.nodes[mine].slots.iter());
    }

    /// This node is a primary, without slots yet.
    pub fn become_primary(&mut self) {
        self.nodes.set_primary(ME, None);
        let me = &mut self.nodes[ME];
        let was_replica = me.is_replica();
        me.flags.remove(NodeFlags::REPLICA);
        me.flags.insert(NodeFlags::PRIMARY);
        if was_replica {
            self.out.push(Order::Lead);
        }
        self.save();
        (self.changed.health, self.changed.routes) = (true, true);
    }

    /// Replicates from our primary's address as it is now.
    pub(crate) fn follow_primary(&mut self) {
        let Some(primary) = self.me().primary else {
            return;
        };
        if self.nodes[primary].has_address()
            && let Some((ip, port)) = self.data_address(primary)
        {
            self.out.push(Order::Follow { ip, port });
        }
    }

    /// A replica that has won takes its primary's slots, and announces it to all.
    pub(crate) fn replace_primary(&mut self) {
        let Some(former) = self.me().primary else {
            return;
        };
        let slots: Vec<u16> = self.nodes[former].slots.iter().collect();
        self.become_primary();
        for slot in slots {
            self.bind(slot, ME);
        }
        self.judge_health();
        self.save();
        self.announce(false);
        self.end_manual();
        self.election.reset();
    }
}
