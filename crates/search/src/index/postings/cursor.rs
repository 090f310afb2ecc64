//! A walk over the postings of a term, in the order of ids.
//!
//! Cost: a step reads one entry, some 3 bytes. `seek` skips blocks by their last ids, O(log
//! blocks), and then steps within a block.

use super::codec::{Body, FIRST_FIELD, Head, read_varint};
use super::{Block, Postings};

/// Above every id: there is no further entry.
pub(crate) const END: u32 = u32::MAX;

/// A walk that stands on an entry, or on [`END`].
#[derive(Clone, Debug)]
pub(crate) struct PostingCursor<'i> {
    blocks: &'i [Block],
    /// The block of the entry; earlier blocks are passed.
    block: usize,
    /// Where the next entry begins.
    at: usize,
    id: u32,
    body: Body,
    has_positions: bool,
}

impl<'i> PostingCursor<'i> {
    /// On the first entry of an id that is `from` or more. `positions`: whether the schema keeps
    /// them.
    pub(crate) fn new(postings: &'i Postings, positions: bool, from: u32) -> PostingCursor<'i> {
        let blocks = postings.blocks();
        let passed = match from {
            0 => 0,
            from => blocks.partition_point(|block| block.last < from),
        };
        let mut cursor = PostingCursor {
            blocks,
            block: passed,
            at: 0,
            id: END,
            body: Body {
                frequency: 0,
                fields: 0,
                positions: (0, 0),
            },
            has_positions: positions,
        };
        cursor.enter();
        cursor.seek(from);
        cursor
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn frequency(&self) -> u32 {
        self.body.frequency
    }

    pub(crate) fn fields(&self) -> u128 {
        self.body.fields
    }

    /// Appends the positions of the entry, ascending.
    pub(crate) fn positions(&self, out: &mut Vec<u32>) {
        let (mut at, end) = (
            self.body.positions.0 as usize,
            self.body.positions.1 as usize,
        );
        let mut position = 0;
        while at < end {
            let bytes = &self.blocks[self.block].bytes;
            position += read_varint(bytes, &mut at) as u32;
            out.push(position);
        }
    }

    /// Moves to the first entry of the block, if there is a block.
    fn enter(&mut self) {
        self.at = 0;
        match self.blocks.get(self.block) {
            Some(block) => self.read(&block.bytes, block.first),
            None => self.id = END,
        }
    }

    #[inline]
    fn read(&mut self, bytes: &[u8], base: u32) {
        let head = Head::read(bytes, self.at, base);
        self.id = head.id;
        (self.body, self.at) = head.body(bytes, self.has_positions);
    }

    /// To the next entry.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let Some(block) = self.blocks.get(self.block) else {
            return;
        };
        if self.at < block.bytes.len() {
            self.read(&block.bytes, self.id);
        } else {
            self.block += 1;
            self.enter();
        }
    }

    /// The id after the last id of the block; [`END`] at the end.
    pub(crate) fn block_end(&self) -> u32 {
        let block = self.blocks.get(self.block);
        block.map_or(END, |block| block.last + 1)
    }

    /// Calls `take` with the ids below `end` and their frequencies, from this entry on, that are in
    /// some of the fields; then the cursor stands on the first entry that is not below `end`.
    #[inline]
    pub(crate) fn scan(&mut self, end: u32, fields: u128, mut take: impl FnMut(u32, u32)) {
        if self.id >= end {
            return;
        }
        if self.body.fields & fields != 0 {
            take(self.id, self.body.frequency);
        }
        let (mut at, mut id) = (self.at, self.id);
        while let Some(block) = self.blocks.get(self.block) {
            let bytes = block.bytes.as_slice();
            while at < bytes.len() {
                let head = Head::read(bytes, at, id);
                if head.id >= end {
                    self.id = head.id;
                    (self.body, self.at) = head.body(bytes, self.has_positions);
                    return;
                }
                id = head.id;
                if head.is_plain() {
                    at = head.end(bytes, self.has_positions);
                    if FIRST_FIELD & fields != 0 {
                        take(id, 1);
                    }
                } else {
                    let body;
                    (body, at) = head.body(bytes, self.has_positions);
                    if body.fields & fields != 0 {
                        take(id, body.frequency);
                    }
                }
            }
            self.block += 1;
            at = 0;
            id = self.blocks.get(self.block).map_or(END, |block| block.first);
        }
        self.id = END;
    }

    /// Moves to the first entry with an id of `to` or more, unless the cursor is there.
    #[inline]
    pub(crate) fn seek(&mut self, to: u32) {
        if self.id >= to {
            return;
        }
        if self.blocks[self.block].last < to {
            let rest = &self.blocks[self.block + 1..];
            // Mostly it is among the next blocks.
            let mut reach = 1;
            while reach < rest.len() && rest[reach - 1].last < to {
                reach *= 2;
            }
            let near = &rest[reach / 2..reach.min(rest.len())];
            self.block += 1 + reach / 2 + near.partition_point(|block| block.last < to);
            self.enter();
        }
        if self.id >= to {
            return;
        }
        // The block reaches as far.
        let bytes = self.blocks[self.block].bytes.as_slice();
        let mut head = Head::read(bytes, self.at, self.id);
        while head.id < to {
            let end = head.end(bytes, self.has_positions);
            head = Head::read(bytes, end, head.id);
        }
        self.id = head.id;
        (self.body, self.at) = head.body(bytes, self.has_positions);
    }
}
