//! Recorded replies to FT.AGGREGATE and FT.SEARCH over eight documents, of which one has a bad
//! number and is left out.
//!
//! Groups come in no order that is kept: their rows are compared as a set.

use super::{Batch, Context, Documents, Ending, Hits, Loader, OutputRow, Pipeline, SortValue};
use crate::error::{SearchError, Wording};
use crate::expression::{Value, number_of};
use crate::hit::{DocumentId, Hit};
use crate::query::{Dialect, Kind, Node};
use crate::record::{bytes, words};
use crate::request::{AggregateRequest, Defaults, SearchRequest};
use crate::schema::parse::{JsonPath, create};
use crate::schema::{FieldKind, Schema};

const SCHEMA: &str = "SCHEMA t TEXT SORTABLE u TEXT g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC \
    k NUMERIC j TAG s TEXT SORTABLE UNF";

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The documents, and the index of them.
struct Index {
    schema: Schema,
    documents: Vec<(Vec<u8>, Fields)>,
}

impl Index {
    fn new(schema: &str, documents: &str) -> Index {
        let words = |line| words(line);
        let of_schema = words(schema);
        let of_schema: Vec<&[u8]> = of_schema.iter().map(Vec::as_slice).collect();
        let documents = documents.lines().map(|line| {
            let mut words = words(line).into_iter();
            let key = words.next().expect("a key");
            let mut fields = Vec::new();
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                fields.push((name, value));
            }
            (key, fields)
        });
        Index {
            schema: create(b"i", &of_schema, &|_| Some(JsonPath::Ordered)).expect("a schema"),
            documents: documents.collect(),
        }
    }

    fn field(&self, document: DocumentId, name: &[u8]) -> Option<&[u8]> {
        let (_, fields) = self.documents.get(document.0 as usize)?;
        let mut fields = fields.iter();
        fields
            .find(|(its, _)| its == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Whether a document matches a query of few kinds.
    fn matches(&self, node: &Node, id: DocumentId) -> bool {
        match &node.kind {
            Kind::Everything => true,
            Kind::Word(word) => self.field(id, b"t").is_some_and(|text| {
                let text = text.to_ascii_lowercase();
                text.split(|byte| *byte == b' ').any(|its| its == word)
            }),
            Kind::Range { field, range } => {
                let n = self.field(id, field).and_then(number_of);
                n.is_some_and(|n| (range.min..=range.max).contains(&n))
            }
            other => panic!("{other:?}"),
        }
    }

    fn hits(&self, query: Option<&Node>) -> List {
        let all = (0..self.documents.len() as u32).map(DocumentId);
        let good = all.filter(|id| self.field(*id, b"m").is_none_or(|m| number_of(m).is_some()));
        let hits = good.filter(|id| query.is_some_and(|query| self.matches(query, *id)));
        let hits = hits.map(|document| Hit {
            document,
            score: 1.0,
            distances: Vec::new(),
            explanation: None,
        });
        List(hits.collect::<Vec<_>>().into_iter())
    }
}

struct List(std::vec::IntoIter<Hit>);

impl Hits for List {
    fn next(&mut self) -> Option<Hit> {
        self.0.next()
    }
}

/// The values that are kept for sorting, made when they are asked for.
struct Sorted(Vec<Vec<Option<Value>>>);

impl Sorted {
    fn of(index: &Index) -> Sorted {
        let ids = (0..index.documents.len() as u32).map(DocumentId);
        let row = |id| {
            let fields = index.schema.fields.iter();
            let value = |field: &crate::schema::Field| {
                let text = index.field(id, &field.name)?;
                Some(match field.kind {
                    FieldKind::Number => Value::Number(number_of(text)?),
                    _ if field.is_unnormalised => Value::Text(text.to_vec()),
                    _ => Value::Text(crate::text::in_small_letters(text)),
                })
            };
            fields.map(value).collect()
        };
        Sorted(ids.map(row).collect())
    }
}

struct Seen<'i>(&'i Index, &'i Sorted);

impl Documents for Seen<'_> {
    fn key(&self, document: DocumentId) -> Option<&[u8]> {
        let (key, _) = self.0.documents.get(document.0 as usize)?;
        Some(key)
    }

    fn sort_value(&self, document: DocumentId, field: usize) -> Option<SortValue<'_>> {
        match self.1.0[document.0 as usize][field].as_ref()? {
            Value::Number(n) => Some(SortValue::Number(*n)),
            Value::Text(text) => Some(SortValue::Text(text)),
            _ => None,
        }
    }
}

impl Loader for Index {
    fn load(&self, key: &[u8], path: &[u8]) -> Option<Value> {
        let id = self.documents.iter().position(|(its, _)| its == key)?;
        let text = self.field(DocumentId(id as u32), path)?;
        Some(Value::Text(text.to_vec()))
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

fn defaults() -> Defaults {
    Defaults {
        dialect: Dialect::FIRST,
        rows_max: 1_000_000,
        offset_max: 1_000_000,
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

fn fields(pipeline: &Pipeline, row: &OutputRow) -> String {
    let pairs = row.fields.iter();
    let pairs = pairs.map(|(at, value)| format!("{} {}", quoted(pipeline.name(*at)), shown(value)));
    format!("[{}]", pairs.collect::<Vec<_>>().join(" "))
}

/// All rows, in calls for `most` with a budget of `budget`.
fn run(
    pipeline: &mut Pipeline,
    hits: &mut List,
    index: &Index,
    most: usize,
    budget: u64,
) -> Result<Vec<OutputRow>, SearchError> {
    let sorted = Sorted::of(index);
    let mut rows = Vec::new();
    loop {
        let mut context = Context {
            hits,
            documents: &Seen(index, &sorted),
            loader: index,
            budget,
        };
        let batch: Batch = pipeline.next_rows(most, &mut context)?;
        rows.extend(batch.rows);
        if batch.ending == Ending::Done {
            return Ok(rows);
        }
    }
}

fn reply_to_search(index: &Index, query: &[u8], words: &[&[u8]]) -> Result<String, SearchError> {
    let request = SearchRequest::parse(words, &defaults())?;
    let query = request.query(query, &index.schema)?;
    let mut pipeline = Pipeline::search(&request, &index.schema, &[])?;
    let rows = run(
        &mut pipeline,
        &mut index.hits(query.as_ref()),
        index,
        100,
        u64::MAX,
    )?;
    let mut reply = vec![pipeline.total().to_string()];
    for row in &rows {
        let document = row.document.expect("a document");
        reply.push(quoted(&index.documents[document.0 as usize].0));
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
    index: &Index,
    query: &[u8],
    words: &[&[u8]],
    (most, budget): (usize, u64),
) -> Result<(String, Vec<String>), SearchError> {
    let request = AggregateRequest::parse(words, &defaults())?;
    let query = request.options.query(query, &index.schema)?;
    let mut pipeline = Pipeline::aggregate(&request, &index.schema, &[])?;
    let mut hits = index.hits(query.as_ref());
    let rows = run(&mut pipeline, &mut hits, index, most, budget)?;
    let shown = rows.iter().map(|row| fields(&pipeline, row));
    Ok((pipeline.first_total().to_string(), shown.collect()))
}

/// A reply, its rows sorted if they are groups in no order.
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
fn reply_to(index: &Index, line: &str, slice: (usize, u64)) -> String {
    let asked = words(line);
    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let (command, query, words) = (asked[0], asked[1], &asked[2..]);
    let reply = if command == b"SEARCH" {
        reply_to_search(index, query, words)
    } else {
        reply_to_aggregate(index, query, words, slice)
            .map(|(total, rows)| joined(line, &total, rows))
    };
    reply.unwrap_or_else(|error| {
        format!("-{}", error.wire(Wording::Stack7).escape_ascii()).replace("\\'", "'")
    })
}

fn differing(record: &str, index: &Index, slice: (usize, u64)) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in record.lines().filter(|line| !line.starts_with('#')) {
        let (asked, expected) = line.split_once("  =>  ").expect("a reply");
        let got = reply_to(index, asked, slice);
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

fn index() -> Index {
    Index::new(SCHEMA, include_str!("documents.txt"))
}

#[test]
fn rows_are_those_of_redis_stack() {
    let wrong = differing(include_str!("answers.txt"), &index(), (100, u64::MAX));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As cursors read them, and as a server that must not be held up does.
#[test]
fn rows_are_the_same_one_by_one_and_in_slices() {
    let record = include_str!("answers.txt").lines();
    // An error ends a reply of several rows, and is the whole reply of one.
    let plain = |line: &&str| !line.contains("APPLY") && !line.contains("FILTER");
    let record = record.filter(plain).collect::<Vec<_>>().join("\n");
    for slice in [(1, u64::MAX), (2, 1), (100, 2)] {
        let wrong = differing(&record, &index(), slice);
        assert!(wrong.is_empty(), "{slice:?}\n{}", wrong.join("\n"));
    }
}

#[test]
fn names_and_reducers_are_refused_as_redis_stack_refuses_them() {
    let schema = "SCHEMA t TEXT u TEXT NOSTEM g TAG SORTABLE n NUMERIC SORTABLE m NUMERIC loc GEO";
    let documents = "d1 t \"hello world\" u run g a n 1 m 2 loc 1,2\n\
        d2 t \"hello there\" u runs g b n 2 m 1 loc 1,3";
    let index = Index::new(schema, documents);
    let wrong = differing(include_str!("refused.txt"), &index, (100, u64::MAX));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn collect_gives_maps() {
    let line = "AGGREGATE * GROUPBY 1 @k REDUCE COLLECT 5 FIELDS 2 @t @n DISTINCTLY";
    assert_eq!(
        reply_to(&index(), line, (9, 9)),
        "-Unknown argument `DISTINCTLY` at position 4 for COLLECT"
    );
    let line = "AGGREGATE * GROUPBY 1 @k REDUCE COLLECT 11 FIELDS 2 @t @n SORTBY 2 @n DESC LIMIT 0 1 \
        AS c SORTBY 1 @k MAX 2";
    assert_eq!(
        reply_to(&index(), line, (9, 99)),
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
    let index = index();
    let mut pipeline = Pipeline::aggregate(&request, &index.schema, &[]).expect("a pipeline");
    let all = Node::new(Kind::Everything);
    let rows = run(&mut pipeline, &mut index.hits(Some(&all)), &index, 9, 99).expect("rows");
    let (_, value) = &rows[0].fields[0];
    assert_eq!(
        value.text().map(|text| text.escape_ascii().to_string()),
        Some(recorded.escape_ascii().to_string())
    );
}
