//! QUERY and INFO.

use super::super::count;
use super::super::each::ask_each;
use super::super::row::{READ_KEY, READS};
use super::{MISSING, READING};
use russet_command::{Arity, Category};
use russet_server::{Call, CommandResult, Spec};
use russet_types::CountMin;

pub(super) const QUERY: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: count::COUNTED_ITEMS,
    ..Spec::new("cms.query", query)
};

/// `CMS.QUERY key item ...`: how often items were added, at most.
///
/// Reply: array of integers. O(items * depth).
fn query(call: &mut Call<'_>) -> CommandResult {
    ask_each(call, MISSING, |sketch: &CountMin, item, reply| {
        reply.int(sketch.estimate(item) as i64);
    })
}

pub(super) const INFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    tips: &["dont_cache"],
    ..Spec::new("cms.info", info)
};

/// `CMS.INFO key`: facts of a sketch.
///
/// Reply: map (RESP2: array) of names and integers.
fn info(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let sketch = call.db.read::<CountMin>(key)?.ok_or(MISSING)?;
    let facts = [
        ("width", sketch.width() as i64),
        ("depth", sketch.depth() as i64),
        ("count", sketch.count()),
        ("cell_size", sketch.cell_size().bytes() as i64),
    ];
    call.reply.map(facts.len());
    for (name, n) in facts {
        call.reply.simple(name);
        call.reply.int(n);
    }
    Ok(())
}
