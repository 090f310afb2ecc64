//! The grammar of dialects 2 to 4.
//!
//! Neighbours bind stronger than `|`, and `-` and `~` take one unit. A unit that begins with a
//! number, a star or another mark binds to its left neighbour before words do: `a b* c` is
//! `(a b*) c`, and `-a b*` is `-(a b*)`. How strong a token binds is its [`strength`].

use super::lexer::{self, Kind as Token};
use super::parser::{Bound, Parsed, Parser, folded, unescaped};
use super::tree::{Kind, Memo, Node, Range, Reach, Relation, VectorQuery, both, either};
use super::{Fields, QueryError};
use crate::expression::number_of;

const UNION: u8 = 4;
const NEGATION: u8 = 11;
const NEIGHBOURS: u8 = 12;
const ARROW: u8 = 15;
const FIELD: u8 = 16;

/// How strong a token that begins a unit binds to what stands before it; `None`: it begins none.
fn strength(kind: Token) -> Option<u8> {
    Some(match kind {
        Token::IsMissing => 5,
        Token::Field => 6,
        Token::Word | Token::As => 8,
        Token::Quote | Token::Exact => 9,
        Token::OpenParen => 10,
        Token::Tilde | Token::Minus => NEGATION,
        Token::Number => 17,
        Token::Size => 18,
        Token::Prefix | Token::Suffix | Token::Infix => 22,
        Token::Percent => 23,
        Token::Param => 24,
        Token::Pattern | Token::Verbatim => 25,
        _ => return None,
    })
}

/// That no text field has what is empty.
const EMPTY: &[u8] =
    b"Use `INDEXEMPTY` in field creation in order to index and query for empty strings";

/// Where a part stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The whole query.
    Whole,
    Inner,
    /// After a field: words alone, no other field.
    Words,
}

impl Place {
    fn inner(self) -> Place {
        if self == Place::Words {
            self
        } else {
            Place::Inner
        }
    }
}

/// A whole query.
pub(super) fn query(p: &mut Parser<'_>) -> Parsed<Option<Node>> {
    if p.peek() == Token::End {
        return Ok(None);
    }
    let opened = (0..)
        .take_while(|&n| p.peek_after(n) == Token::OpenParen)
        .count();
    let root = if p.peek_after(opened) == Token::Star {
        for _ in 0..=opened {
            p.next();
        }
        for _ in 0..opened {
            p.expect(Token::CloseParen)?;
        }
        None
    } else {
        Some(expression(p, 0, Place::Whole)?)
    };
    if p.peek() == Token::Arrow {
        p.next();
        return nearest(p, root.flatten()).map(Some);
    }
    Ok(root.unwrap_or_else(|| Some(Node::new(Kind::Everything))))
}

/// Units and what joins them, as long as they bind stronger than `limit`.
fn expression(p: &mut Parser<'_>, limit: u8, place: Place) -> Parsed<Option<Node>> {
    p.nested(|p| {
        let mut left = unit(p, place)?;
        let mut is_whole = place == Place::Whole;
        loop {
            let kind = p.peek();
            match kind {
                Token::Arrow if ARROW > limit => {
                    if is_whole && p.peek_after(1) == Token::OpenBracket {
                        return Ok(left);
                    }
                    p.next();
                    p.attributes(&mut left)?;
                    continue;
                }
                Token::Or if UNION > limit => {
                    p.next();
                    left = either(left, expression(p, UNION, place.inner())?);
                }
                _ => match strength(kind) {
                    Some(strength) if strength > limit && begins(kind, place) => {
                        left = both(left, expression(p, NEIGHBOURS, place.inner())?);
                    }
                    _ => return Ok(left),
                },
            }
            is_whole = false;
        }
    })
}

fn begins(kind: Token, place: Place) -> bool {
    kind != Token::Field || place != Place::Words
}

fn unit(p: &mut Parser<'_>, place: Place) -> Parsed<Option<Node>> {
    match p.peek() {
        Token::Field if place != Place::Words => field(p),
        Token::IsMissing if place != Place::Words => missing(p).map(Some),
        Token::OpenParen => {
            p.next();
            let inner = expression(p, 0, place.inner())?;
            p.expect(Token::CloseParen)?;
            Ok(inner)
        }
        kind @ (Token::Minus | Token::Tilde) => {
            p.next();
            let part = expression(p, NEGATION, place.inner())?.map(Box::new);
            let of_part = |part| {
                Node::new(if kind == Token::Minus {
                    Kind::Not(part)
                } else {
                    Kind::Optional(part)
                })
            };
            Ok(part.map(of_part))
        }
        Token::Exact => {
            let token = p.next();
            let mut node = phrase(p.text_of(&token));
            let is_begun = p.peek() == Token::Star && p.follows(&token);
            if p.schema.extends() && is_begun && begin_last_word(&mut node) {
                p.next();
            }
            Ok(Some(node))
        }
        Token::Quote => {
            p.next();
            Err(p.syntax_error())
        }
        Token::Percent => fuzzy(p).map(Some),
        Token::Prefix | Token::Suffix | Token::Infix | Token::Pattern => Ok(Some(affix(p))),
        Token::Param => {
            let token = p.next();
            let text = p.param(p.text_of(&token));
            let mut word = Node::word(folded(&text));
            word.verbatim = number_of(&text).is_some();
            Ok(Some(word))
        }
        _ => {
            let is_number = matches!(p.peek(), Token::Number | Token::Size);
            let Some(word) = p.term() else {
                return Err(p.syntax_error());
            };
            if p.schema.is_stop_word(&word.to_ascii_lowercase()) {
                return Ok(None);
            }
            let mut word = Node::word(folded(word));
            word.verbatim = is_number;
            Ok(Some(word))
        }
    }
}

/// A quoted text: its words, as they are; a `$` before a word is a part of it.
fn phrase(text: &[u8]) -> Node {
    if text.is_empty() {
        let mut empty = Node::word(Vec::new());
        empty.verbatim = true;
        return empty;
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let begin = at + usize::from(text[at] == b'$');
        let end = lexer::word_end(text, begin);
        if end > begin {
            parts.push(Node::word(folded(&text[at..end])));
        }
        at = end.max(at + 1);
    }
    let mut node = Node::new(Kind::Intersect {
        parts,
        is_exact: true,
    });
    node.verbatim = true;
    node
}

/// `"a b"*`, which Redis has not: the last word of a phrase is the beginning of one. `false`: it
/// has no word.
fn begin_last_word(phrase: &mut Node) -> bool {
    let Kind::Intersect { parts, .. } = &mut phrase.kind else {
        return false;
    };
    let Some(last) = parts.last_mut() else {
        return false;
    };
    let Kind::Word(text) = &mut last.kind else {
        return false;
    };
    last.kind = Kind::Affix {
        text: std::mem::take(text),
        leading: false,
        trailing: true,
    };
    true
}

/// `ab*`, `*ab`, `*ab*` or `w'a?b'`.
fn affix(p: &mut Parser<'_>) -> Node {
    let token = p.next();
    let text = p.text_of(&token);
    let text = if token.is_param {
        p.param(text)
    } else {
        unescaped(text)
    };
    Node::new(if token.kind == Token::Pattern {
        Kind::Pattern(text)
    } else {
        Kind::Affix {
            text,
            leading: token.kind != Token::Prefix,
            trailing: token.kind != Token::Suffix,
        }
    })
}

/// `%word%`, `%%word%%` or `%%%word%%%`.
fn fuzzy(p: &mut Parser<'_>) -> Parsed<Node> {
    let mut distance = 0;
    while distance < 3 && p.takes(Token::Percent) {
        distance += 1;
    }
    let text = if p.peek() == Token::Param {
        let token = p.next();
        p.param(p.text_of(&token))
    } else {
        p.term().ok_or_else(|| p.syntax_error())?.to_vec()
    };
    for _ in 0..distance {
        p.expect(Token::Percent)?;
    }
    Ok(Node::new(Kind::Fuzzy {
        text: folded(&text),
        distance,
    }))
}

/// `ismissing(@field)`
fn missing(p: &mut Parser<'_>) -> Parsed<Node> {
    p.next();
    p.expect(Token::OpenParen)?;
    let at = p.field_at();
    let field = p.expect(Token::Field)?;
    let field = unescaped(p.text_of(&field));
    p.expect(Token::CloseParen)?;
    p.check_field(&field, at, None);
    if p.schema.has(&field) && !p.schema.indexes_missing(&field) {
        let name = field.clone();
        p.note(|| {
            let (before, after) = (
                b"'ismissing' requires field '",
                b"' to be defined with 'INDEXMISSING'",
            );
            [before.as_slice(), &name, after].concat()
        });
    }
    Ok(Node::new(Kind::Missing(field)))
}

/// `@field:` and what it must hold, or `@field > 5`.
fn field(p: &mut Parser<'_>) -> Parsed<Option<Node>> {
    let at = p.field_at();
    let names = p.field_names()?;
    let name = names[0].clone();
    if names.len() == 1 && p.peek() != Token::Colon {
        p.check_field(&name, at, Some("NUMERIC"));
        return comparison(p, name).map(Some);
    }
    p.expect(Token::Colon)?;
    if names.len() == 1 {
        match p.peek() {
            Token::OpenBrace => {
                p.check_field(&name, at, Some("TAG"));
                return tags(p, name).map(Some);
            }
            Token::OpenBracket => {
                let part = brackets(p, name.clone())?;
                let type_name = match part.kind {
                    Kind::Near { .. } => "GEO",
                    Kind::Shape { .. } => "GEOSHAPE",
                    Kind::Vector(_) => "VECTOR",
                    _ => "NUMERIC",
                };
                p.check_field(&name, at, Some(type_name));
                return Ok(Some(part));
            }
            _ => p.check_field(&name, at, Some("TEXT")),
        }
    }
    let fields = p.fields(&names);
    let mut part = expression(p, FIELD, Place::Words)?;
    if let Some(part) = &mut part {
        part.restrict(fields);
        if fields != Fields(0) && has_empty(part) && !p.schema.indexes_empty(fields) {
            p.note(|| EMPTY.to_vec());
        }
    }
    Ok(part)
}

/// Whether the empty text is among the words of a part.
fn has_empty(part: &Node) -> bool {
    matches!(&part.kind, Kind::Word(word) if word.is_empty()) || part.parts().iter().any(has_empty)
}

fn comparison(p: &mut Parser<'_>, field: Vec<u8>) -> Parsed<Node> {
    let kind = p.peek();
    if !lexer::is_comparison(kind) {
        return Err(p.syntax_error());
    }
    p.next();
    let value = number(p)?;
    let (min, max) = match kind {
        Token::Greater | Token::GreaterEqual => (value, f64::INFINITY),
        Token::Less | Token::LessEqual => (f64::NEG_INFINITY, value),
        _ => (value, value),
    };
    let range = Kind::Range {
        field,
        range: Range {
            min,
            max,
            with_min: kind != Token::Greater,
            with_max: kind != Token::Less,
        },
    };
    Ok(match kind {
        Token::NotEqual => Node::new(Kind::Not(Box::new(Node::new(range)))),
        _ => Node::new(range),
    })
}

/// A number with its signs, or a parameter that has one.
fn number(p: &mut Parser<'_>) -> Parsed<f64> {
    let mut sign = 1.0;
    while p.takes(Token::Minus) {
        sign = -sign;
    }
    match p.peek() {
        Token::Number | Token::Size => Ok(sign * p.next().number),
        Token::Param => {
            let token = p.next();
            Ok(sign * p.number_param(p.text_of(&token)))
        }
        _ => Err(p.syntax_error()),
    }
}

fn bound(p: &mut Parser<'_>) -> Parsed<Bound> {
    let is_exclusive = p.takes(Token::OpenParen);
    number(p).map(|value| Bound {
        value,
        is_exclusive,
    })
}

/// `{a b|c*}`: values of tags, of which one must be there.
fn tags(p: &mut Parser<'_>, field: Vec<u8>) -> Parsed<Node> {
    p.expect(Token::OpenBrace)?;
    let mut values = vec![tag(p)?];
    while p.takes(Token::Or) {
        values.push(tag(p)?);
    }
    p.expect(Token::CloseBrace)?;
    Ok(Node::new(Kind::Tag { field, values }))
}

fn tag(p: &mut Parser<'_>) -> Parsed<Node> {
    match p.peek() {
        Token::Prefix | Token::Suffix | Token::Infix | Token::Pattern => return Ok(affix(p)),
        Token::Exact => {
            let token = p.next();
            return Ok(Node::word(unescaped(p.text_of(&token))));
        }
        _ => {}
    }
    let mut words: Vec<Vec<u8>> = Vec::new();
    loop {
        if p.peek() == Token::Param {
            let token = p.next();
            words.push(p.param(p.text_of(&token)));
        } else if let Some(word) = p.term() {
            words.push(word.to_vec());
        } else if words.is_empty() {
            return Err(p.syntax_error());
        } else {
            break;
        }
    }
    if let [word] = words.as_slice() {
        return Ok(Node::word(word.clone()));
    }
    let parts = words.iter().map(|word| Node::word(folded(word))).collect();
    Ok(Node::new(Kind::Intersect {
        parts,
        is_exact: false,
    }))
}

/// `[1 5]`, `[lon lat radius unit]`, `[WITHIN $shape]`, `[VECTOR_RANGE r $vector]`.
fn brackets(p: &mut Parser<'_>, field: Vec<u8>) -> Parsed<Node> {
    p.expect(Token::OpenBracket)?;
    if p.peek() == Token::Word {
        return shape_or_vectors(p, field);
    }
    let first = bound(p)?;
    if !first.is_exclusive && p.takes(Token::CloseBracket) {
        return Ok(Node::new(Kind::Range {
            field,
            range: p.range(&first, &first),
        }));
    }
    let second = bound(p)?;
    if p.takes(Token::CloseBracket) {
        return Ok(Node::new(Kind::Range {
            field,
            range: p.range(&first, &second),
        }));
    }
    if first.is_exclusive || second.is_exclusive {
        return Err(p.syntax_error());
    }
    let radius = number(p)?;
    let unit = if p.peek() == Token::Param {
        let token = p.next();
        p.param(p.text_of(&token))
    } else {
        p.term().ok_or_else(|| p.syntax_error())?.to_vec()
    };
    p.expect(Token::CloseBracket)?;
    let circle = p.circle([first.value, second.value, radius], &unit);
    Ok(Node::new(Kind::Near { field, circle }))
}

fn shape_or_vectors(p: &mut Parser<'_>, field: Vec<u8>) -> Parsed<Node> {
    let word = p.next();
    let name = p.text_of(&word).to_ascii_uppercase();
    if p.peek() == Token::Param && p.peek_after(1) == Token::CloseBracket {
        let param = p.next();
        let relation = match name.as_slice() {
            b"CONTAINS" => Relation::Contains,
            b"WITHIN" => Relation::Within,
            b"DISJOINT" => Relation::Disjoint,
            b"INTERSECTS" => Relation::Intersects,
            _ => {
                let at = param.at;
                let message = "Syntax error: Expecting a geoshape predicate";
                return Err(QueryError(format!("{message} at offset {at}").into_bytes()));
            }
        };
        let text = p.param(p.text_of(&param));
        p.next();
        return Ok(Node::new(Kind::Shape {
            field,
            relation,
            text,
        }));
    }
    let radius = number(p)?;
    let vector = p.expect(Token::Param)?;
    if name != b"VECTOR_RANGE" {
        let message = "Syntax error: expecting vector similarity range command";
        return Err(p.error_near(message, &word));
    }
    p.expect(Token::CloseBracket)?;
    let vector_name = p.text_of(&vector).to_vec();
    Ok(Node::new(Kind::Vector(Box::new(VectorQuery {
        field,
        vector: p.param(&vector_name),
        vector_name,
        reach: Reach::Within(radius),
        options: Vec::new(),
        filter: None,
        found: Memo::default(),
    }))))
}

/// `[KNN k @field $vector options AS name]` after `=>`, and its attributes.
fn nearest(p: &mut Parser<'_>, filter: Option<Node>) -> Parsed<Node> {
    p.expect(Token::OpenBracket)?;
    let word = p.expect(Token::Word)?;
    let k = match p.peek() {
        Token::Size => p.next().number,
        Token::Param => {
            let token = p.next();
            p.number_param(p.text_of(&token))
        }
        _ => return Err(p.syntax_error()),
    };
    let at = p.field_at();
    let field = p.expect(Token::Field)?;
    let vector = p.expect(Token::Param)?;
    if !p.text_of(&word).eq_ignore_ascii_case(b"KNN") {
        let message = "Syntax error: Expecting Vector Similarity command";
        return Err(p.error_near(message, &word));
    }
    let field = unescaped(p.text_of(&field));
    p.check_field(&field, at, Some("VECTOR"));
    let vector_name = p.text_of(&vector).to_vec();
    let mut query = VectorQuery {
        vector: p.param(&vector_name),
        vector_name,
        reach: Reach::Nearest(k as u64),
        options: Vec::new(),
        filter,
        found: Memo::default(),
        field,
    };
    while p.peek() == Token::Word {
        let name = p.next();
        let name = p.text_of(&name).to_vec();
        let value = if p.peek() == Token::Param {
            let token = p.next();
            p.param(p.text_of(&token))
        } else {
            p.term().ok_or_else(|| p.syntax_error())?.to_vec()
        };
        query.options.push((name, value));
    }
    let mut distance_field = query.usual_distance_field();
    if p.takes(Token::As) {
        distance_field = if p.peek() == Token::Param {
            let token = p.next();
            p.param(p.text_of(&token))
        } else {
            p.term().ok_or_else(|| p.syntax_error())?.to_vec()
        };
    }
    p.expect(Token::CloseBracket)?;
    let mut node = Node::new(Kind::Vector(Box::new(query)));
    node.distance_field = Some(distance_field);
    let mut node = Some(node);
    if p.takes(Token::Arrow) {
        p.attributes(&mut node)?;
    }
    Ok(node.expect("a node was made"))
}
