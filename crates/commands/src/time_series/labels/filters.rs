//! Conditions on labels, and the series that satisfy them.
//!
//!     l=v  l!=v  l=(a,b)  l!=(a,b)     any of the values, or none of them
//!     l=   l!=                         there is no such label; there is such a label
//!
//! At least one condition must ask for a value, so that no command looks at all series.

use super::super::info::reply_labels;
use super::super::row::find;
use russet_command::CommandError;
use russet_resp::{Args, Reply};
use russet_timeseries::Labels;
use russet_timeseries::index::{Filter, Test};

const MALFORMED: CommandError = CommandError::Text("ERR TSDB: failed parsing labels");
const NO_MATCHER: CommandError =
    CommandError::Text("ERR TSDB: please provide at least one matcher");
pub(super) const DENIED: CommandError = CommandError::Text("NOPERM No permissions to access a key");
const NO_NAMES: CommandError =
    CommandError::Text("ERR TSDB: SELECT_LABELS should have at least 1 parameter");
const BOTH: CommandError =
    CommandError::Text("ERR TSDB: cannot accept WITHLABELS and SELECT_LABELS together");

/// The conditions that words state.
pub(crate) fn parse_filters(words: Args<'_>) -> Result<Vec<Filter>, CommandError> {
    let filters = words.iter().map(|word| parse(word).ok_or(MALFORMED));
    let filters: Vec<Filter> = filters.collect::<Result<_, _>>()?;
    let is_matcher = |filter: &Filter| matches!(filter.test, Test::OneOf(_));
    if filters.iter().any(is_matcher) {
        Ok(filters)
    } else {
        Err(NO_MATCHER)
    }
}

fn parse(word: &[u8]) -> Option<Filter> {
    let negated = word.windows(2).position(|pair| pair == b"!=");
    let equal = word.iter().position(|byte| *byte == b'=')?;
    let (name, value) = match negated {
        Some(at) => (&word[..at], &word[at + 2..]),
        None if equal == 0 => (&word[1..], &word[word.len()..]),
        None => {
            // Further signs separate, as in Redis.
            let mut parts = word[equal..].split(|byte| *byte == b'=');
            let value = parts.find(|part| !part.is_empty());
            (&word[..equal], value.unwrap_or_default())
        }
    };
    let test = match (values(value)?, negated) {
        (None, None) => Test::Absent,
        (None, Some(_)) => Test::There,
        (Some(values), None) => Test::OneOf(values),
        (Some(values), Some(_)) => Test::NoneOf(values),
    };
    Some(Filter {
        name: name.into(),
        test,
    })
}

/// The values of a list, or one value; the inner `None`: nothing. `None`: a malformed list.
fn values(text: &[u8]) -> Option<Option<Vec<Box<[u8]>>>> {
    let list = match text {
        [] => return Some(None),
        [b'(', list @ .., b')'] => list,
        [b'(', ..] => return None,
        one => return Some(Some(vec![one.into()])),
    };
    if list.is_empty() {
        return Some(Some(Vec::new()));
    }
    let values = list.split(|byte| *byte == b',');
    let values: Vec<Box<[u8]>> = values.map(Box::from).collect();
    let is_whole = values.iter().all(|value| !value.is_empty());
    is_whole.then_some(Some(values))
}

/// The labels that are replied with a series.
#[derive(Clone, Copy)]
pub(crate) enum ReplyLabels<'a> {
    Nothing,
    All,
    /// These labels, in this order.
    Named(Args<'a>),
}

impl<'a> ReplyLabels<'a> {
    /// From the words before FILTER, or GROUPBY; `words` end the names.
    pub(crate) fn parse(
        args: Args<'a>,
        from: usize,
        words: &[&str],
    ) -> Result<ReplyLabels<'a>, CommandError> {
        let filter = find(args, from, "FILTER").unwrap_or(args.len());
        let head = args.first(filter);
        let all = find(head, from, "WITHLABELS");
        let named = find(head, from, "SELECTED_LABELS");
        match (all, named) {
            (Some(_), Some(_)) => Err(BOTH),
            (Some(_), None) => Ok(ReplyLabels::All),
            (None, None) => Ok(ReplyLabels::Nothing),
            (None, Some(at)) => {
                let names = head.from(at + 1);
                let ends = |at: &usize| words.iter().any(|word| names.is(*at, word));
                let end = (0..names.len()).find(ends).unwrap_or(names.len());
                if end == 0 {
                    return Err(NO_NAMES);
                }
                Ok(ReplyLabels::Named(names.first(end)))
            }
        }
    }
}

impl ReplyLabels<'_> {
    /// Replies labels of a series: a map, in RESP2 an array of pairs.
    pub(crate) fn reply(self, labels: &Labels, reply: &mut Reply) {
        match self {
            ReplyLabels::Nothing => begin_labels(reply, 0),
            ReplyLabels::All => reply_labels(labels, reply),
            ReplyLabels::Named(names) => self.reply_named(names, |name| labels.get(name), reply),
        }
    }

    /// Replies the named labels by a function that finds them.
    pub(crate) fn reply_named<'v>(
        self,
        names: Args<'_>,
        find: impl Fn(&[u8]) -> Option<&'v [u8]>,
        reply: &mut Reply,
    ) {
        begin_labels(reply, names.len());
        for name in names.iter() {
            reply_label(name, find(name), reply);
        }
    }
}

/// Begins a number of labels.
pub(crate) fn begin_labels(reply: &mut Reply, labels: usize) {
    if reply.resp3() {
        reply.map(labels);
    } else {
        reply.array(labels);
    }
}

/// Replies a label, in RESP2 a pair.
pub(crate) fn reply_label(name: &[u8], value: Option<&[u8]>, reply: &mut Reply) {
    if !reply.resp3() {
        reply.array(2);
    }
    reply.bulk(name);
    match value {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
}
