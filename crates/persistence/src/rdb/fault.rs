//! Faults of a file or a payload: the causes of errors (`rdb/error.rs` has their position).
//!
//! The texts of `Packed` are Redis's, because tools match them. Every fault ends the reading; its
//! caller decides what that means: a client of RESTORE gets one fixed error, whatever the fault
//! (`commands::generic::restore`).

use std::borrow::Cow;
use std::io;

use russet_base::lzf::LzfError;
use russet_encodings::intset::IntsetError;
use russet_encodings::listpack::ListpackError;
use russet_encodings::ziplist::ZiplistError;
use russet_encodings::zipmap::ZipmapError;
use russet_types::Type;
use russet_types::vector_set::LoadError;

/// A fault.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input ends before the data does.
    #[error("it ends too early")]
    Truncated,
    /// At least this many bytes must still arrive: the reader of a fed input waits for them, so
    /// that no caller gets this fault.
    #[error("{0} bytes or more have not arrived yet")]
    Starved(u64),
    /// The system's error when the input was read.
    #[error("{0}")]
    Io(io::Error),
    /// The first bytes are neither `REDIS` nor `VALKEY` with a number.
    #[error("it does not begin as an RDB file does")]
    Magic,
    /// The number after the magic is not of a version that is read.
    #[error("version {0} is not known")]
    Version(u32),
    /// The CRC-64 at the end is not that of the bytes before.
    #[error("CRC error: {stated:016x} is stated, {found:016x} was found")]
    Checksum {
        /// The CRC-64 in the file.
        stated: u64,
        /// The CRC-64 of the bytes that were read.
        found: u64,
    },
    /// A byte in the place of an opcode or a type, which is neither.
    #[error("type or opcode {0} is not known")]
    Unknown(u8),
    /// A first byte that begins no length.
    #[error("a length is encoded in an unknown way")]
    Length,
    /// A string of a special encoding that is not known, or is not allowed here.
    #[error("a string is encoded in an unknown way")]
    Encoding,
    /// A number of elements or bytes that the rest of the input cannot hold.
    #[error("{0} elements are announced, more than can follow")]
    Announced(u64),
    /// A number that the value's type does not allow.
    #[error("a number is out of range")]
    Range,
    /// A score that is NaN, or no number.
    #[error("a score is not a number")]
    Score,
    /// A compressed string that does not unpack to its length.
    #[error("{0}")]
    Lzf(#[from] LzfError),
    /// A damaged listpack.
    #[error("{0}")]
    Listpack(#[from] ListpackError),
    /// A damaged intset.
    #[error("{0}")]
    Intset(#[from] IntsetError),
    /// A damaged ziplist, of Redis 6.2 and before.
    #[error("{0}")]
    Ziplist(#[from] ZiplistError),
    /// A damaged zipmap, of Redis 2.4 and before.
    #[error("{0}")]
    Zipmap(#[from] ZipmapError),
    /// Damaged vectors or links of a vector set.
    #[error("{0}")]
    Vectors(#[from] LoadError),
    /// A fault of a packed form, in a value of this type. Tools match the words.
    #[error("{} integrity check failed: {why}", named(*of, form))]
    Packed {
        /// The value's type.
        of: Type,
        /// The packed form, as Redis's log names it.
        form: &'static str,
        /// The fault inside the packed form.
        why: String,
    },
    /// A packed form in which a pair or triple is not whole.
    #[error("the elements do not come in whole records")]
    Records,
    /// A member or field that the value has already.
    #[error("an element comes twice")]
    Duplicate,
    /// An element comes twice in a packed form with this name.
    #[error("an element comes twice")]
    PackedDuplicate(&'static str),
    /// A key whose container has no elements.
    #[error("a container without elements")]
    Empty,
    /// A key that the database, whose number this is, has already.
    #[error("the key comes twice in database {0}")]
    DuplicateKey(u32),
    /// The number of a database, which is too high.
    #[error("database {0} is out of range")]
    Database(u64),
    /// Data of the named module, which nothing here understands.
    #[error("it holds data of the module '{0}', which is not there")]
    Module(String),
    /// A type of Redis's that has no counterpart here.
    #[error("it holds a value of type '{0}', which is not supported")]
    Unsupported(&'static str),
    /// Metadata of a module, which may not be skipped; the name is its class.
    #[error("a key has metadata of the class '{0}', which is not there")]
    Metadata(String),
    /// FUNCTION of a release candidate of Redis 7.0.
    #[error("functions of a release candidate are not supported")]
    FunctionPreGa,
    /// A fault in a value of one type.
    #[error("{0}")]
    Damaged(Cow<'static, str>),
}

/// A packed form of a type, as Redis's log names it.
fn named(of: Type, form: &str) -> String {
    match form {
        "ziplist" | "listpack" => {
            let (first, rest) = of.name().split_at(1);
            format!("{}{rest} {form}", first.to_uppercase())
        }
        "zipmap" => "Zipmap".to_owned(),
        _ => "Intset".to_owned(),
    }
}

impl Fault {
    /// A fault in a value of one type.
    pub fn damaged(what: &'static str) -> Fault {
        Fault::Damaged(Cow::Borrowed(what))
    }

    /// The fault in a value of this type.
    pub(crate) fn in_value(self, of: Type) -> Fault {
        let (form, why) = match &self {
            Fault::Listpack(error) => ("listpack", error.to_string()),
            Fault::Ziplist(error) => ("ziplist", error.to_string()),
            Fault::Intset(error) => ("intset", error.to_string()),
            Fault::Zipmap(error) => ("zipmap", error.to_string()),
            Fault::Records => ("listpack", self.to_string()),
            Fault::PackedDuplicate(form) => (*form, self.to_string()),
            _ => return self,
        };
        Fault::Packed { of, form, why }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Truncated,
            _ => Fault::Io(error),
        }
    }
}
