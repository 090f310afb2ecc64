//! Containers borrowed for reading: a view built from the entry's encoding and word for as long
//! as the database is borrowed.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use super::super::store::entry::Entry;
use russet_types::{AnyContainer, Container, Encoding, Type, for_container};

/// A container for reading.
pub struct Ref<'a, T: Container> {
    value: ManuallyDrop<T>,
    bound: PhantomData<&'a T>,
}

impl<T: Container> Ref<'_, T> {
    /// The entry must hold a `T`; the database stays borrowed as long as the result lives.
    #[inline]
    pub fn of(entry: Entry) -> Self {
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

/// A borrowed container of any type: [`for_container!`](russet_types::for_container) finds the
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
    pub fn of(entry: Entry) -> AnyRef<'a> {
        AnyRef {
            kind: entry.kind(),
            encoding: entry.encoding(),
            word: entry.word(),
            bound: PhantomData,
        }
    }

    /// The type of the container, never a string.
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

    /// See [`Container::begin_copy`].
    pub fn begin_copy(self) -> AnyContainer {
        for_container!(
            self.kind,
            T => self.read::<T>().begin_copy().into(),
            _ => unreachable!("a container"),
        )
    }

    /// See [`Container::copy_piece`]. A copy of another type is complete.
    pub fn copy_piece(self, to: &mut AnyContainer, at: u64) -> Option<u64> {
        for_container!(
            self.kind,
            T => self.read::<T>().copy_piece(to.as_mut::<T>()?, at),
            _ => None,
        )
    }
}

impl<T: Container> Deref for Ref<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}
