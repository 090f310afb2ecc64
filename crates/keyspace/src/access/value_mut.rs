//! Containers borrowed for writing: counts follow and the entry gets its new word when the borrow
//! ends.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::super::store::entry::Entry;
use super::super::store::footprint::{Footprint, Footprints};
use super::super::store::sizes::{KeySizes, Size};
use russet_types::Container;

/// A container for writing: its new state (encoding, address, size) is written back when this goes
/// out of scope.
pub struct RefMut<'a, T: Container> {
    entry: Entry,
    value: ManuallyDrop<T>,
    /// Elements when the borrow began.
    len: usize,
    sizes: &'a mut KeySizes,
    /// The counts by bytes, if there are any, and the entry's contribution when the borrow began.
    counts: Option<(&'a mut Footprints, Footprint)>,
}

impl<'a, T: Container> RefMut<'a, T> {
    /// As `Ref::of`, with the database borrowed exclusively.
    #[inline]
    pub fn of(
        entry: Entry,
        sizes: &'a mut KeySizes,
        counts: Option<(&'a mut Footprints, Footprint)>,
    ) -> Self {
        debug_assert_eq!(entry.kind(), T::TYPE);
        // SAFETY: the entry's pair is overwritten by `drop` before the next read.
        let value = unsafe { T::from_word(entry.encoding(), entry.word()) };
        RefMut {
            entry,
            len: value.len(),
            value: ManuallyDrop::new(value),
            sizes,
            counts,
        }
    }
}

impl<T: Container> Deref for RefMut<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Container> DerefMut for RefMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Container> Drop for RefMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here; the new pair returns ownership to the entry.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        let (before, after) = (
            Size::new(T::TYPE, self.len),
            Size::new(T::TYPE, value.len()),
        );
        self.sizes.change(before, after);
        if let Some((footprints, before)) = &mut self.counts {
            let bytes = self.entry.memory_bytes() + value.memory_bytes();
            footprints.change(*before, self.entry, bytes);
        }
        let (encoding, word) = value.into_word();
        self.entry.set_word(encoding, word);
    }
}
