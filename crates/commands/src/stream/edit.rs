//! XLEN, XDEL, XSETID.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Stream};

use super::ids;

pub(super) const XLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::RO)],
    categories: Category::STREAM,
    ..Spec::new("xlen", xlen)
};

/// `XLEN key`: integer, the number of entries; 0 for a missing key. O(1).
fn xlen(call: &mut Call<'_>) -> CommandResult {
    let stream = call.db.read::<Stream>(call.args.at(1))?;
    call.reply
        .int(stream.map_or(0, |stream| stream.len()) as i64);
    Ok(())
}

pub(super) const XDEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::STREAM,
    work: work::EACH_MEMBER,
    ..Spec::new("xdel", xdel)
};

/// `XDEL key id [id ...]`: deletes entries; an empty stream stays.
///
/// Reply: integer, the number deleted. If any ID is invalid, nothing is deleted. O(log n + a node's
/// entries) an ID.
fn xdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let ids = call.args.from(2);
    let Some(mut stream) = call.db.write::<Stream>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    for id in ids.iter() {
        ids::strict(id)?;
    }
    let mut deleted = 0;
    for id in ids.iter() {
        deleted += usize::from(stream.delete(ids::strict(id)?));
    }
    drop(stream);
    if deleted > 0 {
        call.db.changed_by(key, deleted, Class::STREAM, "xdel");
    }
    call.reply.int(deleted as i64);
    Ok(())
}

pub(super) const XSETID: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    ..Spec::new("xsetid", xsetid)
};

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`: sets a stream's last ID and
/// counters, to rebuild a stream.
///
/// Reply: OK. O(1).
fn xsetid(call: &mut Call<'_>) -> CommandResult {
    const NEGATIVE: CommandError = CommandError::Text("ERR entries_added must be positive");
    const BELOW_GIVEN: CommandError = CommandError::Text(
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    );
    const BELOW_DELETED: CommandError = CommandError::Text(
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
    );
    const BELOW_TOP: CommandError = CommandError::Text(
        "ERR The ID specified in XSETID is smaller than the target stream top item",
    );
    const BELOW_LEN: CommandError = CommandError::Text(
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
    );
    let args = call.args;
    let id = ids::strict(args.at(2))?;
    let (mut added, mut deleted) = (None, None);
    let mut at = 3;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
        if args.is(at, "entriesadded") {
            let n = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            added = Some(u64::try_from(n).map_err(|_| NEGATIVE)?);
        } else if args.is(at, "maxdeletedid") {
            let max = ids::strict(value)?;
            if id < max {
                return Err(BELOW_GIVEN);
            }
            deleted = Some(max);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = args.at(1);
    let mut stream = call
        .db
        .write::<Stream>(key)?
        .ok_or(CommandError::NoSuchKey)?;
    if id < stream.max_deleted_id() {
        return Err(BELOW_DELETED);
    }
    if !stream.is_empty() {
        if stream.last_entry().is_some_and(|top| id < top) {
            return Err(BELOW_TOP);
        }
        if added.is_some_and(|added| added < stream.len() as u64) {
            return Err(BELOW_LEN);
        }
    }
    stream.set_id(id, added, deleted.filter(|id| !id.is_zero()));
    drop(stream);
    call.db.changed_within(key, 1);
    call.db.event(key, Class::STREAM, "xsetid");
    call.reply.ok();
    Ok(())
}
