//! Random queries, from the grammar of the query language.

use super::schema::{self, Kind, Schema};
use crate::random::Random;

/// A query, and the names and values of its parameters.
pub struct Query {
    pub text: Vec<u8>,
    pub params: Vec<(String, Vec<u8>)>,
    /// The name of a KNN's distance field.
    pub distance: Option<String>,
}

struct Writer<'r> {
    schema: &'r Schema,
    random: &'r mut Random,
    dialect: usize,
    params: Vec<(String, Vec<u8>)>,
}

pub fn query(schema: &Schema, dialect: usize, random: &mut Random) -> Query {
    let mut writer = Writer {
        schema,
        random,
        dialect,
        params: Vec::new(),
    };
    if writer.random.chance(8) {
        return writer.done("*".to_owned(), None);
    }
    if writer.random.chance(3) {
        let text = writer.broken();
        return writer.done(text, None);
    }
    let depth = writer.random.below(3);
    let text = writer.expression(depth);
    let vector = schema.name_of(Kind::Vector, writer.random);
    if let Some(field) = vector.filter(|_| dialect > 1)
        && writer.random.chance(40)
    {
        let filter = if writer.random.chance(40) {
            "*".to_owned()
        } else {
            format!("({text})")
        };
        let blob = schema::vector(writer.random);
        let name = writer.param(blob);
        let k = *writer.random.pick(&["3", "10", "100"]);
        let is_named = writer.random.chance(50);
        let text = format!(
            "{filter}=>[KNN {k} @{field} ${name}{}]",
            if is_named { " AS dist" } else { "" }
        );
        let distance = if is_named {
            "dist".to_owned()
        } else {
            format!("__{field}_score")
        };
        return writer.done(text, Some(distance));
    }
    writer.done(text, None)
}

impl Writer<'_> {
    fn done(self, text: String, distance: Option<String>) -> Query {
        Query {
            text: text.into_bytes(),
            params: self.params,
            distance,
        }
    }

    fn param(&mut self, value: Vec<u8>) -> String {
        let name = format!("p{}", self.params.len());
        self.params.push((name.clone(), value));
        name
    }

    fn broken(&mut self) -> String {
        let text = self.expression(1);
        let wrong = [
            "(", ")", "\"", "@", "@t:", "|", "%", "=>", "[", "{", "-", ":", "$x", "~",
        ];
        let wrong = *self.random.pick(&wrong);
        if self.random.chance(50) {
            format!("{text}{wrong}")
        } else {
            format!("{wrong}{text}")
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.unit();
        }
        match self.random.below(10) {
            0..=3 => format!("{} {}", self.part_of(depth), self.part_of(depth)),
            4 | 5 => format!(
                "({}) | ({})",
                self.expression(depth - 1),
                self.expression(depth - 1)
            ),
            6 => format!("-({})", self.expression(depth - 1)),
            7 => format!("{} ~({})", self.part_of(depth), self.expression(depth - 1)),
            8 if self.dialect > 1 => {
                let attribute = *self.random.pick(&[
                    "$weight:2",
                    "$weight:0.5",
                    "$slop:1",
                    "$slop:2;$inorder:true",
                    "$slop:0;$inorder:false",
                ]);
                let of = self.expression(depth - 1);
                let attribute = if of.contains(":{") || !self.schema.has_offsets {
                    "$weight:2"
                } else {
                    attribute
                };
                format!("({of})=>{{{attribute}}}")
            }
            _ => format!("({})", self.expression(depth - 1)),
        }
    }

    /// A part of an intersection, in brackets if it is a union: beside unions without brackets 2.10
    /// loses some parts.
    fn part_of(&mut self, depth: usize) -> String {
        let part = self.expression(depth - 1);
        if part.contains(" | ") {
            return format!("({part})");
        }
        part
    }

    fn unit(&mut self) -> String {
        let random = &mut *self.random;
        match random.below(20) {
            0..=4 => self.word(),
            5 => format!("{} {}", self.word(), self.word()),
            // Two alternatives, because without brackets 2.10 loses some of three or more.
            6 => format!("({}|{})", self.word(), self.word()),
            7 => self.phrase(),
            8 | 9 => self.part(),
            10 => self.fuzzy(),
            11 | 12 => {
                let Some(field) = self.schema.name_of(Kind::Text, self.random) else {
                    return self.word();
                };
                match self.random.below(5) {
                    0 => format!("@{field}:{}", self.phrase()),
                    1 => format!("@{field}:{}", self.part()),
                    2 => format!("@{field}:({} {})", self.word(), self.word()),
                    3 => format!("@t|u:{}", self.word()),
                    _ => format!("@{field}:{}", self.word()),
                }
            }
            13 | 14 => self.tags(),
            15 | 16 => self.range(),
            17 => self.near(),
            18 => self.special(),
            _ => {
                let sign = *self.random.pick(&["-", "~"]);
                format!("{sign}{}", self.word())
            }
        }
    }

    fn word(&mut self) -> String {
        let word = schema::word(self.random);
        match self.random.below(20) {
            0 => word.to_ascii_uppercase(),
            1 => "the".to_owned(),
            2 => "foo\\-bar".to_owned(),
            3 => schema::one(self.random, &["absent", "foo _ bar", "_", "__"]).to_owned(),
            4 if self.dialect > 1 => format!("${}", self.param(word.as_bytes().to_vec())),
            _ => word.to_owned(),
        }
    }

    fn phrase(&mut self) -> String {
        let words: Vec<&str> = (0..self.random.few())
            .map(|_| schema::word(self.random))
            .collect();
        format!("\"{}\"", words.join(" "))
    }

    /// A prefix, or another part of a word.
    fn part(&mut self) -> String {
        let word: Vec<char> = schema::word(self.random).chars().collect();
        let length = 1 + self.random.below(word.len());
        let prefix: String = word[..length].iter().collect();
        let suffix: String = word[word.len() - length..].iter().collect();
        match self.random.below(if self.dialect > 1 { 7 } else { 4 }) {
            0 | 1 => format!("{prefix}*"),
            2 => format!("*{suffix}"),
            3 => format!("*{prefix}*"),
            4 => format!("*\"{suffix}\""),
            5 => format!("*\"{prefix}\"*"),
            _ => format!("w'{}'", self.pattern()),
        }
    }

    fn pattern(&mut self) -> &'static str {
        const PATTERNS: [&str; 11] = [
            "h?l*", "*o*", "run*", "???", "hel??", "*s", "h*p*g", "fox", "h\\e*", "*\\?", "*\\\\*",
        ];
        schema::one(self.random, &PATTERNS)
    }

    fn fuzzy(&mut self) -> String {
        let word: String =
            schema::word(self.random).replace(|c: char| !c.is_ascii_alphabetic(), "x");
        let mut bytes = word.into_bytes();
        if self.random.chance(60) {
            let at = self.random.below(bytes.len());
            bytes[at] = b'e';
        }
        let word = String::from_utf8(bytes).expect("ASCII");
        // A distance of 1, because for larger distances 2.10 finds words that are further away.
        format!("%{word}%")
    }

    fn tags(&mut self) -> String {
        let Some(field) = self.schema.name_of(Kind::Tag, self.random) else {
            return self.word();
        };
        let mut tags = Vec::new();
        for _ in 0..self.random.few() {
            let tag = schema::tag(self.random);
            let escaped = tag
                .replace('-', "\\-")
                .replace('.', "\\.")
                .replace(' ', "\\ ");
            tags.push(match self.random.below(8) {
                0 => format!("{}*", &tag[..1]),
                1 if self.dialect > 1 => format!("*{}", &tag[1..2].replace(['-', '.'], "r")),
                2 if self.dialect > 1 => format!("${}", self.param(tag.as_bytes().to_vec())),
                3 if self.dialect > 1 => "w'?e*'".to_owned(),
                4 if self.dialect > 1 => match self.random.below(4) {
                    0 => format!("\"{}\"*", &tag[..2]),
                    1 => format!("*\"{}\"", &tag[1..]),
                    2 => format!("*\"{}\"*", &tag[1..]),
                    _ => format!("\"{tag}\""),
                },
                _ => escaped,
            });
        }
        format!(
            "@{field}:{{{}}}",
            tags.join(if self.random.chance(50) { "|" } else { " | " })
        )
    }

    fn range(&mut self) -> String {
        let field = self
            .schema
            .name_of(Kind::Number, self.random)
            .unwrap_or(schema::UNIQUE);
        let mut ends: Vec<f64> = (0..2)
            .map(|_| schema::number(self.random).parse().expect("a number"))
            .collect();
        ends.sort_by(f64::total_cmp);
        let (low, high) = (ends[0], ends[1]);
        match self.random.below(10) {
            0 => format!("@{field}:[({low} {high}]"),
            1 => format!("@{field}:[{low} ({high}]"),
            2 => format!("@{field}:[-inf {high}]"),
            3 => format!("@{field}:[{low} +inf]"),
            4 if self.dialect > 1 => {
                let operator = *self.random.pick(&["==", "!=", ">", ">=", "<", "<="]);
                format!("@{field}{operator}{low}")
            }
            5 if self.dialect > 1 => {
                let name = self.param(low.to_string().into_bytes());
                format!("@{field}:[${name} {high}]")
            }
            6 => format!("@{field}:[{low},{high}]"),
            7 if self.dialect > 1 => {
                let number = schema::one(self.random, &["1e+1", "+2", "-INF", "--1", "- 1", "1."]);
                format!("@{field}:[{number} inf]")
            }
            8 if self.dialect > 1 => {
                let wrong = [
                    "===", "<>", ">>", "> =", "!>=", "==/", "==--", "=", "=<", ", ==", "== - ",
                    "==(",
                ];
                format!("@{field}{}{low}", schema::one(self.random, &wrong))
            }
            _ => format!("@{field}:[{low} {high}]"),
        }
    }

    fn near(&mut self) -> String {
        let Some(field) = self.schema.name_of(Kind::Place, self.random) else {
            return self.range();
        };
        let place = schema::place(self.random).replace(',', " ");
        let reach = *self
            .random
            .pick(&["100 m", "20 km", "1000 mi", "5000 km", "300000 ft"]);
        format!("@{field}:[{place} {reach}]")
    }

    /// Parts from later dialects: missing fields, vectors within a radius.
    fn special(&mut self) -> String {
        if self.dialect == 1 {
            return self.word();
        }
        if let Some(field) = self.schema.name_of(Kind::Vector, self.random)
            && self.random.chance(50)
        {
            let blob = schema::vector(self.random);
            let name = self.param(blob);
            let radius = *self.random.pick(&["0.5", "2", "10", "100"]);
            return format!("@{field}:[VECTOR_RANGE {radius} ${name}]");
        }
        let field = self.random.pick(&self.schema.fields).name;
        match self.random.below(3) {
            0 => format!("ismissing(@{field})"),
            1 => format!("-ismissing(@{field})"),
            _ => "@t:\"\"".to_owned(),
        }
    }
}
