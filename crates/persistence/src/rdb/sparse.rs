//! Blocks that are mostly zeros, as strings of LZF: a filter that was reserved has hundreds of
//! megabytes of them.
//!
//! The block is cut into segments. One of zeros becomes the same few bytes each time, another one
//! literals, which are copied: so neither takes longer than to read it. LZF refers to bytes a few
//! kilobytes back at most, and here never beyond its segment, so that the codes of the segments,
//! one after another, are the code of the block.

use russet_base::lzf;

/// Bytes of a segment, and of a run of literals.
const SEGMENT: usize = 1 << 16;
const LITERALS: usize = 32;
/// At most one segment of so many may have other bytes than zeros.
const SPARSE: usize = 4;

/// The code of a block, if it is sparse: the more zeros it has, the shorter. O(length).
pub(super) fn pack(block: &[u8]) -> Option<Vec<u8>> {
    let segments = || block.chunks(SEGMENT);
    let full = segments().filter(|segment| !is_zero(segment)).count();
    if full > block.len().div_ceil(SEGMENT) / SPARSE {
        return None;
    }
    let mut zeros = Vec::new();
    lzf::compress(&[0; SEGMENT], SEGMENT, &mut zeros);
    let most = full * (SEGMENT + SEGMENT / LITERALS) + segments().len() * zeros.len();
    let mut out = Vec::with_capacity(most);
    for segment in segments() {
        if segment.len() == SEGMENT && is_zero(segment) {
            out.extend_from_slice(&zeros);
            continue;
        }
        for literals in segment.chunks(LITERALS) {
            out.push(literals.len() as u8 - 1);
            out.extend_from_slice(literals);
        }
    }
    Some(out)
}

/// Whether all bytes are 0: as many at once as the processor can.
fn is_zero(segment: &[u8]) -> bool {
    segment.chunks(1 << 10).all(|part| {
        let (words, rest) = part.as_chunks::<8>();
        let any = words
            .iter()
            .fold(0, |any, word| any | u64::from_ne_bytes(*word));
        any == 0 && rest.iter().all(|byte| *byte == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_the_block_again() {
        for len in [SEGMENT, SEGMENT * 9 + 5, SEGMENT * 20] {
            for places in [&[][..], &[0], &[1, 2, 3], &[SEGMENT - 1], &[len - 1]] {
                let mut block = vec![0; len];
                for at in places {
                    block[*at] = 7;
                }
                let Some(packed) = pack(&block) else {
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
        assert_eq!(pack(&block), None);
    }
}
