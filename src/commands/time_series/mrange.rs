//! MRANGE and MREVRANGE: their words; [`Gathered`] has the series.

use super::filters::{Shown, keys_of, parse_filters};
use super::gathered::Gathered;
use super::range_args::RangeArgs;
use super::row::{READING, READS, find};
use crate::server::{Call, CommandResult, Spec};
use russet_base::clock;
use russet_command::{Arity, CommandError};
use russet_resp::Args;
use russet_timeseries::Aggregator;
use russet_timeseries::index::Filter;
use russet_types::vector_set::Progress;

const NO_FILTER: CommandError = CommandError::Text("ERR TSDB: missing FILTER argument");
const NO_LABELS: CommandError = CommandError::Text("ERR TSDB: missing labels for filter argument");
const GROUPED_FIRST: CommandError =
    CommandError::Text("ERR TSDB: GROUPBY should always come after filter");
const BAD_REDUCER: CommandError = CommandError::Text("ERR TSDB: Invalid reducer type");

/// The words after GROUPBY, itself included.
const GROUP_WORDS: usize = 4;
/// Words that may follow the names of labels.
const AFTER_NAMES: [&str; 9] = [
    "FILTER",
    "AGGREGATION",
    "COUNT",
    "LATEST",
    "ALIGN",
    "FILTER_BY_TS",
    "FILTER_BY_VALUE",
    "EMPTY",
    "BUCKETTIMESTAMP",
];

pub(super) const MRANGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: READS,
    categories: READING,
    ..Spec::new("ts.mrange", mrange)
};

/// `TS.MRANGE from to [options of RANGE] [WITHLABELS | SELECTED_LABELS name ...] FILTER filter ...
/// [GROUPBY label REDUCE reducer]`: the rows of the series of this database whose labels satisfy
/// all filters; with GROUPBY one series for each value of a label, whose values are reduced at each
/// timestamp. The client must be allowed to read each of the series.
///
/// Reply: map (RESP2: array) by key, or by `label=value`, of labels and rows; in RESP3 with the
/// aggregators, or with reducers and sources. O(samples of the ranges).
fn mrange(call: &mut Call<'_>) -> CommandResult {
    reply_ranges(call, false)
}

pub(super) const MREVRANGE: Spec = Spec {
    handler: mrevrange,
    name: "ts.mrevrange",
    ..MRANGE
};

/// `TS.MREVRANGE from to [options of MRANGE]`: as MRANGE, the latest rows first.
///
/// Reply: as of MRANGE.
fn mrevrange(call: &mut Call<'_>) -> CommandResult {
    reply_ranges(call, true)
}

/// GROUPBY and REDUCE.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub label: &'a [u8],
    pub reducer: Aggregator,
}

impl<'a> Group<'a> {
    /// The words after FILTER: those of the filters, and a group.
    fn parse(words: Args<'a>, name: &str) -> Result<(Args<'a>, Option<Group<'a>>), CommandError> {
        let Some(at) = find(words, 0, "GROUPBY") else {
            return Ok((words, None));
        };
        if at + GROUP_WORDS != words.len() || !words.is(at + 2, "REDUCE") {
            return Err(CommandError::WrongArity(name.to_owned()));
        }
        let reducer = Aggregator::by_name(words.at(at + 3)).filter(|one| one.reduces());
        let group = Group {
            label: words.at(at + 1),
            reducer: reducer.ok_or(BAD_REDUCER)?,
        };
        Ok((words.first(at), Some(group)))
    }
}

/// The words of the command.
pub(super) struct Asked<'a> {
    pub range: RangeArgs,
    pub shown: Shown<'a>,
    pub group: Option<Group<'a>>,
    pub backwards: bool,
    filters: Vec<Filter>,
}

impl<'a> Asked<'a> {
    fn parse(args: Args<'a>, name: &str, backwards: bool) -> Result<Asked<'a>, CommandError> {
        let filter = find(args, 3, "FILTER");
        let head = args.first(filter.unwrap_or(args.len()));
        let range = RangeArgs::parse(head, 1, name)?;
        let filter = filter.ok_or(NO_FILTER)?;
        if find(head, 3, "GROUPBY").is_some() {
            return Err(GROUPED_FIRST);
        }
        if filter + 1 == args.len() {
            return Err(NO_LABELS);
        }
        let shown = Shown::parse(args, 3, &AFTER_NAMES)?;
        let (words, group) = Group::parse(args.from(filter + 1), name)?;
        Ok(Asked {
            range,
            shown,
            group,
            backwards,
            filters: parse_filters(words)?,
        })
    }
}

fn reply_ranges(call: &mut Call<'_>, backwards: bool) -> CommandResult {
    let began = clock::cycles();
    let asked = Asked::parse(call.args, call.name, backwards)?;
    let mut gathered = match call.server.searches.take_done::<Gathered>() {
        Some(gathered) => *gathered,
        None => Gathered::new(keys_of(call, &asked.filters, true)?, call.reply.resp3()),
    };
    let mut slice_began = began;
    while gathered.gather(call, &asked, slice_began)? == Progress::More {
        if call.may_leave_loop() {
            call.block_on_task(Box::new(gathered));
            return Ok(());
        }
        call.may_continue(began)?;
        slice_began = clock::cycles();
    }
    gathered.reply(call.reply);
    Ok(())
}
