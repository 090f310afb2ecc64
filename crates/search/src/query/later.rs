//! The grammar of dialects 2 to 4.
//!
//! Neighbours bind more strongly than `|`, and `-` and `~` take a single unit. A unit that begins
//! with a number, a star or another mark binds to the left neighbour before words do: `a b* c` is
//! `(a b*) c`, and `-a b*` is `-(a b*)`. [`strength`] says how strongly a token binds.

use super::QueryError;
use super::levels::{self, Grammar, PartStart, Place};
use super::lexer::{self, Kind as Token};
use super::parser::{ParseResult, Parser, RangeBound, folded, unescaped};
use super::tree::{Kind, Node, Range, Reach, Relation, VectorQuery};
use crate::expression::number_of;

const UNION: u8 = 4;
const NEGATION: u8 = 11;
const NEIGHBOURS: u8 = 12;
const ARROW: u8 = 15;
const FIELD: u8 = 16;

/// How strongly a token that begins a unit binds to the part before it; `None`: it begins no unit.
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
        Token::Pattern => 25,
        _ => return None,
    })
}

/// A whole query.
pub(super) fn query(p: &mut Parser<'_>) -> ParseResult<Option<Node>> {
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
        Some(levels::expression(p, &GRAMMAR, Place::Whole)?)
    };
    if p.peek() == Token::Arrow {
        p.next();
        return nearest(p, root.flatten()).map(Some);
    }
    Ok(root.unwrap_or_else(|| Some(Node::new(Kind::Everything))))
}

const GRAMMAR: Grammar = Grammar {
    strength: |p, place| {
        let kind = p.peek();
        strength(kind).filter(|_| kind != Token::Field || place != Place::Words)
    },
    begin,
    union: UNION,
    neighbours: NEIGHBOURS,
    arrow: ARROW,
    negation: NEGATION,
    optional: NEGATION,
    field: FIELD,
};

fn begin(p: &mut Parser<'_>, place: Place) -> ParseResult<PartStart> {
    Ok(match p.peek() {
        Token::Field if place != Place::Words => return field(p),
        Token::OpenParen => {
            p.next();
            PartStart::Group
        }
        Token::Minus => {
            p.next();
            PartStart::Not
        }
        Token::Tilde => {
            p.next();
            PartStart::Optional
        }
        Token::IsMissing if place != Place::Words => PartStart::Unit(Some(missing(p)?)),
        _ => PartStart::Unit(unit(p)?),
    })
}

fn unit(p: &mut Parser<'_>) -> ParseResult<Option<Node>> {
    match p.peek() {
        Token::Exact => {
            let token = p.next();
            phrase(p, p.text_of(&token)).map(Some)
        }
        Token::Quote => {
            p.next();
            Err(p.syntax_error())
        }
        Token::Percent => fuzzy(p).map(Some),
        Token::Prefix if p.schema.extends() && p.is_at_quoted() => {
            let token = p.next();
            begun_phrase(p, p.text_of(&token)).map(Some)
        }
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

/// A quoted text: the words, as they are; a `$` before a word is a part of it.
fn phrase(p: &mut Parser<'_>, text: &[u8]) -> ParseResult<Node> {
    if text.is_empty() {
        let mut empty = Node::word(Vec::new());
        empty.verbatim = true;
        return Ok(empty);
    }
    let mut node = Node::new(Kind::Intersect {
        parts: words_of(p, text)?,
        is_exact: true,
    });
    node.verbatim = true;
    Ok(node)
}

fn words_of(p: &mut Parser<'_>, text: &[u8]) -> ParseResult<Vec<Node>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let begin = at + usize::from(text[at] == b'$');
        let end = lexer::word_end(text, begin);
        if end > begin {
            p.add_word()?;
            parts.push(Node::word(folded(&text[at..end])));
        }
        at = end.max(at + 1);
    }
    Ok(parts)
}

/// `"a b"*`, as an index that extends the language has it: the last word of a phrase is the
/// beginning of a word; a single word is a prefix.
fn begun_phrase(p: &mut Parser<'_>, text: &[u8]) -> ParseResult<Node> {
    let mut phrase = phrase(p, text)?;
    if let Kind::Intersect { parts, .. } = &mut phrase.kind
        && let Some(last) = parts.last_mut()
        && let Kind::Word(text) = &mut last.kind
    {
        last.kind = Kind::Affix {
            text: std::mem::take(text),
            leading: false,
            trailing: true,
        };
        if let [_] = parts.as_slice() {
            return Ok(parts.remove(0));
        }
    }
    Ok(phrase)
}

/// `ab*`, `*ab`, `*ab*` or `w'a?b'`.
fn affix(p: &mut Parser<'_>) -> Node {
    let token = p.next();
    let text = p.text_of(&token);
    let text = match token.kind {
        _ if token.is_param => p.param(text),
        Token::Pattern => text.to_vec(),
        _ => unescaped(text),
    };
    Node::new(if token.kind == Token::Pattern {
        Kind::Pattern(without_escapes(&text))
    } else {
        Kind::Affix {
            text,
            leading: token.kind != Token::Prefix,
            trailing: token.kind != Token::Suffix,
        }
    })
}

/// A pattern without the backslashes that escape a byte. Any byte may be escaped, and each counts
/// as itself.
fn without_escapes(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        let escaped = if *byte == b'\\' { bytes.next() } else { None };
        out.push(*escaped.unwrap_or(byte));
    }
    out
}

/// `%word%`, `%%word%%` or `%%%word%%%`.
fn fuzzy(p: &mut Parser<'_>) -> ParseResult<Node> {
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
fn missing(p: &mut Parser<'_>) -> ParseResult<Node> {
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

/// `@field:`, with the values that it must hold unless these are words, or `@field > 5`.
fn field(p: &mut Parser<'_>) -> ParseResult<PartStart> {
    let unit = |node| Ok(PartStart::Unit(Some(node)));
    let at = p.field_at();
    let names = p.field_names()?;
    let name = names[0].clone();
    if names.len() == 1 && p.peek() != Token::Colon {
        p.check_field(&name, at, Some("NUMERIC"));
        return unit(comparison(p, name)?);
    }
    p.expect(Token::Colon)?;
    if names.len() == 1 {
        match p.peek() {
            Token::OpenBrace => {
                p.check_field(&name, at, Some("TAG"));
                return unit(tags(p, name)?);
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
                return unit(part);
            }
            _ => p.check_field(&name, at, Some("TEXT")),
        }
    }
    Ok(PartStart::Field(p.fields(&names)))
}

fn comparison(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
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

/// A number with signs, or a parameter that holds a number, after at most one minus.
fn number(p: &mut Parser<'_>) -> ParseResult<f64> {
    let (mut sign, mut minuses) = (1.0, 0);
    while p.takes(Token::Minus) {
        sign = -sign;
        minuses += 1;
    }
    match p.peek() {
        Token::Number | Token::Size => Ok(sign * p.next().number),
        Token::Param if minuses < 2 => {
            let token = p.next();
            Ok(sign * p.number_param(p.text_of(&token)))
        }
        _ => Err(p.syntax_error()),
    }
}

fn bound(p: &mut Parser<'_>) -> ParseResult<RangeBound> {
    let is_exclusive = p.takes(Token::OpenParen);
    number(p).map(|value| RangeBound {
        value,
        is_exclusive,
    })
}

/// `{a b|c*}`: values of tags; a document must have any of them.
fn tags(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
    p.expect(Token::OpenBrace)?;
    let mut values = vec![tag(p)?];
    while p.takes(Token::Or) {
        values.push(tag(p)?);
    }
    p.expect(Token::CloseBrace)?;
    Ok(Node::new(Kind::Tag { field, values }))
}

fn tag(p: &mut Parser<'_>) -> ParseResult<Node> {
    match p.peek() {
        Token::Prefix | Token::Suffix | Token::Infix | Token::Pattern => {
            let mut node = affix(p);
            // Redis looks at the backslashes of a tag twice.
            if let Kind::Pattern(pattern) = &mut node.kind {
                *pattern = without_escapes(pattern);
            }
            return Ok(node);
        }
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
fn brackets(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
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

fn shape_or_vectors(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
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
    }))))
}

/// `[KNN k @field $vector options AS name]` after `=>`, and the attributes.
fn nearest(p: &mut Parser<'_>, filter: Option<Node>) -> ParseResult<Node> {
    p.expect(Token::OpenBracket)?;
    let word = p.expect(Token::Word)?;
    let k = match p.peek() {
        Token::Size => p.next().number as u64,
        Token::Param => {
            let token = p.next();
            p.count_param(p.text_of(&token))
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
        reach: Reach::Nearest(k),
        options: Vec::new(),
        filter,
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
