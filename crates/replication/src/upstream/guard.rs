//! The guard against a primary that came back empty (`replica-min-retain-percent`).
//!
//! A replica that was in sync with an address refuses a snapshot from there with far fewer keys
//! than it has: it keeps its data, serves it as stale, and tries again after a long delay. Another
//! address, or REPLICAOF with the same one again, is the operator's word that the snapshot is
//! meant. In a cluster a primary whose slots went to a replica guards its own data likewise.
//!
//! The keys of a snapshot are counted in the received file; as loaded, if it is loaded beside the
//! old data (`swapdb`); or in its first bytes ([`HEAD_MAX`]) if the old data goes before the load.

use super::core::{Delay, Stage, Upstream};
use super::events::{CountedKeys, Order};
use super::words::Words;

/// Bytes of a snapshot that are looked at before the old data goes: all of a nearly empty snapshot.
pub(super) const HEAD_MAX: usize = 256 << 10;

/// A snapshot that was refused because it has too few keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedSync {
    /// Keys of the snapshot.
    pub keys: u64,
    /// Our own keys.
    pub own_keys: u64,
    /// Monotonic milliseconds.
    pub at_ms: u64,
}

/// The fewest keys of a snapshot that may replace so many. `None`: there is nothing to guard.
pub fn keys_min(own_keys: u64, percent: u32) -> Option<u64> {
    let share = u128::from(own_keys) * u128::from(percent);
    let keys_min = u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX);
    (keys_min > 0).then_some(keys_min)
}

impl Upstream {
    /// Whether the next snapshot of the primary may be refused.
    pub(super) fn guards(&self) -> bool {
        let guards = self.guards_own || self.is_familiar && self.has_data;
        guards && !self.accepts_any && self.settings.retain_percent > 0
    }

    /// Asks for the count on which the guard decides. `false`: the guard does not apply.
    pub(super) fn asks_count(&mut self, of: CountedKeys) -> bool {
        let asks = self.guards();
        if asks {
            let percent = self.settings.retain_percent;
            self.act(Order::Count(of, percent));
        }
        asks
    }

    /// The keys are counted, as far as they can be.
    pub(super) fn counted(&mut self, now_ms: u64, own_keys: u64, keys: Option<u64>) {
        let min = keys_min(own_keys, self.settings.retain_percent);
        if let (Some(min), Some(keys)) = (min, keys)
            && keys < min
        {
            let why = self.refuse(now_ms, keys, own_keys);
            return self.fail_sync(now_ms, why, Delay::Guarded);
        }
        match &mut self.stage {
            // A file that cannot be counted is not refused: the load logs the fault.
            Stage::Receiving(_) => self.load_file(),
            Stage::Loading(loading) if loading.has_begun => self.adopt(),
            Stage::Loading(loading) => {
                let is_seen = loading.is_received() || loading.head_bytes() > HEAD_MAX;
                if keys.is_some() || min.is_none() || is_seen {
                    self.begin_load();
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, now_ms: u64, keys: u64, own_keys: u64) -> String {
        self.refused = Some(RefusedSync {
            keys,
            own_keys,
            at_ms: now_ms,
        });
        let Words { master, .. } = self.words();
        let (host, port) = (&self.host, self.port);
        let order = if self.settings.is_cluster {
            "CLUSTER REPLICATE with that primary's id".to_owned()
        } else {
            format!("REPLICAOF {host} {port}")
        };
        format!(
            "The snapshot of {master} {host}:{port} has {keys} keys and this replica {own_keys}: refused \
             (replica-min-retain-percent). The data is kept and served as stale; {order} takes the \
             snapshot."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_percentage_is_refused() {
        assert_eq!(keys_min(0, 50), None);
        assert_eq!(keys_min(1000, 0), None);
        assert_eq!(keys_min(1, 1), Some(1));
        assert_eq!(keys_min(1000, 1), Some(10));
        assert_eq!(keys_min(1001, 1), Some(11));
        assert_eq!(keys_min(7, 100), Some(7));
        assert_eq!(keys_min(u64::MAX, 100), Some(u64::MAX));
    }
}
