//! FILTER expressions against Redis's results and errors.
//!
//! Each list has expressions with what Redis does: match, not match, or the text that its error
//! shows. Then bounds: depth costs no stack, an operand that changes nothing costs no time, a long
//! text counts for each operator that reads it. Property: skipping operands changes no value.

use super::Filter;

const ATTRIBUTES: &[u8] = br#"{"a":1,"s":"hello","n":null,"t":[1,"x",null],"e":"","b":true,"num":"12","o":{"x":1},"u":"\u0041b","nan":"nan","nested":[[1,2],[3,[4]]],"odd":1xyz}"#;

fn near(expression: &str) -> String {
    let error = Filter::compile(expression.as_bytes()).expect_err(expression);
    String::from_utf8_lossy(error.near(expression.as_bytes())).into_owned()
}

fn matches(expression: &str) -> bool {
    matches_in(expression, ATTRIBUTES)
}

fn matches_in(expression: &str, attributes: &[u8]) -> bool {
    let filter = Filter::compile(expression.as_bytes());
    filter.expect(expression).matches(attributes)
}

#[test]
fn expressions_are_true_where_redis_finds_them_true() {
    for expression in [
        "null == null",
        ".n == null",
        "'ell' in .s",
        ".s in \"xhellox\"",
        "not .e",
        ".num + 1 == 13",
        ".t",
        "1 in .t",
        "null in .t",
        ".u == \"u0041b\"",
        "2**3**2 == 512",
        "-2**2 == 4",
        "'1' in [1]",
        "1 in [1,]",
        "1/0",
        "0/0",
        ".nan+1 != 1",
        ".a && .b",
        "1and1",
        "1--1",
        "1 == 1 == 1",
        "'0x10' == 16",
        "' 12' == 12",
        "''==0",
        ".t == 0",
        "[1] == [1]",
        "\"\" in \"a\"",
        "1 == not 0",
        "not 1 == 0",
        "1 1 and",
        "and 1 1",
        "1 ()",
        "0 in .nested",
        ".odd == 1",
        "1 == 1\0 garbage(",
    ] {
        assert!(matches(expression), "{expression}");
    }
}

#[test]
fn expressions_are_false_where_redis_finds_them_false() {
    for expression in [
        "null",
        ".missing or 1",
        "1 or .missing",
        ".e",
        ".o",
        ".o == 1",
        ".u == 'Ab'",
        "'a\\'b' == \"a'b\"",
        "!1",
        "1 in []",
        ".a-1",
        ".5",
        "1 + -1",
        "3 > 2 > 1",
        "1 in '123'",
        "'inf' == 1",
        "'12 ' == 12",
        ".n == 0",
        "1 in 1",
        "null in [1]",
        ".",
        ".a or .",
        ".a == 1 and .odd == 1 and .after == 1",
    ] {
        assert!(!matches(expression), "{expression}");
    }
}

#[test]
fn errors_show_the_text_that_redis_shows() {
    for (expression, shown) in [
        ("a", "a"),
        (".a = 1", " 1"),
        (".a == 1 and", ".a == 1 and"),
        ("(.a", "(.a"),
        (".a)", ".a)"),
        ("!!1", "!!1"),
        ("[1 2]", "2]"),
        ("1 andx 1", " 1"),
        (".a & .b", " .b"),
        ("1e", "1e"),
        ("0x10 == 16", "10 == 16"),
        ("null-1", "1"),
        ("1 in [null]", "null]"),
        ("-2 in [- 2]", " 2]"),
        ("1 2", "1 2"),
        ("", ""),
        (")x\0y", ""),
        (". ", ". "),
    ] {
        assert_eq!(near(expression), shown, "{expression}");
    }
    assert_eq!(near(&"1".repeat(300)), "1".repeat(45));
    assert!(matches(&"1".repeat(255)));
}

#[test]
fn only_what_is_read_must_be_sound() {
    for (attributes, found) in [
        (r#"{"a":1"#, true),
        (r#"{"a":1,}"#, true),
        (r#" { "a" : true } trailing"#, true),
        (r#"{"x":[}],"a":6}"#, true),
        (r#"{"x":-,"a":6}"#, true),
        (r#"{"x":{"a":0},"y":"\"a\":0","a":6}"#, true),
        (r#"{"x":nullnull,"a":6}"#, false),
        (r#"{"a":truex}"#, false),
        (r#"{"a":"x"#, false),
        (r#"{"a" "b"}"#, false),
        (r#"{,"a":1}"#, false),
        (r#"{"a":.5}"#, false),
        (r#"{"a":-.5}"#, true),
        (r#"{"a":[1,]}"#, false),
        (r#"{"a":[1,{"x":1}]}"#, false),
        (r#"{"a":[[],[[1]]]}"#, true),
        (r#"{"a":[[],[[1]]}"#, false),
        (r#"[1]"#, false),
        ("", false),
    ] {
        assert_eq!(
            matches_in(".a", attributes.as_bytes()),
            found,
            "{attributes}"
        );
    }
    assert!(matches_in("1", b"not json"));
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}1{}", "(".repeat(8_000), ")".repeat(8_000));
    assert!(matches(&deep));
    let attributes = format!("{{\"a\":{}", "[".repeat(1 << 20));
    assert!(!matches_in(".a", attributes.as_bytes()));
    let attributes = format!("{{\"a\":{}{}}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    assert!(matches_in(".a", attributes.as_bytes()));
    assert!(Filter::compile("1+".repeat(1 << 20).as_bytes()).is_err());
}

#[test]
fn operands_that_change_nothing_are_skipped_and_constants_are_folded() {
    let long = "+.a**.a".repeat(1000);
    for (expression, found) in [
        (format!(".a == 2 and .a{long}"), false),
        (format!(".a == 1 or .a{long}"), true),
        (format!(".a == 2 and .a{long} and .a{long}"), false),
        (format!("not (.a == 1 or .a{long}) or .a == 3"), false),
        (format!(".a == 2 and .a{long} or .a == 1"), true),
        (format!(".a == {}", "1**1*".repeat(1000) + "1"), true),
    ] {
        let filter = Filter::compile(expression.as_bytes()).expect("it is sound");
        let mut nanos = 0;
        assert_eq!(filter.matches_counted(ATTRIBUTES, &mut nanos), found);
        assert!(nanos < 300, "{nanos}");
    }
    let whole = Filter::compile(format!(".a{long}").as_bytes()).expect("it is sound");
    let mut nanos = 0;
    whole.matches_counted(ATTRIBUTES, &mut nanos);
    assert!(nanos > 50_000, "{nanos}");
}

#[test]
fn a_long_text_counts_for_each_operator_that_looks_at_it() {
    let attributes = format!("{{\"s\":\"{}\"}}", "x".repeat(10_000));
    let cost = |expression: &str| {
        let filter = Filter::compile(expression.as_bytes()).expect("it is sound");
        let mut nanos = 0;
        filter.matches_counted(attributes.as_bytes(), &mut nanos);
        nanos
    };
    assert!(cost("'y' in .s or 'z' in .s") > cost("'y' in .s") + 1000);
}

mod skipping {
    use proptest::prelude::*;

    use super::*;

    /// An expression, and its value by plain evaluation.
    fn expression() -> impl Strategy<Value = (String, bool)> {
        let leaf = prop_oneof![
            Just((".a".to_owned(), true)),
            Just((".e".to_owned(), false)),
            Just(("1".to_owned(), true)),
            // A bracket directly after it is an error, as in Redis.
            Just(("null ".to_owned(), false)),
            Just(("(2 > .a)".to_owned(), true)),
        ];
        leaf.prop_recursive(6, 60, 2, |inner| {
            prop_oneof![
                inner
                    .clone()
                    .prop_map(|(text, value)| (format!("not ({text})"), !value)),
                (inner.clone(), inner, any::<bool>()).prop_map(|((a, x), (b, y), and)| if and {
                    (format!("({a}) and ({b})"), x && y)
                } else {
                    (format!("({a}) or ({b})"), x || y)
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn skipping_changes_no_value((text, value) in expression()) {
            prop_assert_eq!(matches(&text), value, "{}", text);
        }
    }
}
