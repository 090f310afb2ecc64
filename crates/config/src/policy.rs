//! `maxmemory-policy`: one row for each policy of eviction.
//!
//! A new policy is a row of [`POLICIES`] and its lines in `redis.conf.example`. If its order is new
//! as well, `expiry/evict.rs` of the keyspace gives it a score; if its clock is new,
//! `expiry/clock.rs` keeps it.

use crate::Choice;
use EvictionOrder::{
    LeastFrequentlyUsed, LeastRecentlyModified, LeastRecentlyUsed, Random, SoonestExpiry,
};

/// The order in which keys are evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOrder {
    /// By the last use (`allkeys-lru`, `volatile-lru`).
    LeastRecentlyUsed,
    /// By the last change: reading a key does not keep it.
    LeastRecentlyModified,
    /// By the logarithmic counter (`allkeys-lfu`, `volatile-lfu`).
    LeastFrequentlyUsed,
    /// None: any key (`allkeys-random`, `volatile-random`).
    Random,
    /// By the expiry, the soonest first (`volatile-ttl`).
    SoonestExpiry,
}

/// The figure that each key has for its eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseFigure {
    /// The time of the last use.
    LastUse,
    /// The time of the last change.
    LastChange,
    /// A logarithmic counter of uses.
    Count,
}

/// A row of the table: `maxmemory-policy`, what to evict when `maxmemory` is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionPolicy {
    /// The name in a configuration file.
    pub name: &'static str,
    /// `None`: nothing is evicted.
    pub order: Option<EvictionOrder>,
    /// Only keys that have an expiry are candidates.
    pub volatile: bool,
    /// The figure that decides; `None`: the policy needs none, and the keyspace keeps the time of
    /// the last use, which is not saved.
    pub clock: Option<UseFigure>,
}

/// The policies, in the order in which a refusal lists them.
const POLICIES: [EvictionPolicy; 10] = [
    volatile("volatile-lru", LeastRecentlyUsed, Some(UseFigure::LastUse)),
    volatile("volatile-lfu", LeastFrequentlyUsed, Some(UseFigure::Count)),
    volatile("volatile-random", Random, None),
    volatile("volatile-ttl", SoonestExpiry, None),
    volatile(
        "volatile-lrm",
        LeastRecentlyModified,
        Some(UseFigure::LastChange),
    ),
    all_keys("allkeys-lru", LeastRecentlyUsed, Some(UseFigure::LastUse)),
    all_keys("allkeys-lfu", LeastFrequentlyUsed, Some(UseFigure::Count)),
    all_keys("allkeys-random", Random, None),
    all_keys(
        "allkeys-lrm",
        LeastRecentlyModified,
        Some(UseFigure::LastChange),
    ),
    EvictionPolicy::NO_EVICTION,
];

const fn all_keys(
    name: &'static str,
    order: EvictionOrder,
    clock: Option<UseFigure>,
) -> EvictionPolicy {
    EvictionPolicy {
        name,
        order: Some(order),
        volatile: false,
        clock,
    }
}

const fn volatile(
    name: &'static str,
    order: EvictionOrder,
    clock: Option<UseFigure>,
) -> EvictionPolicy {
    EvictionPolicy {
        volatile: true,
        ..all_keys(name, order, clock)
    }
}

impl EvictionPolicy {
    /// Writes are refused instead.
    pub const NO_EVICTION: EvictionPolicy = EvictionPolicy {
        name: "noeviction",
        order: None,
        volatile: false,
        clock: None,
    };

    /// Whether keys have the time of their last use, or of their last change.
    pub fn records_time(self) -> bool {
        matches!(self.clock, Some(UseFigure::LastUse | UseFigure::LastChange))
    }

    /// Whether keys have a counter of their uses.
    pub fn counts_uses(self) -> bool {
        self.clock == Some(UseFigure::Count)
    }
}

impl Choice for EvictionPolicy {
    const NAMES: &'static [(&'static str, EvictionPolicy)] = &{
        let mut names = [("", EvictionPolicy::NO_EVICTION); POLICIES.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = (POLICIES[at].name, POLICIES[at]);
            at += 1;
        }
        names
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_candidates_and_the_order() {
        for policy in POLICIES {
            assert_eq!(EvictionPolicy::parse(policy.name.as_bytes()), Some(policy));
            let Some(order) = policy.order else {
                assert_eq!(policy, EvictionPolicy::NO_EVICTION);
                continue;
            };
            let (candidates, by) = policy.name.split_once('-').unwrap();
            assert_eq!(candidates == "volatile", policy.volatile, "{policy:?}");
            let (of_name, clock) = match by {
                "lru" => (LeastRecentlyUsed, Some(UseFigure::LastUse)),
                "lrm" => (LeastRecentlyModified, Some(UseFigure::LastChange)),
                "lfu" => (LeastFrequentlyUsed, Some(UseFigure::Count)),
                "random" => (Random, None),
                "ttl" => (SoonestExpiry, None),
                _ => panic!("{by}"),
            };
            assert_eq!((order, policy.clock), (of_name, clock), "{policy:?}");
        }
    }
}
