//! How values compare in filters.
//!
//! Numbers compare by value, integers and floats alike, also within arrays and objects; strings by
//! their bytes; `false` before `true`. Values of different types have no order and are never equal.
//! Arrays and objects are equal if all within is; the order of members does not matter.

use std::cmp::Ordering;

use super::budget::Budget;
use super::error::EvalError;
use crate::view::{Kind, Number, View};

/// The order of two scalars; `None` if they have none.
pub(super) fn order<'a, 'b, A: View<'a>, B: View<'b>>(
    left: A,
    right: B,
    budget: &Budget,
) -> Result<Option<Ordering>, EvalError> {
    Ok(match (left.kind(), right.kind()) {
        (Kind::Number(left), Kind::Number(right)) => order_numbers(left, right),
        (Kind::String, Kind::String) => match (left.text(), right.text()) {
            (Some(left), Some(right)) => {
                budget.spend_bytes(left.len().min(right.len()))?;
                Some(left.cmp(right))
            }
            _ => None,
        },
        (Kind::Bool(left), Kind::Bool(right)) => Some(left.cmp(&right)),
        (Kind::Null, Kind::Null) => Some(Ordering::Equal),
        _ => None,
    })
}

pub(super) fn order_numbers(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Signed(left), Number::Signed(right)) => Some(left.cmp(&right)),
        (Number::Unsigned(left), Number::Unsigned(right)) => Some(left.cmp(&right)),
        // As in Redis: a float's precision decides.
        _ => left.as_f64().partial_cmp(&right.as_f64()),
    }
}

/// Whether two values are equal, and all that they hold.
pub(super) fn equal<'a, 'b, A: View<'a>, B: View<'b>>(
    left: A,
    right: B,
    budget: &Budget,
) -> Result<bool, EvalError> {
    match same_so_far(left, right, budget)? {
        None => return Ok(false),
        Some(false) => return Ok(true),
        Some(true) => {}
    }
    // Pairs of containers of equal kind and length, whose children are yet to be compared.
    let mut open = vec![(left.children(), right.children(), right)];
    while let Some((lefts, rights, container)) = open.last_mut() {
        let Some((name, left)) = lefts.next() else {
            open.pop();
            continue;
        };
        budget.spend(1)?;
        let right = match name {
            Some(name) => container.member(name).map(|(_, right)| right),
            None => rights.next().map(|(_, right)| right),
        };
        let Some(right) = right else {
            return Ok(false);
        };
        match same_so_far(left, right, budget)? {
            None => return Ok(false),
            Some(false) => {}
            Some(true) => open.push((left.children(), right.children(), right)),
        }
    }
    Ok(true)
}

/// `None` if two values differ, else whether they hold more that has to be compared.
fn same_so_far<'a, 'b, A: View<'a>, B: View<'b>>(
    left: A,
    right: B,
    budget: &Budget,
) -> Result<Option<bool>, EvalError> {
    Ok(match (left.kind(), right.kind()) {
        (Kind::Array, Kind::Array) | (Kind::Object, Kind::Object) => {
            (left.len() == right.len()).then(|| left.len() > 0)
        }
        (Kind::String, Kind::String) if left.text().map(str::len) != right.text().map(str::len) => {
            None
        }
        _ => (order(left, right, budget)? == Some(Ordering::Equal)).then_some(false),
    })
}
