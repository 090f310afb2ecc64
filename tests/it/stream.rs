//! The replication stream in INFO and in the files: its offset counts the bytes for replicas, and
//! survives restarts together with its history.

use std::fs;

use crate::support::{Connection, Daemon};

struct Replication {
    id: String,
    earlier_id: String,
    offset: u64,
    earlier_offset: i64,
}

fn replication(server: &Daemon) -> Replication {
    let field = |name| server.info(name).expect("a field of INFO replication");
    let number = |name| field(name).parse::<i64>().expect("a number");
    Replication {
        id: field("master_replid"),
        earlier_id: field("master_replid2"),
        offset: number("master_repl_offset") as u64,
        earlier_offset: number("second_repl_offset"),
    }
}

/// The length of these commands as requests.
fn bytes(commands: &[&str]) -> u64 {
    let request = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        crate::support::resp::command(&words).len() as u64
    };
    commands.iter().map(request).sum()
}

fn ask_all(c: &mut Connection, commands: &[&str]) {
    for command in commands {
        let reply = c.ask(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
}

#[test]
fn the_offset_counts_what_a_replica_would_receive() {
    let server = Daemon::start(&["--appendonly", "yes", "--aof-timestamp-enabled", "yes"]);
    let mut c = server.connect();
    assert_eq!(replication(&server).offset, 0);
    ask_all(&mut c, &["SET a 1", "GET a", "SELECT 1", "INCR n"]);
    let one = bytes(&["SELECT 0", "SET a 1", "SELECT 1", "INCR n"]);
    assert_eq!(replication(&server).offset, one);
    ask_all(
        &mut c,
        &["MULTI", "INCR n", "SET b 1", "EXEC", "PUBLISH c x"],
    );
    let two = one + bytes(&["MULTI", "INCR n", "SET b 1", "EXEC"]);
    assert_eq!(replication(&server).offset, two);
    let role = c.ask("ROLE");
    assert_eq!(role, format!("*3\r\n$6\r\nmaster\r\n:{two}\r\n*0\r\n"));
}

#[test]
fn offset_and_history_survive_a_restart_with_the_log() {
    let mut server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut last = replication(&server);
    for kills in [false, true, true, false] {
        let mut c = server.connect();
        ask_all(&mut c, &["SET a 1", "MULTI", "SET b 1", "SET c 1", "EXEC"]);
        if kills {
            let script = "redis.set_repl(redis.REPL_AOF) redis.call('set', 'd', 1)";
            assert_eq!(c.call(&["EVAL", script, "0"]), b"$-1\r\n");
        }
        ask_all(&mut c, &["BGREWRITEAOF"]);
        crate::support::wait_until("the rewrite", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        ask_all(&mut c, &["SELECT 2", "SET e 1"]);
        let before = replication(&server);
        assert!(before.offset > last.offset);
        assert_eq!(before.id, last.id);
        if kills {
            server.kill();
        }
        server.restart();
        last = replication(&server);
        assert_eq!(last.offset, before.offset);
        assert_eq!(last.earlier_id, before.id);
        assert_eq!(last.earlier_offset, before.offset as i64 + 1);
        assert_ne!(last.id, before.id);
    }
}

#[test]
fn a_snapshot_has_the_position_of_its_moment() {
    let mut server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    ask_all(&mut c, &["SET a 1", "SAVE"]);
    let saved = replication(&server);
    ask_all(&mut c, &["SET b 1"]);
    drop(c);
    server.kill();
    fs::remove_dir_all(server.folder().join("appendonlydir")).expect("removed");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("dump.rdb");
    fs::copy(server.folder().join("dump.rdb"), copy).expect("copied");
    let loaded = Daemon::start_in(&crate::support::daemon::russet(), &[], folder);
    let now = replication(&loaded);
    assert_eq!(now.earlier_id, saved.id);
    assert_eq!(now.earlier_offset, saved.offset as i64 + 1);
    assert_eq!(now.offset, saved.offset);
}

/// With the log off nothing counts the changes, so the later changes begin another history.
#[test]
fn a_history_ends_where_the_log_was_off() {
    let server = Daemon::start(&["--appendonly", "yes"]);
    let mut c = server.connect();
    ask_all(&mut c, &["SET a 1"]);
    let first = replication(&server);
    ask_all(&mut c, &["CONFIG SET appendonly no", "SET b 1"]);
    assert_eq!(replication(&server).id, first.id);
    ask_all(&mut c, &["CONFIG SET appendonly yes", "SET c 1"]);
    assert_ne!(replication(&server).id, first.id);
}

/// False claims about the stream in a damaged or hostile log stop neither loading nor counting.
#[test]
fn marks_with_absurd_figures_are_survived() {
    let mut server = Daemon::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let folder = server.folder().join("appendonlydir");
    let file = folder.join("appendonly.aof.1.incr.aof");
    let id = "a".repeat(40);
    let max = u64::MAX;
    for lines in [
        format!("#SO:{id}:{max}\r\n"),
        format!("#SO:{id}:5\r\n#NS:{max}\r\n"),
        format!("#RO:{max}\r\n#RO:{max}\r\n"),
        format!("#LO:{max}\r\n"),
    ] {
        server.kill();
        let set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
        let torn = "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n";
        fs::write(&file, format!("{lines}{set}{torn}")).expect("written");
        server.restart();
        let mut c = server.connect();
        assert_eq!(c.ask("EXISTS a b"), ":1\r\n", "{lines}");
        let before = replication(&server).offset;
        ask_all(&mut c, &["SET c 1"]);
        assert!(replication(&server).offset > before, "{lines}");
    }
}
