//! Tokens become bytes, from the last to the first.
//!
//! The end of a container pushes its position; the beginning, which comes later in this order,
//! computes the length between the two and writes the head. An array of numbers that is shorter as
//! a run is written at its end, at once.

use super::Draft;
use super::work::{BackwardBytes, Texts, Token};
use crate::document::bytes::{self, Body};
use crate::document::names;
use crate::document::number::Fpha;
use crate::document::run::NumberType;
use crate::document::store::{PLAIN, Part};
use crate::view::Number;
use smallvec::SmallVec;

impl Draft<'_, '_> {
    /// Shares the names among the tokens from a place on for which it pays.
    pub(super) fn share_names(&mut self, from: usize) {
        let work = &mut *self.work;
        let texts = Texts {
            source: self.source,
            texts: &work.texts,
            names: &work.names,
        };
        for token in &work.tokens[from..] {
            let Token::Name(name) = token else { continue };
            let known = &mut work.known[*name as usize];
            let len = known.span.len as usize;
            if known.shared.is_none() && known.is_clean && names::pays(len, known.count) {
                let text = texts.text(known.span);
                known.shared = self.store.names.add(text);
            }
        }
    }

    /// Writes the tokens from a place on.
    pub(super) fn write(&mut self, from: usize) {
        let work = &mut *self.work;
        let texts = Texts {
            source: self.source,
            texts: &work.texts,
            names: &work.names,
        };
        work.back.clear();
        let mut open = SmallVec::<[(usize, bool, u32); 16]>::new();
        let mut at = work.tokens.len();
        while at > from {
            at -= 1;
            match work.tokens[at] {
                Token::Null => work.back.push(&[bytes::NULL]),
                Token::Bool(value) => work.back.push(&[bytes::FALSE + u8::from(value)]),
                Token::Number(number) => work.back.push_few(&bytes::number(number)),
                Token::Text { span, is_clean } => {
                    let (start, len) = (span.at as usize, span.len as usize);
                    work.back.push_part(texts.origin(span), start, len);
                    work.back.push_few(&bytes::text_head(len, is_clean));
                }
                Token::Node(kind, node) => work.back.push_few(&bytes::node(kind, node)),
                Token::Shared(number) => work.back.push_few(&names::shared(number)),
                Token::Name(name) => {
                    let known = &work.known[name as usize];
                    if let Some(number) = known.shared {
                        work.back.push_few(&names::shared(number));
                    } else {
                        let (start, len) = (known.span.at as usize, known.span.len as usize);
                        work.back.push_part(texts.origin(known.span), start, len);
                        work.back.push_few(&names::text_head(len, known.is_clean));
                    }
                }
                Token::End {
                    is_object,
                    fpha,
                    numbers,
                    count,
                } => {
                    if numbers && !is_object && count > 0 {
                        let start = at - count as usize;
                        let tokens = &work.tokens[start..at];
                        let end = work.back.len();
                        if let Some(run) = write_run(&mut work.back, tokens, fpha) {
                            work.back.push(&[run.byte()]);
                            let len = work.back.len() - end;
                            work.back
                                .push_few(&bytes::header(Body::Run, count as usize, len));
                            // The run's first token follows its beginning.
                            at = start - 1;
                            continue;
                        }
                    }
                    open.push((work.back.len(), is_object, count));
                }
                Token::Begin(_) => {
                    let (end, is_object, count) = open.pop().expect("its end came before");
                    let body = if is_object { Body::Object } else { Body::Array };
                    let len = work.back.len() - end;
                    work.back
                        .push_few(&bytes::header(body, count as usize, len));
                }
            }
        }
    }

    /// Writes tokens that are all numbers, as an array's chunk.
    pub(super) fn write_numbers(&mut self, from: usize, fpha: Option<Fpha>) {
        let work = &mut *self.work;
        work.back.clear();
        if let Some(run) = write_run(&mut work.back, &work.tokens[from..], fpha) {
            work.back.push(&[run.byte()]);
        } else {
            self.write(from);
            self.work.back.push(&[PLAIN]);
        }
    }
}

/// Writes numbers as a run, without its type, if a run has them all and is shorter.
fn write_run(back: &mut BackwardBytes, tokens: &[Token], fpha: Option<Fpha>) -> Option<NumberType> {
    let numbers = tokens.iter().map(|token| match token {
        Token::Number(number) => *number,
        _ => unreachable!("all tokens are numbers"),
    });
    let typed = fpha.and_then(NumberType::typed);
    let run = typed.or_else(|| NumberType::shorter(numbers.clone()))?;
    for number in numbers.rev() {
        let bytes = run.bytes(number).expect("the type has all of them");
        back.push(&bytes[..run.width()]);
    }
    Some(run)
}

/// The bytes of a chunk of numbers, all of which are of the requested type.
pub(crate) fn numbers_chunk(numbers: &[Number], fpha: Option<Fpha>) -> Vec<u8> {
    let typed = fpha.and_then(NumberType::typed);
    let Some(run) = typed.or_else(|| NumberType::shorter(numbers.iter().copied())) else {
        let mut new = vec![PLAIN];
        numbers
            .iter()
            .for_each(|number| new.extend_from_slice(&bytes::number(*number)));
        return new;
    };
    let mut new = vec![run.byte()];
    for number in numbers {
        let bytes = run.bytes(*number).expect("the type has all of them");
        new.extend_from_slice(&bytes[..run.width()]);
    }
    new
}

/// The numbers of a part that has only such.
pub(crate) fn numbers_of(part: Part<'_>) -> impl Iterator<Item = Number> + Clone {
    let mut at = part.start;
    (0..part.count).map(move |_| {
        let number = match part.body {
            Body::Run => part.run.read(part.bytes, at),
            Body::Array | Body::Object => match bytes::item(part.bytes, at) {
                bytes::Item::Number(number) => number,
                _ => unreachable!("only numbers"),
            },
        };
        at = part.end(at);
        number
    })
}
