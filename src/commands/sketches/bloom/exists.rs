//! EXISTS and MEXISTS.

use super::super::row::{ONE_ITEM, READ_KEY, READS_FAST};
use super::row::READING;
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_command::Arity;
use russet_types::Bloom;

pub(super) const EXISTS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING,
    within: ONE_ITEM,
    ..Spec::new("bf.exists", exists)
};

/// `BF.EXISTS key item`: whether an item was added.
///
/// Reply: boolean (RESP2: integer); false without a filter. An item that was not added may be true
/// with the filter's error. O(links * hashes).
fn exists(call: &mut Call<'_>) -> CommandResult {
    let [_, key, item] = call.args.exactly();
    let filter = call.db.read::<Bloom>(key).ok().flatten();
    let is_there = filter.is_some_and(|filter| filter.contains(item));
    call.reply.boolean(is_there);
    Ok(())
}

pub(super) const MEXISTS: Spec = Spec {
    arity: Arity::AtLeast(3),
    within: None,
    handler: mexists,
    name: "bf.mexists",
    work: work::EACH_MEMBER,
    ..EXISTS
};

/// `BF.MEXISTS key item ...`: whether each of the items was added.
///
/// Reply: array with the reply of EXISTS for each. O(items * links * hashes).
fn mexists(call: &mut Call<'_>) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    call.reply.array(items.len());
    match call.db.read::<Bloom>(key).ok().flatten() {
        Some(filter) => filter.contains_each(items.iter(), |yes| call.reply.boolean(yes)),
        None => (0..items.len()).for_each(|_| call.reply.boolean(false)),
    }
    Ok(())
}
