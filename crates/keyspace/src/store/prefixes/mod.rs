//! Figures by the prefixes of keys (PREFIXSTATS).
//!
//!     user:1:name    depth 1: `user:`    depth 2: `user:1:`    no delimiter: `(none)`
//!
//! Each database that is counted has a bounded table of lines; prefixes without room in it, and
//! prefixes of more than [`NAME_MAX`] bytes, share the line `(other)`. Keys and bytes follow the
//! entries (`keyspace/store/footprint.rs`). Reads, misses, writes and expiries are counted at the
//! same points as those of the server.
//!
//! Invariants
//!   1. `keys`, `bytes`, `packed` and `saved` of a line are those of the counted entries under its
//!      prefix: all entries, except while a walk is under way ([`Prefixes::covers`]).
//!   2. A prefix with an entry in `(other)` has no line of its own: a line is reassigned to
//!      another prefix only while `(other)` has no entries.
//!
//! Cost: when off, a test of a null pointer. When on, a key of the same prefix as the key before is
//! recognized by a comparison; any other costs a hash of the prefix and a probe.

mod count;
mod table;

pub use table::Prefixes;

/// Longer prefixes are not distinguished.
pub const NAME_MAX: usize = 256;

/// How keys are grouped by prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// The byte that ends a prefix, usually `:`.
    pub delimiter: u8,
    /// The prefix ends with this delimiter of the key, or with the last if the key has fewer; from
    /// 1.
    pub depth: usize,
    /// Maximum lines of a database, without `(none)` and `(other)`.
    pub lines_max: usize,
}

/// The end of the key's prefix, after the delimiter (0: it has none), and whether that delimiter is
/// number `depth`.
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

impl PrefixRule {
    /// The prefix of a key, with the delimiter; empty: it has none.
    pub fn prefix_of<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        &key[..end_of(self, key).0]
    }
}

impl<'a> PrefixName<'a> {
    /// The line's name. No prefix has the name of another line: each ends with the delimiter.
    pub fn text(self) -> &'a [u8] {
        match self {
            PrefixName::Prefix(name) => name,
            PrefixName::None => b"(none)",
            PrefixName::Other => b"(other)",
        }
    }
}

/// The figures of the keys under a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixFigures {
    /// Keys that have the prefix now.
    pub keys: u64,
    /// As MEMORY USAGE counts them.
    pub bytes: u64,
    /// Lookups that found a key.
    pub reads: u64,
    /// Changes.
    pub writes: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Keys that have expired.
    pub(crate) expired: u64,
    /// Keys whose value is packed now.
    pub packed: u64,
    /// Bytes that this saves.
    pub saved: u64,
}

/// The share of an entry in the figures of its prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryShare {
    /// As MEMORY USAGE counts them.
    pub bytes: usize,
    /// The value is packed.
    pub is_packed: bool,
    /// Bytes that this saves.
    pub saved: usize,
}

impl EntryShare {
    /// The share of an entry that is not packed.
    pub fn plain(bytes: usize) -> EntryShare {
        EntryShare {
            bytes,
            ..EntryShare::default()
        }
    }
}

impl PrefixFigures {
    /// Each figure with its name, in output order.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("keys", self.keys),
            ("bytes", self.bytes),
            ("reads", self.reads),
            ("writes", self.writes),
            ("misses", self.misses),
            ("expired", self.expired),
            ("packed", self.packed),
            ("saved", self.saved),
        ]
    }

    fn add(&mut self, share: EntryShare) {
        self.bytes += share.bytes as u64;
        self.packed += u64::from(share.is_packed);
        self.saved += share.saved as u64;
    }

    fn subtract(&mut self, share: EntryShare) {
        self.bytes -= share.bytes as u64;
        self.packed -= u64::from(share.is_packed);
        self.saved -= share.saved as u64;
    }

    /// The counts of uses alone.
    fn uses(&self) -> PrefixFigures {
        PrefixFigures {
            reads: self.reads,
            writes: self.writes,
            misses: self.misses,
            expired: self.expired,
            ..PrefixFigures::default()
        }
    }

    fn is_idle(&self) -> bool {
        *self == PrefixFigures::default()
    }
}

/// The prefix of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixName<'a> {
    /// The prefix, including the last delimiter.
    Prefix(&'a [u8]),
    /// Keys without a delimiter.
    None,
    /// Prefixes without room in the table.
    Other,
}

/// A use of a key that counts for its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    Read,
    Miss,
    Write,
    Expiry,
}

#[cfg(test)]
mod tests;
