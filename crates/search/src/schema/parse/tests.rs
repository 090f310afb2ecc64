//! Recorded replies to FT.CREATE, and what 8.10 says otherwise.

use super::{JsonPath, alter, create, is_duplicate};
use crate::error::{SearchError, Wording};
use crate::record::{bytes, words};
use crate::schema::{Algorithm, Element, FieldKind, Schema};

fn check_path(path: &[u8]) -> Option<JsonPath> {
    match path {
        b"$[" => None,
        path if path.starts_with(b"$..") || path.ends_with(b"[*]") => Some(JsonPath::Unordered),
        _ => Some(JsonPath::Ordered),
    }
}

fn created(line: &str) -> Result<Schema, SearchError> {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    create(b"i", &words, &check_path)
}

#[test]
fn schemas_are_read_as_redis_stack_reads_them() {
    let mut wrong = Vec::new();
    for line in include_str!("answers.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let (asked, expected) = line.split_once("  =>  ").expect("a reply");
        let got = match created(asked) {
            Ok(_) => b"+OK".to_vec(),
            Err(error) => [b"-", error.wire(Wording::Stack7).as_slice()].concat(),
        };
        if got != bytes(expected) {
            wrong.push(format!("{line}\n  got {}", got.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_have_the_codes_of_redis_8() {
    for (line, expected) in [
        (
            "SCHEMA t FOO",
            "SEARCH_PARSE_ARGS Invalid field type for field `t`",
        ),
        (
            "SCHEMA t TEXT t TAG",
            "SEARCH_QUERY_BAD Duplicate field in schema - t",
        ),
        (
            "BLAH SCHEMA t TEXT",
            "SEARCH_ARG_UNRECOGNIZED Unknown argument `BLAH`",
        ),
        (
            "ON FOO SCHEMA t TEXT",
            "SEARCH_ADD_ARGS Invalid rule type: FOO",
        ),
        ("SCORE 2 SCHEMA t TEXT", "SEARCH_ADD_ARGS Invalid score"),
        ("PREFIX 1 a", "SEARCH_PARSE_ARGS No schema found"),
        ("SCHEMA", "SEARCH_PARSE_ARGS Fields arguments are missing"),
        (
            "SCHEMA '' TEXT",
            "SEARCH_PARSE_ARGS Field name cannot be empty",
        ),
        (
            "SCHEMA v VECTOR FLAT 2 DIM 0",
            "SEARCH_PARSE_ARGS Bad arguments for vector similarity FLAT index `DIM`: Value is \
             outside acceptable bounds",
        ),
    ] {
        let error = created(line).expect_err(line);
        assert_eq!(
            String::from_utf8_lossy(&error.wire(Wording::Redis8)),
            expected,
            "{line}"
        );
    }
}

#[test]
fn options_of_redis_8_are_kept() {
    let schema = created(
        "INDEXALL ENABLE SCHEMA a VECTOR FLAT 6 TYPE INT8 DIM 3 DISTANCE_METRIC L2 \
         b VECTOR SVS-VAMANA 10 TYPE FLOAT16 DIM 8 DISTANCE_METRIC IP GRAPH_MAX_DEGREE 40 \
         COMPRESSION leanvec4x8",
    )
    .expect("a schema");
    assert!(schema.indexes_all);
    let vectors: Vec<_> = schema.fields.iter().map(|field| &field.kind).collect();
    let [FieldKind::Vector(a), FieldKind::Vector(b)] = vectors[..] else {
        panic!("two vectors");
    };
    assert_eq!((a.element, a.dimensions), (Element::Int8, 3));
    let Algorithm::Svs(svs) = b.algorithm else {
        panic!("SVS");
    };
    assert_eq!(svs.compression, Some("LeanVec4x8"));
    assert_eq!(b.algorithm.graph().map(|graph| graph.m), Some(20));
}

#[test]
fn alter_adds_fields_to_those_that_are_there() {
    let schema = created("SCHEMA t TEXT").expect("a schema");
    let add = |words: &[&[u8]]| alter(&schema, b"i", words, &check_path);
    let added = add(&[b"n", b"NUMERIC", b"SORTABLE", b"g", b"TAG"]).expect("fields");
    assert_eq!(
        added.iter().map(|f| f.name.as_slice()).collect::<Vec<_>>(),
        [b"n", b"g"]
    );
    assert!(is_duplicate(
        &add(&[b"t", b"TAG"]).expect_err("there already")
    ));
}
