//! Recorded replies of FT.EXPLAIN, and what no query may do.
//!
//! `answers.txt` has lines `dialect query  =>  reply` of Redis Stack 7.4; queries that Redis has
//! not are checked apart from it.

use proptest::prelude::*;

use crate::record::bytes;

use super::{Dialect, Fields, Params, QueryError, Schema, explain, parse};

/// The index of `answers.txt`.
struct Index;

/// The same, as russet extends the language.
struct Extended;

const STOP_WORDS: &str = "a is the an and are as at be but by for if in into it no not of on or such \
    that their then there these they this to was will with";

impl Schema for Index {
    fn text_fields(&self) -> Vec<&[u8]> {
        vec![b"t", b"u", b"m"]
    }

    fn has(&self, name: &[u8]) -> bool {
        "t u g n loc s v m"
            .split(' ')
            .any(|field| field.as_bytes() == name)
    }

    fn indexes_missing(&self, name: &[u8]) -> bool {
        matches!(name, b"g" | b"m")
    }

    fn indexes_empty(&self, _: Fields) -> bool {
        false
    }

    fn is_stop_word(&self, word: &[u8]) -> bool {
        STOP_WORDS
            .split_ascii_whitespace()
            .any(|stop| stop.as_bytes() == word)
    }
}

impl Schema for Extended {
    fn text_fields(&self) -> Vec<&[u8]> {
        Index.text_fields()
    }

    fn has(&self, name: &[u8]) -> bool {
        Index.has(name)
    }

    fn indexes_missing(&self, name: &[u8]) -> bool {
        Index.indexes_missing(name)
    }

    fn indexes_empty(&self, fields: Fields) -> bool {
        Index.indexes_empty(fields)
    }

    fn is_stop_word(&self, word: &[u8]) -> bool {
        Index.is_stop_word(word)
    }

    fn extends(&self) -> bool {
        true
    }
}

#[test]
fn a_phrase_may_end_with_the_beginning_of_a_word() {
    let dialect = Dialect::new(2).expect("a dialect");
    let of = |query: &str| match parse(query.as_bytes(), dialect, &Extended, &params()) {
        Ok(node) => String::from_utf8(explain(node.as_ref(), &Extended)).expect("text"),
        Err(QueryError(text)) => format!("-{}", String::from_utf8_lossy(&text)),
    };
    assert_eq!(of("\"foo ba\"*"), "EXACT {\n  foo\n  PREFIX{ba*}\n}\n");
    assert_eq!(
        of("\"foo ba\"* bar"),
        format!(
            "INTERSECT {{\n  {}  bar\n}}\n",
            "EXACT {\n    foo\n    PREFIX{ba*}\n  }\n"
        )
    );
    for wrong in ["\"foo ba\" *", "\"\"*", "\"foo ba\"**"] {
        assert!(of(wrong).starts_with("-Syntax error"), "{wrong}");
        assert!(reply_to(wrong.as_bytes(), dialect).starts_with(b"-Syntax error"));
    }
}

fn params() -> Params {
    let pairs = [("x", "7"), ("p", "word two")];
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

fn reply_to(query: &[u8], dialect: Dialect) -> Vec<u8> {
    match parse(query, dialect, &Index, &params()) {
        Ok(node) => explain(node.as_ref(), &Index),
        Err(QueryError(text)) => [b"-", text.as_slice()].concat(),
    }
}

#[test]
fn queries_are_read_as_redis_stack_reads_them() {
    let mut wrong = Vec::new();
    for line in include_str!("answers.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let (asked, expected) = line.split_once("  =>  ").expect("a reply");
        let (dialect, query) = asked.split_once(' ').expect("a dialect");
        let dialect = dialect
            .parse()
            .ok()
            .and_then(Dialect::new)
            .expect("a dialect");
        let got = reply_to(&bytes(query), dialect);
        if got != bytes(expected) {
            wrong.push(format!("{line}\n  got {}", got.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Unions of three, one of which is a stop word or has a field of its own: 7.4 loses parts of them,
/// refuses them, or ends.
#[test]
fn unions_keep_all_their_parts() {
    let dialect = Dialect::new(2).expect("a dialect");
    let of = |query: &str| String::from_utf8(reply_to(query.as_bytes(), dialect)).expect("text");
    assert_eq!(of("the|foo|bar"), "UNION {\n  foo\n  bar\n}\n");
    assert_eq!(of("foo|the|bar"), "UNION {\n  foo\n  bar\n}\n");
    let numbers = "NUMERIC {1.000000 <= @n <= 2.000000}";
    assert_eq!(
        of("foo|bar|@n:[1 2]"),
        format!("UNION {{\n  foo\n  bar\n  {numbers}\n}}\n")
    );
}

#[test]
fn nesting_is_bounded() {
    for dialect in [1, 2].map(|number| Dialect::new(number).expect("a dialect")) {
        for opening in ["(", "-", "~", "-("] {
            let reply = reply_to(opening.repeat(100_000).as_bytes(), dialect);
            assert!(reply.starts_with(b"-Parser stack overflow"), "{opening}");
        }
        let fair = format!("{}foo{}", "(".repeat(100), ")".repeat(100));
        assert_eq!(reply_to(fair.as_bytes(), dialect), b"foo\n");
    }
}

proptest! {
    /// Any text is a query or an error.
    #[test]
    fn any_text_is_answered(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            "[-a-c0-9 ()\\[\\]{}|@:;\"'*%$~=><!tgnvw\\\\]{0,48}".prop_map(String::into_bytes),
        ],
        dialect in 1_u8..=4,
    ) {
        let dialect = Dialect::new(dialect).expect("a dialect");
        prop_assert!(!reply_to(&text, dialect).is_empty());
    }
}
