//! Stateless cursors with Redis's guarantee: an element that is in the table from the first call of
//! a scan to the last is returned at least once, through any growth, split, merge, shrink.
//!
//!     cursor = prefix | depth, 6 bits | band, 6 bits        (0: begin, and: finished)
//!
//! The prefix identifies a block of hashes, those with the same top `depth` bits; a band is a 64th
//! of the tags. A scan goes through the blocks in order and through the bands of each block; an
//! element stays in its block and its band, wherever it moves. A block is the content of a single
//! segment when the block is begun. If that segment has split since, the scan finishes the parts
//! one after the other. If it has merged, the bands are those of the larger segment, and the part
//! that the scan had not reached follows as separate blocks. So a cursor only moves forward, and a
//! scan always ends.
//!
//! Prefixes have at most 27 bits, so cursors stay below 2^39: a cluster slot's 14 bits above
//! them end at 2^53. Small tables have small cursors. Repeats occur only after a split or merge.

use std::ops::Range;

use super::directory::DEPTH_MAX;
use super::line::{tag_of_cell, word_of_cell};
use super::{HashTable, SegmentRef, Word};

const BANDS: u64 = 64;
const TAGS_PER_BAND: u64 = (1 << 15) / BANDS;
const BAND_BITS: u32 = 6;
const DEPTH_BITS: u32 = 6;

/// Cursors are below 2^CURSOR_BITS.
pub(crate) const CURSOR_BITS: u32 = DEPTH_MAX + DEPTH_BITS + BAND_BITS;

const _: () = assert!(CURSOR_BITS + 14 <= 53);

#[derive(Copy, Clone)]
struct Position {
    /// Lowest hash, top 32 bits, of the block.
    prefix: u32,
    depth: u32,
    band: u64,
}

impl Position {
    /// `None` for a cursor that no scan has returned.
    fn decode(cursor: u64) -> Option<Position> {
        let depth = (cursor >> BAND_BITS & ((1 << DEPTH_BITS) - 1)) as u32;
        let prefix = cursor >> (BAND_BITS + DEPTH_BITS);
        let known = depth <= DEPTH_MAX && prefix < 1 << depth;
        known.then(|| Position {
            prefix: (prefix << 32 >> depth) as u32,
            depth,
            band: cursor & (BANDS - 1),
        })
    }

    fn encode(self) -> u64 {
        let prefix = u64::from(self.prefix) << self.depth >> 32;
        (prefix << DEPTH_BITS | u64::from(self.depth)) << BAND_BITS | self.band
    }
}

/// The range of a scan step: the elements of a segment with these tags.
pub(super) struct TagRange {
    pub segment: SegmentRef,
    pub tags: Range<u64>,
    position: Position,
    /// The band after it.
    next: u64,
}

fn hashes_in(depth: u32) -> u64 {
    1 << (32 - depth)
}

impl HashTable {
    /// Visits about a bucket line of elements; returns the next cursor, 0 at the end. A cursor that
    /// no scan has returned ends the scan or starts anywhere.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Word)) -> u64 {
        let Some(stretch) = self.stretch(cursor) else {
            return 0;
        };
        let TagRange { segment, tags, .. } = &stretch;
        self.visit_band(*segment, tags.start, tags.end, &mut visit);
        self.behind(&stretch)
    }

    /// The range of the next scan step; `None`: the end.
    pub(super) fn stretch(&self, cursor: u64) -> Option<TagRange> {
        let position = Position::decode(cursor)?;
        let segment = self.directory.get(u64::from(position.prefix) << 32);
        if segment.is_none() {
            return None;
        }
        let bands = (BANDS / segment.buckets() as u64).max(1);
        let next = (position.band + bands).min(BANDS);
        Some(TagRange {
            segment,
            tags: position.band * TAGS_PER_BAND..next * TAGS_PER_BAND,
            position,
            next,
        })
    }

    /// The cursor after a stretch.
    pub(super) fn behind(&self, stretch: &TagRange) -> u64 {
        let &TagRange {
            segment,
            position,
            next,
            ..
        } = stretch;
        let depth = position.depth.max(segment.depth());
        if next < BANDS {
            return Position {
                depth,
                band: next,
                ..position
            }
            .encode();
        }
        let Ok(prefix) = u32::try_from(u64::from(position.prefix) + hashes_in(depth)) else {
            return 0;
        };
        // The next segment, or the rest of a segment that this block has merged into.
        let segment = self.directory.get(u64::from(prefix) << 32);
        Position {
            prefix,
            depth: segment.depth().max(32 - prefix.trailing_zeros()),
            band: 0,
        }
        .encode()
    }

    fn visit_band(&self, segment: SegmentRef, first: u64, end: u64, visit: &mut impl FnMut(Word)) {
        segment.visit_tags(first, end, &mut *visit);
        for &cell in self.overflow_of(segment) {
            if (first..end).contains(&tag_of_cell(cell)) {
                visit(word_of_cell(cell));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_keep_their_parts_and_room_for_a_cluster_slot() {
        let last = Position {
            prefix: u32::MAX << (32 - DEPTH_MAX),
            depth: DEPTH_MAX,
            band: 63,
        };
        assert!(last.encode() < 1 << CURSOR_BITS);
        for (prefix, depth, band) in [(0, 0, 0), (0, 0, 5), (1 << 31, 1, 0), (5 << 29, 3, 63)] {
            let again = Position::decode(
                Position {
                    prefix,
                    depth,
                    band,
                }
                .encode(),
            )
            .unwrap();
            assert_eq!(
                (again.prefix, again.depth, again.band),
                (prefix, depth, band)
            );
        }
    }

    #[test]
    fn foreign_cursors_end_the_scan() {
        for cursor in [1 << 12, u64::MAX, 28 << 6, 63 << 6] {
            assert!(Position::decode(cursor).is_none());
            assert_eq!(HashTable::new().scan(cursor, |_| ()), 0);
        }
    }
}
