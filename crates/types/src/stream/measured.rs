//! Memory of a stream.

use super::{Body, Groups, Stream};
use crate::MemoryUsage;
use russet_base::memory::alloc::boxed_bytes;

impl MemoryUsage for Stream {
    /// O(groups).
    fn memory_bytes(&self) -> usize {
        let body = &*self.0;
        let groups = body.groups.as_deref();
        let groups = groups.map_or(0, |its| boxed_bytes::<Groups>() + its.memory_bytes());
        let lines = body.idempotence.memory_bytes();
        boxed_bytes::<Body>() + body.nodes.memory_bytes() + groups + lines
    }
}
