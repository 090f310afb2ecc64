//! How many elements each command would touch, from its arguments and the lengths of its keys'
//! values, before anything is done: the budget `work=` of a user
//! (`server::execution::gates::work`).
//!
//! A row gives the work of its command by a constant below, or by a function beside the handler
//! ([`by`]): the function that counts, and the cheaper way that the error names. The function reads
//! options with the handler's own parser, so that both understand them alike. A row without work
//! touches one element, or has an excuse: the test has the list, with the reasons.
//!
//! A function that counts changes nothing and counts no use of a key. If the arguments are wrong it
//! counts nothing: the handler will say so. O(keys) each, O(log n) for ranges of sorted sets;
//! ranges of streams: `Stream::count_between`.

use super::arguments::element;
use super::arguments::scan::{ScanArgs, ScanKind};
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, CommandError};
use russet_server::{Call, CommandResult, Handler};
use russet_types::Container;

/// The work of a row.
pub(super) type Work = Option<russet_command::Work<Handler>>;

/// The work that a function counts.
pub(super) const fn by(count: Handler, cheaper: &'static str) -> Work {
    Some(russet_command::Work { count, cheaper })
}

pub(super) const FEWER: &str = "ask for fewer at a time";
pub(super) const SMALLER_COUNT: &str = "use a smaller COUNT";
pub(super) const SHORTER: &str = "ask for shorter ranges, one after the other";

pub(super) const HASH: Work = by(inputs, "HSCAN reads a hash in steps");
pub(super) const SET: Work = by(inputs, "SSCAN reads a set in steps");
pub(super) const SETS: Work = by(inputs, "SSCAN reads the sets in steps");
pub(super) const COMMON_SETS: Work = by(smallest, "SSCAN and SMISMEMBER do it in steps");
pub(super) const ZSETS: Work = by(inputs, "ZSCAN reads the sorted sets in steps");
pub(super) const COMMON_ZSETS: Work = by(smallest, "ZSCAN and ZMSCORE do it in steps");
pub(super) const DRAWN: Work = by(drawn, FEWER);
pub(super) const POPPED: Work = by(popped, FEWER);
pub(super) const SCANNED_KEYS: Work = by(scanned_keys, SMALLER_COUNT);
pub(super) const SCANNED: Work = by(scanned, SMALLER_COUNT);
pub(super) const SORTED: Work = by(inputs, "sort at the client, or keep a sorted set");
pub(super) const WHOLE: Work = by(inputs, "read the value in steps with SCAN's kind");
pub(super) const LIST: Work = by(inputs, "a hash or a sorted set finds elements by name");
pub(super) const VECTORS: Work = by(inputs, "keep smaller vector sets");
pub(super) const INDEXES: Work = by(indexes, SHORTER);
pub(super) const TRIMMED: Work = by(trimmed, "trim in steps");
pub(super) const EACH_KEY: Work = by(each_key, "name fewer keys at a time");
pub(super) const EACH_MEMBER: Work = by(each_member, FEWER_NAMES);
pub(super) const EACH_PAIR: Work = by(each_pair, FEWER_NAMES);
pub(super) const EACH_FIELD: Work = by(each_field, FEWER_NAMES);
pub(super) const EACH_FIELD_PAIR: Work = by(each_field_pair, FEWER_NAMES);
pub(super) const EACH_FROM_THIRD: Work = by(each_from_third, FEWER_NAMES);

pub(super) const FEWER_NAMES: &str = "name fewer elements at a time";

/// The result of `find` for the value at a key, if it is a `T`. This is no use of the key.
pub(super) fn look<T: Container, R>(
    call: &mut Call<'_>,
    key: &[u8],
    find: impl FnOnce(&T) -> R,
) -> Option<R> {
    // This function does not remove an expired key.
    call.db.info(key)?;
    let view = call.db.peek_view(key)?;
    Some(find(&*view.value.get::<T>()?))
}

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
pub(super) fn length(call: &Call<'_>) -> u64 {
    call.db.elements(call.args.at(1)) as u64
}

fn number(call: &Call<'_>, at: usize) -> Option<i64> {
    call.args.get(at).and_then(parse_i64)
}

/// All elements of all values that it reads.
fn inputs(call: &mut Call<'_>) -> CommandResult {
    let all = lengths(call).into_iter().fold(0, u64::saturating_add);
    call.touches(all);
    Ok(())
}

/// The command looks for each element of the smallest value in all values.
fn smallest(call: &mut Call<'_>) -> CommandResult {
    let lengths = lengths(call);
    let least = lengths.iter().min().copied().unwrap_or(0);
    call.touches(least.saturating_mul(lengths.len() as u64));
    Ok(())
}

/// A count as the second operand: at most so many different elements, or, if negative, exactly so
/// many, with repeats.
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

/// COUNT elements of the value. A value with a packed encoding is read whole, because its size is
/// limited.
fn scanned(call: &mut Call<'_>) -> CommandResult {
    let of = match call.name {
        "hscan" => ScanKind::Hash,
        "zscan" => ScanKind::Zset,
        _ => ScanKind::Others,
    };
    let count = ScanArgs::parse(call.args, 3, of)?.count() as u64;
    let touched = length(call).min(count);
    call.touches(touched);
    Ok(())
}

/// COUNT keys.
fn scanned_keys(call: &mut Call<'_>) -> CommandResult {
    let (args, dialect) = (call.args, call.db.dialect());
    let options = match call.name {
        "clusterscan" => ScanArgs::parse_of_cluster(args, 2, dialect)?.0,
        _ => ScanArgs::parse_of_keys(args, 2, dialect)?.0,
    };
    let touched = call.db.len().min(options.count());
    call.touches(touched as u64);
    Ok(())
}

/// Elements between two indexes, both included; negative indexes count from the end.
fn between(call: &Call<'_>) -> Result<u64, CommandError> {
    let (start, end) = (
        element::index(call.args.at(2))?,
        element::index(call.args.at(3))?,
    );
    let span = element::span(start, end, length(call) as usize);
    Ok(span.map_or(0, |(_, count)| count as u64))
}

fn indexes(call: &mut Call<'_>) -> CommandResult {
    let touched = between(call)?;
    call.touches(touched);
    Ok(())
}

/// All elements except the elements that stay.
fn trimmed(call: &mut Call<'_>) -> CommandResult {
    let touched = length(call).saturating_sub(between(call)?);
    call.touches(touched);
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

/// As [`each_member`], after an argument that is none.
fn each_from_third(call: &mut Call<'_>) -> CommandResult {
    let members = call.args.len().saturating_sub(3);
    call.touches(members as u64);
    Ok(())
}

/// The fields after `FIELDS n`. A time and conditions count, too: they are at most five words.
fn each_field(call: &mut Call<'_>) -> CommandResult {
    let fields = call.args.len().saturating_sub(4);
    call.touches(fields as u64);
    Ok(())
}

/// As [`each_field`], with values.
fn each_field_pair(call: &mut Call<'_>) -> CommandResult {
    let pairs = call.args.len().saturating_sub(4) / 2;
    call.touches(pairs as u64);
    Ok(())
}
