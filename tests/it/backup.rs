//! Backups and restores as operators make them: back up a running server, start a server on the
//! copy, restore a moment, move to another server and back.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::daemon::russet;
use crate::support::once::run_once;
use crate::support::{Connection, Daemon, Reply, peers::Peer, wait_until};

const AOF: &[&str] = &["--appendonly", "yes"];

/// Runs BACKUP CREATE and returns the backup's folder.
fn create(server: &Daemon, line: &str) -> PathBuf {
    match server.connect().value(line) {
        Reply::Bulk(path) => PathBuf::from(String::from_utf8(path).expect("UTF-8")),
        other => panic!("{line}: {other:?}"),
    }
}

/// A copy of all files below `from`, in a folder of its own.
fn copied(from: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).expect("listed") {
            let entry = entry.expect("an entry");
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                fs::create_dir(&to).expect("made");
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    copy(from, folder.path());
    folder
}

#[test]
fn a_set_is_sealed_while_the_server_writes_on() {
    let mut server = Daemon::start(AOF);
    let mut c = server.connect();
    c.ask("SET a 1");
    let first = create(&server, "BACKUP CREATE first");
    c.ask("SET a 2");
    assert_eq!(
        c.ask("BGREWRITEAOF"),
        "+Background append only file rewriting started\r\n"
    );
    c.ask("SET b 1");
    // The rewrite may still run, or have ended.
    let second = create(&server, "BACKUP CREATE");
    c.ask("SET a 3");
    wait_until("the rewrite to end", || {
        server.info("aof_rewrite_in_progress").as_deref() == Some("0")
    });
    c.ask("SET a 4");
    assert!(first.ends_with("backupdir/first"), "{}", first.display());
    for (set, a, b) in [(&first, "1", "$-1\r\n"), (&second, "2", "$1\r\n1\r\n")] {
        // A server that starts on the backup itself: its writes change neither the backup nor the
        // source.
        for _ in 0..2 {
            let args = ["--appendonly", "yes", "--dir", set.to_str().expect("UTF-8")];
            let on_it = Daemon::start(&args);
            let mut c = on_it.connect();
            assert_eq!(c.ask("GET a"), format!("$1\r\n{a}\r\n"));
            assert_eq!(c.ask("GET b"), b);
            c.ask("SET other 1");
            c.ask("DEL other");
        }
    }
    server.kill();
    server.restart();
    let mut c = server.connect();
    assert_eq!(
        c.ask("MGET a b other"),
        "*3\r\n$1\r\n4\r\n$1\r\n1\r\n$-1\r\n"
    );
    let list = c.ask("BACKUP LIST");
    assert!(
        list.starts_with("*2\r\n") && list.contains("first"),
        "{list}"
    );
    assert_eq!(
        c.ask("BACKUP CREATE first"),
        "-ERR A backup of this name exists\r\n"
    );
    assert_eq!(c.ask("BACKUP DROP first"), "+OK\r\n");
    assert_eq!(c.ask("BACKUP DROP first"), "-ERR No such backup\r\n");
    wait_until("the files to go", || {
        let left = fs::read_dir(first.parent().expect("a folder")).expect("listed");
        left.count() == 1
    });
    assert!(c.ask("BACKUP LIST").starts_with("*1\r\n"));
    for name in ["..", ".x", "a/b", "x.part.part", ""] {
        let answer = c.call(&[&b"BACKUP"[..], b"DROP", name.as_bytes()]);
        assert!(answer.starts_with(b"-ERR A backup's name"), "{name}");
    }
}

#[test]
fn without_an_append_only_file_a_snapshot_is_saved_for_it() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("SET a 1");
    c.ask("DEBUG POPULATE 10000");
    let set = create(&server, "BACKUP CREATE x");
    c.ask("SET a 2");
    c.ask("SAVE");
    let folder = copied(&set);
    let again = Daemon::start_in(&russet(), &[], folder);
    assert_eq!(again.connect().ask("GET a"), "$1\r\n1\r\n");
    assert_eq!(again.connect().ask("DBSIZE"), ":10001\r\n");
    // A backup whose snapshot is cancelled fails with an error.
    c.ask("CONFIG SET rdb-key-save-delay 1000");
    let mut waiting = server.connect();
    waiting.send(b"BACKUP CREATE y\r\n");
    wait_until("the save to begin", || {
        server.info("rdb_bgsave_in_progress").as_deref() == Some("1")
    });
    let busy = "-ERR A backup is being made already\r\n";
    assert_eq!(c.ask("BACKUP CREATE z"), busy);
    // BACKUP DROP refuses a backup that is not complete yet.
    let making = "-ERR The backup is still being made\r\n";
    assert_eq!(c.ask("BACKUP DROP y"), making);
    assert_eq!(c.ask("BACKUP DROP y.part"), making);
    c.ask("BGSAVE CANCEL");
    let reported = String::from_utf8(waiting.reply()).expect("text");
    assert_eq!(
        reported,
        "-ERR The backup failed: the snapshot was given up\r\n"
    );
    assert!(c.ask("BACKUP LIST").starts_with("*1\r\n"));
}

/// The link leads to the saved file, even after `dbfilename` has changed.
#[test]
fn a_backup_has_the_snapshot_that_was_made_for_it() {
    let server = Daemon::start(&["--enable-protected-configs", "yes"]);
    let mut c = server.connect();
    c.ask("DEBUG POPULATE 10");
    c.ask("CONFIG SET dbfilename other.rdb");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    c.ask("CONFIG SET dbfilename dump.rdb");
    c.ask("DEBUG POPULATE 300");
    c.ask("CONFIG SET rdb-key-save-delay 2000");
    let mut waiting = server.connect();
    waiting.send(b"BACKUP CREATE x\r\n");
    wait_until("the save to begin", || {
        server.info("rdb_bgsave_in_progress").as_deref() == Some("1")
    });
    c.ask("CONFIG SET dbfilename other.rdb");
    c.ask("CONFIG SET rdb-key-save-delay 0");
    let reported = String::from_utf8(waiting.reply()).expect("text");
    assert!(reported.starts_with('$'), "{reported}");
    let folder = copied(&server.folder().join("backupdir/x"));
    let again = Daemon::start_in(&russet(), &[], folder);
    assert_eq!(again.connect().ask("DBSIZE"), ":300\r\n");
}

/// A failed backup leaves no folder, and BACKUP DROP removes a backup that a crash left unfinished.
#[test]
fn a_backup_that_failed_leaves_nothing() {
    let server = Daemon::start(AOF);
    let mut c = server.connect();
    c.ask("SET a 1");
    // A file of the set is missing: it cannot be linked.
    fs::remove_file(incr_of(&server)).expect("it was there");
    let reported = c.ask("BACKUP CREATE x");
    assert!(
        reported.starts_with("-ERR The backup failed: "),
        "{reported}"
    );
    assert_eq!(c.ask("BACKUP LIST"), "*0\r\n");
    fs::create_dir(server.folder().join("backupdir/old.part")).expect("made");
    assert!(c.ask("BACKUP LIST").contains("unfinished"));
    assert_eq!(c.ask("BACKUP DROP old.part"), "+OK\r\n");
    assert_eq!(c.ask("BACKUP LIST"), "*0\r\n");
    assert_eq!(c.ask("BACKUP DROP old.part"), "-ERR No such backup\r\n");
}

fn incr_of(server: &Daemon) -> PathBuf {
    let folder = server.folder().join("appendonlydir");
    folder.join("appendonly.aof.1.incr.aof")
}

/// Runs `russet restore` on a server's files; returns its output and the new folder.
fn restore(server: &Daemon, until: &[&str]) -> (String, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("restored");
    let to = to.to_str().expect("UTF-8");
    let mut args = vec!["restore"];
    args.extend(until);
    args.extend(["--to", to]);
    let ended = run_once(server.folder(), &args, b"");
    (ended.out + &ended.err, folder)
}

#[test]
fn a_set_is_restored_as_it_was_at_a_moment() {
    let mut server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut c = server.connect();
    let second = |c: &mut crate::support::Connection| match c.value("TIME") {
        Reply::Array(parts) => {
            let text = String::from_utf8(parts[0].text().expect("text").to_vec());
            text.expect("digits").parse::<u64>().expect("a number")
        }
        other => panic!("{other:?}"),
    };
    c.ask("SET a 1");
    let offset = server.info("master_repl_offset").expect("a count");
    let moment = second(&mut c);
    wait_until("another second", || second(&mut c) > moment);
    c.ask("MULTI");
    c.ask("SET a 2");
    c.ask("SET b 2");
    c.ask("EXEC");
    // BACKUP CREATE begins the next file, so the moment is before that file.
    create(&server, "BACKUP CREATE");
    c.ask("SET a 3");
    server.kill();
    let incr = server
        .folder()
        .join("appendonlydir/appendonly.aof.1.incr.aof");
    let bytes = fs::read(&incr).expect("the file");
    // A moment inside the transaction: the restore leaves out the whole transaction.
    let inside = bytes.windows(4).rposition(|w| w == b"EXEC").expect("it");
    let place = format!("appendonly.aof.1.incr.aof:{inside}");
    let offset = format!("offset:{offset}");
    for (until, a) in [
        (&["--until", &*moment.to_string()][..], "1"),
        (&["--until", &offset], "1"),
        (&["--until", &place], "1"),
        (&["--until", "2100-01-01T00:00:00Z"], "3"),
        (&[], "3"),
    ] {
        let (said, folder) = restore(&server, until);
        assert!(said.contains("Restored to"), "{until:?}: {said}");
        let dir = folder.path().join("restored");
        for _ in 0..2 {
            let args = ["--appendonly", "yes", "--dir", dir.to_str().expect("UTF-8")];
            let restored = Daemon::start(&args);
            let got = restored.connect().ask("GET a");
            assert_eq!(got, format!("$1\r\n{a}\r\n"), "{until:?}");
            assert_eq!(restored.connect().ask("EXISTS b") == ":1\r\n", a == "3");
        }
    }
    for (until, why) in [
        (
            &["--until", "1000000000"][..],
            "an earlier moment needs an older set",
        ),
        (&["--until", "offset:9999"], "the set ends at offset"),
        (
            &["--until", "nosuch.aof:5"],
            "the set has no file nosuch.aof",
        ),
        (&["--until", "yesterday"], "'yesterday' is not a time"),
        (&["--from", "nosuch"], "nosuch: No such file or directory"),
    ] {
        let (said, _) = restore(&server, until);
        assert!(said.contains(why), "{until:?}: {said}");
    }
    // The error names the damage and the moment before it, and this moment can be restored.
    let mut bytes = bytes;
    bytes[inside] ^= 1;
    fs::write(&incr, &bytes).expect("written");
    let (said, _) = restore(&server, &[]);
    assert!(
        said.contains("Restored to"),
        "a copy is not looked at: {said}"
    );
    let (said, _) = restore(&server, &["--until", "2100-01-01T00:00:00Z"]);
    let hint = said
        .split("To keep what precedes it: ")
        .nth(1)
        .expect(&said);
    let hint: Vec<&str> = hint.split_whitespace().collect();
    let (said, _folder) = restore(&server, &hint);
    assert!(said.contains("cut off"), "{hint:?}: {said}");
}

/// As in docs/operate.md: from Redis or Valkey to russet, and back.
#[test]
fn one_moves_here_and_back_with_files() {
    for peer in [Peer::Redis7, Peer::Redis8, Peer::Redis810, Peer::Valkey9] {
        let Some(program) = peer.program_for("moving its data") else {
            continue;
        };
        let mut theirs = Daemon::start_program(&program, &[]);
        let mut c = theirs.connect();
        c.ask("SET a 1");
        c.ask("RPUSH l x y");
        c.ask("SAVE");
        theirs.kill();
        // russet works on the copied file itself.
        let args = ["--rdb-version", "10"];
        let mut ours = Daemon::start_in(&russet(), &args, copied(theirs.folder()));
        let mut c = ours.connect();
        assert_eq!(c.ask("LRANGE l 0 -1"), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
        c.ask("SET a 2");
        c.send(b"SHUTDOWN SAVE\r\n");
        assert!(ours.wait_end().success());
        let back = Daemon::start_in(&program, &[], copied(ours.folder()));
        assert_eq!(back.connect().ask("GET a"), "$1\r\n2\r\n", "{peer:?}");
    }
}

/// The value of a field of BACKUP STATUS.
fn status(c: &mut Connection, name: &str) -> String {
    let text = c.ask("BACKUP STATUS");
    let mut words = text.split("\r\n").skip_while(|word| *word != name);
    words.nth(2).unwrap_or_default().to_owned()
}

/// The exit status of `russet restore` in a folder.
fn restore_to(folder: &Path, from: &Path, to: &str) -> Option<i32> {
    let from = from.to_str().expect("UTF-8");
    run_once(folder, &["restore", "--from", from, "--to", to], b"").code
}

/// docs/operate.md, "Backup and restore", in its order.
#[test]
fn a_backup_is_restored_into_the_place_of_the_set() {
    let args = ["--appendonly", "yes", "--save", ""];
    let mut server = Daemon::start(&args);
    let mut c = server.connect();
    c.ask("SET a 1");
    let made = create(&server, "BACKUP CREATE nightly");
    c.ask("FLUSHALL");
    server.kill();
    let folder = server.folder();
    assert_eq!(restore_to(folder, &made, "restored"), Some(0));
    let set = folder.join("appendonlydir");
    fs::rename(&set, folder.join("appendonlydir.bad")).expect("a move");
    fs::rename(folder.join("restored/appendonlydir"), &set).expect("a move");
    server.restart();
    assert_eq!(server.connect().ask("GET a"), "$1\r\n1\r\n");
    server.kill();

    // The target may be the folder `appendonlydir` itself; a source without append only files is
    // refused.
    let folder = server.folder();
    fs::remove_dir_all(&set).expect("the set");
    assert_eq!(restore_to(folder, &made, "appendonlydir"), Some(0));
    let empty = folder.join("restored");
    assert_eq!(restore_to(folder, &empty, "again"), Some(1));
    server.restart();
    assert_eq!(server.connect().ask("GET a"), "$1\r\n1\r\n");
}

#[test]
fn a_backup_in_steps_is_restored_by_preloading_it() {
    for args in [&[][..], AOF] {
        let server = Daemon::start(args);
        let mut c = server.connect();
        c.ask("SET a 1");
        for (line, error) in [
            (
                "BACKUP SEAL",
                "No backup ready to seal (must be in the incrementing state)",
            ),
            ("BACKUP ABORT", "No backup in progress"),
        ] {
            assert_eq!(c.ask(line), format!("-ERR {error}\r\n"));
        }
        assert_eq!(c.ask("BACKUP START"), "+OK\r\n");
        wait_until("the base", || {
            status(&mut server.connect(), "state") == "incrementing"
        });
        assert_eq!(server.info("backup_in_progress").as_deref(), Some("1"));
        assert_eq!(server.info("aof_enabled").as_deref(), Some("1"));
        assert!(c.ask("BACKUP LIST").starts_with("*1\r\n"));
        for (line, error) in [
            (
                "BACKUP START",
                "A backup is already in progress, ABORT it first",
            ),
            ("BACKUP CLEANUP", "Backup is in progress"),
        ] {
            assert_eq!(c.ask(line), format!("-ERR {error}\r\n"));
        }
        let scheduled = "+Background append only file rewriting scheduled\r\n";
        assert_eq!(c.ask("BGREWRITEAOF"), scheduled);
        c.ask("SET b 2");
        assert_eq!(c.ask("BACKUP SEAL"), "+OK\r\n");
        c.ask("SET c 3");
        assert_eq!(status(&mut c, "state"), "sealed");
        let listed = c.ask("BACKUP LIST");
        assert!(listed.starts_with("*3\r\n"), "{listed}");
        assert!(listed.ends_with("appendonly.aof.manifest\r\n"), "{listed}");
        let error = "-ERR A sealed backup exists, CLEANUP it first\r\n";
        assert_eq!(c.ask("BACKUP START"), error);
        let is_on = if args.is_empty() { "0" } else { "1" };
        assert_eq!(server.info("aof_enabled").as_deref(), Some(is_on));
        let folder = copied(&server.folder().join("backupdir"));
        assert_eq!(c.ask("BACKUP CLEANUP"), "+OK\r\n");
        assert_eq!(c.ask("BACKUP LIST"), "*0\r\n");
        let manifest = folder.path().join("appendonly.aof.manifest");
        let preload = format!("aof:{}", manifest.display());
        for appendonly in ["no", "yes"] {
            let args = ["--appendonly", appendonly, "--preload-file", &preload];
            let mut restored = Daemon::start(&args);
            let mut c = restored.connect();
            assert_eq!(c.ask("MGET a b c"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
            c.ask("SET d 4");
            if appendonly == "yes" {
                // The restored server already has a log, and the restore does not replace it.
                restored.kill();
                restored.restart();
                assert_eq!(
                    restored.connect().ask("MGET a d"),
                    "*2\r\n$1\r\n1\r\n$1\r\n4\r\n"
                );
            }
        }
    }
}

/// As Redis 8.10.2: BACKUP turns the append only file on for its own time, and CONFIG SET cannot
/// change that.
#[test]
fn a_backup_in_steps_does_not_depend_on_the_setting_that_it_found() {
    let server = Daemon::start(&["--rdb-key-save-delay", "200000"]);
    let mut c = server.connect();
    c.ask("SET a 1");
    for line in ["MULTI", "BACKUP START", "BACKUP STATUS"] {
        c.ask(line);
    }
    let pending = "$7\r\npending\r\n$5\r\nerror\r\n$0\r\n\r\n$10\r\nstart_time\r\n:0\r\n";
    let reported = c.ask("EXEC");
    assert!(reported.contains(pending), "{reported}");
    wait_until("its rewrite", || {
        status(&mut server.connect(), "state") == "snapshotting"
    });
    let scheduled = "+Background append only file rewriting scheduled\r\n";
    assert_eq!(c.ask("BGREWRITEAOF"), scheduled);
    wait_until("the base", || {
        status(&mut server.connect(), "state") == "incrementing"
    });
    assert_eq!(c.ask("CONFIG SET appendonly no"), "+OK\r\n");
    assert_eq!(server.info("aof_enabled").as_deref(), Some("1"));
    assert_eq!(c.ask("BACKUP SEAL"), "+OK\r\n");
    assert_eq!(status(&mut c, "state"), "sealed");
    wait_until("the file to be off", || {
        server.info("aof_enabled").as_deref() == Some("0")
    });
}

#[test]
fn an_aborted_backup_leaves_no_file() {
    let server = Daemon::start(&["--backup-sealed-ttl", "1"]);
    let mut c = server.connect();
    c.ask("SET a 1");
    let is_empty = || {
        let entries = fs::read_dir(server.folder().join("backupdir"));
        entries.map_or(0, |entries| entries.count()) == 0
    };
    for _ in 0..2 {
        assert_eq!(c.ask("BACKUP START"), "+OK\r\n");
        wait_until("the base", || {
            status(&mut server.connect(), "state") == "incrementing"
        });
        assert_eq!(c.ask("BACKUP ABORT"), "+OK\r\n");
        assert_eq!(status(&mut c, "state"), "failed");
        assert_eq!(status(&mut c, "error"), "aborted by user");
        assert!(is_empty());
        assert_eq!(server.info("aof_enabled").as_deref(), Some("0"));
    }
    // A sealed backup disappears by itself.
    assert_eq!(c.ask("BACKUP START"), "+OK\r\n");
    wait_until("the base", || {
        status(&mut server.connect(), "state") == "incrementing"
    });
    assert_eq!(c.ask("BACKUP SEAL"), "+OK\r\n");
    wait_until("its time", || {
        status(&mut server.connect(), "state") == "idle"
    });
    assert!(is_empty());
}
