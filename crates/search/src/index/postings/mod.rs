//! The postings of a term: the documents that hold it, how often, in which fields, at which
//! positions.
//!
//!     postings = block ...           ascending, none empty
//!     block    = first id | last id | count | entry ...
//!     entry    = head [frequency] [fields] [positions]      see `codec`
//!
//! Invariants
//!   1. Ids ascend within a block and from block to block; no id comes twice.
//!   2. A block has 1 to [`BLOCK_MAX`] entries.
//!
//! Cost: an entry of a new document with the highest id is appended in O(1); any other is put or
//! removed by writing the bytes of the block again, O(block) after O(log blocks). Typically 2 to 4
//! bytes an entry.

mod codec;
mod cursor;

#[cfg(test)]
mod tests;

pub(crate) use codec::{Entry, read_varint, write_varint};
pub(crate) use cursor::{END, PostingCursor};

use codec::{HEAD_MAX, Head, put_head, write_entry, write_head};
use russet_encodings::prefetch::prefetch_lines;

/// Entries of a block at most.
const BLOCK_MAX: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Block {
    first: u32,
    last: u32,
    count: u16,
    bytes: Vec<u8>,
}

/// A place among the entries of a block.
struct Place {
    /// Where the document's entry begins, or would.
    at: usize,
    /// The document before it.
    before: Option<u32>,
    is_held: bool,
    /// Where the document's entry ends, if it is held.
    end: usize,
    /// The head after it.
    next: Option<Head>,
}

/// The growth of postings by a change, negative if they shrink.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    /// As [`Postings::bytes`] counts them.
    pub(crate) bytes: isize,
    pub(crate) blocks: isize,
}

/// The postings of a term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    blocks: Vec<Block>,
    count: u32,
}

impl Postings {
    /// The documents that hold the term.
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes of the heap blocks.
    pub(crate) fn bytes(&self) -> usize {
        let heads = self.blocks.capacity() * size_of::<Block>();
        heads
            + self
                .blocks
                .iter()
                .map(|block| block.bytes.capacity())
                .sum::<usize>()
    }

    /// Puts or replaces the entry of a document. `positions`: whether the schema keeps them.
    /// Returns whether the document is new here, and by how much the postings grow.
    pub(crate) fn put(&mut self, id: u32, entry: &Entry<'_>, positions: bool) -> (bool, Growth) {
        if self.blocks.last().is_none_or(|block| block.last < id) {
            let last = self.blocks.len().saturating_sub(1);
            return self.measured(last, |its| {
                its.append(id, entry, positions);
                true
            });
        }
        let at = self.block_of(id);
        self.measured(at, |its| {
            let is_new = !its.blocks[at].splice(id, entry, positions);
            its.count += u32::from(is_new);
            if usize::from(its.blocks[at].count) > BLOCK_MAX {
                let right = its.blocks[at].split(positions);
                its.blocks.insert(at + 1, right);
            }
            is_new
        })
    }

    /// Changes a block, perhaps adds or removes blocks, and measures the growth.
    fn measured<T>(&mut self, at: usize, change: impl FnOnce(&mut Postings) -> T) -> (T, Growth) {
        let bytes = |its: &Postings, from_end: usize| {
            let blocks = its.blocks.iter();
            let blocks = blocks.take(its.blocks.len() - from_end).skip(at);
            let blocks: usize = blocks.map(|block| block.bytes.capacity()).sum();
            (its.blocks.capacity() * size_of::<Block>() + blocks) as isize
        };
        let (len, rest) = (self.blocks.len(), self.blocks.len().saturating_sub(at + 1));
        let before = bytes(self, rest);
        let changed = change(self);
        let growth = Growth {
            bytes: bytes(self, rest) - before,
            blocks: self.blocks.len() as isize - len as isize,
        };
        (changed, growth)
    }

    /// The block of a document's entry, if there is an entry.
    pub(crate) fn block_of(&self, id: u32) -> usize {
        self.blocks.partition_point(|block| block.last < id)
    }

    /// Brings a block that is changed soon into the processor's caches.
    pub(crate) fn prefetch(&self, block: usize) {
        const LINES_MAX: usize = 6;
        if let Some(block) = self.blocks.get(block) {
            prefetch_lines(&block.bytes, LINES_MAX);
        }
    }

    /// Removes the entry of a document from a [block](Postings::block_of), and returns by how much
    /// the postings grow; `None`: there is no entry.
    pub(crate) fn remove(&mut self, at: usize, id: u32, positions: bool) -> Option<Growth> {
        if at >= self.blocks.len() {
            return None;
        }
        let (is_there, growth) = self.measured(at, |its| {
            let block = &mut its.blocks[at];
            if !block.remove(id, positions) {
                return false;
            }
            its.count -= 1;
            if block.count == 0 {
                its.blocks.remove(at);
            }
            true
        });
        is_there.then_some(growth)
    }

    fn append(&mut self, id: u32, entry: &Entry<'_>, positions: bool) {
        self.count += 1;
        if let Some(block) = self.blocks.last_mut() {
            if usize::from(block.count) < BLOCK_MAX {
                // Blocks grow by quarters: most terms are rare.
                if block.bytes.capacity() - block.bytes.len() < entry.bytes_max() {
                    let more = entry.bytes_max() + block.bytes.len() / 4;
                    block.bytes.reserve_exact(more);
                }
                write_entry(&mut block.bytes, id - block.last, entry, positions);
                block.last = id;
                block.count += 1;
                return;
            }
            block.bytes.shrink_to_fit();
        }
        if self.blocks.len() == self.blocks.capacity() {
            self.blocks.reserve_exact(1 + self.blocks.len() / 4);
        }
        let mut bytes = Vec::new();
        write_entry(&mut bytes, 0, entry, positions);
        bytes.shrink_to_fit();
        self.blocks.push(Block {
            first: id,
            last: id,
            count: 1,
            bytes,
        });
    }
}

impl Block {
    /// Puts or replaces the entry of a document. Returns whether there was an entry.
    fn splice(&mut self, id: u32, entry: &Entry<'_>, positions: bool) -> bool {
        let place = self.place(id, positions);
        let mut middle = Vec::with_capacity(entry.bytes_max() + HEAD_MAX);
        let distance = place.before.map_or(0, |before| id - before);
        write_entry(&mut middle, distance, entry, positions);
        let mut rest = place.end;
        if let Some(next) = &place.next {
            write_head(&mut middle, next.id - id, next.flags);
            rest = next.body;
        }
        self.bytes.splice(place.at..rest, middle);
        self.count += u16::from(!place.is_held);
        if place.before.is_none() {
            self.first = id;
        }
        if place.next.is_none() {
            self.last = id;
        }
        place.is_held
    }

    /// Removes the entry of a document; false: there is no entry.
    fn remove(&mut self, id: u32, positions: bool) -> bool {
        let Place {
            at,
            before,
            is_held: true,
            end,
            next,
        } = self.place(id, positions)
        else {
            return false;
        };
        self.count -= 1;
        let Some(next) = next else {
            self.bytes.truncate(at);
            self.last = before.unwrap_or(self.first);
            return true;
        };
        // The next head is not longer than the two that it stands for.
        let mut head = [0; HEAD_MAX];
        let distance = before.map_or(0, |before| next.id - before);
        let len = put_head(&mut head, distance, next.flags);
        debug_assert!(at + len <= next.body && end <= next.body);
        self.bytes[at..at + len].copy_from_slice(&head[..len]);
        self.bytes.copy_within(next.body.., at + len);
        self.bytes
            .truncate(self.bytes.len() - (next.body - at - len));
        if before.is_none() {
            self.first = next.id;
        }
        true
    }

    /// The place of a document among the entries.
    fn place(&self, id: u32, positions: bool) -> Place {
        let bytes = self.bytes.as_slice();
        let (mut at, mut base, mut before) = (0, self.first, None);
        while at < bytes.len() {
            let head = Head::read(bytes, at, base);
            if head.id >= id {
                let is_held = head.id == id;
                let end = if is_held {
                    head.end(bytes, positions)
                } else {
                    at
                };
                let next = if is_held {
                    (end < bytes.len()).then(|| Head::read(bytes, end, id))
                } else {
                    Some(head)
                };
                return Place {
                    at,
                    before,
                    is_held,
                    end,
                    next,
                };
            }
            base = head.id;
            before = Some(base);
            at = head.end(bytes, positions);
        }
        Place {
            at,
            before,
            is_held: false,
            end: at,
            next: None,
        }
    }

    /// Takes the upper half of the entries away.
    fn split(&mut self, positions: bool) -> Block {
        let (mut at, mut base) = (0, self.first);
        let keeps = self.count / 2;
        for _ in 0..keeps {
            let head = Head::read(&self.bytes, at, base);
            base = head.id;
            at = head.end(&self.bytes, positions);
        }
        let head = Head::read(&self.bytes, at, base);
        let mut bytes = Vec::with_capacity(self.bytes.len() - at + 4);
        write_head(&mut bytes, 0, head.flags);
        bytes.extend_from_slice(&self.bytes[head.body..]);
        self.bytes.truncate(at);
        self.bytes.shrink_to_fit();
        let right = Block {
            first: head.id,
            last: self.last,
            count: self.count - keeps,
            bytes,
        };
        self.last = base;
        self.count = keeps;
        right
    }
}
