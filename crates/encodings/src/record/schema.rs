//! Schemas: lists of field names that records share, each under a number of 16 bits.
//!
//!     SLOTS[number] -> schema: references, names
//!
//! Invariants
//!   1. A slot is not empty while a handle with its number exists: every handle counts as a
//!      reference, and dropping the last empties the slot.
//!   2. A number is in use by a single slot at a time: it returns to the free numbers after its
//!      slot is empty.
//!
//! Handles may be dropped on any thread: a helper thread frees large databases. Cost: a handle's
//! copy or drop is an atomic addition; the lock is taken only to make and to free a schema.
#![allow(unsafe_code)]

use crate::record::common::Common;
use russet_base::hashing::hash;
use russet_base::memory::alloc::{boxed_bytes, slice_bytes};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};

/// Schemas that can exist at a time.
const SLOTS_MAX: usize = 4096;
/// Bytes of a schema's names, at most.
const TEXT_BYTES_MAX: usize = 16 << 10;

static SLOTS: [AtomicPtr<Schema>; SLOTS_MAX] = [const { AtomicPtr::new(ptr::null_mut()) }; _];

/// Numbers not in use.
struct Free {
    returned: Vec<u16>,
    /// The numbers from here on have not been used.
    next: u16,
}

static FREE: Mutex<Free> = Mutex::new(Free {
    returned: Vec::new(),
    next: 0,
});

fn take_number() -> Option<u16> {
    // A panic elsewhere leaves the numbers valid.
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(number) = free.returned.pop() {
        return Some(number);
    }
    let number = free.next;
    (usize::from(number) < SLOTS_MAX).then(|| {
        free.next += 1;
        number
    })
}

fn return_number(number: u16) {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.returned.push(number);
}

/// A name: a mark that distinguishes it from most others, and where its text is.
#[derive(Clone, Copy, Debug)]
struct Name {
    mark: u32,
    start: u16,
    len: u16,
}

/// The length, and the first, middle and last byte.
#[inline]
fn mark(name: &[u8]) -> u32 {
    let byte = |at: usize| name.get(at).copied().unwrap_or(0);
    u32::from_le_bytes([
        name.len() as u8,
        byte(0),
        byte(name.len() / 2),
        byte(name.len().wrapping_sub(1)),
    ])
}

/// A list of names, which differ, and the shared parts of the values under each.
#[derive(Debug)]
pub struct Schema {
    references: AtomicU64,
    hash: u64,
    names: Box<[Name]>,
    text: Box<[u8]>,
    common: Common,
}

impl Schema {
    /// The hash of a list with a further name; that of no name is 0.
    #[inline]
    pub fn hash_with(hash: u64, name: &[u8]) -> u64 {
        let mixed = hash.rotate_left(23) ^ hash::keys().hash(name);
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The hash of the list.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Number of names.
    #[allow(clippy::len_without_is_empty, reason = "an empty hash is removed")]
    #[inline]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[inline]
    fn text(&self, name: Name) -> &[u8] {
        let start = usize::from(name.start);
        &self.text[start..start + usize::from(name.len)]
    }

    /// Bytes of the schema in the allocator.
    pub fn memory_bytes(&self) -> usize {
        boxed_bytes::<Schema>()
            + slice_bytes(size_of_val(&*self.names))
            + slice_bytes(self.text.len())
            + self.common.memory_bytes()
    }

    /// The shared parts of the values under each name.
    #[inline]
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// The names in order.
    #[inline]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.names.iter().map(|name| self.text(*name))
    }

    /// The name with this index, which must be below the length.
    #[inline]
    pub fn name(&self, index: usize) -> &[u8] {
        self.text(self.names[index])
    }

    /// The index of a name. O(names).
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let wanted = mark(name);
        let is_it = |own: &Name| own.mark == wanted && self.text(*own) == name;
        self.names.iter().position(is_it)
    }
}

/// A reference to a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct SchemaRef(u16);

impl SchemaRef {
    /// A schema of names that differ. `None`: too many schemas exist, or the names are too long.
    pub fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<SchemaRef> {
        let (mut list, mut text, mut hash) = (Vec::new(), Vec::new(), 0);
        for name in names {
            let start = u16::try_from(text.len()).ok()?;
            text.extend_from_slice(name);
            if text.len() > TEXT_BYTES_MAX {
                return None;
            }
            list.push(Name {
                mark: mark(name),
                start,
                len: u16::try_from(name.len()).ok()?,
            });
            hash = Schema::hash_with(hash, name);
        }
        let number = take_number()?;
        let schema = Box::new(Schema {
            references: AtomicU64::new(1),
            hash,
            common: Common::new(list.len(), hash),
            names: list.into(),
            text: text.into(),
        });
        let slot = &SLOTS[usize::from(number)];
        let before = slot.swap(Box::into_raw(schema), Ordering::AcqRel);
        assert!(before.is_null(), "the number was free");
        Some(SchemaRef(number))
    }

    /// References to the schema, including this reference.
    pub fn references(&self) -> u64 {
        self.references.load(Ordering::Acquire)
    }

    /// Gives the reference up for its number, which [`SchemaRef::from_number`] turns back.
    #[inline]
    pub fn into_number(self) -> u16 {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    /// `number` came from `into_number` and is used for a single reference at a time.
    #[inline]
    pub unsafe fn from_number(number: u16) -> SchemaRef {
        SchemaRef(number)
    }
}

impl Deref for SchemaRef {
    type Target = Schema;

    #[inline]
    fn deref(&self) -> &Schema {
        let schema = SLOTS[usize::from(self.0)].load(Ordering::Acquire);
        // SAFETY: the slot holds a schema while this reference exists (invariant 1). Schemas do not
        // change, except for the count, which is atomic, and `common`, which has a lock and
        // atomics.
        unsafe { &*schema }
    }
}

impl Clone for SchemaRef {
    #[inline]
    fn clone(&self) -> SchemaRef {
        self.references.fetch_add(1, Ordering::Relaxed);
        SchemaRef(self.0)
    }
}

impl Drop for SchemaRef {
    #[inline]
    fn drop(&mut self) {
        if self.references.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        // All actions of other references happen before the schema is freed.
        fence(Ordering::Acquire);
        let schema = SLOTS[usize::from(self.0)].swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: `new` put a box into the slot, and this was the last reference: no other
        // reference can be made.
        drop(unsafe { Box::from_raw(schema) });
        return_number(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&'static str]) -> SchemaRef {
        SchemaRef::new(names.iter().map(|name| name.as_bytes())).expect("a free number")
    }

    #[test]
    fn names_are_found_by_their_text() {
        let all = [
            "", "a", "b", "field:1", "field:2", "fiexd:1", "12", "faeld:1",
        ];
        let one = schema(&all);
        assert_eq!(one.len(), all.len());
        for (at, name) in all.iter().enumerate() {
            assert_eq!(one.find(name.as_bytes()), Some(at));
            assert_eq!(one.name(at), name.as_bytes());
        }
        for other in ["field:", "c", "field:3", "fyeld:1"] {
            assert_eq!(one.find(other.as_bytes()), None);
        }
        let hash = all
            .iter()
            .fold(0, |hash, name| Schema::hash_with(hash, name.as_bytes()));
        assert_eq!(one.hash(), hash);
        assert!(SchemaRef::new([&[b'x'; 20_000][..]].into_iter()).is_none());
    }

    /// Run under a sanitizer, this shows that the last reference frees, wherever it is dropped.
    #[test]
    fn references_end_on_any_thread() {
        let one = schema(&["a", "b"]);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mine = one.clone();
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        let again = mine.clone();
                        assert_eq!(again.find(b"b"), Some(1));
                        // SAFETY: the number is of the reference just given up.
                        drop(unsafe { SchemaRef::from_number(again.into_number()) });
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(one.references(), 1);
    }
}
