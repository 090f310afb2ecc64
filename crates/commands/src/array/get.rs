//! Reading by index: ARGET, ARMGET, ARGETRANGE, ARLEN, ARCOUNT.
//!
//! A missing key is an empty array. ARGET and ARMGET check the type of the key before the indexes,
//! ARGETRANGE checks the range before the key; clients see that order.
//!
//! Cost: O(1) an index. ARGETRANGE limits the range to a million indexes, because it writes a null
//! for each gap; ARSCAN skips gaps.

use super::args::{Range, index, write_index};
use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Array, Entry};

/// Writes a value, or null.
#[inline]
pub(super) fn write(reply: &mut Reply, value: Option<Entry<'_>>) {
    match value {
        Some(value) => element::write(reply, value),
        None => reply.null(),
    }
}

pub(super) const ARGET: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("arget", arget)
};

/// `ARGET key index`: the value at an index.
///
/// Reply: bulk string, or null. O(1).
fn arget(call: &mut Call<'_>) -> CommandResult {
    let [_, key, at] = call.args.exactly();
    let array = call.db.read::<Array>(key)?;
    let at = index(at)?;
    write(call.reply, array.as_ref().and_then(|array| array.get(at)));
    Ok(())
}

pub(super) const ARMGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::EACH_MEMBER,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    ..Spec::new("armget", armget)
};

/// `ARMGET key index [index ...]`: the values at several indexes.
///
/// Reply: array of bulk strings and nulls. O(indexes).
fn armget(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let indexes = call.args.from(2);
    let array = call.db.read::<Array>(key)?;
    for at in indexes.iter() {
        index(at)?;
    }
    call.reply.array(indexes.len());
    for at in indexes.iter() {
        let at = index(at)?;
        write(call.reply, array.as_ref().and_then(|array| array.get(at)));
    }
    Ok(())
}

/// Positions in a reply of ARGETRANGE.
const RANGE_MAX: u64 = 1_000_000;
const TOO_LONG: CommandError = CommandError::Text("ERR range exceeds maximum of 1000000 items");

pub(super) const ARGETRANGE: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_indexes, work::SHORTER),
    ..Spec::new("argetrange", argetrange)
};

/// The indexes that ARGETRANGE answers.
fn count_indexes(call: &mut Call<'_>) -> CommandResult {
    let [_, _, start, end] = call.args.exactly();
    call.touches(Range::parse(start, end)?.span());
    Ok(())
}

/// `ARGETRANGE key start end`: the values of all indexes of a range, backwards if the start is the
/// higher index.
///
/// Reply: array of bulk strings and nulls. O(length of the range).
fn argetrange(call: &mut Call<'_>) -> CommandResult {
    let [_, key, start, end] = call.args.exactly();
    let range = Range::parse(start, end)?;
    let array = call.db.read::<Array>(key)?;
    let length = range.last - range.first;
    if length >= RANGE_MAX {
        return Err(TOO_LONG);
    }
    let length = length as usize + 1;
    let reply = &mut *call.reply;
    reply.array(length);
    let mut written = 0;
    if let Some(array) = array {
        array.visit(range.first, range.last, range.backward, |at, value| {
            let place = if range.backward {
                range.last - at
            } else {
                at - range.first
            };
            (written..place as usize).for_each(|_| reply.null());
            element::write(reply, value);
            written = place as usize + 1;
            true
        });
    }
    (written..length).for_each(|_| reply.null());
    Ok(())
}

pub(super) const ARLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    ..Spec::new("arlen", arlen)
};

/// `ARLEN key`: the highest index with a value, plus 1.
///
/// Reply: integer; 0 if the key is missing. O(1).
fn arlen(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let end = call.db.read::<Array>(key)?.map_or(0, |array| array.end());
    write_index(call.reply, end);
    Ok(())
}

pub(super) const ARCOUNT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    ..Spec::new("arcount", arcount)
};

/// `ARCOUNT key`: the number of values.
///
/// Reply: integer; 0 if the key is missing. O(1).
fn arcount(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let count = call.db.read::<Array>(key)?.map_or(0, |array| array.count());
    write_index(call.reply, count);
    Ok(())
}
