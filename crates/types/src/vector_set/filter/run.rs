//! Runs a program on the fields of one element.
//!
//!     fields (all, or no match) -> steps on a stack of values -> whether the last one is true
//!
//! Invariant: the stack has the operands of each operator, which `compile` has counted. No value is
//! copied: texts are slices of the attributes or of the expression. Every step adds its estimated
//! nanoseconds to `nanos`, by which a search decides when its slice is over. Comparisons and
//! conversions are Redis's: values of different types are compared as numbers, and NaN is true.

use std::borrow::Cow;

use memchr::memmem;
use smallvec::{SmallVec, smallvec};

use super::json::{self, Json, JsonCursor};
use super::{Filter, Instruction, Literal, Operator, number};

#[derive(Clone, Debug)]
enum Value<'a> {
    Number(f64),
    Text(Cow<'a, [u8]>),
    Literals(&'a [Literal]),
    Array(&'a [u8]),
    Null,
}

/// Estimated nanoseconds: of finding the attributes, of a step, of a power. Then the bytes read in
/// one nanosecond.
const LOOK: usize = 50;
const STEP: usize = 5;
const POWER: usize = 50;
const BYTES: usize = 2;

pub(super) fn run(filter: &Filter, attributes: &[u8], nanos: &mut usize) -> bool {
    *nanos += LOOK + attributes.len() / BYTES;
    let Some(fields) = fields(filter, attributes) else {
        return false;
    };
    let mut values: SmallVec<[Value<'_>; 8]> = SmallVec::new();
    let mut at = 0;
    while let Some(step) = filter.program.get(at) {
        at += 1;
        *nanos += STEP;
        let value = match step {
            Instruction::Field(at) => match &fields[*at as usize] {
                Some(field) => value_of(field),
                None => return false,
            },
            Instruction::Skip { when, to } => {
                if let Some(left) = values.last_mut()
                    && left.is_true() == *when
                {
                    *left = truth(*when);
                    at = *to as usize;
                }
                continue;
            }
            Instruction::Operator(Operator::Not) => {
                let of = values.pop().expect("operands are counted");
                truth(!of.is_true())
            }
            Instruction::Operator(operator) => {
                let b = values.pop().expect("operands are counted");
                let a = values.pop().expect("operands are counted");
                *nanos += cost(*operator, &a, &b);
                apply(filter, *operator, &a, &b)
            }
            _ => constant(filter, step).expect("the others are constants"),
        };
        values.push(value);
    }
    values.pop().is_some_and(|value| value.is_true())
}

/// The value of a constant step.
fn constant<'a>(filter: &'a Filter, step: &Instruction) -> Option<Value<'a>> {
    Some(match step {
        Instruction::Number(number) => Value::Number(*number),
        Instruction::Text(text) => Value::Text(Cow::Borrowed(filter.text(text))),
        Instruction::Tuple(tuple) => {
            Value::Literals(&filter.literals[tuple.start as usize..tuple.end as usize])
        }
        Instruction::Null => Value::Null,
        Instruction::Field(_) | Instruction::Operator(_) | Instruction::Skip { .. } => return None,
    })
}

/// The value of an operator on constants, always a number; `None`: an operand is not constant.
pub(super) fn folded(filter: &Filter, operator: Operator, operands: &[Instruction]) -> Option<f64> {
    let value = |step| constant(filter, step);
    let made = match operands {
        [a] => truth(!value(a)?.is_true()),
        [a, b] => apply(filter, operator, &value(a)?, &value(b)?),
        _ => return None,
    };
    Some(made.number())
}

/// The cost of an operator beyond that of a step.
fn cost(operator: Operator, a: &Value<'_>, b: &Value<'_>) -> usize {
    let bytes = |value: &Value<'_>| match value {
        Value::Text(text) => text.len() / BYTES,
        Value::Literals(literals) => STEP * literals.len(),
        Value::Array(array) => array.len() / BYTES * 2,
        Value::Number(_) | Value::Null => 0,
    };
    match (operator, a, b) {
        (Operator::Power, ..) => POWER,
        (Operator::And | Operator::Or, ..) => 0,
        // A text is compared with each of them.
        (Operator::In, Value::Text(text), Value::Literals(literals)) => {
            literals.len() * (STEP + text.len() / BYTES)
        }
        _ => bytes(a) + bytes(b),
    }
}

/// The values of all fields. `None`: one is missing, or has no value that expressions know.
fn fields<'a>(filter: &Filter, attributes: &'a [u8]) -> Option<SmallVec<[Option<Json<'a>>; 4]>> {
    let mut left = filter.fields.len();
    let mut found: SmallVec<[Option<Json<'a>>; 4]> = smallvec![None; left];
    if left == 0 {
        return Some(found);
    }
    json::visit(attributes, |key, mut place| {
        let at = match filter.field(key) {
            Ok(at) if !key.is_empty() => at as usize,
            _ => return false,
        };
        if found[at].is_some() {
            return false;
        }
        found[at] = place.value();
        left -= 1;
        // A value that cannot be read decides, too.
        left == 0 || found[at].is_none()
    });
    found.iter().all(Option::is_some).then_some(found)
}

fn value_of<'a>(field: &'a Json<'a>) -> Value<'a> {
    match field {
        Json::Number(number) => Value::Number(*number),
        Json::Text(text) => Value::Text(Cow::Borrowed(text)),
        Json::Array(array) => Value::Array(array),
        Json::Null => Value::Null,
    }
}

fn truth<'a>(is_true: bool) -> Value<'a> {
    Value::Number(f64::from(u8::from(is_true)))
}

fn apply<'a>(filter: &Filter, operator: Operator, a: &Value<'_>, b: &Value<'_>) -> Value<'a> {
    let numbers = || (a.number(), b.number());
    let compared = |holds: fn(&f64, &f64) -> bool| {
        let (a, b) = numbers();
        truth(holds(&a, &b))
    };
    let computed = |of: fn(f64, f64) -> f64| {
        let (a, b) = numbers();
        Value::Number(of(a, b))
    };
    match operator {
        Operator::Power => computed(f64::powf),
        Operator::Times => computed(|a, b| a * b),
        Operator::Over => computed(|a, b| a / b),
        Operator::Modulo => computed(|a, b| a % b),
        Operator::Plus => computed(|a, b| a + b),
        Operator::Minus => computed(|a, b| a - b),
        Operator::Greater => compared(f64::gt),
        Operator::AtLeast => compared(f64::ge),
        Operator::Less => compared(f64::lt),
        Operator::AtMost => compared(f64::le),
        Operator::Equal => truth(a.equals(b)),
        Operator::Unequal => truth(!a.equals(b)),
        Operator::In => truth(is_in(filter, a, b)),
        Operator::And => truth(a.is_true() && b.is_true()),
        Operator::Or => truth(a.is_true() || b.is_true()),
        Operator::Not | Operator::Open | Operator::Close => unreachable!("no operator of two"),
    }
}

/// Whether a value is an element of a tuple or array, or a text is part of another.
fn is_in(filter: &Filter, a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (_, Value::Literals(literals)) => literals.iter().any(|literal| match literal {
            Literal::Number(number) => a.equals(&Value::Number(*number)),
            Literal::Text(text) => a.equals(&Value::Text(Cow::Borrowed(filter.text(text)))),
        }),
        (_, Value::Array(array)) => {
            let mut place = JsonCursor::new(array);
            while let Some(element) = place.element() {
                if a.equals(&value_of(&element)) {
                    return true;
                }
            }
            false
        }
        (Value::Text(part), Value::Text(whole)) => memmem::find(whole, part).is_some(),
        _ => false,
    }
}

impl Value<'_> {
    fn number(&self) -> f64 {
        match self {
            Value::Number(number) => *number,
            Value::Text(text) => number::of_text(text),
            _ => 0.0,
        }
    }

    fn is_true(&self) -> bool {
        match self {
            // NaN is true.
            Value::Number(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Null => false,
            Value::Literals(_) | Value::Array(_) => true,
        }
    }

    /// Values of different types are compared as numbers, null is only equal to null.
    fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            _ => self.number() == other.number(),
        }
    }
}
