//! Large arguments: the server reads them apart from their command, stores them without a copy, and
//! frees the arguments that no command stores.

use std::time::Duration;

use crate::support::resp::{Connection, command};
use crate::support::{Daemon, wait_until};

const MIB: usize = 1 << 20;

/// Bytes in which two neighbouring pages always differ.
fn text(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 31 + i / 4096 * 7 + seed) % 251) as u8)
        .collect()
}

fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

/// Used memory without the buffers for bytes on their way.
fn used(server: &Daemon) -> usize {
    let number = |field| -> usize {
        let text = server.info(field).expect("INFO has it");
        text.parse().expect("a number")
    };
    number("used_memory") - number("mem_not_counted_for_evict")
}

/// Sends the beginning of `SET key`: `announced` is the value's length, `come` the bytes sent so
/// far.
fn begin(server: &Daemon, key: &str, announced: usize, come: usize) -> Connection {
    let mut c = server.connect();
    c.ask("CLIENT SETNAME sender");
    let head = format!(
        "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${announced}\r\n",
        key.len()
    );
    c.send(head.as_bytes());
    c.send(&vec![b'x'; come]);
    c
}

/// A field of the client named `sender` in CLIENT LIST.
fn field(server: &Daemon, name: &str) -> Option<usize> {
    let list = server.connect().ask("CLIENT LIST");
    let line = list.lines().find(|line| line.contains(" name=sender "))?;
    let field = format!("{name}=");
    let word = line.split(' ').find(|word| word.starts_with(&field))?;
    word[field.len()..].parse().ok()
}

#[test]
fn values_come_back_as_they_were_sent_at_odd_splits() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    for (i, len) in [
        64 << 10,
        (64 << 10) + 1,
        100_003,
        MIB - 1,
        MIB,
        10 * MIB,
        16 * MIB + 5,
        64 * MIB,
    ]
    .into_iter()
    .enumerate()
    {
        let value = text(len, i);
        let request = command(&[&b"SET"[..], b"key", &value]);
        let mut left = &request[..];
        for piece in [1, 3, 30, 4095, 16_384, 40_000, 1, 65_537, 1_500_000] {
            let (now, then) = left.split_at(piece.min(left.len()));
            c.send(now);
            std::thread::sleep(Duration::from_millis(1));
            left = then;
        }
        c.send(left);
        assert_eq!(c.reply(), b"+OK\r\n");
        assert!(c.call(&["GET", "key"]) == bulk(&value), "{len}");
        assert_eq!(c.ask("OBJECT ENCODING key"), "$3\r\nraw\r\n");
    }
}

#[test]
fn many_in_one_pipeline_are_served_in_order() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let values: Vec<Vec<u8>> = (0..12).map(|i| text(MIB + i * 1000, i)).collect();
    let mut request = Vec::new();
    for (i, value) in values.iter().enumerate() {
        request.extend(command(&[&b"SET"[..], format!("k{i}").as_bytes(), value]));
        request.extend(b"PING\r\n");
    }
    c.send(&request);
    for _ in &values {
        assert_eq!(c.reply(), b"+OK\r\n");
        assert_eq!(c.reply(), b"+PONG\r\n");
    }
    for (i, value) in values.iter().enumerate() {
        assert!(c.ask(&format!("STRLEN k{i}")) == format!(":{}\r\n", value.len()));
        assert!(c.call(&["GET", &format!("k{i}")]) == bulk(value), "{i}");
    }
}

#[test]
fn one_command_may_have_several() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let [a, b, d] = [1, 2, 3].map(|i| text(MIB, i));
    assert_eq!(
        c.call(&[&b"MSET"[..], b"a", &a, b"b", &b, b"d", &d]),
        b"+OK\r\n"
    );
    for (key, value) in [("a", &a), ("b", &b), ("d", &d)] {
        assert!(c.call(&["GET", key]) == bulk(value), "{key}");
    }
    // The server has freed the first value with its command; MONITOR and SLOWLOG still show it.
    let mut monitor = server.connect();
    assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
    c.ask("CONFIG SET slowlog-log-slower-than 0");
    assert_eq!(c.call(&[&b"MSET"[..], b"a", &d, b"a", &a]), b"+OK\r\n");
    assert!(c.call(&["GET", "a"]) == bulk(&a));
    assert!(c.ask("SLOWLOG GET 3").contains("more bytes)"));
    let reported = monitor.reply();
    assert!(reported.len() > 2 * MIB, "{}", reported.len());
}

#[test]
fn every_command_that_keeps_a_string_keeps_a_large_one() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let (value, other) = (text(200_000, 1), text(100_000, 2));
    let v = &value[..];
    for (words, reply) in [
        (vec![&b"SET"[..], b"k", v, b"EX", b"100"], &b"+OK\r\n"[..]),
        (vec![b"SETEX", b"k", b"100", v], b"+OK\r\n"),
        (vec![b"PSETEX", b"k", b"100000", v], b"+OK\r\n"),
        (vec![b"SETNX", b"k", v], b":1\r\n"),
        (vec![b"MSETNX", b"k", v], b":1\r\n"),
        (vec![b"GETSET", b"k", v], b"$-1\r\n"),
        (vec![b"SET", b"k", v, b"GET"], b"$-1\r\n"),
        (vec![b"APPEND", b"k", v], b":200000\r\n"),
        (vec![b"SETRANGE", b"k", b"0", v], b":200000\r\n"),
    ] {
        assert_eq!(c.call(&words), reply);
        assert!(c.call(&["GET", "k"]) == bulk(v), "{:?}", words[0]);
        // The value is a string like any other: it grows, and changes in place.
        assert_eq!(c.call(&[&b"APPEND"[..], b"k", &other]), b":300000\r\n");
        assert_eq!(c.ask("SETRANGE k 5 hello"), ":300000\r\n");
        assert_eq!(c.ask("GETRANGE k 5 9"), "$5\r\nhello\r\n");
        assert_eq!(c.ask("DEL k"), ":1\r\n");
    }
    // Commands that do not store the argument.
    c.ask("SET k 1");
    assert_eq!(c.call(&[&b"SETNX"[..], b"k", v]), b":0\r\n");
    assert_eq!(c.call(&[&b"SET"[..], b"k", v, b"NX"]), b"$-1\r\n");
    assert_eq!(c.call(&[&b"SET"[..], b"k", v, b"PXAT", b"1"]), b"+OK\r\n");
    assert_eq!(c.ask("GET k"), "$-1\r\n");
    assert!(c.call(&[&b"ECHO"[..], v]) == bulk(v));
    assert_eq!(c.call(&[&b"LPUSH"[..], b"list", v, &other]), b":2\r\n");
    assert!(c.call(&["LINDEX", "list", "1"]) == bulk(v));
    assert_eq!(c.call(&[&b"HSET"[..], b"hash", v, &other]), b":1\r\n");
    assert!(c.call(&[&b"HGET"[..], b"hash", v]) == bulk(&other));
    // The argument as a key, and as the name of a command.
    assert_eq!(c.call(&[&b"SET"[..], v, b"x"]), b"+OK\r\n");
    assert_eq!(c.call(&[&b"GET"[..], v]), b"$1\r\nx\r\n");
    assert_eq!(c.call(&[&b"DEL"[..], v]), b":1\r\n");
    assert!(c.call(&[v]).starts_with(b"-ERR unknown command '"));
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_transaction_keeps_its_own() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let (value, more) = (text(MIB, 1), text(100_000, 2));
    c.ask("MULTI");
    assert_eq!(c.call(&[&b"SET"[..], b"k", &value]), b"+QUEUED\r\n");
    assert_eq!(c.call(&[&b"APPEND"[..], b"k", &more]), b"+QUEUED\r\n");
    assert_eq!(c.ask("EXEC"), "*2\r\n+OK\r\n:1148576\r\n");
    assert!(c.call(&["GET", "k"]) == bulk(&[value, more].concat()));
}

#[test]
fn a_paused_client_keeps_its_command() {
    let server = Daemon::start(&[]);
    let (mut c, mut other) = (server.connect(), server.connect());
    let value = text(MIB, 1);
    assert_eq!(other.ask("CLIENT PAUSE 100000 WRITE"), "+OK\r\n");
    c.send(&command(&[&b"MSET"[..], b"a", &value, b"b", &value]));
    c.send(b"PING\r\n");
    assert!(c.is_silent_for(Duration::from_millis(100)));
    assert_eq!(other.ask("GET a"), "$-1\r\n");
    assert_eq!(other.ask("CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(c.reply(), b"+OK\r\n");
    assert_eq!(c.reply(), b"+PONG\r\n");
    assert!(c.call(&["GET", "a"]) == bulk(&value));
    assert!(c.call(&["GET", "b"]) == bulk(&value));
}

#[test]
fn what_stands_behind_one_is_parsed_as_ever() {
    let server = Daemon::start(&[]);
    let value = text(100_000, 1);
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n";
    // Like Redis, russet does not check the two bytes after a bulk string.
    let mut c = server.connect();
    c.send(&[&head[..], &value, b"xyPING\r\n"].concat());
    assert_eq!(c.reply(), b"+OK\r\n");
    assert_eq!(c.reply(), b"+PONG\r\n");
    assert!(c.call(&["GET", "k"]) == bulk(&value));
    // A byte more than announced belongs to the next command.
    c.send(&[&head[..], &value, b"x\r\nPING\r\n"].concat());
    assert_eq!(c.reply(), b"+OK\r\n");
    // The other bytes are an empty line.
    assert_eq!(c.reply(), b"+PONG\r\n");
    assert_eq!(c.ask("PING"), "+PONG\r\n");
}

#[test]
fn an_error_after_one_is_answered_and_sets_nothing() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let head = b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n";
    c.send(&[&head[..], &text(100_000, 1), b"\r\n:5\r\n"].concat());
    let reported = String::from_utf8_lossy(&c.rest()).into_owned();
    assert_eq!(reported, "-ERR Protocol error: expected '$', got ':'\r\n");
    assert_eq!(server.connect().ask("EXISTS k"), ":0\r\n");
}

#[test]
fn memory_follows_what_has_come_and_goes_with_its_client() {
    let server = Daemon::start(&[]);
    let before = used(&server);
    let announced = 512 * MIB;
    let idle: Vec<Connection> = (0..10).map(|_| begin(&server, "k", announced, 0)).collect();
    let mut some = begin(&server, "k", announced, MIB);
    wait_until("a mebibyte has come", || {
        server
            .info("total_net_input_bytes")
            .and_then(|n| n.parse().ok())
            > Some(MIB)
    });
    assert!(
        used(&server) < before + 10 * MIB,
        "{before} {}",
        used(&server)
    );
    some.send(&vec![b'x'; 3 * MIB]);
    drop(idle);
    drop(some);
    wait_until("the memory is back", || used(&server) < before + MIB / 2);
    assert_eq!(server.connect().ask("EXISTS k"), ":0\r\n");
}

#[test]
fn a_killed_client_leaves_nothing_behind() {
    let server = Daemon::start(&[]);
    let before = used(&server);
    let mut c = begin(&server, "k", 100 * MIB, 2 * MIB);
    wait_until("two mebibytes have come", || {
        field(&server, "qbuf") == Some(2 * MIB)
    });
    let id = field(&server, "id").expect("connected");
    let mut other = server.connect();
    assert_eq!(other.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    c.rest();
    wait_until("the memory is back", || used(&server) < before + MIB / 2);
    assert_eq!(other.ask("EXISTS k"), ":0\r\n");
}

#[test]
fn the_limit_of_query_buffers_counts_what_has_come() {
    let server = Daemon::start(&["--client-query-buffer-limit", "1mb"]);
    let before = used(&server);
    let mut c = begin(&server, "k", 100 * MIB, MIB / 2);
    wait_until("some of it has come", || {
        field(&server, "qbuf") == Some(MIB / 2)
    });
    // The server may close before all of it is written.
    let _ = c.write(&vec![b'x'; MIB]);
    c.rest();
    let closed = server.info("client_query_buffer_limit_disconnections");
    assert_eq!(closed.as_deref(), Some("1"));
    wait_until("the memory is back", || used(&server) < before + MIB / 2);
}

#[test]
fn one_in_progress_counts_as_announced_among_clients() {
    let server = Daemon::start(&[]);
    let mut c = begin(&server, "k", 8 * MIB, 100_000);
    wait_until("some of it has come", || {
        field(&server, "qbuf") == Some(100_000)
    });
    let total = field(&server, "tot-mem").expect("connected");
    assert!((8 * MIB..8 * MIB + 64 * 1024).contains(&total), "{total}");
    assert_eq!(
        server.connect().ask("CONFIG SET maxmemory-clients 20mb"),
        "+OK\r\n"
    );
    c.send(&vec![b'x'; 8 * MIB - 100_000]);
    c.send(b"\r\n");
    assert_eq!(c.reply(), b"+OK\r\n");
    assert!(field(&server, "tot-mem") < Some(100_000));
    let mut c = begin(&server, "k", 30 * MIB, 100_000);
    c.rest();
    assert_eq!(server.info("evicted_clients").as_deref(), Some("1"));
}

#[test]
fn values_that_are_overwritten_leave_no_memory_behind() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let value = text(MIB, 1);
    c.call(&[&b"SET"[..], b"k", &value]);
    let before = used(&server);
    for _ in 0..50 {
        assert_eq!(c.call(&[&b"SET"[..], b"k", &value]), b"+OK\r\n");
    }
    assert!(used(&server) < before + 100_000);
    assert_eq!(c.ask("DEL k"), ":1\r\n");
    assert!(used(&server) < before - MIB + 100_000);
}
