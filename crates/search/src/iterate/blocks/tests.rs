//! Documents by the block against documents by single steps.
//!
//! A search whose reads are counted finds documents by single steps.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::hit::ScoredDocument;
use crate::index::Index;
use crate::index::testbed::{Hash, root, tag, text};
use crate::iterate::{Course, Matches, Windows};
use crate::query::Node;
use crate::schema::{KeyType, Schema};
use crate::score::Scorer;
use crate::search::Search;

/// Documents of several windows, with gaps.
const DOCUMENTS: u32 = 9_000;
const WORDS: [&str; 12] = [
    "run", "running", "runs", "apple", "apples", "apply", "bear", "bears", "boar", "red", "reed",
    "rare",
];

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut schema = Schema::new(KeyType::Hash);
        schema.score_field = Some("s".into());
        schema.fields = vec![text("t", 1.0), text("u", 3.0), tag("g")];
        let mut index = Index::new(schema);
        let mut random = 7u64;
        let mut draw = move |end: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % end
        };
        for at in 0..DOCUMENTS {
            let mut words = |most: u64| {
                // The first words are in many documents, the last word in few.
                let word = |draw: &mut dyn FnMut(u64) -> u64| {
                    let at = draw(WORDS.len() as u64).min(draw(WORDS.len() as u64));
                    WORDS[at as usize]
                };
                let count = draw(most);
                let words: Vec<&str> = (0..count).map(|_| word(&mut draw)).collect();
                words.join(" ")
            };
            let (t, u) = (words(9), words(3));
            let (g, s) = (draw(5).to_string(), (draw(10) as f64 / 10.0).to_string());
            let key = at.to_string();
            index.put(
                key.as_bytes(),
                &Hash(&[("t", &t), ("u", &u), ("g", &g), ("s", &s)]),
            );
        }
        for at in (0..DOCUMENTS).filter(|at| at % 11 == 3 || (4200..4900).contains(at)) {
            index.remove(at.to_string().as_bytes());
        }
        index
    })
}

fn query() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&WORDS[..]);
    let leaf = prop_oneof![
        4 => word.clone().prop_map(str::to_owned),
        1 => word.clone().prop_map(|word| format!("@u:{word}")),
        1 => word.clone().prop_map(|word| format!("(@t:{word})=>{{$weight: 2.5}}")),
        1 => word.clone().prop_map(|word| format!("{}*", &word[..2])),
        1 => word.clone().prop_map(|word| format!("%{word}%")),
        1 => (word.clone(), word).prop_map(|(a, b)| format!("\"{a} {b}\"")),
        1 => (0..5u8).prop_map(|tag| format!("@g:{{{tag}}}")),
        1 => Just("@g:{1|3}".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let weighted = (inner.clone(), 0.1..4.0f64);
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..5)
                .prop_map(|parts| format!("({})", parts.join(" | "))),
            1 => prop::collection::vec(inner.clone(), 2..3)
                .prop_map(|parts| format!("({})", parts.join(" "))),
            1 => weighted.prop_map(|(part, weight)| format!("({part})=>{{$weight: {weight:.2}}}")),
            1 => inner.clone().prop_map(|part| format!("-({part})")),
            1 => inner.prop_map(|part| format!("~({part})")),
        ]
    })
}

/// All hits of a query, by the block of so many.
fn by_block(matches: &mut Matches<'_>, most: usize) -> Vec<ScoredDocument> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        matches.next_scored(most, &mut all);
        if all.len() == before {
            return all;
        }
        assert!(all.len() <= before + most);
    }
}

fn matches<'i>(index: &'i Index, root: &Node, search: &Search) -> Matches<'i> {
    index.matches(root, search).expect("a query")
}

fn bits(all: &[ScoredDocument]) -> Vec<(u32, u64)> {
    let of = |one: &ScoredDocument| (one.document.0, one.score.to_bits());
    all.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Documents and the digits of their scores are the same by the block, by blocks of any size,
    /// and from any document on.
    #[test]
    fn blocks_have_the_documents_and_scores_of_steps(
        query in query(),
        scorer in prop::sample::select(vec![
            Scorer::Bm25Std, Scorer::Bm25StdTanh, Scorer::Bm25StdNorm, Scorer::DisMax,
            Scorer::TfIdf, Scorer::DocScore,
        ]),
        scores: bool,
        is_2_10: bool,
        most in prop_oneof![1..4usize, 100..300usize, Just(usize::MAX / 2)],
        from in 0..DOCUMENTS + 10,
        width in prop::sample::select(vec![1, 7, 64, 1000, u32::MAX]),
    ) {
        let index = index();
        let search = Search { scorer, scores, is_2_10, ..Search::default() };
        let counted = Search { profiles: true, ..search.clone() };
        let root = index.expand(&root(index, &query), &search).expect("a query");
        let steps = matches(index, &root, &counted);
        let expected: Vec<ScoredDocument> = steps
            .map(|hit| ScoredDocument { document: hit.document, score: hit.score })
            .collect();
        let expected = bits(&expected);
        prop_assert_eq!(&bits(&by_block(&mut matches(index, &root, &search), most)), &expected);
        // As hits, of which some are taken before the walk continues at another place, in windows.
        let (root, search) = index.prepared(&root, &search).expect("a query");
        let mut course = Course::at(0, width);
        let mut windows = Windows::new(index, &root, &search, &mut course);
        let mut first = Vec::new();
        while first.len() < 7 && !windows.is_over() {
            first.extend(windows.by_ref().take(7 - first.len()));
        }
        let first: Vec<ScoredDocument> = first
            .into_iter()
            .map(|hit| ScoredDocument { document: hit.document, score: hit.score })
            .collect();
        drop(windows);
        prop_assert_eq!(bits(&first), &expected[..first.len()]);
        let rest = &expected[expected.partition_point(|(id, _)| *id < from)..];
        let mut course = Course::at(from, width);
        let mut windows = Windows::new(index, &root, &search, &mut course);
        let mut found = Vec::new();
        while !windows.is_over() {
            windows.next_scored(most, &mut found);
        }
        prop_assert_eq!(bits(&found), rest);
    }
}
