//! Dictionaries beside sorted maps, and searches beside a look at every entry.
//!
//! Known scores are those of Redis Stack 7.4.

use super::letters;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn filled(entries: &[(&str, f32)]) -> Suggestions {
    let mut all = Suggestions::default();
    for (text, score) in entries {
        assert!(all.add(text.as_bytes(), *score, Change::Replace, b""));
    }
    all.check_invariants();
    all
}

/// An entry that a search has found.
struct OwnedEntry {
    text: Vec<u8>,
    score: f32,
    payload: Option<Vec<u8>>,
}

impl From<&Suggestion<'_>> for OwnedEntry {
    fn from(of: &Suggestion<'_>) -> OwnedEntry {
        OwnedEntry {
            text: of.text.clone(),
            score: of.score,
            payload: of.payload.map(<[u8]>::to_vec),
        }
    }
}

/// The entries that a search in a single step finds.
fn hunted(all: &Suggestions, prefix: &[u8], is_fuzzy: bool, max: usize) -> Option<Vec<OwnedEntry>> {
    let mut hunt = SuggestionSearch::new(all, prefix, is_fuzzy, max)?;
    let mut found = Vec::new();
    let take = &mut |one: &Suggestion<'_>| found.push(OwnedEntry::from(one));
    assert_eq!(hunt.step(all, &mut || false, take), SearchProgress::Done);
    Some(found)
}

fn found(all: &Suggestions, prefix: &str, is_fuzzy: bool, max: usize) -> Vec<(String, f32)> {
    let found = hunted(all, prefix.as_bytes(), is_fuzzy, max);
    let found = found.expect("a short prefix").into_iter();
    let name = |text| String::from_utf8(text).expect("UTF-8");
    found.map(|one| (name(one.text), one.score)).collect()
}

fn owned(of: &[(&str, f32)]) -> Vec<(String, f32)> {
    of.iter()
        .map(|(text, score)| ((*text).to_owned(), *score))
        .collect()
}

#[test]
fn scores_are_those_of_redis() {
    let all = filled(&[
        ("hello", 1.0),
        ("hello world", 2.0),
        ("help", 3.0),
        ("Helium", 4.0),
        ("hero", 11.0),
        ("neg", -3.0),
    ]);
    let he = [
        ("hero", 6.350_853),
        ("Helium", 1.788_854_4),
        ("help", 1.732_050_8),
        ("hello world", 0.632_455_5),
        ("hello", 0.5),
    ];
    assert_eq!(found(&all, "he", false, 5), owned(&he));
    assert_eq!(found(&all, "he", false, 2), owned(&he[..2]));
    assert_eq!(found(&all, "he", false, 0), []);
    let hel = [
        ("help", 2.121_320_2),
        ("Helium", 2.0),
        ("hero", 1.052_661_4),
        ("hello world", 0.666_666_7),
        ("hello", 0.577_350_26),
    ];
    assert_eq!(found(&all, "hel", true, 5), owned(&hel));
    assert_eq!(
        found(&all, "HELLO", false, 1),
        owned(&[("hello", 2_147_483_648.0)])
    );
    // The capital letter is in the first half.
    assert_eq!(found(&all, "helium", false, 1), owned(&[("Helium", 4.0)]));
    assert_eq!(found(&all, "n", false, 1), owned(&[("neg", -1.732_050_8)]));
    assert_eq!(found(&all, "z", false, 9), []);
}

#[test]
fn fuzzy_searches_find_what_redis_finds() {
    let all = filled(&[
        ("hello", 1.0),
        ("help", 2.0),
        ("jello", 3.0),
        ("hxllo", 4.0),
        ("helo", 5.0),
        ("hlelo", 6.0),
        ("aba", 1.0),
        ("abax", 1.0),
        ("xhello", 2.0),
        ("aab", 1.0),
        ("ab", 1.0),
    ]);
    let names = |prefix: &str| -> Vec<String> {
        let found = found(&all, prefix, true, 20);
        found.into_iter().map(|one| one.0).collect()
    };
    assert_eq!(
        names("hello"),
        ["hello", "hxllo", "helo", "jello", "xhello"]
    );
    // `abax` begins with `aba`, which is found.
    assert_eq!(names("aab"), ["aab", "aba", "ab"]);
    assert_eq!(names("hhello"), ["xhello", "hello"]);
    assert_eq!(
        found(&all, "hell", true, 3),
        owned(&[
            ("helo", 290_630_304.0),
            ("help", 290_630_304.0),
            ("hello", 0.707_106_77)
        ])
    );
    assert_eq!(found(&all, "", true, 1), owned(&[("hlelo", 0.331_502_4)]));
}

#[test]
fn entries_that_cannot_be_are_ignored() {
    let mut all = Suggestions::default();
    assert!(!all.add(b"", 1.0, Change::Replace, b""));
    assert!(!all.add(&[b'a'; LETTERS_MAX + 1], 1.0, Change::Replace, b""));
    assert!(all.add(&[b'a'; LETTERS_MAX], 1.0, Change::Replace, b""));
    assert!(all.add(
        "é".repeat(LETTERS_MAX).as_bytes(),
        1.0,
        Change::Replace,
        b""
    ));
    assert!(hunted(&all, &[b'a'; search::QUERY_LETTERS_MAX], false, 1).is_none());
    assert_eq!(all.entries(), 2);
    assert!(!all.remove(b""));
}

#[test]
fn letters_have_no_case() {
    let all = filled(&[("éa", 1.0), ("Éb", 2.0), ("straße", 3.0), ("STRASSE", 4.0)]);
    assert_eq!(
        found(&all, "É", false, 9),
        owned(&[("Éb", 2.0), ("éa", 1.0)])
    );
    assert_eq!(found(&all, "stras", false, 9).len(), 2);
    let (a, b) = ("ıI\u{13d0}\u{aba0}ς", "ıi\u{13d0}\u{13d0}σ");
    assert_eq!(letters::folded(a.as_bytes()), letters::folded(b.as_bytes()));
}

#[test]
fn payloads_stay_until_others_come() {
    let mut all = Suggestions::default();
    all.add(b"one", 1.0, Change::Replace, b"p");
    all.add(b"one", 2.0, Change::Increase, b"");
    let payload = |all: &Suggestions, text: &[u8]| {
        let found = hunted(all, text, false, 1).expect("short");
        found.into_iter().next().and_then(|one| one.payload)
    };
    assert_eq!(payload(&all, b"one"), Some(b"p".to_vec()));
    assert_eq!(all.score(b"one"), Some(3.0));
    all.add(b"onerous", 1.0, Change::Replace, b"q");
    all.add(b"on", 1.0, Change::Replace, b"");
    assert_eq!(payload(&all, b"one"), Some(b"p".to_vec()));
    assert_eq!(payload(&all, b"onerous"), Some(b"q".to_vec()));
    all.remove(b"one");
    all.add(b"one", 1.0, Change::Replace, b"");
    assert_eq!(payload(&all, b"one"), None);
    all.check_invariants();
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[abAB]{0,5}", "[aäÄß€x]{0,4}", "[a-e]{0,9}"]
}

#[derive(Clone, Debug)]
enum Turn {
    Add(String, i8, bool, String),
    Remove(String),
    RemoveNth(usize),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => (text(), any::<i8>(), any::<bool>(), "[p]{0,3}")
            .prop_map(|(text, score, adds, payload)| Turn::Add(text, score, adds, payload)),
        1 => text().prop_map(Turn::Remove),
        2 => any::<usize>().prop_map(Turn::RemoveNth),
    ]
}

type Model = BTreeMap<Vec<u8>, (f32, Vec<u8>)>;

fn play(turns: Vec<Turn>) -> (Suggestions, Model) {
    let (mut all, mut model) = (Suggestions::default(), Model::new());
    for turn in turns {
        match turn {
            Turn::Add(text, score, adds, payload) => {
                let (text, score) = (text.into_bytes(), f32::from(score));
                let change = if adds {
                    Change::Increase
                } else {
                    Change::Replace
                };
                let is_new = all.add(&text, score, change, payload.as_bytes());
                if text.is_empty() {
                    assert!(!is_new);
                    continue;
                }
                assert_eq!(is_new, !model.contains_key(&text));
                let held = model.entry(text).or_default();
                held.0 = if adds { held.0 + score } else { score };
                if !payload.is_empty() {
                    held.1 = payload.into_bytes();
                }
            }
            Turn::Remove(text) => {
                let is_gone = model.remove(text.as_bytes()).is_some();
                assert_eq!(all.remove(text.as_bytes()), is_gone);
            }
            Turn::RemoveNth(n) if !model.is_empty() => {
                let nth = model.keys().nth(n % model.len()).cloned().expect("within");
                model.remove(&nth);
                assert!(all.remove(&nth));
            }
            Turn::RemoveNth(_) => {}
        }
        all.check_invariants();
    }
    (all, model)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_dictionary_is_a_sorted_map(turns in prop::collection::vec(turn(), 0..150)) {
        let (all, model) = play(turns);
        prop_assert_eq!(all.entries(), model.len());
        let entries = all.entries_from(0).map(|(_, entry)| {
            (entry.text, (entry.score, entry.payload.unwrap_or_default().to_vec()))
        });
        prop_assert_eq!(entries.collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        // From any position on, the same follows.
        let places: Vec<u64> = all.entries_from(0).map(|(at, _)| at).collect();
        for (n, at) in places.iter().enumerate() {
            prop_assert_eq!(all.entries_from(*at).count(), places.len() - n - 1);
        }
    }

    #[test]
    fn a_search_finds_the_best_of_all(
        turns in prop::collection::vec(turn(), 0..60),
        prefix in text(),
        is_fuzzy in any::<bool>(),
        max in 0usize..12,
    ) {
        let (all, model) = play(turns);
        let every = found(&all, &prefix, is_fuzzy, usize::MAX);
        prop_assert!(every.is_sorted_by(|a, b| a.1 >= b.1));
        let few = found(&all, &prefix, is_fuzzy, max);
        prop_assert_eq!(&few[..], &every[..max.min(every.len())]);
        if !is_fuzzy {
            let folded = letters::folded(prefix.as_bytes());
            let begin = |text: &&Vec<u8>| letters::folded(text).starts_with(&folded);
            prop_assert_eq!(every.len(), model.keys().filter(begin).count());
        }
        for (text, score) in &every {
            // Alone, where nothing else decides what is looked at, it has the same score.
            let mut alone = Suggestions::default();
            let own = model[text.as_bytes()].0;
            if alone.add(text.as_bytes(), own, Change::Replace, b"") {
                prop_assert_eq!(found(&alone, &prefix, is_fuzzy, 1), vec![(text.clone(), *score)]);
            }
        }
        let missing = model.keys().filter(|text| !every.iter().any(|of| of.0.as_bytes() == &text[..]));
        for text in missing {
            let mut alone = Suggestions::default();
            alone.add(text, 1.0, Change::Replace, b"");
            prop_assert_eq!(found(&alone, &prefix, is_fuzzy, 1), vec![]);
        }
    }
}

proptest! {
    /// A search that ends at each entry or node, while entries that it does not look for come and
    /// go, finds what a search in a single step finds.
    #[test]
    fn a_search_in_steps_finds_what_one_step_finds(
        texts in prop::collection::btree_map("[ab]{1,6}", 0..9u8, 0..60),
        others in prop::collection::vec(("[cd]{1,4}", any::<bool>()), 0..40),
        prefix in "[ab]{0,3}",
        is_fuzzy in any::<bool>(),
        max in 1..20usize,
        changes_from in 0..30usize,
    ) {
        let mut all = Suggestions::default();
        for (text, score) in &texts {
            all.add(text.as_bytes(), f32::from(*score), Change::Replace, text.as_bytes());
        }
        let is_fuzzy = is_fuzzy && prefix.len() > 1;
        let whole = hunted(&all, prefix.as_bytes(), is_fuzzy, max).expect("short");
        let mut hunt = SuggestionSearch::new(&all, prefix.as_bytes(), is_fuzzy, max).expect("short");
        let (mut found, mut others, mut step) = (Vec::new(), others.iter(), 0);
        loop {
            let take = &mut |one: &Suggestion<'_>| found.push(OwnedEntry::from(one));
            match hunt.step(&all, &mut || true, take) {
                SearchProgress::More => {}
                SearchProgress::Anew => found.clear(),
                SearchProgress::Done => break,
            }
            step += 1;
            let change = others.next().filter(|_| step >= changes_from && !prefix.is_empty());
            if let Some((text, adds)) = change {
                if *adds {
                    all.add(text.as_bytes(), 3.0, Change::Replace, b"");
                } else {
                    all.remove(text.as_bytes());
                }
            }
        }
        let scores = |of: &[OwnedEntry]| of.iter().map(|one| one.score).collect::<Vec<_>>();
        prop_assert_eq!(scores(&found), scores(&whole));
        prop_assert!(found.iter().all(|one| one.payload.as_ref() == Some(&one.text)));
    }

    /// The first node from a text on is that of the next text.
    #[test]
    fn texts_have_a_next_one(
        texts in prop::collection::btree_set("[ab]{1,5}", 0..30),
        from in "[ab]{0,5}",
    ) {
        let mut all = Suggestions::default();
        for text in &texts {
            all.add(text.as_bytes(), 1.0, Change::Replace, b"");
        }
        let mut node = all.first_from(from.as_bytes());
        while let Some(at) = node
            && !all.nodes[at as usize].is_entry
        {
            node = all.after(at);
        }
        let next = node.map(|at| all.text(at));
        let expected = texts.range(from..).next().map(|text| text.clone().into_bytes());
        prop_assert_eq!(next, expected);
    }
}
