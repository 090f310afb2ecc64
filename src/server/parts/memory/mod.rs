//! Limits of memory, and the ways to stay below them.
//!
//! [`memory_limit`]: the effective `maxmemory`. [`eviction`]: the policy, and the time that an
//! eviction may take. [`client_memory`]: the limit of all clients' buffers, which do not count
//! towards `maxmemory`. [`spare_buffers`]: reply buffers kept for reuse, returned before a key is
//! evicted. [`defrag`]: when memory is defragmented, and its share of the time.
//!
//! Which keys are evicted: `keyspace`. What does not count: `server::observe::not_counted`.

pub mod client_memory;
pub mod defrag;
pub mod eviction;
pub mod memory_limit;
pub mod spare_buffers;

use client_memory::ClientMemory;
use defrag::Defrag;
use memory_limit::MemoryLimit;
use spare_buffers::SpareBuffers;

/// Limits of memory, and how it is kept dense.
#[derive(Default)]
pub struct Memory {
    pub limit: MemoryLimit,
    /// `maxmemory-clients`.
    pub(in crate::server) clients: ClientMemory,
    pub(in crate::server) spare: SpareBuffers,
    pub defrag: Defrag,
}
