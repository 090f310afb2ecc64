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
