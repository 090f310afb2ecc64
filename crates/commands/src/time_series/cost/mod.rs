//! Commands that take long.
//!
//!     count      how many samples and series a command would touch, for budgets
//!     thread     ranges that a thread reads
//!
//! The server counts a command before it runs, and knows the work by the lengths of chunks.

pub(super) mod count;
pub(super) mod thread;
