//! The expressions of APPLY and FILTER in FT.AGGREGATE, and of FILTER in FT.CREATE.
//!
//! From weak to strong: `||`, `&&`, `!`, comparisons, `+ -`, `* / %`, `^` (to the right), as Redis
//! 8 has them; 7.4 knows three levels. Only a number may have a minus: `-3`, not `-@n`.
//!
//! An expression is a list of steps over a stack of values, operands before their operators. So
//! nothing recurses, however long or nested the text is: neither parsing, evaluation, copying nor
//! dropping.
//!
//! | module | what |
//! |---|---|
//! | `lexer` | a text as tokens |
//! | `parse` | tokens as an expression |
//! | `evaluate` | the value of an expression for a row |
//! | `value` | values, their texts, numbers and order |
//! | `functions` | the functions of numbers, texts, places and rows |
//! | `time` | functions of times |
//!
//! Source: FT.AGGREGATE of Redis Stack 7.4 (RediSearch 2.10), and of 8.10.

mod evaluate;
mod functions;
mod lexer;
mod parse;
mod time;
mod value;

#[cfg(test)]
mod tests;

pub use parse::parse;
pub use value::{Several, Value};
pub(crate) use value::{number_of, number_text};

use functions::Function;

/// An expression: the steps, and the properties that they name.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    steps: Vec<Step>,
    /// Each once, in the order of the text.
    properties: Vec<Vec<u8>>,
    /// The most values that are on the stack at a time.
    height: usize,
}

/// A step: takes operands from the stack, and leaves a value there.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Literal(Value),
    /// The property of this number; [`Step::Exists`] says whether the row has it.
    Property(usize),
    Exists(usize),
    Not,
    Compare(Comparison),
    Compute(Operator),
    /// A function with so many arguments.
    Call(&'static Function, usize),
    /// Goes to the step of this number if the value is true, which is left as 1.
    ElseIfTrue(usize),
    /// Goes to the step of this number if the value is false, which is left as 0.
    ElseIfFalse(usize),
    /// The end of `||` and of `&&`: whether the value is true.
    Either,
    Both,
    /// Takes a condition; goes to the step of this number if it is false.
    Unless(usize),
    Go(usize),
    /// The end of `case`.
    Chosen,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// How a number is made of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
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
    /// A property of the row; `at` is the property's number in the expression. `None`: the row has
    /// no property of this name.
    fn property(&self, at: usize, name: &[u8]) -> Option<Value>;

    /// The words that the row's document matched.
    fn matched_terms(&self) -> &[Box<[u8]>] {
        &[]
    }
}

type ValueResult = Result<Value, ExpressionError>;

impl Expression {
    /// The names of the properties, each once, in the order of the text.
    pub fn properties(&self) -> &[Vec<u8>] {
        &self.properties
    }

    /// Whether it asks for the words that a document matched.
    pub(crate) fn asks_terms(&self) -> bool {
        let asks =
            |step: &Step| matches!(step, Step::Call(of, _) if of.name == functions::MATCHED_TERMS);
        self.steps.iter().any(asks)
    }

    /// The name of the last step, as FT.PROFILE has it.
    pub(crate) fn name(&self) -> String {
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match self.steps.last() {
            Some(Step::Literal(value)) => {
                format!("Literal {}", shown(&value.text().unwrap_or_default()))
            }
            Some(Step::Property(at)) => format!("Property {}", shown(&self.properties[*at])),
            Some(Step::Exists(_)) => "Function exists".to_owned(),
            Some(Step::Not) => "Predicate !".to_owned(),
            Some(Step::Both) => "Predicate &&".to_owned(),
            Some(Step::Either) => "Predicate ||".to_owned(),
            Some(Step::Compare(how)) => format!("Predicate {}", how.mark()),
            Some(Step::Compute(how)) => format!("Operator {}", how.mark()),
            Some(Step::Call(function, _)) => format!("Function {}", function.name),
            _ => "Function case".to_owned(),
        }
    }
}

impl Comparison {
    fn mark(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
        }
    }
}

impl Operator {
    fn mark(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
            Operator::Power => "^",
        }
    }
}
