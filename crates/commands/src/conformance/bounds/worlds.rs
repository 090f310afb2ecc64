//! Data that is hard on commands: many distinct terms, values that are lists, equal and empty
//! values.
//!
//! Each world has `n` documents, samples or elements, under the names that `values` gives to
//! arguments: the index `i`, the keys `k` and `k1`, the dictionary `d`. Commands make the data; an
//! error of a command ends the test.

use std::fmt::Write;

use crate::testbed::Testbed;
use russet_command::docs::Group;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    /// Hashes with fields of every kind, each text of other words and each tag field a list.
    Hashes,
    /// Documents whose fields are lists.
    Documents,
    /// A hash with a text of `n` words.
    LongText,
    /// Hashes, each with a field name that no other hash has.
    OwnFields,
    /// A document with `n` indexed numbers.
    Numbers,
    /// Many vectors of zeros among others, in a graph.
    Zeros,
    /// Vectors of which no two are equal, in a graph.
    Graph,
    /// Arrays of numbers, of texts, of booleans, of objects with a text and a pattern, of arrays,
    /// and nested arrays.
    Json,
    /// A series of `n` samples, two far apart, and many series with labels.
    Series,
    /// A series that clients wait for.
    Readers,
    /// Sketches of `n` items or counters.
    Bloom,
    Cuckoo,
    CountMin,
    TopK,
    TDigest,
    /// Dictionaries of `n` suggestions and terms.
    Suggestions,
    VectorSet,
    Array,
}

/// The worlds that the commands of a group run in, by the row's name.
pub fn worlds_of(group: Group, row: &str) -> &'static [World] {
    match group {
        Group::Search if row.starts_with("FT.SUG") => &[World::Suggestions],
        Group::Search => &[World::Hashes],
        Group::Json => &[World::Json],
        Group::TimeSeries => &[World::Series],
        Group::Bloom => &[World::Bloom],
        Group::Cuckoo => &[World::Cuckoo],
        Group::Cms => &[World::CountMin],
        Group::TopK => &[World::TopK],
        Group::TDigest => &[World::TDigest],
        Group::Module => &[World::VectorSet],
        Group::Array => &[World::Array],
        _ => &[],
    }
}

/// All worlds.
const WORLDS: [World; 18] = [
    World::Hashes,
    World::Documents,
    World::LongText,
    World::OwnFields,
    World::Numbers,
    World::Zeros,
    World::Graph,
    World::Json,
    World::Series,
    World::Readers,
    World::Bloom,
    World::Cuckoo,
    World::CountMin,
    World::TopK,
    World::TDigest,
    World::Suggestions,
    World::VectorSet,
    World::Array,
];

impl World {
    /// The world of a name.
    pub fn named(name: &str) -> Option<World> {
        let mut all = WORLDS.into_iter();
        all.find(|world| format!("{world:?}") == name)
    }

    /// The largest size of a test that takes a minute.
    pub fn n_max(self) -> usize {
        match self {
            World::Hashes => 3_200,
            World::Documents | World::OwnFields => 3_200,
            World::Zeros | World::Graph | World::VectorSet => 1_600,
            World::Json => 6_400,
            _ => 16_000,
        }
    }

    /// Whether the world's commands end their slices by the clock, and not by counts that stand for
    /// a time of a release build.
    pub fn is_clocked(self) -> bool {
        use World::{Documents, Graph, Hashes, LongText, OwnFields, Series, Suggestions, Zeros};
        let clocked = [
            Hashes,
            Documents,
            LongText,
            OwnFields,
            Zeros,
            Graph,
            Series,
            Suggestions,
        ];
        clocked.contains(&self)
    }

    /// Makes the world in an empty server.
    pub fn build(self, bed: &mut Testbed, n: usize) {
        match self {
            World::Hashes => hashes(bed, n),
            World::Documents => documents(bed, n),
            World::LongText => long_text(bed, n),
            World::OwnFields => own_fields(bed, n),
            World::Numbers => numbers(bed, n),
            World::Zeros => zeros(bed, n),
            World::Graph => graph(bed, n),
            World::Json => json(bed, n),
            World::Series => series(bed, n),
            World::Readers => readers(bed, n),
            World::Suggestions => suggestions(bed, n),
            World::VectorSet => vector_set(bed, n),
            World::Array => in_batches(bed, "ARINSERT k", n, |i| format!("m{i}")),
            World::Bloom => filters(bed, "BF.RESERVE", "BF.MADD k", n),
            World::Cuckoo => filters(bed, "CF.RESERVE", "CF.INSERT k ITEMS", n),
            World::CountMin => {
                run(bed, &format!("CMS.INITBYDIM k {n} 8"));
                run(bed, &format!("CMS.INITBYDIM k1 {n} 8"));
                in_batches(bed, "CMS.INCRBY k", n.min(1000), |i| format!("m{i} 1"));
            }
            World::TopK => {
                // Many rows of few counters, which decay rarely.
                let depth = n / 100 + 1;
                run(bed, &format!("TOPK.RESERVE k {n} 8 {depth} 0.9999"));
                in_batches(bed, "TOPK.ADD k", n.min(1000), |i| format!("m{i}"));
            }
            World::TDigest => {
                run(bed, &format!("TDIGEST.CREATE k COMPRESSION {}", n / 10 + 1));
                run(bed, "TDIGEST.CREATE k1");
                in_batches(bed, "TDIGEST.ADD k", n, |i| (i * 7919 % 10_007).to_string());
            }
        }
        // The index reads the new documents.
        bed.turn(true);
    }
}

/// Runs a command of words without spaces that succeeds.
fn run(bed: &mut Testbed, line: &str) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run_words(bed, &words);
}

fn run_words(bed: &mut Testbed, words: &[&[u8]]) {
    let reply = bed.run_args(words);
    let reply = String::from_utf8_lossy(&reply);
    let name = String::from_utf8_lossy(words[0]);
    assert!(!reply.starts_with('-'), "{name}: {reply}");
}

/// Adds `n` elements with a command that takes many.
fn in_batches(bed: &mut Testbed, begin: &str, n: usize, element: impl Fn(usize) -> String) {
    for from in (0..n).step_by(500) {
        let mut line = begin.to_owned();
        for i in from..n.min(from + 500) {
            let _ = write!(line, " {}", element(i));
        }
        run(bed, &line);
    }
}

fn vector(x: f32, y: f32) -> Vec<u8> {
    [x.to_le_bytes(), y.to_le_bytes()].concat()
}

fn hashes(bed: &mut Testbed, n: usize) {
    run(
        bed,
        "FT.CREATE i PREFIX 1 k: SCHEMA t TEXT x TEXT WITHSUFFIXTRIE g TAG INDEXMISSING n NUMERIC \
         SORTABLE p GEO s GEOSHAPE FLAT v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC COSINE",
    );
    run(bed, "FT.SYNUPDATE i s word1 word2");
    in_batches(bed, "FT.SYNUPDATE i s SKIPINITIALSCAN", n, |i| {
        format!("other{i}")
    });
    for i in 0..n {
        let (key, number) = (format!("k:{i}"), i.to_string());
        let text = format!("word{i} w{}xa{} common", i % 997, i / 997);
        let suffixes = format!("ab{i}a y{}z", i % 499);
        let tags: Vec<String> = (0..9).map(|j| format!("a{}", (i * j + j) % 50)).collect();
        let tags = format!("{},c{i}", tags.join(","));
        let (lon, lat) = (i % 170, i / 170 % 80);
        let place = format!("{lon},{lat}");
        let (right, top) = (lon + 1, lat + 1);
        let shape = format!(
            "POLYGON(({lon} {lat}, {right} {lat}, {right} {top}, {lon} {top}, {lon} {lat}))"
        );
        let vector = vector((i % 100) as f32, (i % 7) as f32);
        let pairs: [(&str, &[u8]); 7] = [
            ("t", text.as_bytes()),
            ("x", suffixes.as_bytes()),
            ("g", tags.as_bytes()),
            ("n", number.as_bytes()),
            ("p", place.as_bytes()),
            ("s", shape.as_bytes()),
            ("v", &vector),
        ];
        let mut words: Vec<&[u8]> = vec![b"HSET", key.as_bytes()];
        for (field, value) in &pairs {
            words.extend([field.as_bytes(), value]);
        }
        run_words(bed, &words);
    }
}

fn documents(bed: &mut Testbed, n: usize) {
    run(
        bed,
        "FT.CREATE i ON JSON PREFIX 1 k: SCHEMA $.t[*] AS t TEXT $.g[*] AS g TAG $.n[*] AS n NUMERIC",
    );
    for i in 0..n {
        let list = |mark: &str| {
            let items = (0..10).map(|j| format!("{mark}{}{mark}", (i + j) % 100));
            items.collect::<Vec<_>>().join(",")
        };
        let text = format!(
            "{{\"t\":[{}],\"g\":[{}],\"n\":[{}]}}",
            list("\""),
            list("\""),
            list("")
        );
        run(bed, &format!("JSON.SET k:{i} $ {text}"));
    }
}

fn long_text(bed: &mut Testbed, n: usize) {
    run(bed, "FT.CREATE i PREFIX 1 k: SCHEMA t TEXT n NUMERIC");
    let words: Vec<String> = (0..n).map(|i| format!("word{} common", i % 5000)).collect();
    let text = words.join(" ");
    run_words(bed, &[b"HSET", b"k:0", b"n", b"0", b"t", text.as_bytes()]);
}

fn own_fields(bed: &mut Testbed, n: usize) {
    run(bed, "FT.CREATE i PREFIX 1 k: SCHEMA n NUMERIC");
    for i in 0..n {
        run(bed, &format!("HSET k:{i} n {i} own{i} {i}"));
    }
}

fn numbers(bed: &mut Testbed, n: usize) {
    run(
        bed,
        "FT.CREATE i ON JSON PREFIX 1 k SCHEMA $.n[*] AS n NUMERIC",
    );
    let numbers: Vec<String> = (0..n).map(|i| i.to_string()).collect();
    run(
        bed,
        &format!("JSON.SET k $ {{\"n\":[{}]}}", numbers.join(",")),
    );
}

/// Clients that wait for more samples than there are.
fn readers(bed: &mut Testbed, n: usize) {
    run(bed, "TS.CREATE k");
    in_batches(bed, "TS.MADD", n, |i| format!("k {i} 1"));
    for _ in 0..30 {
        let client = bed.connect();
        let reply = bed.run_as(client, &format!("TS.READ k - BLOCK 0 {}", n + 1_000_000));
        assert!(reply.is_empty(), "{reply}");
    }
}

fn zeros(bed: &mut Testbed, n: usize) {
    run(
        bed,
        "FT.CREATE i PREFIX 1 k: SCHEMA n NUMERIC v VECTOR HNSW 6 TYPE FLOAT32 DIM 2 \
         DISTANCE_METRIC COSINE",
    );
    for i in 0..n {
        let vector = match i % 3 {
            0 => vector(0.0, 0.0),
            1 => vector(1.0, 1.0),
            _ => vector((i % 100) as f32, (i % 7) as f32),
        };
        let (key, number) = (format!("k:{i}"), i.to_string());
        run_words(
            bed,
            &[
                b"HSET",
                key.as_bytes(),
                b"n",
                number.as_bytes(),
                b"v",
                &vector,
            ],
        );
    }
}

fn graph(bed: &mut Testbed, n: usize) {
    run(
        bed,
        "FT.CREATE i PREFIX 1 k: SCHEMA n NUMERIC v VECTOR HNSW 6 TYPE FLOAT32 DIM 2 \
         DISTANCE_METRIC L2",
    );
    for i in 0..n {
        let vector = vector((i * 7919 % 10_007) as f32, (i * 104_729 % 9_973) as f32);
        let (key, number) = (format!("k:{i}"), i.to_string());
        let words: [&[u8]; 6] = [
            b"HSET",
            key.as_bytes(),
            b"n",
            number.as_bytes(),
            b"v",
            &vector,
        ];
        run_words(bed, &words);
    }
}

fn json(bed: &mut Testbed, n: usize) {
    let list =
        |item: &dyn Fn(usize) -> String, n: usize| (0..n).map(item).collect::<Vec<_>>().join(",");
    let numbers = list(&|i| i.to_string(), n);
    let texts = list(&|i| format!("\"{}{i}\"", "long text ".repeat(200)), n / 8);
    let text = |i| format!("{{\"t\":\"text{i}\",\"p\":\"te.*{i}\",\"x\":{i}}}");
    let objects = list(&text, n / 4);
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let arrays = list(&|i| format!("[{i},[{i}]]"), n / 2);
    let bools = list(&|i| (i % 2 == 0).to_string(), n);
    let document = format!(
        "{{\"a\":[{numbers}],\"s\":[{texts}],\"o\":[{objects}],\"r\":[{arrays}],\"b\":[{bools}],\
         \"d\":{nested},\"x\":1}}"
    );
    for key in ["k", "k1"] {
        run_words(
            bed,
            &[b"JSON.SET", key.as_bytes(), b"$", document.as_bytes()],
        );
    }
}

fn series(bed: &mut Testbed, n: usize) {
    for key in ["k", "k1"] {
        run(
            bed,
            &format!("TS.CREATE {key} DUPLICATE_POLICY LAST LABELS l v m {key}"),
        );
        in_batches(bed, "TS.MADD", n, |i| {
            format!("{key} {} {}", 10 * i, i % 97)
        });
    }
    run(bed, "TS.CREATE far LABELS l far");
    run(bed, &format!("TS.MADD far 0 1 far {} 1", 1000 * n));
    for i in 0..n / 16 {
        run(bed, &format!("TS.CREATE s{i} LABELS l v{i} m {i} all yes"));
        run(bed, &format!("TS.ADD s{i} {} 1", 1000 + i));
    }
}

fn suggestions(bed: &mut Testbed, n: usize) {
    for i in 0..n {
        run(
            bed,
            &format!("FT.SUGADD k word{i}x{} {}", i % 97, i % 89 + 1),
        );
    }
}

fn vector_set(bed: &mut Testbed, n: usize) {
    for i in 0..n {
        let (x, y) = (i % 101, if i % 3 == 0 { 0 } else { i % 89 });
        run(
            bed,
            &format!("VADD k VALUES 2 {x} {y} m{i} SETATTR {{\"x\":{i}}}"),
        );
    }
}

fn filters(bed: &mut Testbed, reserve: &str, add: &str, n: usize) {
    let capacity = n * 64;
    let reserve = match reserve {
        "BF.RESERVE" => format!("BF.RESERVE k 0.01 {capacity}"),
        _ => format!("CF.RESERVE k {capacity}"),
    };
    run(bed, &reserve);
    run(bed, &reserve.replace(" k ", " k1 "));
    in_batches(bed, add, n.min(1000), |i| format!("m{i}"));
}
