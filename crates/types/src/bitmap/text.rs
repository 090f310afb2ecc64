//! Bitmaps from strings, and strings from bitmaps.
//!
//! Cost: O(bytes of the string), and of a bitmap O(runs of set bits) as well.

use super::{BYTES_MAX, Bitmap, PART_BITS, Part};
use roaring::RoaringBitmap;

/// Bytes of a string that a part has.
const PART_BYTES: usize = 1 << (PART_BITS - 3);

/// Bytes at once, when a string is read for the crate, whose first bit of a byte is the lowest.
const PIECE: usize = 8192;

impl Bitmap {
    /// A bitmap with the bits and the length of a string.
    pub fn of_text(text: &[u8]) -> Bitmap {
        let mut bitmap = Bitmap::with_bytes(text.len() as u64);
        let mut reversed = Vec::new();
        for (number, text) in text.chunks(PART_BYTES).enumerate() {
            let mut bits = RoaringBitmap::new();
            for (at, piece) in text.chunks(PIECE).enumerate() {
                if piece.iter().all(|&byte| byte == 0) {
                    continue;
                }
                reversed.clear();
                reversed.extend(piece.iter().map(|byte| byte.reverse_bits()));
                let first = ((number * PART_BYTES + at * PIECE) as u64 * 8) as u32;
                bits |= RoaringBitmap::from_lsb0_bytes(first, &reversed);
            }
            if !bits.is_empty() {
                bits.optimize();
                bitmap.0.parts.push(Part::new(number as u64, bits));
            }
        }
        bitmap
    }

    /// Copies the string's bytes from `first` on; bytes beyond the length are zero.
    pub fn copy_to(&self, first: u64, into: &mut [u8]) {
        into.fill(0);
        if into.is_empty() || first >= BYTES_MAX {
            return;
        }
        let from = first * 8;
        for run in self.runs(from..=from + into.len() as u64 * 8 - 1) {
            set_run(
                into,
                (run.start() - from) as usize,
                (run.end() - from) as usize,
            );
        }
    }

    /// Writes bytes over `old`, the string's bytes from `first` on, within the length.
    pub fn copy_from(&mut self, first: u64, old: &[u8], new: &[u8]) {
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            let mut changed = old ^ new;
            while changed != 0 {
                let bit = changed.leading_zeros();
                changed &= !(0x80 >> bit);
                let offset = (first + at as u64) * 8 + u64::from(bit);
                self.set(offset, new & 0x80 >> bit != 0);
            }
        }
    }
}

/// Sets the bits from `first` to `last`, most significant first in each byte.
fn set_run(text: &mut [u8], first: usize, last: usize) {
    let (head, tail) = (0xff_u8 >> (first % 8), 0xff_u8 << (7 - last % 8));
    let (from, to) = (first / 8, last / 8);
    if from == to {
        text[from] |= head & tail;
        return;
    }
    text[from] |= head;
    text[from + 1..to].fill(0xff);
    text[to] |= tail;
}
