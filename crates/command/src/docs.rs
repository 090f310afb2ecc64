//! The documentation of a command for COMMAND DOCS, and builders that keep its data short.
//!
//! The data is in `commands/<group>/docs.rs`, apart from the rows: only people and client
//! generators read it, the server itself never does.

use bitflags::bitflags;

/// The documentation of one command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// Full name: `get`, `config|get`.
    pub name: &'static str,
    /// One imperative sentence.
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
    pub history: &'static [(&'static str, &'static str)],
    /// The arguments after the name, in order.
    pub args: &'static [Arg],
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
        }
    };
}

groups! {
    Array "array",
    Bitmap "bitmap",
    Cluster "cluster",
    Connection "connection",
    Generic "generic",
    Geo "geo",
    Hash "hash",
    HyperLogLog "hyperloglog",
    List "list",
    Module "module",
    PathHash "pathhash",
    PubSub "pubsub",
    Scripting "scripting",
    Sentinel "sentinel",
    Server "server",
    Set "set",
    SortedSet "sorted-set",
    Stream "stream",
    String "string",
    Transactions "transactions",
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

/// One argument in a command's syntax.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// As the syntax calls it.
    pub name: &'static str,
    /// The `type` of COMMAND DOCS.
    pub kind: ArgKind,
    /// The placeholder in help texts; `""` for the name itself.
    pub display: &'static str,
    /// The key spec that finds it, for keys and key patterns.
    pub key_spec: Option<u8>,
    /// The keyword before the argument, or the whole argument.
    pub token: Option<&'static str>,
    /// The version that added it; `""`: as old as its command.
    pub since: &'static str,
    /// The version from which on it should not be used; `""`: it may be.
    pub deprecated_since: &'static str,
    /// Optional, or repeated.
    pub flags: ArgFlags,
    /// The parts of a block or the choices of a one-of.
    pub args: &'static [Arg],
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
    /// Exactly one of its nested arguments.
    OneOf,
    /// All of its nested arguments, in order.
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
        /// May be given several times, one after the other.
        const MULTIPLE = 1 << 1;
        /// The token is repeated with every value.
        const MULTIPLE_TOKEN = 1 << 2;
    }
}

impl Doc {
    /// A command without arguments, history or flags so far.
    pub const fn new(
        group: Group,
        name: &'static str,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Doc {
        Doc {
            name,
            summary,
            since,
            group,
            complexity,
            flags: DocFlags::empty(),
            deprecated_since: "",
            replaced_by: "",
            history: &[],
            args: &[],
        }
    }

    /// Sets the arguments after the name.
    pub const fn args(mut self, args: &'static [Arg]) -> Doc {
        self.args = args;
        self
    }

    /// Sets the changes since the first version: pairs of a version and its change.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Doc {
        self.history = history;
        self
    }

    /// Deprecates the command since this version and names its replacement.
    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Doc {
        self.flags = self.flags.union(DocFlags::DEPRECATED);
        self.deprecated_since = since;
        self.replaced_by = replaced_by;
        self
    }

    /// Not for clients.
    pub const fn syscmd(mut self) -> Doc {
        self.flags = self.flags.union(DocFlags::SYSCMD);
        self
    }
}

impl Arg {
    const fn new(kind: ArgKind, name: &'static str) -> Arg {
        Arg {
            name,
            kind,
            display: "",
            key_spec: None,
            token: None,
            since: "",
            deprecated_since: "",
            flags: ArgFlags::empty(),
            args: &[],
        }
    }

    /// A string, of any bytes.
    pub const fn string(name: &'static str) -> Arg {
        Arg::new(ArgKind::String, name)
    }

    /// An integer.
    pub const fn integer(name: &'static str) -> Arg {
        Arg::new(ArgKind::Integer, name)
    }

    /// A floating-point number.
    pub const fn double(name: &'static str) -> Arg {
        Arg::new(ArgKind::Double, name)
    }

    /// A time, counted from 1970 on.
    pub const fn unix_time(name: &'static str) -> Arg {
        Arg::new(ArgKind::UnixTime, name)
    }

    /// A glob pattern of keys.
    pub const fn pattern(name: &'static str) -> Arg {
        Arg::new(ArgKind::Pattern, name)
    }

    /// A key that the `spec`th key spec finds.
    pub const fn key(name: &'static str, spec: u8) -> Arg {
        Arg::new(ArgKind::Key, name).key_spec(spec)
    }

    /// A keyword without a value.
    pub const fn word(name: &'static str, token: &'static str) -> Arg {
        Arg::new(ArgKind::PureToken, name).token(token)
    }

    /// One of several arguments.
    pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Arg {
        let mut arg = Arg::new(ArgKind::OneOf, name);
        arg.args = args;
        arg
    }

    /// Arguments that are given or left out together.
    pub const fn block(name: &'static str, args: &'static [Arg]) -> Arg {
        let mut arg = Arg::new(ArgKind::Block, name);
        arg.args = args;
        arg
    }

    /// Finds the key by the `spec`th key spec, from 0.
    pub const fn key_spec(mut self, spec: u8) -> Arg {
        self.key_spec = Some(spec);
        self
    }

    /// The keyword before the argument.
    pub const fn token(mut self, token: &'static str) -> Arg {
        self.token = Some(token);
        self
    }

    /// Sets the placeholder in help texts, if it is not the name.
    pub const fn shown_as(mut self, display: &'static str) -> Arg {
        self.display = display;
        self
    }

    /// Added to its command by this version.
    pub const fn since(mut self, version: &'static str) -> Arg {
        self.since = version;
        self
    }

    /// Deprecated since this version.
    pub const fn deprecated(mut self, version: &'static str) -> Arg {
        self.deprecated_since = version;
        self
    }

    /// The argument may be left out.
    pub const fn optional(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::OPTIONAL);
        self
    }

    /// The argument may be given several times; its token comes once, before the first.
    pub const fn multiple(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::MULTIPLE);
        self
    }

    /// As [`Arg::multiple`], but the token comes before each.
    pub const fn multiple_token(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::MULTIPLE_TOKEN);
        self
    }
}

/// The entry for `name` (in full) in a group's list, which is sorted by name.
pub fn find(docs: &'static [Doc], name: &str) -> Option<&'static Doc> {
    let at = docs.binary_search_by(|doc| doc.name.cmp(name)).ok()?;
    Some(&docs[at])
}
