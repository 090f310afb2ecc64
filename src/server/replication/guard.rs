//! A replica's guard against a primary that came back empty (`replica-min-retain-percent`).
//!
//! A replica that was in sync with an address refuses a snapshot from there with far fewer keys
//! than it has: it keeps its data, serves it as stale, and tries again after a long delay. Another
//! address, or REPLICAOF with the same one again, is the operator's word that the snapshot is
//! meant. In a cluster a primary whose slots went to a replica guards its own data likewise.
//!
//! The keys of a snapshot are counted in the received file; as loaded, if it is loaded beside the
//! old data (`swapdb`); or in its first bytes ([`HEAD_MAX`]) if the old data goes before the load.

use std::path::Path;

use crate::server::parts::replication::upstream::{RefusedSync, Source, SyncLoad};
use crate::server::process::log::MASTER;
use crate::server::state::Server;
use russet_keyspace::Keyspace;
use russet_persistence::rdb::{self, Input, count_keys};

/// Bytes of a snapshot that are looked at before the old data goes: all of a nearly empty one.
const HEAD_MAX: usize = 256 << 10;
/// Entries per database whose expiry is looked at.
const SAMPLES: usize = 1000;

/// The judgement on the first bytes of a snapshot.
pub(super) enum Judged {
    /// More must arrive.
    Unknown,
    Taken,
    Refused(String),
}

/// The size of this server's data, and the fewest keys of a snapshot that may replace it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    own_keys: u64,
    /// A snapshot with fewer is refused.
    keys_min: u64,
}

impl Guard {
    /// `None`: there is nothing to guard.
    fn new(own_keys: u64, percent: u32) -> Option<Guard> {
        let share = u128::from(own_keys) * u128::from(percent);
        let keys_min = u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX);
        (keys_min > 0).then_some(Guard { own_keys, keys_min })
    }
}

impl Server {
    /// The guard against the next snapshot of the primary. O(databases).
    pub(super) fn guards(&self, keyspace: &Keyspace) -> Option<Guard> {
        let upstream = self.replication.upstream.as_ref()?;
        let guards = upstream.guards_own || upstream.is_familiar && upstream.has_data;
        let applies = guards && !upstream.accepts_any;
        // Keys that have expired are hidden here and deleted there.
        let own_keys = || keyspace.live_keys(SAMPLES);
        applies
            .then(|| Guard::new(own_keys(), self.config.replica_min_retain_percent))
            .flatten()
    }

    /// Whether a snapshot with so many keys is refused, and why.
    pub(super) fn refuse_sync(&mut self, keyspace: &Keyspace, keys: u64) -> Option<String> {
        let guard = self.guards(keyspace)?;
        self.refuse(guard, keys)
    }

    fn refuse(&mut self, guard: Guard, keys: u64) -> Option<String> {
        if keys >= guard.keys_min {
            return None;
        }
        let upstream = self.replication.upstream.as_mut()?;
        let own_keys = guard.own_keys;
        upstream.refused = Some(RefusedSync {
            keys,
            own_keys,
            at_ms: self.now.mono_ms,
        });
        let order = if self.cluster.is_some() {
            "CLUSTER REPLICATE with that primary's id".to_owned()
        } else {
            format!("REPLICAOF {} {}", upstream.host, upstream.port)
        };
        Some(format!(
            "The snapshot of {MASTER} {host}:{port} has {keys} keys and this replica {own_keys}: refused \
             (replica-min-retain-percent). The data is kept and served as stale; {order} takes the \
             snapshot.",
            host = upstream.host,
            port = upstream.port,
        ))
    }

    /// As [`Server::refuse_sync`], for a snapshot that was received into a file. A file that cannot
    /// be counted is not refused: the load logs the fault. O(bytes) at most.
    pub(in crate::server) fn refuse_file(
        &mut self,
        keyspace: &Keyspace,
        path: &Path,
    ) -> Option<String> {
        let guard = self.guards(keyspace)?;
        let (mut input, _) = rdb::open(path).ok()?;
        let keys = count_keys(&mut input, guard.keys_min).ok()?;
        self.refuse(guard, keys)
    }

    /// Judges a snapshot by its first bytes, if the old data goes before the load.
    pub(super) fn judge_head(&mut self, keyspace: &Keyspace, load: &mut SyncLoad) -> Judged {
        let is_received = load.is_received();
        let Source::Socket { head, .. } = &mut load.source else {
            return Judged::Taken;
        };
        let (Some(bytes), Some(guard)) = (head.as_deref(), self.guards(keyspace)) else {
            *head = None;
            return Judged::Taken;
        };
        let counted = count_keys(&mut Input::of_bytes(bytes), guard.keys_min);
        let judged = match counted {
            Ok(keys) => match self.refuse(guard, keys) {
                Some(why) => Judged::Refused(why),
                None => Judged::Taken,
            },
            Err(_) if is_received || bytes.len() > HEAD_MAX => Judged::Taken,
            Err(_) => Judged::Unknown,
        };
        if !matches!(judged, Judged::Unknown) {
            *head = None;
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_percentage_is_refused() {
        let keys_min = |own, percent| Guard::new(own, percent).map(|guard| guard.keys_min);
        assert_eq!(keys_min(0, 50), None);
        assert_eq!(keys_min(1000, 0), None);
        assert_eq!(keys_min(1, 1), Some(1));
        assert_eq!(keys_min(1000, 1), Some(10));
        assert_eq!(keys_min(1001, 1), Some(11));
        assert_eq!(keys_min(7, 100), Some(7));
        assert_eq!(keys_min(u64::MAX, 100), Some(u64::MAX));
    }
}
