//! Evaluates an expression for a row: runs the steps in order over a stack of values.
//!
//! The stack has the height that the parser found; every step leaves as many values as the parser
//! counted. Cost: O(steps), and an allocation if the stack is higher than usual.

use super::value::Value;
use super::{Comparison, Expression, ExpressionError, Operator, Row, Step, ValueResult};

/// A stack of up to so many values needs no allocation.
const USUAL_HEIGHT: usize = 8;

impl Expression {
    /// The expression's value for a row. O(steps).
    ///
    /// # Errors
    ///
    /// If the row lacks a property, a number is needed and a text is no number, or an argument has
    /// the wrong kind.
    pub fn evaluate(&self, row: &dyn Row) -> ValueResult {
        self.run(row, Lack::Error)
    }

    /// Whether it holds for a document, as FILTER of FT.CREATE counts it since Redis 8.8: a
    /// property that the document lacks is null, which nothing but `!=` and `!` is true of, and an
    /// error is no. O(steps).
    pub fn holds(&self, row: &dyn Row) -> bool {
        let value = self.run(row, Lack::Null);
        value.is_ok_and(|value| value.is_true())
    }

    fn run(&self, row: &dyn Row, lack: Lack) -> ValueResult {
        let machine = |stack| Machine {
            expression: self,
            row,
            lack,
            stack,
            top: 0,
        };
        if self.height <= USUAL_HEIGHT {
            let mut stack = [const { Value::Null }; USUAL_HEIGHT];
            machine(&mut stack).run()
        } else {
            let mut stack = vec![Value::Null; self.height];
            machine(&mut stack).run()
        }
    }
}

/// A property that a row lacks.
#[derive(Clone, Copy, PartialEq)]
enum Lack {
    Error,
    Null,
}

struct Machine<'e, 's> {
    expression: &'e Expression,
    row: &'e dyn Row,
    lack: Lack,
    stack: &'s mut [Value],
    top: usize,
}

impl Machine<'_, '_> {
    fn run(&mut self) -> ValueResult {
        let steps = &self.expression.steps;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            let value = match step {
                Step::Literal(value) => value.clone(),
                Step::Property(of) => self.property(*of)?,
                Step::Exists(of) => truth(self.find(*of).is_some()),
                Step::Not => truth(!self.pop().is_true()),
                Step::Compare(how) => self.compare(*how)?,
                Step::Compute(how) => self.compute(*how)?,
                Step::Call(function, count) => {
                    let first = self.top - count;
                    let arguments = &self.stack[first..self.top];
                    let done = (function.run)(arguments, self.row);
                    let lacks = self.lack == Lack::Null && arguments.contains(&Value::Null);
                    self.stack[first..self.top].fill(Value::Null);
                    self.top = first;
                    match done {
                        Err(_) if lacks => Value::Null,
                        done => done?,
                    }
                }
                Step::ElseIfTrue(end) | Step::ElseIfFalse(end) => {
                    let ends_with = matches!(step, Step::ElseIfTrue(_));
                    if self.pop().is_true() != ends_with {
                        continue;
                    }
                    at = *end;
                    truth(ends_with)
                }
                Step::Either | Step::Both => truth(self.pop().is_true()),
                Step::Unless(other) => {
                    if !self.pop().is_true() {
                        at = *other;
                    }
                    continue;
                }
                Step::Go(to) => {
                    at = *to;
                    continue;
                }
                Step::Chosen => continue,
            };
            self.push(value);
        }
        Ok(self.pop())
    }

    fn push(&mut self, value: Value) {
        self.stack[self.top] = value;
        self.top += 1;
    }

    fn pop(&mut self) -> Value {
        self.top -= 1;
        std::mem::replace(&mut self.stack[self.top], Value::Null)
    }

    fn pop_two(&mut self) -> (Value, Value) {
        let right = self.pop();
        (self.pop(), right)
    }

    fn find(&self, of: usize) -> Option<Value> {
        self.row.property(of, &self.expression.properties[of])
    }

    fn property(&self, of: usize) -> ValueResult {
        match self.find(of) {
            Some(value) => Ok(value),
            None if self.lack == Lack::Null => Ok(Value::Null),
            None => {
                let name = self.expression.properties[of].as_slice();
                let text = b": has no value, consider using EXISTS if applicable";
                Err(ExpressionError([name, text].concat()))
            }
        }
    }

    fn compare(&mut self, how: Comparison) -> ValueResult {
        let (left, right) = self.pop_two();
        let is_of_sameness = matches!(how, Comparison::Equal | Comparison::NotEqual);
        let lacks = left == Value::Null || right == Value::Null;
        let order = match left.compare(&right) {
            // Null has no order if it stands for a value that a document lacks.
            Ok(_) if self.lack == Lack::Null && lacks && left != right => None,
            // A number is not equal to a text that is no number.
            Err(_) if is_of_sameness || self.lack == Lack::Null => None,
            order => order?,
        };
        Ok(truth(match how {
            Comparison::Equal => order.is_some_and(|order| order.is_eq()),
            Comparison::NotEqual => order.is_none_or(|order| order.is_ne()),
            Comparison::Less => order.is_some_and(|order| order.is_lt()),
            Comparison::LessEqual => order.is_some_and(|order| order.is_le()),
            Comparison::Greater => order.is_some_and(|order| order.is_gt()),
            Comparison::GreaterEqual => order.is_some_and(|order| order.is_ge()),
        }))
    }

    fn compute(&mut self, how: Operator) -> ValueResult {
        let (left, right) = self.pop_two();
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            return Ok(Value::Number(how.compute(left, right)));
        }
        if self.lack == Lack::Null {
            return Ok(Value::Null);
        }
        let text = b"Could not convert value to a number";
        Err(ExpressionError(text.to_vec()))
    }
}

fn truth(is_true: bool) -> Value {
    Value::Number(f64::from(u8::from(is_true)))
}

/// A number as a whole number, as x86 converts it: NaN, or a number that is too large, becomes the
/// least.
fn truncated(n: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&n) {
        n as i64
    } else {
        i64::MIN
    }
}

impl Operator {
    /// Computes with literal numbers of the text, as C does, since Redis 8.
    pub(super) fn compute_literals(self, left: f64, right: f64) -> f64 {
        let number = match self {
            Operator::Divide => left / right,
            Operator::Remainder => left % right,
            other => other.compute(left, right),
        };
        // The sign of a NaN depends on the processor.
        if number.is_nan() { f64::NAN } else { number }
    }

    fn compute(self, left: f64, right: f64) -> f64 {
        match self {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide if right == 0.0 => f64::NAN,
            Operator::Divide => left / right,
            Operator::Remainder => {
                // Of whole numbers, as C has it.
                match (truncated(left), truncated(right)) {
                    (_, 0) => f64::NAN,
                    (left, right) => left.wrapping_rem(right) as f64,
                }
            }
            Operator::Power => left.powf(right),
        }
    }
}
