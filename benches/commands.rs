//! What does a command cost in the engine: parsed, prefetched, run and answered, without a socket?
//!
//! Pipelines of 64 commands over 100,000 keys, fields or members in random order go through
//! the same batches that the loop runs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet::testing::{AllCommands as _, Testbed};

const NAMES: usize = 100_000;
const PIPELINE: usize = 64;
const PIPELINES: usize = 256;

type Words = fn(usize) -> Vec<String>;

const COMMANDS: [(&str, Words); 6] = [
    ("SET 64 bytes", |n| {
        words(&["SET", &key(n), &"x".repeat(64)])
    }),
    ("GET 64 bytes", |n| words(&["GET", &key(n)])),
    ("INCR", |n| words(&["INCR", &format!("count:{n:010}")])),
    ("HSET, one hash", |n| {
        words(&["HSET", "hash", &key(n), "0123456789abcdef"])
    }),
    ("HGET, one hash", |n| words(&["HGET", "hash", &key(n)])),
    ("ZADD, one sorted set", |n| {
        words(&["ZADD", "zset", &(n % 1000).to_string(), &key(n)])
    }),
];

fn key(n: usize) -> String {
    format!("key:{n:012}")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn request(words: &[String]) -> String {
    let bulk = |word: &String| format!("${}\r\n{word}\r\n", word.len());
    let bulks: String = words.iter().map(bulk).collect();
    format!("*{}\r\n{bulks}", words.len())
}

fn commands(c: &mut Criterion) {
    let mut group = c.benchmark_group("commands");
    group
        .sample_size(10)
        .throughput(Throughput::Elements((PIPELINES * PIPELINE) as u64));
    let mut bed = Testbed::unheard();
    for (name, make) in COMMANDS {
        if !name.contains("GET") {
            let every: Vec<String> = (0..NAMES).map(|n| request(&make(n))).collect();
            bed.run_pipeline(every.concat().as_bytes());
        }
        let mut rng = SmallRng::seed_from_u64(3);
        let mut some = || -> String {
            (0..PIPELINE)
                .map(|_| request(&make(rng.random_range(0..NAMES))))
                .collect()
        };
        let pipelines: Vec<String> = (0..PIPELINES).map(|_| some()).collect();
        group.bench_function(name, |b| {
            b.iter(|| {
                for pipeline in &pipelines {
                    assert!(bed.run_pipeline(pipeline.as_bytes()) >= 4 * PIPELINE);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
