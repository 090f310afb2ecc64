//! XACK.

use crate::command::{Access, Arity, Category, Flags, KeySpec};
use crate::server::{Call, CommandResult, Spec};
use crate::types::Stream;

use super::ids;

pub(super) const XACK: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RW.union(Access::UPDATE))],
    categories: Category::STREAM,
    ..Spec::new("xack", xack)
};

/// `XACK key group id [id ...]`: entries are pending no more.
///
/// Reply: integer, how many were; 0 without such a key or group. All or nothing where an ID
/// is none. O(log n) an ID.
fn xack(call: &mut Call<'_>) -> CommandResult {
    let (key, ids) = (call.args.at(1), call.args.from(3));
    let mut stream = call.db.write::<Stream>(key)?;
    let group = stream
        .as_mut()
        .and_then(|stream| stream.group_mut(call.args.at(2)));
    let Some(group) = group else {
        call.reply.int(0);
        return Ok(());
    };
    for id in ids.iter() {
        ids::strict(id)?;
    }
    let mut acknowledged = 0;
    for id in ids.iter() {
        acknowledged += u64::from(group.acknowledge(ids::strict(id)?));
    }
    drop(stream);
    call.db.add_dirty(acknowledged);
    call.reply.int(acknowledged as i64);
    Ok(())
}
