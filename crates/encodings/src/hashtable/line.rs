//! A 64-byte line of eight cells: finding the cells with a tag.
//!
//!     cell: 15-bit tag | 1 bit "sits in the neighbour bucket" | 48-bit word; 0 = empty
//!
//! No stored cell has tag 0, so matching tag 0 finds the empty cells. On x86-64 the eight
//! tags are compared at once with SSE2, which every such processor has; elsewhere a
//! loop gives the same mask.

/// The content of a cell: 48 bits, not 0. For most callers an 8-byte-aligned pointer whose three
/// low bits are flags.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Word(pub(super) u64);

impl Word {
    /// Panics unless `0 < raw < 2^48`.
    #[inline(always)]
    pub fn from_raw(raw: u64) -> Word {
        assert!(raw != 0 && raw < 1 << 48);
        Word(raw)
    }

    /// The 48 bits; never 0.
    #[inline(always)]
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// The judge of a lookup's candidates: a closure, or a type whose method is certain to be a part
/// of the lookup's code.
pub trait Accepts {
    /// Whether this word is the word that is looked for.
    fn accepts(&mut self, word: Word) -> bool;
}

impl<F: FnMut(Word) -> bool> Accepts for F {
    #[inline(always)]
    fn accepts(&mut self, word: Word) -> bool {
        self(word)
    }
}

/// Cells in a line.
pub(super) const CELLS: usize = 8;
/// "Sits in the bucket after the element's home".
pub(super) const MARK: u64 = 1 << 48;
const TAG_SHIFT: u32 = 49;

/// The tag of a hash: its low 15 bits, 0 counted as 1.
#[inline(always)]
pub(super) fn tag_of_hash(hash: u64) -> u64 {
    (hash & 0x7fff).max(1)
}

#[inline(always)]
pub(super) fn cell_of(tag: u64, word: Word) -> u64 {
    tag << TAG_SHIFT | word.raw()
}

#[inline(always)]
pub(super) fn tag_of_cell(cell: u64) -> u64 {
    cell >> TAG_SHIFT
}

/// The cell with its word replaced.
#[inline]
pub(super) fn with_word(cell: u64, word: Word) -> u64 {
    cell & !(MARK - 1) | word.raw()
}

/// The word of an occupied cell.
#[inline(always)]
pub(super) fn word_of_cell(cell: u64) -> Word {
    Word(cell & (MARK - 1))
}

/// Bit i set: cell i has this tag. Tag 0: cell i is empty.
///
/// # Safety
/// `line` points to eight readable cells, aligned to 16 bytes.
#[inline(always)]
pub(super) unsafe fn match_tag(line: *const u64, tag: u64) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; SSE2 is part of x86-64.
    unsafe {
        sse2::match_tag(line, tag)
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    unsafe {
        scalar::match_tag(line, tag)
    }
}

/// Bit i set: cell i holds an element that sits in its neighbour bucket.
///
/// # Safety
/// As `match_tag`.
#[inline(always)]
pub(super) unsafe fn match_mark(line: *const u64) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; SSE2 is part of x86-64.
    unsafe {
        sse2::match_mark(line)
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    unsafe {
        scalar::match_mark(line)
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::*;

    /// The high halves of eight cells, as two vectors of four.
    ///
    /// # Safety
    /// `line` points to eight readable cells, aligned to 16 bytes.
    #[inline(always)]
    unsafe fn high_halves(line: *const u64) -> (__m128i, __m128i) {
        let at = line.cast::<__m128i>();
        // SAFETY: four aligned vectors make up the line.
        unsafe {
            let pair = |i: usize| {
                let a = _mm_castsi128_ps(_mm_load_si128(at.add(i)));
                let b = _mm_castsi128_ps(_mm_load_si128(at.add(i + 1)));
                _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(a, b))
            };
            (pair(0), pair(2))
        }
    }

    /// # Safety
    /// As `high_halves`.
    #[inline(always)]
    pub(super) unsafe fn match_tag(line: *const u64, tag: u64) -> u32 {
        // SAFETY: the caller's promise.
        let (low, high) = unsafe { high_halves(line) };
        // SAFETY: register arithmetic only. Tags have 15 bits, so no lane saturates.
        unsafe {
            let tags = _mm_packs_epi32(_mm_srli_epi32::<17>(low), _mm_srli_epi32::<17>(high));
            let equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag as i16));
            _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) as u32
        }
    }

    /// # Safety
    /// As `high_halves`.
    #[inline(always)]
    pub(super) unsafe fn match_mark(line: *const u64) -> u32 {
        // SAFETY: the caller's promise.
        let (low, high) = unsafe { high_halves(line) };
        // SAFETY: register arithmetic only; the mark is bit 16 of a high half.
        unsafe {
            let low = _mm_movemask_ps(_mm_castsi128_ps(_mm_slli_epi32::<15>(low)));
            let high = _mm_movemask_ps(_mm_castsi128_ps(_mm_slli_epi32::<15>(high)));
            (low | high << 4) as u32
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod scalar {
    use super::{CELLS, MARK, tag_of_cell};

    /// # Safety
    /// `line` points to eight readable cells.
    pub(super) unsafe fn match_tag(line: *const u64, tag: u64) -> u32 {
        (0..CELLS).fold(0, |mask, i| {
            // SAFETY: i < 8.
            let cell = unsafe { *line.add(i) };
            mask | u32::from(tag_of_cell(cell) == tag) << i
        })
    }

    /// # Safety
    /// As `match_tag`.
    pub(super) unsafe fn match_mark(line: *const u64) -> u32 {
        (0..CELLS).fold(0, |mask, i| {
            // SAFETY: i < 8.
            let cell = unsafe { *line.add(i) };
            mask | u32::from(cell & MARK != 0) << i
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[repr(align(64))]
    struct Line([u64; CELLS]);

    proptest! {
        #[test]
        fn vector_and_scalar_masks_are_equal(
            picks in proptest::array::uniform8((0u64..4, any::<bool>(), 1u64..1 << 48)),
            spread in 1u64..8000,
        ) {
            let line = Line(picks.map(|(tag, mark, word)| match tag {
                0 => 0,
                tag => (tag * spread) << TAG_SHIFT | if mark { MARK } else { 0 } | word,
            }));
            let at = line.0.as_ptr();
            for tag in (0..4).map(|tag| tag * spread) {
                // SAFETY: `at` is an aligned line of eight cells.
                let (fast, slow) = unsafe { (match_tag(at, tag), scalar::match_tag(at, tag)) };
                prop_assert_eq!(fast, slow);
            }
            // SAFETY: as above.
            let (fast, slow) = unsafe { (match_mark(at), scalar::match_mark(at)) };
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn highest_tag_matches_only_itself() {
        let line = Line([
            u64::MAX,
            0,
            0x7ffe << TAG_SHIFT | 8,
            1 << TAG_SHIFT | 8,
            0,
            0,
            0,
            MARK,
        ]);
        // SAFETY: an aligned line of eight cells.
        let mask = |tag| unsafe { match_tag(line.0.as_ptr(), tag) };
        assert_eq!(mask(0x7fff), 1);
        assert_eq!(mask(0x7ffe), 4);
        assert_eq!(mask(1), 8);
    }
}
