//! The effective `maxmemory`: the configured value, or the memory of the machine or the container
//! less the reserve for everything that is not data.
//!
//! Eviction compares used memory. Resident memory is larger, by what the allocator holds: cron
//! warns when it exceeds the limit by more than `maxmemory-resident-warning` percent.

use crate::base::cgroup::Owner;

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryLimit {
    /// Bytes; 0: no limit.
    pub bytes: u64,
    /// Bytes that wait for the disk (the log's buffer, a snapshot's): eviction would not free
    /// them, so they do not count towards the limit (INFO `mem_not_counted_for_evict`).
    pub not_counted: usize,
    /// With `auto`: the memory that there is, and whose it is.
    pub found: Option<(u64, Owner)>,
    /// Resident memory exceeds the limit by too much.
    pub resident_exceeded: bool,
    pub(in crate::server) looked_ms: u64,
}
