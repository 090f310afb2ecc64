//! ARSET and ARMSET.

use super::args::index;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Array;
use russet_types::array::INDEX_MAX;

const OVERFLOW: CommandError = CommandError::Text("ERR array index overflow");

pub(super) const ARSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::ARRAY,
    work: work::EACH_FROM_THIRD,
    within: Some(ElementArgs::One(2)),
    ..Spec::new("arset", arset)
};

/// `ARSET key index value [value ...]`: sets values at successive indexes.
///
/// Reply: the number of indexes that had no value. O(values).
fn arset(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let key = args.at(1);
    let first = index(args.at(2))?;
    let values = args.from(3);
    if values.len() as u64 - 1 > INDEX_MAX - first {
        return Err(OVERFLOW);
    }
    let limits = *call.db.limits();
    let mut array = call.db.write_or(key, || Array::new(&limits))?;
    let mut created = 0;
    for (at, value) in values.iter().enumerate() {
        created += i64::from(array.set(first + at as u64, value, &limits));
    }
    drop(array);
    call.db.changed_by(key, values.len(), Class::ARRAY, "arset");
    call.reply.int(created);
    Ok(())
}

pub(super) const ARMSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::ARRAY,
    work: work::EACH_PAIR,
    within: Some(ElementArgs::Every { first: 2, step: 2 }),
    ..Spec::new("armset", armset)
};

/// `ARMSET key index value [index value ...]`: sets values at any indexes.
///
/// Reply: the number of indexes that had no value. O(values).
fn armset(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let key = args.at(1);
    for at in (2..args.len()).step_by(2) {
        index(args.at(at))?;
    }
    let limits = *call.db.limits();
    let mut array = call.db.write_or(key, || Array::new(&limits))?;
    let mut created = 0;
    for at in (2..args.len()).step_by(2) {
        created += i64::from(array.set(index(args.at(at))?, args.at(at + 1), &limits));
    }
    drop(array);
    call.db
        .changed_by(key, args.len() / 2 - 1, Class::ARRAY, "armset");
    call.reply.int(created);
    Ok(())
}
