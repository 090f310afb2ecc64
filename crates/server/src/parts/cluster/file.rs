//! The file of a node's state, nodes.conf.
//!
//! Invariants
//!   1. The file at the path is whole: a new text replaces it by a rename. A text that must survive
//!      a crash of the machine is synced before the rename, and the folder after it; any other
//!      survives the end of the process.
//!   2. While this process lives no other process opens the file: it is locked (`flock`), and each
//!      new file is locked before it gets the name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use rustix::fs::{Access, FlockOperation, access, flock};

use crate::process::open_locked;
use russet_base::{given_file, threads};

/// Far more than the state of thousands of nodes.
const BYTES_MAX: u64 = 64 << 20;

/// Why a node cannot use its file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "Sorry, the cluster configuration file {0} is already used by a different node. Each node needs \
         a file of its own."
    )]
    InUse(String),
    #[error("Can't open {path} to acquire a lock: {why}")]
    Unusable { path: String, why: String },
}

/// See the module.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Holds the lock.
    locked: File,
    /// The text of the file, and whether it is synced.
    saved: Vec<u8>,
    is_synced: bool,
    /// The thread that closes replaced files: closing a file waits until the system has written it
    /// to disk. Without the thread, or with a full queue, [`StateFile::save`] closes the file.
    closer: Option<SyncSender<File>>,
}

/// Replaced files that wait to be closed.
const CLOSING_MAX: usize = 64;

impl StateFile {
    /// The text of the file, empty if the file does not exist and can be made. Neither makes nor
    /// locks the file.
    pub fn look(path: &Path) -> Result<Vec<u8>, OpenError> {
        let unusable = |why: String| OpenError::Unusable {
            path: path.display().to_string(),
            why,
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Each new text is a new file.
        access(folder, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| unusable(russet_config::system_text(&error.into())))?;
        if path.exists() {
            given_file::read(path, BYTES_MAX, Duration::ZERO).map_err(unusable)
        } else {
            Ok(Vec::new())
        }
    }

    /// Opens and locks the file, made if it is not there; returns its text, empty if it is new.
    pub fn open(path: &Path) -> Result<(StateFile, Vec<u8>), OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable {
            path: path.display().to_string(),
            why: russet_config::system_text(&error),
        };
        let locked = lock(path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(path.display().to_string()),
            _ => unusable(error),
        })?;
        let mut text = Vec::new();
        let mut reader = (&locked).take(BYTES_MAX + 1);
        reader.read_to_end(&mut text).map_err(unusable)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(unusable(io::ErrorKind::FileTooLarge.into()));
        }
        let file = StateFile {
            path: path.to_owned(),
            locked,
            saved: Vec::new(),
            is_synced: false,
            closer: closer(),
        };
        Ok((file, text))
    }

    /// Replaces the text. With `sync` it is then on disk, under its name. On error the file is as
    /// it was, unless it is the folder's sync that has failed.
    pub fn save(&mut self, text: Vec<u8>, sync: bool) -> io::Result<()> {
        if text == self.saved && (self.is_synced || !sync) {
            return Ok(());
        }
        self.is_synced = false;
        // The lock keeps others from this name.
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".tmp-{}", std::process::id()));
        let replaced = self.replace(&text, Path::new(&beside), sync);
        let replaced = replaced.inspect_err(|_| {
            // Only the first error matters.
            let _ = fs::remove_file(&beside);
        })?;
        let old = std::mem::replace(&mut self.locked, replaced);
        if let Some(closer) = &self.closer {
            // A file that the queue does not take is closed here.
            let _ = closer.try_send(old);
        }
        self.saved = text;
        if sync {
            let folder = match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            File::open(folder)?.sync_all()?;
            self.is_synced = true;
        }
        Ok(())
    }

    fn replace(&self, text: &[u8], beside: &Path, sync: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // The key of the node's tokens is for no other user to read.
        options.read(true).write(true).create(true).truncate(true);
        options.mode(0o600);
        let mut file = options.open(beside)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(beside, &self.path)?;
        Ok(file)
    }
}

/// Starts the thread that closes files.
fn closer() -> Option<SyncSender<File>> {
    let (sender, files) = mpsc::sync_channel(CLOSING_MAX);
    let thread = threads::start("close", move || files.into_iter().for_each(drop::<File>));
    thread.is_ok().then_some(sender)
}

/// Opens the file that has this name, with its lock. `WouldBlock`: another process has it.
fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    loop {
        if let Some(file) = open_locked(path, &options)? {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_use_is_refused_also_after_it_was_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes.conf");
        let (mut file, text) = StateFile::open(&path).expect("a new file");
        assert!(text.is_empty());
        let is_in_use = || matches!(StateFile::open(&path), Err(OpenError::InUse(_)));
        assert!(is_in_use());
        for text in [b"one".to_vec(), b"two".to_vec(), b"two".to_vec()] {
            file.save(text, true).expect("a save");
            assert!(is_in_use());
        }
        drop(file);
        let (_file, text) = StateFile::open(&path).expect("free again");
        assert_eq!(text, b"two");
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1);
    }

    #[test]
    fn a_save_that_fails_leaves_the_old_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes.conf");
        let (mut file, _) = StateFile::open(&path).expect("a new file");
        file.save(b"old".to_vec(), false).expect("a save");
        let beside = format!("nodes.conf.tmp-{}", std::process::id());
        fs::create_dir(folder.path().join(beside)).expect("a folder in the way");
        assert!(file.save(b"new".to_vec(), true).is_err());
        assert_eq!(fs::read(&path).expect("the file"), b"old");
    }
}
