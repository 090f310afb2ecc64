//! A compiled path: steps, and the expressions of filters and projections.
//!
//! Invariants, made by `parse`
//!   1. [`Step::Descend`] is followed by a step.
//!   2. Operands of [`Expr::Compare`], arithmetic and calls are values, never conditions.
//!   3. Nesting is at most `DEPTH_MAX`, steps at most `STEPS_MAX`, so functions may recurse over
//!      both.

use std::ops::Range;

use super::computed::ComputedValue;

/// A step from a value to values within it.
#[derive(Debug)]
pub(super) enum Step {
    /// `.a`, `["a"]`: the member with a name.
    Name(Box<str>),
    /// `["a","b"]`: members in the order given.
    Names(Box<[Box<str>]>),
    /// `[1]`, `[-1]`: an element.
    Index(i64),
    /// `[0,2]`: elements in the order given, as often as given.
    Indexes(Box<[i64]>),
    /// `[start:end:step]`
    Slice(Slice),
    /// `*`: all elements or members.
    All,
    /// `..`: the value itself and all values below it, each before the values within it.
    Descend,
    /// `?...`: elements or members for which the condition holds.
    Filter(Box<Filter>),
}

impl Step {
    /// Leads to a single value at most.
    pub(super) fn is_static(&self) -> bool {
        matches!(self, Step::Name(_) | Step::Index(_))
    }
}

/// Python's slice, with a positive step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) step: usize,
}

impl Slice {
    /// The ordinals in an array of `len` elements, of which each `step`th is meant.
    pub(super) fn within(self, len: usize) -> Range<usize> {
        let start = self.start.map_or(0, |start| clamp_index(start, len));
        let end = self.end.map_or(len, |end| clamp_index(end, len));
        start..end.max(start)
    }
}

/// From zero, negative ones from the end. An index before the start is the start; an index beyond
/// the end is `len`, at which no element exists. (Redis does so for single indexes too.)
pub(super) fn clamp_index(index: i64, len: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index.min(len),
        Err(_) => len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

/// The condition of a `?`.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) condition: Expr,
}

/// An expression of a filter or a projection.
#[derive(Debug)]
pub(super) enum Expr {
    /// `||` of two or more conditions.
    Any(Vec<Expr>),
    /// `&&` of two or more conditions.
    All(Vec<Expr>),
    /// `!`
    Not(Box<Expr>),
    /// A comparison.
    Compare(Box<Compare>),
    /// Operators of equal rank, from the left.
    Arithmetic(Box<Expr>, Vec<(Arithmetic, Expr)>),
    /// A sign in front: true for minus.
    Sign(bool, Box<Expr>),
    /// A value in the path's text.
    Literal(ComputedValue),
    /// A path, `@...` or `$...`.
    Query(Query),
    /// `path~`: names of members.
    Names(Query),
    /// A function, in front of its arguments or after the first.
    Call(Box<Call>),
}

impl Expr {
    /// A condition: true or false, never a value.
    pub(super) fn is_condition(&self) -> bool {
        matches!(
            self,
            Expr::Any(_) | Expr::All(_) | Expr::Not(_) | Expr::Compare(_)
        )
    }
}

impl Expr {
    /// Whether the expression has the same result for all values that a filter tests in a walk,
    /// because no path in the expression begins at these.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Expr::Literal(_) => true,
            Expr::Query(query) | Expr::Names(query) => query.origin == Origin::Root,
            Expr::Not(operand) | Expr::Sign(_, operand) => operand.is_constant(),
            Expr::Any(all) | Expr::All(all) => all.iter().all(Expr::is_constant),
            Expr::Call(call) => call.arguments.iter().all(Expr::is_constant),
            Expr::Compare(compare) => compare.is_constant,
            Expr::Arithmetic(first, others) => {
                first.is_constant() && others.iter().all(|(_, other)| other.is_constant())
            }
        }
    }
}

/// A path within an expression.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) origin: Origin,
    pub(super) steps: Vec<Step>,
    /// All steps are static.
    pub(super) is_static: bool,
}

/// Where a path within an expression begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// `@`: the value that the filter judges.
    Current,
    /// `$`
    Root,
}

#[derive(Debug)]
pub(super) struct Compare {
    pub(super) left: Expr,
    pub(super) operator: Operator,
    pub(super) right: Expr,
    /// The condition holds for all values of a walk, or for none.
    pub(super) is_constant: bool,
}

/// Between two values, with a condition as result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    Size,
    Empty,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Expr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    Abs,
    AnyOf,
    Append,
    Avg,
    Ceiling,
    Concat,
    Count,
    First,
    Floor,
    Index,
    Keys,
    Last,
    Length,
    Match,
    Max,
    Min,
    NoneOf,
    Search,
    Stddev,
    SubsetOf,
    Sum,
    /// A name that is none of these: Nothing, as Redis answers.
    Unknown,
    Value,
}

impl Function {
    pub(super) fn by_name(name: &str) -> Self {
        match name {
            "abs" => Function::Abs,
            "anyof" => Function::AnyOf,
            "append" => Function::Append,
            "avg" => Function::Avg,
            "ceiling" => Function::Ceiling,
            "concat" => Function::Concat,
            "count" => Function::Count,
            "first" => Function::First,
            "floor" => Function::Floor,
            "index" => Function::Index,
            "keys" => Function::Keys,
            "last" => Function::Last,
            "length" => Function::Length,
            "match" => Function::Match,
            "max" => Function::Max,
            "min" => Function::Min,
            "noneof" => Function::NoneOf,
            "search" => Function::Search,
            "stddev" => Function::Stddev,
            "subsetof" => Function::SubsetOf,
            "sum" => Function::Sum,
            "value" => Function::Value,
            _ => Function::Unknown,
        }
    }
}
