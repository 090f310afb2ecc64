//! The state of failovers: what the core remembers for them from one event to the next.
//!
//! Rules and actions: `health`, `election`, `manual`, `reports`.

use super::super::membership::nodes::NodeIndex;

/// See `health`. Times are monotonic milliseconds.
#[derive(Debug)]
pub(crate) struct Health {
    pub is_ok: bool,
    pub started: i64,
    /// When we were last in a minority.
    pub minority: Option<i64>,
    /// When `is_ok` last changed.
    pub since: i64,
}

/// Why the cluster is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterFault {
    /// The state cannot be saved: the others take this node for dead.
    Unsaved,
    /// The first slot without an owner, and the number of such slots.
    Unbound(u16, usize),
    /// The first slot of a failed node.
    Failed(u16, NodeIndex),
    /// The voters that we reach, and all of them.
    Minority(usize, usize),
    /// Only a wait is left, of this many milliseconds.
    Waiting(i64),
}

impl Health {
    pub fn new(started: i64) -> Health {
        Health {
            is_ok: false,
            started,
            minority: None,
            since: started,
        }
    }
}

/// See `election`. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Election {
    /// When the votes are asked for; `None`: no attempt is planned.
    pub due: Option<i64>,
    pub rank: i64,
    /// All replicas of the primary agree that it is down, and we are the best replica: voters need
    /// not see it.
    pub(super) is_forced: bool,
    pub is_asked: bool,
    /// The votes have come, and the replication group is asked.
    pub(super) awaits_group: bool,
    pub epoch: u64,
    pub(super) votes: Vec<NodeIndex>,
    /// Why there is no failover, as it was last logged.
    pub obstacle: Option<Obstacle>,
}

impl Election {
    pub fn reset(&mut self) {
        *self = Election::default();
    }

    pub fn forget(&mut self, at: NodeIndex) {
        self.votes.retain(|&voter| voter != at);
    }

    /// Whether the votes have come, and the replication group is asked.
    pub fn awaits_group(&self) -> bool {
        self.awaits_group
    }

    pub fn votes(&self) -> usize {
        self.votes.len()
    }
}

/// See `manual`. At the replica and at its primary.
#[derive(Debug, Default)]
pub(crate) struct Manual {
    /// Monotonic milliseconds; `None`: nothing is under way.
    pub(super) until: Option<i64>,
    /// At the primary: the replica that takes over.
    pub(super) replica: Option<NodeIndex>,
    /// At the replica: the offset at which the primary has paused.
    pub(super) offset: Option<u64>,
    pub(super) can_start: bool,
}

/// Why a replica does not take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The primary is well and no operator has asked, or it has no slots.
    NotNeeded,
    NotAllowed,
    /// The replication group would not follow this node.
    NotMember,
    /// Our data is not this primary's.
    NeverSynced,
    DataAge,
}

impl Manual {
    pub fn is_running(&self) -> bool {
        self.until.is_some()
    }

    /// At the primary: the replica that takes over.
    pub fn replica(&self) -> Option<NodeIndex> {
        self.replica
    }

    pub(crate) fn can_start(&self) -> bool {
        self.until.is_some() && self.can_start
    }

    /// Whether the node that takes over is gone.
    pub fn forget(&self, at: NodeIndex) -> bool {
        self.replica == Some(at)
    }
}

/// Nodes that are known from gossip alone; see `reports`.
#[derive(Debug, Default)]
pub(crate) struct GossipedNodes {
    /// In the order in which they became known.
    pub(super) nodes: Vec<NodeIndex>,
    /// When the second of the rate began, and how many came in it.
    pub(super) since: i64,
    pub(super) count: usize,
}

impl GossipedNodes {
    /// The node has answered, or is forgotten.
    pub fn remove(&mut self, at: NodeIndex) {
        self.nodes.retain(|&other| other != at);
    }

    pub fn add(&mut self, at: NodeIndex) {
        self.nodes.push(at);
        self.count += 1;
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
}
