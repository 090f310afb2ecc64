//! The guarantee of SCAN and the like, checked through replies: they return each element that
//! exists from the first step to the last, despite concurrent additions and removals.

use std::collections::HashSet;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::testbed::{AllCommands as _, Testbed};

/// Elements that stay.
const STAY: usize = 300;
/// Maximum number of elements that are added and removed.
const MORE: usize = 3000;

/// A kind of scan: the command before the cursor, and the commands that add and remove the nth
/// element.
struct ScanCase {
    scan: &'static str,
    add: fn(usize) -> String,
    remove: fn(usize) -> String,
    /// Words per element in the reply.
    words: usize,
}

const KINDS: [ScanCase; 4] = [
    ScanCase {
        scan: "SCAN",
        add: |n| format!("SET e{n} x"),
        remove: |n| format!("DEL e{n}"),
        words: 1,
    },
    ScanCase {
        scan: "SSCAN k",
        add: |n| format!("SADD k e{n}"),
        remove: |n| format!("SREM k e{n}"),
        words: 1,
    },
    ScanCase {
        scan: "HSCAN k",
        add: |n| format!("HSET k e{n} x"),
        remove: |n| format!("HDEL k e{n}"),
        words: 2,
    },
    ScanCase {
        scan: "ZSCAN k",
        add: |n| format!("ZADD k {n} e{n}"),
        remove: |n| format!("ZREM k e{n}"),
        words: 2,
    },
];

/// The next cursor and the elements of a step.
fn step(t: &mut Testbed, kind: &ScanCase, cursor: &str) -> (String, Vec<usize>) {
    let reply = t.run(&format!("{} {cursor} COUNT 20", kind.scan));
    let mut words = reply
        .split("\r\n")
        .filter(|word| !word.is_empty() && !word.starts_with(['*', '$']));
    let next = words.next().expect("a cursor").to_owned();
    let elements = words.step_by(kind.words);
    let number = |word: &str| word.strip_prefix('e').and_then(|n| n.parse().ok());
    (
        next,
        elements
            .map(|word| number(word).expect("an element"))
            .collect(),
    )
}

#[test]
fn what_stays_is_shown_while_tables_grow_and_shrink() {
    for kind in &KINDS {
        for seed in 0..3 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut t = Testbed::unheard();
            (0..STAY).for_each(|n| _ = t.run(&(kind.add)(n)));
            // Some scans see a table grow, some see a table shrink, some both.
            let mut present = if seed == 0 { 0 } else { MORE };
            (0..present).for_each(|n| _ = t.run(&(kind.add)(STAY + n)));
            let (mut seen, mut cursor, mut steps) = (HashSet::new(), "0".to_owned(), 0);
            loop {
                let (next, elements) = step(&mut t, kind, &cursor);
                assert!(elements.iter().all(|&n| n < STAY + MORE));
                seen.extend(elements);
                cursor = next;
                if cursor == "0" {
                    break;
                }
                steps += 1;
                assert!(steps < 2 * (STAY + MORE), "{} ends", kind.scan);
                let target = match seed {
                    0 => MORE - present,
                    1 => rng.random_range(0..=MORE),
                    _ => (present + 400) % MORE,
                };
                let target = target.clamp(present.saturating_sub(500), present + 500);
                (present..target).for_each(|n| _ = t.run(&(kind.add)(STAY + n)));
                (target..present).for_each(|n| _ = t.run(&(kind.remove)(STAY + n)));
                present = target;
            }
            let missed = (0..STAY).filter(|n| !seen.contains(n)).count();
            assert_eq!(missed, 0, "{} with seed {seed}", kind.scan);
        }
    }
}

#[test]
fn a_scan_of_what_does_not_change_shows_all_of_it_once() {
    for kind in &KINDS {
        let mut t = Testbed::unheard();
        (0..STAY + MORE).for_each(|n| _ = t.run(&(kind.add)(n)));
        let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let (next, elements) = step(&mut t, kind, &cursor);
            seen.extend(elements);
            cursor = next;
            if cursor == "0" {
                break;
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..STAY + MORE), "{}", kind.scan);
    }
}
