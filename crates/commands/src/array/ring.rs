//! ARRING and ARLASTITEMS.

use super::args::write_index;
use super::get;
use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Array;

pub(super) const ARRING: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::ARRAY,
    work: work::by(
        count_written,
        "write fewer values, with the size that the ring has",
    ),
    ..Spec::new("arring", arring)
};

/// The values that ARRING writes, and the values that it moves if the size is another.
fn count_written(call: &mut Call<'_>) -> CommandResult {
    let values = call.args.from(3).len() as u64;
    let size = parse_i64(call.args.at(2)).unwrap_or(0).max(0) as u64;
    let key = call.args.at(1);
    let moves = work::look(call, key, |array: &Array| array.moves_for(size));
    let moves = moves.unwrap_or(false);
    let moved = if moves { work::length(call) } else { 0 };
    call.touches(values.saturating_add(moved));
    Ok(())
}

/// The values that ARLASTITEMS answers.
fn count_last(call: &mut Call<'_>) -> CommandResult {
    let count = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let touched = work::length(call).min(count.max(0).unsigned_abs());
    call.touches(touched);
    Ok(())
}

/// `ARRING key size value [value ...]`: writes values after the last inserted value, and from the
/// beginning again after `size` values. ARRING first rearranges an array of another size.
///
/// Reply: the last index written. O(values), O(size) if the size is another.
fn arring(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let key = args.at(1);
    let size = match parse_i64(args.at(2)) {
        None => return Err(CommandError::Text("ERR invalid size")),
        Some(n) if n <= 0 => return Err(CommandError::Text("ERR size must be positive")),
        Some(n) => n as u64,
    };
    let values = args.from(3);
    let limits = *call.db.limits();
    let mut array = call.db.write_or(key, || Array::new(&limits))?;
    array.resize_ring(size, &limits);
    let mut last = 0;
    for value in values.iter() {
        last = array.ring_insert(value, size, &limits);
    }
    drop(array);
    call.db
        .changed_by(key, values.len(), Class::ARRAY, "arring");
    write_index(call.reply, last);
    Ok(())
}

pub(super) const ARLASTITEMS: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_last, work::FEWER),
    ..Spec::new("arlastitems", arlastitems)
};

/// `ARLASTITEMS key count [REV]`: the values inserted last, in the order of their insertion, with
/// REV the newest first.
///
/// Reply: array of bulk strings and nulls. O(count).
fn arlastitems(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let count = parse_i64(args.at(2)).ok_or(CommandError::Text("ERR invalid COUNT"))?;
    // Redis replies so before it looks at the rest, or at the key.
    if count <= 0 {
        call.reply.array(0);
        return Ok(());
    }
    if args.len() > 4 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let newest_first = args.len() == 4;
    if newest_first && !args.is(3, "REV") {
        return Err(CommandError::Syntax);
    }
    let array = call.db.read::<Array>(args.at(1))?;
    let Some(array) = array else {
        call.reply.array(0);
        return Ok(());
    };
    let count = (count as u64).min(array.count());
    let reply = &mut *call.reply;
    reply.array(count as usize);
    array.last_items(count, newest_first, |value| get::write(reply, value));
    Ok(())
}
