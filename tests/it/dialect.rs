//! `dialect valkey`: the differences between Redis and Valkey, and the program name that implies
//! it.
//!
//! The expected replies are those of Valkey 9.1.2. The oracle compares all command groups.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::daemon::russet;
use crate::support::once::{run_once, run_program};
use crate::support::peers::Peer;
use crate::support::resp::printable;
use crate::support::{Connection, Daemon, wait_until};

const VALKEY: &[&str] = &["--dialect", "valkey"];

/// Sends commands and compares their replies.
fn talk(c: &mut Connection, lines: &[(&str, &str)]) {
    for (line, reply) in lines {
        assert_eq!(c.ask(line), format!("{reply}\r\n"), "{line}");
    }
}

/// Runs a script.
fn eval(c: &mut Connection, script: &str) -> String {
    printable(&c.call(&["EVAL", script, "0"]))
}

/// The last word of a pub/sub message.
fn message(c: &mut Connection) -> String {
    let text = printable(&c.reply());
    text.trim_end()
        .rsplit("\r\n")
        .next()
        .expect("a word")
        .to_owned()
}

#[test]
fn a_server_reports_its_dialect() {
    let server = Daemon::start(VALKEY);
    let mut c = server.connect();
    let said = c.ask("HELLO 2");
    for part in ["$6\r\nvalkey\r\n", "$5\r\n9.1.2\r\n", "$3\r\nlua\r\n"] {
        assert!(said.contains(part), "{said}");
    }
    for (name, value) in [
        ("redis_version", "7.2.4"),
        ("server_name", "valkey"),
        ("valkey_version", "9.1.2"),
        ("server_mode", "standalone"),
        ("redis_mode", "standalone"),
        ("availability_zone", ""),
    ] {
        assert_eq!(server.info(name).as_deref(), Some(value), "{name}");
    }
    assert!(server.info("russet_version").is_some());
    assert!(server.log().contains("Valkey version=9.1.2"));
    for (script, reply) in [
        ("return server.VALKEY_VERSION", "$5\r\n9.1.2"),
        ("return redis.REDIS_VERSION", "$5\r\n7.2.4"),
        ("return server.SERVER_NAME", "$6\r\nvalkey"),
        ("return redis.VALKEY_VERSION_NUM", ":590082"),
        (
            "return redis.call('none')",
            "-ERR Unknown command called from script script: on @user_script:1.",
        ),
    ] {
        assert_eq!(eval(&mut c, script), format!("{reply}\r\n"), "{script}");
    }
    let plain = Daemon::start(&["--availability-zone", "here"]);
    let said = plain.connect().ask("HELLO 2");
    assert!(said.contains("$5\r\nredis\r\n"), "{said}");
    assert!(
        said.contains("$17\r\navailability_zone\r\n$4\r\nhere\r\n"),
        "{said}"
    );
    assert_eq!(plain.info("server_name"), None);
    assert!(plain.info("russet_version").is_some());
    assert_eq!(plain.info("valkey_version"), None);
}

#[test]
fn the_name_valkey_server_implies_it_unless_a_line_sets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("valkey-server");
    symlink(russet(), &link).expect("a link");
    let ended = run_program(&link, folder.path(), &["--version"], b"");
    assert!(ended.out.starts_with("Valkey server v=9.1.2 "), "{ended:?}");
    let value = |server: &Daemon, name: &str| {
        let said = server.connect().ask(&format!("CONFIG GET {name}"));
        said.lines().nth(4).expect("a value").to_owned()
    };
    let server = Daemon::start_program(&link, &[]);
    assert_eq!(value(&server, "dialect"), "valkey");
    assert_eq!(value(&server, "repl-backlog-size"), "10485760");
    assert_eq!(value(&server, "lazyfree-lazy-user-del"), "yes");
    assert_eq!(value(&server, "hide-user-data-from-log"), "yes");
    let refused = server.connect().ask("CONFIG SET dialect redis");
    assert!(refused.contains("can't set immutable config"), "{refused}");
    let other = Daemon::start_program(&link, &["--dialect", "redis"]);
    assert_eq!(value(&other, "dialect"), "redis");
    assert_eq!(value(&other, "repl-backlog-size"), "1048576");
}

#[test]
fn a_configuration_with_an_unknown_dialect_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &[u8]| run_once(folder.path(), &["--check-config", "-"], text);
    let ended = check(b"dialect valkey\n");
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "configuration OK\n")
    );
    let ended = check(b"port 1\ndialect keydb\n");
    assert_eq!(ended.code, Some(1));
    let reported = "2: argument(s) must be one of the following: redis, valkey: 'dialect keydb'";
    assert!(ended.err.contains(reported), "{ended:?}");
}

#[test]
fn a_rewritten_file_keeps_the_dialect() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("valkey.conf");
    fs::write(&file, "dialect valkey\nrepl-backlog-size 1mb\n").expect("a file");
    let path = file.to_str().expect("UTF-8").to_owned();
    let mut server = Daemon::start_with_file(&path, &[], folder);
    assert_eq!(server.connect().ask("CONFIG REWRITE"), "+OK\r\n");
    let text = fs::read_to_string(&file).expect("the file");
    assert!(
        text.starts_with("dialect valkey\nrepl-backlog-size 1mb\n"),
        "{text}"
    );
    assert!(!text.contains("lazyfree"), "{text}");
    server.restart();
    let said = server.connect().ask("CONFIG GET repl-backlog-size");
    assert!(said.contains("1048576"), "{said}");
}

#[test]
fn fields_that_expire_have_valkeys_grammar_and_events() {
    let server = Daemon::start(VALKEY);
    let (mut c, mut listener) = (server.connect(), server.connect());
    let mismatch =
        "-ERR numfields should be greater than 0 and match the provided number of fields";
    c.ask("CONFIG SET notify-keyspace-events KEA");
    listener.ask("SUBSCRIBE __keyspace@0__:h");
    talk(
        &mut c,
        &[
            ("HSET h a 1 b 2 c 3 d 4", ":4"),
            (
                "HEXPIRE h -1 FIELDS 1 a",
                "-ERR invalid expire time in 'hexpire' command",
            ),
            ("HEXPIRE h 10 FIELDS 1 a NX", mismatch),
            (
                "HEXPIRE h 10 WORD FIELDS 1 a",
                "-ERR Unsupported option WORD",
            ),
            ("HPEXPIREAT h 9223372036854775806 FIELDS 1 a", "*1\r\n:1"),
            ("HPEXPIRETIME h FIELDS 1 a", "*1\r\n:70368744177663"),
            ("HEXPIRE h 100 XX LT FIELDS 2 a b", "*2\r\n:1\r\n:0"),
            ("OBJECT ENCODING h", "$9\r\nhashtable"),
            ("HSETEX h NX FIELDS 1 a 5", ":0"),
            ("HSETEX none XX FIELDS 1 a 5", ":0"),
            ("HSETEX h XX FIELDS 1 a 5", ":1"),
            ("HEXPIRE h 0 FIELDS 1 b", "*1\r\n:2"),
            ("HGETEX h EX 0 FIELDS 1 c", "*1\r\n$1\r\n3"),
            ("HTTL h FIELDS 2 a", "-ERR syntax error"),
            ("HPERSIST h FIELDS 2 a", mismatch),
        ],
    );
    let events: Vec<String> = (0..6).map(|_| message(&mut listener)).collect();
    assert_eq!(
        events,
        ["hset", "hexpire", "hexpire", "hset", "hexpired", "hexpired"]
    );
    assert!(
        server
            .info("db0")
            .expect("a line")
            .contains("keys_with_volatile_items=")
    );
}

/// Regression: DUMP wrote Redis's own version, and Valkey refuses it.
#[test]
fn files_and_payloads_can_be_read_by_valkey() {
    let server = Daemon::start(&["--dialect", "valkey", "--enable-debug-command", "yes"]);
    let mut c = server.connect();
    let magic = |server: &Daemon| {
        let bytes = fs::read(server.folder().join("dump.rdb")).expect("a file");
        String::from_utf8_lossy(&bytes[..9]).into_owned()
    };
    c.ask("SET s 1");
    c.ask("SAVE");
    assert_eq!(magic(&server), "REDIS0011");
    c.ask("HSET h a 1 b 2");
    c.ask("HPEXPIREAT h 9223372036854775806 FIELDS 1 a");
    c.ask("SAVE");
    assert_eq!(magic(&server), "VALKEY080");
    talk(
        &mut c,
        &[
            ("DEBUG RELOAD", "+OK"),
            (
                "HPEXPIRETIME h FIELDS 2 a b",
                "*2\r\n:70368744177663\r\n:-1",
            ),
        ],
    );
    let copied = eval(
        &mut c,
        "return redis.call('RESTORE', 'k', 0, redis.call('DUMP', 'h'))",
    );
    assert_eq!(copied, "+OK\r\n");
    talk(
        &mut c,
        &[(
            "HPEXPIRETIME k FIELDS 2 a b",
            "*2\r\n:70368744177663\r\n:-1",
        )],
    );
}

#[test]
fn the_log_speaks_of_primaries() {
    let primary = Daemon::start(&[]);
    let replica = Daemon::start(VALKEY);
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert_eq!(replica.connect().ask(&line), "+OK\r\n");
    wait_until("the link is up", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
    replica.wait_for_log("PRIMARY <-> REPLICA sync: Finished with success");
    assert!(
        !replica.log().to_lowercase().contains("master"),
        "{}",
        replica.log()
    );
}

/// Regression: `rdb-version-check relaxed` had no effect in either dialect.
#[test]
fn a_file_of_a_later_version_loads_if_it_may() {
    for (magic, others) in [("REDIS0099", "REDIS0000"), ("VALKEY099", "VALKEY079")] {
        let start = |magic: &str, args: &[&str]| {
            let folder = tempfile::tempdir().expect("a folder");
            let body = b"\xfe\0\0\x01k\x01v\xff\0\0\0\0\0\0\0\0";
            let file = [magic.as_bytes(), body].concat();
            fs::write(folder.path().join("dump.rdb"), file).expect("a file");
            let all = ["--port", "0", "--unixsocket", "s"];
            match args {
                [] => Err(run_once(folder.path(), &all, b"").code),
                _ => Ok(Daemon::start_in(&russet(), args, folder)),
            }
        };
        let server = start(magic, &["--rdb-version-check", "relaxed"]).expect("it starts");
        assert_eq!(server.connect().ask("GET k"), "$1\r\nv\r\n", "{magic}");
        assert_eq!(start(magic, &[]).err(), Some(Some(1)), "{magic}");
        assert_eq!(start(others, &[]).err(), Some(Some(1)), "{others}");
    }
}

/// Regression: Valkey sent nothing, because it took the replica for a server that cannot read such
/// fields.
#[test]
fn fields_that_expire_go_from_valkey_and_back() {
    let Some(program) = Peer::Valkey9.program_for("replication with Valkey") else {
        return;
    };
    let primary = Daemon::start_program(&program, &["--repl-diskless-sync-delay", "0"]);
    let replica = Daemon::start(VALKEY);
    let mut c = primary.connect();
    c.ask("HSET h a 1 b 2");
    c.ask("HEXPIRE h 1000 FIELDS 1 a");
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert_eq!(replica.connect().ask(&line), "+OK\r\n");
    let mut copied = replica.connect();
    let ask = "HPEXPIRETIME h FIELDS 2 a b";
    let same = |c: &mut Connection, copied: &mut Connection| {
        wait_until("the fields are the same", || c.ask(ask) == copied.ask(ask));
    };
    same(&mut c, &mut copied);
    // Redis refuses these conditions together.
    assert_eq!(
        c.ask("HEXPIRE h 500 XX LT FIELDS 2 a b"),
        "*2\r\n:1\r\n:0\r\n"
    );
    same(&mut c, &mut copied);
    copied.ask("REPLICAOF NO ONE");
    copied.ask("SAVE");
    let folder = tempfile::tempdir().expect("a folder");
    let file = "dump.rdb";
    fs::copy(replica.folder().join(file), folder.path().join(file)).expect("a copy");
    let loaded = Daemon::start_in(&program, &[], folder);
    assert_eq!(loaded.connect().ask(ask), copied.ask(ask));
}
