//! Containers borrowed for reading: a view built from the entry's encoding and word for as long
//! as the database is borrowed.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use super::super::store::container::DetachedValue;
use super::super::store::entry::Entry;
use russet_command::CommandError;
use russet_types::{AnyContainer, Container, Encoding, Type, for_container};

/// A container for reading: that of an entry, or one that was unpacked for its reader.
// Without a `Drop`, so that a borrow of the database ends with the last use of the container.
pub struct Ref<'a, T: Container> {
    value: ManuallyDrop<T>,
    bound: PhantomData<&'a T>,
}

impl<T: Container> Ref<'_, T> {
    /// The entry must hold a `T`, which must not be packed; the database stays borrowed as long as
    /// the result lives.
    #[inline]
    pub fn of(entry: Entry) -> Self {
        debug_assert_eq!(entry.kind(), T::TYPE);
        // SAFETY: the entry owns the pair; this copy of it is never dropped, and the borrow
        // keeps the entry from changing.
        unsafe { Ref::of_pair(entry.encoding(), entry.word()) }
    }

    /// # Safety
    /// The pair is of a `T`, whose owner neither changes nor frees it while the result lives.
    #[inline]
    unsafe fn of_pair(encoding: Encoding, word: u64) -> Self {
        Ref {
            // SAFETY: the caller's promise.
            value: ManuallyDrop::new(unsafe { T::from_word(encoding, word) }),
            bound: PhantomData,
        }
    }
}

/// Containers that were unpacked for readers. They are freed when the keyspace is borrowed
/// exclusively again, because no reader is left then.
#[derive(Default)]
pub(crate) struct UnpackedValues(RefCell<Vec<DetachedValue>>);

impl UnpackedValues {
    /// The container of an entry, which must hold a `T`.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`], of a packed container only.
    #[inline]
    pub fn open<T: Container>(&self, entry: Entry) -> Result<Ref<'_, T>, CommandError> {
        if entry.is_packed() {
            return self.unpack(entry);
        }
        Ok(Ref::of(entry))
    }

    #[cold]
    #[inline(never)]
    fn unpack<T: Container>(&self, entry: Entry) -> Result<Ref<'_, T>, CommandError> {
        let packed = entry.packed_container();
        let value = packed.ok_or(CommandError::DamagedValue)?.read::<T>()?;
        let (encoding, word) = value.into_word();
        let kept = DetachedValue::new(T::TYPE, encoding, word);
        self.0.borrow_mut().push(kept);
        // SAFETY: the value is kept until `clear`, which borrows this exclusively.
        Ok(unsafe { Ref::of_pair(encoding, word) })
    }

    /// Frees the containers of readers that are gone.
    #[inline]
    pub fn clear(&mut self) {
        let kept = self.0.get_mut();
        if !kept.is_empty() {
            kept.drain(..).for_each(DetachedValue::free);
        }
    }
}

impl Drop for UnpackedValues {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A borrowed container of any type: [`for_container!`](russet_types::for_container) finds the
/// type, and [`AnyRef::read`] gives the container. One that was unpacked for its reader is freed
/// with the reference.
pub struct AnyRef<'a> {
    kind: Type,
    encoding: Encoding,
    word: u64,
    is_owned: bool,
    bound: PhantomData<&'a Entry>,
}

impl AnyRef<'_> {
    /// The entry must hold a container, which must not be packed; the database stays borrowed as
    /// long as the result lives.
    #[inline]
    pub fn of(entry: Entry) -> Self {
        AnyRef {
            kind: entry.kind(),
            encoding: entry.encoding(),
            word: entry.word(),
            is_owned: false,
            bound: PhantomData,
        }
    }

    /// A packed container, unpacked.
    ///
    /// # Errors
    /// [`CommandError::DamagedValue`]
    #[cold]
    pub(crate) fn unpack(entry: Entry) -> Result<Self, CommandError> {
        let packed = entry.packed_container();
        let (encoding, word) = packed.ok_or(CommandError::DamagedValue)?.into_word()?;
        Ok(AnyRef {
            kind: entry.kind(),
            encoding,
            word,
            is_owned: true,
            bound: PhantomData,
        })
    }

    /// The type of the container, never a string.
    #[inline]
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// The container, which is a `T`. Panics if it is of another type.
    #[inline]
    pub fn read<T: Container>(&self) -> Ref<'_, T> {
        assert_eq!(self.kind, T::TYPE);
        // SAFETY: as in `Ref::of`; an unpacked value lives as long as `self`, which is borrowed.
        unsafe { Ref::of_pair(self.encoding, self.word) }
    }

    /// See [`Container::begin_copy`].
    pub fn begin_copy(&self) -> AnyContainer {
        for_container!(
            self.kind,
            T => self.read::<T>().begin_copy().into(),
            _ => unreachable!("a container"),
        )
    }

    /// See [`Container::copy_piece`]. A copy of another type is complete.
    pub fn copy_piece(&self, to: &mut AnyContainer, at: u64) -> Option<u64> {
        for_container!(
            self.kind,
            T => self.read::<T>().copy_piece(to.as_mut::<T>()?, at),
            _ => None,
        )
    }
}

impl Drop for AnyRef<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_owned {
            // SAFETY: the pair was made for this reader, and is given up once, here.
            unsafe { russet_types::free(self.kind, self.encoding, self.word) };
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
