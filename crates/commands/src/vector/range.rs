//! VRANGE.

use super::row::{KEYS, READS};
use crate::work;
use russet_base::{clock, numbers::number};
use russet_command::{Arity, CommandError, Facts};
use russet_server::tasks::{self, TaskResult, VectorWork};
use russet_server::{Call, CommandResult, Spec};
use russet_types::VectorSet;
use russet_types::vector_set::{End, Names, Progress};

pub(super) const VRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    keys: KEYS,
    work: work::VECTORS,
    facts: Facts::SHOWS,
    ..Spec::new("VRANGE", vrange)
};

const BAD_START: CommandError = CommandError::Text("ERR invalid start range format");
const BAD_END: CommandError = CommandError::Text("ERR invalid end range format");
const BAD_COUNT: CommandError = CommandError::Text("ERR invalid COUNT value");
const SIGNS: CommandError =
    CommandError::Text("ERR '-' can only be used as first argument, '+' only as second");

/// Names in a slice of a command that cannot leave the loop: about a millisecond.
const NAMES_PER_SLICE: usize = 16_384;

fn parse_end(text: &[u8]) -> Option<End> {
    match text {
        b"-" => Some(End::Lowest),
        b"+" => Some(End::Highest),
        [b'[', name @ ..] if !name.is_empty() => Some(End::Including(name.into())),
        [b'(', name @ ..] if !name.is_empty() => Some(End::Excluding(name.into())),
        _ => None,
    }
}

/// `VRANGE key start end [count]`: the names of elements between two names, ordered by bytes; a
/// negative count means no limit.
///
/// Reply: array, empty if the key is missing. O(elements), and O(log count) for each in the range.
fn vrange(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if let Some(TaskResult::Names(names)) = call.server.tasks.take_result() {
        write(call, &names);
        return Ok(());
    }
    if args.len() > 5 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let count = match args.get(4) {
        None => -1,
        Some(text) => number::parse_i64(text).ok_or(BAD_COUNT)?,
    };
    let start = parse_end(args.at(2)).ok_or(BAD_START)?;
    let end = parse_end(args.at(3)).ok_or(BAD_END)?;
    if start == End::Highest || end == End::Lowest {
        return Err(SIGNS);
    }
    let Some(set) = call.db.read::<VectorSet>(args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut names = Names::new(start, end, most);
    let nanos = tasks::names_nanos(set.read().len());
    let set = set.share();
    if most > 0 && call.leaves_loop(nanos) {
        call.block_on_search(set, VectorWork::Names(Box::new(names)));
        return Ok(());
    }
    let began = clock::cycles();
    while names.step(&set.read(), NAMES_PER_SLICE) == Progress::More {
        call.may_continue(began)?;
    }
    write(call, &names.found());
    Ok(())
}

fn write(call: &mut Call<'_>, names: &[Box<[u8]>]) {
    call.reply.array(names.len());
    for name in names {
        call.reply.bulk(name);
    }
}
