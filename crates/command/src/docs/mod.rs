//! The documentation of commands for COMMAND DOCS, and the text that holds it.
//!
//! Each group has a file, `commands/<group>/docs.txt`. It is embedded, and parsed at the first
//! COMMAND DOCS, because only people and client generators read it; the server itself uses only the
//! rows.
//!
//!     # A comment, between commands.
//!     group list
//!
//!     lpos @key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]
//!         Find the indices of equal elements in a list.
//!         since 6.0.6: O(N), N = length of the list
//!         7.0.0: A change, any number of them.
//!         deprecated 8.0.0: What replaces it
//!
//! A command's name and syntax begin a line (subcommands: `config|get`); lines indented by eight
//! spaces continue them. The lines indented by four hold a text each: first the summary, then in
//! any order `since` with the complexity if known, changes by version, `deprecated`, `syscmd` for
//! commands that are not for clients, `group` for another group than the file's. The arguments'
//! form: `syntax`.
//!
//! Texts are slices of the file. Cost: O(length of the file); some 600 bytes stay for each command.

mod entries;
mod syntax;

pub use entries::{Fault, parse};

use std::borrow::Cow;

use bitflags::bitflags;

/// The documentation of a command or subcommand.
#[derive(Debug)]
pub struct Doc {
    /// Full name: `get`, `config|get`.
    pub name: &'static str,
    /// An imperative sentence.
    pub summary: &'static str,
    /// The Redis (or Valkey) version that introduced it; of russet's own commands russet's.
    pub since: &'static str,
    /// The `group` of COMMAND DOCS.
    pub group: Group,
    /// `""` for none.
    pub complexity: &'static str,
    /// Deprecated, or not for clients.
    pub flags: DocFlags,
    /// `""` unless deprecated, as is `replaced_by`.
    pub deprecated_since: &'static str,
    /// The command to use instead, in Markdown.
    pub replaced_by: &'static str,
    /// Versions, each with its change.
    pub history: Vec<(&'static str, &'static str)>,
    /// The arguments after the name, in order.
    pub args: Vec<Arg>,
}

/// The list of groups, each with its name.
macro_rules! groups {
    ($($Group:ident $name:literal,)*) => {
        /// Redis's command groups.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Group {
            $(#[doc = concat!("`", $name, "`.")] $Group,)*
        }

        impl Group {
            /// As COMMAND DOCS writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Group::$Group => $name,)*
                }
            }

            fn named(name: &str) -> Option<Group> {
                [$(Group::$Group,)*].into_iter().find(|group| group.name() == name)
            }
        }
    };
}

groups! {
    Array "array",
    Bitmap "bitmap",
    Bloom "bloom",
    Cluster "cluster",
    Cms "cms",
    Connection "connection",
    Cuckoo "cuckoo",
    Generic "generic",
    Geo "geo",
    Hash "hash",
    HyperLogLog "hyperloglog",
    Json "json",
    List "list",
    Module "module",
    PathHash "pathhash",
    PubSub "pubsub",
    Scripting "scripting",
    Search "search",
    Sentinel "sentinel",
    Server "server",
    Set "set",
    SortedSet "sorted-set",
    Stream "stream",
    String "string",
    TDigest "tdigest",
    TimeSeries "timeseries",
    TopK "topk",
    Transactions "transactions",
}

impl Group {
    /// The module whose commands they are, if COMMAND DOCS names a module; `""`: none.
    pub const fn module(self) -> &'static str {
        match self {
            Group::Module => "vectorset",
            Group::Json => "ReJSON",
            Group::Bloom | Group::Cuckoo | Group::Cms | Group::TopK | Group::TDigest => "bf",
            Group::TimeSeries => "timeseries",
            Group::Search => "search",
            _ => "",
        }
    }
}

bitflags! {
    /// The `doc_flags` of COMMAND DOCS.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DocFlags: u8 {
        /// Not to be used any more; see `deprecated_since`.
        const DEPRECATED = 1 << 0;
        /// Not for clients: servers and testers use it.
        const SYSCMD = 1 << 1;
    }
}

/// An argument in a command's syntax.
#[derive(Debug)]
pub struct Arg {
    /// As the syntax calls it; for most keywords the lower case, which is not in the text.
    pub name: Cow<'static, str>,
    /// The `type` of COMMAND DOCS.
    pub kind: ArgKind,
    /// The placeholder in help texts; `""` for the name itself.
    pub display: &'static str,
    /// The key spec that finds it, for keys and key patterns.
    pub key_spec: Option<u8>,
    /// The keyword before the argument, or the whole argument.
    pub token: Option<&'static str>,
    /// The version that added it; `""`: as old as the command.
    pub since: &'static str,
    /// The version from which on it should not be used; `""`: it may be.
    pub deprecated_since: &'static str,
    /// Optional, or repeated.
    pub flags: ArgFlags,
    /// The parts of a block or the choices of a one-of.
    pub args: Vec<Arg>,
}

/// The kind of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// Digits, with a sign if it may be negative.
    Integer,
    /// A number that may have a fraction.
    Double,
    /// The name of a key.
    Key,
    /// A glob pattern of keys.
    Pattern,
    /// A time, counted from 1970 on.
    UnixTime,
    /// A keyword alone.
    PureToken,
    /// Exactly one of the nested arguments.
    OneOf,
    /// All of the nested arguments, in order.
    Block,
}

impl ArgKind {
    /// As COMMAND DOCS writes it.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }

    /// Has nested arguments instead of a display text.
    pub const fn is_nested(self) -> bool {
        matches!(self, ArgKind::OneOf | ArgKind::Block)
    }
}

bitflags! {
    /// Whether an argument is optional or repeated.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ArgFlags: u8 {
        /// May be left out.
        const OPTIONAL = 1 << 0;
        /// May be given several times in a row.
        const MULTIPLE = 1 << 1;
        /// The token is repeated with every value.
        const MULTIPLE_TOKEN = 1 << 2;
    }
}
