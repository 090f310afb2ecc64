//! Commands that take long.
//!
//!     count      how many samples and series a command would touch, for budgets
//!     thread     ranges that a thread reads
//!
//! A command is counted before it runs; what it takes to run is known by the lengths of chunks.

pub(super) mod count;
pub(super) mod thread;
