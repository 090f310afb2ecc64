//! The list of types, and the enums and matches that are generated from it.
//!
//!     with_types!        the list: each type with the encodings that no earlier type has
//!     Type, Encoding     enums in the order of the list, with names as OBJECT ENCODING has them
//!     AnyContainer       a container of any type, by value
//!     for_container!     the one match over types: runs an expression with `$T` for the container
//!
//! Invariants
//!   1. A new type joins the end of the list. Its number here is internal: files have their own.
//!   2. At most 16 types and 16 encodings: a keyspace entry has four bits for each.

use super::{Container, Limits};

/// The list that a new type joins, at its end: the variants of [`Type`], which are the names of the
/// containers, too. With each type, the encodings that no earlier type has.
///
/// `with_types!([macro] arguments)` invokes the macro with the list and the arguments.
macro_rules! with_types {
    ([$($with:tt)*] $($arguments:tt)*) => {
        $($with)*! {
            [
                List: Listpack "listpack", Quicklist "quicklist";
                Set: Intset "intset", Hashtable "hashtable";
                // A sorted set in tree and table; the name is what Redis reports.
                Zset: Skiplist "skiplist";
                // Two encodings: a listpack of (field, value, expiry), and a record, which clients
                // see as a listpack.
                Hash: ListpackEx "listpackex", Record "listpack";
                Stream: Stream "stream";
                Array: SlicedArray "sliced-array";
                VectorSet: VectorGraph "raw";
                PathHash: PathTree "pathhash";
            ]
            $($arguments)*
        }
    };
}
pub(crate) use with_types;

macro_rules! define_types {
    ([$($T:ident: $($E:ident $name:literal),*;)*]) => {
        /// The type of a key's value. Its numbers are internal; see [`Container::NUMBER`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Type {
            String,
            $($T,)*
        }

        impl Type {
            const COUNT: usize = [Type::String, $(Type::$T,)*].len();

            /// All types, by number.
            pub const ALL: [Type; Type::COUNT] = [Type::String, $(Type::$T,)*];
        }

        /// How a value is stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Encoding {
            Int,
            Embstr,
            Raw,
            $($($E,)*)*
        }

        impl Encoding {
            const COUNT: usize = 3 $($(+ [Encoding::$E].len())*)*;

            /// All encodings, by number.
            pub const ALL: [Encoding; Encoding::COUNT] = [
                Encoding::Int,
                Encoding::Embstr,
                Encoding::Raw,
                $($(Encoding::$E,)*)*
            ];

            /// As OBJECT ENCODING replies it.
            pub fn name(self) -> &'static str {
                match self {
                    Encoding::Int => "int",
                    Encoding::Embstr => "embstr",
                    Encoding::Raw => "raw",
                    $($(Encoding::$E => $name,)*)*
                }
            }
        }

        /// A container of any type, by value.
        #[derive(Clone)]
        pub enum AnyContainer {
            $($T(super::$T),)*
        }

        $(
            impl From<super::$T> for AnyContainer {
                fn from(value: super::$T) -> AnyContainer {
                    AnyContainer::$T(value)
                }
            }
        )*

        impl AnyContainer {
            #[inline]
            pub fn kind(&self) -> Type {
                match self {
                    $(AnyContainer::$T(_) => Type::$T,)*
                }
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
with_types!([define_types]);

// An entry has four bits for each.
const _: () = assert!(Type::ALL.len() <= 16);
const _: () = assert!(Encoding::ALL.len() <= 16);

impl Encoding {
    /// As [`Encoding::name`]; hashes that share names by Redis's directives have Redis's name.
    pub fn name_under(self, limits: &Limits) -> &'static str {
        match self {
            Encoding::Record if limits.hash_min_template_entries > 0 => "template-listpack",
            other => other.name(),
        }
    }
}

impl Type {
    /// As TYPE replies it.
    pub fn name(self) -> &'static str {
        for_container!(self, T => T::NAME, _ => "string")
    }

    /// Redis's number of the type.
    pub fn number(self) -> u32 {
        for_container!(self, T => T::NUMBER, _ => 0)
    }
}

/// Runs an expression for the container type of a kind, named `$T` there. The only place that
/// dispatches on the type for operations common to all of them; kinds without a container use the
/// other expression.
macro_rules! for_container {
    ($kind:expr, $T:ident => $run:expr, _ => $other:expr $(,)?) => {
        $crate::types::with_types!(
            [$crate::types::match_container]
            $kind, $T => $run, _ => $other
        )
    };
}
pub(crate) use for_container;

/// The body of [`for_container!`], with the list of types before it.
macro_rules! match_container {
    (
        [$($Each:ident: $($E:ident $name:literal),*;)*]
        $kind:expr, $T:ident => $run:expr, _ => $other:expr
    ) => {
        match $kind {
            $(
                $crate::types::Type::$Each => {
                    type $T = $crate::types::$Each;
                    $run
                }
            )*
            $crate::types::Type::String => $other,
        }
    };
}
pub(crate) use match_container;
