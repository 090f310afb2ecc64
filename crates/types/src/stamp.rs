//! Stamps: whether a value has changed since its last reader.
//!
//! A value gets a number when a reader asks for its stamp, and loses the number when it is borrowed
//! to be changed, so a change costs a store. No number is given twice: a value that has taken the
//! place of another has another stamp.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last number that was given.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The stamp of a value. A copy has none yet.
#[derive(Debug, Default)]
pub(crate) struct Stamp(AtomicU64);

impl Stamp {
    /// The number since the last change.
    pub fn number(&self) -> u64 {
        let given = self.0.load(Ordering::Relaxed);
        if given > 0 {
            return given;
        }
        let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.store(new, Ordering::Relaxed);
        new
    }

    /// The value changes.
    #[inline]
    pub fn lose(&mut self) {
        *self.0.get_mut() = 0;
    }
}
