//! The bounds of paths: of their texts, and of the work of one evaluation.

use std::cell::Cell;

use super::error::EvalError;

/// Bytes that the text of a path may have.
pub const TEXT_BYTES_MAX: usize = 1 << 16;
/// Levels of filters, parentheses, literals and calls within each other.
pub const DEPTH_MAX: usize = 48;
/// Steps that may lead to several values, in the path and its filters.
pub const STEPS_MAX: usize = 256;
/// Values that one evaluation may visit: a second of work, and more than a document has. Tests
/// reach it sooner.
pub const VISITS_MAX: u64 = if cfg!(test) { 1 << 21 } else { 1 << 27 };

/// Values that one evaluation may yet visit.
pub(super) struct Budget {
    left: Cell<u64>,
}

impl Budget {
    pub(super) fn new(visits: u64) -> Self {
        Budget {
            left: Cell::new(visits),
        }
    }

    /// Pays for bytes that are read, which are cheaper than visits.
    pub(super) fn spend_bytes(&self, bytes: usize) -> Result<(), EvalError> {
        const BYTES_FOR_A_VISIT: usize = 64;
        self.spend((bytes / BYTES_FOR_A_VISIT) as u64)
    }

    pub(super) fn spend(&self, visits: u64) -> Result<(), EvalError> {
        let left = self
            .left
            .get()
            .checked_sub(visits)
            .ok_or(EvalError::TooMuchWork)?;
        self.left.set(left);
        Ok(())
    }
}
