//! The expressions of APPLY and FILTER in FT.AGGREGATE, and of FILTER in FT.CREATE.
//!
//! From weak to strong: `||`, `&&`, `!`, comparisons, `+ -`, `* / %`, `^` (to the right), as Redis
//! 8 has them; 7.4 knows three levels. A minus is a part of a number alone: `-3`, not `-@n`.
//!
//! | module | what |
//! |---|---|
//! | `parse` | a text as an expression |
//! | `value` | values, their texts, numbers and order |
//! | `functions` | the functions of numbers, texts, places and rows |
//! | `time` | functions of times |
//!
//! Source: FT.AGGREGATE of Redis Stack 7.4 (RediSearch 2.10).

mod functions;
mod parse;
mod time;
mod value;

#[cfg(test)]
mod tests;

pub use parse::parse;
pub use value::{Several, Value};
pub(crate) use value::{number_of, number_text};

use functions::Function;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Literal(Value),
    /// `@name`, without the mark.
    Property(Vec<u8>),
    Not(Box<Expression>),
    Both(Box<Expression>, Box<Expression>),
    Either(Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    Compute(Operator, Box<Expression>, Box<Expression>),
    Call(Call),
}

impl Expression {
    /// The name of its last step, as FT.PROFILE has it.
    pub(crate) fn name(&self) -> String {
        match self {
            Expression::Literal(value) => {
                let text = value.text().unwrap_or_default();
                format!("Literal {}", String::from_utf8_lossy(&text))
            }
            Expression::Property(name) => format!("Property {}", String::from_utf8_lossy(name)),
            Expression::Not(_) => "Predicate !".to_owned(),
            Expression::Both(..) => "Predicate &&".to_owned(),
            Expression::Either(..) => "Predicate ||".to_owned(),
            Expression::Compare(how, ..) => {
                let mark = match how {
                    Comparison::Equal => "==",
                    Comparison::NotEqual => "!=",
                    Comparison::Less => "<",
                    Comparison::LessEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterEqual => ">=",
                };
                format!("Predicate {mark}")
            }
            Expression::Compute(how, ..) => {
                let mark = match how {
                    Operator::Add => '+',
                    Operator::Subtract => '-',
                    Operator::Multiply => '*',
                    Operator::Divide => '/',
                    Operator::Remainder => '%',
                    Operator::Power => '^',
                };
                format!("Operator {mark}")
            }
            Expression::Call(call) => format!("Function {}", call.function.name),
        }
    }
}

/// A function with its arguments, as many as it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    function: &'static Function,
    arguments: Vec<Expression>,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// How a number is made of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// Why there is no value, in the words of RediSearch 2.10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError(pub Vec<u8>);

/// The values of a row by their names.
pub trait Row {
    /// A property of the row; `None`: it has none of this name.
    fn property(&self, name: &[u8]) -> Option<Value>;
    /// The words that the row's document matched.
    fn matched_terms(&self) -> &[Box<[u8]>] {
        &[]
    }
}

type Evaluated = Result<Value, ExpressionError>;

impl Expression {
    /// Whether it asks for the words that a document matched.
    pub(crate) fn asks_terms(&self) -> bool {
        match self {
            Expression::Literal(_) | Expression::Property(_) => false,
            Expression::Not(of) => of.asks_terms(),
            Expression::Both(left, right)
            | Expression::Either(left, right)
            | Expression::Compare(_, left, right)
            | Expression::Compute(_, left, right) => left.asks_terms() || right.asks_terms(),
            Expression::Call(call) => {
                call.function.name == functions::MATCHED_TERMS
                    || call.arguments.iter().any(Expression::asks_terms)
            }
        }
    }

    /// Calls `each` with the name of every property, in the order of the text.
    pub fn for_each_property<'e>(&'e self, each: &mut dyn FnMut(&'e [u8])) {
        match self {
            Expression::Literal(_) => {}
            Expression::Property(name) => each(name),
            Expression::Not(of) => of.for_each_property(each),
            Expression::Both(left, right)
            | Expression::Either(left, right)
            | Expression::Compare(_, left, right)
            | Expression::Compute(_, left, right) => {
                left.for_each_property(each);
                right.for_each_property(each);
            }
            Expression::Call(call) => {
                for argument in &call.arguments {
                    argument.for_each_property(each);
                }
            }
        }
    }

    /// Its value for a row.
    ///
    /// # Errors
    ///
    /// Where the row lacks a property, a text that is no number is computed with, or an argument
    /// is not of its kind.
    pub fn evaluate(&self, row: &dyn Row) -> Evaluated {
        let truth = |value: Value| f64::from(u8::from(value.is_true()));
        Ok(match self {
            Expression::Literal(value) => value.clone(),
            Expression::Property(name) => row.property(name).ok_or_else(|| {
                let text = b": has no value, consider using EXISTS if applicable";
                ExpressionError([name.as_slice(), text].concat())
            })?,
            Expression::Not(of) => Value::Number(1.0 - truth(of.evaluate(row)?)),
            Expression::Both(left, right) => {
                let is_true = left.evaluate(row)?.is_true() && right.evaluate(row)?.is_true();
                Value::Number(f64::from(u8::from(is_true)))
            }
            Expression::Either(left, right) => {
                let is_true = left.evaluate(row)?.is_true() || right.evaluate(row)?.is_true();
                Value::Number(f64::from(u8::from(is_true)))
            }
            Expression::Compare(how, left, right) => {
                let (left, right) = (left.evaluate(row)?, right.evaluate(row)?);
                let is_of_sameness = matches!(how, Comparison::Equal | Comparison::NotEqual);
                let order = match left.compare(&right) {
                    // A number is no text that is none.
                    Err(_) if is_of_sameness => None,
                    order => order?,
                };
                let holds = match how {
                    Comparison::Equal => order.is_some_and(|order| order.is_eq()),
                    Comparison::NotEqual => order.is_none_or(|order| order.is_ne()),
                    Comparison::Less => order.is_some_and(|order| order.is_lt()),
                    Comparison::LessEqual => order.is_some_and(|order| order.is_le()),
                    Comparison::Greater => order.is_some_and(|order| order.is_gt()),
                    Comparison::GreaterEqual => order.is_some_and(|order| order.is_ge()),
                };
                Value::Number(f64::from(u8::from(holds)))
            }
            Expression::Compute(how, left, right) => {
                let number = |value: Value| {
                    let text = b"Could not convert value to a number";
                    value.number().ok_or_else(|| ExpressionError(text.to_vec()))
                };
                let (left, right) = (number(left.evaluate(row)?)?, number(right.evaluate(row)?)?);
                Value::Number(compute(*how, left, right))
            }
            Expression::Call(Call {
                function,
                arguments,
            }) => match (function.run)(arguments, row) {
                // All arguments are evaluated before any is looked at.
                Err(error) if !function.is_lazy() => {
                    for argument in arguments {
                        argument.evaluate(row)?;
                    }
                    return Err(error);
                }
                done => done?,
            },
        })
    }
}

/// A number as a whole one, as x86 has it: what is none, or too large, is the least.
fn truncated(n: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&n) {
        n as i64
    } else {
        i64::MIN
    }
}

fn compute(how: Operator, left: f64, right: f64) -> f64 {
    match how {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => f64::NAN,
        Operator::Divide => left / right,
        Operator::Remainder => {
            // Of whole numbers, as C has it.
            let (left, right) = (truncated(left), truncated(right));
            left.checked_rem(right).map_or(f64::NAN, |rest| rest as f64)
        }
        Operator::Power => left.powf(right),
    }
}
