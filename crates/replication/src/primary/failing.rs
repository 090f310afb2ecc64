//! Replicas that were sent whole copies and have acknowledged none: they cannot load them, or their
//! links break each time. Between the copies to such a replica the primary pauses, 1 s doubling to
//! 30 s.
//!
//! A replica is known by its announced address. A first copy that fails has no consequence, because
//! any link may break.

use std::collections::VecDeque;

/// Replicas that are remembered.
const REPLICAS_MAX: usize = 16;
/// A replica that has not come back for so long no longer counts as failing.
const FORGET_MS: u64 = 300_000;
const PAUSE_MS: u64 = 1000;
const PAUSE_MAX_MS: u64 = 30_000;

/// See the module.
#[derive(Debug)]
pub struct FailingReplica {
    /// The address that the replica announces.
    pub ip: String,
    /// The port that it announces.
    pub port: u16,
    /// Copies in a row that the replica has not acknowledged.
    pub copies: u32,
    /// The next copy does not begin before, monotonic milliseconds.
    pub retry_ms: u64,
    failed_ms: u64,
    /// The data that the replica cannot read, if known: its kind, and the lowest version of a file
    /// that has it.
    pub unreadable: Option<(&'static str, u32)>,
    /// The failure of the last copy has been logged.
    pub is_reported: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct FailingReplicas(VecDeque<FailingReplica>);

impl FailingReplicas {
    /// Whether no replica is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A replica is gone that was sent a copy and has acknowledged nothing.
    pub fn note(&mut self, (ip, port): (String, u16), now_ms: u64) {
        self.0
            .retain(|its| now_ms.saturating_sub(its.failed_ms) < FORGET_MS);
        let before = self.0.iter().position(|its| its.is_at(&ip, port));
        let before = before.and_then(|at| self.0.remove(at));
        let copies = before.map_or(0, |its| its.copies).saturating_add(1);
        let pause_ms = match copies {
            1 => 0,
            _ => (PAUSE_MS << (copies - 2).min(5)).min(PAUSE_MAX_MS),
        };
        if self.0.len() >= REPLICAS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(FailingReplica {
            ip,
            port,
            copies,
            retry_ms: now_ms + pause_ms,
            failed_ms: now_ms,
            unreadable: None,
            is_reported: false,
        });
    }

    /// A replica, named by its address and port, has acknowledged its copy.
    pub fn recovered(&mut self, name: &str) {
        self.0
            .retain(|its| name != format!("{}:{}", its.ip, its.port));
    }

    /// The replica at this address, if it is in the list.
    pub fn at(&mut self, ip: &str, port: u16) -> Option<&mut FailingReplica> {
        self.0.iter_mut().find(|its| its.is_at(ip, port))
    }

    /// Replicas that have failed more than once, and lately.
    pub fn repeatedly(&self, now_ms: u64) -> impl Iterator<Item = &FailingReplica> {
        let all = self.0.iter().filter(|its| its.copies > 1);
        all.filter(move |its| now_ms.saturating_sub(its.failed_ms) < FORGET_MS)
    }
}

impl FailingReplica {
    fn is_at(&self, ip: &str, port: u16) -> bool {
        self.ip == ip && self.port == port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_until_the_replica_acknowledges() {
        let mut failing = FailingReplicas::default();
        let pauses = |failing: &mut FailingReplicas, n| {
            let mut pause = |at: u64| {
                failing.note(("h".to_owned(), 1), at);
                failing.at("h", 1).expect("it is known").retry_ms - at
            };
            (0..n).map(|n| pause(n * 1000)).collect::<Vec<_>>()
        };
        let wanted = [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
        assert_eq!(pauses(&mut failing, 8), wanted);
        assert_eq!(failing.repeatedly(8000).count(), 1);
        assert_eq!(failing.repeatedly(400_000).count(), 0, "it is gone");
        failing.recovered("h:2");
        assert!(!failing.is_empty());
        failing.recovered("h:1");
        assert!(failing.is_empty());
        assert_eq!(pauses(&mut failing, 1), [0]);
        for port in 2..100 {
            failing.note(("h".to_owned(), port), 0);
        }
        assert_eq!(failing.0.len(), REPLICAS_MAX);
    }
}
