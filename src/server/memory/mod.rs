//! Upkeep: memory limits and eviction, clients over their limits, defragmentation, TLS materials.

pub mod client_eviction;
pub mod defrag;
pub mod limits;
pub mod memory_limit;
pub mod tls;
