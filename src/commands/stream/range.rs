//! XRANGE and XREVRANGE.

use crate::base::number::parse_i64;
use crate::command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use crate::types::Stream;

use super::ids;
use super::reply::write_entries;

pub(super) const XRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STREAM,
    work: work::STREAM_RANGE,
    ..Spec::new("xrange", xrange)
};

pub(super) const XREVRANGE: Spec = Spec {
    name: "xrevrange",
    work: work::STREAM_RANGE,
    handler: xrevrange,
    ..XRANGE
};

/// `XRANGE key start end [COUNT count]`: entries between two IDs, both included unless preceded by
/// `(`; `-` and `+` are the least and the greatest.
///
/// Reply: array of `[id, [name, value, ...]]`; empty for a missing key, a null array with a
/// COUNT of 0 or less. O(log n + a node's entries + length of the reply).
fn xrange(call: &mut Call<'_>) -> CommandResult {
    let (start, end) = (call.args.at(2), call.args.at(3));
    range(call, start, end, false)
}

/// `XREVRANGE key end start [COUNT count]`: the same, the last entry first.
fn xrevrange(call: &mut Call<'_>) -> CommandResult {
    let (end, start) = (call.args.at(2), call.args.at(3));
    range(call, start, end, true)
}

fn range(call: &mut Call<'_>, start: &[u8], end: &[u8], back: bool) -> CommandResult {
    let (start, end) = (ids::start(start)?, ids::end(end)?);
    let args = call.args;
    let mut count = usize::MAX;
    let mut at = 4;
    while at < args.len() {
        let value = args.get(at + 1).filter(|_| args.is(at, "count"));
        let n = parse_i64(value.ok_or(CommandError::Syntax)?);
        count = n.ok_or(CommandError::NotAnInteger)?.max(0) as usize;
        at += 2;
    }
    let reply = &mut *call.reply;
    let Some(stream) = call.db.read::<Stream>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    if count == 0 {
        reply.null_array();
        return Ok(());
    }
    let mut entries = match back {
        false => stream.range(start, end),
        true => stream.range_back(start, end),
    };
    write_entries(reply, &mut entries, count);
    Ok(())
}
