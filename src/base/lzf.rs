//! LZF, byte for byte like the compressor behind Redis's files, so that dumps here equal Redis's.
//!
//!     000lllll literal ...             l + 1 literal bytes
//!     llloooooo oooooooo               l + 2 bytes from o + 1 bytes back, l below 7
//!     111ooooo llllllll oooooooo       l + 9 bytes
//!
//! A hash of three bytes maps to the last position where they occurred. Cost: one pass; each thread
//! keeps a table between calls and never clears it, because positions increase from call to call.

use std::cell::RefCell;

/// Maximum literals of one run.
const LITERALS_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
const TABLE_BITS: u32 = 16;
/// Positions of one input are so far behind those of the one before that none is referred to.
const BASE: u32 = OFFSET_MAX as u32 + 1;
/// A longer input has positions that the table cannot hold.
const INPUT_MAX: usize = (u32::MAX - 2 * BASE) as usize;

thread_local! {
    static COMPRESSOR: RefCell<Compressor> = RefCell::default();
}

/// Appends `input` compressed to `out`, by this thread's compressor. `false`, and nothing appended:
/// it would take more than `bytes_max` bytes.
pub fn compress(input: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> bool {
    COMPRESSOR.with_borrow_mut(|one| one.compress(input, bytes_max, out))
}

/// A compressor and its table.
struct Compressor {
    /// By hash: a position, counted from the first byte that this compressor ever saw.
    table: Box<[u32; 1 << TABLE_BITS]>,
    /// The position of the first byte of the next input.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor {
            table: vec![0; 1 << TABLE_BITS]
                .try_into()
                .expect("as long as it was made"),
            base: BASE,
        }
    }
}

#[inline]
fn slot(three: u32) -> usize {
    let mixed = (three >> (24 - TABLE_BITS)).wrapping_sub(three.wrapping_mul(5));
    mixed as usize & ((1 << TABLE_BITS) - 1)
}

/// The four bytes from `at` on, the first one highest.
#[inline]
fn four(input: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*input[at..].first_chunk().expect("four bytes"))
}

/// The three bytes from `at` on, behind which is one more.
#[inline]
fn three(input: &[u8], at: usize) -> u32 {
    four(input, at) >> 8
}

impl Compressor {
    /// See [`compress`].
    fn compress(&mut self, input: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> bool {
        if !(4..=INPUT_MAX).contains(&input.len()) || bytes_max == 0 {
            return false;
        }
        if (self.base as usize) + input.len() + BASE as usize > u32::MAX as usize {
            self.table.fill(0);
            self.base = BASE;
        }
        let start = out.len();
        let end = self.run(input, start + bytes_max, out);
        self.base += input.len() as u32 + BASE;
        out.truncate(end.unwrap_or(start));
        end.is_some()
    }

    /// The end of what was written; `end` is its maximum. Bytes after it are of no use.
    fn run(&mut self, input: &[u8], end: usize, out: &mut Vec<u8>) -> Option<usize> {
        let (n, base) = (input.len(), self.base);
        // The first byte is never referred to, so it is not recorded.
        let mut ip = 1;
        // The first byte that is not yet written, and where it or the length before it goes.
        let (mut first, mut op) = (0, out.len());
        let mut to = room(out, op, end);
        let mut hash = u32::from(input[1]) << 8 | u32::from(input[2]);
        while let Some(&third) = input.get(ip + 2) {
            hash = hash << 8 | u32::from(third);
            let here = base + ip as u32;
            let place = std::mem::replace(&mut self.table[slot(hash)], here);
            let offset = (here - place) as usize - 1;
            // The last three bytes of the hash's input are those at this position.
            if offset >= OFFSET_MAX || three(input, ip - 1 - offset) != hash & 0xff_ffff {
                ip += 1;
                continue;
            }
            let reference = ip - 1 - offset;
            let behind = op + coded_len(ip - first);
            if behind + 4 >= end {
                return None;
            }
            if behind + ROOM > to.len() {
                to = room(out, behind, end);
            }
            put_literals(input, first, ip, &mut to[op..]);
            op = behind;
            let len = match_len(input, reference, ip);
            let coded = len - 2;
            let high = (offset >> 8) as u8;
            let to: &mut [u8; 3] = to[op..].first_chunk_mut().expect("room");
            op += match coded {
                ..7 => {
                    [to[0], to[1]] = [high + ((coded as u8) << 5), offset as u8];
                    2
                }
                _ => {
                    *to = [high + (7 << 5), (coded - 7) as u8, offset as u8];
                    3
                }
            };
            ip += len;
            first = ip;
            if ip >= n - 2 {
                break;
            }
            // The last two positions inside the match are recorded, too.
            let four = four(input, ip - 2);
            self.table[slot(four >> 8)] = base + (ip - 2) as u32;
            hash = four & 0xff_ffff;
            self.table[slot(hash)] = base + (ip - 1) as u32;
        }
        // As by the original, which has made place for the length of the next run.
        let literals = ip - first;
        if op + literals + literals / LITERALS_MAX + 4 > end {
            return None;
        }
        let behind = op + coded_len(n - first);
        if behind > to.len() {
            to = room(out, behind, end);
        }
        put_literals(input, first, n, &mut to[op..]);
        Some(behind)
    }
}

/// Literals that are copied at once.
const SHORT: usize = 16;
/// Bytes that there is room for behind all literals: a match, and a short run copied as a whole.
const ROOM: usize = 2 * LITERALS_MAX;

/// `out` with room for at least [`ROOM`] bytes after `at`, which is at most `end`.
#[cold]
fn room(out: &mut Vec<u8>, at: usize, end: usize) -> &mut [u8] {
    /// Bytes made at once: little to fill with zeros in vain, and few calls.
    const STEP: usize = 4096;
    out.resize((at + STEP).min(end + 2 * ROOM), 0);
    out
}

/// Bytes of so many literals with the lengths of their runs.
#[inline]
fn coded_len(literals: usize) -> usize {
    literals + literals.div_ceil(LITERALS_MAX)
}

/// Writes the literals `input[first..end]` in runs.
#[inline]
fn put_literals(input: &[u8], first: usize, end: usize, to: &mut [u8]) {
    let few = end - first;
    if few == 0 {
        return;
    }
    // Most runs are short: bytes behind a run are written over.
    if few <= SHORT
        && let Some(from) = input[first..].first_chunk::<SHORT>()
        && let Some([length, to @ ..]) = to.first_chunk_mut::<{ 1 + SHORT }>()
    {
        *length = few as u8 - 1;
        to.copy_from_slice(from);
        return;
    }
    put_runs(&input[first..end], to);
}

/// Writes literals in runs.
#[inline(never)]
fn put_runs(literals: &[u8], mut to: &mut [u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        let (length, rest) = to.split_first_mut().expect("room");
        let (place, rest) = rest.split_at_mut(run.len());
        *length = run.len() as u8 - 1;
        place.copy_from_slice(run);
        to = rest;
    }
}

/// The first eight bytes, and the others.
#[inline]
fn halves(sixteen: &[u8; 16]) -> [[u8; 8]; 2] {
    let (halves, _) = sixteen.as_chunks();
    [halves[0], halves[1]]
}

/// The length of a match of at least three bytes. Near the end of the input sixteen bytes are
/// compared without a bounds check, as the original does: this determines the last match of a text.
#[inline]
fn match_len(input: &[u8], reference: usize, at: usize) -> usize {
    const KNOWN: usize = 3;
    const WORD: usize = size_of::<u64>();
    // Most matches end within the sixteen bytes, and many like the one before: a loop with a
    // predicted end does not wait for the bytes, as the computed length of a word would.
    let sixteen = |from: usize| input[from + KNOWN..].first_chunk::<16>();
    if let (Some(before), Some(here)) = (sixteen(reference), sixteen(at)) {
        let ([before, more_before], [here, more_here]) = (halves(before), halves(here));
        let differing = |before: &[u8; WORD], here: &[u8; WORD]| {
            let mut pairs = before.iter().zip(here);
            pairs.position(|(before, here)| before != here)
        };
        // Eight equal bytes are seen at once.
        if before != here {
            if let Some(same) = differing(&before, &here) {
                return KNOWN + same;
            }
        } else if let Some(same) = differing(&more_before, &more_here) {
            return KNOWN + WORD + same;
        }
    }
    let bound = (input.len() - at - 2).min(MATCH_MAX);
    let len_max = match bound {
        17.. => bound.max(KNOWN + 16),
        _ => bound.max(KNOWN),
    };
    let before = &input[reference + KNOWN..reference + len_max];
    let here = &input[at + KNOWN..at + len_max];
    let ((before, rest_before), (here, rest_here)) = (before.as_chunks(), here.as_chunks());
    for (words, (before, here)) in before.iter().zip(here).enumerate() {
        let differing = u64::from_le_bytes(*before) ^ u64::from_le_bytes(*here);
        if differing != 0 {
            return KNOWN + words * WORD + differing.trailing_zeros() as usize / 8;
        }
    }
    let mut rest = rest_before.iter().zip(rest_here);
    let same = rest.position(|(before, here)| before != here);
    KNOWN + here.len() * WORD + same.unwrap_or(rest_here.len())
}

/// [`match_len`], a byte at a time.
#[cfg(test)]
fn match_len_by_bytes(input: &[u8], reference: usize, at: usize) -> usize {
    let bound = (input.len() - at - 2).min(MATCH_MAX);
    let differs = |len: usize| input[reference + len] != input[at + len];
    let mut len = 2;
    if bound > 16 {
        for _ in 0..16 {
            len += 1;
            if differs(len) {
                return len;
            }
        }
    }
    loop {
        len += 1;
        if len >= bound || differs(len) {
            return len;
        }
    }
}

/// Why bytes cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LzfError {
    #[error("compressed data ends in the middle of an item")]
    Cut,
    #[error("compressed data refers to before its beginning")]
    Reference,
    #[error("compressed data does not give the length it states")]
    Length,
}

/// The most bytes that one compressed byte can expand to.
const RATIO_MAX: usize = MATCH_MAX / 3 + 1;

/// Appends `data` decompressed to `out`: exactly `len` bytes. `out` grows as they are produced.
pub fn decompress(data: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    if len / RATIO_MAX > data.len() {
        return Err(LzfError::Length);
    }
    let start = out.len();
    out.reserve(len.min(data.len() * 4));
    let mut rest = data;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < LITERALS_MAX as u8 {
            let literals = rest.split_at_checked(usize::from(control) + 1);
            let (literals, after) = literals.ok_or(LzfError::Cut)?;
            if out.len() - start + literals.len() > len {
                return Err(LzfError::Length);
            }
            out.extend_from_slice(literals);
            rest = after;
            continue;
        }
        let mut count = usize::from(control >> 5);
        if count == 7 {
            let (&more, after) = rest.split_first().ok_or(LzfError::Cut)?;
            count += usize::from(more);
            rest = after;
        }
        let (&low, after) = rest.split_first().ok_or(LzfError::Cut)?;
        rest = after;
        let back = usize::from(control & 0x1F) << 8 | usize::from(low);
        let count = count + 2;
        let from = (out.len() - start).checked_sub(back + 1);
        let from = start + from.ok_or(LzfError::Reference)?;
        if out.len() - start + count > len {
            return Err(LzfError::Length);
        }
        if from + count <= out.len() {
            out.extend_from_within(from..from + count);
        } else {
            for at in from..from + count {
                out.push(out[at]);
            }
        }
    }
    match out.len() - start == len {
        true => Ok(()),
        false => Err(LzfError::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(c: &mut Compressor, input: &[u8]) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let fits = c.compress(input, input.len().saturating_sub(4), &mut out);
        assert!(fits || out == b"before");
        fits.then(|| out[6..].to_vec())
    }

    #[test]
    fn a_run_is_a_literal_and_a_reference_to_it() {
        let mut c = Compressor::default();
        // The first byte is never referred to.
        let wanted = [1, b'a', b'a', 0xe0, 68, 0, 1, b'a', b'a'];
        let got = packed(&mut c, &[b'a'; 81]).expect("it shrinks");
        assert_eq!(lzf::decompress(&got, 81).expect("sound"), [b'a'; 81]);
        assert_eq!(got.len(), wanted.len());
        assert_eq!(packed(&mut c, b"abcdefghijklmnopqrstuvwxyz"), None);
    }

    fn unpacked(data: &[u8], len: usize) -> Result<Vec<u8>, LzfError> {
        let mut out = b"before".to_vec();
        decompress(data, len, &mut out).map(|()| out[6..].to_vec())
    }

    proptest! {
        #[test]
        fn a_match_is_as_long_by_words_as_by_bytes(
            byte in any::<u8>(), equal in 3..300usize, behind in 0..40usize, back in 1..20usize,
        ) {
            let mut input = vec![byte; back + equal];
            input.extend((0..behind).map(|i| byte.wrapping_add(1 + i as u8)));
            // The compressor looks for matches only while two more bytes follow.
            if back + 2 < input.len() {
                let expected = match_len_by_bytes(&input, 0, back);
                prop_assert_eq!(match_len(&input, 0, back), expected);
            }
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(
            data in prop::collection::vec(any::<u8>(), 0..60), len in 0usize..600
        ) {
            if let Ok(out) = unpacked(&data, len) {
                prop_assert_eq!(out.len(), len);
            }
        }

        #[test]
        fn what_is_compressed_comes_back(
            parts in prop::collection::vec((0..4u8, 1..300usize, any::<u8>()), 1..40),
        ) {
            let mut c = Compressor::default();
            let mut input = Vec::new();
            for (kind, len, seed) in parts {
                match kind {
                    0 => input.extend(std::iter::repeat_n(seed, len)),
                    1 => input.extend((0..len).map(|i| (i as u8).wrapping_mul(seed))),
                    2 => input.extend((0..len).map(|i| (i * i * 7919 % 251) as u8 ^ seed)),
                    _ => {
                        let from = usize::from(seed) % input.len().max(1);
                        let again: Vec<u8> = input[from..].iter().take(len).copied().collect();
                        input.extend(again);
                    }
                }
            }
            // Entries of an earlier input in the table have no effect.
            let first = packed(&mut c, &input);
            packed(&mut c, b"something else entirely, something else entirely");
            prop_assert_eq!(&packed(&mut c, &input), &first);
            prop_assert_eq!(&packed(&mut Compressor::default(), &input), &first);
            if let Some(bytes) = first {
                prop_assert_eq!(unpacked(&bytes, input.len()), Ok(input.clone()));
                for len in [0, input.len() - 1, input.len() + 1, 1 << 40] {
                    prop_assert!(unpacked(&bytes, len).is_err());
                }
                prop_assert_eq!(lzf::decompress(&bytes, input.len()).expect("sound"), input);
            }
        }
    }
}
