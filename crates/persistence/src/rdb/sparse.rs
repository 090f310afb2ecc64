//! Blocks that are mostly zeros, as strings of LZF: a filter that was reserved has hundreds of
//! megabytes of them.
//!
//! The block is cut into segments. A segment of zeros becomes the same few bytes each time, another
//! one literals, which are copied: so neither takes longer than to read it. LZF refers to bytes a
//! few kilobytes back at most, and here never beyond its segment, so that the codes of the
//! segments, joined in their order, are the code of the block.

use std::sync::OnceLock;

use russet_base::lzf;
use russet_base::memory::alloc::is_zero;

/// Bytes of a segment, and of a run of literals.
pub(crate) const SEGMENT: usize = 1 << 16;
const LITERALS: usize = 32;
/// At most one segment of so many may have other bytes than zeros.
const SPARSE: usize = 4;

/// Segments with other bytes than zeros among the whole ones of a block, or of a piece of one that
/// begins at a segment. O(length).
pub(super) fn full_segments(piece: &[u8]) -> usize {
    let (segments, _) = piece.as_chunks::<SEGMENT>();
    segments.iter().filter(|segment| !is_zero(*segment)).count()
}

/// Whether a block with so many full segments is worth a code.
pub(super) fn is_sparse(block_len: usize, full: usize) -> bool {
    full <= block_len.div_ceil(SEGMENT) / SPARSE
}

/// Bytes of the code of a block with so many full segments.
pub(super) fn code_len(block_len: usize, full: usize) -> usize {
    let literals = |bytes: usize| bytes + bytes.div_ceil(LITERALS);
    let zeros = block_len / SEGMENT - full;
    zeros * zeros_code().len() + full * literals(SEGMENT) + literals(block_len % SEGMENT)
}

/// Appends the code of a block, or of a piece of one that begins at a segment. O(length).
pub(super) fn pack(piece: &[u8], out: &mut Vec<u8>) {
    for segment in piece.chunks(SEGMENT) {
        if segment.len() == SEGMENT && is_zero(segment) {
            out.extend_from_slice(zeros_code());
            continue;
        }
        for literals in segment.chunks(LITERALS) {
            out.push(literals.len() as u8 - 1);
            out.extend_from_slice(literals);
        }
    }
}

/// The code of a segment of zeros.
fn zeros_code() -> &'static [u8] {
    static CODE: OnceLock<Vec<u8>> = OnceLock::new();
    CODE.get_or_init(|| {
        let mut code = Vec::new();
        lzf::compress(&[0; SEGMENT], SEGMENT, &mut code);
        code
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of a block, if it is worth one, made in pieces.
    fn code_of(block: &[u8]) -> Option<Vec<u8>> {
        let pieces = || block.chunks(SEGMENT * 3);
        let full = pieces().map(full_segments).sum();
        let mut code = Vec::new();
        pieces().for_each(|piece| pack(piece, &mut code));
        assert_eq!(code.len(), code_len(block.len(), full));
        is_sparse(block.len(), full).then_some(code)
    }

    #[test]
    fn what_is_packed_is_the_block_again() {
        for len in [SEGMENT, SEGMENT * 9 + 5, SEGMENT * 20] {
            for places in [&[][..], &[0], &[1, 2, 3], &[SEGMENT - 1], &[len - 1]] {
                let mut block = vec![0; len];
                for at in places {
                    block[*at] = 7;
                }
                let Some(packed) = code_of(&block) else {
                    assert!(!places.is_empty() && len < SPARSE * SEGMENT);
                    continue;
                };
                assert!(packed.len() < len / 2);
                let mut unpacked = Vec::new();
                lzf::decompress(&packed, len, &mut unpacked).expect("sound");
                assert_eq!(unpacked, block);
            }
        }
    }

    #[test]
    fn a_block_with_many_bytes_is_not_packed() {
        let mut block = vec![0; SEGMENT * 16];
        for segment in block.chunks_mut(SEGMENT).take(5) {
            segment[9] = 1;
        }
        assert_eq!(code_of(&block), None);
    }
}
