//! The postings of a term: the documents that hold it, how often, in which fields, at which
//! positions.
//!
//!     postings = block ...           ascending, none empty
//!     block    = first id | last id | count | entry ...
//!     entry    = head [frequency] [fields] [positions]      see `codec`
//!
//! Invariants
//!   1. Ids ascend within a block and from one to the next; none comes twice.
//!   2. A block has 1 to [`BLOCK_MAX`] entries.
//!
//! Cost: an entry of a new document with the highest id is appended in O(1); any other is put or
//! removed by writing the bytes of its block again, O(block) after O(log blocks). Typically 2 to 4
//! bytes an entry.

mod codec;
mod cursor;

#[cfg(test)]
mod tests;

pub(crate) use codec::{Entry, read_varint, write_varint};
pub(crate) use cursor::{END, PostingCursor};

use codec::{Head, write_entry, write_head};

/// Entries of a block at most.
const BLOCK_MAX: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Block {
    first: u32,
    last: u32,
    count: u16,
    bytes: Vec<u8>,
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

    /// Bytes of its heap blocks.
    pub(crate) fn bytes(&self) -> usize {
        let heads = self.blocks.capacity() * size_of::<Block>();
        heads
            + self
                .blocks
                .iter()
                .map(|block| block.bytes.capacity())
                .sum::<usize>()
    }

    /// Puts the entry of a document, in place of one that it has. `positions`: whether the schema
    /// keeps them. Returns whether the document is new here.
    pub(crate) fn put(&mut self, id: u32, entry: &Entry<'_>, positions: bool) -> bool {
        if self.blocks.last().is_none_or(|block| block.last < id) {
            self.append(id, entry, positions);
            return true;
        }
        let at = self.blocks.partition_point(|block| block.last < id);
        let is_new = !self.blocks[at].splice(id, Some(entry), positions);
        self.count += u32::from(is_new);
        if usize::from(self.blocks[at].count) > BLOCK_MAX {
            let right = self.blocks[at].split(positions);
            self.blocks.insert(at + 1, right);
        }
        is_new
    }

    /// Removes the entry of a document; false: there is none.
    pub(crate) fn remove(&mut self, id: u32, positions: bool) -> bool {
        let at = self.blocks.partition_point(|block| block.last < id);
        let Some(block) = self.blocks.get_mut(at) else {
            return false;
        };
        if !block.splice(id, None, positions) {
            return false;
        }
        self.count -= 1;
        if block.count == 0 {
            self.blocks.remove(at);
        }
        true
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
    /// Puts, replaces or (`None`) removes the entry of a document. Returns whether it had one.
    fn splice(&mut self, id: u32, entry: Option<&Entry<'_>>, positions: bool) -> bool {
        // The entries before the place keep their bytes.
        let (mut at, mut base, mut before) = (0, self.first, None);
        let mut here = None;
        let mut next = None;
        while at < self.bytes.len() {
            let head = Head::read(&self.bytes, at, base);
            let end = head.end(&self.bytes, positions);
            if head.id == id {
                here = Some(end);
                if end < self.bytes.len() {
                    next = Some(Head::read(&self.bytes, end, head.id));
                }
                break;
            }
            if head.id > id {
                next = Some(head);
                break;
            }
            before = Some(head.id);
            base = head.id;
            at = end;
        }
        if here.is_none() && entry.is_none() {
            return false;
        }
        let mut middle = Vec::new();
        let mut last = before;
        if let Some(entry) = entry {
            write_entry(
                &mut middle,
                last.map_or(0, |last| id - last),
                entry,
                positions,
            );
            last = Some(id);
        }
        let mut rest = here.unwrap_or(at);
        if let Some(next) = &next {
            write_head(
                &mut middle,
                last.map_or(0, |last| next.id - last),
                next.flags,
            );
            rest = next.body;
        }
        let is_first = before.is_none();
        let is_last = next.is_none();
        self.bytes.splice(at..rest, middle);
        match (entry.is_some(), here.is_some()) {
            (true, false) => self.count += 1,
            (false, true) => self.count -= 1,
            _ => {}
        }
        if is_first {
            self.first = last.or(next.map(|next| next.id)).unwrap_or(id);
        }
        if is_last {
            self.last = last.unwrap_or(self.first);
        }
        here.is_some()
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
