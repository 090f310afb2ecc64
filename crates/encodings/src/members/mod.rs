//! The members of a large set in a hash table.
//!
//!     word   bit 0 set: a 47-bit integer above it, no allocation
//!            bit 1 set: pointer to a member that expires (`expiring`)
//!            else:      pointer to `length varint | bytes`
//!
//! Invariants
//!   1. An integer in range is never stored as text, so that each member has a single form.
//!   2. The table owns the entries that its words point to.
//!   3. The table records and counts every expiry in an entry; a recorded expiry may belong to a
//!      removed member.
//!
//! Cost: the table's; a text member is an allocation of its bytes and one or two more.
#![allow(unsafe_code)]

mod expiring;
mod filter;

use crate::elements::Elements;
use crate::hashtable::{HashTable, SHORT_REACH, Word};
use crate::listpack::Entry;
use crate::prefetch::prefetch;
use crate::varint;
use rand::Rng;
use russet_base::memory::mover::Mover;
use russet_base::text::is_same;
use russet_base::{hashing::hash, memory::alloc};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Distance, in elements, at which a walk prefetches entries.
const AHEAD: usize = 16;

const INLINE: u64 = 1;
/// The bits of a word that are not a pointer's.
const FLAGS: u64 = 7;
const INLINE_MAX: i64 = (1 << 46) - 1;

/// A member in stored form, to store or to look up.
#[derive(Clone, Copy)]
enum StoredMember<'a> {
    Inline(Word),
    Text(&'a [u8]),
}

impl<'a> StoredMember<'a> {
    #[inline]
    fn new(member: &'a [u8]) -> Self {
        // An inline integer has at most 15 characters; the first excludes most text.
        let may_be_inline =
            member.len() <= 15 && matches!(member.first(), Some(b'-' | b'0'..=b'9'));
        let parsed = if may_be_inline {
            Entry::parse(member)
        } else {
            Entry::Str(member)
        };
        match parsed {
            Entry::Int(value) if (-INLINE_MAX..=INLINE_MAX).contains(&value) => {
                StoredMember::inline(value)
            }
            _ => StoredMember::Text(member),
        }
    }

    /// As [`StoredMember::new`] of the entry's text. `buffer` holds the text of an integer that is
    /// too big to be inline.
    #[inline]
    fn of(entry: Entry<'a>, buffer: &'a mut itoa::Buffer) -> Self {
        match entry {
            Entry::Str(text) => StoredMember::new(text),
            Entry::Int(value) if (-INLINE_MAX..=INLINE_MAX).contains(&value) => {
                StoredMember::inline(value)
            }
            Entry::Int(value) => StoredMember::Text(buffer.format(value).as_bytes()),
        }
    }

    #[inline]
    fn inline(value: i64) -> Self {
        StoredMember::Inline(Word::from_raw(
            (value as u64) << 1 & 0xFFFF_FFFF_FFFF | INLINE,
        ))
    }

    #[inline]
    fn hash(self) -> u64 {
        match self {
            StoredMember::Inline(word) => hash::keys().hash(&word.raw().to_le_bytes()),
            StoredMember::Text(text) => hash::keys().hash(text),
        }
    }

    #[inline]
    fn is(self, word: Word) -> bool {
        match self {
            StoredMember::Inline(own) => own == word || self.is_expiring_at(word),
            StoredMember::Text(text) if is_text(word) => {
                // SAFETY: words in the table are alive.
                is_same(unsafe { text_of(word) }, text)
            }
            StoredMember::Text(_) => self.is_expiring_at(word),
        }
    }

    /// As [`StoredMember::is`], of a member that expires.
    #[cold]
    fn is_expiring_at(self, word: Word) -> bool {
        if !is_expiring(word) {
            return false;
        }
        // SAFETY: words in the table are alive.
        match (self, unsafe { expiring::stored_of(word) }) {
            (StoredMember::Inline(own), StoredMember::Inline(word)) => own == word,
            (StoredMember::Text(own), StoredMember::Text(text)) => is_same(own, text),
            _ => false,
        }
    }

    /// The member's word, and the bytes of the member's entry.
    fn into_word(self) -> (Word, usize) {
        match self {
            StoredMember::Inline(word) => (word, 0),
            StoredMember::Text(text) => {
                let len = varint::sized(text);
                let block = alloc::block(len);
                // SAFETY: a fresh block for exactly this.
                unsafe { varint::write_bytes(block.as_ptr(), text) };
                let word = Word::from_raw(block.as_ptr().expose_provenance() as u64);
                (word, alloc::good_size(len))
            }
        }
    }
}

#[inline]
fn prefetch_text(word: Word) {
    if is_pointer(word) {
        prefetch(word.raw() as usize);
    }
}

/// Whether the word points to an entry, of a member that expires or not.
#[inline]
fn is_pointer(word: Word) -> bool {
    word.raw() & INLINE == 0
}

/// Whether the word points to the text of a member that does not expire.
#[inline]
fn is_text(word: Word) -> bool {
    word.raw() & FLAGS == 0
}

/// Whether the word is of a member that expires.
#[inline]
fn is_expiring(word: Word) -> bool {
    word.raw() & (INLINE | expiring::EXPIRES) == expiring::EXPIRES
}

/// # Safety
/// The word points to the text of a member that does not expire, and the text lives for `'a`.
#[inline]
unsafe fn text_of<'a>(word: Word) -> &'a [u8] {
    let entry = std::ptr::with_exposed_provenance(word.raw() as usize);
    // SAFETY: written by `into_word`.
    unsafe { varint::read_bytes(entry) }
}

/// # Safety
/// A text word's entry lives for `'a`.
#[inline]
unsafe fn entry_of<'a>(word: Word) -> Entry<'a> {
    if is_text(word) {
        // SAFETY: the caller guarantees it.
        Entry::Str(unsafe { text_of(word) })
    } else if is_pointer(word) {
        // SAFETY: the caller guarantees it.
        match unsafe { expiring::stored_of(word) } {
            StoredMember::Inline(word) => integer_of(word),
            StoredMember::Text(text) => Entry::Str(text),
        }
    } else {
        integer_of(word)
    }
}

/// The integer of an inline word.
#[inline]
fn integer_of<'a>(word: Word) -> Entry<'a> {
    Entry::Int((word.raw() << 16) as i64 >> 17)
}

fn hash_of(word: Word) -> u64 {
    if is_text(word) {
        // SAFETY: words in the table are alive.
        StoredMember::Text(unsafe { text_of(word) }).hash()
    } else if is_pointer(word) {
        // SAFETY: words in the table are alive.
        unsafe { expiring::stored_of(word) }.hash()
    } else {
        StoredMember::Inline(word).hash()
    }
}

/// Offers the entry of a text word; returns the word of its copy.
///
/// # Safety
/// The entry is alive, and after `Some` the word is not used again.
unsafe fn moved(word: Word, mover: &mut Mover) -> Option<Word> {
    if is_expiring(word) {
        // SAFETY: the caller guarantees it.
        return unsafe { expiring::moved(word, mover) };
    }
    let block = std::ptr::with_exposed_provenance_mut(word.raw() as usize);
    let block = NonNull::new(block).expect("words are not zero");
    // SAFETY: made by `into_word` with this length.
    let moved = unsafe { mover.block(block, || varint::sized(text_of(word))) }?;
    Some(Word::from_raw(moved.as_ptr().expose_provenance() as u64))
}

/// Frees a member's entry; returns its bytes.
///
/// # Safety
/// The word has left the table and is not used again.
unsafe fn free(word: Word) -> usize {
    if is_text(word) {
        // SAFETY: alive until here.
        let len = varint::sized(unsafe { text_of(word) });
        let block = std::ptr::with_exposed_provenance_mut(word.raw() as usize);
        let block = NonNull::new(block).expect("words are not zero");
        // SAFETY: made by `into_word` with this length.
        unsafe { alloc::free(block, len) };
        return alloc::good_size(len);
    }
    if is_pointer(word) {
        // SAFETY: alive until here.
        return unsafe { expiring::free_expiring(word) };
    }
    0
}

/// A word of a table, which is borrowed: see [`MemberTable::candidate`].
#[derive(Clone, Copy)]
pub struct Candidate<'a>(Word, PhantomData<&'a MemberTable>);

/// See the module.
#[derive(Default)]
pub struct MemberTable {
    table: HashTable,
    /// Bytes of all members' entries.
    bytes: usize,
}

// Volatile members are counted with their records: tables without them are no larger.
const _: () = assert!(size_of::<MemberTable>() <= 64);

impl MemberTable {
    /// Adds a member; false if it was there.
    #[inline]
    pub fn add(&mut self, member: &[u8]) -> bool {
        let stored = StoredMember::new(member);
        self.add_stored(stored.hash(), stored)
    }

    /// As [`MemberTable::add`], with the member's hash.
    #[inline]
    pub fn add_hashed(&mut self, hash: u64, member: Entry<'_>) -> bool {
        let mut buffer = itoa::Buffer::new();
        self.add_stored(hash, StoredMember::of(member, &mut buffer))
    }

    /// Adds a member that is not there, with its hash.
    #[inline]
    pub fn add_new_hashed(&mut self, hash: u64, member: Entry<'_>) {
        let mut buffer = itoa::Buffer::new();
        self.add_new_stored(hash, StoredMember::of(member, &mut buffer));
    }

    #[inline]
    fn add_stored(&mut self, hash: u64, stored: StoredMember<'_>) -> bool {
        if self.table.find(hash, |word| stored.is(word)).is_some() {
            return false;
        }
        self.add_new_stored(hash, stored);
        true
    }

    #[inline]
    fn add_new_stored(&mut self, hash: u64, stored: StoredMember<'_>) {
        debug_assert!(self.table.find(hash, |word| stored.is(word)).is_none());
        let (word, bytes) = stored.into_word();
        self.table.insert(hash, word, hash_of);
        self.bytes += bytes;
    }

    /// As [`MemberTable::contains`], with the member's hash.
    #[inline]
    pub fn contains_hashed(&self, hash: u64, member: Entry<'_>) -> bool {
        let mut buffer = itoa::Buffer::new();
        let stored = StoredMember::of(member, &mut buffer);
        self.table.find(hash, |word| stored.is(word)).is_some()
    }

    /// The only word that is likely to be of a member with this hash, its entry prefetched; `None`:
    /// there is no such member. For [`MemberTable::confirms`].
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<Candidate<'_>> {
        let word = self.table.find(hash, |_| true)?;
        prefetch_text(word);
        Some(Candidate(word, PhantomData))
    }

    /// Whether a member is there, given the candidate of its hash.
    #[inline]
    pub fn confirms(&self, candidate: Candidate<'_>, hash: u64, member: Entry<'_>) -> bool {
        let mut buffer = itoa::Buffer::new();
        // Another member may have the tag of the hash, but hardly ever has.
        StoredMember::of(member, &mut buffer).is(candidate.0) || self.contains_hashed(hash, member)
    }

    /// As [`MemberTable::remove`], with the member's hash.
    #[inline]
    pub fn remove_hashed(&mut self, hash: u64, member: Entry<'_>) -> bool {
        let mut buffer = itoa::Buffer::new();
        let stored = StoredMember::of(member, &mut buffer);
        let gone = self.table.remove(hash, |word| stored.is(word));
        gone.map(|word| self.free_removed(word)).is_some()
    }

    /// Frees a member that has left the table.
    #[inline]
    fn free_removed(&mut self, word: Word) {
        if is_expiring(word) {
            self.table.count_expiring(true, false);
        }
        // SAFETY: out of the table, and the caller does not use the word again.
        self.bytes -= unsafe { free(word) };
    }

    /// Whether the member is there.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        let stored = StoredMember::new(member);
        self.table
            .find(stored.hash(), |word| stored.is(word))
            .is_some()
    }

    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let stored = StoredMember::new(member);
        let gone = self.table.remove(stored.hash(), |word| stored.is(word));
        gone.map(|word| self.free_removed(word)).is_some()
    }

    /// Panics if an invariant is broken. O(n).
    pub fn check_invariants(&self) {
        self.table.check_invariants(hash_of);
        // SAFETY: words in the table are alive.
        let bytes = |word| unsafe { expiring::bytes_of(word) };
        assert_eq!(self.table.iter().map(bytes).sum::<usize>(), self.bytes);
        let expiries = || self.with_expiries().filter_map(|(_, expiry)| expiry);
        assert_eq!(expiries().count(), self.volatile());
        let first = expiries().min();
        assert!(
            first.is_none_or(|first| self.next_due().is_some_and(|due| due <= first)),
            "the bound is not after any expiry"
        );
    }

    /// All members, in no particular order. The entries are prefetched some steps ahead.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut words = self.table.iter();
        let mut ahead = [None; AHEAD];
        let mut at = 0;
        for place in &mut ahead {
            *place = words.next().inspect(|&word| prefetch_text(word));
        }
        std::iter::from_fn(move || {
            let next = words.next().inspect(|&word| prefetch_text(word));
            let word = std::mem::replace(&mut ahead[at], next)?;
            at = (at + 1) % AHEAD;
            // SAFETY: words in the table are alive while it is borrowed.
            Some(unsafe { entry_of(word) })
        })
    }

    /// Calls `see` with the members in the order of [`MemberTable::iter`] until it returns false.
    #[inline]
    pub fn visit<'a>(&'a self, mut see: impl FnMut(Entry<'a>) -> bool) {
        // SAFETY: words in the table are alive while it is borrowed.
        self.table
            .visit(prefetch_text, |word| see(unsafe { entry_of(word) }));
    }

    /// The hash of an entry's text, for the functions that take a hash.
    #[inline]
    pub fn hash_entry(member: Entry<'_>) -> u64 {
        StoredMember::of(member, &mut itoa::Buffer::new()).hash()
    }

    /// A uniformly random member.
    pub fn random(&self, rng: &mut impl Rng) -> Option<Entry<'_>> {
        // SAFETY: words in the table are alive while it is borrowed.
        self.table.random(rng).map(|word| unsafe { entry_of(word) })
    }

    /// Removes a uniformly random member after passing it to `see`.
    pub fn pop_with<R>(
        &mut self,
        rng: &mut impl Rng,
        see: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        let word = self.table.random(rng)?;
        self.table.remove(hash_of(word), |other| other == word);
        // SAFETY: out of the table but alive.
        let seen = see(unsafe { entry_of(word) });
        self.free_removed(word);
        Some(seen)
    }

    /// A step of SCAN; returns the next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, mut see: impl FnMut(Entry<'_>)) -> u64 {
        // SAFETY: words in the table are alive while it is borrowed.
        self.table
            .scan(cursor, |word| see(unsafe { entry_of(word) }))
    }

    /// Offers the blocks of about `n` members from a cursor on, and before the first member the
    /// blocks of the table; returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, mover: &mut Mover, cursor: u64, n: usize) -> u64 {
        self.table.relocate_about(mover, cursor, n, |word, mover| {
            // SAFETY: the word is in the table, which replaces it by the returned word.
            is_pointer(word).then(|| unsafe { moved(word, mover) })?
        })
    }

    /// Frees up to `n` members; true when none is left.
    pub fn free_step(&mut self, n: usize) -> bool {
        let bytes = &mut self.bytes;
        // SAFETY: out of the table.
        self.table
            .drain_step(n, |word| *bytes -= unsafe { free(word) })
    }
}

impl Elements for MemberTable {
    #[inline]
    fn table(&self) -> &HashTable {
        &self.table
    }

    #[inline]
    fn hash(&self, member: &[u8]) -> u64 {
        StoredMember::new(member).hash()
    }

    /// Integers have no entries.
    #[inline]
    fn prefetch_entries(&self, hash: u64) {
        self.table
            .prefetch_entries(hash, |word| is_pointer(word).then_some(SHORT_REACH));
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.bytes
    }
}

impl Drop for MemberTable {
    fn drop(&mut self) {
        self.free_step(usize::MAX);
    }
}

impl Clone for MemberTable {
    fn clone(&self) -> Self {
        let copy = |word| {
            if is_text(word) {
                // SAFETY: words in the table are alive while it is borrowed.
                StoredMember::Text(unsafe { text_of(word) }).into_word().0
            } else if is_pointer(word) {
                // SAFETY: as above.
                unsafe { expiring::copy_of(word) }
            } else {
                word
            }
        };
        let mut copied = MemberTable {
            table: self.table.copy_with(copy),
            bytes: self.bytes,
        };
        copied.record_all(self.volatile());
        copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn integers_up_to_47_bits_take_no_allocation() {
        for value in [0, -1, 1, INLINE_MAX, -INLINE_MAX] {
            let text = value.to_string();
            let StoredMember::Inline(word) = StoredMember::new(text.as_bytes()) else {
                panic!("{value}")
            };
            // SAFETY: inline.
            assert_eq!(unsafe { entry_of(word) }, Entry::Int(value));
        }
        for text in ["70368744177664", "-70368744177664", "01", "-0", "+1", ""] {
            assert!(
                matches!(StoredMember::new(text.as_bytes()), StoredMember::Text(_)),
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn behaves_like_a_hash_set(ops in prop::collection::vec((0u8..5, 0i64..600), 0..2000)) {
            let (mut table, mut model) = (MemberTable::default(), HashSet::new());
            let mut rng = rand::rng();
            for (op, n) in ops {
                let text = if n % 2 == 0 { n.to_string() } else { format!("member:{n}") }.into_bytes();
                match op {
                    0..3 => prop_assert_eq!(table.add(&text), model.insert(text)),
                    3 => prop_assert_eq!(table.remove(&text), model.remove(&text)),
                    _ => {
                        if let Some(gone) = table.pop_with(&mut rng, |e| e.to_vec()) {
                            prop_assert!(model.remove(&gone));
                        }
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(&table.clone().iter().map(|e| e.to_vec()).collect::<HashSet<_>>(), &model);
            for text in &model {
                prop_assert!(table.contains(text));
            }
            let (mut seen, mut cursor) = (HashSet::new(), 0);
            loop {
                cursor = table.scan(cursor, |e| { seen.insert(e.to_vec()); });
                if cursor == 0 { break; }
            }
            prop_assert_eq!(seen, model);
        }
    }
}
