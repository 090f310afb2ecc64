//! The driver of snapshots in process: several sinks, failing sinks, and a SAVE on a full disk.
//!
//! Slices are of a few keys, so that commands between them change every type while it is being
//! saved. Each target is loaded into another engine, and its dataset compared with that of the
//! moment when the snapshot began.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use russet_server::inside::{Target, TargetKind};

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;
use russet_persistence::aof::{BaseForm, Names};

/// A server without a socket that saves to `folder`, a few keys per slice.
fn bed(folder: &Path) -> Testbed {
    let mut t = Testbed::unheard();
    let config = &mut t.engine.server.config;
    config.enable_debug_command = Allowed::Yes;
    config.dbfilename = folder.join("dump.rdb").to_string_lossy().as_ref().into();
    config.rdb_key_save_delay = 1;
    config.aof_checksum = false;
    t
}

/// Every type; containers saved in parts, and a string that a thread writes.
fn fill(t: &mut Testbed) {
    for i in 0..4000 {
        t.run(&format!("SADD large member:{i}:of the large set"));
        t.run(&format!("HSET table field:{i}:of the table {i}"));
        t.run(&format!("RPUSH list element:{i}:of the list"));
    }
    t.run_args(&[b"SET", b"huge", &b"0123456789".repeat(40_000)]);
    t.run("SET expires 1 PXAT 2000000000000");
    t.run("ZADD ranks 1 a 2.5 b -inf c");
    t.run("XADD stream 1-1 f v");
    t.run("HSET fields f v g w");
    t.run("HPEXPIREAT fields 2000000000000 FIELDS 1 f");
    t.run("SELECT 3");
    (0..50).for_each(|i| _ = t.run(&format!("SET key{i} {i}")));
    t.run("SELECT 0");
}

/// Changes made during the snapshot.
const CHANGES: &[&str] = &[
    "SADD large more",
    "SREM large member:1:of the large set",
    "DEL table",
    "LPOP list",
    "SET huge small",
    "PERSIST expires",
    "RENAME ranks ranked",
    "XADD stream 2-1 f w",
    "HPERSIST fields FIELDS 1 f",
    "SWAPDB 0 3",
    "FLUSHDB",
];

fn digest(t: &mut Testbed) -> String {
    t.run("DEBUG DIGEST")
}

fn targets(folder: &Path) -> Vec<Target> {
    let names = Names {
        dir: folder.to_owned(),
        basename: "a".to_owned(),
    };
    let name = folder.join("dump.rdb");
    let base = TargetKind::Base {
        names,
        form: BaseForm::Commands,
        unix_s: 0,
    };
    vec![Target::new(TargetKind::Dump { name }), Target::new(base)]
}

/// Makes both targets in one pass, while everything changes.
fn make_both(t: &mut Testbed, folder: &Path) -> Vec<Target> {
    let targets = targets(folder);
    let engine = &mut t.engine;
    let begun = engine
        .server
        .begin_snapshot(&mut engine.keyspace, targets.clone());
    begun.expect("begun");
    let mut changes = CHANGES.iter();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while t.engine.server.persist.snapshots.in_progress() {
        t.engine.continue_snapshot(0, true);
        if let Some(change) = changes.next() {
            assert!(!t.run(change).starts_with('-'), "{change}");
        }
        assert!(std::time::Instant::now() < until, "it does not end");
    }
    assert_eq!(changes.next(), None, "all of it changed meanwhile");
    targets
}

fn loaded_dump(folder: &Path) -> String {
    let mut t = bed(folder);
    let engine = &mut t.engine;
    assert!(engine.server.reload(&mut engine.keyspace, true, false));
    digest(&mut t)
}

fn loaded_commands(folder: &Path, base: &Target) -> String {
    let mut t = bed(folder);
    t.run_pipeline(&fs::read(base.path()).expect("a base"));
    digest(&mut t)
}

#[test]
fn one_pass_feeds_several_sinks_the_same_dataset() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    let before = digest(&mut t);
    let targets = make_both(&mut t, folder.path());
    assert_ne!(digest(&mut t), before);
    assert_eq!(loaded_dump(folder.path()), before);
    assert_eq!(loaded_commands(folder.path(), &targets[1]), before);
}

const MARK: &str = "*1\r\n$8\r\nNO-EVICT\r\n";

/// Marks of keys of all kinds, and one that is cleared while the files are made.
#[test]
fn marks_of_keys_are_saved_as_they_were() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    t.run("SELECT 0");
    t.run_args(&[b"SET", b"marked", &[b'x'; 200_000]]);
    t.run("SET soon gone");
    t.run("SADD set a b");
    t.run("PEXPIREAT set 2000000000000");
    for key in ["marked", "soon", "set"] {
        assert_eq!(t.run(&format!("BLESS SET {key} NO-EVICT")), ":1\r\n");
    }
    let targets = make_both(&mut t, folder.path());
    let loads: [&dyn Fn(&mut Testbed); 2] = [
        &|t: &mut Testbed| {
            let engine = &mut t.engine;
            assert!(engine.server.reload(&mut engine.keyspace, true, false));
        },
        &|t: &mut Testbed| {
            t.run_pipeline(&fs::read(targets[1].path()).expect("a base"));
        },
    ];
    for load in loads {
        let mut t = bed(folder.path());
        load(&mut t);
        t.run("SELECT 0");
        for key in ["marked", "soon", "set"] {
            assert_eq!(t.run(&format!("BLESS GET {key}")), MARK, "{key}");
        }
        assert_eq!(t.engine.keyspace.blessed_keys(), 3);
        t.engine.keyspace.check_invariants();
    }
}

/// Files of Redis 8.12 by hand: version, mark, key; a checksum of 0 is none.
#[test]
fn files_of_redis_8_12_have_marks_and_older_versions_none() {
    let folder = TempDir::new().expect("a folder");
    let body =
        b"\xfe\x00\xf1\x00\x01k\x01v\xfc\x00\x00\x9c\x58\xd1\x01\x00\x00\xf1\x02\x01s\x01\x01m\
                 \x00\x01l\x01v\xff\0\0\0\0\0\0\0\0";
    for magic in ["REDIS0016", "REDIS0017"] {
        let file = [magic.as_bytes(), body].concat();
        fs::write(folder.path().join("dump.rdb"), file).expect("a file");
        let mut t = bed(folder.path());
        let engine = &mut t.engine;
        assert!(engine.server.reload(&mut engine.keyspace, true, false));
        for (key, mark) in [("k", MARK), ("s", MARK), ("l", "*0\r\n")] {
            assert_eq!(t.run(&format!("BLESS GET {key}")), mark, "{magic} {key}");
        }
        assert_ne!(t.run("PTTL s"), ":-1\r\n");
    }
    for (version, magic, marked) in [
        (0, "REDIS0016", 2),
        (15, "REDIS0015", 0),
        (12, "REDIS0012", 0),
    ] {
        let mut t = bed(folder.path());
        t.engine.server.config.rdb_version = version;
        t.run("MSET k v l v s v");
        t.run("BLESS SET k NO-EVICT");
        t.run("BLESS SET s NO-EVICT");
        assert_eq!(t.run("SAVE"), "+OK\r\n");
        let file = fs::read(folder.path().join("dump.rdb")).expect("a file");
        assert_eq!(&file[..9], magic.as_bytes());
        let engine = &mut t.engine;
        assert!(engine.server.reload(&mut engine.keyspace, true, false));
        assert_eq!(t.engine.keyspace.blessed_keys(), marked, "{version}");
        assert_eq!(t.run("DBSIZE"), ":3\r\n");
    }
}

#[test]
fn a_sink_that_fails_takes_no_other_with_it() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    // This version cannot hold fields that expire.
    t.engine.server.config.rdb_version = 10;
    fill(&mut t);
    let before = digest(&mut t);
    let targets = make_both(&mut t, folder.path());
    assert_eq!(loaded_commands(folder.path(), &targets[1]), before);
    assert!(!folder.path().join("dump.rdb").exists() && !targets[0].path().exists());
}

#[test]
fn a_pass_without_a_sink_saves_no_more() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    assert_eq!(t.run("BGSAVE"), "+Background saving started\r\n");
    t.engine.continue_snapshot(0, true);
    assert!(t.engine.keyspace.is_saving());
    t.run("BGSAVE CANCEL");
    assert!(!t.engine.keyspace.is_saving() && t.engine.wants_snapshot_time());
    while t.engine.wants_snapshot_time() {
        t.engine.continue_snapshot(0, true);
    }
    assert!(!t.engine.keyspace.in_pass());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

/// Regression: a save on a full disk waited for space that never came.
#[test]
fn a_save_that_the_disk_fails_comes_to_its_end() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    t.engine.server.config.rdb_key_save_delay = 0;
    t.engine.server.config.rdbcompression = russet_config::RdbCompression::No;
    for i in 0..400 {
        t.run_args(&[b"SET", format!("key{i}").as_bytes(), &[b'x'; 100_000]]);
    }
    let temporary = targets(folder.path())[0].path();
    std::os::unix::fs::symlink("/dev/full", &temporary).expect("a link");
    let refused = t.run("SAVE");
    assert!(
        refused.starts_with("-ERR ") && refused.contains("No space left"),
        "{refused}"
    );
    assert!(fs::symlink_metadata(&temporary).is_err());
    assert_eq!(t.run("SAVE"), "+OK\r\n");
    let before = digest(&mut t);
    assert_eq!(loaded_dump(folder.path()), before);
}
