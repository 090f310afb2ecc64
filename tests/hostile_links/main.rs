//! Hostile primaries and replicas, as tapes of whole conversations (`russet::fuzzing::links`);
//! `fuzz/` plays tapes for longer.
//!
//! The test plays each seed of `fuzz/seeds` as it is, and then with changes. A failure names the
//! seed's file and the number of the change. `RUSSET_LINKS_CASES` is the number of changes for each
//! seed, `RUSSET_LINKS_FROM` the first change. `RUSSET_LINKS_RECORD=1` replaces the seeds by
//! conversations of two present servers; `RUSSET_LINKS_LOG=1` shows the servers' logs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use russet::fuzzing::links::{TapeOutcome, hostile_primary, hostile_replica, mutate, record};

/// The number of changes of each seed.
const CASES: u64 = 150;
/// No further case of a target begins after this time.
const WITHIN: Duration = Duration::from_secs(4);
/// Resident memory beyond which a tape has cost too much, kilobytes.
const RESIDENT_MAX_KB: u64 = 600 << 10;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

fn seeds_of(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    if number("RUSSET_LINKS_RECORD").is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for recorded in record() {
            let tape = match target {
                "hostile_primary" => recorded.primary,
                _ => recorded.replica,
            };
            fs::write(folder.join(recorded.name), tape).expect("a file");
        }
    }
    let files = fs::read_dir(&folder).expect("seeds");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let tape = fs::read(&path).expect("a file");
        (path, tape)
    };
    files.into_iter().map(read).collect()
}

/// The highest resident memory of this process so far.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kb.expect("a figure")
}

/// Plays changed seeds.
fn play(target: &str, play: fn(&[u8]) -> TapeOutcome) {
    if number("RUSSET_LINKS_LOG").is_some() {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
        let _ = log.try_init();
    }
    let began = Instant::now();
    let from = number("RUSSET_LINKS_FROM").unwrap_or(0);
    let asked = number("RUSSET_LINKS_CASES");
    let seeds = seeds_of(target);
    let mut played = 0;
    for case in from..from + asked.unwrap_or(CASES) {
        for (file, tape) in &seeds {
            if asked.is_none() && began.elapsed() > WITHIN {
                break;
            }
            let changed = mutate(tape, case);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(&changed))) {
                eprintln!("{}, case {case}", file.display());
                resume_unwind(panic);
            }
            played += 1;
        }
    }
    let peak = peak_kb();
    assert!(peak < RESIDENT_MAX_KB, "{peak} kB");
    let ms = began.elapsed().as_millis();
    eprintln!("{target}: {played} tapes in {ms} ms, {} MB", peak >> 10);
}

#[test]
fn conversations_play_as_they_were_recorded() {
    for (file, tape) in seeds_of("hostile_primary") {
        let played = hostile_primary(&tape);
        // Seven keys from the snapshot, two from the stream.
        assert!(
            played.was_online && played.keys == 9,
            "{file:?}: {played:?}"
        );
    }
    for (file, tape) in seeds_of("hostile_replica") {
        let played = hostile_replica(&tape);
        assert!(played.was_online, "{file:?}: {played:?}");
        let (full, partial) = played.syncs;
        assert!(full == 1 && partial >= 1, "{file:?}: {played:?}");
    }
}

/// A tape with this first byte, whose primary sends these messages, in order, on the newest link.
fn tape(how: u8, said: &[&[u8]]) -> Vec<u8> {
    let mut tape = vec![how];
    for bytes in said {
        tape.push(0);
        tape.extend((bytes.len() as u16).to_be_bytes());
        tape.extend(*bytes);
    }
    tape
}

/// The link is silent at the end of a tape.
const HALF_OPEN: u8 = 64;
/// The server has three of its own keys.
const HAS_DATA: u8 = 32;
const SWAPDB: u8 = 1;

/// Regression: a load that had not begun had no time limit, so the replica waited for ever.
#[test]
fn a_primary_that_falls_silent_before_its_snapshot_is_given_up() {
    let id = "a".repeat(40);
    let begun = format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {id} 7\r\n$EOF:{id}\r\n");
    for more in [
        &b""[..],
        b"REDIS",
        b"REDIS0011",
        b"REDIS0011\xff\0\0\0\0\0\0\0\0",
    ] {
        for how in [SWAPDB, SWAPDB | HAS_DATA, 2, 2 | HAS_DATA] {
            let played = hostile_primary(&tape(how | HALF_OPEN, &[begun.as_bytes(), more]));
            assert!(!played.was_online);
        }
    }
}

/// Regression: the replica dropped its old data before it loaded the libraries.
#[test]
fn data_is_kept_beside_a_snapshot_whose_libraries_cannot_be_loaded() {
    let seeds = seeds_of("hostile_primary");
    let (_, mut swapdb) = seeds
        .into_iter()
        .find(|(file, _)| file.ends_with("swapdb"))
        .expect("it");
    let word = b"register_function";
    let at = swapdb.windows(word.len()).position(|window| window == word);
    swapdb[at.expect("a library")] = b'x';
    let played = hostile_primary(&swapdb);
    assert!(!played.was_online && played.keys == 3, "{played:?}");
}

#[test]
fn a_hostile_primary_harms_nothing() {
    play("hostile_primary", hostile_primary);
}

#[test]
fn hostile_replicas_harm_nothing() {
    play("hostile_replica", hostile_replica);
}
