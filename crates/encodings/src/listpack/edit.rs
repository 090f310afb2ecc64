//! Changes to a listpack: each is a splice, and an update of the header's count.
//!
//! Here, `splice` alone changes the block's length and `total` (invariant 1); the callers of
//! `splice` fill the room that it returns with whole entries, and the trailing 0xFF moves with the
//! rest. An unknown count (invariant 3) stays unknown after inserts; a removal counts anew.
//!
//! Cost: O(bytes after the position), and at most one reallocation; several entries in a call are a
//! single splice. `move_span` allocates nothing. A listpack of 4 GB panics: limits are `types`'.
#![allow(unsafe_code)]

use super::entry::{EncodedEntry, Entry};
use super::{COUNT_UNKNOWN, HEADER, Listpack, Pos};
use russet_base::memory::alloc;
use std::mem::MaybeUninit;

impl Listpack {
    /// Adds an entry at the end, and returns its position.
    pub fn append(&mut self, entry: Entry<'_>) -> Pos {
        let pos = self.put(self.end(), 0, entry);
        self.add_to_count(1, 0);
        pos
    }

    /// Adds an entry at the front, and returns its position.
    pub fn prepend(&mut self, entry: Entry<'_>) -> Pos {
        let pos = self.put(HEADER, 0, entry);
        self.add_to_count(1, 0);
        pos
    }

    /// Appends all of `entries` with at most one reallocation.
    pub fn append_all(&mut self, entries: &[Entry<'_>]) {
        self.insert_all(self.end(), entries);
    }

    /// Appends `entries` with a single reallocation; iterates over them twice.
    #[inline]
    pub fn append_each<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>> + Clone) {
        let (added, count) = entries.clone().fold((0, 0), |(bytes, count), entry| {
            (bytes + EncodedEntry::new(entry).total(), count + 1)
        });
        let room = self.splice(self.end(), 0, added);
        entries.fold(room, |room, entry| EncodedEntry::new(entry).write(room));
        self.add_to_count(count, 0);
    }

    /// Appends `head`, `body` and `end` with a single reallocation; iterates over `body` twice.
    #[inline]
    pub fn append_framed<'a>(
        &mut self,
        head: &[Entry<'a>],
        body: impl Iterator<Item = Entry<'a>> + Clone,
        end: Entry<'a>,
    ) {
        let size = |entry| EncodedEntry::new(entry).total();
        let (bytes, count) = body.clone().fold((0, 0), |(bytes, count), entry| {
            (bytes + size(entry), count + 1)
        });
        let around = head.iter().fold(size(end), |sum, &entry| sum + size(entry));
        let mut room = self.splice(self.end(), 0, around + bytes);
        for &entry in head {
            room = EncodedEntry::new(entry).write(room);
        }
        room = body.fold(room, |room, entry| EncodedEntry::new(entry).write(room));
        EncodedEntry::new(end).write(room);
        self.add_to_count(head.len() + count + 1, 0);
    }

    /// Inserts before the entry at `pos`, and returns the new entry's position.
    pub fn insert_before(&mut self, pos: Pos, entry: Entry<'_>) -> Pos {
        let pos = self.put(pos.offset(), 0, entry);
        self.add_to_count(1, 0);
        pos
    }

    /// Inserts after the entry at `pos`, and returns the new entry's position.
    pub fn insert_after(&mut self, pos: Pos, entry: Entry<'_>) -> Pos {
        let pos = self.put(self.after(pos.offset()), 0, entry);
        self.add_to_count(1, 0);
        pos
    }

    /// Inserts all of `entries` before `pos`, or at the end.
    pub fn insert_all_before(&mut self, pos: Option<Pos>, entries: &[Entry<'_>]) {
        self.insert_all(pos.map_or(self.end(), Pos::offset), entries);
    }

    /// Replaces the entry at `pos`, which stays valid.
    pub fn replace(&mut self, pos: Pos, entry: Entry<'_>) {
        let offset = pos.offset();
        self.put(offset, self.after(offset) - offset, entry);
    }

    /// Deletes the entry at `pos` and returns the entry that follows.
    pub fn delete(&mut self, pos: Pos) -> Option<Pos> {
        self.delete_span(pos, 1)
    }

    /// Deletes up to `count` entries from `pos` on and returns the entry that follows.
    pub fn delete_span(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        let start = pos.offset();
        let (mut offset, mut removed) = (start, 0);
        while removed < count && offset < self.end() {
            offset = self.after(offset);
            removed += 1;
        }
        let known = (self.count() != COUNT_UNKNOWN).then(|| self.len());
        self.splice(start, offset - start, 0);
        let left = match known {
            Some(len) => len - removed,
            // The header's count was unknown: count the entries again.
            None => self.iter().count(),
        };
        self.set_count(left);
        self.pos_unless_end(start)
    }

    /// Deletes up to `count` entries from `index` on; nothing if there is none.
    pub fn delete_range(&mut self, index: usize, count: usize) {
        if count == 0 {
            return;
        }
        if let Some(pos) = self.seek(index) {
            self.delete_span(pos, count);
        }
    }

    /// Moves `count` entries from `pos` on to before the entry at `to`, which must not be among
    /// them, or to the end. Nothing is allocated; O(bytes between).
    pub fn move_span(&mut self, pos: Pos, count: usize, to: Option<Pos>) {
        let start = pos.offset();
        let end = (0..count).fold(start, |offset, _| self.after(offset));
        let to = to.map_or(self.end(), Pos::offset);
        let bytes = self.bytes_mut();
        if to < start {
            bytes[to..end].rotate_right(end - start);
        } else if to > end {
            bytes[start..to].rotate_left(end - start);
        }
    }

    /// Appends the entries of `other`.
    pub fn merge(&mut self, other: &Listpack) {
        let count = self.len() + other.len();
        let entries = &other.as_bytes()[HEADER..other.end()];
        self.splice(self.end(), 0, entries.len())
            .write_copy_of_slice(entries);
        self.set_count(count);
    }

    /// Splits the listpack: this listpack keeps the entries before `pos`, the rest is returned.
    pub fn split_off(&mut self, pos: Pos) -> Listpack {
        let offset = pos.offset();
        let (count, end) = (self.len(), self.end());
        let mut rest = Listpack::uninit(HEADER + 1 + end - offset);
        rest.bytes_mut()[HEADER..].copy_from_slice(&self.as_bytes()[offset..]);
        let moved = rest.iter().count();
        rest.set_count(moved);
        self.splice(offset, end - offset, 0);
        self.set_count(count - moved);
        rest
    }

    fn insert_all(&mut self, offset: usize, entries: &[Entry<'_>]) {
        let added = entries.iter().map(|&e| EncodedEntry::new(e).total()).sum();
        let mut room = self.splice(offset, 0, added);
        for &entry in entries {
            room = EncodedEntry::new(entry).write(room);
        }
        self.add_to_count(entries.len(), 0);
    }

    fn put(&mut self, offset: usize, removed: usize, entry: Entry<'_>) -> Pos {
        let encoded = EncodedEntry::new(entry);
        encoded.write(self.splice(offset, removed, encoded.total()));
        Pos::at(offset)
    }

    /// Replaces `removed` bytes at `offset` by room for `added`, and returns that room, which the
    /// caller must fill before the listpack is read.
    fn splice(&mut self, offset: usize, removed: usize, added: usize) -> &mut [MaybeUninit<u8>] {
        let old = self.total();
        let new = old - removed + added;
        let stated = u32::try_from(new).expect("a listpack is shorter than 4 GB");
        let tail = offset + removed;
        assert!(tail < old);
        if added == removed {
            // SAFETY: the room is within the block, and is exclusively this listpack's.
            let room = unsafe { self.0.as_ptr().add(offset) }.cast();
            // SAFETY: as above; its content may be overwritten.
            return unsafe { std::slice::from_raw_parts_mut(room, added) };
        }
        if new > old {
            // SAFETY: the block was made for `old` bytes.
            self.0 = unsafe { alloc::resize(self.0, old, new) };
        }
        let base = self.0.as_ptr();
        // SAFETY: both ranges are within the larger of `old` and `new` bytes.
        unsafe { std::ptr::copy(base.add(tail), base.add(offset + added), old - tail) };
        if new < old {
            // SAFETY: the block was made for `old` bytes; the first `new` are kept.
            self.0 = unsafe { alloc::resize(self.0, old, new) };
        }
        // SAFETY: the block starts with the four bytes of `total`.
        unsafe {
            self.0
                .cast::<u32>()
                .as_ptr()
                .write_unaligned(stated.to_le())
        };
        // SAFETY: `offset + added < new`, and the room is exclusively this listpack's.
        let room = unsafe { self.0.as_ptr().add(offset) }.cast();
        // SAFETY: as above; the type allows uninitialised bytes.
        unsafe { std::slice::from_raw_parts_mut(room, added) }
    }
}
