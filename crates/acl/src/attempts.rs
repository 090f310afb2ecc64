//! Rate limit for logins, by address: after too many failed attempts, an address waits before each
//! further attempt is checked.
//!
//! Each address has a token bucket. Every attempt takes a token when it arrives, and a successful
//! attempt returns it: an attempt whose client does not wait for the answer costs as much as a
//! wrong password. While there are tokens, attempts are checked at once; then each is checked when
//! its own token is due, right or wrong. So the time of an answer reveals nothing, and opening many
//! connections lets an address try no more passwords. An attempt that would wait longer than
//! [`WAIT_MAX_MS`] is not checked at all. The table is bounded: the address whose last attempt is
//! oldest is evicted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Maximum number of remembered addresses.
const ADDRESSES_MAX: usize = 4096;

/// Bucket size: attempts checked at once, in seconds of the rate.
const BURST_S: u64 = 10;

/// The longest an attempt waits.
const WAIT_MAX_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug)]
struct Address {
    /// When all attempts so far will have had their tokens, milliseconds.
    busy_until_ms: u64,
    tried_ms: u64,
    logged: bool,
}

/// When an attempt is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckTime {
    /// At once.
    Now,
    /// After this many milliseconds.
    After(u64),
    /// Not at all: too many are waiting already.
    Never,
}

/// The decision about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub judged: CheckTime,
    /// Log this address.
    pub is_news: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    by_address: HashMap<IpAddr, Address, ahash::RandomState>,
}

/// The time until the next token.
fn token_ms(per_second: u64) -> u64 {
    1000u64.div_ceil(per_second)
}

impl Attempts {
    /// Registers an attempt. `per_second` is the permitted rate; 0: unlimited.
    ///
    /// O(1); O(addresses) now and then, when the table is full.
    pub fn begin(&mut self, from: IpAddr, per_second: u64, now_ms: u64) -> Verdict {
        if per_second == 0 {
            return Verdict {
                judged: CheckTime::Now,
                is_news: false,
            };
        }
        let from = network(from);
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&from) {
            self.forget_oldest(now_ms);
        }
        let address = self.by_address.entry(from).or_insert(Address {
            busy_until_ms: now_ms,
            tried_ms: now_ms,
            logged: false,
        });
        if address.busy_until_ms <= now_ms {
            (address.busy_until_ms, address.logged) = (now_ms, false);
        }
        address.tried_ms = now_ms;
        let busy_until_ms = address.busy_until_ms + token_ms(per_second);
        let judged = match (busy_until_ms - now_ms).saturating_sub(BURST_S * 1000) {
            0 => CheckTime::Now,
            wait if wait <= WAIT_MAX_MS => CheckTime::After(wait),
            _ => CheckTime::Never,
        };
        if judged != CheckTime::Never {
            address.busy_until_ms = busy_until_ms;
        }
        Verdict {
            judged,
            is_news: judged != CheckTime::Now && !std::mem::replace(&mut address.logged, true),
        }
    }

    /// A checked attempt has succeeded: returns its token. O(1).
    pub fn succeed(&mut self, from: IpAddr, per_second: u64, now_ms: u64) {
        let from = network(from);
        if per_second == 0 {
            return;
        }
        if let Some(address) = self.by_address.get_mut(&from) {
            let earlier = address.busy_until_ms.saturating_sub(token_ms(per_second));
            address.busy_until_ms = earlier;
            if earlier <= now_ms {
                self.by_address.remove(&from);
            }
        }
    }

    /// Makes room: evicts all addresses whose bucket is full again, else the quarter with the
    /// oldest last attempts.
    fn forget_oldest(&mut self, now_ms: u64) {
        self.by_address.retain(|_, a| a.busy_until_ms > now_ms);
        if self.by_address.len() < ADDRESSES_MAX {
            return;
        }
        let mut times: Vec<u64> = self.by_address.values().map(|a| a.tried_ms).collect();
        let (_, &mut quarter, _) = times.select_nth_unstable(ADDRESSES_MAX / 4);
        let mut left = ADDRESSES_MAX / 4;
        self.by_address.retain(|_, a| {
            let goes = a.tried_ms <= quarter && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

/// Counts an IPv6 /64 as one address: its owner has 2^64 of them.
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
    fn an_address_that_tries_too_often_waits_and_others_do_not() {
        let mut attempts = Attempts::default();
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let all: Vec<CheckTime> = (0..250)
            .map(|_| attempts.begin(bad, 10, 5).judged)
            .collect();
        assert!(
            all[..100].iter().all(|&judged| judged == CheckTime::Now),
            "{all:?}"
        );
        assert_eq!(
            all[100..102],
            [CheckTime::After(100), CheckTime::After(200)]
        );
        assert_eq!(
            all[199..202],
            [CheckTime::After(10_000), CheckTime::Never, CheckTime::Never]
        );
        assert_eq!(attempts.begin(good, 10, 5).judged, CheckTime::Now);
        assert_eq!(
            attempts.begin(bad, 0, 5).judged,
            CheckTime::Now,
            "switched off"
        );
        // Refused attempts cost nothing: one token is due every 100 ms.
        assert_eq!(
            attempts.begin(bad, 10, 105).judged,
            CheckTime::After(10_000)
        );
        assert_eq!(
            attempts.begin(bad, 10, 60_000).judged,
            CheckTime::Now,
            "much later"
        );
    }

    #[test]
    fn a_right_one_costs_nothing_and_is_not_remembered() {
        let mut attempts = Attempts::default();
        let from = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..1000 {
            assert_eq!(attempts.begin(from, 1, 7).judged, CheckTime::Now);
            attempts.succeed(from, 1, 7);
        }
        assert!(attempts.by_address.is_empty());
        (0..10).for_each(|_| _ = attempts.begin(from, 1, 7));
        assert_eq!(attempts.begin(from, 1, 7).judged, CheckTime::After(1000));
        attempts.succeed(from, 1, 7);
        assert_eq!(attempts.begin(from, 1, 7).judged, CheckTime::After(1000));
    }

    #[test]
    fn an_address_is_news_once() {
        let mut attempts = Attempts::default();
        let bad = IpAddr::from([10, 0, 0, 1]);
        let logged: Vec<Verdict> = (0..1000).map(|_| attempts.begin(bad, 10, 0)).collect();
        assert_eq!(logged.iter().filter(|v| v.is_news).count(), 1);
    }

    #[test]
    fn the_table_is_bounded_whatever_comes() {
        let mut attempts = Attempts::default();
        for n in 0..20_000u32 {
            attempts.begin(IpAddr::from(n.to_be_bytes()), 1, 0);
        }
        assert!(attempts.by_address.len() <= ADDRESSES_MAX);
        let v6 = |n: u128| IpAddr::V6(Ipv6Addr::from_bits(0x2001 << 112 | n));
        let before = attempts.by_address.len();
        (0..100).for_each(|n| _ = attempts.begin(v6(n), 1, 0));
        assert!(attempts.by_address.len() <= before + 1);
    }
}
