//! Who uses what: figures by the prefixes of keys (PREFIXSTATS).
//!
//!     user:1:name    depth 1: `user:`    depth 2: `user:1:`    no delimiter: `(none)`
//!
//! Each database that is counted has a bounded table of lines; prefixes for which it has no room,
//! and those of more than [`NAME_MAX`] bytes, share the line `(other)`. Keys and bytes follow the
//! entries: `Database` says what comes in, goes out or gets another size, as it does for
//! [`KeySizes`](super::KeySizes); `RefMut` says what a container weighs before and after.
//! Reads, misses, writes and expiries are counted where the server's own are.
//!
//! Invariants
//!   1. `keys` and `bytes` of a line are those of the entries under its prefix that are counted:
//!      all, but while a walk is under way ([`Prefixes::covers`]).
//!   2. A prefix with an entry in `(other)` has no line of its own: a line is given to another
//!      prefix only while `(other)` has no entries.
//!
//! Cost: where it is off, a test of a pointer that is null. On, a key of the same prefix as the
//! one before is told by a comparison; else a hash of the prefix and a probe.

mod count;
mod table;

pub(super) use table::Prefixes;

/// Longer prefixes are not told apart.
pub const NAME_MAX: usize = 256;

/// How keys are sorted by prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    pub delimiter: u8,
    /// The prefix ends with this delimiter of the key, or with its last if it has fewer; from 1.
    pub depth: usize,
    /// Lines of a database, those of the rest excluded.
    pub lines_max: usize,
}

/// Where in the key its prefix ends, behind the delimiter; 0: it has none. Whether that is the
/// delimiter number `depth`.
#[inline]
fn end_of(rule: &PrefixRule, key: &[u8]) -> (usize, bool) {
    let mut end = 0;
    for _ in 0..rule.depth {
        match memchr::memchr(rule.delimiter, &key[end..]) {
            Some(at) => end += at + 1,
            None => return (end, false),
        }
    }
    (end, true)
}

impl<'a> PrefixName<'a> {
    /// How a line is named. No prefix has the name of another line: each ends with the delimiter.
    pub fn text(self) -> &'a [u8] {
        match self {
            PrefixName::Prefix(name) => name,
            PrefixName::None => b"(none)",
            PrefixName::Other => b"(other)",
        }
    }
}

/// What is known of the keys under a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixFigures {
    pub keys: u64,
    /// As MEMORY USAGE counts them.
    pub bytes: u64,
    /// Lookups that found a key.
    pub reads: u64,
    /// Changes.
    pub writes: u64,
    /// Lookups that found none.
    pub misses: u64,
    pub expired: u64,
}

impl PrefixFigures {
    /// Each figure by its name, in the order in which they are told.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("keys", self.keys),
            ("bytes", self.bytes),
            ("reads", self.reads),
            ("writes", self.writes),
            ("misses", self.misses),
            ("expired", self.expired),
        ]
    }

    fn is_idle(&self) -> bool {
        *self == PrefixFigures::default()
    }
}

/// Which prefix a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixName<'a> {
    /// With its last delimiter.
    Prefix(&'a [u8]),
    /// Keys without a delimiter.
    None,
    /// What the table has no room for.
    Other,
}

/// What a key does that counts for its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Miss,
    Write,
    Expiry,
}

#[cfg(test)]
mod tests;
