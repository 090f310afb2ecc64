//! The allocator, its figures, and the blocks that it is asked to keep, move or give back.

pub mod alloc;
pub mod cgroup;
// Sanitizers see only the system allocator's blocks, none of jemalloc's.
#[cfg(not(feature = "system-allocator"))]
pub(super) mod eights;
#[cfg(not(feature = "system-allocator"))]
pub mod huge_pages;
pub mod large;
pub mod ledger;
pub mod mover;
pub mod pin;
pub mod pressure;
pub mod slabs;
