//! The values of expressions.

use super::computed::{ComputedValue, Operand};
use super::error::EvalError;
use crate::view::{Kind, Number, View};

/// The value of an expression.
pub(super) enum Value<'p, V> {
    Nothing,
    /// A value of the document.
    Node(V),
    /// Two or more values of the document.
    Nodes(Vec<V>),
    /// A literal of the path.
    Literal(&'p ComputedValue),
    /// A result.
    Made(ComputedValue),
    /// A list that a function makes: as a projection it is several results, else an array.
    List(Vec<Item<V>>),
}

/// An element of a [`Value::List`].
pub(super) enum Item<V> {
    Node(V),
    Made(ComputedValue),
}

impl<V: Copy> Item<V> {
    pub(super) fn operand<'a>(&self) -> Operand<'_, 'a, V>
    where
        V: View<'a>,
    {
        match self {
            Item::Node(value) => Operand::tree(*value),
            Item::Made(value) => Operand::Own(value),
        }
    }
}

impl<'p, V: Copy> Value<'p, V> {
    /// The value, if it is a single value.
    pub(super) fn one<'a>(&self) -> Option<Operand<'_, 'a, V>>
    where
        V: View<'a>,
    {
        match self {
            Value::Node(value) => Some(Operand::tree(*value)),
            Value::Literal(value) => Some(Operand::Own(value)),
            Value::Made(value) => Some(Operand::Own(value)),
            Value::Nothing | Value::Nodes(_) | Value::List(_) => None,
        }
    }

    pub(super) fn number<'a>(&self) -> Option<Number>
    where
        V: View<'a>,
    {
        self.one()?.number()
    }

    pub(super) fn text<'a, 's>(&'s self) -> Option<&'s str>
    where
        V: View<'a>,
        'a: 's,
    {
        self.one()?.text()
    }

    /// Whether something holds for any value that this may be.
    pub(super) fn any<'a, 's>(
        &'s self,
        mut holds: impl FnMut(Operand<'s, 'a, V>) -> Result<bool, EvalError>,
    ) -> Result<bool, EvalError>
    where
        V: View<'a>,
        'a: 's,
    {
        if let Some(one) = self.one() {
            return holds(one);
        }
        self.any_element(holds).map(|found| found.unwrap_or(false))
    }

    /// Whether something holds for any element of an array, of several values, or of a list; `None`
    /// for any other value.
    pub(super) fn any_element<'a, 's>(
        &'s self,
        mut holds: impl FnMut(Operand<'s, 'a, V>) -> Result<bool, EvalError>,
    ) -> Result<Option<bool>, EvalError>
    where
        V: View<'a>,
        'a: 's,
    {
        match self {
            Value::Nodes(nodes) => {
                for node in nodes {
                    if holds(Operand::tree(*node))? {
                        return Ok(Some(true));
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    if holds(item.operand())? {
                        return Ok(Some(true));
                    }
                }
            }
            _ => {
                let Some(array) = self.one().filter(|one| matches!(one.kind(), Kind::Array)) else {
                    return Ok(None);
                };
                for (_, element) in array.children() {
                    if holds(element)? {
                        return Ok(Some(true));
                    }
                }
            }
        }
        Ok(Some(false))
    }
}
