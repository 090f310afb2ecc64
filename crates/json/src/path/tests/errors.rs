//! Texts of errors, as a Redis Stack 7.4 answers them.

use crate::path::*;

#[track_caller]
fn refused(path: &str, position: usize, place: &str, message: &str) {
    let error = Path::parse(path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("Error occurred on position {position}, \"{place}\", {message}.")
    );
}

const EXPECTED: &str = "expected one of the following: ";

#[test]
fn an_error_has_the_position_and_what_was_expected_there() {
    let comparisons = "ge, gt, le, lt, eq, ne, re, and, or";
    let brackets = "'<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'";
    let terms = "decimal, from_current, from_root, boolean_true, boolean_false, null";
    for (path, position, place, expected) in [
        ("$.a[::-1]", 6, "$.a[:: ---->>>> -1]", "pos_number"),
        ("$.a[0:1:0]", 8, "$.a[0:1: ---->>>> 0]", "pos_number"),
        ("$[1:2:", 6, "$[1:2: <<<<----", "pos_number"),
        ("$.", 2, "$. <<<<----", "<string>, '*'"),
        ("", 2, "$. <<<<----", "<string>, '*'"),
        ("$...a", 3, "$.. ---->>>> .a", "<string>, '*'"),
        ("a[", 4, "$.a[ <<<<----", brackets),
        ("$.a[", 4, "$.a[ <<<<----", brackets),
        ("$.a[\"x]", 4, "$.a[ ---->>>> \"x]", brackets),
        (
            "$[*",
            2,
            "$[ ---->>>> *",
            "'<string>[,<string>,...]', '<number>', ['start:end:steps']",
        ),
        (
            "$.a[\"x\",]",
            4,
            "$.a[ ---->>>> \"x\",]",
            "'<number>', ['start:end:steps']",
        ),
        ("$.a[01]", 4, "$.a[ ---->>>> 01]", "['start:end:steps']"),
        ("$.a[0,]", 6, "$.a[0, ---->>>> ]", "'<number>'"),
        ("$[1:2", 1, "$ ---->>>> [1:2", "EOI, root"),
        ("$.a b", 4, "$.a  ---->>>> b", "EOI, '..'"),
        ("$.a[?", 5, "$.a[? <<<<----", "single_filter"),
        ("$[?(tru", 4, "$[?( ---->>>> tru", "single_filter"),
        ("$.a[?(@.x==1", 12, "$.a[?(@.x==1 <<<<----", "and, or"),
        ("$.a[?(@.x==", 11, "$.a[?(@.x== <<<<----", terms),
        ("$.a[?(@.x==*)]", 11, "$.a[?(@.x== ---->>>> *)]", terms),
        ("$[?(1", 5, "$[?(1 <<<<----", comparisons),
        (
            "$[?($",
            5,
            "$[?($ <<<<----",
            &format!("{comparisons}, root"),
        ),
        (
            "$.a[?(@.x=1)]",
            9,
            "$.a[?(@.x ---->>>> =1)]",
            &format!("{comparisons}, '..'"),
        ),
    ] {
        refused(path, position, place, &format!("{EXPECTED}{expected}"));
    }
}

#[test]
fn the_place_is_shown_as_json_path_in_utf_8() {
    refused("é", 2, "$. ---->>>> é", &format!("{EXPECTED}<string>, '*'"));
    refused(
        "$.€é😀[",
        2,
        "$. ---->>>> €é😀[",
        &format!("{EXPECTED}<string>, '*'"),
    );
}

#[test]
fn what_only_the_newer_grammar_refuses_has_a_position_too() {
    refused("$.a~b", 4, "$.a~ ---->>>> b", "parsing error");
    refused("$.a~~", 4, "$.a~ ---->>>> ~", "parsing error");
    refused("$.a~.x", 4, "$.a~ ---->>>> .x", "parsing error");
    refused("($.a", 4, "($.a <<<<----", "parsing error");
}

#[test]
fn a_legacy_path_computes_nothing() {
    refused("a*1", 3, "$.a ---->>>> *1", &format!("{EXPECTED}EOI, '..'"));
    refused(".a~", 4, "$.a~ <<<<----", "parsing error");
}

#[test]
fn what_nests_conditions_wrongly_is_refused() {
    for path in [
        "$[?(@.a==1)==2]",
        "$[?1 + (@.a==1)]",
        "$[?length(@.a==1)]",
        "$[?-(@.a==1)]",
        "($.a==1)",
        "$.a==1",
        "$.keys()~",
        "$.keys().x",
        "$[?@.a&&]",
        "$[?!]",
        "$[?@==[1,]]",
        "$[?@=={'a'}]",
        "$[?@=={a:1}]",
        "$[?@ in in [1]]",
        "$[?@.a==1==1]",
        "$[?@==1e5]",
        "$[?@==.5]",
        "$[?@=='a\\n']",
    ] {
        assert!(
            matches!(Path::parse(path), Err(PathError::Syntax(_))),
            "{path}"
        );
    }
}
