//! The reader of small texts writes what a draft would.

use super::Random;
use super::model::ModelValue;
use crate::document::quick::read;
use crate::document::scan::{GaveUp, scan};
use crate::document::{Document, Form};
use crate::view::View;

/// The bytes by a draft.
fn drafted(text: &str) -> Result<Document, GaveUp> {
    Document::drafted(text.as_bytes(), |draft| scan(text, None, 127, draft))
}

fn flat(document: &Document) -> &[u8] {
    match &document.0 {
        Form::Flat(buffer) => buffer,
        Form::Tree(_) => panic!("a small document"),
    }
}

/// Checks that a text, if it is read, has the bytes that a draft gives it; whether it was.
fn check(text: &str) -> bool {
    let Ok(document) = read(text, 127) else {
        return false;
    };
    let drafted = drafted(text).expect("the reader takes what is right alone");
    assert_eq!(flat(&document), flat(&drafted), "{text}");
    true
}

#[test]
fn bytes_are_those_of_a_draft() {
    let mut random = Random(7);
    let mut count = 0;
    for _ in 0..5000 {
        let text = ModelValue::random(&mut random, 4).text();
        count += u32::from(check(&text));
    }
    assert!(count > 2500, "only {count} of 5000 were read");
}

#[test]
fn guesses_that_are_wrong_are_corrected() {
    let texts = [
        r#"{"id":1,"name":"a"}"#,
        r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#,
        r#"[{"name":"a"},{"id":2,"name":"b","a name of more than 16 bytes":0}]"#,
        r#"{"a name of more than 16 bytes":{"a name of more than 16 bytes":[1,2.50,300]}}"#,
        r#"{"a name of more than 17 bytes":{"a":{"a":{"":0.0,"b":-0.0}}},"b":[1.5,2.25,-3]}"#,
        "  [ { \"id\" : [ ] , \"\" : { } } , 70000.5 , 1e5 , \"tab\\t\" , \"\u{e9}\" ] ",
    ];
    for at in 0..50 {
        assert!(
            check(texts[at * 7 % texts.len()]),
            "{}",
            texts[at * 7 % texts.len()]
        );
    }
    for wrong in [
        "{\"a\":1",
        "[1,]",
        "{\"a\":1}x",
        "nul",
        "[01]",
        "{\"a\":1,\"a\":2}",
        "\"\n\"",
    ] {
        assert!(!check(wrong), "{wrong}");
    }
    assert!(!check(&"[".repeat(200)));
}

#[test]
fn more_names_than_are_kept_are_left_to_a_draft() {
    for text in 0..40 {
        let names = (0..30).map(|name| format!("\"n{}\":{name}", text * 30 + name));
        let text = format!("{{{}}}", names.collect::<Vec<_>>().join(","));
        check(&text);
    }
    assert!(check(r#"{"n1":1}"#));
    let document = read(r#"{"n1":1}"#, 127).unwrap();
    assert_eq!(document.root().len(), 1);
}
