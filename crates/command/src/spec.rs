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
    /// This many.
    Exactly(u16),
    /// This many or more.
    AtLeast(u16),
}

impl Arity {
    /// Whether a line of `argc` words, the name included, has the right number.
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
        /// May change keys: it is propagated, and refused on a read-only replica.
        const WRITE = 1 << 0;
        /// Reads keys, and changes none.
        const READONLY = 1 << 1;
        /// May need more memory: refused if it is over `maxmemory` after eviction.
        const DENYOOM = 1 << 2;
        /// Administers the server; in `@admin` and `@dangerous` as well.
        const ADMIN = 1 << 3;
        /// About channels of Pub/Sub; in `@pubsub` as well.
        const PUBSUB = 1 << 4;
        /// Refused to scripts.
        const NOSCRIPT = 1 << 5;
        /// May block the client; in `@blocking` as well.
        const BLOCKING = 1 << 6;
        /// Allowed while a data set is loaded that no client can see yet.
        const LOADING = 1 << 7;
        /// Allowed on a replica whose data is stale (`replica-serve-stale-data no`).
        const STALE = 1 << 8;
        /// Not shown by MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Not in the command logs.
        const SKIP_SLOWLOG = 1 << 10;
        /// Has the effect of ASKING: served in a slot that is being imported.
        const ASKING = 1 << 11;
        /// Takes O(1) or O(log n): in `@fast`, else in `@slow`.
        const FAST = 1 << 12;
        /// Allowed before the client has authenticated.
        const NO_AUTH = 1 << 13;
        /// May have effects to propagate, though no write itself (EVAL, PUBLISH).
        const MAY_REPLICATE = 1 << 14;
        /// Refused while a new data set is loaded beside the data set that clients see.
        const NO_ASYNC_LOADING = 1 << 15;
        /// Refused inside MULTI.
        const NO_MULTI = 1 << 16;
        /// Follows from the key specs (`KeyPlan::is_movable`); no row has it.
        const MOVABLEKEYS = 1 << 17;
        /// Allowed while a script has been running for longer than `busy-reply-threshold`.
        const ALLOW_BUSY = 1 << 18;
        /// May have no keys, although it has key specs.
        const NO_MANDATORY_KEYS = 1 << 19;
        /// In the table of a Sentinel.
        const SENTINEL = 1 << 20;
        /// In no other server's table than a Sentinel's.
        const ONLY_SENTINEL = 1 << 21;
        /// Refused unless a directive enables it: `enable-debug-command` and the like.
        const PROTECTED = 1 << 22;
        /// Of a module, in Redis: only the row's own categories count.
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
        /// The arguments hold secrets: kept out of SLOWLOG, MONITOR and crash reports.
        const SENSITIVE = 1 << 29;
        /// Refused like a write while persistence fails: PING reports that to monitoring.
        const REPORTS_DISK = 1 << 30;
        /// Runs a script, whose text is the first argument. The script's own flags apply, too.
        const RUNS_TEXT = 1 << 31;
        /// As `RUNS_TEXT`, but the argument is the script's SHA-1 digest.
        const RUNS_SHA = 1 << 32;
        /// As `RUNS_TEXT`, but the argument is a function's name.
        const RUNS_FUNCTION = 1 << 33;
        /// May change keys in databases other than the client's.
        const CROSS_DB = 1 << 34;
        /// Endangers the machine or takes the server over: with `remote-admin-without-auth no`,
        /// strangers may not run it. Commands of applications (scripts, FLUSHALL, BGSAVE) are free.
        const TAKES_OVER = 1 << 35;
        /// The reply is sent to the primary that this server follows (REPLCONF GETACK).
        const REPLIES_TO_PRIMARY = 1 << 36;
        /// The command meets keys that the arguments do not name: the removal of an expired key
        /// among them is a separate unit, not a part of the command's unit.
        const MEETS_ANY_KEY = 1 << 37;
        /// Runs a script, however the script is named.
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
        /// `@keyspace`: keys of whatever type, and databases.
        const KEYSPACE = 1 << 0;
        /// `@read`: values and facts of keys are read.
        const READ = 1 << 1;
        /// `@write`: keys may be changed.
        const WRITE = 1 << 2;
        /// `@set`: sets.
        const SET = 1 << 3;
        /// `@sortedset`: sorted sets.
        const SORTEDSET = 1 << 4;
        /// `@list`: lists.
        const LIST = 1 << 5;
        /// `@hash`: hashes.
        const HASH = 1 << 6;
        /// `@string`: strings.
        const STRING = 1 << 7;
        /// `@array`: arrays.
        const ARRAY = 1 << 21;
        /// `@bitmap`: bits of strings.
        const BITMAP = 1 << 8;
        /// `@hyperloglog`: strings that estimate numbers of distinct elements.
        const HYPERLOGLOG = 1 << 9;
        /// `@geo`: sorted sets of positions.
        const GEO = 1 << 10;
        /// `@stream`: streams.
        const STREAM = 1 << 11;
        /// `@pubsub`: channels.
        const PUBSUB = 1 << 12;
        /// `@admin`: the server itself.
        const ADMIN = 1 << 13;
        /// `@fast`: O(1) or O(log n).
        const FAST = 1 << 14;
        /// `@slow`: every command that is not in `@fast`.
        const SLOW = 1 << 15;
        /// `@blocking`: may block the client.
        const BLOCKING = 1 << 16;
        /// `@dangerous`: may do damage, or stop all other clients.
        const DANGEROUS = 1 << 17;
        /// `@connection`: the connection itself, or others.
        const CONNECTION = 1 << 18;
        /// `@transaction`: MULTI and what belongs to it.
        const TRANSACTION = 1 << 19;
        /// `@scripting`: scripts and functions.
        const SCRIPTING = 1 << 20;
        /// Valkey's.
        const PATHHASH = 1 << 22;
        /// `@json`: JSON documents.
        const JSON = 1 << 23;
        /// `@bloom`: Bloom filters.
        const BLOOM = 1 << 24;
        /// `@cuckoo`: cuckoo filters.
        const CUCKOO = 1 << 25;
        /// `@cms`: count-min sketches.
        const CMS = 1 << 26;
        /// `@topk`: top-k lists.
        const TOPK = 1 << 27;
        /// `@tdigest`: t-digests.
        const TDIGEST = 1 << 28;
        /// `@timeseries`: time series.
        const TIMESERIES = 1 << 29;
        /// `@search`: indexes over hashes and JSON documents.
        const SEARCH = 1 << 30;
    }
}

bitflags! {
    /// The accesses of a command to a key, in the words of COMMAND INFO's key specs.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u16 {
        /// Reads the value, and does not change it.
        const RO = 1 << 0;
        /// Changes the value, or a fact of the key.
        const RW = 1 << 1;
        /// Replaces the value, whatever the old value was.
        const OW = 1 << 2;
        /// Removes the key.
        const RM = 1 << 3;
        /// Returns or copies what the value holds, or uses it.
        const ACCESS = 1 << 4;
        /// Changes the value's content, by the old content or by new data.
        const UPDATE = 1 << 5;
        /// Adds to the value, and changes nothing that is there.
        const INSERT = 1 << 6;
        /// Removes something that the value holds, or the value.
        const DELETE = 1 << 7;
        /// The argument is no key, but has a slot as keys have: a channel.
        const NOT_KEY = 1 << 8;
        /// The spec may miss keys, or find words that are none.
        const INCOMPLETE = 1 << 9;
        /// The access depends on the other arguments.
        const VARIABLE_FLAGS = 1 << 10;
    }
}

impl Access {
    /// `RO access`: the common reader.
    pub const READ: Access = Access::RO.union(Access::ACCESS);

    /// `RW access update`: the common writer of an existing value.
    pub const MODIFY: Access = Access::RW.union(Access::ACCESS).union(Access::UPDATE);

    /// `RW access delete`: the common pop.
    pub const TAKE: Access = Access::RW.union(Access::ACCESS).union(Access::DELETE);

    /// `RW update`: changes the value, and replies nothing of it.
    pub const CHANGE: Access = Access::RW.union(Access::UPDATE);

    /// `RW insert`: adds to the value.
    pub const ADD: Access = Access::RW.union(Access::INSERT);

    /// `RW delete`: removes from the value.
    pub const REMOVE: Access = Access::RW.union(Access::DELETE);

    /// `OW update`: replaces any old value.
    pub const OVERWRITE: Access = Access::OW.union(Access::UPDATE);
}

/// Where a key spec starts looking for its first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSearch {
    /// This argument; the name is 0.
    Index(u16),
    /// The argument after a keyword.
    Keyword {
        /// The keyword; it is found in any case.
        word: &'static str,
        /// The argument at which the search starts; negative: counted from the end, and the
        /// search goes backwards.
        from: i16,
    },
    /// Only the command's own finder knows.
    Unknown,
}

/// How a key spec continues from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExtent {
    /// Up to a last key, whose place is known.
    Range {
        /// The last key, counted from the first key; negative: from the end of the line, whose last
        /// argument is -1.
        last: i16,
        /// Arguments from one key to the next.
        step: u16,
        /// The part of the line that has the keys, if `last` is negative. 0 or 1: all that
        /// follows the first key; 2: the first half of it, and so on.
        limit: u16,
    },
    /// As many keys as an argument states.
    KeyNum {
        /// The number of keys, in arguments after the spec's beginning.
        count_at: u16,
        /// The first key, likewise.
        first: u16,
        /// Arguments from one key to the next.
        step: u16,
    },
    /// Only the command's own finder knows.
    Unknown,
}

/// A key spec of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The command's use of each of the keys.
    pub access: Access,
    /// The place of the first key, or of the count.
    pub begin: BeginSearch,
    /// How the other keys follow from there.
    pub find: KeyExtent,
    /// Free text shown by COMMAND DOCS and INFO, `""` for none.
    pub notes: &'static str,
}

impl KeySpec {
    /// A key at argument `at`.
    pub const fn one(at: u16, access: Access) -> KeySpec {
        KeySpec::range(at, 0, 1, access)
    }

    /// Keys from `at` to `last` (relative to `at`; negative: from the end), every `step`th.
    pub const fn range(at: u16, last: i16, step: u16, access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: BeginSearch::Index(at),
            find: KeyExtent::Range {
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
            begin: BeginSearch::Index(at),
            find: KeyExtent::KeyNum {
                count_at: 0,
                first: 1,
                step: 1,
            },
            notes: "",
        }
    }

    /// A key after a word that may be anywhere from argument `from` on.
    pub const fn behind(word: &'static str, from: i16, access: Access) -> KeySpec {
        KeySpec {
            access,
            begin: BeginSearch::Keyword { word, from },
            find: KeyExtent::Range {
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
            begin: BeginSearch::Unknown,
            find: KeyExtent::Unknown,
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
    /// The client's database and the database that this argument names.
    OwnAndNamed(u8),
    /// The client's database, and the database named after the first word; the second word takes no
    /// operand.
    OwnAndBehind(&'static str, &'static str),
    /// All databases.
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
    /// The name, lowercase; of a subcommand without its container's.
    pub name: &'static str,
    /// The function that runs it.
    pub handler: H,
    /// The number of arguments, the name included.
    pub arity: Arity,
    /// Redis's flags and the server's own.
    pub flags: Flags,
    /// Facts that single places of the server act on.
    pub facts: Facts,
    /// The keys among the arguments, as COMMAND INFO has them.
    pub keys: &'static [KeySpec],
    /// Categories beyond those that follow from `flags`.
    pub categories: Category,
    /// `request_policy:...`, `response_policy:...`, `nondeterministic_output` and the like.
    pub tips: &'static [&'static str],
    /// The rows of a container's subcommands.
    pub subcommands: &'static [Spec<H>],
    /// Finds the keys instead of the specs, if options name keys or decide their access: the finder
    /// reads the same words as the handler (`options`).
    pub find_keys: Option<FindKeys>,
    /// Which arguments of a [`Flags::SENSITIVE`] command are secrets; by default, all.
    pub is_secret: IsSecret,
    /// The arguments that it looks up inside the first key's container, for the batch to prefetch.
    pub within: Option<ElementArgs>,
    /// The use of channels among the arguments; `None`: it names none.
    pub channels: Option<ChannelUse>,
    /// The databases that it touches.
    pub databases: DatabaseUse,
    /// Counts the elements that the command would touch, before it runs; `None`: about 1, or no
    /// count is possible.
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
pub enum ElementArgs {
    /// This argument.
    One(u8),
    /// This argument, and the element's place in the order.
    Ranked(u8),
    /// Some at even distances, up to the end.
    Every {
        /// The first of them.
        first: u8,
        /// Arguments from one to the next.
        step: u8,
    },
    /// Every second argument, up to the end; a new score precedes each.
    Scored {
        /// The first member.
        first: u8,
    },
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

    /// Whether the argument at `at` is a secret of this command itself; `secrets` knows the secrets
    /// of commands within it.
    pub(super) fn hides(&self, args: Args<'_>, at: usize) -> bool {
        at > 0 && self.flags.contains(Flags::SENSITIVE) && (self.is_secret)(args, at)
    }

    /// All categories: the row's own and, as Redis derives them, the categories that follow from
    /// flags; for a module's commands only the row's own.
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
