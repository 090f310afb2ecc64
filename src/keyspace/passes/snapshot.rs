//! A snapshot between ticks: all databases as they were at one moment, without a fork.
//!
//! A pass walks the tables in slices and saves unsaved entries. A bit in each entry means "saved in
//! this pass"; its meaning flips with every pass, so no pass has to clear it, and new entries
//! are created as saved. **Before an unsaved entry is changed, replaced, moved or removed, it must
//! be saved**: all such operations go through `Database`, whose methods call
//! [`Database::save_first`] or hand over the removed entries.
//!
//!     small value        its entry is copied to the early list, and saved from there
//!     large string       pinned: the block stays until the pass has written it, a huge one
//!                        until the saver has written it ([`Saver::text`])
//!     removed container  handed over whole: the pass owns, saves and frees it
//!     large container    writers should wait for it (the gates see to that); a writer that does
//!                        not makes a copy of it
//!
//! A large container is saved in slices. While it is open it does not change: a removal hands it
//! over to the pass, a write leaves the pass a copy with the same positions.
//!
//! Invariants
//!   1. While no pass runs, and none has been aborted, every entry's bit is `PassMark::bit_of` it.
//!   2. While one runs, an entry has that bit exactly when it needs no saving any more.
//!   3. Each key is saved exactly once, as it was when the pass began.
//!
//! A pass may save some slots alone ([`Keyspace::begin_pass_of`]): then the bit changes its meaning
//! in these, and all other entries count as saved.
//!
//! Moves of entries in the table, its growth and SWAPDB do not matter: the bit is in the entry, a
//! database carries the number it had when the pass began, and a second visit is harmless. A
//! flushed database is handed to the pass as a whole; dropped slots are saved where they are
//! (`dropped_slots`), and handed over when nothing else is left to be done with them. An aborted
//! pass continues marking, without saving, until every entry has the same bit again.
//!
//! Cost without a pass: one test per change. The walk allocates nothing per key.
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::super::access::view::KeyView;
use super::super::slots::slot::slot_of;
use super::super::slots::slot_set::{Among, SlotSet};
use super::super::store::database::{Database, Detached, copy_container, take_container};
use super::super::store::entry::Entry;
use super::super::{DbIndex, Keyspace, NewValue};
use crate::base::clock;
use crate::base::memory::pin::Pinned;

/// Entries per step of the walk: enough to prefetch each before it is saved.
const GATHERED: usize = 24;
/// The number of a database that no pass has seen.
const UNSEEN: DbIndex = DbIndex(u32::MAX);
/// This many numbers before it mark databases that came back; a server has fewer databases than the
/// numbers that are left.
const MARKED_ORIGINS: u32 = 1 << 30;
/// Distance, in entries, at which a value outside its entry is prefetched.
const AHEAD: usize = 6;
/// A step ends after saving this many bytes, however few entries that were.
const GATHERED_BYTES: usize = 64 * 1024;

/// Strings longer than this are handed to the saver: compressing one takes longer than a slice.
const TEXT_MIN: usize = 256 * 1024;

/// Containers with more loose bytes than this are saved in slices.
pub(in crate::keyspace) const LARGE_MIN: usize = 64 * 1024;

/// The sink of a pass; receives the saved data, in order.
pub trait Saver {
    /// The keys of another database follow.
    fn database(&mut self, db: DbIndex, keys: usize, volatile: usize);

    /// A key, whole.
    fn key(&mut self, db: DbIndex, view: &KeyView<'_>);

    /// A key with a huge string, which does not change while `text` is held: the saver may write it
    /// later.
    fn text(&mut self, db: DbIndex, view: &KeyView<'_>, text: Pinned) {
        drop(text);
        self.key(db, view);
    }

    /// Begins a key whose value follows in parts; returns where the first one begins.
    fn begin_large(&mut self, db: DbIndex, view: &KeyView<'_>) -> u64;

    /// The part of the open key's value from `at` on; returns where the next one begins, `None` at
    /// the end. The value is unchanged, or a copy of it with the same positions.
    fn part(&mut self, view: &KeyView<'_>, at: u64) -> Option<u64>;

    /// Whether there is room for more; a pass waits while there is not.
    fn has_room(&self) -> bool;
}

/// Discards everything: for a pass that only marks.
struct Nobody;

impl Saver for Nobody {
    fn database(&mut self, _db: DbIndex, _keys: usize, _volatile: usize) {}

    fn key(&mut self, _db: DbIndex, _view: &KeyView<'_>) {}

    fn begin_large(&mut self, _db: DbIndex, _view: &KeyView<'_>) -> u64 {
        0
    }

    fn part(&mut self, _view: &KeyView<'_>, _at: u64) -> Option<u64> {
        None
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// An entry that belongs to the pass: freed when it is dropped.
#[derive(Debug)]
pub(in crate::keyspace) struct Owned {
    origin: DbIndex,
    entry: Entry,
    /// Holds the string's block, which the entry does not own.
    pinned: Option<Pinned>,
}

impl Owned {
    fn view(&self) -> KeyView<'_> {
        KeyView::of(self.entry)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.pinned.is_some() {
            return self.entry.free_head();
        }
        if let Some(value) = take_container(self.entry) {
            value.free();
        }
        self.entry.free();
    }
}

/// A database's state in the running pass.
#[derive(Debug, Default)]
pub(in crate::keyspace) struct PassMark {
    running: bool,
    /// The bit of entries that are saved,
    bit: bool,
    /// and the slots in which it is the other one.
    toggled: Option<SlotSet>,
    /// The number that the database had when the pass began.
    origin: DbIndex,
    /// Values changed or removed before they were saved, in that order.
    early: Vec<Owned>,
    early_bytes: usize,
    /// The entry that is being saved in slices.
    open: Option<Entry>,
    /// That entry, or a copy, if it was changed or removed meanwhile.
    open_owned: Option<Owned>,
}

impl PassMark {
    /// The bit of this entry when it is saved.
    #[inline]
    fn bit_of(&self, entry: Entry) -> bool {
        match &self.toggled {
            None => self.bit,
            Some(toggled) => self.bit ^ toggled.has(slot_of(entry.key())),
        }
    }

    /// The entries of these slots, or all, count as unsaved from now on.
    fn toggle(&mut self, slots: Option<&SlotSet>) {
        let Some(slots) = slots else {
            self.bit = !self.bit;
            return;
        };
        self.toggled.get_or_insert_default().toggle(slots);
        self.toggled.take_if(|toggled| toggled.is_empty());
    }

    /// Whether the database had this number when the pass began.
    pub(in crate::keyspace) fn is_of(&self, origin: DbIndex) -> bool {
        self.origin == origin
    }

    /// The pass saves nothing of the database any more.
    pub(in crate::keyspace) fn forget(&mut self) {
        self.running = false;
        (self.open, self.open_owned) = (None, None);
    }

    /// The mark of slots that are taken out as a database of their own.
    pub(in crate::keyspace) fn take_slots(&mut self, slots: &SlotSet) -> PassMark {
        PassMark {
            running: self.running,
            bit: self.bit,
            toggled: self.toggled.clone(),
            origin: self.origin,
            open: self.open.take_if(|open| slots.has(slot_of(open.key()))),
            ..PassMark::default()
        }
    }
}

impl Database {
    /// Sets the bit of a new entry.
    #[inline]
    pub(in crate::keyspace) fn born(&self, entry: Entry) {
        entry.set_saved(self.pass.bit_of(entry));
    }

    /// The database was outside the keyspace, and returns: a pass under way does not save it.
    pub(in crate::keyspace) fn leave_pass(&mut self) {
        self.pass.forget();
        self.pass.origin = UNSEEN;
    }

    /// Whether the running pass has yet to save this entry.
    #[inline]
    pub(in crate::keyspace) fn is_unsaved(&self, entry: Entry) -> bool {
        self.pass.running && entry.is_saved() != self.pass.bit_of(entry)
    }

    /// The entry that the pass saves in slices: the pass holds it by address between them.
    #[inline]
    pub(in crate::keyspace) fn saved_in_slices(&self) -> Option<Entry> {
        self.pass.open
    }

    /// Must be called before an entry is changed in place or moved: saves it as it was.
    #[inline]
    pub(in crate::keyspace) fn save_first(&mut self, entry: Entry) {
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
        let copy = Owned {
            origin: self.pass.origin,
            entry: copy,
            pinned,
        };
        self.hand_over(entry, copy);
    }

    /// Queues `owned` for saving instead of `entry`, which now counts as saved.
    fn hand_over(&mut self, entry: Entry, owned: Owned) {
        entry.set_saved(self.pass.bit_of(entry));
        if self.pass.open == Some(entry) {
            self.pass.open = None;
            self.pass.open_owned = Some(owned);
            return;
        }
        self.pass.early_bytes += owned.entry.memory_bytes();
        self.pass.early.push(owned);
    }

    /// For an entry taken out of the table and about to be freed: the pass takes it over if it has
    /// not saved it. `None`: it did take it over.
    #[inline]
    pub(in crate::keyspace) fn unless_unsaved(&mut self, entry: Entry) -> Option<Entry> {
        if !self.is_unsaved(entry) {
            return Some(entry);
        }
        let origin = self.pass.origin;
        let owned = Owned {
            origin,
            entry,
            pinned: None,
        };
        self.hand_over(entry, owned);
        None
    }

    /// As [`Database::unless_unsaved`], for a container that is replaced under the same key.
    pub(in crate::keyspace) fn value_unless_unsaved(
        &mut self,
        entry: Entry,
        value: Detached,
    ) -> Option<Detached> {
        if !self.is_unsaved(entry) {
            return Some(value);
        }
        let (kind, encoding, word) = value.into_parts();
        let owned = Owned {
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
struct Orphan {
    db: Database,
    /// A slot's own cursor; a database has that of the pass.
    cursor: Option<u64>,
    /// The ticket by which it returns to the data set aside; without one it is freed.
    ticket: Option<u64>,
}

impl Orphan {
    fn is_slot(&self) -> bool {
        self.cursor.is_some()
    }

    fn is_of(&self, origin: DbIndex) -> bool {
        self.db.pass.origin == origin
    }
}

/// A key that a client waits for.
type AwaitedKey = (DbIndex, Arc<[u8]>);

/// A pass that saves, or that marks the rest of an aborted one.
pub struct Pass {
    /// Containers with more loose bytes than this are saved in slices.
    large_min: usize,
    /// Entries are only marked, not saved.
    marks_only: bool,
    /// The slots that are saved; `None`: everything.
    slots: Option<Arc<SlotSet>>,
    /// Non-empty databases by their numbers at the start, with keys and volatile keys.
    left: VecDeque<(DbIndex, usize, usize)>,
    /// The database being walked.
    current: Option<DbIndex>,
    /// The database last announced to the saver.
    announced: Option<DbIndex>,
    cursor: u64,
    /// Where the next part of the open key's value begins.
    open_at: Option<(DbIndex, u64)>,
    orphans: Vec<Orphan>,
    /// Keys that clients wait for: saved next, each once.
    wanted: VecDeque<AwaitedKey>,
    is_wanted: HashSet<AwaitedKey>,
    /// The entries of the scan's steps being visited.
    scratch: Vec<Entry>,
    saved: u64,
    total: u64,
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

impl Keyspace {
    /// Begins a pass over all keys as they are now. Only while none runs.
    pub fn begin_pass(&mut self) {
        self.begin_pass_over(None);
    }

    /// As [`Keyspace::begin_pass`], over the keys of some slots.
    pub fn begin_pass_of(&mut self, slots: SlotSet) {
        self.begin_pass_over(Some(Arc::new(slots)));
    }

    fn begin_pass_over(&mut self, slots: Option<Arc<SlotSet>>) {
        assert!(self.pass.is_none(), "one pass at a time");
        let among = slots.as_deref().map_or(Among::All, Among::Only);
        let mut pass = Pass::new(self.large_min);
        for (at, db) in self.dbs.iter_mut().enumerate() {
            let origin = DbIndex(at as u32);
            db.pass.running = true;
            db.pass.toggle(slots.as_deref());
            db.pass.origin = origin;
            let keys = db.table().len_among(among);
            if keys > 0 {
                let volatile = db.table().volatile_among(among);
                pass.left.push_back((origin, keys, volatile));
                pass.total += keys as u64;
            }
        }
        pass.slots = slots;
        self.pass = Some(Box::new(pass));
    }

    /// Saves all keys as they are now, and marks none: for a process that owns the keyspace, a
    /// forked child. `each` is called before each key; `false` stops.
    pub fn save_all(&self, saver: &mut dyn Saver, mut each: impl FnMut() -> bool) {
        for (at, db) in self.dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
            let at = DbIndex(at as u32);
            saver.database(at, db.len(), db.volatile());
            for entry in db.entries() {
                if !each() {
                    return;
                }
                let view = KeyView::of(entry);
                if view.value.loose_bytes() <= self.large_min {
                    saver.key(at, &view);
                    continue;
                }
                let mut part = Some(saver.begin_large(at, &view));
                while let Some(next) = part {
                    part = saver.part(&view, next);
                }
            }
        }
    }

    /// Whether a pass runs, including one that only marks.
    #[inline]
    pub fn in_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// Whether a pass saves.
    pub fn is_saving(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| !pass.marks_only)
    }

    /// Keys the pass has saved, and the total when it began.
    pub fn pass_progress(&self) -> (u64, u64) {
        self.pass.as_ref().map_or((0, 0), |p| (p.saved, p.total))
    }

    /// Bytes of changed or removed values that wait to be saved.
    pub fn early_bytes(&self) -> usize {
        self.dbs.iter().map(|db| db.pass.early_bytes).sum()
    }

    /// Stops saving. Further slices still mark entries, until the next pass may begin.
    pub fn abort_pass(&mut self) {
        let Some(pass) = &mut self.pass else { return };
        pass.marks_only = true;
        pass.open_at = None;
        pass.wanted.clear();
        pass.is_wanted.clear();
        let orphans = std::mem::take(&mut pass.orphans);
        for orphan in orphans {
            self.return_from_pass(orphan.db, orphan.ticket, true);
        }
        self.dropped.forget_pass();
        for db in self.dbs.iter_mut() {
            db.pass.early.clear();
            db.pass.early_bytes = 0;
            db.pass.open = None;
            db.pass.open_owned = None;
            // From now on writes save nothing first.
            db.pass.running = false;
        }
    }

    /// Whether the container at a key is large and not saved yet: a writer should wait. It is then
    /// saved next.
    pub fn must_be_saved_first(&mut self, db: DbIndex, key: &[u8]) -> bool {
        if !self.is_saving() {
            return false;
        }
        let database = &self.dbs[db];
        let Some(found) = database.find_key(key) else {
            return false;
        };
        let bytes = || KeyView::of(found.entry).value.loose_bytes();
        if !database.is_unsaved(found.entry) || bytes() <= self.large_min {
            return false;
        }
        if let Some(pass) = &mut self.pass {
            let wanted: AwaitedKey = (db, key.into());
            if pass.is_wanted.insert(wanted.clone()) {
                pass.wanted.push_back(wanted);
            }
        }
        true
    }

    /// Marks the rest of an aborted pass for `ticks`; `false`: nothing is left.
    pub fn continue_marking(&mut self, ticks: u64) -> bool {
        self.pass_slice(&mut Nobody, ticks) != Slice::Done
    }

    /// The entries of a database are marked in part: slices to come mark them all. Only while no
    /// pass saves.
    pub(in crate::keyspace) fn mark_all_of(&mut self, db: DbIndex) {
        debug_assert!(!self.is_saving());
        let large_min = self.large_min;
        let pass = self
            .pass
            .get_or_insert_with(|| Box::new(Pass::new(large_min)));
        (pass.marks_only, pass.slots, pass.cursor) = (true, None, 0);
        // A number that no other database has had for long.
        let origin = DbIndex(UNSEEN.0 - 1 - self.aside.ticket() as u32 % MARKED_ORIGINS);
        pass.left.push_back((origin, 0, 0));
        self.dbs[db].pass.origin = origin;
    }

    /// Saves for `ticks` of the cycle counter, at least one key or part of one.
    pub fn pass_slice(&mut self, saver: &mut dyn Saver, ticks: u64) -> Slice {
        let began = clock::cycles();
        // `ticks == 0`: one entry.
        let gathered = if ticks == 0 { 1 } else { GATHERED };
        let Some(mut pass) = self.pass.take() else {
            return Slice::Done;
        };
        let end = loop {
            if !pass.marks_only && !saver.has_room() {
                break Slice::Full;
            }
            if !self.step(&mut pass, saver, gathered) {
                break Slice::Done;
            }
            if clock::cycles().wrapping_sub(began) >= ticks {
                break Slice::More;
            }
        };
        if end == Slice::Done {
            for db in self.dbs.iter_mut() {
                db.pass.running = false;
            }
            for orphan in pass.orphans.drain(..) {
                self.return_from_pass(orphan.db, orphan.ticket, false);
            }
        } else {
            self.pass = Some(pass);
        }
        end
    }

    /// One step of a pass, of about `gathered` entries; `false`: all is saved.
    fn step(&mut self, pass: &mut Pass, saver: &mut dyn Saver, gathered: usize) -> bool {
        if pass.open_at.is_some() {
            self.go_on_with_open(pass, saver);
            return true;
        }
        if let Some((at, owned)) = self.take_early() {
            pass.save_owned(&mut self.dbs[at], owned, saver);
            return true;
        }
        if let Some(wanted) = pass.wanted.pop_front() {
            pass.is_wanted.remove(&wanted);
            let (db, key) = wanted;
            let database = &mut self.dbs[db];
            if let Some(found) = database.find_key(&key) {
                pass.visit(database, found.entry, saver);
            }
            return true;
        }
        let Some(origin) = pass.current else {
            let Some((origin, ..)) = pass.left.front().copied() else {
                return false;
            };
            pass.current = Some(origin);
            pass.cursor = 0;
            return true;
        };
        if let Some((keys, cursor)) = self.dropped.unsaved_of(origin) {
            let mut next = cursor.unwrap_or_default();
            let more = pass.walk(keys, &mut next, saver, gathered);
            *cursor = more.then_some(next);
            return true;
        }
        if let Some(mut orphan) = pass.take_orphan(origin) {
            let mut cursor = orphan.cursor.unwrap_or(pass.cursor);
            let more = pass.walk(&mut orphan.db, &mut cursor, saver, gathered);
            if more {
                match &mut orphan.cursor {
                    Some(own) => *own = cursor,
                    None => pass.cursor = cursor,
                }
                pass.orphans.push(orphan);
                return true;
            }
            if !orphan.is_slot() {
                pass.end_database(origin);
            }
            self.return_from_pass(orphan.db, orphan.ticket, false);
            return true;
        }
        let mut databases = self.dbs.iter_mut();
        let mut cursor = pass.cursor;
        let more = databases
            .find(|db| db.pass.origin == origin)
            .is_some_and(|database| pass.walk(database, &mut cursor, saver, gathered));
        if more {
            pass.cursor = cursor
        } else {
            pass.end_database(origin)
        }
        true
    }

    /// A value that was changed or removed before it was saved.
    fn take_early(&mut self) -> Option<(DbIndex, Owned)> {
        let at = self.dbs.iter().position(|db| !db.pass.early.is_empty())?;
        let at = DbIndex(at as u32);
        let mark = &mut self.dbs[at].pass;
        let owned = mark.early.pop()?;
        mark.early_bytes = mark.early_bytes.saturating_sub(owned.entry.memory_bytes());
        Some((at, owned))
    }

    fn go_on_with_open(&mut self, pass: &mut Pass, saver: &mut dyn Saver) {
        let Some((origin, at)) = pass.open_at else {
            return;
        };
        let orphans = pass.orphans.iter_mut().map(|o| &mut o.db);
        let gone = orphans.chain(self.dropped.all_mut());
        let database = gone.chain(self.dbs.iter_mut()).find(|db| {
            db.pass.origin == origin && (db.pass.open.is_some() || db.pass.open_owned.is_some())
        });
        let Some(database) = database else {
            pass.open_at = None;
            return;
        };
        let next = match (&database.pass.open_owned, database.pass.open) {
            (Some(owned), _) => saver.part(&owned.view(), at),
            (None, Some(entry)) => saver.part(&KeyView::of(entry), at),
            (None, None) => None,
        };
        pass.open_at = next.map(|at| (origin, at));
        if next.is_none() {
            if let Some(entry) = database.pass.open.take() {
                entry.set_saved(database.pass.bit_of(entry));
            }
            database.pass.open_owned = None;
        }
    }

    /// For a database being flushed: hands it to the pass if that has keys of it to save. `None`:
    /// the pass has taken the database, and returns it with this ticket.
    pub(in crate::keyspace) fn unless_database_unsaved(
        &mut self,
        at: DbIndex,
        mut old: Database,
        ticket: Option<u64>,
    ) -> Option<Database> {
        let fresh = &mut self.dbs[at];
        fresh.pass.bit = old.pass.bit;
        fresh.pass.toggled.clone_from(&old.pass.toggled);
        fresh.pass.running = old.pass.running;
        fresh.pass.origin = old.pass.origin;
        if !old.pass.running {
            return Some(old);
        }
        let Some(pass) = &mut self.pass else {
            return Some(old);
        };
        // The early list stays with the live database.
        fresh.pass.early = std::mem::take(&mut old.pass.early);
        fresh.pass.early_bytes = std::mem::take(&mut old.pass.early_bytes);
        let origin = old.pass.origin;
        // After a first flush the database has only keys created as saved.
        let mut orphans = pass.orphans.iter();
        let flushed = orphans.any(|orphan| orphan.is_of(origin) && !orphan.is_slot());
        let unsaved = !flushed && pass.left.iter().any(|(left, ..)| *left == origin);
        if !unsaved && old.pass.open.is_none() {
            fresh.pass.open_owned = old.pass.open_owned.take();
            return Some(old);
        }
        pass.orphans.push(Orphan {
            db: old,
            cursor: None,
            ticket,
        });
        None
    }

    /// Whether the running pass has yet to save keys that were just taken out of their database.
    pub(in crate::keyspace) fn are_unsaved(&self, taken: &Database) -> bool {
        let origin = taken.pass.origin;
        let pass = self.pass.as_ref().filter(|_| taken.pass.running);
        pass.is_some_and(|pass| pass.left.iter().any(|(left, ..)| *left == origin))
    }

    /// Hands keys of dropped slots to the pass, which saves and frees them.
    pub(in crate::keyspace) fn hand_to_pass(&mut self, taken: Database, cursor: u64) {
        match &mut self.pass {
            Some(pass) => pass.orphans.push(Orphan {
                db: taken,
                cursor: Some(cursor),
                ticket: None,
            }),
            None => self.lazyfree.free_database(taken, true),
        }
    }
}

impl Pass {
    /// Nothing is to be saved yet.
    fn new(large_min: usize) -> Pass {
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

    /// An orphan of the database that is being walked; its slots first.
    fn take_orphan(&mut self, origin: DbIndex) -> Option<Orphan> {
        let mut orphans = self.orphans.iter();
        let slot = orphans.position(|orphan| orphan.is_of(origin) && orphan.is_slot());
        let at = slot.or_else(|| self.orphans.iter().position(|orphan| orphan.is_of(origin)))?;
        Some(self.orphans.swap_remove(at))
    }

    /// All of a database is saved.
    fn end_database(&mut self, origin: DbIndex) {
        self.current = None;
        self.cursor = 0;
        self.left.retain(|(db, ..)| *db != origin);
    }

    /// Visits steps of a scan with about `gathered` entries; `false`: the end is reached.
    fn walk(
        &mut self,
        database: &mut Database,
        cursor: &mut u64,
        saver: &mut dyn Saver,
        gathered: usize,
    ) -> bool {
        let slots = self.slots.clone();
        let among = slots.as_deref().map_or(Among::All, Among::Only);
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
    fn visit(&mut self, database: &mut Database, entry: Entry, saver: &mut dyn Saver) -> usize {
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
    fn save_owned(&mut self, database: &mut Database, owned: Owned, saver: &mut dyn Saver) {
        self.announce(owned.origin, saver);
        self.saved += 1;
        let view = owned.view();
        if view.value.loose_bytes() > self.large_min {
            self.open_at = Some((owned.origin, saver.begin_large(owned.origin, &view)));
            database.pass.open_owned = Some(owned);
            return;
        }
        save_whole(owned.origin, &view, owned.entry, saver);
    }
}

/// Saves a key in one go, or hands its huge string to the saver.
fn save_whole(origin: DbIndex, view: &KeyView<'_>, entry: Entry, saver: &mut dyn Saver) {
    let is_huge = view.value.text_bytes() > TEXT_MIN;
    match is_huge.then(|| entry.pin_string()).flatten() {
        Some(text) => saver.text(origin, view, text),
        None => saver.key(origin, view),
    }
}
