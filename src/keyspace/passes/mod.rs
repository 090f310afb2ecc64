//! Work over all keys in steps: snapshots, freeing, defragmentation, data beside the current.

pub(super) mod aside;
pub(super) mod beside;
pub(super) mod defrag;
pub(super) mod lazyfree;
pub(super) mod snapshot;
