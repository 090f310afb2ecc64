//! Freeing what is big off the loop: a helper thread receives whole values and databases.
//!
//! A container with more than [`OFF_LOOP_MIN`] elements costs one allocation or more each to
//! free, so deleting a set of ten million would hold the loop for seconds. Such values are
//! given away whole: nothing on the loop's side names them any more, so no lock is needed.
//!
//! What was given away is no longer used, whoever frees it and when: `used_memory` is without
//! it from the hand-over on, by an estimate that the thread corrects. So eviction stops where
//! it should, and a write behind a deletion finds the room that it made.
//!
//! Who must know when memory is back ([`LazyFree::mark`]) puts a mark behind what has been
//! given away so far; the thread works in order and wakes the loop when it meets one.

#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};

use super::database::{Database, Detached, take_container};
use super::entry::Entry;
use crate::base::alloc;

/// Fewer elements than this are freed on the spot: cheaper than the hand-over.
const OFF_LOOP_MIN: usize = 64;

/// Elements of a container, and keys of a database, that an estimate of its bytes looks at.
const SAMPLES: usize = 16;
const KEY_SAMPLES: usize = 64;

/// Wakes the loop; called by the helper thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

enum Garbage {
    Value(Detached),
    Database(Box<Database>),
    Mark(Wake),
}

#[derive(Default)]
struct Counters {
    pending: AtomicU64,
    freed: AtomicU64,
    /// Marks that were met.
    marks: AtomicU64,
}

/// The way to the helper thread, which starts with the first value that needs it.
pub struct LazyFree {
    sender: Option<Sender<(Garbage, i64)>>,
    counters: Arc<Counters>,
    /// Marks that were put.
    marks: u64,
    wake: Option<Wake>,
}

impl LazyFree {
    pub fn new() -> LazyFree {
        LazyFree {
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

    /// Puts a mark behind all that waits to be freed; the loop is woken when it is reached
    /// ([`LazyFree::marks_met`]). `None`: nothing waits to be freed, or nobody can be told.
    pub fn mark(&mut self) -> Option<u64> {
        if self.pending() == 0 {
            return None;
        }
        let wake = self.wake.clone()?;
        self.marks += 1;
        self.send(Garbage::Mark(wake), 0, 0);
        Some(self.marks)
    }

    /// The number of the last mark that was reached: everything before it is freed.
    pub fn marks_met(&self) -> u64 {
        self.counters.marks.load(Ordering::Acquire)
    }

    /// Objects that wait to be freed (INFO `lazyfree_pending_objects`).
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
    pub(super) fn free_entry(&mut self, entry: Entry) {
        if let Some(value) = take_container(entry) {
            self.free_value(value);
        }
        entry.free();
    }

    /// Frees a value. Whether it was given away for that.
    pub(super) fn free_value(&mut self, value: Detached) -> bool {
        let big = value.effort() > OFF_LOOP_MIN;
        if big {
            let bytes = value.memory_bytes();
            self.send(Garbage::Value(value), 1, bytes);
        } else {
            value.free();
        }
        big
    }

    /// Frees a whole database: with `off_loop` a big one, and every big value, never holds
    /// the loop, and all its keys count as freed off it, although few are freed here.
    /// Without, all of it is freed when this returns.
    pub(super) fn free_database(&mut self, mut db: Database, off_loop: bool) {
        if !off_loop {
            return drop(db);
        }
        let keys = db.len() as u64;
        if keys > OFF_LOOP_MIN as u64 {
            let bytes = database_bytes(&db);
            return self.send(Garbage::Database(Box::new(db)), keys, bytes);
        }
        let mut given_away = 0;
        db.table_mut().clear_with(|word| {
            let entry = Entry::of(word);
            if let Some(value) = take_container(entry) {
                given_away += u64::from(self.free_value(value));
            }
            entry.free();
        });
        let here = keys - given_away;
        self.counters.freed.fetch_add(here, Ordering::Relaxed);
    }

    /// Gives something away that takes about `bytes`.
    fn send(&mut self, garbage: Garbage, objects: u64, bytes: usize) {
        let bytes = bytes as i64;
        alloc::report_helper(-bytes);
        self.counters.pending.fetch_add(objects, Ordering::Relaxed);
        let sender = self
            .sender
            .get_or_insert_with(|| start(self.counters.clone()));
        // The thread ends only with its sender; without it the garbage is freed right here.
        if let Err(mpsc::SendError(back)) = sender.send((garbage, bytes)) {
            alloc::report_helper(bytes);
            drop_garbage(back.0, &self.counters);
            self.counters.pending.fetch_sub(objects, Ordering::Relaxed);
        }
    }
}

impl Default for LazyFree {
    fn default() -> Self {
        LazyFree::new()
    }
}

fn start(counters: Arc<Counters>) -> Sender<(Garbage, i64)> {
    let (sender, receiver) = mpsc::channel::<(Garbage, i64)>();
    std::thread::Builder::new()
        .name("lazyfree".into())
        .spawn(move || {
            for (garbage, bytes) in receiver {
                let objects = match &garbage {
                    Garbage::Value(_) => 1,
                    Garbage::Database(db) => db.len() as u64,
                    Garbage::Mark(_) => 0,
                };
                let before = alloc::thread_balance();
                drop_garbage(garbage, &counters);
                alloc::report_helper(alloc::thread_balance() - before + bytes);
                // Who sees it gone sees it counted, and its memory given back.
                counters.freed.fetch_add(objects, Ordering::Relaxed);
                counters.pending.fetch_sub(objects, Ordering::Release);
            }
        })
        .expect("a thread can be started");
    sender
}

/// Bytes of a database and all that it holds, about.
fn database_bytes(db: &Database) -> usize {
    let (mut seen, mut bytes) = (0, 0);
    for entry in db.entries().take(KEY_SAMPLES) {
        seen += 1;
        bytes += entry.memory_bytes();
        bytes += take_container(entry).map_or(0, |value| {
            let bytes = value.memory_bytes();
            // It stays the entry's.
            value.into_parts();
            bytes
        });
    }
    db.table_bytes() + (bytes as u128 * db.len() as u128 / (seen as u128).max(1)) as usize
}

fn drop_garbage(garbage: Garbage, counters: &Counters) {
    match garbage {
        Garbage::Value(value) => value.free(),
        Garbage::Database(db) => drop(db),
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

    /// Bytes that it takes, about.
    fn memory_bytes(&self) -> usize {
        let (kind, encoding, word) = self.parts();
        // SAFETY: the pair is owned here and stays so.
        unsafe { crate::types::memory_bytes(kind, encoding, word, SAMPLES) }
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
