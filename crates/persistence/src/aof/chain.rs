//! The incremental files that can be read as the stream, oldest first, with the stream positions at
//! which they begin.
//!
//!     | file 5 (retained) | file 6 | file 7, being written
//!     ^ first             ^ first  ^ first
//!
//! Invariants
//!   1. Each file begins, in the stream, where the file before it ends, and has annotations of the
//!      stream from its begin on. A file without them begins no chain: the chain is empty until the
//!      next file.
//!   2. A file refers to its successor, so that a reader can continue after a rewrite removed both.
//!   3. Open are the file being written, and files that were forgotten while a reader was in them
//!      or before them: retained files cost no descriptor until they are read. So files are
//!      forgotten before they are removed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::annotation::{Annotation, LINE_MAX};
use russet_replication::{Mark, ReplOffset};

/// A place between two requests of a file, and its position in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilePlace {
    pub offset: ReplOffset,
    pub at: u64,
}

/// A file that is not written any more.
#[derive(Debug)]
struct ClosedFile {
    length: u64,
    places: Vec<FilePlace>,
}

/// Where the bytes of a file come from.
#[derive(Debug)]
enum Handle {
    Open(Arc<File>),
    /// The file is opened for each read.
    At(PathBuf),
}

/// A file of the chain.
#[derive(Debug)]
pub(super) struct LogFile {
    handle: Mutex<Handle>,
    name: String,
    /// The stream position at which it begins.
    pub first: ReplOffset,
    closed: OnceLock<ClosedFile>,
    next: OnceLock<Arc<LogFile>>,
}

impl LogFile {
    fn open(path: &Path, first: ReplOffset) -> io::Result<LogFile> {
        let name = path.file_name().unwrap_or_default();
        Ok(LogFile {
            handle: Mutex::new(Handle::Open(Arc::new(File::open(path)?))),
            name: name.to_string_lossy().into_owned(),
            first,
            closed: OnceLock::new(),
            next: OnceLock::new(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length, once it is not written any more.
    pub(crate) fn closed_length(&self) -> Option<u64> {
        self.closed.get().map(|closed| closed.length)
    }

    /// The length on disk.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.metadata()?.len())
    }

    fn handle(&self) -> std::sync::MutexGuard<'_, Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, opened for this call if it is not held open.
    fn file(&self) -> io::Result<Arc<File>> {
        match &*self.handle() {
            Handle::Open(file) => Ok(Arc::clone(file)),
            Handle::At(path) => Ok(Arc::new(File::open(path)?)),
        }
    }

    /// Holds it open from now on: it is about to be removed.
    fn hold(&self) {
        match self.file() {
            Ok(file) => *self.handle() = Handle::Open(file),
            // The reader will report it.
            Err(error) => tracing::debug!("{}: {error}", self.name),
        }
    }

    /// The file is at this place, and does not leave it without [`LogFile::hold`].
    fn let_go(&self, path: &Path) {
        *self.handle() = Handle::At(path.to_owned());
    }

    pub fn next(&self) -> Option<&Arc<LogFile>> {
        self.next.get()
    }

    /// Appends up to `n` bytes at `at` to `buf`.
    pub fn read(&self, buf: &mut Vec<u8>, at: u64, n: usize) -> io::Result<usize> {
        let file = self.file()?;
        let before = buf.len();
        buf.resize(before + n, 0);
        let read = loop {
            match file.read_at(&mut buf[before..], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        buf.truncate(before + read.as_ref().map_or(0, |&n| n));
        read
    }
}

/// The file being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenFile<'a> {
    pub length: u64,
    pub places: &'a [FilePlace],
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chain {
    files: VecDeque<Arc<LogFile>>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Chain {
    /// The first position that can be read.
    pub fn first(&self) -> Option<ReplOffset> {
        self.files.front().map(|file| file.first)
    }

    /// The file that has the byte after a position, or ends there.
    pub fn find(&self, offset: ReplOffset) -> Option<&Arc<LogFile>> {
        self.files.iter().rfind(|file| file.first <= offset)
    }

    /// The file being written.
    pub fn current(&self) -> Option<&Arc<LogFile>> {
        self.files.back().filter(|file| file.closed.get().is_none())
    }

    /// Nothing so far can be read.
    pub fn forget(&mut self) {
        while self.forget_first() {}
    }

    /// Forgets the first file. A file that a reader is in or comes to stays open, wherever it goes.
    fn forget_first(&mut self) -> bool {
        let Some(file) = self.files.pop_front() else {
            return false;
        };
        // The file before it, which would refer to it, is gone, unless a reader has it.
        if Arc::strong_count(&file) > 1 {
            file.hold();
        }
        true
    }

    /// The folder has another name.
    pub fn moved(&mut self, folder: &Path) {
        for file in &self.files {
            if let Handle::At(path) = &mut *file.handle()
                && let Some(name) = path.file_name()
            {
                *path = folder.join(name);
            }
        }
    }

    /// The last file is about to be removed.
    pub(crate) fn hold_last(&self) {
        if let Some(last) = self.files.back() {
            last.hold();
        }
    }

    /// How many of its files are open.
    #[cfg(test)]
    pub(crate) fn open_files(&self) -> usize {
        let is_open = |file: &&Arc<LogFile>| matches!(*file.handle(), Handle::Open(_));
        self.files.iter().filter(is_open).count()
    }

    /// The current file, which is at `path`, is not written any more.
    pub(crate) fn close_current(&mut self, written: WrittenFile<'_>, path: &Path) {
        if let Some(file) = self.current() {
            // The file is open, so nothing was set before.
            let _ = file.closed.set(ClosedFile {
                length: written.length,
                places: written.places.to_vec(),
            });
            file.let_go(path);
        }
    }

    /// A file with annotations begins at a stream position.
    pub fn begin(&mut self, path: &Path, first: ReplOffset) {
        match LogFile::open(path, first) {
            Ok(file) => {
                let file = Arc::new(file);
                if let Some(last) = self.files.back() {
                    // Only the last file has no successor.
                    let _ = last.next.set(Arc::clone(&file));
                }
                self.files.push_back(file);
            }
            Err(error) => {
                let why = russet_config::system_text(&error);
                tracing::warn!("Can't read the append only file {}: {why}", path.display());
                self.forget();
            }
        }
    }

    /// Continues the log in another chain, whose first file begins no later.
    pub fn continue_in(&self, other: &Chain) {
        if let (Some(last), Some(first)) = (self.files.back(), other.files.front()) {
            let _ = last.next.set(Arc::clone(first));
        }
    }

    /// Files that begin before a position are about to be removed.
    pub(crate) fn forget_before(&mut self, offset: ReplOffset) {
        while self.first().is_some_and(|first| first < offset) {
            self.forget_first();
        }
    }

    /// The place nearest before a position of a file.
    pub fn place(
        file: &LogFile,
        written: Option<WrittenFile<'_>>,
        offset: ReplOffset,
    ) -> Option<FilePlace> {
        let places = match (file.closed.get(), &written) {
            (Some(closed), _) => &closed.places,
            (None, Some(written)) => written.places,
            (None, None) => return None,
        };
        let after = places.partition_point(|place| place.offset <= offset);
        Some(places[after.checked_sub(1)?])
    }
}

/// The position that the annotations at the begin of a file give; `None`: they give none.
pub(super) fn position_at_begin(path: &Path) -> io::Result<Option<ReplOffset>> {
    let mut head = Vec::new();
    // `#TS`, `#CK`, `#NS` with its SELECT, `#SO`.
    LogFile::open(path, 0)?.read(&mut head, 0, LINE_MAX)?;
    let mut rest = &head[..];
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        match Annotation::parse(line) {
            _ if line[0] != b'#' => return Ok(None),
            Annotation::Stream(Mark::Position(position)) => return Ok(Some(position.offset)),
            Annotation::Stream(Mark::NotInStream(n)) => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                rest = rest.get(n..).unwrap_or_default();
            }
            Annotation::Damaged => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}
