//! ARSCAN.

use super::args::{Range, limit, write_index};
use crate::arguments::element;
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Array;

pub(super) const ARSCAN: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    work: work::by(count_scanned, work::SHORTER),
    ..Spec::new("arscan", arscan)
};

/// The range, and how many values of it.
fn parse(call: &Call<'_>) -> Result<(Range, usize), CommandError> {
    let args = call.args;
    let range = Range::parse(args.at(2), args.at(3))?;
    match args.len() {
        4 => Ok((range, usize::MAX)),
        6 if args.is(4, "LIMIT") => Ok((range, limit(args.at(5))?)),
        6 => Err(CommandError::Syntax),
        _ => Err(CommandError::WrongArity(call.name.to_owned())),
    }
}

/// The values that ARSCAN visits.
fn count_scanned(call: &mut Call<'_>) -> CommandResult {
    let (range, limit) = parse(call)?;
    let touched = work::length(call).min(range.span()).min(limit as u64);
    call.touches(touched);
    Ok(())
}

/// `ARSCAN key start end [LIMIT count]`: indexes and values of a range, without the indexes that
/// have no value; backwards if the start is the higher index.
///
/// Reply: array of pairs. O(slots of the slices in the range, until the limit is reached).
fn arscan(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (range, left) = parse(call)?;
    let array = call.db.read::<Array>(args.at(1))?;
    let reply = &mut *call.reply;
    let place = reply.defer();
    let mut written = 0;
    if let Some(array) = array {
        array.visit(range.first, range.last, range.backward, |at, value| {
            reply.array(2);
            write_index(reply, at);
            element::write(reply, value);
            written += 1;
            written < left
        });
    }
    reply.finish_array(place, written);
    Ok(())
}
