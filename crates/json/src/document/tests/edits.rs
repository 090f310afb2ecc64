//! Random edits of a document and of a plain tree.
//!
//! Chunks are small, so that every shape of nodes occurs within few values.

use super::model::{ModelValue, random_name, random_number, random_text};
use super::{Random, check_views, parsed, text, with_chunks};
use crate::document::{DEPTH_MAX, Document, Fpha};
use crate::view::{Kind, Number, View};

fn document_of(plain: &ModelValue) -> Document {
    parsed(&plain.text())
}

/// An edit of both.
fn edit(document: &mut Document, plain: &mut ModelValue, random: &mut Random) {
    let at = plain.some_location(random);
    let target = plain.at(&at);
    let operation = random.below(20);
    let done = match (operation, &mut *target) {
        (0..3, _) => {
            let new = ModelValue::random(random, 2);
            let done = document.replace(&at, document_of(&new).root());
            *target = new;
            done
        }
        (3..6, ModelValue::Null | ModelValue::Bool(_) | ModelValue::Number(_)) => {
            let number = random_number(random);
            *target = ModelValue::Number(number);
            document.set_number(&at, number)
        }
        (6, _) => {
            *target = ModelValue::Bool(true);
            document.set_bool(&at, true)
        }
        (7..12, ModelValue::Array(elements)) => {
            let before = if random.below(2) == 0 {
                elements.len()
            } else {
                random.below(elements.len() + 1)
            };
            let all_numbers = random.below(2) == 0;
            let new = |random: &mut Random| {
                if all_numbers {
                    ModelValue::Number(random_number(random))
                } else {
                    ModelValue::random(random, 2)
                }
            };
            let count = random.below(6);
            let new: Vec<ModelValue> = (0..count).map(|_| new(random)).collect();
            let documents: Vec<Document> = new.iter().map(document_of).collect();
            elements.splice(before..before, new);
            document.insert_elements(&at, before, &documents)
        }
        (12, ModelValue::Array(elements)) => {
            let start = random.below(elements.len() + 1);
            let end = start + random.below(elements.len() + 2 - start);
            let kept = end.min(elements.len());
            elements.truncate(kept);
            elements.drain(..start);
            document.retain_elements(&at, start..end)
        }
        (7..13, ModelValue::Object(_)) => {
            let (name, value) = (random_name(random), ModelValue::random(random, 2));
            let done = document.set_member(&at, &name, document_of(&value).root());
            target.set_member(&name, value);
            done
        }
        (13, _) => {
            let wanted = match target {
                ModelValue::Array(elements) if !elements.is_empty() => {
                    Some(ModelValue::Array(vec![]))
                }
                ModelValue::Object(members) if !members.is_empty() => {
                    Some(ModelValue::Object(vec![]))
                }
                ModelValue::Number(Number::Signed(0)) => None,
                ModelValue::Number(_) => Some(ModelValue::Number(Number::Signed(0))),
                _ => None,
            };
            // Seldom the whole document.
            if at.is_empty() {
                return;
            }
            let done = document.clear(&at);
            // A typed array has no integer zero.
            assert!(done == wanted.is_some() || matches!(target, ModelValue::Number(_)));
            if let Some(wanted) = wanted {
                *target = wanted;
            }
            true
        }
        (_, ModelValue::String(old)) => {
            let more = random_text(random);
            old.push_str(&more);
            document.append_text(&at, &more)
        }
        (14.., _) => {
            if let Some((last, parent)) = at.split_last() {
                match plain.at(parent) {
                    ModelValue::Array(elements) => {
                        elements.remove(*last as usize);
                    }
                    ModelValue::Object(members) => {
                        members.swap_remove(*last as usize);
                    }
                    _ => unreachable!(),
                }
                document.remove(&at)
            } else {
                !document.remove(&at)
            }
        }
        _ => return,
    };
    assert!(done, "operation {operation} at {at:?}");
}

fn edits(seeds: std::ops::Range<u64>, chunk: usize, rounds: usize) {
    with_chunks(chunk, || {
        for seed in seeds {
            let random = &mut Random(seed);
            let mut plain = ModelValue::random(random, 4);
            let mut document = document_of(&plain);
            for round in 0..rounds {
                edit(&mut document, &mut plain, random);
                let wanted = plain.text();
                assert_eq!(
                    text(&document),
                    wanted,
                    "chunks of {chunk}, {seed}, {round}"
                );
                document.check_invariants();
                if round % 16 == 0 {
                    check_views(&document);
                    assert!(document.root().is_equal(document_of(&plain).root()));
                }
            }
        }
    });
}

#[test]
fn edits_are_those_of_a_plain_tree() {
    edits(0..40, 48, 100);
    edits(100..140, 160, 100);
    edits(200..230, 1000, 150);
    edits(300..310, 8192, 200);
}

#[test]
fn typed_documents_keep_their_invariants() {
    for (number, fpha) in [Fpha::Fp16, Fpha::Bf16, Fpha::Fp32].into_iter().enumerate() {
        for seed in 0..30 {
            with_chunks([48, 300][seed as usize % 2], || {
                let random = &mut Random(seed * 3 + number as u64);
                let (mut document, mut plain) = loop {
                    let plain = ModelValue::random(random, 4);
                    // Numbers may be out of range.
                    if let Ok(document) = Document::parse_with(plain.text().as_bytes(), Some(fpha))
                    {
                        break (document, plain);
                    }
                };
                for _ in 0..60 {
                    edit(&mut document, &mut plain, random);
                    document.check_invariants();
                }
                check_views(&document);
                let printed = text(&document);
                assert_eq!(text(&parsed(&printed)), printed);
                let again = Document::from_cbor(&document.to_cbor()).unwrap();
                again.check_invariants();
                assert_eq!(again.has_fpha(), document.has_fpha());
            });
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn many_edits_are_those_of_a_plain_tree() {
    for seed in (1000..6000).step_by(10) {
        for chunk in [32, 48, 100, 160, 400, 1000, 3000] {
            edits(seed..seed + 3, chunk, 120);
        }
    }
}

#[test]
fn an_array_that_is_appended_to_becomes_a_run() {
    let mut document = parsed("[]");
    for number in 0..1000 {
        let new = Document::number(Number::Float(f64::from(number + 1) / 100.0));
        assert!(document.insert_elements(&[], number as usize, &[new]));
    }
    document.check_invariants();
    assert!(
        document.memory_bytes() < 2600,
        "{}",
        document.memory_bytes()
    );
}

#[test]
fn an_object_that_is_appended_to_shares_its_names() {
    let mut document = parsed(r#"{"items":[]}"#);
    for number in 0..30 {
        let item = format!(r#"{{"identifier":{number},"description":"x","quantity":1}}"#);
        let count = document.get(&[0]).unwrap().len();
        document.insert_elements(&[0], count, &[parsed(&item)]);
    }
    let shared = parsed(&text(&document)).memory_bytes();
    assert!(
        document.memory_bytes() <= shared * 3 / 2,
        "{} {shared}",
        document.memory_bytes()
    );
}

#[test]
fn an_edit_of_a_shared_document_leaves_the_other_as_it_was() {
    let mut random = Random(11);
    with_chunks(64, || {
        for _ in 0..300 {
            let mut document = parsed(&ModelValue::random(&mut random, 5).text());
            let mut copies = Vec::new();
            for _ in 0..8 {
                if let Some(copy) = document.share() {
                    assert!(document.is_unchanged_since(&copy));
                    let wanted = text(&copy);
                    copies.push((copy, wanted));
                }
                let root = document.root();
                let len = root.len();
                let new = parsed(&ModelValue::random(&mut random, 2).text());
                let at = [random.below(len.max(1)) as u32];
                let is_changed = match random.below(4) {
                    0 => document.replace(&at, new.root()),
                    1 => document.set_number(&at, Number::Signed(1 << 40)),
                    2 => document.remove(&at),
                    _ => {
                        document.set_member(&[], "new", new.root())
                            || document.insert_elements(&[], len, std::slice::from_ref(&new))
                    }
                };
                document.check_invariants();
                for (copy, wanted) in &copies {
                    copy.check_invariants();
                    assert_eq!(text(copy), *wanted);
                    assert!(!is_changed || !document.is_unchanged_since(copy));
                }
            }
        }
    });
}

#[test]
fn what_is_not_there_is_not_edited() {
    for chunk in [32, 8192] {
        with_chunks(chunk, || {
            let given = r#"{"a":[1,2,3,4,5,6,7,8],"b":"a text that is longer than some","c":null}"#;
            let mut document = parsed(given);
            let one = Document::number(Number::Signed(1));
            for at in [&[3][..], &[0, 8], &[0, 0, 0], &[1, 0], &[2, 0]] {
                assert!(document.get(at).is_none());
                assert!(!document.replace(at, parsed(given).root()));
                assert!(!document.set_number(at, Number::Signed(1)));
                assert!(!document.set_bool(at, true));
                assert!(!document.remove(at));
                assert!(!document.clear(at));
                assert!(!document.append_text(at, "x"));
                assert!(!document.set_member(at, "x", one.root()));
                assert!(!document.insert_elements(at, 0, std::slice::from_ref(&one)));
                assert!(!document.retain_elements(at, 0..1));
            }
            assert!(!document.remove(&[]));
            assert!(!document.append_text(&[0], "x"));
            assert!(!document.set_member(&[0], "x", one.root()));
            assert!(!document.insert_elements(&[0], 9, std::slice::from_ref(&one)));
            assert!(!document.insert_elements(&[], 0, std::slice::from_ref(&one)));
            assert!(!document.retain_elements(&[1], 0..1));
            document.check_invariants();
            assert_eq!(text(&document), given);
        });
    }
}

#[test]
fn nothing_is_nested_too_deeply() {
    let mut document = parsed("[]");
    let deep = parsed(&("[".repeat(127) + &"]".repeat(127)));
    let mut at = Vec::new();
    while document.replace(&at, deep.root()) {
        at.extend([0; 126]);
    }
    assert_eq!(document.root().depth(), 4 * 126 + 1);
    at.truncate(4 * 126);
    let levels = DEPTH_MAX - at.len();
    let fits = parsed(&("[".repeat(levels) + &"]".repeat(levels)));
    let mut same = document.clone();
    assert!(same.replace(&at, fits.root()));
    same.check_invariants();
    assert!(!same.insert_elements(&at, 0, &[fits]));
    at.extend([0; 7]);
    assert!(same.get(&at).is_some());
    assert!(!same.insert_elements(&at, 0, &[parsed("[]")]));
    same.check_invariants();
}

#[test]
fn a_typed_array_rounds_what_is_added() {
    for chunk in [24, 8192] {
        with_chunks(chunk, || {
            let given = b"[0.5,1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5,10.5,11.5,12.5]";
            let mut document = Document::parse_with(given, Some(Fpha::Fp16)).unwrap();
            let new = [
                Document::number(Number::Float(0.1)),
                Document::number(Number::Signed(7)),
            ];
            assert!(document.insert_elements(&[], 13, &new));
            assert!(document.set_number(&[0], Number::Float(0.3)));
            document.check_invariants();
            let wanted = "[0.3,1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5,10.5,11.5,12.5,0.1,7.0]";
            assert_eq!(text(&document), wanted);
            assert_eq!(document.root().fpha(), Some(Fpha::Fp16));
            let Some(Kind::Number(Number::Float(value))) = document.get(&[13]).map(View::kind)
            else {
                panic!("a float");
            };
            assert_eq!(value, 0.0999755859375);
            assert!(document.replace(&[1], parsed("\"x\"").root()));
            document.check_invariants();
        });
    }
}
