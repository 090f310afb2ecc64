//! Snapshots as files: their content while commands run, and failed snapshots.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Connection, Daemon, peers::Peer, wait_until};

/// Every type in every encoding.
fn fill(c: &mut Connection) {
    for line in [
        "SET int 12345",
        "SET short text",
        "SET gone text PX 100000000",
        "RPUSH list 1 2 3 x",
        "SADD intset 1 2 3",
        "SADD small a b c",
        "ZADD ranks 1 a 2.5 b -inf c",
        "HSET hash f v",
        "HSET fields f v g w",
        "HPEXPIRE fields 100000000 FIELDS 1 f",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    let compressible = "the same words again and again ".repeat(50);
    c.call(&["SET", "long", &compressible]);
    let mut all = Vec::new();
    for i in 0..1500 {
        all.extend_from_slice(
            format!(
                "HSET table f{i} v{i}\r\nSADD set m{i}\r\nZADD zset {i} m{i}\r\nRPUSH nodes element{i}\r\n"
            )
            .as_bytes(),
        );
    }
    c.send(&all);
    (0..4 * 1500).for_each(|_| _ = c.reply());
    c.ask("SELECT 3");
    c.ask("SET other db");
    c.ask("SELECT 0");
}

fn digest(c: &mut Connection) -> String {
    c.ask("DEBUG DIGEST")
}

/// The DEBUG DIGEST of a real server that has loaded the file.
fn digest_by(peer: Peer, file: &Path) -> Option<String> {
    let program = peer.program_for("that it loads our snapshots")?;
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(file, folder.path().join("dump.rdb")).expect("a copy");
    let args = ["--enable-debug-command", "yes", "--save", ""];
    let server = Daemon::start_in(&program, &args, folder);
    Some(digest(&mut server.connect()))
}

fn in_progress(server: &Daemon) -> bool {
    server.info("rdb_bgsave_in_progress").as_deref() == Some("1")
}

#[test]
fn real_servers_load_what_was_there_when_the_snapshot_began() {
    let server = Daemon::start(&["--enable-debug-command", "yes", "--save", ""]);
    let mut c = server.connect();
    fill(&mut c);
    let before = digest(&mut c);
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    // Everything changes, in one way or another, during the pass.
    for line in [
        "INCR int",
        "APPEND short er",
        "DEL gone",
        "LPOP list",
        "SADD intset x",
        "SREM small a",
        "RENAME ranks ranked",
        "HSET hash g w",
        "HPERSIST fields FIELDS 1 f",
        "HSET table f1 changed",
        "UNLINK set",
        "ZADD zset 99999 new",
        "SET nodes overwritten",
        "SWAPDB 0 3",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    wait_until("the snapshot to be written", || !in_progress(&server));
    assert_eq!(server.info("rdb_last_bgsave_status").as_deref(), Some("ok"));
    let file = server.folder().join("dump.rdb");
    // Valkey 9.1 stores expiring fields in its own form, and refuses Redis's form.
    if let Some(found) = digest_by(Peer::Redis8, &file) {
        assert_eq!(found, before);
    }
}

#[test]
fn older_readers_have_a_version_of_their_own() {
    let server = Daemon::start(&["--enable-debug-command", "yes", "--save", ""]);
    let mut c = server.connect();
    fill(&mut c);
    assert_eq!(c.ask("CONFIG SET rdb-version 10"), "+OK\r\n");
    let refused = c.ask("SAVE");
    assert!(
        refused.starts_with("-ERR ") && refused.contains("'fields'"),
        "{refused}"
    );
    server.wait_for_log("key 'fields' has fields that expire, which an RDB file of version 10");
    c.ask("DEL fields");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    let file = server.folder().join("dump.rdb");
    for peer in [Peer::Redis7, Peer::Valkey9, Peer::Redis8] {
        if let Some(found) = digest_by(peer, &file) {
            assert_eq!(found, digest(&mut c), "{}", peer.name());
        }
    }
}

#[test]
fn a_snapshot_may_be_given_up() {
    let server = Daemon::start(&["--rdb-key-save-delay", "100000", "--save", ""]);
    let mut c = server.connect();
    fill(&mut c);
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    assert!(in_progress(&server));
    let in_progress_error = "-ERR Background save already in progress\r\n";
    assert_eq!(c.ask("BGSAVE"), in_progress_error);
    assert_eq!(c.ask("SAVE"), in_progress_error);
    assert_eq!(c.ask("BGSAVE CANCEL"), "+Background saving cancelled\r\n");
    assert!(!in_progress(&server));
    assert!(!server.folder().join("dump.rdb").exists());
    // The cancelled snapshot does not hinder the next snapshot.
    assert_eq!(c.ask("CONFIG SET rdb-key-save-delay 0"), "+OK\r\n");
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    wait_until("the snapshot to be written", || !in_progress(&server));
}

#[test]
fn a_large_value_that_is_being_saved_holds_up_its_writers_alone() {
    let server = Daemon::start(&["--save", ""]);
    let mut c = server.connect();
    for chunk in 0..100 {
        let members: Vec<String> = (0..1000).map(|i| format!("member:{chunk}:{i}")).collect();
        c.ask(&format!("SADD big {}", members.join(" ")));
    }
    c.ask("SET small 1");
    for _ in 0..5 {
        c.send(b"BGSAVE\r\nSADD big more\r\nSREM big more\r\nMULTI\r\nSADD big again\r\nSREM big again\r\nEXEC\r\nSCARD big\r\n");
        let mut other = server.connect();
        assert_eq!(other.ask("INCR small").as_bytes()[0], b':');
        let replies: Vec<Vec<u8>> = (0..8).map(|_| c.reply()).collect();
        let text = String::from_utf8(replies.concat()).expect("text");
        assert_eq!(
            text,
            "+Background saving started\r\n:1\r\n:1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n:100000\r\n"
        );
        wait_until("the snapshot to be written", || !in_progress(&server));
    }
}

#[test]
fn a_server_that_must_stop_saves_first() {
    let mut server = Daemon::start(&["--save", "3600 1"]);
    server.connect().ask("SET k v");
    assert!(server.terminate().success());
    assert!(server.folder().join("dump.rdb").exists());
    assert!(server.log().contains("DB saved on disk"));
}

#[test]
fn what_cannot_be_kept_is_not_acknowledged_until_it_can() {
    // Root may write anywhere, so a folder with the file's name makes the save fail.
    let server = Daemon::start(&["--save", "3600 1"]);
    let mut c = server.connect();
    c.ask("SET k v");
    let in_the_way = server.folder().join("dump.rdb");
    fs::create_dir(&in_the_way).expect("a folder");
    fs::write(in_the_way.join("x"), b"").expect("a file");
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&in_the_way, mode).expect("a mode");
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    wait_until("the save to fail", || {
        server.info("rdb_last_bgsave_status").as_deref() == Some("err")
    });
    assert!(c.ask("SET k w").starts_with("-MISCONF "));
    assert!(c.ask("PING").starts_with("-MISCONF "));
    assert_eq!(c.ask("GET k"), "$1\r\nv\r\n");
    fs::remove_dir_all(&in_the_way).expect("it goes");
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    wait_until("the save to go well", || {
        server.info("rdb_last_bgsave_status").as_deref() == Some("ok")
    });
    assert_eq!(c.ask("SET k w"), "+OK\r\n");
}

/// A child process writes the same file as the loop.
#[test]
fn a_child_saves_and_rewrites_as_the_loop_does() {
    for preamble in ["yes", "no"] {
        let args = [
            "--snapshot-method",
            "fork",
            "--appendonly",
            "yes",
            "--aof-use-rdb-preamble",
            preamble,
        ];
        let mut server = Daemon::start(&args);
        let mut c = server.connect();
        fill(&mut c);
        let before = digest(&mut c);
        assert_eq!(
            c.ask("BGREWRITEAOF"),
            "+Background append only file rewriting started\r\n"
        );
        assert_eq!(c.ask("SET meanwhile 1"), "+OK\r\n");
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        assert_eq!(
            server.info("aof_last_bgrewrite_status").as_deref(),
            Some("ok")
        );
        assert_eq!(server.info("total_forks").as_deref(), Some("1"));
        server.kill();
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.ask("DEL meanwhile"), ":1\r\n");
        assert_eq!(digest(&mut c), before, "preamble {preamble}");
        assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
        wait_until("the save to end", || !in_progress(&server));
        assert_eq!(server.info("rdb_last_bgsave_status").as_deref(), Some("ok"));
        let file = server.folder().join("dump.rdb");
        if let Some(theirs) = digest_by(Peer::Redis8, &file) {
            assert_eq!(theirs, before);
        }
    }
}

/// A killed child counts as an error and leaves no file; a cancelled child counts as no error.
#[test]
fn a_child_may_die() {
    let args = [
        "--snapshot-method",
        "fork",
        "--rdb-key-save-delay",
        "10000000",
    ];
    let server = Daemon::start(&args);
    let mut c = server.connect();
    c.ask("MSET a 1 b 2");
    let temporary = || {
        let files = fs::read_dir(server.folder()).expect("a folder");
        let names = files.map(|file| file.expect("a file").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("temp-"))
            .count()
    };
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    wait_until("a file", || temporary() == 1);
    assert!(in_progress(&server));
    assert_eq!(c.ask("BGSAVE CANCEL"), "+Background saving cancelled\r\n");
    assert_eq!(temporary(), 0);
    assert_eq!(server.info("rdb_last_bgsave_status").as_deref(), Some("ok"));
    c.ask("BGSAVE");
    wait_until("a file", || temporary() == 1);
    let child = server
        .log()
        .lines()
        .filter_map(|line| line.rsplit_once("saving started by pid "))
        .map(|(_, pid)| pid.parse::<i32>().expect("a process id"))
        .next_back()
        .expect("a child");
    let pid = rustix::process::Pid::from_raw(child).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    wait_until("the end to be seen", || !in_progress(&server));
    assert_eq!(
        server.info("rdb_last_bgsave_status").as_deref(),
        Some("err")
    );
    assert_eq!(temporary(), 0);
    assert_eq!(c.call(&["CONFIG", "SET", "save", "900 1"]), b"+OK\r\n");
    assert!(c.ask("SET a 2").starts_with("-MISCONF"));
}

/// Compressing a huge string takes as long as saving it, and no turn of the loop may take that
/// long.
#[test]
fn a_huge_string_holds_up_nobody_while_it_is_saved() {
    let server = Daemon::start(&["--snapshot-method", "auto"]);
    let mut c = server.connect();
    let mut huge = vec![0_u8; 64 << 20];
    let mut random = crate::support::random::Random::new(1);
    for piece in huge.chunks_mut(4096) {
        let seed = random.below(1 << 30) as u64;
        let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for byte in piece {
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(seed);
            *byte = (word >> 56) as u8;
        }
    }
    assert_eq!(c.call(&[&b"SET"[..], b"huge", &huge]), b"+OK\r\n");
    c.ask("SET small 1");
    let before = digest(&mut c);
    let began = std::time::Instant::now();
    assert_eq!(c.ask("SAVE"), "+OK\r\n");
    let save = began.elapsed();
    assert_eq!(c.ask("BGSAVE"), "+Background saving started\r\n");
    let mut longest = std::time::Duration::ZERO;
    let mut changed = false;
    while in_progress(&server) {
        let began = std::time::Instant::now();
        assert_eq!(c.ask("PING"), "+PONG\r\n");
        longest = longest.max(began.elapsed());
        // The saved value is the one before the change.
        if !std::mem::replace(&mut changed, true) {
            assert_eq!(c.ask("SET huge gone"), "+OK\r\n");
        }
    }
    assert!(longest < save / 2, "{longest:?} of {save:?}");
    assert_eq!(server.info("rdb_last_bgsave_status").as_deref(), Some("ok"));
    assert_eq!(c.ask("DEBUG RELOAD NOSAVE"), "+OK\r\n");
    assert_eq!(digest(&mut c), before);
}

/// The snapshot keeps early copies of values in memory up to a bound. Beyond it writers wait.
#[test]
fn writers_wait_when_too_much_waits_to_be_saved() {
    const KEYS: usize = 60;
    let server = Daemon::start(&["--snapshot-method", "loop"]);
    let mut c = server.connect();
    let large = "x".repeat(1 << 20);
    for i in 0..KEYS {
        c.call(&["SET", &format!("key{i}"), &large]);
    }
    let before = digest(&mut c);
    c.ask("CONFIG SET rdb-key-save-delay 20000");
    c.ask("BGSAVE");
    let mut writer = server.connect();
    let writing = std::thread::spawn(move || {
        (0..KEYS).all(|i| writer.ask(&format!("SET key{i} small")) == "+OK\r\n")
    });
    let reported = "Writers wait for the snapshot";
    wait_until("writers to wait", || server.log().contains(reported));
    // Readers do not wait.
    let mut reader = server.connect();
    assert_eq!(reader.ask("GET none"), "$-1\r\n");
    // The server runs the writes of the current turn.
    let early = server.info("snapshot_early_bytes").expect("while it saves");
    assert!(
        early.parse::<usize>().expect("a number") < 48 << 20,
        "{early}"
    );
    assert!(writing.join().expect("all are written"));
    wait_until("the save to end", || !in_progress(&server));
    assert_eq!(server.log().matches(reported).count(), 1);
    let file = server.folder().join("dump.rdb");
    if let Some(theirs) = digest_by(Peer::Redis8, &file) {
        assert_eq!(theirs, before);
    }
}
