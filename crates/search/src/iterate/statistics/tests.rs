//! Documents in a single index, and the same in three: with the statistics of all three, each
//! document has the same score and the same explanation, to the last bit.

use std::sync::Arc;

use crate::hit::Hit;
use crate::index::Index;
use crate::index::testbed::{Hash, field, hits, root, tag, text};
use crate::schema::{FieldKind, KeyType, Schema};
use crate::score::{Scorer, Statistics};
use crate::search::Search;

const SHARDS: usize = 3;

fn empty() -> Index {
    let mut schema = Schema::new(KeyType::Hash);
    schema.fields = vec![
        text("t", 1.0),
        text("u", 2.5),
        tag("g"),
        field("n", FieldKind::Number),
        field("p", FieldKind::Geo),
    ];
    Index::new(schema)
}

/// A next number, the same each time.
fn next(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Words, of which some are rare, and some of a single shard.
fn words(seed: &mut u64, shard: usize) -> String {
    let of = [
        "red", "running", "runs", "blue", "bluebell", "blues", "world", "great",
    ];
    let count = 1 + next(seed) % 12;
    let mut all: Vec<String> = Vec::new();
    for _ in 0..count {
        let at = (next(seed) % 9).min(next(seed) % 9) as usize;
        all.push(
            of.get(at)
                .map_or_else(|| format!("only{shard}"), |word| (*word).to_owned()),
        );
    }
    all.join(" ")
}

/// All documents in a single index, and divided; some are put twice, and some removed.
fn filled(count: usize) -> (Index, Vec<Index>) {
    let (mut all, mut parts) = (empty(), vec![empty(), empty(), empty()]);
    let mut seed = 7;
    for at in (0..count).chain(0..count / 4) {
        let shard = (at * 7 + at / 5) % SHARDS;
        let (t, u) = (words(&mut seed, shard), words(&mut seed, shard));
        let g = format!("g{}, of{shard}", next(&mut seed) % 4);
        let (n, p) = ((at % 40).to_string(), format!("{},{}", at % 10, at % 7));
        let key = format!("d{at}");
        let fields = [("t", &*t), ("u", &*u), ("g", &*g), ("n", &*n), ("p", &*p)];
        let document = Hash(&fields[..if at % 3 == 0 { 4 } else { 5 }]);
        for index in [&mut all, &mut parts[shard]] {
            index.put(key.as_bytes(), &document);
            if at % 11 == 5 {
                index.remove(key.as_bytes());
            }
        }
    }
    (all, parts)
}

const SCORERS: [Scorer; 6] = [
    Scorer::TfIdf,
    Scorer::TfIdfDocNorm,
    Scorer::Bm25,
    Scorer::Bm25Std,
    Scorer::Bm25StdNorm,
    Scorer::Bm25StdTanh,
];

const QUERIES: [&str; 26] = [
    "*",
    "red",
    "running",
    "red blue world",
    "great running red blues",
    "\"red blue\"",
    "red|only1",
    "(red only0)|(blue only2)|world",
    "(red|only2)=>{$weight:3} running",
    "blu*",
    "blue|only*",
    "%rad%",
    "*orl*",
    "red -blue",
    "-red",
    "red ~world ~only1 blue",
    "@t:(red running) @u:world",
    "@g:{g1}",
    "@g:{g1|of1}",
    "@g:{g*}",
    "red|@g:{of0|none}|@g:{of*}",
    "@g:{g1} red @n:[3 20] world",
    "@p:[3 3 300 km] red blue|@n:[1 2]",
    "(red blue)=>{$slop:2;$inorder:true} world",
    "none|red|only1",
    "none|nothing",
];

fn search(scorer: Scorer) -> Search {
    Search {
        scorer,
        ..Search::default()
    }
}

fn sum(parts: &[Index], query: &str, search: &Search) -> Statistics {
    let of = |index: &Index| {
        let root = index.expand(&root(index, query), search).expect("a tree");
        let its = index.statistics(&root, search).expect("statistics");
        let its = its.expect("few").bytes();
        Statistics::read(&its).expect("whole")
    };
    let mut sum = of(&parts[0]);
    assert!(parts[1..].iter().all(|part| sum.add(&of(part))));
    sum
}

/// The hits of all parts with the statistics of all, by their keys.
fn of_parts(parts: &[Index], query: &str, search: &Search) -> Vec<(String, Hit)> {
    let mut sum = sum(parts, query, search);
    let given = |sum: &Statistics| Search {
        statistics: Some(Arc::new(sum.clone())),
        ..search.clone()
    };
    if search.scorer == Scorer::Bm25StdNorm {
        let best = parts.iter().map(|index| {
            let root = index.expand(&root(index, query), search).expect("a tree");
            index.best_score(&root, &given(&sum)).expect("a score")
        });
        sum.best = Some(best.fold(0.0, f64::max));
    }
    let search = given(&sum);
    let mut all: Vec<_> = parts
        .iter()
        .flat_map(|index| hits(index, query, &search))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn check(all: &Index, parts: &[Index], query: &str, search: &Search) {
    let mut wanted = hits(all, query, search);
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    let found = of_parts(parts, query, search);
    assert_eq!(found.len(), wanted.len(), "{query}");
    for ((key, hit), (wanted_key, wanted)) in found.iter().zip(&wanted) {
        let of = search.scorer.name();
        assert_eq!(key, wanted_key, "{query}");
        assert_eq!(hit.explanation, wanted.explanation, "{of} {query} {key}");
        assert_eq!(
            hit.score.to_bits(),
            wanted.score.to_bits(),
            "{of} {query} {key}"
        );
        assert_eq!(hit.terms, wanted.terms, "{query} {key}");
    }
}

#[test]
fn scores_are_those_of_one_index() {
    for count in [6, 200] {
        let (all, parts) = filled(count);
        for query in QUERIES {
            for scorer in SCORERS {
                let plain = search(scorer);
                check(&all, &parts, query, &plain);
                let explained = Search {
                    explains: true,
                    terms: true,
                    ..plain.clone()
                };
                check(&all, &parts, query, &explained);
                let verbatim = Search {
                    verbatim: true,
                    is_hybrid: true,
                    ..explained
                };
                check(&all, &parts, query, &verbatim);
            }
        }
    }
}

/// Without them scores differ: the documents are such that the test above says something.
#[test]
fn shards_alone_have_other_scores() {
    let (all, parts) = filled(200);
    let plain = search(Scorer::Bm25Std);
    let of_all = hits(&all, "red world", &plain);
    let of_part = hits(&parts[0], "red world", &plain);
    let (key, hit) = &of_part[0];
    let other = of_all
        .iter()
        .find(|(its, _)| its == key)
        .expect("the document");
    assert!(hit.score.to_bits() != other.1.score.to_bits());
}

/// Documents that do not count are in no statistic.
#[test]
fn documents_that_are_left_out_do_not_count() {
    let (all, parts) = filled(120);
    // The documents of the third part are in the first, too, where they do not count.
    let (mut first, mut among) = (empty(), Vec::new());
    let mut seed = 99;
    for at in 0..150 {
        let (t, u) = (words(&mut seed, at % 3), words(&mut seed, at % 3));
        let fields = [("t", &*t), ("u", &*u), ("g", "g1,of2"), ("n", "1")];
        if at % 3 == 0 {
            first.put(format!("x{at}").as_bytes(), &Hash(&fields));
        }
    }
    among.resize(first.documents_end().div_ceil(64) as usize, 0u64);
    let none = Search {
        among: Some(among.into()),
        ..search(Scorer::Bm25Std)
    };
    for query in ["red blue", "@g:{g1|of2} red", "blu*|only*"] {
        let plain = search(Scorer::Bm25Std);
        let mut sum = sum(&parts, query, &plain);
        let root = first.expand(&root(&first, query), &none).expect("a tree");
        let its = first
            .statistics(&root, &none)
            .expect("statistics")
            .expect("few");
        assert!(sum.add(&its));
        let given = Search {
            statistics: Some(Arc::new(sum)),
            ..plain.clone()
        };
        for (key, hit) in hits(&parts[0], query, &given) {
            let of_all = hits(&all, query, &plain);
            let other = of_all
                .iter()
                .find(|(its, _)| *its == key)
                .expect("the document");
            assert_eq!(
                hit.score.to_bits(),
                other.1.score.to_bits(),
                "{query} {key}"
            );
        }
    }
}

/// A message of another query, or of anything: scores are numbers, and nothing panics.
#[test]
fn statistics_that_are_not_true_do_no_harm() {
    let (_, parts) = filled(60);
    for (documents, length, of_term) in [
        (0, 0, 0),
        (u64::MAX, 0, u64::MAX),
        (0, u64::MAX, u64::MAX),
        (1, 1, u64::MAX),
        (u64::MAX, u64::MAX, 0),
    ] {
        let mut hostile = Statistics::new(documents, length);
        hostile.put(crate::score::WORDS, b"red", of_term);
        hostile.put(3, b"g1", of_term);
        for scorer in SCORERS {
            let given = Search {
                statistics: Some(Arc::new(hostile.clone())),
                ..search(scorer)
            };
            for query in QUERIES {
                for (key, hit) in hits(&parts[0], query, &given) {
                    assert!(!hit.score.is_nan(), "{query} {key} {scorer:?}");
                }
            }
        }
    }
}
