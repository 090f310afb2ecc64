//! Flags of scripts and functions: their permissions.

use bitflags::bitflags;

bitflags! {
    /// As a shebang line or `redis.register_function` names them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// `no-writes`: it only reads, so that it may run on a read-only replica.
        const NO_WRITES = 1 << 0;
        /// `allow-oom`: it runs although memory is above `maxmemory`.
        const ALLOW_OOM = 1 << 1;
        /// `allow-stale`: it runs on a replica without a link to its primary.
        const ALLOW_STALE = 1 << 2;
        /// `no-cluster`: it does not run on a node of a cluster.
        const NO_CLUSTER = 1 << 3;
        /// `allow-cross-slot-keys`: its commands may access keys of several slots.
        const ALLOW_CROSS_SLOT_KEYS = 1 << 4;
        /// A script that fails is rolled back.
        const ATOMIC = 1 << 5;
        /// A script without a shebang: each of its commands is checked by itself.
        const COMPAT = 1 << 6;
    }
}

/// Names in the order of FUNCTION LIST.
const NAMES: [(&str, Flags); 6] = [
    ("no-writes", Flags::NO_WRITES),
    ("allow-oom", Flags::ALLOW_OOM),
    ("allow-stale", Flags::ALLOW_STALE),
    ("no-cluster", Flags::NO_CLUSTER),
    ("allow-cross-slot-keys", Flags::ALLOW_CROSS_SLOT_KEYS),
    ("atomic", Flags::ATOMIC),
];

impl Flags {
    /// The flag with this name.
    pub fn named(name: &[u8]) -> Option<Flags> {
        let named = NAMES.iter().find(|(n, _)| n.as_bytes() == name);
        named.map(|(_, flag)| *flag)
    }

    /// The names of the set flags.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = NAMES.iter().filter(move |(_, flag)| self.contains(*flag));
        set.map(|(name, _)| *name)
    }
}
