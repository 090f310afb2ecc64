//! The tree against a `BTreeSet`: contents, ranks and invariants after random inserts and removals,
//! in every kind of read.
//!
//! Also its shape: ordered input leaves full leaves, random input fills four fifths, and sorted
//! input builds the same tree as inserts do.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A tree that owns its members, as a sorted set does.
struct OwnedTree(ZsetIndex);

impl OwnedTree {
    fn insert(&mut self, score: f64, bytes: &[u8]) {
        // SAFETY: freed only after leaving the tree.
        unsafe { self.0.insert(score, Member::new(score, bytes)) };
    }

    fn remove(&mut self, score: f64, bytes: &[u8]) -> bool {
        let gone = self.0.remove(Key {
            score,
            bytes,
            entry: None,
        });
        // SAFETY: out of the tree.
        gone.map(|member| unsafe { member.free() }).is_some()
    }
}

impl Drop for OwnedTree {
    fn drop(&mut self) {
        // SAFETY: out of the tree.
        while self
            .0
            .remove_chunk(0, usize::MAX, |member| _ = unsafe { member.free() })
            > 0
        {}
        assert!(self.0.is_empty());
    }
}

fn ordered(bits: i64) -> f64 {
    bits as f64 / 4.0
}

fn text(n: i64) -> Vec<u8> {
    format!("m:{n:06}").into_bytes()
}

fn fill_of(tree: &ZsetIndex) -> f64 {
    let mut leaves = 0;
    tree.each_node(&mut |_, height| leaves += usize::from(height == 0));
    tree.len() as f64 / (leaves * LEAF) as f64
}

#[test]
fn ordered_input_leaves_full_leaves() {
    for sign in [1, -1] {
        let mut tree = OwnedTree(ZsetIndex::new());
        for i in 0..20_000 {
            tree.insert(ordered(sign * i), &text(i));
        }
        tree.0.check_invariants();
        assert!(fill_of(&tree.0) > 0.99, "{}", fill_of(&tree.0));
    }
}

#[test]
fn random_input_fills_four_fifths() {
    let mut tree = OwnedTree(ZsetIndex::new());
    let mut state = 1u64;
    for i in 0..50_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        tree.insert((state >> 11) as f64, &text(i));
    }
    tree.0.check_invariants();
    assert!(fill_of(&tree.0) > 0.78, "{}", fill_of(&tree.0));
}

#[test]
fn an_element_is_found_by_its_entry_among_equal_scores() {
    let members: Vec<_> = (0..3000)
        .map(|i| (ordered(i / 100), text(i)))
        .map(|(score, bytes)| (score, Member::new(score, &bytes), bytes))
        .collect();
    // SAFETY: freed only after leaving the tree.
    let mut tree = OwnedTree(unsafe { ZsetIndex::from_sorted(members.iter().map(|m| (m.0, m.1))) });
    fn key((score, entry, bytes): &(f64, Member, Vec<u8>)) -> Key<'_> {
        let (score, entry) = (*score, Some(*entry));
        Key {
            score,
            bytes,
            entry,
        }
    }
    for (rank, member) in members.iter().enumerate() {
        assert_eq!(tree.0.rank(key(member)), Some(rank));
    }
    let gone = tree.0.remove(key(&members[1234])).expect("it is there");
    assert_eq!(gone, members[1234].1);
    assert_eq!(tree.0.rank(key(&members[1234])), None);
    assert_eq!(tree.0.rank(key(&members[1235])), Some(1234));
    // SAFETY: out of the tree.
    unsafe { gone.free() };
}

#[test]
fn a_descent_takes_a_step_for_each_level() {
    let mut tree = OwnedTree(ZsetIndex::new());
    assert!(tree.0.descent(1.0, false).is_none());
    for i in 0..5000 {
        tree.insert(ordered(i), &text(i));
    }
    for changes in [false, true] {
        for score in [f64::NEG_INFINITY, -1.5, 0.0, 1e300, f64::INFINITY] {
            let mut descent = tree.0.descent(score, changes).expect("a root");
            let steps = std::iter::repeat_with(|| descent.step()).take_while(|&goes_on| goes_on);
            assert_eq!(steps.count(), 2);
        }
    }
}

#[test]
fn sorted_input_builds_the_same_tree() {
    let members: Vec<_> = (0..5000).map(|i| (ordered(i / 3), text(i))).collect();
    let slots = members.iter().map(|(s, m)| (*s, Member::new(*s, m)));
    // SAFETY: freed only after leaving the tree.
    let tree = OwnedTree(unsafe { ZsetIndex::from_sorted(slots) });
    tree.0.check_invariants();
    for (rank, (score, bytes)) in members.iter().enumerate() {
        assert_eq!(
            tree.0.rank(Key {
                score: *score,
                bytes,
                entry: None,
            }),
            Some(rank)
        );
        assert_eq!(tree.0.select(rank), Some((*score, &bytes[..])));
    }
    assert_eq!(
        tree.0.rank(Key {
            score: 0.0,
            bytes: b"absent",
            entry: None,
        }),
        None
    );
}

#[test]
fn deleting_ranges_leaves_the_rest() {
    let mut tree = OwnedTree(ZsetIndex::new());
    for i in 0..30_000 {
        tree.insert(ordered(i), &text(i));
    }
    let mut left = 29_000;
    while left > 0 {
        // SAFETY: out of the tree.
        left -= tree.0.remove_chunk(500, left, |m| _ = unsafe { m.free() });
    }
    tree.0.check_invariants();
    let ranks: Vec<_> = tree
        .0
        .iter()
        .map(|(score, _)| (score * 4.0) as i64)
        .collect();
    assert!(ranks.into_iter().eq((0..500).chain(29_500..30_000)));
}

type Model = BTreeSet<(i64, Vec<u8>)>;

fn check_reads(tree: &ZsetIndex, model: &Model) {
    let all: Vec<_> = model
        .iter()
        .map(|(s, m)| (ordered(*s), m.clone()))
        .collect();
    let own =
        |range: super::range::Range<'_>| range.map(|(s, m)| (s, m.to_vec())).collect::<Vec<_>>();
    assert_eq!(own(tree.iter()), all);
    let middle = all.len() / 2;
    assert_eq!(
        own(tree.range(middle, 90, false)),
        all[middle..(middle + 90).min(all.len())]
    );
    if !all.is_empty() {
        let mut backward: Vec<_> = all[..=middle].to_vec();
        backward.reverse();
        assert_eq!(own(tree.range(middle, usize::MAX, true)), backward);
    }
    for score in [-3.0, 0.0, 2.25, 100.0] {
        let below = all.iter().filter(|(s, _)| *s < score).count();
        let at_most = all.iter().filter(|(s, _)| *s <= score).count();
        assert_eq!(
            (
                tree.count_below(score, false),
                tree.count_below(score, true)
            ),
            (below, at_most)
        );
        let point = tree.partition_point(|s, m| s < score || s == score && m < &b"m:000100"[..]);
        let expected = all
            .iter()
            .filter(|(s, m)| *s < score || *s == score && m[..] < b"m:000100"[..]);
        assert_eq!(point, expected.count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn behaves_like_a_btree_set(
        ops in prop::collection::vec((0u8..10, -40i64..40, 0i64..400), 0..3000), spread in 1i64..50
    ) {
        let (mut tree, mut model) = (OwnedTree(ZsetIndex::new()), Model::new());
        for (op, score, name) in ops {
            let (score, bytes) = (score * spread, text(name));
            let present = model.contains(&(score, bytes.clone()));
            match op {
                0..7 if !present => {
                    tree.insert(ordered(score), &bytes);
                    model.insert((score, bytes));
                }
                7 | 8 => {
                    // An element that exists, so that some removals succeed.
                    let near = model.range((score, bytes.clone())..).next().cloned();
                    let (score, bytes) = near.unwrap_or((score, bytes));
                    prop_assert_eq!(tree.remove(ordered(score), &bytes), model.remove(&(score, bytes)));
                }
                9 => {
                    let near = model.range((score, bytes.clone())..).next().cloned();
                    if let Some((old, bytes)) = near {
                        let new = old + name % 5;
                        if !model.contains(&(new, bytes.clone())) {
                            let key = Key { score: ordered(old), bytes: &bytes, entry: None };
                            prop_assert!(tree.0.update(key, ordered(new)));
                            model.remove(&(old, bytes.clone()));
                            model.insert((new, bytes));
                        }
                    }
                }
                _ => {}
            }
            prop_assert_eq!(tree.0.len(), model.len());
        }
        tree.0.check_invariants();
        check_reads(&tree.0, &model);
        for (rank, (score, bytes)) in model.iter().enumerate() {
            prop_assert_eq!(tree.0.rank(Key { score: ordered(*score), bytes, entry: None }), Some(rank));
        }
    }
}
