//! Terms near to words, compared with distances that are computed whole.

use super::nearness::near;
use super::*;
use proptest::prelude::*;

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (at, wanted) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *wanted);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[b.len()]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_that_is_near_is_found(
        texts in prop::collection::btree_set("[a-eAxyzéü]{0,6}", 0..80),
        word in "[abcxé]{0,6}",
        most in 1usize..5,
        spent in 0usize..255,
    ) {
        let all: Dictionary = texts.iter().map(|text| text.as_bytes().into()).collect();
        let mut found = Vec::new();
        // In slices that are over after a while.
        let looks = std::cell::Cell::new(0);
        let is_over = || {
            looks.set(looks.get() + 1);
            looks.get() % 3 == 0
        };
        let about = (word.as_bytes(), most);
        let (mut from, mut is_done) = (Vec::new(), false);
        while !is_done {
            let (walk, clock) = (&mut DictionaryWalk::new(&all), &mut Clock::new(&is_over));
            clock.spend(spent);
            is_done = near(about, walk, &mut from, clock, |text| {
                found.push(String::from_utf8(text.to_vec()).expect("UTF-8"));
            });
        }
        let small = |text: &String| text.to_lowercase();
        let expected = texts.into_iter().filter(|text| distance(&small(text), &word) <= most);
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read(
        texts in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..6), 0..50),
        word in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let all: Dictionary = texts.into_iter().map(Vec::into_boxed_slice).collect();
        let clock = &mut Clock::endless();
        near((&word, 2), &mut DictionaryWalk::new(&all), &mut Vec::new(), clock, |_| {});
    }
}
