//! QUERY and COUNT.

use super::super::row::{READ_KEY, READS};
use super::{MISSING, READING};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_command::Arity;
use russet_types::TopK;

pub(super) const QUERY: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: work::EACH_MEMBER,
    ..Spec::new("topk.query", query)
};

/// `TOPK.QUERY key item ...`: whether items are in the list.
///
/// Reply: array of booleans (RESP2: integers). O(items * k).
fn query(call: &mut Call<'_>) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    let list = call.db.read::<TopK>(key)?.ok_or(MISSING)?;
    call.reply.array(items.len());
    for item in items.iter() {
        call.reply.boolean(list.has(item));
    }
    Ok(())
}

pub(super) const COUNT: Spec = Spec {
    handler: count,
    name: "topk.count",
    ..QUERY
};

/// `TOPK.COUNT key item ...`: about how often items were added, 0 for those that were displaced.
///
/// Reply: array of integers. O(items * (depth + k)).
fn count(call: &mut Call<'_>) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    let list = call.db.read::<TopK>(key)?.ok_or(MISSING)?;
    call.reply.array(items.len());
    for item in items.iter() {
        call.reply.int(list.estimate(item).into());
    }
    Ok(())
}
