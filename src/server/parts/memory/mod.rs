//! What memory the server uses, and what it gives up at a limit.

pub mod client_memory;
pub mod defrag;
pub mod eviction;
pub mod memory_limit;
pub mod spare_buffers;
