//! A replica of a primary with many moves to a primary that has lost its last replica.

use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};

/// An orphan waits this long: its replica may only have been restarted.
const ORPHAN_MS: i64 = 5000;

impl Cluster {
    /// O(nodes), while there is an orphan.
    pub(crate) fn try_migration(&mut self) {
        let Some(primary) = self.me().primary else {
            return;
        };
        let may_move = self.settings.allow_replica_migration && self.own.group.is_none();
        if !may_move || !self.health.is_ok || self.manual.is_running() {
            return;
        }
        let now = self.ms();
        let waits = |since: Option<i64>| since.is_some_and(|since| now - since > ORPHAN_MS);
        let orphans = self.nodes.iter().filter(|(_, node)| waits(node.orphaned));
        let Some((target, _)) = orphans.min_by_key(|(_, node)| node.id) else {
            return;
        };
        let mine = self.nodes.working_replicas(primary);
        if mine <= self.settings.migration_barrier || mine < 2 {
            return;
        }
        if self.first_to_leave() == Some(ME) {
            let called = self.called(target);
            self.note(format!("Migrating to orphaned primary {called}"));
            self.become_replica(target);
        }
    }

    /// The working replica with the smallest id of the primaries with most of them: all nodes
    /// choose the same.
    fn first_to_leave(&self) -> Option<NodeIndex> {
        let primaries = self.nodes.iter().filter(|(_, node)| node.is_primary());
        let primaries = primaries.map(|(at, _)| (self.nodes.working_replicas(at), at));
        let counted: Vec<(usize, NodeIndex)> = primaries.collect();
        let most = counted.iter().map(|(count, _)| *count).max()?;
        let fullest = counted.iter().filter(|(count, _)| *count == most);
        let replicas = fullest.flat_map(|(_, at)| &self.nodes[*at].replicas);
        let working = replicas.copied().filter(|&at| !self.nodes[at].is_failing());
        working.min_by_key(|&at| self.nodes[at].id)
    }
}
