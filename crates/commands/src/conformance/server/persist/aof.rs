//! The append only file in process: any prefix of it, any changed byte, any failing call of the
//! file system.
//!
//! A server without sockets writes a set into a temporary folder, through a `Disk` that fails or
//! waits as a test plans. Another server loads the set, and must have every acknowledged write, or
//! refuse to start.

use russet_server::AofState;
use russet_server::inside::{AofLoader, Load, LoadFailed, Progress};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::{Allowed, AppendFsync};
use russet_persistence::aof::{Disk, DiskCall, DiskFault, Manifest, Names};

fn names(folder: &Path) -> Names {
    Names {
        dir: folder.join("set"),
        basename: "a".to_owned(),
    }
}

/// A server without a socket, with its append only file in `folder`.
fn bed(folder: &Path, policy: AppendFsync, disk: Disk) -> Testbed {
    let mut t = Testbed::unheard();
    let server = &mut t.engine.server;
    server.config.enable_debug_command = Allowed::Yes;
    server.config.appendfsync = policy;
    server.config.aof_use_rdb_preamble = false;
    server.config.appenddirname = names(folder).dir.to_string_lossy().as_ref().into();
    server.config.appendfilename = "a".into();
    server.persist.aof.set_disk(disk);
    let manifest = names(folder).read_manifest().expect("sound");
    server
        .open_aof(&mut t.engine.keyspace, names(folder), manifest)
        .expect("opened");
    t
}

/// Loads the set in `folder` into a new server.
fn load(folder: &Path) -> Result<Testbed, LoadFailed> {
    let mut t = Testbed::unheard();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    let (loader, bytes) = AofLoader::prepare(names(folder), &Disk::default())?;
    let mut loader = loader.expect("a set");
    let (keyspace, server) = (&mut t.engine.keyspace, &mut t.engine.server);
    server.begin_loading(keyspace, bytes);
    // Slices of one byte: a single command each.
    while loader.step(keyspace, server, 1)? == Progress::More {}
    Box::new(loader).finish(keyspace, server)?;
    Ok(t)
}

/// Ends the append only file, as at the end of the process.
fn finish(t: &mut Testbed) {
    let server = &mut t.engine.server;
    server.persist.aof.finish(&server.now, &server.stream);
}

fn digest(t: &mut Testbed) -> String {
    t.run("DEBUG DIGEST")
}

fn write_turns(t: &mut Testbed) {
    for turn in [
        &["SET a 1", "SET b 2"][..],
        &["MULTI", "INCR a", "SELECT 1", "RPUSH l x y", "EXEC"],
        &["SELECT 0", "HSET h f v", "PEXPIREAT a 2000000000000"],
        &["DEL b"],
    ] {
        turn.iter().for_each(|line| _ = t.run(line));
        t.engine.write_aof();
    }
}

/// The set's incremental file.
fn incr(folder: &Path) -> std::path::PathBuf {
    names(folder).path("a.1.incr.aof")
}

#[test]
fn every_prefix_loads_a_state_that_was() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path(), AppendFsync::Always, Disk::default());
    let empty = digest(&mut t);
    let mut states = vec![empty];
    for line in ["SET a 1", "SET b 2", "RPUSH l x y"] {
        t.run(line);
        t.engine.write_aof();
        states.push(digest(&mut t));
    }
    t.run("MULTI");
    t.run("INCR a");
    t.run("LPOP l");
    t.run("EXEC");
    t.engine.write_aof();
    states.push(digest(&mut t));
    drop(t);
    let whole = fs::read(incr(folder.path())).expect("the file");
    let mut newest = 0;
    for len in 0..=whole.len() {
        fs::write(incr(folder.path()), &whole[..len]).expect("written");
        let mut loaded = load(folder.path()).expect("a prefix is a torn end");
        let state = digest(&mut loaded);
        let at = states.iter().position(|s| *s == state);
        let at = at.unwrap_or_else(|| panic!("{len} bytes give what never was"));
        assert!(at >= newest, "more bytes, less data: {len}");
        newest = at;
    }
    assert_eq!(newest, states.len() - 1);
}

#[test]
fn every_changed_byte_is_refused_or_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path(), AppendFsync::Always, Disk::default());
    write_turns(&mut t);
    let right = digest(&mut t);
    drop(t);
    let whole = fs::read(incr(folder.path())).expect("the file");
    // A damaged checksum line at the end may be cut off; the data it covers is kept.
    let mut refused = 0;
    for at in 0..whole.len() {
        for change in [1, 0x20, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(incr(folder.path()), &bytes).expect("written");
            match load(folder.path()) {
                Err(LoadFailed) => refused += 1,
                Ok(mut loaded) => assert_eq!(digest(&mut loaded), right, "byte {at} ^ {change}"),
            }
        }
    }
    assert!(
        refused > whole.len() * 2,
        "{refused} of {}",
        whole.len() * 3
    );
}

#[test]
fn a_full_disk_refuses_writes_holds_answers_and_lets_go_by_itself() {
    let folder = TempDir::new().expect("a folder");
    let full = Arc::new(AtomicUsize::new(0));
    let is_full = Arc::clone(&full);
    let disk = Disk::failing(move |step| match is_full.load(Ordering::Relaxed) {
        1 if step == DiskCall::Write => Some(DiskFault::Error(libc::ENOSPC)),
        2 if step == DiskCall::Write => Some(DiskFault::Short(5)),
        _ => None,
    });
    for (kind, policy) in [(1, AppendFsync::Always), (2, AppendFsync::EverySec)] {
        let mut t = bed(folder.path(), policy, disk.clone());
        t.run("SET before 1");
        t.engine.write_aof();
        // A write is deferred while an fsync is under way.
        while !is_synced(&t) {
            t.engine.serve_synced();
        }
        full.store(kind, Ordering::Relaxed);
        assert_eq!(t.run("SET k 1"), "+OK\r\n");
        t.engine.write_aof();
        let wrote_to = t.engine.server.stream.offset();
        assert!(t.engine.server.reply_limit() < wrote_to);
        let refusal = t.run("SET k 2");
        if kind == 1 {
            let wanted = "-MISCONF Errors writing to the AOF file: No space left on device (";
            assert!(
                refusal.starts_with(wanted) && refusal.contains("a.1.incr.aof"),
                "{refusal}"
            );
        }
        assert!(refusal.starts_with("-MISCONF"), "{refusal}");
        assert_eq!(t.run("GET k"), "$1\r\n1\r\n");
        assert!(
            t.run("INFO persistence")
                .contains("aof_last_write_status:err")
        );
        full.store(0, Ordering::Relaxed);
        t.advance_ms(200);
        t.engine.write_aof();
        assert!(t.engine.server.reply_limit() >= wrote_to);
        assert_eq!(t.run("SET k 3"), "+OK\r\n");
        t.engine.write_aof();
        drop(t);
        let mut loaded = load(folder.path()).expect("sound");
        assert_eq!(loaded.run("GET k"), "$1\r\n3\r\n");
    }
}

/// The kernel may drop bytes that it could not write and report success for the next fsync.
#[test]
fn after_a_failed_fsync_the_same_bytes_go_to_another_file() {
    let folder = TempDir::new().expect("a folder");
    let calls = Arc::new(AtomicUsize::new(0));
    let fails_at = Arc::new(AtomicUsize::new(usize::MAX));
    let (seen, at) = (Arc::clone(&calls), Arc::clone(&fails_at));
    let disk = Disk::failing(move |step| {
        let is_it = step == DiskCall::Sync
            && seen.fetch_add(1, Ordering::Relaxed) == at.load(Ordering::Relaxed);
        is_it.then_some(DiskFault::Error(libc::EIO))
    });
    let mut t = bed(folder.path(), AppendFsync::Always, disk);
    t.run("SELECT 2");
    t.run("INCR n");
    t.engine.write_aof();
    fails_at.store(calls.load(Ordering::Relaxed), Ordering::Relaxed);
    t.run("INCR n");
    t.engine.write_aof();
    let wrote_to = t.engine.server.stream.offset();
    assert!(t.engine.server.reply_limit() >= wrote_to);
    assert!(names(folder.path()).path("a.2.incr.aof").exists());
    t.run("INCR n");
    t.engine.write_aof();
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    loaded.run("SELECT 2");
    assert_eq!(loaded.run("GET n"), "$1\r\n3\r\n");
}

/// Whether no fsync is under way.
fn is_synced(t: &Testbed) -> bool {
    let log = t.engine.server.persist.aof.log().expect("open");
    !log.writer.sync_in_progress()
}

/// Regression: a server that was killed while a write waited for an fsync restarted at a position
/// before its readers' positions, and then refused the readers.
#[test]
fn a_change_is_given_when_its_write_does_not_wait_for_an_fsync_any_more() {
    let folder = TempDir::new().expect("a folder");
    let gate = Arc::new(Mutex::new(()));
    let syncs_wait = Arc::clone(&gate);
    let disk = Disk::failing(move |step| {
        if step == DiskCall::Sync {
            drop(syncs_wait.lock().expect("no panic"));
        }
        None
    });
    let mut t = bed(folder.path(), AppendFsync::EverySec, disk);
    t.run("CONFIG SET changes-retain 1mb");
    let shut = gate.lock().expect("no panic");
    t.run("SET first 1");
    t.advance_ms(1100);
    t.engine.write_aof();
    assert!(!is_synced(&t), "an fsync is under way");
    t.run("SET second 1");
    t.engine.write_aof();
    let given = t.run("CHANGES READ -");
    assert!(
        given.contains("first") && !given.contains("second"),
        "{given}"
    );
    drop(shut);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !is_synced(&t) {
        t.engine.serve_synced();
        assert!(std::time::Instant::now() < until, "the fsync does not end");
    }
    t.engine.write_aof();
    let given = t.run("CHANGES READ -");
    assert!(
        given.contains("first") && given.contains("second"),
        "{given}"
    );
}

/// With `everysec` the bytes of a failed fsync are gone: writes are refused from the turn on that
/// learns of it, not only once the rewrite begins that makes the set whole.
#[test]
fn a_failed_fsync_that_may_have_lost_data_refuses_writes_at_once() {
    let folder = TempDir::new().expect("a folder");
    let fails = Arc::new(AtomicUsize::new(0));
    let plan = Arc::clone(&fails);
    let disk = Disk::failing(move |step| {
        let is_it = step == DiskCall::Sync && plan.swap(0, Ordering::Relaxed) == 1;
        is_it.then_some(DiskFault::Error(libc::EIO))
    });
    let mut t = bed(folder.path(), AppendFsync::EverySec, disk);
    fails.store(1, Ordering::Relaxed);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Each turn writes; a turn requests the fsync, a later turn learns of its failure.
    loop {
        t.run("INCR n");
        t.advance_ms(400);
        let server = &mut t.engine.server;
        let (aof, now) = (&mut server.persist.aof, &server.now);
        let flushed = aof.flush(now, &server.stream, false);
        if !aof.is_sound() {
            assert!(flushed.gates, "the gates are not asked again");
            break;
        }
        assert!(std::time::Instant::now() < until, "no fsync has failed");
    }
    t.engine.server.update_interest();
    let refusal = t.run("INCR n");
    let wanted = "-MISCONF Errors writing to the AOF file: an fsync failed";
    assert!(refusal.starts_with(wanted), "{refusal}");
}

/// The lines that this thread logs while `act` runs.
fn logged(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), act);
    let bytes = lines.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("text")
}

/// Regression: a line every 100 ms, as long as no file could follow the file whose fsync had
/// failed.
#[test]
fn a_failed_fsync_on_a_full_disk_is_logged_every_thirty_seconds() {
    let folder = TempDir::new().expect("a folder");
    let is_full = Arc::new(AtomicUsize::new(0));
    let plan = Arc::clone(&is_full);
    let disk = Disk::failing(move |step| {
        let fails = matches!(step, DiskCall::Sync | DiskCall::Create | DiskCall::Rename);
        (fails && plan.load(Ordering::Relaxed) == 1).then_some(DiskFault::Error(libc::ENOSPC))
    });
    let mut t = bed(folder.path(), AppendFsync::Always, disk);
    is_full.store(1, Ordering::Relaxed);
    let log = logged(|| {
        t.run("INCR n");
        // A minute and a second.
        for _ in 0..610 {
            t.engine.write_aof();
            t.advance_ms(100);
        }
    });
    assert!(!t.engine.server.persist.aof.is_sound());
    let lines = log.lines().count();
    assert!((2..=8).contains(&lines), "{log}");
    is_full.store(0, Ordering::Relaxed);
    t.advance_ms(100);
    t.engine.write_aof();
    assert!(t.engine.server.persist.aof.is_sound());
}

/// Runs turns until a rewrite that is under way has ended.
fn finish_rewrite(t: &mut Testbed) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // A change of the set may outlast the rewrite that asked for it and failed.
    while t.engine.server.persist.aof.rewrites.in_progress()
        || t.engine.server.persist.aof.is_changing()
    {
        t.engine.write_aof();
        t.engine.continue_snapshot(0, true);
        assert!(
            std::time::Instant::now() < until,
            "the rewrite does not end"
        );
    }
}

#[test]
fn a_rewrite_keeps_everything_and_what_is_done_meanwhile() {
    for (as_snapshot, name) in [(false, "a.2.base.aof"), (true, "a.2.base.rdb")] {
        let folder = TempDir::new().expect("a folder");
        let mut t = bed(folder.path(), AppendFsync::EverySec, Disk::default());
        t.engine.server.config.aof_use_rdb_preamble = as_snapshot;
        rewrite_keeps_everything(&folder, t, name);
    }
}

fn rewrite_keeps_everything(folder: &TempDir, mut t: Testbed, base: &str) {
    write_turns(&mut t);
    t.run("SELECT 5");
    for i in 0..300 {
        t.run(&format!("ZADD z {i}.5 m{i}"));
        t.run(&format!("SADD s member{i}"));
        t.run(&format!("HSET big f{i} v{i}"));
        t.run(&format!("RPUSH list e{i}"));
    }
    t.run("HPEXPIREAT big 2000000000000 FIELDS 2 f1 f2");
    t.run("SUNIONSTORE expiring s");
    t.run("SPEXPIREAT expiring 2000000000000 MEMBERS 2 member1 member2");
    t.run("SADDEX few PXAT 2000000000001 MEMBERS 3 1 2 a");
    assert_eq!(
        t.run("BGREWRITEAOF"),
        "+Background append only file rewriting started\r\n"
    );
    t.run("SET during 1");
    t.run("DEL s");
    t.run("LPOP list");
    finish_rewrite(&mut t);
    t.run("SET after 1");
    finish(&mut t);
    assert!(
        t.run("INFO persistence")
            .contains("aof_last_bgrewrite_status:ok")
    );
    let right = digest(&mut t);
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(digest(&mut loaded), right);
    let manifest = names(folder.path()).read_manifest().expect("sound");
    assert_eq!(manifest.incrs.len(), 1);
    assert_eq!(manifest.base.expect("a base").name, base);
}

/// The keyspace allows one pass at a time: SAVE ends the pass of a rewrite, and both files are
/// whole.
#[test]
fn a_save_beside_a_rewrite_leaves_both_whole() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path(), AppendFsync::EverySec, Disk::default());
    let dump = folder.path().join("dump.rdb");
    t.engine.server.config.dbfilename = dump.to_string_lossy().as_ref().into();
    t.engine.server.config.rdb_key_save_delay = 1;
    write_turns(&mut t);
    (0..2000).for_each(|i| _ = t.run(&format!("SET key{i} {i}")));
    t.run("BGREWRITEAOF");
    while t.engine.server.persist.aof.is_changing() {
        t.engine.write_aof();
    }
    t.engine.continue_snapshot(0, true);
    assert!(t.engine.keyspace.is_saving());
    t.run("SET key0 changed");
    let saved = digest(&mut t);
    t.engine.server.config.rdb_key_save_delay = 0;
    assert_eq!(t.run("SAVE"), "+OK\r\n");
    assert!(!t.engine.keyspace.in_pass() && t.engine.server.persist.aof.rewrites.in_progress());
    t.run("DEL key1");
    finish_rewrite(&mut t);
    assert!(t.engine.server.persist.aof.rewrites.last_ok);
    finish(&mut t);
    let right = digest(&mut t);
    drop(t);
    assert_eq!(digest(&mut load(folder.path()).expect("sound")), right);
    let mut t = Testbed::unheard();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    t.engine.server.config.dbfilename = dump.to_string_lossy().as_ref().into();
    assert_eq!(t.run("DEBUG RELOAD NOSAVE"), "+OK\r\n");
    assert_eq!(digest(&mut t), saved);
}

/// After any failing call the set loads with all acknowledged data, and a later try succeeds.
#[test]
fn a_rewrite_may_fail_at_any_call() {
    let mut steps_in_all = 0;
    for fails_at in 0..60 {
        let folder = TempDir::new().expect("a folder");
        let armed = Arc::new(AtomicUsize::new(usize::MAX));
        let left = Arc::clone(&armed);
        let disk = Disk::failing(move |_| {
            let n = left.load(Ordering::Relaxed);
            if n == usize::MAX {
                return None;
            }
            left.store(n.wrapping_sub(1), Ordering::Relaxed);
            (n == 0).then_some(DiskFault::Error(libc::EIO))
        });
        let mut t = bed(folder.path(), AppendFsync::Always, disk);
        write_turns(&mut t);
        armed.store(fails_at, Ordering::Relaxed);
        t.run("BGREWRITEAOF");
        t.run("SET during 1");
        t.engine.write_aof();
        finish_rewrite(&mut t);
        let is_done = armed.load(Ordering::Relaxed) != usize::MAX;
        armed.store(usize::MAX, Ordering::Relaxed);
        t.advance_ms(200);
        t.engine.write_aof();
        let right = digest(&mut t);
        let mut loaded = load(folder.path()).expect("sound");
        assert_eq!(digest(&mut loaded), right, "call {fails_at}");
        t.advance_ms(5_000);
        t.engine.write_aof();
        t.run("BGREWRITEAOF");
        finish_rewrite(&mut t);
        finish(&mut t);
        assert!(
            t.engine.server.persist.aof.rewrites.last_ok,
            "call {fails_at}"
        );
        let mut loaded = load(folder.path()).expect("sound");
        assert_eq!(digest(&mut loaded), right, "call {fails_at}, then another");
        if is_done {
            break;
        }
        steps_in_all = fails_at;
    }
    assert!(steps_in_all > 8, "{steps_in_all}");
}

#[test]
fn switched_on_it_counts_when_its_base_is_complete() {
    let folder = TempDir::new().expect("a folder");
    let mut t = Testbed::unheard();
    t.engine.server.config.enable_debug_command = Allowed::Yes;
    t.engine.server.config.appenddirname =
        names(folder.path()).dir.to_string_lossy().as_ref().into();
    t.engine.server.config.appendfilename = "a".into();
    t.run("SET before 1");
    assert_eq!(t.run("CONFIG SET appendonly yes"), "+OK\r\n");
    t.run("SET during 1");
    t.engine.write_aof();
    assert_eq!(
        names(folder.path()).read_manifest().expect("none"),
        Manifest::default()
    );
    finish_rewrite(&mut t);
    assert!(t.engine.server.persist.aof.state() == AofState::On);
    t.run("SET after 1");
    let right = digest(&mut t);
    assert_eq!(t.run("CONFIG SET appendonly no"), "+OK\r\n");
    t.run("SET later 1");
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(digest(&mut loaded), right);
}

/// Effects between the start of a rewrite and a failed fsync are in neither base nor the newest
/// file.
#[test]
fn a_file_that_was_left_during_a_rewrite_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let fails = Arc::new(AtomicUsize::new(0));
    let armed = Arc::clone(&fails);
    let disk = Disk::failing(move |step| {
        let is_it = step == DiskCall::Sync && armed.swap(0, Ordering::Relaxed) == 1;
        is_it.then_some(DiskFault::Error(libc::EIO))
    });
    let mut t = bed(folder.path(), AppendFsync::Always, disk);
    write_turns(&mut t);
    t.run("BGREWRITEAOF");
    // Which file's failed fsync it was is known when the next file exists.
    while t.engine.server.persist.aof.is_changing() {
        t.engine.write_aof();
    }
    t.run("SET before 1");
    t.engine.write_aof();
    fails.store(1, Ordering::Relaxed);
    t.run("SET during 2");
    t.engine.write_aof();
    t.run("RPUSH after 1");
    t.engine.write_aof();
    finish_rewrite(&mut t);
    finish(&mut t);
    let right = digest(&mut t);
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(
        loaded.run("MGET before during"),
        "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
    );
    assert_eq!(digest(&mut loaded), right);
    let manifest = names(folder.path()).read_manifest().expect("sound");
    assert!(manifest.incrs.len() > 1, "{manifest:?}");
}

/// A disk whose steps of a kind wait until a gate is opened, and whose next write fails on request.
fn gated(slow: DiskCall) -> (Disk, Arc<Mutex<()>>, Arc<AtomicUsize>) {
    let gate = Arc::new(Mutex::new(()));
    let failing = Arc::new(AtomicUsize::new(0));
    let (waits, fails) = (Arc::clone(&gate), Arc::clone(&failing));
    let disk = Disk::failing(move |step| {
        if step == slow {
            drop(waits.lock().expect("no panic"));
        }
        let is_left = |n: usize| n.checked_sub(1);
        let is_it = step == DiskCall::Write
            && fails
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_left)
                .is_ok();
        is_it.then_some(DiskFault::Short(7))
    });
    (disk, gate, failing)
}

/// Writes until nothing is on its way or under way.
fn write_all(t: &mut Testbed) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        t.advance_ms(200);
        t.engine.write_aof();
        let log = t.engine.server.persist.aof.log().expect("open");
        if log.writer.written() == log.writer.appended() && !log.writer.sync_in_progress() {
            return;
        }
        assert!(std::time::Instant::now() < until, "it is never written");
        std::thread::yield_now();
    }
}

#[test]
fn a_failed_write_on_its_way_is_made_again_in_its_place() {
    let folder = TempDir::new().expect("a folder");
    // The gate of a step that does not come.
    let (disk, _, failing) = gated(DiskCall::Remove);
    let mut t = bed(folder.path(), AppendFsync::EverySec, disk);
    t.run("SELECT 3");
    for n in 1..=40 {
        t.run("INCR n");
        t.run(&format!("RPUSH l {n}"));
        if n % 10 == 0 {
            failing.store(1, Ordering::Relaxed);
        }
        // With an fsync under way writes go to the thread.
        t.advance_ms(1100);
        t.engine.write_aof();
        t.run("INCR m");
        t.engine.write_aof();
        write_all(&mut t);
    }
    let right = digest(&mut t);
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(digest(&mut loaded), right);
}

#[test]
fn writers_wait_while_the_buffer_is_full_and_their_replies_until_they_are_written() {
    let folder = TempDir::new().expect("a folder");
    let (disk, gate, _) = gated(DiskCall::Write);
    let mut t = bed(folder.path(), AppendFsync::EverySec, disk);
    t.run("SET first 1");
    t.engine.write_aof();
    let value = "v".repeat(1 << 20);
    let shut = gate.lock().expect("no panic");
    t.engine.server.persist.aof.write_behind();
    t.run("SET second 1");
    t.engine.write_aof();
    let wrote_to = t.engine.server.stream.offset();
    assert!(t.engine.server.reply_limit() < wrote_to);
    for n in 0..9 {
        assert!(!t.engine.server.gates.log_is_full, "{n}");
        t.run_args(&[b"SET", format!("k{n}").as_bytes(), value.as_bytes()]);
        t.engine.write_aof();
        if t.engine.server.gates.log_is_full {
            break;
        }
    }
    assert!(t.engine.server.gates.log_is_full);
    assert_eq!(t.run("SET later 1"), "", "it waits");
    drop(shut);
    write_all(&mut t);
    assert!(t.engine.server.reply_limit() >= wrote_to);
    assert!(!t.engine.server.gates.log_is_full);
    let right = digest(&mut t);
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(digest(&mut loaded), right);
}

/// Whether writes are stuck, and how many are to fail; a write that is stuck for 20 seconds
/// continues, overdue.
#[derive(Default)]
struct DiskFaults {
    on: AtomicBool,
    overdue: AtomicBool,
    failing: AtomicUsize,
}

fn stuck_disk() -> (Disk, Arc<DiskFaults>) {
    let stuck = Arc::new(DiskFaults::default());
    let (plan, wait) = (Arc::clone(&stuck), Arc::clone(&stuck));
    let disk = Disk::failing(move |step| {
        let is_left = |n: usize| n.checked_sub(1);
        let left = &plan.failing;
        let is_it = step == DiskCall::Write
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_left)
                .is_ok();
        is_it.then_some(DiskFault::Short(7))
    });
    let disk = disk.waiting(move |step| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while step == DiskCall::Write && wait.on.load(Ordering::Relaxed) {
            if std::time::Instant::now() > until {
                wait.overdue.store(true, Ordering::Relaxed);
                wait.on.store(false, Ordering::Relaxed);
            }
            std::thread::yield_now();
        }
    });
    (disk, stuck)
}

/// A rewrite whose base is being made while a write is on its way to a disk that is stuck, and
/// another write waits for it.
fn rewriting_while_stuck(folder: &TempDir) -> (Testbed, Arc<DiskFaults>) {
    let (disk, stuck) = stuck_disk();
    let mut t = bed(folder.path(), AppendFsync::EverySec, disk);
    write_turns(&mut t);
    t.run("SELECT 3");
    stuck.on.store(true, Ordering::Relaxed);
    t.engine.server.persist.aof.write_behind();
    t.run("RPUSH l on-its-way");
    t.engine.write_aof();
    t.run("RPUSH l waits");
    assert_eq!(
        t.run("BGREWRITEAOF"),
        "+Background append only file rewriting started\r\n"
    );
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !t.engine.server.persist.snapshots.in_progress() {
        t.engine.write_aof();
        assert!(std::time::Instant::now() < until, "no base is begun");
    }
    t.run("RPUSH l during");
    t.run("SELECT 4");
    t.run("INCR during");
    t.engine.write_aof();
    let log = t.engine.server.persist.aof.log().expect("open");
    assert!(log.is_changing() && log.writer.written() < log.writer.appended());
    assert!(!stuck.overdue.load(Ordering::Relaxed), "it was waited for");
    (t, stuck)
}

/// Regression: the loop waited for the write on its way, and then wrote the waiting bytes itself.
#[test]
fn a_rewrite_begins_while_the_disk_is_stuck_and_has_each_effect_once() {
    let folder = TempDir::new().expect("a folder");
    let (mut t, stuck) = rewriting_while_stuck(&folder);
    let wrote_to = t.engine.server.stream.offset();
    assert!(t.engine.server.reply_limit() < wrote_to);
    stuck.on.store(false, Ordering::Relaxed);
    finish_rewrite(&mut t);
    assert!(t.engine.server.persist.aof.rewrites.last_ok);
    t.run("RPUSH l after");
    write_all(&mut t);
    assert!(t.engine.server.reply_limit() >= wrote_to);
    let right = digest(&mut t);
    drop(t);
    let mut loaded = load(folder.path()).expect("sound");
    assert_eq!(digest(&mut loaded), right);
    let manifest = names(folder.path()).read_manifest().expect("sound");
    assert_eq!(manifest.incrs.len(), 1);
}

#[test]
fn a_rewrite_fails_if_what_waits_before_its_file_cannot_be_written_and_nothing_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let (mut t, stuck) = rewriting_while_stuck(&folder);
    // The base may take one of the failures.
    stuck.failing.store(2, Ordering::Relaxed);
    stuck.on.store(false, Ordering::Relaxed);
    finish_rewrite(&mut t);
    assert!(!t.engine.server.persist.aof.rewrites.last_ok);
    write_all(&mut t);
    t.run("RPUSH l after");
    write_all(&mut t);
    let right = digest(&mut t);
    assert_eq!(digest(&mut load(folder.path()).expect("sound")), right);
    t.advance_ms(5_000);
    t.run("BGREWRITEAOF");
    finish_rewrite(&mut t);
    assert!(t.engine.server.persist.aof.rewrites.last_ok);
    finish(&mut t);
    assert_eq!(digest(&mut load(folder.path()).expect("sound")), right);
}

/// Also if the file is not checked in between: the end of the server, or the file switched off.
#[test]
fn a_cut_that_waits_for_the_disk_is_given_up_at_the_end_of_the_file() {
    let folder = TempDir::new().expect("a folder");
    let (mut t, stuck) = rewriting_while_stuck(&folder);
    stuck.on.store(false, Ordering::Relaxed);
    let right = digest(&mut t);
    finish(&mut t);
    assert_eq!(digest(&mut load(folder.path()).expect("sound")), right);
}
