//! Steps, and how a row is pulled through them.
//!
//! A step pulls rows of the one before it, into one row that is used again and again. SORTBY and
//! GROUPBY pull all rows before they give one; if the budget of documents is used up meanwhile,
//! they keep what they have, and go on with the next call.

use super::arrange::Arranged;
use super::group::Grouped;
use super::mark::Marking;
use super::names::{Load, Names};
use super::output::{Batch, Ending, OutputRow};
use super::row::{Hits, Loader, Row};
use crate::error::SearchError;
use crate::expression::{self, Expression, Value};
use crate::hit::Scored;
use crate::index::Index;
use crate::schema::Schema;
use russet_base::clock;
use std::collections::VecDeque;

/// Everything outside that a pipeline reads while it runs.
pub struct Context<'c> {
    pub hits: &'c mut dyn Hits,
    pub index: &'c Index,
    pub loader: &'c dyn Loader,
    /// Documents that may yet be pulled; counts down.
    pub budget: u64,
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
    pub(super) marking: Option<Marking>,
    /// Fields that rows never show: they say how a document is indexed.
    settings: Vec<Vec<u8>>,
    /// WITHCOUNT: the total is that of all rows.
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
struct Tally {
    rows: u64,
    /// Ticks of the clock, with those of the steps before.
    cycles: u64,
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

/// The places of what the query itself yields.
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
    /// The documents that they are of; `None`: each row counts as one.
    pub(super) total: Option<u64>,
}

impl Source {
    /// Whether rows have nothing of the query itself.
    fn is_plain(&self) -> bool {
        self.score.is_none() && self.distances.is_empty() && self.rows.is_none()
    }
}

#[derive(Debug)]
pub(super) enum Step {
    Load(Vec<Load>),
    LoadAll,
    Apply {
        expression: Evaluated,
        place: usize,
    },
    Filter(Evaluated),
    Arrange(Box<Arranged>),
    /// `counts`: rows after the last one are pulled as well, for the total.
    Limit {
        skipped: u64,
        left: u64,
        counts: bool,
    },
    Group(Box<Grouped>),
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

/// An expression with the places of its properties.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) expression: Expression,
    pub(super) properties: Vec<(Vec<u8>, usize)>,
}

enum Pulled {
    Row,
    Paused,
    End,
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
    /// Where an expression has no value for a row. If there were rows before it in the same call,
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
                break Ending::Done;
            }
            if rows.len() == most {
                break Ending::Full;
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
                Ok(Pulled::Row) => {}
                Ok(Pulled::Paused) => break Ending::Paused,
                Ok(Pulled::End) => {
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
            rows.push(self.output(context.index));
        };
        Ok(Batch {
            rows,
            ending,
            failure,
        })
    }

    /// The number that FT.AGGREGATE's replies begin with: documents pulled for the first row, or
    /// groups. It is right where the rows are sorted or grouped, and with WITHCOUNT.
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

    /// The name of a field of a row.
    pub fn name(&self, field: usize) -> &[u8] {
        let names = self.names.last().expect("there is one at least");
        &names.places[field].name
    }

    fn output(&mut self, index: &Index) -> OutputRow {
        let names = self.names.last().expect("there is one at least");
        let row = &self.row;
        let shown = names.places.iter().enumerate().filter(|(_, place)| {
            self.ships || place.is_shown && !self.settings.contains(&place.name)
        });
        let fields = shown.filter_map(|(at, _)| {
            let value = names.value(row, at, index)?.to_value();
            Some(match &self.marking {
                Some(marking) => (at, marking.marked(&names.places[at].name, value)),
                None => (at, value),
            })
        });
        OutputRow {
            document: row.document,
            score: row.score,
            distance: self.distance(),
            fields: fields.collect(),
            is_gone: row.is_gone,
            explanation: self.row.explanation.take(),
            sort_key: self.row.sort_key.take(),
        }
    }
}

/// Room is made for so many rows of a reply at first: a page of them.
const USUAL_ROWS: usize = 10;

/// Documents that are taken at once.
const BLOCK: u64 = 256;

/// Takes documents by the block, without the steps of a pull, as long as there is a budget: the
/// same, and quicker.
fn for_each_block(
    context: &mut Context<'_>,
    total: &mut u64,
    mut take: impl FnMut(&[Scored], &Index) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let mut scored = Vec::new();
    while context.budget > 0 {
        scored.clear();
        let most = context.budget.min(BLOCK) as usize;
        context.hits.next_scored(most, &mut scored);
        if scored.is_empty() {
            break;
        }
        context.budget -= scored.len() as u64;
        *total += scored.len() as u64;
        take(&scored, context.index)?;
    }
    Ok(())
}

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

/// A pull of one row.
struct Pull<'p, 'c> {
    names: &'p mut [Names],
    source: &'p mut Source,
    total: &'p mut u64,
    tallies: &'p mut [Tally],
    counts_filtered: bool,
    context: &'p mut Context<'c>,
}

impl Pull<'_, '_> {
    /// The next row that comes out of all steps.
    fn from(&mut self, steps: &mut [(usize, Step)], row: &mut Row) -> Result<Pulled, SearchError> {
        if self.tallies.is_empty() {
            return self.pull(steps, row);
        }
        let (began, at) = (clock::cycles(), steps.len());
        let pulled = self.pull(steps, row);
        let tally = &mut self.tallies[at];
        tally.rows += u64::from(matches!(pulled, Ok(Pulled::Row)));
        tally.cycles += clock::cycles().wrapping_sub(began);
        pulled
    }

    fn pull(&mut self, steps: &mut [(usize, Step)], row: &mut Row) -> Result<Pulled, SearchError> {
        let Some(((names, step), before)) = steps.split_last_mut() else {
            return Ok(self.hit(row));
        };
        let names = *names;
        match step {
            Step::Load(loads) => {
                let pulled = self.from(before, row)?;
                if let Pulled::Row = pulled {
                    for load in loads {
                        load.run(row, self.context.index, self.context.loader);
                    }
                }
                Ok(pulled)
            }
            Step::LoadAll => {
                let pulled = self.from(before, row)?;
                if let Pulled::Row = pulled {
                    self.load_all(row);
                }
                Ok(pulled)
            }
            Step::Apply { expression, place } => {
                let pulled = self.from(before, row)?;
                if let Pulled::Row = pulled {
                    let value = expression.of(row, &self.names[names], self.context.index)?;
                    row.set(*place, value);
                }
                Ok(pulled)
            }
            Step::Filter(expression) => loop {
                let pulled = self.from(before, row)?;
                let Pulled::Row = pulled else {
                    return Ok(pulled);
                };
                let value = expression.of(row, &self.names[names], self.context.index)?;
                if value.is_true() {
                    return Ok(pulled);
                }
                *self.total -= u64::from(self.counts_filtered);
            },
            Step::Limit {
                skipped,
                left,
                counts,
            } => {
                while *skipped > 0 {
                    let pulled = self.from(before, row)?;
                    let Pulled::Row = pulled else {
                        return Ok(pulled);
                    };
                    *skipped -= 1;
                }
                if *left == 0 && *counts {
                    loop {
                        let pulled = self.from(before, row)?;
                        let Pulled::Row = pulled else {
                            return Ok(pulled);
                        };
                    }
                }
                if *left == 0 {
                    return Ok(Pulled::End);
                }
                let pulled = self.from(before, row)?;
                if let Pulled::Row = pulled {
                    *left -= 1;
                }
                Ok(pulled)
            }
            Step::Arrange(arranged) => {
                let is_plain = before.is_empty() && self.context.hits.are_plain();
                if is_plain && !arranged.is_ready() && self.is_plain() {
                    let names = &self.names[names];
                    for_each_block(self.context, self.total, |scored, index| {
                        arranged.add_all(scored, row, names, index);
                        Ok(())
                    })?;
                }
                while !arranged.is_ready() {
                    match self.from(before, row)? {
                        Pulled::Row => {
                            arranged.add(row, &self.names[names], self.context.index);
                        }
                        Pulled::Paused => return Ok(Pulled::Paused),
                        Pulled::End => arranged.finish(),
                    }
                }
                Ok(if arranged.next(row) {
                    Pulled::Row
                } else {
                    Pulled::End
                })
            }
            Step::Group(grouped) => {
                let loads = match before {
                    [] => Some(&[][..]),
                    [(_, Step::Load(loads))] => Some(&loads[..]),
                    _ => None,
                };
                if let Some(loads) = loads
                    && !grouped.is_ready()
                    && self.is_plain()
                {
                    let (names, loader) = (&self.names[names], self.context.loader);
                    for_each_block(self.context, self.total, |scored, index| {
                        if loads.is_empty() {
                            return grouped.add_all(scored, row, names, index);
                        }
                        grouped.add_loaded(scored, row, names, index, |row| {
                            loads
                                .iter()
                                .for_each(|load| load.run_over(row, index, loader));
                        })
                    })?;
                }
                while !grouped.is_ready() {
                    match self.from(before, row)? {
                        Pulled::Row => {
                            grouped.add(row, &self.names[names], self.context.index)?;
                        }
                        Pulled::Paused => return Ok(Pulled::Paused),
                        Pulled::End => *self.total = grouped.finish(),
                    }
                }
                Ok(next_of(grouped.next(), row))
            }
        }
    }

    /// Whether rows that come from the query have nothing but documents and scores.
    fn is_plain(&self) -> bool {
        self.source.is_plain() && self.tallies.is_empty()
    }

    fn hit(&mut self, row: &mut Row) -> Pulled {
        if self.context.budget == 0 {
            return Pulled::Paused;
        }
        self.context.budget -= 1;
        if let Some(shards) = &mut self.source.rows {
            let Some(next) = shards.rows.pop_front() else {
                return Pulled::End;
            };
            *self.total = shards.total.unwrap_or(*self.total + 1);
            *row = next;
            return Pulled::Row;
        }
        let Some(hit) = self.context.hits.next_hit() else {
            return Pulled::End;
        };
        *self.total += 1;
        row.document = Some(hit.document);
        row.score = hit.score;
        row.explanation = hit.explanation;
        row.terms = hit.terms;
        row.sort_key = None;
        row.is_gone = false;
        row.values.clear();
        if let Some(place) = self.source.score {
            row.set(place, Value::Number(hit.score));
        }
        for (place, distance) in self.source.distances.iter().zip(&hit.distances) {
            if !distance.is_nan() {
                row.set(*place, Value::Number(*distance));
            }
        }
        Pulled::Row
    }

    fn load_all(&mut self, row: &mut Row) {
        let Context { index, loader, .. } = &self.context;
        let key = row.document.and_then(|document| index.living_key(document));
        let Some(fields) = key.and_then(|key| loader.load_all(key)) else {
            row.is_gone = true;
            return;
        };
        for (name, value) in fields {
            let place = self.names[0].place(&name);
            row.set(place, value);
        }
    }
}

fn next_of(next: Option<Row>, row: &mut Row) -> Pulled {
    match next {
        Some(next) => {
            *row = next;
            Pulled::Row
        }
        None => Pulled::End,
    }
}

impl Evaluated {
    fn of(&self, row: &Row, names: &Names, index: &Index) -> Result<Value, SearchError> {
        let properties = Properties {
            of: self,
            row,
            names,
            index,
        };
        Ok(self.expression.evaluate(&properties)?)
    }
}

/// A row as an expression sees it.
struct Properties<'r> {
    of: &'r Evaluated,
    row: &'r Row,
    names: &'r Names,
    index: &'r Index,
}

impl expression::Row for Properties<'_> {
    fn property(&self, name: &[u8]) -> Option<Value> {
        let mut properties = self.of.properties.iter();
        let (_, place) = properties.find(|(its, _)| its == name)?;
        let value = self.names.value(self.row, *place, self.index)?;
        Some(value.to_value())
    }

    fn matched_terms(&self) -> &[Box<[u8]>] {
        &self.row.terms
    }
}
