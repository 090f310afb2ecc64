//! Whether the cluster is well, as this node sees it.
//!
//! It is if nodes.conf can be saved, a majority of the voters answers, each slot has an owner that
//! has not failed (`cluster-require-full-coverage`), and a primary has waited long enough. Else
//! `route` refuses commands.
//!
//! Invariant: a primary that may have been replaced does not serve. After its start, a minority or
//! a standstill it waits first: the others may have decided without it.
//!
//! Cost: O(nodes) at the end of an event that may change it (`PendingChanges::health`), and in each
//! tick while the cluster is not well. A command reads a flag.
//!
//! Elsewhere: whether a node has failed (`failure`), the refusals (`route`).

use super::super::core::Cluster;
use super::super::membership::nodes::ME;
use super::state::ClusterFault;

/// A primary that has just started is not well for this long: it may have been replaced.
pub(crate) const START_MS: i64 = 2000;
/// A node that was in a minority is well again after a node timeout, but within these bounds.
const REJOIN_MIN_MS: i64 = 500;
const REJOIN_MAX_MS: i64 = 5000;
/// A shorter standstill is of no account, however short the node timeout is.
const STILL_MIN_MS: i64 = 1000;

impl Cluster {
    /// A primary that stood still for longer than it takes to see a failure may have been replaced:
    /// it serves again once it has reached a majority for as long as after a partition. Redis and
    /// Valkey take writes meanwhile, which are lost if it has been replaced.
    pub(crate) fn judge_standstill(&mut self, stood_ms: i64) {
        if stood_ms <= self.settings.node_timeout.get().max(STILL_MIN_MS) || !self.health.is_ok {
            return;
        }
        self.warn(format!(
            "The process stood still for {stood_ms} milliseconds"
        ));
        self.health.minority = Some(self.ms());
        if self.me().is_primary() && self.voters() > 1 {
            self.health.is_ok = false;
            self.health.since = self.ms();
            self.changed.routes = true;
        }
        self.changed.health = true;
    }

    /// O(nodes).
    pub(crate) fn judge_health(&mut self) {
        let ill = self.illness();
        if let Some(ClusterFault::Minority(..) | ClusterFault::Unsaved) = ill {
            self.health.minority = Some(self.ms());
        }
        let is_ok = match ill {
            None => true,
            // A cluster that is well stays so, a cluster that is not well waits.
            Some(ClusterFault::Waiting(_)) => self.health.is_ok,
            Some(_) => false,
        };
        if is_ok == self.health.is_ok {
            return;
        }
        self.health.is_ok = is_ok;
        self.health.since = self.ms();
        self.changed.routes = true;
        let state = if is_ok { "ok" } else { "fail" };
        self.note(format!("Cluster state changed: {state}"));
        match ill {
            Some(ClusterFault::Minority(..)) => {
                self.note("Cluster is down: I am part of a minority partition.".into());
            }
            Some(ClusterFault::Unbound(..) | ClusterFault::Failed(..)) => {
                self.note(
                    "Cluster is down: at least one slot is not served by a working node, \
                    and cluster-require-full-coverage asks for all."
                        .into(),
                );
            }
            _ => {}
        }
    }

    /// Why the cluster is not well; `None`: it is.
    pub(crate) fn illness(&self) -> Option<ClusterFault> {
        if self.out.has_failed() {
            return Some(ClusterFault::Unsaved);
        }
        let (mut voters, mut reachable, mut failed) = (0, 0, None);
        for (at, node) in self.nodes.iter().filter(|(_, node)| node.is_voter()) {
            voters += 1;
            reachable += usize::from(!node.is_failing());
            if node.has_failed() {
                let first = node.slots.iter().next().map(|slot| (slot, at));
                failed = failed.into_iter().chain(first).min();
            }
        }
        if reachable < voters / 2 + 1 {
            return Some(ClusterFault::Minority(reachable, voters));
        }
        if self.settings.require_full_coverage {
            let all = usize::from(super::super::message::SLOTS);
            if self.owners.bound < all {
                let first = (0..super::super::message::SLOTS)
                    .find(|&slot| self.owners.owner(slot).is_none());
                return Some(ClusterFault::Unbound(
                    first.unwrap_or(0),
                    all - self.owners.bound,
                ));
            }
            if let Some((slot, at)) = failed {
                return Some(ClusterFault::Failed(slot, at));
            }
        }
        let waits = self.wait_before_ok();
        (waits > 0).then_some(ClusterFault::Waiting(waits))
    }

    /// How long a primary must wait before it may serve: others may have decided without it.
    fn wait_before_ok(&self) -> i64 {
        if !self.nodes[ME].is_primary() {
            return 0;
        }
        let now = self.ms();
        let rejoin = self
            .settings
            .node_timeout
            .get()
            .clamp(REJOIN_MIN_MS, REJOIN_MAX_MS);
        let since_minority = self.health.minority.map_or(0, |since| since + rejoin - now);
        let since_start = self.health.started + START_MS - now;
        since_start.max(since_minority)
    }
}
