//! A full file system: the writes that the server refuses, its reports, and how service recovers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::resp::command;
use crate::support::{Daemon, wait_until};

const MIB: usize = 1 << 20;

/// A file system of eight mebibytes in memory.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a message, if this test may not mount.
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
        // A lazy unmount works although the server has open files there.
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

/// A log of overwrites needs more space than the disk has, but its data fits.
#[test]
fn a_rewrite_is_tried_whatever_the_length_of_the_log() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let server = start(&disk);
    let mut c = server.connect();
    // The disk is small, so the automatic rewrite is off.
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

/// The test requests no rewrite: the disk would be full long before the log reaches
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

/// A rewrite too large for the disk fails, leaves no file, and has no other effect.
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
    // The server does not acknowledge a write that did not reach the disk.
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
    // The write that had to wait is on the disk now.
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

/// A primary and a replica; the primary or the replica has the small disk.
fn start_pair(on_primary: bool, disk: &SmallDisk, args: &[&str]) -> (Daemon, Daemon) {
    let dir = disk.0.path().to_str().expect("UTF-8");
    let usual = [
        "--repl-diskless-sync-delay",
        "0",
        "--repl-rdb-channel",
        "no",
        "--rdbcompression",
        "no",
    ];
    let usual = [&usual[..], args].concat();
    let small = [&usual[..], &["--dir", dir]].concat();
    let (primary, replica) = if on_primary {
        (&small, &usual)
    } else {
        (&usual, &small)
    };
    (Daemon::start(primary), Daemon::start(replica))
}

/// Keys of a mebibyte each.
fn fill(server: &Daemon, keys: u8) {
    let (mut c, value) = (server.connect(), vec![b'v'; MIB]);
    for key in 0..keys {
        assert_eq!(c.call(&[&b"SET"[..], &[b'a' + key], &value]), b"+OK\r\n");
    }
}

fn follow(replica: &Daemon, primary: &Daemon) {
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert!(replica.connect().ask(&line).starts_with("+OK"));
}

fn is_up(replica: &Daemon) -> bool {
    replica.info("master_link_status").as_deref() == Some("up")
}

/// A snapshot that does not fit on a replica's disk costs the replica no data, and the primary no
/// more than an attempt now and then.
#[test]
fn a_replica_whose_disk_is_full_keeps_its_data_and_tries_again() {
    for diskless in ["yes", "no"] {
        let Some(disk) = SmallDisk::mounted() else {
            return;
        };
        let (primary, replica) = start_pair(false, &disk, &["--repl-diskless-sync", diskless]);
        fill(&primary, 4);
        let ballast = disk.file("ballast");
        fs::write(&ballast, vec![0; 6 * MIB]).expect("room");
        let mut c = replica.connect();
        assert_eq!(c.ask("SET own 1"), "+OK\r\n");
        follow(&replica, &primary);
        let why = "Write error or short write writing to the DB dump file needed for MASTER <-> \
                   REPLICA synchronization: No space left on device";
        replica.wait_for_log(why);
        std::thread::sleep(Duration::from_secs(5));
        // Attempts after 0, 1, 3 and 7 seconds.
        let attempts = replica.log().matches(why).count();
        assert!((2..=4).contains(&attempts), "{attempts}");
        assert_eq!(c.ask("GET own"), "$1\r\n1\r\n");
        let names = fs::read_dir(disk.0.path()).expect("a folder");
        let temporary = names
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with("temp-"));
        assert!(temporary.count() <= 1, "each attempt removes its file");
        fs::remove_file(&ballast).expect("it goes");
        wait_until("the sync", || is_up(&replica));
        assert_eq!(c.ask("DBSIZE"), ":4\r\n");
    }
}

/// A primary whose disk is full pauses the snapshot and serves other clients at the same time.
#[test]
fn a_primary_whose_disk_is_full_serves_others_and_goes_on() {
    use rustix::process::Signal;
    for diskless in ["yes", "no"] {
        let Some(disk) = SmallDisk::mounted() else {
            return;
        };
        let settings = [
            "--repl-diskless-sync",
            diskless,
            "--repl-spool-memory",
            "1mb",
        ];
        let (primary, replica) = start_pair(true, &disk, &settings);
        // Diskless: more than the sockets hold. On disk: as much as fits without the ballast.
        fill(&primary, if diskless == "yes" { 24 } else { 6 });
        let ballast = disk.file("ballast");
        fs::write(&ballast, vec![0; 7 * MIB]).expect("room");
        let used = || {
            primary
                .info("used_memory")
                .and_then(|n| n.parse::<u64>().ok())
        };
        let before = used().expect("a number");
        // The primary sends a diskless snapshot while the replica reads; it sends a snapshot of
        // known length only when the file is complete.
        follow(&replica, &primary);
        if diskless == "yes" {
            wait_until("the snapshot", || {
                replica.log().contains("Full resync from master")
            });
            replica.signal(Signal::STOP);
        }
        let mut c = primary.connect();
        let until = std::time::Instant::now() + Duration::from_secs(3);
        while std::time::Instant::now() < until {
            let asked = std::time::Instant::now();
            assert_eq!(c.ask("SET other x"), "+OK\r\n");
            assert!(asked.elapsed() < Duration::from_secs(1));
            std::thread::sleep(Duration::from_millis(10));
        }
        let rise = used().expect("a number").saturating_sub(before);
        assert!(rise < 12 * MIB as u64, "{rise}");
        if diskless == "yes" {
            replica.signal(Signal::CONT);
        } else {
            assert!(!is_up(&replica));
            fs::remove_file(&ballast).expect("it goes");
        }
        wait_until("the sync", || is_up(&replica));
        wait_until("all keys", || {
            replica.connect().ask("DBSIZE") == primary.connect().ask("DBSIZE")
        });
    }
}

/// A server on the small disk, with its server log elsewhere.
fn start_on(disk: &SmallDisk) -> Daemon {
    let dir = disk.0.path().to_str().expect("UTF-8");
    Daemon::start(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--dir",
        dir,
    ])
}

/// Clients whose writes met the full disk do not wait for ever: the server closes their connections
/// with a reason.
#[test]
fn clients_that_wait_for_a_full_disk_are_closed_after_some_seconds() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let dir = disk.0.path().to_str().expect("UTF-8");
    let server = Daemon::start(&["--appendonly", "yes", "--dir", dir]);
    let mut c = server.connect();
    assert!(c.ask("HELLO 3").contains("proto"));
    assert_eq!(c.ask("SET k 1"), "+OK\r\n");
    let ballast = disk.file("ballast");
    // Fills the disk.
    let _ = fs::write(&ballast, vec![0; 8 * MIB]);
    let long = vec![b'v'; 16_000];
    c.send(&[b"GET k\r\n".to_vec(), command(&[&b"SET"[..], b"k", &long])].concat());
    // The client gets neither reply; a push gives the reason.
    let reported = c.reply();
    let reported = String::from_utf8_lossy(&reported);
    assert!(
        reported.starts_with(">3\r\n$7\r\nclosing\r\n$4\r\ndisk\r\n"),
        "{reported}"
    );
    assert!(
        reported.contains("No space left on device; the outcome"),
        "{reported}"
    );
    assert!(c.rest().is_empty());
    let mut other = server.connect();
    assert!(other.ask("SET other x").starts_with("-MISCONF"));
    assert_eq!(other.ask("STRLEN k"), ":16000\r\n");
    fs::remove_file(&ballast).expect("it goes");
    wait_until("writes to be taken again", || {
        other.ask("SET other x") == "+OK\r\n"
    });
}

/// Regression: with a snapshot but no append only file a server did not start on a full disk.
#[test]
fn a_first_start_from_a_snapshot_reads_on_a_full_disk_and_writes_when_there_is_space() {
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let dir = disk.0.path().to_str().expect("UTF-8");
    let mut server = Daemon::start(&["--dir", dir]);
    let mut c = server.connect();
    assert_eq!(c.ask("RPUSH list 0"), ":1\r\n");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    server.kill();
    let ballast = disk.file("ballast");
    let _ = fs::write(&ballast, vec![0; 8 * MIB]);
    let args = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--dir",
        dir,
    ];
    server.set_args(&args.map(str::to_owned));
    // Twice, because a first attempt must not hinder a second attempt.
    for _ in 0..2 {
        server.restart_loading();
        let mut c = server.connect();
        wait_until("the data", || c.ask("LLEN list") == ":1\r\n");
        let refused = c.ask("RPUSH list 1");
        assert!(refused.starts_with("-MISCONF"), "{refused}");
        assert!(refused.contains("space"), "{refused}");
        server.kill();
    }
    server.restart_loading();
    fs::remove_file(&ballast).expect("it goes");
    let mut c = server.connect();
    wait_until("writes to be taken", || c.ask("SET other x") == "+OK\r\n");
    assert_eq!(c.ask("RPUSH list 1"), ":2\r\n");
    server.kill();
    server.restart();
    let mut c = server.connect();
    assert_eq!(c.ask("LLEN list"), ":2\r\n");
    assert_eq!(c.ask("EXISTS other"), ":1\r\n");
}

/// A server with a full disk starts and reads its data.
#[test]
fn a_server_starts_on_a_full_disk_and_writes_when_there_is_space() {
    for is_ended_in_order in [true, false] {
        let Some(disk) = SmallDisk::mounted() else {
            return;
        };
        let mut server = start_on(&disk);
        let mut c = server.connect();
        assert_eq!(c.ask("RPUSH list 0"), ":1\r\n");
        if is_ended_in_order {
            server.terminate();
        } else {
            server.kill();
        }
        let ballast = disk.file("ballast");
        let _ = fs::write(&ballast, vec![0; 8 * MIB]);
        // PING reports a disk that takes no writes.
        server.restart_loading();
        let mut c = server.connect();
        wait_until("the data", || c.ask("LLEN list") == ":1\r\n");
        if is_ended_in_order {
            // The manifest names the end of the file, so the server has to replace the manifest
            // first.
            let refused = c.ask("RPUSH list 1");
            assert!(refused.starts_with("-MISCONF"), "{refused}");
            assert!(refused.contains("No space left on device"), "{refused}");
        }
        fs::remove_file(&ballast).expect("it goes");
        wait_until("writes to be taken", || c.ask("SET other x") == "+OK\r\n");
        assert!(c.ask("RPUSH list 1").starts_with(':'));
        server.kill();
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.ask("EXISTS other list"), ":2\r\n");
    }
    // A full disk without files does not prevent a start either.
    let Some(disk) = SmallDisk::mounted() else {
        return;
    };
    let mut server = start_on(&disk);
    server.kill();
    fs::remove_dir_all(disk.file("appendonlydir")).expect("it goes");
    let ballast = disk.file("ballast");
    let _ = fs::write(&ballast, vec![0; 8 * MIB]);
    server.restart_loading();
    let mut c = server.connect();
    wait_until("the start", || c.ask("DBSIZE") == ":0\r\n");
    assert!(c.ask("SET k v").starts_with("-MISCONF"));
    fs::remove_file(&ballast).expect("it goes");
    wait_until("writes to be taken", || c.ask("SET k v") == "+OK\r\n");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET k"), "$1\r\nv\r\n");
}
