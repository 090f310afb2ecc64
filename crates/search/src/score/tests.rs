//! Scores of Redis Stack 7.4: five documents with their lengths, highest frequencies and a score of
//! their own, asked by each scorer.

use super::Scorer;
use crate::index::testbed::{Hash, hits, text};
use crate::index::{Index, Outcome};
use crate::schema::{KeyType, Schema};
use crate::search::Search;

fn index() -> Index {
    let mut schema = Schema::new(KeyType::Hash);
    schema.score_field = Some(b"score".to_vec());
    schema.fields = vec![text("t", 1.0), text("u", 3.0)];
    let mut index = Index::new(schema);
    for (key, fields) in [
        ("d1", &[("t", "hello world")] as &[_]),
        ("d2", &[("t", "hello hello big blue world")]),
        (
            "d3",
            &[
                ("t", "world of big things"),
                ("u", "hello"),
                ("score", "0.5"),
            ],
        ),
        ("d4", &[("t", "the quick brown fox jumps")]),
        (
            "d5",
            &[("t", "nothing here at all"), ("u", "running dogs run")],
        ),
    ] {
        assert_eq!(index.put(key.as_bytes(), &Hash(fields)), Outcome::Indexed);
    }
    index
}

#[test]
fn scores_are_those_of_redis_stack() {
    let index = index();
    for (query, scorer, expected) in [
        (
            "hello",
            Scorer::TfIdf,
            &[("d1", 1.0), ("d2", 1.0), ("d3", 0.5)] as &[_],
        ),
        (
            "hello",
            Scorer::TfIdfDocNorm,
            &[("d1", 0.5), ("d2", 0.4), ("d3", 0.25)],
        ),
        (
            "hello",
            Scorer::Bm25,
            &[("d1", 0.19685), ("d2", 0.328947), ("d3", 0.211864)],
        ),
        (
            "hello",
            Scorer::Bm25Std,
            &[("d1", 0.656259), ("d2", 0.760796), ("d3", 0.421421)],
        ),
        (
            "hello",
            Scorer::DisMax,
            &[("d1", 1.0), ("d2", 2.0), ("d3", 3.0)],
        ),
        (
            "hello world",
            Scorer::TfIdf,
            &[("d1", 2.0), ("d2", 0.5), ("d3", 0.2222)],
        ),
        (
            "hello world",
            Scorer::Bm25Std,
            &[("d1", 1.312518), ("d2", 1.320861), ("d3", 0.688409)],
        ),
        ("run", Scorer::TfIdf, &[("d5", 1.3333)]),
        ("run", Scorer::Bm25Std, &[("d5", 2.963232)]),
        (
            "*",
            Scorer::TfIdf,
            &[
                ("d1", 1.0),
                ("d2", 0.5),
                ("d3", 0.1667),
                ("d4", 1.0),
                ("d5", 0.3333),
            ],
        ),
        ("-hello", Scorer::TfIdf, &[("d4", 0.0), ("d5", 0.0)]),
    ] {
        let search = Search {
            scorer,
            is_2_10: true,
            ..Search::default()
        };
        let got: Vec<(String, f64)> = hits(&index, query, &search)
            .into_iter()
            .map(|(key, hit)| (key, hit.score))
            .collect();
        let is_same = got.len() == expected.len()
            && got
                .iter()
                .zip(expected)
                .all(|((key, score), (other, expected))| {
                    key == other && (score - expected).abs() < 5e-5
                });
        assert!(is_same, "{query} {scorer:?}: {got:?}, not {expected:?}");
    }
}
