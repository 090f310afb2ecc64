//! DEL and COMPACT.

use super::super::row::{ONE_ITEM, WRITES, WRITTEN_KEY};
use super::row::WRITING;
use crate::work;
use russet_command::{Arity, CommandError, Flags};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Cuckoo;

const NO_FILTER: CommandError = CommandError::Text("Not found");
const NO_FILTER_TO_COMPACT: CommandError = CommandError::Text("Cuckoo filter was not found");

pub(super) const DEL: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: WRITES.union(Flags::FAST),
    keys: WRITTEN_KEY,
    categories: WRITING,
    within: ONE_ITEM,
    ..Spec::new("cf.del", del)
};

/// `CF.DEL key item`: deletes an item once.
///
/// Reply: boolean (RESP2: integer), whether the item was there; an error without a filter.
/// O(parts); after many deletes the handler compacts a filter with several parts, O(slots).
fn del(call: &mut Call<'_>) -> CommandResult {
    let [_, key, item] = call.args.exactly();
    let filter = call.db.write::<Cuckoo>(key).map_err(|_| NO_FILTER)?;
    let is_deleted = filter.ok_or(NO_FILTER)?.delete(item);
    if is_deleted {
        call.db.changed(key, Class::MODULE, call.name);
    }
    call.reply.boolean(is_deleted);
    Ok(())
}

pub(super) const COMPACT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: work::by(
        count_items,
        "filters made for their items need no compaction",
    ),
    ..Spec::new("cf.compact", compact)
};

fn count_items(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let items = work::look::<Cuckoo, _>(call, key, |filter| filter.items());
    call.touches(items.unwrap_or(0));
    Ok(())
}

/// `CF.COMPACT key`: moves items of later parts to earlier parts.
///
/// Reply: OK; an error without a filter. A write, unlike in Redis, where COMPACT is a read that
/// replicas repeat. O(slots).
fn compact(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let filter = call.db.write::<Cuckoo>(key).ok().flatten();
    filter.ok_or(NO_FILTER_TO_COMPACT)?.compact();
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
