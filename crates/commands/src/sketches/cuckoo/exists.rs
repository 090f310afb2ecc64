//! EXISTS, MEXISTS and COUNT.

use super::super::filter::{exists, mexists};
use super::super::row::{EACH_ITEM, ONE_ITEM, READ_KEY, READS_FAST};
use super::row::READING;
use crate::work;
use russet_command::Arity;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Cuckoo;

pub(super) const EXISTS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING,
    within: ONE_ITEM,
    ..Spec::new("cf.exists", exists::<Cuckoo>)
};

pub(super) const MEXISTS: Spec = Spec {
    arity: Arity::AtLeast(3),
    within: EACH_ITEM,
    handler: mexists::<Cuckoo>,
    name: "cf.mexists",
    work: work::EACH_MEMBER,
    ..EXISTS
};

pub(super) const COUNT: Spec = Spec {
    handler: count,
    name: "cf.count",
    ..EXISTS
};

/// `CF.COUNT key item`: how often an item was added and not deleted, or more.
///
/// Reply: integer; 0 without a filter. O(parts).
fn count(call: &mut Call<'_>) -> CommandResult {
    let [_, key, item] = call.args.exactly();
    let filter = call.db.read::<Cuckoo>(key).ok().flatten();
    let count = filter.map_or(0, |filter| filter.count(item));
    call.reply.int(count as i64);
    Ok(())
}
