//! MIGRATE: keys go to russet and to real servers, and always exist in at least one place.

use std::io::Read;
use std::net::TcpListener;
use std::thread;

use crate::support::{Connection, Daemon, peers::Peer};

fn fill(c: &mut Connection) {
    for line in [
        "SET text hello",
        "SET number 12345 PX 100000000",
        "RPUSH list 1 2 three",
        "SADD ints 1 2 3",
        "SADD set a b 3",
        "ZADD zset 1 a 2.5 b",
        "HSET hash f v g 7",
    ] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    let mut words = vec!["SADD".to_owned(), "big".to_owned()];
    words.extend((0..2000).map(|i| format!("member{i}")));
    c.call(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

const KEYS: &str = "text number list ints set zset hash big";

#[test]
fn keys_go_to_every_server() {
    let mut targets = vec![Daemon::start(&[])];
    for peer in [Peer::Redis7, Peer::Redis8, Peer::Valkey9] {
        if let Some(program) = peer.program_for("that it takes keys by MIGRATE") {
            targets.push(Daemon::start_program(&program, &[]));
        }
    }
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for target in &targets {
        fill(&mut c);
        let port = target.port();
        let line = format!("MIGRATE 127.0.0.1 {port} \"\" 3 5000 KEYS none {KEYS}");
        let words: Vec<&str> = line.split(' ').map(|w| w.trim_matches('"')).collect();
        assert_eq!(c.call(&words), b"+OK\r\n");
        assert_eq!(c.ask("DBSIZE"), ":0\r\n");
        let mut theirs = target.connect();
        theirs.ask("SELECT 3");
        assert_eq!(theirs.ask("DBSIZE"), ":8\r\n");
        assert_eq!(theirs.ask("GET text"), "$5\r\nhello\r\n");
        assert_eq!(theirs.ask("LRANGE list 2 2"), "*1\r\n$5\r\nthree\r\n");
        assert_eq!(theirs.ask("ZSCORE zset b"), "$3\r\n2.5\r\n");
        assert_eq!(theirs.ask("HGET hash g"), "$1\r\n7\r\n");
        assert_eq!(theirs.ask("SCARD big"), ":2000\r\n");
        let ttl = theirs.ask("PTTL number");
        let ttl: i64 = ttl[1..].trim().parse().expect("a number");
        assert!((99_000_000..=100_000_000).contains(&ttl), "{ttl}");

        // An existing key is not replaced by default.
        c.ask("SET text other");
        let one = format!("MIGRATE 127.0.0.1 {port} text 3 5000");
        assert_eq!(
            c.ask(&one),
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"
        );
        assert_eq!(c.ask("EXISTS text"), ":1\r\n");
        assert_eq!(c.ask(&format!("{one} COPY REPLACE")), "+OK\r\n");
        assert_eq!(c.ask("EXISTS text"), ":1\r\n");
        assert_eq!(theirs.ask("GET text"), "$5\r\nother\r\n");
        assert_eq!(c.ask(&format!("{one} REPLACE")), "+OK\r\n");
        assert_eq!(c.ask(&one), "+NOKEY\r\n");
        theirs.ask("FLUSHALL");
    }
    let kept = server.info("migrate_cached_sockets").expect("INFO has it");
    assert_eq!(kept, targets.len().to_string());
}

#[test]
fn passwords_are_given() {
    let target = Daemon::start(&["--requirepass", "secret"]);
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("SET k v");
    let line = format!("MIGRATE 127.0.0.1 {} k 0 5000", target.port());
    let refused = c.ask(&line);
    assert!(
        refused.starts_with("-ERR Target instance replied with error: NOAUTH"),
        "{refused}"
    );
    let refused = c.ask(&format!("{line} AUTH wrong"));
    assert!(
        refused.starts_with("-ERR Target instance replied with error: WRONGPASS"),
        "{refused}"
    );
    assert_eq!(c.ask("EXISTS k"), ":1\r\n");
    assert_eq!(c.ask(&format!("{line} AUTH secret")), "+OK\r\n");
    c.ask("SET k v");
    let line = format!("{line} REPLACE AUTH2 default secret");
    assert_eq!(c.ask(&line), "+OK\r\n");
    assert_eq!(c.ask("EXISTS k"), ":0\r\n");
}

/// Whatever happens on the way, unacknowledged keys stay.
#[test]
fn a_key_without_an_answer_stays() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("SET k v");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let line = format!("MIGRATE 127.0.0.1 {port} k 0 50");
    assert_eq!(
        c.ask(&line),
        "-IOERR error or timeout reading to target instance\r\n"
    );
    assert_eq!(c.ask("EXISTS k"), ":1\r\n");
    // A target that reads and closes: retried, once.
    let gone = thread::spawn(move || {
        let mut seen = 0;
        // The first is of the previous try.
        for _ in 0..3 {
            let (mut stream, _) = silent.accept().expect("a connection");
            let mut bytes = [0; 1024];
            seen += usize::from(stream.read(&mut bytes).expect("read") > 0);
        }
        seen
    });
    let line = format!("MIGRATE 127.0.0.1 {port} k 0 5000");
    assert_eq!(
        c.ask(&line),
        "-IOERR error or timeout reading to target instance\r\n"
    );
    assert_eq!(gone.join().expect("ended"), 3);
    assert_eq!(c.ask("EXISTS k"), ":1\r\n");
    // The port is closed now.
    assert_eq!(
        c.ask(&line),
        "-IOERR error or timeout writing to target instance\r\n"
    );
    assert_eq!(c.ask("EXISTS k"), ":1\r\n");
    for (line, error) in [
        (
            "MIGRATE h 1 k 0 x",
            "-ERR value is not an integer or out of range\r\n",
        ),
        ("MIGRATE h 1 k 0 5 AUTH", "-ERR syntax error\r\n"),
        (
            "MIGRATE h 1 k 0 5 KEYS a",
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string\r\n",
        ),
        ("MIGRATE h 1 none 0 5", "+NOKEY\r\n"),
    ] {
        assert_eq!(c.ask(line), error);
    }
}
