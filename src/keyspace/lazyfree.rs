//! Freeing what is big without holding the loop.
//!
//! A container with more than [`FEW`] elements costs one allocation or more each to free, so
//! deleting a set of ten million would hold the loop for seconds. `lazyfree-lazy-*` says, for
//! each [`Cause`] of a removal, who frees it:
//!
//!     yes   a helper thread, to which values and databases are given whole: nothing on the
//!           loop's side names them any more, so no lock is needed
//!     no    the loop, at once; what has more than [`AT_ONCE`] elements in slices between turns
//!
//! **What was let go is no longer used, whoever is still to free it**: its bytes leave
//! `used_memory` at once ([`alloc::let_go`]), so that nothing is evicted or refused in the
//! place of what is gone. They are counted from the structure and some of the elements, and
//! put right when they are free; until then their [`LetGo`] goes with them.
//!
//! Who must know when memory is back ([`LazyFree::mark`]) puts a mark behind what has been
//! given to the thread so far; it works in order and wakes the loop when it meets one.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::database::{Database, Detached, take_container};
use super::entry::Entry;
use super::weight;
use crate::base::alloc::LetGo;
use crate::base::{alloc, clock, threads};

/// So many elements are freed on the spot: cheaper than any hand-over.
pub const FEW: usize = 64;

/// The loop frees so many elements without a break: below a tenth of a millisecond.
const AT_ONCE: usize = 1024;

/// Elements freed between two looks at the clock.
const STEP: usize = 128;

/// So long without work is a rest for the helper thread.
const REST: Duration = Duration::from_millis(50);

/// Bytes that may wait to be freed in slices.
const SLICED_BYTES_MAX: usize = 64 << 20;

/// Why something is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time has come.
    Expiry,
    /// `maxmemory` was reached.
    Eviction,
    /// A command put something else in its place, or emptied it.
    Server,
    /// A user deleted it.
    User,
    /// A user said that it should be freed off the loop.
    Unlink,
}

/// `lazyfree-lazy-*`: what is freed by the helper thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lazy {
    pub expire: bool,
    pub eviction: bool,
    pub server_del: bool,
    pub user_del: bool,
}

impl Lazy {
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

/// The longest removals since somebody asked, in ticks of the cycle counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    pub expiry: u64,
    pub eviction: u64,
}

/// Wakes the loop; called by the helper thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What the helper thread is given.
enum Garbage {
    Value(Detached, LetGo),
    Database(Box<Database>, LetGo),
    /// What belongs to others, and how many objects it is.
    Foreign(Box<dyn Send>, LetGo, u64),
    Mark(Wake),
    /// Nothing: pages that nobody uses go back to the system.
    Pages,
}

/// A value that the loop frees in slices.
struct Sliced {
    value: Detached,
    /// What is still to be freed of it.
    left: LetGo,
}

#[derive(Default)]
struct Counters {
    pending: AtomicU64,
    freed: AtomicU64,
    /// Marks that were met.
    marks: AtomicU64,
}

/// See the module. The helper thread starts with the first value that needs it.
pub struct LazyFree {
    pub lazy: Lazy,
    /// Whether somebody wants to know how long removals take.
    pub timed: bool,
    /// Reset by who looks at it.
    pub longest: Longest,
    sliced: VecDeque<Sliced>,
    /// More bytes do not wait: who deletes faster than slices free pays for it.
    sliced_bytes_max: usize,
    sender: Option<Sender<Garbage>>,
    counters: Arc<Counters>,
    /// Marks that were put.
    marks: u64,
    wake: Option<Wake>,
}

impl LazyFree {
    pub fn new() -> LazyFree {
        LazyFree {
            lazy: Lazy::default(),
            timed: false,
            longest: Longest::default(),
            sliced: VecDeque::new(),
            sliced_bytes_max: SLICED_BYTES_MAX,
            sender: None,
            counters: Arc::default(),
            marks: 0,
            wake: None,
        }
    }

    /// How the helper thread wakes the loop. Until it is told, nobody can wait for memory.
    pub fn set_wake(&mut self, wake: Wake) {
        self.wake = Some(wake);
    }

    /// Whether somebody who waits for memory will be told.
    pub fn tells(&self) -> bool {
        self.wake.is_some()
    }

    /// Puts a mark behind all that the thread is to free; the loop is woken when it is reached
    /// ([`LazyFree::marks_met`]). `None`: there is nothing, or nobody can be told.
    pub fn mark(&mut self) -> Option<u64> {
        if self.pending() == 0 {
            return None;
        }
        let wake = self.wake.clone()?;
        self.marks += 1;
        self.send(Garbage::Mark(wake), 0);
        Some(self.marks)
    }

    /// Has the thread give unused pages back to the system; the mark behind that. `None`:
    /// nobody can be told.
    pub fn give_pages_back(&mut self) -> Option<u64> {
        let wake = self.wake.clone()?;
        self.marks += 1;
        self.send(Garbage::Pages, 0);
        self.send(Garbage::Mark(wake), 0);
        Some(self.marks)
    }

    /// The number of the last mark that was reached: everything before it is freed.
    pub fn marks_met(&self) -> u64 {
        self.counters.marks.load(Ordering::Acquire)
    }

    /// Objects that the thread is to free (INFO `lazyfree_pending_objects`).
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

    /// Frees an entry that is in no table any more, with its value.
    #[inline]
    pub(super) fn free_entry(&mut self, entry: Entry, cause: Cause) {
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
    pub(super) fn free_value(&mut self, value: Detached, cause: Cause) {
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

    fn give_away(&mut self, value: Detached) {
        let gone = alloc::let_go(value.memory_bytes());
        self.send(Garbage::Value(value, gone), 1);
    }

    fn slice(&mut self, value: Detached) {
        let left = alloc::let_go(value.memory_bytes());
        self.sliced.push_back(Sliced { value, left });
        let waiting = |s: &VecDeque<Sliced>| s.iter().map(|s| s.left.bytes()).sum::<usize>();
        while self.sliced.len() > 1 && waiting(&self.sliced) > self.sliced_bytes_max {
            let Some(Sliced { value, left }) = self.sliced.pop_front() else {
                return;
            };
            left.free_with(|| value.free());
        }
    }

    /// Whether something is still to be freed in slices.
    pub fn has_slices(&self) -> bool {
        !self.sliced.is_empty()
    }

    /// Frees for `ticks` of the cycle counter what was let go; [`STEP`] elements at least.
    pub fn free_slices(&mut self, ticks: u64) {
        let began = clock::cycles();
        while let Some(Sliced { value, mut left }) = self.sliced.pop_front() {
            let before = alloc::thread_balance();
            let mut rest = Some(value);
            let mut in_time = true;
            while in_time && let Some(value) = rest {
                rest = value.free_step(STEP);
                in_time = clock::cycles().wrapping_sub(began) < ticks;
            }
            if let Some(value) = rest {
                left.freed((before - alloc::thread_balance()).max(0) as usize);
                self.sliced.push_front(Sliced { value, left });
            }
            if !in_time {
                return;
            }
        }
    }

    /// Frees a whole database: with `off_loop` a big one, and every big value, never holds
    /// the loop, and all its keys count as freed off it, although few are freed here.
    /// Without, all of it is freed when this returns.
    pub(super) fn free_database(&mut self, mut db: Database, off_loop: bool) {
        if !off_loop {
            return drop(db);
        }
        let keys = db.len() as u64;
        if keys > FEW as u64 {
            let gone = alloc::let_go(weight::of_database(&db));
            return self.send(Garbage::Database(Box::new(db), gone), keys);
        }
        let mut given_away = 0;
        db.table_mut().clear_with(|word| {
            let entry = Entry::of(word);
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

    /// Lets the helper thread drop what is no value of a database: it counts as so many objects
    /// and, about, so many bytes.
    pub fn drop_later(&mut self, what: Box<dyn Send>, bytes: usize, objects: u64) {
        let gone = alloc::let_go(bytes);
        self.send(Garbage::Foreign(what, gone, objects), objects);
    }

    fn send(&mut self, garbage: Garbage, objects: u64) {
        self.counters.pending.fetch_add(objects, Ordering::Relaxed);
        let sender = self
            .sender
            .get_or_insert_with(|| start(self.counters.clone()));
        // The thread ends only with its sender; without it the garbage is freed right here.
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
            // Who sees it gone sees it counted, and its memory given back.
            counters.freed.fetch_add(objects, Ordering::Relaxed);
            counters.pending.fetch_sub(objects, Ordering::Release);
        }
    };
    threads::start("lazyfree", work).expect("a thread can be started");
    sender
}

/// What is to be freed next; waits for it. `None`: nobody gives anything any more.
///
/// The allocator keeps some hundred freed blocks of each size for this thread's next
/// allocations, which do not come, and each of them keeps the pages around it. So when the
/// thread has had nothing to do for a moment they go back.
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
            wake();
        }
    }
}

impl Detached {
    /// Allocations that freeing it takes.
    fn effort(&self) -> usize {
        let (kind, encoding, word) = self.parts();
        // SAFETY: the pair is owned here and stays so.
        unsafe { crate::types::free_effort(kind, encoding, word) }
    }

    /// Bytes that freeing it gives back.
    fn memory_bytes(&self) -> usize {
        let (kind, encoding, word) = self.parts();
        // SAFETY: the pair is owned here and stays so.
        unsafe { crate::types::memory_bytes(kind, encoding, word) }
    }

    /// Frees about `n` elements, and gives what is left.
    fn free_step(self, n: usize) -> Option<Detached> {
        let (kind, encoding, word) = self.into_parts();
        // SAFETY: the pair was owned here, and what is made of the rest owns that.
        let (encoding, word) = unsafe { crate::types::free_step(kind, encoding, word, n) }?;
        Some(Detached::new(kind, encoding, word))
    }

    /// Drops the value.
    pub(super) fn free(self) {
        let (kind, encoding, word) = self.into_parts();
        // SAFETY: the pair was owned here and is given up with `self`.
        unsafe { crate::types::free(kind, encoding, word) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.table_mut().clear_with(|word| {
            let entry = Entry::of(word);
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
    use crate::keyspace::{DbIndex, Expiry, Keyspace, NewValue};
    use crate::types::{Limits, Set};

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
    fn who_frees_follows_from_the_cause_and_the_size() {
        // Members, cause: given to the thread, sliced.
        let cases = [
            (FEW, Cause::Unlink, 0, false),
            (FEW + 1, Cause::Unlink, 1, false),
            (AT_ONCE, Cause::User, 0, false),
            (AT_ONCE + 1, Cause::User, 0, true),
            (AT_ONCE + 1, Cause::Expiry, 1, false),
        ];
        for (members, cause, given, sliced) in cases {
            // Packed forms of any length are one block.
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
            let told = k.lazyfree.pending() + k.lazyfree.freed();
            assert_eq!(told, given, "{members} {cause:?}");
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
    fn who_deletes_faster_than_slices_free_waits() {
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
        assert_eq!(k.lazyfree.longest, Longest::default());
        k.lazyfree.timed = true;
        for (key, cause) in [(b"a", Cause::Expiry), (b"b", Cause::User)] {
            k.db(DB).put(key, set_of(500));
            k.db(DB).delete(key, cause);
        }
        let Longest { expiry, eviction } = k.lazyfree.longest;
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
        // Too few to be among the keys that are looked at.
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
