//! The flags of CLIENT's rows.

use russet_command::Flags;

/// The flags that nearly all subcommands share.
pub(super) const USUAL: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::SENTINEL);
