//! How many elements each command would touch, from its arguments and the lengths of its keys'
//! values, before anything is done: the budget `work=` of a user (`server::execution::gates::work`).
//!
//! A row names one of the constants below; each has the function that counts, and the cheaper way
//! that the error names. A row without one touches one element, or so many that nothing tells before
//! it runs: the test has the list of those whose cost is not constant, with the reason.
//!
//! A function of this file reads no value, changes nothing and counts no use of a key. If the
//! arguments are wrong it counts nothing: the handler will say so. O(keys) each, O(log n) for ranges
//! of sorted sets.

use super::sorted_set;
use crate::base::number::parse_i64;
use crate::command::Access;
use crate::server::{Call, CommandResult, Handler};

/// What a row says about its work.
pub(super) type Work = Option<crate::command::Work<Handler>>;

const fn by(count: Handler, cheaper: &'static str) -> Work {
    Some(crate::command::Work { count, cheaper })
}

pub(super) const HASH: Work = by(inputs, "HSCAN reads a hash in steps");
pub(super) const SET: Work = by(inputs, "SSCAN reads a set in steps");
pub(super) const SETS: Work = by(inputs, "SSCAN reads the sets in steps");
pub(super) const COMMON_SETS: Work = by(smallest, "SSCAN and SMISMEMBER do it in steps");
pub(super) const ZSETS: Work = by(inputs, "ZSCAN reads the sorted sets in steps");
pub(super) const COMMON_ZSETS: Work = by(smallest, "ZSCAN and ZMSCORE do it in steps");
pub(super) const DRAWN: Work = by(drawn, "ask for fewer at a time");
pub(super) const POPPED: Work = by(popped, "ask for fewer at a time");
pub(super) const POPPED_OF_SEVERAL: Work = by(popped_of_several, "ask for a smaller COUNT");
pub(super) const SCANNED_KEYS: Work = by(scanned_keys, "use a smaller COUNT");
pub(super) const SCANNED: Work = by(scanned, "use a smaller COUNT");
pub(super) const KEYS: Work = by(database, "SCAN with MATCH reads the keys in steps");
pub(super) const SORTED: Work = by(inputs, "sort at the client, or keep a sorted set");
pub(super) const WHOLE: Work = by(inputs, "read the value in steps with SCAN's kind");
pub(super) const LIST: Work = by(inputs, "a hash or a sorted set finds elements by name");
pub(super) const LIST_POSITION: Work = by(position, "MAXLEN bounds the search");
pub(super) const INDEXES: Work = by(indexes, "ask for shorter ranges, one after the other");
pub(super) const TRIMMED: Work = by(trimmed, "trim in steps");
pub(super) const STREAM_RANGE: Work = by(stream_range, "use COUNT");
pub(super) const STREAM_READ: Work = by(stream_read, "use a smaller COUNT");
pub(super) const STREAM_TRIM: Work = by(stream_trim, "use LIMIT with ~");
pub(super) const EACH_KEY: Work = by(each_key, "name fewer keys at a time");
pub(super) const EACH_MEMBER: Work = by(each_member, "name fewer elements at a time");
pub(super) const EACH_PAIR: Work = by(each_pair, "name fewer elements at a time");
pub(super) const SLOTS: Work = by(slots, "ask for shorter ranges");
pub(super) const SLOTS_IN_USE: Work = by(slots_in_use, "ask for shorter ranges");
pub(super) const MOVED: Work = by(moved, "move fewer at a time");
pub(super) const PENDING: Work = by(pending, "ask for fewer at a time");
pub(super) const RANGES: Work = by(range, "ask for shorter ranges, or use LIMIT");
pub(super) const REMOVED_RANGES: Work = by(removed_range, "remove shorter ranges");

/// The lengths of the values that the command reads, in the order of its keys.
fn lengths(call: &mut Call<'_>) -> Vec<u64> {
    let row = call.server.table.row(call.row);
    let Ok(keys) = row.keys(call.args) else {
        return Vec::new();
    };
    let read = keys.into_iter();
    let read = read.filter(|(_, access)| !access.contains(Access::OW));
    read.map(|(at, _)| call.db.elements(call.args.at(at)) as u64)
        .collect()
}

/// The length of the value at the first argument.
fn length(call: &Call<'_>) -> u64 {
    call.db.elements(call.args.at(1)) as u64
}

fn number(call: &Call<'_>, at: usize) -> Option<i64> {
    call.args.get(at).and_then(parse_i64)
}

/// The number after a word, from argument `from` on.
fn after(call: &Call<'_>, from: usize, word: &str) -> Option<u64> {
    let at = (from..call.args.len()).find(|&at| call.args.is(at, word))?;
    Some(number(call, at + 1)?.unsigned_abs())
}

/// All elements of all values that it reads.
fn inputs(call: &mut Call<'_>) -> CommandResult {
    let all = lengths(call).into_iter().fold(0, u64::saturating_add);
    call.touches(all);
    Ok(())
}

/// Each element of the smallest value is looked for in all of them.
fn smallest(call: &mut Call<'_>) -> CommandResult {
    let lengths = lengths(call);
    let least = lengths.iter().min().copied().unwrap_or(0);
    call.touches(least.saturating_mul(lengths.len() as u64));
    Ok(())
}

/// A count as the second operand: at most so many different ones, or so many repeated ones.
fn drawn(call: &mut Call<'_>) -> CommandResult {
    let touched = match number(call, 2) {
        None => 1,
        Some(count) if count < 0 => count.unsigned_abs(),
        Some(count) => length(call).min(count.unsigned_abs()),
    };
    call.touches(touched);
    Ok(())
}

fn popped(call: &mut Call<'_>) -> CommandResult {
    let count = number(call, 2).map_or(1, i64::unsigned_abs);
    let touched = length(call).min(count);
    call.touches(touched);
    Ok(())
}

/// COUNT elements of the first value that has any.
fn popped_of_several(call: &mut Call<'_>) -> CommandResult {
    let count = after(call, 3, "COUNT").unwrap_or(1);
    let first = lengths(call).into_iter().find(|&length| length > 0);
    call.touches(first.unwrap_or(0).min(count));
    Ok(())
}

/// The COUNT of a scan.
fn scan_count(call: &Call<'_>) -> u64 {
    const COUNT: u64 = 10;
    after(call, 2, "COUNT").unwrap_or(COUNT)
}

/// COUNT elements of the value.
fn scanned(call: &mut Call<'_>) -> CommandResult {
    let touched = length(call).min(scan_count(call));
    call.touches(touched);
    Ok(())
}

/// COUNT keys.
fn scanned_keys(call: &mut Call<'_>) -> CommandResult {
    let keys = call.db.len() as u64;
    let touched = keys.min(scan_count(call));
    call.touches(touched);
    Ok(())
}

fn database(call: &mut Call<'_>) -> CommandResult {
    let keys = call.db.len() as u64;
    call.touches(keys);
    Ok(())
}

fn position(call: &mut Call<'_>) -> CommandResult {
    let most = after(call, 3, "MAXLEN").filter(|&most| most > 0);
    let touched = length(call).min(most.unwrap_or(u64::MAX));
    call.touches(touched);
    Ok(())
}

/// Elements from one index to another, both included; negative ones count from the end.
fn between(call: &Call<'_>) -> Option<u64> {
    let len = i64::try_from(length(call)).ok()?;
    let index = |at: usize| -> Option<i64> {
        let index = number(call, at)?;
        Some(if index < 0 {
            len.saturating_add(index)
        } else {
            index
        })
    };
    let (first, last) = (index(2)?.max(0), index(3)?.min(len - 1));
    let span = last.saturating_sub(first).saturating_add(1);
    Some(u64::try_from(span).unwrap_or(0))
}

fn indexes(call: &mut Call<'_>) -> CommandResult {
    let touched = between(call).unwrap_or(0);
    call.touches(touched);
    Ok(())
}

/// All but those that stay.
fn trimmed(call: &mut Call<'_>) -> CommandResult {
    let len = length(call);
    let touched = between(call).map_or(0, |kept| len.saturating_sub(kept));
    call.touches(touched);
    Ok(())
}

/// COUNT entries, or the whole stream: which entries two IDs enclose nothing tells before.
fn stream_range(call: &mut Call<'_>) -> CommandResult {
    let count = after(call, 4, "COUNT").unwrap_or(u64::MAX);
    let touched = length(call).min(count);
    call.touches(touched);
    Ok(())
}

/// COUNT entries of each stream. Without it as many as follow an ID: that is not counted.
fn stream_read(call: &mut Call<'_>) -> CommandResult {
    let streams = (1..call.args.len()).find(|&at| call.args.is(at, "STREAMS"));
    let count = (1..streams.unwrap_or(0)).find(|&at| call.args.is(at, "COUNT"));
    let Some(count) = count.and_then(|at| number(call, at + 1)) else {
        return Ok(());
    };
    let count = count.unsigned_abs();
    let each = lengths(call).into_iter().map(|length| length.min(count));
    let touched = each.fold(0, u64::saturating_add);
    call.touches(touched);
    Ok(())
}

/// Entries over MAXLEN, at most LIMIT. Those below an ID are not counted.
fn stream_trim(call: &mut Call<'_>) -> CommandResult {
    let at = if call.args.is(3, "~") || call.args.is(3, "=") {
        4
    } else {
        3
    };
    let kept = match call.args.is(2, "MAXLEN") {
        true => number(call, at),
        false => None,
    };
    let Some(kept) = kept else {
        return Ok(());
    };
    let limit = after(call, at + 1, "LIMIT").filter(|&limit| limit > 0);
    let over = length(call).saturating_sub(kept.unsigned_abs());
    call.touches(over.min(limit.unwrap_or(u64::MAX)));
    Ok(())
}

fn each_key(call: &mut Call<'_>) -> CommandResult {
    let row = call.server.table.row(call.row);
    let keys = row
        .keys(call.args)
        .map_or(0, |keys| keys.into_iter().count());
    call.touches(keys as u64);
    Ok(())
}

/// Every argument after the key.
fn each_member(call: &mut Call<'_>) -> CommandResult {
    let members = call.args.len().saturating_sub(2);
    call.touches(members as u64);
    Ok(())
}

/// Every second argument after the key.
fn each_pair(call: &mut Call<'_>) -> CommandResult {
    let pairs = call.args.len().saturating_sub(2) / 2;
    call.touches(pairs as u64);
    Ok(())
}

/// Slots from one index to another.
fn slots(call: &mut Call<'_>) -> CommandResult {
    let touched = span(call).unwrap_or_else(|| length(call));
    call.touches(touched);
    Ok(())
}

/// Slots from one index to another that are in use.
fn slots_in_use(call: &mut Call<'_>) -> CommandResult {
    let most = span(call).unwrap_or(u64::MAX);
    let touched = length(call).min(most);
    call.touches(touched);
    Ok(())
}

fn span(call: &Call<'_>) -> Option<u64> {
    let (first, last) = (number(call, 2)?, number(call, 3)?);
    Some(first.abs_diff(last).saturating_add(1))
}

/// COUNT or EXACTLY so many elements, after the two ends.
fn moved(call: &mut Call<'_>) -> CommandResult {
    let count = after(call, 5, "COUNT").or_else(|| after(call, 5, "EXACTLY"));
    let touched = length(call).min(count.unwrap_or(1));
    call.touches(touched);
    Ok(())
}

/// The count of XPENDING's longer form.
fn pending(call: &mut Call<'_>) -> CommandResult {
    let at = if call.args.is(3, "IDLE") { 7 } else { 5 };
    let count = number(call, at).map_or(1, i64::unsigned_abs);
    call.touches(count);
    Ok(())
}

fn range(call: &mut Call<'_>) -> CommandResult {
    let touched = sorted_set::touched_by_range(call).unwrap_or(0);
    call.touches(touched as u64);
    Ok(())
}

fn removed_range(call: &mut Call<'_>) -> CommandResult {
    let touched = sorted_set::touched_by_removal(call).unwrap_or(0);
    call.touches(touched as u64);
    Ok(())
}
