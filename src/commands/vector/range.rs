//! VRANGE.

use std::collections::BinaryHeap;

use super::{KEYS, READS};
use crate::base::number;
use crate::command::{Arity, CommandError};
use crate::server::{Call, CommandResult, Spec};
use crate::types::VectorSet;

pub(super) const VRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    keys: KEYS,
    ..Spec::new("VRANGE", vrange)
};

const BAD_START: CommandError = CommandError::Text("ERR invalid start range format");
const BAD_END: CommandError = CommandError::Text("ERR invalid end range format");
const BAD_COUNT: CommandError = CommandError::Text("ERR invalid COUNT value");
const SIGNS: CommandError =
    CommandError::Text("ERR '-' can only be used as first argument, '+' only as second");

/// One end of a range.
#[derive(Clone, Copy, Debug)]
enum End<'a> {
    Lowest,
    Highest,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
}

impl<'a> End<'a> {
    fn parse(text: &'a [u8]) -> Option<End<'a>> {
        match text {
            b"-" => Some(End::Lowest),
            b"+" => Some(End::Highest),
            [b'[', name @ ..] if !name.is_empty() => Some(End::Including(name)),
            [b'(', name @ ..] if !name.is_empty() => Some(End::Excluding(name)),
            _ => None,
        }
    }

    fn is_below(self, name: &[u8]) -> bool {
        match self {
            End::Lowest => true,
            End::Highest => false,
            End::Including(end) => name >= end,
            End::Excluding(end) => name > end,
        }
    }

    fn is_above(self, name: &[u8]) -> bool {
        match self {
            End::Lowest => false,
            End::Highest => true,
            End::Including(end) => name <= end,
            End::Excluding(end) => name < end,
        }
    }
}

/// `VRANGE key start end [count]`: the names of elements from one to another, by their bytes; a
/// negative count is none.
///
/// Reply: array, empty if the key is missing. O(elements), and O(log count) for each in the range.
fn vrange(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() > 5 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let count = match args.get(4) {
        None => -1,
        Some(text) => number::parse_i64(text).ok_or(BAD_COUNT)?,
    };
    let start = End::parse(args.at(2)).ok_or(BAD_START)?;
    let end = End::parse(args.at(3)).ok_or(BAD_END)?;
    if matches!(start, End::Highest) || matches!(end, End::Lowest) {
        return Err(SIGNS);
    }
    let set = call.db.read::<VectorSet>(args.at(1))?;
    let content = set.as_ref().map(|set| set.read());
    let mut names = BinaryHeap::new();
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    if let Some(content) = content.as_ref().filter(|_| most > 0) {
        for element in content.iter() {
            let name = element.name;
            if !start.is_below(name) || !end.is_above(name) {
                continue;
            }
            if names.len() < most {
                names.push(name);
            } else if names.peek().is_some_and(|last| name < *last) {
                names.pop();
                names.push(name);
            }
        }
    }
    let names = names.into_sorted_vec();
    call.reply.array(names.len());
    for name in names {
        call.reply.bulk(name);
    }
    Ok(())
}
