//! Files that users give, read whole: configurations, secrets, certificates, users.
//!
//! Invariants
//!   1. No more than a bound is read: `/dev/zero` is an error, not the end of memory.
//!   2. A pipe in the place of a file (`<(command)` of a shell) is read to its end, but the wait
//!      for its writer is bounded: a running server must not stop because there is none.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::text::system_text;

/// The wait for the writer of a pipe, in a server that may be running.
pub const WRITER_WAIT: Duration = Duration::from_secs(1);

/// The file's bytes, or why there are none.
pub fn read(path: &Path, bytes_max: u64, writer_wait: Duration) -> Result<Vec<u8>, String> {
    let system = |error: io::Error| system_text(&error);
    // Without it, opening a pipe waits for a writer.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(system)?;
    let is_regular = file.metadata().map_err(system)?.is_file();
    let mut bytes = Vec::new();
    if is_regular {
        let read = (&file).take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(system)?;
    } else {
        read_pipe(&file, bytes_max, writer_wait, &mut bytes)?;
    }
    if bytes.len() as u64 > bytes_max {
        return Err(format!("larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// Reads until the last writer has gone, or the bound is passed.
fn read_pipe(
    mut file: &File,
    bytes_max: u64,
    writer_wait: Duration,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let until = Instant::now() + writer_wait;
    let mut piece = [0; 4096];
    while bytes.len() as u64 <= bytes_max {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return Err("a pipe that nothing is written to".to_owned()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(system_text(&error.into())),
        }
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(system_text(&error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("coreutils").success());
        path
    }

    /// Regression: opening the pipe waited for a writer; a server that read its configuration again
    /// served no client any more.
    #[test]
    fn a_pipe_without_a_writer_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        let read = read(&path, 10, Duration::from_millis(1));
        assert_eq!(read, Err("a pipe that nothing is written to".to_owned()));
    }

    #[test]
    fn a_pipe_is_read_until_its_writer_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        let to = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(to, "abc"));
        let wait = Duration::from_secs(30);
        assert_eq!(read(&path, 10, wait), Ok(b"abc".to_vec()));
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn what_is_larger_than_the_bound_is_refused() {
        let wait = Duration::ZERO;
        let zeros = read(Path::new("/dev/zero"), 5000, wait);
        assert_eq!(zeros, Err("larger than 5000 bytes".to_owned()));
        assert_eq!(read(Path::new("/dev/null"), 5000, wait), Ok(Vec::new()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3, wait), Ok(b"abc".to_vec()));
        assert_eq!(read(&path, 2, wait), Err("larger than 2 bytes".to_owned()));
        assert!(
            read(folder.path(), 9, wait)
                .unwrap_err()
                .contains("directory")
        );
    }
}
