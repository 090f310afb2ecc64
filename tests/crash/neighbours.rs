//! Slow and dying neighbours: a disk whose fsync takes 1.5 seconds, a server killed while its child
//! lives, folders replaced under the server, settings changed in the middle of each background job.
//! The server loses no acknowledged write, its loop keeps serving, and INFO reports how a job
//! really ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::wait::{SetOnDrop, wait_within};
use crate::support::{Connection, Daemon, Reply, wait_until};
use crate::{library, pushed};

/// Duration of an fsync on the slow disk.
const SLOW_SYNC_MS: u64 = 1500;
/// No turn of the loop waits for an fsync: half of its time leaves room for a busy machine.
const TURN_MAX: Duration = Duration::from_millis(SLOW_SYNC_MS / 2);
/// Time limit of a job, which may need several.
const JOB_MAX: Duration = Duration::from_secs(40);

/// Allows changing `dir` and `dbfilename`.
const CHANGEABLE: &[&str] = &["--enable-protected-configs", "yes"];

fn start(args: &[&str]) -> Daemon {
    Daemon::start(&[CHANGEABLE, args].concat())
}

fn set(c: &mut Connection, name: &str, value: &str) {
    assert_eq!(
        c.call(&["CONFIG", "SET", name, value]),
        b"+OK\r\n",
        "{name}"
    );
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn wait_for_job(server: &Daemon, field: &str) {
    wait_within(JOB_MAX, field, || {
        server.info(field).as_deref() == Some("0")
    });
}

/// The last process id in the log after these words.
fn child_of(server: &Daemon, words: &str) -> Pid {
    let log = server.log();
    let mut pids = log.lines().filter_map(|line| line.rsplit_once(words));
    let (_, pid) = pids.next_back().expect("a child was made");
    Pid::from_raw(pid.trim().parse().expect("a process id")).expect("a process id")
}

/// The number of files in the server's folder that a child is writing, or has left behind.
fn temporary_files(folder: &Path) -> usize {
    let names = |dir: &Path| {
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("temp-"))
    };
    names(folder).count() + names(&folder.join("appendonlydir")).count()
}

/// A child whose server is killed must neither outlive the server nor rename its file into place,
/// because the name belongs to the next server.
#[test]
fn an_orphaned_child_leaves_the_next_server_alone() {
    let args = ["--snapshot-method", "fork", "--appendonly", "no"];
    let mut server = start(&args);
    let mut c = server.connect();
    for command in ["BGSAVE", "BGREWRITEAOF"] {
        c.ask("DEBUG POPULATE 300");
        c.ask("SET which old");
        set(&mut c, "rdb-key-save-delay", "10000");
        assert!(c.ask(command).starts_with("+Background"), "{command}");
        wait_until("the child's file", || temporary_files(server.folder()) == 1);
        let orphan = child_of(&server, "started by pid ");
        server.kill();
        server.restart();
        c = server.connect();
        assert_eq!(c.ask("SET which new"), "+OK\r\n");
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        let saved = fs::read(server.folder().join("dump.rdb")).expect("saved");
        wait_until("the orphan to end", || test_kill_process(orphan).is_err());
        let there = fs::read(server.folder().join("dump.rdb")).expect("saved");
        assert!(
            there == saved,
            "{command}: the orphan has replaced the file"
        );
        server.kill();
        server.restart();
        c = server.connect();
        assert_eq!(c.ask("GET which"), "$3\r\nnew\r\n", "{command}");
    }
}

/// SIGUSR1 cancels a child, which is no failure. SIGTERM, which a service manager sends to all
/// processes of a unit, ends only the server.
#[test]
fn signals_to_a_child_mean_what_they_mean_to_redis() {
    for (command, words, running, status) in [
        (
            "BGSAVE",
            "saving started by pid ",
            "rdb_bgsave_in_progress",
            "rdb_last_bgsave_status",
        ),
        (
            "BGREWRITEAOF",
            "rewriting started by pid ",
            "aof_rewrite_in_progress",
            "aof_last_bgrewrite_status",
        ),
    ] {
        let server = start(&["--snapshot-method", "fork"]);
        let mut c = server.connect();
        c.ask("DEBUG POPULATE 100");
        set(&mut c, "rdb-key-save-delay", "2000000");
        for (signal, wanted) in [(Signal::USR1, "ok"), (Signal::KILL, "err")] {
            c.ask(command);
            wait_until("the child's file", || temporary_files(server.folder()) == 1);
            kill_process(child_of(&server, words), signal).expect("it is there");
            wait_until("the end to be seen", || {
                server.info(running).as_deref() == Some("0")
            });
            assert_eq!(server.info(status).as_deref(), Some(wanted), "{signal:?}");
            assert_eq!(temporary_files(server.folder()), 0);
        }
        set(&mut c, "rdb-key-save-delay", "20000");
        c.ask(command);
        wait_until("the child's file", || temporary_files(server.folder()) == 1);
        kill_process(child_of(&server, words), Signal::TERM).expect("it is there");
        wait_for_job(&server, running);
        assert_eq!(server.info(status).as_deref(), Some("ok"), "{command}");
    }
}

/// A save uses the folder and the name that were set when it began.
#[test]
fn a_save_ends_where_and_as_what_it_began() {
    for method in ["loop", "fork"] {
        let server = start(&["--snapshot-method", method, "--save", "3600 1000"]);
        let mut c = server.connect();
        let (other, there) = (
            server.folder().join("other"),
            server.folder().join("dump.rdb"),
        );
        fs::create_dir(&other).expect("a folder");
        c.ask("DEBUG POPULATE 200");
        set(&mut c, "rdb-key-save-delay", "2000");
        assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
        wait_until("a file", || temporary_files(server.folder()) == 1);
        set(&mut c, "dir", path_text(&other));
        set(&mut c, "dbfilename", "late.rdb");
        set(&mut c, "rdb-key-save-delay", "0");
        wait_for_job(&server, "rdb_bgsave_in_progress");
        let status = server.info("rdb_last_bgsave_status");
        assert_eq!(status.as_deref(), Some("ok"), "{method}");
        assert!(there.exists(), "{method}");
        assert!(!other.join("late.rdb").exists(), "{method}");
        assert_eq!(temporary_files(&other), 0, "{method}");
        assert_eq!(temporary_files(server.folder()), 0, "{method}");
        // The next save uses the new settings.
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        assert!(other.join("late.rdb").exists(), "{method}");
    }
}

/// The append only file moves to the server's new folder with the next rewrite. Until then it stays
/// complete in the old folder.
#[test]
fn a_rewrite_moves_the_set_to_the_folder_of_today() {
    for method in ["loop", "fork"] {
        let args = ["--appendonly", "yes", "--snapshot-method", method];
        let mut server = start(&args);
        let mut c = server.connect();
        let other = tempfile::tempdir().expect("a folder");
        for key in 0..170 {
            assert_eq!(c.ask(&format!("SET key:{key} x")), "+OK\r\n");
        }
        set(&mut c, "dir", path_text(other.path()));
        c.ask("SET between 1");
        // The new folder has no file yet: the server loads the files that it is writing.
        assert_eq!(c.ask("DEBUG LOADAOF"), "+OK\r\n");
        assert_eq!(c.ask("DBSIZE"), ":171\r\n", "{method}");
        set(&mut c, "rdb-key-save-delay", "3000");
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        c.ask("SET meanwhile 1");
        // If the server is killed before the new files are complete, the old files are complete.
        server.kill();
        server.restart();
        c = server.connect();
        assert_eq!(c.ask("DBSIZE"), ":172\r\n", "{method}");
        set(&mut c, "dir", path_text(other.path()));
        c.ask("SET meanwhile 2");
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        c.ask("SET meanwhile 3");
        wait_for_job(&server, "aof_rewrite_in_progress");
        let status = server.info("aof_last_bgrewrite_status");
        assert_eq!(status.as_deref(), Some("ok"), "{method}");
        c.ask("SET behind 1");
        assert_eq!(c.ask("DEBUG LOADAOF"), "+OK\r\n");
        assert_eq!(c.ask("DBSIZE"), ":173\r\n", "{method}");
        server.kill();
        let moved = start(&[&args[..], &["--dir", path_text(other.path())]].concat());
        let mut c = moved.connect();
        assert_eq!(c.ask("DBSIZE"), ":173\r\n", "{method}");
        assert_eq!(c.ask("GET meanwhile"), "$1\r\n3\r\n", "{method}");
    }
}

/// Another folder takes the name of the server's folder: CONFIG SET switches to the new folder.
#[test]
fn the_same_path_set_again_is_another_folder() {
    let outside = tempfile::tempdir().expect("a folder");
    let dir = outside.path().join("data");
    fs::create_dir(&dir).expect("a folder");
    let args = ["--appendonly", "yes", "--dir", path_text(&dir)];
    let mut server = start(&args);
    let mut c = server.connect();
    c.ask("SET a 1");
    fs::rename(&dir, outside.path().join("away")).expect("renamed");
    fs::create_dir(&dir).expect("a folder");
    set(&mut c, "dir", path_text(&dir));
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    assert!(dir.join("dump.rdb").exists());
    assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
    wait_for_job(&server, "aof_rewrite_in_progress");
    let status = server.info("aof_last_bgrewrite_status");
    assert_eq!(status.as_deref(), Some("ok"));
    c.ask("SET b 1");
    server.kill();
    server.restart();
    assert_eq!(
        server.connect().ask("MGET a b"),
        "*2\r\n$1\r\n1\r\n$1\r\n1\r\n"
    );
}

/// Sends PINGs until `stop`; returns the longest wait for an answer.
fn longest_wait(c: &mut Connection, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        assert_eq!(c.ask("PING"), "+PONG\r\n");
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    longest
}

/// Does `work` while a client writes and another client sends PINGs. Returns the longest PING, and
/// the length of the list, whose numbers were acknowledged one after the other.
fn while_served(server: &Daemon, work: impl FnOnce()) -> (Duration, u64) {
    let stop = AtomicBool::new(false);
    let mut writer = server.connect();
    let mut reader = server.connect();
    writer.reply_limit(JOB_MAX);
    let mut acknowledged = match writer.value("LLEN log") {
        Reply::Integer(n) => n as u64,
        other => panic!("{other:?}"),
    };
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let reply = writer.ask(&format!("RPUSH log {acknowledged}"));
                acknowledged += 1;
                assert_eq!(reply, format!(":{acknowledged}\r\n"));
            }
            acknowledged
        });
        let asking = scope.spawn(|| longest_wait(&mut reader, &stop));
        // The scope waits for its threads, so they have to end also if `work` panics.
        let ended = SetOnDrop(&stop);
        work();
        drop(ended);
        let longest = asking.join().expect("answered");
        (longest, writing.join().expect("written"))
    })
}

/// A server on a disk that is slow once armed.
struct OnSlowDisk {
    server: Daemon,
    armed: PathBuf,
}

impl OnSlowDisk {
    fn start(args: &[&str]) -> OnSlowDisk {
        let folder = tempfile::Builder::new()
            .prefix("russet-slow-")
            .tempdir()
            .expect("a folder");
        let armed = folder.path().join("slow");
        let ms = SLOW_SYNC_MS.to_string();
        let environment = [
            ("LD_PRELOAD", path_text(library())),
            ("RUSSET_FAULT_ARM", path_text(&armed)),
            ("RUSSET_SLOW_SYNC_MS", &ms),
        ];
        let server =
            Daemon::start_with_environment(&[CHANGEABLE, args].concat(), &environment, folder);
        OnSlowDisk { server, armed }
    }

    fn slow(&self) {
        fs::write(&self.armed, "").expect("written");
    }

    fn fast(&self) {
        fs::remove_file(&self.armed).expect("it was there");
    }
}

/// The loop does not wait for the disk during a whole rewrite, backup or save, even if settings
/// change in the middle, and every acknowledged write survives a kill.
#[test]
fn a_slow_disk_does_not_hold_up_readers() {
    std::thread::scope(|scope| {
        for (policy, method) in [("everysec", "loop"), ("no", "fork")] {
            scope.spawn(move || serves_beside_a_slow_disk(policy, method));
        }
    });
}

fn serves_beside_a_slow_disk(policy: &str, method: &str) {
    let args = ["--appendonly", "yes", "--appendfsync", policy];
    // Off, because the writer soon appends enough for an automatic rewrite.
    let by_hand = ["--auto-aof-rewrite-percentage", "0"];
    let how = ["--snapshot-method", method];
    let mut disk = OnSlowDisk::start(&[&args[..], &by_hand, &how].concat());
    let mut c = disk.server.connect();
    c.reply_limit(JOB_MAX);
    c.ask("DEBUG POPULATE 1000");
    disk.slow();
    let server = &disk.server;
    let (longest, _) = while_served(server, || {
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        set(&mut c, "aof-use-rdb-preamble", "no");
        wait_for_job(server, "aof_rewrite_in_progress");
        let set = c.ask("BACKUP CREATE slow");
        assert!(set.starts_with('$'), "{set}");
        assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
        set_again(&mut c, policy);
        wait_for_job(server, "rdb_bgsave_in_progress");
    });
    assert!(longest < TURN_MAX, "{policy}: a PING took {longest:?}");
    for field in ["aof_last_bgrewrite_status", "rdb_last_bgsave_status"] {
        assert_eq!(server.info(field).as_deref(), Some("ok"), "{field}");
    }
    disk.fast();
    // The kill comes in the middle of a rewrite, with all acknowledged writes in the kernel's
    // buffers.
    let (_, acknowledged) = while_served(server, || {
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
    });
    wait_until("the buffer to be written", || {
        server.info("aof_buffer_length").as_deref() == Some("0")
    });
    disk.server.kill();
    disk.server.restart();
    assert_eq!(pushed(&disk.server), acknowledged, "{policy}");
}

/// Changes the policy and back.
fn set_again(c: &mut Connection, policy: &str) {
    set(
        c,
        "appendfsync",
        if policy == "no" { "everysec" } else { "no" },
    );
    set(c, "appendfsync", policy);
}
