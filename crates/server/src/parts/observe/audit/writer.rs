//! The thread that writes the audit's lines.
//!
//! The queue is bounded. While the log does not take lines (a full disk), the thread tries again
//! five times a second, and lines that the queue cannot hold are dropped and counted; the count is
//! written before the next line. A file that was moved away, as log rotation does, is made anew
//! before the next lines.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::line;
use crate::process::log;
use russet_base::{clock, sys, threads};
use russet_config::{SyslogFacility, system_text};

/// Lines that wait at most, commonly of 300 bytes.
const QUEUE_LINES: usize = 8192;
/// Bytes of the queued lines; a line of many long arguments has up to 50 KiB.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Bytes written at once, as far as lines wait.
const BATCH_BYTES: usize = 64 * 1024;
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// The file has users and their commands, so only the owner and the group of the file may read it.
const MODE: u32 = 0o640;

/// The destination of lines.
#[derive(Debug)]
pub enum Target {
    File {
        path: PathBuf,
        file: File,
        /// The file ends within a line: a disk was full, or a machine lost its power.
        is_torn: bool,
    },
    Syslog(SyslogFacility),
}

impl Target {
    /// Opens or makes the file; a relative path is in the current folder.
    pub fn file(path: &[u8]) -> io::Result<Target> {
        let path = std::path::absolute(Path::new(OsStr::from_bytes(path)))?;
        let file = open(&path)?;
        let is_torn = ends_within_a_line(&path);
        Ok(Target::File {
            path,
            file,
            is_torn,
        })
    }
}

/// Whether a file lacks its last newline. `false` for a file that is not regular or cannot be read.
fn ends_within_a_line(path: &Path) -> bool {
    let last = || -> io::Result<Option<u8>> {
        if !path.metadata()?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        let Some(at) = file.metadata()?.len().checked_sub(1) else {
            return Ok(None);
        };
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        Ok(Some(byte[0]))
    };
    last().is_ok_and(|last| last.is_some_and(|byte| byte != b'\n'))
}

/// Opens the file without waiting: a pipe that has no reader, or is full, is an error.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(MODE)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

/// Lines written and dropped by all writers of a server.
#[derive(Debug, Default)]
pub struct Figures {
    pub written: AtomicU64,
    pub dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct WriterState {
    figures: Arc<Figures>,
    /// Bytes of the lines in the queue.
    queued_bytes: AtomicUsize,
    queued_lines: AtomicUsize,
    /// The last write failed.
    fails: AtomicBool,
    ends: AtomicBool,
}

impl WriterState {
    fn took(&self, line: &[u8]) {
        self.queued_lines.fetch_sub(1, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

/// See the module. Once it is dropped, the thread writes the waiting lines, as far as the log takes
/// them, and ends.
#[derive(Debug)]
pub struct Writer {
    queue: Option<Sender<Vec<u8>>>,
    shared: Arc<WriterState>,
    thread: JoinHandle<()>,
    /// The queue had no room for a line, and has not become half empty since.
    is_full: Cell<bool>,
}

impl Writer {
    pub fn start(target: Target, figures: &Arc<Figures>) -> io::Result<Writer> {
        let (queue, lines) = channel();
        let shared = Arc::new(WriterState {
            figures: Arc::clone(figures),
            ..WriterState::default()
        });
        let its = Arc::clone(&shared);
        let thread = threads::start("audit", move || run(target, &lines, &its))?;
        Ok(Writer {
            queue: Some(queue),
            shared,
            thread,
            is_full: Cell::new(false),
        })
    }

    /// Queues a line; `false`: there was no room.
    pub fn send(&mut self, line: Vec<u8>) -> bool {
        let lines = self.shared.queued_lines.load(Ordering::Relaxed);
        let bytes = self.shared.queued_bytes.load(Ordering::Relaxed) + line.len();
        let has_room = lines < QUEUE_LINES && bytes <= QUEUE_BYTES;
        if has_room && let Some(queue) = &self.queue {
            // Counted before the thread can take the line.
            self.shared.queued_lines.fetch_add(1, Ordering::Relaxed);
            (self.shared.queued_bytes).fetch_add(line.len(), Ordering::Relaxed);
            if queue.send(line).is_ok() {
                return true;
            }
        }
        self.is_full.set(true);
        (self.shared.figures.dropped).fetch_add(1, Ordering::Relaxed);
        false
    }

    pub fn check_stuck(&self) -> bool {
        let lines = self.shared.queued_lines.load(Ordering::Relaxed);
        let bytes = self.shared.queued_bytes.load(Ordering::Relaxed);
        if lines <= QUEUE_LINES / 2 && bytes <= QUEUE_BYTES / 2 {
            self.is_full.set(false);
        }
        self.is_full.get() || self.shared.fails.load(Ordering::Relaxed)
    }

    /// Waits until the queued lines are written, as long as the log takes them, at most this long.
    pub fn end(mut self, most: Duration) {
        self.write_end();
        let until = Instant::now() + most;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn write_end(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.queue = None;
        self.thread.thread().unpark();
    }
}

impl Drop for Writer {
    /// Does not wait: a write may hang.
    fn drop(&mut self) {
        self.write_end();
    }
}

fn run(mut target: Target, lines: &Receiver<Vec<u8>>, shared: &WriterState) {
    let figures = &*shared.figures;
    let mut reported_dropped = figures.dropped.load(Ordering::Relaxed);
    while let Ok(first) = lines.recv() {
        shared.took(&first);
        let mut batch = Vec::new();
        let dropped = figures.dropped.load(Ordering::Relaxed);
        if dropped > reported_dropped {
            batch.extend(line::dropped(clock::unix_us(), dropped - reported_dropped));
            reported_dropped = dropped;
        }
        batch.extend(first);
        let mut count = 1;
        while batch.len() < BATCH_BYTES
            && let Ok(next) = lines.try_recv()
        {
            shared.took(&next);
            batch.extend(next);
            count += 1;
        }
        if !write_until_done(&mut target, &batch, shared) {
            count += lines.try_iter().count() as u64;
            figures.dropped.fetch_add(count, Ordering::Relaxed);
            return;
        }
        figures.written.fetch_add(count, Ordering::Relaxed);
    }
}

/// Writes the whole batch, in as many tries as it takes; `false`: the writer ends first.
fn write_until_done(target: &mut Target, mut batch: &[u8], shared: &WriterState) -> bool {
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

/// Writes the whole batch. Error: with the number of bytes written before it.
fn write(target: &mut Target, batch: &[u8]) -> Result<(), (usize, io::Error)> {
    let (path, file, is_torn) = match target {
        Target::File {
            path,
            file,
            is_torn,
        } => (path, file, is_torn),
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
        *is_torn = ends_within_a_line(path);
    }
    if *is_torn {
        // Whole or not at all: it is one byte.
        file.write_all(b"\n").map_err(|error| (0, error))?;
        *is_torn = false;
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
    fn a_torn_last_line_stays_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        std::fs::write(&path, b"whole\n{\"time").expect("written");
        for line in [b"next\n", b"more\n"] {
            let mut target = Target::file(path.as_os_str().as_bytes()).expect("opened");
            write(&mut target, line).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "whole\n{\"time\nnext\nmore\n");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said() {
        // A device that takes nothing, as a full disk does.
        let full = Target::File {
            path: "/dev/full".into(),
            file: open(Path::new("/dev/full")).expect("a device"),
            is_torn: false,
        };
        let figures = Arc::default();
        let mut writer = Writer::start(full, &figures).expect("a thread");
        let mut sent = 0;
        while writer.send(b"x\n".to_vec()) {
            sent += 1;
        }
        // At most a single batch was taken out of the queue.
        assert!(
            (QUEUE_LINES..=QUEUE_LINES + BATCH_BYTES / 2 + 1).contains(&sent),
            "{sent}"
        );
        assert!(writer.check_stuck());
        let dropped = || figures.dropped.load(Ordering::Relaxed);
        assert_eq!((dropped(), figures.written.load(Ordering::Relaxed)), (1, 0));
        writer.end(Duration::from_secs(30));
        assert_eq!(dropped(), 1 + sent as u64);
    }

    #[test]
    fn the_queue_is_bounded_in_bytes() {
        let full = Target::File {
            path: "/dev/full".into(),
            file: open(Path::new("/dev/full")).expect("a device"),
            is_torn: false,
        };
        let mut writer = Writer::start(full, &Arc::default()).expect("a thread");
        let mut bytes = 0;
        while writer.send(vec![b'x'; 50 * 1024]) {
            bytes += 50 * 1024;
        }
        assert!(bytes <= QUEUE_BYTES + 2 * BATCH_BYTES, "{bytes}");
    }

    #[test]
    fn a_pipe_without_a_reader_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a pipe");
        assert!(Target::file(path.as_os_str().as_bytes()).is_err());
    }

    #[test]
    fn what_is_queued_is_written_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let target = Target::file(path.as_os_str().as_bytes()).expect("opened");
        let mut writer = Writer::start(target, &Arc::default()).expect("a thread");
        for _ in 0..5000 {
            assert!(writer.send(b"a line\n".to_vec()));
        }
        writer.end(Duration::from_secs(30));
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(text.lines().count(), 5000);
    }
}
