//! Paths: which values of a document a command reads or writes.
//!
//!     text -> parse -> ast -> walk (steps) <-> filter (conditions, values)
//!                 \-> expect (the words of an error)
//!
//! Two dialects. A JSONPath gives all its matches. A legacy path (`.`, `.a`, `a[0]`) is the
//! JSONPath that has `$` in front; commands answer its first match only, without an array around
//! it.
//!
//! Since Redis 8.10 a path may compute a value (`$.a + 1`, `$.list.length()`): a projection, which
//! only reads take, by [`Path::results`].
//!
//! Invariants
//!   1. Texts and evaluations have bounds, in `budget`; at a bound there is an error, never a part
//!      of the result. Static paths pay nothing: a look-up for each step is all their work.
//!   2. No text makes parsing panic, and no path makes evaluation panic.
//!
//! Cost: parsing is linear in the text. A static path (names and indexes) evaluates without memory
//! in the time of its look-ups; `[0]` and `.a` are static, `[0,1]`, `*`, `..` and `?` are not.

mod arithmetic;
mod ast;
mod budget;
mod cache;
mod compare;
mod computed;
mod edits;
mod error;
mod expect;
mod filter;
mod functions;
mod parse;
mod pattern;
mod targets;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use std::borrow::Cow;

use ast::{Expr, Step};
use budget::TEXT_BYTES_MAX;
use filter::{Memo, Scope};
use parse::ParsedPath;
use value::{Item, Value};
use walk::{MissingVisitor, Stop, Trail, Visitor, Walk, follow};

pub use budget::Budget;
pub use cache::PathCache;
pub use computed::ComputedValue;
pub use error::{EvalError, PathError};
pub use targets::{MissingMembers, Target};

use crate::view::{Location, View};

/// A compiled path.
#[derive(Debug)]
pub struct Path {
    text: Box<str>,
    legacy: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Names and indexes: at most a single match.
    Static(Vec<Step>),
    Selection(Vec<Step>),
    Projection(Expr),
}

/// The last step of a static path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key<'p> {
    /// A member's name.
    Name(&'p str),
    /// An element's index, from the end if negative.
    Index(i64),
}

/// A result of a path that is read.
#[derive(Clone, Debug)]
pub enum PathResult<V> {
    /// A value of the document.
    At(V),
    /// A value that the path computes.
    Computed(ComputedValue),
}

impl Path {
    /// Compiles a path of either dialect.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let legacy = !is_json_path(text);
        let text = if legacy {
            with_root(text)
        } else {
            Cow::Borrowed(text)
        };
        let body = match parse::parse(&text)? {
            ParsedPath::Selection(steps) if steps.iter().all(Step::is_static) => {
                Body::Static(steps)
            }
            ParsedPath::Selection(steps) => Body::Selection(steps),
            // Projections are of JSONPath alone; before 8.10 most of these texts were no paths.
            ParsedPath::Projection(_) if legacy => {
                return Err(PathError::Syntax(expect::explain(&text, text.len())));
            }
            ParsedPath::Projection(expr) => Body::Projection(expr),
        };
        Ok(Path {
            text: text.into(),
            legacy,
            body,
        })
    }

    /// Whether a text is of the legacy dialect, compiled or not.
    pub fn is_legacy_text(text: &str) -> bool {
        !is_json_path(text)
    }

    /// Whether the text was of the legacy dialect.
    pub fn is_legacy(&self) -> bool {
        self.legacy
    }

    /// The path as JSONPath, as errors show it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is the root and nothing else.
    pub fn is_root(&self) -> bool {
        matches!(&self.body, Body::Static(steps) if steps.is_empty())
    }

    /// Whether it has names and indexes only, and so at most a single match.
    pub fn is_static(&self) -> bool {
        matches!(self.body, Body::Static(_))
    }

    /// Whether it computes a value instead of selecting some.
    pub fn is_projection(&self) -> bool {
        matches!(self.body, Body::Projection(_))
    }

    /// Bytes that it takes, about.
    pub fn memory(&self) -> usize {
        const BYTES_FOR_EACH_OF_TEXT: usize = 48;
        size_of::<Self>() + BYTES_FOR_EACH_OF_TEXT * self.text.len()
    }

    /// The last step of a static path; `None` for the root and for other paths.
    pub fn last_key(&self) -> Option<Key<'_>> {
        let Body::Static(steps) = &self.body else {
            return None;
        };
        match steps.last()? {
            Step::Name(name) => Some(Key::Name(name)),
            Step::Index(index) => Some(Key::Index(*index)),
            _ => None,
        }
    }

    /// The value that holds what a static path leads to, found by all its steps but the last.
    pub fn parent<'a, V: View<'a>>(&self, root: V) -> Option<(Location, V)> {
        let Body::Static(steps) = &self.body else {
            return None;
        };
        let (_, steps) = steps.split_last()?;
        let mut location = Location::new();
        let parent = follow(steps, root, &mut location)?;
        Some((location, parent))
    }

    /// The value that a static path leads to; `None` for other paths, too.
    pub fn only<'a, V: View<'a>>(&self, root: V) -> Option<V> {
        match &self.body {
            Body::Static(steps) => follow(steps, root, &mut ()),
            _ => None,
        }
    }

    /// The first match.
    pub fn first<'a, V: View<'a>>(&self, root: V, budget: &Budget) -> Result<Option<V>, EvalError> {
        if let Body::Static(steps) = &self.body {
            return Ok(follow(steps, root, &mut ()));
        }
        let mut first = None;
        self.walk(root, budget, (), &mut |(), value| {
            first = Some(value);
            Err(Stop::Enough)
        })?;
        Ok(first)
    }

    /// Takes each match in order, until there is an error. A projection has none: see
    /// [`Path::results`].
    pub fn each<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
        mut take: impl FnMut(V) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        if let Body::Static(steps) = &self.body {
            return follow(steps, root, &mut ()).map_or(Ok(()), take);
        }
        self.walk(root, budget, (), &mut |(), value| Ok(take(value)?))
    }

    /// All matches in order, with their locations; the same value as often as it is matched.
    pub fn find<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<(Location, V)>, EvalError> {
        let mut found = Vec::new();
        self.each_found(root, budget, |location, value| {
            found.push((location.clone(), value));
        })?;
        Ok(found)
    }

    /// Takes each match in order, with its location.
    pub fn each_found<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
        mut take: impl FnMut(&Location, V),
    ) -> Result<(), EvalError> {
        if let Body::Static(steps) = &self.body {
            let mut location = Location::new();
            if let Some(value) = follow(steps, root, &mut location) {
                take(&location, value);
            }
            return Ok(());
        }
        self.walk(root, budget, Location::new(), &mut |location, value| {
            take(location, value);
            Ok(())
        })
    }

    /// The locations of all matches, each once, in an order in which edits do not move later ones:
    /// a match within another match before that match, later siblings before earlier ones.
    pub fn locations<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<Location>, EvalError> {
        let mut locations = self.matched(root, budget)?;
        edits::last_first(&mut locations);
        Ok(locations)
    }

    /// Where to delete all matches, in turn: each location is as it is after the deletions before
    /// it, with the last member of an object moving to the place of the deleted member. The members
    /// that remain are in Redis's order. Matches within others are left out.
    pub fn deletions<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<Location>, EvalError> {
        edits::deletions(root, self.matched(root, budget)?, budget)
    }

    /// All results in order, also of a projection: none if it computes nothing.
    pub fn results<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<PathResult<V>>, EvalError> {
        let Body::Projection(expr) = &self.body else {
            let mut found = Vec::new();
            self.each(root, budget, |value| {
                found.push(PathResult::At(value));
                budget.spend_result(0)
            })?;
            return Ok(found);
        };
        let memo = Memo::default();
        let scope = Scope {
            root,
            current: root,
            budget,
            memo: &memo,
        };
        Ok(match filter::evaluate(expr, &scope)? {
            Value::Nothing => Vec::new(),
            Value::Node(value) => vec![PathResult::At(value)],
            Value::Nodes(values) => values.into_iter().map(PathResult::At).collect(),
            Value::Literal(value) => vec![PathResult::Computed(value.clone())],
            Value::Made(value) => vec![PathResult::Computed(value)],
            Value::List(items) => items
                .into_iter()
                .map(|item| match item {
                    Item::Node(value) => PathResult::At(value),
                    Item::Made(value) => PathResult::Computed(value),
                })
                .collect(),
        })
    }

    fn matched<'a, V: View<'a>>(
        &self,
        root: V,
        budget: &Budget,
    ) -> Result<Vec<Location>, EvalError> {
        if let Body::Static(steps) = &self.body {
            let mut location = Location::new();
            let value = follow(steps, root, &mut location);
            return Ok(value.map(|_| location).into_iter().collect());
        }
        let mut locations = Vec::new();
        self.walk(root, budget, Location::new(), &mut |location, _| {
            locations.push(location.clone());
            Ok(())
        })?;
        Ok(locations)
    }

    fn walk<'a, V: View<'a>, T: Trail>(
        &self,
        root: V,
        budget: &Budget,
        trail: T,
        visitor: &mut Visitor<'_, T, V>,
    ) -> Result<(), EvalError> {
        self.walk_all(root, budget, trail, visitor, None)
    }

    /// As [`Path::walk`]; `missing` takes the members that could be made.
    fn walk_all<'a, V: View<'a>, T: Trail>(
        &self,
        root: V,
        budget: &Budget,
        trail: T,
        visitor: &mut Visitor<'_, T, V>,
        missing: Option<&MissingVisitor<'_, T>>,
    ) -> Result<(), EvalError> {
        let (Body::Static(steps) | Body::Selection(steps)) = &self.body else {
            return Err(EvalError::Projection);
        };
        match (Walk {
            root,
            budget,
            memo: Memo::default(),
            trail,
            visitor,
            missing,
        })
        .run(steps, root)
        {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Whether a text is a JSONPath, by how it begins.
fn is_json_path(text: &str) -> bool {
    match text.as_bytes() {
        [b'$'] | [b'$', b'.' | b'[' | b'~', ..] | [b'(', ..] => true,
        [b'+' | b'-', b'$' | b'(', ..] => true,
        [first, ..] if first.is_ascii_alphabetic() => {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let after = text.bytes().position(|byte| !is_word(&byte));
            after.is_some_and(|after| text.as_bytes()[after] == b'(')
        }
        _ => false,
    }
}

/// A legacy path as JSONPath.
fn with_root(text: &str) -> Cow<'static, str> {
    match text.strip_prefix('.') {
        Some("") => Cow::Borrowed("$"),
        Some(_) => Cow::Owned(format!("${text}")),
        None => Cow::Owned(format!("$.{text}")),
    }
}
