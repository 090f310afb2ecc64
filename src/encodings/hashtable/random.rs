//! Uniform random picks.
//!
//! Draws a directory word, accepted only if it is its segment's canonical one; then a slot among as
//! many as the largest segment has, accepted only if it exists and is occupied. After any rejection
//! everything is drawn again. So every slot of the table is equally likely, whatever the size and
//! fill of its segment. Drawing again from the same segment, or only among the slots it has, is
//! measurably biased.
//!
//! Cost: 1.3 to 3 draws in a random table.

use rand::Rng;

use super::line::{SLOTS, word_of_slot};
use super::segment::{HEADER_SLOTS, LINES_MAX};
use super::{HashTable, Word};

/// After this many rejections the table is nearly empty for its size: walk it instead.
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
                let mut slots = many.overflow.values().flatten();
                if let Some(&slot) = slots.nth(nth) {
                    return Some(word_of_slot(slot));
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
        let at = below(rng, lines * SLOTS - HEADER_SLOTS) + HEADER_SLOTS;
        if at >= segment.lines() * SLOTS {
            return None;
        }
        let slot = segment.slot(at);
        (slot != 0).then(|| word_of_slot(slot))
    }
}
