//! A file with a lock that ends when the file is closed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Opens a file by `options`, and locks it (`flock`). `None`: the owner has removed or replaced the
/// file just before, so the caller has to open the name again. `WouldBlock`: another process holds
/// the lock.
pub fn open_locked(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    let file = options.open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let (opened, named) = (file.metadata()?, fs::metadata(path));
    let is_there =
        named.is_ok_and(|named| (named.ino(), named.dev()) == (opened.ino(), opened.dev()));
    Ok(is_there.then_some(file))
}
