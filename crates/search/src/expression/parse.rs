//! A text as an expression: its tokens, and a level for each strength of binding.
//!
//! A syntax error names the place and the text of the unexpected token, as Redis does: for a mark
//! that is the text of the token before it.

use super::value::{Value, number_of};
use super::{Call, Comparison, Expression, ExpressionError, Operator, functions};

/// Levels of parentheses and of `!`.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(Vec<u8>),
    Property(Vec<u8>),
    Name(Vec<u8>),
    Mark(&'static str),
    End,
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    /// The next token, where it stands, and the text that an error shows.
    next: Token,
    next_at: usize,
    near: Vec<u8>,
    depth: usize,
}

type Parsed<T> = Result<T, ExpressionError>;

/// Marks, longer ones first.
const MARKS: [&str; 18] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "^", "(", ")", ",",
];

/// The expression that a text is.
///
/// # Errors
///
/// Where it is none, names a function that there is not, gives one a wrong number of arguments, or
/// is nested deeper than 64 levels.
pub fn parse(text: &[u8]) -> Result<Expression, ExpressionError> {
    let mut parser = Parser {
        text,
        at: 0,
        next: Token::End,
        next_at: 0,
        near: Vec::new(),
        depth: 0,
    };
    parser.advance();
    let expression = parser.either()?;
    if parser.next != Token::End {
        return Err(parser.syntax_error());
    }
    Ok(expression)
}

impl Parser<'_> {
    /// Reads the next token.
    fn advance(&mut self) -> Token {
        let text = self.text;
        while text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let start = self.at;
        let rest = &text[start..];
        let token = match rest.first() {
            None => Token::End,
            Some(b'@') if word_len(&rest[1..]) > 0 => {
                let name = rest[1..=word_len(&rest[1..])].to_vec();
                self.at += 1 + name.len();
                self.near = name.clone();
                Token::Property(name)
            }
            Some(&mark @ (b'\'' | b'"')) => self.quoted(mark),
            Some(byte) if byte.is_ascii_digit() || *byte == b'-' && number_len(rest) > 0 => {
                let digits = &rest[..number_len(rest)];
                self.at += digits.len();
                self.near = digits.to_vec();
                Token::Number(number_of(digits).unwrap_or(f64::NAN))
            }
            Some(_) if word_len(rest) > 0 => {
                let name = rest[..word_len(rest)].to_vec();
                self.at += name.len();
                self.near = name.clone();
                Token::Name(name)
            }
            Some(_) => match MARKS.iter().find(|mark| rest.starts_with(mark.as_bytes())) {
                Some(mark) => {
                    self.at += mark.len();
                    Token::Mark(mark)
                }
                None => {
                    // Anything else is passed over.
                    self.at += 1;
                    return self.advance();
                }
            },
        };
        if token != Token::End {
            self.next_at = start;
        }
        std::mem::replace(&mut self.next, token)
    }

    /// A text in quotes; a quote that nothing closes is passed over.
    fn quoted(&mut self, mark: u8) -> Token {
        let mut value = Vec::new();
        let mut at = self.at + 1;
        while let Some(&byte) = self.text.get(at) {
            if byte == mark {
                self.at = at + 1;
                self.near.clone_from(&value);
                return Token::Text(value);
            }
            let next = self.text.get(at + 1);
            if byte == b'\\'
                && let Some(&next) = next.filter(|next| next.is_ascii_punctuation())
            {
                value.push(next);
                at += 2;
            } else {
                value.push(byte);
                at += 1;
            }
        }
        self.at += 1;
        self.advance();
        std::mem::replace(&mut self.next, Token::End)
    }

    fn syntax_error(&self) -> ExpressionError {
        let mut text = format!("Syntax error at offset {} near '", self.next_at).into_bytes();
        text.extend_from_slice(&self.near);
        text.push(b'\'');
        ExpressionError(text)
    }

    fn takes(&mut self, mark: &str) -> bool {
        let is_it = matches!(self.next, Token::Mark(next) if next == mark);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return Err(ExpressionError(
                b"The expression is nested too deep".to_vec(),
            ));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn either(&mut self) -> Parsed<Expression> {
        let mut left = self.both()?;
        while self.takes("||") {
            left = Expression::Either(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Parsed<Expression> {
        let mut left = self.negation()?;
        while self.takes("&&") {
            left = Expression::Both(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Parsed<Expression> {
        if self.takes("!") {
            return self.nested(|p| Ok(Expression::Not(Box::new(p.negation()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.sum()?;
        let how = match self.next {
            Token::Mark("==") => Comparison::Equal,
            Token::Mark("!=") => Comparison::NotEqual,
            Token::Mark("<") => Comparison::Less,
            Token::Mark("<=") => Comparison::LessEqual,
            Token::Mark(">") => Comparison::Greater,
            Token::Mark(">=") => Comparison::GreaterEqual,
            _ => return Ok(left),
        };
        self.advance();
        let right = self.sum()?;
        Ok(Expression::Compare(how, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Parsed<Expression> {
        let mut left = self.product()?;
        loop {
            let how = match self.next {
                Token::Mark("+") => Operator::Add,
                Token::Mark("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.advance();
            left = Expression::Compute(how, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed<Expression> {
        let mut left = self.power()?;
        loop {
            let how = match self.next {
                Token::Mark("*") => Operator::Multiply,
                Token::Mark("/") => Operator::Divide,
                Token::Mark("%") => Operator::Remainder,
                _ => return Ok(left),
            };
            self.advance();
            left = Expression::Compute(how, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Parsed<Expression> {
        let left = self.operand()?;
        if !self.takes("^") {
            return Ok(left);
        }
        let right = self.nested(Parser::power)?;
        Ok(Expression::Compute(
            Operator::Power,
            Box::new(left),
            Box::new(right),
        ))
    }

    fn operand(&mut self) -> Parsed<Expression> {
        if self.takes("(") {
            let inner = self.nested(Parser::either)?;
            return if self.takes(")") {
                Ok(inner)
            } else {
                Err(self.syntax_error())
            };
        }
        if self.takes("-") {
            let Token::Number(n) = self.next else {
                return Err(self.syntax_error());
            };
            self.advance();
            return Ok(Expression::Literal(Value::Number(-n)));
        }
        if matches!(self.next, Token::Mark(_) | Token::End) {
            return Err(self.syntax_error());
        }
        match self.advance() {
            Token::Number(n) => Ok(Expression::Literal(Value::Number(n))),
            Token::Text(text) => Ok(Expression::Literal(Value::Text(text))),
            Token::Property(name) => Ok(Expression::Property(name)),
            Token::Name(name) if self.takes("(") => self.call(&name),
            Token::Name(name) if name == b"NULL" => Ok(Expression::Literal(Value::Null)),
            Token::Name(name) => {
                let text = [b"Unknown symbol '", name.as_slice(), b"'"].concat();
                Err(ExpressionError(text))
            }
            Token::Mark(_) | Token::End => Err(self.syntax_error()),
        }
    }

    /// A call whose name and parenthesis were read.
    fn call(&mut self, name: &[u8]) -> Parsed<Expression> {
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.nested(Parser::either)?);
                if self.takes(")") {
                    break;
                }
                if !self.takes(",") {
                    return Err(self.syntax_error());
                }
            }
        }
        let Some(function) = functions::named(name) else {
            let text = [b"Unknown function name '", name, b"'"].concat();
            return Err(ExpressionError(text));
        };
        if !function.takes.contains(&arguments.len()) {
            let text = format!("Invalid number of arguments for {}", function.own_name);
            return Err(ExpressionError(text.into_bytes()));
        }
        Ok(Expression::Call(Call {
            function,
            arguments,
        }))
    }
}

fn word_len(text: &[u8]) -> usize {
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte > 127;
    text.iter().take_while(is_letter).count()
}

/// The bytes of `-1.5e-3` at the start of a text; 0 if there is no number.
fn number_len(text: &[u8]) -> usize {
    let digits = |at: usize| {
        text[at.min(text.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 {
        return 0;
    }
    let mut end = sign + whole;
    if text.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}
