//! The whole table against models: maps, sets, sorted times.
//!
//! Random operations also run with a poor hash, and with a hash that is equal for all elements:
//! slower, never wrong. Scans continue through growth and shrinking. Bounds of cost count elements
//! read, not time.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{HashTable, Word};

/// A number as an element: words are the numbers shifted past the three flag bits.
fn word(number: u64) -> Word {
    Word::from_raw((number + 1) << 3)
}

fn number(word: Word) -> u64 {
    (word.raw() >> 3) - 1
}

/// SplitMix64's finaliser: a good hash of a number.
fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A table of numbers under a chosen hash function.
struct Numbers {
    table: HashTable,
    hash: fn(u64) -> u64,
}

impl Numbers {
    fn new(hash: fn(u64) -> u64) -> Numbers {
        Numbers {
            // Uses the test's hashes unchanged.
            table: HashTable::salted(1),
            hash,
        }
    }

    fn with(count: u64) -> Numbers {
        let mut numbers = Numbers::new(mix);
        (0..count).for_each(|n| numbers.insert(n));
        numbers
    }

    fn insert(&mut self, n: u64) {
        let hash = self.hash;
        self.table
            .insert(hash(n), word(n), |word| hash(number(word)));
    }

    fn contains(&self, n: u64) -> bool {
        self.table
            .find((self.hash)(n), |found| found == word(n))
            .is_some()
    }

    fn remove(&mut self, n: u64) -> bool {
        self.table
            .remove((self.hash)(n), |found| found == word(n))
            .is_some()
    }

    fn check(&self) {
        let hash = self.hash;
        self.table.check_invariants(|word| hash(number(word)));
    }

    fn sorted(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.table.iter().map(number).collect();
        all.sort_unstable();
        all
    }
}

/// Few tags, few prefixes: crowded buckets, deep directories, overflow.
fn poor(n: u64) -> u64 {
    ((mix(n) % 5) << 60) | ((mix(n ^ 77) % 40) * 13)
}

fn one_hash(_: u64) -> u64 {
    0x1234_5678_9abc_def0
}

#[derive(Clone, Debug)]
enum Op {
    InsertRun(u64, u64),
    RemoveRun(u64, u64),
    Replace(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let run = (0u64..4000, 1u64..900);
    let op = prop_oneof![
        4 => run.clone().prop_map(|(n, len)| Op::InsertRun(n, len)),
        3 => run.prop_map(|(n, len)| Op::RemoveRun(n, len)),
        1 => (0u64..5000).prop_map(Op::Replace),
    ];
    prop::collection::vec(op, 1..30)
}

fn follow_model(hash: fn(u64) -> u64, ops: &[Op]) {
    let mut numbers = Numbers::new(hash);
    let mut model: HashMap<u64, ()> = HashMap::new();
    for op in ops {
        match *op {
            Op::InsertRun(first, len) => {
                for n in first..first + len {
                    assert_eq!(numbers.contains(n), model.contains_key(&n));
                    if model.insert(n, ()).is_none() {
                        numbers.insert(n);
                    }
                }
            }
            Op::RemoveRun(first, len) => {
                for n in first..first + len {
                    assert_eq!(numbers.remove(n), model.remove(&n).is_some());
                }
            }
            Op::Replace(n) => {
                let handle = numbers.table.find_handle(hash(n), |found| found == word(n));
                assert_eq!(handle.is_some(), model.contains_key(&n));
                if let Some(handle) = handle {
                    numbers.table.replace_at(handle, word(n));
                    assert_eq!(numbers.table.word_at(handle), word(n));
                }
            }
        }
        numbers.check();
        assert_eq!(numbers.table.len(), model.len());
    }
    let mut expected: Vec<u64> = model.into_keys().collect();
    expected.sort_unstable();
    assert_eq!(numbers.sorted(), expected);
    assert!(expected.iter().all(|&n| numbers.contains(n)));
    expected.iter().for_each(|&n| assert!(numbers.remove(n)));
    assert_eq!(
        numbers.table.memory_bytes(),
        0,
        "an empty table has given everything back"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_operations_agree_with_a_map(ops in ops()) {
        follow_model(mix, &ops);
    }

    #[test]
    fn a_poor_hash_is_slow_but_correct(ops in ops()) {
        follow_model(poor, &ops);
    }

    #[test]
    fn equal_hashes_are_slow_but_correct(ops in ops()) {
        follow_model(one_hash, &ops[..ops.len().min(6)]);
    }
}

#[test]
fn a_million_in_and_out_again() {
    const COUNT: u64 = 1_000_000;
    let mut numbers = Numbers::new(mix);
    for n in 0..COUNT {
        numbers.insert(n);
        if n.is_power_of_two() {
            numbers.check();
        }
    }
    numbers.check();
    assert!((0..COUNT).all(|n| numbers.contains(n)));
    assert!((COUNT..2 * COUNT).all(|n| !numbers.contains(n)));
    let bytes = numbers.table.memory_bytes() as f64 / COUNT as f64;
    assert!((8.5..10.5).contains(&bytes), "{bytes} bytes an element");
    for n in 0..COUNT {
        assert!(numbers.remove(n));
        let left = COUNT - n - 1;
        if left.is_power_of_two() {
            numbers.check();
            if left >= 4096 {
                let bytes = numbers.table.memory_bytes() as f64 / left as f64;
                assert!(bytes < 18.0, "{bytes} bytes an element of {left}");
            }
        }
    }
    assert_eq!(numbers.table.memory_bytes(), 0);
}

#[test]
fn an_empty_table_allocates_nothing() {
    let numbers = Numbers::new(mix);
    assert_eq!(numbers.table.memory_bytes(), 0);
    assert!(!numbers.contains(3));
    assert_eq!(numbers.table.iter().count(), 0);
    assert_eq!(numbers.table.scan(0, |_| panic!("nothing to visit")), 0);
}

#[test]
fn equal_hashes_overflow_and_come_back_beside_random_ones() {
    let hash = |n: u64| if n < 3000 { one_hash(n) } else { mix(n) };
    let mut numbers = Numbers::new(hash);
    (0..20_000).for_each(|n| numbers.insert(n));
    numbers.check();
    let shape = numbers.table.shape();
    assert!(shape.overflow_entries > 2000);
    assert!(shape.directory_words <= 8 * shape.segments.max(8));
    assert_eq!(numbers.sorted(), (0..20_000).collect::<Vec<_>>());
    (0..3000).for_each(|n| assert!(numbers.remove(n)));
    numbers.check();
    assert_eq!(numbers.table.shape().overflow_entries, 0);
    assert!((3000..20_000).all(|n| numbers.contains(n)));
}

/// A scan while the table changes between calls; returns how often each was seen.
fn scan_all(numbers: &mut Numbers, mut between: impl FnMut(&mut Numbers)) -> HashMap<u64, u32> {
    let mut seen = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = numbers
            .table
            .scan(cursor, |word| *seen.entry(number(word)).or_default() += 1);
        assert!(cursor < 1 << super::scan::CURSOR_BITS);
        if cursor == 0 {
            return seen;
        }
        between(numbers);
    }
}

#[test]
fn a_scan_at_rest_returns_everything_once() {
    for count in [1, 7, 14, 100, 400, 5000, 60_000] {
        let mut numbers = Numbers::with(count);
        let mut calls = 0;
        let seen = scan_all(&mut numbers, |_| calls += 1);
        assert_eq!(seen.len() as u64, count);
        assert!(seen.values().all(|&times| times == 1));
        assert!(calls <= count / 3 + 3, "{calls} calls for {count}");
    }
    let mut numbers = Numbers::new(poor);
    (0..3000).for_each(|n| numbers.insert(n));
    assert_eq!(scan_all(&mut numbers, |_| ()).len(), 3000);
}

#[test]
fn a_scan_misses_nothing_that_stays_while_the_table_grows_and_shrinks() {
    const STAY: u64 = 2000;
    let mut rng = StdRng::seed_from_u64(5);
    for round in 0..60u64 {
        let mut numbers = Numbers::with(STAY);
        let mut others = Vec::new();
        let mut next = STAY;
        if round % 2 == 1 {
            for _ in 0..30_000 {
                numbers.insert(next);
                others.push(next);
                next += 1;
            }
        }
        let mut growing = round % 2 == 0;
        let seen = scan_all(&mut numbers, |numbers| {
            for _ in 0..(rng.next_u64() % 150) {
                if growing {
                    numbers.insert(next);
                    others.push(next);
                    next += 1;
                } else if let Some(n) = others.pop() {
                    assert!(numbers.remove(n));
                }
            }
            if rng.next_u64().is_multiple_of(100) || others.len() > 60_000 {
                growing = !growing && others.len() < 60_000;
            }
        });
        let missed = (0..STAY).filter(|n| !seen.contains_key(n)).count();
        assert_eq!(missed, 0, "round {round}");
        numbers.check();
    }
}

#[test]
fn random_picks_are_fair() {
    for (count, seed) in [(10u64, 1), (700, 2), (6500, 3), (20_000, 4)] {
        let numbers = Numbers::with(count);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut picks = vec![0u32; count as usize];
        let expected = 60.0;
        for _ in 0..(count as f64 * expected) as u64 {
            picks[number(numbers.table.random(&mut rng).unwrap()) as usize] += 1;
        }
        let chi2: f64 = picks
            .iter()
            .map(|&n| (f64::from(n) - expected).powi(2) / expected)
            .sum();
        let freedom = (count - 1) as f64;
        let z = (chi2 - freedom) / (2.0 * freedom).sqrt();
        assert!(z.abs() < 3.5, "{count} elements: z = {z}");
    }
}

#[test]
fn random_picks_reach_sparse_tables_and_overflow() {
    let mut rng = StdRng::seed_from_u64(9);
    assert_eq!(HashTable::new().random(&mut rng), None);
    let mut numbers = Numbers::with(50_000);
    (3..50_000).for_each(|n| assert!(numbers.remove(n)));
    let mut pick = |numbers: &Numbers| number(numbers.table.random(&mut rng).unwrap());
    assert_eq!(
        (0..200)
            .map(|_| pick(&numbers))
            .collect::<HashSet<_>>()
            .len(),
        3
    );
    let mut same = Numbers::new(one_hash);
    (0..2000).for_each(|n| same.insert(n));
    assert!(
        (0..20_000)
            .map(|_| pick(&same))
            .collect::<HashSet<_>>()
            .len()
            > 1990
    );
}

#[test]
fn draining_in_slices_hands_out_every_word_once() {
    for hash in [mix, poor] {
        for count in [0u64, 5, 300, 4000, 30_000] {
            let mut numbers = Numbers::new(hash);
            (0..count).for_each(|n| numbers.insert(n));
            let mut seen = HashSet::new();
            let mut left = count as usize;
            loop {
                let mut slice = 0;
                let done = numbers.table.drain_step(97, |word| {
                    slice += 1;
                    assert!(seen.insert(number(word)));
                });
                assert!(slice <= 97);
                left -= slice;
                assert_eq!(numbers.table.len(), left);
                if done {
                    break;
                }
                assert_eq!(slice, 97);
            }
            assert_eq!(seen.len() as u64, count);
            assert_eq!(numbers.table.memory_bytes(), 0);
            numbers.insert(1);
            assert!(numbers.contains(1));
        }
    }
}

#[test]
fn a_table_dropped_half_drained_or_full_frees_its_memory() {
    for count in [10, 30_000] {
        let mut numbers = Numbers::with(count);
        numbers.table.drain_step(count as usize / 2, |_| ());
        let mut cleared = Numbers::with(count);
        let mut words = 0;
        cleared.table.clear_with(|_| words += 1);
        assert_eq!(words, count);
        drop(Numbers::with(count));
    }
}

/// Elements with times, and a model of them.
struct TimedNumbers {
    numbers: Numbers,
    times: BTreeMap<u64, Option<i64>>,
}

impl TimedNumbers {
    fn new(hash: fn(u64) -> u64) -> TimedNumbers {
        TimedNumbers {
            numbers: Numbers::new(hash),
            times: BTreeMap::new(),
        }
    }

    fn set(&mut self, n: u64, time: Option<i64>) {
        if self.times.insert(n, time).is_none() {
            self.numbers.insert(n);
        }
        if let Some(time) = time {
            self.numbers
                .table
                .record_expiry((self.numbers.hash)(n), time);
        }
    }

    fn remove(&mut self, n: u64) {
        if self.times.remove(&n).is_some() {
            assert!(self.numbers.remove(n));
        }
    }

    /// Collects and removes the due elements, and checks that they are exactly those of the model.
    fn expire(&mut self, now: i64) -> usize {
        let first = self.times.values().flatten().min().copied();
        if let Some(first) = first {
            assert!(
                self.numbers
                    .table
                    .next_due()
                    .is_some_and(|next| next <= first)
            );
        }
        let mut due = Vec::new();
        let mut looks = 0;
        let times = &self.times;
        while self.numbers.table.collect_due(
            now,
            3,
            |word| {
                looks += 1;
                times[&number(word)]
            },
            |word| due.push(word),
        ) {}
        let mut due: Vec<u64> = due.into_iter().map(number).collect();
        due.sort_unstable();
        let is_due = |time: &Option<i64>| time.is_some_and(|time| time <= now);
        let expected: Vec<u64> = self
            .times
            .iter()
            .filter(|(_, time)| is_due(time))
            .map(|(&n, _)| n)
            .collect();
        assert_eq!(due, expected);
        due.into_iter().for_each(|n| self.remove(n));
        assert!(self.numbers.table.next_due().is_none_or(|next| next > now));
        looks
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn exactly_what_is_due_is_collected(
        poorly in prop::bool::weighted(0.2),
        steps in prop::collection::vec((0u64..3000, 1u64..700, 0u8..6, 1i64..4000), 1..40),
    ) {
        let mut timed = TimedNumbers::new(if poorly { poor } else { mix });
        let mut now = 1_700_000_000_000i64;
        for (first, len, what, spread) in steps {
            let time = |n: u64| now + 1 + (mix(n ^ len) % spread as u64) as i64;
            for n in first..first + len {
                match what {
                    0..=2 => timed.set(n, Some(time(n))),
                    3 => timed.set(n, None),
                    4 => timed.set(n, Some(now + 1)),
                    _ => timed.remove(n),
                }
            }
            now += spread / 3;
            timed.expire(now);
            timed.numbers.check();
        }
        timed.expire(i64::MAX - 1);
        prop_assert_eq!(timed.numbers.table.next_due(), None);
    }
}

#[test]
fn expiring_one_by_one_reads_few_elements() {
    const COUNT: u64 = 100_000;
    let mut timed = TimedNumbers::new(mix);
    let start = 1_700_000_000_000i64;
    let time = |n: u64| start + (mix(n ^ 3) % 60_000) as i64;
    (0..COUNT).for_each(|n| timed.set(n, Some(time(n))));
    // Only the first part: the model is slow.
    let looks: usize = (0..60).map(|ms| timed.expire(start + ms * 100)).sum();
    let gone = COUNT as usize - timed.times.len();
    assert!(gone > 9000);
    assert!(looks < gone * 45, "{looks} looks for {gone}");
}

#[test]
fn far_and_strange_times_are_kept() {
    let mut timed = TimedNumbers::new(mix);
    for (n, time) in [i64::MAX, i64::MAX - 5, 1 << 60, 0, 7, 4_294_967_295_000]
        .into_iter()
        .enumerate()
    {
        timed.set(n as u64, Some(time));
    }
    timed.expire(-1);
    assert_eq!(timed.times.len(), 6);
    timed.expire(0);
    timed.expire(5_000_000_000_000);
    assert_eq!(timed.times.len(), 3);
    timed.expire(1 << 47);
    assert_eq!(timed.times.len(), 3);
}

#[test]
fn prefetching_any_hash_is_harmless() {
    for count in [0, 3, 5000] {
        let numbers = Numbers::with(count);
        for n in 0..100 {
            numbers.table.prefetch_directory(mix(n));
            numbers.table.prefetch(mix(n));
            numbers
                .table
                .prefetch_entries(mix(n), |word| (word.raw() & 1 == 0).then_some(40));
        }
    }
}

/// Bug: copying a large table took time quadratic in its size: each element's segment was the
/// fullest, and only overflow could take it.
#[test]
fn the_order_of_one_table_is_no_order_for_another() {
    const COUNT: u64 = 100_000;
    let rehash = |word| mix(number(word));
    let (mut one, mut other) = (HashTable::new(), HashTable::new());
    for n in 0..COUNT {
        one.insert(mix(n), word(n), rehash);
    }
    for found in one.iter() {
        other.insert(rehash(found), found, rehash);
    }
    other.check_invariants(rehash);
    assert_eq!(other.shape().overflow_entries, 0);
    assert_eq!(other.len(), COUNT as usize);
    assert!(other.shape().bytes < 11 * COUNT as usize);
}

/// A copy of a table that grew and shrank, compared, then changed like the original.
fn copies_follow(hash: fn(u64) -> u64, inserted: u64, removed: u64) {
    let mut numbers = Numbers::new(hash);
    (0..inserted).for_each(|n| numbers.insert(n));
    (0..removed).for_each(|n| assert!(numbers.remove(n)));
    let mut copy = Numbers {
        table: numbers.table.copy_with(|word| word),
        hash,
    };
    copy.check();
    assert_eq!(copy.sorted(), numbers.sorted());
    assert!((removed..inserted).all(|n| copy.contains(n)));
    for n in inserted..inserted + 2000 {
        copy.insert(n);
    }
    for n in removed..inserted {
        assert!(copy.remove(n));
    }
    copy.check();
    numbers.check();
    assert_eq!(copy.table.len(), 2000);
    assert_eq!(numbers.table.len() as u64, inserted - removed);
}

#[test]
fn a_copy_is_a_table_of_its_own() {
    for (inserted, removed) in [
        (0, 0),
        (1, 0),
        (30, 3),
        (500, 0),
        (20_000, 0),
        (20_000, 17_500),
    ] {
        copies_follow(mix, inserted, removed);
        copies_follow(poor, inserted.min(3000), removed.min(2000));
    }
    copies_follow(one_hash, 700, 10);
}
