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
struct ExtendedIndex;

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

impl Schema for ExtendedIndex {
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
    let of = |query: &str| match parse(query.as_bytes(), dialect, &ExtendedIndex, &params()) {
        Ok(node) => String::from_utf8(explain(node.as_ref(), &ExtendedIndex)).expect("text"),
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
    assert_eq!(
        String::from_utf8_lossy(&reply_to(b"\"foo ba\"*", dialect)),
        "PREFIX{foo ba*}\n"
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

/// Unions of three parts, with a stop word or a part with a field of its own: 7.4 loses parts of
/// them, refuses them, or ends.
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

/// Quotes, comparisons and numbers of dialect 2 as Redis 8 has them; `-`: a syntax error there.
#[test]
fn quotes_operators_and_numbers_are_those_of_redis_8() {
    let dialect = Dialect::new(2).expect("a dialect");
    let number = |min: &str, max: &str| format!("NUMERIC {{{min} <= @n <= {max}}}");
    let near = |at: usize, text: &str| format!("-Syntax error at offset {at} near {text}");
    for (query, expected) in [
        ("@g:{\"new yo\"*}", "TAG:@g { PREFIX{new yo*} }".to_owned()),
        ("@g:{*\"york\"}", "TAG:@g { SUFFIX{*york} }".to_owned()),
        ("@g:{*'w y'*}", "TAG:@g { INFIX{*w y*} }".to_owned()),
        (
            "@g:{\"a\"|'b c'*|d*}",
            "TAG:@g { a PREFIX{b c*} PREFIX{d*} }".to_owned(),
        ),
        ("@g:{\"a\"* x}", near(9, "x")),
        ("@t:*\"ork\"", "@t:SUFFIX{*ork}".to_owned()),
        ("-*'ork'*", "NOT{ INFIX{*ork*} }".to_owned()),
        ("\"a\\\"b\"*", "PREFIX{a\"b*}".to_owned()),
        ("*\"$x\"", "SUFFIX{*$x}".to_owned()),
        ("'foo bar'", "EXACT { foo bar }".to_owned()),
        (
            "@t:'foo' bar",
            "INTERSECT { @t:EXACT { @t:foo } bar }".to_owned(),
        ),
        ("@g:{'new york'}", "TAG:@g { new york }".to_owned()),
        ("@g:{'it\\'s'}", "TAG:@g { it's }".to_owned()),
        ("'foo", "foo".to_owned()),
        ("@n==1", number("1.000000", "1.000000")),
        ("@n == -$x", number("-7.000000", "-7.000000")),
        ("@n\t>=\t1", number("1.000000", "inf")),
        ("@n===1", near(5, "1")),
        ("@n<>1", near(4, "1")),
        ("@n>>1", near(4, "1")),
        ("@n> =1", near(5, "1")),
        ("@n!>=1", near(5, "1")),
        ("@n==/1", near(5, "1")),
        ("@n==--1", near(4, "n")),
        ("@n==(1", near(4, "n")),
        ("@n== - 1", near(5, "n")),
        ("@n,==1", near(5, "1")),
        ("@n =! 1", near(6, "1")),
        ("@n=1", near(3, "1")),
        (
            "@n<1<2",
            "INTERSECT { NUMERIC {-inf <= @n < 1.000000} 2 }".to_owned(),
        ),
        ("@n>.5", "NUMERIC {0.500000 < @n <= inf}".to_owned()),
        ("@n==.5e+1", number("5.000000", "5.000000")),
        ("@n<=+5", number("-inf", "5.000000")),
        ("@n:[0 .1]", number("0.000000", "0.100000")),
        ("@n:[-.5 +.5]", number("-0.500000", "0.500000")),
        ("@n:[1e+1 1E-1]", number("10.000000", "0.100000")),
        ("@n:[-INF +Inf]", number("-inf", "inf")),
        ("@n:[(INF]", near(8, "INF")),
        ("@n:[--1 5]", number("1.000000", "5.000000")),
        ("@n:[--$x 5]", near(6, "x")),
        (
            "@loc:[.5 86 .5 km]",
            "GEO loc:{0.500000,86.000000 --> 0.500000 km}".to_owned(),
        ),
        ("foo.5", "INTERSECT { foo 5 }".to_owned()),
        (
            "foo INF 1e+1",
            "INTERSECT { foo inf INTERSECT { 1e 1 } }".to_owned(),
        ),
        ("foo _ bar", "INTERSECT { foo bar }".to_owned()),
        ("_|foo", near(1, "")),
        ("foo_ __ _foo", "INTERSECT { foo_ __ _foo }".to_owned()),
        ("\"foo _ bar\"", "EXACT { foo _ bar }".to_owned()),
        ("w'*\\\\*'", "WILDCARD{*\\*}".to_owned()),
        ("w'a\\xb\\*'", "WILDCARD{axb*}".to_owned()),
        ("@g:{w'*\\\\\\\\*'}", "TAG:@g { WILDCARD{*\\*} }".to_owned()),
    ] {
        let reply = reply_to(query.as_bytes(), dialect);
        let reply = String::from_utf8(reply).expect("text");
        let lines: Vec<&str> = reply.split_ascii_whitespace().collect();
        let expected: Vec<&str> = expected.split_ascii_whitespace().collect();
        assert_eq!(lines, expected, "{query}");
    }
}

#[test]
fn a_count_of_vectors_is_a_whole_number() {
    let dialect = Dialect::new(2).expect("a dialect");
    for (k, is_taken) in [
        ("3", true),
        ("+3", true),
        (" 3", true),
        ("0", true),
        ("2.71", false),
        ("-3", false),
        ("1e2", false),
        ("0x3", false),
        ("3 ", false),
        ("x", false),
        ("99999999999999999999", false),
    ] {
        let params = [("k", k), ("b", "1234")];
        let params = params.map(|(name, value)| (name.into(), value.into()));
        let query = b"*=>[KNN $k @v $b]";
        let refused = format!("Invalid numeric value ({k}) for parameter `k`");
        match parse(query, dialect, &Index, &params.into()) {
            Ok(_) => assert!(is_taken, "{k}"),
            Err(QueryError(text)) => assert_eq!(String::from_utf8_lossy(&text), refused),
        }
    }
    for query in [
        "*=>[KNN 2.71 @v $x]",
        "*=>[KNN -3 @v $x]",
        "*=>[KNN 1e2 @v $x]",
    ] {
        let reply = reply_to(query.as_bytes(), dialect);
        assert!(
            reply.starts_with(b"-Syntax error at offset 8 near "),
            "{query}"
        );
    }
}

/// Every way to make a query longer or deeper: the beginning, the repeated part, the end, the close
/// of each repetition; and how many nodes each repetition is below the one before.
const PRODUCTIONS: [(&str, &str, &str, &str, u32); 34] = [
    ("", "foo ", "", "", 0),
    ("foo", "|foo", "", "", 0),
    ("", "foo|bar ", "foo", "", 0),
    ("foo", " @t:bar", "", "", 0),
    ("@t:foo", "|@u:foo", "", "", 0),
    ("foo", " -bar", "", "", 0),
    ("foo", " ~bar", "", "", 0),
    ("", "(", "foo", ")", 0),
    ("", "((", "*", "))", 0),
    ("", "-", "foo", "", 1),
    ("", "~", "foo", "", 1),
    ("", "-(", "foo", ")", 1),
    ("", "-~", "foo", "", 2),
    ("", "(foo ", "@t:bar", ")", 1),
    ("", "(foo|", "@t:bar", ")", 1),
    ("", "(foo (bar|", "foo", "))", 2),
    ("", "(foo @t:bar ", "foo", ")", 1),
    ("", "(@t:foo|", "bar", ")", 1),
    ("foo", "=>{$weight: 2}", "", "", 0),
    ("", "(", "foo", ")=>{$weight: 2}", 0),
    ("foo=>{", "$weight: 2;", "}", "", 0),
    ("foo=>{", ";", "}", "", 0),
    ("\"foo", " bar", "\"", "", 0),
    ("\"", "\\\"", "\"", "", 0),
    ("'foo", " bar", "'", "", 0),
    ("@g:{foo", "|foo", "}", "", 0),
    ("@g:{foo", " foo", "}", "", 0),
    ("@g:{\"a\"*", "|*'b'", "}", "", 0),
    ("@t", "|t", ":foo", "", 0),
    ("@n:[", "-", "1 2]", "", 0),
    ("foo", " @n:[1 2]", "", "", 0),
    ("foo", " @n>=1", "", "", 0),
    // These units bind to the left neighbour before that neighbour binds to the left.
    ("foo", " w'a*'", "", "", 1),
    ("foo", " %ba%", "", "", 1),
];

/// Openings that nothing closes, and marks that cannot stand so.
const UNFINISHED: [&str; 16] = [
    "(", "-", "~", "-(", "@t:(", "@g:{", "@n:[", "\"a\\\" ", "'", "w'", "\\\"'", ")", "=>{", "|",
    "@n>  ", "*\"",
];

/// The stack of the thread that runs commands, if nothing sets another.
const STACK_BYTES: usize = 8 << 20;

#[test]
fn no_query_is_too_long_or_too_deep_for_the_stack() {
    let check = || {
        for dialect in [1, 2].map(|number| Dialect::new(number).expect("a dialect")) {
            let most = if dialect.has_params() { 100_000 } else { 1000 };
            for times in [1, 10, 250, 1000, most] {
                for (begin, part, end, close, depth) in PRODUCTIONS {
                    let query = [begin, &part.repeat(times), end, &close.repeat(times)].concat();
                    let fits = times as u32 * depth < super::levels::HEIGHT_MAX - 8
                        && part.matches('(').count() * times <= super::levels::OPEN_MAX;
                    match parse(query.as_bytes(), dialect, &ExtendedIndex, &params()) {
                        Ok(root) => {
                            let copy = root.clone();
                            assert_eq!(copy, root);
                            assert!(!explain(root.as_ref(), &ExtendedIndex).is_empty());
                            assert!(times < 100_000 || depth == 0, "{begin}{part}");
                        }
                        Err(QueryError(text)) => {
                            // Dialect 1 lacks some, and nests fields.
                            assert!(
                                !dialect.has_params() || !fits,
                                "{times} {begin}{part}{end}{close}: {}",
                                String::from_utf8_lossy(&text)
                            );
                        }
                    }
                }
                for part in UNFINISHED {
                    let _ = parse(part.repeat(times).as_bytes(), dialect, &Index, &params());
                }
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = thread.spawn(check).expect("a thread");
    thread.join().expect("nothing overflows");
}

#[test]
fn what_is_too_deep_or_too_long_is_refused_in_words() {
    for dialect in [1, 2].map(|number| Dialect::new(number).expect("a dialect")) {
        for opening in ["(", "-", "~", "-("] {
            let reply = reply_to(opening.repeat(100_000).as_bytes(), dialect);
            assert!(reply.starts_with(b"-Parser stack overflow"), "{opening}");
        }
        let fair = format!("{}foo{}", "(".repeat(50_000), ")".repeat(50_000));
        assert_eq!(reply_to(fair.as_bytes(), dialect), b"foo\n");
        let long = "foo,".repeat(super::parser::PARTS_MAX + 1);
        assert_eq!(
            reply_to(long.as_bytes(), dialect),
            b"-The query has too many parts"
        );
    }
    let dialect = Dialect::new(2).expect("a dialect");
    let quoted = format!("\"{}\"", "a ".repeat(super::parser::PARTS_MAX + 1));
    assert_eq!(
        reply_to(quoted.as_bytes(), dialect),
        b"-The query has too many parts"
    );
    let params = [(b"p".to_vec(), vec![b'x'; 1 << 20])].into();
    let query = "$p ".repeat(600);
    let refused = parse(query.as_bytes(), dialect, &Index, &params);
    assert_eq!(
        refused.expect_err("too long").0,
        b"The query has too many parts"
    );
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
