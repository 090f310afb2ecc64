//! Varint lengths inside entries: 7 bits a byte, low bits first, the high bit means "more".
#![allow(unsafe_code)]

/// Encoded size of `len` in bytes.
#[inline]
pub fn size(len: usize) -> usize {
    (usize::BITS - (len | 1).leading_zeros()).div_ceil(7) as usize
}

/// Writes `len` and returns the address after it.
///
/// # Safety
/// `size(len)` bytes at `to` may be written.
#[inline]
pub unsafe fn write(mut to: *mut u8, mut len: usize) -> *mut u8 {
    loop {
        let more = if len > 0x7F { 0x80 } else { 0 };
        // SAFETY: within `size(len)` bytes.
        unsafe { to.write(len as u8 & 0x7F | more) };
        // SAFETY: as above, or one past the end.
        to = unsafe { to.add(1) };
        len >>= 7;
        if len == 0 {
            return to;
        }
    }
}

/// Writes the length of `bytes`, then `bytes`, and returns the address after them.
///
/// # Safety
/// `size(bytes.len()) + bytes.len()` bytes at `to` may be written and do not overlap `bytes`.
#[inline]
pub unsafe fn write_bytes(to: *mut u8, bytes: &[u8]) -> *mut u8 {
    // SAFETY: the caller guarantees it.
    let to = unsafe { write(to, bytes.len()) };
    // SAFETY: the caller guarantees it.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: one past the end.
    unsafe { to.add(bytes.len()) }
}

/// Reads the bytes after a length.
///
/// # Safety
/// `from` was written by `write_bytes`, and the bytes live unchanged for `'a`.
#[inline]
pub unsafe fn read_bytes<'a>(mut from: *const u8) -> &'a [u8] {
    let (mut len, mut shift) = (0usize, 0);
    loop {
        // SAFETY: the last byte of a length has no high bit.
        let byte = unsafe { from.read() };
        // SAFETY: as above.
        from = unsafe { from.add(1) };
        len |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    // SAFETY: the caller guarantees that `len` bytes follow.
    unsafe { std::slice::from_raw_parts(from, len) }
}

/// Encoded size of `bytes` with their length.
#[inline]
pub fn sized(bytes: &[u8]) -> usize {
    size(bytes.len()) + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_trip_at_every_width() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let bytes = vec![7u8; len];
            let mut room = vec![0u8; sized(&bytes)];
            // SAFETY: exactly the encoded size.
            let end = unsafe { write_bytes(room.as_mut_ptr(), &bytes) };
            assert_eq!(end as usize - room.as_ptr() as usize, room.len());
            // SAFETY: written above.
            assert_eq!(unsafe { read_bytes(room.as_ptr()) }, &bytes[..]);
        }
    }
}
