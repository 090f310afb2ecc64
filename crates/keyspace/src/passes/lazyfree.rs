//! Freeing large values without holding the loop.
//!
//! Freeing a container of more than [`FEW`] elements takes an allocator call or more for each, so
//! deleting a set of ten million would hold the loop for seconds. `lazyfree-lazy-*` selects the
//! thread that frees, for each [`Cause`] of a removal:
//!
//!     yes   a helper thread, which takes values and databases whole: no reference is left on
//!           the loop's side, so no lock is needed
//!     no    the loop, at once; more than [`AT_ONCE`] elements in slices between turns
//!
//! **Memory that was let go counts as free before it is freed**: the bytes leave `used_memory` at
//! once ([`alloc::let_go`]), so that nothing is evicted or refused because of a removed value. The
//! bytes are estimated from the structure and some of the elements, and corrected when the value is
//! freed; until then a [`LetGo`] travels with the value.
//!
//! To wait until memory is back, a caller puts a mark ([`LazyFree::mark`]) after everything queued
//! for the thread so far; the thread works in order and wakes the loop when it reaches the mark.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::super::store::container::{DetachedValue, take_container};
use super::super::store::database::Database;
use super::super::store::entry::Entry;
use super::super::store::weight;
use russet_base::memory::alloc::LetGo;
use russet_base::wake::Wake;
use russet_base::{clock, memory::alloc, threads};

/// Up to this many elements are freed on the spot: cheaper than any hand-over.
pub const FEW: usize = 64;

/// Most elements the loop frees without a break: below a tenth of a millisecond.
const AT_ONCE: usize = 1024;

/// Elements freed between two checks of the clock.
const STEP: usize = 128;

/// Idle time after which the helper thread flushes its allocator cache.
const REST: Duration = Duration::from_millis(50);

/// Bytes that may wait to be freed in slices.
const SLICED_BYTES_MAX: usize = 64 << 20;

/// The reason for which a value is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The key expired.
    Expiry,
    /// `maxmemory` was reached.
    Eviction,
    /// A command replaced or emptied it.
    Server,
    /// A user deleted it.
    User,
    /// A user asked for the value to be freed off the loop (UNLINK).
    Unlink,
}

/// `lazyfree-lazy-*`: the causes whose values the helper thread frees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyfreeCauses {
    /// `lazyfree-lazy-expire`: keys that expire.
    pub expire: bool,
    /// `lazyfree-lazy-eviction`: keys that are evicted.
    pub eviction: bool,
    /// `lazyfree-lazy-server-del`: values that a command replaces.
    pub server_del: bool,
    /// `lazyfree-lazy-user-del`: keys of DEL, as if it were UNLINK.
    pub user_del: bool,
}

impl LazyfreeCauses {
    fn holds(self, cause: Cause) -> bool {
        match cause {
            Cause::Expiry => self.expire,
            Cause::Eviction => self.eviction,
            Cause::Server => self.server_del,
            Cause::User => self.user_del,
            Cause::Unlink => true,
        }
    }
}

/// The longest removals since the last reset, in ticks of the cycle counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongestRemovals {
    /// Of keys that expired.
    pub expiry: u64,
    /// Of keys that were evicted.
    pub eviction: u64,
}

/// A job for the helper thread.
enum Garbage {
    Value(DetachedValue, LetGo),
    Database(Box<Database>, LetGo),
    /// Data from outside the keyspace, and its number of objects.
    Foreign(Box<dyn Send>, LetGo, u64),
    Mark(Wake),
    /// Nothing to drop: unused pages are returned to the system.
    Pages,
}

/// A value that the loop frees in slices.
struct SlicedValue {
    value: DetachedValue,
    /// The estimate of the value's bytes that are still to be freed.
    left: LetGo,
}

#[derive(Default)]
struct Counters {
    pending: AtomicU64,
    freed: AtomicU64,
    /// Marks reached.
    marks: AtomicU64,
}

/// See the module. The helper thread starts with the first value that needs it.
pub struct LazyFree {
    pub lazy: LazyfreeCauses,
    /// Whether removals are timed.
    pub timed: bool,
    /// Reset by the reader.
    pub longest: LongestRemovals,
    sliced: VecDeque<SlicedValue>,
    /// Above this limit the oldest values are freed at once, at the expense of the deleter.
    sliced_bytes_max: usize,
    sender: Option<Sender<Garbage>>,
    /// There is no thread to send to.
    stays_here: bool,
    counters: Arc<Counters>,
    /// Marks put.
    marks: u64,
    wake: Option<Wake>,
}

impl LazyFree {
    pub fn new() -> LazyFree {
        LazyFree {
            lazy: LazyfreeCauses::default(),
            timed: false,
            longest: LongestRemovals::default(),
            sliced: VecDeque::new(),
            sliced_bytes_max: SLICED_BYTES_MAX,
            sender: None,
            stays_here: false,
            counters: Arc::default(),
            marks: 0,
            wake: None,
        }
    }

    /// Sets how the helper thread wakes the loop. Until then, no mark can be put.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// Whether a waiter for memory can be notified.
    pub fn can_notify(&self) -> bool {
        self.wake.is_some()
    }

    /// Puts a mark after everything queued for the thread; the loop is woken when it is reached
    /// ([`LazyFree::marks_met`]). `None`: the queue is empty, or the loop cannot be woken.
    pub fn mark(&mut self) -> Option<u64> {
        if self.pending() == 0 {
            return None;
        }
        let wake = self.wake.clone()?;
        self.marks += 1;
        self.send(Garbage::Mark(wake), 0);
        Some(self.marks)
    }

    /// Makes the thread return unused pages to the system; returns the mark after that. `None`: the
    /// loop cannot be woken.
    pub fn give_pages_back(&mut self) -> Option<u64> {
        let wake = self.wake.clone()?;
        self.marks += 1;
        self.send(Garbage::Pages, 0);
        self.send(Garbage::Mark(wake), 0);
        Some(self.marks)
    }

    /// The number of marks reached: everything before the last of them is freed.
    pub fn marks_met(&self) -> u64 {
        self.counters.marks.load(Ordering::Acquire)
    }

    /// Objects queued for the thread (INFO `lazyfree_pending_objects`).
    pub fn pending(&self) -> u64 {
        self.counters.pending.load(Ordering::Acquire)
    }

    /// Objects that were freed off the loop (INFO `lazyfreed_objects`).
    pub fn freed(&self) -> u64 {
        self.counters.freed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.counters.freed.store(0, Ordering::Relaxed);
    }

    /// Frees an entry, already in no table, with its value.
    #[inline]
    pub(crate) fn free_entry(&mut self, entry: Entry, cause: Cause) {
        if self.timed {
            return self.free_entry_timed(entry, cause);
        }
        if let Some(value) = take_container(entry) {
            self.free_value(value, cause);
        }
        entry.free();
    }

    #[cold]
    fn free_entry_timed(&mut self, entry: Entry, cause: Cause) {
        let began = clock::cycles();
        if let Some(value) = take_container(entry) {
            self.free_value(value, cause);
        }
        entry.free();
        let ticks = clock::cycles().wrapping_sub(began);
        let longest = match cause {
            Cause::Expiry => &mut self.longest.expiry,
            Cause::Eviction => &mut self.longest.eviction,
            Cause::Server | Cause::User | Cause::Unlink => return,
        };
        *longest = ticks.max(*longest);
    }

    /// Frees a value.
    pub(crate) fn free_value(&mut self, value: DetachedValue, cause: Cause) {
        let effort = value.effort();
        if effort <= FEW {
            value.free();
        } else if self.lazy.holds(cause) {
            self.give_away(value);
        } else if effort <= AT_ONCE {
            value.free();
        } else {
            self.slice(value);
        }
    }

    fn give_away(&mut self, value: DetachedValue) {
        let gone = alloc::let_go(value.memory_bytes());
        self.send(Garbage::Value(value, gone), 1);
    }

    fn slice(&mut self, value: DetachedValue) {
        let left = alloc::let_go(value.memory_bytes());
        self.sliced.push_back(SlicedValue { value, left });
        let waiting = |s: &VecDeque<SlicedValue>| s.iter().map(|s| s.left.bytes()).sum::<usize>();
        while self.sliced.len() > 1 && waiting(&self.sliced) > self.sliced_bytes_max {
            let Some(SlicedValue { value, left }) = self.sliced.pop_front() else {
                return;
            };
            left.free_with(|| value.free());
        }
    }

    /// Whether anything is left to free in slices.
    pub fn has_slices(&self) -> bool {
        !self.sliced.is_empty()
    }

    /// Frees queued values for `ticks` of the cycle counter; at least [`STEP`] elements.
    pub fn free_slices(&mut self, ticks: u64) {
        let began = clock::cycles();
        while let Some(SlicedValue { value, mut left }) = self.sliced.pop_front() {
            let before = alloc::thread_balance();
            let mut rest = Some(value);
            let mut in_time = true;
            while in_time && let Some(value) = rest {
                rest = value.free_step(STEP);
                in_time = clock::cycles().wrapping_sub(began) < ticks;
            }
            if let Some(value) = rest {
                left.freed((before - alloc::thread_balance()).max(0) as usize);
                self.sliced.push_front(SlicedValue { value, left });
            }
            if !in_time {
                return;
            }
        }
    }

    /// Frees a whole database. With `off_loop` a big database or value never holds the loop, and
    /// all its keys count as freed off the loop, although a few are freed here. Without, all of it
    /// is freed on return.
    pub(crate) fn free_database(&mut self, mut db: Database, off_loop: bool) {
        if !off_loop {
            return drop(db);
        }
        let keys = db.len() as u64;
        if keys > FEW as u64 {
            let gone = alloc::let_go(weight::of_database(&db));
            return self.send(Garbage::Database(Box::new(db), gone), keys);
        }
        let mut given_away = 0;
        db.table_mut().clear_with(|entry| {
            match take_container(entry) {
                Some(value) if value.effort() > FEW => {
                    self.give_away(value);
                    given_away += 1;
                }
                Some(value) => value.free(),
                None => {}
            }
            entry.free();
        });
        let here = keys - given_away;
        self.counters.freed.fetch_add(here, Ordering::Relaxed);
    }

    /// Frees a whole database in the helper thread whose bytes were let go before.
    pub(crate) fn free_let_go(&mut self, db: Database, gone: LetGo) {
        let keys = db.len() as u64;
        self.send(Garbage::Database(Box::new(db), gone), keys);
    }

    /// Drops data from outside the keyspace in the helper thread: it counts as `objects` objects
    /// and about `bytes` bytes.
    pub fn drop_later(&mut self, what: Box<dyn Send>, bytes: usize, objects: u64) {
        let gone = alloc::let_go(bytes);
        self.send(Garbage::Foreign(what, gone, objects), objects);
    }

    /// From now on frees everything here: this is a forked process, which has no other thread.
    pub fn stay_here(&mut self) {
        // Its drop would wake the thread, by a lock that the thread may have held.
        std::mem::forget(self.sender.take());
        self.stays_here = true;
    }

    fn send(&mut self, garbage: Garbage, objects: u64) {
        if self.stays_here {
            return free(garbage, &self.counters);
        }
        self.counters.pending.fetch_add(objects, Ordering::Relaxed);
        let sender = self
            .sender
            .get_or_insert_with(|| start(self.counters.clone()));
        // The thread ends only with its sender; without the thread the caller frees the garbage.
        if let Err(mpsc::SendError(back)) = sender.send(garbage) {
            free(back, &self.counters);
            self.counters.pending.fetch_sub(objects, Ordering::Relaxed);
        }
    }
}

impl Default for LazyFree {
    fn default() -> Self {
        LazyFree::new()
    }
}

fn start(counters: Arc<Counters>) -> Sender<Garbage> {
    let (sender, receiver) = mpsc::channel::<Garbage>();
    let work = move || {
        while let Some(garbage) = next(&receiver) {
            let objects = match &garbage {
                Garbage::Value(..) => 1,
                Garbage::Database(db, _) => db.len() as u64,
                Garbage::Foreign(_, _, objects) => *objects,
                Garbage::Mark(_) | Garbage::Pages => 0,
            };
            free(garbage, &counters);
            // A reader that sees the job gone also sees the job counted, and the memory freed.
            counters.freed.fetch_add(objects, Ordering::Relaxed);
            counters.pending.fetch_sub(objects, Ordering::Release);
        }
    };
    threads::start("lazyfree", work).expect("a thread can be started");
    sender
}

/// The next job; waits for it. `None`: all senders are gone.
///
/// The allocator keeps some hundred freed blocks of each size for this thread's next allocations,
/// which never happen, and each block keeps its pages. So an idle thread flushes them.
fn next(receiver: &Receiver<Garbage>) -> Option<Garbage> {
    match receiver.recv_timeout(REST) {
        Ok(garbage) => Some(garbage),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let _ = alloc::perform(c"thread.tcache.flush");
            receiver.recv().ok()
        }
    }
}

fn free(garbage: Garbage, counters: &Counters) {
    match garbage {
        Garbage::Value(value, gone) => gone.free_with(|| value.free()),
        Garbage::Database(db, gone) => gone.free_with(|| drop(db)),
        Garbage::Foreign(what, gone, _) => gone.free_with(|| drop(what)),
        Garbage::Pages => _ = alloc::purge(),
        Garbage::Mark(wake) => {
            counters.marks.fetch_add(1, Ordering::Release);
            wake.wake();
        }
    }
}

impl DetachedValue {
    /// Allocations to free.
    fn effort(&self) -> usize {
        let (kind, encoding, word) = self.parts();
        // SAFETY: the pair is owned here and stays so.
        unsafe { russet_types::free_effort(kind, encoding, word) }
    }

    /// Bytes that freeing it returns.
    fn memory_bytes(&self) -> usize {
        let (kind, encoding, word) = self.parts();
        // SAFETY: the pair is owned here and stays so.
        unsafe { russet_types::memory_bytes(kind, encoding, word) }
    }

    /// Frees about `n` elements, and returns the rest.
    fn free_step(self, n: usize) -> Option<DetachedValue> {
        let (kind, encoding, word) = self.into_parts();
        // SAFETY: the pair was owned here, and the rest is owned by the returned pair.
        let (encoding, word) = unsafe { russet_types::free_step(kind, encoding, word, n) }?;
        Some(DetachedValue::new(kind, encoding, word))
    }

    /// Drops the value.
    pub fn free(self) {
        let (kind, encoding, word) = self.into_parts();
        // SAFETY: the pair was owned here and is given up with `self`.
        unsafe { russet_types::free(kind, encoding, word) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.table_mut().clear_with(|entry| {
            if let Some(value) = take_container(entry) {
                value.free();
            }
            entry.free();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DbIndex, Expiry, Keyspace, NewValue};
    use russet_types::{Limits, Set};

    const DB: DbIndex = DbIndex(0);

    fn set_of(members: usize) -> Set {
        let limits = Limits::default();
        let mut set = Set::new_for(b"member", members, &limits);
        for i in 0..members {
            set.add(format!("member:{i:07}").as_bytes(), &limits);
        }
        set
    }

    fn with_set(members: usize) -> Keyspace {
        let mut k = Keyspace::new(1);
        k.set_now_ms(1000);
        k.db(DB).put(b"set", set_of(members));
        k
    }

    #[test]
    fn cause_and_size_decide_which_thread_frees() {
        // Members, cause: jobs queued for the thread, sliced.
        let cases = [
            (FEW, Cause::Unlink, 0, false),
            (FEW + 1, Cause::Unlink, 1, false),
            (AT_ONCE, Cause::User, 0, false),
            (AT_ONCE + 1, Cause::User, 0, true),
            (AT_ONCE + 1, Cause::Expiry, 1, false),
        ];
        for (members, cause, given, sliced) in cases {
            // A packed form of any length is a single block.
            let mut k = with_set(members.max(200));
            if members < 200 {
                for i in members..200 {
                    let mut db = k.db(DB);
                    let mut set = db.write::<Set>(b"set").unwrap().unwrap();
                    set.remove(format!("member:{i:07}").as_bytes());
                }
            }
            k.lazyfree.lazy.expire = true;
            assert!(k.db(DB).delete(b"set", cause));
            let reported = k.lazyfree.pending() + k.lazyfree.freed();
            assert_eq!(reported, given, "{members} {cause:?}");
            assert_eq!(k.lazyfree.has_slices(), sliced, "{members} {cause:?}");
            k.lazyfree.free_slices(u64::MAX);
            assert!(!k.lazyfree.has_slices());
        }
    }

    #[test]
    fn a_slice_frees_a_step_at_least() {
        let mut k = with_set(10 * STEP);
        k.db(DB).delete(b"set", Cause::Server);
        let mut slices = 0;
        while k.lazyfree.has_slices() {
            k.lazyfree.free_slices(0);
            slices += 1;
        }
        assert!((2..=11).contains(&slices), "{slices}");
    }

    #[test]
    #[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
    fn slices_give_back_what_was_counted() {
        let before = alloc::thread_balance();
        let mut k = with_set(50_000);
        let bytes = alloc::thread_balance() - before;
        k.db(DB).delete(b"set", Cause::Server);
        let counted = k.lazyfree.sliced[0].left.bytes() as i64;
        assert!(
            counted.abs_diff(bytes) < bytes as u64 / 10,
            "{counted} {bytes}"
        );
        while k.lazyfree.has_slices() {
            k.lazyfree.free_slices(0);
            let left: i64 = k
                .lazyfree
                .sliced
                .iter()
                .map(|s| s.left.bytes() as i64)
                .sum();
            let held = alloc::thread_balance() - before;
            assert!(held.abs_diff(left) < bytes as u64 / 8, "{held} {left}");
        }
    }

    #[test]
    fn deletions_faster_than_slices_free_wait() {
        let mut k = with_set(2 * AT_ONCE);
        k.db(DB).delete(b"set", Cause::Server);
        k.lazyfree.sliced_bytes_max = k.lazyfree.sliced[0].left.bytes();
        k.db(DB).put(b"set", set_of(2 * AT_ONCE));
        k.db(DB).delete(b"set", Cause::Server);
        assert_eq!(k.lazyfree.sliced.len(), 1);
        k.lazyfree.free_slices(u64::MAX);
    }

    #[test]
    fn removals_are_timed_when_somebody_wants_to_know() {
        let mut k = with_set(500);
        k.db(DB).delete(b"set", Cause::Expiry);
        assert_eq!(k.lazyfree.longest, LongestRemovals::default());
        k.lazyfree.timed = true;
        for (key, cause) in [(b"a", Cause::Expiry), (b"b", Cause::User)] {
            k.db(DB).put(key, set_of(500));
            k.db(DB).delete(key, cause);
        }
        let LongestRemovals { expiry, eviction } = k.lazyfree.longest;
        assert!(expiry > 0 && eviction == 0);
    }

    #[test]
    #[cfg_attr(feature = "system-allocator", ignore = "counts jemalloc's bytes")]
    fn a_database_is_weighed_by_some_of_its_keys() {
        let before = alloc::thread_balance();
        let mut k = Keyspace::new(1);
        let text = [b'x'; 3000];
        for i in 0..20_000usize {
            let key = format!("key:{i}");
            let len = [5, 100, 3000][i % 3];
            let value = NewValue::Bytes {
                text: &text[..len],
                modified: false,
            };
            k.db(DB).set_string(key.as_bytes(), value, Expiry::Clear);
        }
        // Too few to be in the sample.
        for i in 0..3 {
            k.db(DB).put(format!("set:{i}").as_bytes(), set_of(100_000));
        }
        let bytes = alloc::thread_balance() - before;
        let weight = weight::of_database(k.database(DB)) as i64;
        assert!(
            weight.abs_diff(bytes) < bytes as u64 / 5,
            "{weight} {bytes}"
        );
    }
}
