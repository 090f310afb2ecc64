//! The bounds of paths: of their texts, and of the work of evaluations.
//!
//! One [`Budget`] is for a single command, whatever number of paths, keys and results it has. A
//! visit is a value that a step looks at, some nanoseconds. All other work is counted in visits:
//! bytes that are read or printed, members that a look-up passes, operands, patterns, results.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::EvalError;
use russet_base::threads::cancel;

/// Bytes that the text of a path may have.
pub const TEXT_BYTES_MAX: usize = 1 << 16;
/// Levels of filters, parentheses, literals and calls within each other.
pub const DEPTH_MAX: usize = 48;
/// Steps that may lead to several values, in the path and its filters.
pub const STEPS_MAX: usize = 256;

/// Visits of a command that is not to hold others: a millisecond or a few.
const BRIEF: u64 = 1 << 16;
/// Visits of a command that delays no other client, and for each byte of the documents that it
/// reads, so that each path that is linear in the document ends.
const LONG: u64 = 1 << 23;
const FOR_A_BYTE: u64 = 32;
/// Bytes of results, and for each byte of the documents.
const TEXT: u64 = 16 << 20;
const TEXT_FOR_A_BYTE: u64 = 16;
/// The share of all visits that may be values kept at once, and the bytes of such a value.
const KEPT_SHARE: u64 = 16;
const VALUE_BYTES: usize = 32;
/// The cost of a result that is kept or replied, beside its bytes.
pub(super) const RESULT_VISITS: u64 = 16;
/// Bytes that are read or printed in the time of a visit.
const BYTES_FOR_A_VISIT: usize = 64;
/// Members that a look-up passes in the time of a visit, and at most: chunks have an index.
const PASSED_FOR_A_VISIT: usize = 16;
const PASSED_MAX: usize = 1 << 10;
/// Visits between two checks whether a client still waits for the work.
const UNWATCHED: u32 = 12;

/// Visits that a command may yet make.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    all: u64,
    /// Bytes of results that may yet be made.
    text_left: Cell<u64>,
    /// Values that are kept for an expression.
    kept: Cell<u64>,
    is_spent: Cell<bool>,
    is_dropped: Option<Arc<AtomicBool>>,
}

impl Budget {
    /// A budget of `visits`, and of any number of bytes.
    pub fn new(visits: u64) -> Self {
        Budget {
            left: Cell::new(visits),
            all: visits,
            text_left: Cell::new(u64::MAX),
            kept: Cell::new(0),
            is_spent: Cell::new(false),
            is_dropped: None,
        }
    }

    /// For work that others wait for: 65,536 visits.
    pub fn brief() -> Self {
        Budget::new(BRIEF)
    }

    /// For work that others wait for because it can be done nowhere else, on documents of so many
    /// bytes: 65,536 visits and 32 for each byte.
    pub fn linear(bytes: usize) -> Self {
        Budget::of(BRIEF, bytes)
    }

    /// For work on a thread, on documents of so many bytes: 2^23 visits and 32 for each byte.
    pub fn long(bytes: usize) -> Self {
        Budget::of(LONG, bytes)
    }

    /// Results have 16 MiB at most, and 16 bytes for each byte.
    fn of(visits: u64, bytes: usize) -> Self {
        let bytes = bytes as u64;
        Budget {
            text_left: Cell::new(TEXT.saturating_add(TEXT_FOR_A_BYTE.saturating_mul(bytes))),
            ..Budget::new(visits.saturating_add(FOR_A_BYTE.saturating_mul(bytes)))
        }
    }

    /// For commands that another server, or this server before, has carried out.
    pub fn unlimited() -> Self {
        Budget::new(u64::MAX)
    }

    /// The same budget, which is also spent when the flag is set, if a flag is given.
    pub fn dropped_by(mut self, flag: Option<Arc<AtomicBool>>) -> Self {
        self.is_dropped = flag;
        self
    }

    /// Whether a step needed more than the budget had.
    pub fn is_spent(&self) -> bool {
        self.is_spent.get()
    }

    /// Visits of a budget from which nothing is spent.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    /// Pays for visits.
    #[inline]
    pub fn spend(&self, visits: u64) -> Result<(), EvalError> {
        let before = self.left.get();
        let Some(left) = before.checked_sub(visits) else {
            return self.end();
        };
        self.left.set(left);
        if (before ^ left) >> UNWATCHED != 0 {
            return self.look_up();
        }
        Ok(())
    }

    /// Pays for bytes that are read or printed, which are cheaper than visits.
    pub fn spend_bytes(&self, bytes: usize) -> Result<(), EvalError> {
        self.spend((bytes / BYTES_FOR_A_VISIT) as u64)
    }

    /// Pays for a result of so many bytes.
    pub fn spend_result(&self, bytes: usize) -> Result<(), EvalError> {
        let Some(left) = self.text_left.get().checked_sub(bytes as u64) else {
            return self.end();
        };
        self.text_left.set(left);
        if cancel::is_cancelled() {
            return self.end();
        }
        self.spend(RESULT_VISITS + (bytes / BYTES_FOR_A_VISIT) as u64)
    }

    /// Chunks of a document that may yet be read.
    pub fn chunks_left(&self) -> usize {
        const CHUNK_VISITS: u64 = 128;
        usize::try_from(self.left.get() / CHUNK_VISITS).unwrap_or(usize::MAX)
    }

    /// Bytes that results may yet have.
    pub fn text_left(&self) -> usize {
        usize::try_from(self.text_left.get()).unwrap_or(usize::MAX)
    }

    /// Pays for values that are kept while an expression is evaluated: there may be a sixteenth of
    /// the visits at once.
    pub(super) fn keep(&self, values: usize) -> Result<(), EvalError> {
        self.spend(values as u64)?;
        let kept = self.kept.get().saturating_add(values as u64);
        self.kept.set(kept);
        if kept > self.all / KEPT_SHARE {
            return self.end();
        }
        Ok(())
    }

    /// As [`Budget::keep`], for a copy of so many bytes.
    pub(super) fn keep_copy(&self, bytes: usize) -> Result<(), EvalError> {
        self.keep(bytes / VALUE_BYTES)
    }

    /// Evaluates an expression, and keeps only the outcome.
    pub(super) fn keep_none<T>(&self, evaluate: impl FnOnce() -> T) -> T {
        let kept = self.kept.get();
        let outcome = evaluate();
        self.kept.set(kept);
        outcome
    }

    /// Pays for a look-up among so many children.
    #[inline]
    pub(super) fn spend_look_up(&self, children: usize) -> Result<(), EvalError> {
        self.spend(1 + (children.min(PASSED_MAX) / PASSED_FOR_A_VISIT) as u64)
    }

    /// Visits that were made.
    #[cfg(test)]
    pub(super) fn spent(&self) -> u64 {
        self.all - self.left.get()
    }

    /// Marks the budget as exceeded. Nothing is left.
    #[cold]
    pub(super) fn end(&self) -> Result<(), EvalError> {
        self.is_spent.set(true);
        self.left.set(0);
        Err(EvalError::TooMuchWork)
    }

    #[cold]
    fn look_up(&self) -> Result<(), EvalError> {
        let flag = self.is_dropped.as_ref();
        if flag.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return self.end();
        }
        Ok(())
    }
}
