//! When a node counts as failed: PFAIL is our own view, FAIL that of the majority.

use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::{NodeFlags, NodeId};
use russet_host::Level;

/// Reports count for this many node timeouts. A failed primary that answers again is left alone for
/// as many, because a replica may be taking over.
const TIMEOUTS: i64 = 2;

impl Cluster {
    /// A node has not answered in time.
    pub(crate) fn suspect(&mut self, at: NodeIndex) {
        let called = self.called(at);
        self.log(
            Level::Debug,
            format!("Node {called} is possibly failing: no answer in time"),
        );
        self.nodes.set_suspect(at, true);
        self.changed.health = true;
        self.agree(at);
    }

    /// Takes a primary's report: whether it sees a node failing.
    pub fn report(&mut self, by: NodeIndex, at: NodeIndex, is_failing: bool) {
        if !self.nodes[by].is_voter() {
            return;
        }
        let now = self.ms();
        let reports = &mut self.nodes[at].reports;
        let known = reports.iter().position(|(reporter, _)| *reporter == by);
        match (is_failing, known) {
            (true, Some(known)) => reports[known].1 = now,
            (true, None) => {
                reports.push((by, now));
                let (by, at) = (self.called(by), self.called(at));
                let text = format!("Node {by} reported node {at} as not reachable.");
                self.log(Level::Verbose, text);
            }
            (false, Some(known)) => {
                reports.swap_remove(known);
                let (by, at) = (self.called(by), self.called(at));
                let text = format!("Node {by} reported node {at} is back online.");
                self.log(Level::Verbose, text);
            }
            (false, None) => {}
        }
        if is_failing {
            self.agree(at);
        }
    }

    /// How many primaries have reported a node lately, and how many together with us decide.
    pub fn reports(&mut self, at: NodeIndex) -> usize {
        let oldest = self.ms() - TIMEOUTS * self.settings.node_timeout.get();
        let reports = &mut self.nodes[at].reports;
        reports.retain(|(_, reported)| *reported >= oldest);
        reports.len()
    }

    /// FAIL, if we see PFAIL and the majority of the voters does.
    fn agree(&mut self, at: NodeIndex) {
        let node = &self.nodes[at];
        if !node.flags.contains(NodeFlags::PFAIL) || node.has_failed() {
            return;
        }
        let needed = self.voters_now() / 2 + 1;
        let votes = self.reports(at) + usize::from(self.me().is_voter());
        if votes >= needed {
            let called = self.called(at);
            self.note(format!(
                "Marking node {called} as failing (quorum reached)."
            ));
            self.mark_failed(at);
            self.broadcast_fail(self.nodes[at].id);
        }
    }

    pub(crate) fn mark_failed(&mut self, at: NodeIndex) {
        self.nodes.set_suspect(at, false);
        let now = self.ms();
        let node = &mut self.nodes[at];
        node.flags.insert(NodeFlags::FAIL);
        node.failed = now;
        (self.changed.health, self.changed.routes) = (true, true);
        self.save_soon();
    }

    /// FAIL: the majority has agreed that a node failed.
    pub(crate) fn receive_fail(&mut self, from: NodeIndex, id: &NodeId) {
        let Some(at) = self.nodes.find(id) else {
            return;
        };
        if at == ME || self.nodes[at].has_failed() || self.nodes[at].is_handshake() {
            return;
        }
        let (from, called) = (self.called(from), self.called(at));
        self.note(format!("FAIL message from node {from} about node {called}"));
        self.mark_failed(at);
    }

    /// A failed node answers: it is well at once if it serves nothing, else if no replica has taken
    /// over for long enough.
    pub(crate) fn clear_failure(&mut self, at: NodeIndex) {
        let node = &self.nodes[at];
        let waited = self.ms() - node.failed;
        if node.is_voter() && waited <= TIMEOUTS * self.settings.node_timeout.get() {
            return;
        }
        self.nodes[at].flags.remove(NodeFlags::FAIL);
        let called = self.called(at);
        self.note(format!(
            "Clear FAIL state for node {called}: it is reachable again."
        ));
        (self.changed.health, self.changed.routes) = (true, true);
        self.save_soon();
    }
}
