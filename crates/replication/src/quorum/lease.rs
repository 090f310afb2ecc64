//! The lease of a leader (`sync-reads linear`): until when no other server leads.
//!
//!     leader   sent a byte ------------------ lease ------------------> no read after this
//!     member        acknowledges it ------------ vow: 1.1 leases -------------> another may lead
//!
//! A read at a leader whose lease holds is linearizable: each write that was acknowledged before is
//! at this server, because no other has led. The lease runs from the time at which the leader
//! *sent* bytes that k members have since acknowledged, not from the time at which it knows so. A
//! member that acknowledges vows to its leader; it still promises other candidates at once, and no
//! longer acknowledges the leader, but says how long its vow lasts, and the candidate leads only
//! after that. A leader that has itself promised reads no more: a vow to it binds no member.
//!
//! Invariants
//!   1. While a lease holds, each N - k promises have a member with a vow that has not ended, or
//!      the leader's own: k + 1 and N - k members meet.
//!   2. A vow survives a restart: the file has the lease, and the vow begins again.
//!
//! Assumes that clocks of two servers run at rates that differ by less than a tenth. Their times
//! are not compared.
//!
//! Cost: a note of the stream each quarter of a lease while nothing is written; O(members) for
//! a question.

use super::ballot::NodeId;
use super::core::{Quorum, Role};
use super::events::{Fault, Order, PeerId};
use super::members::Configurations;
use super::notes::QuorumNote;
use super::safe::{Leadership, LinkedReplica};
use super::vows::{Vow, vow_ms};
use crate::ReplOffset;

impl Leadership {
    /// The stream has grown to `end` since `before_ms`: its bytes were sent later than that.
    pub(super) fn record_sent(&mut self, before_ms: u64, end: ReplOffset) {
        if self.lease_ms > 0 && end > self.end {
            self.sent.grow(before_ms, end, self.lease_ms);
        }
    }

    /// The time from which the lease runs: k members have acknowledged what was sent then, for each
    /// configuration that counts.
    fn lease_from(&self, own: NodeId, now_ms: u64, all: &Configurations) -> u64 {
        let of = |id| match self.replicas.get(&id) {
            _ if id == own => now_ms,
            Some(LinkedReplica { leased_ms, .. }) => *leased_ms,
            None => 0,
        };
        let each = all
            .iter()
            .map(|its| its.configuration.acknowledged_offset(of));
        each.min().unwrap_or(0)
    }
}

#[cfg_attr(
    not(any(test, feature = "testing")),
    allow(dead_code, reason = "only tests break rules")
)]
impl Leadership {
    /// The lease runs from now: a rule to break.
    pub(super) fn receive_lease(&mut self, now_ms: u64, peer: PeerId) {
        let mut all = self.replicas.values_mut();
        if let Some(replica) = all.find(|its| its.peer == peer) {
            replica.leased_ms = now_ms;
        }
    }
}

impl Quorum {
    /// Whether this server leads, and its lease holds: every acknowledged write is here. `now_ms`:
    /// monotonic milliseconds, read after the data was.
    pub fn lease_holds(&self, now_ms: u64) -> bool {
        let Role::Leading(leadership) = &self.role else {
            return false;
        };
        let all = &self.lineage.configurations;
        let from_ms = leadership.lease_from(self.node(), now_ms, all);
        let lease_ms = leadership.lease_ms.min(self.settings.lease_ms);
        leadership.is_settled() && now_ms < from_ms + lease_ms
    }

    /// The lease that this leader asks its members to vow for.
    pub(super) fn lease_offered(&self) -> u64 {
        match &self.role {
            Role::Leading(leadership) => leadership.lease_ms,
            _ => 0,
        }
    }

    /// A replica is about to acknowledge its leader's stream. `now_ms`: monotonic milliseconds,
    /// read after the stream was received.
    pub fn vow(&mut self, now_ms: u64) {
        if let Some(joined) = &self.joined {
            let lease_ms = joined.lease_ms;
            if lease_ms > 0 {
                self.vow = Some((joined.ballot, now_ms + vow_ms(lease_ms)));
            }
        }
    }

    /// The rest of this server's vow.
    pub(super) fn own_vow(&self) -> Option<Vow> {
        if self.breaks(Fault::NoVow) {
            return None;
        }
        let (leader, end_ms) = self.vow?;
        let ms = end_ms.checked_sub(self.now_ms).filter(|&ms| ms > 0)?;
        Some(Vow { leader, ms })
    }

    /// `sync-lease` is longer than the replicas have vowed for: they are linked anew.
    pub(super) fn renew_lease(&mut self) {
        let wanted = self.settings.lease_ms;
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        if wanted > leadership.lease_ms {
            leadership.lease_ms = wanted;
            for (_, replica) in std::mem::take(&mut leadership.replicas) {
                self.out.push(Order::EndPeer(replica.peer));
            }
        }
    }

    /// A quarter of a lease without a byte: the members are asked by a note.
    pub(super) fn keep_lease(&mut self) {
        let now_ms = self.now_ms;
        let Role::Leading(leadership) = &mut self.role else {
            return;
        };
        let is_due = now_ms >= leadership.grown_ms + leadership.lease_ms / 4;
        if leadership.lease_ms > 0 && leadership.is_settled() && is_due {
            leadership.grown_ms = now_ms;
            let note = QuorumNote::Safe(leadership.safe);
            self.out.push(Order::Append(note));
        }
    }
}
