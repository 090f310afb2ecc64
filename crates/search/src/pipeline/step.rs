//! Steps, and the pipeline that they form; `pull` takes rows through them.
//!
//! A step pulls rows of the step before it, into a single row that is used again and again. SORTBY
//! and GROUPBY pull all rows before they give any; if the budget is used up meanwhile, they keep
//! what they have, and continue with the next call.

use super::arrange::RowSorter;
use super::group::GroupTable;
use super::mark::RowHighlighter;
use super::names::{Load, Names};
use super::output::{Batch, BatchEnd, FieldName, OutputRow};
use super::pull::{Pull, PullOutcome, text_units};
use super::row::{Hits, Loader, Row};
use crate::error::SearchError;
use crate::expression::{Expression, Value};
use crate::index::Index;
use crate::schema::Schema;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Everything outside that a pipeline reads while it runs.
pub struct Context<'c> {
    pub hits: &'c mut dyn Hits,
    pub index: &'c Index,
    pub loader: &'c dyn Loader,
    /// Work that may yet be done, a document or a row at a step each; counts down.
    pub budget: u64,
    /// The time of the query is up: no documents come any more, and the rest of a row that goes
    /// into many groups is dropped.
    pub is_over: bool,
}

impl Context<'_> {
    /// Takes work off the budget.
    pub(super) fn charge(&mut self, units: u64) {
        self.budget = self.budget.saturating_sub(units);
    }

    /// Takes a unit of work off the budget; `false`: it is used up.
    pub(super) fn take_unit(&mut self) -> bool {
        let has_one = self.budget > 0;
        self.charge(1);
        has_one
    }
}

/// A query's rows on their way to the reply.
#[derive(Debug)]
pub struct Pipeline {
    /// Names before the first GROUPBY, and after each.
    pub(super) names: Vec<Names>,
    /// Each with the place of the names of rows that come in.
    pub(super) steps: Vec<(usize, Step)>,
    pub(super) source: Source,
    row: Row,
    /// Rows that there are, as far as is known.
    pub(super) total: u64,
    first_total: Option<u64>,
    is_done: bool,
    /// HIGHLIGHT and SUMMARIZE.
    pub(super) marking: Option<RowHighlighter>,
    /// Fields that rows never show: they say how a document is indexed.
    settings: Vec<Vec<u8>>,
    /// WITHCOUNT: the total counts all rows.
    counts_all: bool,
    /// Rows that FILTER leaves out do not count, as in Redis 8.
    counts_filtered: bool,
    /// Of the query and each step what came out of it; empty: nothing is counted.
    tallies: Vec<Tally>,
    /// Rows are for another node: they have the values of all places.
    pub(super) ships: bool,
}

/// The rows that came out of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// Ticks of the clock, the steps before included.
    pub(super) cycles: u64,
}

/// A step of a pipeline, as FT.PROFILE shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProfile {
    /// `Sorter` and the like.
    pub name: String,
    /// Rows that came out of it.
    pub rows: u64,
    /// Ticks of the clock that it took itself.
    pub cycles: u64,
}

/// The places of the values that the query itself yields.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) score: Option<usize>,
    pub(super) distances: Vec<usize>,
    /// Rows of a cluster's shards, which come instead of documents.
    pub(super) rows: Option<ShardRows>,
}

/// Rows of all shards.
#[derive(Debug, Default)]
pub(super) struct ShardRows {
    pub(super) rows: VecDeque<Row>,
    /// How many documents the rows are of; `None`: each row counts as a document.
    pub(super) total: Option<u64>,
}

impl Source {
    /// Whether rows have nothing of the query itself.
    pub(super) fn is_plain(&self) -> bool {
        self.score.is_none() && self.distances.is_empty() && self.rows.is_none()
    }
}

#[derive(Debug)]
pub(super) enum Step {
    Load(Vec<Load>),
    LoadAll,
    Apply {
        expression: BoundExpression,
        place: usize,
    },
    Filter(BoundExpression),
    Arrange(Box<RowSorter>),
    /// `counts`: rows after the limit are pulled as well, for the total.
    Limit {
        skipped: u64,
        left: u64,
        counts: bool,
    },
    Group(Box<GroupTable>),
}

impl Step {
    /// As FT.PROFILE names it.
    fn name(&self) -> String {
        match self {
            Step::Load(_) | Step::LoadAll => "Loader".to_owned(),
            Step::Apply { expression, .. } => {
                format!("Projector - {}", expression.expression.name())
            }
            Step::Filter(expression) => format!("Filter - {}", expression.expression.name()),
            Step::Arrange(_) => "Sorter".to_owned(),
            Step::Limit { .. } => "Pager/Limiter".to_owned(),
            Step::Group(_) => "Grouper".to_owned(),
        }
    }
}

/// An expression, with the places of the properties.
#[derive(Debug)]
pub(super) struct BoundExpression {
    pub(super) expression: Expression,
    pub(super) places: Vec<usize>,
    /// Of the budget, for each row.
    pub(super) units: u64,
    /// The row has come, and waits for the next budget.
    pub(super) is_pending: bool,
}

impl Pipeline {
    pub(super) fn new(names: Vec<Names>, steps: Vec<(usize, Step)>, source: Source) -> Pipeline {
        Pipeline {
            names,
            steps,
            source,
            row: Row::default(),
            total: 0,
            first_total: None,
            is_done: false,
            marking: None,
            tallies: Vec::new(),
            settings: Vec::new(),
            counts_all: false,
            counts_filtered: false,
            ships: false,
        }
    }

    /// How the total is counted: with WITHCOUNT, and without the rows that FILTER leaves out.
    pub(super) fn counting(mut self, all: bool, filtered: bool) -> Pipeline {
        (self.counts_all, self.counts_filtered) = (all, filtered);
        self
    }

    /// Rows are shown without the fields of language, score and payload.
    pub(super) fn without_settings(mut self, schema: &Schema) -> Pipeline {
        let fields = [
            &schema.language_field,
            &schema.score_field,
            &schema.payload_field,
        ];
        self.settings = fields.into_iter().flatten().cloned().collect();
        self
    }

    /// The next rows, at most `most`.
    ///
    /// # Errors
    ///
    /// If an expression has no value for a row. If there were rows before it in the same call,
    /// these are returned with the error, and the pipeline ends.
    pub fn next_rows(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Result<Batch, SearchError> {
        let mut rows = Vec::new();
        let mut failure = None;
        let ending = loop {
            if self.is_done {
                break BatchEnd::Done;
            }
            if rows.len() == most {
                break BatchEnd::Full;
            }
            if context.budget == 0 {
                break BatchEnd::Paused;
            }
            let mut pull = Pull {
                names: &mut self.names,
                source: &mut self.source,
                total: &mut self.total,
                tallies: &mut self.tallies,
                counts_filtered: self.counts_filtered,
                context,
            };
            match pull.from(&mut self.steps, &mut self.row) {
                Ok(PullOutcome::Row) => {}
                Ok(PullOutcome::Paused) => break BatchEnd::Paused,
                Ok(PullOutcome::End) => {
                    self.is_done = true;
                    continue;
                }
                Err(error) => {
                    self.is_done = true;
                    if rows.is_empty() {
                        return Err(error);
                    }
                    failure = Some(error);
                    continue;
                }
            }
            self.first_total.get_or_insert(self.total);
            if rows.is_empty() {
                rows.reserve(most.min(USUAL_ROWS));
            }
            let row = self.output(context.index);
            let fields = row.fields.iter().map(|(_, value)| 1 + text_units(value));
            context.charge(fields.sum());
            rows.push(row);
        };
        Ok(Batch {
            rows,
            ending,
            failure,
        })
    }

    /// The number that FT.AGGREGATE's replies begin with: documents pulled for the first row, or
    /// groups. It is right if rows are sorted or grouped, and with WITHCOUNT.
    pub fn first_total(&self) -> u64 {
        match self.first_total {
            Some(total) if !self.counts_all => total,
            _ => self.total,
        }
    }

    /// Documents that were pulled, or groups.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The combinations of lists that GROUPBY has taken so far: work that depends on the values of
    /// documents.
    pub fn combinations(&self) -> u64 {
        let groups = self.steps.iter().map(|(_, step)| match step {
            Step::Group(grouped) => grouped.combinations(),
            _ => 0,
        });
        groups.sum()
    }

    /// Whether documents are still to be pulled: not once all rows are sorted or grouped. A cursor
    /// that waits with documents left has to keep them ([`Hits`] of a list).
    pub fn pulls_documents(&self) -> bool {
        !self.is_done
            && !self.steps.iter().any(|(_, step)| match step {
                Step::Arrange(arranged) => arranged.is_ready(),
                Step::Group(grouped) => grouped.is_ready(),
                _ => false,
            })
    }

    /// The fields that are read of every document that is pulled, none if they are not known;
    /// `None`: documents are not read.
    pub fn fields_read(&self) -> Option<Vec<Vec<u8>>> {
        let mut steps = self.steps.iter().map(|(_, step)| step);
        steps.find_map(|step| match step {
            Step::Load(loads) => {
                let read = loads.iter().filter(|load| load.reads_document());
                let paths: Vec<_> = read.map(|load| load.path().to_vec()).collect();
                (!paths.is_empty()).then_some(Some(paths))
            }
            Step::LoadAll => Some(Some(Vec::new())),
            Step::Apply { .. } | Step::Filter(_) => None,
            Step::Arrange(_) | Step::Limit { .. } | Step::Group(_) => Some(None),
        })?
    }

    /// Whether an expression asks for the words that documents matched.
    pub fn asks_terms(&self) -> bool {
        self.steps.iter().any(|(_, step)| match step {
            Step::Apply { expression, .. } | Step::Filter(expression) => {
                expression.expression.asks_terms()
            }
            _ => false,
        })
    }

    /// Counts from now on what comes out of each step.
    pub fn count_steps(&mut self) {
        self.tallies = vec![Tally::default(); 1 + self.steps.len()];
    }

    /// The rows that came out of the query, and of each step, in order, if they are counted.
    pub fn step_profiles(&self) -> Vec<StepProfile> {
        let names = self.steps.iter().map(|(_, step)| step.name());
        let names = std::iter::once("Index".to_owned()).chain(names);
        let mut before = 0;
        let of = |(name, tally): (String, &Tally)| {
            let cycles = tally.cycles.saturating_sub(before);
            before = tally.cycles;
            StepProfile {
                name,
                rows: tally.rows,
                cycles,
            }
        };
        names.zip(&self.tallies).map(of).collect()
    }

    /// The name of a place of rows.
    pub fn name(&self, place: usize) -> &[u8] {
        let names = self.names.last().expect("there is one at least");
        &names.places[place].name
    }

    fn is_setting(&self, name: &[u8]) -> bool {
        self.settings.iter().any(|its| its == name)
    }

    fn output(&mut self, index: &Index) -> OutputRow {
        let others = std::mem::take(&mut self.row.others).into_iter();
        let others = others.filter(|(name, _)| self.ships || !self.is_setting(name));
        let others = others.map(|(name, value)| (FieldName::Own(name), value));
        let others: Vec<_> = others.collect();
        let names = self.names.last().expect("there is one at least");
        let shown = names
            .places
            .iter()
            .enumerate()
            .filter(|(_, place)| self.ships || place.is_shown && !self.is_setting(&place.name));
        let shown: SmallVec<[usize; 16]> = shown.map(|(at, _)| at).collect();
        let distance = self.distance();
        let row = &mut self.row;
        let placed = shown.into_iter().filter_map(|at| {
            // The row's own values are moved, because a list may be long.
            let own = row.values.get_mut(at).and_then(Option::take);
            let value = own.or_else(|| Some(names.value(row, at, index)?.to_value()))?;
            Some((FieldName::Place(at), value))
        });
        let fields: Vec<_> = placed.chain(others).collect();
        let takes_long = |marking: &RowHighlighter| marking.takes_long(&fields);
        let takes_long = self.marking.as_ref().is_some_and(takes_long);
        let mut output = OutputRow {
            document: self.row.document,
            score: self.row.score,
            distance,
            fields,
            written: None,
            is_unmarked: self.marking.is_some(),
            is_gone: self.row.is_gone,
            explanation: self.row.explanation.take(),
            sort_key: self.row.sort_key.take(),
        };
        if !takes_long {
            self.mark_row(&mut output, &|| false);
        }
        output
    }
}

/// Room is made for so many rows of a reply at first: a page of them.
const USUAL_ROWS: usize = 10;

impl Pipeline {
    /// The distance of the row's first vector part; NaN: it has none.
    fn distance(&self) -> f64 {
        let place = self.source.distances.first();
        match place.and_then(|place| self.row.values.get(*place)) {
            Some(Some(Value::Number(n))) if self.names.len() == 1 => *n,
            _ => f64::NAN,
        }
    }
}
