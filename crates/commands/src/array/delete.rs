//! ARDEL and ARDELRANGE.

use super::args::{Range, index};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, ElementArgs, Flags, KeySpec};
use russet_keyspace::Class;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Array, Container};

pub(super) const ARDEL: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::ARRAY,
    work: work::EACH_MEMBER,
    within: Some(ElementArgs::Every { first: 2, step: 1 }),
    ..Spec::new("ardel", ardel)
};

/// `ARDEL key index [index ...]`: removes values; deletes the array if none are left.
///
/// Reply: the number of values removed. O(indexes).
fn ardel(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let indexes = call.args.from(2);
    for at in indexes.iter() {
        index(at)?;
    }
    let limits = *call.db.limits();
    let (mut removed, mut emptied) = (0, false);
    if let Some(mut array) = call.db.write::<Array>(key)? {
        for at in indexes.iter() {
            removed += u64::from(array.remove(index(at)?, &limits));
        }
        emptied = array.is_empty();
    }
    finish(call, key, removed, emptied, "ardel");
    Ok(())
}

pub(super) const ARDELRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::ARRAY,
    work: work::by(count_removed, "remove shorter ranges"),
    ..Spec::new("ardelrange", ardelrange)
};

/// At most the values that ARDELRANGE removes.
fn count_removed(call: &mut Call<'_>) -> CommandResult {
    let (args, mut spans) = (call.args, 0_u64);
    for at in (2..args.len() - 1).step_by(2) {
        let range = Range::parse(args.at(at), args.at(at + 1))?;
        spans = spans.saturating_add(range.span());
    }
    let touched = work::length(call).min(spans);
    call.touches(touched);
    Ok(())
}

/// `ARDELRANGE key start end [start end ...]`: removes all values of ranges, whose ends may come in
/// either order; deletes the array if no values are left.
///
/// Reply: the number of values removed. O(slices in the ranges, and slots of the slices at the
/// ends).
fn ardelrange(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() % 2 == 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let key = args.at(1);
    let range = |at: usize| Range::parse(args.at(at), args.at(at + 1));
    for at in (2..args.len()).step_by(2) {
        range(at)?;
    }
    let limits = *call.db.limits();
    let (mut removed, mut emptied) = (0, false);
    if let Some(mut array) = call.db.write::<Array>(key)? {
        for at in (2..args.len()).step_by(2) {
            let range = range(at)?;
            if removed == 0 && range.first == 0 && range.last >= array.end() - 1 {
                // The server frees the array as a whole, in slices if the array is large.
                removed = array.count();
                emptied = true;
                break;
            }
            removed += array.remove_range(range.first, range.last, &limits);
            if array.is_empty() {
                emptied = true;
                break;
            }
        }
    }
    finish(call, key, removed, emptied, "ardelrange");
    Ok(())
}

fn finish(call: &mut Call<'_>, key: &[u8], removed: u64, emptied: bool, event: &'static str) {
    if removed > 0 {
        call.db
            .changed_by(key, removed as usize, Class::ARRAY, event);
        if emptied {
            call.db.delete_emptied(key);
        }
    }
    call.reply.int(removed as i64);
}
