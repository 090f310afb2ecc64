//! The rows' common parts: flags, keys, the elements within a key.

use russet_command::{Access, ElementArgs, Flags, KeySpec};

pub(super) const READS: Flags = Flags::READONLY.union(Flags::MODULE);
pub(super) const READS_FAST: Flags = READS.union(Flags::FAST);
pub(super) const WRITES: Flags = Flags::WRITE.union(Flags::MODULE);
pub(super) const GROWS: Flags = WRITES.union(Flags::DENYOOM);

pub(super) const READ_KEY: &[KeySpec] = &[KeySpec::one(1, Access::READ)];
/// The destination, then the sources.
pub(super) const MERGED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, Access::MODIFY),
    KeySpec::range(2, -1, 1, Access::READ),
];
pub(super) const WRITTEN_KEY: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];

/// The command looks one item up in its key's value. Commands of several Bloom items need no such
/// hint: they hash and prefetch all before they look.
pub(super) const ONE_ITEM: Option<ElementArgs> = Some(ElementArgs::One(2));
/// All arguments after the key are items.
pub(super) const EACH_ITEM: Option<ElementArgs> = Some(ElementArgs::Every { first: 2, step: 1 });

/// A destination that the command also reads, and counted sources after it.
pub(super) const COUNTED_KEYS: &[KeySpec] = &[
    KeySpec::one(1, Access::MODIFY),
    KeySpec::counted(2, Access::READ),
];
