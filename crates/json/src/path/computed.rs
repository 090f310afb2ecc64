//! Values that a path computes, or has in its own text; they are in no document.
//!
//! [`ComputedValue`] is a small owned tree. [`Operand`] reads a side of an operator, be it in the
//! document or computed, so that every operator exists once.

use std::marker::PhantomData;

use super::budget::Budget;
use super::error::EvalError;
use crate::view::{Kind, Number, View};

/// An owned JSON value; a reference to it is a [`View`], so it prints like a document's value.
#[derive(Clone, Debug)]
pub enum ComputedValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<ComputedValue>),
    /// An object, its members in order, each name once.
    Object(Vec<(String, ComputedValue)>),
}

/// Containers within containers that [`ComputedValue::copy`] follows.
const COPY_DEPTH_MAX: usize = 128;

impl ComputedValue {
    /// A copy of a value; `None` if it is nested deeper than 128 or has more than `budget` values.
    pub(super) fn copy<'a, V: View<'a>>(value: V, budget: &Budget) -> Option<Self> {
        Self::copy_within(value, budget, COPY_DEPTH_MAX)
    }

    fn copy_within<'a, V: View<'a>>(value: V, budget: &Budget, depth: usize) -> Option<Self> {
        budget.keep(1).ok()?;
        let depth = depth.checked_sub(1)?;
        Some(match value.kind() {
            Kind::Null => ComputedValue::Null,
            Kind::Bool(bool) => ComputedValue::Bool(bool),
            Kind::Number(number) => ComputedValue::Number(number),
            Kind::String => {
                let text = value.text().unwrap_or_default();
                budget.keep_copy(text.len()).ok()?;
                ComputedValue::String(text.to_owned())
            }
            Kind::Array => ComputedValue::Array(
                value
                    .children()
                    .map(|(_, child)| Self::copy_within(child, budget, depth))
                    .collect::<Option<_>>()?,
            ),
            Kind::Object => ComputedValue::Object(
                value
                    .children()
                    .map(|(name, child)| {
                        let name = name.unwrap_or_default().to_owned();
                        budget.keep_copy(name.len()).ok()?;
                        Some((name, Self::copy_within(child, budget, depth)?))
                    })
                    .collect::<Option<_>>()?,
            ),
        })
    }
}

impl<'a> View<'a> for &'a ComputedValue {
    fn kind(self) -> Kind {
        match self {
            ComputedValue::Null => Kind::Null,
            ComputedValue::Bool(bool) => Kind::Bool(*bool),
            ComputedValue::Number(number) => Kind::Number(*number),
            ComputedValue::String(_) => Kind::String,
            ComputedValue::Array(_) => Kind::Array,
            ComputedValue::Object(_) => Kind::Object,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            ComputedValue::String(text) => Some(text),
            _ => None,
        }
    }

    fn len(self) -> usize {
        match self {
            ComputedValue::Array(elements) => elements.len(),
            ComputedValue::Object(members) => members.len(),
            _ => 0,
        }
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        match self {
            ComputedValue::Array(elements) => elements.get(ordinal),
            ComputedValue::Object(members) => members.get(ordinal).map(|(_, value)| value),
            _ => None,
        }
    }

    fn member(self, name: &str) -> Option<(usize, Self)> {
        let ComputedValue::Object(members) = self else {
            return None;
        };
        let ordinal = members.iter().position(|(own, _)| own == name)?;
        Some((ordinal, &members[ordinal].1))
    }

    fn children(self) -> impl Iterator<Item = (Option<&'a str>, Self)> {
        let (elements, members): (&[ComputedValue], &[(String, ComputedValue)]) = match self {
            ComputedValue::Array(elements) => (elements, &[]),
            ComputedValue::Object(members) => (&[], members),
            _ => (&[], &[]),
        };
        let elements = elements.iter().map(|value| (None, value));
        let members = members
            .iter()
            .map(|(name, value)| (Some(name.as_str()), value));
        elements.chain(members)
    }
}

/// A value that an operator or a function reads: of the document, or computed.
pub(super) enum Operand<'x, 'a, V> {
    /// A value of the document.
    Tree(V, PhantomData<&'a ()>),
    /// A literal of the path, or a result.
    Own(&'x ComputedValue),
}

impl<V: Copy> Clone for Operand<'_, '_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Copy> Copy for Operand<'_, '_, V> {}

impl<'x, 'a, V: View<'a>> Operand<'x, 'a, V> {
    /// A value of the document.
    pub(super) fn tree(value: V) -> Self {
        Operand::Tree(value, PhantomData)
    }

    /// The number, if it is a number.
    pub(super) fn number(self) -> Option<Number>
    where
        'a: 'x,
    {
        match self.kind() {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Characters of a string, elements of an array, members of an object.
    pub(super) fn length(self, budget: &Budget) -> Result<Option<usize>, EvalError>
    where
        'a: 'x,
    {
        Ok(match self.kind() {
            Kind::String => {
                let text = self.text().unwrap_or_default();
                budget.spend_bytes(text.len())?;
                Some(text.chars().count())
            }
            Kind::Array | Kind::Object => Some(View::len(self)),
            _ => None,
        })
    }
}

impl<'x, 'a: 'x, V: View<'a>> View<'x> for Operand<'x, 'a, V> {
    fn kind(self) -> Kind {
        match self {
            Operand::Tree(value, _) => value.kind(),
            Operand::Own(value) => value.kind(),
        }
    }

    fn text(self) -> Option<&'x str> {
        match self {
            Operand::Tree(value, _) => value.text(),
            Operand::Own(value) => value.text(),
        }
    }

    fn len(self) -> usize {
        match self {
            Operand::Tree(value, _) => value.len(),
            Operand::Own(value) => View::len(value),
        }
    }

    fn child(self, ordinal: usize) -> Option<Self> {
        match self {
            Operand::Tree(value, _) => value.child(ordinal).map(Operand::tree),
            Operand::Own(value) => value.child(ordinal).map(Operand::Own),
        }
    }

    fn member(self, name: &str) -> Option<(usize, Self)> {
        match self {
            Operand::Tree(value, _) => value
                .member(name)
                .map(|(ordinal, value)| (ordinal, Operand::tree(value))),
            Operand::Own(value) => value
                .member(name)
                .map(|(ordinal, value)| (ordinal, Operand::Own(value))),
        }
    }

    fn children(self) -> impl Iterator<Item = (Option<&'x str>, Self)> {
        let (tree, own) = match self {
            Operand::Tree(value, _) => (Some(value), None),
            Operand::Own(value) => (None, Some(value)),
        };
        let tree = tree.into_iter().flat_map(|value| {
            value
                .children()
                .map(|(name, child)| (name.map(|name| name as &'x str), Operand::tree(child)))
        });
        let own = own.into_iter().flat_map(|value| {
            value
                .children()
                .map(|(name, child)| (name, Operand::Own(child)))
        });
        tree.chain(own)
    }
}
