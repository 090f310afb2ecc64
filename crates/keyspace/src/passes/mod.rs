//! Work over all keys, in slices.
//!
//!     snapshot   all databases as they were at one moment, without a fork (`pass`, `mark`)
//!     beside     a keyspace that is loaded beside the current, and replaces it
//!     aside      flushed databases that can be brought back (`set_aside`)
//!     lazyfree   freeing large values and whole databases
//!     defrag     moving blocks to give pages back
//!     cold       the walk that finds and packs what is cold
//!     pack       values become compressed frames, and text again
//!     estimate   what packing would save, from a sample
//!
//! Slices run between commands, so any key may change between two slices: each module's invariants
//! cover that. A removed value that a running snapshot has yet to save belongs to the snapshot.
//! When a pass begins, and how long a slice is: `server`.

pub(super) mod aside;
pub(super) mod beside;
pub(super) mod cold;
pub(super) mod defrag;
pub(super) mod estimate;
pub(super) mod lazyfree;
pub(super) mod mark;
pub(super) mod pack;
pub(super) mod pass;
pub(super) mod set_aside;
pub(super) mod snapshot;
