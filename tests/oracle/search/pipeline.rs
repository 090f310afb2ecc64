//! The options of FT.SEARCH, and the stages of FT.AGGREGATE.
//!
//! Expressions are always in brackets, because Redis 8 changed the precedence of operators.

use super::query;
use super::schema::{self, Field, Kind, Schema, UNIQUE};
use crate::random::Random;

/// Scorers with the same formula in both engines.
const SCORERS: &[&str] = &[
    "TFIDF",
    "TFIDF.DOCNORM",
    "BM25",
    "BM25STD",
    "DISMAX",
    "DOCSCORE",
    "HAMMING",
];

struct Line<'r> {
    args: Vec<Vec<u8>>,
    random: &'r mut Random,
}

impl Line<'_> {
    fn add(&mut self, words: &str) {
        self.args
            .extend(words.split(' ').map(|word| word.as_bytes().to_vec()));
    }

    fn maybe(&mut self, percent: usize, words: &str) {
        if self.random.chance(percent) {
            self.add(words);
        }
    }
}

/// A command with a query, and the options of the command.
fn asked<'r>(
    name: &str,
    index: &str,
    schema: &Schema,
    random: &'r mut Random,
) -> (Line<'r>, usize, query::Query) {
    let dialect = *random.pick(&[1, 1, 2, 2, 2, 3, 4]);
    let query = query::query(schema, dialect, random);
    let args = vec![
        name.as_bytes().to_vec(),
        index.as_bytes().to_vec(),
        query.text.clone(),
    ];
    (Line { args, random }, dialect, query)
}

fn finish(mut line: Line<'_>, dialect: usize, query: &query::Query) -> Vec<Vec<u8>> {
    if !query.params.is_empty() {
        line.add(&format!("PARAMS {}", query.params.len() * 2));
        for (name, value) in &query.params {
            line.args.extend([name.clone().into_bytes(), value.clone()]);
        }
    }
    if dialect > 1 || line.random.chance(50) {
        line.add(&format!("DIALECT {dialect}"));
    }
    line.args
}

pub fn search(index: &str, schema: &Schema, random: &mut Random) -> Vec<Vec<u8>> {
    let (mut line, dialect, query) = asked("FT.SEARCH", index, schema, random);
    let text = schema.name_of(Kind::Text, line.random);
    line.maybe(40, "NOCONTENT");
    line.maybe(10, "VERBATIM");
    line.maybe(5, "NOSTOPWORDS");
    if line.random.chance(50) {
        line.add("WITHSCORES");
        // Each engine stores a numeric range as a single part or as several parts of the score.
        let has_parts = !schema.of_kind(Kind::Vector).is_empty();
        // 2.10 has its own weights for `ismissing` and its opposite.
        let has = |part: &[u8]| query.text.windows(part.len()).any(|text| text == part);
        if !has_parts
            && !has(b"ismissing")
            && !has(b"=>{")
            && !query.text.contains(&b'|')
            && !query
                .text
                .windows(2)
                .any(|pair| pair == b":[" || pair == b"==")
        {
            line.maybe(40, "EXPLAINSCORE");
        }
    }
    // 2.10 counts a vector as a further occurrence of the most frequent word.
    let has_vectors = !schema.of_kind(Kind::Vector).is_empty();
    // 2.10 gives positions to several tags, although tags have none.
    let has_tags = query.text.windows(2).any(|pair| pair == b":{");
    let scorers: Vec<&str> = SCORERS
        .iter()
        .copied()
        .filter(|name| !has_tags || !["TFIDF", "TFIDF.DOCNORM", "BM25"].contains(name))
        .filter(|name| !(has_vectors && *name == "TFIDF"))
        .filter(|name| schema.is_sound || !name.starts_with("BM25"))
        .collect();
    let has_scores = line.args.iter().any(|arg| arg == b"WITHSCORES");
    if (has_vectors || has_tags) && has_scores || line.random.chance(50) {
        let scorer = *line.random.pick(&scorers);
        line.add(&format!("SCORER {scorer}"));
        if scorer == "HAMMING" {
            line.add("PAYLOAD \u{1}\u{2}");
        }
    }
    if schema.has_payloads {
        line.maybe(30, "WITHPAYLOADS");
    }
    // These filters are a single part or several parts of the score, like ranges.
    if !has_scores && line.random.chance(8) {
        let field = schema.name_of(Kind::Number, line.random).unwrap_or(UNIQUE);
        let low = schema::number(line.random);
        line.add(&format!("FILTER {field} {low} 50"));
    }
    if let Some(field) = schema.name_of(Kind::Place, line.random)
        && !has_scores
    {
        line.maybe(8, &format!("GEOFILTER {field} 1 2 9000 km"));
    }
    line.maybe(5, "INKEYS 3 d:1 d:2 d:7");
    if let Some(text) = text {
        line.maybe(8, &format!("INFIELDS 1 {text}"));
    }
    let is_filtered = ["FILTER", "GEOFILTER", "INKEYS"]
        .iter()
        .any(|name| line.args.iter().any(|arg| arg == name.as_bytes()));
    if !is_filtered && !has_tags {
        line.maybe(if schema.has_offsets { 8 } else { 0 }, "SLOP 1 VERBATIM");
        line.maybe(if schema.has_offsets { 5 } else { 0 }, "INORDER VERBATIM");
    }
    if line.random.chance(6) {
        let language = schema::language(line.random);
        line.add(&format!("LANGUAGE {language}"));
    }
    if line.random.chance(20) {
        let fields: Vec<&str> = (0..line.random.few())
            .map(|_| line.random.pick(&schema.fields).name)
            .collect();
        line.add(&format!("RETURN {} {}", fields.len(), fields.join(" ")));
    }
    let mut is_sorted = false;
    // In dialect 4 2.10 sorts in another way, and crashes now and then.
    if dialect < 4 && line.random.chance(45) {
        let field = match (&query.distance, line.random.below(3)) {
            (Some(distance), 0 | 1) => distance.clone(),
            (_, 0) if !(has_vectors || schema.is_json && dialect > 2) => {
                line.random.pick(&schema.fields).name.to_owned()
            }
            _ => UNIQUE.to_owned(),
        };
        // 2.10 sets scores that are too low for the first rows to 0, although another field sorts
        // the rows.
        is_sorted = field == UNIQUE && !has_scores;
        line.add(&format!("SORTBY {field}"));
        let order = *line.random.pick(&["ASC", "DESC"]);
        line.maybe(60, order);
        // The engine makes a loaded field a number when it compares two rows, and not in a single
        // row.
        if field == UNIQUE {
            line.maybe(60, "WITHSORTKEYS");
        }
    }
    let limits: &[&str] = if is_sorted {
        &[
            "LIMIT 0 3",
            "LIMIT 2 4",
            "LIMIT 0 100",
            "LIMIT 0 0",
            "LIMIT 90 5",
        ]
    } else {
        &["LIMIT 0 100", "LIMIT 0 100", "LIMIT 0 100", "LIMIT 0 0"]
    };
    let limit = *line.random.pick(limits);
    line.add(limit);
    line.maybe(1, "NOPE");
    finish(line, dialect, &query)
}

pub fn explain(index: &str, schema: &Schema, random: &mut Random) -> Vec<Vec<u8>> {
    let name = *random.pick(&["FT.EXPLAIN", "FT.EXPLAIN", "FT.EXPLAINCLI"]);
    let (line, dialect, query) = asked(name, index, schema, random);
    finish(line, dialect, &query)
}

pub fn aggregate(index: &str, schema: &Schema, random: &mut Random) -> Vec<Vec<u8>> {
    let (mut line, mut dialect, query) = asked("FT.AGGREGATE", index, schema, random);
    // Later dialects give a stage all values of a JSON path, both as text and as the first value.
    dialect = dialect.min(if schema.is_json { 2 } else { 3 });
    line.maybe(6, "VERBATIM");
    let mut properties: Vec<(String, Kind)> = schema
        .fields
        .iter()
        .filter(|field| field.is_sortable)
        .map(|field| (field.name.to_owned(), field.kind))
        .collect();
    if line.random.chance(60) {
        let mut names = Vec::new();
        for _ in 0..line.random.few() {
            let field = line.random.pick(&schema.fields);
            names.push(format!("@{}", field.name));
            // The bytes of a vector may contain a NUL, which ends a C string, or have none at the
            // end.
            if field.kind == Kind::Vector {
                continue;
            }
            properties.push((field.name.to_owned(), field.kind));
        }
        if line.random.chance(30) {
            names.push("@__key".to_owned());
        }
        line.add(&format!("LOAD {} {}", names.len(), names.join(" ")));
    } else if line.random.chance(15) {
        line.add("LOAD *");
        properties = schema
            .fields
            .iter()
            .filter(|field| field.kind != Kind::Vector)
            .map(|field| (field.name.to_owned(), field.kind))
            .collect();
    }
    if let Some(distance) = &query.distance {
        properties.push((distance.clone(), Kind::Number));
    }
    let mut is_grouped = false;
    // An expression that fails ends the reply, so the rows before it need a fixed order.
    let mut ordered_by = Some(UNIQUE);
    for stage in 0..line.random.below(4) {
        let kind = line.random.below(10);
        if kind <= 4
            && let Some(name) = ordered_by.take()
        {
            line.add(&format!("SORTBY 2 @{name} ASC MAX 100"));
        }
        match kind {
            0..=3 => {
                let name = format!("x{stage}");
                let expression = expression(&properties, 2, line.random);
                line.args
                    .extend([b"APPLY".to_vec(), expression.into_bytes()]);
                line.add(&format!("AS {name}"));
                properties.push((name, Kind::Number));
            }
            4 => {
                let expression = expression(&properties, 2, line.random);
                line.args
                    .extend([b"FILTER".to_vec(), expression.into_bytes()]);
            }
            5 | 6 if !is_grouped => {
                is_grouped = true;
                let by = any_field(schema, line.random);
                let by_name = by.name;
                let by = (by_name.to_owned(), by.kind);
                let mut made = vec![by.clone()];
                ordered_by = Some(by_name);
                if line.random.chance(10) {
                    line.add("GROUPBY 0");
                    ordered_by = None;
                    made.clear();
                } else {
                    line.add(&format!("GROUPBY 1 @{}", by.0));
                }
                for reducer in 0..line.random.below(4) {
                    let name = format!("r{stage}{reducer}");
                    let words = reducer_words(schema, line.random);
                    let is_named = line.random.chance(80);
                    line.add(&format!("REDUCE {words}"));
                    if is_named {
                        line.add(&format!("AS {name}"));
                        made.push((name, Kind::Number));
                    }
                }
                properties = made;
            }
            7 if !properties.is_empty() => {
                let (name, _) = line.random.pick(&properties).clone();
                let order = *line.random.pick(&["ASC", "DESC"]);
                // MAX 100 instead of the default 10, because equal rows have no order.
                line.add(&format!("SORTBY 2 @{name} {order} MAX 100"));
            }
            8 if !is_grouped => {
                line.add(&format!("SORTBY 2 @{UNIQUE} ASC LIMIT 1 5"));
            }
            _ => {}
        }
    }
    line.maybe(4, "WITHCURSOR COUNT 1000");
    line.maybe(1, "NOPE");
    finish(line, dialect, &query)
}

fn any_field<'s>(schema: &'s Schema, random: &mut Random) -> &'s Field {
    loop {
        let field = random.pick(&schema.fields);
        if field.kind != Kind::Vector {
            return field;
        }
    }
}

fn reducer_words(schema: &Schema, random: &mut Random) -> String {
    let number = schema.name_of(Kind::Number, random).unwrap_or(UNIQUE);
    let any = any_field(schema, random).name;
    match random.below(16) {
        0 | 1 => "COUNT 0".to_owned(),
        2 => format!("SUM 1 @{number}"),
        3 => format!("MIN 1 @{number}"),
        4 => format!("MAX 1 @{number}"),
        5 => format!("AVG 1 @{number}"),
        6 => format!("STDDEV 1 @{number}"),
        7 => format!("QUANTILE 2 @{number} 0.5"),
        8 => format!("COUNT_DISTINCT 1 @{any}"),
        9 => format!("COUNT_DISTINCTISH 1 @{any}"),
        10 | 11 => format!("TOLIST 1 @{any}"),
        12 => format!("FIRST_VALUE 4 @{any} BY @{UNIQUE} DESC"),
        13 => format!("FIRST_VALUE 3 @{any} BY @{UNIQUE}"),
        14 => format!("RANDOM_SAMPLE 2 @{UNIQUE} 50"),
        _ => format!("SUM 1 @{any}"),
    }
}

/// An expression over loaded properties.
fn expression(properties: &[(String, Kind)], depth: usize, random: &mut Random) -> String {
    let property = |random: &mut Random| {
        if properties.is_empty() {
            "'none'".to_owned()
        } else {
            format!("@{}", random.pick(properties).0)
        }
    };
    if depth == 0 {
        return match random.below(8) {
            0 => schema::number(random).to_owned(),
            1 => format!("'{}'", schema::word(random)),
            2 => random.pick(&["''", "\"a b\"", "'10'", "'1.5'"]).to_string(),
            _ => property(random),
        };
    }
    let of = |random: &mut Random| expression(properties, depth - 1, random);
    match random.below(30) {
        0..=5 => {
            let operator = *random.pick(&["+", "-", "*", "/", "%", "^"]);
            let right = match operator {
                // A divisor between 0 and 1 ends 2.10, because it is 0 as a whole number.
                "%" => random.pick(&["3", "1.5", "0"]).to_string(),
                _ => of(random),
            };
            format!("({} {operator} {right})", of(random))
        }
        6..=9 => {
            let operator = *random.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("({} {operator} {})", of(random), of(random))
        }
        10 | 11 => {
            let operator = *random.pick(&["&&", "||"]);
            format!("({} {operator} {})", of(random), of(random))
        }
        12 => format!("(!{})", of(random)),
        13 => {
            let name = *random.pick(&["abs", "ceil", "floor", "log", "log2", "exp", "sqrt"]);
            format!("{name}({})", of(random))
        }
        14 | 15 => {
            let name = *random.pick(&["upper", "lower", "strlen", "to_number"]);
            format!("{name}({})", of(random))
        }
        16 => {
            let start = *random.pick(&["0", "1", "-2", "9"]);
            let length = *random.pick(&["2", "-1", "0", "100"]);
            format!("substr({}, {start}, {length})", of(random))
        }
        17 => format!("startswith({}, {})", of(random), of(random)),
        18 => format!("contains({}, {})", of(random), of(random)),
        19 => format!("format('%s-%s%%', {}, {})", of(random), of(random)),
        20 => format!("(split({}, ',', ' ') && 1)", property(random)),
        21 => format!("exists({})", property(random)),
        22 | 23 => {
            let name = *random.pick(&[
                "hour",
                "minute",
                "day",
                "month",
                "dayofweek",
                "dayofmonth",
                "dayofyear",
                "year",
                "monthofyear",
                "timefmt",
            ]);
            let time = *random.pick(&["1517417144", "0", "1609459199", "-5", "86399"]);
            format!("{name}({time})")
        }
        24 => format!(
            "parsetime({}, '%Y-%m-%d')",
            random.pick(&["'2018-01-31'", "'x'", "'1999-12-31'"])
        ),
        25 => {
            let place = schema::place(random);
            format!("geodistance({}, '{place}')", property(random))
        }
        26 => "nope(1)".to_owned(),
        27 => "@absent".to_owned(),
        _ => of(random),
    }
}
