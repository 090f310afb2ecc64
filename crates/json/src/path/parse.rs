//! The parser: text of a JSONPath to steps and expressions, in one pass over its bytes.
//!
//!     path       = "$" segments | expression with "$" paths (a projection)
//!     segments   = first? (segment)*          first: a bare name or "*", as in `@name`
//!     segment    = "." name | "." "*" | "."? "[" inside "]" | ".." (name | "*" | "[" inside "]")
//!     inside     = slice | index, ... | string, ... | "*" | "?" condition
//!     condition  = or of and of (not | comparison); comparison = value (operator value)?
//!     value      = sum of products of signs of (literal | path | path "~" | call | "(" ... ")")
//!
//! Redis's own rules, which differ from RFC 9535's: names in dots may have `- + # % $ ^ / :` and the
//! backtick, so arithmetic wants blanks after a name; blanks are allowed between all tokens, and so
//! are skipped at the start of a quoted string; a segment in brackets may have a dot before it;
//! numbers have no exponent. Conditions in parentheses and sums in parentheses are parsed alike, and
//! told apart by what they turn out to be, so no text is parsed twice.
//!
//! A failure carries its position only; `expect` finds the words for it.

use super::ast::{
    Arithmetic, Call, Compare, Expr, Filter, Function, Operator, Origin, Query, Slice, Step,
};
use super::computed::Computed;
use super::error::PathError;
use super::pattern::Patterns;
use super::{DEPTH_MAX, STEPS_MAX, expect};
use crate::view::Number;

/// What a text turned out to be.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A path, also one in parentheses: it selects values of the document.
    Selection(Vec<Step>),
    /// Anything else: it computes a value.
    Projection(Expr),
}

/// Parses a text in the form of JSONPath; the length is checked by the caller.
pub(super) fn parse(text: &str) -> Result<Parsed, PathError> {
    let mut parser = Parser {
        text,
        at: 0,
        furthest: 0,
        depth: 0,
        branches: 0,
    };
    match parser.path() {
        Ok(parsed) => Ok(parsed),
        Err(Failure::Here) => Err(PathError::Syntax(expect::explain(text, parser.furthest))),
        Err(Failure::Bound(error)) => Err(error),
    }
}

/// Whether a text names an operator where a bare first segment could stand.
fn is_reserved(word: &str) -> bool {
    operator_by_word(word).is_some() || matches!(word, "+" | "-" | "/" | "%")
}

fn operator_by_word(word: &str) -> Option<Operator> {
    Some(match word {
        "in" => Operator::In,
        "nin" => Operator::NotIn,
        "subsetof" => Operator::SubsetOf,
        "anyof" => Operator::AnyOf,
        "noneof" => Operator::NoneOf,
        "size" | "sizeof" => Operator::Size,
        "empty" => Operator::Empty,
        _ => return None,
    })
}

/// A byte of a name that stands without quotes.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_`+#%$^/:".contains(&byte)
}

enum Failure {
    /// The grammar has nothing for what stands at the furthest position.
    Here,
    Bound(PathError),
}

type Parse<T> = Result<T, Failure>;

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// The position furthest right at which something else was expected.
    furthest: usize,
    depth: usize,
    branches: usize,
}

impl<'t> Parser<'t> {
    fn path(&mut self) -> Parse<Parsed> {
        let value = self.value()?;
        self.blanks();
        if self.at < self.text.len() {
            return self.fail();
        }
        Ok(match value {
            Expr::Query(Query {
                origin: Origin::Root,
                steps,
            }) => Parsed::Selection(steps),
            value => Parsed::Projection(value),
        })
    }

    // Segments.

    /// The segments after `$` or `@`.
    fn segments(&mut self) -> Parse<Vec<Step>> {
        let mut steps = Vec::new();
        self.first_segment(&mut steps)?;
        loop {
            let before = self.at;
            self.blanks();
            if !self.segment(&mut steps)? {
                self.at = before;
                return Ok(steps);
            }
        }
    }

    fn first_segment(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            return self.push(steps, Step::All);
        }
        let before = self.at;
        self.blanks();
        let start = self.at;
        let name = self.name_bytes();
        if name.is_empty() || is_reserved(name) || (start > before && is_sign_of_sum(name)) {
            self.at = before;
            return Ok(());
        }
        if self.peek() == Some(b'(') {
            return self.fail();
        }
        steps.push(Step::Name(name.into()));
        Ok(())
    }

    /// One segment; false, with nothing consumed but blanks, if none begins here.
    fn segment(&mut self, steps: &mut Vec<Step>) -> Parse<bool> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest {
            [b'.', b'.', ..] => {
                self.at += 2;
                self.push(steps, Step::Descend)?;
                self.blanks();
                match self.peek() {
                    Some(b'[') => self.bracket(steps)?,
                    _ => self.name_or_all(steps)?,
                }
            }
            [b'.', ..] => {
                let before = self.at;
                self.at += 1;
                self.blanks();
                if self.peek() == Some(b'[') {
                    self.bracket(steps)?;
                } else {
                    self.name_or_all(steps)?;
                    if self.peek() == Some(b'(') && matches!(steps.last(), Some(Step::Name(_))) {
                        // A method: the caller's.
                        steps.pop();
                        self.at = before;
                        return Ok(false);
                    }
                }
            }
            [b'[', ..] => self.bracket(steps)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn name_or_all(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        if self.eat(b'*') {
            return self.push(steps, Step::All);
        }
        let name = self.name_bytes();
        if name.is_empty() {
            return self.fail();
        }
        steps.push(Step::Name(name.into()));
        Ok(())
    }

    fn name_bytes(&mut self) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(is_name_byte) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn bracket(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        self.expect(b'[')?;
        self.blanks();
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                self.push(steps, Step::All)?;
            }
            Some(b'?') => {
                self.at += 1;
                let condition = self.nested(Self::condition)?;
                self.push(steps, Step::Filter(Box::new(Filter { condition })))?;
            }
            Some(b'"' | b'\'') => {
                let names = self.list(Self::string)?;
                let step = match <[Box<str>; 1]>::try_from(names) {
                    Ok([name]) => Step::Name(name),
                    Err(names) => Step::Names(names.into()),
                };
                self.push(steps, step)?;
            }
            _ => self.indexes(steps)?,
        }
        self.blanks();
        self.expect(b']')
    }

    fn indexes(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        let start = if self.peek() == Some(b':') {
            None
        } else {
            Some(self.index()?)
        };
        let before = self.at;
        self.blanks();
        if self.eat(b':') {
            return self.slice(steps, start);
        }
        self.at = before;
        let Some(first) = start else {
            return self.fail();
        };
        let mut indexes = vec![first];
        loop {
            let before = self.at;
            self.blanks();
            if !self.eat(b',') {
                self.at = before;
                break;
            }
            self.blanks();
            indexes.push(self.index()?);
        }
        let step = match *indexes {
            [index] => Step::Index(index),
            _ => Step::Indexes(indexes.into()),
        };
        self.push(steps, step)
    }

    /// What follows the first colon of a slice.
    fn slice(&mut self, steps: &mut Vec<Step>, start: Option<i64>) -> Parse<()> {
        self.blanks();
        let end = match self.peek() {
            Some(b'-' | b'0'..=b'9') => Some(self.index()?),
            _ => None,
        };
        self.blanks();
        let mut step = 1;
        if self.eat(b':') {
            self.blanks();
            match self.peek() {
                Some(b'1'..=b'9') => {
                    let digits = self.digits();
                    step = digits.parse().unwrap_or(usize::MAX);
                }
                Some(b']') => {}
                _ => return self.fail(),
            }
        }
        self.push(steps, Step::Slice(Slice { start, end, step }))
    }

    /// An index; one beyond `i64` is the furthest there is, as in Redis 8.10.
    fn index(&mut self) -> Parse<i64> {
        let text = self.integer()?;
        let furthest = if text.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        Ok(text.parse().unwrap_or(furthest))
    }

    /// Digits without leading zeros, with a minus or without.
    fn integer(&mut self) -> Parse<&'t str> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => {
                self.fail::<()>().ok();
                self.at = start;
                return self.fail();
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    // Conditions, from the loosest operator to the tightest.

    fn condition(&mut self) -> Parse<Expr> {
        let first = self.conjunction()?;
        let mut alternatives = vec![first];
        while self.eat_sign("||") {
            alternatives.push(self.conjunction()?);
        }
        Ok(one_or(alternatives, Expr::Any))
    }

    fn conjunction(&mut self) -> Parse<Expr> {
        let first = self.negation()?;
        let mut all = vec![first];
        while self.eat_sign("&&") {
            all.push(self.negation()?);
        }
        Ok(one_or(all, Expr::All))
    }

    fn negation(&mut self) -> Parse<Expr> {
        self.blanks();
        if self.eat(b'!') {
            let negated = self.nested(Self::negation)?;
            return Ok(Expr::Not(Box::new(negated)));
        }
        let left = self.sum()?;
        if left.is_condition() {
            return Ok(left);
        }
        let before = self.at;
        self.blanks();
        let Some(operator) = self.operator() else {
            self.at = before;
            return Ok(left);
        };
        let right = self.value()?;
        let patterns = Patterns::default();
        Ok(Expr::Compare(Box::new(Compare {
            left,
            operator,
            right,
            patterns,
        })))
    }

    fn operator(&mut self) -> Option<Operator> {
        let rest = &self.text[self.at..];
        let (operator, len) = match rest.as_bytes() {
            [b'=', b'=', ..] => (Operator::Equal, 2),
            [b'!', b'=', ..] => (Operator::Unequal, 2),
            [b'<', b'=', ..] => (Operator::LessOrEqual, 2),
            [b'<', ..] => (Operator::Less, 1),
            [b'>', b'=', ..] => (Operator::GreaterOrEqual, 2),
            [b'>', ..] => (Operator::Greater, 1),
            [b'=', b'~', ..] => (Operator::Matches, 2),
            _ => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let len = rest.bytes().take_while(|byte| is_word(byte)).count();
                (operator_by_word(&rest[..len])?, len)
            }
        };
        self.at += len;
        Some(operator)
    }

    // Values.

    /// A sum that is no condition.
    fn value(&mut self) -> Parse<Expr> {
        self.blanks();
        let start = self.at;
        let value = self.sum()?;
        if value.is_condition() {
            self.at = start;
            return self.fail();
        }
        Ok(value)
    }

    fn sum(&mut self) -> Parse<Expr> {
        let operators = [(b'+', Arithmetic::Add), (b'-', Arithmetic::Subtract)];
        self.chain(&operators, Self::product)
    }

    fn product(&mut self) -> Parse<Expr> {
        let operators = [
            (b'*', Arithmetic::Multiply),
            (b'/', Arithmetic::Divide),
            (b'%', Arithmetic::Remainder),
        ];
        self.chain(&operators, Self::signed)
    }

    /// Operands between operators of one rank.
    fn chain(
        &mut self,
        operators: &[(u8, Arithmetic)],
        operand: fn(&mut Self) -> Parse<Expr>,
    ) -> Parse<Expr> {
        self.blanks();
        let first = operand(self)?;
        if first.is_condition() {
            return Ok(first);
        }
        let mut others = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            let next = self.peek();
            let Some((_, operator)) = operators.iter().find(|(byte, _)| Some(*byte) == next) else {
                self.at = before;
                break;
            };
            self.at += 1;
            self.blanks();
            let start = self.at;
            let other = operand(self)?;
            if other.is_condition() {
                self.at = start;
                return self.fail();
            }
            others.push((*operator, other));
        }
        Ok(if others.is_empty() {
            first
        } else {
            Expr::Arithmetic(Box::new(first), others)
        })
    }

    fn signed(&mut self) -> Parse<Expr> {
        let rest = &self.text.as_bytes()[self.at..];
        let minus = match rest {
            // A minus before digits is the number's own.
            [b'-', b'0'..=b'9', ..] => return self.primary(),
            [b'-', ..] => true,
            [b'+', ..] => false,
            _ => return self.primary(),
        };
        self.at += 1;
        self.blanks();
        let start = self.at;
        let operand = self.primary()?;
        if operand.is_condition() {
            self.at = start;
            return self.fail();
        }
        Ok(Expr::Sign(minus, Box::new(operand)))
    }

    /// An operand, and the methods called on it.
    fn primary(&mut self) -> Parse<Expr> {
        let mut value = match self.peek() {
            Some(b'(') => {
                self.at += 1;
                let inner = self.nested(Self::condition)?;
                self.blanks();
                self.expect(b')')?;
                inner
            }
            Some(byte @ (b'@' | b'$')) => {
                self.at += 1;
                let origin = if byte == b'@' {
                    Origin::Current
                } else {
                    Origin::Root
                };
                let query = Query {
                    origin,
                    steps: self.segments()?,
                };
                let before = self.at;
                self.blanks();
                if self.eat(b'~') {
                    return Ok(Expr::Names(query));
                }
                self.at = before;
                Expr::Query(query)
            }
            Some(byte) if byte.is_ascii_alphabetic() => self.word()?,
            _ => Expr::Literal(self.literal()?),
        };
        let depth = self.depth;
        while !value.is_condition() {
            let before = self.at;
            self.blanks();
            let Some(name) = self.method() else {
                self.at = before;
                break;
            };
            self.deeper()?;
            value = self.call(name, vec![value])?;
        }
        self.depth = depth;
        Ok(value)
    }

    /// `.name(`, up to the parenthesis.
    fn method(&mut self) -> Option<&'t str> {
        if !self.eat(b'.') {
            return None;
        }
        self.blanks();
        let name = self.function_name();
        (!name.is_empty() && self.peek() == Some(b'(')).then_some(name)
    }

    fn function_name(&mut self) -> &'t str {
        let start = self.at;
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            while self
                .peek()
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                self.at += 1;
            }
        }
        &self.text[start..self.at]
    }

    /// `true`, `false`, `null`, or a function.
    fn word(&mut self) -> Parse<Expr> {
        let start = self.at;
        let name = self.function_name();
        let before = self.at;
        self.blanks();
        if self.peek() == Some(b'(') {
            return self.call(name, Vec::new());
        }
        self.at = before;
        if let Some(constant) = constant(name) {
            return Ok(Expr::Literal(constant));
        }
        self.at = start;
        self.fail()
    }

    fn call(&mut self, name: &str, mut arguments: Vec<Expr>) -> Parse<Expr> {
        self.expect(b'(')?;
        self.blanks();
        if !self.eat(b')') {
            arguments.extend(self.nested(|parser| parser.list(Self::value))?);
            self.blanks();
            self.expect(b')')?;
        }
        let function = Function::by_name(name);
        Ok(Expr::Call(Box::new(Call {
            function,
            arguments,
            patterns: Patterns::default(),
        })))
    }

    // Literals.

    fn literal(&mut self) -> Parse<Computed> {
        match self.peek() {
            Some(b'"' | b'\'') => Ok(Computed::String(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number().map(Computed::Number),
            Some(b'[') => {
                self.at += 1;
                let elements = self.nested(|parser| parser.list_until(b']', Self::json))?;
                Ok(Computed::Array(elements))
            }
            Some(b'{') => {
                self.at += 1;
                let members = self.nested(|parser| parser.list_until(b'}', Self::json_member))?;
                Ok(Computed::Object(last_of_each_name(members)))
            }
            _ => self.fail(),
        }
    }

    /// A value within an array or object literal.
    fn json(&mut self) -> Parse<Computed> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return self.literal();
        }
        let start = self.at;
        let name = self.function_name();
        constant(name).map_or_else(
            || {
                self.at = start;
                self.fail()
            },
            Ok,
        )
    }

    fn json_member(&mut self) -> Parse<(String, Computed)> {
        let name = self.string()?;
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        Ok((name.into(), self.json()?))
    }

    fn number(&mut self) -> Parse<Number> {
        let start = self.at;
        self.integer()?;
        if let [b'.', b'0'..=b'9', ..] = self.text.as_bytes()[self.at..] {
            self.at += 1;
            self.digits();
        }
        let text = &self.text[start..self.at];
        if let Ok(integer) = text.parse() {
            return Ok(Number::Signed(integer));
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Number::Float(float)),
            _ => {
                self.at = start;
                self.fail()
            }
        }
    }

    /// A quoted string. A backslash escapes the quote or itself, and nothing else.
    fn string(&mut self) -> Parse<Box<str>> {
        let bytes = self.text.as_bytes();
        let open = self.at;
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return self.fail();
        };
        self.at += 1;
        // Redis skips blanks here as between any two tokens.
        self.blanks();
        let start = self.at;
        let mut content = String::new();
        let mut copied = start;
        loop {
            match bytes.get(self.at) {
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    content.push_str(&self.text[copied..self.at]);
                    match bytes.get(self.at + 1) {
                        Some(next) if *next == quote || *next == b'\\' => {
                            copied = self.at + 1;
                            self.at += 2;
                        }
                        _ => {
                            self.at = open;
                            return self.fail();
                        }
                    }
                }
                Some(_) => self.at += 1,
                None => {
                    self.at = open;
                    return self.fail();
                }
            }
        }
        content.push_str(&self.text[copied..self.at]);
        self.at += 1;
        Ok(content.into())
    }

    // What all of the above is made of.

    /// Items between commas, one at least.
    fn list<T>(&mut self, item: fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = vec![item(self)?];
        loop {
            let before = self.at;
            self.blanks();
            if !self.eat(b',') {
                self.at = before;
                return Ok(items);
            }
            self.blanks();
            items.push(item(self)?);
        }
    }

    /// Items between commas, none at least, and what closes them.
    fn list_until<T>(&mut self, close: u8, item: fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.blanks();
        if self.eat(close) {
            return Ok(Vec::new());
        }
        let items = self.list(item)?;
        self.blanks();
        self.expect(close)?;
        Ok(items)
    }

    /// Parses one level further in.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.deeper()?;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn deeper(&mut self) -> Parse<()> {
        if self.depth == DEPTH_MAX {
            return Err(Failure::Bound(PathError::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    fn push(&mut self, steps: &mut Vec<Step>, step: Step) -> Parse<()> {
        if !step.is_static() {
            if self.branches == STEPS_MAX {
                return Err(Failure::Bound(PathError::TooManySteps));
            }
            self.branches += 1;
        }
        steps.push(step);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// `&&` or `||`, after blanks; nothing consumed if it is not there.
    fn eat_sign(&mut self, sign: &str) -> bool {
        let before = self.at;
        self.blanks();
        let found = self.text[self.at..].starts_with(sign);
        self.at = if found { self.at + sign.len() } else { before };
        found
    }

    fn expect(&mut self, byte: u8) -> Parse<()> {
        if self.eat(byte) { Ok(()) } else { self.fail() }
    }

    /// Only the space is blank.
    fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn fail<T>(&mut self) -> Parse<T> {
        self.furthest = self.furthest.max(self.at);
        Err(Failure::Here)
    }
}

fn is_sign_of_sum(name: &str) -> bool {
    matches!(name.as_bytes(), [b'+' | b'-' | b'/' | b'%', ..])
}

fn constant(word: &str) -> Option<Computed> {
    Some(match word {
        "true" => Computed::Bool(true),
        "false" => Computed::Bool(false),
        "null" => Computed::Null,
        _ => return None,
    })
}

fn one_or(mut many: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (many.len(), many.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            many.extend(last);
            join(many)
        }
    }
}

/// As in a document: the last value of a name, at the place of the first.
fn last_of_each_name(members: Vec<(String, Computed)>) -> Vec<(String, Computed)> {
    let mut places = std::collections::HashMap::with_capacity(members.len());
    let mut kept: Vec<(String, Computed)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(member) => member.1 = value,
            None => kept.push((name, value)),
        }
    }
    kept
}
