//! `--lru-test KEYS`: a cache under a load in which few keys are wanted most. A line a second says
//! how many GETs the server could serve. It writes keys `lru:N` and runs until it is interrupted.

use std::time::{Duration, Instant};

use russet_resp::ReplyValue;

use super::{ErrorLine, ended, text_of};
use crate::link::Link;

/// Requests on the way.
const PIPELINE: usize = 250;

/// Of 100 requests this many are SET.
const SETS_OF_100: u64 = 20;

/// A key's number by a power law: 80 % of the requests go to about 20 % of the keys.
fn key(keys: u64, random: u64) -> u64 {
    let even = random as f64 / u64::MAX as f64;
    let skewed = (keys as f64 + 1.0) * even.powf(6.2);
    (skewed as u64).min(keys.saturating_sub(1))
}

pub(crate) fn lru_test(link: &mut Link, keys: u64) -> Result<u8, ErrorLine> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    loop {
        let (mut hits, mut misses) = (0_u64, 0_u64);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            for _ in 0..PIPELINE {
                let name = format!("lru:{}", key(keys, random()));
                let sent = if random() % 100 < SETS_OF_100 {
                    link.send(&["SET", &name, &"v".repeat(1 + (random() % 5) as usize)])
                } else {
                    link.send(&["GET", &name])
                };
                sent.map_err(ended)?;
            }
            for _ in 0..PIPELINE {
                match link.next().map_err(ended)? {
                    ReplyValue::Bulk(_) => hits += 1,
                    ReplyValue::Null => misses += 1,
                    ReplyValue::Error(why) => println!("{}", text_of(&why)),
                    _ => {}
                }
            }
        }
        let gets = hits + misses;
        let share = |part: u64| part as f64 / gets.max(1) as f64 * 100.0;
        println!(
            "{gets} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)",
            share(hits),
            share(misses)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_wanted_most() {
        let steps = (0..1000_u64).map(|step| u64::MAX / 1000 * step);
        let chosen: Vec<u64> = steps.map(|random| key(100, random)).collect();
        assert!(chosen.iter().all(|&key| key < 100));
        let few = chosen.iter().filter(|&&key| key < 25).count();
        assert!((700..950).contains(&few), "{few}");
    }
}
