//! An array against a map of indexes.
//!
//! Random writes, removals and ranges, in both directions, with limits at which slices change
//! between sparse and dense; after them counts, order and invariants are those of the map. Then the
//! figures that the layout promises: texts of equal length need no blob, and a far index costs a
//! slice.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn limits(kmax: usize, kmin: usize, size: usize) -> Limits {
    Limits {
        array_slice_size: size,
        array_sparse_kmax: kmax,
        array_sparse_kmin: kmin,
        ..Limits::default()
    }
}

fn all(array: &Array, first: u64, last: u64, backward: bool) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    array.visit(first, last, backward, |index, value| {
        seen.push((index, value.to_vec()));
        true
    });
    seen
}

fn equal(array: &Array, wanted: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    array.visit_equal(0, INDEX_MAX, false, Entry::parse(wanted), |index, value| {
        seen.push((index, value.to_vec()));
        true
    });
    seen
}

fn text(rng: &mut SmallRng, length: u32) -> Vec<u8> {
    match rng.random_range(0..5) {
        0 => rng.random::<i64>().to_string().into_bytes(),
        1 => rng.random_range(0..300).to_string().into_bytes(),
        2 => vec![b'x'; rng.random_range(0..length) as usize],
        3 => vec![0xfc; rng.random_range(0..length) as usize],
        _ => vec![b'y'; rng.random_range(0..12)],
    }
}

#[test]
fn an_array_is_a_map_of_indexes() {
    for (seed, limits) in [
        limits(10, 5, 4096),
        limits(0, 0, 256),
        limits(256, 200, 256),
        limits(1, 0, 512),
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = SmallRng::seed_from_u64(seed as u64);
        let (mut array, mut model) = (Array::new(&limits), BTreeMap::new());
        for round in 0..6_000u32 {
            let wide = match rng.random_range(0..8) {
                0 => INDEX_MAX,
                1 => 100_000,
                _ => 700,
            };
            let index = rng.random_range(0..=wide);
            match rng.random_range(0..10) {
                0..6 => {
                    let text = text(&mut rng, 1 + round / 10 % 90);
                    let is_new = model.insert(index, text.clone()).is_none();
                    assert_eq!(array.set(index, &text, &limits), is_new);
                }
                6..9 => {
                    let gone = model.remove(&index).is_some();
                    assert_eq!(array.remove(index, &limits), gone);
                }
                _ if round % 7 == 0 => {
                    let last = index
                        .saturating_add(rng.random_range(0..2000))
                        .min(INDEX_MAX);
                    let before = model.len();
                    model.retain(|at, _| *at < index || *at > last);
                    let gone = (before - model.len()) as u64;
                    assert_eq!(array.remove_range(index, last, &limits), gone);
                }
                _ => {}
            }
            if round % 50 == 0 {
                array.check_invariants();
                let copy = array.clone();
                copy.check_invariants();
                let end = model.last_key_value().map_or(0, |(last, _)| last + 1);
                assert_eq!((copy.end(), copy.count()), (end, model.len() as u64));
                let expected: Vec<_> = model.clone().into_iter().collect();
                assert_eq!(all(&copy, 0, INDEX_MAX, false), expected);
                let mut back: Vec<_> = model
                    .range(100..=600)
                    .map(|(i, t)| (*i, t.clone()))
                    .collect();
                back.reverse();
                assert_eq!(all(&copy, 100, 600, true), back);
                for wanted in expected.iter().step_by(9).map(|(_, text)| text) {
                    let is_it = |(_, text): &&(u64, Vec<u8>)| text == wanted;
                    let expected: Vec<_> = expected.iter().filter(is_it).cloned().collect();
                    assert_eq!(equal(&copy, wanted), expected);
                }
            }
            let expected = model.get(&index).map(Vec::as_slice);
            assert_eq!(
                array.get(index).map(|value| value.to_vec()).as_deref(),
                expected
            );
        }
        let mut mover = Mover::eager();
        let mut at = Some(0);
        while let Some(from) = at {
            at = array.relocate(&mut mover, from, 1);
        }
        array.check_invariants();
        assert_eq!(all(&array, 0, INDEX_MAX, false).len(), model.len());
        while !array.free_step(100) {}
    }
}

#[test]
fn texts_of_one_length_need_no_blobs() {
    let limits = Limits::default();
    let mut array = Array::new(&limits);
    for index in 0..10_000u64 {
        array.set(index, format!("value:{index:06}").as_bytes(), &limits);
    }
    // 12 bytes each.
    assert!(
        array.memory_bytes() < 10_000 * 13 + 64_000,
        "{}",
        array.memory_bytes()
    );
    let one = array.memory_bytes();
    array.set(5, &[b'x'; 1000], &limits);
    assert!(array.memory_bytes() < one + 1200);
    array.check_invariants();
}

#[test]
fn a_far_index_costs_little() {
    let limits = Limits::default();
    let mut array = Array::new(&limits);
    array.set(1 << 63, b"x", &limits);
    array.set(INDEX_MAX, b"x", &limits);
    array.set(0, b"x", &limits);
    assert!(array.memory_bytes() < 1000, "{}", array.memory_bytes());
    assert_eq!(array.end(), u64::MAX);
    assert!(array.remove(INDEX_MAX, &limits));
    assert_eq!(array.end(), (1 << 63) + 1);
}
