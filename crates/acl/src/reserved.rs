//! Commands that rules may name although the server does not have them: commands of Sentinel and
//! modules, and the newest of Redis 8.10 and Valkey 9.
//!
//! Rules are written for many servers and versions; a file that names such a command must load.
//! Running the command is still an error: unknown command. Each row has the facts of permission
//! checks: arity, keys, and the flags that categories follow from.

use russet_command::{Arity, Category, Flags, KeySpec, Spec};

/// A command with its full name (`sentinel|masters`).
pub(super) type ReservedCommand = Spec<()>;

/// `arity` as in COMMAND INFO.
const fn row(
    name: &'static str,
    arity: i16,
    flags: Flags,
    categories: Category,
    keys: &'static [KeySpec],
) -> ReservedCommand {
    Spec {
        arity: match arity {
            ..0 => Arity::AtLeast(arity.unsigned_abs()),
            _ => Arity::Exactly(arity.unsigned_abs()),
        },
        flags,
        categories,
        keys,
        ..Spec::new(name, ())
    }
}

/// A command that only Sentinel has: it is in no category, and only rules can name it.
const fn sentinel(name: &'static str) -> ReservedCommand {
    row(name, -2, Flags::ONLY_SENTINEL, PLAIN, NO_KEYS)
}

/// No categories except the categories derived from flags.
const PLAIN: Category = Category::empty();

const NO_KEYS: &[KeySpec] = &[];

/// Sorted by name, so that containers precede their subcommands.
pub(super) static RESERVED: &[ReservedCommand] = &[
    sentinel("sentinel"),
    sentinel("sentinel|ckquorum"),
    sentinel("sentinel|config"),
    sentinel("sentinel|debug"),
    sentinel("sentinel|failover"),
    sentinel("sentinel|flushconfig"),
    sentinel("sentinel|get-master-addr-by-name"),
    sentinel("sentinel|get-primary-addr-by-name"),
    sentinel("sentinel|help"),
    sentinel("sentinel|info-cache"),
    sentinel("sentinel|is-master-down-by-addr"),
    sentinel("sentinel|is-primary-down-by-addr"),
    sentinel("sentinel|master"),
    sentinel("sentinel|masters"),
    sentinel("sentinel|monitor"),
    sentinel("sentinel|myid"),
    sentinel("sentinel|pending-scripts"),
    sentinel("sentinel|primaries"),
    sentinel("sentinel|primary"),
    sentinel("sentinel|remove"),
    sentinel("sentinel|replicas"),
    sentinel("sentinel|reset"),
    sentinel("sentinel|sentinels"),
    sentinel("sentinel|set"),
    sentinel("sentinel|simulate-failure"),
    sentinel("sentinel|slaves"),
];

/// The names of all reserved commands.
#[cfg(feature = "testing")]
pub fn reserved_names() -> impl Iterator<Item = &'static str> {
    RESERVED.iter().map(|spec| spec.name)
}
