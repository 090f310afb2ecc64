//! A file system that is really full: what is refused, what is reported, and how service recovers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::resp::command;
use crate::support::{Daemon, wait_until};

const MIB: usize = 1 << 20;

/// A file system of eight megabytes in memory.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a message, where this test may not mount.
    fn mounted() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            eprintln!("left out: a full disk, for nothing can be mounted here");
            return None;
        }
        Some(SmallDisk(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Open files there do not prevent it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn start(disk: &SmallDisk) -> Daemon {
    let dir = disk.0.path().to_str().expect("UTF-8");
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    Daemon::start(&[&log[..], &["--dir", dir, "--logfile", "log"]].concat())
}

/// Bytes of all files of the log.
fn log_bytes(disk: &SmallDisk) -> u64 {
    let files = fs::read_dir(disk.file("appendonlydir")).expect("a folder");
    let data = files.flatten().flat_map(|file| file.metadata());
    data.map(|data| data.len()).sum()
}

/// A log of overwrites exceeds the remaining space; its data does not.
#[test]
fn a_rewrite_is_tried_whatever_the_length_of_the_log() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let server = start(&disk);
    let mut c = server.connect();
    // Space is short: disables the automatic rewrite.
    assert_eq!(c.ask("CONFIG SET auto-aof-rewrite-percentage 0"), "+OK\r\n");
    let value = vec![b'v'; MIB];
    for _ in 0..5 {
        assert_eq!(c.call(&[&b"SET"[..], b"k", &value]), b"+OK\r\n");
    }
    let started = "+Background append only file rewriting started\r\n";
    assert_eq!(c.ask("BGREWRITEAOF"), started);
    wait_until("the rewrite to end", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
    let status = server.info("aof_last_bgrewrite_status");
    assert_eq!(status.as_deref(), Some("ok"));
    wait_until("the old files to go", || log_bytes(&disk) < 2 * MIB as u64);
}

/// Without a request for a rewrite: the disk would be full long before the log reaches
/// `auto-aof-rewrite-min-size`.
#[test]
fn a_log_of_overwrites_never_fills_the_disk() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let mut server = start(&disk);
    let mut c = server.connect();
    let mut value = vec![0; MIB / 16];
    for round in 0..640_u64 {
        value[..8].copy_from_slice(&round.to_le_bytes());
        assert_eq!(c.call(&[&b"SET"[..], b"k", &value]), b"+OK\r\n", "{round}");
    }
    assert_ne!(server.info("aof_rewrites").as_deref(), Some("0"));
    server.kill();
    server.restart();
    let there = server.connect().call(&["GETRANGE", "k", "0", "7"]);
    assert_eq!(there[4..12], 639_u64.to_le_bytes());
}

/// A rewrite too large for the disk fails, leaves no files, and has no other effect.
#[test]
fn a_rewrite_that_the_disk_cannot_hold_fails_and_is_forgotten() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let mut server = start(&disk);
    let mut c = server.connect();
    c.ask("CONFIG SET rdbcompression no");
    for key in 0..5 {
        let value = vec![b'v'; MIB];
        let args = [&b"SET"[..], &[b'a' + key], &value];
        assert_eq!(c.call(&args), b"+OK\r\n");
    }
    c.ask("BGREWRITEAOF");
    wait_until("the rewrite to fail", || {
        server.info("aof_last_bgrewrite_status").as_deref() == Some("err")
    });
    let files = fs::read_dir(disk.file("appendonlydir")).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name());
    assert!(
        !names
            .into_iter()
            .any(|name| name.to_string_lossy().starts_with("temp-"))
    );
    assert_eq!(c.ask("SET small 1"), "+OK\r\n");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("DBSIZE"), ":6\r\n");
}

#[test]
fn writes_are_refused_while_the_disk_is_full_and_no_longer() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let mut server = start(&disk);
    let mut c = server.connect();
    assert_eq!(c.ask("RPUSH list 0"), ":1\r\n");
    let ballast = disk.file("ballast");
    fs::write(&ballast, vec![0; 7 * MIB]).expect("room");
    let value = vec![b'v'; MIB / 4];
    let mut pushed: i64 = 1;
    // A write that does not reach the disk is not acknowledged.
    loop {
        c.send(&command(&[&b"RPUSH"[..], b"list", &value]));
        if c.is_silent_for(Duration::from_secs(1)) {
            break;
        }
        let reply = String::from_utf8_lossy(&c.reply()).into_owned();
        let n = reply.trim_start_matches(':').trim_end().parse();
        pushed = n.unwrap_or_else(|_| panic!("{reply}"));
        assert!(pushed < 40, "the disk is never full");
    }
    let mut other = server.connect();
    let refused = other.ask("SET other x");
    let why = "-MISCONF Errors writing to the AOF file: No space left on device (";
    assert!(refused.starts_with(why), "{refused}");
    assert!(refused.contains("appendonly.aof.1.incr.aof"), "{refused}");
    assert!(other.ask("LLEN list").starts_with(':'));
    assert_eq!(server.info("aof_last_write_status").as_deref(), Some("err"));
    fs::remove_file(&ballast).expect("it goes");
    wait_until("writes to be taken again", || {
        other.ask("SET other x") == "+OK\r\n"
    });
    // And the write that had to wait is safe now.
    assert_eq!(c.reply(), format!(":{}\r\n", pushed + 1).into_bytes());
    assert_eq!(server.info("aof_last_write_status").as_deref(), Some("ok"));
    server.kill();
    server.restart();
    let mut c = server.connect();
    let there: i64 = c
        .ask("LLEN list")
        .trim_start_matches(':')
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(there, pushed + 1);
    assert_eq!(c.ask("GET other"), "$1\r\nx\r\n");
}
