//! QUERYLABELS.

use super::super::row::{READING, READS};
use super::filters::{keys_of, parse_filters};
use super::shards::{all_keys, gather};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Arity, CommandError};
use russet_timeseries::Labels;
use russet_types::TimeSeries;
use std::collections::BTreeSet;

const BAD_KIND: CommandError =
    CommandError::Text("ERR TSDB: unknown subtype, must be one of LABELS|VALUES");
const NOT_A_FILTER: CommandError =
    CommandError::Text("ERR TSDB: unknown argument, expected FILTER");
const NO_FILTERS: CommandError =
    CommandError::Text("ERR TSDB: FILTER given with no filter expressions");

pub(in crate::commands::time_series) const QUERYLABELS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: READING,
    tips: &["dont_cache"],
    ..Spec::new("ts.querylabels", querylabels)
};

/// `TS.QUERYLABELS LABELS | VALUES label [FILTER filter [filter ...]]`: the names of labels, or the
/// values of one, of the series of this database whose labels satisfy all filters; without FILTER
/// of all series. Series that the client may not read are left out.
///
/// Reply: set (RESP2: array) of names or values, sorted. O(series * labels).
fn querylabels(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (label, rest) = if args.is(1, "LABELS") {
        (None, args.from(2))
    } else if args.is(1, "VALUES") {
        let arity = || CommandError::WrongArity(call.name.to_owned());
        (Some(args.get(2).ok_or_else(arity)?), args.from(3))
    } else {
        return Err(BAD_KIND);
    };
    let filters = if rest.is_empty() {
        None
    } else if !rest.is(0, "FILTER") {
        return Err(NOT_A_FILTER);
    } else if rest.len() == 1 {
        return Err(NO_FILTERS);
    } else {
        Some(parse_filters(rest.from(1))?)
    };
    let mut texts = BTreeSet::new();
    if call.is_in_cluster() {
        let found = gather(call, filters.as_deref(), (false, true), |_, _| Ok(()))?;
        let Some(found) = found else {
            return Ok(());
        };
        found
            .iter()
            .for_each(|one| add(&mut texts, &one.labels, label));
    } else {
        let keys = match filters {
            Some(filters) => keys_of(call, &filters, false)?,
            None => all_keys(call),
        };
        for key in keys.iter().filter(|key| call.may_read_key(key)) {
            if let Some(series) = call.db.peek::<TimeSeries>(key)? {
                add(&mut texts, series.labels(), label);
            }
        }
    }
    call.reply.set(texts.len());
    texts.iter().for_each(|text| call.reply.bulk(text));
    Ok(())
}

/// Adds the names of labels, or the value of one.
fn add(texts: &mut BTreeSet<Box<[u8]>>, labels: &Labels, label: Option<&[u8]>) {
    for (name, value) in labels.iter() {
        let text = match label {
            None => name,
            Some(label) if label == name => value,
            Some(_) => continue,
        };
        if !texts.contains(text) {
            texts.insert(text.into());
        }
    }
}
