//! The loop of a slice: it takes rows from the stages, until there are enough, or the slice or the
//! query's time is over.

use super::super::row::refusal;
use super::loading::Reader;
use super::rows::{RowContext, Rows, Writer};
use russet_base::clock::Cycles;
use russet_command::CommandError;
use russet_search::error::OVER_LIMIT;
use russet_search::index::Index;
use russet_search::pipeline::{Batch, BatchEnd, Context, Hits, Pipeline};
use russet_server::Slice;
use russet_types::vector_set::Progress;
use std::time::{Duration, Instant};

/// Documents between two looks at the clock.
pub(crate) const BUDGET: u64 = 256;

/// The time of a slice, and of the query.
pub(super) struct SliceClock {
    pub(super) cycles: Cycles,
    pub(super) slice: Slice,
    /// Monotonic milliseconds at the begin of the turn.
    pub(super) now_ms: u64,
    /// When the query's time is up.
    pub(super) until_ms: Option<u64>,
    pub(super) may_leave_loop: bool,
}

impl SliceClock {
    /// Whether the query's time is up.
    pub(super) fn is_late(&self) -> bool {
        let passed_us = || self.cycles.micros(self.slice.passed());
        let is_past = |until_ms| self.now_ms + passed_us() / 1000 >= until_ms;
        self.until_ms.is_some_and(is_past)
    }
}

/// The parts of a walk that take rows in, apart from those that documents come from.
pub(super) struct RowPull<'p> {
    pub(super) pipeline: &'p mut Pipeline,
    pub(super) rows: &'p mut Rows,
    pub(super) failure: &'p mut Option<String>,
    pub(super) is_done: &'p mut bool,
    pub(super) is_over: bool,
    pub(super) is_hybrid: bool,
    pub(super) clock: &'p SliceClock,
    pub(super) write: Writer<'p>,
}

impl RowPull<'_> {
    /// Pulls rows until there are `most`, or all, or the slice is over.
    pub(super) fn run(
        &mut self,
        most: usize,
        hits: &mut dyn Hits,
        (index, reader): (&Index, &Reader<'_>),
    ) -> Result<Progress, CommandError> {
        // Cursors of many terms take a while to make, and this time must not fill most of a slice.
        let slice = &self.clock.slice;
        let (made, mut end) = (slice.passed(), None);
        let until_ms = self.clock.until_ms;
        let left_ms = until_ms.map(|ms| ms.saturating_sub(self.clock.now_ms));
        self.rows.until = left_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        // Rows that a worker has marked, or could not.
        let of = RowContext::with(self.pipeline, index);
        self.rows.take(Vec::new(), of, self.write, false);
        loop {
            let mut context = Context {
                hits: &mut *hits,
                index,
                loader: reader,
                budget: BUDGET,
                is_over: self.is_over,
            };
            let batch = self.next_batch(most, &mut context)?;
            let of = RowContext::with(self.pipeline, index);
            let may_leave_loop = self.clock.may_leave_loop;
            let needs_worker = !self.rows.take(batch.rows, of, self.write, may_leave_loop);
            if let Some(error) = batch.failure {
                *self.failure = Some(String::from_utf8_lossy(&error.text).into_owned());
            }
            match batch.ending {
                BatchEnd::Full | BatchEnd::Done | BatchEnd::Paused if needs_worker => {
                    *self.is_done = batch.ending == BatchEnd::Done;
                    return Ok(Progress::More);
                }
                BatchEnd::Full => return Ok(Progress::Done),
                BatchEnd::Done => {
                    *self.is_done = true;
                    return Ok(Progress::Done);
                }
                BatchEnd::Paused => {
                    let passed = slice.passed();
                    let more = (passed - made).min(2 * slice.ticks());
                    let end = *end.get_or_insert(slice.ticks().max(passed + more));
                    if passed >= end || self.clock.is_late() {
                        return Ok(Progress::More);
                    }
                }
            }
        }
    }

    /// The next rows; an error after rows ends the reply, which has begun, as it were. FT.HYBRID
    /// warns of too many groups.
    #[inline]
    fn next_batch(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Result<Batch, CommandError> {
        let taken = self.rows.len();
        match self.pipeline.next_rows(most - taken, context) {
            Err(error) if taken > 0 || self.is_hybrid && error.code == OVER_LIMIT => Ok(Batch {
                rows: Vec::new(),
                ending: BatchEnd::Done,
                failure: Some(error),
            }),
            batch => batch.map_err(|error| refusal(&error)),
        }
    }
}
