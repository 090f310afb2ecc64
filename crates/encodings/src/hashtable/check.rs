//! Checks the invariants of the whole table, for tests and fuzz builds.

use super::line::{CELLS, MARK, tag_of_cell, tag_of_hash, word_of_cell};
use super::segment::{HEADER_CELLS, LINES_MAX, SegmentRef};
use super::{HashTable, Word};

impl HashTable {
    /// Panics if an invariant of the table does not hold. O(n).
    pub fn check_invariants(&self, rehash: impl Fn(Word) -> u64) {
        let mut elements = 0;
        let mut segments = 0;
        let mut deepest = 0;
        let mut next = 0u64;
        for (index, segment) in self.directory.segments() {
            let header = segment.segment().header();
            assert_eq!(
                u64::from(header.prefix),
                next,
                "segments cover the hashes in order"
            );
            next += 1 << (32 - segment.depth());
            for word in index..index + (1 << (self.directory.depth() - segment.depth())) {
                assert_eq!(
                    self.directory.at(word),
                    segment,
                    "all words of a segment agree"
                );
            }
            elements += self.check_segment(segment, &|word| self.own(rehash(word)));
            segments += 1;
            deepest += usize::from(segment.depth() == self.directory.depth());
        }
        assert_eq!(elements, self.len);
        assert!(
            segments == 0 || next == 1 << 32,
            "segments cover all hashes"
        );
        if let Some(many) = &self.many {
            assert_eq!((segments, deepest), (many.segments, many.deepest));
            assert_eq!(many.arenas.segments(), segments, "no segment is lost");
        }
    }

    fn check_segment(&self, segment: SegmentRef, own: &impl Fn(Word) -> u64) -> usize {
        let header = segment.segment().header();
        let lines = segment.lines();
        assert_eq!(
            (usize::from(header.lines), u32::from(header.depth)),
            (lines, segment.depth())
        );
        let belongs = |cell: u64| {
            let hash = own(word_of_cell(cell));
            assert_eq!(tag_of_cell(cell), tag_of_hash(hash));
            let below = (1u64 << (32 - segment.depth())) - 1;
            assert_eq!((hash >> 32) & !below, u64::from(header.prefix));
        };
        let mut count = 0;
        let mut stashed = 0;
        for at in HEADER_CELLS..lines * CELLS {
            let cell = segment.cell(at);
            if cell == 0 {
                continue;
            }
            count += 1;
            belongs(cell);
            if at < CELLS {
                stashed += 1;
                assert_eq!(cell & MARK, 0, "stash cells are unmarked");
            } else {
                let away = usize::from(cell & MARK != 0);
                let home = segment.home(tag_of_cell(cell));
                assert_eq!((home + away) % segment.buckets(), at / CELLS - 1);
            }
        }
        assert_eq!(count, usize::from(header.count));
        assert_eq!(stashed > 0, segment.has_stash());
        let overflow = self.overflow_of(segment);
        assert_eq!(overflow.is_empty(), !segment.has_overflow());
        assert!(overflow.is_empty() || lines == LINES_MAX);
        overflow.iter().for_each(|&cell| belongs(cell));
        count + overflow.len()
    }
}
