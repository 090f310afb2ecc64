//! A member that expires: always an allocation, also if it is an integer, because the word of an
//! integer has no room for a time.
//!
//!     word     pointer | bit 1: expires | bit 2: an integer
//!     text     expiry ms: u48le | length varint | bytes
//!     integer  expiry ms: u48le | the word of the integer alone: u48le
//!
//! The hash of a member does not depend on its expiry.
//!
//! Cost: 6 bytes more than the member alone, rounded up by the allocator; an integer takes 16. All
//! functions here are out of the way of members that do not expire.
#![allow(unsafe_code)]

use super::{FLAGS, MemberTable, StoredMember, entry_of, free, hash_of, is_expiring, text_of};
use crate::hashtable::Word;
use crate::listpack::Entry;
use crate::varint;
use russet_base::memory::alloc;
use russet_base::memory::mover::Mover;
use std::ptr::NonNull;

/// The entry has an expiry.
pub(super) const EXPIRES: u64 = 2;
/// The entry is of an integer.
const NUMBER: u64 = 4;
/// Bytes of a time, and of the word of an integer.
const TIME: usize = 6;
/// The latest time that an entry can hold, Unix milliseconds.
const TIME_MAX: u64 = (1 << 48) - 1;

fn start_of(word: Word) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut((word.raw() & !FLAGS) as usize)
}

/// # Safety
/// [`TIME`] bytes at `at` may be read.
unsafe fn read_six(at: *const u8) -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the caller guarantees it.
    unsafe { std::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), TIME) };
    u64::from_le_bytes(bytes)
}

/// # Safety
/// [`TIME`] bytes at `at` may be written.
unsafe fn write_six(at: *mut u8, value: u64) {
    let bytes = value.to_le_bytes();
    // SAFETY: the caller guarantees it.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, TIME) };
}

/// The address after the expiry.
///
/// # Safety
/// The word is of an expiring entry, which is alive.
unsafe fn member_at(word: Word) -> *mut u8 {
    // SAFETY: an expiring entry begins with a time.
    unsafe { start_of(word).add(TIME) }
}

/// The entry's bytes in the allocation.
///
/// # Safety
/// The word is of an expiring entry, which is alive.
unsafe fn size_of_entry(word: Word) -> usize {
    if word.raw() & NUMBER != 0 {
        return 2 * TIME;
    }
    // SAFETY: alive, and of a text.
    TIME + varint::sized(unsafe { varint::read_bytes(member_at(word)) })
}

/// # Safety
/// The word's entry, if it has one, is alive.
pub(super) unsafe fn expiry_of(word: Word) -> Option<u64> {
    // SAFETY: the entry begins with a time.
    is_expiring(word).then(|| unsafe { read_six(start_of(word)) })
}

/// The member in the form that does not expire.
///
/// # Safety
/// The word is of an expiring entry, which lives for `'a`.
#[cold]
pub(super) unsafe fn stored_of<'a>(word: Word) -> StoredMember<'a> {
    // SAFETY: the caller guarantees it.
    let at = unsafe { member_at(word) };
    if word.raw() & NUMBER != 0 {
        // SAFETY: the entry of an integer ends with its word.
        StoredMember::Inline(Word::from_raw(unsafe { read_six(at) }))
    } else {
        // SAFETY: written by `build`.
        StoredMember::Text(unsafe { varint::read_bytes(at) })
    }
}

/// Makes the entry of a member that expires; returns its word and the bytes of the entry.
fn build(member: StoredMember<'_>, expire_ms: u64) -> (Word, usize) {
    let (size, kind) = match member {
        StoredMember::Inline(_) => (2 * TIME, NUMBER),
        StoredMember::Text(text) => (TIME + varint::sized(text), 0),
    };
    let block = alloc::block(size);
    let start = block.as_ptr();
    // SAFETY: the block has room for the time.
    unsafe { write_six(start, expire_ms.min(TIME_MAX)) };
    // SAFETY: within the block.
    let at = unsafe { start.add(TIME) };
    match member {
        // SAFETY: the block has room for the word.
        StoredMember::Inline(word) => unsafe { write_six(at, word.raw()) },
        // SAFETY: the block has room for the text.
        StoredMember::Text(text) => _ = unsafe { varint::write_bytes(at, text) },
    }
    let word = start.expose_provenance() as u64 | EXPIRES | kind;
    (Word::from_raw(word), alloc::good_size(size))
}

/// A copy of an expiring entry.
///
/// # Safety
/// The word is of an expiring entry, which is alive.
#[cold]
pub(super) unsafe fn copy_of(word: Word) -> Word {
    // SAFETY: the caller guarantees it.
    let (member, expiry) = unsafe { (stored_of(word), read_six(start_of(word))) };
    build(member, expiry).0
}

/// Offers an expiring entry; returns the word of its copy.
///
/// # Safety
/// The entry is alive, and after `Some` the word is not used again.
#[cold]
pub(super) unsafe fn moved(word: Word, mover: &mut Mover) -> Option<Word> {
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    // SAFETY: made by `build` with this size.
    let moved = unsafe { mover.block(block, || size_of_entry(word)) }?;
    let flags = word.raw() & FLAGS;
    Some(Word::from_raw(
        moved.as_ptr().expose_provenance() as u64 | flags,
    ))
}

/// Frees an expiring entry; returns its bytes.
///
/// # Safety
/// The word is of an expiring entry in no table, and is not used again.
#[cold]
pub(super) unsafe fn free_expiring(word: Word) -> usize {
    // SAFETY: alive until here.
    let size = unsafe { size_of_entry(word) };
    let block = NonNull::new(start_of(word)).expect("words are not zero");
    // SAFETY: made by `build` with this size.
    unsafe { alloc::free(block, size) };
    alloc::good_size(size)
}

/// Bytes of a word's entry, as the allocator counts them.
///
/// # Safety
/// The word's entry, if it has one, is alive.
pub(super) unsafe fn bytes_of(word: Word) -> usize {
    if is_expiring(word) {
        // SAFETY: the caller guarantees it.
        return alloc::good_size(unsafe { size_of_entry(word) });
    }
    match word.raw() & FLAGS {
        // SAFETY: the caller guarantees it.
        0 => alloc::good_size(varint::sized(unsafe { text_of(word) })),
        _ => 0,
    }
}

impl MemberTable {
    /// The expiry of a member, Unix milliseconds, expired or not. `None`: there is no such member;
    /// `Some(None)`: it does not expire.
    pub fn expiry_of(&self, member: &[u8]) -> Option<Option<u64>> {
        let stored = StoredMember::new(member);
        let word = self.table.find(stored.hash(), |word| stored.is(word))?;
        // SAFETY: words in the table are alive.
        Some(unsafe { expiry_of(word) })
    }

    /// Sets or clears a member's expiry, Unix milliseconds below 2^48; false if there is no such
    /// member.
    pub fn set_expiry(&mut self, member: &[u8], expire_ms: Option<u64>) -> bool {
        let stored = StoredMember::new(member);
        let hash = stored.hash();
        let Some(handle) = self.table.find_handle(hash, |word| stored.is(word)) else {
            return false;
        };
        let word = self.table.word_at(handle);
        match expire_ms {
            None if !is_expiring(word) => return true,
            Some(ms) if is_expiring(word) => {
                // SAFETY: an expiring entry begins with a time, and the table is exclusive.
                unsafe { write_six(start_of(word), ms.min(TIME_MAX)) };
            }
            _ => {
                let (fresh, bytes) = match expire_ms {
                    Some(ms) => build(stored, ms),
                    None => stored.into_word(),
                };
                self.table.replace_at(handle, fresh);
                self.table
                    .count_expiring(is_expiring(word), expire_ms.is_some());
                // SAFETY: out of the table.
                self.bytes = self.bytes + bytes - unsafe { free(word) };
            }
        }
        if let Some(ms) = expire_ms {
            self.note(hash, ms);
        }
        true
    }

    pub(super) fn note(&mut self, hash: u64, expire_ms: u64) {
        let ms = i64::try_from(expire_ms).unwrap_or(i64::MAX);
        self.table.record_expiry(hash, ms);
    }

    /// Number of members with an expiry. O(1).
    #[inline]
    pub fn volatile(&self) -> usize {
        self.table.expiring()
    }

    /// A lower bound of all expiries: no member expires earlier, and perhaps none then. O(1).
    #[inline]
    pub fn next_due(&self) -> Option<u64> {
        if self.volatile() == 0 {
            return None;
        }
        self.table.next_due().map(i64::cast_unsigned)
    }

    /// Removes up to `limit` members whose expiry is at or before `now_ms`, passing each to `see`
    /// first; returns how many.
    pub fn remove_expired(
        &mut self,
        now_ms: u64,
        limit: usize,
        mut see: impl FnMut(Entry<'_>),
    ) -> usize {
        let bytes = &mut self.bytes;
        // SAFETY: words in the table are alive.
        let expiry_of = |word| unsafe { expiry_of(word) };
        self.table
            .remove_due(now_ms, limit, hash_of, expiry_of, |word| {
                // SAFETY: out of the table but alive.
                see(unsafe { entry_of(word) });
                // SAFETY: out of the table.
                *bytes -= unsafe { free(word) };
            })
    }

    /// All members with their expiries, in the order of [`MemberTable::iter`].
    pub fn with_expiries(&self) -> impl Iterator<Item = (Entry<'_>, Option<u64>)> {
        // SAFETY: words in the table are alive while it is borrowed.
        let read = |word| unsafe { (entry_of(word), expiry_of(word)) };
        self.table.iter().map(read)
    }

    /// As [`MemberTable::scan`], with the members' expiries.
    pub fn scan_expiries(&self, cursor: u64, mut see: impl FnMut(Entry<'_>, Option<u64>)) -> u64 {
        self.table.scan(cursor, |word| {
            // SAFETY: words in the table are alive while it is borrowed.
            let (member, expiry) = unsafe { (entry_of(word), expiry_of(word)) };
            see(member, expiry);
        })
    }

    /// Records the expiries of a copied table.
    pub(super) fn record_all(&mut self, volatile: usize) {
        if volatile == 0 {
            return;
        }
        // SAFETY: words in the table are alive.
        let expiring = |word| Some((hash_of(word), unsafe { expiry_of(word) }?));
        let all: Vec<(u64, u64)> = self.table.iter().filter_map(expiring).collect();
        for (hash, ms) in all {
            self.note(hash, ms);
            self.table.count_expiring(false, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::Elements;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn text(n: u32) -> Vec<u8> {
        match n % 3 {
            0 => n.to_string().into_bytes(),
            1 => format!("m:{n}").into_bytes(),
            _ => format!("{}:{n}", "a long member".repeat(n as usize % 12)).into_bytes(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn behaves_like_a_map_of_expiries(
            ops in prop::collection::vec((0u8..8, 0u32..400, 0u64..1000), 0..1500)
        ) {
            let mut table = MemberTable::default();
            let mut model: BTreeMap<Vec<u8>, Option<u64>> = BTreeMap::new();
            let mut rng = rand::rng();
            for (op, n, ms) in ops {
                let member = text(n);
                match op {
                    0 | 1 => {
                        let new = !model.contains_key(&member);
                        prop_assert_eq!(table.add(&member), new);
                        model.entry(member).or_insert(None);
                    }
                    2 | 3 => {
                        prop_assert_eq!(table.set_expiry(&member, Some(ms)), model.contains_key(&member));
                        model.entry(member).and_modify(|at| *at = Some(ms));
                    }
                    4 => {
                        prop_assert_eq!(table.set_expiry(&member, None), model.contains_key(&member));
                        model.entry(member).and_modify(|at| *at = None);
                    }
                    5 => prop_assert_eq!(table.remove(&member), model.remove(&member).is_some()),
                    6 => {
                        if let Some(gone) = table.pop_with(&mut rng, |e| e.to_vec()) {
                            prop_assert!(model.remove(&gone).is_some());
                        }
                    }
                    _ => {
                        let now = ms / 20;
                        let due = model.values().filter(|at| at.is_some_and(|at| at <= now)).count();
                        let gone = table.remove_expired(now, 3, |member| {
                            let at = model.remove(&member.to_vec()).expect("a member");
                            assert!(at.is_some_and(|at| at <= now));
                        });
                        prop_assert_eq!(gone, due.min(3));
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.volatile(), model.values().flatten().count());
            }
            table.check_invariants();
            let copy = table.clone();
            copy.check_invariants();
            let all = |table: &MemberTable| -> BTreeMap<Vec<u8>, Option<u64>> {
                table.with_expiries().map(|(member, at)| (member.to_vec(), at)).collect()
            };
            prop_assert_eq!(&all(&table), &model);
            prop_assert_eq!(all(&copy), all(&table));
            prop_assert_eq!(copy.volatile(), table.volatile());
            for (member, at) in &model {
                prop_assert_eq!(copy.expiry_of(member), Some(*at));
                prop_assert!(table.contains(member));
            }
            prop_assert_eq!(table.filter_len(&copy), model.len());
        }
    }

    impl MemberTable {
        /// The number of members that `other` has.
        fn filter_len(&self, other: &MemberTable) -> usize {
            let mut len = 0;
            self.filter(other, true, usize::MAX, |_, _| {
                len += 1;
                usize::MAX
            });
            len
        }
    }

    /// Texts of 16 bytes with their lengths; the time takes 6 more, the records 0.3.
    #[test]
    fn an_expiry_takes_at_most_12_bytes_in_a_table_of_a_million() {
        let mut table = MemberTable::default();
        let name = |n: u32| format!("member:{n:08}");
        for n in 0..1_000_000 {
            table.add(name(n).as_bytes());
        }
        let before = table.memory_bytes();
        for n in 0..1_000_000 {
            table.set_expiry(name(n).as_bytes(), Some(1_800_000_000_000 + u64::from(n)));
        }
        let per_member = (table.memory_bytes() - before) as f64 / 1e6;
        assert!((6.0..=12.0).contains(&per_member), "{per_member}");
        table.check_invariants();
    }
}
