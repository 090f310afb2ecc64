//! The cursor: ARINSERT, ARNEXT, ARSEEK.

use super::args::{position, write_index};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Array;

const OVERFLOW: CommandError = CommandError::Text("ERR insert index overflow");

pub(super) const ARINSERT: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::ARRAY,
    work: work::EACH_MEMBER,
    ..Spec::new("arinsert", arinsert)
};

/// `ARINSERT key value [value ...]`: writes values after the last inserted value.
///
/// Reply: the last index written. O(values).
fn arinsert(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let values = call.args.from(2);
    let limits = *call.db.limits();
    let mut array = call.db.write_or(key, || Array::new(&limits))?;
    // The last position is the position after the last index.
    if values.len() as u64 > u64::MAX - array.next() {
        return Err(OVERFLOW);
    }
    let mut last = 0;
    for value in values.iter() {
        last = array.insert(value, &limits);
    }
    drop(array);
    call.db
        .changed_by(key, values.len(), Class::ARRAY, "arinsert");
    write_index(call.reply, last);
    Ok(())
}

pub(super) const ARNEXT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    ..Spec::new("arnext", arnext)
};

/// `ARNEXT key`: the index that ARINSERT will write next.
///
/// Reply: integer, 0 if the key is missing; null if no index is left. O(1).
fn arnext(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    match call.db.read::<Array>(key)?.map_or(0, |array| array.next()) {
        u64::MAX => call.reply.null(),
        next => write_index(call.reply, next),
    }
    Ok(())
}

pub(super) const ARSEEK: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::ARRAY,
    ..Spec::new("arseek", arseek)
};

/// `ARSEEK key index`: ARINSERT writes there next.
///
/// Reply: 1, or 0 if the key is missing. O(1).
fn arseek(call: &mut Call<'_>) -> CommandResult {
    let [_, key, next] = call.args.exactly();
    let next = position(next)?;
    let Some(mut array) = call.db.write::<Array>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    array.set_next(next);
    drop(array);
    call.db.changed(key, Class::ARRAY, "arseek");
    call.reply.int(1);
    Ok(())
}
