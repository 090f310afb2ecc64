//! Memory, freeing in steps, moving, words.

use super::model::ModelValue;
use super::{Random, parsed, text, with_chunks};
use crate::document::Document;
use crate::view::{Number, View};
use russet_base::memory::mover::Mover;

/// Records of a text, of about 100 bytes each.
fn records(count: usize) -> String {
    let record = |n: usize| {
        format!(
            r#"{{"id":{n},"name":"user {n}","tags":["a","b"],"price":{}.25,"at":[{n},{}]}}"#,
            n % 1000,
            n * 7
        )
    };
    let records: Vec<String> = (0..count).map(record).collect();
    format!("{{\"records\":[{}]}}", records.join(","))
}

#[test]
fn a_document_moves_and_is_freed_in_steps() {
    for chunk in [64, 8192] {
        with_chunks(chunk, || {
            for seed in 0..50 {
                let plain = ModelValue::random(&mut Random(seed), 5);
                let (mut document, wanted) = (parsed(&plain.text()), plain.text());
                let bytes = document.memory_bytes();
                let (mut mover, mut at, mut steps) = (Mover::eager(), Some(0), 0);
                while let Some(position) = at {
                    at = document.relocate(&mut mover, position, 3);
                    steps += 1;
                }
                assert!(mover.moved > 0 && steps <= document.free_effort());
                document.check_invariants();
                assert_eq!((text(&document), document.memory_bytes()), (wanted, bytes));
                let word = document.into_word();
                assert!(word != 0);
                // SAFETY: the word of the document above, used once.
                #[allow(unsafe_code)]
                let mut document = unsafe { Document::from_word(word) };
                let (effort, mut steps) = (document.free_effort(), 0);
                while !document.free_step(3) {
                    steps += 1;
                    // SAFETY: as above.
                    #[allow(unsafe_code)]
                    let again = unsafe { Document::from_word(document.into_word()) };
                    document = again;
                }
                assert!(steps <= effort, "{steps} {effort}");
            }
        });
    }
}

#[test]
fn a_large_document_is_edited_in_place() {
    let mut document = parsed(&records(20_000));
    let bytes = document.memory_bytes();
    for n in (0..20_000).step_by(37) {
        assert!(document.set_number(&[0, n, 0], Number::Signed(1_000_000)));
        assert!(document.append_text(&[0, n, 1], "!"));
        let tag = parsed("\"c\"");
        assert!(document.insert_elements(&[0, n, 2], 2, &[tag]));
    }
    document.check_invariants();
    let grown = document.memory_bytes() as isize - bytes as isize;
    assert!(grown.unsigned_abs() < bytes / 20, "{bytes} {grown}");
    assert_eq!(document.get(&[0, 37, 1]).unwrap().text(), Some("user 37!"));
    assert_eq!(document.get(&[0, 37, 2]).unwrap().len(), 3);
    assert!(document.retain_elements(&[0], 5000..15_000));
    document.check_invariants();
    assert_eq!(document.get(&[0]).unwrap().len(), 10_000);
    assert!(document.memory_bytes() < bytes * 11 / 20);
    while document.get(&[0]).unwrap().len() > 3 {
        assert!(document.retain_elements(&[0], 1..10_000));
        assert!(document.remove(&[0, 0]));
    }
    document.check_invariants();
    assert!(document.memory_bytes() < 512, "{}", document.memory_bytes());
}

#[test]
fn a_wide_object_is_found_by_name_and_shrinks_by_the_last() {
    let members: Vec<String> = (0..20_000).map(|n| format!("\"user:{n}\":{n}")).collect();
    let mut document = parsed(&format!("{{{}}}", members.join(",")));
    for n in (0..20_000).step_by(501) {
        let (ordinal, _) = document.root().member(&format!("user:{n}")).unwrap();
        assert_eq!(ordinal, n);
    }
    for n in (0..20_000).rev().step_by(3) {
        let (ordinal, _) = document.root().member(&format!("user:{n}")).unwrap();
        assert!(document.remove(&[ordinal as u32]));
        assert!(document.root().member(&format!("user:{n}")).is_none());
    }
    document.check_invariants();
    assert_eq!(document.root().len(), 20_000 - 6667);
}

#[test]
fn small_documents_are_about_as_large_as_their_text() {
    let profile = r#"{"id":"6f1c2a9e","name":"Maria Lindqvist","email":"maria.lindqvist@example.com","age":34,"city":"Gothenburg","country":"SE","active":true,"score":87.5,"phone":"+46 31 123 45 67","created":"2024-03-18T09:24:11Z","logins":1284,"plan":"premium","language":"sv","newsletter":false,"balance":1023.75}"#;
    let item = |n: usize| {
        format!(
            r#"{{"sku":"SKU-{n:05}","title":"Stainless bottle {n}","quantity":{},"price":{}.99,"tax":0.25}}"#,
            1 + n % 3,
            19 + n
        )
    };
    let order = format!(
        r#"{{"order":100234,"status":"shipped","customer":{{"id":7781,"name":"Jonas Berg","address":{{"street":"Kungsgatan 12","city":"Stockholm","zip":"111 35","country":"SE"}}}},"items":[{},{},{},{},{},{}],"shipping":{{"carrier":"PostNord","price":49.0,"address":{{"street":"Kungsgatan 12","city":"Stockholm","zip":"111 35","country":"SE"}}}},"total":412.94,"currency":"SEK","notes":["leave at door","call first"],"created":"2024-03-18T09:24:11Z","updated":"2024-03-19T10:00:00Z"}}"#,
        item(1),
        item(2),
        item(3),
        item(4),
        item(5),
        item(6)
    );
    let integers: Vec<String> = (0..1000)
        .map(|n| (1000 + n * 7919 % 9000).to_string())
        .collect();
    let decimals: Vec<String> = (0..1000)
        .map(|n| format!("{}.{:02}", 10 + n * 31 % 90, 1 + n * 17 % 99))
        .collect();
    let cases = [
        ("profile", profile.to_owned(), 100),
        ("order", order, 85),
        ("integers", format!("[{}]", integers.join(",")), 50),
        ("decimals", format!("[{}]", decimals.join(",")), 50),
    ];
    for (name, given, percent_max) in cases {
        let document = parsed(&given);
        let (bytes, text) = (document.memory_bytes(), given.len());
        println!("{name}: {text} bytes of text, {bytes} in memory");
        assert!(
            bytes * 100 <= text * percent_max + 100 * 64,
            "{name}: {bytes} of {text}"
        );
    }
}
