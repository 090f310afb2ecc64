//! Flushed data that is set aside: it can be brought back until it is freed.
//!
//!     FLUSHALL, FLUSHDB   the databases become an entry, each with its number
//!     SWAPDB              data set aside follows its database
//!     undo                an entry's databases return, with all their keys and expiries
//!     free                the helper thread frees an entry
//!
//! **A flush is named by the number of flushes after it.** Log and replicas repeat the same
//! flushes, so they find the same entry, and FLUSHALL stays a command that every server
//! understands. Therefore each flush by a command counts, even if it sets nothing aside. Any other
//! way of emptying databases (a full copy, a load) ends all entries ([`Keyspace::forget_aside`]).
//!
//! Invariants
//!   1. Entries are in the order of their numbers, oldest first, at most [`ENTRIES_MAX`], none
//!      without a part.
//!   2. Freed entries are older than all that remain. So a replay that does not know every freed
//!      entry has all remaining entries, and nothing newer.
//!   3. The bytes of a part are not in `used_memory` (`alloc::let_go`); they are an estimate from a
//!      sample.
//!   4. A part has no database exactly while a running snapshot has the database, which the
//!      snapshot returns by the part's ticket.
//!
//! Cost: a flush O(databases + keys sampled + watched keys). An undo O(watched keys + keys that
//! clients wait for); O(keys) if bytes have been counted only since the flush.

use super::super::store::database::Database;
use super::super::{DbIndex, Keyspace, store::weight};
use super::set_aside::{AsideEntry, FlushedData, Part, PendingFlush, TakenFlush};
use russet_base::memory::alloc;

/// Entries that wait at most: the next flush frees the oldest entry.
const ENTRIES_MAX: usize = 16;

impl Keyspace {
    // --- flushing ---

    /// Flushes by commands so far.
    pub fn flushes(&self) -> u64 {
        self.aside.flushes
    }

    /// A flush by a command that sets nothing aside.
    pub fn count_flush(&mut self) {
        self.aside.flushes += 1;
    }

    /// A flush by a command at `at_ms` (Unix milliseconds): empties databases, and sets their data
    /// aside. Returns the number of keys.
    pub fn flush_aside(&mut self, dbs: impl Iterator<Item = DbIndex>, at_ms: i64) -> usize {
        self.count_flush();
        let mut parts = Vec::new();
        for db in dbs {
            if self.dbs[db].is_empty() {
                self.flush(db, true);
                continue;
            }
            // From here on the database's counts are of its own keys alone.
            self.finish_dropped_in(db);
            let bytes = weight::of_database_closely(&self.dbs[db]);
            let old = self.take_all(db);
            let ticket = self.aside.ticket();
            parts.push(Part {
                db,
                ticket,
                keys: old.len(),
                is_mixed: self.in_pass() && !self.is_saving(),
                database: self.unless_database_unsaved(db, old, Some(ticket)),
                gone: alloc::let_go(bytes),
            });
        }
        let keys = parts.iter().map(|part| part.keys).sum();
        if !parts.is_empty() {
            self.aside.entries.push_back(AsideEntry {
                number: self.aside.flushes,
                at_ms,
                parts,
            });
        }
        while self.aside.entries.len() > ENTRIES_MAX {
            self.free_oldest_aside();
        }
        keys
    }

    /// A snapshot is done with a database that was flushed in its middle, or given up (`is_mixed`).
    pub(crate) fn return_from_pass(
        &mut self,
        database: Database,
        ticket: Option<u64>,
        is_mixed: bool,
    ) {
        let parts = self.aside.entries.iter_mut().flat_map(|e| &mut e.parts);
        let is_it = |its: u64| Some(its) == ticket;
        if let Some(part) = parts.into_iter().find(|part| is_it(part.ticket)) {
            (part.database, part.is_mixed) = (Some(database), is_mixed);
        } else if let Some(at) = self.aside.freed.iter().position(|(its, _)| is_it(*its)) {
            let (_, gone) = self.aside.freed.swap_remove(at);
            self.lazyfree.free_let_go(database, gone);
        } else {
            self.lazyfree.free_database(database, true);
        }
    }

    // --- looking ---

    /// Whether anything is set aside.
    pub fn has_aside(&self) -> bool {
        !self.aside.entries.is_empty()
    }

    /// About the bytes that are set aside, or will be freed once a snapshot has saved them.
    pub fn aside_bytes(&self) -> usize {
        let freed = self.aside.freed.iter().map(|(_, gone)| gone.bytes());
        let waiting = self.aside.entries.iter().map(AsideEntry::bytes);
        waiting.chain(freed).sum()
    }

    /// The flushes whose data waits, oldest first.
    pub fn pending_flushes(&self) -> impl DoubleEndedIterator<Item = PendingFlush> {
        let FlushedData {
            flushes, entries, ..
        } = &self.aside;
        entries.iter().filter_map(|its| its.pending(*flushes, None))
    }

    /// The flush `back` flushes ago, or else the last flush whose data waits; with `only`, its part
    /// of this database.
    pub fn pending_flush(&self, back: Option<u64>, only: Option<DbIndex>) -> Option<PendingFlush> {
        let FlushedData {
            flushes, entries, ..
        } = &self.aside;
        let is_it = |its: &&AsideEntry| back.is_none_or(|back| flushes - its.number == back);
        let mut found = entries.iter().rev().filter(is_it);
        found.find_map(|its| its.pending(*flushes, only))
    }

    /// If something was freed since the last call: the number of flushes back whose data still
    /// waits.
    pub fn take_kept_flushes(&mut self) -> Option<u64> {
        std::mem::take(&mut self.aside.has_freed).then(|| {
            let oldest = self.aside.entries.front();
            oldest.map_or(0, |its| self.aside.flushes - its.number + 1)
        })
    }

    // --- bringing back ---

    /// Takes the data that a flush has set aside, to bring it back: all databases, or database
    /// `only`. Must not be called while a snapshot saves keys.
    pub fn take_flushed(&mut self, number: u64, only: Option<DbIndex>) -> TakenFlush {
        assert!(!self.is_saving(), "the snapshot has been ended");
        TakenFlush(self.take_parts(number, |part| only.is_none_or(|db| part.db == db)))
    }

    /// Brings the data back into its databases, which are empty. Clients that watch or wait for
    /// keys are notified as by SWAPDB. Returns the number of keys.
    pub fn bring_back(&mut self, taken: TakenFlush) -> usize {
        let mut keys = 0;
        for part in taken.0 {
            let Part { db, gone, .. } = part;
            let mut database = part.database.expect("no snapshot has it (invariant 3)");
            assert!(self.dbs[db].is_empty(), "flushed before");
            self.finish_dropped_in(db);
            keys += database.len();
            database.leave_pass();
            self.record_take_over(db, &database);
            let old = std::mem::replace(&mut self.dbs[db], database);
            let rule = self.prefix_rule;
            self.dbs[db].count_as(&old, rule);
            if part.is_mixed {
                self.mark_all_of(db);
            }
            drop(gone);
            self.signal_existing_in(db);
        }
        keys
    }

    /// Takes parts of an entry out.
    fn take_parts(&mut self, number: u64, takes: impl Fn(&Part) -> bool) -> Vec<Part> {
        let Some(at) = self.aside.position(number) else {
            return Vec::new();
        };
        let parts = &mut self.aside.entries[at].parts;
        let taken = parts.extract_if(.., |part| takes(part)).collect();
        if parts.is_empty() {
            self.aside.entries.remove(at);
        }
        taken
    }

    // --- freeing ---

    /// Frees everything that is set aside. Returns about the bytes of the entry.
    pub fn forget_aside(&mut self) -> usize {
        let bytes = self.aside_bytes();
        while self.free_oldest_aside() {}
        bytes
    }

    /// Frees the oldest entry; `false`: there is none.
    pub fn free_oldest_aside(&mut self) -> bool {
        let Some(entry) = self.aside.entries.pop_front() else {
            return false;
        };
        self.aside.has_freed = true;
        for part in entry.parts {
            match part.database {
                Some(database) => self.lazyfree.free_let_go(database, part.gone),
                None => self.aside.freed.push((part.ticket, part.gone)),
            }
        }
        true
    }

    /// [`Keyspace::take_kept_flushes`] will answer as if data had been freed.
    pub fn set_freed(&mut self) {
        self.aside.has_freed = true;
    }

    /// Frees the data of all but the last `kept` flushes.
    pub fn keep_flushes(&mut self, kept: u64) {
        self.free_oldest_while(|flushes, entry| flushes - entry.number >= kept);
    }

    /// Frees the data that flushes up to `at_ms` have set aside; a later time than `now_ms` counts
    /// as `now_ms` (the clock was set back).
    pub fn end_grace(&mut self, at_ms: i64, now_ms: i64) {
        for entry in &mut self.aside.entries {
            entry.at_ms = entry.at_ms.min(now_ms);
        }
        self.free_oldest_while(|_, entry| entry.at_ms <= at_ms);
    }

    /// `is_over` knows the number of flushes so far.
    fn free_oldest_while(&mut self, is_over: impl Fn(u64, &AsideEntry) -> bool) {
        let flushes = self.aside.flushes;
        while (self.aside.entries.front()).is_some_and(|entry| is_over(flushes, entry)) {
            self.free_oldest_aside();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::both;
    use crate::{ClientId, Expiry, KeyView, NewValue, PrefixRule, Saver};

    const ZERO: DbIndex = DbIndex(0);
    const ONE: DbIndex = DbIndex(1);

    fn set(k: &mut Keyspace, db: DbIndex, key: &str) {
        let value = NewValue::Int(7);
        k.db(db).set_string(key.as_bytes(), value, Expiry::Clear);
    }

    fn fill(k: &mut Keyspace, db: DbIndex, keys: usize) {
        (0..keys).for_each(|i| set(k, db, &format!("key:{i}")));
    }

    fn flush(k: &mut Keyspace, dbs: std::ops::Range<u32>, at_ms: i64) -> usize {
        k.flush_aside(dbs.map(DbIndex), at_ms)
    }

    fn undo(k: &mut Keyspace, number: u64, only: Option<DbIndex>) -> usize {
        let taken = k.take_flushed(number, only);
        k.bring_back(taken)
    }

    fn databases(k: &Keyspace) -> Vec<Vec<(u32, usize)>> {
        let list = |its: PendingFlush| its.databases.iter().map(|(db, n)| (db.0, *n)).collect();
        k.pending_flushes().map(list).collect()
    }

    #[test]
    fn what_was_flushed_comes_back_whole() {
        both(|| {
            let mut k = Keyspace::new(3);
            fill(&mut k, ZERO, 100);
            fill(&mut k, ONE, 50);
            assert_eq!(flush(&mut k, 0..3, 5), 150);
            assert_eq!(k.len(), 0);
            assert_eq!(databases(&k), [[(0, 100), (1, 50)]]);
            let its = k.pending_flush(None, None).expect("it waits");
            assert_eq!(
                (its.number, its.back, its.at_ms, its.keys()),
                (1, 0, 5, 150)
            );
            assert!(its.bytes > 0 && k.aside_bytes() == its.bytes);
            assert_eq!(undo(&mut k, 1, None), 150);
            assert_eq!((k.database(ZERO).len(), k.database(ONE).len()), (100, 50));
            assert!(!k.has_aside() && k.aside_bytes() == 0);
            k.check_invariants();
        });
    }

    #[test]
    fn a_database_comes_back_alone_and_to_where_swapdb_put_it() {
        both(|| {
            let mut k = Keyspace::new(2);
            fill(&mut k, ZERO, 10);
            fill(&mut k, ONE, 20);
            flush(&mut k, 0..2, 5);
            k.swap(ZERO, ONE);
            assert!(k.pending_flush(None, Some(DbIndex(1))).is_some());
            assert_eq!(undo(&mut k, 1, Some(ONE)), 10);
            assert_eq!(k.database(ONE).len(), 10);
            assert_eq!(databases(&k), [[(0, 20)]]);
            assert_eq!(undo(&mut k, 1, None), 20);
            assert!(!k.has_aside());
            k.check_invariants();
        });
    }

    #[test]
    fn a_flush_is_named_by_those_after_it_and_only_the_last_ones_wait() {
        let mut k = Keyspace::new(1);
        for i in 0..ENTRIES_MAX + 3 {
            fill(&mut k, ZERO, i + 1);
            flush(&mut k, 0..1, i as i64);
        }
        flush(&mut k, 0..1, 99);
        k.count_flush();
        assert_eq!(k.pending_flushes().count(), ENTRIES_MAX);
        let keys = |back| k.pending_flush(Some(back), None).map(|its| its.keys());
        assert_eq!(keys(0), None, "it counted only");
        assert_eq!(keys(1), None, "there was nothing to set aside");
        assert_eq!(keys(2), Some(ENTRIES_MAX + 3));
        assert_eq!(keys(3), Some(ENTRIES_MAX + 2));
        assert_eq!(keys(u64::MAX), None);
        assert_eq!(k.pending_flush(None, Some(ONE)), None);
    }

    #[test]
    fn entries_end_by_time_or_number_oldest_first() {
        let mut k = Keyspace::new(2);
        for at in [10, 20, 5, 40] {
            fill(&mut k, ZERO, 3);
            flush(&mut k, 0..2, at);
        }
        let times =
            |k: &Keyspace| -> Vec<i64> { k.pending_flushes().map(|its| its.at_ms).collect() };
        k.end_grace(9, 1000);
        assert_eq!(
            times(&k),
            [10, 20, 5, 40],
            "the third waits for those before it"
        );
        assert_eq!(k.take_kept_flushes(), None);
        k.end_grace(10, 1000);
        assert_eq!(times(&k), [20, 5, 40]);
        assert_eq!(k.take_kept_flushes(), Some(3));
        k.end_grace(0, 15);
        assert_eq!(times(&k), [15, 5, 15], "the clock was set back");
        k.count_flush();
        k.keep_flushes(3);
        assert_eq!(times(&k), [5, 15]);
        assert!(k.forget_aside() > 0 && !k.has_aside());
        assert_eq!(
            (k.take_kept_flushes(), k.take_kept_flushes()),
            (Some(0), None)
        );
    }

    #[test]
    #[cfg(not(feature = "system-allocator"))]
    fn its_bytes_leave_used_memory_and_come_back() {
        let mut k = Keyspace::new(1);
        fill(&mut k, ZERO, 20_000);
        let before = alloc::used_memory();
        flush(&mut k, 0..1, 5);
        let bytes = k.aside_bytes();
        let freed = before - alloc::used_memory();
        assert!(freed.abs_diff(bytes) < bytes / 50, "{freed} {bytes}");
        undo(&mut k, 1, None);
        assert!(alloc::used_memory().abs_diff(before) < 64 << 10);
    }

    #[test]
    fn watches_and_waits_learn_of_what_comes_back() {
        both(|| {
            let mut k = Keyspace::new(1);
            set(&mut k, ZERO, "a");
            flush(&mut k, 0..1, 5);
            k.watchers.watch(ZERO, b"a", ClientId(1), false);
            k.watchers.watch(ZERO, b"b", ClientId(2), false);
            k.waiting.wait(ZERO, b"a", ClientId(3), false);
            undo(&mut k, 1, None);
            assert_eq!(k.watchers.take_touched(), [ClientId(1)]);
            let ready = k.waiting.take_ready();
            assert_eq!(ready.len(), 1);
        });
    }

    #[test]
    fn counts_by_prefix_and_by_bytes_follow() {
        both(|| {
            let mut k = Keyspace::new(1);
            fill(&mut k, ZERO, 300);
            flush(&mut k, 0..1, 5);
            k.set_counts_bytes(true);
            k.set_counts_slot_bytes(true);
            k.set_prefix_rule(Some(PrefixRule {
                delimiter: b':',
                depth: 1,
                lines_max: 10,
            }));
            undo(&mut k, 1, None);
            while k.walk_prefixes(u64::MAX) {}
            let lines = k.prefix_lines(ZERO).expect("counted");
            assert_eq!(lines.map(|(_, its)| its.keys).sum::<u64>(), 300);
            assert!(k.database(ZERO).by_bytes().is_some());
            k.check_invariants();
            let bytes = k.database(ZERO).by_bytes().cloned();
            flush(&mut k, 0..1, 6);
            assert!(k.database(ZERO).by_bytes() != bytes.as_ref());
            undo(&mut k, 2, None);
            assert!(
                k.database(ZERO).by_bytes() == bytes.as_ref(),
                "kept with the keys"
            );
            k.check_invariants();
            // And without them again.
            flush(&mut k, 0..1, 7);
            k.set_counts_bytes(false);
            k.set_prefix_rule(None);
            undo(&mut k, 3, None);
            assert!(k.database(ZERO).by_bytes().is_none());
            k.check_invariants();
        });
    }

    #[derive(Default)]
    struct Names(Vec<Vec<u8>>);

    impl Saver for Names {
        fn database(&mut self, _db: DbIndex, _keys: usize, _volatile: usize) {}

        fn key(&mut self, _db: DbIndex, view: &KeyView<'_>) {
            self.0.push(view.key.to_vec());
        }

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

    /// A snapshot has taken over the data that was flushed in its middle.
    #[test]
    fn a_snapshot_returns_what_was_flushed_in_its_middle() {
        both(|| {
            for is_aborted in [false, true] {
                let mut k = Keyspace::new(1);
                fill(&mut k, ZERO, 500);
                k.begin_pass();
                let mut saved = Names::default();
                k.pass_slice(&mut saved, 0);
                flush(&mut k, 0..1, 5);
                set(&mut k, ZERO, "new");
                if is_aborted {
                    k.abort_pass()
                } else {
                    k.pass_slice(&mut saved, u64::MAX);
                    assert_eq!(saved.0.len(), 500);
                }
                k.flush(ZERO, false);
                assert_eq!(undo(&mut k, 1, None), 500);
                while k.continue_marking(u64::MAX) {}
                k.check_invariants();
                // The next pass saves each key once.
                set(&mut k, ZERO, "new");
                k.begin_pass();
                let mut saved = Names::default();
                k.pass_slice(&mut saved, u64::MAX);
                saved.0.sort();
                saved.0.dedup();
                assert_eq!(saved.0.len(), 501);
            }
        });
    }

    #[test]
    fn snapshots_distinguish_databases_that_came_back() {
        both(|| {
            let one = DbIndex(1);
            let mut k = Keyspace::new(2);
            fill(&mut k, ZERO, 500);
            fill(&mut k, one, 300);
            k.begin_pass();
            k.pass_slice(&mut Names::default(), 0);
            k.abort_pass();
            flush(&mut k, 0..2, 5);
            assert_eq!(undo(&mut k, 1, Some(ZERO)), 500);
            k.swap(ZERO, one);
            assert_eq!(undo(&mut k, 1, Some(ZERO)), 300);
            while k.continue_marking(u64::MAX) {}
            k.check_invariants();
            k.begin_pass();
            let mut saved = Names::default();
            k.pass_slice(&mut saved, u64::MAX);
            assert_eq!(saved.0.len(), 800);
        });
    }

    #[test]
    fn what_a_snapshot_has_is_freed_when_it_returns_it() {
        let mut k = Keyspace::new(1);
        fill(&mut k, ZERO, 500);
        k.begin_pass();
        flush(&mut k, 0..1, 5);
        assert!(k.forget_aside() > 0);
        assert!(k.aside_bytes() > 0, "it is still there");
        k.pass_slice(&mut Names::default(), u64::MAX);
        assert!(k.aside.freed.is_empty() && k.aside_bytes() == 0);
        k.check_invariants();
    }
}
