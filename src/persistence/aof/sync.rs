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

use super::disk::Disk;
use crate::base::threads;

/// Wakes the loop; called by the helper thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

enum Job {
    Sync { file: Arc<File>, upto: u64 },
    Write { file: Arc<File>, bytes: Vec<u8> },
    SyncOnTheWay { file: Arc<File> },
    Close { _file: Arc<File> },
    Remove { path: PathBuf },
}

/// A completed fsync.
#[derive(Debug)]
pub struct Synced {
    /// The stream offset up to which everything was written when it was requested.
    pub upto: u64,
    pub result: io::Result<()>,
}

/// Who executes the jobs.
enum Hands {
    /// None yet: a thread starts with the first job.
    Idle(Option<Worker>),
    Thread(Sender<Job>),
    /// The caller, at once: a child process has no threads.
    Caller(Worker),
}

/// Executes the jobs one after the other.
struct Worker {
    disk: Disk,
    done: Arc<Mutex<Option<Synced>>>,
    waiting: Arc<AtomicUsize>,
    wake: Option<Wake>,
    /// The first error of a job before the next fsync.
    failed: Option<io::Error>,
}

/// The handle of the helper thread.
pub struct Syncer {
    hands: Hands,
    done: Arc<Mutex<Option<Synced>>>,
    waiting: Arc<AtomicUsize>,
    in_progress: bool,
}

impl Syncer {
    pub fn new(disk: Disk, wake: Option<Wake>) -> Syncer {
        let worker = Worker::new(disk, wake);
        Syncer {
            done: Arc::clone(&worker.done),
            waiting: Arc::clone(&worker.waiting),
            hands: Hands::Idle(Some(worker)),
            in_progress: false,
        }
    }

    /// Without a thread: the caller waits.
    pub fn here(disk: Disk) -> Syncer {
        let worker = Worker::new(disk, None);
        Syncer {
            done: Arc::clone(&worker.done),
            waiting: Arc::clone(&worker.waiting),
            hands: Hands::Caller(worker),
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
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let file = Arc::clone(file);
        self.send(Job::Write { file, bytes });
    }

    /// Forces the bytes written so far to disk; only an error is reported, by the next fsync.
    pub fn sync_on_the_way(&mut self, file: &Arc<File>) {
        let file = Arc::clone(file);
        self.send(Job::SyncOnTheWay { file });
    }

    /// Bytes queued to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Closes a file, which may take as long as its removal.
    pub fn close(&mut self, file: Arc<File>) {
        self.send(Job::Close { _file: file });
    }

    pub fn remove(&mut self, path: PathBuf) {
        self.send(Job::Remove { path });
    }

    /// The result of the completed fsync, if any.
    pub fn take_done(&mut self) -> Option<Synced> {
        let done = lock(&self.done).take()?;
        self.in_progress = false;
        Some(done)
    }

    fn send(&mut self, job: Job) {
        if let Hands::Idle(worker) = &mut self.hands
            && let Some(worker) = worker.take()
        {
            self.hands = Hands::Thread(worker.start());
        }
        match &mut self.hands {
            Hands::Thread(sender) => sender.send(job).expect("the thread ends after its sender"),
            Hands::Caller(worker) => worker.take(job),
            Hands::Idle(_) => unreachable!("a thread has just been started"),
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
                self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
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
                *lock(&self.done) = Some(Synced { upto, result });
                if let Some(wake) = &self.wake {
                    wake();
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

fn lock(done: &Mutex<Option<Synced>>) -> std::sync::MutexGuard<'_, Option<Synced>> {
    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
