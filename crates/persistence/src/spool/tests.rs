//! The spool's promises: readers at their own pace within a bound of memory, one end, one wake per
//! wait, and the same bytes whether stored, compressed or adopted from a child's file.
//!
//! Threads and folders are real, disk faults are injected (`aof::DiskFault`). Tests wait for
//! conditions, with a deadline.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::aof::{DiskCall, DiskFault};

const MEMORY: usize = 1 << 20;
const CHUNK: usize = 100_000;

fn silent() -> Wake {
    Wake::default()
}

fn plan(folder: &TempDir, disk: Disk) -> SpoolPlan {
    SpoolPlan {
        dir: folder.path().to_owned(),
        memory_max: MEMORY,
        checksum: None,
        packs: false,
        disk,
    }
}

fn started(folder: &TempDir, disk: Disk) -> Spool {
    let spool = Spool::new(plan(folder, disk), silent());
    spool.start().expect("a thread");
    spool
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// The n-th chunk; each is different.
fn chunk(n: usize) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().repeat(CHUNK / 8);
    bytes.truncate(CHUNK - n % 50);
    bytes
}

fn chunks(n: usize) -> Vec<u8> {
    (0..n).flat_map(chunk).collect()
}

/// Writes the n-th chunk when there is room; the memory stays within its bound.
fn write(spool: &Spool, n: usize) {
    until("no room", || spool.has_room());
    spool.write(chunk(n));
    assert!(spool.memory_bytes() <= MEMORY + 2 * CHUNK, "{n}");
}

fn stored(spool: &Spool) {
    until("not stored", || spool.waiting_bytes() == 0);
}

/// Reads the available bytes, at most `most`.
fn read(reader: &mut SpoolReader, into: &mut Vec<u8>, most: usize) {
    let end = into.len().saturating_add(most);
    while into.len() < end
        && let Some(bytes) = reader.peek().expect("sound")
    {
        let n = bytes.len().min(end - into.len());
        into.extend_from_slice(&bytes[..n]);
        reader.advance(n);
    }
}

fn read_all(reader: &mut SpoolReader, into: &mut Vec<u8>) {
    until("no end", || {
        read(reader, into, usize::MAX);
        reader.is_done()
    });
}

#[test]
fn readers_go_at_their_own_pace_and_memory_is_bounded() {
    const N: usize = 120;
    let folder = TempDir::new().expect("a folder");
    let spool = started(&folder, Disk::default());
    let mut readers: Vec<_> = (0..3)
        .map(|_| (spool.reader().expect("a reader"), Vec::new()))
        .collect();
    for n in 0..N {
        write(&spool, n);
        for (pace, (reader, into)) in readers.iter_mut().enumerate() {
            // The first reader reads nothing for long, the last reads everything at once.
            read(reader, into, pace * pace * CHUNK / 3);
        }
    }
    assert_eq!(spool.total(), None);
    spool.finish();
    until("not whole", || spool.total().is_some());
    let all = chunks(N);
    assert_eq!(
        spool.end().expect("an end").expect("whole"),
        all.len() as u64
    );
    for (reader, into) in &mut readers {
        assert_eq!(reader.available(), all.len() as u64 - reader.position());
        read_all(reader, into);
        assert!(*into == all);
    }
    assert_eq!(spool.memory_bytes(), 0);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_reader_joins_while_the_first_byte_is_there() {
    let folder = TempDir::new().expect("a folder");
    let spool = started(&folder, Disk::default());
    let (mut first, mut got) = (spool.reader().expect("a reader"), Vec::new());
    (0..3).for_each(|n| write(&spool, n));
    stored(&spool);
    read(&mut first, &mut got, CHUNK - 1);
    let mut second = spool.reader().expect("the first chunk is there");
    read(&mut first, &mut got, CHUNK);
    // The second one still needs it.
    assert!(spool.reader().is_some());
    let mut other = Vec::new();
    read(&mut second, &mut other, CHUNK);
    assert!(spool.reader().is_none());
    spool.finish();
    read_all(&mut first, &mut got);
    read_all(&mut second, &mut other);
    assert!(got == chunks(3) && other == got);
    assert!(spool.reader().is_none());
}

#[test]
fn a_failure_reaches_readers_and_is_final() {
    let folder = TempDir::new().expect("a folder");
    let spool = started(&folder, Disk::default());
    let mut reader = spool.reader().expect("a reader");
    write(&spool, 0);
    stored(&spool);
    assert!(reader.peek().expect("sound").is_some());
    spool.fail("no more");
    spool.fail("other");
    assert_eq!(spool.failure().as_deref(), Some("no more"));
    assert_eq!(reader.peek().expect_err("failed").to_string(), "no more");
    assert_eq!(reader.available(), 0);
    assert!(spool.end().expect("an end").is_err() && spool.total().is_none());
    assert!(spool.reader().is_none() && !reader.is_done());
    // Later writes are discarded.
    (0..100).for_each(|n| _ = spool.write(chunk(n)));
    assert!(spool.has_room());
}

#[test]
fn a_spool_fails_with_its_last_reader_or_its_last_writer() {
    let folder = TempDir::new().expect("a folder");
    let spool = started(&folder, Disk::default());
    let (first, second) = (spool.reader(), spool.reader());
    drop(first);
    assert!(spool.failure().is_none());
    drop(second);
    assert!(spool.is_unread() && spool.failure().is_some());

    let spool = started(&folder, Disk::default());
    let mut reader = spool.reader().expect("a reader");
    drop(spool.clone());
    assert!(reader.peek().expect("sound").is_none());
    drop(spool);
    assert!(reader.peek().is_err());

    // When the spool is whole, its readers and its writer may go.
    let spool = started(&folder, Disk::default());
    drop((spool.reader(), write(&spool, 0), spool.finish()).0);
    let spool = started(&folder, Disk::default());
    let (mut reader, mut got) = (spool.reader().expect("a reader"), Vec::new());
    write(&spool, 0);
    spool.finish();
    until("not whole", || spool.total().is_some());
    drop(spool.reader());
    assert!(spool.failure().is_none());
    drop(spool);
    read_all(&mut reader, &mut got);
    assert!(got == chunk(0));
}

#[test]
fn a_disk_that_refuses_makes_the_writer_wait() {
    let folder = TempDir::new().expect("a folder");
    let is_full = Arc::new(AtomicBool::new(true));
    let (full, mut writes) = (Arc::clone(&is_full), 0);
    let disk = Disk::failing(move |step| {
        writes += usize::from(step == DiskCall::Write);
        match step {
            // Now and then a write stores a part only.
            DiskCall::Write if full.load(Ordering::Relaxed) || writes % 16 == 0 => {
                Some(DiskFault::Short(1000))
            }
            _ => None,
        }
    });
    let spool = started(&folder, disk);
    let (mut reader, mut got) = (spool.reader().expect("a reader"), Vec::new());
    let mut slow = spool.reader().expect("a reader");
    let mut n = 0;
    until("never stuck", || {
        if spool.has_room() {
            spool.write(chunk(n));
            n += 1;
        }
        spool.is_stuck() && !spool.has_room()
    });
    assert!(spool.memory_bytes() <= MEMORY + 2 * CHUNK);
    assert!(n < 14, "{n}");
    // A segment that all readers have read is dropped, which makes room.
    let mut other = Vec::new();
    read(&mut reader, &mut got, usize::MAX);
    assert!(!spool.has_room());
    read(&mut slow, &mut other, 5 * CHUNK);
    until("no room", || spool.has_room());
    // Or the disk has room again.
    is_full.store(false, Ordering::Relaxed);
    for n in n..60 {
        write(&spool, n);
    }
    spool.finish();
    read_all(&mut slow, &mut other);
    read_all(&mut reader, &mut got);
    assert!(got == chunks(60) && other == got);

    // Without readers nothing waits.
    let disk = Disk::failing(|step| (step == DiskCall::Create).then_some(DiskFault::Error(28)));
    let spool = started(&folder, disk);
    let reader = spool.reader();
    (0..20).for_each(|n| _ = spool.write(chunk(n)));
    until("never stuck", || spool.is_stuck());
    drop(reader);
    until("still stuck", || !spool.is_stuck());
    assert!(spool.has_room());
}

#[test]
fn the_file_is_used_again_when_it_has_been_read() {
    let folder = TempDir::new().expect("a folder");
    let spool = started(&folder, Disk::default());
    let (mut reader, mut got) = (spool.reader().expect("a reader"), Vec::new());
    let len = |spool: &Spool| {
        let file = spool.0.shared.state().file.clone();
        file.map_or(0, |file| file.metadata().expect("a file").len())
    };
    (0..30).for_each(|n| write(&spool, n));
    stored(&spool);
    assert!(len(&spool) > 10 * CHUNK as u64);
    read(&mut reader, &mut got, usize::MAX);
    (30..42).for_each(|n| write(&spool, n));
    stored(&spool);
    assert!(
        (1..8 * CHUNK as u64).contains(&len(&spool)),
        "{}",
        len(&spool)
    );
    spool.finish();
    read_all(&mut reader, &mut got);
    assert!(got == chunks(42));
}

#[test]
fn a_starved_reader_is_woken_once() {
    let folder = TempDir::new().expect("a folder");
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    let wake = Wake::new(move || _ = counted.fetch_add(1, Ordering::Relaxed));
    let spool = Spool::new(plan(&folder, Disk::default()), wake);
    spool.start().expect("a thread");
    let mut reader = spool.reader().expect("a reader");
    let count = || wakes.load(Ordering::Relaxed);
    write(&spool, 0);
    stored(&spool);
    assert_eq!(count(), 0);
    read(&mut reader, &mut Vec::new(), usize::MAX);
    (1..4).for_each(|n| write(&spool, n));
    stored(&spool);
    assert_eq!(count(), 1);
    spool.finish();
    until("not whole", || spool.total().is_some());
    until("not woken", || count() == 2);
}

#[test]
fn a_checksum_and_made_bytes_are_appended() {
    let folder = TempDir::new().expect("a folder");
    let mut plan = plan(&folder, Disk::default());
    plan.checksum = Some(true);
    let spool = Spool::new(plan, silent());
    spool.start().expect("a thread");
    let mut reader = spool.reader().expect("a reader");
    spool.write(b"1234".to_vec());
    let job = Job::Make(0, Box::new(|out| out(b"56789")));
    spool.send(job);
    spool.finish();
    let mut got = Vec::new();
    read_all(&mut reader, &mut got);
    assert_eq!(got[..9], *b"123456789");
    assert_eq!(got[9..], 0xe9c6_d914_c4b8_d9ca_u64.to_le_bytes());
}

#[test]
fn a_file_of_a_child_is_adopted_without_its_name() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("temp-repl-1.rdb");
    fs::write(&path, chunks(5)).expect("written");
    let spool = Spool::new(plan(&folder, Disk::default()), silent());
    assert!(spool.adopt_file(&folder.path().join("missing")).is_err());
    let mut reader = spool.reader().expect("a reader");
    assert!(reader.peek().expect("sound").is_none() && !reader.is_done());
    spool.adopt_file(&path).expect("adopted");
    assert!(!path.exists());
    let mut got = Vec::new();
    read_all(&mut reader, &mut got);
    assert!(got == chunks(5));
    assert_eq!(spool.total(), Some(got.len() as u64));
}

/// The decompressed bytes of a spool, as a replica receives them.
fn unpacked(reader: &mut SpoolReader) -> Vec<u8> {
    use russet_replication::compression::{Kind, Unpacker};
    let (mut packed, mut got) = (Vec::new(), Vec::new());
    read_all(reader, &mut packed);
    assert!(packed.starts_with(b"VCS\x01\x01\x00\x01"));
    let mut unpacker = Unpacker::new(Kind::Snapshot);
    unpacker.push(&packed);
    unpacker.pull_all(&mut got).expect("sound");
    unpacker.finish(&mut got).expect("whole");
    got
}

#[test]
fn a_spool_that_packs_holds_less_and_is_read_as_it_was_written() {
    let folder = TempDir::new().expect("a folder");
    let packing = || SpoolPlan {
        packs: true,
        checksum: Some(true),
        ..plan(&folder, Disk::default())
    };
    for n in [0, 1, 40] {
        let spool = Spool::new(packing(), silent());
        spool.start().expect("a thread");
        let mut reader = spool.reader().expect("a reader");
        for n in 0..n {
            write(&spool, n);
        }
        spool.finish();
        let got = unpacked(&mut reader);
        let all = chunks(n);
        let sum = russet_base::hashing::crc64::update(0, &all).to_le_bytes();
        assert!(got == [&all[..], &sum].concat());
        let total = spool.total().expect("whole");
        assert!(n == 0 || total < all.len() as u64 / 20, "{total}");
    }
    // A child's file has its checksum.
    let path = folder.path().join("temp-repl-1.rdb");
    fs::write(&path, chunks(30)).expect("written");
    let spool = Spool::new(packing(), silent());
    let mut reader = spool.reader().expect("a reader");
    spool.adopt_file(&path).expect("adopted");
    assert!(unpacked(&mut reader) == chunks(30) && !path.exists());
}
