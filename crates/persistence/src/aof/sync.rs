//! The helper thread of the append only file: blocking work that needs no waiting - fsync of
//! `appendfsync everysec`, closing and removing replaced files.
//!
//! It works in order. The loop requests one fsync at a time and is woken when it is done.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};

use super::annotation;
use super::disk::Disk;
use russet_base::memory::pin::PinnedBytes;
use russet_base::wake::Wake;
use russet_base::{hashing::crc64, threads};

enum Job {
    Sync { file: Arc<File>, upto: u64 },
    Write { file: Arc<File>, bytes: Vec<u8> },
    Text { file: Arc<File>, text: LongText },
    SyncOnTheWay { file: Arc<File> },
    Close { _file: Arc<File> },
    Remove { path: PathBuf },
}

/// A command with a huge string, which the helper thread reads from its place.
#[derive(Debug)]
pub struct LongText {
    /// The command up to the string's bytes.
    pub head: Vec<u8>,
    pub text: PinnedBytes,
    /// The rest of the command, and others that belong to it.
    pub tail: Vec<u8>,
    /// The checksum line that follows, which covers all of this: its offset and time.
    pub checksum: Option<(u64, i64)>,
    /// Bytes written between two fsyncs.
    pub(crate) sync_bytes: usize,
}

impl LongText {
    fn len(&self) -> usize {
        self.head.len() + self.text.len() + self.tail.len()
    }

    fn write(mut self, disk: &Disk, file: &File) -> io::Result<()> {
        let mut crc = crc64::update(0, &self.head);
        disk.write_all(file, &self.head)?;
        for piece in self.text.chunks(self.sync_bytes.min(TEXT_PIECE_BYTES)) {
            disk.write_all(file, piece)?;
            if self.sync_bytes < usize::MAX {
                disk.sync(file)?;
            }
            if self.checksum.is_some() {
                crc = crc64::update(crc, piece);
            }
        }
        if let Some((offset, unix_s)) = self.checksum {
            annotation::write_checksum(&mut self.tail, crc, offset, unix_s);
        }
        disk.write_all(file, &self.tail)
    }
}

/// Bytes of a long text passed to a write.
const TEXT_PIECE_BYTES: usize = 16 << 20;

/// A completed fsync.
#[derive(Debug)]
pub struct CompletedSync {
    /// The stream offset up to which everything was written when it was requested.
    pub(crate) upto: u64,
    pub result: io::Result<()>,
}

/// The executor of the jobs.
enum SyncExecutor {
    /// None yet: a thread starts with the first job.
    Idle(Option<Worker>),
    Thread(Sender<Job>),
    /// The caller, immediately: a child process has no threads.
    Caller(Worker),
}

/// Executes the jobs in their order.
struct Worker {
    disk: Disk,
    done: Arc<Mutex<Option<CompletedSync>>>,
    waiting: Arc<AtomicUsize>,
    wake: Option<Wake>,
    /// The first error of a job before the next fsync.
    failed: Option<io::Error>,
}

/// The handle of the helper thread.
pub struct Syncer {
    hands: SyncExecutor,
    done: Arc<Mutex<Option<CompletedSync>>>,
    waiting: Arc<AtomicUsize>,
    in_progress: bool,
}

impl Syncer {
    /// A syncer whose thread starts with the first work; `wake` is called after each fsync.
    pub fn new(disk: Disk, wake: Option<Wake>) -> Syncer {
        let worker = Worker::new(disk, wake);
        Syncer {
            done: Arc::clone(&worker.done),
            waiting: Arc::clone(&worker.waiting),
            hands: SyncExecutor::Idle(Some(worker)),
            in_progress: false,
        }
    }

    /// Without a thread: the caller waits.
    pub fn here(disk: Disk) -> Syncer {
        let worker = Worker::new(disk, None);
        Syncer {
            done: Arc::clone(&worker.done),
            waiting: Arc::clone(&worker.waiting),
            hands: SyncExecutor::Caller(worker),
            in_progress: false,
        }
    }

    /// Whether a requested fsync has a result that was not taken yet.
    pub fn in_progress(&self) -> bool {
        self.in_progress
    }

    /// Forces the bytes of `file` to disk; it holds the stream up to `upto`.
    pub fn sync(&mut self, file: &Arc<File>, upto: u64) {
        assert!(!self.in_progress);
        self.in_progress = true;
        let file = Arc::clone(file);
        self.send(Job::Sync { file, upto });
    }

    /// Appends `bytes`; an error is reported by the next fsync.
    pub fn write(&mut self, file: &Arc<File>, bytes: Vec<u8>) {
        self.waiting.fetch_add(bytes.capacity(), Ordering::Relaxed);
        let file = Arc::clone(file);
        self.send(Job::Write { file, bytes });
    }

    /// Appends a command with a huge string; an error is reported by the next fsync.
    pub fn write_text(&mut self, file: &Arc<File>, text: LongText) {
        self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        let file = Arc::clone(file);
        self.send(Job::Text { file, text });
    }

    /// Forces the bytes written so far to disk; only an error is reported, by the next fsync.
    pub(crate) fn sync_on_the_way(&mut self, file: &Arc<File>) {
        let file = Arc::clone(file);
        self.send(Job::SyncOnTheWay { file });
    }

    /// Memory of the bytes queued to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Closes a file, which may take as long as its removal.
    pub fn close(&mut self, file: Arc<File>) {
        self.send(Job::Close { _file: file });
    }

    /// Removes a file in the thread, which its bytes may keep busy.
    pub(crate) fn remove(&mut self, path: PathBuf) {
        self.send(Job::Remove { path });
    }

    /// The result of the completed fsync, if any.
    pub fn take_task(&mut self) -> Option<CompletedSync> {
        let done = lock(&self.done).take()?;
        self.in_progress = false;
        Some(done)
    }

    fn send(&mut self, job: Job) {
        if let SyncExecutor::Idle(worker) = &mut self.hands
            && let Some(worker) = worker.take()
        {
            self.hands = SyncExecutor::Thread(worker.start());
        }
        match &mut self.hands {
            SyncExecutor::Thread(sender) => {
                sender.send(job).expect("the thread ends after its sender")
            }
            SyncExecutor::Caller(worker) => worker.take(job),
            SyncExecutor::Idle(_) => unreachable!("a thread has just been started"),
        }
    }
}

impl Worker {
    fn new(disk: Disk, wake: Option<Wake>) -> Worker {
        Worker {
            disk,
            done: Arc::default(),
            waiting: Arc::default(),
            wake,
            failed: None,
        }
    }

    fn start(mut self) -> Sender<Job> {
        let (sender, jobs) = mpsc::channel();
        let work = move || {
            for job in jobs {
                self.take(job);
            }
        };
        threads::start("aof-fsync", work).expect("a thread for the append only file");
        sender
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Write { file, bytes } => {
                if self.failed.is_none() {
                    self.failed = self.disk.write_all(&file, &bytes).err();
                }
                self.waiting.fetch_sub(bytes.capacity(), Ordering::Relaxed);
            }
            Job::Text { file, text } => {
                let bytes = text.len();
                if self.failed.is_none() {
                    self.failed = text.write(&self.disk, &file).err();
                }
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
            Job::SyncOnTheWay { file } => {
                if self.failed.is_none() {
                    self.failed = self.disk.sync(&file).err();
                }
            }
            Job::Sync { file, upto } => {
                let result = match self.failed.take() {
                    Some(error) => Err(error),
                    None => self.disk.sync(&file),
                };
                *lock(&self.done) = Some(CompletedSync { upto, result });
                if let Some(wake) = &self.wake {
                    wake.wake();
                }
            }
            Job::Close { .. } => {}
            Job::Remove { path } => {
                if let Err(e) = self.disk.remove(&path)
                    && e.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!("Removing {}: {e}", path.display());
                }
            }
        }
    }
}

fn lock(done: &Mutex<Option<CompletedSync>>) -> std::sync::MutexGuard<'_, Option<CompletedSync>> {
    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
