//! Words of texts as Redis Stack has them.

use proptest::prelude::*;

use super::words::is_separator;
use super::{StopWords, Word, Words};
use crate::record::bytes;

fn words<'t>(text: &'t [u8], stop_words: &'t StopWords) -> Vec<Word<'t>> {
    Words::of(text, stop_words).collect()
}

#[test]
fn words_are_those_of_redis_stack() {
    let stop_words = StopWords::own([b"THE".to_vec()]);
    for line in include_str!("words.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let mut parts = line.split('\t').map(bytes);
        let text = parts.next().expect("a text");
        let mut got: Vec<Vec<u8>> = words(&text, &stop_words)
            .into_iter()
            .map(|word| word.text.into_owned())
            .collect();
        got.sort();
        got.dedup();
        assert_eq!(got, parts.collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn long_words_are_whole_up_to_a_bound() {
    let none = StopWords::own([]);
    for (long, kept) in [(129, 129), (1024, 1024), (1025, 1024), (100_000, 1024)] {
        let text = "x".repeat(long) + " y";
        let found = words(text.as_bytes(), &none);
        assert_eq!((found.len(), found[0].text.len()), (2, kept));
    }
}

#[test]
fn stop_words_have_no_position_and_letters_are_small() {
    let usual = StopWords::default();
    let text = "The Quick, and the brown\\-FOX ÉTÉ".as_bytes();
    let found = words(text, &usual);
    let texts: Vec<_> = found
        .iter()
        .map(|word| String::from_utf8_lossy(&word.text))
        .collect();
    assert_eq!(texts, ["quick", "brown-fox", "été"]);
    let positions: Vec<_> = found.iter().map(|word| word.position).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert_eq!(&text[found[1].start..found[1].end], b"brown\\-FOX");
    assert!(usual.named().is_none());
    let none = StopWords::own([]);
    assert_eq!(words(b"to be", &none).len(), 2);
    assert_eq!(none.named().map(Iterator::count), Some(0));
}

proptest! {
    /// Words lie in the text, in order, with marks between them.
    #[test]
    fn words_lie_in_their_text(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let none = StopWords::own([]);
        let (mut end, mut position) = (0, 0);
        for word in Words::of(&text, &none) {
            prop_assert!(word.start >= end && word.end > word.start && word.end <= text.len());
            prop_assert!(word.start == 0 || is_separator(text[word.start - 1]));
            prop_assert!(!word.text.is_empty() && word.text.len() <= super::words::WORD_MAX);
            prop_assert_eq!(word.position, position + 1);
            (end, position) = (word.end, word.position);
        }
    }
}
