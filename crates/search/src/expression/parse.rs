//! Parses tokens into an expression: an operator waits until the operand after it is read, and then
//! becomes a step.
//!
//! A syntax error names the place and the text of the unexpected token, as Redis does; the text of
//! a mark is the text of the token before it.

use std::collections::HashMap;

use super::functions::{self, Function};
use super::lexer::{Lexer, Token};
use super::value::Value;
use super::{Comparison, Expression, ExpressionError, Operator, Step};

/// Steps of an expression: each takes some 40 bytes, and some 20 ns for every row.
pub(super) const STEPS_MAX: usize = 1 << 18;

/// Operators and parentheses that wait for their end.
pub(super) const WAITING_MAX: usize = 1 << 16;

/// How strong operators bind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Either,
    Both,
    Not,
    Compare,
    Sum,
    Product,
    Power,
}

/// An operator or parenthesis that waits for the end of an operand.
enum PendingOperator {
    Paren,
    Call(PendingCall),
    Not,
    /// With the step that jumps to the end of the operation.
    Either(usize),
    Both(usize),
    Compare(Comparison),
    Compute(Operator),
}

/// A call whose arguments are being read.
struct PendingCall {
    name: Vec<u8>,
    function: Option<&'static Function>,
    arguments: usize,
    /// The first step of the arguments.
    start: usize,
    /// For `case`: the step that jumps to the end of the argument that is being read.
    jump: Option<usize>,
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: Token,
    waiting: Vec<PendingOperator>,
    steps: Vec<Step>,
    properties: Vec<Vec<u8>>,
    places: HashMap<Vec<u8>, usize>,
    /// Values on the stack after the last step, and the most that there were.
    values: usize,
    height: usize,
}

type ParseResult<T> = Result<T, ExpressionError>;

/// The expression that a text is. O(text).
///
/// # Errors
///
/// If the text is no expression, names an unknown function, gives a function a wrong number of
/// arguments, has more than 262,144 steps, or has more than 65,536 parentheses open at a time.
pub fn parse(text: &[u8]) -> Result<Expression, ExpressionError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        next: Token::End,
        waiting: Vec::new(),
        steps: Vec::new(),
        properties: Vec::new(),
        places: HashMap::new(),
        values: 0,
        height: 0,
    };
    parser.advance();
    loop {
        parser.operand()?;
        if !parser.operator()? {
            break;
        }
    }
    Ok(Expression {
        steps: parser.steps,
        properties: parser.properties,
        height: parser.height,
    })
}

impl Parser<'_> {
    /// Takes the next token.
    fn advance(&mut self) -> Token {
        let next = self.lexer.next();
        std::mem::replace(&mut self.next, next)
    }

    fn takes(&mut self, mark: &str) -> bool {
        let is_it = matches!(self.next, Token::Mark(next) if next == mark);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn syntax_error(&self) -> ExpressionError {
        let (at, near) = self.lexer.place();
        let before = format!("Syntax error at offset {at} near '");
        ExpressionError([before.as_bytes(), near, b"'"].concat())
    }

    /// Reads an operand, and all that opens before it.
    fn operand(&mut self) -> ParseResult<()> {
        loop {
            if self.takes("(") {
                self.wait(PendingOperator::Paren)?;
                continue;
            }
            if self.takes("!") {
                self.wait(PendingOperator::Not)?;
                continue;
            }
            if self.takes("-") {
                let Token::Literal(Value::Number(n)) = self.next else {
                    return Err(self.syntax_error());
                };
                self.advance();
                return self.push(Step::Literal(Value::Number(-n)));
            }
            if matches!(self.next, Token::Mark(_) | Token::End) {
                return Err(self.syntax_error());
            }
            match self.advance() {
                Token::Literal(value) => return self.push(Step::Literal(value)),
                Token::Property(name) => {
                    let at = self.property(name);
                    return self.push(Step::Property(at));
                }
                Token::Name(name) if self.takes("(") => {
                    let call = PendingCall {
                        function: functions::named(&name),
                        name,
                        arguments: 0,
                        start: self.steps.len(),
                        jump: None,
                    };
                    if self.takes(")") {
                        return self.finish(call);
                    }
                    self.wait(PendingOperator::Call(call))?;
                }
                Token::Name(name) if name == b"NULL" => {
                    return self.push(Step::Literal(Value::Null));
                }
                Token::Name(name) => {
                    let text = [b"Unknown symbol '", name.as_slice(), b"'"].concat();
                    return Err(ExpressionError(text));
                }
                Token::Mark(_) | Token::End => return Err(self.syntax_error()),
            }
        }
    }

    /// Reads everything between an operand and the next operand. `false`: nothing follows.
    fn operator(&mut self) -> ParseResult<bool> {
        loop {
            let Token::Mark(mark) = self.next else {
                let is_end = self.next == Token::End;
                self.close(Strength::Either)?;
                return if is_end && self.waiting.is_empty() {
                    Ok(false)
                } else {
                    Err(self.syntax_error())
                };
            };
            if mark == ")" || mark == "," {
                self.close(Strength::Either)?;
                match self.waiting.pop() {
                    Some(PendingOperator::Paren) if mark == ")" => _ = self.advance(),
                    Some(PendingOperator::Call(mut call)) => {
                        self.advance();
                        self.end_argument(&mut call)?;
                        if mark == "," {
                            self.wait(PendingOperator::Call(call))?;
                            return Ok(true);
                        }
                        self.finish(call)?;
                    }
                    _ => return Err(self.syntax_error()),
                }
                continue;
            }
            self.binary(mark)?;
            return Ok(true);
        }
    }

    /// An operator between two operands.
    fn binary(&mut self, mark: &str) -> ParseResult<()> {
        let (strength, waiting) = match mark {
            "||" => (Strength::Either, PendingOperator::Either(0)),
            "&&" => (Strength::Both, PendingOperator::Both(0)),
            "==" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::Equal),
            ),
            "!=" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::NotEqual),
            ),
            "<" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::Less),
            ),
            "<=" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::LessEqual),
            ),
            ">" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::Greater),
            ),
            ">=" => (
                Strength::Compare,
                PendingOperator::Compare(Comparison::GreaterEqual),
            ),
            "+" => (Strength::Sum, PendingOperator::Compute(Operator::Add)),
            "-" => (Strength::Sum, PendingOperator::Compute(Operator::Subtract)),
            "*" => (
                Strength::Product,
                PendingOperator::Compute(Operator::Multiply),
            ),
            "/" => (
                Strength::Product,
                PendingOperator::Compute(Operator::Divide),
            ),
            "%" => (
                Strength::Product,
                PendingOperator::Compute(Operator::Remainder),
            ),
            "^" => (Strength::Power, PendingOperator::Compute(Operator::Power)),
            _ => return Err(self.syntax_error()),
        };
        // Powers are taken from the right, comparisons cannot be chained.
        match strength {
            Strength::Power => {}
            Strength::Compare => {
                self.close(Strength::Sum)?;
                if let Some(PendingOperator::Compare(_)) = self.waiting.last() {
                    return Err(self.syntax_error());
                }
            }
            _ => self.close(strength)?,
        }
        let jump = self.steps.len();
        let waiting = match waiting {
            PendingOperator::Either(_) => {
                self.push(Step::ElseIfTrue(0))?;
                PendingOperator::Either(jump)
            }
            PendingOperator::Both(_) => {
                self.push(Step::ElseIfFalse(0))?;
                PendingOperator::Both(jump)
            }
            other => other,
        };
        self.advance();
        self.wait(waiting)
    }

    /// Ends the operators that bind as strong as this or more.
    fn close(&mut self, weakest: Strength) -> ParseResult<()> {
        while let Some(waiting) = self.waiting.pop_if(|w| w.strength() >= Some(weakest)) {
            let step = match waiting {
                PendingOperator::Paren | PendingOperator::Call(_) => return Ok(()),
                PendingOperator::Not => Step::Not,
                PendingOperator::Compare(how) => Step::Compare(how),
                PendingOperator::Compute(how) => Step::Compute(how),
                PendingOperator::Either(jump) => {
                    self.steps[jump] = Step::ElseIfTrue(self.steps.len() + 1);
                    Step::Either
                }
                PendingOperator::Both(jump) => {
                    self.steps[jump] = Step::ElseIfFalse(self.steps.len() + 1);
                    Step::Both
                }
            };
            self.push(step)?;
        }
        Ok(())
    }

    /// After an argument of a call. `case` evaluates only one of two.
    fn end_argument(&mut self, call: &mut PendingCall) -> ParseResult<()> {
        call.arguments += 1;
        if call.function.is_none_or(|function| !function.is_case()) {
            return Ok(());
        }
        let here = self.steps.len();
        match call.arguments {
            1 => {
                self.push(Step::Unless(0))?;
                call.jump = Some(here);
            }
            2 => {
                self.push(Step::Go(0))?;
                // The other value takes this value's place.
                self.values -= 1;
                let jump = call.jump.replace(here).expect("the first one was read");
                self.steps[jump] = Step::Unless(here + 1);
            }
            3 => {
                self.push(Step::Chosen)?;
                let jump = call.jump.take().expect("the second one was read");
                self.steps[jump] = Step::Go(here);
            }
            _ => {}
        }
        Ok(())
    }

    /// The end of a call.
    fn finish(&mut self, call: PendingCall) -> ParseResult<()> {
        let Some(function) = call.function else {
            let text = [b"Unknown function name '", call.name.as_slice(), b"'"].concat();
            return Err(ExpressionError(text));
        };
        if !function.takes.contains(&call.arguments) {
            let text = format!("Invalid number of arguments for {}", function.own_name);
            return Err(ExpressionError(text.into_bytes()));
        }
        if function.is_case() {
            return Ok(());
        }
        if function.is_exists()
            && let [Step::Property(of)] = self.steps[call.start..]
        {
            self.steps[call.start] = Step::Exists(of);
            return Ok(());
        }
        self.push(Step::Call(function, call.arguments))
    }

    fn wait(&mut self, waiting: PendingOperator) -> ParseResult<()> {
        if self.waiting.len() == WAITING_MAX {
            let text = b"The expression is nested too deep";
            return Err(ExpressionError(text.to_vec()));
        }
        self.waiting.push(waiting);
        Ok(())
    }

    /// The number of a property.
    fn property(&mut self, name: Vec<u8>) -> usize {
        if let Some(at) = self.places.get(&name) {
            return *at;
        }
        let at = self.properties.len();
        self.properties.push(name.clone());
        self.places.insert(name, at);
        at
    }

    /// Adds a step; a step over literal numbers alone becomes a number.
    fn push(&mut self, step: Step) -> ParseResult<()> {
        if let (Step::Compute(how), Some((rest, [left, right]))) =
            (&step, self.steps.split_last_chunk::<2>())
            && let (Step::Literal(Value::Number(left)), Step::Literal(Value::Number(right))) =
                (left, right)
        {
            let value = Value::Number(how.compute_literals(*left, *right));
            self.steps.truncate(rest.len());
            self.steps.push(Step::Literal(value));
            self.values -= 1;
            return Ok(());
        }
        if self.steps.len() == STEPS_MAX {
            let text = b"The expression has too many parts";
            return Err(ExpressionError(text.to_vec()));
        }
        self.values = self.values + step.gives() - step.takes();
        self.height = self.height.max(self.values);
        self.steps.push(step);
        Ok(())
    }
}

impl PendingOperator {
    /// `None`: a parenthesis, which no operator ends.
    fn strength(&self) -> Option<Strength> {
        Some(match self {
            PendingOperator::Paren | PendingOperator::Call(_) => return None,
            PendingOperator::Not => Strength::Not,
            PendingOperator::Either(_) => Strength::Either,
            PendingOperator::Both(_) => Strength::Both,
            PendingOperator::Compare(_) => Strength::Compare,
            PendingOperator::Compute(Operator::Add | Operator::Subtract) => Strength::Sum,
            PendingOperator::Compute(Operator::Power) => Strength::Power,
            PendingOperator::Compute(_) => Strength::Product,
        })
    }
}

impl Step {
    /// The values that it takes from the stack, unless it jumps.
    fn takes(&self) -> usize {
        match self {
            Step::Literal(_) | Step::Property(_) | Step::Exists(_) => 0,
            Step::Go(_) | Step::Chosen => 0,
            Step::Not | Step::Either | Step::Both | Step::Unless(_) => 1,
            Step::ElseIfTrue(_) | Step::ElseIfFalse(_) => 1,
            Step::Compare(_) | Step::Compute(_) => 2,
            Step::Call(_, count) => *count,
        }
    }

    /// The values that it leaves on the stack, unless it jumps.
    fn gives(&self) -> usize {
        match self {
            Step::Unless(_) | Step::Go(_) | Step::Chosen => 0,
            Step::ElseIfTrue(_) | Step::ElseIfFalse(_) => 0,
            _ => 1,
        }
    }
}
