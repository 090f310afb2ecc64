//! FILTER of VSIM: an expression over an element's attributes, compiled once for each query.
//!
//!     text     the expression up to its first NUL byte
//!     token    its numbers, strings, tuples, fields and operators
//!     compile  tokens in reverse Polish notation, their operands counted
//!     json     the wanted fields of an attribute, found in one pass over its text
//!     run      the program on the values of these fields
//!
//! By precedence: `!` `not`; `**`; `*` `/` `%`; `+` `-`; `>` `>=` `<` `<=` `==` `!=` `in`; `and`
//! `&&`; `or` `||`. All but `**` group from the left. As in Redis an element without any of the
//! fields never matches, whatever the expression makes of it. So a match reads all fields first;
//! then it skips an operand that cannot change the value, and parts without a field were computed
//! when the expression was compiled.
//!
//! Invariants
//!   1. A program leaves one value, and no operator finds fewer operands than it takes.
//!   2. Neither compiling nor running recurses, whatever the expression and the attributes.
//!
//! Cost: compiling O(length * log fields); a match O(attributes up to the last wanted field + keys
//! there * log fields + program), without an allocation unless a string that is looked at has
//! escapes.

mod compile;
mod json;
mod number;
mod run;
#[cfg(test)]
mod tests;
mod token;

use std::ops::Range;

use smallvec::SmallVec;

/// The most tokens of an expression: each costs time for every element that is tested.
const TOKENS_MAX: usize = 1 << 14;

/// Why an expression is refused: the reply shows the text from a position on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    at: usize,
}

impl SyntaxError {
    /// The part of the expression that the reply shows. As in Redis it is the whole expression if
    /// the error was found at the end, or in the order of tokens.
    pub fn near(self, expression: &[u8]) -> &[u8] {
        let from = if self.at >= expression.len() {
            0
        } else {
            self.at
        };
        let shown = &expression[from..];
        memchr::memchr(0, shown).map_or(shown, |end| &shown[..end])
    }
}

/// A compiled expression; see the module.
#[derive(Clone, Debug)]
pub struct Filter {
    text: Box<[u8]>,
    program: Vec<Instruction>,
    /// The elements of all tuples.
    literals: Vec<Literal>,
    /// The distinct fields, in the order of their first uses.
    fields: SmallVec<[Range<u32>; 4]>,
    /// The numbers of the fields, in the order of their names.
    by_name: SmallVec<[u32; 4]>,
}

/// A step of a program.
#[derive(Clone, Debug)]
enum Instruction {
    Number(f64),
    Text(Range<u32>),
    /// A range of `literals`.
    Tuple(Range<u32>),
    /// The number of a field in `fields`.
    Field(u32),
    Null,
    Operator(Operator),
    /// After the left operand of `and` or `or`: if the truth of the operand is `when`, the operand
    /// decides, and the program continues at `to`, after the operator.
    Skip {
        when: bool,
        to: u32,
    },
}

/// An element of a tuple.
#[derive(Clone, Debug)]
enum Literal {
    Number(f64),
    Text(Range<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Open,
    Close,
    Not,
    Power,
    Times,
    Over,
    Modulo,
    Plus,
    Minus,
    Greater,
    AtLeast,
    Less,
    AtMost,
    Equal,
    Unequal,
    In,
    And,
    Or,
}

impl Filter {
    /// Compiles an expression. O(length * log fields).
    pub fn compile(expression: &[u8]) -> Result<Filter, SyntaxError> {
        let end = memchr::memchr(0, expression).unwrap_or(expression.len());
        compile::compile(&expression[..end])
    }

    /// Whether attributes match: the value of the expression is true, and the attributes have all
    /// fields of the expression, with values that expressions know.
    pub fn matches(&self, attributes: &[u8]) -> bool {
        self.matches_counted(attributes, &mut 0)
    }

    /// [`Filter::matches`], which adds its estimated time to `nanos`, by the operators that ran and
    /// the bytes read.
    pub(crate) fn matches_counted(&self, attributes: &[u8], nanos: &mut usize) -> bool {
        run::run(self, attributes, nanos)
    }

    /// The estimated time for one element with short attributes, nanoseconds.
    pub fn nanos(&self) -> usize {
        const ATTRIBUTES: usize = 50;
        const STEP: usize = 5;
        ATTRIBUTES + STEP * (self.program.len() + self.literals.len())
    }

    /// The number of a field; else where it would be among the sorted ones. O(log fields)
    /// comparisons.
    fn field(&self, name: &[u8]) -> Result<u32, usize> {
        let text = |&at: &u32| self.text(&self.fields[at as usize]);
        let place = self.by_name.binary_search_by(|at| text(at).cmp(name));
        place.map(|at| self.by_name[at])
    }

    fn text(&self, range: &Range<u32>) -> &[u8] {
        &self.text[range.start as usize..range.end as usize]
    }
}
