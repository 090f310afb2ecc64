//! Arithmetic of filters and projections. A result that is no number, or infinite, is Nothing.

use super::ast::Arithmetic;
use super::computed::ComputedValue;
use super::value::Value;
use crate::view::Number;

pub(super) fn made_number<'p, V>(number: Option<Number>) -> Value<'p, V> {
    match number {
        Some(Number::Float(float)) if !float.is_finite() => Value::Nothing,
        Some(number) => Value::Made(ComputedValue::Number(number)),
        None => Value::Nothing,
    }
}

/// Toward zero, if it fits.
pub(super) fn whole(number: Number) -> Option<i64> {
    match number {
        Number::Signed(integer) => Some(integer),
        Number::Unsigned(_) => None,
        // Beyond i64 it is the furthest i64, at which no element and no size exists.
        Number::Float(float) => Some(float.trunc() as i64),
    }
}

pub(super) fn signed<'p, V>(minus: bool, operand: Option<Number>) -> Value<'p, V> {
    made_number(operand.map(|number| {
        match number {
            Number::Signed(integer) if !minus => Number::Signed(integer),
            Number::Signed(integer) => integer
                .checked_neg()
                .map_or(Number::Float(-(integer as f64)), Number::Signed),
            other => Number::Float(if minus {
                -other.as_f64()
            } else {
                other.as_f64()
            }),
        }
    }))
}

/// Integers stay integers if the result fits, but for division.
pub(super) fn apply(operator: Arithmetic, left: Number, right: Number) -> Option<Number> {
    if let (Number::Signed(left), Number::Signed(right)) = (left, right) {
        let integer = match operator {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            Arithmetic::Divide => None,
            Arithmetic::Remainder => return left.checked_rem(right).map(Number::Signed),
        };
        if let Some(integer) = integer {
            return Some(Number::Signed(integer));
        }
    }
    let (left, right) = (left.as_f64(), right.as_f64());
    Some(Number::Float(match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => return None,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    }))
}
