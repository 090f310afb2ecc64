//! The bytes of a posting.
//!
//!     head       varint: distance from the id before << 2 | has fields << 1 | is simple
//!     frequency  varint, unless simple: then it is 1, with one position
//!     fields     varint, if the head says so: else the first text field
//!     positions  simple: varint; else varint length in bytes, and varint distances
//!
//! The first entry of a block has distance 0 from the block's first id. There are no positions if
//! the schema keeps none (NOOFFSETS).

/// A term in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'p> {
    /// Weighted; at least 1.
    pub(crate) frequency: u32,
    /// Bits of the text fields that hold it.
    pub(crate) fields: u128,
    /// Ascending.
    pub(crate) positions: &'p [u32],
}

const SIMPLE: u64 = 1;
const HAS_FIELDS: u64 = 2;
pub(super) const FIRST_FIELD: u128 = 1;

impl Entry<'_> {
    /// More bytes than it takes.
    pub(super) fn bytes_max(&self) -> usize {
        12 + if self.fields == FIRST_FIELD { 0 } else { 19 } + 5 * self.positions.len()
    }
}

/// Appends a number, seven bits a byte.
#[inline]
pub(crate) fn write_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn write_wide(out: &mut Vec<u8>, mut n: u128) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// The number at `at`, which moves after it.
#[inline]
pub(crate) fn read_varint(bytes: &[u8], at: &mut usize) -> u64 {
    let first = bytes[*at];
    *at += 1;
    if first < 0x80 {
        return u64::from(first);
    }
    let (mut n, mut shift) = (u64::from(first & 0x7f), 7);
    loop {
        let byte = bytes[*at];
        *at += 1;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return n;
        }
        shift += 7;
    }
}

fn read_wide(bytes: &[u8], at: &mut usize) -> u128 {
    let (mut n, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        n |= u128::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return n;
        }
        shift += 7;
    }
}

pub(super) fn write_head(out: &mut Vec<u8>, distance: u32, flags: u64) {
    write_varint(out, u64::from(distance) << 2 | flags);
}

/// Bytes of a head at most.
pub(super) const HEAD_MAX: usize = 5;

/// Writes a head to the beginning of some bytes, and returns the head's length.
pub(super) fn put_head(out: &mut [u8; HEAD_MAX], distance: u32, flags: u64) -> usize {
    let mut n = u64::from(distance) << 2 | flags;
    let mut len = 0;
    while n >= 0x80 {
        out[len] = n as u8 | 0x80;
        n >>= 7;
        len += 1;
    }
    out[len] = n as u8;
    len + 1
}

pub(super) fn write_entry(out: &mut Vec<u8>, distance: u32, entry: &Entry<'_>, positions: bool) {
    let is_simple = entry.frequency == 1 && (!positions || entry.positions.len() == 1);
    let has_fields = entry.fields != FIRST_FIELD;
    let flags = (u64::from(is_simple) * SIMPLE) | (u64::from(has_fields) * HAS_FIELDS);
    write_head(out, distance, flags);
    if !is_simple {
        write_varint(out, u64::from(entry.frequency));
    }
    if has_fields {
        write_wide(out, entry.fields);
    }
    if !positions {
        return;
    }
    if is_simple {
        write_varint(out, u64::from(entry.positions[0]));
        return;
    }
    let mut distances = Vec::with_capacity(entry.positions.len());
    let mut before = 0;
    for position in entry.positions {
        write_varint(&mut distances, u64::from(position - before));
        before = *position;
    }
    write_varint(out, distances.len() as u64);
    out.extend_from_slice(&distances);
}

/// The head of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) flags: u64,
    /// Where the part after the head begins.
    pub(super) body: usize,
}

/// An entry without positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) frequency: u32,
    pub(super) fields: u128,
    /// The bytes of the positions.
    pub(super) positions: (u32, u32),
}

impl Head {
    /// The head at `at`, after an entry of id `base`.
    #[inline]
    pub(super) fn read(bytes: &[u8], mut at: usize, base: u32) -> Head {
        let head = read_varint(bytes, &mut at);
        Head {
            id: base + (head >> 2) as u32,
            flags: head & 3,
            body: at,
        }
    }

    /// The part after the head, and where it ends.
    #[inline]
    pub(super) fn body(&self, bytes: &[u8], positions: bool) -> (Body, usize) {
        let mut at = self.body;
        let mut body = Body {
            frequency: 1,
            fields: FIRST_FIELD,
            positions: (0, 0),
        };
        let is_simple = self.flags & SIMPLE != 0;
        if !is_simple {
            body.frequency = read_varint(bytes, &mut at) as u32;
        }
        if self.flags & HAS_FIELDS != 0 {
            body.fields = read_wide(bytes, &mut at);
        }
        if positions {
            if is_simple {
                let start = at;
                while bytes[at] >= 0x80 {
                    at += 1;
                }
                at += 1;
                body.positions = (start as u32, at as u32);
            } else {
                let length = read_varint(bytes, &mut at) as usize;
                body.positions = (at as u32, (at + length) as u32);
                at += length;
            }
        }
        (body, at)
    }

    /// Whether the entry is like nearly all: once in the first field.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.flags == SIMPLE
    }

    /// Where the entry ends.
    #[inline]
    pub(super) fn end(&self, bytes: &[u8], positions: bool) -> usize {
        if self.is_plain() {
            // A position, or nothing.
            let mut at = self.body;
            if positions {
                while bytes[at] >= 0x80 {
                    at += 1;
                }
                at += 1;
            }
            return at;
        }
        self.body(bytes, positions).1
    }
}
