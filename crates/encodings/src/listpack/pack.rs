//! The bytes of a listpack, wherever they are stored: `Pack` is to [`Listpack`](super::Listpack)
//! what `str` is to `String`. All reading operations are here.
#![allow(unsafe_code)]

use super::entry::{self, Entry};
use super::validate::validate;
use super::{COUNT_UNKNOWN, HEADER, Pos};
use russet_base::numbers::number::parse_i64;
use std::fmt;

/// See the module.
#[repr(transparent)]
pub struct Pack([u8]);

impl Pack {
    /// `bytes` must be a complete listpack (invariant 1); its entries are not checked.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> &Pack {
        debug_assert!(bytes.len() > HEADER);
        // SAFETY: the type is nothing but the bytes.
        unsafe { &*(std::ptr::from_ref(bytes) as *const Pack) }
    }

    /// The whole serialised form, as in DUMP and RDB files.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    pub(super) fn count(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }

    /// The header's count after this many entries were added and removed: unknown stays unknown.
    #[inline]
    pub(super) fn count_after(&self, added: usize, removed: usize) -> u16 {
        match self.count() {
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            count => u16::try_from(usize::from(count) + added - removed).unwrap_or(COUNT_UNKNOWN),
        }
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        match self.count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there is no entry. O(1).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER + 1
    }

    #[inline]
    pub(super) fn end(&self) -> usize {
        self.0.len() - 1
    }

    #[inline]
    pub(super) fn pos_unless_end(&self, offset: usize) -> Option<Pos> {
        (offset < self.end()).then_some(Pos(offset as u32))
    }

    /// The first entry; `None` if there is none.
    #[inline]
    pub fn first(&self) -> Option<Pos> {
        self.pos_unless_end(HEADER)
    }

    /// The last entry; `None` if there is none.
    #[inline]
    pub fn last(&self) -> Option<Pos> {
        self.before(self.end())
    }

    /// The entry after `pos`.
    #[inline]
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        self.pos_unless_end(self.after(pos.offset()))
    }

    /// The entry before `pos`.
    #[inline]
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.offset())
    }

    /// The offset after the entry at `offset`.
    #[inline]
    pub(super) fn after(&self, offset: usize) -> usize {
        let body = entry::body_len(&self.as_bytes()[offset..]).expect("a position is an entry");
        offset + body + entry::backlen_size(body)
    }

    #[inline]
    pub(super) fn before(&self, offset: usize) -> Option<Pos> {
        if offset <= HEADER {
            return None;
        }
        let body = entry::read_backlen(self.as_bytes(), offset).expect("entries are whole");
        let start = offset
            .checked_sub(body + entry::backlen_size(body))
            .expect("entries are whole");
        Some(Pos(start as u32))
    }

    /// The entry with this index, reached from the nearer end.
    pub fn seek(&self, index: usize) -> Option<Pos> {
        let len = self.len();
        if index >= len {
            return None;
        }
        if index <= len / 2 {
            let mut offset = HEADER;
            for _ in 0..index {
                offset = self.after(offset);
            }
            return Some(Pos(offset as u32));
        }
        let mut pos = self.last()?;
        for _ in index + 1..len {
            pos = self.prev(pos)?;
        }
        Some(pos)
    }

    /// The entry at `pos`. Panics if `pos` is past the end.
    #[inline]
    pub fn get(&self, pos: Pos) -> Entry<'_> {
        entry::decode(&self.as_bytes()[pos.offset()..])
    }

    /// The first entry equal to `needle` at or after `from`, comparing an entry and skipping the
    /// next `skip` (to search only fields of field/value pairs).
    pub fn find(&self, from: Pos, needle: &[u8], skip: usize) -> Option<Pos> {
        let number = parse_i64(needle);
        let (bytes, end) = (self.as_bytes(), self.end());
        let mut offset = from.offset();
        let mut passing = 0;
        while offset < end {
            let rest = &bytes[offset..];
            // Small numbers and short strings, the commonest entries: header and trailing length
            // are a byte each.
            let (entry, size) = match rest[0] {
                head @ ..0x80 => (Entry::Int(i64::from(head)), 2),
                head @ 0x80..0xC0 => {
                    let len = usize::from(head & 0x3F);
                    (Entry::Str(&rest[1..1 + len]), len + 2)
                }
                _ => {
                    let body = entry::body_len(rest).expect("entries are whole");
                    (entry::decode(rest), body + entry::backlen_size(body))
                }
            };
            if passing == 0 {
                let same = match entry {
                    Entry::Int(value) => number == Some(value),
                    Entry::Str(text) => text == needle,
                };
                if same {
                    return Some(Pos(offset as u32));
                }
                passing = skip;
            } else {
                passing -= 1;
            }
            offset += size;
        }
        None
    }

    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        validate(self.as_bytes()).expect("a listpack keeps its format");
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
