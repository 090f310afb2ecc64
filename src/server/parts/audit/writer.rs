//! The thread that writes the audit's lines.
//!
//! The queue is bounded. While the log does not take lines (a full disk), the thread tries again
//! five times a second, and what the queue cannot hold is counted; the count is written before the
//! next line. A file that was moved away, as log rotation does, is made anew before the next lines.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::line;
use crate::base::{clock, sys, threads};
use crate::config::{SyslogFacility, system_text};
use crate::server::log;

/// Lines that wait at most. A line has at most some ten kilobytes, commonly 300 bytes.
const QUEUE_LINES: usize = 8192;
/// Bytes written at once, as far as lines wait.
const BATCH_BYTES: usize = 64 * 1024;
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// The file tells who did what: its owner alone reads it, and the group.
const MODE: u32 = 0o640;

/// Where lines go.
#[derive(Debug)]
pub enum Target {
    File { path: PathBuf, file: File },
    Syslog(SyslogFacility),
}

impl Target {
    /// Opens or makes the file; a relative path is in the current folder.
    pub fn file(path: &[u8]) -> io::Result<Target> {
        let path = std::path::absolute(Path::new(OsStr::from_bytes(path)))?;
        let file = open(&path)?;
        Ok(Target::File { path, file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(MODE)
        .open(path)
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    dropped: AtomicU64,
    /// The last write failed.
    fails: AtomicBool,
    ends: AtomicBool,
}

/// See the module. Dropping it writes what waits, as far as the log takes it.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Vec<u8>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The queue had no room for the last line.
    is_full: bool,
}

impl Writer {
    pub fn start(target: Target) -> io::Result<Writer> {
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = threads::start("audit", move || run(target, &lines, &its))?;
        Ok(Writer {
            queue: Some(queue),
            shared,
            thread: Some(thread),
            is_full: false,
        })
    }

    /// Queues a line; `false`: there was no room.
    pub fn send(&mut self, line: Vec<u8>) -> bool {
        let Some(queue) = &self.queue else {
            return false;
        };
        self.is_full = matches!(
            queue.try_send(line),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
        );
        if self.is_full {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        !self.is_full
    }

    pub fn is_stuck(&self) -> bool {
        self.is_full || self.shared.fails.load(Ordering::Relaxed)
    }

    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

fn run(mut target: Target, lines: &Receiver<Vec<u8>>, shared: &Shared) {
    let mut told_dropped = 0;
    while let Ok(first) = lines.recv() {
        let mut batch = Vec::new();
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > told_dropped {
            batch.extend(line::dropped(clock::unix_us(), dropped - told_dropped));
            told_dropped = dropped;
        }
        batch.extend(first);
        let mut count = 1;
        while batch.len() < BATCH_BYTES
            && let Ok(next) = lines.try_recv()
        {
            batch.extend(next);
            count += 1;
        }
        if !write_until_done(&mut target, &batch, shared) {
            return;
        }
        shared.written.fetch_add(count, Ordering::Relaxed);
    }
}

/// Writes the whole batch, however often that must be tried; `false`: the writer ends first.
fn write_until_done(target: &mut Target, mut batch: &[u8], shared: &Shared) -> bool {
    loop {
        match write(target, batch) {
            Ok(()) => {
                if shared.fails.swap(false, Ordering::Relaxed) {
                    tracing::warn!("The audit log is written again.");
                }
                return true;
            }
            Err((written, error)) => {
                batch = &batch[written..];
                if !shared.fails.swap(true, Ordering::Relaxed) {
                    tracing::warn!("Writing the audit log: {}", system_text(&error));
                }
            }
        }
        if shared.ends.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::park_timeout(TRY_AGAIN);
    }
}

/// Writes all, or tells how many bytes were written before the error.
fn write(target: &mut Target, batch: &[u8]) -> Result<(), (usize, io::Error)> {
    let (path, file) = match target {
        Target::File { path, file } => (path, file),
        Target::Syslog(facility) => {
            let facility = log::facility(*facility);
            for line in batch.split(|&byte| byte == b'\n').filter(|l| !l.is_empty()) {
                sys::syslog(facility, &String::from_utf8_lossy(line));
            }
            return Ok(());
        }
    };
    let is_moved = match (std::fs::metadata(&*path), file.metadata()) {
        (Ok(there), Ok(ours)) => (there.dev(), there.ino()) != (ours.dev(), ours.ino()),
        _ => true,
    };
    if is_moved {
        *file = open(path).map_err(|error| (0, error))?;
    }
    let mut written = 0;
    while written < batch.len() {
        match file.write(&batch[written..]) {
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let mut target = Target::file(path.as_os_str().as_bytes()).expect("opened");
        write(&mut target, b"one\n").expect("written");
        std::fs::rename(&path, folder.path().join("audit.log.1")).expect("moved");
        write(&mut target, b"two\n").expect("written");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect(name);
        assert_eq!(
            (read("audit.log.1"), read("audit.log")),
            ("one\n".into(), "two\n".into())
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said() {
        // A device that takes nothing, as a full disk does.
        let full = Target::File {
            path: "/dev/full".into(),
            file: open(Path::new("/dev/full")).expect("a device"),
        };
        let mut writer = Writer::start(full).expect("a thread");
        let mut sent = 0;
        while writer.send(b"x\n".to_vec()) {
            sent += 1;
        }
        // One batch was taken out of the queue at most.
        assert!(
            (QUEUE_LINES..=QUEUE_LINES + BATCH_BYTES / 2 + 1).contains(&sent),
            "{sent}"
        );
        assert!(writer.is_stuck());
        assert_eq!((writer.dropped(), writer.written()), (1, 0));
    }
}
