//! Texts in and out: their values, their errors, their layout.
//!
//! The expected texts are RedisJSON's.

use super::model::ModelValue;
use super::{Random, check_views, parsed, text, with_chunks};
use crate::document::{Document, Format, Fpha};

#[test]
fn a_text_is_printed_as_it_was() {
    for chunk in [48, 160, 1000, 8192] {
        with_chunks(chunk, || {
            for seed in 0..300 {
                let plain = ModelValue::random(&mut Random(seed), 4);
                let wanted = plain.text();
                let document = parsed(&wanted);
                assert_eq!(text(&document), wanted, "chunks of {chunk}, seed {seed}");
                check_views(&document);
                let copy = Document::copy_of(document.root());
                copy.check_invariants();
                assert_eq!(text(&copy), wanted);
                assert!(copy.root().is_equal(document.root()));
            }
        });
    }
}

#[test]
fn a_name_given_twice_has_its_last_value_at_its_first_place() {
    let long = "x".repeat(40);
    for chunk in [48, 8192] {
        with_chunks(chunk, || {
            let document = parsed(&format!(
                r#"{{"a":"{long}","b":{{"a":1,"a":[2]}},"c":"{long}","d":"{long}","a":{{"e":[1]}},"b":3}}"#
            ));
            let wanted = format!(r#"{{"a":{{"e":[1]}},"b":3,"c":"{long}","d":"{long}"}}"#);
            assert_eq!(text(&document), wanted);
        });
    }
}

#[test]
fn the_same_names_in_nested_objects_are_no_duplicates() {
    let same = r#"{"x":{"x":{"x":1},"y":2},"y":{"x":3}}"#;
    assert_eq!(text(&parsed(same)), same);
}

#[test]
fn errors_are_those_of_redis() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let too_deep = deep(128);
    let cases: &[(&[u8], &str)] = &[
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"{\"a\":}", "expected value at line 1 column 6"),
        (b"[1,]", "trailing comma at line 1 column 4"),
        (b"{1:2}", "key must be a string at line 1 column 2"),
        (b"1 2", "trailing characters at line 1 column 3"),
        (b"truexyz", "trailing characters at line 1 column 5"),
        (b"1e999", "number out of range at line 1 column 5"),
        (b"01", "invalid number at line 1 column 2"),
        (b"\"\xff\"", "Couldn't parse as UTF-8 string"),
        (
            too_deep.as_bytes(),
            "recursion limit exceeded at line 1 column 128",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(Document::parse(text).unwrap_err().to_string(), *wanted);
    }
    assert_eq!(text(&parsed(&deep(127))), deep(127));
    let stored = Document::parse_stored(deep(500).as_bytes()).unwrap();
    assert_eq!(text(&stored), deep(500));
    let error = Document::parse_stored(deep(513).as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("recursion limit exceeded"));
}

#[test]
fn numbers_keep_their_type_and_digits() {
    let cases = [
        ("1", "1"),
        ("-0", "-0.0"),
        ("1.0", "1.0"),
        ("1e3", "1000.0"),
        ("1E16", "1e16"),
        ("1e-6", "1e-6"),
        ("0.00001", "0.00001"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744073709552e19"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-9223372036854775809", "-9.223372036854776e18"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("[1,2.5,-3]", "[1,2.5,-3]"),
        ("[1,2.0,-3]", "[1,2.0,-3]"),
    ];
    for (given, wanted) in cases {
        assert_eq!(text(&parsed(given)), wanted);
    }
}

#[test]
fn a_format_lays_a_text_out() {
    let document = parsed(r#"{"a":[1,{"b":[]}],"c":{},"d":[0.5,1.5,2.5,3.5,4.5]}"#);
    let format = Format {
        indent: b"\t",
        newline: b"\n",
        space: b" ",
        bytes_max: None,
    };
    let mut out = Vec::new();
    document.root().print(&format, &mut out);
    let wanted = "{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": []\n\t\t}\n\t],\n\t\"c\": {},\n\t\"d\": \
                  [\n\t\t0.5,\n\t\t1.5,\n\t\t2.5,\n\t\t3.5,\n\t\t4.5\n\t]\n}";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}

/// A kilobyte of indentation, once for each level of each value, made a gigabyte of a megabyte.
#[test]
fn the_layout_of_a_text_ends_at_its_limit() {
    let many = format!(
        "{}{}{}",
        "[".repeat(100),
        "{\"a\":1},".repeat(999) + "0",
        "]".repeat(100)
    );
    let document = parsed(&many);
    let compact = text(&document).len();
    let long = [b' '; 1000];
    for (indent, newline, space) in [
        (&long[..], &b""[..], &b""[..]),
        (b"", &long, b""),
        (b"", b"", &long),
    ] {
        let bytes_max = Some(100_000);
        let format = Format {
            indent,
            newline,
            space,
            bytes_max,
        };
        let mut out = Vec::new();
        document.root().print(&format, &mut out);
        assert!(
            (100_000..102_000 + compact).contains(&out.len()),
            "{}",
            out.len()
        );
    }
}

#[test]
fn arrays_are_rounded_to_the_type_that_was_asked_for() {
    let given = r#"{"a":[1,2,3,4e3],"b":[0.1,0.3],"c":[1,2],"d":[0.1,"x"],"e":[[0.1]]}"#;
    let cases = [
        (
            Fpha::Fp16,
            r#"{"a":[1.0,2.0,3.0,4000.0],"b":[0.1,0.3],"c":[1,2],"d":[0.1,"x"],"e":[[0.1]]}"#,
        ),
        (
            Fpha::Bf16,
            r#"{"a":[1.0,2.0,3.0,4000.0],"b":[0.1,0.3],"c":[1,2],"d":[0.1,"x"],"e":[[0.1]]}"#,
        ),
        (
            Fpha::Fp32,
            r#"{"a":[1.0,2.0,3.0,4000.0],"b":[0.1,0.3],"c":[1,2],"d":[0.1,"x"],"e":[[0.1]]}"#,
        ),
        (
            Fpha::Fp64,
            r#"{"a":[1.0,2.0,3.0,4000.0],"b":[0.1,0.3],"c":[1,2],"d":[0.1,"x"],"e":[[0.1]]}"#,
        ),
    ];
    for (fpha, wanted) in cases {
        for chunk in [16, 8192] {
            with_chunks(chunk, || {
                let document = Document::parse_with(given.as_bytes(), Some(fpha)).unwrap();
                document.check_invariants();
                assert_eq!(text(&document), wanted, "{fpha:?}");
                assert_eq!(document.has_fpha(), fpha != Fpha::Fp64);
            });
        }
    }
    let error = Document::parse_with(b"[1.5,70000]", Some(Fpha::Fp16)).unwrap_err();
    assert!(
        error.to_string().starts_with("value out of range"),
        "{error}"
    );
}
