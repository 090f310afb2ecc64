//! Expressions: conditions of filters, from the loosest operator to the tightest, and values.
//!
//! Each function takes a rank of operators. A condition in the place of a value fails at the start
//! of the condition.

use super::literals::constant;
use super::{Parse, Parser};
use crate::path::ast::{Arithmetic, Call, Compare, Expr, Function, Operator, Origin, Query, Step};

pub(super) fn operator_by_word(word: &str) -> Option<Operator> {
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

fn one_or(mut many: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (many.len(), many.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            many.extend(last);
            join(many)
        }
    }
}

impl<'t> Parser<'t> {
    pub(super) fn condition(&mut self) -> Parse<Expr> {
        let first = self.conjunction()?;
        let mut alternatives = vec![first];
        while self.eat_sign("||") {
            alternatives.push(self.conjunction()?);
        }
        Ok(one_or(alternatives, Expr::Any))
    }

    pub(super) fn conjunction(&mut self) -> Parse<Expr> {
        let first = self.negation()?;
        let mut all = vec![first];
        while self.eat_sign("&&") {
            all.push(self.negation()?);
        }
        Ok(one_or(all, Expr::All))
    }

    pub(super) fn negation(&mut self) -> Parse<Expr> {
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
        let is_constant = left.is_constant() && right.is_constant();
        Ok(Expr::Compare(Box::new(Compare {
            left,
            operator,
            right,
            is_constant,
        })))
    }

    pub(super) fn operator(&mut self) -> Option<Operator> {
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

    /// A sum that is no condition.
    pub(super) fn value(&mut self) -> Parse<Expr> {
        self.blanks();
        let start = self.at;
        let value = self.sum()?;
        if value.is_condition() {
            self.at = start;
            return self.fail();
        }
        Ok(value)
    }

    pub(super) fn sum(&mut self) -> Parse<Expr> {
        let operators = [(b'+', Arithmetic::Add), (b'-', Arithmetic::Subtract)];
        self.chain(&operators, Self::product)
    }

    pub(super) fn product(&mut self) -> Parse<Expr> {
        let operators = [
            (b'*', Arithmetic::Multiply),
            (b'/', Arithmetic::Divide),
            (b'%', Arithmetic::Remainder),
        ];
        self.chain(&operators, Self::signed)
    }

    /// Operands between operators of the same rank.
    pub(super) fn chain(
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

    pub(super) fn signed(&mut self) -> Parse<Expr> {
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
    pub(super) fn primary(&mut self) -> Parse<Expr> {
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
                let steps = self.segments()?;
                let is_static = steps.iter().all(Step::is_static);
                let query = Query {
                    origin,
                    steps,
                    is_static,
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
    pub(super) fn method(&mut self) -> Option<&'t str> {
        if !self.eat(b'.') {
            return None;
        }
        self.blanks();
        let name = self.function_name();
        (!name.is_empty() && self.peek() == Some(b'(')).then_some(name)
    }

    pub(super) fn function_name(&mut self) -> &'t str {
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
    pub(super) fn word(&mut self) -> Parse<Expr> {
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

    pub(super) fn call(&mut self, name: &str, mut arguments: Vec<Expr>) -> Parse<Expr> {
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
        })))
    }
}
