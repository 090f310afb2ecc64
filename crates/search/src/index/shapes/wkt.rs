//! Well-known text: `POINT(1 2)`, `POLYGON((0 0,0 9,9 9),(1 1,2 2,2 1))`.
//!
//!     text    = name [Z | M | EMPTY]* list
//!     list    = "(" numbers ")"              of POINT
//!             | "(" ring [","] ring .. ")"   of POLYGON
//!     ring    = "(" numbers [","] numbers .. ")"
//!     numbers = longitude latitude, or x y; a number that is left out is 0
//!
//! Source: shapes put into Redis Stack 7.4, whose errors these are.

use super::{POINTS_MAX, Point, Ring, Shape, TEXT_MAX};

/// Bytes of the text that an error shows.
const SHOWN: usize = 100;

struct Reader<'t> {
    text: &'t [u8],
    tokens: Vec<&'t [u8]>,
    at: usize,
    points: usize,
}

type ParseResult<T> = Result<T, Vec<u8>>;

/// A shape as the text has it: rings may be open, and are not judged yet.
///
/// # Errors
///
/// If the text is no shape, or longer than [`TEXT_MAX`] or [`POINTS_MAX`] allow.
pub(super) fn parse(text: &[u8]) -> ParseResult<Shape> {
    let name: &[u8] = if text.starts_with(b"POINT") {
        b"POINT"
    } else if text.starts_with(b"POLYGON") {
        b"POLYGON"
    } else {
        return Err(b"unknown geometry type".into());
    };
    if text.len() > TEXT_MAX {
        return Err(format!("a shape has at most {TEXT_MAX} bytes").into());
    }
    let mut reader = Reader {
        text,
        tokens: tokens(text),
        at: 0,
        points: 0,
    };
    let is_empty = reader.opening(name)?;
    let shape = match (name, is_empty) {
        (b"POINT", true) => Shape::Point([0.0; 2]),
        (b"POINT", false) => reader.point()?,
        (_, true) => Shape::Polygon(Vec::new()),
        (_, false) => reader.polygon()?,
    };
    match reader.peek() {
        Some(_) => Err(reader.error("Too many tokens")),
        None => Ok(shape),
    }
}

/// Words, and each of `,()` by itself.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        let is_mark = matches!(byte, b',' | b'(' | b')');
        if is_mark || matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
            if from < at {
                tokens.push(&text[from..at]);
            }
            if is_mark {
                tokens.push(&text[at..=at]);
            }
            from = at + 1;
        }
    }
    if from < text.len() {
        tokens.push(&text[from..]);
    }
    tokens
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t [u8]> {
        self.tokens.get(self.at).copied()
    }

    fn shown(&self) -> &'t [u8] {
        &self.text[..self.text.len().min(SHOWN)]
    }

    /// An error at the token that is next.
    fn error(&self, message: &str) -> Vec<u8> {
        let mut text = message.as_bytes().to_vec();
        if let Some(token) = self.peek() {
            text.extend([b" at '", until_nul(token), b"'"].concat());
        }
        text.extend([b" in '", self.shown(), b"'"].concat());
        until_nul(&text).to_vec()
    }

    /// An error of the whole text, with the quote that Redis Stack shows.
    fn error_of_all(&self, message: &[u8]) -> Vec<u8> {
        until_nul(&[message, b"' in (", self.shown(), b")"].concat()).to_vec()
    }

    /// The name and the words after it. True: the shape is empty.
    fn opening(&mut self, name: &[u8]) -> ParseResult<bool> {
        if !self
            .peek()
            .is_some_and(|token| token.eq_ignore_ascii_case(name))
        {
            return Err(self.error_of_all(&[b"Should start with '", name, b"'"].concat()));
        }
        self.at += 1;
        let (mut is_empty, mut has_height) = (false, false);
        while let Some(token) = self.peek() {
            if token.eq_ignore_ascii_case(b"EMPTY") {
                is_empty = true;
            } else if token.eq_ignore_ascii_case(b"Z") {
                has_height = true;
            } else if !token.eq_ignore_ascii_case(b"M") {
                break;
            }
            self.at += 1;
        }
        if has_height {
            return Err(self.error_of_all(b"Z only allowed for 3 or more dimensions"));
        }
        Ok(is_empty)
    }

    fn takes(&mut self, mark: &[u8]) -> bool {
        let takes = self.peek() == Some(mark);
        self.at += usize::from(takes);
        takes
    }

    fn expect(&mut self, mark: &str) -> ParseResult<()> {
        if self.takes(mark.as_bytes()) {
            return Ok(());
        }
        Err(self.error(&format!("Expected '{mark}'")))
    }

    /// Whether a list has more items.
    fn has_more(&self) -> bool {
        self.peek().is_some_and(|token| token != b")")
    }

    fn point(&mut self) -> ParseResult<Shape> {
        self.expect("(")?;
        let point = self.coordinates()?;
        self.expect(")")?;
        Ok(Shape::Point(point))
    }

    fn polygon(&mut self) -> ParseResult<Shape> {
        let mut rings = Vec::new();
        self.expect("(")?;
        while self.has_more() {
            rings.push(self.ring()?);
            self.takes(b",");
        }
        self.expect(")")?;
        Ok(Shape::Polygon(rings))
    }

    fn ring(&mut self) -> ParseResult<Ring> {
        let mut ring = Ring::new();
        self.expect("(")?;
        while self.has_more() {
            ring.push(self.coordinates()?);
            self.takes(b",");
            self.points += 1;
            if self.points > POINTS_MAX {
                return Err(format!("a shape has at most {POINTS_MAX} points").into());
            }
        }
        self.expect(")")?;
        Ok(ring)
    }

    fn coordinates(&mut self) -> ParseResult<Point> {
        let mut point = [0.0; 2];
        for coordinate in &mut point {
            let Some(token) = self.peek().filter(|token| !matches!(*token, b"," | b")")) else {
                break;
            };
            let cast = "bad lexical cast: source type value could not be interpreted as target";
            *coordinate = number(token).ok_or_else(|| self.error(cast))?;
            self.at += 1;
        }
        Ok(point)
    }
}

/// A decimal number, `inf` or `nan`. `None`: the token is no number, or too large.
fn number(token: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(token).ok()?.parse().ok()?;
    let is_decimal = token.iter().any(u8::is_ascii_digit);
    (number.is_finite() || !is_decimal).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = parse(text.as_bytes()).expect_err(text);
        String::from_utf8(error).expect("text")
    }

    #[test]
    fn texts_that_redis_stack_takes() {
        let point = |x, y| Ok(Shape::Point([x, y]));
        for (text, expected) in [
            ("POINT(1 2)", point(1.0, 2.0)),
            ("POINT m ( 1.\t.5 ) ", point(1.0, 0.5)),
            ("POINT(1)", point(1.0, 0.0)),
            ("POINT EMPTY", point(0.0, 0.0)),
            ("POLYGON EMPTY", Ok(Shape::Polygon(vec![]))),
            (
                "POLYGON((0,1 2 3,) ())",
                Ok(Shape::Polygon(vec![
                    vec![[0.0, 0.0], [1.0, 2.0], [3.0, 0.0]],
                    vec![],
                ])),
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn errors_are_those_of_redis_stack() {
        let cast = "bad lexical cast: source type value could not be interpreted as target";
        for (text, expected) in [
            ("", "unknown geometry type"),
            ("point(1 1)", "unknown geometry type"),
            ("POINTX(1 1)", "Should start with 'POINT'' in (POINTX(1 1))"),
            (
                "POINT Z(1 1)",
                "Z only allowed for 3 or more dimensions' in (POINT Z(1 1))",
            ),
            ("POINT", "Expected '(' in 'POINT'"),
            ("POINT(1,1)", "Expected ')' at ',' in 'POINT(1,1)'"),
            ("POINT(1 1)\0x", "Too many tokens at '' in 'POINT(1 1)"),
            (
                "POLYGON((0 0,0 1,1 1) x)",
                "Expected '(' at 'x' in 'POLYGON((0 0,0 1,1 1) x)'",
            ),
            ("POINT(1e 1)", &format!("{cast} at '1e' in 'POINT(1e 1)'")),
            (
                "POINT(1e400 1)",
                &format!("{cast} at '1e400' in 'POINT(1e400 1)'"),
            ),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
        let long = format!("POLYGON(({}x))", "1 1,".repeat(50));
        assert_eq!(error(&long), format!("{cast} at 'x' in '{}'", &long[..100]));
    }

    #[test]
    fn shapes_are_bounded() {
        let long = format!("POLYGON(({}1 1))", "1 1,".repeat(POINTS_MAX));
        assert!(error(&long).contains("points"));
        let longer = format!("POINT(1 {}1)", " ".repeat(TEXT_MAX));
        assert!(error(&longer).contains("bytes"));
    }
}
