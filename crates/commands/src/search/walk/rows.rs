//! Rows that have come out of a walk's stages: written to the reply, or kept for another node.
//!
//! Texts in which words are marked and that are long wait for a worker ([`Task::step`] of the
//! walk), and the rows after them with them. So do rows of very many values, which the worker
//! writes.
//!
//! [`Task::step`]: russet_server::tasks::Task::step

use super::super::reply::reply_row_fields;
use super::Body;
use russet_base::threads::cancel;
use russet_resp::Reply;
use russet_search::index::Index;
use russet_search::pipeline::{OutputRow, Pipeline};
use russet_search::request::Format;
use std::collections::VecDeque;
use std::time::Instant;

/// The surroundings of a row as it is written.
#[derive(Clone, Copy)]
pub(crate) struct RowContext<'w> {
    pub(crate) pipeline: &'w Pipeline,
    pub(crate) index: &'w Index,
}

impl<'w> RowContext<'w> {
    pub(super) fn with(pipeline: &'w Pipeline, index: &'w Index) -> RowContext<'w> {
        RowContext { pipeline, index }
    }
}

/// Writes a row to the reply.
pub(crate) type Writer<'w> = &'w dyn Fn(&OutputRow, RowContext<'_>, &mut Reply);

/// See the module.
#[derive(Default)]
pub(super) struct Rows {
    /// Rows of an answer to another node.
    pub(super) kept: Vec<OutputRow>,
    /// Rows of a reply; `None`: they are kept.
    pub(super) body: Option<Body>,
    /// Rows that come next.
    waiting: VecDeque<OutputRow>,
    /// When the marking of texts ends.
    pub(super) until: Option<Instant>,
    /// How a worker writes values.
    pub(super) format: Format,
    pub(super) resp3: bool,
}

impl Rows {
    pub(super) fn of(format: Format) -> Rows {
        Rows {
            format,
            ..Rows::default()
        }
    }

    /// Rows that were written or kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.body.as_ref().map_or(0, Body::rows)
    }

    /// Whether a worker has to mark texts.
    pub(super) fn wait_for_worker(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes rows, and writes them. `false`: a worker has to mark the texts of some first, which
    /// `leaves` allows.
    pub(super) fn take(
        &mut self,
        rows: Vec<OutputRow>,
        of: RowContext<'_>,
        write: Writer<'_>,
        leaves: bool,
    ) -> bool {
        self.waiting.extend(rows);
        while let Some(mut row) = self.waiting.pop_front() {
            let is_huge = row.written.is_none() && self.body.is_some() && row.is_huge();
            if (row.is_unmarked || is_huge) && leaves {
                self.waiting.push_front(row);
                return false;
            }
            of.pipeline.mark_row(&mut row, &|| self.is_over());
            match &mut self.body {
                Some(body) => body.add(|reply| write(&row, of, reply)),
                None => self.kept.push(row),
            }
        }
        true
    }

    /// Marks the texts of the rows that wait, as far as there is time.
    pub(super) fn mark(&mut self, pipeline: &Pipeline) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for row in &mut waiting {
            pipeline.mark_row(row, &|| self.is_over());
            if self.body.is_some() && row.is_huge() {
                self.write_fields(row, pipeline);
            }
        }
        self.waiting = waiting;
    }

    /// Writes the fields of a row, and lets them go.
    fn write_fields(&self, row: &mut OutputRow, pipeline: &Pipeline) {
        let mut reply = Reply::new();
        reply.set_resp3(self.resp3);
        reply.copy_pieces();
        let name = |place| pipeline.name(place);
        reply_row_fields((&row.fields, None), name, self.format, &mut reply);
        row.written = Some(reply.take_text().into());
        row.fields = Vec::new();
    }

    fn is_over(&self) -> bool {
        cancel::is_cancelled() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
