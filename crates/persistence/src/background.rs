//! A file written by its own thread, which gets its name when it is complete.
//!
//! The loop hands over buffers; the thread computes their checksum, writes them, and has the system
//! write them back a few megabytes at a time, so that the last fsync is short. At the end it
//! appends the checksum, syncs the file, renames it and syncs the folder: under its name there is
//! always a complete file, old or new.
//!
//! Bound: [`BackgroundFile::has_room`] is false while more than [`WAITING_MAX`] bytes wait for the
//! disk. Dropping the handle before the end removes the file.
//!
//! A child process, which has no threads, writes at once ([`BackgroundFile::create_here`]) and does
//! not rename: a child whose parent has died must not replace a file of the next server. Its parent
//! renames ([`BackgroundFile::of_child`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use russet_base::memory::pin::PinnedBytes;
use russet_base::processors::CpuList;
use russet_base::wake::Wake;
use russet_base::{hashing::crc64, memory::alloc, sys, threads};

/// Bytes that may wait for the disk.
pub const WAITING_MAX: usize = 16 << 20;
/// With `rdb-save-incremental-fsync`, the bytes written back at a time.
const SYNC_EVERY: usize = 4 << 20;
/// Buffers kept for reuse.
const SPARE_MAX: usize = 8;

/// The settings of a file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name while it is being written.
    pub temporary: PathBuf,
    /// The name once it is whole: a file of this name is replaced.
    pub name: PathBuf,
    /// A checksum is appended, or zero if `false`. `None`: neither.
    pub checksum: Option<bool>,
    /// `rdb-save-incremental-fsync`: bytes are forced to disk as the file grows.
    pub incremental_fsync: bool,
}

/// The work of a thread that writes.
pub(super) enum Job {
    Write(Vec<u8>),
    /// Bytes made by the thread; the number counts as their waiting bytes.
    Make(usize, Make),
    Finish,
}

/// Makes bytes and hands them on.
pub(super) type Make = Box<dyn FnOnce(&mut Sink<'_>) -> io::Result<()> + Send>;
/// Takes bytes of a file.
pub type Sink<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

#[derive(Default)]
struct SharedJob {
    waiting: AtomicUsize,
    /// Memory of the buffers that the thread has, spare buffers included.
    held: AtomicUsize,
    cancelled: AtomicBool,
    /// Held while the file is renamed or removed: the name is never another file's meanwhile.
    naming: Mutex<()>,
    spare: Mutex<Vec<Vec<u8>>>,
    end: Mutex<Option<io::Result<u64>>>,
}

/// The executor of the jobs.
enum FileHands {
    Thread(Sender<Job>),
    /// The caller, at once; `None` when it is finished.
    Here(Mutex<Option<WholeFile>>),
}

/// See the module.
pub struct BackgroundFile {
    writer: FileHands,
    shared: Arc<SharedJob>,
    temporary: PathBuf,
    /// Strings that the thread reads. Their owner drops them, so that they are freed by the thread
    /// that allocated them.
    texts: Mutex<Vec<Arc<PinnedBytes>>>,
}

impl BackgroundFile {
    /// Creates the temporary file. [`BackgroundFile::end`] reports all later errors. `wake` is
    /// called when the file is done or has failed.
    pub fn create(plan: Plan, post: CpuList, wake: Wake) -> io::Result<BackgroundFile> {
        let temporary = plan.temporary.clone();
        let whole = WholeFile::create(plan)?;
        let (jobs, receiver) = mpsc::channel();
        let shared = Arc::<SharedJob>::default();
        let theirs = Arc::clone(&shared);
        threads::start_at(post, "save", move || {
            theirs.end_with(write_all(whole, &receiver, &theirs));
            wake.wake();
        })?;
        let writer = FileHands::Thread(jobs);
        Ok(BackgroundFile::new(writer, shared, temporary))
    }

    fn new(writer: FileHands, shared: Arc<SharedJob>, temporary: PathBuf) -> BackgroundFile {
        BackgroundFile {
            writer,
            shared,
            temporary,
            texts: Mutex::default(),
        }
    }

    /// The same, written by the caller; the complete file keeps its temporary name.
    pub fn create_here(plan: Plan) -> io::Result<BackgroundFile> {
        let temporary = plan.temporary.clone();
        let writer = FileHands::Here(Mutex::new(Some(WholeFile::create(plan)?)));
        Ok(BackgroundFile::new(writer, Arc::default(), temporary))
    }

    /// Renames a temporary file that a child has made, complete and on disk.
    pub fn of_child(plan: Plan, wake: Wake) -> io::Result<BackgroundFile> {
        let (jobs, _) = mpsc::channel();
        let shared = Arc::<SharedJob>::default();
        let (theirs, temporary) = (Arc::clone(&shared), plan.temporary.clone());
        threads::start("save", move || {
            let named = fs::metadata(&plan.temporary)
                .and_then(|data| theirs.name(&plan).map(|()| data.len()));
            if named.is_err() {
                theirs.remove(&plan.temporary);
            }
            theirs.end_with(named);
            wake.wake();
        })?;
        let writer = FileHands::Thread(jobs);
        Ok(BackgroundFile::new(writer, shared, temporary))
    }

    /// Whether more may be written now.
    pub fn has_room(&self) -> bool {
        self.waiting_bytes() < WAITING_MAX
    }

    /// Bytes that the thread has not written yet.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Memory of the buffers that wait or are spare, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// Appends a buffer; returns an empty buffer.
    pub fn write(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let jobs = match &self.writer {
            FileHands::Thread(jobs) => jobs,
            FileHands::Here(whole) => {
                let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Err(error)) = whole.as_mut().map(|whole| whole.write(&bytes)) {
                    *whole = None;
                    self.shared.end_with(Err(error));
                }
                bytes.clear();
                return bytes;
            }
        };
        self.shared
            .waiting
            .fetch_add(bytes.len(), Ordering::Relaxed);
        let held = &self.shared.held;
        held.fetch_add(alloc::vec_bytes(&bytes), Ordering::Relaxed);
        // The thread ends early only with an error, which `end` reports.
        let _ = jobs.send(Job::Write(bytes));
        let mut spare = self
            .shared
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = spare.pop().unwrap_or_default();
        held.fetch_sub(alloc::vec_bytes(&fresh), Ordering::Relaxed);
        fresh
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
        if let FileHands::Thread(_) = &self.writer {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.retain(|text| Arc::strong_count(text) > 1);
            texts.push(text);
        }
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
        match &self.writer {
            FileHands::Thread(jobs) => {
                self.shared.waiting.fetch_add(bytes, Ordering::Relaxed);
                // The thread ends early only with an error, which `end` reports.
                let _ = jobs.send(Job::Make(bytes, make));
            }
            FileHands::Here(whole) => {
                let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
                let made = whole
                    .as_mut()
                    .map(|whole| make(&mut |bytes: &[u8]| whole.write(bytes)));
                if let Some(Err(error)) = made {
                    *whole = None;
                    self.shared.end_with(Err(error));
                }
            }
        }
    }

    /// Ends the file after the last write: it is synced and renamed.
    pub fn finish(&self) {
        match &self.writer {
            FileHands::Thread(jobs) => _ = jobs.send(Job::Finish),
            FileHands::Here(whole) => {
                let whole = whole.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(whole) = whole {
                    let end = whole.finish();
                    if end.is_ok() {
                        self.shared.keep();
                    }
                    self.shared.end_with(end);
                }
            }
        }
    }

    /// The result, with the file's length; `None`: still running.
    pub fn end(&self) -> Option<io::Result<u64>> {
        let mut end = self
            .shared
            .end
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        end.take()
    }
}

impl Drop for BackgroundFile {
    /// Removes the file, unless it has its final name.
    fn drop(&mut self) {
        self.shared.remove(&self.temporary);
    }
}

impl SharedJob {
    fn end_with(&self, end: io::Result<u64>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Removes the file, once; its name may then be used for another file.
    fn remove(&self, temporary: &Path) {
        let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            // Best effort: a file that remains is overwritten by the next file.
            let _ = fs::remove_file(temporary);
        }
    }

    /// Prevents the removal of the file.
    fn keep(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Gives the file its final name. Fails also if it was removed before.
    fn name(&self, plan: &Plan) -> io::Result<()> {
        {
            let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(cancelled());
            }
            fs::rename(&plan.temporary, &plan.name)?;
            self.keep();
        }
        sync_folder(&plan.name)
    }
}

/// A file being written in one go.
struct WholeFile {
    file: File,
    plan: Plan,
    crc: u64,
    written: u64,
    unsynced: usize,
    /// The range whose write-back was started last.
    under_way: Option<Range<u64>>,
}

impl WholeFile {
    fn create(plan: Plan) -> io::Result<WholeFile> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&plan.temporary)?;
        Ok(WholeFile {
            file,
            plan,
            crc: 0,
            written: 0,
            unsynced: 0,
            under_way: None,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.plan.checksum == Some(true) {
            self.crc = crc64::update(self.crc, bytes);
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.unsynced += bytes.len();
        if self.plan.incremental_fsync && self.unsynced >= SYNC_EVERY {
            // The disk writes the last part while the loop makes the next part; the part before
            // that must be finished, so that at most two parts are under way.
            let part = self.written - self.unsynced as u64..self.written;
            if let Some(before) = self.under_way.replace(part.clone()) {
                sys::await_written_back(&self.file, before)?;
            }
            sys::begin_write_back(&self.file, part)?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Ends the file and forces it to disk; returns its length.
    fn finish(mut self) -> io::Result<u64> {
        if let Some(wanted) = self.plan.checksum {
            let sum = if wanted { self.crc } else { 0u64 };
            self.file.write_all(&sum.to_le_bytes())?;
            self.written += 8;
        }
        self.file.sync_all()?;
        Ok(self.written)
    }
}

fn cancelled() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "cancelled")
}

/// The thread's work. A file that cannot be finished is removed.
fn write_all(mut whole: WholeFile, jobs: &Receiver<Job>, shared: &SharedJob) -> io::Result<u64> {
    let plan = whole.plan.clone();
    let end = (|| {
        for job in jobs {
            if shared.cancelled.load(Ordering::Relaxed) {
                break;
            }
            let mut bytes = match job {
                Job::Write(bytes) => bytes,
                Job::Make(waiting, make) => {
                    make(&mut |bytes: &[u8]| write_pieces(&mut whole, bytes, shared))?;
                    shared.waiting.fetch_sub(waiting, Ordering::Relaxed);
                    continue;
                }
                Job::Finish => {
                    let bytes = whole.finish()?;
                    return shared.name(&plan).map(|()| bytes);
                }
            };
            whole.write(&bytes)?;
            shared.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            bytes.clear();
            let mut spare = shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_MAX {
                spare.push(bytes);
            } else {
                let bytes = alloc::vec_bytes(&bytes);
                shared.held.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        Err(cancelled())
    })();
    if end.is_err() {
        shared.remove(&plan.temporary);
    }
    end
}

/// Writes a huge buffer in pieces, until the file is cancelled.
fn write_pieces(whole: &mut WholeFile, bytes: &[u8], shared: &SharedJob) -> io::Result<()> {
    for piece in bytes.chunks(SYNC_EVERY) {
        if shared.cancelled.load(Ordering::Relaxed) {
            return Err(cancelled());
        }
        whole.write(piece)?;
    }
    Ok(())
}

/// Forces a new name in a folder to disk.
pub fn sync_folder(name: &Path) -> io::Result<()> {
    let folder = match name.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(folder: &Path, checksum: Option<bool>) -> Plan {
        Plan {
            temporary: folder.join("temp"),
            name: folder.join("file"),
            checksum,
            incremental_fsync: true,
        }
    }

    fn wait(file: &BackgroundFile) -> io::Result<u64> {
        loop {
            if let Some(end) = file.end() {
                return end;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let wake = Wake::default();
        let plan = plan(folder.path(), Some(true));
        let file =
            BackgroundFile::create(plan.clone(), CpuList::Snapshot, wake.clone()).expect("created");
        file.write(b"12345".to_vec());
        file.write(b"6789".to_vec());
        file.finish();
        assert_eq!(wait(&file).expect("written"), 17);
        let bytes = fs::read(&plan.name).expect("it is there");
        assert_eq!(bytes[..9], *b"123456789");
        assert_eq!(bytes[9..], 0xe9c6_d914_c4b8_d9ca_u64.to_le_bytes());
        assert!(!plan.temporary.exists());

        // A cancelled file leaves the old one.
        let file = BackgroundFile::create(plan.clone(), CpuList::Snapshot, wake).expect("created");
        file.write(b"other".to_vec());
        let shared = Arc::clone(&file.shared);
        drop(file);
        assert!(!plan.temporary.exists());
        while shared.end.lock().expect("sound").is_none() {
            std::thread::yield_now();
        }
        assert_eq!(fs::read(&plan.name).expect("it is there"), bytes);
        assert!(!plan.temporary.exists());
    }

    #[test]
    fn a_name_that_cannot_be_had_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut plan = plan(folder.path(), None);
        plan.name = folder.path().join("missing").join("file");
        let file = BackgroundFile::create(plan.clone(), CpuList::Snapshot, Wake::default())
            .expect("created");
        file.finish();
        assert!(wait(&file).is_err());
        assert!(!plan.temporary.exists());
    }
}
