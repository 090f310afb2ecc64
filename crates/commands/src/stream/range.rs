//! XRANGE and XREVRANGE.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::StreamId;

use super::ids;
use super::reply::write_entries;

pub(super) const XRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STREAM,
    work: work::by(count_range, "use COUNT"),
    ..Spec::new("xrange", xrange)
};

pub(super) const XREVRANGE: Spec = Spec {
    name: "xrevrange",
    work: work::by(count_range, "use COUNT"),
    handler: xrevrange,
    ..XRANGE
};

/// `XRANGE key start end [COUNT count]`: entries between two IDs, both included unless preceded by
/// `(`; `-` and `+` are the least and the greatest.
///
/// Reply: array of `[id, [name, value, ...]]`; empty for a missing key, a null array with a
/// COUNT of 0 or less. O(log n + a node's entries + length of the reply).
fn xrange(call: &mut Call<'_>) -> CommandResult {
    range(call, false)
}

/// `XREVRANGE key end start [COUNT count]`: XRANGE, the last entry first.
fn xrevrange(call: &mut Call<'_>) -> CommandResult {
    range(call, true)
}

/// The range that XRANGE and XREVRANGE read.
struct EntryRange {
    start: StreamId,
    end: StreamId,
    count: usize,
}

impl EntryRange {
    /// `back`: the end comes first.
    fn parse(args: Args<'_>, back: bool) -> Result<EntryRange, CommandError> {
        let (start, end) = if back { (3, 2) } else { (2, 3) };
        let mut asked = EntryRange {
            start: ids::start(args.at(start))?,
            end: ids::end(args.at(end))?,
            count: usize::MAX,
        };
        let mut at = 4;
        while at < args.len() {
            let value = args.get(at + 1).filter(|_| args.is(at, "count"));
            let n = parse_i64(value.ok_or(CommandError::Syntax)?);
            asked.count = n.ok_or(CommandError::NotAnInteger)?.max(0) as usize;
            at += 2;
        }
        Ok(asked)
    }
}

/// The entries that XRANGE and XREVRANGE answer.
fn count_range(call: &mut Call<'_>) -> CommandResult {
    let asked = EntryRange::parse(call.args, call.name == "xrevrange")?;
    let between = |stream: &Stream| stream.count_between(asked.start, asked.end, asked.count);
    let touched = work::look(call, call.args.at(1), between).unwrap_or(0);
    call.touches(touched as u64);
    Ok(())
}

fn range(call: &mut Call<'_>, back: bool) -> CommandResult {
    let args = call.args;
    let EntryRange { start, end, count } = EntryRange::parse(args, back)?;
    let reply = &mut *call.reply;
    let Some(stream) = call.db.read::<Stream>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    if count == 0 {
        reply.null_array();
        return Ok(());
    }
    let mut entries = if back {
        stream.range_back(start, end)
    } else {
        stream.range(start, end)
    };
    write_entries(reply, &mut entries, count);
    Ok(())
}
