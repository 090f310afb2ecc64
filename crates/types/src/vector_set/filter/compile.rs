//! Orders the tokens of an expression by precedence (the shunting yard).
//!
//!     tokens --> waiting operators, program --> folded constants --> skips --> Filter
//!
//! An operator leaves `waiting` once its right operand is complete, and is then a step after its
//! operands; if these are constants, their value takes the place of all. At last a skip is put
//! before the right operand of each `and` and `or`. Every error of order is the same error, without
//! a place, as in Redis. Cost: O(tokens * log fields), no recursion; at most `TOKENS_MAX` tokens
//! and literals.

use super::token::{Token, Tokens};
use super::{Filter, Instruction, Operator, SyntaxError, TOKENS_MAX, run};

impl Operator {
    fn precedence(self) -> u8 {
        match self {
            Operator::Open | Operator::Close => 7,
            Operator::Not => 6,
            Operator::Power => 5,
            Operator::Times | Operator::Over | Operator::Modulo => 4,
            Operator::Plus | Operator::Minus => 3,
            Operator::And => 1,
            Operator::Or => 0,
            _ => 2,
        }
    }

    fn operands(self) -> usize {
        match self {
            Operator::Open | Operator::Close => 0,
            Operator::Not => 1,
            _ => 2,
        }
    }
}

/// An error in the order of tokens, which has no place in the text.
const DISORDER: SyntaxError = SyntaxError { at: 0 };

pub(super) fn compile(text: &[u8]) -> Result<Filter, SyntaxError> {
    if u32::try_from(text.len()).is_err() {
        return Err(DISORDER);
    }
    let mut filter = Filter {
        text: text.into(),
        program: Vec::new(),
        literals: Vec::new(),
        fields: Default::default(),
        by_name: Default::default(),
    };
    let mut tokens = Vec::new();
    let mut reader = Tokens::new(text);
    while let Some(token) = reader.next(&mut filter.literals)? {
        tokens.push(token);
        if tokens.len() + filter.literals.len() > TOKENS_MAX {
            return Err(DISORDER);
        }
    }
    let mut yard = ShuntingYard {
        filter,
        waiting: Vec::new(),
        values: Vec::new(),
        skips: Vec::new(),
    };
    for token in tokens {
        yard.add(token)?;
    }
    while let Some(operator) = yard.waiting.pop() {
        if operator == Operator::Open {
            return Err(DISORDER);
        }
        yard.emit(operator)?;
    }
    match yard.values[..] {
        [_] => Ok(yard.finish()),
        _ => Err(DISORDER),
    }
}

struct ShuntingYard {
    filter: Filter,
    /// Operators whose right operand is not complete.
    waiting: Vec<Operator>,
    /// Values that the program so far leaves, by the steps where they begin.
    values: Vec<usize>,
    /// The `and`s and `or`s: where the right operand begins, and the operator.
    skips: Vec<(usize, usize)>,
}

impl ShuntingYard {
    fn add(&mut self, token: Token) -> Result<(), SyntaxError> {
        let step = match token {
            Token::Number(number) => Instruction::Number(number),
            Token::Text(text) => Instruction::Text(text),
            Token::Tuple(tuple) => Instruction::Tuple(tuple),
            Token::Null => Instruction::Null,
            Token::Field(name) => Instruction::Field(self.field(name)),
            Token::Operator(operator) => return self.operator(operator),
        };
        self.values.push(self.filter.program.len());
        self.filter.program.push(step);
        Ok(())
    }

    /// The number of a field: a number for each name, however often it is used.
    fn field(&mut self, name: std::ops::Range<u32>) -> u32 {
        let filter = &mut self.filter;
        match filter.field(filter.text(&name)) {
            Ok(known) => known,
            Err(place) => {
                let at = filter.fields.len() as u32;
                filter.by_name.insert(place, at);
                filter.fields.push(name);
                at
            }
        }
    }

    fn operator(&mut self, operator: Operator) -> Result<(), SyntaxError> {
        match operator {
            Operator::Open => {}
            Operator::Close => loop {
                match self.waiting.pop() {
                    None => return Err(DISORDER),
                    Some(Operator::Open) => return Ok(()),
                    Some(inner) => self.emit(inner)?,
                }
            },
            _ => {
                let own = operator.precedence();
                while let Some(&top) = self.waiting.last()
                    && top != Operator::Open
                    && (top.precedence() > own
                        || top.precedence() == own && operator != Operator::Power)
                {
                    self.waiting.pop();
                    self.emit(top)?;
                }
            }
        }
        self.waiting.push(operator);
        Ok(())
    }

    /// Adds an operator to the program, after its operands; if the operands are constants, adds the
    /// operator's value in their place.
    fn emit(&mut self, operator: Operator) -> Result<(), SyntaxError> {
        let operands = operator.operands();
        let Some(first) = self.values.len().checked_sub(operands) else {
            return Err(DISORDER);
        };
        assert!(operands > 0, "parentheses are not in the program");
        let (start, last) = (self.values[first], self.values[self.values.len() - 1]);
        self.values.truncate(first + 1);
        let program = &self.filter.program;
        if let Some(value) = run::folded(&self.filter, operator, &program[start..]) {
            self.filter.program.truncate(start);
            self.filter.program.push(Instruction::Number(value));
            return Ok(());
        }
        if matches!(operator, Operator::And | Operator::Or) {
            self.skips.push((last, program.len()));
        }
        self.filter.program.push(Instruction::Operator(operator));
        Ok(())
    }

    /// The filter, with its skips: each before the right operand that may be skipped. O(program).
    fn finish(self) -> Filter {
        let ShuntingYard {
            mut filter, skips, ..
        } = self;
        let mut before = vec![None; filter.program.len()];
        for (right, operator) in skips {
            before[right] = Some(operator);
        }
        // The place of each step once the skips before it are put in.
        let mut moved = Vec::with_capacity(before.len());
        let mut added = 0;
        for (at, operator) in before.iter().enumerate() {
            added += usize::from(operator.is_some());
            moved.push(at + added);
        }
        let mut program = Vec::with_capacity(before.len() + added);
        for (step, operator) in std::mem::take(&mut filter.program).into_iter().zip(&before) {
            if let Some(operator) = operator {
                program.push(Instruction::Skip {
                    when: false,
                    to: moved[*operator] as u32 + 1,
                });
            }
            program.push(step);
        }
        for at in 0..program.len() {
            if let Instruction::Skip { to, .. } = program[at] {
                let is_or = matches!(
                    program[to as usize - 1],
                    Instruction::Operator(Operator::Or)
                );
                program[at] = Instruction::Skip { when: is_or, to };
            }
        }
        filter.program = program;
        filter
    }
}
