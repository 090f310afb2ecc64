//! INCR, DECR, INCRBY, DECRBY: strings as 64-bit integers.

use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Class, NewValue, Place};
use russet_server::{Call, CommandResult, Spec};

const COUNTER: Spec = Spec {
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::MODIFY)],
    categories: Category::STRING,
    ..Spec::new("", incr)
};
pub(super) const INCR: Spec = Spec {
    name: "incr",
    handler: incr,
    arity: Arity::Exactly(2),
    ..COUNTER
};
pub(super) const DECR: Spec = Spec {
    name: "decr",
    handler: decr,
    arity: Arity::Exactly(2),
    ..COUNTER
};
pub(super) const INCRBY: Spec = Spec {
    name: "incrby",
    handler: incrby,
    arity: Arity::Exactly(3),
    ..COUNTER
};
pub(super) const DECRBY: Spec = Spec {
    name: "decrby",
    handler: decrby,
    arity: Arity::Exactly(3),
    ..COUNTER
};

/// `INCR key`: adds 1; a missing key counts as 0.
///
/// Reply: the new value. Errors: not an integer, overflow. O(1), as the other three.
fn incr(call: &mut Call<'_>) -> CommandResult {
    add(call, 1)
}

/// `DECR key`: subtracts 1.
fn decr(call: &mut Call<'_>) -> CommandResult {
    add(call, -1)
}

/// `INCRBY key increment`.
fn incrby(call: &mut Call<'_>) -> CommandResult {
    let by = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    add(call, by)
}

/// `DECRBY key decrement`. The smallest integer cannot be negated.
fn decrby(call: &mut Call<'_>) -> CommandResult {
    let by = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let by = by
        .checked_neg()
        .ok_or(CommandError::Text("ERR decrement would overflow"))?;
    add(call, by)
}

/// The integer that a counter begins with, if it is not stored as one.
#[inline(never)]
fn integer_of(place: &Place<'_, '_, '_>) -> Result<i64, CommandError> {
    match place.string()? {
        None => Ok(0),
        Some(text) => text.to_int()?.ok_or(CommandError::NotAnInteger),
    }
}

#[inline]
fn add(call: &mut Call<'_>, by: i64) -> CommandResult {
    let key = call.args.at(1);
    let mut place = call.db.place(key);
    let old = match place.int() {
        Some(n) => n,
        None => integer_of(&place)?,
    };
    let new = old.checked_add(by).ok_or(CommandError::IncrOverflow)?;
    if !place.set_int(new) {
        place.modify_string(NewValue::Int(new));
    }
    call.db.changed(key, Class::STRING, "incrby");
    call.reply.int(new);
    Ok(())
}
