//! Containers of any type: by value, or by the pair of encoding and word in their entry.
//!
//!     for_container!     the one match over types: runs an expression with `$T` for the container
//!     AnyContainer       a container of any type, by value
//!     free, copy ..      operations on an entry's pair, all by that match
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use super::container::{Container, MemoryUsage, Relocate};
use super::kinds::{Encoding, Type};
use russet_base::memory::mover::Mover;

macro_rules! define_any {
    ([$($T:ident: $($E:ident $name:literal),*;)*]) => {
        /// A container of any type, by value.
        #[derive(Clone)]
        pub enum AnyContainer {
            $(
                #[doc = concat!("Of [`Type::", stringify!($T), "`].")]
                $T(super::$T),
            )*
        }

        $(
            impl From<super::$T> for AnyContainer {
                fn from(value: super::$T) -> AnyContainer {
                    AnyContainer::$T(value)
                }
            }
        )*

        impl AnyContainer {
            /// The type of the container, never [`Type::String`].
            #[inline]
            pub fn kind(&self) -> Type {
                match self {
                    $(AnyContainer::$T(_) => Type::$T,)*
                }
            }

            /// The container, if it is a `T`.
            pub fn as_mut<T: Container>(&mut self) -> Option<&mut T> {
                let value: &mut dyn std::any::Any = match self {
                    $(AnyContainer::$T(value) => value,)*
                };
                value.downcast_mut()
            }

            /// Converts the value into a word, which owns it; see [`Container::into_word`].
            #[inline]
            pub fn into_word(self) -> (Type, Encoding, u64) {
                let kind = self.kind();
                let (encoding, word) = match self {
                    $(AnyContainer::$T(value) => value.into_word(),)*
                };
                (kind, encoding, word)
            }
        }
    };
}
crate::with_types!([define_any]);

impl Type {
    /// As TYPE replies it.
    pub fn name(self) -> &'static str {
        crate::for_container!(self, T => T::NAME, _ => "string")
    }

    /// Redis's number of the type.
    pub fn number(self) -> u32 {
        crate::for_container!(self, T => T::NUMBER, _ => 0)
    }
}

/// Runs an expression for the container type of a kind, named `$T` there. The only place that
/// dispatches on the type for operations common to all of them; kinds without a container use the
/// other expression.
#[macro_export]
macro_rules! for_container {
    ($kind:expr, $T:ident => $run:expr, _ => $other:expr $(,)?) => {
        $crate::with_types!(
            [$crate::match_container]
            $kind, $T => $run, _ => $other
        )
    };
}

/// The body of [`for_container!`], with the list of types before it.
#[doc(hidden)]
#[macro_export]
macro_rules! match_container {
    (
        [$($Each:ident: $($E:ident $name:literal),*;)*]
        $kind:expr, $T:ident => $run:expr, _ => $other:expr
    ) => {
        match $kind {
            $(
                $crate::Type::$Each => {
                    type $T = $crate::$Each;
                    $run
                }
            )*
            $crate::Type::String => $other,
        }
    };
}

/// Borrows a container in place, for reading.
///
/// # Safety
/// The pair is in an entry that holds a `T`, or came from `into_word` of a `T`; it is not changed
/// while the result lives.
unsafe fn borrow<T: Container>(encoding: Encoding, word: u64) -> ManuallyDrop<T> {
    // SAFETY: the caller's promise; the value made from the pair is not dropped.
    ManuallyDrop::new(unsafe { T::from_word(encoding, word) })
}

/// Allocations of a container to free, from its entry's pair.
///
/// # Safety
/// The pair is in an entry that holds a container of this type.
pub unsafe fn free_effort(kind: Type, encoding: Encoding, word: u64) -> usize {
    crate::for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => unsafe { borrow::<T>(encoding, word) }.free_effort(),
        _ => 1,
    )
}

/// Bytes of a container, from its entry's pair; see [`super::MemoryUsage`].
///
/// # Safety
/// As [`free_effort`].
pub unsafe fn memory_bytes(kind: Type, encoding: Encoding, word: u64) -> usize {
    crate::for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => unsafe { borrow::<T>(encoding, word) }.memory_bytes(),
        _ => 0,
    )
}

/// Frees a container, from its entry's pair.
///
/// # Safety
/// The pair came from `into_word` of a container of this type and is not used again.
pub unsafe fn free(kind: Type, encoding: Encoding, word: u64) {
    crate::for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => drop(unsafe { T::from_word(encoding, word) }),
        _ => {}
    );
}

/// Frees about `n` elements of a container; returns the pair of the rest, which must be freed, too.
///
/// # Safety
/// As [`free`].
pub unsafe fn free_step(
    kind: Type,
    encoding: Encoding,
    word: u64,
    n: usize,
) -> Option<(Encoding, u64)> {
    crate::for_container!(
        kind,
        T => {
            // SAFETY: the caller's promise.
            let mut value = unsafe { T::from_word(encoding, word) };
            if value.free_step(n) { None } else { Some(value.into_word()) }
        },
        _ => None,
    )
}

/// Offers about `n` elements' blocks of a container from a position on, from its entry's pair; see
/// [`super::Relocate`]. Returns the word that replaces the pair's, and the next position.
///
/// # Safety
/// The pair is in an entry that holds a container of this type, with exclusive access, and the
/// caller stores the new word there.
pub unsafe fn relocate(
    (kind, encoding, word): (Type, Encoding, u64),
    mover: &mut Mover,
    at: u64,
    n: usize,
) -> (u64, Option<u64>) {
    crate::for_container!(
        kind,
        T => {
            // SAFETY: the caller's promise.
            let mut value = unsafe { T::from_word(encoding, word) };
            let next = value.relocate(mover, at, n);
            (value.into_word().1, next)
        },
        _ => (word, None),
    )
}

/// Copies a container, given the pair of its entry; the returned pair owns the copy.
///
/// # Safety
/// As [`free_effort`].
pub unsafe fn copy(kind: Type, encoding: Encoding, word: u64) -> (Encoding, u64) {
    crate::for_container!(
        kind,
        // SAFETY: the caller's promise.
        T => T::clone(&*unsafe { borrow::<T>(encoding, word) }).into_word(),
        _ => unreachable!("no container of this type is kept"),
    )
}
