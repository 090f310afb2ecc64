//! An iterator over entries, from either end.

use super::entry::{self, Entry};
use super::{HEADER, Pack, Pos};

impl Pack {
    /// All entries, from either end.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            pack: self,
            bytes: self.as_bytes(),
            front: HEADER,
            back: self.end(),
        }
    }

    /// The entries from `pos` to the end.
    #[inline]
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter {
            pack: self,
            bytes: self.as_bytes(),
            front: pos.offset(),
            back: self.end(),
        }
    }
}

/// Entries of a listpack from both ends.
#[derive(Clone)]
pub struct Iter<'a> {
    pack: &'a Pack,
    /// The listpack's bytes, because their length would else be read from memory for each entry.
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    /// Position of the next entry; `None` at the end.
    #[inline]
    pub fn pos(&self) -> Option<Pos> {
        (self.front < self.back).then(|| Pos::at(self.front))
    }

    /// Skips up to `n` entries without decoding them.
    #[inline]
    pub fn pass(&mut self, n: usize) {
        for _ in 0..n {
            if self.front >= self.back {
                return;
            }
            self.front = self.pack.after(self.front);
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    /// Part of its callers: as a call it costs half as much again.
    #[inline(always)]
    fn next(&mut self) -> Option<Entry<'a>> {
        let rest = self.bytes.get(self.front..self.back)?;
        let (&head, text) = rest.split_first()?;
        // Short strings, the commonest entries: header and trailing length are a byte each.
        if head & 0xC0 == 0x80 {
            let len = usize::from(head & 0x3F);
            self.front += len + 2;
            return Some(Entry::Str(&text[..len]));
        }
        // Small numbers: a byte, and a byte for its length.
        if head < 0x80 {
            self.front += 2;
            return Some(Entry::Int(i64::from(head)));
        }
        let entry = entry::decode(rest);
        self.front = self.pack.after(self.front);
        Some(entry)
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let pos = self.pack.before(self.back)?;
        self.back = pos.offset();
        Some(self.pack.get(pos))
    }
}
