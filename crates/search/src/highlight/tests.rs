//! Recorded rows of FT.SEARCH with HIGHLIGHT and SUMMARIZE: each text by itself.

use proptest::prelude::*;

use super::Marker;
use crate::index::Index;
use crate::query::{Dialect, Kind};
use crate::record::{bytes, words};
use crate::request::{Defaults, Marks, SearchRequest, Summary};
use crate::schema::parse::{JsonPath, create};
use crate::search::Search;

fn index() -> Index {
    let of_schema = words("SCHEMA t TEXT u TEXT g TAG n NUMERIC b TEXT");
    let of_schema: Vec<&[u8]> = of_schema.iter().map(Vec::as_slice).collect();
    Index::new(create(b"i", &of_schema, &|_| Some(JsonPath::Ordered)).expect("a schema"))
}

/// A text as a row has it, by the query and the words after it.
fn text_of(index: &Index, asked: &str, text: &[u8]) -> Vec<u8> {
    let (query, options) = asked.split_once(" ~ ").expect("options");
    let options = words(options);
    let options: Vec<&[u8]> = options.iter().map(Vec::as_slice).collect();
    let defaults = Defaults {
        dialect: Dialect::FIRST,
        rows_max: 9,
        offset_max: 9,
        groups_max: 9,
        is_resp3: false,
    };
    let request = SearchRequest::parse(&options, &defaults).expect("a request");
    let query = request
        .query(query.as_bytes(), index.schema())
        .expect("a query");
    let search = Search::default();
    let query = index
        .expand(&query.expect("words"), &search)
        .expect("a query");
    let schema = index.schema();
    let marker = Marker::new(&query, schema.language, 4, 2, &schema.stop_words);
    let marks = request.highlight.as_ref().map(|highlight| &highlight.marks);
    match (&request.summary, marks) {
        (Some(summary), marks) => marker.summarize(text, summary, marks, &|| false),
        (None, Some(marks)) => marker.highlight(text, marks, &|| false),
        (None, None) => text.to_vec(),
    }
}

#[test]
fn texts_are_marked_and_cut_as_redis_stack_does() {
    let index = index();
    let mut wrong = Vec::new();
    for line in include_str!("answers.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let (asked, texts) = line.split_once("  =>  ").expect("texts");
        let (text, expected) = texts.split_once("  =>  ").expect("a result");
        let got = text_of(&index, asked, &bytes(text));
        if got != bytes(expected) {
            wrong.push(format!(
                "{asked}: {text}\n  not {expected}\n  got {}",
                got.escape_ascii()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    /// Any text is cut somewhere, and loses nothing but blanks when it is only marked.
    #[test]
    fn any_text_is_marked_and_cut(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[a-c ,.\\\\é]{0,120}".prop_map(String::into_bytes),
        ],
        length in 0_u32..12,
        fragments in 0_u32..4,
    ) {
        let index = index();
        let query = crate::query::Node::new(Kind::Word(b"b".to_vec()));
        let query = index.expand(&query, &Search::default()).expect("a query");
        let schema = index.schema();
        let marker = Marker::new(&query, schema.language, 4, 2, &schema.stop_words);
        let marks = Marks { open: Vec::new(), close: Vec::new() };
        prop_assert_eq!(marker.highlight(&text, &marks, &|| false), text.clone());
        let summary = Summary {
            fields: Vec::new(),
            fragments,
            words: length,
            separator: b"|".to_vec(),
        };
        let cut = marker.summarize(&text, &summary, Some(&marks), &|| false);
        prop_assert!(cut.len() <= text.len() * 2 + fragments as usize);
    }
}
