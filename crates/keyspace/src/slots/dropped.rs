//! The slots that were dropped as a whole, while work for them is left (`dropped_slots`).

use std::collections::VecDeque;

use super::super::ids::DbIndex;
use super::super::listeners::effects::Audience;
use super::super::store::database::Database;
use super::super::store::entry::Entry;

/// The keys of dropped slots of a database.
pub(super) struct DroppedKeys {
    pub(super) db: DbIndex,
    pub(super) keys: Box<Database>,
    pub(super) cursor: u64,
    /// The rest of them is still counted in the database.
    pub(super) is_counted: bool,
    /// The listeners for which the deletions of the rest are not recorded yet.
    pub(super) informed: Audience,
    pub(super) reported_keys: usize,
    /// Where the running snapshot is, which has yet to save some of them.
    pub(super) unsaved: Option<u64>,
}

impl DroppedKeys {
    pub(super) fn is_done(&self) -> bool {
        !self.is_counted && self.informed.is_empty()
    }
}

/// The progress of dropped slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropProgress {
    /// Drops whose deletions are not all recorded, and of the oldest drop: its keys, and the keys
    /// recorded.
    pub running: usize,
    /// Keys of the oldest running drop.
    pub keys: usize,
    /// Keys of that drop whose deletions are recorded.
    pub reported_keys: usize,
    /// Such drops so far.
    pub started: u64,
    /// Drops whose deletions are all recorded.
    pub completed: u64,
}

/// See `dropped_slots`.
#[derive(Default)]
pub(crate) struct DroppedSlots {
    pub(super) queue: VecDeque<DroppedKeys>,
    /// Entries of a step.
    pub(super) scratch: Vec<Entry>,
    pub(super) progress: DropProgress,
    /// Times that slots with keys were dropped.
    pub(super) times: u64,
}

impl DroppedSlots {
    /// The dropped slots that are counted in a database, in part.
    pub(crate) fn counted_in(&self, db: DbIndex) -> impl Iterator<Item = &Database> {
        let of_db = move |its: &&DroppedKeys| its.db == db && its.is_counted;
        self.queue.iter().filter(of_db).map(|its| &*its.keys)
    }

    /// All keys of a database were replaced, and listeners are notified of that: the counts begin
    /// anew.
    pub(crate) fn forget_counts(&mut self, db: DbIndex) {
        for its in self.queue.iter_mut().filter(|its| its.db == db) {
            its.is_counted = false;
            its.informed = Audience::empty();
        }
    }

    /// Two databases were swapped.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        for its in &mut self.queue {
            its.db = match its.db {
                db if db == a => b,
                db if db == b => a,
                db => db,
            };
        }
    }

    /// Keys that the running snapshot has yet to save, of the database that had this number when
    /// the snapshot began, and the position of the snapshot.
    pub(crate) fn unsaved_of(
        &mut self,
        origin: DbIndex,
    ) -> Option<(&mut Database, &mut Option<u64>)> {
        let of_it = |its: &&mut DroppedKeys| its.unsaved.is_some() && its.keys.pass.is_of(origin);
        let its = self.queue.iter_mut().find(of_it)?;
        Some((&mut its.keys, &mut its.unsaved))
    }

    /// The keys of all.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Database> {
        self.queue.iter_mut().map(|its| &mut *its.keys)
    }

    /// The snapshot saves nothing any more.
    pub(crate) fn forget_pass(&mut self) {
        for its in &mut self.queue {
            its.unsaved = None;
            its.keys.pass.forget();
        }
    }
}
