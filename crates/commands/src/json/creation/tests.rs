//! `json-auto-create-deep-paths`: what paths make, what they refuse, and that a refusal changes
//! nothing.

use crate::testbed::{AllCommands as _, Testbed};

fn makes() -> Testbed {
    let mut t = Testbed::new();
    t.engine.server.config.json_auto_create_deep_paths = true;
    t
}

/// Runs lines on a document; each has a reply, and the document afterwards.
#[track_caller]
fn edits(t: &mut Testbed, before: &str, lines: &[(&str, &str, &str)]) {
    for (line, reply, after) in lines {
        t.run("DEL k");
        if !before.is_empty() {
            assert_eq!(
                t.run_args(&[b"JSON.SET", b"k", b"$", before.as_bytes()]),
                b"+OK\r\n"
            );
        }
        let answer = t.run(line).replace("\r\n", " ");
        assert_eq!(answer.trim_end(), *reply, "{line}");
        let text = t.run("JSON.GET k");
        let text = text.split("\r\n").nth(1).filter(|text| !text.is_empty());
        let text = text.unwrap_or("none");
        assert_eq!(text, *after, "{line}");
    }
}

const NIL: &str = "$-1";

#[test]
fn set_makes_the_objects_of_a_path() {
    let t = &mut makes();
    edits(
        t,
        "{}",
        &[
            ("JSON.SET k $.a.b.c 5", "+OK", r#"{"a":{"b":{"c":5}}}"#),
            ("JSON.SET k a.b 5", "+OK", r#"{"a":{"b":5}}"#),
            ("JSON.SET k $.a.b 5 XX", NIL, "{}"),
            ("JSON.SET k $.a.b 5 NX", "+OK", r#"{"a":{"b":5}}"#),
            ("JSON.SET k $.a[0] 5", "-ERR array index out of range", "{}"),
            ("JSON.SET k $.a[0].b 5", NIL, "{}"),
            ("JSON.SET k $..[9] 5", "-Err wrong static path", "{}"),
            ("JSON.SET k $.* 5", "-Err wrong static path", "{}"),
        ],
    );
    let nested = r#"{"o":{"x":{}},"p":{"n":1},"s":"t","l":[{}]}"#;
    edits(
        t,
        nested,
        &[
            ("JSON.SET k $.s.a.b 5", NIL, nested),
            (
                "JSON.SET k $.*.n 7",
                "+OK",
                r#"{"o":{"x":{},"n":7},"p":{"n":7},"s":"t","l":[{}]}"#,
            ),
            (
                "JSON.SET k $.*.n 7 NX",
                "+OK",
                r#"{"o":{"x":{},"n":7},"p":{"n":1},"s":"t","l":[{}]}"#,
            ),
            ("JSON.SET k $.p.n 7 NX", NIL, nested),
            (
                "JSON.SET k $.l[0].a.b 7",
                "+OK",
                r#"{"o":{"x":{}},"p":{"n":1},"s":"t","l":[{"a":{"b":7}}]}"#,
            ),
            (
                "JSON.SET k $['o','p'].y.z 7",
                "+OK",
                r#"{"o":{"x":{},"y":{"z":7}},"p":{"n":1,"y":{"z":7}},"s":"t","l":[{}]}"#,
            ),
        ],
    );
    edits(
        t,
        r#"{"a":{}}"#,
        &[
            ("JSON.SET k $..n 7", "+OK", r#"{"a":{"n":7},"n":7}"#),
            ("JSON.SET k $..a.a 5", "-bad object type", r#"{"a":{}}"#),
        ],
    );
    // A replaced value takes along the members that would be made in it.
    edits(
        t,
        r#"{"a":{"b":{}}}"#,
        &[
            ("JSON.SET k $..a 5", "+OK", r#"{"a":5}"#),
            (
                "JSON.SET k $..a 5 NX",
                "+OK",
                r#"{"a":{"b":{"a":5},"a":5}}"#,
            ),
            (
                "JSON.MERGE k $..a {\"c\":1}",
                "+OK",
                r#"{"a":{"b":{"a":{"c":1}},"a":{"c":1},"c":1}}"#,
            ),
        ],
    );
}

#[test]
fn a_missing_key_is_made_by_names_alone() {
    let t = &mut makes();
    let root = "-ERR new objects must be created at the root";
    edits(
        t,
        "",
        &[
            ("JSON.SET k $.a.b 5", "+OK", r#"{"a":{"b":5}}"#),
            ("JSON.SET k $.a.b 5 XX", NIL, "none"),
            ("JSON.SET k $.a[0] 5", root, "none"),
            ("JSON.SET k $..a 5", root, "none"),
            ("JSON.SET k $.* 5", root, "none"),
            ("JSON.MERGE k $.a.b null", "+OK", r#"{"a":{"b":null}}"#),
            (
                "JSON.MSET k $.a.b 1 k $.a.c 2",
                "+OK",
                r#"{"a":{"b":1,"c":2}}"#,
            ),
            ("JSON.MSET k $.a 1 k2 $[0] 2", root, "none"),
            (
                "JSON.MSET k $.a 1 k $.a.b 2 k $.c 3",
                NIL,
                r#"{"a":1,"c":3}"#,
            ),
            (
                "JSON.NUMINCRBY k $.a 1",
                "-ERR could not perform this operation on a key that doesn't exist",
                "none",
            ),
        ],
    );
}

#[test]
fn counters_strings_and_arrays_are_seeded() {
    let t = &mut makes();
    edits(
        t,
        "{}",
        &[
            ("JSON.NUMINCRBY k $.a.b 5", "$3 [5]", r#"{"a":{"b":5}}"#),
            ("JSON.NUMINCRBY k .a.b 1.5", "$3 1.5", r#"{"a":{"b":1.5}}"#),
            ("JSON.NUMINCRBY k $.a notanumber", "-bad input number", "{}"),
            ("JSON.NUMINCRBY k $.a \"5\"", "-bad input number", "{}"),
            ("JSON.NUMMULTBY k $.a 2", "$2 []", "{}"),
            ("JSON.NUMPOWBY k $.a 2", "$2 []", "{}"),
            (
                "JSON.STRAPPEND k $.a.b \"foo\"",
                "*1 :3",
                r#"{"a":{"b":"foo"}}"#,
            ),
            ("JSON.STRAPPEND k a \"foo\"", ":3", r#"{"a":"foo"}"#),
            (
                "JSON.STRAPPEND k $.a 5",
                "-WRONGTYPE wrong type of path value - expected string but found 5",
                "{}",
            ),
            (
                "JSON.ARRAPPEND k $.a.b 1 2",
                "*1 :2",
                r#"{"a":{"b":[1,2]}}"#,
            ),
            ("JSON.ARRAPPEND k .a 1", ":1", r#"{"a":[1]}"#),
            ("JSON.ARRINSERT k $.a 0 1 2", "*1 :2", r#"{"a":[1,2]}"#),
            ("JSON.ARRINSERT k $.a 1 1", "*0", "{}"),
            ("JSON.ARRINSERT k $.a -1 1", "*0", "{}"),
        ],
    );
    // Places answer in the order of the walk; an element that moves takes its new members along.
    let mixed = r#"[{},{"n":[{}]},{"n":"s"}]"#;
    edits(
        t,
        mixed,
        &[
            (
                "JSON.ARRAPPEND k $[*].n 7",
                "*3 :1 :2 $-1",
                r#"[{"n":[7]},{"n":[{},7]},{"n":"s"}]"#,
            ),
            (
                "JSON.ARRINSERT k $..n 0 7",
                "*4 :1 :2 :1 $-1",
                r#"[{"n":[7]},{"n":[7,{"n":[7]}]},{"n":"s"}]"#,
            ),
        ],
    );
    edits(
        t,
        r#"[{},{"n":9223372036854775807}]"#,
        &[(
            "JSON.NUMINCRBY k $[*].n 1",
            "-ERR numeric overflow",
            r#"[{},{"n":9223372036854775807}]"#,
        )],
    );
}

#[test]
fn too_deep_a_path_makes_nothing() {
    let t = &mut makes();
    let path = |names: usize| format!("${}", ".a".repeat(names));
    for (before, depth, reply) in [
        ("", 127, "+OK\r\n"),
        ("", 128, "-recursion limit exceeded\r\n"),
        ("{}", 127, "+OK\r\n"),
        ("{}", 128, "-recursion limit exceeded\r\n"),
    ] {
        t.run("DEL k");
        if !before.is_empty() {
            t.run("JSON.SET k $ {}");
        }
        assert_eq!(t.run(&format!("JSON.SET k {} 5", path(depth))), reply);
        if depth == 128 {
            let is_there = i32::from(!before.is_empty());
            assert_eq!(t.run("EXISTS k"), format!(":{is_there}\r\n"));
        }
    }
    // Of two places the deeper one is refused: neither is made.
    t.run("JSON.SET k $ {\"x\":{\"y\":{}}}");
    let line = format!("JSON.NUMINCRBY k $..q{} 1", ".a".repeat(125));
    assert_eq!(t.run(&line), "-recursion limit exceeded\r\n");
    assert_eq!(t.run("JSON.GET k"), "$14\r\n{\"x\":{\"y\":{}}}\r\n");
    let line = format!("JSON.MSET k {} 1 k $.z 2", path(200));
    assert_eq!(t.run(&line), "$-1\r\n");
    assert_eq!(t.run("JSON.GET k"), "$20\r\n{\"x\":{\"y\":{}},\"z\":2}\r\n");
}

/// Many places, some of them out of line: a thread makes them in a copy.
#[test]
fn many_places_are_made() {
    let t = &mut makes();
    let objects = vec![r#"{"a":{"l":[1,2,3]}}"#; 20_000].join(",");
    t.run_args(&[b"JSON.SET", b"k", b"$", format!("[{objects}]").as_bytes()]);
    assert_eq!(t.run("JSON.SET k $[*].a.b.c 5"), "+OK\r\n");
    assert_eq!(
        t.run("JSON.GET k $[19999]"),
        "$33\r\n[{\"a\":{\"l\":[1,2,3],\"b\":{\"c\":5}}}]\r\n"
    );
    let replies = t.run("JSON.ARRAPPEND k $[*].a.q 5");
    assert_eq!(replies.matches(":1\r\n").count(), 20_000);
    assert_eq!(t.run("JSON.GET k $[77].a.q"), "$5\r\n[[5]]\r\n");
}

#[test]
fn without_the_directive_nothing_deeper_is_made() {
    let t = &mut Testbed::new();
    edits(
        t,
        "{}",
        &[
            ("JSON.SET k $.a.b 5", NIL, "{}"),
            ("JSON.SET k $.*.n 5", "-Err wrong static path", "{}"),
            ("JSON.ARRAPPEND k $.a 5", "*0", "{}"),
            (
                "CONFIG SET json-auto-create-deep-paths yes",
                "-ERR CONFIG SET failed (possibly related to argument 'json-auto-create-deep-paths') - can't set immutable config",
                "{}",
            ),
        ],
    );
}
