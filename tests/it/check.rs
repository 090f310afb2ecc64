//! `check-aof` and `check-rdb` beside the real tools: the same text, the same exit status, and the
//! same bytes after a repair.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Daemon;
use crate::support::daemon::russet;
use crate::support::peers::Peer;
use crate::support::random::Random;

/// A check's output, its exit status, and the file afterwards.
#[derive(Debug, PartialEq, Eq)]
struct CheckOutcome {
    said: String,
    code: Option<i32>,
    left: Vec<u8>,
}

/// The real tools beside the server, or `None` with a message if they are not installed.
fn theirs(tool: &str) -> Option<PathBuf> {
    let server = Peer::Redis8.program_for("the checks of files")?;
    let tool = server.with_file_name(tool);
    tool.exists().then_some(tool)
}

fn run(program: &Path, words: &[&str], file: &Path, bytes: &[u8], answer: &str) -> CheckOutcome {
    fs::write(file, bytes).expect("written");
    let mut child = Command::new(program)
        .args(words)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    // A tool that asks no question does not read its input.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(answer.as_bytes());
    let out = child.wait_with_output().expect("it ends");
    CheckOutcome {
        said: String::from_utf8_lossy(&out.stdout).into_owned(),
        code: out.status.code(),
        left: fs::read(file).expect("it is there"),
    }
}

/// A line without the undefined parts of Redis's output. For an open unit Redis prints the last
/// line that it read, and after the end of that line uninitialized memory.
fn masked(line: &str) -> &str {
    let end = "Reached EOF before reading EXEC for MULTI";
    match line.find(end).or(line.find(", got: 00")) {
        Some(at) if line.ends_with("MULTI\n") => &line[at..],
        Some(at) => &line[..at],
        None => line,
    }
}

/// Checks the same bytes with both tools. Where Redis reports no reason for a fault, russet does.
fn same(bytes: &[u8], words: &[&str], answer: &str, theirs: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.aof");
    let wanted = run(theirs, words, &file, bytes, answer);
    let mut got = run(
        &russet(),
        &[&["check-aof"], words].concat(),
        &file,
        bytes,
        answer,
    );
    let names_fault = |line: &&str| line.starts_with("0x") || line.ends_with(" format error");
    if !wanted.said.lines().any(|line| names_fault(&line)) {
        let lines = got.said.split_inclusive('\n');
        got.said = lines.filter(|line| !line.starts_with("0x")).collect();
    }
    let masked = |checked: CheckOutcome| CheckOutcome {
        said: checked.said.split_inclusive('\n').map(masked).collect(),
        ..checked
    };
    assert_eq!(
        masked(got),
        masked(wanted),
        "{words:?} of {:?}",
        String::from_utf8_lossy(bytes)
    );
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

#[test]
fn append_only_files_are_judged_as_by_redis() {
    let Some(theirs) = theirs("redis-check-aof") else {
        return;
    };
    let set = command(&["SET", "k", "v\r\nw"]);
    let unit = [command(&["MULTI"]), set.clone(), command(&["EXEC"])].concat();
    let whole = [command(&["SELECT", "0"]), set.clone(), unit.clone()].concat();
    let timed = [&b"#TS:1000\r\n"[..], &set, b"#TS:2000\r\n", &unit].concat();
    let mut files = vec![Vec::new(), whole.clone(), timed.clone()];
    files.extend((1..whole.len()).step_by(3).map(|len| whole[..len].to_vec()));
    for (from, to) in [
        ("*3", "*4"),
        ("*3", "x3"),
        ("*3", "*x"),
        ("$3", "$4"),
        ("$3", "$-1"),
        ("$3", "$99999"),
        ("SET\r\n", "SET\n\n"),
        ("$1", "+1"),
        ("MULTI", "multi"),
        ("EXEC", "MULT"),
        ("MULTI", "EXECS"),
    ] {
        let text = String::from_utf8(whole.clone()).expect("ASCII");
        files.push(text.replace(from, to).into_bytes());
    }
    files.push([whole.clone(), b"hello\r\n".to_vec()].concat());
    files.push([unit.clone(), command(&["EXEC"])].concat());
    files.push([command(&["MULTI"]), command(&["MULTI"])].concat());
    files.push([command(&["MULTI"]), set.clone()].concat());
    for file in &files {
        same(file, &[], "", &theirs);
        same(file, &["--fix"], "y\n", &theirs);
        same(file, &["--fix"], "n\n", &theirs);
        for time in ["500", "1000", "1500", "2000", "x"] {
            same(file, &["--truncate-to-timestamp", time], "", &theirs);
        }
    }
}

#[test]
fn sets_with_a_manifest_are_judged_as_by_redis() {
    let Some(theirs) = theirs("redis-check-aof") else {
        return;
    };
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-checksum", "no"];
        let server = Daemon::start(&[&args[..], &["--aof-use-rdb-preamble", preamble]].concat());
        let mut c = server.connect();
        c.ask("SET a 1");
        c.ask("BGREWRITEAOF");
        server.wait_for_log("Background AOF rewrite finished successfully");
        c.ask("SET b 2");
        let manifest = server
            .folder()
            .join("appendonlydir/appendonly.aof.manifest");
        let judged = |program: &Path, words: &[&str]| {
            let out = Command::new(program)
                .args(words)
                .arg(&manifest)
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&out.stdout).into_owned();
            // For damage russet names a command that keeps the files. Redis continues its count
            // from file to file.
            let lines = said
                .lines()
                .filter(|line| !line.starts_with("--fix would cut") && !line.contains(" restore "))
                .map(|line| match line.split_once(", ok_up_to_line=") {
                    Some((before, _)) => before.to_owned(),
                    None => line.to_owned(),
                });
            (lines.collect::<Vec<String>>(), out.status.code())
        };
        let both = || (judged(&russet(), &["check-aof"]), judged(&theirs, &[]));
        let (ours, wanted) = both();
        assert_eq!(ours, wanted);
        let incr = server
            .folder()
            .join("appendonlydir/appendonly.aof.2.incr.aof");
        let bytes = fs::read(&incr).expect("a file");
        fs::write(&incr, &bytes[..bytes.len() - 3]).expect("written");
        let (ours, wanted) = both();
        assert_eq!(ours, wanted);
        fs::remove_file(&incr).expect("it goes");
        let ((_, ours), (_, wanted)) = both();
        assert_eq!((ours, wanted), (Some(1), Some(1)));
    }
}

/// The report lines that both tools print, without two facts: the offset of a fault, which Redis
/// reports later, and the type, which Redis reports as 0 until it has read a type.
fn facts(text: &str) -> Vec<&str> {
    let kept = |line: &&str| {
        if line.contains("Reading type 0 (string)") {
            return false;
        }
        ["[info]", "[additional info]", "---"]
            .iter()
            .any(|head| line.starts_with(head))
            || line.contains("AUX FIELD")
            || line.contains("Selecting DB")
            || line.contains("Checking RDB")
    };
    text.lines().filter(kept).collect()
}

#[test]
fn snapshots_are_judged_as_by_redis() {
    let (Some(theirs), Some(server)) = (
        theirs("redis-check-rdb"),
        Peer::Redis8.program_for("the checks of files"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.rdb");
    let check = |program: &Path, words: &[&str], bytes: &[u8]| {
        let checked = run(program, words, &file, bytes, "");
        (checked.said, checked.code)
    };
    for (program, checksum) in [(&russet(), "yes"), (&server, "yes"), (&server, "no")] {
        let server = Daemon::start_program(program, &["--rdbchecksum", checksum]);
        let mut c = server.connect();
        for line in [
            "SET text hello",
            "SET gone x PX 1",
            "SET later x EX 10000",
            "RPUSH list a b c",
            "HSET hash f v",
            "HSET fields f v g w",
            "HEXPIRE fields 10000 FIELDS 1 f",
            "SADD set a b",
            "ZADD zset 1 a",
            "XADD stream 1-1 a b",
            "SELECT 3",
            "SET other 1",
        ] {
            assert!(!c.ask(line).starts_with('-'), "{line}");
        }
        assert_eq!(c.ask("SAVE"), "+OK\r\n");
        let bytes = fs::read(server.folder().join("dump.rdb")).expect("a file");
        assert_eq!(
            check(&russet(), &["check-rdb"], &bytes),
            check(&theirs, &[], &bytes)
        );
        for len in (0..bytes.len()).step_by(7) {
            let (ours, wanted) = (
                check(&russet(), &["check-rdb"], &bytes[..len]),
                check(&theirs, &[], &bytes[..len]),
            );
            assert_eq!(facts(&ours.0), facts(&wanted.0), "{len} bytes");
            assert_eq!(ours.1, wanted.1, "{len} bytes");
        }
        let mut random = Random::new(5);
        for _ in 0..40 {
            let mut bytes = bytes.clone();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            let ours = check(&russet(), &["check-rdb"], &bytes);
            let wanted = check(&theirs, &[], &bytes);
            // A stricter reader may find faults that Redis ignores without a checksum.
            assert!(
                ours.1 == wanted.1 || checksum == "no" && ours.1 == Some(1),
                "{at}: {ours:?} {wanted:?}"
            );
        }
    }
}

#[test]
fn values_of_newer_servers_are_named_with_their_types() {
    let text = include_str!("../data/redis-8.10-payloads.txt");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("newer.rdb");
    let check = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let hex = line.and_then(|line| line.rsplit(" | ").next());
        let hex = hex.expect("it is listed");
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
        run(&russet(), &["check-rdb"], &file, &bytes, "")
    };
    let whole = check("rdb-1");
    assert!(
        whole.said.contains("[offset 346] Checksum OK"),
        "{}",
        whole.said
    );
    assert!(whole.said.contains("[info] 5 keys read"), "{}", whole.said);
    assert_eq!(whole.code, Some(0));
    let vectors = check("rdb-2");
    assert!(
        vectors.said.contains("[info] 8 keys read"),
        "{}",
        vectors.said
    );
    assert_eq!(vectors.code, Some(0));
}
