//! Appends to a buffer that has the room already, which replies are made of: a single test of the
//! room for a whole reply, and short texts as words.
//!
//! A `Vec` tests its capacity for each part, and a copy of few bytes is a call of `memcpy`:
//! together half of what a short bulk string costs.
//!
//! Invariant: nothing is written beyond the capacity, and nothing read beyond `bytes`.
#![allow(unsafe_code)]

/// Bytes of room that [`framed`] needs beside its text.
pub const FRAME_ROOM: usize = 16;
/// The longest text that is copied without a call.
pub const SHORT_MAX: usize = 64;

/// Appends the first `len` bytes of a word.
///
/// Panics unless there is room for the whole word.
#[inline(always)]
pub fn word(out: &mut Vec<u8>, word: [u8; 8], len: usize) {
    assert!(len <= 8 && out.capacity() - out.len() >= 8);
    // SAFETY: the eight bytes lie within the capacity; `len` of them become part of the buffer.
    unsafe {
        let at = out.as_mut_ptr().add(out.len());
        at.cast::<[u8; 8]>().write_unaligned(word);
        out.set_len(out.len() + len);
    }
}

/// Appends the first `len` bytes of `head`, then `text`, CR and LF. No call if the caller knows
/// that the text is at most [`SHORT_MAX`] long.
///
/// Panics unless there is room for the text and [`FRAME_ROOM`] bytes.
#[inline(always)]
pub fn framed(out: &mut Vec<u8>, head: [u8; 8], len: usize, text: &[u8]) {
    let room = out.capacity() - out.len();
    assert!(len <= 8 && room >= FRAME_ROOM && room - FRAME_ROOM >= text.len());
    // SAFETY: head, text and line end are at most `FRAME_ROOM` bytes more than the text, so they
    // lie within the capacity; all bytes up to the new length are written, as `head` has eight.
    unsafe {
        let at = out.as_mut_ptr().add(out.len());
        at.cast::<[u8; 8]>().write_unaligned(head);
        let at = at.add(len);
        copy(text, at);
        at.add(text.len())
            .cast::<[u8; 2]>()
            .write_unaligned(*b"\r\n");
        out.set_len(out.len() + len + text.len() + 2);
    }
}

/// Appends bytes.
///
/// Panics unless there is room for them.
#[inline(always)]
pub fn bytes(out: &mut Vec<u8>, text: &[u8]) {
    assert!(out.capacity() - out.len() >= text.len());
    // SAFETY: the text lies within the capacity.
    unsafe {
        copy(text, out.as_mut_ptr().add(out.len()));
        out.set_len(out.len() + text.len());
    }
}

/// Copies a text: a short text as two words that may overlap, or as three bytes.
///
/// # Safety
/// `to` has room for it, elsewhere.
#[inline(always)]
unsafe fn copy(text: &[u8], to: *mut u8) {
    let (from, len) = (text.as_ptr(), text.len());
    macro_rules! words {
        ($word:ty) => {{
            let last = len - size_of::<$word>();
            // SAFETY: the text is at least as long as a word, and at most as two.
            unsafe {
                let first = from.cast::<$word>().read_unaligned();
                let second = from.add(last).cast::<$word>().read_unaligned();
                to.cast::<$word>().write_unaligned(first);
                to.add(last).cast::<$word>().write_unaligned(second);
            }
        }};
    }
    if len > SHORT_MAX {
        // SAFETY: the caller's promise.
        unsafe { from.copy_to_nonoverlapping(to, len) }
    } else if len > 32 {
        words!([u8; 32])
    } else if len > 16 {
        words!([u8; 16])
    } else if len >= 8 {
        words!(u64)
    } else if len >= 4 {
        words!(u32)
    } else if len > 0 {
        for at in [0, len / 2, len - 1] {
            // SAFETY: all three are below the length.
            unsafe { to.add(at).write(*from.add(at)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_framed_as_by_a_vec() {
        let text: Vec<u8> = (0..200u8).collect();
        for len in 0..200 {
            for from in [0, 1, 7] {
                let text = &text[from.min(len)..len];
                for head in 0..=8 {
                    // Exactly the required room, after some bytes.
                    let mut out = Vec::with_capacity(3 + text.len() + FRAME_ROOM);
                    out.extend_from_slice(b"abc");
                    framed(&mut out, *b"$1234567", head, text);
                    let expected = [b"abc", &b"$1234567"[..head], text, b"\r\n"].concat();
                    assert_eq!(out, expected);
                }
                let mut out = Vec::with_capacity(text.len());
                bytes(&mut out, text);
                assert_eq!(out, text);
            }
        }
    }

    #[test]
    fn a_part_of_a_word_is_appended() {
        for len in 0..=8 {
            let mut out = Vec::with_capacity(9);
            out.push(b'x');
            word(&mut out, *b"abcdefgh", len);
            assert_eq!(out, [b"x", &b"abcdefgh"[..len]].concat());
        }
    }

    #[test]
    #[should_panic]
    fn without_room_nothing_is_framed() {
        framed(&mut Vec::with_capacity(FRAME_ROOM + 2), [0; 8], 1, b"abc");
    }
}
