//! The backlog: the last bytes of the stream, in blocks that all replicas read from.
//!
//!     first                                            end
//!       | block ............ | block ............ | block ... |
//!              ^ replica A                    ^ replica B      replicas' positions
//!
//! There is one copy of the stream's bytes. A replica's unsent data is the part from its position
//! on, and a partial synchronization only sets that position.
//!
//! Invariants
//!   1. The blocks are contiguous: each begins where the block before it ends, the first at
//!      `first`, and the last ends at `end`.
//!   2. A block is dropped whole, when the rest is at least as long as the configured size and no
//!      reader is before the block's end.
//!
//! A position is the number of bytes of the stream before it. (On the wire the first byte of a
//! stream has number 1.) Cost: one copy of each byte; O(log blocks) to find a position.

use std::collections::VecDeque;

use super::history::ReplOffset;
use russet_base::memory::alloc::AppendBlock;
use russet_keyspace::DbIndex;

/// Bytes of a block: at least this, and a part of the backlog's size.
const BLOCK_BYTES_MIN: usize = 16 * 1024;
const BLOCK_BYTES_MAX: usize = 128 * 1024;
const BLOCKS: u64 = 16;
/// Bytes between two places: a part of the backlog's size, and at most this.
const PLACE_BYTES_MAX: u64 = 64 * 1024;
/// The list of blocks is shrunk when it has room for this many times its length.
const SPARE_FACTOR: usize = 8;

/// A position between two units of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPlace {
    pub offset: ReplOffset,
    /// The database that is selected there; `None`: the next request selects a database.
    pub db: Option<DbIndex>,
}

#[derive(Debug)]
struct Block {
    /// The position of its first byte.
    begin: ReplOffset,
    bytes: AppendBlock,
}

/// See the module.
#[derive(Debug)]
pub struct Backlog {
    blocks: VecDeque<Block>,
    first: ReplOffset,
    end: ReplOffset,
    /// `repl-backlog-size`.
    size: u64,
    /// Capacities of the blocks, bytes.
    capacity: usize,
    /// In rising order, from `first` on.
    places: VecDeque<UnitPlace>,
}

impl Backlog {
    /// An empty backlog of `size` bytes, which begins at a position.
    pub fn new(size: u64, at: ReplOffset) -> Backlog {
        Backlog {
            blocks: VecDeque::new(),
            first: at,
            end: at,
            size,
            capacity: 0,
            places: VecDeque::new(),
        }
    }

    /// Sets the size: [`Backlog::trim`] drops the bytes beyond it.
    pub fn resize(&mut self, size: u64) {
        self.size = size;
    }

    /// The most bytes that it keeps (`repl-backlog-size`).
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first position that can be read.
    pub fn first(&self) -> ReplOffset {
        self.first
    }

    /// The position after its last byte: that of the stream.
    pub fn end(&self) -> ReplOffset {
        self.end
    }

    /// Bytes held.
    pub fn len(&self) -> u64 {
        self.end - self.first
    }

    /// Memory of the blocks, bytes. O(1).
    pub fn memory_bytes(&self) -> usize {
        self.capacity + self.blocks.capacity() * size_of::<Block>()
    }

    /// Memory beyond the configured size: mostly blocks held for replicas that have still to be
    /// sent them.
    pub fn excess_bytes(&self) -> usize {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        self.memory_bytes().saturating_sub(size)
    }

    /// Whether a reader can begin at this position.
    pub fn holds(&self, at: ReplOffset) -> bool {
        (self.first..=self.end).contains(&at)
    }

    /// The end is a place where a reader of units may begin. Kept if the last such position is far
    /// enough away.
    #[inline]
    pub fn record_position(&mut self, db: Option<DbIndex>) {
        let last = self.places.back().map(|place| place.offset);
        let distance = (self.size / BLOCKS).min(PLACE_BYTES_MAX);
        if last.is_none_or(|last| self.end >= last + distance) {
            let offset = self.end;
            self.places.push_back(UnitPlace { offset, db });
        }
    }

    /// The last place that is not after a position, if the backlog has the bytes from it on. O(log
    /// places).
    pub fn place_before(&self, at: ReplOffset) -> Option<UnitPlace> {
        let after = self.places.partition_point(|place| place.offset <= at);
        self.places.get(after.checked_sub(1)?).copied()
    }

    /// The first position from which units can be read.
    pub fn first_place(&self) -> Option<ReplOffset> {
        self.places.front().map(|place| place.offset)
    }

    fn block_bytes(&self) -> usize {
        let part = usize::try_from(self.size / BLOCKS).unwrap_or(usize::MAX);
        part.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX)
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, mut bytes: &[u8]) {
        loop {
            if let Some(Block { bytes: last, .. }) = self.blocks.back_mut() {
                let rest = last.push(bytes);
                self.end += (bytes.len() - rest.len()) as u64;
                bytes = rest;
            }
            if bytes.is_empty() {
                return;
            }
            let block = AppendBlock::with_capacity(self.block_bytes());
            self.capacity += block.capacity();
            self.blocks.push_back(Block {
                begin: self.end,
                bytes: block,
            });
        }
    }

    /// Drops blocks that are too much and that no reader needs. `unread` returns the first position
    /// that a reader has still to read, if there is a reader; it is asked only if there is too
    /// much.
    #[inline]
    pub fn trim(&mut self, unread: impl FnOnce() -> Option<ReplOffset>) {
        let first = self
            .blocks
            .front()
            .map_or(0, |block| block.bytes.len() as u64);
        if self.blocks.len() > 1 && self.len() - first >= self.size {
            self.trim_to(unread());
        }
    }

    fn trim_to(&mut self, unread: Option<ReplOffset>) {
        while let Some(block) = self.blocks.front() {
            let len = block.bytes.len() as u64;
            let is_read = unread.is_none_or(|at| at >= self.first + len);
            // The last block is being written.
            if self.blocks.len() == 1 || self.len() - len < self.size || !is_read {
                break;
            }
            self.capacity -= block.bytes.capacity();
            self.blocks.pop_front();
            self.first += len;
        }
        let gone = self
            .places
            .partition_point(|place| place.offset < self.first);
        self.places.drain(..gone);
        // A slow reader has kept many blocks until now.
        if self.blocks.capacity() > SPARE_FACTOR * self.blocks.len() {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// The bytes from a position on, block by block. The position must be held.
    pub fn read(&self, from: ReplOffset) -> impl Iterator<Item = &[u8]> {
        let after = self.blocks.partition_point(|block| block.begin <= from);
        let first = after.saturating_sub(1);
        self.blocks.range(first..).filter_map(move |block| {
            let at = from.saturating_sub(block.begin) as usize;
            (at < block.bytes.len()).then(|| &block.bytes[at..])
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(backlog: &Backlog, from: ReplOffset) -> Vec<u8> {
        backlog.read(from).flatten().copied().collect()
    }

    #[test]
    fn a_reader_keeps_what_it_has_not_read() {
        let mut backlog = Backlog::new(16 * 1024, 100);
        for i in 0..10u8 {
            backlog.push(&vec![i; 16 * 1024]);
        }
        backlog.trim(|| Some(100));
        assert_eq!(backlog.first(), 100);
        backlog.trim(|| Some(100 + 3 * 16 * 1024 + 1));
        assert_eq!(backlog.first(), 100 + 3 * 16 * 1024);
        backlog.trim(|| None);
        assert_eq!(backlog.len(), 16 * 1024);
        assert_eq!(all(&backlog, backlog.first()), vec![9; 16 * 1024]);
        assert!(backlog.holds(backlog.end()) && !backlog.holds(backlog.end() + 1));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_pushed(
            pieces in prop::collection::vec((any::<u8>(), 0usize..50_000, 0u64..400_000), 1..40),
            size in 0u64..600_000,
        ) {
            let (mut backlog, mut model) = (Backlog::new(size, 7), Vec::new());
            for (byte, len, behind) in pieces {
                let bytes: Vec<u8> = (0..len).map(|i| byte.wrapping_add(i as u8)).collect();
                backlog.push(&bytes);
                model.extend(bytes);
                let unread = backlog.end().saturating_sub(behind).max(backlog.first());
                backlog.trim(|| Some(unread));
                prop_assert!(backlog.holds(unread));
                prop_assert_eq!(backlog.end(), 7 + model.len() as u64);
                prop_assert!(backlog.len() >= size.min(model.len() as u64));
                let capacity: usize = backlog.blocks.iter().map(|block| block.bytes.capacity()).sum();
                prop_assert_eq!(backlog.capacity, capacity);
                prop_assert!(all(&backlog, unread) == model[(unread - 7) as usize..]);
            }
        }
    }
}
