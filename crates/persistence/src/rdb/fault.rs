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
    #[error("it ends too early")]
    Truncated,
    /// At least this many bytes must still arrive: the reader of a fed input waits for them, so
    /// that no caller gets this fault.
    #[error("{0} bytes or more have not arrived yet")]
    Starved(u64),
    #[error("{0}")]
    Io(io::Error),
    #[error("it does not begin as an RDB file does")]
    Magic,
    #[error("version {0} is not known")]
    Version(u32),
    #[error("CRC error: {stated:016x} is stated, {found:016x} was found")]
    Checksum { stated: u64, found: u64 },
    #[error("type or opcode {0} is not known")]
    Unknown(u8),
    #[error("a length is encoded in an unknown way")]
    Length,
    #[error("a string is encoded in an unknown way")]
    Encoding,
    #[error("{0} elements are announced, more than can follow")]
    Announced(u64),
    #[error("a number is out of range")]
    Range,
    #[error("a score is not a number")]
    Score,
    #[error("{0}")]
    Lzf(#[from] LzfError),
    #[error("{0}")]
    Listpack(#[from] ListpackError),
    #[error("{0}")]
    Intset(#[from] IntsetError),
    #[error("{0}")]
    Ziplist(#[from] ZiplistError),
    #[error("{0}")]
    Zipmap(#[from] ZipmapError),
    #[error("{0}")]
    Vectors(#[from] LoadError),
    /// A fault of a packed form, in a value of this type. Tools match the words.
    #[error("{} integrity check failed: {why}", named(*of, form))]
    Packed {
        of: Type,
        form: &'static str,
        why: String,
    },
    #[error("the elements do not come in whole records")]
    Records,
    #[error("an element comes twice")]
    Duplicate,
    /// An element comes twice in a packed form with this name.
    #[error("an element comes twice")]
    PackedDuplicate(&'static str),
    #[error("a container without elements")]
    Empty,
    #[error("the key comes twice in database {0}")]
    DuplicateKey(u32),
    #[error("database {0} is out of range")]
    Database(u64),
    #[error("it holds data of the module '{0}', which is not there")]
    Module(String),
    /// A type of Redis's that has no counterpart here.
    #[error("it holds a value of type '{0}', which is not supported")]
    Unsupported(&'static str),
    #[error("a key has metadata of the class '{0}', which is not there")]
    Metadata(String),
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
