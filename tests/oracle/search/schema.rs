//! Random schemas, and documents for them.
//!
//! Words come from a small pool, so that queries find documents. Capitals are ASCII, because Redis
//! 8 also lower-cases other letters.

use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Tag,
    Number,
    Place,
    Vector,
}

/// A field for queries and pipelines.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub is_sortable: bool,
    separator: char,
    /// In a JSON document: the field has several vectors, and the nearest vector counts.
    has_several: bool,
}

/// An index, and the nature of its documents.
#[derive(Clone, Debug)]
pub struct Schema {
    pub is_json: bool,
    pub fields: Vec<Field>,
    pub has_payloads: bool,
    /// The index refuses no document and reads none twice: 2.10 counts the lengths of such
    /// documents, too.
    pub is_sound: bool,
    /// The index stores positions of words: without them 2.10 finds no word with several forms near
    /// another.
    pub has_offsets: bool,
    /// The index has a FILTER: then 2.10 does not remove renamed documents.
    has_filter: bool,
    language_field: bool,
    score_field: bool,
}

/// A different number in each document, so that rows can be sorted without ties.
pub const UNIQUE: &str = "uid";

pub const WORDS: &[&str] = &[
    "hello",
    "help",
    "helping",
    "world",
    "worlds",
    "run",
    "running",
    "runs",
    "runner",
    "house",
    "houses",
    "housing",
    "blue",
    "bluish",
    "quick",
    "quickly",
    "foxes",
    "fox",
    "jumps",
    "jumped",
    "maison",
    "maisons",
    "manger",
    "häuser",
    "haus",
    "laufen",
    "läuft",
    "niño",
    "niños",
    "casa",
    "книга",
    "книги",
    "привет",
    "lumière",
    "ab",
    "abc",
    "abcd",
    "under_score",
    "x1",
    "42",
    "2024",
    "世界",
];
const STOP_WORDS: &[&str] = &["the", "a", "is", "of", "not", "to"];
const TAGS: &[&str] = &[
    "red", "green", "blue", "Red", "dark red", "x-y", "a.b", "rouge", "ru", "42",
];
const NUMBERS: &[&str] = &[
    "0", "1", "2", "3", "5", "10", "-1", "-7.5", "1.5", "2.25", "100", "1e3", "0.1", "1.50",
];
const PLACES: &[&str] = &[
    "0,0",
    "1.5,2.5",
    "1.6,2.4",
    "-10,20",
    "13.4,52.5",
    "2.35,48.85",
    "-122.4,37.8",
];
const LANGUAGES: &[&str] = &[
    "english", "french", "german", "spanish", "russian", "italian",
];

/// A random word of `words`.
pub fn one(random: &mut Random, words: &[&'static str]) -> &'static str {
    words[random.below(words.len())]
}

pub fn word(random: &mut Random) -> &'static str {
    one(random, WORDS)
}

pub fn tag(random: &mut Random) -> &'static str {
    one(random, TAGS)
}

pub fn number(random: &mut Random) -> &'static str {
    one(random, NUMBERS)
}

pub fn place(random: &mut Random) -> &'static str {
    one(random, PLACES)
}

pub fn language(random: &mut Random) -> &'static str {
    one(random, LANGUAGES)
}

/// Two numbers as FLOAT32.
pub fn vector(random: &mut Random) -> Vec<u8> {
    let numbers: Vec<f32> = (0..2).map(|_| vector_number(random)).collect();
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn vector_number(random: &mut Random) -> f32 {
    // Many values, because equal distances have no order.
    (random.below(4000) as f32 - 2000.0) / 64.0
}

impl Schema {
    pub fn of_kind(&self, kind: Kind) -> Vec<&Field> {
        self.fields
            .iter()
            .filter(|field| field.kind == kind)
            .collect()
    }

    pub fn name_of(&self, kind: Kind, random: &mut Random) -> Option<&'static str> {
        let names = self.of_kind(kind);
        (!names.is_empty()).then(|| random.pick(&names).name)
    }

    pub fn key(&self, random: &mut Random) -> String {
        format!("d:{}", random.below(16))
    }
}

/// A random schema, and the FT.CREATE that makes it.
pub fn create(name: &str, random: &mut Random) -> (Schema, Vec<Vec<u8>>) {
    let is_json = random.chance(30);
    let mut line = format!(
        "FT.CREATE {name} ON {}",
        if is_json { "JSON" } else { "HASH" }
    );
    if random.chance(80) {
        line.push_str(" PREFIX 1 d:");
    }
    let mut schema = Schema {
        is_json,
        fields: Vec::new(),
        has_payloads: false,
        is_sound: random.chance(60),
        has_offsets: true,
        has_filter: false,
        language_field: random.chance(15),
        score_field: random.chance(15),
    };
    if random.chance(8) {
        // `exists`, because a new index of 2.10 takes existing documents without the field.
        let filters = [
            " FILTER exists(@uid)&&(@uid>3)",
            " FILTER exists(@uid)&&(@uid!=5)",
        ];
        line.push_str(one(random, &filters));
        schema.has_filter = true;
    }
    if random.chance(20) {
        line.push_str(&format!(" LANGUAGE {}", language(random)));
    }
    if schema.language_field {
        line.push_str(if is_json {
            " LANGUAGE_FIELD $.lang"
        } else {
            " LANGUAGE_FIELD lang"
        });
    }
    if random.chance(10) {
        line.push_str(" SCORE 0.5");
    }
    if schema.score_field {
        line.push_str(if is_json {
            " SCORE_FIELD $.score"
        } else {
            " SCORE_FIELD score"
        });
    }
    if !is_json && random.chance(15) {
        schema.has_payloads = true;
        line.push_str(" PAYLOAD_FIELD payload");
    }
    if random.chance(12) {
        line.push_str(one(
            random,
            &[
                " STOPWORDS 0",
                " STOPWORDS 2 hello fox",
                " NOOFFSETS",
                " NOHL",
                " NOFREQS",
                " NOFIELDS",
                " MAXTEXTFIELDS",
            ],
        ));
    }
    schema.has_offsets = !line.contains("NOOFFSETS");
    line.push_str(" SCHEMA");
    let mut args: Vec<Vec<u8>> = line
        .split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect();
    for (name, kind, percent) in [
        (UNIQUE, Kind::Number, 100),
        ("t", Kind::Text, 95),
        ("u", Kind::Text, 60),
        ("g", Kind::Tag, 85),
        ("k", Kind::Tag, 40),
        ("n", Kind::Number, 85),
        ("m", Kind::Number, 40),
        ("p", Kind::Place, 40),
        ("e", Kind::Vector, 30),
    ] {
        if random.chance(percent) {
            let (field, words) = field(name, kind, is_json, random);
            schema.fields.push(field);
            args.extend(words);
        }
    }
    (schema, args)
}

fn field(
    name: &'static str,
    kind: Kind,
    is_json: bool,
    random: &mut Random,
) -> (Field, Vec<Vec<u8>>) {
    let mut field = Field {
        name,
        kind,
        is_sortable: false,
        separator: ',',
        has_several: is_json && kind == Kind::Vector && random.chance(50),
    };
    let mut line = match (is_json, kind) {
        (true, Kind::Tag) => format!("$.{name}[*] AS {name}"),
        (true, Kind::Vector) if field.has_several => {
            let path = one(random, &["[*]", "[0:3]", ""]);
            let depth = if path.is_empty() { ".." } else { "." };
            format!("${depth}{name}{path} AS {name}")
        }
        (true, _) => format!("$.{name} AS {name}"),
        (false, _) => name.to_owned(),
    };
    let mut maybe = |percent: usize, option: &str, line: &mut String| {
        if random.chance(percent) {
            line.push_str(option);
        }
    };
    match kind {
        Kind::Text => {
            line.push_str(" TEXT");
            // Neither NOSTEM, which 2.10 applies only to documents, nor WITHSUFFIXTRIE, with which
            // it loses changed documents.
            maybe(20, " WEIGHT 3", &mut line);
        }
        Kind::Tag => {
            line.push_str(" TAG");
            if !is_json && random.chance(30) {
                line.push_str(" SEPARATOR ;");
                field.separator = ';';
            }
            let mut maybe = |percent: usize, option: &str, line: &mut String| {
                if random.chance(percent) {
                    line.push_str(option);
                }
            };
            maybe(25, " CASESENSITIVE", &mut line);
        }
        Kind::Number => line.push_str(" NUMERIC"),
        Kind::Place => line.push_str(" GEO"),
        Kind::Vector => {
            let metric = random.pick(&["L2", "IP", "COSINE"]);
            // With few vectors the graph of either engine finds all of them.
            let algorithm = random.pick(&["FLAT", "FLAT", "HNSW"]);
            line.push_str(&format!(
                " VECTOR {algorithm} 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC {metric}"
            ));
        }
    }
    if matches!(kind, Kind::Text | Kind::Tag) && random.chance(15) {
        line.push_str(" INDEXEMPTY");
    }
    if name != UNIQUE && random.chance(12) {
        line.push_str(" INDEXMISSING");
    }
    let can_be_sortable = kind != Kind::Vector && !(is_json && kind == Kind::Tag);
    if can_be_sortable && (name == UNIQUE || random.chance(40)) {
        line.push_str(" SORTABLE");
        field.is_sortable = true;
        if !is_json && random.chance(20) {
            line.push_str(" UNF");
        }
    }
    let words = line
        .split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect();
    (field, words)
}

/// Words of a text field.
pub fn text(random: &mut Random) -> String {
    let mut words = Vec::new();
    for _ in 0..random.below(7) {
        let word = match random.below(20) {
            0 | 1 => random.pick(STOP_WORDS).to_string(),
            2 => format!("{}-{}", word(random), word(random)),
            3 => format!("{}, {}.", word(random), word(random)),
            4 => word(random)
                .to_uppercase()
                .replace(|c: char| !c.is_ascii(), ""),
            5 => "foo\\-bar".to_owned(),
            6 => "mail@example.com".to_owned(),
            _ => word(random).to_owned(),
        };
        words.push(word);
    }
    words.join(" ")
}

/// The value of a field, or `None` if the document lacks the field.
fn value(field: &Field, uid: usize, is_sound: bool, random: &mut Random) -> Option<Vec<u8>> {
    let is_bad = !is_sound && random.chance(3);
    if field.name == UNIQUE {
        return Some(uid.to_string().into_bytes());
    }
    if random.chance(12) {
        return None;
    }
    Some(match field.kind {
        Kind::Text => text(random).into_bytes(),
        Kind::Tag => {
            let tags: Vec<&str> = (0..random.few()).map(|_| tag(random)).collect();
            tags.join(&field.separator.to_string()).into_bytes()
        }
        Kind::Number if is_bad => b"bad".to_vec(),
        Kind::Number => number(random).as_bytes().to_vec(),
        Kind::Place if is_bad => b"nowhere".to_vec(),
        Kind::Place => place(random).as_bytes().to_vec(),
        Kind::Vector if is_bad => b"abc".to_vec(),
        Kind::Vector => vector(random),
    })
}

/// HSET or JSON.SET of the whole document `at`.
pub fn document(schema: &Schema, at: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let key = format!("d:{at}").into_bytes();
    let mut extra = Vec::new();
    if schema.language_field {
        extra.push(("lang", language(random)));
    }
    if schema.score_field {
        extra.push(("score", *random.pick(&["1", "0.5", "0.25"])));
    }
    if schema.has_payloads {
        extra.push(("payload", *random.pick(&["\u{1}\u{2}", "\u{1}\u{3}", "x"])));
    }
    if schema.is_json {
        let mut pairs: Vec<String> = Vec::new();
        for field in &schema.fields {
            let value = json_value(field, at, schema.is_sound, random);
            pairs.extend(value.map(|v| format!("\"{}\":{v}", field.name)));
        }
        pairs.extend(extra.iter().map(|(name, value)| match *name {
            "score" => format!("\"{name}\":{value}"),
            _ => format!("\"{name}\":\"{value}\""),
        }));
        let text = format!("{{{}}}", pairs.join(","));
        return vec![b"JSON.SET".to_vec(), key, b"$".to_vec(), text.into_bytes()];
    }
    let mut args = vec![b"HSET".to_vec(), key];
    for field in &schema.fields {
        if let Some(value) = value(field, at, schema.is_sound, random) {
            args.extend([field.name.as_bytes().to_vec(), value]);
        }
    }
    for (name, value) in extra {
        args.extend([name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
    }
    args.extend([b"other".to_vec(), text(random).into_bytes()]);
    args
}

fn json_value(field: &Field, uid: usize, is_sound: bool, random: &mut Random) -> Option<String> {
    if field.name == UNIQUE {
        return Some(uid.to_string());
    }
    if random.chance(12) {
        return None;
    }
    if !is_sound && random.chance(4) {
        return Some(
            random
                .pick(&["null", "true", "7", "\"odd\"", "{}"])
                .to_string(),
        );
    }
    Some(match field.kind {
        Kind::Text => format!("\"{}\"", text(random).replace('\\', "\\\\")),
        Kind::Tag => {
            let tags: Vec<String> = (0..random.few())
                .map(|_| format!("\"{}\"", tag(random)))
                .collect();
            format!("[{}]", tags.join(","))
        }
        Kind::Number => number(random).to_owned(),
        Kind::Place => format!("\"{}\"", place(random)),
        Kind::Vector if field.has_several => {
            let mut all = Vec::new();
            for _ in 0..random.few() {
                all.push(match random.below(if is_sound { 8 } else { 10 }) {
                    0 => "null".to_owned(),
                    8 => "[1]".to_owned(),
                    9 => "7".to_owned(),
                    _ => vector_text(random),
                });
            }
            format!("[{}]", all.join(","))
        }
        // A path for a single value finds no list of vectors.
        Kind::Vector if !is_sound && random.chance(20) => format!("[{}]", vector_text(random)),
        Kind::Vector => vector_text(random),
    })
}

fn vector_text(random: &mut Random) -> String {
    format!("[{:?},{:?}]", vector_number(random), vector_number(random))
}

/// A change of a document.
pub fn change(schema: &Schema, random: &mut Random) -> Vec<Vec<u8>> {
    let key = schema.key(random);
    let line = match random.below(10) {
        0 => format!("DEL {key}"),
        1..=3 if schema.has_filter => format!("DEL {key}"),
        // In 2.10 a key stays in the index twice if another key is renamed to it.
        1 => format!("RENAMENX {key} {}", schema.key(random)),
        2 => format!("RENAMENX {key} away:{}", random.below(3)),
        3 => format!("RENAMENX away:{} {key}", random.below(3)),
        4 => format!("PEXPIRE {key} 1000000"),
        5 if schema.is_json => format!("JSON.DEL {key} $.{}", random.pick(&schema.fields).name),
        5 => format!("HDEL {key} {}", random.pick(&schema.fields).name),
        6 if schema.is_json => format!("JSON.NUMINCRBY {key} $.n 1"),
        6 => format!("HINCRBYFLOAT {key} n 1"),
        7 => format!("SET {key} text"),
        _ => {
            // Documents from 0 to 15, each with its number as `uid`.
            let at = random.below(16);
            return document(schema, at, random);
        }
    };
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}
