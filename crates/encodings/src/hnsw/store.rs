//! Where nodes lie: slabs of fixed records, in chunks of a few dozen kilobytes.
//!
//!     node i:   head     uid, payload, norm, generation, level, tower
//!               record   vector | Q8: range | padding to 4 bytes
//!               links    2M node ids, unused ones NONE              (level 0)
//!     tower:    levels 1..=level of one node, each: M node ids, unused ones NONE
//!
//! A head, a record and a block of links are found by the node's number alone; only the nodes of a
//! level above 0 have a tower. A block of links has no count: with the usual M a block is two whole
//! cache lines (a power of two, which allocators like too). The last word of a block of more than
//! [`COUNTED`] has its count, with [`COUNT`], unless it is empty or full. A block that starts with
//! [`WIDE`] and a number represents the list of that number in `wide`; only files with more than 2M
//! or M links make such blocks.
//!
//! Growth adds chunks and copies nothing but the last, while it is not yet a whole chunk. Numbers
//! of removed nodes are used again, the last freed first. If less than half of the numbers are in
//! use, the nodes with the highest numbers are moved to free numbers, and the last chunks freed;
//! towers stay where they are.

use super::parameters::{LEVEL_MAX, Parameters};
use super::query::{StoredVector, fill_record};
use crate::prefetch::prefetch;
use russet_base::memory::mover::Mover;

/// Bytes of records in a chunk: more nodes than this are not put into a chunk.
const CHUNK_BYTES: usize = 64 << 10;
/// Nodes in a chunk, at most: 2 to the power of this.
const CHUNK_SHIFT_MAX: u32 = 8;
/// Words of towers in a chunk: some hundred levels of the usual M.
const TOWER_CHUNK_WORDS: usize = 8 << 10;
/// Set in a block's first word, unless that is [`NONE`]: the rest is the number of a wide list.
const WIDE: u32 = 1 << 31;
/// The level of a number that no node has.
const FREE: u8 = u8::MAX;
/// No node, no tower, end of a list.
pub(super) const NONE: u32 = u32::MAX;
/// The most nodes: a search packs a node's number with a flag into 32 bits.
pub(super) const NODES_MAX: usize = (1 << 31) - 1;

#[derive(Clone, Debug)]
struct NodeHead {
    uid: u64,
    /// The owner's word.
    payload: u64,
    l2: f32,
    generation: u32,
    /// Where the node's tower starts, in words over all chunks. [`NONE`] at level 0.
    tower: u32,
    level: u8,
}

/// A list of links longer than its block.
#[derive(Clone, Debug, Default)]
struct LongLinks {
    links: Vec<u32>,
    max: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    parameters: Parameters,
    record_bytes: usize,
    shift: u32,
    /// Numbers given out, free ones among them.
    slots: u32,
    /// Every free number, and some that are no longer: in use again, or not below `slots`.
    free: Vec<u32>,
    live: u32,
    heads: Vec<Vec<NodeHead>>,
    records: Vec<Vec<u8>>,
    links: Vec<Vec<u32>>,
    live_in_chunk: Vec<u32>,
    towers: Towers,
    wide: Vec<LongLinks>,
    wide_free: Vec<u32>,
}

impl Store {
    pub(super) fn new(parameters: Parameters) -> Store {
        let record_bytes = parameters.record_bytes();
        let node_bytes = record_bytes.max(parameters.links_max(0) * 4);
        let shift = (CHUNK_BYTES / node_bytes)
            .max(1)
            .ilog2()
            .min(CHUNK_SHIFT_MAX);
        Store {
            parameters,
            record_bytes,
            shift,
            slots: 0,
            free: Vec::new(),
            live: 0,
            heads: Vec::new(),
            records: Vec::new(),
            links: Vec::new(),
            live_in_chunk: Vec::new(),
            towers: Towers::new(parameters.links_max(1)),
            wide: Vec::new(),
            wide_free: Vec::new(),
        }
    }

    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the number of nodes.
    pub(super) fn len(&self) -> usize {
        self.live as usize
    }

    /// Returns the number after the greatest number that a node has had.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    #[inline]
    fn place(&self, id: u32) -> (usize, usize) {
        let within = (1_u32 << self.shift) - 1;
        ((id >> self.shift) as usize, (id & within) as usize)
    }

    #[inline]
    fn head(&self, id: u32) -> &NodeHead {
        let (chunk, at) = self.place(id);
        &self.heads[chunk][at]
    }

    #[inline]
    fn head_mut(&mut self, id: u32) -> &mut NodeHead {
        let (chunk, at) = self.place(id);
        &mut self.heads[chunk][at]
    }

    /// Returns whether `id` is the number of a node.
    #[inline]
    pub(super) fn is_live(&self, id: u32) -> bool {
        id < self.slots && self.head(id).level != FREE
    }

    #[inline]
    pub(super) fn level(&self, id: u32) -> usize {
        usize::from(self.head(id).level)
    }

    #[inline]
    pub(super) fn generation(&self, id: u32) -> u32 {
        self.head(id).generation
    }

    #[inline]
    pub(super) fn payload(&self, id: u32) -> u64 {
        self.head(id).payload
    }

    pub(super) fn set_payload(&mut self, id: u32, payload: u64) {
        self.head_mut(id).payload = payload;
    }

    pub(super) fn uid(&self, id: u32) -> u64 {
        self.head(id).uid
    }

    pub(super) fn stored(&self, id: u32) -> StoredVector<'_> {
        StoredVector::new(&self.parameters, self.record(id), self.head(id).l2)
    }

    /// Returns the vector of a node, with its range.
    #[inline]
    pub(super) fn record(&self, id: u32) -> &[u8] {
        let (chunk, at) = self.place(id);
        let start = at * self.record_bytes;
        &self.records[chunk][start..start + self.record_bytes]
    }

    /// Returns the links of a node at a level that it reaches.
    #[inline]
    pub(super) fn links(&self, id: u32, level: usize) -> &[u32] {
        let block = self.block(id, level);
        match wide_list(block) {
            Some(list) => &self.wide[list].links,
            None => &block[..used(block)],
        }
    }

    /// Returns how many links a node may have at a level.
    pub(super) fn links_max(&self, id: u32, level: usize) -> usize {
        match wide_list(self.block(id, level)) {
            Some(list) => self.wide[list].max as usize,
            None => self.parameters.links_max(level),
        }
    }

    #[inline]
    fn block(&self, id: u32, level: usize) -> &[u32] {
        if level == 0 {
            let words = self.parameters.links_max(0);
            let (chunk, at) = self.place(id);
            return &self.links[chunk][at * words..(at + 1) * words];
        }
        debug_assert!(level <= self.level(id));
        self.towers.block(self.head(id).tower, level)
    }

    /// Prefetches the links of a node, which will be walked soon.
    #[inline]
    pub(super) fn prefetch_links(&self, id: u32, level: usize) {
        if level == 0 {
            let block = self.block(id, 0);
            prefetch(block.as_ptr().addr());
            prefetch(block.as_ptr().addr() + 64);
        }
    }

    fn block_mut(&mut self, id: u32, level: usize) -> &mut [u32] {
        if level == 0 {
            let words = self.parameters.links_max(0);
            let (chunk, at) = self.place(id);
            return &mut self.links[chunk][at * words..(at + 1) * words];
        }
        debug_assert!(level <= self.level(id));
        let tower = self.head(id).tower;
        self.towers.block_mut(tower, level)
    }

    /// Adds a link to a list that has room.
    pub(super) fn push_link(&mut self, id: u32, level: usize, link: u32) {
        let block = self.block_mut(id, level);
        if let Some(list) = wide_list(block) {
            let list = &mut self.wide[list];
            assert!(list.links.len() < list.max as usize);
            list.links.push(link);
        } else {
            let count = used(block);
            block[count] = link;
            set_used(block, count + 1);
        }
    }

    /// Takes a link out of a list, and returns whether it was there. The order is kept.
    pub(super) fn take_link(&mut self, id: u32, level: usize, link: u32) -> bool {
        let Some(at) = self
            .links(id, level)
            .iter()
            .position(|&other| other == link)
        else {
            return false;
        };
        let block = self.block_mut(id, level);
        if let Some(list) = wide_list(block) {
            self.wide[list].links.remove(at);
        } else {
            let count = used(block);
            block.copy_within(at + 1..count, at);
            block[count - 1] = NONE;
            set_used(block, count - 1);
        }
        true
    }

    /// Sets all links of a node at a level, of which it may then have `max`.
    ///
    /// Used by a load, and by the removal of all: more than a block holds go to a wide list.
    pub(super) fn set_links(&mut self, id: u32, level: usize, links: &[u32], max: usize) {
        let limit = self.parameters.links_max(level);
        if let Some(list) = wide_list(self.block(id, level)) {
            self.wide[list] = LongLinks::default();
            self.wide_free.push(list as u32);
        }
        if links.len() <= limit {
            let block = self.block_mut(id, level);
            block[..links.len()].copy_from_slice(links);
            block[links.len()..].fill(NONE);
            set_used(block, links.len());
            return;
        }
        let list = LongLinks {
            links: links.to_vec(),
            max: links.len().max(max) as u32,
        };
        let at = self.wide_free.pop().unwrap_or_else(|| {
            self.wide.push(LongLinks::default());
            self.wide.len() as u32 - 1
        });
        self.wide[at as usize] = list;
        self.block_mut(id, level)[0] = WIDE | at;
    }

    /// Changes each link of a node at a level.
    pub(super) fn map_links<E>(
        &mut self,
        id: u32,
        level: usize,
        mut change: impl FnMut(u32) -> Result<u32, E>,
    ) -> Result<(), E> {
        let block = self.block_mut(id, level);
        let links = match wide_list(block) {
            Some(list) => &mut self.wide[list].links[..],
            None => {
                let count = used(block);
                &mut block[..count]
            }
        };
        for link in links {
            *link = change(*link)?;
        }
        Ok(())
    }

    /// Makes a node without links, and returns its number.
    pub(super) fn add(&mut self, node: NewNode<'_>) -> u32 {
        debug_assert!(usize::from(node.level) <= LEVEL_MAX);
        let id = self.take_free().unwrap_or_else(|| self.grow());
        let (chunk, at) = self.place(id);
        self.live += 1;
        self.live_in_chunk[chunk] += 1;
        self.heads[chunk][at].payload = node.payload;
        self.settle(id, &node);
        id
    }

    /// Gives a node, which has no links, another vector, level and uid.
    pub(super) fn replace(&mut self, id: u32, node: NewNode<'_>) {
        let head = self.head(id);
        debug_assert!((0..=usize::from(head.level)).all(|level| self.links(id, level).is_empty()));
        self.free_tower(id);
        self.settle(id, &node);
    }

    fn settle(&mut self, id: u32, node: &NewNode<'_>) {
        let (chunk, at) = self.place(id);
        let start = at * self.record_bytes;
        let record = &mut self.records[chunk][start..start + self.record_bytes];
        fill_record(
            &self.parameters,
            record,
            node.vector.bytes,
            node.vector.range,
        );
        let tower = match node.level {
            0 => NONE,
            levels => self.towers.allocate(usize::from(levels)),
        };
        let payload = node.payload;
        *self.head_mut(id) = NodeHead {
            uid: node.uid,
            payload,
            l2: node.vector.l2,
            generation: node.generation,
            tower,
            level: node.level,
        };
        self.block_mut(id, 0).fill(NONE);
    }

    fn free_tower(&mut self, id: u32) {
        let head = self.head(id);
        if head.level > 0 {
            let (tower, levels) = (head.tower, usize::from(head.level));
            self.towers.release(tower, levels);
        }
    }

    /// Frees the number of a node whose links have been taken out.
    pub(super) fn release(&mut self, id: u32) {
        for level in 0..=self.level(id) {
            self.set_links(id, level, &[], 0);
        }
        self.free_tower(id);
        self.set_free(id);
    }

    fn set_free(&mut self, id: u32) {
        let (chunk, at) = self.place(id);
        self.heads[chunk][at].level = FREE;
        self.live -= 1;
        self.live_in_chunk[chunk] -= 1;
        self.free.push(id);
        let stale = self.free.len() - (self.slots - self.live) as usize;
        if stale > self.slots as usize / 2 + 64 {
            self.free.clear();
            let mut free = std::mem::take(&mut self.free);
            free.extend((0..self.slots).filter(|&id| !self.is_live(id)));
            free.shrink_to(free.len() * 2);
            self.free = free;
        }
    }

    fn take_free(&mut self) -> Option<u32> {
        while let Some(id) = self.free.pop() {
            if id < self.slots && !self.is_live(id) {
                return Some(id);
            }
        }
        None
    }

    /// Whether nodes are to be moved because many numbers are free: more than half of them, and a
    /// chunk.
    pub(super) fn is_thin(&self) -> bool {
        self.slots - self.live > self.live + (1 << self.shift)
    }

    /// Gives up the highest number: its node, if any, gets a free number, with this generation.
    /// Returns the node's old and new number.
    pub(super) fn drop_last(&mut self, generation: u32) -> Option<(u32, u32)> {
        let last = self.slots.checked_sub(1)?;
        let moved = if self.is_live(last) {
            Some((last, self.move_to_free(last, generation)?))
        } else {
            None
        };
        let (chunk, at) = self.place(last);
        self.slots = last;
        self.heads[chunk].truncate(at);
        self.records[chunk].truncate(at * self.record_bytes);
        self.links[chunk].truncate(at * self.parameters.links_max(0));
        if at == 0 {
            self.heads.pop();
            self.records.pop();
            self.links.pop();
            self.live_in_chunk.pop();
        }
        moved
    }

    /// Moves a node, with its links, to a free number; `None` if there is none. Others' links still
    /// have its old number.
    fn move_to_free(&mut self, from: u32, generation: u32) -> Option<u32> {
        let to = self.take_free()?;
        let ((old_chunk, old), (chunk, at)) = (self.place(from), self.place(to));
        self.heads[chunk][at] = NodeHead {
            generation,
            ..self.heads[old_chunk][old].clone()
        };
        let record = self.record(from).to_vec();
        let start = at * self.record_bytes;
        self.records[chunk][start..start + self.record_bytes].copy_from_slice(&record);
        // A wide list goes with its block.
        let links = self.block(from, 0).to_vec();
        self.block_mut(to, 0).copy_from_slice(&links);
        self.live += 1;
        self.live_in_chunk[chunk] += 1;
        self.set_free(from);
        Some(to)
    }

    /// Replaces a link of a node by another.
    pub(super) fn rename_link(&mut self, id: u32, level: usize, old: u32, new: u32) {
        let block = self.block_mut(id, level);
        let links = match wide_list(block) {
            Some(list) => &mut self.wide[list].links[..],
            None => block,
        };
        if let Some(link) = links.iter_mut().find(|link| **link == old) {
            *link = new;
        }
    }

    /// Makes room for a further node, and returns its number.
    fn grow(&mut self) -> u32 {
        assert!((self.slots as usize) < NODES_MAX, "more nodes than numbers");
        let id = self.slots;
        let (chunk, at) = self.place(id);
        if at == 0 {
            self.heads.push(Vec::new());
            self.records.push(Vec::new());
            self.links.push(Vec::new());
            self.live_in_chunk.push(0);
        }
        if at == self.heads[chunk].capacity() {
            // By halves, to a whole chunk: at most 64 KB are copied.
            let more = (at / 2).clamp(1, (1 << self.shift) - at);
            self.heads[chunk].reserve_exact(more);
            self.records[chunk].reserve_exact(more * self.record_bytes);
            self.links[chunk].reserve_exact(more * self.parameters.links_max(0));
        }
        self.heads[chunk].push(NodeHead {
            uid: 0,
            payload: 0,
            l2: 0.0,
            generation: 0,
            tower: NONE,
            level: FREE,
        });
        let words = self.parameters.links_max(0);
        self.records[chunk].resize((at + 1) * self.record_bytes, 0);
        self.links[chunk].resize((at + 1) * words, NONE);
        self.slots += 1;
        id
    }

    /// Returns the `rank`th node, in the order of numbers: O(chunks).
    pub(super) fn nth(&self, mut rank: usize) -> Option<u32> {
        for (chunk, &live) in self.live_in_chunk.iter().enumerate() {
            if rank < live as usize {
                let at = (self.heads[chunk].iter().enumerate())
                    .filter(|(_, head)| head.level != FREE)
                    .nth(rank)?
                    .0;
                return Some(((chunk as u32) << self.shift) + at as u32);
            }
            rank -= live as usize;
        }
        None
    }

    /// Returns the node with the greatest number below `end`, passing over empty chunks.
    pub(super) fn last_below(&self, mut end: u32) -> Option<u32> {
        while end > 0 {
            let chunk = (end - 1) >> self.shift;
            let start = chunk << self.shift;
            if self.live_in_chunk[chunk as usize] > 0
                && let Some(id) = (start..end).rev().find(|&id| self.is_live(id))
            {
                return Some(id);
            }
            end = start;
        }
        None
    }

    /// Returns the memory held, in bytes, by capacity.
    pub(super) fn bytes(&self) -> usize {
        fn held<T>(chunks: &Vec<Vec<T>>) -> usize {
            let inner: usize = chunks.iter().map(|c| c.capacity() * size_of::<T>()).sum();
            inner + chunks.capacity() * size_of::<Vec<T>>()
        }
        let wide: usize = self.wide.iter().map(|list| list.links.capacity() * 4).sum();
        held(&self.heads)
            + held(&self.records)
            + held(&self.links)
            + self.live_in_chunk.capacity() * 4
            + self.free.capacity() * 4
            + held(&self.towers.chunks)
            + self.towers.bytes_of_lists()
            + wide
            + self.wide.capacity() * size_of::<LongLinks>()
            + self.wide_free.capacity() * 4
    }

    /// Offers the blocks of a chunk; returns the next chunk.
    pub(super) fn relocate(&mut self, mover: &mut Mover, chunk: usize) -> Option<usize> {
        if chunk == 0 {
            mover.vec(&mut self.heads);
            mover.vec(&mut self.records);
            mover.vec(&mut self.links);
            mover.vec(&mut self.live_in_chunk);
            mover.vec(&mut self.towers.chunks);
        }
        if let Some(heads) = self.heads.get_mut(chunk) {
            mover.vec(heads);
            mover.vec(&mut self.records[chunk]);
            mover.vec(&mut self.links[chunk]);
        }
        if let Some(tower) = self.towers.chunks.get_mut(chunk) {
            mover.vec(tower);
        }
        let next = chunk + 1;
        (next < self.heads.len().max(self.towers.chunks.len())).then_some(next)
    }

    /// Frees a chunk, with its nodes; returns whether there was a chunk. The rest is no index any
    /// more: only for freeing in steps.
    pub(super) fn free_chunk(&mut self) -> bool {
        let mut freed = self.heads.pop().is_some();
        freed |= self.records.pop().is_some();
        freed |= self.links.pop().is_some();
        freed |= self.towers.chunks.pop().is_some();
        freed |= self.wide.pop().is_some();
        freed
    }
}

/// The content of a new node.
pub(super) struct NewNode<'a> {
    pub(super) uid: u64,
    pub(super) payload: u64,
    pub(super) generation: u32,
    pub(super) level: u8,
    pub(super) vector: StoredVector<'a>,
}

/// Returns the number of the wide list that a block represents.
#[inline]
fn wide_list(block: &[u32]) -> Option<usize> {
    let first = block[0];
    (first & WIDE != 0 && first != NONE).then_some((first & !WIDE) as usize)
}

/// Longer blocks know how many of their words are links.
const COUNTED: usize = 64;
/// Set in the last word of a long block that is neither empty nor full; the other bits are the
/// block's count.
const COUNT: u32 = 1 << 31;

/// Returns how many words of a block are links.
#[inline]
fn used(block: &[u32]) -> usize {
    if block.len() <= COUNTED {
        // To look at all, some vectors of them, is the fastest.
        return block.iter().filter(|&&link| link != NONE).count();
    }
    match block[block.len() - 1] {
        NONE => 0,
        last if last & COUNT != 0 => (last & !COUNT) as usize,
        _ => block.len(),
    }
}

/// Sets the number of words of a block that are links.
#[inline]
fn set_used(block: &mut [u32], count: usize) {
    let len = block.len();
    if len > COUNTED && count < len {
        block[len - 1] = match count {
            0 => NONE,
            count => COUNT | count as u32,
        };
    }
}

/// The links of the levels above 0: for each node that reaches them, a run of blocks.
#[derive(Clone, Debug)]
struct Towers {
    block: usize,
    /// Blocks in a chunk: 2 to the power of this. No run crosses chunks.
    shift: u32,
    chunks: Vec<Vec<u32>>,
    /// Free runs by their number of blocks; each starts at a block's number over all chunks.
    free: [Vec<u32>; LEVEL_MAX + 1],
}

impl Towers {
    fn new(block: usize) -> Towers {
        let blocks = (TOWER_CHUNK_WORDS / block).max(LEVEL_MAX);
        Towers {
            block,
            shift: blocks.ilog2(),
            chunks: Vec::new(),
            free: Default::default(),
        }
    }

    fn range(&self, tower: u32, level: usize) -> (usize, usize) {
        let at = tower as usize + level - 1;
        let within = at & (self.chunk_blocks() - 1);
        (at >> self.shift, within * self.block)
    }

    #[inline]
    fn chunk_blocks(&self) -> usize {
        1 << self.shift
    }

    #[inline]
    fn block(&self, tower: u32, level: usize) -> &[u32] {
        let (chunk, start) = self.range(tower, level);
        &self.chunks[chunk][start..start + self.block]
    }

    fn block_mut(&mut self, tower: u32, level: usize) -> &mut [u32] {
        let (chunk, start) = self.range(tower, level);
        &mut self.chunks[chunk][start..start + self.block]
    }

    /// Returns a run of empty blocks for the levels 1..=`levels`.
    fn allocate(&mut self, levels: usize) -> u32 {
        let tower = match self.free[levels].pop() {
            Some(tower) => tower,
            None => self.extend(levels),
        };
        for level in 1..=levels {
            self.block_mut(tower, level).fill(NONE);
        }
        tower
    }

    fn release(&mut self, tower: u32, levels: usize) {
        self.free[levels].push(tower);
    }

    fn extend(&mut self, levels: usize) -> u32 {
        let chunk_blocks = self.chunk_blocks();
        let used = self
            .chunks
            .last()
            .map_or(chunk_blocks, |last| last.len() / self.block);
        if used + levels > chunk_blocks {
            let rest = chunk_blocks - used;
            if rest > 0
                && let Some(last) = self.chunks.last_mut()
            {
                last.resize(chunk_blocks * self.block, 0);
                let start = (self.chunks.len() - 1) * chunk_blocks + used;
                self.release(start as u32, rest);
            }
            self.chunks.push(Vec::new());
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        let used = chunk.len() / self.block;
        let words = (used + levels) * self.block;
        if words > chunk.capacity() {
            let most = chunk_blocks * self.block;
            let more = (chunk.len() / 2)
                .max(levels * self.block)
                .min(most - chunk.len());
            chunk.reserve_exact(more);
        }
        chunk.resize(words, 0);
        (at * chunk_blocks + used) as u32
    }

    fn bytes_of_lists(&self) -> usize {
        self.free.iter().map(|list| list.capacity() * 4).sum()
    }
}
