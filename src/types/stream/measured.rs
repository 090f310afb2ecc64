//! How many bytes a stream takes.

use super::{Body, Stream};
use crate::base::alloc::good_size;
use crate::types::Measured;

impl Measured for Stream {
    /// Some of the first nodes stand for all but the last, which is not full.
    fn memory_bytes(&self, samples: usize) -> usize {
        let body = &*self.0;
        let nodes = &body.nodes;
        let (mut bytes, mut seen) = (0, 0);
        for (_, node) in nodes.iter().take(samples) {
            bytes += good_size(node.as_bytes().len());
            seen += 1;
        }
        if seen < nodes.len()
            && let Some(last) = nodes.last()
        {
            let others = nodes.len() - 1;
            bytes = (bytes as u128 * others as u128 / seen.max(1) as u128) as usize;
            bytes += good_size(nodes.value(last).as_bytes().len());
        }
        let groups = body.groups.as_ref().map_or(0, |groups| {
            let each = |(name, group): (&[u8], &super::Group)| name.len() + group.memory_bytes();
            groups.iter().map(each).sum()
        });
        good_size(size_of::<Body>()) + nodes.memory_bytes() + bytes + groups
    }
}
