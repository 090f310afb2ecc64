//! Figures about a table: its bytes, and its inner shape for `DEBUG HTSTATS`.

use super::arena::allocated_bytes;
use super::line::CELLS;
use super::{HashTable, SegmentArenas};
use russet_base::memory::alloc::{boxed_bytes, vec_bytes};

/// The result of `HashTable::shape`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Elements.
    pub len: usize,
    /// Bits of the hash that select a directory word.
    pub depth: u32,
    /// Words of the directory: `2^depth`.
    pub directory_words: usize,
    /// Segments, each counted once.
    pub segments: usize,
    /// Cache lines of all segments, header lines included.
    pub lines: usize,
    /// Cells in buckets, stash excluded.
    pub cells: usize,
    /// Segments that have entries beyond their buckets.
    pub segments_with_stash: usize,
    /// Elements in stashes.
    pub stash_entries: usize,
    /// Elements of equal hashes that no segment can hold.
    pub overflow_entries: usize,
    /// Bytes allocated, as `HashTable::memory_bytes`.
    pub bytes: usize,
}

impl Shape {
    /// Adds another table's figures; the depth is that of the deeper table.
    pub fn add(&mut self, other: &Shape) {
        self.len += other.len;
        self.depth = self.depth.max(other.depth);
        self.directory_words += other.directory_words;
        self.segments += other.segments;
        self.lines += other.lines;
        self.cells += other.cells;
        self.segments_with_stash += other.segments_with_stash;
        self.stash_entries += other.stash_entries;
        self.overflow_entries += other.overflow_entries;
        self.bytes += other.bytes;
    }
}

impl HashTable {
    /// Bytes allocated by the table itself, words' targets excluded, as the allocator counts them;
    /// approximate for overflow, which only equal hashes cause. O(1).
    pub fn memory_bytes(&self) -> usize {
        let many = self.many.as_ref().map_or(0, |many| {
            let overflow = many.overflow.values().map(vec_bytes);
            boxed_bytes::<SegmentArenas>() + many.arenas.memory_bytes() + overflow.sum::<usize>()
        });
        let root = self.directory.at(0);
        let single = if self.directory.depth() == 0 && !root.is_none() {
            allocated_bytes(root.lines(), 1)
        } else {
            0
        };
        let expiry = self
            .expiry
            .as_ref()
            .map_or(0, |expiry| expiry.memory_bytes());
        self.directory.memory_bytes() + many + single + expiry
    }

    /// Figures about the inner shape, for `DEBUG HTSTATS`. O(segments).
    pub fn shape(&self) -> Shape {
        let mut shape = Shape {
            len: self.len,
            depth: self.directory.depth(),
            directory_words: self.directory.len(),
            bytes: self.memory_bytes(),
            ..Shape::default()
        };
        for (_, segment) in self.directory.segments() {
            shape.segments += 1;
            shape.lines += segment.lines();
            shape.cells += segment.buckets() * CELLS;
            if segment.has_stash() {
                shape.segments_with_stash += 1;
                shape.stash_entries += 6 - segment.free_in_stash().count_ones() as usize;
            }
            shape.overflow_entries += self.overflow_of(segment).len();
        }
        shape
    }
}
