//! Conditions and values of filters and projections.
//!
//! A value that cannot be computed is [`Value::Nothing`]; evaluation has no other error than a
//! spent budget. A path within an expression gives a value, several, or Nothing. With several
//! values, an operator holds if it holds for any of them.

use std::cell::RefCell;
use std::cmp::Ordering;

use super::arithmetic::{apply, made_number, signed, whole};
use super::ast::{Compare, Expr, Operator, Origin, Query};
use super::budget::Budget;
use super::compare::{equal, order};
use super::computed::{ComputedValue, Operand};
use super::error::EvalError;
use super::functions;
use super::pattern::{Extent, is_match};
use super::value::Value;
use super::walk::{Stop, Walk, follow_paying};
use crate::view::{Kind, View};

/// The values that an expression refers to.
pub(super) struct Scope<'w, V> {
    /// `$`
    pub(super) root: V,
    /// `@`
    pub(super) current: V,
    pub(super) budget: &'w Budget,
    pub(super) memo: &'w Memo,
}

/// Conditions that are judged once in a walk, and whether they hold. No path in such a condition
/// begins at `@`, so a filter of many values would visit the same values again for each.
#[derive(Default)]
pub(super) struct Memo(RefCell<Vec<(*const Expr, bool)>>);

/// Conditions of a walk that are kept; those beyond are judged again.
const MEMO_MAX: usize = 16;

impl Memo {
    fn judge(
        &self,
        condition: &Expr,
        judge: impl FnOnce() -> Result<bool, EvalError>,
    ) -> Result<bool, EvalError> {
        let is_it = |(known, _): &&(*const Expr, bool)| std::ptr::eq(*known, condition);
        let known = self.0.borrow().iter().find(is_it).map(|(_, holds)| *holds);
        if let Some(holds) = known {
            return Ok(holds);
        }
        let holds = judge()?;
        let mut all = self.0.borrow_mut();
        if all.len() < MEMO_MAX {
            all.push((std::ptr::from_ref(condition), holds));
        }
        Ok(holds)
    }
}

/// Whether a condition holds. A value is a condition too: true and false are themselves, any other
/// value holds because it exists.
pub(super) fn holds<'a, V: View<'a>>(
    condition: &Expr,
    scope: &Scope<'_, V>,
) -> Result<bool, EvalError> {
    scope.budget.spend(1)?;
    match condition {
        Expr::Any(conditions) => {
            for condition in conditions {
                if holds(condition, scope)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Expr::All(conditions) => {
            for condition in conditions {
                if !holds(condition, scope)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Expr::Not(condition) => Ok(!holds(condition, scope)?),
        Expr::Compare(compare) if compare.is_constant => scope
            .memo
            .judge(condition, || compare_holds(compare, scope)),
        Expr::Compare(compare) => compare_holds(compare, scope),
        Expr::Query(query) if query.origin == Origin::Root && !query.is_static => {
            scope.memo.judge(condition, || exists(query, scope))
        }
        Expr::Query(query) => exists(query, scope),
        value => Ok(match evaluate(value, scope)? {
            Value::Nothing => false,
            Value::Made(ComputedValue::Bool(bool)) => bool,
            Value::Literal(ComputedValue::Bool(bool)) => *bool,
            Value::List(items) => !items.is_empty(),
            _ => true,
        }),
    }
}

/// The value of an expression that is no condition.
pub(super) fn evaluate<'p, 'a, V: View<'a>>(
    expr: &'p Expr,
    scope: &Scope<'_, V>,
) -> Result<Value<'p, V>, EvalError> {
    scope.budget.spend(1)?;
    match expr {
        Expr::Literal(literal) => Ok(Value::Literal(literal)),
        Expr::Query(query) => select(query, scope),
        Expr::Names(query) => functions::keys(&select(query, scope)?, scope.budget),
        Expr::Call(call) => functions::call(call, scope),
        Expr::Sign(minus, operand) => Ok(signed(*minus, evaluate(operand, scope)?.number())),
        Expr::Arithmetic(first, others) => {
            let mut result = evaluate(first, scope)?.number();
            for (operator, other) in others {
                let other = evaluate(other, scope)?.number();
                result = result
                    .zip(other)
                    .and_then(|(left, right)| apply(*operator, left, right));
            }
            Ok(made_number(result))
        }
        // No value, by what the parser lets through.
        Expr::Any(_) | Expr::All(_) | Expr::Not(_) | Expr::Compare(_) => {
            Ok(Value::Made(ComputedValue::Bool(holds(expr, scope)?)))
        }
    }
}

/// Where a path within an expression begins. Redis takes the same value for `$` in filters further
/// within, so there `$` is `@` of outside.
fn start<V: Copy>(query: &Query, scope: &Scope<'_, V>) -> V {
    match query.origin {
        Origin::Current => scope.current,
        Origin::Root => scope.root,
    }
}

fn select<'p, 'a, V: View<'a>>(
    query: &Query,
    scope: &Scope<'_, V>,
) -> Result<Value<'p, V>, EvalError> {
    let start = start(query, scope);
    if query.is_static {
        let value = follow_paying(&query.steps, start, scope.budget)?;
        return Ok(value.map_or(Value::Nothing, Value::Node));
    }
    let mut first = None;
    let mut nodes = Vec::new();
    visit(query, start, scope.budget, &mut |node| {
        match first {
            None => first = Some(node),
            Some(first) if nodes.is_empty() => nodes.extend([first, node]),
            Some(_) => nodes.push(node),
        }
        Ok(scope.budget.keep(1)?)
    })?;
    Ok(match first {
        None => Value::Nothing,
        Some(first) if nodes.is_empty() => Value::Node(first),
        Some(_) => Value::Nodes(nodes),
    })
}

fn exists<'a, V: View<'a>>(query: &Query, scope: &Scope<'_, V>) -> Result<bool, EvalError> {
    let start = start(query, scope);
    if query.is_static {
        return Ok(follow_paying(&query.steps, start, scope.budget)?.is_some());
    }
    let mut found = false;
    visit(query, start, scope.budget, &mut |_| {
        found = true;
        Err(Stop::Enough)
    })?;
    Ok(found)
}

fn visit<'a, V: View<'a>>(
    query: &Query,
    start: V,
    budget: &Budget,
    visitor: &mut dyn FnMut(V) -> Result<(), Stop>,
) -> Result<(), EvalError> {
    let mut visitor = |_: &(), value| visitor(value);
    let mut walk = Walk {
        root: start,
        budget,
        memo: Memo::default(),
        trail: (),
        visitor: &mut visitor,
        missing: None,
    };
    match walk.run(&query.steps, start) {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn compare_holds<'a, V: View<'a>>(
    compare: &Compare,
    scope: &Scope<'_, V>,
) -> Result<bool, EvalError> {
    match compare.operator {
        // Also if a side is Nothing: it is equal to nothing.
        Operator::Unequal => Ok(!any_pair(compare, Operator::Equal, scope)?),
        operator @ (Operator::Equal
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::Matches) => any_pair(compare, operator, scope),
        _ => arrays_relate(compare, scope),
    }
}

/// Whether an operator holds between a value of the left side and a value of the right.
fn any_pair<'a, V: View<'a>>(
    compare: &Compare,
    operator: Operator,
    scope: &Scope<'_, V>,
) -> Result<bool, EvalError> {
    let holds = |left, right| pair_holds(compare, operator, left, right, scope.budget);
    // Most comparisons are of a static path and a literal, and need no list of values.
    if let (Some(left), Some(right)) = (
        one_at_most(&compare.left, scope)?,
        one_at_most(&compare.right, scope)?,
    ) {
        return left
            .zip(right)
            .map_or(Ok(false), |(left, right)| holds(left, right));
    }
    let left = evaluate(&compare.left, scope)?;
    let right = evaluate(&compare.right, scope)?;
    left.any(|left| {
        right.any(|right| {
            scope.budget.spend(1)?;
            holds(left, right)
        })
    })
}

/// The value of an expression that is found without work; `None` if it is not such an expression.
fn one_at_most<'p, 'a, V: View<'a>>(
    expr: &'p Expr,
    scope: &Scope<'_, V>,
) -> Result<Option<Option<Operand<'p, 'a, V>>>, EvalError> {
    Ok(match expr {
        Expr::Literal(literal) => Some(Some(Operand::Own(literal))),
        Expr::Query(query) if query.is_static => {
            let value = follow_paying(&query.steps, start(query, scope), scope.budget)?;
            Some(value.map(Operand::tree))
        }
        _ => None,
    })
}

fn pair_holds<'x, 'a: 'x, V: View<'a>>(
    compare: &Compare,
    operator: Operator,
    left: Operand<'x, 'a, V>,
    right: Operand<'x, 'a, V>,
    budget: &Budget,
) -> Result<bool, EvalError> {
    let ordered = |is: fn(Ordering) -> bool| Ok(order(left, right, budget)?.is_some_and(is));
    match operator {
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::Matches => match (left.text(), right.text()) {
            // Redis has literals match nothing.
            (Some(text), Some(pattern)) if !matches!(compare.left, Expr::Literal(_)) => {
                is_match(pattern, text, Extent::Part, budget)
            }
            _ => Ok(false),
        },
        _ => equal(left, right, budget),
    }
}

/// Operators of which a side is an array or has a size.
fn arrays_relate<'a, V: View<'a>>(
    compare: &Compare,
    scope: &Scope<'_, V>,
) -> Result<bool, EvalError> {
    let left = &evaluate(&compare.left, scope)?;
    let right = &evaluate(&compare.right, scope)?;
    let budget = scope.budget;
    match compare.operator {
        Operator::In => is_in(left, right, budget),
        Operator::NotIn => Ok(!is_in(left, right, budget)?),
        Operator::SubsetOf => subset_of(left, right, budget),
        Operator::AnyOf => any_of(left, right, budget),
        Operator::NoneOf => Ok(!any_of(left, right, budget)?),
        Operator::Size => {
            let Some(size) = right.number().and_then(whole) else {
                return Ok(false);
            };
            any_length(left, |length| i64::try_from(length) == Ok(size), budget)
        }
        _ => {
            let Some(Kind::Bool(empty)) = right.one().map(View::kind) else {
                return Ok(false);
            };
            any_length(left, |length| (length == 0) == empty, budget)
        }
    }
}

/// Whether a condition holds for the length of any value; a list that a function makes has a
/// length, too.
fn any_length<'a, V: View<'a>>(
    value: &Value<'_, V>,
    holds: impl Fn(usize) -> bool,
    budget: &Budget,
) -> Result<bool, EvalError> {
    if let Value::List(items) = value {
        return Ok(holds(items.len()));
    }
    value.any(|one| Ok(one.length(budget)?.is_some_and(&holds)))
}

/// A list counts as a single value here: an array within an array is sought with a literal.
fn is_in<'a, V: View<'a>>(
    left: &Value<'_, V>,
    right: &Value<'_, V>,
    budget: &Budget,
) -> Result<bool, EvalError> {
    left.any(|left| {
        let found = right.any_element(|element| {
            budget.spend(1)?;
            equal(left, element, budget)
        })?;
        Ok(found.unwrap_or(false))
    })
}

/// Every element of the left array is in the right array.
pub(super) fn subset_of<'a, V: View<'a>>(
    left: &Value<'_, V>,
    right: &Value<'_, V>,
    budget: &Budget,
) -> Result<bool, EvalError> {
    let outside = left.any_element(|element| Ok(!has(right, element, budget)?))?;
    Ok(outside == Some(false))
}

/// Some element of the left array is in the right array.
pub(super) fn any_of<'a, V: View<'a>>(
    left: &Value<'_, V>,
    right: &Value<'_, V>,
    budget: &Budget,
) -> Result<bool, EvalError> {
    let inside = left.any_element(|element| has(right, element, budget))?;
    Ok(inside == Some(true))
}

fn has<'a, 'x, V: View<'a>>(
    array: &Value<'_, V>,
    sought: Operand<'x, 'a, V>,
    budget: &Budget,
) -> Result<bool, EvalError>
where
    'a: 'x,
{
    let found = array.any_element(|element| {
        budget.spend(1)?;
        equal(sought, element, budget)
    })?;
    Ok(found.unwrap_or(false))
}
