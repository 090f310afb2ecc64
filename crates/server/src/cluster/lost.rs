//! Keys of slots that are served elsewhere: they are gone for clients at once, while the deletion
//! of each key is recorded for replicas and the log between turns
//! (`keyspace::slots::dropped_slots`). Keys of slots that another node has claimed are hidden
//! first, until the claim is safe (`migration`, its `kept`); a replica hides them and deletes the
//! keys that its primary deletes.

use crate::parts::cluster::ClusterDriver;
use crate::parts::replication::Replication;
use crate::state::Server;
use russet_cluster::migration::Ranges;
use russet_keyspace::{Audience, DbIndex, Keyspace};

/// While a replica has more unsent bytes than this, no further deletions of dropped keys are
/// recorded.
const UNSENT_MAX: u64 = 8 << 20;

impl Server {
    /// Drops keys of slots that this node does not serve, or not yet. Returns their number.
    pub(crate) fn drop_slots(&mut self, keyspace: &mut Keyspace, slots: &[(u16, u16)]) -> usize {
        let keys = keyspace.drop_slots(slots, drop_audience(&self.replication));
        self.repeat_effects(keyspace);
        keys
    }

    /// Drops the keys of slots that were lost to other nodes. This action may have been deferred: a
    /// slot that has come back meanwhile keeps its keys.
    pub(super) fn drop_lost_slots(&mut self, keyspace: &mut Keyspace, slots: Vec<(u16, u16)>) {
        let all = slots.iter().flat_map(|&(first, last)| first..=last);
        let lost = all.filter(|&slot| !takes_keys_of(self.cluster.as_deref(), slot));
        let lost: Vec<(u16, u16)> = lost.map(|slot| (slot, slot)).collect();
        self.stop_exports(keyspace, &lost);
        self.drop_slots(keyspace, &lost);
    }

    /// Other nodes have claimed slots of this primary's, or of this replica's primary.
    pub(super) fn lose_slots(&mut self, keyspace: &mut Keyspace, slots: Vec<(u16, u16)>) {
        let all = slots.iter().flat_map(|&(first, last)| first..=last);
        let lost = all.filter(|&slot| !takes_keys_of(self.cluster.as_deref(), slot));
        let lost: Vec<u16> = lost.collect();
        let pairs: Vec<(u16, u16)> = lost.iter().map(|&slot| (slot, slot)).collect();
        self.stop_exports(keyspace, &pairs);
        if lost.iter().all(|&slot| keyspace.slot_len(slot) == 0) {
            return;
        }
        if self.replication.is_replica() {
            keyspace.keep_slots(&pairs);
            return;
        }
        let lost = Ranges::of_slots(lost.into_iter());
        self.with_migrations(keyspace, |m, around| m.lost(around, &lost));
    }

    /// Routes have changed. A primary shows or deletes the kept keys of slots that it owns again,
    /// before a client writes to them; a replica shows the keys of its shard's slots.
    pub(super) fn review_kept_slots(&mut self, keyspace: &mut Keyspace) {
        if !keyspace.has_kept() {
            return;
        }
        self.with_migrations(keyspace, |m, around| m.review_kept(around));
        if self.replication.is_replica() {
            self.release_kept_slots(keyspace, |server, _, slot| {
                takes_keys_of(server.cluster.as_deref(), slot)
            });
        }
    }

    /// Forgets a replica's kept slots that are empty, because its primary has deleted them. Called
    /// at each tick.
    pub(super) fn forget_empty_kept(&mut self, keyspace: &mut Keyspace) {
        if keyspace.has_kept() && self.replication.is_replica() {
            self.release_kept_slots(keyspace, |_, keyspace, slot| keyspace.slot_len(slot) == 0);
        }
    }

    fn release_kept_slots(
        &self,
        keyspace: &mut Keyspace,
        is_due: impl Fn(&Server, &Keyspace, u16) -> bool,
    ) {
        let due = keyspace
            .kept_slots()
            .filter(|&slot| is_due(self, keyspace, slot));
        let due: Vec<(u16, u16)> = due.map(|slot| (slot, slot)).collect();
        if !due.is_empty() {
            keyspace.release_slots(&due);
        }
    }

    /// A promoted replica keeps the slots that its primary kept, for as long as the primary would
    /// have kept them.
    pub(super) fn adopt_kept_slots(&mut self, keyspace: &mut Keyspace) {
        let kept: Vec<(u16, u16)> = keyspace.kept_slots().map(|slot| (slot, slot)).collect();
        if !kept.is_empty() {
            keyspace.release_slots(&kept);
            self.lose_slots(keyspace, kept);
        }
    }

    /// Drops keys of slots that other nodes own: a new primary may have keys of slots that the
    /// former primary lost, and an undone flush may bring such keys back. Returns their number.
    pub(crate) fn drop_foreign_slots(&mut self, keyspace: &mut Keyspace) -> usize {
        let Some(driver) = &self.cluster else {
            return 0;
        };
        let dbs = (0..keyspace.databases() as u32).map(DbIndex);
        let with_keys = dbs.flat_map(|db| keyspace.database(db).slots_in_use());
        let is_foreign = |slot: &u16| {
            driver.core.slot_owner(*slot).is_some()
                && !driver.core.takes_keys_of(*slot)
                && !keyspace.is_kept(*slot)
        };
        let foreign = with_keys.filter(is_foreign);
        let foreign: Vec<(u16, u16)> = foreign.map(|slot| (slot, slot)).collect();
        if foreign.is_empty() {
            return 0;
        }
        tracing::info!(
            "Deleting keys of {} slots that are of other nodes",
            foreign.len()
        );
        let keys = keyspace.drop_slots(&foreign, drop_audience(&self.replication));
        self.repeat_effects(keyspace);
        keys
    }

    /// Routes have changed: if a slot whose keys are being deleted takes keys again, all remaining
    /// deletions are recorded now.
    pub(crate) fn record_returned_slots(&mut self, keyspace: &mut Keyspace) {
        if keyspace.has_unrecorded()
            && keyspace
                .unrecorded_slots()
                .any(|slot| takes_keys_of(self.cluster.as_deref(), slot))
        {
            self.record_all_dropped_keys(keyspace);
        }
    }

    /// Records the deletions of all remaining dropped keys now. O(keys).
    pub(crate) fn record_all_dropped_keys(&mut self, keyspace: &mut Keyspace) {
        if keyspace.has_unrecorded() {
            keyspace.record_dropped(drop_audience(&self.replication));
            self.repeat_effects(keyspace);
        }
    }

    /// Continues to record the deletions of dropped keys, and to free them. Nothing is recorded
    /// while writes are paused, because a failover waits for the stream's offset then, or while a
    /// replica has more than `UNSENT_MAX` to be sent.
    pub(crate) fn free_dropped(&mut self, keyspace: &mut Keyspace, nanos: u64) {
        let end = self.stream.offset();
        let unsent = self.replication.replicas.unsent();
        let is_far = unsent.is_some_and(|unsent| end.saturating_sub(unsent) > UNSENT_MAX);
        let may_log = self.gates.pause().is_none() && !is_far;
        let continues = keyspace.free_dropped(self.cycles.ticks(nanos), may_log);
        self.turn.dropping = continues || keyspace.effects.has_complete();
        self.repeat_effects(keyspace);
    }
}

/// The listeners that get a deletion for each dropped key, if no single request stands for the
/// drop. On a replica the stream is the primary's.
fn drop_audience(replication: &Replication) -> Audience {
    if replication.is_replica() {
        Audience::LOG
    } else {
        Audience::BOTH
    }
}

/// Whether clients may write to a slot here.
fn takes_keys_of(cluster: Option<&ClusterDriver>, slot: u16) -> bool {
    cluster.is_some_and(|driver| driver.core.takes_keys_of(slot))
}

/// CLUSTER FLUSHSLOT: the keys of a slot, which may get others at once. Valkey's replicas and
/// logs have the same command.
pub(super) fn flush_slot(keyspace: &mut Keyspace, slot: u16) {
    keyspace.drop_slots(&[(slot, slot)], Audience::empty());
    let number = slot.to_string();
    let words: [&[u8]; 3] = [b"CLUSTER", b"FLUSHSLOT", number.as_bytes()];
    keyspace
        .effects
        .record(DbIndex(0), || None, words.into_iter());
}
