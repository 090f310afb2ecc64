//! The parts of rows that these commands share.

use crate::server::Spec;
use russet_command::{Arity, Category, Flags};

/// Common flags of the commands that run a script.
pub(super) const RUNS: Flags = Flags::NOSCRIPT
    .union(Flags::SCRIPT_RUNNER)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE);

/// The row of a subcommand.
pub(super) const fn sub(
    name: &'static str,
    handler: crate::server::Handler,
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
