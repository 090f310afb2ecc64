//! Indexes: queries, expressions, words of commands, and definitions in files.
//!
//! Words come from the vocabularies below, so that bytes often give a nearly right text. The
//! targets run every text that parses, over a few documents: a query finds no document twice.

use super::input::Input;
use russet_search::document::{Document, Item as Part, PathValues};
use russet_search::expression::{self, Row, Value};
use russet_search::file::{self, Definition, Item};
use russet_search::index::Index;
use russet_search::pipeline::{Context, Loader, Pipeline};
use russet_search::query::{self, Dialect, Params};
use russet_search::request::{AggregateRequest, Defaults, HybridRequest, SearchRequest};
use russet_search::schema::Schema;
use russet_search::schema::parse::{JsonPath, alter, create};
use russet_search::search::Search;
use std::borrow::Cow;

/// A hash: names and values.
struct Hash(Vec<(&'static str, Vec<u8>)>);

impl Document for Hash {
    fn find(&self, path: &[u8]) -> PathValues<'_> {
        let mut fields = self.0.iter();
        let found = fields.find(|(name, _)| name.as_bytes() == path);
        found.map_or(PathValues::Nothing, |(_, text)| {
            PathValues::One(Part::Text(Cow::Borrowed(text)))
        })
    }
}

impl Row for Hash {
    fn property(&self, _: usize, name: &[u8]) -> Option<Value> {
        let found = self.0.iter().find(|(its, _)| its.as_bytes() == name);
        found.map(|(_, text)| Value::Text(text.clone()))
    }
}

impl Loader for Hash {
    fn load(&self, _: &[u8], path: &[u8]) -> Option<Value> {
        self.property(0, path)
    }

    fn load_all(&self, _: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
        let owned =
            |(name, text): &(&str, Vec<u8>)| (name.as_bytes().to_vec(), Value::Text(text.clone()));
        Some(self.0.iter().map(owned).collect())
    }
}

const SCHEMA: &str = "SCHEMA t TEXT SORTABLE u TEXT NOSTEM INDEXEMPTY INDEXMISSING g TAG SORTABLE \
                      n NUMERIC SORTABLE p GEO v VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2";

fn words(line: &str) -> Vec<&[u8]> {
    line.split_ascii_whitespace().map(str::as_bytes).collect()
}

fn schema() -> Schema {
    create(b"i", &words(SCHEMA), &|_| Some(JsonPath::Ordered)).expect("a schema")
}

fn document(at: usize) -> Hash {
    const TEXTS: [&str; 4] = [
        "hello world",
        "the running dog",
        "ab abc abcd",
        "foo\\-bar x",
    ];
    let number = at as f32;
    Hash(vec![
        ("t", TEXTS[at % 4].into()),
        ("u", TEXTS[(at + 1) % 4].into()),
        ("g", ["red,blue", "x y", "a-b"][at % 3].into()),
        ("n", at.to_string().into_bytes()),
        ("p", format!("{at},{at}").into_bytes()),
        ("v", number.to_le_bytes().to_vec()),
    ])
}

fn index(schema: Schema) -> Index {
    let mut index = Index::new(schema);
    for at in 0..9 {
        index.put(format!("d:{at}").as_bytes(), &document(at));
    }
    index
}

fn params() -> Params {
    let vector = 1.0f32.to_le_bytes().to_vec();
    [(b"v".to_vec(), vector), (b"p".to_vec(), b"hello".to_vec())].into()
}

/// Runs a query, and asserts that it finds each document once.
fn ask(index: &Index, root: &query::Node) {
    let search = Search {
        explains: true,
        ..Search::default()
    };
    let Ok(root) = index.expand(root, &search) else {
        return;
    };
    let _ = query::explain(Some(&root), index.schema());
    let Ok(matches) = index.matches(&root, &search) else {
        return;
    };
    let found: Vec<u32> = matches.map(|hit| hit.document.0).collect();
    assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
    assert!(found.len() <= index.len());
}

/// A text from a vocabulary: a byte below 128 stands for a piece, any other byte for itself.
fn text(input: &mut Input<'_>, pieces: &[&str], len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..len {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            byte @ ..128 => {
                text.extend_from_slice(pieces[usize::from(byte) % pieces.len()].as_bytes())
            }
            byte => text.push(byte),
        }
    }
    text
}

const QUERY: &[&str] = &[
    "hello",
    "world",
    "run",
    "ab",
    "the",
    " ",
    " ",
    "(",
    ")",
    "|",
    "-",
    "~",
    "\"",
    "*",
    "%",
    "@t:",
    "@u:",
    "@g:{",
    "}",
    "red",
    "@n:[",
    "]",
    "0 ",
    "5",
    "(1 ",
    "inf",
    "@p:[1 1 500 km]",
    "@v:[",
    "=>",
    "{",
    "$weight:",
    "$slop:",
    "$inorder:true",
    ";",
    "2",
    "$p",
    "$v",
    "[KNN 3 @v $v",
    " AS d]",
    "VECTOR_RANGE 2 $v]",
    "ismissing(@u)",
    "w'",
    "'",
    "?",
    "\\",
    ":",
    "@n==",
    "!=",
    "<",
    ">=",
    ",",
    ".",
    "#",
    "é",
    "@nope:",
    "$yield_distance_as:",
    "EF_RUNTIME 5",
    "@t|u:",
    "/",
    "&",
    "\u{0}",
];

/// A dialect, and a query in it.
pub fn search_queries(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = Dialect::new(1 + input.byte() % 4).expect("one of four");
    let text = text(&mut input, QUERY, 400);
    let index = index(schema());
    if let Ok(Some(root)) = query::parse(&text, dialect, index.schema(), &params()) {
        ask(&index, &root);
    }
}

const EXPRESSION: &[&str] = &[
    "@t",
    "@n",
    "@p",
    "@nope",
    "1",
    "-2.5",
    "1e300",
    "'a'",
    "\"b c\"",
    "'%s%%'",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "(",
    ")",
    ",",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    " ",
    "upper(",
    "substr(",
    "contains(",
    "format(",
    "split(",
    "to_number(",
    "exists(",
    "case(",
    "geodistance(",
    "timefmt(",
    "parsetime(",
    "month(",
    "year(",
    "log(",
    "sqrt(",
    "matched_terms(",
    "NULL",
    "@",
    ".",
    "startswith(",
    "dayofweek(",
    "hour(",
];

/// An expression.
pub fn search_expressions(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let text = text(&mut input, EXPRESSION, 400);
    if let Ok(expression) = expression::parse(&text) {
        let _ = expression.evaluate(&document(3)).map(|value| value.shown());
    }
}

const WORDS: &[&str] = &[
    "ON",
    "HASH",
    "JSON",
    "PREFIX",
    "1",
    "2",
    "FILTER",
    "LANGUAGE",
    "german",
    "SCORE",
    "STOPWORDS",
    "SCHEMA",
    "AS",
    "TEXT",
    "TAG",
    "NUMERIC",
    "GEO",
    "GEOSHAPE",
    "VECTOR",
    "FLAT",
    "HNSW",
    "6",
    "TYPE",
    "FLOAT32",
    "DIM",
    "DISTANCE_METRIC",
    "L2",
    "SORTABLE",
    "UNF",
    "NOINDEX",
    "WEIGHT",
    "NOSTEM",
    "SEPARATOR",
    ",",
    "INDEXEMPTY",
    "INDEXMISSING",
    "t",
    "u",
    "g",
    "n",
    "p",
    "v",
    "@t",
    "@g",
    "@n",
    "LIMIT",
    "0",
    "10",
    "RETURN",
    "SORTBY",
    "ASC",
    "DESC",
    "GROUPBY",
    "REDUCE",
    "COUNT",
    "SUM",
    "TOLIST",
    "FIRST_VALUE",
    "BY",
    "QUANTILE",
    "0.5",
    "RANDOM_SAMPLE",
    "APPLY",
    "@n+1",
    "upper(@t)",
    "LOAD",
    "*",
    "3",
    "PARAMS",
    "DIALECT",
    "WITHSCORES",
    "NOCONTENT",
    "HIGHLIGHT",
    "SUMMARIZE",
    "FIELDS",
    "TAGS",
    "<b>",
    "SLOP",
    "INORDER",
    "INFIELDS",
    "INKEYS",
    "SCORER",
    "BM25",
    "EXPLAINSCORE",
    "GEOFILTER",
    "km",
    "WITHCURSOR",
    "MAX",
    "FORMAT",
    "EXPAND",
    "SEARCH",
    "VSIM",
    "@v",
    "$v",
    "KNN",
    "K",
    "COMBINE",
    "RRF",
    "LINEAR",
    "WINDOW",
    "hello",
    "-1",
    "99999999999999999999",
    "COLLECT",
    "PHONETIC",
    "dm:en",
    "M",
    "EF_RUNTIME",
    "TEMPORARY",
    "PAYLOAD_FIELD",
    "SCORE_FIELD",
    "$.a",
];

/// The words of a definition, of FT.SEARCH, FT.AGGREGATE or FT.HYBRID.
pub fn search_words(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let command = input.byte() % 5;
    let mut owned = Vec::new();
    while !input.is_empty() && owned.len() < 200 {
        owned.push(match input.byte() {
            byte @ ..240 => WORDS[usize::from(byte) % WORDS.len()].as_bytes().to_vec(),
            length => input.bytes(usize::from(length - 240)).to_vec(),
        });
    }
    let words: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
    let is_path = |path: &[u8]| path.starts_with(b"$").then_some(JsonPath::Unordered);
    let defaults = Defaults {
        dialect: Dialect::new(2).expect("a dialect"),
        rows_max: 1_000,
        offset_max: 1_000,
        groups_max: 1_000,
        is_resp3: true,
    };
    match command {
        0 => {
            if let Ok(schema) = create(b"i", &words, &is_path) {
                check_file(&schema);
                index(schema);
            }
        }
        1 => {
            let schema = schema();
            if let Ok(fields) = alter(&schema, b"i", &words, &is_path) {
                let mut index = index(schema);
                index.add_fields(fields);
                index.put(b"d:0", &document(1));
                check_file(index.schema());
            }
        }
        2 => {
            if let Ok(request) = SearchRequest::parse(&words, &defaults) {
                let index = index(schema());
                let root = request.query(b"hello | @n:[0 5]", index.schema());
                let pipeline = Pipeline::search(&request, index.schema(), &[]);
                if let (Ok(Some(root)), Ok(pipeline)) = (root, pipeline) {
                    run(&index, &root, pipeline);
                }
            }
        }
        3 => {
            if let Ok(request) = AggregateRequest::parse(&words, &defaults) {
                let index = index(schema());
                let root = request.options.query(b"*", index.schema());
                let pipeline = Pipeline::aggregate(&request, index.schema(), &[]);
                if let (Ok(Some(root)), Ok(pipeline)) = (root, pipeline) {
                    run(&index, &root, pipeline);
                }
            }
        }
        _ => {
            if let Ok(request) = HybridRequest::parse(&words, &defaults) {
                let index = index(schema());
                for root in [
                    request.text_query(index.schema()),
                    request.vector_query(index.schema()),
                ] {
                    if let Ok(Some(root)) = root {
                        ask(&index, &root);
                    }
                }
            }
        }
    }
}

/// Runs a pipeline, and asserts that it has no more rows than documents.
fn run(index: &Index, root: &query::Node, mut pipeline: Pipeline) {
    ask(index, root);
    let search = Search::default();
    let Ok(root) = index.expand(root, &search) else {
        return;
    };
    let Ok(mut matches) = index.matches(&root, &search) else {
        return;
    };
    let document = document(2);
    let mut context = Context {
        hits: &mut matches,
        index,
        loader: &document,
        budget: 100_000,
        is_over: false,
    };
    if let Ok(batch) = pipeline.next_rows(1_000, &mut context) {
        // A split text belongs to a group for each of its parts.
        assert!(batch.rows.len() <= 100 * index.len());
    }
}

fn definition(schema: &Schema) -> Definition {
    Definition {
        name: b"i".to_vec(),
        schema: schema.clone(),
        synonyms: [(b"a".to_vec(), vec![b"g".to_vec()])].into(),
        aliases: vec![b"alias".to_vec()],
        left_ms: schema.temporary_s.map(|_| 5),
        unread_filter: None,
    }
}

/// Asserts that a definition equals the definition read from its file.
fn check_file(schema: &Schema) {
    let (version, items) = file::write(&[definition(schema)]);
    let again = file::read(version, &items).expect("its own fields");
    assert_eq!(file::write(&again), (version, items));
}

/// Fields of module data with changes: fields of a definition, or of dictionaries.
pub fn search_settings(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_dictionary = input.byte().is_multiple_of(4);
    let version = 15 + u64::from(input.byte() % 14);
    let mut items = if is_dictionary {
        let words = [b"a".as_slice(), b"b"].map(Box::<[u8]>::from).into();
        file::write_dictionaries(&[(Box::from(b"d".as_slice()), words)].into())
    } else {
        file::write(&[definition(&schema()), definition(&schema())]).1
    };
    while !input.is_empty() && !items.is_empty() {
        let at = input.below(items.len());
        let small = u64::from(input.byte());
        match input.below(6) {
            0 => items[at] = Item::Number(small),
            1 => items[at] = Item::Number(u64::MAX >> (small % 64)),
            2 => items[at] = Item::Text(input.bytes(small as usize % 16).to_vec()),
            3 => items[at] = Item::Double(f64::from_bits(small << 56)),
            4 => _ = items.remove(at),
            _ => items.truncate(at),
        }
    }
    if is_dictionary {
        if let Ok(all) = file::read_dictionaries(&items) {
            let written = file::write_dictionaries(&all);
            assert_eq!(file::read_dictionaries(&written), Ok(all));
        }
        return;
    }
    let Ok(definitions) = file::read(version, &items) else {
        return;
    };
    let (version, items) = file::write(&definitions);
    let again = file::read(version, &items).expect("its own fields");
    assert_eq!(file::write(&again), (version, items));
    for definition in definitions {
        index(definition.schema);
    }
}
