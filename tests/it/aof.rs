//! The append only file: acknowledged writes survive a crash, and real servers read russet's files.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::daemon::russet;
use crate::support::once::run_once;
use crate::support::wait::SetOnDrop;
use crate::support::{Connection, Daemon, Reply, peers::Peer, wait_until};

const ON: &[&str] = &["--appendonly", "yes"];

/// The current incremental file of a server in `folder`.
fn incr(folder: &Path) -> PathBuf {
    let dir = folder.join("appendonlydir");
    let manifest = fs::read_to_string(dir.join("appendonly.aof.manifest")).expect("a manifest");
    let last = manifest.lines().last().expect("a line");
    dir.join(last.split(' ').nth(1).expect("a name"))
}

/// Writes of every type, with expiries, databases and transactions.
fn write_some(server: &Daemon) {
    let mut c = server.connect();
    for line in [
        "SET a 1",
        "INCRBYFLOAT a 1.5",
        "SET gone x PX 1",
        "SET later x EX 10000",
        "RPUSH l a b c",
        "LPOP l",
        "SADD s 1 2 3 x",
        "SPOP s",
        "ZADD z 1 a 2 b",
        "HSET h f v g w",
        "MULTI",
        "SET m 1",
        "SELECT 3",
        "SET m 2",
        "EXEC",
        "SETRANGE long 100000 x",
    ] {
        let answer = c.ask(line);
        assert!(!answer.starts_with('-'), "{line}: {answer}");
    }
}

fn digest(server: &Daemon) -> String {
    // Due keys must expire before the digest.
    let mut c = server.connect();
    wait_until("a key to expire", || c.ask("GET gone") == "$-1\r\n");
    server.connect().ask("DEBUG DIGEST")
}

/// The loop hands the bytes of a huge string to the thread that writes a base of commands. That
/// thread includes the bytes in the checksum.
#[test]
fn a_base_of_commands_with_huge_strings_is_whole() {
    for (checksum, method) in [("yes", "loop"), ("no", "loop"), ("yes", "fork")] {
        let mut args = vec!["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
        args.extend(["--aof-checksum", checksum, "--snapshot-method", method]);
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        let huge: Vec<u8> = (0..5 << 20).map(|at: u32| (at / 255 + at) as u8).collect();
        for key in ["first", "second"] {
            assert_eq!(c.call(&[&b"SET"[..], key.as_bytes(), &huge]), b"+OK\r\n");
            c.ask(&format!("SET {key}:small x"));
        }
        c.ask("PEXPIRE second 100000000");
        let before = c.ask("DEBUG DIGEST");
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        assert_eq!(c.ask("SET first meanwhile"), "+OK\r\n");
        c.call(&[&b"SET"[..], b"first", &huge]);
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        let status = server.info("aof_last_bgrewrite_status");
        assert_eq!(status.as_deref(), Some("ok"), "{method}");
        server.kill();
        let manifest = "appendonlydir/appendonly.aof.manifest";
        let judged = run_once(server.folder(), &["check-aof", manifest], b"");
        assert_eq!(judged.code, Some(0), "{}{}", judged.out, judged.err);
        server.restart();
        assert_eq!(server.connect().ask("DEBUG DIGEST"), before, "{method}");
        let ttl = server.connect().ask("PTTL second");
        assert!(ttl.starts_with(":99") || ttl.starts_with(":100"), "{ttl}");
    }
}

#[test]
fn what_was_done_is_there_after_a_kill() {
    for policy in ["always", "everysec", "no"] {
        let args = ["--appendonly", "yes", "--appendfsync", policy];
        let mut server = Daemon::start(&args);
        write_some(&server);
        server.connect().ask("HEXPIRE h 10000 FIELDS 1 f");
        let before = digest(&server);
        for _ in 0..2 {
            server.kill();
            server.restart();
            assert_eq!(digest(&server), before, "{policy}");
        }
        assert_eq!(server.connect().ask("DEBUG LOADAOF"), "+OK\r\n");
        assert_eq!(digest(&server), before);
        assert_eq!(server.info("aof_enabled").as_deref(), Some("1"));
        assert_eq!(server.info("aof_last_write_status").as_deref(), Some("ok"));
    }
}

/// The configuration turns the log on, as packages do it, where only a snapshot exists.
#[test]
fn a_snapshot_is_the_beginning_of_the_first_append_only_file() {
    let mut server = Daemon::start(&["--save", ""]);
    let mut client = server.connect();
    client.ask("SET old 1");
    client.ask("SET old 2");
    assert_eq!(client.ask("SAVE"), "+OK\r\n");
    server.kill();
    let snapshot = server.folder().join("dump.rdb");
    let saved = fs::read(&snapshot).expect("a snapshot");

    let args = [
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ];
    server.set_args(&args.map(str::to_owned));
    server.restart();
    server.wait_for_log("is loaded and becomes its base");
    let mut client = server.connect();
    assert_eq!(client.ask("GET old"), "$1\r\n2\r\n");
    assert_eq!(client.ask("SET new 3"), "+OK\r\n");
    server.kill();
    // From now on the append only files need no snapshot.
    fs::remove_file(&snapshot).expect("a snapshot");
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.ask("MGET old new"), "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");

    // A damaged snapshot makes the start fail, and the start leaves no append only files.
    server.kill();
    fs::remove_dir_all(server.folder().join("appendonlydir")).expect("the set");
    fs::write(&snapshot, &saved[..saved.len() / 2]).expect("half a snapshot");
    let port = server.port().to_string();
    let args = ["--port", &port, "--appendonly", "yes"];
    assert_eq!(run_once(server.folder(), &args, b"").code, Some(1));
    assert!(!server.folder().join("appendonlydir").exists());
}

#[test]
fn a_torn_end_is_cut_off_once() {
    let mut server = Daemon::start(ON);
    let mut c = server.connect();
    c.ask("SET a 1");
    c.ask("SET b 2");
    server.kill();
    let path = incr(server.folder());
    let bytes = fs::read(&path).expect("the file");
    let at = bytes
        .windows(5)
        .rposition(|w| w == b"SET\r\n")
        .expect("a SET");
    fs::write(&path, &bytes[..at + 9]).expect("written");
    server.restart();
    assert_eq!(server.connect().ask("GET a"), "$1\r\n1\r\n");
    assert_eq!(server.connect().ask("GET b"), "$-1\r\n");
    assert!(
        server
            .log()
            .contains("loaded anyway because aof-load-truncated is enabled")
    );
    server.connect().ask("SET b 3");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET b"), "$1\r\n3\r\n");
    assert_eq!(server.log().matches("Truncating the AOF").count(), 1);
}

/// Redis loads most files with one changed bit without an error.
#[test]
fn damage_in_the_middle_stops_the_start_and_is_named() {
    let mut server = Daemon::start(ON);
    let mut c = server.connect();
    for i in 0..5 {
        c.ask(&format!("SET key{i} some-value-{i}"));
    }
    server.terminate();
    let path = incr(server.folder());
    let bytes = fs::read(&path).expect("the file");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("appendonlydir");
    fs::create_dir(&dir).expect("made");
    let name = path.file_name().expect("a name");
    for found in fs::read_dir(path.parent().expect("a folder")).expect("listed") {
        let from = found.expect("an entry").path();
        fs::copy(&from, dir.join(from.file_name().expect("a name"))).expect("copied");
    }
    let at = bytes
        .windows(12)
        .position(|w| w == b"some-value-2")
        .expect("it");
    // Damage in a value, and in a length, so that the length takes in the bytes after the value.
    for (at, byte) in [(at, b'S'), (at - 3, b'9')] {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        fs::write(dir.join(name), bytes).expect("written");
        let args = [
            "--port",
            "0",
            "--unixsocket",
            "socket",
            "--appendonly",
            "yes",
        ];
        let ended = run_once(folder.path(), &args, b"");
        assert_eq!(ended.code, Some(1), "{}", ended.out);
        let last = ended.out.lines().last().unwrap_or_default();
        assert!(
            last.contains("Bad file format reading the append only file"),
            "{last}"
        );
        assert!(ended.out.contains("offset"), "{}", ended.out);
        // The command in the message keeps the files and restores the data before the damage.
        let (_, command) = last
            .split_once("keep these files: russet ")
            .expect("a command");
        let target = tempfile::tempdir().expect("a folder");
        let new = target.path().join("new");
        let command = command.replace("NEWFOLDER", new.to_str().expect("UTF-8"));
        let checked = Command::new(russet())
            .args(["check-aof"])
            .arg(&dir)
            .output();
        let checked = checked.expect("it runs");
        let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(
            checked.contains("Start checking Multi Part AOF"),
            "{checked}"
        );
        assert!(checked.contains("russet restore --from "), "{checked}");
        let restored = Command::new(russet()).args(command.split(' ')).status();
        assert!(restored.expect("it runs").success(), "{command}");
        let server = Daemon::start(&["--appendonly", "yes", "--dir", new.to_str().expect("UTF-8")]);
        assert!(server.connect().ask("DBSIZE") != ":0\r\n");
    }
}

#[test]
fn real_servers_load_what_is_written_here() {
    for peer in [Peer::Redis7, Peer::Redis8, Peer::Valkey9] {
        let Some(program) = peer.program_for("loading russet's append only file") else {
            continue;
        };
        // Redis 7.0 reads no base of a later RDB version.
        let mut server = Daemon::start(&["--appendonly", "yes", "--rdb-version", "10"]);
        write_some(&server);
        if peer != Peer::Redis7 {
            server.connect().ask("HEXPIRE h 10000 FIELDS 1 f");
        }
        let before = digest(&server);
        server.terminate();
        let folder = copy_set(&server);
        let args: &[&str] = &["--appendonly", "yes"];
        let theirs = Daemon::start_in(&program, args, folder);
        if peer == Peer::Redis8 {
            assert_eq!(digest(&theirs), before);
        }
        assert_eq!(theirs.connect().ask("GET a"), "$3\r\n2.5\r\n", "{peer:?}");
        assert_eq!(theirs.connect().ask("LRANGE l 0 0"), "*1\r\n$1\r\nb\r\n");
    }
}

/// A copy of a server's append only files in a folder of its own.
fn copy_set(server: &Daemon) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("russet-test-")
        .tempdir()
        .expect("a folder");
    let dir = folder.path().join("appendonlydir");
    fs::create_dir(&dir).expect("made");
    for found in fs::read_dir(server.folder().join("appendonlydir")).expect("listed") {
        let from = found.expect("an entry").path();
        fs::copy(&from, dir.join(from.file_name().expect("a name"))).expect("copied");
    }
    folder
}

#[test]
fn waitaof_waits_for_the_disk() {
    let server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut c = server.connect();
    c.ask("SET a 1");
    assert_eq!(c.ask("WAITAOF 1 0 0"), "*2\r\n:1\r\n:0\r\n");
    c.ask("CONFIG SET appendfsync everysec");
    c.ask("SET a 2");
    assert_eq!(c.ask("WAITAOF 1 0 5000"), "*2\r\n:1\r\n:0\r\n");
    c.ask("CONFIG SET appendfsync no");
    c.ask("SET a 3");
    assert_eq!(c.ask("WAITAOF 1 0 10"), "*2\r\n:0\r\n:0\r\n");
}

#[test]
fn waits_for_the_append_only_file_end_when_it_is_switched_off() {
    let server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let mut waiting: Vec<_> = ["WAITAOF 1 0 0", "WAITAOF 1 1 0", "WAITAOF 0 1 0"]
        .iter()
        .map(|line| {
            let mut c = server.connect();
            c.ask("SET k v");
            c.send(format!("{line}\r\nPING\r\n").as_bytes());
            c
        })
        .collect();
    wait_until("all wait", || {
        server.info("blocked_clients").as_deref() == Some("3")
    });
    assert_eq!(server.connect().ask("CONFIG SET appendonly no"), "+OK\r\n");
    let refused =
        b"-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n";
    for c in &mut waiting[..2] {
        assert_eq!(c.reply(), refused);
        assert_eq!(c.reply(), b"+PONG\r\n");
    }
    // The client still waits for replicas, and the server has none.
    assert_eq!(server.info("blocked_clients").as_deref(), Some("1"));
}

/// The number of times a server is killed: `RUSSET_CRASH_CYCLES`, or a few.
fn crash_cycles() -> u64 {
    let set = std::env::var("RUSSET_CRASH_CYCLES").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(50)
}

/// Pushes numbers to a list until the server is gone; returns how many were acknowledged.
fn push_until_killed(port: u16, list: usize, from: u64) -> u64 {
    let mut acknowledged = from;
    let Ok(mut c) = Connection::open(port) else {
        return acknowledged;
    };
    loop {
        let line = format!("RPUSH log{list} {acknowledged}\r\n");
        if c.write(line.as_bytes()).is_err() {
            return acknowledged;
        }
        match c.read() {
            Ok((_, Reply::Integer(_))) => acknowledged += 1,
            Ok((raw, _)) => panic!("{}", String::from_utf8_lossy(&raw)),
            Err(_) => return acknowledged,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    const WRITERS: usize = 4;
    let mut server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut lens = [0; WRITERS];
    for cycle in 0..crash_cycles() {
        let port = server.port();
        let writers: Vec<_> = (0..WRITERS)
            .map(|list| {
                let from = lens[list];
                std::thread::spawn(move || push_until_killed(port, list, from))
            })
            .collect();
        if cycle % 3 == 1 {
            server.connect().ask("BGREWRITEAOF");
        }
        // A different moment in each cycle: from at once to a few hundred writes later.
        std::thread::sleep(Duration::from_millis(cycle * 37 % 90));
        server.kill();
        let acknowledged = writers.into_iter().map(|w| w.join().expect("a count"));
        let acknowledged: Vec<u64> = acknowledged.collect();
        server.restart();
        let mut c = server.connect();
        for (list, acknowledged) in acknowledged.into_iter().enumerate() {
            let Reply::Array(items) = c.value(&format!("LRANGE log{list} 0 -1")) else {
                panic!("no list");
            };
            let numbers = items.iter().filter_map(Reply::text);
            let in_order = numbers
                .zip(0u64..)
                .all(|(text, n)| text == n.to_string().as_bytes());
            assert!(in_order, "cycle {cycle}: log{list} has a hole");
            let len = items.len() as u64;
            // The write in progress when the server was killed may be there or not.
            assert!(
                len == acknowledged || len == acknowledged + 1,
                "cycle {cycle}: {len} of log{list} are there, {acknowledged} were acknowledged"
            );
            lens[list] = len;
        }
    }
}

#[test]
fn files_of_real_servers_are_loaded_and_gone_on_with() {
    for peer in [Peer::Redis7, Peer::Redis8] {
        let Some(program) = peer.program_for("loading its append only file") else {
            continue;
        };
        for preamble in ["yes", "no"] {
            let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
            let mut theirs = Daemon::start_program(&program, &args);
            let mut c = theirs.connect();
            c.ask("SET a 1");
            c.ask("RPUSH l x y z");
            c.ask("BGREWRITEAOF");
            wait_until("the rewrite to end", || {
                theirs.info("aof_rewrite_in_progress").as_deref() == Some("0")
                    && theirs.info("aof_rewrite_scheduled").as_deref() == Some("0")
            });
            c.ask("SET b 2 EX 10000");
            c.ask("LPOP l");
            let before = digest(&theirs);
            theirs.terminate();
            let mut ours = Daemon::start_in(&russet(), &args, copy_set(&theirs));
            if peer == Peer::Redis8 {
                assert_eq!(digest(&ours), before, "preamble {preamble}");
            }
            assert_eq!(
                ours.connect().ask("LRANGE l 0 -1"),
                "*2\r\n$1\r\ny\r\n$1\r\nz\r\n"
            );
            // The real server continues with russet's writes, and russet with those of the real
            // server.
            ours.connect().ask("SET c 3");
            ours.terminate();
            let mut again = Daemon::start_in(&program, &args, copy_set(&ours));
            assert_eq!(
                again.connect().ask("MGET a c"),
                "*2\r\n$1\r\n1\r\n$1\r\n3\r\n"
            );
            again.connect().ask("SET d 4");
            again.terminate();
            let last = Daemon::start_in(&russet(), &args, copy_set(&again));
            assert_eq!(
                last.connect().ask("MGET c d"),
                "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"
            );
        }
    }
}

/// Flips a bit in the middle of the newest file of a set with this ending.
fn damage(server: &Daemon, ending: &str) -> String {
    let dir = server.folder().join("appendonlydir");
    let entries = fs::read_dir(dir).expect("listed");
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    let path = paths.pop().expect("a file");
    let at = fs::metadata(&path).expect("a file").len() / 2;
    let file = fs::OpenOptions::new().read(true).write(true).open(&path);
    let file = file.expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// Reads the files again and waits for the end; returns the number of damaged files.
fn counted(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field).expect("a field");
    text.parse().expect("a number")
}

fn scrub(server: &Daemon) -> String {
    let done = counted(server, "aof_scrubs");
    assert_eq!(server.connect().ask("DEBUG AOF-SCRUB"), "+OK\r\n");
    wait_until("the files to be read", || {
        counted(server, "aof_scrubs") > done
    });
    server.info("aof_damaged_files").expect("a field")
}

/// A rewrite, from its request to its end. A rewrite that already runs may end before this rewrite
/// begins.
fn rewrite(server: &Daemon) {
    let done = counted(server, "aof_rewrites");
    server.connect().ask("BGREWRITEAOF");
    wait_until("the rewrite to end", || {
        counted(server, "aof_rewrites") > done && counted(server, "aof_rewrite_in_progress") == 0
    });
}

#[test]
fn damage_is_found_while_the_server_runs() {
    for preamble in ["yes", "no"] {
        let server = Daemon::start(&[
            "--appendonly",
            "yes",
            "--aof-use-rdb-preamble",
            preamble,
            "--aof-scrub-hours",
            "1",
        ]);
        let mut c = server.connect();
        for i in 0..500 {
            c.ask(&format!("SET key:{i} value:{i}"));
        }
        rewrite(&server);
        for i in 0..500 {
            c.ask(&format!("RPUSH list value:{i}"));
        }
        assert_eq!(scrub(&server), "0");
        assert_eq!(server.info("aof_first_damage"), None);
        let base = match preamble {
            "yes" => ".base.rdb",
            _ => ".base.aof",
        };
        for ending in [base, ".incr.aof"] {
            let name = damage(&server, ending);
            assert_eq!(scrub(&server), "1", "{name}");
            let first = server.info("aof_first_damage").expect("it is reported");
            assert!(first.starts_with(&format!("{name}, offset ")), "{first}");
            server.wait_for_log(&format!("The append only file is damaged: {name}, offset "));
            let port = server.port().to_string();
            let reported = run_once(server.folder(), &["doctor", "-p", &port], b"");
            assert!(reported.out.contains(&name), "{}", reported.out);
            assert_eq!(reported.code, Some(1));
            rewrite(&server);
            wait_until("the damage to be forgotten", || {
                server.info("aof_damaged_files").as_deref() == Some("0")
            });
            assert_eq!(scrub(&server), "0");
            for i in 0..100 {
                c.ask(&format!("RPUSH list value:{i}"));
            }
        }
        let manifest = server
            .folder()
            .join("appendonlydir/appendonly.aof.manifest");
        fs::remove_file(manifest).expect("removed");
        assert_eq!(scrub(&server), "1");
        let first = server.info("aof_first_damage").expect("it is reported");
        assert!(first.starts_with("appendonly.aof.manifest"), "{first}");
        // A rewrite writes a new manifest and new files.
        rewrite(&server);
        wait_until("the damage to be forgotten", || {
            server.info("aof_damaged_files").as_deref() == Some("0")
        });
        assert_eq!(scrub(&server), "0");
    }
    let without = Daemon::start(&[]);
    let refused = without.connect().ask("DEBUG AOF-SCRUB");
    assert_eq!(refused, "-ERR there is no append only file\r\n");
}

#[test]
fn files_that_are_written_and_rewritten_are_not_reported() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = SetOnDrop(&stop);
        for writer in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut c = server.connect();
                let text = "x".repeat(3000);
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    i += 1;
                    let lines = format!(
                        "SET {writer}:{} {text}\r\nMULTI\r\nRPUSH l{writer} {i}\r\nLTRIM l{writer} -50 -1\r\nEXEC\r\n",
                        i % 500
                    );
                    c.send(lines.repeat(20).as_bytes());
                    for _ in 0..100 {
                        c.reply();
                    }
                }
            });
        }
        for round in 0..12 {
            if round % 3 == 0 {
                rewrite(&server);
            } else {
                server.connect().ask("BGREWRITEAOF");
            }
            assert_eq!(scrub(&server), "0");
        }
    });
    assert!(!server.log().contains("is damaged"), "{}", server.log());
}

/// The folder gets another name while the server reads its files: the server finds the other files
/// there and misses none.
#[test]
fn a_folder_that_is_renamed_during_a_pass_is_not_reported() {
    let server = Daemon::start(&[
        "--appendonly",
        "yes",
        "--rdbcompression",
        "no",
        "--enable-protected-configs",
        "yes",
    ]);
    let mut c = server.connect();
    let [one, two] = ["one", "two"].map(|name| server.folder().join(name));
    fs::create_dir(&one).expect("made");
    let set_dir = format!("CONFIG SET dir {}", one.display());
    assert_eq!(c.ask(&set_dir), "+OK\r\n");
    // The rewrite makes files there that take two seconds to read.
    assert_eq!(c.ask("DEBUG POPULATE 70 key 1000000"), "+OK\r\n");
    rewrite(&server);
    c.ask("SET more data");
    assert_eq!(c.ask("DEBUG AOF-SCRUB"), "+OK\r\n");
    wait_until("the pass to begin", || {
        server.info("aof_scrub_in_progress").as_deref() == Some("1")
    });
    // The folder is the server's working folder, so the settings lead to its new name.
    fs::rename(&one, &two).expect("renamed");
    wait_until("the files to be read", || {
        server.info("aof_scrubs").as_deref() == Some("1")
    });
    assert_eq!(server.info("aof_damaged_files").as_deref(), Some("0"));
    // Read the files again, under the new name of the folder.
    assert_eq!(scrub(&server), "0");
    assert!(!server.log().contains("is damaged"), "{}", server.log());
}

/// A folder with files but without their manifest: the server overwrites no file, and logs how to
/// get the data back.
#[test]
fn files_without_their_manifest_are_not_written_over() {
    let mut server = Daemon::start(ON);
    write_some(&server);
    let before_kill = digest(&server);
    server.kill();
    let dir = server.folder().join("appendonlydir");
    let manifest = dir.join("appendonly.aof.manifest");
    fs::remove_file(&manifest).expect("removed");
    let contents = || {
        let files = fs::read_dir(&dir).expect("a folder");
        let paths = files.map(|file| file.expect("a file").path());
        let mut all: Vec<(PathBuf, Vec<u8>)> = paths
            .map(|path| (path.clone(), fs::read(path).expect("a file")))
            .collect();
        all.sort();
        all
    };
    let before = contents();
    let ended = run_once(
        server.folder(),
        &["--port", "0", "--unixsocket", "s", "--appendonly", "yes"],
        b"",
    );
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = ended.out + &ended.err;
    let line = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    assert!(said.contains(" appendonly.aof.1.incr.aof ("), "{said}");
    assert!(said.contains(line), "{said}");
    assert!(said.contains("russet check-aof "), "{said}");
    assert_eq!(contents(), before);

    // With `appendonly no` the log names the amount of data, and neither CONFIG SET nor a rewrite
    // touches the files.
    let other = TempDir::new().expect("a folder");
    let copy = other.path().join("appendonlydir");
    fs::create_dir(&copy).expect("made");
    for (path, bytes) in &before {
        let name = path.file_name().expect("a name");
        fs::write(copy.join(name), bytes).expect("written");
    }
    let without = Daemon::start_in(&russet(), &[], other);
    let bytes = before.iter().map(|(_, bytes)| bytes.len());
    let incr_bytes = bytes.max().expect("files");
    without.wait_for_log(&format!("1 files, {incr_bytes} bytes. They are not loaded"));
    let mut c = without.connect();
    let found = c.ask("INFO findings");
    let wanted = "appendonlydir' has data that the start did not load: 1 files";
    assert!(found.contains(wanted), "{found}");
    let refused = c.ask("CONFIG SET appendonly yes");
    assert!(refused.contains("Unable to turn on AOF"), "{refused}");
    let copied = copy.join("appendonly.aof.1.incr.aof");
    let kept = fs::metadata(copied).expect("it is there").len();
    assert_eq!(kept, incr_bytes as u64);

    let base = "file appendonly.aof.1.base.rdb seq 1 type b\n";
    fs::write(&manifest, format!("{base}{line}")).expect("written");
    server.restart();
    assert_eq!(digest(&server), before_kill);
}
