//! QUERYLABELS.

use super::super::row::{READING, READS};
use super::filters::parse_filters;
use super::shards::gather;
use super::slices::{Gather, Parts, SeriesSelector, Unreadable, in_slices};
use russet_command::{Arity, CommandError, Facts};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::{Labels, Series};
use std::collections::BTreeSet;

const BAD_KIND: CommandError =
    CommandError::Text("ERR TSDB: unknown subtype, must be one of LABELS|VALUES");
const NOT_A_FILTER: CommandError =
    CommandError::Text("ERR TSDB: unknown argument, expected FILTER");
const NO_FILTERS: CommandError =
    CommandError::Text("ERR TSDB: FILTER given with no filter expressions");

pub(crate) const QUERYLABELS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    categories: READING,
    tips: &["dont_cache"],
    facts: Facts::ASKS_NODES,
    ..Spec::new("ts.querylabels", querylabels)
};

/// `TS.QUERYLABELS LABELS | VALUES label [FILTER filter [filter ...]]`: the names of labels, or the
/// values of a label, of the series of this database whose labels satisfy all filters; without
/// FILTER of all series. The reply leaves out series that the client may not read.
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
    let wanted = SeriesSelector {
        filters: filters.as_deref(),
        unreadable: Unreadable::LeftOut,
    };
    if !call.is_in_cluster() {
        if let Some(parts) = in_slices(call, &label, wanted, |_| Texts::default())? {
            parts.reply(call.reply, Reply::set);
        }
        return Ok(());
    }
    let mut texts = Texts::default();
    if let Some(found) = gather(call, wanted, |_, _| Ok(()))? {
        found.iter().for_each(|one| texts.add(&one.labels, label));
        call.reply.set(texts.0.len());
        texts.0.iter().for_each(|text| call.reply.bulk(text));
    }
    Ok(())
}

/// The names of labels, or the values of a label.
#[derive(Default)]
struct Texts(BTreeSet<Box<[u8]>>);

impl Texts {
    fn add(&mut self, labels: &Labels, label: Option<&[u8]>) {
        for (name, value) in labels.iter() {
            let text = match label {
                None => name,
                Some(label) if label == name => value,
                Some(_) => continue,
            };
            if !self.0.contains(text) {
                self.0.insert(text.into());
            }
        }
    }
}

impl Gather for Texts {
    type Request<'a> = Option<&'a [u8]>;

    fn take(
        &mut self,
        _call: &Call<'_>,
        label: &Option<&[u8]>,
        (_, series): (&[u8], &Series),
        _out: &mut Parts,
    ) -> Result<(), CommandError> {
        self.add(series.labels(), *label);
        Ok(())
    }

    /// Writes the next text.
    fn write_next(&mut self, _label: &Option<&[u8]>, out: &mut Parts) -> bool {
        let Some(text) = self.0.pop_first() else {
            return false;
        };
        out.reply.bulk(&text);
        out.len += 1;
        true
    }
}
