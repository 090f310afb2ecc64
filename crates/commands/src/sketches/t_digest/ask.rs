//! QUANTILE, CDF and TRIMMED_MEAN.

use super::super::row::{READ_KEY, READS};
use super::row::{READING, merged_digest};
use crate::work;
use russet_base::numbers::float::parse_double;
use russet_command::{Arity, Category, CommandError};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::t_digest::Summary;
use smallvec::SmallVec;

pub(super) const QUANTILE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    work: work::EACH_MEMBER,
    ..Spec::new("tdigest.quantile", quantile)
};

/// `TDIGEST.QUANTILE key share ...`: the values below which these shares of all values are.
///
/// Reply: array of doubles (RESP2: bulk strings); nan without values. O(nodes) for each.
fn quantile(call: &mut Call<'_>) -> CommandResult {
    const NO_NUMBER: CommandError = CommandError::Text("ERR T-Digest: error parsing quantile");
    const NO_SHARE: CommandError = CommandError::Text("ERR T-Digest: quantile should be in [0,1]");
    let share = |text: &[u8]| match parse_double(text) {
        None => Err(NO_NUMBER),
        Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Some(_) => Err(NO_SHARE),
    };
    let quantile = |summary: Summary<'_>, share| summary.quantile(share);
    ask_each(call, share, quantile, Reply::double)
}

pub(super) const CDF: Spec = Spec {
    handler: cdf,
    name: "tdigest.cdf",
    ..QUANTILE
};

/// `TDIGEST.CDF key value ...`: the shares of all values that are up to these.
///
/// Reply: array of doubles (RESP2: bulk strings); nan without values. O(nodes) for each.
fn cdf(call: &mut Call<'_>) -> CommandResult {
    const NO_NUMBER: CommandError = CommandError::Text("ERR T-Digest: error parsing cdf");
    let value = |text: &[u8]| parse_double(text).ok_or(NO_NUMBER);
    let share = |summary: Summary<'_>, value| summary.cdf(value);
    ask_each(call, value, share, Reply::double)
}

/// Answers a question about each number after the key, all of which are read first.
#[inline]
pub(super) fn ask_each<N: Copy, A>(
    call: &mut Call<'_>,
    parse: impl Fn(&[u8]) -> Result<N, CommandError>,
    answer: impl Fn(Summary<'_>, N) -> A,
    write: impl Fn(&mut Reply, A),
) -> CommandResult {
    let (key, texts) = (call.args.at(1), call.args.from(2));
    let digest = merged_digest(&mut call.db, key)?;
    let numbers: Result<SmallVec<[N; 16]>, _> = texts.iter().map(parse).collect();
    let numbers = numbers?;
    let summary = digest.summary().expect("its nodes are merged");
    call.reply.array(numbers.len());
    for of in numbers {
        write(call.reply, answer(summary, of));
    }
    Ok(())
}

pub(super) const TRIMMED_MEAN: Spec = Spec {
    arity: Arity::Exactly(4),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    ..Spec::new("tdigest.trimmed_mean", trimmed_mean)
};

/// `TDIGEST.TRIMMED_MEAN key low high`: the mean of the values between two shares.
///
/// Reply: double (RESP2: bulk string); nan without values. O(nodes).
fn trimmed_mean(call: &mut Call<'_>) -> CommandResult {
    const NO_LOW: CommandError =
        CommandError::Text("ERR T-Digest: error parsing low_cut_percentile");
    const NO_HIGH: CommandError =
        CommandError::Text("ERR T-Digest: error parsing high_cut_percentile");
    const NO_SHARES: CommandError = CommandError::Text(
        "ERR T-Digest: low_cut_percentile and high_cut_percentile should be in [0,1]",
    );
    const NO_RANGE: CommandError = CommandError::Text(
        "ERR T-Digest: low_cut_percentile should be lower than high_cut_percentile",
    );
    let [_, key, low, high] = call.args.exactly();
    let digest = merged_digest(&mut call.db, key)?;
    let low = parse_double(low).ok_or(NO_LOW)?;
    let high = parse_double(high).ok_or(NO_HIGH)?;
    if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) {
        return Err(NO_SHARES);
    }
    if low >= high {
        return Err(NO_RANGE);
    }
    let summary = digest.summary().expect("its nodes are merged");
    call.reply.double(summary.trimmed_mean(low, high));
    Ok(())
}
