//! The parts of rows that these commands share.

use russet_command::{Arity, Category, Flags};
use russet_server::Spec;

/// Common flags of the commands that run a script.
pub(super) const RUNS: Flags = Flags::NOSCRIPT
    .union(Flags::SCRIPT_RUNNER)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE);

/// The row of a subcommand.
pub(super) const fn sub(
    name: &'static str,
    handler: russet_server::Handler,
    arity: Arity,
    flags: Flags,
) -> Spec {
    Spec {
        arity,
        flags: flags.union(Flags::NOSCRIPT),
        categories: Category::SCRIPTING,
        ..Spec::new(name, handler)
    }
}
