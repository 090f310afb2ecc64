//! `cjson.decode`: JSON to Lua values, by the rules of the library of that name.
//!
//! A tokenizer with one token of lookahead, and a recursive descent that builds tables on the Lua
//! stack: its depth is bounded by `decode_max_depth` and [`super::DEPTH_MAX`], and a slot is
//! reserved for each level. As in C, the text ends at a zero byte outside of a string, and numbers
//! that JSON does not know (hexadecimal, infinity) pass unless `decode_invalid_numbers` is off.
//! Errors name the token and its place, in the library's words. Cost: O(text), checked for stop and
//! memory as it goes (`effort`).

use super::{Config, DEPTH_MAX};
use crate::effort::{Effort, LONG};
use crate::lua::{Frame, Raise, ReturnCount, Stack};
use crate::stdlib::number::parse_c;

/// `cjson.decode(text)`: the value. Null is `cjson.null`. A zero byte outside of a string ends
/// the text, as in C.
pub fn decode(f: Frame<'_>) -> ReturnCount {
    if f.top() != 1 {
        return Err(Raise::Argument(1, "expected 1 argument".into()));
    }
    let text = f.string_argument(1)?;
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(Raise::text("JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut decoder = Decoder {
        stack: f.stack,
        effort: Effort::new(f),
        config: f.machine.json.get(),
        text,
        at: 0,
        depth: 0,
        unescaped: Vec::new(),
    };
    let first = decoder.token();
    decoder.value(first)?;
    let last = decoder.token();
    match last.0 {
        Token::End => Ok(1),
        _ => Err(unexpected("the end", last)),
    }
}

/// A token and the offset where it begins.
type PlacedToken<'t> = (Token<'t>, usize);

#[derive(Clone, Copy)]
enum Token<'t> {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// A string without escapes.
    String(&'t [u8]),
    /// A string with escapes; its text is in `unescaped`.
    Unescaped,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token<'_> {
    /// The name used in messages.
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) | Token::Unescaped => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(text) => text,
        }
    }
}

fn unexpected(expected: &str, (found, at): PlacedToken<'_>) -> Raise {
    Raise::text(format!(
        "Expected {expected} but found {} at character {}",
        found.name(),
        at + 1
    ))
}

struct Decoder<'t> {
    stack: Stack,
    effort: Effort<'t>,
    config: Config,
    text: &'t [u8],
    at: usize,
    depth: usize,
    unescaped: Vec<u8>,
}

impl<'t> Decoder<'t> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn token(&mut self) -> PlacedToken<'t> {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let token = match self.peek() {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return (Token::End, start),
            b'"' => {
                let token = self.string();
                // An error is at the place where it was found.
                let at = match token {
                    Token::Error(_) => self.at,
                    _ => start,
                };
                return (token, at);
            }
            b'-' | b'0'..=b'9' => {
                let is_refused = !self.config.decode_invalid && self.is_foreign();
                let token = if is_refused {
                    Token::Error("invalid number")
                } else {
                    self.number()
                };
                return (token, start);
            }
            b'+' | b'i' | b'I' | b'n' | b'N' | b't' | b'f' => return (self.word(), start),
            _ => return (Token::Error("invalid token"), start),
        };
        self.at += 1;
        (token, start)
    }

    fn word(&mut self) -> Token<'t> {
        let rest = &self.text[self.at..];
        let words = [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ];
        for (word, token) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        if self.config.decode_invalid && self.is_foreign() {
            self.number()
        } else {
            Token::Error("invalid token")
        }
    }

    /// Whether a number begins here that C accepts and JSON does not.
    fn is_foreign(&self) -> bool {
        let rest = &self.text[self.at..];
        if rest.first() == Some(&b'+') {
            return true;
        }
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        match rest.first() {
            Some(b'0') => matches!(rest.get(1), Some(b'x' | b'X' | b'0'..=b'9')),
            Some(b) if *b <= b'9' => false,
            _ => {
                let head = &rest[..rest.len().min(3)];
                head.eq_ignore_ascii_case(b"inf") || head.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token<'t> {
        match parse_c(&self.text[self.at..]) {
            Some((n, len)) => {
                self.at += len;
                Token::Number(n)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn string(&mut self) -> Token<'t> {
        self.at += 1;
        let start = self.at;
        let is_special = |b: &u8| matches!(b, b'"' | b'\\' | 0);
        let rest = &self.text[start..];
        let end = rest.iter().position(is_special).unwrap_or(rest.len());
        self.at += end;
        if self.peek() == b'"' {
            self.at += 1;
            return Token::String(&rest[..end]);
        }
        self.unescaped.clear();
        self.unescaped.extend_from_slice(&rest[..end]);
        loop {
            let byte = match self.peek() {
                b'"' => break,
                0 => return Token::Error("unexpected end of string"),
                b'\\' => {
                    let backslash = self.at;
                    self.at += 1;
                    match self.peek() {
                        b @ (b'"' | b'\\' | b'/') => b,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            if !self.unicode() {
                                self.at = backslash;
                                return Token::Error("invalid unicode escape code");
                            }
                            continue;
                        }
                        _ => {
                            self.at = backslash;
                            return Token::Error("invalid escape code");
                        }
                    }
                }
                b => b,
            };
            self.unescaped.push(byte);
            self.at += 1;
        }
        self.at += 1;
        Token::Unescaped
    }

    /// Four hexadecimal digits from `at` on.
    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        let all = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| all)?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Decodes `uXXXX`, or a surrogate pair of two, to UTF-8.
    fn unicode(&mut self) -> bool {
        let Some(first) = self.hex4(self.at + 1) else {
            return false;
        };
        self.at += 5;
        let code = match first {
            0xd800..=0xdbff => {
                let low = match self.text.get(self.at..self.at + 2) {
                    Some(b"\\u") => self.hex4(self.at + 2),
                    _ => None,
                };
                let Some(low @ 0xdc00..=0xdfff) = low else {
                    return false;
                };
                self.at += 6;
                0x10000 + ((first & 0x3ff) << 10) + (low & 0x3ff)
            }
            // A low surrogate alone is no character.
            0xdc00..=0xdfff => return false,
            one => one,
        };
        match char::from_u32(code) {
            Some(c) => {
                let mut utf8 = [0; 4];
                self.unescaped
                    .extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
                true
            }
            None => false,
        }
    }

    /// Pushes the string of a token; `false`: the token is no string.
    fn push_string(&self, token: Token<'_>) -> Result<bool, Raise> {
        let text = match token {
            Token::String(text) => text,
            Token::Unescaped => &self.unescaped,
            _ => return Ok(false),
        };
        if text.len() >= LONG {
            self.effort
                .check_string(self.unescaped.len() + text.len())?;
        }
        self.stack.push_bytes(text);
        Ok(true)
    }

    /// Pushes the value that begins with `token`.
    fn value(&mut self, token: PlacedToken<'t>) -> Result<(), Raise> {
        self.effort.step(0)?;
        match token.0 {
            Token::Number(n) => self.stack.push_number(n),
            Token::Boolean(b) => self.stack.push_boolean(b),
            Token::Null => self.stack.push_null(),
            Token::ObjectBegin => return self.object(),
            Token::ArrayBegin => return self.array(),
            other => {
                if !self.push_string(other)? {
                    return Err(unexpected("value", token));
                }
            }
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Raise> {
        self.depth += 1;
        let fits = self.depth as i64 <= self.config.decode_max_depth && self.depth <= DEPTH_MAX;
        if fits && self.stack.has_room(4) {
            return Ok(());
        }
        Err(Raise::text(format!(
            "Found too many nested data structures ({}) at character {}",
            self.depth, self.at
        )))
    }

    fn object(&mut self) -> Result<(), Raise> {
        self.descend()?;
        self.stack.push_table(0, 0);
        let mut token = self.token();
        if matches!(token.0, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if !self.push_string(token.0)? {
                return Err(unexpected("object key string", token));
            }
            token = self.token();
            if !matches!(token.0, Token::Colon) {
                return Err(unexpected("colon", token));
            }
            token = self.token();
            self.value(token)?;
            self.stack.raw_set(-3);
            token = self.token();
            match token.0 {
                Token::ObjectEnd => break,
                Token::Comma => token = self.token(),
                _ => return Err(unexpected("comma or object end", token)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), Raise> {
        self.descend()?;
        self.stack.push_table(0, 0);
        if self.config.marks_arrays {
            super::mark_as_array(self.stack);
        }
        let mut token = self.token();
        if matches!(token.0, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for i in 1.. {
            self.value(token)?;
            self.stack.raw_set_at(-2, i);
            token = self.token();
            match token.0 {
                Token::ArrayEnd => break,
                Token::Comma => token = self.token(),
                _ => return Err(unexpected("comma or array end", token)),
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
