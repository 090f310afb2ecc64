//! Indexes that are dropped with their documents: the loop deletes the documents in slices, then
//! removes the index.
//!
//!     FT.DROPINDEX DD -> begin_drop -> a slice in each turn: DEL of some keys -> the index goes
//!
//! The index stays in files and in the log until all of its documents are deleted: after a crash in
//! between the index is there again, with the documents that are left, and can be dropped anew.
//! Commands no longer find it from the beginning. A server that becomes a replica meanwhile has the
//! index again, as its primary has. SWAPDB waits until the documents are deleted, because their
//! names would otherwise name other keys.
//!
//! Cost: O(documents), a bounded share of each turn.

use crate::execution::execute::Author;
use crate::parts::search::{DATABASE, Indexes};
use crate::state::Server;
use russet_base::clock;
use russet_keyspace::{Cause, Class, Keyspace, slot_of};
use russet_search::hit::DocumentId;

/// Documents of an index that are deleted at once.
const AT_ONCE: usize = 256;
/// Nanoseconds of a slice.
const SLICE_NANOS: u64 = 1_000_000;
/// Documents between two looks at the clock.
const BUDGET: usize = 16;

impl Indexes {
    /// Begins to drop an index with its documents. `false`: the documents are so few that the
    /// caller deletes them at once.
    pub fn begin_drop(&mut self, name: &[u8]) -> bool {
        let Some(held) = self.get_mut(name).filter(|held| held.index.len() > AT_ONCE) else {
            return false;
        };
        held.dropping = Some(0);
        self.are_dropped = true;
        true
    }

    /// Takes the keys of the next documents that are to be deleted. `None`: there are none.
    fn next_dropped(&mut self) -> Option<Vec<Box<[u8]>>> {
        let (_, held) = self.dropped()?;
        let (mut next, end) = (held.dropping?, held.index.documents_end());
        let mut keys = Vec::new();
        while next < end && keys.len() < BUDGET {
            keys.extend(held.index.living_key(DocumentId(next)).map(Box::from));
            next += 1;
        }
        held.dropping = Some(next);
        (!keys.is_empty()).then_some(keys)
    }
}

impl Server {
    /// Deletes documents of indexes that are dropped with them, for a slice.
    pub(crate) fn continue_drops(&mut self, keyspace: &mut Keyspace) {
        if !self.search.are_dropped {
            return;
        }
        if self.replication.is_replica() {
            self.keep_dropped();
            return;
        }
        let (began, ticks) = (clock::cycles(), self.cycles.ticks(SLICE_NANOS));
        self.drop_until(keyspace, || clock::cycles().wrapping_sub(began) >= ticks);
        // Continued commands share the turn with the deletion.
        let turn = self.stats.turns;
        self.turns.spend(turn, clock::cycles().wrapping_sub(began));
        if keyspace.has_news() {
            self.notify_changes(keyspace, Author::Server);
        }
    }

    /// Deletes all that is left of them at once, for a command that cannot wait.
    pub fn finish_drops(&mut self, keyspace: &mut Keyspace) {
        self.drop_until(keyspace, || false);
    }

    fn drop_until(&mut self, keyspace: &mut Keyspace, is_over: impl Fn() -> bool) {
        while let Some((name, held)) = self.search.dropped() {
            let (name, index) = (Box::<[u8]>::from(name), held.database());
            let mut db = keyspace.db(index);
            match self.search.next_dropped() {
                Some(keys) => {
                    for key in &keys {
                        if db.delete(key, Cause::Unlink) {
                            db.changed(key, Class::GENERIC, "del");
                            let (slot, words) = (|| Some(slot_of(key)), [b"DEL", &**key]);
                            db.effects().record(index, slot, words.into_iter());
                        }
                    }
                }
                None => {
                    self.search.end_drop(&name);
                    let words = [&b"FT._DROPINDEXIFX"[..], &name, b"_FORCEKEEPDOCS"];
                    db.effects().record(DATABASE, || None, words.into_iter());
                    db.add_dirty(1);
                    self.update_listeners(keyspace);
                }
            }
            if is_over() {
                break;
            }
        }
        self.search.are_dropped = self.search.dropped().is_some();
    }

    /// The primary decides from now on whether the indexes go: they are read anew.
    fn keep_dropped(&mut self) {
        while let Some((_, held)) = self.search.dropped() {
            held.dropping = None;
            held.read_again(false);
        }
        self.search.are_dropped = false;
    }
}

impl Indexes {
    /// All documents of an index are deleted.
    fn end_drop(&mut self, name: &[u8]) {
        if let Some((_, held)) = self.remove(name) {
            self.let_go(held);
        }
    }
}
