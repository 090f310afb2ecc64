//! Splits a text into tokens, each in time by the token's length: text that was searched once for a
//! closing quote is not searched again.

use std::ops::Range;

use super::value::{Value, number_of};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Literal(Value),
    Property(Vec<u8>),
    Name(Vec<u8>),
    Mark(&'static str),
    End,
}

/// Marks, longer marks first.
const MARKS: [&str; 18] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "^", "(", ")", ",",
];

pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    /// The place of the last token, and the text that an error shows: for a mark, the text of the
    /// token before it.
    token_at: usize,
    near: Range<usize>,
    /// Whether the last token ends an operand: a plus after it is no sign.
    ends_operand: bool,
    /// Nothing closes a quote before these places, of `'` and of `"`.
    unclosed: [usize; 2],
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8]) -> Lexer<'t> {
        Lexer {
            text,
            at: 0,
            token_at: 0,
            near: 0..0,
            ends_operand: false,
            unclosed: [0; 2],
        }
    }

    /// Where the last token stands, and the text that it is near.
    pub(super) fn place(&self) -> (usize, &'t [u8]) {
        (self.token_at, &self.text[self.near.clone()])
    }

    /// The next token. Bytes that no token begins with are passed over.
    pub(super) fn next(&mut self) -> Token {
        while self.at < self.text.len() {
            let start = self.at;
            if let Some((token, end)) = self.token() {
                self.token_at = start;
                self.at = end;
                if !matches!(token, Token::Mark(_)) {
                    let mark = usize::from(matches!(token, Token::Property(_)));
                    self.near = start + mark..end;
                }
                self.ends_operand = !matches!(token, Token::Mark(mark) if mark != ")");
                return token;
            }
            self.at += 1;
        }
        Token::End
    }

    /// The token here, and where it ends.
    fn token(&mut self) -> Option<(Token, usize)> {
        let start = self.at;
        let rest = &self.text[start..];
        let number = number_len(rest, !self.ends_operand);
        if number > 0 {
            let n = number_of(&rest[..number]).unwrap_or(f64::NAN);
            return Some((Token::Literal(Value::Number(n)), start + number));
        }
        match rest[0] {
            b'@' => {
                let end = start + 1 + word_len(&rest[1..]);
                let name = &self.text[start + 1..end];
                (!name.is_empty()).then(|| (Token::Property(name.to_vec()), end))
            }
            b'\'' | b'"' => self.quoted(start),
            _ => match word_len(rest) {
                0 => {
                    let mark = MARKS
                        .iter()
                        .find(|mark| rest.starts_with(mark.as_bytes()))?;
                    Some((Token::Mark(mark), start + mark.len()))
                }
                len => Some((Token::Name(rest[..len].to_vec()), start + len)),
            },
        }
    }

    /// A text in quotes; `None`: nothing closes the quote on the same line.
    fn quoted(&mut self, start: usize) -> Option<(Token, usize)> {
        let mark = self.text[start];
        let unclosed = usize::from(mark == b'"');
        if start < self.unclosed[unclosed] {
            return None;
        }
        let mut value = Vec::new();
        let mut at = start + 1;
        while let Some(&byte) = self.text.get(at).filter(|byte| **byte != b'\n') {
            if byte == mark {
                return Some((Token::Literal(Value::Text(value)), at + 1));
            }
            let next = self.text.get(at + 1);
            let is_escaped = |next: &&u8| next.is_ascii_punctuation() || next.is_ascii_whitespace();
            if byte == b'\\'
                && let Some(&next) = next.filter(is_escaped)
            {
                value.push(next);
                at += 2;
            } else {
                value.push(byte);
                at += 1;
            }
        }
        self.unclosed[unclosed] = at;
        None
    }
}

fn word_len(text: &[u8]) -> usize {
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte > 127;
    text.iter().take_while(is_letter).count()
}

/// The bytes of `-1.5e-3` or `-inf` at the start of a text; 0 if there is no number. A minus always
/// belongs to the number, a plus only if an operand may stand there.
fn number_len(text: &[u8], takes_plus: bool) -> usize {
    let digits = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let sign = match text.first() {
        Some(b'-') => 1,
        Some(b'+') if takes_plus => 1,
        _ => 0,
    };
    let whole = digits(sign);
    if whole == 0 {
        let is_infinity = sign == 1 && text[1..].starts_with(b"inf");
        return if is_infinity { 4 } else { 0 };
    }
    let mut end = sign + whole;
    if text.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}
