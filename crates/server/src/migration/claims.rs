//! The claim of slots that have come: over the bus, once the replicas have the slots' keys.
//!
//! The source deletes its keys when it sees the claim. A replica that later takes this node's place
//! must have the keys by then, so the claim waits for acknowledgements, as WAIT does. The wait has
//! a bound, because the source holds writes meanwhile, and serves the slots again after a time.

use super::unclaimed::CLAIM_WAITS;

use crate::parts::migration::Claim;
use crate::state::Server;
use russet_cluster::migration::{Name, Ranges, Settings};
use russet_keyspace::Keyspace;

/// The decision on a claim that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Claim,
    Wait,
    /// There are replicas, and none has the keys in time.
    GiveUp,
    /// This node stood still: the source may serve the slots again.
    TooLate,
}

/// `electable`: the number of replicas that may be elected in this node's place, as the cluster
/// sees them; `online`: of replicas in sync; `acked`: of replicas that have the keys. A claim waits
/// for a replica that is reconnecting.
fn judge(electable: usize, online: usize, acked: usize, is_late: bool) -> Verdict {
    if acked >= online.max(electable) || is_late && acked > 0 {
        Verdict::Claim
    } else if is_late {
        Verdict::GiveUp
    } else {
        Verdict::Wait
    }
}

/// The decision in a group whose failovers lose no acknowledged write. `is_safe`: enough members
/// have the keys.
fn judge_safe(is_safe: bool, is_late: bool) -> Verdict {
    match (is_safe, is_late) {
        (true, _) => Verdict::Claim,
        (false, true) => Verdict::GiveUp,
        (false, false) => Verdict::Wait,
    }
}

impl Server {
    /// All keys of the slots have arrived. They are served once the replicas in sync have them.
    pub(super) fn begin_claim(&mut self, keyspace: &mut Keyspace, job: Name, slots: Ranges) {
        // All applied commands are in the stream.
        self.repeat_effects(keyspace);
        let wait_ms = Settings::of(&self.config).claim_wait().get() as u64;
        let claim = Claim {
            job,
            slots,
            offset: self.stream.offset(),
            until_ms: self.now.mono_ms + wait_ms,
            over_ms: self.now.mono_ms + u64::from(CLAIM_WAITS) * wait_ms,
        };
        self.replication.asks_acks = true;
        if let Some(driver) = &mut self.migrations {
            driver.claims.push(claim);
        }
        self.continue_claims(keyspace);
    }

    /// Claims the slots whose keys the replicas have. Called each turn; O(claims x replicas); both
    /// are few.
    pub(super) fn continue_claims(&mut self, keyspace: &mut Keyspace) {
        let Some(driver) = &mut self.migrations else {
            return;
        };
        for claim in std::mem::take(&mut driver.claims) {
            let driver = self.migrations.as_ref();
            if !driver.is_some_and(|driver| driver.machine.awaits_claim(claim.job)) {
                continue;
            }
            let replicas = &self.replication.replicas;
            let (online, acked) = (replicas.that_count(), replicas.that_acked(claim.offset));
            let electable =
                (self.cluster.as_ref()).map_or(0, |driver| driver.core.electable_replicas());
            let is_late = self.now.mono_ms >= claim.until_ms;
            let is_over = self.now.mono_ms >= claim.over_ms;
            let group = self.replication.quorum.as_ref();
            let group = group.filter(|driver| !driver.core.is_off());
            let verdict = match group {
                _ if is_over => Verdict::TooLate,
                // A node can lead the group only with all that is safe.
                Some(driver) => {
                    let safe = driver.core.safe_offset();
                    judge_safe(safe.is_some_and(|safe| safe >= claim.offset), is_late)
                }
                None => judge(electable, online, acked, is_late),
            };
            let is_taken = match verdict {
                Verdict::Claim => self.claim_slots(keyspace, claim.slots.pairs()),
                Verdict::Wait => {
                    if let Some(driver) = &mut self.migrations {
                        driver.claims.push(claim);
                    }
                    continue;
                }
                Verdict::GiveUp => {
                    tracing::warn!(
                        "Slots {} are not claimed: no replica has acknowledged their keys in time",
                        claim.slots
                    );
                    false
                }
                Verdict::TooLate => {
                    tracing::warn!("Slots {} are not claimed: it is too late", claim.slots);
                    false
                }
            };
            self.with_migrations(keyspace, |machine, around| {
                machine.slots_taken_over(around, claim.job, is_taken);
            });
        }
    }

    /// Serves slots from now on: the claim is sent after it has been saved. If the claim cannot be
    /// saved now, the core tries again, and announces the claim to no node before.
    pub(super) fn claim_slots(&mut self, keyspace: &mut Keyspace, slots: &[(u16, u16)]) -> bool {
        // The claim shows the offset by which its replicas have the keys.
        self.update_own(keyspace);
        let taken = self.with_cluster(keyspace, |driver, now| {
            driver.core.take_slots_without_vote(now, slots)
        });
        taken == Some(true)
    }

    /// Deletes keys of slots that are not this node's: the end of an import without a claim.
    pub(super) fn drop_unclaimed(&mut self, keyspace: &mut Keyspace, slots: &Ranges) {
        let keys = self.drop_slots(keyspace, slots.pairs());
        keyspace.release_slots(slots.pairs());
        if keys > 0 {
            tracing::warn!("Deleted {keys} keys of slots {slots}, which are not this node's");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_replicas_have_the_keys_or_after_a_time_one() {
        assert_eq!(judge(0, 0, 0, false), Verdict::Claim);
        assert_eq!(judge(2, 2, 2, false), Verdict::Claim);
        assert_eq!(judge(2, 2, 1, false), Verdict::Wait);
        assert_eq!(judge(2, 2, 1, true), Verdict::Claim);
        assert_eq!(judge(2, 2, 0, true), Verdict::GiveUp);
    }

    #[test]
    fn a_replica_that_may_be_elected_is_waited_for_though_it_has_no_link() {
        assert_eq!(judge(1, 0, 0, false), Verdict::Wait);
        assert_eq!(judge(1, 0, 0, true), Verdict::GiveUp);
        assert_eq!(judge(0, 1, 0, false), Verdict::Wait);
    }
}
