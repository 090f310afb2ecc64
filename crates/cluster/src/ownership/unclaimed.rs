//! Slots that were about to move and stay: the node that was to take them has not claimed them in
//! time.
//!
//! The claim may still exist: saved by a node that died before it announced it, and announced when
//! that node is back. It would win, since it is newer, over all that clients have written here
//! meanwhile. So a node that serves such slots again does so with an epoch that is newer than that
//! claim.

use super::super::core::Cluster;
use super::super::membership::nodes::ME;
use super::super::message::Kind;
use russet_host::Now;

/// A claim that no other node has received has the epoch after the newest that was known then.
const EPOCHS: u64 = 2;

impl Cluster {
    /// Writes are held for a claim: greets the voters that have been silent for so long. O(nodes).
    pub fn greet_voters(&mut self, now: Now, silent_ms: i64) {
        self.begin(now);
        let before = self.ms() - silent_ms;
        let voters = self.nodes.iter().filter(|(_, node)| node.is_voter());
        let silent = voters.filter(|(_, node)| node.received_at < before && node.pinged.is_none());
        let links: Vec<_> = silent.filter_map(|(_, node)| node.out).collect();
        for link in links {
            self.greet(link, Kind::Ping);
        }
        self.end();
    }

    /// Slots of which the writes were held stay here, from now on with a newer epoch, without a
    /// vote. A node that has received nothing from a majority within the last `within_ms` leaves
    /// all as it is: the others may have seen the claim. False: it was left. O(nodes).
    pub fn keep_slots(&mut self, now: Now, slots: &[(u16, u16)], within_ms: i64) -> bool {
        if !self.me().is_primary() || self.out.has_failed() {
            return false;
        }
        let mut all = slots.iter().flat_map(|&(first, last)| first..=last);
        if !all.all(|slot| self.owners.owner(slot) == Some(ME)) {
            return false;
        }
        self.begin(now);
        let since = self.ms() - within_ms;
        let voters = self.nodes.iter().filter(|(_, node)| node.is_voter());
        let received_at = voters.filter(|&(at, node)| at == ME || node.received_at >= since);
        let is_majority = received_at.count() > self.voters() / 2;
        if is_majority {
            let newest = self.nodes.iter().map(|(_, node)| node.config_epoch).max();
            let epoch = newest.unwrap_or(0).max(self.current_epoch) + EPOCHS;
            self.current_epoch = epoch;
            self.nodes[ME].config_epoch = epoch;
            self.note(format!(
                "Slots stay here that were not claimed in time: new config epoch set to {epoch}"
            ));
            self.save();
            self.announce(false);
        }
        self.end();
        is_majority
    }
}
