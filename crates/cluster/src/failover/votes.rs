//! A primary with slots votes for a replica of a failed primary: once in an epoch, also across
//! crashes.
//!
//! The vote is saved before it leaves. While nothing can be saved there are no votes.

use super::super::core::Cluster;
use super::super::membership::nodes::NodeIndex;
use super::super::message::{Body, Header, Kind, Marks};
use super::health::START_MS;

/// Redis votes for replicas of a primary once in this many node timeouts.
const AGAIN_TIMEOUTS: i64 = 2;

impl Cluster {
    /// AUTH_REQUEST. O(slots of the primary).
    pub(crate) fn consider_vote(&mut self, at: NodeIndex, header: &Header<'_>) {
        // A node without slots has no vote.
        if !self.me().is_voter() {
            return;
        }
        if let Err(why) = self.judge_request(at, header) {
            let called = self.called(at);
            self.note(format!("Failover auth denied to {called}: {why}"));
            return;
        }
        if let Some(primary) = self.nodes[at].primary {
            self.nodes[primary].voted = Some(self.ms());
        }
        self.last_vote_epoch = self.current_epoch;
        self.save();
        self.send_bare(at, Kind::AuthAck, Marks::empty(), Body::Nothing);
        let (called, epoch) = (self.called(at), self.current_epoch);
        self.note(format!(
            "Failover auth granted to {called} for epoch {epoch}"
        ));
    }

    fn judge_request(&mut self, at: NodeIndex, header: &Header<'_>) -> Result<(), String> {
        let now = self.ms();
        let current = self.current_epoch;
        if self.out.has_failed() {
            return Err("votes cannot be saved".into());
        }
        // The header of the request has already raised our epoch to at least the request's epoch.
        if header.current_epoch < current {
            let asked = header.current_epoch;
            return Err(format!("reqEpoch ({asked}) < curEpoch({current})"));
        }
        if self.last_vote_epoch >= current {
            return Err(format!("already voted for epoch {current}"));
        }
        if self.is_valkey() && now - self.health.started < START_MS {
            return Err("this node has just started".into());
        }
        let primary = self.nodes[at]
            .primary
            .filter(|_| self.nodes[at].is_replica());
        let Some(primary) = primary else {
            return Err("it is a primary, or its primary is unknown".into());
        };
        let is_forced = header.marks.contains(Marks::FORCE_ACK);
        if !self.nodes[primary].has_failed() && !is_forced {
            return Err("its primary is up".into());
        }
        // A replica at offset 0 of a primary that has had writes is empty, or has other data.
        if header.offset == 0 && self.nodes[primary].offset > 0 && !is_forced {
            return Err("it has never been in sync with its primary".into());
        }
        let again = AGAIN_TIMEOUTS * self.settings.node_timeout.get();
        let voted = self.nodes[primary]
            .voted
            .filter(|voted| now - voted < again);
        if let Some(voted) = voted.filter(|_| !self.is_valkey()) {
            let left = again - (now - voted);
            return Err(format!(
                "can't vote for any replica of its primary for {left} milliseconds"
            ));
        }
        // A node that took a slot after that primary had it must not lose it to the older claim.
        for slot in header.slots.iter() {
            let Some(owner) = self.owners.owner(slot) else {
                continue;
            };
            let epoch = self.nodes[owner].config_epoch;
            if epoch > header.config_epoch {
                if self.is_valkey() {
                    self.send_update(at, owner);
                }
                return Err(format!(
                    "slot {slot} epoch ({epoch}) > reqConfigEpoch ({})",
                    header.config_epoch
                ));
            }
        }
        Ok(())
    }
}
