//! The number of processors, which bounds the number of threads.

use std::sync::OnceLock;
use std::thread::available_parallelism;

/// Processors of this process at its start: each look reads files of its control group.
pub(crate) fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| available_parallelism().map_or(1, usize::from))
}
