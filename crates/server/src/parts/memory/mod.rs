//! Limits of memory, and the ways to stay below them.
//!
//! [`memory_limit`]: the effective `maxmemory`. [`eviction`]: the policy, and the time that an
//! eviction may take. [`client_memory`]: the limit of all clients' buffers, which do not count
//! towards `maxmemory`. [`spare_buffers`]: reply buffers kept for reuse, returned before a key is
//! evicted. [`packing`]: when cold strings are packed. [`defrag`]: when memory is defragmented, and
//! its share of the time.
//!
//! Which keys are evicted: `keyspace`. What does not count: `server::observe::not_counted`.

pub mod client_memory;
pub mod defrag;
pub mod eviction;
pub mod memory_limit;
pub mod packing;
pub mod spare_buffers;

use crate::clients::table::Clients;
use crate::parts::replication::Replication;
use client_memory::ClientMemory;
use defrag::Defrag;
use memory_limit::MemoryLimit;
use packing::ColdPacking;
use russet_config::Config;
use spare_buffers::SpareBuffers;

/// Limits of memory, and how it is kept dense.
#[derive(Default)]
pub struct Memory {
    pub limit: MemoryLimit,
    /// `maxmemory-clients`.
    pub clients: ClientMemory,
    pub(crate) spare: SpareBuffers,
    pub defrag: Defrag,
    pub packing: ColdPacking,
}

impl Memory {
    /// The used bytes above which the server evicts keys. A replica evicts no keys by itself,
    /// unless `replica-ignore-maxmemory` is off.
    pub(crate) fn eviction_bound(&self, replication: &Replication, config: &Config) -> usize {
        if replication.is_replica() && config.replica_ignore_maxmemory {
            usize::MAX
        } else {
            self.limit.eviction_bound()
        }
    }

    /// `maxmemory` or the clients' limit may have changed.
    pub(crate) fn set_client_memory_limit(&mut self, config: &Config, sessions: &mut Clients) {
        let Memory { limit, clients, .. } = self;
        clients.set_limit(config, limit, sessions);
    }

    /// Bytes that all clients may hold; 0: there is no limit.
    pub fn client_memory_limit(&self) -> usize {
        self.clients.limit().0
    }
}
