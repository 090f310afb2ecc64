//! LZF, byte for byte as Redis compresses in its files, so that dumps here equal Redis's.
//!
//!     000lllll literal ...             l + 1 literal bytes
//!     llloooooo oooooooo               l + 2 bytes from o + 1 bytes back, l below 7
//!     111ooooo llllllll oooooooo       l + 9 bytes
//!
//! A hash of three bytes maps to the last position where they occurred. Cost: a pass over the
//! input; each thread keeps a table between calls and never clears it, because positions increase
//! from call to call.

#![allow(unsafe_code)]

use std::cell::RefCell;

/// Maximum literals of a run.
const LITERALS_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
const TABLE_BITS: u32 = 16;
/// The gap between the positions of two inputs: too far for a match to reach the earlier input.
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

/// The four bytes at `at`, the first byte highest.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn four(at: *const u8) -> u32 {
    // SAFETY: see above; the read needs no alignment.
    u32::from_be_bytes(unsafe { at.cast::<[u8; 4]>().read() })
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
        out.reserve(bytes_max + ROOM);
        let to = out.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: the input has four bytes, and there is room.
        let written = unsafe { self.run(input, to, bytes_max) };
        self.base += input.len() as u32 + BASE;
        let Some(written) = written else {
            return false;
        };
        // SAFETY: so many bytes have been written after those that were there.
        unsafe { out.set_len(out.len() + written) };
        true
    }

    /// Writes at most `bytes_max` bytes to `to`; returns their number. `None`: they are not enough.
    ///
    /// With pointers, because slices with bounds checks take a fifth longer.
    ///
    /// # Safety
    /// The input has at least four bytes, and `to` has room for `bytes_max` and [`ROOM`] more.
    #[inline(never)]
    unsafe fn run(&mut self, input: &[u8], to: *mut u8, bytes_max: usize) -> Option<usize> {
        let (n, base) = (input.len(), self.base);
        let table = &mut *self.table;
        let from = input.as_ptr();
        let end = to.wrapping_add(bytes_max);
        let mut op = to;
        // The first byte is never referred to, so it is not recorded.
        let mut ip = 1;
        // The first byte that is not yet written.
        let mut first = 0;
        let mut hash = u32::from(input[1]) << 8 | u32::from(input[2]);
        while ip < n - 2 {
            // SAFETY: `ip + 2 < n`.
            hash = hash << 8 | u32::from(unsafe { *from.add(ip + 2) });
            let here = base + ip as u32;
            let place = std::mem::replace(&mut table[slot(hash)], here);
            let offset = (here - place) as usize - 1;
            // Three bytes are compared: the byte before them is there, and is dropped. SAFETY:
            // positions of earlier inputs are too far back (`BASE`). A near match is of this input,
            // at least 1 and less than `ip`, which two bytes follow.
            let is_match = offset < OFFSET_MAX
                && unsafe { four(from.add(ip - 2 - offset)) ^ four(from.add(ip - 1)) } << 8 == 0;
            if !is_match {
                ip += 1;
                continue;
            }
            let reference = ip - 1 - offset;
            let literals = ip - first;
            if literals == 0 {
                if op.wrapping_add(4) >= end {
                    return None;
                }
            } else {
                let behind = op.wrapping_add(coded_len(literals));
                if behind.wrapping_add(4) >= end {
                    return None;
                }
                // SAFETY: they end before `end`, after which there is room.
                unsafe { put_literals(input, first, ip, op) };
                op = behind;
            }
            // SAFETY: `reference < ip < n - 2`.
            let len = unsafe { match_len(input, reference, ip) };
            // SAFETY: three bytes end before `end`.
            op = unsafe { put_match(len, offset, op) };
            ip += len;
            first = ip;
            if ip >= n - 2 {
                break;
            }
            // The last two positions inside the match are recorded, too.
            // SAFETY: the match has at least three bytes, and three follow it.
            let four = unsafe { four(from.add(ip - 2)) };
            table[slot(four >> 8)] = base + (ip - 2) as u32;
            hash = four & 0xff_ffff;
            table[slot(hash)] = base + (ip - 1) as u32;
        }
        // As by the original, which has made place for the length of the next run.
        let (written, literals) = (op.addr() - to.addr(), ip - first);
        if written + literals + literals / LITERALS_MAX + 4 > bytes_max {
            return None;
        }
        // SAFETY: the input's last two bytes may go beyond `bytes_max` by less than `ROOM`.
        unsafe { put_literals(input, first, n, op) };
        Some(written + coded_len(n - first))
    }
}

/// Literals that are copied at once.
const SHORT: usize = 16;
/// Spare bytes at the end of the output: short runs are copied as a whole.
const ROOM: usize = 2 * LITERALS_MAX;

/// Bytes of so many literals with the lengths of their runs.
#[inline(always)]
fn coded_len(literals: usize) -> usize {
    // A single shift: `div_ceil` takes more instructions.
    literals + ((literals + LITERALS_MAX - 1) >> LITERALS_MAX.ilog2())
}

/// Writes the literals `input[first..end]` in runs.
///
/// # Safety
/// `to` has room for `coded_len(end - first)` bytes, and for `1 + SHORT`.
#[inline(always)]
unsafe fn put_literals(input: &[u8], first: usize, end: usize, to: *mut u8) {
    let few = end - first;
    if few == 0 {
        return;
    }
    // Most runs are short: bytes after a run are written over.
    if few <= SHORT && input.len() - first >= SHORT {
        // SAFETY: there is room for the length.
        unsafe { to.write(few as u8 - 1) };
        // SAFETY: sixteen bytes are there from `first` on.
        let sixteen = unsafe { input.as_ptr().add(first).cast::<[u8; SHORT]>().read() };
        // SAFETY: there is room for as many after the length.
        unsafe { to.add(1).cast::<[u8; SHORT]>().write(sixteen) };
        return;
    }
    // SAFETY: see above.
    unsafe { put_runs(&input[first..end], to) };
}

/// Writes literals in runs.
///
/// # Safety
/// `to` has room for them and their lengths.
#[inline(never)]
unsafe fn put_runs(literals: &[u8], mut to: *mut u8) {
    for run in literals.chunks(LITERALS_MAX) {
        // SAFETY: there is room.
        unsafe { to.write(run.len() as u8 - 1) };
        // SAFETY: there is room, in a buffer that is not the input.
        unsafe { to.add(1).copy_from_nonoverlapping(run.as_ptr(), run.len()) };
        to = to.wrapping_add(1 + run.len());
    }
}

/// Writes a match of `len` bytes, `offset + 1` bytes back; returns the place after it.
///
/// # Safety
/// `to` has room for three bytes.
#[inline(always)]
unsafe fn put_match(len: usize, offset: usize, to: *mut u8) -> *mut u8 {
    let (coded, high, low) = (len - 2, (offset >> 8) as u8, offset as u8);
    if coded < 7 {
        // SAFETY: see above.
        unsafe {
            to.cast::<[u8; 2]>()
                .write([high + ((coded as u8) << 5), low])
        };
        return to.wrapping_add(2);
    }
    // SAFETY: see above.
    unsafe {
        to.cast::<[u8; 3]>()
            .write([high + (7 << 5), (coded - 7) as u8, low])
    };
    to.wrapping_add(3)
}

/// Bytes of a match that are known to be equal.
const KNOWN: usize = 3;
/// Bytes that the original compares without a bounds check.
const UNCHECKED: usize = 16;

/// The length of a match of at least three bytes. Near the end of the input sixteen bytes are
/// compared without a bounds check, as the original does: this determines the last match of a text.
///
/// # Safety
/// `reference < at` and `at + 2 < input.len()`.
#[inline(always)]
unsafe fn match_len(input: &[u8], reference: usize, at: usize) -> usize {
    // SAFETY: both are in the input.
    let (before, here) = unsafe { (input.as_ptr().add(reference), input.as_ptr().add(at)) };
    let bound = (input.len() - at - 2).min(MATCH_MAX);
    let mut len = KNOWN;
    if bound > UNCHECKED {
        // Many matches end like the match before: a loop with a predicted end does not wait for the
        // bytes, as the computed length of a word would.
        for len in KNOWN..KNOWN + UNCHECKED {
            // SAFETY: at least nineteen bytes are there from `at` on, and more from `reference` on.
            if unsafe { *before.add(len) != *here.add(len) } {
                return len;
            }
        }
        len += UNCHECKED;
    }
    // SAFETY: more than `bound` bytes are there from both on.
    unsafe { longer(before, here, len, bound) }
}

/// The length of a match of at least `len` and, if that is more, at most `bound` bytes.
///
/// # Safety
/// `bound` bytes can be read at both places.
#[inline(never)]
unsafe fn longer(before: *const u8, here: *const u8, mut len: usize, bound: usize) -> usize {
    const WORD: usize = size_of::<u64>();
    while len + WORD <= bound {
        // SAFETY: a word from there on ends within `bound`, and the read needs no alignment.
        let word =
            |at: *const u8| u64::from_le_bytes(unsafe { at.add(len).cast::<[u8; WORD]>().read() });
        let differing = word(before) ^ word(here);
        if differing != 0 {
            return len + differing.trailing_zeros() as usize / 8;
        }
        len += WORD;
    }
    // SAFETY: `len` is less than `bound`.
    while len < bound && unsafe { *before.add(len) == *here.add(len) } {
        len += 1;
    }
    len
}

/// Why bytes cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LzfError {
    /// The data ends inside a literal run or a back reference.
    #[error("compressed data ends in the middle of an item")]
    Cut,
    /// A back reference points to before the first decompressed byte.
    #[error("compressed data refers to before its beginning")]
    Reference,
    /// The data gives more or fewer bytes than the caller states.
    #[error("compressed data does not give the length it states")]
    Length,
}

/// The most bytes that a compressed byte can expand to.
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
    if out.len() - start == len {
        Ok(())
    } else {
        Err(LzfError::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same compression, plainly: a byte at a time, with all checks.
    fn plain(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        fn put_literals(run: &[u8], out: &mut Vec<u8>) {
            for run in run.chunks(LITERALS_MAX) {
                out.push(run.len() as u8 - 1);
                out.extend_from_slice(run);
            }
        }
        let mut table = vec![0; 1 << TABLE_BITS];
        let hash = |at: usize| {
            slot(u32::from_be_bytes([
                0,
                input[at],
                input[at + 1],
                input[at + 2],
            ]))
        };
        let mut out = Vec::new();
        let (mut ip, mut first) = (1, 0);
        while ip + 2 < input.len() {
            let reference = std::mem::replace(&mut table[hash(ip)], ip);
            let near = reference != 0 && ip - reference <= OFFSET_MAX;
            if !near || input[reference..reference + 3] != input[ip..ip + 3] {
                ip += 1;
                continue;
            }
            if out.len() + coded_len(ip - first) + 4 >= bytes_max {
                return None;
            }
            put_literals(&input[first..ip], &mut out);
            let len = match_len_by_bytes(input, reference, ip);
            let offset = ip - reference - 1;
            match len - 2 {
                coded @ ..7 => out.push((coded << 5 | offset >> 8) as u8),
                coded => out.extend([(7 << 5 | offset >> 8) as u8, (coded - 7) as u8]),
            }
            out.push(offset as u8);
            ip += len;
            first = ip;
            if ip + 2 < input.len() {
                table[hash(ip - 2)] = ip - 2;
                table[hash(ip - 1)] = ip - 1;
            }
        }
        let literals = ip - first;
        if out.len() + literals + literals / LITERALS_MAX + 4 > bytes_max {
            return None;
        }
        put_literals(&input[first..], &mut out);
        Some(out)
    }

    /// The length of a match, a byte at a time.
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
                // SAFETY: the condition above.
                prop_assert_eq!(unsafe { match_len(&input, 0, back) }, expected);
            }
        }

        #[test]
        fn bytes_are_those_of_the_plain_compressor(
            letters in 1..=255u8, mut input in prop::collection::vec(any::<u8>(), 4..3000),
            again in (0..3000usize, 0..600usize), spare in 0..300usize,
        ) {
            input.iter_mut().for_each(|byte| *byte %= letters);
            let from = again.0 % input.len();
            input.extend_from_within(from..(from + again.1).min(input.len()));
            let mut c = Compressor::default();
            let whole = plain(&input, 2 * input.len()).expect("room for all");
            for bytes_max in [2 * input.len(), input.len() - 4, (whole.len() + 8).saturating_sub(spare)] {
                let mut out = Vec::new();
                let fits = c.compress(&input, bytes_max, &mut out);
                prop_assert_eq!(fits.then_some(out), plain(&input, bytes_max).filter(|_| bytes_max > 0));
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
