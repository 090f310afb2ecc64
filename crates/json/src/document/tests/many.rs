//! Edits of many values are those of value after value.
//!
//! Documents and edits are random; chunks are small, so that values are out of line.

use super::model::{ModelValue, random_number};
use super::{Random, check_views, parsed, text, with_chunks};
use crate::document::{Document, Fpha};
use crate::path::{Budget, Path};
use crate::view::{Kind, Location, View};

/// An edit that any value has.
fn edit(document: &mut Document, at: &[u32], new: &Document, kind: usize) {
    let len = document.get(at).expect("a value").len();
    match kind % 6 {
        0 => document.insert_elements(at, len / 2, std::slice::from_ref(new)),
        1 => document.retain_elements(at, len / 3..len - len / 3),
        2 => document.append_text(at, "more \" text"),
        3 => document.set_member(at, "a", new.root()),
        4 => document.clear(at),
        _ => match new.root().kind() {
            Kind::Number(number) if len == 0 => document.set_number(at, number),
            _ => len > 0 && document.remove(&[at, &[0]].concat()),
        },
    };
}

fn some_document(random: &mut Random, fpha: Option<Fpha>) -> (Document, ModelValue) {
    loop {
        let plain = ModelValue::random(random, 5);
        // Numbers may be out of range.
        if let Ok(document) = Document::parse_with(plain.text().as_bytes(), fpha) {
            return (document, plain);
        }
    }
}

fn check(seed: u64, chunk: usize, fpha: Option<Fpha>) {
    let random = &mut Random(seed);
    let (mut document, plain) = some_document(random, fpha);
    let count = 20 + random.below(200);
    let locations: Vec<Location> = (0..count)
        .map(|_| Location::from(&plain.some_location(random)[..]))
        .collect();
    let kinds: Vec<usize> = (0..count).map(|_| random.below(6)).collect();
    let new = if random.below(2) == 0 {
        Document::number(random_number(random))
    } else {
        parsed(&ModelValue::random(random, 2).text())
    };
    let mut one_by_one = document.clone();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| locations[*other].cmp(&locations[*one]));
    for number in order {
        edit(&mut one_by_one, &locations[number], &new, kinds[number]);
    }
    let spots: Vec<&[u32]> = locations.iter().map(|at| &**at).collect();
    let paid = std::cell::Cell::new(0);
    let pay = |visits| {
        paid.set(paid.get() + visits);
        Ok::<(), ()>(())
    };
    let before = document.clone();
    let refuses = |_| Err(());
    let change = &mut |_: usize, _: &mut Document, _: &[u32]| {};
    assert_eq!(document.edit_each(&spots, &refuses, change), Err(()));
    assert_eq!(text(&document), text(&before));
    let mut change = |number: usize, document: &mut Document, at: &[u32]| {
        edit(document, at, &new, kinds[number]);
    };
    assert_eq!(document.edit_each(&spots, &pay, &mut change), Ok(()));
    assert!(paid.get() > 0);
    document.check_invariants();
    check_views(&document);
    let given = text(&before);
    assert_eq!(
        text(&document),
        text(&one_by_one),
        "{seed}, chunks of {chunk}: {given}"
    );
    assert!(document.root().is_equal(one_by_one.root()));
}

#[test]
fn many_edits_at_once_are_those_of_one_after_another() {
    for chunk in [48, 160, 1000, 8192] {
        with_chunks(chunk, || (0..300).for_each(|seed| check(seed, chunk, None)));
    }
}

/// A type stays as long as the numbers are within the range of the type.
#[test]
fn many_edits_of_typed_documents_keep_their_invariants() {
    for (number, fpha) in [Fpha::Fp16, Fpha::Bf16, Fpha::Fp32].into_iter().enumerate() {
        for chunk in [48, 300] {
            let given = b"[[0.5,1.5,2.5],[[3.5,4.5,5.5,6.5],7],8.5]";
            with_chunks(chunk, || {
                let mut document = Document::parse_with(given, Some(fpha)).unwrap();
                let at: Vec<Vec<u32>> = (0..3).map(|at| vec![0, at]).collect();
                let spots: Vec<&[u32]> = at.iter().flat_map(|at| [&at[..]; 8]).collect();
                let mut set = |at: usize, document: &mut Document, place: &[u32]| {
                    let number = crate::Number::Signed(at as i64);
                    assert!(document.set_number(place, number));
                };
                let done = document.edit_each(&spots, &|_| Ok::<(), ()>(()), &mut set);
                assert_eq!(done, Ok(()));
                document.check_invariants();
                assert_eq!(
                    text(&document),
                    "[[7.0,15.0,23.0],[[3.5,4.5,5.5,6.5],7],8.5]"
                );
                assert_eq!(document.get(&[0]).unwrap().fpha(), Some(fpha));
                assert_eq!(
                    document.get(&[1, 0]).unwrap().fpha(),
                    Some(fpha),
                    "{number}"
                );
            });
        }
    }
}

#[test]
fn many_removals_at_once_are_those_of_one_after_another() {
    let paths = [
        "$..[::2]",
        "$..[?(@>0)]",
        "$.*[1:]",
        "$..[0]",
        "$..a",
        "$..['b','a']",
        "$.*.*",
    ];
    for chunk in [48, 160, 1000, 8192] {
        with_chunks(chunk, || {
            for seed in 0..200 {
                let random = &mut Random(seed);
                let (mut document, plain) = some_document(random, None);
                let path = Path::parse(paths[random.below(paths.len())]).unwrap();
                let budget = Budget::unlimited();
                let locations = path.deletions(document.root(), &budget).unwrap();
                let mut one_by_one = document.clone();
                locations.iter().for_each(|location| {
                    assert!(one_by_one.remove(location));
                });
                let pay = |visits| budget.spend(visits);
                assert!(document.remove_each(&locations, &pay).is_ok());
                document.check_invariants();
                let given = plain.text();
                assert_eq!(
                    text(&document),
                    text(&one_by_one),
                    "{seed} {}: {given}",
                    path.text()
                );
            }
        });
    }
}
