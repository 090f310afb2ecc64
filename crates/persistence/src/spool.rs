//! A spool: the bytes of one snapshot, kept for readers that each go at their own pace.
//!
//!     loop: write --> thread: checksum --> [ memory | file | memory ... ] --> readers (loop)
//!                                          ^ first      segments      end ^
//!
//! The loop hands over buffers, as to a [`BackgroundFile`](super::background::BackgroundFile); a
//! thread computes the checksum and appends each as a segment: in memory up to a limit, beyond it
//! in a file without a name, made when it is first needed. A segment that all readers have passed
//! is dropped, which makes room in memory; the file is used from its beginning again when no
//! segment of it is left. A child process, which has no threads, writes a file instead, and the
//! parent adopts it ([`Spool::adopt_file`]).
//!
//! Invariants
//!   1. Segments are contiguous and end at `end`; the first begins at 0 until it is dropped, and
//!      after that no reader can join.
//!   2. Buffers that wait and segments in memory are at most `memory_max` bytes and one buffer, as
//!      long as the writer asks [`Spool::has_room`] first.
//!   3. A spool ends once: whole, or failed. Without a reader left it fails, unless it is whole.
//!   4. A reader that found nothing is woken once: when there are bytes, or the spool has ended.
//!
//! A spool may hold the snapshot compressed: the thread compresses the buffers handed to it, and a
//! child's file as it is read. Readers and limits see the compressed bytes.
//!
//! A disk that refuses is no error: the thread waits until the disk takes the bytes, or until
//! readers have made room in memory, or have gone. The writer waits meanwhile
//! ([`Spool::is_stuck`]).
//!
//! Costs: a reader copies nothing from memory; from the file it reads some 100 KiB at a time, on
//! its caller's thread.

mod reader;
mod writer;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::Bytes;

pub use reader::SpoolReader;

use super::aof::Disk;
use super::background::{Job, Make, Sink, WAITING_MAX};
use russet_base::memory::pin::PinnedBytes;
use russet_base::processors::CpuList;
use russet_base::threads;
use russet_base::wake::Wake;
use writer::Writer;

/// Capacity of the buffers handed to the writer.
const BUFFER_BYTES: usize = 128 * 1024;
/// Size at which the writer should hand a buffer over: its last key usually fits, too.
pub const CHUNK_BYTES: usize = BUFFER_BYTES - 8 * 1024;
/// Bytes that a segment in memory counts besides its own.
const SEGMENT_OVERHEAD: usize = 64;

/// Why a spool has failed whose last reader has gone.
const NO_READER: &str = "no replica is left";
const DROPPED: &str = "the snapshot was given up";

/// The settings of a spool.
#[derive(Clone, Debug)]
pub struct SpoolPlan {
    /// The folder of its file.
    pub dir: PathBuf,
    /// `repl-spool-memory`.
    pub memory_max: usize,
    /// A checksum is appended, or zero if `false`. `None`: neither.
    pub checksum: Option<bool>,
    /// The spool compresses the bytes handed to it (`replication::compression`).
    pub packs: bool,
    /// The file operations that it uses.
    pub disk: Disk,
}

/// See the module. Clones are the same spool; if the last clone is dropped before the spool is
/// whole, the spool has failed.
#[derive(Clone)]
pub struct Spool(Arc<Handle>);

struct Handle {
    shared: Arc<SharedSpool>,
    plan: SpoolPlan,
    /// The thread's work, once it has started.
    jobs: OnceLock<Sender<Job>>,
    /// Strings that the thread reads. Their owner drops them, so that they are freed by the thread
    /// that allocated them.
    texts: Mutex<Vec<Arc<PinnedBytes>>>,
}

struct SharedSpool {
    /// Bytes that the thread has not stored yet; of no meaning once the spool has failed.
    waiting: AtomicUsize,
    state: Mutex<SpoolState>,
    /// Signalled when memory was freed, or the spool has failed, while the thread waits.
    room: Condvar,
    wake: Wake,
}

#[derive(Default)]
struct SpoolState {
    segments: VecDeque<Segment>,
    /// Bytes so far.
    end: u64,
    /// Bytes of segments in memory, with their overhead.
    memory: usize,
    /// Bytes of segments in the file.
    in_file: u64,
    file: Option<Arc<File>>,
    /// Numbers of the readers, with their positions.
    readers: Vec<(u64, u64)>,
    next_reader: u64,
    /// Readers that have gone after the last byte.
    served: usize,
    is_whole: bool,
    failure: Option<String>,
    /// The last reader has gone before the end.
    is_unread: bool,
    /// A reader found nothing and waits to be woken.
    is_starved: bool,
    /// The thread waits for room: the disk refuses.
    is_stuck: bool,
}

struct Segment {
    start: u64,
    len: u64,
    place: SegmentPlace,
}

enum SegmentPlace {
    /// The number is its count as memory.
    Memory(Bytes, usize),
    /// The position in the file.
    File(u64),
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.len
    }
}

impl Spool {
    /// An empty spool: [`Spool::start`] begins it, or [`Spool::adopt_file`] fills it. `wake` is
    /// called for readers that found nothing, and when the spool has ended.
    pub fn new(plan: SpoolPlan, wake: Wake) -> Spool {
        Spool(Arc::new(Handle {
            shared: Arc::new(SharedSpool {
                waiting: AtomicUsize::new(0),
                state: Mutex::default(),
                room: Condvar::new(),
                wake,
            }),
            plan,
            jobs: OnceLock::new(),
            texts: Mutex::default(),
        }))
    }

    /// Starts the thread, once. Before that nothing may be written.
    ///
    /// Error: the system cannot provide a thread.
    pub fn start(&self) -> io::Result<()> {
        let (jobs, receiver) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&self.0.shared), self.0.plan.clone());
        threads::start_at(CpuList::Snapshot, "spool", move || writer.run(&receiver))?;
        assert!(self.0.jobs.set(jobs).is_ok(), "a spool is started once");
        Ok(())
    }

    /// The folder of its file.
    pub fn dir(&self) -> &Path {
        &self.0.plan.dir
    }

    // --- writing ---

    /// Whether more may be written now. Also when it has failed: the bytes are then discarded.
    pub fn has_room(&self) -> bool {
        self.waiting_bytes() < queue_max(self.0.plan.memory_max) || self.failure().is_some()
    }

    /// Bytes that the thread has not stored yet.
    pub fn waiting_bytes(&self) -> usize {
        self.0.shared.waiting.load(Ordering::Relaxed)
    }

    /// Appends a buffer; returns an empty buffer.
    pub fn write(&self, bytes: Vec<u8>) -> Vec<u8> {
        let waiting = &self.0.shared.waiting;
        waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.send(Job::Write(bytes));
        Vec::with_capacity(BUFFER_BYTES)
    }

    /// Appends what `make` generates from `text`, on the thread: the caller does not wait for it.
    pub fn write_made(
        &self,
        text: PinnedBytes,
        make: impl FnOnce(&[u8], &mut Sink<'_>) -> io::Result<()> + Send + 'static,
    ) {
        let bytes = text.len();
        let text = Arc::new(text);
        let theirs = Arc::clone(&text);
        let make: Make = Box::new(move |sink: &mut Sink<'_>| make(&theirs, sink));
        let mut texts = self.0.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| Arc::strong_count(text) > 1);
        texts.push(text);
        self.make(bytes, make);
    }

    /// Appends what `make` generates, on the thread; `bytes` count as waiting until it has.
    pub fn write_later(
        &self,
        bytes: usize,
        make: impl FnOnce(&mut Sink<'_>) -> io::Result<()> + Send + 'static,
    ) {
        self.make(bytes, Box::new(make));
    }

    fn make(&self, bytes: usize, make: Make) {
        let waiting = &self.0.shared.waiting;
        waiting.fetch_add(bytes, Ordering::Relaxed);
        self.send(Job::Make(bytes, make));
    }

    /// Ends the spool after the last write.
    pub fn finish(&self) {
        self.send(Job::Finish);
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = self.0.jobs.get() {
            // The thread ends early only when the spool has failed.
            let _ = jobs.send(job);
        }
    }

    /// Takes a complete file, for example of a child, as all bytes of the spool; its name is
    /// removed. The spool is whole then; if it holds compressed bytes, once the thread has read the
    /// file.
    ///
    /// Error: the file cannot be opened, the system cannot provide a thread, or the spool has
    /// failed; the file is left, unless it was opened.
    pub fn adopt_file(&self, path: &Path) -> io::Result<()> {
        let shared = &self.0.shared;
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut state = shared.state();
        if let Some(why) = &state.failure {
            return Err(io::Error::other(why.clone()));
        }
        assert!(state.end == 0 && !state.is_whole, "an empty spool adopts");
        // Best effort: a name that remains is removed by the next start or save.
        let _ = fs::remove_file(path);
        if self.0.plan.packs {
            drop(state);
            let mut plan = self.0.plan.clone();
            plan.checksum = None;
            let writer = Writer::new(Arc::clone(shared), plan);
            threads::start_at(CpuList::Snapshot, "spool", move || writer.run_file(file))?;
            return Ok(());
        }
        state.file = Some(Arc::new(file));
        state.push_file(0, len);
        state.is_whole = true;
        drop(state);
        shared.wake.wake();
        Ok(())
    }

    // --- state ---

    /// The result, with the length; `None`: still being written.
    pub fn end(&self) -> Option<io::Result<u64>> {
        let state = self.0.shared.state();
        match (&state.failure, state.is_whole) {
            (Some(why), _) => Some(Err(io::Error::other(why.clone()))),
            (None, true) => Some(Ok(state.end)),
            (None, false) => None,
        }
    }

    /// The number of all bytes, once it is whole.
    pub fn total(&self) -> Option<u64> {
        let state = self.0.shared.state();
        (state.is_whole && state.failure.is_none()).then_some(state.end)
    }

    /// Why it has failed, if it has.
    pub fn failure(&self) -> Option<String> {
        self.0.shared.state().failure.clone()
    }

    /// Whether both are handles of one spool.
    pub fn is_same(&self, other: &Spool) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it has failed because its last reader has gone before the end.
    pub fn is_unread(&self) -> bool {
        self.0.shared.state().is_unread
    }

    /// Whether the writer waits for the disk, which refuses, or for readers to make room.
    pub fn is_stuck(&self) -> bool {
        self.0.shared.state().is_stuck
    }

    /// Bytes in memory: bytes that wait, and bytes kept for readers.
    #[cfg(any(test, feature = "testing"))]
    pub fn memory_bytes(&self) -> usize {
        self.0.shared.memory_bytes()
    }

    /// A view of the spool's memory, which lasts as long as the last reader.
    pub fn usage(&self) -> SpoolUsage {
        SpoolUsage(Arc::downgrade(&self.0.shared))
    }

    /// Makes it fail, unless it has failed already: its bytes are freed, readers get the error.
    pub fn fail(&self, why: &str) {
        self.0.shared.fail(why);
    }

    /// Readers that have read it all, or still can.
    pub fn readers_up(&self) -> usize {
        let state = self.0.shared.state();
        state.readers.len() + state.served
    }

    /// A reader from the first byte on. `None`: the first bytes have been dropped, or the spool has
    /// failed.
    pub fn reader(&self) -> Option<SpoolReader> {
        let shared = &self.0.shared;
        let mut state = shared.state();
        let begins = state.segments.front().map_or(0, |first| first.start);
        let is_complete = begins == 0 && (state.end == 0 || !state.segments.is_empty());
        if state.failure.is_some() || !is_complete {
            return None;
        }
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.push((id, 0));
        drop(state);
        Some(SpoolReader::new(Arc::clone(shared), id))
    }
}

/// See [`Spool::usage`].
#[derive(Clone)]
pub struct SpoolUsage(Weak<SharedSpool>);

impl SpoolUsage {
    /// As [`Spool::memory_bytes`]; `None`: the spool is no more.
    pub fn memory_bytes(&self) -> Option<usize> {
        Some(self.0.upgrade()?.memory_bytes())
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.shared.state();
        f.debug_struct("Spool")
            .field("end", &state.end)
            .field("is_whole", &state.is_whole)
            .field("failure", &state.failure)
            .field("readers", &state.readers)
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.shared.state().is_whole {
            self.shared.fail(DROPPED);
        }
    }
}

/// The part of a spool's limit on memory for buffers that wait.
fn queue_max(memory_max: usize) -> usize {
    (memory_max / 4).min(WAITING_MAX)
}

impl SharedSpool {
    fn state(&self) -> MutexGuard<'_, SpoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory_bytes(&self) -> usize {
        let state = self.state();
        match state.failure {
            Some(_) => 0,
            None => state.memory + self.waiting.load(Ordering::Relaxed),
        }
    }

    fn fail(&self, why: &str) {
        let mut state = self.state();
        if state.failure.is_some() {
            return;
        }
        state.fail(why);
        drop(state);
        self.room.notify_all();
        self.wake.wake();
    }

    /// Releases the lock after bytes were added, and wakes a reader that waits for them.
    fn wake_starved(&self, mut state: MutexGuard<'_, SpoolState>) {
        let is_starved = std::mem::take(&mut state.is_starved);
        drop(state);
        if is_starved {
            self.wake.wake();
        }
    }
}

impl SpoolState {
    fn push_memory(&mut self, bytes: Bytes, charge: usize) {
        self.memory += charge;
        let len = bytes.len() as u64;
        self.push(len, SegmentPlace::Memory(bytes, charge));
    }

    /// The file has `len` more bytes at `at`.
    fn push_file(&mut self, at: u64, len: u64) {
        self.in_file += len;
        if let Some(last) = self.segments.back_mut()
            && let SegmentPlace::File(begin) = last.place
            && begin + last.len == at
        {
            last.len += len;
            self.end += len;
            return;
        }
        self.push(len, SegmentPlace::File(at));
    }

    fn push(&mut self, len: u64, place: SegmentPlace) {
        let start = self.end;
        self.segments.push_back(Segment { start, len, place });
        self.end += len;
    }

    /// Drops segments that all readers have passed; returns whether memory was freed.
    fn trim(&mut self) -> bool {
        let before = self.memory;
        let Some(slowest) = self.readers.iter().map(|(_, at)| *at).min() else {
            return false;
        };
        while let Some(first) = self.segments.pop_front_if(|first| first.end() <= slowest) {
            match first.place {
                SegmentPlace::Memory(_, charge) => self.memory -= charge,
                SegmentPlace::File(_) => self.in_file -= first.len,
            }
        }
        self.memory < before
    }

    fn fail(&mut self, why: &str) {
        self.failure = Some(why.to_owned());
        self.segments.clear();
        self.memory = 0;
        self.in_file = 0;
        self.file = None;
        self.is_starved = false;
    }
}

#[cfg(test)]
mod tests;
