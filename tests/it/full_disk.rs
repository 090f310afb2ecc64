//! A file system that is really full: what is refused, what is said, and how service comes back.

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
    /// `None`, which is said, where this test may mount nothing.
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
        // What still has a file open there does not hinder it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn start(disk: &SmallDisk) -> Daemon {
    let dir = disk.0.path().to_str().expect("UTF-8");
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    Daemon::start(&[&log[..], &["--dir", dir, "--logfile", "log"]].concat())
}

#[test]
fn a_rewrite_that_the_disk_cannot_hold_is_not_begun() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let server = start(&disk);
    let mut c = server.connect();
    let value = vec![b'v'; MIB];
    for _ in 0..5 {
        assert_eq!(c.call(&[&b"SET"[..], b"k", &value]), b"+OK\r\n");
    }
    let before = fs::read_dir(disk.file("appendonlydir"))
        .expect("a folder")
        .count();
    let refused = c.ask("BGREWRITEAOF");
    let why = "-ERR Can't execute an AOF background rewriting.";
    assert!(refused.starts_with(why), "{refused}");
    let log = fs::read_to_string(disk.file("log")).expect("a log");
    assert!(
        log.contains("bytes left, and the append only file has 5"),
        "{log}"
    );
    let after = fs::read_dir(disk.file("appendonlydir"))
        .expect("a folder")
        .count();
    assert_eq!(after, before, "a file was begun");
    // What there is goes on.
    assert_eq!(c.ask("SET k small"), "+OK\r\n");
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
    // What does not reach the disk is not answered.
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
    // And what had to wait is safe now.
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
