//! XACK.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::Group;

use super::super::ids;

pub(crate) const XACK: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    work: work::EACH_FROM_THIRD,
    ..Spec::new("xack", xack)
};

/// `XACK key group id [id ...]`: acknowledges pending entries.
///
/// Reply: integer, the number acknowledged; 0 without such a key or group. If any ID is invalid,
/// nothing is acknowledged. O(log n) an ID.
fn xack(call: &mut Call<'_>) -> CommandResult {
    let (key, ids) = (call.args.at(1), call.args.from(3));
    let Some(mut stream) = call.db.write::<Stream>(key)? else {
        call.db.count_read(key, false);
        call.reply.int(0);
        return Ok(());
    };
    let group = stream.group_mut(call.args.at(2));
    let acknowledged = group.map_or(Ok(0), |group| acknowledge(group, ids));
    drop(stream);
    call.db.count_read(key, true);
    let acknowledged = acknowledged?;
    if acknowledged > 0 {
        call.db.changed_within(key, acknowledged);
    }
    call.reply.int(acknowledged as i64);
    Ok(())
}

fn acknowledge(group: &mut Group, ids: Args<'_>) -> Result<u64, CommandError> {
    for id in ids.iter() {
        ids::strict(id)?;
    }
    let mut acknowledged = 0;
    for id in ids.iter() {
        acknowledged += u64::from(group.acknowledge(ids::strict(id)?));
    }
    Ok(acknowledged)
}
