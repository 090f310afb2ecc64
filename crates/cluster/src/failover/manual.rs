//! Failovers that an operator asks for, and the obstacles to any failover.
//!
//!     CLUSTER FAILOVER: replica -- MFSTART --> primary pauses writes
//!                       replica <-- PING with PAUSED and the final offset --
//!                       replica has applied that much -> election, which voters grant
//!                                                        though the primary works
//!
//! FORCE begins with the election, TAKEOVER needs no votes either.

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::NodeIndex;
use super::super::message::{Body, Kind, Marks, NodeFlags};
use super::state::Obstacle;

/// The primary holds writes for this many times as long as the replica tries, so that none comes in
/// between.
const PAUSE_TIMES: i64 = 2;

impl Cluster {
    /// CLUSTER FAILOVER at a replica.
    pub(crate) fn begin_manual(&mut self, is_forced: bool) {
        self.end_manual();
        self.election.reset();
        self.manual.until = Some(self.ms() + self.settings.manual_failover_timeout.get());
        self.manual.can_start = is_forced;
        if let Some(primary) = self.me().primary.filter(|_| !is_forced) {
            self.send_bare(primary, Kind::MfStart, Marks::empty(), Body::Nothing);
        } else {
            self.note("Forced failover user request accepted.".into());
            self.warn_if_not_synced();
            self.try_election();
        }
    }

    /// MFSTART at the primary.
    pub(crate) fn pause_for(&mut self, at: NodeIndex) {
        if !self.me().is_primary()
            || self.nodes[at].primary != Some(super::super::membership::nodes::ME)
        {
            return;
        }
        self.end_manual();
        let (now, timeout) = (self.ms(), self.settings.manual_failover_timeout.get());
        self.manual.until = Some(now + timeout);
        self.manual.replica = Some(at);
        let until_ms = now + PAUSE_TIMES * timeout;
        let called = self.called(at);
        self.note(format!(
            "Manual failover requested by replica {called}. Pausing writes."
        ));
        self.out.push(Order::PauseWrites { until_ms });
    }

    /// The primary has paused at this offset.
    pub(crate) fn receive_paused(&mut self, offset: u64) {
        if self.manual.until.is_some() && self.manual.offset.is_none() && !self.manual.can_start {
            self.manual.offset = Some(offset);
            self.note(format!(
                "The primary has paused for the manual failover at offset {offset}"
            ));
            self.try_manual();
        }
    }

    /// The election begins once all that the primary had is here.
    pub(crate) fn try_manual(&mut self) {
        let has_all = self
            .manual
            .offset
            .is_some_and(|offset| self.me().offset >= offset);
        if self.manual.until.is_some() && has_all && !self.manual.can_start {
            self.manual.can_start = true;
            self.election.reset();
            self.note("All of the primary's data is here, the manual failover can start.".into());
            self.try_election();
        }
    }

    pub(crate) fn check_manual(&mut self) {
        if self.manual.until.is_some_and(|until| until < self.ms()) {
            self.warn("Manual failover timed out.".into());
            self.end_manual();
        }
    }

    pub(crate) fn end_manual(&mut self) {
        let ended = std::mem::take(&mut self.manual);
        if ended.replica.is_some() {
            self.out.push(Order::ResumeWrites);
        }
    }

    /// Why this replica does not take over now.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let me = self.me();
        let is_manual = self.manual.can_start();
        let primary = me.primary.map(|at| &self.nodes[at]);
        let is_without = is_manual || self.is_unled();
        let is_needed = |failed: bool, empty: bool| (failed || is_without) && !empty;
        if !primary.is_some_and(|node| is_needed(node.has_failed(), node.slots.is_empty())) {
            return Some(Obstacle::NotNeeded);
        }
        if self.own.group.is_some_and(|group| !group.may_lead) {
            return Some(Obstacle::NotMember);
        }
        if is_manual {
            return None;
        }
        if me.flags.contains(NodeFlags::NO_FAILOVER) {
            return Some(Obstacle::NotAllowed);
        }
        if !self.is_synced() {
            return Some(Obstacle::NeverSynced);
        }
        (self.data_age() > self.data_age_max()).then_some(Obstacle::DataAge)
    }

    /// Whether our data is the data of the primary that this node follows.
    pub fn is_synced(&self) -> bool {
        self.own.primary.is_some_and(|primary| primary.is_synced)
    }

    /// An operator's failover of a replica that has never had its primary's data is obeyed.
    pub(crate) fn warn_if_not_synced(&mut self) {
        if !self.is_synced() {
            self.warn(
                "This replica has never been in sync with its primary: its data is not the primary's.".into(),
            );
        }
    }

    /// How old our data is, beyond the time that it takes to see a failure; milliseconds.
    pub(crate) fn data_age(&self) -> i64 {
        let received_at = self
            .own
            .primary
            .map_or(self.health.started, |primary| primary.received_ms);
        let age = self.ms() - received_at;
        if age > self.settings.node_timeout.get() {
            age - self.settings.node_timeout.get()
        } else {
            age
        }
    }

    /// `cluster-replica-validity-factor`; 0: any age will do.
    pub(crate) fn data_age_max(&self) -> i64 {
        let factor = self.settings.replica_validity_factor;
        match factor {
            0 => i64::MAX,
            _ => self
                .settings
                .node_timeout
                .get()
                .saturating_mul(factor)
                .saturating_add(self.settings.repl_ping_period.get()),
        }
    }

    pub(crate) fn describe_obstacle(&self, obstacle: Obstacle) -> String {
        match obstacle {
            Obstacle::NotNeeded => "the primary is up, or has no slots".into(),
            Obstacle::NotAllowed => "cluster-replica-no-failover is set".into(),
            Obstacle::NotMember => {
                "this replica is no member with whole data of its group (sync-quorum)".into()
            }
            Obstacle::NeverSynced => {
                "this replica has not been in sync with its primary since it follows it".into()
            }
            Obstacle::DataAge => format!(
                "Disconnected from primary for longer than allowed: the data is {} ms old, at most {} are \
                 allowed (cluster-replica-validity-factor)",
                self.data_age(),
                self.data_age_max()
            ),
        }
    }
}
