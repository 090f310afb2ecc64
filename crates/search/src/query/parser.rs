//! The part that both grammars share: tokens, errors, attributes, ranges, fields.
//!
//! An error of the grammar counts before an error of a value or a parameter, wherever the errors
//! stand.

use super::lexer::{Kind as Token, Token as Found, is_mark, tokens};
use super::tree::{Circle, Fields, Kind, Node, Range, Unit};
use super::{Dialect, Params, QueryError, Schema};
use crate::text::in_small_letters;

/// Tokens of a query, and words of its quoted texts; each takes some 250 bytes with the node.
pub(super) const PARTS_MAX: usize = 1 << 20;

/// Bytes of parameters, each counted as often as it is named.
const PARAM_BYTES_MAX: usize = 512 << 20;

pub(super) struct Parser<'q> {
    text: &'q [u8],
    tokens: Vec<Found>,
    at: usize,
    /// Words of quoted texts, and bytes of parameters, so far.
    words: usize,
    param_bytes: usize,
    /// Whether a field restricts a part of the query.
    pub(super) restricts: bool,
    pub(super) schema: &'q dyn Schema,
    params: &'q Params,
    /// The error if the grammar finds none: the first parameter that is not given, or a value that
    /// the place does not take.
    late: Option<QueryError>,
}

pub(super) type ParseResult<T> = Result<T, QueryError>;

/// A number as it stands in a range, or the parameter that has it.
#[derive(Clone)]
pub(super) struct RangeBound {
    pub(super) value: f64,
    pub(super) is_exclusive: bool,
}

impl<'q> Parser<'q> {
    pub(super) fn new(
        text: &'q [u8],
        dialect: Dialect,
        schema: &'q dyn Schema,
        params: &'q Params,
    ) -> ParseResult<Parser<'q>> {
        Ok(Parser {
            text,
            tokens: tokens(text, dialect.has_params(), PARTS_MAX).ok_or_else(too_long)?,
            at: 0,
            words: 0,
            param_bytes: 0,
            restricts: false,
            schema,
            params,
            late: None,
        })
    }

    /// Counts words of a quoted text.
    pub(super) fn add_word(&mut self) -> ParseResult<()> {
        self.words += 1;
        if self.words > PARTS_MAX {
            return Err(too_long());
        }
        Ok(())
    }

    pub(super) fn peek(&self) -> Token {
        self.tokens[self.at].kind
    }

    /// The kind of the token after the next.
    pub(super) fn peek_after(&self, skipped: usize) -> Token {
        let at = (self.at + skipped).min(self.tokens.len() - 1);
        self.tokens[at].kind
    }

    pub(super) fn next(&mut self) -> Found {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn text_of(&self, token: &Found) -> &'q [u8] {
        &self.text[token.text.clone()]
    }

    /// Whether the text of the next token was in quotes.
    pub(super) fn is_at_quoted(&self) -> bool {
        self.tokens[self.at].is_quoted
    }

    /// Takes the next token if it is of this kind.
    pub(super) fn takes(&mut self, kind: Token) -> bool {
        let is_it = self.peek() == kind;
        if is_it {
            self.next();
        }
        is_it
    }

    pub(super) fn expect(&mut self, kind: Token) -> ParseResult<Found> {
        if self.peek() == kind {
            Ok(self.next())
        } else {
            Err(self.syntax_error())
        }
    }

    /// That the next token has no place here.
    pub(super) fn syntax_error(&self) -> QueryError {
        let token = &self.tokens[self.at];
        self.error_near("Syntax error", token)
    }

    pub(super) fn error_near(&self, message: &str, token: &Found) -> QueryError {
        let mut text = format!("{message} at offset {} near ", token.at).into_bytes();
        text.extend_from_slice(self.text_of(token));
        QueryError(text)
    }

    /// Keeps the first of the errors that count only if the grammar finds none.
    pub(super) fn note(&mut self, error: impl FnOnce() -> Vec<u8>) {
        if self.late.is_none() {
            self.late = Some(QueryError(error()));
        }
    }

    /// Ends the query.
    pub(super) fn end(self) -> ParseResult<()> {
        if self.peek() != Token::End {
            return Err(self.syntax_error());
        }
        self.late.map_or(Ok(()), Err)
    }

    /// The value of a parameter; a parameter that is not given is recorded as an error.
    pub(super) fn param(&mut self, name: &[u8]) -> Vec<u8> {
        if let Some(value) = self.params.get(name) {
            self.param_bytes = self.param_bytes.saturating_add(value.len());
            if self.param_bytes > PARAM_BYTES_MAX {
                self.note(|| too_long().0);
                return Vec::new();
            }
            return value.clone();
        }
        self.note(|| [b"No such parameter `", name, b"`"].concat());
        Vec::new()
    }

    /// The value of a parameter that must be a number.
    pub(super) fn number_param(&mut self, name: &[u8]) -> f64 {
        self.param_as(name, |text| text.trim().parse().ok())
            .unwrap_or(0.0)
    }

    /// The value of a parameter that must be a whole number from 0 on; nothing is 0.
    pub(super) fn count_param(&mut self, name: &[u8]) -> u64 {
        let count = |text: &str| match text.trim_start() {
            "" => Some(0),
            digits => digits.parse().ok().and_then(|n: i64| n.try_into().ok()),
        };
        self.param_as(name, count).unwrap_or(0)
    }

    /// The value of a parameter as `read` takes it; a value that `read` does not take is recorded
    /// as an error.
    fn param_as<T>(&mut self, name: &[u8], read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let is_given = self.params.contains_key(name);
        let value = self.param(name);
        let number = std::str::from_utf8(&value).ok().and_then(read);
        if number.is_none() && is_given {
            let (value, after) = (value.as_slice(), b") for parameter `");
            self.note(|| [b"Invalid numeric value (", value, after, name, b"`"].concat());
        }
        number
    }

    /// A word or number as a text; `None`: something else is next.
    pub(super) fn term(&mut self) -> Option<&'q [u8]> {
        let is_term = matches!(
            self.peek(),
            Token::Word | Token::Number | Token::Size | Token::As | Token::IsMissing
        );
        is_term.then(|| {
            let token = self.next();
            self.text_of(&token)
        })
    }

    /// Whether the next token is a word that is too common.
    pub(super) fn is_at_stop_word(&self) -> bool {
        let token = &self.tokens[self.at];
        let word = self.text_of(token).to_ascii_lowercase();
        token.kind == Token::Word && self.schema.is_stop_word(&word)
    }

    /// The fields of a list of names.
    pub(super) fn fields(&self, names: &[Vec<u8>]) -> Fields {
        let all = self.schema.text_fields();
        let bit = |name: &Vec<u8>| all.iter().position(|field| field == name);
        Fields(
            names
                .iter()
                .filter_map(bit)
                .fold(0, |bits, bit| bits | 1 << bit),
        )
    }

    /// Records an error if a field does not exist, or has another type. `at`: where the field's
    /// mark stands.
    pub(super) fn check_field(&mut self, name: &[u8], at: usize, type_name: Option<&str>) {
        if let Some(objection) = self.schema.objection(name, type_name) {
            let before = format!("{objection} at offset {at} near ");
            self.note(|| [before.as_bytes(), name].concat());
        }
    }

    /// The place of the mark of a field that is the next token.
    pub(super) fn field_at(&self) -> usize {
        self.tokens[self.at].text.start.saturating_sub(1)
    }

    /// `@a|b|c`: the names; each name after the first is a word.
    pub(super) fn field_names(&mut self) -> ParseResult<Vec<Vec<u8>>> {
        let first = self.expect(Token::Field)?;
        let mut names = vec![unescaped(self.text_of(&first))];
        while self.takes(Token::Or) {
            let Some(name) = self.term() else {
                return Err(self.syntax_error());
            };
            names.push(name.to_vec());
        }
        Ok(names)
    }

    /// The attributes after `=>`: `{$weight: 2; $slop: 1}`, put on `node` if there is a node.
    pub(super) fn attributes(&mut self, node: &mut Option<Node>) -> ParseResult<()> {
        self.expect(Token::OpenBrace)?;
        let mut given = Vec::new();
        if self.peek() == Token::Param {
            given.push(self.attribute()?);
        }
        while self.takes(Token::Semicolon) {
            if self.peek() == Token::Param {
                given.push(self.attribute()?);
            }
        }
        self.expect(Token::CloseBrace)?;
        if let Some(node) = node {
            for (name, value) in given {
                put_attribute(node, name, &value)?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self) -> ParseResult<(&'q [u8], Vec<u8>)> {
        let name = self.expect(Token::Param)?;
        let name = self.text_of(&name);
        self.expect(Token::Colon)?;
        if let Some(value) = self.term() {
            return Ok((name, value.to_vec()));
        }
        let value = self.expect(Token::Param)?;
        let key = self.text_of(&value);
        match self.params.get(key) {
            Some(value) => Ok((name, value.clone())),
            None => Err(QueryError([b"No such parameter `", key, b"`"].concat())),
        }
    }

    /// A range of numbers from two bounds.
    pub(super) fn range(&self, from: &RangeBound, to: &RangeBound) -> Range {
        Range {
            min: from.value,
            max: to.value,
            with_min: !from.is_exclusive,
            with_max: !to.is_exclusive,
        }
    }

    /// A circle, whose values are judged in this order.
    pub(super) fn circle(&mut self, place: [f64; 3], unit: &[u8]) -> Circle {
        let [longitude, latitude, radius] = place;
        let known = Unit::named(unit);
        if known.is_none() {
            self.note(|| b"Invalid GeoFilter unit".to_vec());
        }
        let is_place = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
        if !is_place {
            self.note(|| b"Invalid GeoFilter lat/lon".to_vec());
        }
        if radius.is_nan() || radius <= 0.0 {
            self.note(|| b"Invalid GeoFilter radius".to_vec());
        }
        Circle {
            longitude,
            latitude,
            radius,
            unit: known.unwrap_or(Unit::Metres),
        }
    }
}

fn put_attribute(node: &mut Node, name: &[u8], value: &[u8]) -> ParseResult<()> {
    let number = || {
        std::str::from_utf8(value)
            .ok()
            .and_then(|v| v.parse::<f64>().ok())
    };
    let flag = || match value.to_ascii_lowercase().as_slice() {
        b"true" | b"1" => Some(true),
        b"false" | b"0" => Some(false),
        _ => None,
    };
    let is_taken = match name.to_ascii_lowercase().as_slice() {
        b"weight" => number().filter(|n| *n >= 0.0).map(|n| node.weight = n),
        b"slop" => number()
            .filter(|n| n.fract() == 0.0 && (-1.0..=f64::from(i32::MAX)).contains(n))
            .map(|n| node.slop = (n >= 0.0).then_some(n as u32)),
        b"inorder" => flag().map(|flag| node.in_order = flag),
        b"phonetic" => flag().map(|flag| node.phonetic = Some(flag)),
        b"yield_distance_as" => {
            if let (Kind::Vector(query), Some(named)) = (&node.kind, &node.distance_field)
                && *named != query.usual_distance_field()
            {
                let text: [&[u8]; 4] = [
                    b"Distance field was specified twice for vector query: ",
                    named,
                    b" and ",
                    value,
                ];
                return Err(QueryError(text.concat()));
            }
            node.distance_field = Some(value.to_vec());
            Some(())
        }
        b"ef_runtime" | b"epsilon" | b"batch_size" | b"hybrid_policy" | b"shard_k_ratio"
            if let Kind::Vector(query) = &mut node.kind =>
        {
            query.options.push((name.to_vec(), value.to_vec()));
            Some(())
        }
        _ => return Err(QueryError([b"Invalid attribute ", name].concat())),
    };
    is_taken.ok_or_else(|| {
        let name = name.to_ascii_lowercase();
        QueryError([b"Invalid value (", value, b") for `", name.as_slice(), b"`"].concat())
    })
}

fn too_long() -> QueryError {
    QueryError(b"The query has too many parts".to_vec())
}

/// A name without the backslashes before marks and blanks.
pub(crate) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1);
        let escapes = byte == b'\\'
            && next.is_some_and(|&b| is_mark(b) || b.is_ascii_whitespace() || b == 0x0b);
        at += usize::from(escapes);
        out.push(text[at]);
        at += 1;
    }
    out
}

/// A word as documents have it: without backslashes, in small letters.
pub(super) fn folded(text: &[u8]) -> Vec<u8> {
    in_small_letters(&unescaped(text))
}
