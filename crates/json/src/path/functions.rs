//! The functions of filters and projections, `length(@.a)` or `@.a.length()`.
//!
//! A wrong number or kind of arguments is Nothing.

use std::cmp::Ordering;

use super::arithmetic::{made_number, whole};
use super::ast::{Call, Function, clamp_index};
use super::budget::Budget;
use super::compare::order_numbers;
use super::computed::{ComputedValue, Operand};
use super::error::EvalError;
use super::filter::{Scope, any_of, evaluate, subset_of};
use super::pattern::{Extent, is_match};
use super::value::{Item, Value};
use crate::view::{Kind, Number, View};

pub(super) fn call<'p, 'a, V: View<'a>>(
    call: &'p Call,
    scope: &Scope<'_, V>,
) -> Result<Value<'p, V>, EvalError> {
    let arguments: Vec<_> = call
        .arguments
        .iter()
        .map(|argument| evaluate(argument, scope))
        .collect::<Result<_, _>>()?;
    let budget = scope.budget;
    Ok(match (call.function, &arguments[..]) {
        (Function::Length, [Value::List(items)]) => integer(items.len()),
        (Function::Length, [value]) => match value.one() {
            Some(one) => one.length(budget)?.map_or(Value::Nothing, integer),
            None => Value::Nothing,
        },
        (Function::Count, [value]) => integer(count(value)),
        (Function::Value, [Value::Node(node)]) => Value::Node(*node),
        (Function::Value, [list @ Value::List(items)]) if items.len() == 1 => {
            element(list, 0, budget)
        }
        (Function::Keys, [value]) => keys(value, budget)?,
        (Function::Match, [text, pattern]) => bool(matches(text, pattern, Extent::Whole, budget)?),
        (Function::Search, [text, pattern]) => bool(matches(text, pattern, Extent::Part, budget)?),
        (Function::Concat, [_, ..]) => concat(&arguments, budget)?,
        (Function::Abs, [value]) => round(value, i64::checked_abs, f64::abs),
        (Function::Ceiling, [value]) => round(value, Some, f64::ceil),
        (Function::Floor, [value]) => round(value, Some, f64::floor),
        (Function::First, [array]) => element(array, 0, budget),
        (Function::Last, [array]) => element(array, -1, budget),
        (Function::Index, [array, index]) => match index.number().and_then(whole) {
            Some(index) => element(array, index, budget),
            None => Value::Nothing,
        },
        (Function::Append, [list, added @ ..]) if !added.is_empty() => {
            append(list, added, budget).map_or(Value::Nothing, Value::List)
        }
        (Function::AnyOf, [left, right]) => bool(any_of(left, right, budget)?),
        (Function::NoneOf, [left, right]) => bool(!any_of(left, right, budget)?),
        (Function::SubsetOf, [left, right]) => bool(subset_of(left, right, budget)?),
        (function, [array]) => {
            let numbers = numbers(array, budget)?;
            made_number(numbers.and_then(|numbers| aggregate(function, &numbers)))
        }
        _ => Value::Nothing,
    })
}

/// Names of members of an object or of several, in order.
pub(super) fn keys<'p, 'a, V: View<'a>>(
    value: &Value<'_, V>,
    budget: &Budget,
) -> Result<Value<'p, V>, EvalError> {
    let mut names = Vec::new();
    let mut add = |object: Operand<'_, 'a, V>| {
        for name in object.children().filter_map(|(name, _)| name) {
            budget.keep(1)?;
            budget.keep_copy(name.len())?;
            names.push(Item::Made(ComputedValue::String(name.to_owned())));
        }
        Ok(())
    };
    match value {
        Value::Nodes(nodes) => nodes
            .iter()
            .try_for_each(|node| add(Operand::tree(*node)))?,
        Value::List(items) => items.iter().try_for_each(|item| add(item.operand()))?,
        one => one.one().into_iter().try_for_each(add)?,
    }
    Ok(Value::List(names))
}

fn integer<'p, V>(count: usize) -> Value<'p, V> {
    Value::Made(ComputedValue::Number(Number::Signed(count as i64)))
}

fn bool<'p, V>(bool: bool) -> Value<'p, V> {
    Value::Made(ComputedValue::Bool(bool))
}

fn count<V>(value: &Value<'_, V>) -> usize {
    match value {
        Value::Nothing => 0,
        Value::Nodes(nodes) => nodes.len(),
        Value::List(items) => items.len(),
        Value::Node(_) | Value::Literal(_) | Value::Made(_) => 1,
    }
}

fn matches<'a, V: View<'a>>(
    text: &Value<'_, V>,
    pattern: &Value<'_, V>,
    extent: Extent,
    budget: &Budget,
) -> Result<bool, EvalError> {
    match (text.text(), pattern.text()) {
        (Some(text), Some(pattern)) => is_match(pattern, text, extent, budget),
        _ => Ok(false),
    }
}

fn concat<'p, 'a, V: View<'a>>(
    parts: &[Value<'_, V>],
    budget: &Budget,
) -> Result<Value<'p, V>, EvalError> {
    let mut text = String::new();
    for part in parts {
        let Some(part) = part.text() else {
            return Ok(Value::Nothing);
        };
        budget.keep_copy(part.len())?;
        text.push_str(part);
    }
    Ok(Value::Made(ComputedValue::String(text)))
}

/// Integers stay integers, and floats floats.
fn round<'p, 'a, V: View<'a>>(
    value: &Value<'_, V>,
    integer: fn(i64) -> Option<i64>,
    float: fn(f64) -> f64,
) -> Value<'p, V> {
    made_number(match value.number() {
        Some(Number::Signed(value)) => integer(value).map(Number::Signed),
        Some(Number::Unsigned(value)) => Some(Number::Unsigned(value)),
        Some(Number::Float(value)) => Some(Number::Float(float(value))),
        None => None,
    })
}

/// An element of an array, from the end if negative; an index beyond either end is Nothing.
fn element<'p, 'a, V: View<'a>>(array: &Value<'_, V>, index: i64, budget: &Budget) -> Value<'p, V> {
    let within = |len: usize| {
        let beyond = index < 0 && index.unsigned_abs() > len as u64;
        Some(clamp_index(index, len)).filter(|ordinal| !beyond && *ordinal < len)
    };
    let own = |value: &ComputedValue| {
        ComputedValue::copy(value, budget).map_or(Value::Nothing, Value::Made)
    };
    match array {
        Value::Nodes(nodes) => {
            within(nodes.len()).map_or(Value::Nothing, |ordinal| Value::Node(nodes[ordinal]))
        }
        Value::List(items) => match within(items.len()).map(|ordinal| &items[ordinal]) {
            Some(Item::Node(node)) => Value::Node(*node),
            Some(Item::Made(value)) => own(value),
            None => Value::Nothing,
        },
        one => {
            let array = one.one().filter(|one| matches!(one.kind(), Kind::Array));
            match array.and_then(|array| array.child(within(View::len(array))?)) {
                Some(Operand::Tree(node, _)) => Value::Node(node),
                Some(Operand::Own(value)) => own(value),
                None => Value::Nothing,
            }
        }
    }
}

/// The elements of an array, or else all values, and more after them. `None` if any of these is
/// Nothing.
fn append<'a, V: View<'a>>(
    list: &Value<'_, V>,
    added: &[Value<'_, V>],
    budget: &Budget,
) -> Option<Vec<Item<V>>> {
    let item = |operand: Operand<'_, 'a, V>| {
        Some(match operand {
            Operand::Tree(node, _) => Item::Node(node),
            Operand::Own(value) => Item::Made(ComputedValue::copy(value, budget)?),
        })
    };
    let mut items: Vec<_> = match list {
        Value::Nothing => Vec::new(),
        Value::Nodes(nodes) => {
            budget.keep(nodes.len()).ok()?;
            nodes.iter().map(|node| Item::Node(*node)).collect()
        }
        Value::List(items) => items
            .iter()
            .map(|own| item(own.operand()))
            .collect::<Option<_>>()?,
        one => {
            let one = one.one()?;
            budget.keep(View::len(one)).ok()?;
            if matches!(one.kind(), Kind::Array) {
                one.children()
                    .map(|(_, child)| item(child))
                    .collect::<Option<_>>()?
            } else {
                vec![item(one)?]
            }
        }
    };
    for value in added {
        items.push(match value {
            Value::Nothing => return None,
            Value::Nodes(nodes) => Item::Made(ComputedValue::Array(
                nodes
                    .iter()
                    .map(|node| ComputedValue::copy(*node, budget))
                    .collect::<Option<_>>()?,
            )),
            Value::List(items) => Item::Made(ComputedValue::Array(
                items
                    .iter()
                    .map(|own| ComputedValue::copy(own.operand(), budget))
                    .collect::<Option<_>>()?,
            )),
            one => item(one.one()?)?,
        });
    }
    Some(items)
}

/// The elements of an array, if all are numbers.
fn numbers<'a, V: View<'a>>(
    array: &Value<'_, V>,
    budget: &Budget,
) -> Result<Option<Vec<Number>>, EvalError> {
    let mut numbers = Vec::new();
    let other = array.any_element(|element| {
        budget.spend(1)?;
        let number = element.number();
        numbers.extend(number);
        Ok(number.is_none())
    })?;
    Ok((other == Some(false)).then_some(numbers))
}

/// A float, of integers too; `None` without numbers, and for a function of another kind.
fn aggregate(function: Function, numbers: &[Number]) -> Option<Number> {
    let (first, others) = numbers.split_first()?;
    let count = numbers.len() as f64;
    let extreme = |wanted: Ordering| {
        others.iter().fold(*first, |best, number| {
            let better = order_numbers(*number, best) == Some(wanted);
            if better { *number } else { best }
        })
    };
    let floats = || numbers.iter().map(|number| number.as_f64());
    let float = match function {
        Function::Min => extreme(Ordering::Less).as_f64(),
        Function::Max => extreme(Ordering::Greater).as_f64(),
        Function::Sum => floats().sum(),
        Function::Avg => floats().sum::<f64>() / count,
        Function::Stddev => {
            let mean = floats().sum::<f64>() / count;
            let squares = floats().map(|float| (float - mean).powi(2)).sum::<f64>();
            (squares / count).sqrt()
        }
        _ => return None,
    };
    Some(Number::Float(float))
}
