//! How a row is pulled through steps.
//!
//! The next step calls each step, so that steps nest on the stack: a request has no more than
//! [`STAGES_MAX`] stages. The work of a step counts against the budget, so that a pull pauses
//! whatever takes long: documents, rows at each step, bytes of texts, combinations of lists.
//!
//! [`STAGES_MAX`]: crate::request::STAGES_MAX

use super::arrange::RowSorter;
use super::group::GroupTable;
use super::names::Names;
use super::row::Row;
use super::step::{BoundExpression, Context, Source, Step, Tally};
use crate::error::SearchError;
use crate::expression::{self, Value};
use crate::hit::ScoredDocument;
use crate::index::Index;
use russet_base::clock;

/// The result of a pull.
pub(super) enum PullOutcome {
    Row,
    Paused,
    End,
}

/// Documents that are taken at once.
const BLOCK: u64 = 256;

/// Takes documents by the block, without the steps of a pull, as long as there is a budget: the
/// same, and quicker.
fn for_each_block(
    context: &mut Context<'_>,
    total: &mut u64,
    mut take: impl FnMut(&[ScoredDocument], &Index) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let mut scored = Vec::new();
    while context.budget > 0 {
        scored.clear();
        let most = context.budget.min(BLOCK) as usize;
        context.hits.next_scored(most, &mut scored);
        if scored.is_empty() {
            if !context.hits.are_over() {
                // There are more later: the step that asks pauses.
                context.budget = 0;
            }
            break;
        }
        context.budget -= scored.len() as u64;
        *total += scored.len() as u64;
        take(&scored, context.index)?;
    }
    Ok(())
}

/// A pull of a single row.
pub(super) struct Pull<'p, 'c> {
    pub(super) names: &'p mut [Names],
    pub(super) source: &'p mut Source,
    pub(super) total: &'p mut u64,
    pub(super) tallies: &'p mut [Tally],
    pub(super) counts_filtered: bool,
    pub(super) context: &'p mut Context<'c>,
}

impl Pull<'_, '_> {
    /// The next row that comes out of all steps.
    pub(super) fn from(
        &mut self,
        steps: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        if self.tallies.is_empty() {
            return self.pull(steps, row);
        }
        let (began, at) = (clock::cycles(), steps.len());
        let pulled = self.pull(steps, row);
        let tally = &mut self.tallies[at];
        tally.rows += u64::from(matches!(pulled, Ok(PullOutcome::Row)));
        tally.cycles += clock::cycles().wrapping_sub(began);
        pulled
    }

    fn pull(
        &mut self,
        steps: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        let Some(((names, step), before)) = steps.split_last_mut() else {
            return Ok(self.hit(row));
        };
        let names = *names;
        match step {
            Step::Load(loads) => {
                let pulled = self.from(before, row)?;
                if let PullOutcome::Row = pulled {
                    self.context.charge(loads.len() as u64);
                    for load in loads {
                        load.run(row, self.context.index, self.context.loader);
                        let value = row.at(load.place).as_ref();
                        self.context.charge(value.map_or(0, text_units));
                    }
                }
                Ok(pulled)
            }
            Step::LoadAll => {
                let pulled = self.from(before, row)?;
                if let PullOutcome::Row = pulled {
                    self.load_all(row);
                }
                Ok(pulled)
            }
            Step::Apply { expression, place } => {
                let pulled = self.row_for(expression, before, row)?;
                if let PullOutcome::Row = pulled {
                    let value = expression.of(row, &self.names[names], self.context.index)?;
                    self.context.charge(expression.units + text_units(&value));
                    row.set(*place, value);
                }
                Ok(pulled)
            }
            Step::Filter(expression) => self.filter((names, expression), before, row),
            Step::Limit {
                skipped,
                left,
                counts,
            } => {
                if let Some(ending) = self.skip(skipped, before, row)? {
                    return Ok(ending);
                }
                if *left == 0 && *counts {
                    return self.drain(before, row);
                }
                if *left == 0 {
                    return Ok(PullOutcome::End);
                }
                let pulled = self.from(before, row)?;
                if let PullOutcome::Row = pulled {
                    *left -= 1;
                }
                Ok(pulled)
            }
            Step::Arrange(sorter) => self.sort((names, sorter), before, row),
            Step::Group(groups) => self.group((names, groups), before, row),
        }
    }

    /// The next row that passes FILTER. `names`: the place of the names of rows that come in.
    fn filter(
        &mut self,
        (names, expression): (usize, &mut BoundExpression),
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        loop {
            let pulled = self.row_for(expression, before, row)?;
            let PullOutcome::Row = pulled else {
                return Ok(pulled);
            };
            self.context.charge(expression.units);
            let value = expression.of(row, &self.names[names], self.context.index)?;
            if value.is_true() {
                return Ok(pulled);
            }
            *self.total -= u64::from(self.counts_filtered);
        }
    }

    /// Drops the rows before LIMIT's offset; `Some`: they have not all come.
    #[inline]
    fn skip(
        &mut self,
        skipped: &mut u64,
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<Option<PullOutcome>, SearchError> {
        while *skipped > 0 {
            let pulled = self.from(before, row)?;
            let PullOutcome::Row = pulled else {
                return Ok(Some(pulled));
            };
            *skipped -= 1;
        }
        Ok(None)
    }

    /// Pulls all rows, because they count, and gives none.
    fn drain(
        &mut self,
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        loop {
            let pulled = self.from(before, row)?;
            let PullOutcome::Row = pulled else {
                return Ok(pulled);
            };
        }
    }

    /// Sorts all rows, then gives the next of them.
    fn sort(
        &mut self,
        (names, sorter): (usize, &mut RowSorter),
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        let is_plain = before.is_empty() && self.context.hits.are_plain();
        if is_plain && !sorter.is_full() && self.is_plain() {
            let names = &self.names[names];
            for_each_block(self.context, self.total, |scored, index| {
                sorter.add_all(scored, row, names, index);
                Ok(())
            })?;
        }
        while !sorter.is_full() {
            match self.from(before, row)? {
                PullOutcome::Row => {
                    sorter.add(row, &self.names[names], self.context.index);
                }
                PullOutcome::Paused => return Ok(PullOutcome::Paused),
                PullOutcome::End => sorter.finish(),
            }
        }
        if !sorter.order(&mut self.context.budget) {
            return Ok(PullOutcome::Paused);
        }
        Ok(if !self.context.take_unit() {
            PullOutcome::Paused
        } else if sorter.next(row) {
            PullOutcome::Row
        } else {
            PullOutcome::End
        })
    }

    /// Groups all rows, then gives the next group.
    fn group(
        &mut self,
        (names, groups): (usize, &mut GroupTable),
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        self.group_blocks((names, &mut *groups), before, row)?;
        while !groups.is_ready() {
            if self.context.is_over {
                groups.drop_product();
            }
            let Context { index, budget, .. } = &mut *self.context;
            if !groups.take_product(&self.names[names], index, budget)? {
                return Ok(PullOutcome::Paused);
            }
            match self.from(before, row)? {
                PullOutcome::Row => {
                    groups.add(row, &self.names[names], self.context.index)?;
                }
                PullOutcome::Paused => return Ok(PullOutcome::Paused),
                PullOutcome::End => *self.total = groups.finish(),
            }
        }
        Ok(if self.context.take_unit() {
            next_of(groups.next(), row)
        } else {
            PullOutcome::Paused
        })
    }

    /// Groups documents by the block, if nothing but a load precedes GROUPBY.
    fn group_blocks(
        &mut self,
        (names, groups): (usize, &mut GroupTable),
        before: &[(usize, Step)],
        row: &mut Row,
    ) -> Result<(), SearchError> {
        let loads = match before {
            [] => Some(&[][..]),
            [(_, Step::Load(loads))] => Some(&loads[..]),
            _ => None,
        };
        if let Some(loads) = loads
            && !groups.is_ready()
            && self.is_plain()
        {
            let (names, loader) = (&self.names[names], self.context.loader);
            for_each_block(self.context, self.total, |scored, index| {
                if loads.is_empty() {
                    return groups.add_all(scored, row, names, index);
                }
                groups.add_loaded(scored, row, names, index, |row| {
                    loads
                        .iter()
                        .for_each(|load| load.run_over(row, index, loader));
                })
            })?;
        }
        Ok(())
    }

    /// A row for an expression. A row that comes when the budget is used up waits, so that each
    /// costly stage has a separate slice.
    fn row_for(
        &mut self,
        of: &mut BoundExpression,
        before: &mut [(usize, Step)],
        row: &mut Row,
    ) -> Result<PullOutcome, SearchError> {
        if !std::mem::take(&mut of.is_pending) {
            let pulled = self.from(before, row)?;
            let PullOutcome::Row = pulled else {
                return Ok(pulled);
            };
        }
        of.is_pending = self.context.budget == 0;
        Ok(if of.is_pending {
            PullOutcome::Paused
        } else {
            PullOutcome::Row
        })
    }

    /// Whether rows that come from the query have nothing but documents and scores.
    fn is_plain(&self) -> bool {
        self.source.is_plain() && self.tallies.is_empty()
    }

    fn hit(&mut self, row: &mut Row) -> PullOutcome {
        if self.context.budget == 0 {
            return PullOutcome::Paused;
        }
        self.context.budget -= 1;
        if let Some(shards) = &mut self.source.rows {
            let Some(next) = shards.rows.pop_front() else {
                return PullOutcome::End;
            };
            *self.total = shards.total.unwrap_or(*self.total + 1);
            *row = next;
            return PullOutcome::Row;
        }
        let Some(hit) = self.context.hits.next_hit() else {
            return if self.context.hits.are_over() {
                PullOutcome::End
            } else {
                PullOutcome::Paused
            };
        };
        *self.total += 1;
        row.document = Some(hit.document);
        row.score = hit.score;
        row.explanation = hit.explanation;
        row.terms = hit.terms;
        row.sort_key = None;
        row.is_gone = false;
        row.values.clear();
        row.others.clear();
        if let Some(place) = self.source.score {
            row.set(place, Value::Number(hit.score));
        }
        for (place, distance) in self.source.distances.iter().zip(&hit.distances) {
            if !distance.is_nan() {
                row.set(*place, Value::Number(*distance));
            }
        }
        PullOutcome::Row
    }

    fn load_all(&mut self, row: &mut Row) {
        let Context { index, loader, .. } = &*self.context;
        let key = row.document.and_then(|document| index.living_key(document));
        let Some(fields) = key.and_then(|key| loader.load_all(key)) else {
            row.is_gone = true;
            return;
        };
        self.context.charge(fields.len() as u64);
        for (name, value) in fields {
            self.context.charge(text_units(&value));
            self.names[0].put(row, &name, value, true);
        }
    }
}

/// Bytes of text that are read, copied or written for a unit of the budget, about.
const TEXT_OF_UNIT: usize = 4096;
/// The same of parts of lists.
const PARTS_OF_UNIT: usize = 8;

/// The work with the text of a value, of lists with their parts.
pub(super) fn text_units(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Number(_) => 0,
        Value::Text(text) => (text.len() / TEXT_OF_UNIT) as u64,
        Value::Several(of) => (of.text.len() / TEXT_OF_UNIT) as u64,
        Value::List(items) => (items.len() / PARTS_OF_UNIT) as u64,
        Value::Map(entries) => (entries.len() / PARTS_OF_UNIT) as u64,
    }
}

fn next_of(next: Option<Row>, row: &mut Row) -> PullOutcome {
    match next {
        Some(next) => {
            *row = next;
            PullOutcome::Row
        }
        None => PullOutcome::End,
    }
}

impl BoundExpression {
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
    of: &'r BoundExpression,
    row: &'r Row,
    names: &'r Names,
    index: &'r Index,
}

impl expression::Row for Properties<'_> {
    fn property(&self, at: usize, _: &[u8]) -> Option<Value> {
        let value = self.names.value(self.row, self.of.places[at], self.index)?;
        Some(value.to_value())
    }

    fn matched_terms(&self) -> &[Box<[u8]>] {
        &self.row.terms
    }
}
