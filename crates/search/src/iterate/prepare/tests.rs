//! Queries that are prepared and walked in slices of any length, over documents that change in
//! between, against the same queries at once.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Preparation;
use crate::index::Index;
use crate::index::testbed::{Hash, field, root, tag, text};
use crate::iterate::{Clock, Course, Windows};
use crate::query::Node;
use crate::schema::{FieldKind, KeyType, Schema, ShapeSpace};
use crate::search::Search;

/// Parts of all kinds that are prepared; each word and tag that they stand for is of a document
/// that stays, so that only documents change.
const PARTS: [&str; 16] = [
    "he*",
    "*lo",
    "*el*",
    "w'h?l*'",
    "%hella%",
    "@g:{re*}",
    "@g:{*e*|w'b*'}",
    "@n:[3 9]",
    "@n:[(5 inf]",
    "@n:[0 0]",
    "@p:[1 1 150 km]",
    "@p:[1 1 9000 km]",
    "@s:[within $a]",
    "@s:[disjoint $a]",
    "@s:[intersects $b]",
    "hello",
];

fn schema() -> Schema {
    let mut schema = Schema::new(KeyType::Hash);
    let shape = FieldKind::Shape(ShapeSpace::Flat);
    schema.fields = vec![
        text("t", 1.0),
        tag("g"),
        field("n", FieldKind::Number),
        field("p", FieldKind::Geo),
        field("s", shape),
    ];
    schema
}

fn put(index: &mut Index, key: u32, of: u32) {
    let words = ["hello", "hell", "help yellow", "world"];
    let tags = ["red", "blue", "red,blue", "green"];
    let place = format!("{},{}", of % 5, of % 3);
    let number = format!("{}", of % 11);
    let shape = format!("POINT({} {})", of % 7, of % 4);
    let (t, g) = (words[of as usize % 4], tags[of as usize / 4 % 4]);
    let document = Hash(&[
        ("t", t),
        ("g", g),
        ("n", &number),
        ("p", &place),
        ("s", &shape),
    ]);
    index.put(format!("d{key}").as_bytes(), &document);
}

fn tree(index: &Index, query: &str) -> Node {
    let query = query.replace("$a", "$area").replace("$b", "$other");
    let params = [
        (
            &b"area"[..],
            &b"POLYGON((-1 -1, -1 3, 4 3, 4 -1, -1 -1))"[..],
        ),
        (b"other", b"POLYGON((2 2, 2 9, 9 9, 9 2, 2 2))"),
    ];
    let params = params
        .iter()
        .map(|(name, text)| (name.to_vec(), text.to_vec()));
    let dialect = crate::query::Dialect::new(2).expect("a dialect");
    let root = crate::query::parse(query.as_bytes(), dialect, index.schema(), &params.collect());
    root.expect("a query").expect("words")
}

fn documents(index: &Index, root: &Node, search: &Search) -> BTreeSet<u32> {
    let matches = index.matches(root, search).expect("matches");
    matches.map(|hit| hit.document.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Documents that are found step by step, while some come, change and go, are the documents
    /// that are there at the end.
    #[test]
    fn what_was_found_follows_the_documents(
        parts in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 1..5),
        joint in prop::sample::select(vec!["|", " ", " -"]),
        looks in 0..40u64,
        changes in prop::collection::vec((0..400u32, 0..200u32, prop::bool::weighted(0.8)), 0..300),
        at_a_time in 1..40usize,
    ) {
        let mut index = Index::new(schema());
        // Documents that stay.
        (0..64).for_each(|of| put(&mut index, 1000 + of, of));
        (0..200).for_each(|key| put(&mut index, key, key * 7));
        let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
        let query = parts.join(joint);
        let mut search = Search { verbatim: true, ..Search::default() };
        let mut root = tree(&index, &query);
        let mut preparation = Preparation::default();
        let mut changes = changes.chunks(at_a_time);
        loop {
            let left = Cell::new(looks);
            let is_over = || {
                left.set(left.get().saturating_sub(1));
                left.get() == 0
            };
            let clock = &mut Clock::new(&is_over);
            let is_done = preparation.advance(&index, &mut root, &mut search, clock).expect("a query");
            let Some(changes) = changes.next() else {
                if is_done {
                    break;
                }
                continue;
            };
            for (key, of, puts) in changes {
                if *puts {
                    put(&mut index, *key, *of);
                } else {
                    index.remove(format!("d{key}").as_bytes());
                }
            }
        }
        let mut course = Course::default();
        let mut windows = Windows::new(&index, &root, &search, &mut course);
        let mut found = BTreeSet::new();
        while !windows.is_over() {
            found.extend(windows.by_ref().map(|hit| hit.document.0));
        }
        let anew = tree(&index, &query);
        prop_assert_eq!(found, documents(&index, &anew, &search), "{}", query);
    }
}

/// The best score, of which all others are shares, is found once.
#[test]
fn shares_of_the_best_score_are_the_same_in_slices() {
    let mut index = Index::new(schema());
    (0..5000).for_each(|key| put(&mut index, key, key));
    let mut search = Search {
        scorer: crate::score::Scorer::Bm25StdNorm,
        ..Search::default()
    };
    let mut root = root(&index, "hello|help|yellow");
    let whole: Vec<_> = index.matches(&root, &search).expect("matches").collect();
    let mut preparation = Preparation::default();
    let mut slices = 1;
    while !preparation
        .advance(&index, &mut root, &mut search, &mut Clock::new(&|| true))
        .expect("a query")
    {
        slices += 1;
    }
    assert!(slices > 5, "{slices}");
    let mut course = Course::default();
    let mut windows = Windows::new(&index, &root, &search, &mut course);
    let mut found = Vec::new();
    while !windows.is_over() {
        found.extend(windows.by_ref());
    }
    assert_eq!(found, whole);
    assert!(found.iter().any(|hit| hit.score == 1.0));
}

/// A change of more documents than can be looked at again has all found anew.
#[test]
fn too_many_changes_have_all_found_anew() {
    let mut index = Index::new(schema());
    (0..100).for_each(|key| put(&mut index, key, 3));
    let mut search = Search::default();
    let mut root = root(&index, "@n:[3 3]");
    let mut preparation = Preparation::default();
    let clock = &mut Clock::endless();
    let go_on = |preparation: &mut Preparation,
                 index: &Index,
                 root: &mut Node,
                 search: &mut _,
                 clock: &mut _| {
        preparation
            .advance(index, root, search, clock)
            .expect("a query")
    };
    assert!(go_on(
        &mut preparation,
        &index,
        &mut root,
        &mut search,
        clock
    ));
    (0..40_000).for_each(|key| put(&mut index, key, key % 11));
    assert!(go_on(
        &mut preparation,
        &index,
        &mut root,
        &mut search,
        clock
    ));
    let mut course = Course::default();
    let mut windows = Windows::new(&index, &root, &search, &mut course);
    let mut count = 0;
    while !windows.is_over() {
        count += windows.by_ref().count();
    }
    assert_eq!(count, (0..40_000).filter(|key| key % 11 == 3).count());
}
