//! Borrowed container values: a view built from the entry's encoding and word for as long
//! as the database is borrowed.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::super::KeySizes;
use super::super::store::entry::Entry;
use super::super::store::footprint::{Footprint, Footprints};
use super::super::store::sizes::Size;
use crate::types::{Container, Encoding, Type};

/// A container for reading.
pub struct Ref<'a, T: Container> {
    value: ManuallyDrop<T>,
    bound: PhantomData<&'a T>,
}

impl<T: Container> Ref<'_, T> {
    /// The entry must hold a `T`; the database stays borrowed as long as the result lives.
    #[inline]
    pub(in crate::keyspace) fn of(entry: Entry) -> Self {
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

/// A borrowed container of any type: [`for_container!`](crate::types::for_container) finds the
/// type, and [`AnyRef::read`] gives the container.
#[derive(Clone, Copy)]
pub struct AnyRef<'a> {
    kind: Type,
    encoding: Encoding,
    word: u64,
    bound: PhantomData<&'a Entry>,
}

impl<'a> AnyRef<'a> {
    /// The entry must hold a container; the database stays borrowed as long as the result lives.
    #[inline]
    pub(in crate::keyspace) fn of(entry: Entry) -> AnyRef<'a> {
        AnyRef {
            kind: entry.kind(),
            encoding: entry.encoding(),
            word: entry.word(),
            bound: PhantomData,
        }
    }

    #[inline]
    pub fn kind(self) -> Type {
        self.kind
    }

    /// The container, which is a `T`. Panics if it is of another type.
    #[inline]
    pub fn read<T: Container>(self) -> Ref<'a, T> {
        assert_eq!(self.kind, T::TYPE);
        // SAFETY: as in `Ref::of`.
        let value = unsafe { T::from_word(self.encoding, self.word) };
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
    /// As [`Ref::of`], with the database borrowed exclusively.
    #[inline]
    pub(in crate::keyspace) fn of(
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
