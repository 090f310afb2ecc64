//! A snapshot between ticks: all databases as they were at a single moment, without a fork.
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
//!     large container    writers should wait for it (the gates ensure that); a writer that does
//!                        not makes a copy of it
//!
//! A large container is saved in slices. An open container does not change: a removal hands it over
//! to the pass, a write leaves the pass a copy with the same positions.
//!
//! Invariants
//!   1. While no pass runs, and none has been aborted, every entry's bit is `PassMark::bit_of` it.
//!   2. While a pass runs, an entry has that bit exactly when it needs no saving any more.
//!   3. Each key is saved exactly once, as it was when the pass began.
//!
//! A pass may save some slots alone ([`Keyspace::begin_pass_of`]): then the bit changes its meaning
//! in these, and all other entries count as saved.
//!
//! Moves of entries in the table, its growth and SWAPDB do not matter: the bit is in the entry, a
//! database carries the number it had when the pass began, and a second visit is harmless. FLUSHALL
//! hands a database to the pass as a whole; the pass saves dropped slots where they are
//! (`dropped_slots`), and takes them over when no other work is left for them. An aborted pass
//! continues marking, without saving, until every entry has the same bit again.
//!
//! Cost without a pass: a test per change. The walk allocates nothing per key.
use std::sync::Arc;

use super::super::access::view::KeyView;
use super::super::slots::slot_set::{SlotFilter, SlotSet};
use super::super::store::database::Database;
use super::super::{DbIndex, Keyspace};
use super::mark::OwnedEntry;
use super::pass::{AwaitedKey, GATHERED, OrphanPart, Pass, Saver, Slice, UNSEEN};
use russet_base::clock;

/// This many numbers before it mark databases that came back; a server has fewer databases than the
/// numbers that are left.
const MARKED_ORIGINS: u32 = 1 << 30;

/// Discards everything: for a pass that only marks.
struct NullSaver;

impl Saver for NullSaver {
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
        let among = slots.as_deref().map_or(SlotFilter::All, SlotFilter::Only);
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

    /// Whether a pass runs, including a pass that only marks.
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

    /// Has the pass save the container at a key next, if it is large and not saved yet; returns
    /// whether that is so: a writer should wait.
    pub fn save_large_next(&mut self, db: DbIndex, key: &[u8]) -> bool {
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
        self.pass_slice(&mut NullSaver, ticks) != Slice::Done
    }

    /// The entries of a database are marked in part: slices to come mark them all. Only while no
    /// pass saves.
    pub(crate) fn mark_all_of(&mut self, db: DbIndex) {
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

    /// Saves for `ticks` of the cycle counter, at least a key or a part of a key.
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

    /// A step of a pass, of about `gathered` entries; `false`: all is saved.
    fn step(&mut self, pass: &mut Pass, saver: &mut dyn Saver, gathered: usize) -> bool {
        if pass.open_at.is_some() {
            self.continue_open(pass, saver);
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
    fn take_early(&mut self) -> Option<(DbIndex, OwnedEntry)> {
        let at = self.dbs.iter().position(|db| !db.pass.early.is_empty())?;
        let at = DbIndex(at as u32);
        let mark = &mut self.dbs[at].pass;
        let owned = mark.early.pop()?;
        mark.early_bytes = mark.early_bytes.saturating_sub(owned.entry.memory_bytes());
        Some((at, owned))
    }

    fn continue_open(&mut self, pass: &mut Pass, saver: &mut dyn Saver) {
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

    /// For a database being flushed: hands the database to the pass if the pass has yet to save
    /// keys of it. `None`: the pass has taken the database, and returns it with this ticket.
    pub(crate) fn unless_database_unsaved(
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
        pass.orphans.push(OrphanPart {
            db: old,
            cursor: None,
            ticket,
        });
        None
    }

    /// Whether the running pass has yet to save keys that were just taken out of their database.
    pub(crate) fn are_unsaved(&self, taken: &Database) -> bool {
        let origin = taken.pass.origin;
        let pass = self.pass.as_ref().filter(|_| taken.pass.running);
        pass.is_some_and(|pass| pass.left.iter().any(|(left, ..)| *left == origin))
    }

    /// Hands keys of dropped slots to the pass, which saves and frees them.
    pub(crate) fn hand_to_pass(&mut self, taken: Database, cursor: u64) {
        match &mut self.pass {
            Some(pass) => pass.orphans.push(OrphanPart {
                db: taken,
                cursor: Some(cursor),
                ticket: None,
            }),
            None => self.lazyfree.free_database(taken, true),
        }
    }
}
