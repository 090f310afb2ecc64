//! Recorded replies to FT.AGGREGATE and FT.SEARCH over eight documents, and a document with a bad
//! number is left out.
//!
//! Groups come in no order that is kept: their rows are compared as a set.

use std::borrow::Cow;
use std::vec::IntoIter;

use super::{Batch, BatchEnd, Context, Loader, OutputRow, Pipeline};
use crate::document::{Document, Item, PathValues};
use crate::error::{ErrorStyle, OVER_LIMIT, SearchError};
use crate::expression::Value;
use crate::highlight::Marker;
use crate::hit::Hit;
use crate::index::Index;
use crate::query::{Dialect, Kind, Node};
use crate::record::{bytes, words};
use crate::request::{AggregateRequest, Defaults, SearchRequest};
use crate::schema::parse::{JsonPath, create};
use crate::score::Scorer;
use crate::search::Search;

const SCHEMA: &str = "SCHEMA t TEXT SORTABLE u TEXT g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC \
    k NUMERIC j TAG s TEXT SORTABLE UNF";

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A hash.
struct Hash<'h>(&'h Fields);

impl Document for Hash<'_> {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let mut fields = self.0.iter();
        match fields.find(|(name, _)| name == path) {
            Some((_, value)) => PathValues::One(Item::Text(Cow::Borrowed(value))),
            None => PathValues::Nothing,
        }
    }
}

/// Documents, and the index of them.
pub(super) struct Server {
    pub(super) index: Index,
    documents: Vec<(Vec<u8>, Fields)>,
}

impl Server {
    pub(super) fn new(schema: &str, documents: &str) -> Server {
        let of_schema = words(schema);
        let of_schema: Vec<&[u8]> = of_schema.iter().map(Vec::as_slice).collect();
        let schema = create(b"i", &of_schema, &|_| Some(JsonPath::Ordered)).expect("a schema");
        let mut server = Server {
            index: Index::new(schema),
            documents: Vec::new(),
        };
        for line in documents.lines() {
            let mut words = words(line).into_iter();
            let key = words.next().expect("a key");
            let mut fields = Vec::new();
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                fields.push((name, value));
            }
            server.index.put(&key, &Hash(&fields));
            server.documents.push((key, fields));
        }
        server
    }

    pub(super) fn hits(&self, query: Option<&Node>) -> IntoIter<Hit> {
        let search = Search {
            scorer: Scorer::TfIdf,
            terms: true,
            ..Search::default()
        };
        let Some(query) = query else {
            return Vec::new().into_iter();
        };
        let query = self.index.expand(query, &search).expect("a query");
        let matches = self.index.matches(&query, &search).expect("a query");
        matches.collect::<Vec<_>>().into_iter()
    }
}

impl Loader for Server {
    fn load(&self, key: &[u8], path: &[u8]) -> Option<Value> {
        let (_, fields) = self.documents.iter().find(|(its, _)| its == key)?;
        let (_, value) = fields.iter().find(|(name, _)| name == path)?;
        Some(Value::Text(value.clone()))
    }

    fn load_all(&self, key: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
        let (_, fields) = self.documents.iter().find(|(its, _)| its == key)?;
        let fields = fields.iter().cloned();
        Some(
            fields
                .map(|(name, value)| (name, Value::Text(value)))
                .collect(),
        )
    }
}

pub(super) fn defaults() -> Defaults {
    Defaults {
        dialect: Dialect::FIRST,
        rows_max: 1_000_000,
        offset_max: 1_000_000,
        groups_max: 1_000_000,
        is_resp3: false,
    }
}

/// A text as the record has it.
fn quoted(text: &[u8]) -> String {
    let escaped = text.escape_ascii().to_string();
    format!(
        "'{}'",
        escaped.replace("\\'", "\\x27").replace("\\\"", "\"")
    )
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "~".to_owned(),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(entries) => {
            let entry =
                |(name, value): &(Vec<u8>, Value)| format!("{}:{}", quoted(name), shown(value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(" "))
        }
        other => quoted(&other.text().expect("a scalar")),
    }
}

pub(super) fn fields(pipeline: &Pipeline, row: &OutputRow) -> String {
    let pairs = row.fields.iter();
    let pairs = pairs.map(|(name, value)| {
        let name = name.bytes(|place| pipeline.name(place));
        format!("{} {}", quoted(name), shown(value))
    });
    format!("[{}]", pairs.collect::<Vec<_>>().join(" "))
}

/// All rows, in calls for `most` with a budget of `budget`.
pub(super) fn run(
    pipeline: &mut Pipeline,
    hits: &mut IntoIter<Hit>,
    server: &Server,
    most: usize,
    budget: u64,
) -> Result<Vec<OutputRow>, SearchError> {
    let mut rows = Vec::new();
    loop {
        let mut context = Context {
            hits,
            index: &server.index,
            loader: server,
            budget,
            is_over: false,
        };
        let batch: Batch = pipeline.next_rows(most, &mut context)?;
        rows.extend(batch.rows);
        if batch.ending == BatchEnd::Done {
            return Ok(rows);
        }
    }
}

fn reply_to_search(server: &Server, query: &[u8], words: &[&[u8]]) -> Result<String, SearchError> {
    let request = SearchRequest::parse(words, &defaults())?;
    let query = request.query(query, server.index.schema())?;
    let schema = server.index.schema();
    let mut pipeline = Pipeline::search(&request, schema, &[])?;
    if let Some(query) = &query {
        let query = server
            .index
            .expand(query, &Search::default())
            .expect("a query");
        let marker = Marker::new(&query, schema.language, 4, 2, &schema.stop_words);
        pipeline.mark(&request, schema, marker);
    }
    let rows = run(
        &mut pipeline,
        &mut server.hits(query.as_ref()),
        server,
        100,
        u64::MAX,
    )?;
    let mut reply = vec![pipeline.total().to_string()];
    for row in &rows {
        let document = row.document.expect("a document");
        reply.push(quoted(server.index.key(document)));
        if request.options.with_scores {
            reply.push(shown(&Value::Number(row.score)));
        }
        if request.options.with_sort_keys {
            reply.push(match &row.sort_key {
                None => "~".to_owned(),
                Some(Value::Number(n)) => format!("'#{n}'"),
                Some(other) => shown(other).replacen('\'', "'$", 1),
            });
        }
        if request.options.has_content {
            reply.push(fields(&pipeline, row));
        }
    }
    Ok(format!("[{}]", reply.join(" ")))
}

fn reply_to_aggregate(
    server: &Server,
    query: &[u8],
    words: &[&[u8]],
    (most, budget): (usize, u64),
) -> Result<(String, Vec<String>), SearchError> {
    let request = AggregateRequest::parse(words, &defaults())?;
    let query = request.options.query(query, server.index.schema())?;
    let mut pipeline = Pipeline::aggregate(&request, server.index.schema(), &[])?;
    let mut hits = server.hits(query.as_ref());
    let rows = run(&mut pipeline, &mut hits, server, most, budget)?;
    let shown = rows.iter().map(|row| fields(&pipeline, row));
    Ok((pipeline.first_total().to_string(), shown.collect()))
}

/// A reply, with the rows sorted if they are groups in no order.
fn joined(line: &str, total: &str, mut rows: Vec<String>) -> String {
    let is_ordered = line.rfind("GROUPBY") < line.rfind("SORTBY") || !line.contains("GROUPBY");
    if !is_ordered {
        rows.sort();
    }
    rows.insert(0, total.to_owned());
    format!("[{}]", rows.join(" "))
}

/// The rows of a recorded reply.
fn rows_of(reply: &str) -> (String, Vec<String>) {
    let inner = &reply[1..reply.len() - 1];
    let (total, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let (mut rows, mut depth, mut in_text) = (Vec::new(), 0, false);
    for c in rest.chars() {
        in_text ^= c == '\'';
        match c {
            '[' if !in_text => {
                if depth == 0 {
                    rows.push(String::new());
                }
                depth += 1;
            }
            ']' if !in_text => depth -= 1,
            ' ' if depth == 0 => continue,
            _ => {}
        }
        rows.last_mut().expect("a row").push(c);
    }
    (total.to_owned(), rows)
}

/// The reply to a line, as the record has it.
fn reply_to(server: &Server, line: &str, slice: (usize, u64)) -> String {
    let asked = words(line);
    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let (command, query, words) = (asked[0], asked[1], &asked[2..]);
    let reply = if command == b"SEARCH" {
        reply_to_search(server, query, words)
    } else {
        reply_to_aggregate(server, query, words, slice)
            .map(|(total, rows)| joined(line, &total, rows))
    };
    reply.unwrap_or_else(|error| {
        format!("-{}", error.wire(ErrorStyle::Stack7).escape_ascii()).replace("\\'", "'")
    })
}

fn differing(record: &str, server: &Server, slice: (usize, u64)) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in record.lines().filter(|line| !line.starts_with('#')) {
        let (asked, expected) = line.split_once("  =>  ").expect("a reply");
        let got = reply_to(server, asked, slice);
        let expected = if asked.starts_with("AGGREGATE") && expected.starts_with('[') {
            let (total, rows) = rows_of(expected);
            joined(asked, &total, rows)
        } else {
            expected.to_owned()
        };
        if got != expected {
            wrong.push(format!("{asked}\n  not {expected}\n  got {got}"));
        }
    }
    wrong
}

pub(super) fn server() -> Server {
    Server::new(SCHEMA, include_str!("documents.txt"))
}

/// 7.4 has 0 of no number.
#[test]
fn reducers_of_no_number_are_those_of_redis_8() {
    let record = "\
AGGREGATE @n:[0,5] GROUPBY 0 REDUCE SUM 1 @u AS s REDUCE AVG 1 @u AS a REDUCE MIN 1 @u AS mi REDUCE MAX 1 @u AS ma  =>  \
[1 ['s' 'nan' 'a' 'nan' 'mi' 'inf' 'ma' '-inf']]
AGGREGATE * GROUPBY 0 REDUCE SUM 1 @none AS s REDUCE AVG 1 @none AS a REDUCE MIN 1 @none AS mi REDUCE MAX 1 @none AS ma  =>  \
-Property `none` not present in document or pipeline";
    let wrong = differing(record, &server(), (100, u64::MAX));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_are_those_of_redis_stack() {
    let wrong = differing(include_str!("answers.txt"), &server(), (100, u64::MAX));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As cursors read them, and as a server that must not be held up does.
#[test]
fn rows_are_the_same_one_by_one_and_in_slices() {
    let record = include_str!("answers.txt").lines();
    // An error ends a reply of several rows, and is the whole reply of a single row.
    let plain = |line: &&str| !line.contains("APPLY") && !line.contains("FILTER");
    let record = record.filter(plain).collect::<Vec<_>>().join("\n");
    for slice in [(1, u64::MAX), (2, 1), (100, 2)] {
        let wrong = differing(&record, &server(), slice);
        assert!(wrong.is_empty(), "{slice:?}\n{}", wrong.join("\n"));
    }
}

#[test]
fn names_and_reducers_are_refused_as_redis_stack_refuses_them() {
    let schema = "SCHEMA t TEXT u TEXT NOSTEM g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC loc GEO";
    let documents = "d1 t \"hello world\" u run g a n 1 m 2 loc 1,2\n\
        d2 t \"hello there\" u runs g b n 2 m 1 loc 1,3";
    let server = Server::new(schema, documents);
    let wrong = differing(include_str!("refused.txt"), &server, (100, u64::MAX));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A cursor keeps the documents that are left only if no stage has taken them all.
#[test]
fn sorted_rows_need_no_more_documents() {
    let server = server();
    for (stages, pulls) in [("", true), ("SORTBY 1 @n", false), ("GROUPBY 1 @g", false)] {
        let words = words(stages);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let request = AggregateRequest::parse(&words, &defaults()).expect("a request");
        let schema = server.index.schema();
        let mut pipeline = Pipeline::aggregate(&request, schema, &[]).expect("a pipeline");
        assert!(pipeline.pulls_documents());
        let mut context = Context {
            hits: &mut server.hits(Some(&Node::new(Kind::Everything))),
            index: &server.index,
            loader: &server,
            budget: u64::MAX,
            is_over: false,
        };
        pipeline.next_rows(1, &mut context).expect("a row");
        assert_eq!(pipeline.pulls_documents(), pulls, "{stages}");
    }
}

/// The total and the number of rows of a line of stages, as Redis 8 counts.
fn counted(stages: &str, groups_max: usize) -> Result<(u64, usize), SearchError> {
    let server = server();
    let words = words(stages);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let defaults = Defaults {
        groups_max,
        ..defaults()
    };
    let mut request = AggregateRequest::parse(&words, &defaults)?;
    request.options.is_strict = true;
    let mut pipeline = Pipeline::aggregate(&request, server.index.schema(), &[])?;
    let mut hits = server.hits(Some(&Node::new(Kind::Everything)));
    let rows = run(&mut pipeline, &mut hits, &server, 100, 3)?;
    Ok((pipeline.first_total(), rows.len()))
}

/// The limit of a reply's rows is that of a group's rows, too; none given is none.
#[test]
fn collect_asks_for_no_more_rows_than_a_reply_has() {
    let of = |limit: &str| counted(&format!("GROUPBY 1 @g REDUCE COLLECT {limit}"), 99);
    assert!(of("3 FIELDS 1 @n").is_ok());
    assert!(of("6 FIELDS 1 @n LIMIT 0 1000000").is_ok());
    assert!(of("6 FIELDS 1 @n LIMIT 0 1000001").is_err());
}

#[test]
fn withcount_counts_the_rows_after_the_last_one_shown() {
    let all = counted("SORTBY 1 @n", 99).expect("rows").0;
    let groups = counted("GROUPBY 1 @g", 99).expect("groups").0;
    for (stages, expected) in [
        ("LIMIT 0 2", (1, 2)),
        ("WITHOUTCOUNT LIMIT 0 2", (1, 2)),
        ("WITHCOUNT", (all, all as usize)),
        ("WITHCOUNT LIMIT 0 2", (all, 2)),
        ("WITHCOUNT LIMIT 1 2", (all, 2)),
        ("WITHCOUNT LIMIT 999 2", (all, 0)),
        ("WITHCOUNT LIMIT 0 0", (all, 0)),
        ("WITHCOUNT SORTBY 0 MAX 3", (all, 3)),
        ("WITHCOUNT SORTBY 1 @n MAX 3", (all, 3)),
        ("WITHCOUNT GROUPBY 1 @g LIMIT 0 1", (groups, 1)),
        (
            "WITHCOUNT LOAD 1 @t FILTER 'exists(@t) == 7' LIMIT 0 1",
            (0, 0),
        ),
    ] {
        let got = counted(stages, 99).expect("rows");
        assert_eq!(got, expected, "{stages}");
    }
}

#[test]
fn matched_terms_are_the_words_of_the_query_that_a_document_has() {
    let reply = |line: &str| reply_to(&server(), line, (9, 99));
    assert_eq!(
        reply("AGGREGATE hello|world APPLY matched_terms() AS w SORTBY 1 @n MAX 2"),
        "[4 ['w' ['hello' 'world'] 'n' '-3'] ['w' ['hello' 'world'] 'n' '1.5']]"
    );
    // Rows in order are of no document any more.
    assert_eq!(
        reply("AGGREGATE hello SORTBY 1 @n MAX 1 APPLY matched_terms() AS w"),
        "[4 ['n' '-3' 'w' ~]]"
    );
    assert_eq!(
        reply("AGGREGATE 'hello @g:{y} -zebra' APPLY matched_terms(1) AS w"),
        "[1 ['w' ['y']]]"
    );
    // The rarest part of several that must match stands first.
    assert_eq!(
        reply("AGGREGATE 'hello @g:{y}' APPLY matched_terms(9) AS w"),
        "[1 ['w' ['y' 'hello']]]"
    );
    assert_eq!(
        reply("AGGREGATE @n:[1,1.9] APPLY matched_terms() AS w"),
        "[1 ['w' ~]]"
    );
}

#[test]
fn a_group_more_than_there_may_be_is_refused() {
    let (groups, _) = counted("GROUPBY 1 @g", 99).expect("groups");
    let groups = groups as usize;
    assert_eq!(
        counted("GROUPBY 1 @g", groups).expect("as many as may be"),
        (groups as u64, groups)
    );
    let error = counted("GROUPBY 1 @g", groups - 1).expect_err("one too many");
    assert_eq!(error.code, OVER_LIMIT);
    let shown = String::from_utf8_lossy(&error.text).into_owned();
    assert!(shown.contains(&format!("MAX_AGGREGATE_GROUPS, which is {}", groups - 1)));
}

/// The rows before it are replied with the reason as a warning.
#[test]
fn an_expression_that_fails_after_rows_ends_them() {
    let server = server();
    let words = words("LOAD 1 @g SORTBY 2 @n ASC APPLY upper(@g) AS x");
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let request = AggregateRequest::parse(&words, &defaults()).expect("a request");
    let mut pipeline =
        Pipeline::aggregate(&request, server.index.schema(), &[]).expect("a pipeline");
    let mut context = Context {
        hits: &mut server.hits(Some(&Node::new(Kind::Everything))),
        index: &server.index,
        loader: &server,
        budget: u64::MAX,
        is_over: false,
    };
    let batch = pipeline.next_rows(99, &mut context).expect("rows");
    assert!(!batch.rows.is_empty());
    assert_eq!(batch.ending, BatchEnd::Done);
    assert!(batch.failure.is_some());
}

/// Numbers of a tag's values are used again while a query waits: groups go by the values.
#[test]
fn groups_of_tags_are_right_while_the_index_changes() {
    let schema = "SCHEMA g TAG SORTABLE";
    let mut server = Server::new(schema, "d1 g x\nd2 g y\nd3 g z\nd4 g y\nd5 t none");
    let words = words("GROUPBY 1 @g REDUCE COUNT 0 AS c");
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let request = AggregateRequest::parse(&words, &defaults()).expect("a request");
    let mut pipeline =
        Pipeline::aggregate(&request, server.index.schema(), &[]).expect("a pipeline");
    let mut hits = server.hits(Some(&Node::new(Kind::Everything)));
    let mut rows = Vec::new();
    for turn in 0.. {
        let mut context = Context {
            hits: &mut hits,
            index: &server.index,
            loader: &server,
            budget: 1,
            is_over: false,
        };
        let batch = pipeline.next_rows(99, &mut context).expect("rows");
        rows.extend(batch.rows);
        if batch.ending == BatchEnd::Done {
            break;
        }
        if turn == 0 {
            // From now on `w` has the number of `x`, which has a group.
            server.index.remove(b"d1");
            server
                .index
                .put(b"d3", &Hash(&vec![("g".into(), "w".into())]));
        }
    }
    let mut shown: Vec<String> = rows.iter().map(|row| fields(&pipeline, row)).collect();
    shown.sort();
    let expected = [
        "['g' 'w' 'c' '1']",
        "['g' 'x' 'c' '1']",
        "['g' 'y' 'c' '2']",
        "['g' ~ 'c' '1']",
    ];
    assert_eq!(shown, expected);
}

/// MAX is the count of a LIMIT: the last word counts. SORTBY 0 gives all rows.
#[test]
fn the_last_of_max_and_limit_counts() {
    for (stages, rows) in [
        ("LIMIT 0 2 SORTBY 2 @n DESC MAX 1", 1),
        ("LIMIT 1 2 SORTBY 2 @n DESC MAX 3", 3),
        ("SORTBY 2 @n DESC MAX 1 LIMIT 0 2", 2),
        ("SORTBY 2 @n DESC MAX 0", 10),
        ("LIMIT 0 2 SORTBY 2 @n DESC MAX 0", 10),
        ("LIMIT 0 0 SORTBY 2 @n DESC MAX 2", 0),
        ("SORTBY 2 @n DESC MAX 2 LIMIT 0 0", 0),
        ("SORTBY 0", 12),
        ("SORTBY 0 MAX 3", 3),
        ("SORTBY 0 LIMIT 10 5", 2),
    ] {
        let lines: Vec<String> = (0..12).map(|n| format!("d{n} n {n}")).collect();
        let server = Server::new("SCHEMA n NUMERIC SORTABLE", &lines.join("\n"));
        let line = format!("AGGREGATE * {stages}");
        let (total, got) = rows_of(&reply_to(&server, &line, (99, 99)));
        assert_eq!((total.as_str(), got.len()), ("12", rows), "{stages}");
    }
}

/// WITHCOUNT with a cursor: each piece has the number of all rows.
#[test]
fn pieces_of_a_cursor_have_the_number_of_all_rows() {
    for (stages, total) in [
        ("", 7),
        ("LIMIT 0 5", 7),
        ("SORTBY 1 @n", 7),
        ("FILTER exists(@n) LIMIT 0 1", 6),
        ("SORTBY 1 @n FILTER exists(@n)", 6),
    ] {
        let line = format!("LOAD 1 @g WITHCOUNT WITHCURSOR {stages}");
        let words = words(&line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut request = AggregateRequest::parse(&words, &defaults()).expect("a request");
        request.options.is_strict = true;
        let server = server();
        let mut pipeline =
            Pipeline::aggregate(&request, server.index.schema(), &[]).expect("a pipeline");
        let mut hits = server.hits(Some(&Node::new(Kind::Everything)));
        loop {
            let mut context = Context {
                hits: &mut hits,
                index: &server.index,
                loader: &server,
                budget: u64::MAX,
                is_over: false,
            };
            let batch = pipeline.next_rows(1, &mut context).expect("rows");
            assert_eq!(pipeline.first_total(), total, "{stages}");
            if batch.ending == BatchEnd::Done {
                break;
            }
        }
    }
}

/// A missing value is before all others, and last in the other direction.
#[test]
fn first_values_may_be_those_without_the_value_that_orders() {
    let schema = "SCHEMA t TEXT n NUMERIC";
    let server = Server::new(schema, "d1 t x n 3\nd2 t y n 5\nd3 t z");
    for (direction, expected) in [("ASC", "z"), ("DESC", "y")] {
        let line = format!("AGGREGATE * GROUPBY 0 REDUCE FIRST_VALUE 4 @t BY @n {direction} AS r");
        let expected = format!("[1 ['r' '{expected}']]");
        assert_eq!(reply_to(&server, &line, (9, 99)), expected);
    }
}

#[test]
fn collect_gives_maps() {
    let line = "AGGREGATE * GROUPBY 1 @k REDUCE COLLECT 5 FIELDS 2 @t @n DISTINCTLY";
    assert_eq!(
        reply_to(&server(), line, (9, 9)),
        "-Unknown argument `DISTINCTLY` at position 4 for COLLECT"
    );
    let line = "AGGREGATE * GROUPBY 1 @k REDUCE COLLECT 11 FIELDS 2 @t @n SORTBY 2 @n DESC LIMIT 0 1 \
        AS c SORTBY 1 @k MAX 2";
    assert_eq!(
        reply_to(&server(), line, (9, 99)),
        "[5 ['k' '1' 'c' [{'t':'hello'}]] ['k' '2' 'c' [{'n':'5'}]]]"
    );
}

#[test]
fn estimates_are_those_of_redis_stack() {
    let line = "AGGREGATE * GROUPBY 0 REDUCE HLL 1 @n AS h";
    let (_, recorded) = include_str!("hll.txt")
        .split_once("  =>  ")
        .expect("a reply");
    let recorded = bytes(recorded.trim_end());
    let words = words(line);
    let words: Vec<&[u8]> = words[2..].iter().map(Vec::as_slice).collect();
    let request = AggregateRequest::parse(&words, &defaults()).expect("a request");
    let server = server();
    let mut pipeline =
        Pipeline::aggregate(&request, server.index.schema(), &[]).expect("a pipeline");
    let all = Node::new(Kind::Everything);
    let rows = run(&mut pipeline, &mut server.hits(Some(&all)), &server, 9, 99).expect("rows");
    let (_, value) = &rows[0].fields[0];
    assert_eq!(
        value.text().map(|text| text.escape_ascii().to_string()),
        Some(recorded.escape_ascii().to_string())
    );
}
