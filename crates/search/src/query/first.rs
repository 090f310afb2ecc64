//! The grammar of dialect 1.
//!
//! `|` binds more strongly than neighbours do, but words that follow each other are a single unit
//! before it: `a b|c d` is `(a b)|(c d)`, `x|"y" z` is `(x|"y") z`. `-`, `~` and a field take
//! everything up to a token that binds less than they do; [`strength`] says how strongly a token
//! binds.

use super::levels::{self, Grammar, PartStart, Place};
use super::lexer::Kind as Token;
use super::parser::{ParseResult, Parser, RangeBound, folded, unescaped};
use super::tree::{Kind, Node};

const OPTIONAL: u8 = 2;
const NEGATION: u8 = 6;
const NUMBER: u8 = 7;
const STOP_WORD: u8 = 8;
const WORDS: u8 = 9;
const FIELD: u8 = 16;
const NEIGHBOURS: u8 = 17;
const UNION: u8 = 18;
const ARROW: u8 = 20;

/// How strongly a token that begins a unit binds to the part before it; `None`: it begins no unit.
fn strength(p: &Parser<'_>) -> Option<u8> {
    Some(match p.peek() {
        Token::Tilde => OPTIONAL,
        Token::Quote => 4,
        Token::Minus => NEGATION,
        Token::Number => NUMBER,
        Token::Word if p.is_at_stop_word() => STOP_WORD,
        Token::Word => 10,
        Token::Prefix | Token::Suffix | Token::Infix => 11,
        Token::Percent => 12,
        Token::OpenParen => 14,
        Token::Field => FIELD,
        _ => return None,
    })
}

/// A whole query.
pub(super) fn query(p: &mut Parser<'_>) -> ParseResult<Option<Node>> {
    if p.peek() == Token::End {
        return Ok(None);
    }
    if p.takes(Token::Star) {
        return Ok(Some(Node::new(Kind::Everything)));
    }
    levels::expression(p, &GRAMMAR, Place::Inner)
}

const GRAMMAR: Grammar = Grammar {
    strength: |p, _| strength(p),
    begin,
    union: UNION,
    neighbours: NEIGHBOURS,
    arrow: ARROW,
    negation: NEGATION,
    optional: OPTIONAL,
    field: FIELD,
};

fn begin(p: &mut Parser<'_>, _: Place) -> ParseResult<PartStart> {
    Ok(PartStart::Unit(match p.peek() {
        Token::Field => return field(p),
        Token::OpenParen => {
            p.next();
            return Ok(PartStart::Group);
        }
        Token::Minus => {
            p.next();
            return Ok(PartStart::Not);
        }
        Token::Tilde => {
            p.next();
            return Ok(PartStart::Optional);
        }
        Token::Quote => Some(quoted(p)?),
        Token::Percent => Some(fuzzy(p)?),
        Token::Prefix | Token::Suffix | Token::Infix => Some(affix(p)),
        Token::Word if p.is_at_stop_word() => {
            p.next();
            None
        }
        Token::Word | Token::Number => Some(words(p)),
        _ => return Err(p.syntax_error()),
    }))
}

/// Words that follow each other. Numbers are taken among the first two alone.
fn words(p: &mut Parser<'_>) -> Node {
    let mut parts = Vec::new();
    loop {
        let strength = match p.peek() {
            Token::Word if p.is_at_stop_word() => break,
            Token::Word => 10,
            Token::Number => NUMBER,
            _ => break,
        };
        if parts.len() > 1 && strength < WORDS {
            break;
        }
        let token = p.next();
        parts.push(Node::word(folded(p.text_of(&token))));
    }
    joined(parts, false)
}

/// A single word, or all of several words.
fn joined(mut parts: Vec<Node>, is_exact: bool) -> Node {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    Node::new(Kind::Intersect { parts, is_exact })
}

/// `"a b"`: words, of which stop words are left out from the third on.
fn quoted(p: &mut Parser<'_>) -> ParseResult<Node> {
    p.expect(Token::Quote)?;
    let mut parts: Vec<Node> = Vec::new();
    loop {
        match p.peek() {
            Token::Word if p.is_at_stop_word() => {
                if parts.len() < 2 {
                    return Err(p.syntax_error());
                }
                p.next();
            }
            Token::Word | Token::Number => {
                let token = p.next();
                parts.push(Node::word(folded(p.text_of(&token))));
            }
            Token::Quote if !parts.is_empty() => break,
            _ => return Err(p.syntax_error()),
        }
    }
    p.next();
    let mut node = joined(parts, true);
    node.verbatim = true;
    Ok(node)
}

fn affix(p: &mut Parser<'_>) -> Node {
    let token = p.next();
    let text = p.text_of(&token);
    Node::new(Kind::Affix {
        text: unescaped(text),
        leading: token.kind != Token::Prefix,
        trailing: token.kind != Token::Suffix,
    })
}

/// `%word%`, `%%word%%` or `%%%word%%%`.
fn fuzzy(p: &mut Parser<'_>) -> ParseResult<Node> {
    let mut distance = 0;
    while distance < 3 && p.takes(Token::Percent) {
        distance += 1;
    }
    let word = p.term().ok_or_else(|| p.syntax_error())?;
    for _ in 0..distance {
        p.expect(Token::Percent)?;
    }
    Ok(Node::new(Kind::Fuzzy {
        text: folded(word),
        distance,
    }))
}

/// `@field:`, with the values that it must hold unless these are words.
fn field(p: &mut Parser<'_>) -> ParseResult<PartStart> {
    let names = p.field_names()?;
    p.expect(Token::Colon)?;
    if let [name] = names.as_slice() {
        let unit = match p.peek() {
            Token::OpenBrace => Some(tags(p, name.clone())?),
            Token::OpenBracket => Some(brackets(p, name.clone())?),
            _ => None,
        };
        if unit.is_some() {
            return Ok(PartStart::Unit(unit));
        }
    }
    Ok(PartStart::Field(p.fields(&names)))
}

/// `{a|b c|d*}`, whose brace need not be closed.
fn tags(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
    p.expect(Token::OpenBrace)?;
    let mut values = vec![tag(p)?];
    loop {
        if p.takes(Token::Or) {
            values.push(tag(p)?);
        } else if !p.takes(Token::CloseBrace) {
            break;
        }
    }
    Ok(Node::new(Kind::Tag { field, values }))
}

fn tag(p: &mut Parser<'_>) -> ParseResult<Node> {
    match p.peek() {
        Token::Prefix | Token::Suffix | Token::Infix => return Ok(affix(p)),
        Token::Word if p.is_at_stop_word() => {
            let token = p.next();
            return Ok(Node::word(p.text_of(&token).to_vec()));
        }
        _ => {}
    }
    let first = p.term().ok_or_else(|| p.syntax_error())?;
    let mut words = vec![first];
    loop {
        if p.peek() == Token::Word && p.is_at_stop_word() {
            if words.len() < 2 {
                break;
            }
            p.next();
        } else if let Some(word) = p.term() {
            words.push(word);
        } else {
            break;
        }
    }
    if let [word] = words.as_slice() {
        return Ok(Node::word(word.to_vec()));
    }
    Ok(joined(
        words
            .into_iter()
            .map(|word| Node::word(folded(word)))
            .collect(),
        false,
    ))
}

/// `[1 5]` or `[lon lat radius unit]`.
fn brackets(p: &mut Parser<'_>, field: Vec<u8>) -> ParseResult<Node> {
    p.expect(Token::OpenBracket)?;
    let (first, second) = (bound(p)?, bound(p)?);
    if p.takes(Token::CloseBracket) {
        let range = p.range(&first, &second);
        return Ok(Node::new(Kind::Range { field, range }));
    }
    let radius = bound(p)?;
    let unit = p.expect(Token::Word)?;
    let unit = p.text_of(&unit);
    p.expect(Token::CloseBracket)?;
    let circle = p.circle([first.value, second.value, radius.value], unit);
    Ok(Node::new(Kind::Near { field, circle }))
}

/// A number with signs and parentheses.
fn bound(p: &mut Parser<'_>) -> ParseResult<RangeBound> {
    let (mut sign, mut is_exclusive) = (1.0, false);
    loop {
        match p.peek() {
            Token::Minus => sign = -sign,
            Token::OpenParen => is_exclusive = true,
            Token::Number => break,
            _ => return Err(p.syntax_error()),
        }
        p.next();
    }
    Ok(RangeBound {
        value: sign * p.next().number,
        is_exclusive,
    })
}
