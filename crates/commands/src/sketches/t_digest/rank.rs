//! RANK, REVRANK, BYRANK and BYREVRANK.

use super::super::row::{READ_KEY, READS};
use super::ask::ask_each;
use super::row::READING;
use crate::work;
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::t_digest::Summary;

pub(super) const RANK: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    work: work::EACH_MEMBER,
    ..Spec::new("tdigest.rank", rank)
};

/// `TDIGEST.RANK key value ...`: for each of these values how many are below it, and half of the
/// values equal to it.
///
/// Reply: array of integers: -1 below all values, their number above all, -2 without values.
/// O(nodes) for each.
fn rank(call: &mut Call<'_>) -> CommandResult {
    rank_each(call, |summary, value| summary.rank(value))
}

pub(super) const REVRANK: Spec = Spec {
    handler: reverse_rank,
    name: "tdigest.revrank",
    ..RANK
};

/// `TDIGEST.REVRANK key value ...`: for each of these values how many are above it, and half of the
/// values equal to it.
///
/// Reply: as of RANK, with -1 above all values and their number below all.
fn reverse_rank(call: &mut Call<'_>) -> CommandResult {
    rank_each(call, |summary, value| summary.reverse_rank(value))
}

fn rank_each(call: &mut Call<'_>, answer: impl Fn(Summary<'_>, f64) -> i64) -> CommandResult {
    const NO_NUMBER: CommandError = CommandError::Text("ERR T-Digest: error parsing value");
    let value = |text: &[u8]| parse_double(text).ok_or(NO_NUMBER);
    ask_each(call, value, answer, Reply::int)
}

pub(super) const BYRANK: Spec = Spec {
    handler: by_rank,
    name: "tdigest.byrank",
    ..RANK
};

/// `TDIGEST.BYRANK key rank ...`: the values with these ranks.
///
/// Reply: array of doubles (RESP2: bulk strings): inf beyond the last rank, nan without values.
/// O(nodes) for each.
fn by_rank(call: &mut Call<'_>) -> CommandResult {
    value_each(call, |summary, rank| summary.by_rank(rank))
}

pub(super) const BYREVRANK: Spec = Spec {
    handler: by_reverse_rank,
    name: "tdigest.byrevrank",
    ..RANK
};

/// `TDIGEST.BYREVRANK key rank ...`: the values with these ranks from above.
///
/// Reply: as of BYRANK, with -inf.
fn by_reverse_rank(call: &mut Call<'_>) -> CommandResult {
    value_each(call, |summary, rank| summary.by_reverse_rank(rank))
}

fn value_each(call: &mut Call<'_>, answer: impl Fn(Summary<'_>, i64) -> f64) -> CommandResult {
    const NO_NUMBER: CommandError = CommandError::Text("ERR T-Digest: error parsing rank");
    const NEGATIVE: CommandError =
        CommandError::Text("ERR T-Digest: rank needs to be non negative");
    let rank = |text: &[u8]| match parse_i64(text) {
        None => Err(NO_NUMBER),
        Some(..0) => Err(NEGATIVE),
        Some(rank) => Ok(rank),
    };
    ask_each(call, rank, answer, Reply::double)
}
