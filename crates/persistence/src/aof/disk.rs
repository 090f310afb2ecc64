//! The seam between the append only file and the file system: every call that may fail goes
//! through a [`Disk`], so that tests can make any of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A call that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCall {
    /// A file is made.
    Create,
    /// Bytes are appended to a file.
    Write,
    /// An fsync of a file.
    Sync,
    /// An fsync of a folder, for the names in it.
    SyncFolder,
    /// A file's length is set.
    Truncate,
    /// A file gets another name.
    Rename,
    /// A name is removed.
    Remove,
}

/// The effect of a fault on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(dead_code, reason = "made by tests")
)]
pub enum Fault {
    /// The call fails with this system error (`ENOSPC`, `EIO`).
    Error(i32),
    /// A write stores this many bytes, then the disk is full; other calls fail at once.
    Short(usize),
}

/// Decides before each call whether it fails.
type Plan = Box<dyn FnMut(DiskCall) -> Option<Fault> + Send>;

/// See the module. Clones share their plan.
#[derive(Clone, Default)]
pub struct Disk {
    plan: Option<Arc<Mutex<Plan>>>,
    /// Called before each call: may make it wait.
    #[cfg(any(test, feature = "testing"))]
    wait: Option<Arc<dyn Fn(DiskCall) + Send + Sync>>,
}

impl Disk {
    /// A disk that fails according to `plan`.
    #[cfg(any(test, feature = "testing"))]
    pub fn failing(plan: impl FnMut(DiskCall) -> Option<Fault> + Send + 'static) -> Disk {
        Disk {
            plan: Some(Arc::new(Mutex::new(Box::new(plan)))),
            ..Disk::default()
        }
    }

    /// A disk whose calls wait first; they do not wait for each other.
    #[cfg(any(test, feature = "testing"))]
    pub fn waiting(mut self, wait: impl Fn(DiskCall) + Send + Sync + 'static) -> Disk {
        self.wait = Some(Arc::new(wait));
        self
    }

    fn fault(&self, step: DiskCall) -> Option<Fault> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(wait) = &self.wait {
            wait(step);
        }
        let plan = self.plan.as_ref()?;
        let mut plan = plan.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        plan(step)
    }

    fn enter(&self, step: DiskCall) -> io::Result<()> {
        match self.fault(step) {
            None => Ok(()),
            Some(Fault::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Fault::Short(_)) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        }
    }

    /// Opens a file to append to; creates it if it is missing.
    pub(crate) fn open_to_append(&self, path: &Path) -> io::Result<File> {
        self.enter(DiskCall::Create)?;
        OpenOptions::new().create(true).append(true).open(path)
    }

    /// Creates an empty file; truncates an existing file.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.enter(DiskCall::Create)?;
        File::create(path)
    }

    /// Creates an empty file to write and read, and removes the name `path` at once: the space is
    /// freed with the last handle of the file.
    pub(crate) fn create_nameless(&self, path: &Path) -> io::Result<File> {
        self.enter(DiskCall::Create)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true);
        let file = file.open(path)?;
        fs::remove_file(path)?;
        Ok(file)
    }

    /// A write; returns the number of bytes written.
    pub fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        match self.fault(DiskCall::Write) {
            None => file.write(bytes),
            Some(Fault::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Fault::Short(max)) => {
                file.write_all(&bytes[..max.min(bytes.len())])?;
                Err(io::Error::from_raw_os_error(libc::ENOSPC))
            }
        }
    }

    /// Writes all of `bytes`.
    pub fn write_all(&self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(file, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Forces a file's bytes to disk.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.enter(DiskCall::Sync)?;
        file.sync_data()
    }

    /// Forces a folder's entries to disk.
    pub fn sync_folder(&self, dir: &Path) -> io::Result<()> {
        self.enter(DiskCall::SyncFolder)?;
        File::open(dir)?.sync_all()
    }

    /// Truncates a file to `len` bytes.
    pub fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.enter(DiskCall::Truncate)?;
        file.set_len(len)
    }

    /// Renames a file; on disk only after `sync_folder`.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(DiskCall::Rename)?;
        fs::rename(from, to)
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter(DiskCall::Remove)?;
        fs::remove_file(path)
    }

    /// Replaces the content of file `name` in `dir` atomically: after a crash it is the old or the
    /// new content.
    pub fn replace(&self, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = dir.join(format!("temp-{name}"));
        let written = self.create(&temporary).and_then(|file| {
            self.write_all(&file, bytes)?;
            self.sync(&file)
        });
        let replaced = written.and_then(|()| self.rename(&temporary, &dir.join(name)));
        if let Err(error) = replaced {
            // The error reported is the first error.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        self.sync_folder(dir)
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fails = self.plan.is_some();
        f.debug_struct("Disk").field("fails", &fails).finish()
    }
}
