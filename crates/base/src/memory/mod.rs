//! The allocator, its figures, and modules that keep, move or give back blocks.
//!
//!     figures   `alloc`, `ledger` (`used_memory`), `cgroup` and `pressure` (the machine's)
//!     blocks    `large` (arguments read in place), `pin` (kept while they are sent), `append`
//!     values    `content` (a key's value in a block of its own)
//!     fill      `slabs` (how full they are), `mover` (better places), `huge_pages`
//!
//! The allocator is jemalloc (`eights`), or the system's with the feature `system-allocator`, which
//! sanitizers need. `keyspace` decides when to evict, `server` when to defragment.

pub mod alloc;
pub mod append;
pub mod cgroup;
pub mod content;
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
pub(crate) mod slabs;
