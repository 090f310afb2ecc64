//! Time and bytes of an index of 100,000 documents, of twelve words with a tag and a number each,
//! and of a graph of vectors: `cargo test --release -p russet-search costs -- --ignored --nocapture
//! --test-threads 1`. The best of a hundred times counts for a query.

use std::hint::black_box;
use std::time::Instant;

use super::testbed::{Hash, field, root, tag, text};
use super::{Index, Near, Vectors};
use crate::schema::{Algorithm, Element, FieldKind, Hnsw, KeyType, Metric, Schema, Vector};
use crate::search::Search;

const DOCUMENTS: u32 = 100_000;
const WORDS: u64 = 20_000;

/// Numbers without an order, always the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A word for a number: syllables, some with an ending.
fn word(number: u64) -> String {
    const SYLLABLES: [&str; 30] = [
        "ba", "ko", "ri", "ta", "len", "mu", "so", "vi", "dra", "po", "ne", "fi", "gu", "ha", "je",
        "lo", "mi", "qua", "re", "sta", "tro", "un", "ver", "wi", "xe", "ya", "zo", "cla", "bro",
        "ab",
    ];
    let ending = ["", "s", "ing", "ed", ""][(number % 5) as usize];
    let syllable = |n: u64| SYLLABLES[(n % 30) as usize];
    [
        syllable(number * 7),
        syllable(number / 30),
        syllable(number / 900 + 3),
        ending,
    ]
    .concat()
}

fn documents() -> Vec<(String, String, String, String)> {
    let mut random = Random(7);
    let document = |id: u32| {
        let mut words = Vec::new();
        for _ in 0..12 {
            words.push(word((random.next().powi(3) * WORDS as f64) as u64));
        }
        if id % 10 == 1 {
            words[3] = "tenone".to_owned();
        }
        if id % 10 == id / 10 % 10 {
            words[5] = "tentwo".to_owned();
        }
        if id % 100 == 7 {
            words[7] = "hundred".to_owned();
        }
        let group = format!("tag{}", id % 50);
        (format!("doc:{id}"), words.join(" "), group, id.to_string())
    };
    (0..DOCUMENTS).map(document).collect()
}

#[test]
#[ignore = "it measures"]
fn costs() {
    let documents = documents();
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![text("t", 1.0), tag("g"), field("n", FieldKind::Number)];
    let mut index = Index::new(schema);
    let put_all = |index: &mut Index, shift: usize| {
        let start = Instant::now();
        for (at, (key, t, g, n)) in documents.iter().enumerate() {
            let n = if shift == 0 {
                n
            } else {
                &documents[(at + shift) % documents.len()].3
            };
            index.put(key.as_bytes(), &Hash(&[("t", t), ("g", g), ("n", n)]));
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(DOCUMENTS)
    };
    println!("put: {:.2} us a document", put_all(&mut index, 0));
    let figures = index.figures();
    let each = |bytes: usize| bytes as f64 / f64::from(DOCUMENTS);
    println!("{:.0} bytes a document: {figures:?}", each(figures.bytes()));
    println!(
        "put with another number: {:.2} us a document",
        put_all(&mut index, 1)
    );
    for query in [
        "hundred",
        "tenone tentwo",
        "tenone|tentwo",
        "\"tenone tentwo\"",
        "@g:{tag7} @n:[20000 30000]",
        "@n:[20000 30000]",
        "@g:{tag7}",
        "ab*",
        "*bak*",
        "%tenone%",
        "-tenone",
        "*",
    ] {
        for scores in [true, false] {
            let search = Search {
                scores,
                ..Search::default()
            };
            let root = root(&index, query);
            let root = index.expand(&root, &search).expect("a query");
            let (mut best, mut rows) = (f64::MAX, 0);
            for _ in 0..100 {
                let start = Instant::now();
                rows = index
                    .matches(&root, &search)
                    .expect("matches")
                    .map(black_box)
                    .count();
                best = best.min(start.elapsed().as_secs_f64() * 1e6);
            }
            println!("{query} (scores: {scores}): {rows} rows, {best:.1} us");
        }
    }
    let start = Instant::now();
    for (key, ..) in &documents {
        index.remove(key.as_bytes());
    }
    let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(DOCUMENTS);
    println!("remove: {us:.2} us a document");
}

const VECTORS: u32 = 50_000;
const DIMENSIONS: usize = 128;

#[test]
#[ignore = "it measures"]
fn vector_costs() {
    let options = Vector {
        element: Element::Float32,
        dimensions: DIMENSIONS,
        metric: Metric::L2,
        algorithm: Algorithm::Hnsw(Hnsw::default()),
        initial_cap: 0,
        takes_several: false,
    };
    let mut random = Random(9);
    let mut row = || -> Vec<f64> { (0..DIMENSIONS).map(|_| random.next()).collect() };
    let centers: Vec<Vec<f64>> = (0..200).map(|_| row()).collect();
    let mut near = |id: u32| -> Vec<u8> {
        let center = &centers[id as usize % centers.len()];
        let element = |(x, noise): (&f64, f64)| ((x + noise * 0.3) as f32).to_le_bytes();
        center.iter().zip(row()).flat_map(element).collect()
    };
    let mut vectors = Vectors::new(options);
    let start = Instant::now();
    for id in 0..VECTORS {
        vectors.put(id, &near(id));
    }
    let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(VECTORS);
    println!(
        "put: {us:.0} us, {} bytes a vector",
        vectors.bytes() / VECTORS as usize
    );
    let targets: Vec<Vec<u8>> = (0..200).map(|id| vectors.target(&near(id))).collect();
    let exact: Vec<Vec<Near>> = targets
        .iter()
        .map(|target| {
            let mut all: Vec<Near> = vectors.all(target).collect();
            all.sort_unstable();
            all.truncate(10);
            all
        })
        .collect();
    for ef in [10, 20, 100] {
        let (mut found, mut best) = (0, f64::MAX);
        for _ in 0..50 {
            found = 0;
            let start = Instant::now();
            for (target, exact) in targets.iter().zip(&exact) {
                let near = vectors.near(target, ef, None);
                found += exact.iter().filter(|one| near.contains(one)).count();
            }
            best = (start.elapsed().as_secs_f64() * 1e6 / targets.len() as f64).min(best);
        }
        println!("of {ef}: {best:.1} us, {} of 1000 found", found / 2);
    }
}

#[test]
#[ignore = "it measures"]
fn part_costs() {
    for has_suffixes in [false, true] {
        let mut words = text("t", 1.0);
        if let FieldKind::Text(options) = &mut words.kind {
            (options.has_suffixes, options.no_stem) = (has_suffixes, true);
        }
        let mut schema = Schema::new(KeyType::Hash);
        schema.fields = vec![words];
        let mut index = Index::new(schema);
        let start = Instant::now();
        for id in 0..DOCUMENTS {
            let text = format!("{}{:x}", word(u64::from(id)), id * 40_503 % DOCUMENTS);
            index.put(format!("doc:{id}").as_bytes(), &Hash(&[("t", &text)]));
        }
        let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(DOCUMENTS);
        let figures = index.figures();
        let (terms, bytes) = (figures.terms, figures.text_bytes / figures.terms);
        println!("suffixes: {has_suffixes}: {terms} terms of {bytes} bytes, put {us:.2} us");
        for query in ["*bak*", "*obaing1f3*", "*sed7", "*ab", "w'*kov?d*7'"] {
            let root = root(&index, query);
            let (mut best, mut rows) = (f64::MAX, 0);
            for _ in 0..20 {
                let start = Instant::now();
                let matches = index.matches(&root, &Search::default()).expect("matches");
                rows = matches.map(black_box).count();
                best = best.min(start.elapsed().as_secs_f64() * 1e6);
            }
            println!("{query}: {rows} rows, {best:.1} us");
        }
    }
}
