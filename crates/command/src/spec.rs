//! The row of a command, beside its handler: all that the server knows about it.
//!
//! COMMAND INFO, COMMAND GETKEYS, ACL categories, arity checks, the dispatch gates and the
//! prefetch of keys are all computed from rows; there is no second list of names. The type is
//! generic over the handler, so this layer does not depend on the server.

use bitflags::bitflags;

use super::facts::Facts;
use super::keys::Keys;
use russet_resp::Args;

/// How many arguments a command takes, its own name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    Exactly(u16),
    AtLeast(u16),
}

impl Arity {
    #[inline]
    pub const fn admits(self, argc: usize) -> bool {
        match self {
            Arity::Exactly(n) => argc == n as usize,
            Arity::AtLeast(n) => argc >= n as usize,
        }
    }

    /// As COMMAND INFO writes it: negative means "at least".
    pub const fn wire(self) -> i64 {
        match self {
            Arity::Exactly(n) => n as i64,
            Arity::AtLeast(n) => -(n as i64),
        }
    }
}

bitflags! {
    /// Command flags, named as COMMAND INFO names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u64 {
        const WRITE = 1 << 0;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const PUBSUB = 1 << 4;
        const NOSCRIPT = 1 << 5;
        const BLOCKING = 1 << 6;
        const LOADING = 1 << 7;
        const STALE = 1 << 8;
        const SKIP_MONITOR = 1 << 9;
        const SKIP_SLOWLOG = 1 << 10;
        const ASKING = 1 << 11;
        const FAST = 1 << 12;
        const NO_AUTH = 1 << 13;
        const MAY_REPLICATE = 1 << 14;
        const NO_ASYNC_LOADING = 1 << 15;
        const NO_MULTI = 1 << 16;
        /// Follows from the key specs (`KeyPlan::is_movable`); no row has it.
        const MOVABLEKEYS = 1 << 17;
        const ALLOW_BUSY = 1 << 18;
        const NO_MANDATORY_KEYS = 1 << 19;
        const SENTINEL = 1 << 20;
        const ONLY_SENTINEL = 1 << 21;
        const PROTECTED = 1 << 22;
        const MODULE = 1 << 23;
        /// A container of subcommands, without a handler of its own.
        const CONTAINER = 1 << 24;
        /// Runs at once inside MULTI instead of being queued (EXEC, DISCARD, WATCH ...).
        const NOT_QUEUED = 1 << 25;
        /// Allowed to a RESP2 client that has subscriptions.
        const PUBSUB_CONTEXT = 1 << 26;
        /// Not held back by CLIENT PAUSE ALL (CLIENT UNPAUSE and the like).
        const UNPAUSABLE = 1 << 27;
        /// Runs the commands queued by MULTI: a pause checks the queue.
        const RUNS_QUEUE = 1 << 28;
        /// Its arguments hold secrets: kept out of SLOWLOG, MONITOR and crash reports.
        const SENSITIVE = 1 << 29;
        /// Refused like a write while persistence fails: PING reports that to monitoring.
        const REPORTS_DISK = 1 << 30;
        /// Runs a script: the first argument is its text, its SHA or a function's name. The
        /// script's own flags apply, too.
        const RUNS_TEXT = 1 << 31;
        const RUNS_SHA = 1 << 32;
        const RUNS_FUNCTION = 1 << 33;
        /// May change its keys in databases other than the client's.
        const CROSS_DB = 1 << 34;
        /// Endangers the machine or takes the server over: with `remote-admin-without-auth no`,
        /// strangers may not run it. Commands of applications (scripts, FLUSHALL, BGSAVE) are free.
        const TAKES_OVER = 1 << 35;
        /// Its reply is sent to the primary that this server follows (REPLCONF GETACK).
        const REPLIES_TO_PRIMARY = 1 << 36;
        /// Meets keys that its arguments do not name: each that it finds expired is a removal of
        /// its own, not a part of the command's unit.
        const MEETS_ANY_KEY = 1 << 37;
        /// Runs a script, whatever names it.
        const SCRIPT_RUNNER = 1 << 38;
        /// As `NO_MULTI`, in Valkey's dialect only.
        const NO_MULTI_IN_VALKEY = 1 << 39;
    }
}

bitflags! {
    /// ACL categories that a row names; `@read`, `@write`, `@fast`, `@slow`,
    /// `@admin`, `@dangerous`, `@blocking` and `@pubsub` also follow from flags.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Category: u32 {
        const KEYSPACE = 1 << 0;
        const READ = 1 << 1;
        const WRITE = 1 << 2;
        const SET = 1 << 3;
        const SORTEDSET = 1 << 4;
        const LIST = 1 << 5;
        const HASH = 1 << 6;
        const STRING = 1 << 7;
        const ARRAY = 1 << 21;
        const BITMAP = 1 << 8;
        const HYPERLOGLOG = 1 << 9;
        const GEO = 1 << 10;
        const STREAM = 1 << 11;
        const PUBSUB = 1 << 12;
        const ADMIN = 1 << 13;
        const FAST = 1 << 14;
        const SLOW = 1 << 15;
        const BLOCKING = 1 << 16;
        const DANGEROUS = 1 << 17;
        const CONNECTION = 1 << 18;
        const TRANSACTION = 1 << 19;
        const SCRIPTING = 1 << 20;
        /// Valkey's.
        const PATHHASH = 1 << 22;
    }
}

bitflags! {
    /// The accesses of a command to a key, in the words of COMMAND INFO's key specs.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u16 {
        const RO = 1 << 0;
        const RW = 1 << 1;
        const OW = 1 << 2;
        const RM = 1 << 3;
        const ACCESS = 1 << 4;
        const UPDATE = 1 << 5;
        const INSERT = 1 << 6;
        const DELETE = 1 << 7;
        const NOT_KEY = 1 << 8;
        const INCOMPLETE = 1 << 9;
        const VARIABLE_FLAGS = 1 << 10;
    }
}

impl Access {
    /// `RO access`: the common reader.
    pub const READ: Access = Access::RO.union(Access::ACCESS);

    /// `RW access update`: the common writer of an existing value.
    pub const MODIFY: Access = Access::RW.union(Access::ACCESS).union(Access::UPDATE);

    /// `OW update`: replaces any old value.
    pub const OVERWRITE: Access = Access::OW.union(Access::UPDATE);
}

/// Where a key spec starts looking for its first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Index(u16),
    /// The argument after this keyword; the search starts at `from` (negative: from the end).
    Keyword {
        word: &'static str,
        from: i16,
    },
    Unknown,
}

/// How a key spec continues from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// `last` relative to the first key (negative: from the end); `limit` as in Redis.
    Range {
        last: i16,
        step: u16,
        limit: u16,
    },
    /// The key count is at `count_at`, the first key at `first`, both relative.
    KeyNum {
        count_at: u16,
        first: u16,
        step: u16,
    },
    Unknown,
}

/// One key spec of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub access: Access,
    pub begin: Begin,
    pub find: Find,
    /// Free text shown by COMMAND DOCS and INFO, `""` for none.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at argument `at`.
    pub const fn one(at: u16, access: Access) -> KeySpec {
        KeySpec::range(at, 0, 1, access)
    }

    /// Keys from `at` to `last` (relative to `at`; negative: from the end), every `step`th.
    pub const fn range(at: u16, last: i16, step: u16, access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: Begin::Index(at),
            find: Find::Range {
                last,
                step,
                limit: 0,
            },
            notes: "",
        }
    }

    /// A count at argument `at`, followed by its keys.
    pub const fn counted(at: u16, access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: Begin::Index(at),
            find: Find::KeyNum {
                count_at: 0,
                first: 1,
                step: 1,
            },
            notes: "",
        }
    }

    /// One key after a word that may be anywhere from argument `from` on.
    pub const fn behind(word: &'static str, from: i16, access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: Begin::Keyword { word, from },
            find: Find::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
            notes: "",
        }
    }

    /// Adds a note for readers of COMMAND INFO.
    pub const fn noted(mut self, notes: &'static str) -> KeySpec {
        self.notes = notes;
        self
    }

    /// Keys that only the command's own parser finds.
    pub const fn unknown(access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: Begin::Unknown,
            find: Find::Unknown,
            notes: "",
        }
    }
}

/// A command's use of the channels that its arguments name. Leaving channels needs no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelUse {
    /// The first argument.
    Publishes,
    /// All of them.
    Subscribes,
    /// All of them, as patterns.
    SubscribesPatterns,
}

/// Which databases a command touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseUse {
    /// The client's, if it has keys, reads or writes.
    Own,
    /// The databases that these arguments name.
    Named(&'static [u8]),
    /// The client's and the one that this argument names.
    OwnAndNamed(u8),
    /// The client's, and the one named after the first word; the second word takes no operand.
    OwnAndBehind(&'static str, &'static str),
    All,
}

impl DatabaseUse {
    /// Whether a valid command names a database, or concerns all of them.
    pub fn names(self, args: Args<'_>, db: u32) -> bool {
        let is_it = |at: usize| {
            let named = args
                .get(at)
                .and_then(russet_base::numbers::number::parse_i64);
            named == Some(i64::from(db))
        };
        match self {
            DatabaseUse::Own => false,
            DatabaseUse::Named(places) => places.iter().any(|&at| is_it(at.into())),
            DatabaseUse::OwnAndNamed(at) => is_it(at.into()),
            DatabaseUse::OwnAndBehind(word, _) => {
                (3..args.len()).any(|at| args.is(at, word) && is_it(at + 1))
            }
            DatabaseUse::All => true,
        }
    }
}

/// A row of the command table. `H` is the handler's type.
pub struct Spec<H: 'static> {
    pub name: &'static str,
    pub handler: H,
    pub arity: Arity,
    pub flags: Flags,
    pub facts: Facts,
    pub keys: &'static [KeySpec],
    /// Categories beyond those that follow from `flags`.
    pub categories: Category,
    /// `request_policy:...`, `response_policy:...`, `nondeterministic_output` and the like.
    pub tips: &'static [&'static str],
    pub subcommands: &'static [Spec<H>],
    /// Finds the keys instead of the specs, where options name keys or decide their access: it
    /// reads the same words as the handler (`options`).
    pub find_keys: Option<FindKeys>,
    /// Which arguments of a [`Flags::SENSITIVE`] command are secrets; by default, all.
    pub is_secret: IsSecret,
    /// The arguments that it looks up inside the first key's container, for the batch to prefetch.
    pub within: Option<Within>,
    pub channels: Option<ChannelUse>,
    pub databases: DatabaseUse,
    /// Counts the elements that it would touch, before it runs; `None`: about one, or no count is
    /// possible.
    pub work: Option<Work<H>>,
}

/// The work of a command (`work=` of a user's budgets).
#[derive(Clone, Copy, Debug)]
pub struct Work<H> {
    /// Called in place of the handler: it gives the number of elements, and does nothing.
    pub count: H,
    /// A command that does the same with less at a time, for the error.
    pub cheaper: &'static str,
}

/// Arguments that name elements of the first key's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// This argument.
    One(u8),
    /// From `first` on, every `step`th.
    Every { first: u8, step: u8 },
    /// Every second one from `first` on; a new score precedes each.
    Scored { first: u8 },
}

/// Whether the argument at this position (never the name) is a secret.
pub(crate) type IsSecret = fn(args: Args<'_>, at: usize) -> bool;

/// A row's own key finder: the keys among `args`, which fit the row's arity; an error means that
/// they do not have the command's form.
pub(crate) type FindKeys = fn(args: Args<'_>) -> Result<Keys, BadKeys>;

/// The arguments do not have the command's form, so its keys are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeys;

impl<H> Spec<H> {
    /// A row with only a name and a handler; set the rest by `..Spec::new(...)`.
    pub const fn new(name: &'static str, handler: H) -> Spec<H> {
        Spec {
            name,
            handler,
            arity: Arity::AtLeast(1),
            flags: Flags::empty(),
            facts: Facts::empty(),
            keys: &[],
            categories: Category::empty(),
            tips: &[],
            subcommands: &[],
            find_keys: None,
            is_secret: |_, _| true,
            within: None,
            channels: None,
            databases: DatabaseUse::Own,
            work: None,
        }
    }

    /// The row with these facts, too.
    pub const fn with(mut self, facts: Facts) -> Spec<H> {
        self.facts = self.facts.union(facts);
        self
    }

    /// Whether the argument at `at` is a secret of this command itself; `secrets` knows of those
    /// within it.
    pub(super) fn hides(&self, args: Args<'_>, at: usize) -> bool {
        at > 0 && self.flags.contains(Flags::SENSITIVE) && (self.is_secret)(args, at)
    }

    /// All categories: those of the row and those that follow from flags, as Redis derives them;
    /// for a module's commands only those of the row.
    pub const fn all_categories(&self) -> Category {
        let f = self.flags;
        let mut c = self.categories;
        if f.contains(Flags::MODULE) {
            return c;
        }
        if f.contains(Flags::WRITE) {
            c = c.union(Category::WRITE);
        }
        if f.contains(Flags::READONLY) && !c.contains(Category::SCRIPTING) {
            c = c.union(Category::READ);
        }
        if f.contains(Flags::ADMIN) {
            c = c.union(Category::ADMIN).union(Category::DANGEROUS);
        }
        if f.contains(Flags::PUBSUB) {
            c = c.union(Category::PUBSUB);
        }
        if f.contains(Flags::FAST) {
            c = c.union(Category::FAST);
        }
        if f.contains(Flags::BLOCKING) {
            c = c.union(Category::BLOCKING);
        }
        if !c.contains(Category::FAST) {
            c = c.union(Category::SLOW);
        }
        c
    }
}
