//! Uniform random picks.
//!
//! Draws a directory word, accepted only if it is the canonical word of its segment; then a cell
//! among as many as the largest segment has, accepted only if it exists and is occupied. After any
//! rejection everything is drawn again. So every cell of the table is equally likely, whatever the
//! size and fill of its segment. Drawing again from the same segment, or only among the cells it
//! has, is measurably biased.
//!
//! Cost: 1.3 to 3 draws in a random table.

use rand::Rng;

use super::line::{CELLS, word_of_cell};
use super::segment::{HEADER_CELLS, LINES_MAX};
use super::{HashTable, Word};

/// After this many rejections the table is nearly empty for its size, so a walk replaces the draws.
const DRAWS_MAX: u32 = 2000;

/// A number below `bound`, which is not 0.
pub(super) fn below(rng: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

impl HashTable {
    /// A uniformly random word; `None` if the table is empty.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Word> {
        if self.is_empty() {
            return None;
        }
        if let Some(many) = &self.many {
            let overflow = many.overflow.values().map(Vec::len).sum::<usize>();
            if overflow > 0 {
                let nth = below(rng, self.len);
                let mut cells = many.overflow.values().flatten();
                if let Some(&cell) = cells.nth(nth) {
                    return Some(word_of_cell(cell));
                }
            }
        }
        for _ in 0..DRAWS_MAX {
            if let Some(word) = self.draw(rng) {
                return Some(word);
            }
        }
        let overflow = self.many.iter().flat_map(|many| many.overflow.values());
        let in_segments = self.len - overflow.map(Vec::len).sum::<usize>();
        self.iter().nth(below(rng, in_segments))
    }

    fn draw(&self, rng: &mut impl Rng) -> Option<Word> {
        let index = below(rng, self.directory.len());
        let segment = self.directory.at(index);
        let repeats = 1usize << (self.directory.depth() - segment.depth());
        if index & (repeats - 1) != 0 {
            return None;
        }
        // A single segment cannot bias the pick.
        let lines = if segment.depth() == 0 {
            segment.lines()
        } else {
            LINES_MAX
        };
        let at = below(rng, lines * CELLS - HEADER_CELLS) + HEADER_CELLS;
        if at >= segment.lines() * CELLS {
            return None;
        }
        let cell = segment.cell(at);
        (cell != 0).then(|| word_of_cell(cell))
    }
}
