//! ADD and INCRBY.

use super::super::count;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::{MISSING, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::TopK;

/// With the blanks that Redis has.
const BAD_INCREMENT: CommandError = CommandError::Text(
    "TopK: increment must be an integer greater or equal to 0                            and \
     smaller or equal to 100,000",
);
const INCREMENT_MAX: u32 = 100_000;

pub(super) const ADD: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::LISTED_ITEMS,
    ..Spec::new("topk.add", add)
};

/// `TOPK.ADD key item ...`: adds items.
///
/// Reply: array with the item that each has pushed out of the list, or null. O(items) times
/// depth and k.
fn add(call: &mut Call<'_>) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    let mut list = call.db.write::<TopK>(key)?.ok_or(MISSING)?;
    call.reply.array(items.len());
    for item in items.iter() {
        write_pushed_out(call.reply, list.add(item, 1));
    }
    drop(list);
    call.db.changed(key, Class::MODULE, call.name);
    Ok(())
}

pub(super) const INCRBY: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::LISTED_PAIRS,
    ..Spec::new("topk.incrby", incrby)
};

fn increment(text: &[u8]) -> Option<u32> {
    let n = parse_i64(text).and_then(|n| u32::try_from(n).ok());
    n.filter(|n| *n <= INCREMENT_MAX)
}

/// `TOPK.INCRBY key item n [item n ...]`: adds items `n` times each, 100,000 at most.
///
/// Reply: as of ADD; an error for an item with a wrong number, which is not added. O(items) times
/// depth and k, whatever the numbers are.
fn incrby(call: &mut Call<'_>) -> CommandResult {
    let (key, pairs) = (call.args.at(1), call.args.from(2));
    if pairs.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let mut list = call.db.write::<TopK>(key)?.ok_or(MISSING)?;
    let mut is_changed = false;
    call.reply.array(pairs.len() / 2);
    for at in (0..pairs.len()).step_by(2) {
        match increment(pairs.at(at + 1)) {
            Some(n) => {
                is_changed = true;
                write_pushed_out(call.reply, list.add(pairs.at(at), n));
            }
            None => call.reply.error(&BAD_INCREMENT),
        }
    }
    drop(list);
    if is_changed {
        call.db.changed(key, Class::MODULE, call.name);
    }
    Ok(())
}

fn write_pushed_out(reply: &mut Reply, item: Option<Box<[u8]>>) {
    match item {
        Some(item) => reply.bulk(&item),
        None => reply.null(),
    }
}
