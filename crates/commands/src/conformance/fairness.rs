//! Whether random picks are fair: every command, every encoding, by counting replies.

use std::collections::HashMap;

use crate::testbed::{AllCommands as _, Testbed};

/// Average number of picks of each element.
const PICKS: usize = 80;
/// A fair pick exceeds this many standard deviations once in 10^9 runs.
const Z_MAX: f64 = 6.0;

/// The bulk strings of a reply.
fn words(reply: &str) -> impl Iterator<Item = &str> {
    let lines = reply.split("\r\n").filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with(['*', '$', ':', '~', '%']))
}

/// How far the `counts` of `n` elements are from equal, in standard deviations of their
/// chi-squared. `share`: the part of all elements that a pick takes without repetition; 0: with
/// repetition.
fn deviation(counts: &HashMap<String, usize>, n: usize, share: f64) -> f64 {
    let total: usize = counts.values().sum();
    let expected = total as f64 / n as f64;
    let far = |count: usize| (count as f64 - expected).powi(2) / expected;
    let unseen = (n - counts.len()) as f64 * far(0);
    let chi2 = counts.values().map(|&count| far(count)).sum::<f64>() + unseen;
    let freedom = (n - 1) as f64;
    (chi2 / (1.0 - share) - freedom) / (2.0 * freedom).sqrt()
}

/// Runs `pick`, which returns `each` of `n` elements, until each is expected [`PICKS`] times.
fn counted(t: &mut Testbed, n: usize, each: usize, pick: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for _ in 0..(n * PICKS).div_ceil(each) {
        let reply = t.run(pick);
        let mut came = 0;
        for word in words(&reply) {
            *counts.entry(word.to_owned()).or_default() += 1;
            came += 1;
        }
        assert_eq!(came, each, "{pick}");
    }
    counts
}

/// A command that adds the nth element.
type Add = fn(usize) -> String;

const VALUES: [(&str, &str, usize, Add); 7] = [
    ("SRANDMEMBER", "intset", 45, |n| format!("SADD k {n}")),
    ("SRANDMEMBER", "listpack", 45, |n| format!("SADD k m{n}")),
    ("SRANDMEMBER", "hashtable", 700, |n| format!("SADD k m{n}")),
    ("HRANDFIELD", "listpack", 45, |n| format!("HSET k f{n} {n}")),
    ("HRANDFIELD", "hashtable", 700, |n| {
        format!("HSET k f{n} {n}")
    }),
    ("ZRANDMEMBER", "listpack", 45, |n| {
        format!("ZADD k {n} m{n}")
    }),
    ("ZRANDMEMBER", "skiplist", 700, |n| {
        format!("ZADD k {n} m{n}")
    }),
];

#[test]
fn picks_from_every_encoding_are_fair() {
    for (command, encoding, n, add) in VALUES {
        let mut t = Testbed::unheard();
        for i in 0..n {
            t.run(&add(i));
        }
        let shown = t.run("OBJECT ENCODING k");
        assert_eq!(words(&shown).next(), Some(encoding));
        // A single element; several with repetition; a few distinct elements; nearly all.
        for (count, each) in [(None, 1), (Some(-9), 9), (Some(4), 4), (Some(40), 40)] {
            let pick = match count {
                None => format!("{command} k"),
                Some(count) => format!("{command} k {count}"),
            };
            let counts = counted(&mut t, n, each, &pick);
            let once = count.is_some_and(|count| count > 0);
            let share = if once { each as f64 / n as f64 } else { 0.0 };
            let z = deviation(&counts, n, share);
            assert!(z.abs() < Z_MAX, "{pick} of {encoding}: {z}");
        }
    }
}

#[test]
fn spop_takes_any_member() {
    for (n, member) in [(30, ""), (30, "m"), (400, "m")] {
        let mut t = Testbed::unheard();
        for i in 0..n {
            t.run(&format!("SADD k {member}{i}"));
        }
        let mut counts = HashMap::new();
        for round in 0..n * PICKS / 2 {
            let reply = t.run(if round % 2 == 0 { "SPOP k" } else { "SPOP k 3" });
            for word in words(&reply) {
                *counts.entry(word.to_owned()).or_default() += 1;
                t.run(&format!("SADD k {word}"));
            }
        }
        // The three elements of a pick are distinct: the deviation is a little smaller.
        let z = deviation(&counts, n, 0.0);
        assert!(z.abs() < Z_MAX, "{n} of {member}: {z}");
    }
}

#[test]
fn randomkey_is_fair_to_keys_with_and_without_a_ttl() {
    const KEYS: usize = 300;
    let mut t = Testbed::unheard();
    for i in 0..KEYS {
        t.run(&format!("SET k{i} x"));
        if i % 3 == 0 {
            t.run(&format!("EXPIRE k{i} 1000"));
        }
    }
    let counts = counted(&mut t, KEYS, 1, "RANDOMKEY");
    let z = deviation(&counts, KEYS, 0.0);
    assert!(z.abs() < Z_MAX, "{z}");
}
