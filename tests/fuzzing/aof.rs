//! Append only files: the check judges any bytes, and after a repair the file is valid.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

use russet_persistence::aof::check;

/// A path to an unnamed file, for the check's arguments.
fn path(file: &File) -> OsString {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// The exit status and the output of a check with these options.
fn run(options: &[&str], file: &File) -> (u8, String) {
    let mut args: Vec<OsString> = options.iter().map(OsString::from).collect();
    args.push(path(file));
    let mut out = Vec::new();
    let code = check::run(&args, &mut &b"y\n"[..], &mut out);
    (code, String::from_utf8_lossy(&out).into_owned())
}

/// Any bytes as a file: a repair makes it valid.
pub fn aof(bytes: &[u8]) {
    // The first bytes decide the type of file: manifests and snapshots have their own targets.
    let is_snapshot = bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY");
    if is_snapshot || check::is_manifest(bytes).expect("bytes are there") {
        return;
    }
    let made = rustix::fs::memfd_create("aof", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(made.expect("a file in memory"));
    file.write_all(bytes).expect("room");
    let (code, said) = run(&[], &file);
    let is_sound = said.contains("is valid") || said.contains("is empty");
    assert_eq!(code == 0, is_sound, "{said}");
    let (code, said) = run(&["--fix"], &file);
    assert_eq!(code, 0, "{said}");
    let mut left = Vec::new();
    file.rewind().expect("a file in memory");
    file.read_to_end(&mut left).expect("a file in memory");
    assert!(
        bytes.starts_with(&left) && (left == bytes) == is_sound,
        "{said}"
    );
    assert_eq!(run(&[], &file).0, 0);
}
