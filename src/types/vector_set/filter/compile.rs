//! Orders the tokens of an expression by precedence (the shunting yard).

use super::token::{Token, Tokens};
use super::{Filter, Operator, Step, SyntaxError, TOKENS_MAX};

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

/// An error in the order of tokens has no place of its own.
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
    let mut yard = Yard {
        filter,
        waiting: Vec::new(),
        values: 0,
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
    match yard.values {
        1 => Ok(yard.filter),
        _ => Err(DISORDER),
    }
}

struct Yard {
    filter: Filter,
    /// Operators whose right operand is not complete.
    waiting: Vec<Operator>,
    /// Values that the program so far leaves.
    values: usize,
}

impl Yard {
    fn add(&mut self, token: Token) -> Result<(), SyntaxError> {
        let step = match token {
            Token::Number(number) => Step::Number(number),
            Token::Text(text) => Step::Text(text),
            Token::Tuple(tuple) => Step::Tuple(tuple),
            Token::Null => Step::Null,
            Token::Field(name) => Step::Field(self.field(name)),
            Token::Operator(operator) => return self.operator(operator),
        };
        self.filter.program.push(step);
        self.values += 1;
        Ok(())
    }

    /// The number of a field; the same for each use of one name.
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

    /// Adds an operator to the program, after its operands.
    fn emit(&mut self, operator: Operator) -> Result<(), SyntaxError> {
        let operands = operator.operands();
        if self.values < operands {
            return Err(DISORDER);
        }
        self.values = self.values - operands + 1;
        self.filter.program.push(Step::Operator(operator));
        Ok(())
    }
}
