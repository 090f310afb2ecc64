//! What does one operation of the hash table cost at a million elements, and what does a
//! batch with both prefetch stages save?
//!
//! Keys are 16 bytes apart in one block and visited in shuffled order, so that a hit misses the
//! cache, as in the keyspace.
//!
//! RUSSET_BENCH_GROWTH=10000000 answers a second question instead: which single insert takes
//! longest while a table grows to that many elements, for each growth that caused it, and how many
//! bytes per element the table takes on the way. The growth is repeated and each insert's minimum
//! kept, because a preemption hits different inserts in each round.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use russet::testing::{Cycles, HashKeys, HashTable, Word, cycles};

const ELEMENTS: usize = 1_000_000;
const BATCH: usize = 32;
const ROUNDS: usize = 3;

#[derive(Clone, Copy, PartialEq)]
#[repr(align(16))]
struct Key([u8; 16]);

/// Keys in one block; a word is the address of one.
struct Keys {
    hashes: HashKeys,
    keys: Vec<Key>,
}

impl Keys {
    fn new(count: usize) -> Keys {
        let mut rng = SmallRng::seed_from_u64(1);
        let keys = (0..count).map(|_| Key(rng.random())).collect();
        Keys {
            hashes: HashKeys::from_seeds([1, 2, 3, 4]),
            keys,
        }
    }

    fn word(&self, at: usize) -> Word {
        Word::from_raw(self.keys.as_ptr() as u64 + (at * size_of::<Key>()) as u64)
    }

    fn key(&self, word: Word) -> &Key {
        let offset = word.raw() - self.keys.as_ptr() as u64;
        &self.keys[offset as usize / size_of::<Key>()]
    }

    #[inline]
    fn hash(&self, key: &Key) -> u64 {
        self.hashes.hash(&key.0)
    }

    #[inline]
    fn insert(&self, table: &mut HashTable, at: usize) {
        let hash = self.hash(&self.keys[at]);
        table.insert(hash, self.word(at), |word| self.hash(self.key(word)));
    }

    #[inline]
    fn find(&self, table: &HashTable, hash: u64, key: &Key) -> Option<Word> {
        table.find(hash, |word| self.key(word) == key)
    }
}

fn shuffled(count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(2));
    order
}

fn operations(c: &mut Criterion) {
    let keys = Keys::new(ELEMENTS);
    let mut full = HashTable::new();
    (0..ELEMENTS).for_each(|at| keys.insert(&mut full, at));
    let order = shuffled(ELEMENTS);
    let mut group = c.benchmark_group("hashtable");
    group.sample_size(10);

    group.throughput(Throughput::Elements(ELEMENTS as u64));
    group.bench_function("insert from empty", |b| {
        b.iter_batched(
            HashTable::new,
            |mut table| {
                (0..ELEMENTS).for_each(|at| keys.insert(&mut table, at));
                table
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("hit one by one", |b| {
        b.iter(|| {
            for &at in &order {
                let key = &keys.keys[at as usize];
                black_box(keys.find(&full, keys.hash(key), key));
            }
        });
    });
    group.bench_function("hit in batches of 32", |b| {
        b.iter(|| {
            let mut hashes = [0; BATCH];
            for batch in order.chunks_exact(BATCH) {
                for (hash, &at) in hashes.iter_mut().zip(batch) {
                    *hash = keys.hash(&keys.keys[at as usize]);
                    full.prefetch(*hash);
                }
                hashes
                    .iter()
                    .for_each(|&hash| full.prefetch_entries(hash, |_| Some(40)));
                for (&hash, &at) in hashes.iter().zip(batch) {
                    black_box(keys.find(&full, hash, &keys.keys[at as usize]));
                }
            }
        });
    });
    group.finish();
}

/// Element counts at which the table's bytes are printed.
const SIZES: [usize; 9] = [
    1_000, 10_000, 100_000, 500_000, 1_000_000, 1_500_000, 2_000_000, 5_000_000, 10_000_000,
];
/// The number of longest inserts that are examined one by one.
const LONGEST: usize = 2_000;

fn growth(count: usize) {
    let keys = Keys::new(count);
    let clock = Cycles::new();
    let mut least = vec![u64::MAX; count];
    for round in 0..ROUNDS {
        let mut table = HashTable::new();
        for (at, least) in least.iter_mut().enumerate() {
            let start = cycles();
            keys.insert(&mut table, at);
            *least = (*least).min(cycles() - start);
            if round == 0 && SIZES.contains(&(at + 1)) {
                let each = table.memory_bytes() as f64 / (at + 1) as f64;
                println!("{:>9} elements: {each:.2} bytes each", at + 1);
            }
        }
    }
    let mut longest: Vec<u32> = (0..count as u32).collect();
    longest.sort_unstable_by_key(|&at| std::cmp::Reverse(least[at as usize]));
    let micros = |at: u32| clock.nanos(least[at as usize]) as f64 / 1000.0;
    for share in [2, 100, 1_000, 10_000, 100_000] {
        let at = longest[count / share];
        println!(
            "1 insert of {share:>6} takes longer than {:.2} us",
            micros(at)
        );
    }
    longest.truncate(LONGEST);
    explain(&keys, &longest, micros);
}

/// Grows once more and prints what the longest inserts had to do.
fn explain(keys: &Keys, longest: &[u32], micros: impl Fn(u32) -> f64) {
    let mut kinds = [
        ("directory doubled", Vec::new()),
        ("split", Vec::new()),
        ("other", Vec::new()),
    ];
    let mut order = longest.to_vec();
    order.sort_unstable();
    let mut table = HashTable::new();
    let mut next = 0;
    for at in order {
        (next..at as usize).for_each(|at| keys.insert(&mut table, at));
        let before = table.shape();
        keys.insert(&mut table, at as usize);
        let after = table.shape();
        let kind = match (after.depth > before.depth, after.segments > before.segments) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        kinds[kind].1.push(micros(at));
        next = at as usize + 1;
    }
    for (kind, mut took) in kinds {
        took.sort_unstable_by(|a, b| b.total_cmp(a));
        let top: Vec<String> = took.iter().take(6).map(|us| format!("{us:.0}")).collect();
        println!(
            "{kind}: {} of the longest {LONGEST}; us: {}",
            took.len(),
            top.join(" ")
        );
    }
}

fn main() {
    if let Some(count) = std::env::var("RUSSET_BENCH_GROWTH")
        .ok()
        .and_then(|n| n.parse().ok())
    {
        return growth(count);
    }
    let mut criterion = Criterion::default().configure_from_args();
    operations(&mut criterion);
    criterion.final_summary();
}
