//! Crash safety: a server loses no acknowledged write if any file system call fails, or if the
//! server is killed at any such call.
//!
//! The daemon runs unmodified, with a preloaded library (`fault.c`, built by the machine's C
//! compiler) that makes the n-th `open`, `write`, `fsync`, `ftruncate`, `rename` or `unlink` fail:
//! an error, a short write, SIGKILL before or after it. For each kind of call and fault n increases
//! until the story has fewer calls. Then the test kills the server, restarts it on the remaining
//! files, and compares the data with the acknowledged writes.

mod indexes;
mod neighbours;
mod series;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{Connection, Daemon, Reply, memory, wait_until};
use tempfile::TempDir;

/// The fault to inject.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: &'static str,
    kind: &'static str,
}

const ENOSPC: &str = "28";
const EIO: &str = "5";

const POINTS: &[Point] = &[
    point("write", ENOSPC),
    point("write", EIO),
    point("write", "short"),
    point("write", "kill-before"),
    point("write", "kill-after"),
    point("sync", EIO),
    point("sync", ENOSPC),
    point("sync", "kill-before"),
    point("sync", "kill-after"),
    point("rename", EIO),
    point("rename", "kill-before"),
    point("rename", "kill-after"),
    point("open", ENOSPC),
    point("open", EIO),
    point("open", "kill-before"),
    point("truncate", EIO),
    point("truncate", "kill-after"),
    point("unlink", EIO),
    point("unlink", "kill-before"),
];

const fn point(call: &'static str, kind: &'static str) -> Point {
    Point { call, kind }
}

/// The library, built once.
fn library() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fault.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/fault.c");
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&path)
            .args([source, "-ldl"])
            .output()
            .expect("a C compiler");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        (folder, path)
    });
    path
}

/// A server whose `nth` call fails after [`Faulty::arm`].
struct Faulty {
    server: Daemon,
    arm: PathBuf,
}

impl Faulty {
    fn start(point: Point, nth: usize, args: &[&str]) -> Faulty {
        let folder = tempfile::Builder::new()
            .prefix("russet-crash-")
            .tempdir()
            .expect("a folder");
        let arm = folder.path().with_extension("armed");
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (library, inside, nth) = (text(library()), text(folder.path()), nth.to_string());
        let arm_text = text(&arm);
        let environment = [
            ("LD_PRELOAD", &*library),
            ("RUSSET_FAULT_CALL", point.call),
            ("RUSSET_FAULT_KIND", point.kind),
            ("RUSSET_FAULT_NTH", &nth),
            ("RUSSET_FAULT_PATH", &inside),
            ("RUSSET_FAULT_ARM", &arm_text),
        ];
        let server = Daemon::start_with_environment(args, &environment, folder);
        Faulty { server, arm }
    }

    /// Kills the server; its memory figures must agree if it still answers.
    fn crash(&mut self) {
        if let Ok(mut c) = Connection::open(self.server.port()) {
            memory::assert_agrees(&mut c);
        }
        self.server.kill();
    }

    fn arm(&self) {
        fs::write(&self.arm, "").expect("written");
    }

    /// Stops the injection; returns whether the fault occurred.
    fn disarm(&self) -> bool {
        let hit = self.arm.with_extension("armed.hit");
        fs::remove_file(&self.arm).expect("it was there");
        fs::remove_file(hit).is_ok()
    }

    /// INFO persistence, or `None` if the server is dead.
    fn persistence(&self) -> Option<String> {
        let mut c = Connection::open(self.server.port()).ok()?;
        c.write(b"INFO persistence\r\n").ok()?;
        match c.read().ok()?.1 {
            Reply::Bulk(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            other => panic!("{other:?}"),
        }
    }
}

/// A list of numbers; the writer pushes each number after the server acknowledged the number
/// before.
struct Writer {
    c: Connection,
    acknowledged: u64,
    /// The server has died: it may have the last number or not.
    is_gone: bool,
}

impl Writer {
    fn ask(&mut self, line: &str) -> Option<Reply> {
        if self.is_gone {
            return None;
        }
        let sent = self.c.write(format!("{line}\r\n").as_bytes());
        let answer = sent.and_then(|()| self.c.read()).ok();
        self.is_gone = answer.is_none();
        answer.map(|(_, reply)| reply)
    }

    /// Pushes `count` numbers; retries when refused.
    fn push(&mut self, count: u64) {
        for _ in 0..count {
            wait_until("a refused write to be taken again", || {
                let line = format!("RPUSH log {}", self.acknowledged);
                match self.ask(&line) {
                    Some(Reply::Integer(_)) => self.acknowledged += 1,
                    Some(Reply::Error(text)) if text.starts_with(b"MISCONF") => return false,
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
                true
            });
        }
    }
}

/// The length of the list, which must have no gaps.
fn pushed(server: &Daemon) -> u64 {
    let Reply::Array(items) = server.connect().value("LRANGE log 0 -1") else {
        panic!("no list");
    };
    for (item, n) in items.iter().zip(0u64..) {
        assert_eq!(item.text(), Some(n.to_string().as_bytes()), "a hole");
    }
    items.len() as u64
}

/// Writes, a rewrite in between, writes. Returns whether the fault occurred.
fn append_only_story(method: &str, point: Point, nth: usize) -> bool {
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    let args = [&log[..], &["--snapshot-method", method]].concat();
    let mut faulty = Faulty::start(point, nth, &args);
    let mut writer = Writer {
        c: faulty.server.connect(),
        acknowledged: 0,
        is_gone: false,
    };
    writer.push(2);
    faulty.arm();
    writer.push(2);
    if let Some(reply) = writer.ask("BGREWRITEAOF") {
        writer.push(2);
        wait_until("the rewrite to end", || {
            let text = faulty.persistence();
            text.is_none_or(|text| text.contains("aof_rewrite_in_progress:0"))
        });
        assert!(matches!(reply, Reply::Simple(_) | Reply::Error(_)));
    }
    writer.push(2);
    let hit = faulty.disarm();
    writer.push(1);
    faulty.crash();
    faulty.server.restart();
    let there = pushed(&faulty.server);
    let most = writer.acknowledged + u64::from(writer.is_gone);
    assert!(
        (writer.acknowledged..=most).contains(&there),
        "{there} are there, {} were acknowledged",
        writer.acknowledged
    );
    hit
}

/// A reader of the change stream, which continues where it stopped.
struct Follower {
    position: Vec<u8>,
    /// The numbers of the pushes that it has read.
    given: Vec<u64>,
    /// The server has answered that it does not keep the following changes.
    is_lost: bool,
}

impl Follower {
    fn read(&mut self, writer: &mut Writer) {
        let position = String::from_utf8_lossy(&self.position).into_owned();
        match writer.ask(&format!("CHANGES READ {position} COUNT 100")) {
            Some(Reply::Array(answer)) => {
                self.position = answer[0].text().expect("a position").to_vec();
                for change in answer[1].items().expect("changes") {
                    let words = change.items().expect("a change")[4].items().expect("words");
                    let number = words[2].text().map(String::from_utf8_lossy);
                    let number = number.and_then(|text| text.parse().ok());
                    self.given.push(number.expect("a push of one number"));
                }
            }
            Some(Reply::Error(text)) => {
                // A restarted server never has fewer changes than its readers.
                assert!(text.starts_with(b"CHANGESLOST "), "{text:?}");
                self.is_lost = true;
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
}

/// Writes that a reader of changes follows, a rewrite in between. Returns whether the fault
/// occurred.
fn changes_story(point: Point, nth: usize) -> bool {
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    let args = [&log[..], &["--changes-retain", "10mb"]].concat();
    let mut faulty = Faulty::start(point, nth, &args);
    let mut writer = Writer {
        c: faulty.server.connect(),
        acknowledged: 0,
        is_gone: false,
    };
    let mut follower = Follower {
        position: b"-".to_vec(),
        given: Vec::new(),
        is_lost: false,
    };
    writer.push(2);
    follower.read(&mut writer);
    writer.ask("CHANGES CONSUMER CREATE c");
    faulty.arm();
    writer.push(2);
    follower.read(&mut writer);
    if writer.ask("BGREWRITEAOF").is_some() {
        writer.push(1);
        follower.read(&mut writer);
        wait_until("the rewrite to end", || {
            let text = faulty.persistence();
            text.is_none_or(|text| text.contains("aof_rewrite_in_progress:0"))
        });
    }
    writer.push(2);
    let hit = faulty.disarm();
    faulty.crash();
    faulty.server.restart();
    let there = pushed(&faulty.server);
    assert!(there >= writer.acknowledged);
    let mut again = Writer {
        c: faulty.server.connect(),
        acknowledged: there,
        is_gone: false,
    };
    follower.read(&mut again);
    let wanted = (0..there).take_while(|n| !follower.is_lost || *n < follower.given.len() as u64);
    assert_eq!(follower.given, wanted.collect::<Vec<_>>());
    // Without a fault of the disk the server keeps all changes.
    assert!(!follower.is_lost || !point.kind.starts_with("kill"));
    hit
}

/// A flush and its undo, twice. Returns whether the fault occurred.
fn flush_story(point: Point, nth: usize) -> bool {
    let args = ["--appendonly", "yes", "--appendfsync", "always"];
    let args = [&args[..], &["--flush-grace", "600"]].concat();
    let mut faulty = Faulty::start(point, nth, &args);
    let mut writer = Writer {
        c: faulty.server.connect(),
        acknowledged: 0,
        is_gone: false,
    };
    writer.push(3);
    faulty.arm();
    let mut flushed = writer.ask("FLUSHALL");
    let mut undone = writer.ask("FLUSH UNDO");
    if matches!(undone, Some(Reply::Integer(_))) {
        flushed = writer.ask("FLUSHALL");
        undone = writer.ask("FLUSH UNDO");
    }
    let hit = faulty.disarm();
    faulty.crash();
    faulty.server.restart();
    let mut c = faulty.server.connect();
    let is_there = c.ask("EXISTS log") == ":1\r\n";
    assert!(
        is_there || matches!(flushed, Some(Reply::Simple(_)) | None),
        "{flushed:?}"
    );
    assert!(
        is_there || !matches!(undone, Some(Reply::Integer(_))),
        "it was reported as back"
    );
    if !is_there {
        let answer = c.ask("FLUSH UNDO");
        // After an error the server rewrites the log at once, which frees the data of the flush.
        assert!(answer == ":1\r\n" || !writer.is_gone, "{answer}");
        if answer != ":1\r\n" {
            return hit;
        }
    }
    assert_eq!(pushed(&faulty.server), 3);
    hit
}

/// A complete snapshot, then another snapshot. Returns whether the fault occurred.
fn snapshot_story(command: &str, method: &str, point: Point, nth: usize) -> bool {
    // Files that take several writes.
    let save = ["--save", "3600 1000000", "--rdbcompression", "no"];
    let args = [&save[..], &["--snapshot-method", method]].concat();
    let mut faulty = Faulty::start(point, nth, &args);
    let mut c = faulty.server.connect();
    assert_eq!(c.ask("SET old 1"), "+OK\r\n");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    assert_eq!(c.ask("SET new 1"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG POPULATE 4000 key 1000"), "+OK\r\n");
    faulty.arm();
    let sent = c.write(format!("{command}\r\n").as_bytes());
    let answer = sent.and_then(|()| c.read()).ok().map(|(_, reply)| reply);
    let mut is_saved = false;
    if answer.is_some() {
        wait_until("the save to end", || match faulty.persistence() {
            Some(text) => {
                let has_ended = text.contains("rdb_bgsave_in_progress:0");
                is_saved = has_ended
                    && matches!(answer, Some(Reply::Simple(_)))
                    && text.contains("rdb_last_bgsave_status:ok");
                has_ended
            }
            None => true,
        });
    }
    let hit = faulty.disarm();
    faulty.crash();
    faulty.server.restart();
    let mut c = faulty.server.connect();
    let keys = c.ask("DBSIZE");
    let whole = [":1\r\n", ":4002\r\n"];
    assert!(
        whole.contains(&&*keys),
        "{keys:?}: neither the old file nor the new"
    );
    assert_eq!(c.ask("GET old"), "$1\r\n1\r\n");
    assert!(
        !is_saved || keys == whole[1],
        "it was reported as saved: {keys:?}"
    );
    hit
}

/// Plays a story with every fault at every call, on two servers at a time.
fn sweep(story: fn(Point, usize) -> bool) {
    const CALLS_MAX: usize = 60;
    let (next, faults) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&point) = POINTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for nth in 0..CALLS_MAX {
                        let played = std::panic::catch_unwind(|| story(point, nth));
                        let Ok(hit) = played else {
                            panic!("{} {nth} with {}", point.call, point.kind);
                        };
                        if !hit {
                            break;
                        }
                        faults.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner();
    assert!(faults > POINTS.len(), "only {faults} faults have come");
    println!("{faults} faults");
}

#[test]
fn an_append_only_file_keeps_what_was_acknowledged_whatever_fails() {
    sweep(|point, nth| append_only_story("loop", point, nth));
    sweep(|point, nth| append_only_story("fork", point, nth));
}

#[test]
fn a_reader_of_changes_gets_each_once_whatever_fails() {
    sweep(changes_story);
}

#[test]
fn a_flush_is_undone_or_can_be_whatever_fails() {
    sweep(flush_story);
}

#[test]
fn a_snapshot_is_the_old_one_or_the_new_whatever_fails() {
    sweep(|point, nth| snapshot_story("SAVE", "loop", point, nth));
    sweep(|point, nth| snapshot_story("BGSAVE", "loop", point, nth));
    sweep(|point, nth| snapshot_story("BGSAVE", "fork", point, nth));
}
