//! Recorded replies to FT.SEARCH and FT.AGGREGATE that depend on their words alone.
//!
//! `search.txt` and `aggregate.txt` have a line for each: the query with all words, `  =>  `, and
//! `OK` or the error after the mark.

use super::{
    AggregateRequest, Combine, Defaults, HybridReach, HybridRequest, SearchRequest, Stage,
};
use crate::error::{ErrorStyle, SearchError};
use crate::query::{Dialect, explain};
use crate::record::{bytes, words};
use crate::schema::Schema;
use crate::schema::parse::{JsonPath, create};

fn defaults() -> Defaults {
    Defaults {
        dialect: Dialect::FIRST,
        rows_max: 1_000_000,
        offset_max: 1_000_000,
        groups_max: 1_000_000,
        is_resp3: false,
    }
}

fn schema() -> Schema {
    let line = "SCHEMA t TEXT u TEXT NOSTEM g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC loc GEO";
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    create(b"i", &words, &|_| Some(JsonPath::Ordered)).expect("a schema")
}

/// The query of a line and the words after it.
fn split(line: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut words = words(line);
    let query = words.remove(0);
    (query, words)
}

fn search(line: &str) -> Result<SearchRequest, SearchError> {
    let (query, words) = split(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let request = SearchRequest::parse(&words, &defaults())?;
    request.query(&query, &schema())?;
    Ok(request)
}

fn aggregate(line: &str) -> Result<AggregateRequest, SearchError> {
    let (query, words) = split(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let defaults = Defaults {
        rows_max: u64::MAX,
        ..defaults()
    };
    let request = AggregateRequest::parse(&words, &defaults)?;
    request.options.query(&query, &schema())?;
    Ok(request)
}

/// Lines whose reply, an error or `OK`, differs from the result of `of`.
fn differing(record: &str, of: impl Fn(&str) -> Result<(), SearchError>) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in record.lines().filter(|line| !line.starts_with('#')) {
        let (asked, expected) = line.split_once("  =>  ").expect("a reply");
        let got = match of(asked) {
            Ok(()) => b"OK".to_vec(),
            Err(error) => [b"-", error.wire(ErrorStyle::Stack7).as_slice()].concat(),
        };
        if got != bytes(expected) {
            wrong.push(format!("{line}\n  got {}", got.escape_ascii()));
        }
    }
    wrong
}

#[test]
fn words_of_search_are_read_as_redis_stack_reads_them() {
    let wrong = differing(include_str!("search.txt"), |line| search(line).map(drop));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_of_aggregate_are_read_as_redis_stack_reads_them() {
    let wrong = differing(include_str!("aggregate.txt"), |line| {
        aggregate(line).map(drop)
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_have_the_codes_of_redis_8() {
    for (line, expected) in [
        (
            "a FOO",
            "SEARCH_ARG_UNRECOGNIZED Unknown argument `FOO` at position 1 for <main>",
        ),
        (
            "a LIMIT 0 1000001",
            "SEARCH_LIMIT_OVER LIMIT exceeds maximum of 1000000",
        ),
        (
            "a LIMIT 1 0",
            "SEARCH_PARSE_ARGS The `offset` of the LIMIT must be 0 when `num` is 0",
        ),
        ("a LANGUAGE x", "SEARCH_QUERY_BAD No such language"),
        ("a SCORER x", "SEARCH_QUERY_BAD No such scorer x"),
        (
            "a PARAMS 1 x",
            "SEARCH_ADD_ARGS Parameters must be specified in PARAM VALUE pairs",
        ),
        (
            "$b DIALECT 2",
            "SEARCH_PARAM_NOT_FOUND Parameter not found `b`",
        ),
        (
            "a GEOFILTER loc 181 0 1 km",
            "SEARCH_SYNTAX Invalid GeoFilter lat/lon",
        ),
        (
            "a FILTER n 5 1",
            "SEARCH_SYNTAX Invalid numeric range (min > max): @n:[5.000000 1.000000]",
        ),
        (
            "a BM25STD_TANH_FACTOR 0",
            "SEARCH_PARSE_ARGS BM25STD_TANH_FACTOR must be between 1 and 10000 inclusive",
        ),
    ] {
        let error = search(line).expect_err(line);
        assert_eq!(
            String::from_utf8_lossy(&error.wire(ErrorStyle::Redis8)),
            expected,
            "{line}"
        );
    }
    for (line, expected) in [
        (
            "* LOAD x",
            "SEARCH_PARSE_ARGS Bad arguments for LOAD: Expected number of fields or `*`",
        ),
        (
            "* LOAD -1",
            "SEARCH_PARSE_ARGS Bad arguments for LOAD: Value is outside acceptable bounds",
        ),
    ] {
        let error = aggregate(line).expect_err(line);
        assert_eq!(
            String::from_utf8_lossy(&error.wire(ErrorStyle::Redis8)),
            expected,
            "{line}"
        );
    }
}

#[test]
fn filters_stand_before_the_query() {
    let (_, words) = split("hello FILTER n (1 2 INFIELDS 1 t");
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let request = SearchRequest::parse(&words, &defaults()).expect("a request");
    let root = request.query(b"hello", &schema()).expect("a query");
    let shown = explain(root.as_ref(), &schema());
    assert_eq!(
        String::from_utf8_lossy(&shown),
        "INTERSECT {\n  NUMERIC {1.000000 < @n <= 2.000000}\n  @t:hello\n}\n"
    );
}

#[test]
fn one_arrangement_stands_between_groupings() {
    let stages = |line| aggregate(line).expect(line).stages;
    let is_arranged = |stage: &Stage| matches!(stage, Stage::Arrange(_));
    let found = stages("* LIMIT 0 1 APPLY 1 AS x SORTBY 1 @x LIMIT 0 2");
    assert_eq!(
        found.iter().map(is_arranged).collect::<Vec<_>>(),
        [true, false]
    );
    let found = stages("* SORTBY 1 @g GROUPBY 1 @g SORTBY 1 @g");
    assert_eq!(
        found.iter().map(is_arranged).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn hybrid_requests_are_read_and_refused() {
    let defaults = defaults();
    let hybrid = |line: &str| {
        let words = words(line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        HybridRequest::parse(&words, &defaults)
    };
    let line = "SEARCH a SCORER BM25STD VSIM @v $b KNN 4 K 3 EF_RUNTIME 9 FILTER 3 @g:{x} POLICY \
        ADHOC_BF YIELD_SCORE_AS d COMBINE LINEAR 6 ALPHA 0.5 BETA 0.5 WINDOW 7 LIMIT 0 3 PARAMS 2 b x";
    let request = hybrid(line).expect("a request");
    assert_eq!(request.reach, Some(HybridReach::Nearest(3)));
    let (alpha, beta) = (0.5, 0.5);
    assert_eq!(request.combine, Combine::Linear { alpha, beta });
    assert_eq!((request.window, request.vector_options.len()), (7, 2));
    // The name of the score after the words that are counted, and among them.
    for line in [
        "LINEAR 4 ALPHA .7 BETA .3 YIELD_SCORE_AS s",
        "LINEAR 6 ALPHA .7 YIELD_SCORE_AS s BETA .3",
        "RRF 0 YIELD_SCORE_AS s LOAD 4 @n AS n $.a",
    ] {
        let request = hybrid(&format!("SEARCH a VSIM @v $b COMBINE {line}"));
        let request = request.expect(line);
        assert_eq!(request.score_name.as_deref(), Some(&b"s"[..]), "{line}");
    }
    for (line, expected) in [
        (
            "a",
            "SEARCH_SYNTAX Invalid subqueries count: expected an unsigned integer",
        ),
        (
            "SEARCH a",
            "SEARCH_PARSE_ARGS Missing required argument VSIM",
        ),
        (
            "SEARCH a FOO VSIM",
            "SEARCH_ARG_UNRECOGNIZED Unknown argument `FOO` in SEARCH",
        ),
        (
            "SEARCH a VSIM v",
            "SEARCH_SYNTAX Missing @ prefix for vector field name",
        ),
        (
            "SEARCH a VSIM @v b",
            "SEARCH_SYNTAX Invalid vector argument, expected a parameter name starting with $",
        ),
        (
            "SEARCH a VSIM @v $b KNN 2 EF_RUNTIME 2",
            "SEARCH_PARSE_ARGS Missing required argument K",
        ),
        (
            "SEARCH a VSIM @v $b KNN 2 K x",
            "SEARCH_SYNTAX Invalid K value",
        ),
        (
            "SEARCH a VSIM @v $b KNN 4 K 1 K 2",
            "SEARCH_PARSE_ARGS Duplicate K argument",
        ),
        (
            "SEARCH a VSIM @v $b COMBINE FOO",
            "SEARCH_PARSE_ARGS COMBINE: Invalid value for argument",
        ),
        (
            "SEARCH a VSIM @v $b COMBINE RRF 2 WINDOW 1000001",
            "SEARCH_PARSE_ARGS WINDOW: Value above maximum",
        ),
        (
            "SEARCH a VSIM @v $b COMBINE RRF 0 YIELD_SCORE_AS",
            "SEARCH_PARSE_ARGS Missing argument value for YIELD_SCORE_AS",
        ),
        (
            "SEARCH a VSIM @v $b COMBINE RRF 2 YIELD_SCORE_AS s YIELD_SCORE_AS s",
            "SEARCH_PARSE_ARGS YIELD_SCORE_AS specified more than once",
        ),
        (
            "SEARCH a VSIM @v $b LOAD 1 n",
            "SEARCH_PARSE_ARGS Missing prefix: name requires '@' prefix, JSON path require '$' prefix, \
             got: n in LOAD",
        ),
        (
            "SEARCH a VSIM @v $b LOAD 4 @n AS m n",
            "SEARCH_PARSE_ARGS Missing prefix: name requires '@' prefix, JSON path require '$' prefix, \
             got: n in LOAD",
        ),
        (
            "SEARCH a VSIM @v $b NOSORT SORTBY 1 @n",
            "SEARCH_PARSE_ARGS NOSORT is not allowed with SORTBY",
        ),
        (
            "SEARCH a VSIM @v $b FOO",
            "SEARCH_PARSE_ARGS FOO: Unknown argument",
        ),
    ] {
        let error = hybrid(line).expect_err(line);
        assert_eq!(
            String::from_utf8_lossy(&error.wire(ErrorStyle::Redis8)),
            expected,
            "{line}"
        );
    }
    for (line, expected) in [
        ("SEARCH a VSIM @w $b", "SEARCH_SYNTAX Unknown field `w`"),
        (
            "SEARCH a VSIM @t $b",
            "SEARCH_SYNTAX Expected a VECTOR field `t`",
        ),
    ] {
        let error = hybrid(line)
            .expect(line)
            .vector_query(&schema())
            .expect_err(line);
        assert_eq!(
            String::from_utf8_lossy(&error.wire(ErrorStyle::Redis8)),
            expected,
            "{line}"
        );
    }
}

#[test]
fn strict_queries_name_fields_that_are_there() {
    let mut request = SearchRequest::parse(&[b"DIALECT", b"2"], &defaults()).expect("a request");
    for is_strict in [false, true] {
        request.options.is_strict = is_strict;
        for (query, expected) in [
            ("@nope:x", "Unknown field at offset 0 near nope"),
            ("t @n:x", "Expected a TEXT field at offset 2 near n"),
            ("@t:{x}", "Expected a TAG field at offset 0 near t"),
            ("@g:[1 2]", "Expected a NUMERIC field at offset 0 near g"),
            ("@t>2", "Expected a NUMERIC field at offset 0 near t"),
            ("@t:[1 2 3 km]", "Expected a GEO field at offset 0 near t"),
            ("@t:x @g:{y} @n:[1 2] @loc:[1 2 3 km]", ""),
        ] {
            let found = request.query(query.as_bytes(), &schema());
            let text = found.err().map(|error| error.text).unwrap_or_default();
            let expected = if is_strict { expected } else { "" };
            assert_eq!(String::from_utf8_lossy(&text), expected, "{query}");
        }
    }
}
