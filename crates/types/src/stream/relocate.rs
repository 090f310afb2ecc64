//! Moving a stream's blocks: first the nodes' blocks, then the groups', then the producers'.
//!
//!     position   0 | chunk of nodes 63        1 | group 15 | part of the group 24 | chunk 24
//!                0 | 1 | producer 62

use super::super::Relocate;
use super::Stream;
use russet_base::memory::mover::Mover;

const IN_GROUPS: u64 = 1 << 63;
const IN_PRODUCERS: u64 = 1 << 62;
const PART_BITS: u32 = 24;
const PART_MASK: u64 = (1 << PART_BITS) - 1;
const GROUPS_MAX: usize = 1 << 15;

/// About the number of keys in a chunk: this many nodes are offered with each.
const CHUNK_KEYS: usize = 128;

fn groups_place((group, part, chunk): (usize, usize, usize)) -> Option<u64> {
    let most = PART_MASK as usize;
    let fits = group < GROUPS_MAX && part <= most && chunk <= most;
    fits.then_some(
        IN_GROUPS | (group as u64) << (2 * PART_BITS) | (part as u64) << PART_BITS | chunk as u64,
    )
}

impl Relocate for Stream {
    fn relocate(&mut self, mover: &mut Mover, at: u64, n: usize) -> Option<u64> {
        if at == 0 {
            mover.boxed(&mut self.0);
        }
        let body = &mut *self.0;
        if at & IN_GROUPS == 0 && at & IN_PRODUCERS != 0 {
            let from = (at & !IN_PRODUCERS) as usize;
            let next = body.idempotence.relocate(mover, from, n);
            return next.map(|next| IN_PRODUCERS | next as u64);
        }
        let after_groups = (body.idempotence.pids() > 0).then_some(IN_PRODUCERS);
        if at & IN_GROUPS == 0 {
            let from = at as usize;
            let chunks = body.nodes.chunks();
            let end = from.saturating_add((n / CHUNK_KEYS).max(1)).min(chunks);
            for number in from..end {
                let each = |node: &mut super::StreamNode, mover: &mut Mover| node.relocate(mover);
                body.nodes.relocate_chunk(number, mover, each);
            }
            if end < chunks {
                return Some(end as u64);
            }
            return match &mut body.groups {
                Some(groups) => {
                    mover.boxed(groups);
                    (!groups.is_empty()).then_some(IN_GROUPS).or(after_groups)
                }
                None => after_groups,
            };
        }
        let at = at & !IN_GROUPS;
        let group = (at >> (2 * PART_BITS)) as usize;
        let part = (at >> PART_BITS & PART_MASK) as usize;
        let chunk = (at & PART_MASK) as usize;
        let groups = body.groups.as_mut()?;
        let next = groups.relocate(mover, (group, part, chunk), n / 16);
        next.and_then(groups_place).or(after_groups)
    }
}
