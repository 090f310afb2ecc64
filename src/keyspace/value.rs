//! Borrowed container values: a view built from the entry's encoding and word for as long
//! as the database is borrowed.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::entry::Entry;
use crate::types::Container;

/// A container to be read.
pub struct Ref<'a, T: Container> {
    value: ManuallyDrop<T>,
    bound: PhantomData<&'a T>,
}

impl<T: Container> Ref<'_, T> {
    /// The entry holds a `T`, and the database stays borrowed for as long as the result.
    pub(super) fn of(entry: Entry) -> Self {
        debug_assert_eq!(entry.kind(), T::TYPE);
        // SAFETY: the entry owns the pair; this copy of it is never dropped, and the borrow
        // keeps the entry from changing.
        let value = unsafe { T::from_word(entry.encoding(), entry.word()) };
        Ref {
            value: ManuallyDrop::new(value),
            bound: PhantomData,
        }
    }
}

impl<T: Container> Deref for Ref<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A container to be changed: what it became (encoding, address) is written back when this
/// goes out of scope.
pub struct RefMut<'a, T: Container> {
    entry: Entry,
    value: ManuallyDrop<T>,
    bound: PhantomData<&'a mut T>,
}

impl<T: Container> RefMut<'_, T> {
    /// As [`Ref::of`], with the database borrowed exclusively.
    pub(super) fn of(entry: Entry) -> Self {
        debug_assert_eq!(entry.kind(), T::TYPE);
        // SAFETY: the entry's pair is overwritten by `drop` before anybody reads it again.
        let value = unsafe { T::from_word(entry.encoding(), entry.word()) };
        RefMut {
            entry,
            value: ManuallyDrop::new(value),
            bound: PhantomData,
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
        // SAFETY: taken once, here; ownership goes back to the entry as the new pair.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        let (encoding, word) = value.into_word();
        self.entry.set_word(encoding, word);
    }
}
