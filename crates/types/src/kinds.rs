//! The list of types, and the enums that are generated from it.
//!
//!     with_types!        the list: each type with the encodings that no earlier type has
//!     Type, Encoding     enums in the order of the list, with names as OBJECT ENCODING has them
//!     (`any`)            what is generated over the containers themselves
//!
//! Invariants
//!   1. A new type joins the end of the list. The type's number here is internal, because files
//!      have numbers of their own.
//!   2. Types from `Json` on are those of modules, with a single encoding, `OfModule`, which no
//!      other type has. So a tag of eight bits holds type and encoding: at most 16 other types, 16
//!      of modules, and 16 encodings. Packed values of modules have the tags that their types'
//!      own numbers would give: only the first few may be packed.

use super::Limits;

/// The list that a new type joins, at its end: the variants of [`Type`], which are the names of the
/// containers, too. With each type, the encodings that no earlier type has.
///
/// `with_types!([macro] arguments)` invokes the macro with the list and the arguments.
#[macro_export]
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
                PathHash: PathTree "pathhash";
                Bitmap: Roaring "bitmap-roaring";
                // As Redis names the encoding of values of modules.
                Json: OfModule "raw";
                // Values of other modules share that encoding.
                Bloom:;
                Cuckoo:;
                CountMin:;
                TopK:;
                TDigest:;
                TimeSeries:;
                Suggestions:;
                VectorSet:;
            ]
            $($arguments)*
        }
    };
}

macro_rules! define_types {
    ([$($T:ident: $($E:ident $name:literal),*;)*]) => {
        /// The type of a key's value. The numbers of types are internal; see
        /// [`super::Container::NUMBER`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Type {
            /// Text or an integer, which is no container.
            String,
            $(
                #[doc = concat!("Its container is [`super::", stringify!($T), "`].")]
                $T,
            )*
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
            /// A string that is the text of a 64-bit integer, stored as that.
            Int,
            /// A short string, in the same block as its key.
            Embstr,
            /// Any other string; reported of a string that a command has changed in part, too.
            Raw,
            $($(
                #[doc = concat!("`", $name, "`; first of [`super::", stringify!($T), "`].")]
                $E,
            )*)*
            /// A value of any type as a compressed frame; clients see the encoding it had before.
            Packed,
        }

        impl Encoding {
            const COUNT: usize = 4 $($(+ [Encoding::$E].len())*)*;

            /// All encodings, by number.
            pub const ALL: [Encoding; Encoding::COUNT] = [
                Encoding::Int,
                Encoding::Embstr,
                Encoding::Raw,
                $($(Encoding::$E,)*)*
                Encoding::Packed,
            ];

            /// As OBJECT ENCODING replies it.
            pub fn name(self) -> &'static str {
                match self {
                    Encoding::Int => "int",
                    Encoding::Embstr => "embstr",
                    Encoding::Raw => "raw",
                    $($(Encoding::$E => $name,)*)*
                    Encoding::Packed => "packed",
                }
            }
        }
    };
}
with_types!([define_types]);

/// The first type of a module.
const FIRST_OF_MODULE: u8 = Type::Json as u8;

const _: () = assert!(FIRST_OF_MODULE <= 16);
const _: () = assert!(Type::ALL.len() - FIRST_OF_MODULE as usize <= 16);
const _: () = assert!(Encoding::ALL.len() <= 16);

/// The type of each tag.
static KINDS: [Type; 256] = {
    let mut kinds = [Type::String; 256];
    let mut at = 0;
    while at < Type::ALL.len() {
        let kind = Type::ALL[at];
        let mut encoding = 0;
        while encoding < Encoding::ALL.len() {
            let of = Encoding::ALL[encoding];
            if may_have(kind, of) {
                kinds[tag(kind, of) as usize] = kind;
            }
            encoding += 1;
        }
        at += 1;
    }
    kinds
};

/// Whether values of the type may have the encoding, as far as tags distinguish them.
const fn may_have(kind: Type, encoding: Encoding) -> bool {
    match encoding {
        Encoding::OfModule => is_of_module(kind),
        Encoding::Packed => (kind as u8) < 16,
        _ => !is_of_module(kind),
    }
}

const fn is_of_module(kind: Type) -> bool {
    kind as u8 >= FIRST_OF_MODULE
}

/// Type and encoding in a byte: `type << 4 | encoding`; types of modules are counted from the first
/// of them. Invariant 2 makes it unambiguous.
#[inline]
pub const fn tag(kind: Type, encoding: Encoding) -> u8 {
    let kind = kind as u8;
    let number = if kind >= FIRST_OF_MODULE && matches!(encoding, Encoding::OfModule) {
        kind - FIRST_OF_MODULE
    } else {
        kind
    };
    number << 4 | encoding as u8
}

impl Type {
    /// The type of a tag.
    #[inline]
    pub fn of_tag(tag: u8) -> Type {
        KINDS[tag as usize]
    }
}

impl Encoding {
    /// The encoding of a tag.
    #[inline]
    pub fn of_tag(tag: u8) -> Encoding {
        Encoding::ALL[(tag & 0x0f) as usize]
    }
}

impl Encoding {
    /// As [`Encoding::name`]; hashes that share names by Redis's directives have Redis's name.
    pub fn name_under(self, limits: &Limits) -> &'static str {
        match self {
            Encoding::Record if limits.hash_min_template_entries > 0 => "template-listpack",
            other => other.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_says_type_and_encoding() {
        for kind in Type::ALL {
            for encoding in Encoding::ALL {
                if may_have(kind, encoding) {
                    let tag = tag(kind, encoding);
                    assert_eq!((Type::of_tag(tag), Encoding::of_tag(tag)), (kind, encoding));
                }
            }
        }
    }
}
