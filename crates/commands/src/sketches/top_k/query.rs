//! QUERY and COUNT.

use super::super::count as work;
use super::super::each::ask_each;
use super::super::row::{READ_KEY, READS};
use super::{MISSING, READING};
use russet_command::Arity;
use russet_server::{Call, CommandResult, Spec};
use russet_types::TopK;

pub(super) const QUERY: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: work::SOUGHT_ITEMS,
    ..Spec::new("topk.query", query)
};

/// `TOPK.QUERY key item ...`: whether items are in the list.
///
/// Reply: array of booleans (RESP2: integers). O(items * k).
fn query(call: &mut Call<'_>) -> CommandResult {
    ask_each(call, MISSING, |list: &TopK, item, reply| {
        reply.boolean(list.has(item));
    })
}

pub(super) const COUNT: Spec = Spec {
    handler: count,
    name: "topk.count",
    work: work::LISTED_ITEMS,
    ..QUERY
};

/// `TOPK.COUNT key item ...`: about how often items were added, 0 for displaced items.
///
/// Reply: array of integers. O(items * (depth + k)).
fn count(call: &mut Call<'_>) -> CommandResult {
    ask_each(call, MISSING, |list: &TopK, item, reply| {
        reply.int(list.estimate(item).into());
    })
}
