//! Segments: the steps of a path, in dots and in brackets.
//!
//! A segment ends before a method (`.name(`), which is an expression's.

use super::expressions::operator_by_word;
use super::{Failure, Parse, Parser};
use crate::path::PathError;
use crate::path::ast::{Filter, Slice, Step};

/// A byte of a name without quotes.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_`+#%$^/:".contains(&byte)
}

/// Whether a text names an operator in the place of a bare first segment.
fn is_reserved(word: &str) -> bool {
    operator_by_word(word).is_some()
}

fn is_sign_of_sum(name: &str) -> bool {
    matches!(name.as_bytes(), [b'+' | b'-' | b'/' | b'%', ..])
}

impl<'t> Parser<'t> {
    /// The segments after `$` or `@`.
    pub(super) fn segments(&mut self) -> Parse<Vec<Step>> {
        let mut steps = Vec::new();
        self.first_segment(&mut steps)?;
        loop {
            let before = self.at;
            self.blanks();
            if !self.segment(&mut steps)? {
                self.at = before;
                return Ok(steps);
            }
        }
    }

    pub(super) fn first_segment(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            return self.push(steps, Step::All);
        }
        let before = self.at;
        self.blanks();
        let start = self.at;
        let name = self.name_bytes();
        if name.is_empty() || is_reserved(name) || (start > before && is_sign_of_sum(name)) {
            self.at = before;
            return Ok(());
        }
        if self.peek() == Some(b'(') {
            return self.fail();
        }
        steps.push(Step::Name(name.into()));
        Ok(())
    }

    /// A segment; false, with nothing consumed but blanks, if none begins here.
    pub(super) fn segment(&mut self, steps: &mut Vec<Step>) -> Parse<bool> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest {
            [b'.', b'.', ..] => {
                self.at += 2;
                self.push(steps, Step::Descend)?;
                self.blanks();
                match self.peek() {
                    Some(b'[') => self.bracket(steps)?,
                    _ => self.name_or_all(steps)?,
                }
            }
            [b'.', ..] => {
                let before = self.at;
                self.at += 1;
                self.blanks();
                if self.peek() == Some(b'[') {
                    self.bracket(steps)?;
                } else {
                    self.name_or_all(steps)?;
                    if self.peek() == Some(b'(') && matches!(steps.last(), Some(Step::Name(_))) {
                        // A method: the caller's.
                        steps.pop();
                        self.at = before;
                        return Ok(false);
                    }
                }
            }
            [b'[', ..] => self.bracket(steps)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn name_or_all(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        if self.eat(b'*') {
            return self.push(steps, Step::All);
        }
        let name = self.name_bytes();
        if name.is_empty() {
            return self.fail();
        }
        steps.push(Step::Name(name.into()));
        Ok(())
    }

    pub(super) fn name_bytes(&mut self) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(is_name_byte) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    pub(super) fn bracket(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        self.expect(b'[')?;
        self.blanks();
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                self.push(steps, Step::All)?;
            }
            Some(b'?') => {
                self.at += 1;
                let condition = self.nested(Self::condition)?;
                self.push(steps, Step::Filter(Box::new(Filter { condition })))?;
            }
            Some(b'"' | b'\'') => {
                let names = self.list(Self::string)?;
                let step = match <[Box<str>; 1]>::try_from(names) {
                    Ok([name]) => Step::Name(name),
                    Err(names) => Step::Names(names.into()),
                };
                self.push(steps, step)?;
            }
            _ => self.indexes(steps)?,
        }
        self.blanks();
        self.expect(b']')
    }

    pub(super) fn indexes(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        let start = if self.peek() == Some(b':') {
            None
        } else {
            Some(self.index()?)
        };
        let before = self.at;
        self.blanks();
        if self.eat(b':') {
            return self.slice(steps, start);
        }
        self.at = before;
        let Some(first) = start else {
            return self.fail();
        };
        let mut indexes = vec![first];
        loop {
            let before = self.at;
            self.blanks();
            if !self.eat(b',') {
                self.at = before;
                break;
            }
            self.blanks();
            indexes.push(self.index()?);
        }
        let step = match *indexes {
            [index] => Step::Index(index),
            _ => Step::Indexes(indexes.into()),
        };
        self.push(steps, step)
    }

    /// The rest of a slice, after its first colon.
    pub(super) fn slice(&mut self, steps: &mut Vec<Step>, start: Option<i64>) -> Parse<()> {
        self.blanks();
        let end = match self.peek() {
            Some(b'-' | b'0'..=b'9') => Some(self.index()?),
            _ => None,
        };
        self.blanks();
        let mut step = 1;
        if self.eat(b':') {
            self.blanks();
            match self.peek() {
                Some(b'1'..=b'9') => {
                    let digits = self.digits();
                    step = digits.parse().unwrap_or(usize::MAX);
                }
                Some(b']') => {}
                _ => return self.fail(),
            }
        }
        self.push(steps, Step::Slice(Slice { start, end, step }))
    }

    /// An index.
    pub(super) fn index(&mut self) -> Parse<i64> {
        let text = self.integer()?;
        let beyond = |_| Failure::Bound(PathError::IndexRange);
        text.parse().map_err(beyond)
    }

    /// Digits without leading zeros, with a minus or without.
    pub(super) fn integer(&mut self) -> Parse<&'t str> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => {
                self.fail::<()>().ok();
                self.at = start;
                return self.fail();
            }
        }
        Ok(&self.text[start..self.at])
    }

    pub(super) fn digits(&mut self) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }
}
