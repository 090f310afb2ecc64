//! A pass: the walk over a database, what the pass has yet to save, and the changes before which it
//! must save an entry (`snapshot`).
//!
//! Cost: a change of an entry tests its bit; only an unsaved entry is copied or handed over.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::super::NewValue;
use super::super::access::view::KeyView;
use super::super::ids::DbIndex;
use super::super::slots::slot_set::{SlotFilter, SlotSet};
use super::super::store::container::{DetachedValue, copy_container};
use super::super::store::database::Database;
use super::super::store::entry::Entry;
use super::mark::OwnedEntry;
use russet_base::memory::pin::PinnedBytes;

/// Entries per step of the walk: enough to prefetch each before it is saved.
pub(super) const GATHERED: usize = 24;
/// The number of a database that no pass has seen.
pub(super) const UNSEEN: DbIndex = DbIndex(u32::MAX);
/// Distance, in entries, at which a value outside its entry is prefetched.
const AHEAD: usize = 6;
/// A step ends after saving this many bytes, however few entries that were.
const GATHERED_BYTES: usize = 64 * 1024;

/// Strings longer than this are handed to the saver: because compressing them takes longer than a
/// slice.
const TEXT_MIN: usize = 256 * 1024;

/// Containers with more loose bytes than this are saved in slices.
pub const LARGE_MIN: usize = 64 * 1024;

/// The sink of a pass; receives the saved data, in order.
pub trait Saver {
    /// The keys of another database follow.
    fn database(&mut self, db: DbIndex, keys: usize, volatile: usize);

    /// A key, whole.
    fn key(&mut self, db: DbIndex, view: &KeyView<'_>);

    /// A key with a huge string, which does not change while `text` is held: the saver may write it
    /// later.
    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: PinnedBytes) {
        drop(text);
        self.key(db, view);
    }

    /// Begins a key whose value follows in parts; returns where the first part begins.
    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64;

    /// The part of the open key's value from `at` on; returns where the next part begins, `None` at
    /// the end. The value is unchanged, or a copy of it with the same positions.
    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64>;

    /// Whether there is room for more; a pass waits while there is not.
    fn has_room(&self) -> bool;
}

impl Database {
    /// Sets the bit of a new entry.
    #[inline]
    pub(crate) fn born(&self, entry: Entry) {
        entry.set_saved(self.pass.bit_of(entry));
    }

    /// The database was outside the keyspace, and returns: a pass under way does not save it.
    pub(crate) fn leave_pass(&mut self) {
        self.pass.forget();
        self.pass.origin = UNSEEN;
    }

    /// Whether the running pass has yet to save this entry.
    #[inline]
    pub(crate) fn is_unsaved(&self, entry: Entry) -> bool {
        self.pass.running && entry.is_saved() != self.pass.bit_of(entry)
    }

    /// The entry that the pass saves in slices, and holds by address between the slices.
    #[inline]
    pub(crate) fn saved_in_slices(&self) -> Option<Entry> {
        self.pass.open
    }

    /// Must be called before an entry is changed in place or moved: saves the entry as it was.
    #[inline]
    pub(crate) fn save_first(&mut self, entry: Entry) {
        if self.is_unsaved(entry) {
            self.copy_early(entry);
        }
    }

    #[cold]
    #[inline(never)]
    fn copy_early(&mut self, entry: Entry) {
        let (copy, pinned) = match entry.share() {
            Some((head, pinned)) => (head, Some(pinned)),
            None => (duplicate(entry), None),
        };
        let copy = OwnedEntry {
            origin: self.pass.origin,
            entry: copy,
            pinned,
        };
        self.hand_over(entry, copy);
    }

    /// Queues `owned` for saving instead of `entry`, which now counts as saved.
    fn hand_over(&mut self, entry: Entry, owned: OwnedEntry) {
        entry.set_saved(self.pass.bit_of(entry));
        if self.pass.open == Some(entry) {
            self.pass.open = None;
            self.pass.open_owned = Some(owned);
            return;
        }
        self.pass.early_bytes += owned.entry.memory_bytes();
        self.pass.early.push(owned);
    }

    /// For an entry taken out of the table and about to be freed: the pass takes the entry over if
    /// it has not saved it. `None`: the pass took the entry over.
    #[inline]
    pub(crate) fn unless_unsaved(&mut self, entry: Entry) -> Option<Entry> {
        if !self.is_unsaved(entry) {
            return Some(entry);
        }
        let origin = self.pass.origin;
        let owned = OwnedEntry {
            origin,
            entry,
            pinned: None,
        };
        self.hand_over(entry, owned);
        None
    }

    /// As [`Database::unless_unsaved`], for a container that is replaced under the same key.
    pub(crate) fn value_unless_unsaved(
        &mut self,
        entry: Entry,
        value: DetachedValue,
    ) -> Option<DetachedValue> {
        if !self.is_unsaved(entry) {
            return Some(value);
        }
        let (kind, encoding, word) = value.into_parts();
        let owned = OwnedEntry {
            origin: self.pass.origin,
            entry: Entry::new(
                entry.key(),
                entry.expiry(),
                entry.clock(),
                NewValue::Container(kind, encoding, word),
            ),
            pinned: None,
        };
        self.hand_over(entry, owned);
        None
    }
}

/// A copy of an entry and its value.
fn duplicate(entry: Entry) -> Entry {
    let value = match entry.value() {
        NewValue::Container(..) => {
            let (kind, encoding, word) = copy_container(entry).into_parts();
            NewValue::Container(kind, encoding, word)
        }
        string => string,
    };
    Entry::new(entry.key(), entry.expiry(), entry.clock(), value)
}

/// A database flushed, or a slot dropped, while a pass had yet to save some of it.
pub(super) struct OrphanPart {
    pub(super) db: Database,
    /// A slot's own cursor; a database has that of the pass.
    pub(super) cursor: Option<u64>,
    /// The ticket by which it returns to the data set aside; without a ticket it is freed.
    pub(super) ticket: Option<u64>,
}

impl OrphanPart {
    pub(super) fn is_slot(&self) -> bool {
        self.cursor.is_some()
    }

    pub(super) fn is_of(&self, origin: DbIndex) -> bool {
        self.db.pass.origin == origin
    }
}

/// A key that a client waits for.
pub(super) type AwaitedKey = (DbIndex, Arc<[u8]>);

/// A pass that saves, or that marks the rest of an aborted pass.
pub struct Pass {
    /// Containers with more loose bytes than this are saved in slices.
    pub(super) large_min: usize,
    /// Entries are only marked, not saved.
    pub(super) marks_only: bool,
    /// The slots that are saved; `None`: everything.
    pub(super) slots: Option<Arc<SlotSet>>,
    /// Non-empty databases by their numbers at the start, with keys and volatile keys.
    pub(super) left: VecDeque<(DbIndex, usize, usize)>,
    /// The database being walked.
    pub(super) current: Option<DbIndex>,
    /// The database last announced to the saver.
    announced: Option<DbIndex>,
    pub(super) cursor: u64,
    /// Where the next part of the open key's value begins.
    pub(super) open_at: Option<(DbIndex, u64)>,
    pub(super) orphans: Vec<OrphanPart>,
    /// Keys that clients wait for: saved next, each once.
    pub(super) wanted: VecDeque<AwaitedKey>,
    pub(super) is_wanted: HashSet<AwaitedKey>,
    /// The entries of the scan's steps being visited.
    scratch: Vec<Entry>,
    pub(super) saved: u64,
    pub(super) total: u64,
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// There is more to save.
    More,
    /// The saver has no room.
    Full,
    /// All is saved.
    Done,
}

impl Pass {
    /// Nothing is to be saved yet.
    pub(super) fn new(large_min: usize) -> Pass {
        Pass {
            large_min,
            marks_only: false,
            slots: None,
            left: VecDeque::new(),
            current: None,
            announced: None,
            cursor: 0,
            open_at: None,
            orphans: Vec::new(),
            wanted: VecDeque::new(),
            is_wanted: HashSet::new(),
            scratch: Vec::new(),
            saved: 0,
            total: 0,
        }
    }

    fn announce(&mut self, origin: DbIndex, saver: &mut dyn Saver) {
        if self.announced != Some(origin) {
            self.announced = Some(origin);
            let (keys, volatile) = self
                .left
                .iter()
                .find(|(db, ..)| *db == origin)
                .map_or((0, 0), |(_, keys, volatile)| (*keys, *volatile));
            saver.database(origin, keys, volatile);
        }
    }

    /// An orphan of the walked database, orphaned slots first.
    pub(super) fn take_orphan(&mut self, origin: DbIndex) -> Option<OrphanPart> {
        let mut orphans = self.orphans.iter();
        let slot = orphans.position(|orphan| orphan.is_of(origin) && orphan.is_slot());
        let at = slot.or_else(|| self.orphans.iter().position(|orphan| orphan.is_of(origin)))?;
        Some(self.orphans.swap_remove(at))
    }

    /// All of a database is saved.
    pub(super) fn end_database(&mut self, origin: DbIndex) {
        self.current = None;
        self.cursor = 0;
        self.left.retain(|(db, ..)| *db != origin);
    }

    /// Visits steps of a scan with about `gathered` entries; `false`: the end is reached.
    pub(super) fn walk(
        &mut self,
        database: &mut Database,
        cursor: &mut u64,
        saver: &mut dyn Saver,
        gathered: usize,
    ) -> bool {
        let slots = self.slots.clone();
        let among = slots.as_deref().map_or(SlotFilter::All, SlotFilter::Only);
        let mut found = std::mem::take(&mut self.scratch);
        found.clear();
        let mut next = *cursor;
        // Entries are scattered in memory: they are prefetched while those before them are saved.
        loop {
            next = database
                .table()
                .scan_ahead(next, among, |entry| found.push(entry));
            if next == 0 || found.len() >= gathered {
                break;
            }
        }
        for entry in found.iter().take(AHEAD) {
            entry.prefetch_value();
        }
        let (mut at, mut bytes) = (0, 0);
        while at < found.len() && self.open_at.is_none() && bytes < GATHERED_BYTES {
            if let Some(entry) = found.get(at + AHEAD) {
                entry.prefetch_value();
            }
            bytes += self.visit(database, found[at], saver);
            at += 1;
        }
        // Steps in which a large value was opened are visited again.
        let done = at == found.len() && self.open_at.is_none();
        self.scratch = found;
        if !done {
            return true;
        }
        *cursor = next;
        next != 0
    }

    /// Saves an unsaved entry: whole, or by opening it. Returns about the bytes of its value
    /// outside the entry.
    pub(super) fn visit(
        &mut self,
        database: &mut Database,
        entry: Entry,
        saver: &mut dyn Saver,
    ) -> usize {
        let saved = database.pass.bit_of(entry);
        if entry.is_saved() == saved {
            return 0;
        }
        if self.marks_only {
            entry.set_saved(saved);
            return 0;
        }
        let origin = database.pass.origin;
        self.announce(origin, saver);
        self.saved += 1;
        let view = KeyView::of(entry);
        let bytes = view.value.loose_bytes();
        if bytes > self.large_min {
            // Marked when its last part is saved: until then writers wait or leave a copy.
            self.open_at = Some((origin, saver.begin_large(origin, &view)));
            database.pass.open = Some(entry);
            return 0;
        }
        save_whole(origin, &view, entry, saver);
        entry.set_saved(saved);
        bytes + view.value.text_bytes()
    }

    /// Saves an entry that the pass owns.
    pub(super) fn save_owned(
        &mut self,
        database: &mut Database,
        owned: OwnedEntry,
        saver: &mut dyn Saver,
    ) {
        self.announce(owned.origin, saver);
        self.saved += 1;
        let view = owned.view();
        if view.value.loose_bytes() > self.large_min {
            self.open_at = Some((owned.origin, saver.begin_large(owned.origin, &view)));
            drop(view);
            database.pass.open_owned = Some(owned);
            return;
        }
        save_whole(owned.origin, &view, owned.entry, saver);
    }
}

/// Saves a key at once, or hands its huge string to the saver.
fn save_whole(origin: DbIndex, view: &KeyView<'_>, entry: Entry, saver: &mut dyn Saver) {
    let is_huge = view.value.text_bytes() > TEXT_MIN;
    match is_huge.then(|| entry.pin_string()).flatten() {
        Some(text) => saver.text(origin, view, text),
        None => saver.key(origin, view),
    }
}
