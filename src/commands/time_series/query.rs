//! QUERYINDEX and MGET.

use super::compact::open_bucket;
use super::filters::{Shown, keys_of, parse_filters};
use super::row::{READING, READS, find};
use super::rows_text::reply_sample;
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_resp::Reply;
use russet_types::TimeSeries;

pub(super) const QUERYINDEX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: READING,
    ..Spec::new("ts.queryindex", queryindex)
};

/// `TS.QUERYINDEX filter [filter ...]`: the keys of the series of this database whose labels
/// satisfy all filters.
///
/// Reply: set (RESP2: array) of keys, sorted. O(series of the rarest label * filters).
fn queryindex(call: &mut Call<'_>) -> CommandResult {
    let filters = parse_filters(call.args.from(1))?;
    let keys = keys_of(call, &filters, false)?;
    let place = call.reply.defer();
    let mut replied = 0;
    for key in keys.iter().filter(|key| call.db.peek_exists(key)) {
        call.reply.bulk(key);
        replied += 1;
    }
    call.reply.finish_set(place, replied);
    Ok(())
}

pub(super) const MGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    handler: mget,
    name: "ts.mget",
    ..QUERYINDEX
};

/// `TS.MGET [LATEST] [WITHLABELS | SELECTED_LABELS name ...] FILTER filter [filter ...]`: the
/// newest samples of the series of this database whose labels satisfy all filters. The client must
/// be allowed to read each of them.
///
/// Reply: map (RESP2: array) of keys with labels and a sample. O(series of the rarest label *
/// filters).
fn mget(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let arity = || CommandError::WrongArity(call.name.to_owned());
    let filter = find(args, 1, "FILTER").filter(|at| at + 1 < args.len());
    let filter = filter.ok_or_else(arity)?;
    let shown = Shown::parse(args, 1, &["FILTER"])?;
    let filters = parse_filters(args.from(filter + 1))?;
    let keys = keys_of(call, &filters, true)?;
    let asks_latest = find(args.first(filter), 1, "LATEST").is_some();
    let place = call.reply.defer();
    let mut replied = 0;
    for key in keys.iter() {
        let Some(series) = call.db.peek::<TimeSeries>(key)? else {
            continue;
        };
        replied += 1;
        let latest = if asks_latest {
            open_bucket(&call.db, key)
        } else {
            None
        };
        let reply = &mut *call.reply;
        begin_key(reply, key, 2);
        shown.reply(&series, reply);
        match latest.or(series.last()) {
            Some(last) => reply_sample(reply, last.timestamp, last.value),
            None => reply.array(0),
        }
    }
    if call.reply.resp3() {
        call.reply.finish_map(place, replied);
    } else {
        call.reply.finish_array(place, replied);
    }
    Ok(())
}

/// Begins what is replied of a key, `parts` without it.
pub(super) fn begin_key(reply: &mut Reply, key: &[u8], parts: usize) {
    if reply.resp3() {
        reply.bulk(key);
        reply.array(parts);
    } else {
        reply.array(1 + parts);
        reply.bulk(key);
    }
}
