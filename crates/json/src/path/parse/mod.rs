//! The parser: text of a JSONPath to steps and expressions, in a single pass over its bytes.
//!
//!     path       = "$" segments | expression with "$" paths (a projection)
//!     segments   = first? (segment)*          first: a bare name or "*", as in `@name`
//!     segment    = "." name | "." "*" | "."? "[" inside "]" | ".." (name | "*" | "[" inside "]")
//!     inside     = slice | index, ... | string, ... | "*" | "?" condition
//!     condition  = or of and of (not | comparison); comparison = value (operator value)?
//!     value      = sum of products of signs of (literal | path | path "~" | call | "(" ... ")")
//!
//! Redis's own rules, which differ from RFC 9535's: names in dots may have `- + # % $ ^ / :` and
//! the backtick, so arithmetic needs blanks after a name; blanks are allowed between all tokens,
//! and so are skipped at the start of a quoted string; a segment in brackets may have a dot before
//! it; numbers have no exponent. Conditions in parentheses and sums in parentheses are parsed
//! alike, and distinguished by their content, so no text is parsed twice.
//!
//! A failure carries its position only; `expect` finds the words for it.

mod expressions;
mod literals;
mod segments;

use super::ast::{Expr, Origin, Query, Step};
use super::budget::{DEPTH_MAX, STEPS_MAX};
use super::error::PathError;
use super::expect;

/// A parsed text.
#[derive(Debug)]
pub(super) enum ParsedPath {
    /// A path, also in parentheses: it selects values of the document.
    Selection(Vec<Step>),
    /// Anything else: it computes a value.
    Projection(Expr),
}

/// Parses a text in the form of JSONPath; the length is checked by the caller.
pub(super) fn parse(text: &str) -> Result<ParsedPath, PathError> {
    let mut parser = Parser {
        text,
        at: 0,
        furthest: 0,
        depth: 0,
        branches: 0,
    };
    match parser.path() {
        Ok(parsed) => Ok(parsed),
        Err(Failure::Here) => Err(PathError::Syntax(expect::explain(text, parser.furthest))),
        Err(Failure::Bound(error)) => Err(error),
    }
}

enum Failure {
    /// The grammar has nothing for the text at the furthest position.
    Here,
    Bound(PathError),
}

type Parse<T> = Result<T, Failure>;

/// A position in a text, and the way of failures.
struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// The position furthest right at which something else was expected.
    furthest: usize,
    depth: usize,
    branches: usize,
}

impl Parser<'_> {
    fn path(&mut self) -> Parse<ParsedPath> {
        let value = self.value()?;
        self.blanks();
        if self.at < self.text.len() {
            return self.fail();
        }
        Ok(match value {
            Expr::Query(Query {
                origin: Origin::Root,
                steps,
                ..
            }) => ParsedPath::Selection(steps),
            value => ParsedPath::Projection(value),
        })
    }

    /// Items between commas, at least a single item.
    fn list<T>(&mut self, item: fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![item(self)?];
        loop {
            let before = self.at;
            self.blanks();
            if !self.eat(b',') {
                self.at = before;
                return Ok(items);
            }
            self.blanks();
            items.push(item(self)?);
        }
    }

    /// Items between commas, none at least, and what closes them.
    fn list_until<T>(&mut self, close: u8, item: fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.blanks();
        if self.eat(close) {
            return Ok(Vec::new());
        }
        let items = self.list(item)?;
        self.blanks();
        self.expect(close)?;
        Ok(items)
    }

    /// Parses a level further in.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.deeper()?;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn deeper(&mut self) -> Parse<()> {
        if self.depth == DEPTH_MAX {
            return Err(Failure::Bound(PathError::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    fn push(&mut self, steps: &mut Vec<Step>, step: Step) -> Parse<()> {
        if !step.is_static() {
            if self.branches == STEPS_MAX {
                return Err(Failure::Bound(PathError::TooManySteps));
            }
            self.branches += 1;
        }
        steps.push(step);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// `&&` or `||`, after blanks; nothing consumed if it is not there.
    fn eat_sign(&mut self, sign: &str) -> bool {
        let before = self.at;
        self.blanks();
        let found = self.text[self.at..].starts_with(sign);
        self.at = if found { self.at + sign.len() } else { before };
        found
    }

    fn expect(&mut self, byte: u8) -> Parse<()> {
        if self.eat(byte) { Ok(()) } else { self.fail() }
    }

    /// Only the space is blank.
    fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn fail<T>(&mut self) -> Parse<T> {
        self.furthest = self.furthest.max(self.at);
        Err(Failure::Here)
    }
}
