//! A file that is written by a thread of its own, and takes its name when it is whole.
//!
//! The loop hands over buffers; the thread adds them up to a checksum, writes them, and lets
//! the system write to the disk a few megabytes at a time, so that the last fsync is short.
//! At the end it appends the checksum, syncs the file, gives it its name and syncs the
//! folder: under that name there is always a whole file, the old one or the new.
//!
//! Bound: [`BackgroundFile::has_room`] is false while more than [`WAITING_MAX`] bytes wait
//! for the disk. Whoever drops the handle before the end leaves no file behind.
//!
//! A child process, which has no threads, writes at once ([`BackgroundFile::create_here`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::base::{crc64, sys};

/// Bytes that may wait for the disk.
pub const WAITING_MAX: usize = 16 << 20;
/// With `rdb-save-incremental-fsync`, so many bytes go to the disk at a time.
const SYNC_EVERY: usize = 4 << 20;
/// Buffers kept for reuse.
const SPARE_MAX: usize = 8;

/// Called by the thread when the file is done, or cannot be.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What the file will be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called while it is written.
    pub temporary: PathBuf,
    pub name: PathBuf,
    /// A checksum of all is appended, or zero where none is wanted. `None`: nothing is.
    pub checksum: Option<bool>,
    pub incremental_fsync: bool,
}

enum Job {
    Write(Vec<u8>),
    Finish,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    cancelled: AtomicBool,
    /// Held while the file is named or given up: a name in use is never another file's.
    naming: Mutex<()>,
    spare: Mutex<Vec<Vec<u8>>>,
    end: Mutex<Option<io::Result<u64>>>,
}

/// Who writes.
enum Writer {
    Thread(Sender<Job>, Option<JoinHandle<()>>),
    /// The caller, at once; `None` when it has ended.
    Here(Mutex<Option<Whole>>),
}

/// See the module.
pub struct BackgroundFile {
    writer: Writer,
    shared: Arc<Shared>,
    temporary: PathBuf,
}

impl BackgroundFile {
    /// Creates the temporary file. Errors of everything later are in [`BackgroundFile::end`].
    pub fn create(plan: Plan, wake: Wake) -> io::Result<BackgroundFile> {
        let temporary = plan.temporary.clone();
        let whole = Whole::create(plan)?;
        let (jobs, receiver) = mpsc::channel();
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("save".into())
            .spawn(move || {
                theirs.end_with(write_all(whole, &receiver, &theirs));
                wake();
            })?;
        Ok(BackgroundFile {
            writer: Writer::Thread(jobs, Some(thread)),
            shared,
            temporary,
        })
    }

    /// The same, written by the caller itself.
    pub fn create_here(plan: Plan) -> io::Result<BackgroundFile> {
        let temporary = plan.temporary.clone();
        Ok(BackgroundFile {
            writer: Writer::Here(Mutex::new(Some(Whole::create(plan)?))),
            shared: Arc::default(),
            temporary,
        })
    }

    /// Whether more may be written now.
    pub fn has_room(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) < WAITING_MAX
    }

    /// Appends a buffer; gives an empty one.
    pub fn write(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let jobs = match &self.writer {
            Writer::Thread(jobs, _) => jobs,
            Writer::Here(whole) => {
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
        // The thread ends early only with an error, which `end` tells.
        let _ = jobs.send(Job::Write(bytes));
        let mut spare = self
            .shared
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// All is written: the file is to be synced and named.
    pub fn finish(&self) {
        match &self.writer {
            Writer::Thread(jobs, _) => _ = jobs.send(Job::Finish),
            Writer::Here(whole) => {
                let whole = whole.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(whole) = whole {
                    self.shared.end_with(whole.finish(&self.shared));
                }
            }
        }
    }

    /// How it ended, with the file's length; `None`: it has not yet.
    pub fn end(&self) -> Option<io::Result<u64>> {
        let mut end = self
            .shared
            .end
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        end.take()
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> io::Result<u64> {
        if let Writer::Thread(_, thread) = &mut self.writer
            && let Some(thread) = thread.take()
        {
            // A panic of the thread has ended the process.
            let _ = thread.join();
        }
        self.end()
            .unwrap_or_else(|| Err(io::Error::other("the writing thread is gone")))
    }
}

impl Drop for BackgroundFile {
    /// Gives the file up, unless it has its name.
    fn drop(&mut self) {
        self.shared.remove(&self.temporary);
    }
}

impl Shared {
    fn end_with(&self, end: io::Result<u64>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Removes the file, once; the name may then be used for another one.
    fn remove(&self, temporary: &Path) {
        let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            // Best effort: a left-over is overwritten by the next file.
            let _ = fs::remove_file(temporary);
        }
    }

    /// Gives the file its name. `false`: it was given up before.
    fn rename(&self, plan: &Plan) -> io::Result<bool> {
        let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cancelled.load(Ordering::Relaxed) {
            return Ok(false);
        }
        fs::rename(&plan.temporary, &plan.name)?;
        // There is nothing left to give up.
        self.cancelled.store(true, Ordering::Relaxed);
        Ok(true)
    }
}

/// A file that is written in one go.
struct Whole {
    file: File,
    plan: Plan,
    crc: u64,
    written: u64,
    unsynced: usize,
    /// The bytes that the disk was told to write last.
    under_way: Option<Range<u64>>,
}

impl Whole {
    fn create(plan: Plan) -> io::Result<Whole> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&plan.temporary)?;
        Ok(Whole {
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
            // The disk works on the last part while the next one is made; what it was given
            // before is waited for, so that no more than two parts are its to do.
            let part = self.written - self.unsynced as u64..self.written;
            if let Some(before) = self.under_way.replace(part.clone()) {
                sys::await_written_back(&self.file, before)?;
            }
            sys::begin_write_back(&self.file, part)?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Gives the file its name; its length.
    fn finish(mut self, shared: &Shared) -> io::Result<u64> {
        if let Some(wanted) = self.plan.checksum {
            let sum = if wanted { self.crc } else { 0u64 };
            self.file.write_all(&sum.to_le_bytes())?;
            self.written += 8;
        }
        self.file.sync_all()?;
        drop(self.file);
        if !shared.rename(&self.plan)? {
            return Err(cancelled());
        }
        sync_folder(&self.plan.name)?;
        Ok(self.written)
    }
}

fn cancelled() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "cancelled")
}

/// The thread's work. A file that cannot be finished goes.
fn write_all(mut whole: Whole, jobs: &Receiver<Job>, shared: &Shared) -> io::Result<u64> {
    let temporary = whole.plan.temporary.clone();
    let end = (|| {
        for job in jobs {
            if shared.cancelled.load(Ordering::Relaxed) {
                break;
            }
            let Job::Write(mut bytes) = job else {
                return whole.finish(shared);
            };
            whole.write(&bytes)?;
            shared.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            bytes.clear();
            let mut spare = shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_MAX {
                spare.push(bytes);
            }
        }
        Err(cancelled())
    })();
    if end.is_err() {
        shared.remove(&temporary);
    }
    end
}

/// Makes a new name in a folder last.
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

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let wake: Wake = Arc::new(|| ());
        let plan = plan(folder.path(), Some(true));
        let file = BackgroundFile::create(plan.clone(), wake.clone()).expect("created");
        file.write(b"12345".to_vec());
        file.write(b"6789".to_vec());
        file.finish();
        assert_eq!(file.wait().expect("written"), 17);
        let bytes = fs::read(&plan.name).expect("it is there");
        assert_eq!(bytes[..9], *b"123456789");
        assert_eq!(bytes[9..], 0xe9c6_d914_c4b8_d9ca_u64.to_le_bytes());
        assert!(!plan.temporary.exists());

        // One that is given up leaves the old one.
        let file = BackgroundFile::create(plan.clone(), wake).expect("created");
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
        let file = BackgroundFile::create(plan.clone(), Arc::new(|| ())).expect("created");
        file.finish();
        assert!(file.wait().is_err());
        assert!(!plan.temporary.exists());
    }
}
