//! MIGRATE moves keys to russet and to real servers, and each key always exists in at least one
//! place.

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

        // Without REPLACE the target keeps its own key.
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

/// The source keeps unacknowledged keys, whatever happens on the way.
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
    // A target that reads a request and closes: the server tries again once.
    let gone = thread::spawn(move || {
        let mut seen = 0;
        // The first connection belongs to the previous MIGRATE.
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

fn expiry_there(c: &mut Connection) -> String {
    c.ask("HPEXPIRETIME ttl FIELDS 1 f")
}

/// A value has no form that all servers read: the source sends the form that the target reads, or
/// nothing if there is none.
#[test]
fn newer_values_go_in_the_form_that_the_target_reads() {
    const AT: &str = "*1\r\n:33177117420000\r\n";
    let mut targets = vec![
        (None, Daemon::start(&[])),
        (None, Daemon::start(&["--dialect", "valkey"])),
    ];
    for peer in [Peer::Redis7, Peer::Redis8, Peer::Redis810, Peer::Valkey9] {
        if let Some(program) = peer.program_for("that it takes newer values by MIGRATE") {
            targets.push((Some(peer), Daemon::start_program(&program, &[])));
        }
    }
    for dialect in ["redis", "valkey"] {
        let server = Daemon::start(&["--dialect", dialect]);
        let mut c = server.connect();
        for (peer, target) in &targets {
            c.ask("SET plain text");
            c.ask("HSET ttl f v g w");
            c.ask("HPEXPIREAT ttl 33177117420000 FIELDS 1 f");
            c.ask("VADD vectors VALUES 3 1 2 3 element");
            let mut there = target.connect();
            there.ask("FLUSHALL");
            let mut migrate = |keys: &str| {
                let line = format!(
                    "MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {keys}",
                    target.port()
                );
                let words: Vec<&str> = line.split(' ').map(|w| w.trim_matches('"')).collect();
                String::from_utf8_lossy(&c.call(&words)).into_owned()
            };
            let refused = |reply: &str, key: &str, why: &str| {
                let begin = format!("-ERR Nothing was sent: key '{key}' has {why}, which ");
                assert!(reply.starts_with(&begin), "{peer:?}: {reply}");
            };
            let reads_ttls = *peer != Some(Peer::Redis7);
            let moved = migrate("plain ttl");
            if reads_ttls {
                assert_eq!(moved, "+OK\r\n", "{dialect} {peer:?}");
                assert_eq!(expiry_there(&mut there), AT, "{dialect} {peer:?}");
            } else {
                refused(&moved, "ttl", "fields that expire")
            }
            let reads_vectors = !matches!(peer, Some(Peer::Redis7 | Peer::Valkey9));
            let moved = migrate("vectors");
            if reads_vectors {
                assert_eq!(moved, "+OK\r\n", "{dialect} {peer:?}");
                assert_eq!(there.ask("VCARD vectors"), ":1\r\n");
            } else {
                refused(&moved, "vectors", "a vector set")
            }
            // The source still has the values that it did not send, and the target has none of
            // them.
            let kept = 2 * u8::from(!reads_ttls) + u8::from(!reads_vectors);
            assert_eq!(
                c.ask("DBSIZE"),
                format!(":{kept}\r\n"),
                "{dialect} {peer:?}"
            );
            assert_eq!(there.ask("DBSIZE"), format!(":{}\r\n", 3 - kept));
            c.ask("FLUSHALL");
        }
    }
}

/// A target that does not report its version gets the lowest form, as if russet had not asked.
#[test]
fn a_target_that_refuses_info_is_tried_all_the_same() {
    let target = Daemon::start(&[]);
    let mut there = target.connect();
    let made = there.ask("ACL SETUSER mover on >secret ~* +restore +select");
    assert_eq!(made, "+OK\r\n");
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    c.ask("HSET ttl f v");
    c.ask("HPEXPIREAT ttl 33177117420000 FIELDS 1 f");
    let line = format!("MIGRATE 127.0.0.1 {} ttl 0 5000 AUTH2", target.port());
    let refused = c.ask(&format!("{line} mover wrong"));
    assert!(refused.contains("WRONGPASS"), "{refused}");
    assert_eq!(c.ask("EXISTS ttl"), ":1\r\n");
    assert_eq!(c.ask(&format!("{line} mover secret")), "+OK\r\n");
    assert_eq!(c.ask("EXISTS ttl"), ":0\r\n");
    assert_eq!(expiry_there(&mut there), "*1\r\n:33177117420000\r\n");
}
