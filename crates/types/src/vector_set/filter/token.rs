//! The tokens of an expression.
//!
//!     number   12, -1.5e3            a minus is a sign at the beginning and after an operator
//!     text     "a", 'a'              kept as written, with its backslashes
//!     tuple    [1, "a"]              a range of `literals`
//!     field    .name                 the name may be empty, as in Redis
//!     word     and, <=, (, null      the longest operator that fits
//!
//! Texts and names are ranges of the expression: nothing is copied. An error has the position at
//! which Redis shows the expression. Cost: O(length); the order of tokens is checked in `compile`.

use std::ops::Range;

use super::number::{decimal, is_space};
use super::{Literal, Operator, SyntaxError};

/// A number of more characters is refused.
const NUMBER_MAX: usize = 255;

#[derive(Clone, Debug)]
pub(super) enum Token {
    Number(f64),
    Text(Range<u32>),
    /// Elements in the list of literals.
    Tuple(Range<u32>),
    /// The field's name, which may be empty.
    Field(Range<u32>),
    Null,
    Operator(Operator),
}

const OPERATORS: [(&[u8], Operator); 21] = [
    (b"(", Operator::Open),
    (b")", Operator::Close),
    (b"!", Operator::Not),
    (b"not", Operator::Not),
    (b"**", Operator::Power),
    (b"*", Operator::Times),
    (b"/", Operator::Over),
    (b"%", Operator::Modulo),
    (b"+", Operator::Plus),
    (b"-", Operator::Minus),
    (b">", Operator::Greater),
    (b">=", Operator::AtLeast),
    (b"<", Operator::Less),
    (b"<=", Operator::AtMost),
    (b"==", Operator::Equal),
    (b"!=", Operator::Unequal),
    (b"in", Operator::In),
    (b"and", Operator::And),
    (b"&&", Operator::And),
    (b"or", Operator::Or),
    (b"||", Operator::Or),
];

fn is_operator(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || b"+-*%/!()<>=|&".contains(&byte)
}

fn is_field(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Reads an expression, token by token.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether a minus begins a number here: at the beginning and after an operator.
    minus_is_sign: bool,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8]) -> Tokens<'a> {
        Tokens {
            text,
            at: 0,
            minus_is_sign: true,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) -> Range<usize> {
        let rest = &self.text[self.at..];
        let len = rest.iter().take_while(|&&byte| accept(byte)).count();
        let start = self.at;
        self.at += len;
        start..self.at
    }

    /// The next token; elements of a tuple are added to `literals`. `None`: the end.
    pub fn next(&mut self, literals: &mut Vec<Literal>) -> Result<Option<Token>, SyntaxError> {
        self.skip_while(is_space);
        let Some(byte) = self.peek() else {
            return Ok(None);
        };
        let second = self.text.get(self.at + 1).copied();
        let token = match byte {
            b'0'..=b'9' => self.number().map(Token::Number),
            b'-' if self.minus_is_sign && second.is_some_and(|b| b.is_ascii_digit()) => {
                self.number().map(Token::Number)
            }
            b'"' | b'\'' => self.string(byte).map(Token::Text),
            // As in Redis a dot at the end is a field without a name.
            b'.' if second.is_none_or(is_field) => {
                self.at += 1;
                Some(Token::Field(narrow(self.skip_while(is_field))))
            }
            b'[' => self.tuple(literals).map(Token::Tuple),
            _ if is_operator(byte) => self.word(),
            _ => None,
        };
        let token = token.ok_or(SyntaxError { at: self.at })?;
        self.minus_is_sign =
            matches!(token, Token::Operator(operator) if operator != Operator::Close);
        Ok(Some(token))
    }

    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.skip_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E'));
        if digits.end - start > NUMBER_MAX {
            self.at = start + NUMBER_MAX;
            return None;
        }
        decimal(&self.text[start..self.at])
    }

    /// A quoted text, as it is written: a backslash only keeps a quote from ending it.
    fn string(&mut self, quote: u8) -> Option<Range<u32>> {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            if byte == b'\\' && self.at + 1 < self.text.len() {
                self.at += 2;
                continue;
            }
            self.at += 1;
            if byte == quote {
                return Some(narrow(start..self.at - 1));
            }
        }
        None
    }

    /// `[1, "a", -2]`, with or without a comma at its end.
    fn tuple(&mut self, literals: &mut Vec<Literal>) -> Option<Range<u32>> {
        self.at += 1;
        let start = literals.len();
        loop {
            self.skip_while(is_space);
            let literal = match self.peek()? {
                b']' => break,
                b'-' | b'0'..=b'9' => Literal::Number(self.number()?),
                quote @ (b'"' | b'\'') => Literal::Text(self.string(quote)?),
                _ => return None,
            };
            literals.push(literal);
            self.skip_while(is_space);
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => return None,
            }
        }
        self.at += 1;
        Some(narrow(start..literals.len()))
    }

    /// The longest operator that begins here, or null.
    fn word(&mut self) -> Option<Token> {
        let word = self.skip_while(is_operator);
        let start = word.start;
        let word = &self.text[word];
        if word == b"null" {
            return Some(Token::Null);
        }
        let fitting = OPERATORS.iter().filter(|(name, _)| word.starts_with(name));
        let (name, operator) = fitting.max_by_key(|(name, _)| name.len())?;
        self.at = start + name.len();
        Some(Token::Operator(*operator))
    }
}

/// Arguments are shorter than 4 GB.
fn narrow(range: Range<usize>) -> Range<u32> {
    range.start as u32..range.end as u32
}
