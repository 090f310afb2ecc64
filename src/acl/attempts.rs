//! Failed authentications by address: who fails too often waits for his answer.
//!
//! Each address has an allowance that fills again with time (a bucket of tokens). While it
//! lasts, failures are answered at once; then each waits for its own token, so that however
//! many connections an address opens, it tries no more passwords than fit. The table is bounded:
//! who has failed longest ago leaves it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 4096;

/// Failures that are answered at once, in seconds of the rate.
const BURST_S: u64 = 10;

/// No answer waits longer.
const WAIT_MAX_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug)]
struct Address {
    /// When all failures so far will have had their time, milliseconds.
    busy_until_ms: u64,
    failed_ms: u64,
    told: bool,
}

/// What becomes of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How long its answer is to wait.
    pub wait_ms: u64,
    /// The log is to be told of this address.
    pub is_news: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    by_address: HashMap<IpAddr, Address, ahash::RandomState>,
}

impl Attempts {
    /// Notes a failure. `per_second` is the rate that is let pass; 0: any.
    ///
    /// O(1); O(addresses) once in a while, when the table is full.
    pub fn fail(&mut self, from: IpAddr, per_second: u64, now_ms: u64) -> Verdict {
        let at_once = Verdict {
            wait_ms: 0,
            is_news: false,
        };
        if per_second == 0 {
            return at_once;
        }
        let from = network(from);
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&from) {
            self.forget_oldest(now_ms);
        }
        let address = self.by_address.entry(from).or_insert(Address {
            busy_until_ms: now_ms,
            failed_ms: now_ms,
            told: false,
        });
        if address.busy_until_ms <= now_ms {
            (address.busy_until_ms, address.told) = (now_ms, false);
        }
        address.failed_ms = now_ms;
        let most = now_ms + BURST_S * 1000 + WAIT_MAX_MS;
        address.busy_until_ms = (address.busy_until_ms + 1000u64.div_ceil(per_second)).min(most);
        let wait_ms = (address.busy_until_ms - now_ms).saturating_sub(BURST_S * 1000);
        Verdict {
            wait_ms,
            is_news: wait_ms > 0 && !std::mem::replace(&mut address.told, true),
        }
    }

    /// Makes room: all whose allowance is full again go, else the quarter that failed longest
    /// ago.
    fn forget_oldest(&mut self, now_ms: u64) {
        self.by_address.retain(|_, a| a.busy_until_ms > now_ms);
        if self.by_address.len() < ADDRESSES_MAX {
            return;
        }
        let mut times: Vec<u64> = self.by_address.values().map(|a| a.failed_ms).collect();
        let (_, &mut quarter, _) = times.select_nth_unstable(ADDRESSES_MAX / 4);
        let mut left = ADDRESSES_MAX / 4;
        self.by_address.retain(|_, a| {
            let goes = a.failed_ms <= quarter && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u64::MAX as u128))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits_and_others_do_not() {
        let mut attempts = Attempts::default();
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let waits: Vec<u64> = (0..150)
            .map(|_| attempts.fail(bad, 10, 5).wait_ms)
            .collect();
        assert!(waits[..100].iter().all(|&wait| wait == 0), "{waits:?}");
        assert_eq!(waits[100..103], [100, 200, 300]);
        assert_eq!(attempts.fail(good, 10, 5).wait_ms, 0);
        assert_eq!(attempts.fail(bad, 0, 5).wait_ms, 0, "switched off");
        assert_eq!(attempts.fail(bad, 10, 60_000).wait_ms, 0, "much later");
    }

    #[test]
    fn an_address_is_news_once_and_no_wait_is_endless() {
        let mut attempts = Attempts::default();
        let bad = IpAddr::from([10, 0, 0, 1]);
        let told: Vec<Verdict> = (0..1000).map(|_| attempts.fail(bad, 10, 0)).collect();
        assert_eq!(told.iter().filter(|v| v.is_news).count(), 1);
        assert_eq!(told[999].wait_ms, WAIT_MAX_MS);
    }

    #[test]
    fn the_table_is_bounded_whatever_comes() {
        let mut attempts = Attempts::default();
        for n in 0..20_000u32 {
            attempts.fail(IpAddr::from(n.to_be_bytes()), 1, 0);
        }
        assert!(attempts.by_address.len() <= ADDRESSES_MAX);
        let v6 = |n: u128| IpAddr::V6(Ipv6Addr::from_bits(0x2001 << 112 | n));
        let before = attempts.by_address.len();
        (0..100).for_each(|n| _ = attempts.fail(v6(n), 1, 0));
        assert!(attempts.by_address.len() <= before + 1);
    }
}
