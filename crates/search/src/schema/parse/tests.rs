//! Recorded replies to FT.CREATE, and what 8.10 says otherwise; the sizes of vectors at their
//! borders.

use super::{JsonPath, alter, create, is_duplicate};
use crate::document::{Document, Item, PathValues};
use crate::error::{ErrorStyle, SearchError};
use crate::index::{Index, Outcome};
use crate::record::{bytes, words};
use crate::schema::{Algorithm, Element, FieldKind, Schema, Vector};

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
            Err(error) => [b"-", error.wire(ErrorStyle::Stack7).as_slice()].concat(),
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
            String::from_utf8_lossy(&error.wire(ErrorStyle::Redis8)),
            expected,
            "{line}"
        );
    }
}

/// The words of a vector field of an algorithm with another parameter.
fn vector_field(algorithm: &str, element: &str, key: &str, value: &str) -> String {
    let (dimensions, more) = match key {
        "DIM" => (value.to_owned(), String::new()),
        "TRAINING_THRESHOLD" | "REDUCE" => (
            "8".to_owned(),
            format!(" COMPRESSION LeanVec4x8 {key} {value}"),
        ),
        _ => ("8".to_owned(), format!(" {key} {value}")),
    };
    let count = 6 + more.split_whitespace().count();
    format!(
        "SCHEMA v VECTOR {algorithm} {count} TYPE {element} DIM {dimensions} DISTANCE_METRIC \
         L2{more}"
    )
}

const SIZES: [(&str, &[&str]); 3] = [
    ("FLAT", &["DIM", "INITIAL_CAP", "BLOCK_SIZE"]),
    (
        "HNSW",
        &["DIM", "INITIAL_CAP", "M", "EF_CONSTRUCTION", "EF_RUNTIME"],
    ),
    (
        "SVS-VAMANA",
        &[
            "DIM",
            "GRAPH_MAX_DEGREE",
            "CONSTRUCTION_WINDOW_SIZE",
            "SEARCH_WINDOW_SIZE",
            "TRAINING_THRESHOLD",
            "REDUCE",
        ],
    ),
];

/// The greatest valid value of a parameter.
fn greatest(algorithm: &str, element: &str, key: &str) -> i64 {
    let is_taken = |n: i64| created(&vector_field(algorithm, element, key, &n.to_string())).is_ok();
    let (mut low, mut high) = (2048, i64::MAX);
    assert!(is_taken(low), "{algorithm} {key}");
    if is_taken(high) {
        return high;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_taken(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Each size is taken up to a limit, at which an index works, and refused beyond it; nothing is
/// allocated for a size alone, and the first document costs no more than a chunk.
#[test]
fn sizes_of_vectors_are_bounded_and_work_at_their_borders() {
    for (algorithm, keys) in SIZES {
        for key in keys {
            let border = greatest(algorithm, "FLOAT32", key);
            for size in [1 << 31, 1 << 32, 1 << 62, i64::MAX] {
                let field = vector_field(algorithm, "FLOAT32", key, &size.to_string());
                assert_eq!(created(&field).is_ok(), size <= border, "{field}");
            }
            let allocates = ["DIM", "M", "GRAPH_MAX_DEGREE"].contains(key);
            assert_eq!(allocates, border < 1 << 31, "{algorithm} {key}: {border}");
            // Of the longest vectors a few would fill a machine.
            let size = if *key == "DIM" { 1 << 20 } else { border };
            let field = vector_field(algorithm, "FLOAT32", key, &size.to_string());
            check_index(created(&field).expect("a schema"), &field);
        }
    }
}

/// Puts some documents into an index, and looks for them.
fn check_index(schema: Schema, of: &str) {
    let FieldKind::Vector(options) = schema.fields[0].kind else {
        panic!("a vector: {of}");
    };
    assert!(options.bytes() <= Vector::BYTES_MAX, "{of}");
    let mut index = Index::new(schema);
    let documents = 20;
    for n in 0..documents {
        let mut vector = vec![0; options.dimensions * options.element.bytes()];
        vector[..4].copy_from_slice(&(n as f32).to_le_bytes());
        let outcome = index.put(format!("d{n}").as_bytes(), &Blob(vector));
        assert_eq!(outcome, Outcome::Indexed, "{of}");
    }
    let bytes = index.figures().bytes();
    assert!(
        bytes <= (documents + 2) * options.bytes() + (3 << 20),
        "{of}: {bytes}"
    );
}

/// A document that is a single vector.
struct Blob(Vec<u8>);

impl Document for Blob {
    fn find(&self, _: &[u8]) -> PathValues<'_> {
        PathValues::One(Item::Text(self.0.as_slice().into()))
    }
}

#[test]
fn vectors_that_are_too_long_are_refused_in_the_words_of_redis_8() {
    let long = vector_field("FLAT", "FLOAT64", "DIM", "4611686018427387904");
    let many = vector_field("HNSW", "FLOAT32", "M", "100000000");
    for (field, expected) in [
        (
            long,
            "SEARCH_LIMIT_OVER Vector index element size 18446744073709551615 exceeded maximum \
             size allowed by server limit which is 536870912",
        ),
        (
            many,
            "SEARCH_PARSE_ARGS Bad arguments for vector similarity HNSW index `M`: Value is \
             outside acceptable bounds",
        ),
    ] {
        let error = created(&field).expect_err("too long");
        let text = error.wire(ErrorStyle::Redis8);
        assert_eq!(String::from_utf8_lossy(&text), expected);
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

/// COMPRESSION and TRAINING_THRESHOLD of Redis 8.12's HNSW, in any order.
#[test]
fn graphs_take_a_compression_and_its_threshold() {
    let of = |element: &str, metric: &str, more: &str| {
        let count = 6 + more.split_whitespace().count();
        created(&format!(
            "SCHEMA v VECTOR HNSW {count} TYPE {element} DIM 4 DISTANCE_METRIC {metric} {more}"
        ))
    };
    let sq8 = |element: &str, metric: &str, more: &str| {
        let schema = of(element, metric, more).unwrap_or_else(|_| panic!("{more}"));
        let FieldKind::Vector(vector) = &schema.fields[0].kind else {
            panic!("a vector");
        };
        vector.algorithm.graph().and_then(|graph| graph.sq8)
    };
    assert_eq!(sq8("FLOAT32", "L2", ""), None);
    assert_eq!(sq8("FLOAT32", "L2", "COMPRESSION sq8"), Some(10_240));
    let both = "TRAINING_THRESHOLD 102400 COMPRESSION SQ8";
    assert_eq!(sq8("FLOAT16", "IP", both), Some(102_400));
    let untrained = "COMPRESSION SQ8 TRAINING_THRESHOLD 0";
    assert_eq!(sq8("FLOAT16", "L2", untrained), Some(0));
    for (element, metric, more) in [
        ("FLOAT32", "L2", "COMPRESSION LVQ8"),
        ("FLOAT32", "L2", "COMPRESSION SQ8 TRAINING_THRESHOLD 102401"),
        ("FLOAT32", "L2", "TRAINING_THRESHOLD 2048"),
        ("FLOAT64", "L2", "COMPRESSION SQ8"),
        ("FLOAT16", "L2", "COMPRESSION SQ8"),
    ] {
        assert!(of(element, metric, more).is_err(), "{element} {more}");
    }
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
