//! The databases that flushes have set aside, and their bytes (`aside`).

use std::collections::VecDeque;

use super::super::ids::DbIndex;
use super::super::store::database::Database;
use russet_base::memory::alloc::LetGo;

/// A database that was set aside.
pub(super) struct Part {
    /// The number that it returns to.
    pub(super) db: DbIndex,
    pub(super) ticket: u64,
    pub(super) keys: usize,
    /// `None`: a snapshot has yet to save some of it.
    pub(super) database: Option<Database>,
    /// A snapshot was given up in the middle of the database, so only a part of the entries is
    /// marked.
    pub(super) is_mixed: bool,
    pub(super) gone: LetGo,
}

/// The databases that a flush has set aside.
pub(super) struct AsideEntry {
    pub(super) number: u64,
    /// Unix milliseconds.
    pub(super) at_ms: i64,
    pub(super) parts: Vec<Part>,
}

impl AsideEntry {
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.gone.bytes()).sum()
    }

    /// All of it, or the part of database `only`, after `flushes` flushes. `None`: there is none.
    pub(super) fn pending(&self, flushes: u64, only: Option<DbIndex>) -> Option<PendingFlush> {
        let is_asked = |part: &&Part| only.is_none_or(|db| part.db == db);
        let parts: Vec<&Part> = self.parts.iter().filter(is_asked).collect();
        (!parts.is_empty()).then(|| PendingFlush {
            number: self.number,
            back: flushes - self.number,
            at_ms: self.at_ms,
            bytes: parts.iter().map(|part| part.gone.bytes()).sum(),
            databases: parts.iter().map(|part| (part.db, part.keys)).collect(),
        })
    }
}

/// See `aside`.
#[derive(Default)]
pub struct FlushedData {
    /// Flushes so far.
    pub(super) flushes: u64,
    tickets: u64,
    pub(super) entries: VecDeque<AsideEntry>,
    /// Parts that were freed while a snapshot had them: the ticket and the bytes, until the
    /// snapshot returns the part.
    pub(super) freed: Vec<(u64, LetGo)>,
    /// Data was freed since [`Keyspace::take_kept_flushes`].
    pub(super) has_freed: bool,
}

impl FlushedData {
    /// Two databases were swapped.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        let parts = self.entries.iter_mut().flat_map(|entry| &mut entry.parts);
        for part in parts {
            part.db = match part.db {
                db if db == a => b,
                db if db == b => a,
                db => db,
            };
        }
    }

    /// A number that was not given before.
    pub fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    pub(super) fn position(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.number == number)
    }
}

/// A flush whose data waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFlush {
    /// The flush's number, by which it can be undone; later flushes have higher numbers.
    pub number: u64,
    /// Flushes since.
    pub back: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// About.
    pub bytes: usize,
    /// The databases, each with its keys.
    pub databases: Vec<(DbIndex, usize)>,
}

/// The databases that are about to return.
#[must_use = "it is the flushed data"]
pub struct TakenFlush(pub(super) Vec<Part>);

impl PendingFlush {
    /// Keys of all databases of the flush.
    pub fn keys(&self) -> usize {
        self.databases.iter().map(|(_, keys)| keys).sum()
    }
}
