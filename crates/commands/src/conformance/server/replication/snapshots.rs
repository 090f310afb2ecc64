//! Snapshots for replicas in process, without sockets: their bytes in each dialect and version,
//! beside a save, made by a child, and without readers.
//!
//! A test reads the spool as a replica does, while turns of the engine make the snapshot and
//! commands change the keyspace; a second engine then loads the bytes and its dataset is compared.
//! How bytes reach sockets is tested with real servers, outside of `src`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::testbed::{AllCommands as _, Testbed};
use russet_config::{Allowed, SnapshotMethod};
use russet_persistence::rdb::{PeerFormat, RdbOrigin, sync_version};
use russet_persistence::spool::{Spool, SpoolReader};
use russet_server::inside::{SyncContent, SyncForm};

const DIALECTS: [(u32, RdbOrigin); 4] = [
    (10, RdbOrigin::Redis),
    (11, RdbOrigin::Redis),
    (12, RdbOrigin::Redis),
    (80, RdbOrigin::Valkey),
];

fn bed(folder: &Path) -> Testbed {
    let mut t = Testbed::unheard();
    let config = &mut t.engine.server.config;
    config.enable_debug_command = Allowed::Yes;
    config.dbfilename = folder.join("dump.rdb").to_string_lossy().as_ref().into();
    config.repl_spool_memory = 1 << 20;
    config.rdbcompression = russet_config::RdbCompression::No;
    t
}

fn fill(t: &mut Testbed) {
    for i in 0..6000 {
        t.run(&format!("SADD large member:{i}:of the large set"));
        t.run(&format!("HSET table field:{i}:of the table {i}"));
    }
    for i in 0..30 {
        let text = [b'a' + i; 100_000];
        t.run_args(&[b"SET", format!("text{i}").as_bytes(), &text]);
    }
    t.run_args(&[b"SET", b"huge", &b"0123456789".repeat(200_000)]);
    t.run("SADD small a b c");
    t.run("SADD numbers 1 2 3");
    t.run("HSET pack f v g w");
    t.run("ZADD ranks 1 a 2.5 b -inf c");
    t.run("RPUSH list a b c");
    t.run("XADD stream 1-1 f v");
    t.run("XGROUP CREATE stream group 0");
    t.run("XREADGROUP GROUP group me STREAMS stream >");
    t.run("SELECT 3");
    t.run("SET expires 1 PXAT 2000000000000");
    t.run("SELECT 0");
    let code = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    let loaded = t.run_args(&[b"FUNCTION", b"LOAD", code]);
    assert_eq!(loaded, b"$3\r\nlib\r\n");
}

/// Hashes, packed and not, with fields that expire.
fn fill_fields(t: &mut Testbed) {
    t.run("HSET fields f v g w");
    t.run("HPEXPIREAT fields 2000000000000 FIELDS 1 f");
    for i in [7, 70, 700] {
        let set = format!(
            "HPEXPIREAT table {} FIELDS 1 field:{i}:of",
            2_000_000_000_000_i64 + i
        );
        assert_eq!(t.run(&set), "*1\r\n:1\r\n");
    }
    t.run("HSET kept f v");
    t.run("HPEXPIREAT kept 2000000000000 FIELDS 1 f");
    t.run("HPERSIST kept FIELDS 1 f");
}

fn form(version: u32, dialect: RdbOrigin, content: SyncContent) -> SyncForm {
    SyncForm {
        version,
        dialect,
        content,
        packed: false,
    }
}

fn all(version: u32, dialect: RdbOrigin) -> SyncForm {
    form(version, dialect, SyncContent::Everything)
}

fn begin(t: &mut Testbed, form: SyncForm) -> (Spool, SpoolReader) {
    let engine = &mut t.engine;
    let spool = engine
        .server
        .begin_sync_snapshot(&mut engine.keyspace, form);
    let spool = spool.expect("begun");
    let reader = spool.reader().expect("a reader");
    (spool, reader)
}

/// Reads to the end, while the snapshot is made and `between` changes the keyspace.
fn read_all(
    t: &mut Testbed,
    reader: &mut SpoolReader,
    mut between: impl FnMut(&mut Testbed),
) -> Vec<u8> {
    let (mut got, until) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    while !reader.is_done() || t.engine.server.persist.snapshots.in_progress() {
        t.engine.continue_snapshot(0, true);
        t.engine.tend_snapshots();
        if let Some(bytes) = reader.peek().expect("sound") {
            got.extend_from_slice(&bytes);
            reader.advance(bytes.len());
        }
        between(t);
        assert!(Instant::now() < until, "it does not end");
    }
    got
}

/// The dataset that a replica would have, and its functions.
fn loaded(folder: &Path, bytes: &[u8]) -> (String, String) {
    fs::write(folder.join("dump.rdb"), bytes).expect("written");
    let mut t = bed(folder);
    let engine = &mut t.engine;
    assert!(engine.server.reload(&mut engine.keyspace, true, false));
    (t.run("DEBUG DIGEST"), t.run("FUNCTION LIST"))
}

#[test]
fn a_replica_reads_the_dataset_of_the_beginning_in_its_dialect() {
    let folder = TempDir::new().expect("a folder");
    for (version, dialect) in DIALECTS {
        let mut t = bed(folder.path());
        fill(&mut t);
        if version > 11 {
            fill_fields(&mut t);
        }
        let before = (t.run("DEBUG DIGEST"), t.run("FUNCTION LIST"));
        let (spool, mut reader) = begin(&mut t, all(version, dialect));
        let mut changes = ["SET huge small", "DEL table", "SPOP large 10", "FLUSHDB"].iter();
        let bytes = read_all(&mut t, &mut reader, |t| {
            let Some(change) = changes.next() else { return };
            assert!(!t.run(change).starts_with('-'), "{change}");
        });
        let magic = match dialect {
            RdbOrigin::Redis => format!("REDIS{version:04}"),
            RdbOrigin::Valkey => "VALKEY080".to_owned(),
        };
        assert_eq!(bytes[..9], *magic.as_bytes());
        assert_eq!(spool.total(), Some(bytes.len() as u64));
        assert_eq!(loaded(folder.path(), &bytes), before);
    }
}

#[test]
fn a_filtered_sync_needs_no_pass() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    let functions = t.run("FUNCTION LIST");
    for content in [SyncContent::FunctionsOnly, SyncContent::Nothing] {
        let (_, mut reader) = begin(&mut t, form(11, RdbOrigin::Redis, content));
        assert!(!t.engine.keyspace.is_saving());
        let bytes = read_all(&mut t, &mut reader, |_| ());
        let (digest, list) = loaded(folder.path(), &bytes);
        assert_eq!(digest, bed(folder.path()).run("DEBUG DIGEST"));
        assert_eq!(list == functions, content == SyncContent::FunctionsOnly);
    }
}

#[test]
fn a_save_and_two_syncs_share_a_pass() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    fill_fields(&mut t);
    let before = (t.run("DEBUG DIGEST"), t.run("FUNCTION LIST"));
    let server = &mut t.engine.server;
    let (first, one) = server.persist.sync_target(
        &server.config,
        &server.connections,
        all(12, RdbOrigin::Redis),
    );
    let (second, two) = server.persist.sync_target(
        &server.config,
        &server.connections,
        all(80, RdbOrigin::Valkey),
    );
    let targets = vec![one, two];
    let begun = server.save_in_background_with(&mut t.engine.keyspace, targets);
    begun.expect("begun");
    assert!(t.run("BGSAVE").contains("already in progress"));
    assert!(
        t.run("INFO persistence")
            .contains("rdb_bgsave_in_progress:1")
    );
    let mut reader = first.reader().expect("a reader");
    let other = second.reader().expect("a reader");
    // The second target is given up with its reader, the other targets continue.
    let mut other = Some(other);
    let bytes = read_all(&mut t, &mut reader, |_| drop(other.take()));
    assert!(second.is_unread());
    let saved = fs::read(folder.path().join("dump.rdb")).expect("a save");
    assert_eq!(loaded(folder.path(), &saved), before);
    assert_eq!(loaded(folder.path(), &bytes), before);
}

#[test]
fn without_a_reader_the_pass_ends() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    t.engine.server.config.rdb_key_save_delay = 1;
    fill(&mut t);
    let (spool, reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    t.engine.continue_snapshot(0, true);
    assert!(t.engine.keyspace.is_saving());
    // With the buffer that is being written.
    let waiting = t.engine.server.persist.snapshots.waiting_bytes();
    let spooled = spool.memory_bytes();
    assert!(waiting >= spooled && waiting - spooled < 1 << 20);
    let engine = &mut t.engine;
    let again = engine
        .server
        .begin_sync_snapshot(&mut engine.keyspace, all(11, RdbOrigin::Redis));
    assert!(again.is_err());
    drop(reader);
    t.engine.continue_snapshot(0, true);
    assert!(!t.engine.keyspace.is_saving());
    assert!(!t.engine.server.persist.snapshots.in_progress() && spool.is_unread());

    let (spool, mut reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    let engine = &mut t.engine;
    engine.server.give_up_sync(&mut engine.keyspace);
    assert!(reader.peek().is_err() && spool.failure().is_some());
    assert!(!t.engine.keyspace.is_saving());
    // SAVE ends the pass's keys first: the spool has them all.
    let (_, mut reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    assert_eq!(t.run("SAVE"), "+OK\r\n");
    let before = (t.run("DEBUG DIGEST"), t.run("FUNCTION LIST"));
    let bytes = read_all(&mut t, &mut reader, |_| ());
    assert_eq!(loaded(folder.path(), &bytes), before);
}

#[test]
fn a_key_that_the_form_cannot_hold_fails_the_spool() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    fill(&mut t);
    fill_fields(&mut t);
    let (spool, _reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    while t.engine.server.persist.snapshots.in_progress() {
        t.engine.continue_snapshot(0, true);
    }
    let why = spool.failure().expect("failed");
    assert!(why.contains("fields that expire"), "{why}");
}

#[test]
fn a_child_makes_the_file_that_the_spool_adopts() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    t.engine.server.config.snapshot_method = SnapshotMethod::Fork;
    fill(&mut t);
    let before = (t.run("DEBUG DIGEST"), t.run("FUNCTION LIST"));
    let (spool, mut reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    assert!(t.engine.server.persist.snapshots.child().is_some());
    t.run("FLUSHDB");
    let bytes = read_all(&mut t, &mut reader, |_| ());
    assert_eq!(loaded(folder.path(), &bytes), before);
    assert_eq!(spool.total(), Some(bytes.len() as u64));

    // Without a reader it is killed.
    t.run("SET key value");
    t.engine.server.config.rdb_key_save_delay = 100_000;
    let (_, reader) = begin(&mut t, all(11, RdbOrigin::Redis));
    drop(reader);
    t.engine.tend_snapshots();
    assert!(!t.engine.server.persist.snapshots.in_progress());
}

#[test]
fn the_version_is_the_lowest_that_both_can_take() {
    let folder = TempDir::new().expect("a folder");
    let mut t = bed(folder.path());
    let of = |t: &Testbed, wanted| sync_version(&t.engine.keyspace, wanted);
    let redis = |max| PeerFormat::Redis { max };
    let valkey = |major| PeerFormat::Valkey {
        version: (major, 0, 0),
    };
    t.run("HSET h f v");
    assert_eq!(of(&t, redis(10)), (10, RdbOrigin::Redis));
    assert_eq!(of(&t, redis(15)), (11, RdbOrigin::Redis));
    assert_eq!(of(&t, valkey(9)), (11, RdbOrigin::Redis));
    t.run("HEXPIRE h 1000 FIELDS 1 f");
    assert_eq!(of(&t, redis(10)), (12, RdbOrigin::Redis));
    assert_eq!(of(&t, redis(15)), (12, RdbOrigin::Redis));
    assert_eq!(of(&t, valkey(9)), (80, RdbOrigin::Valkey));
    assert_eq!(of(&t, valkey(8)), (11, RdbOrigin::Redis));
    t.run("PHSET p a FIELDS 1 f v");
    let newer = PeerFormat::Valkey { version: (9, 2, 0) };
    assert_eq!(of(&t, newer), (81, RdbOrigin::Valkey));
    assert_eq!(of(&t, valkey(9)), (12, RdbOrigin::Redis));
    assert_eq!(of(&t, redis(15)), (12, RdbOrigin::Redis));
    t.run("ARSET a 0 x");
    assert_eq!(of(&t, redis(15)), (14, RdbOrigin::Redis));
    // A mark is no data: a server that does not read it gets the same as before.
    t.run("BLESS SET h NO-EVICT");
    assert_eq!(of(&t, redis(15)), (14, RdbOrigin::Redis));
    assert_eq!(of(&t, redis(16)), (16, RdbOrigin::Redis));
}
