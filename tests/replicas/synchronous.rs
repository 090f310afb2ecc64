//! `min-sync-replicas`: a reply leaves once enough replicas have what it acknowledges or shows.
//!
//! The network between primary and replica is halted, so that nothing is acknowledged: each writer
//! waits, each reader of what was written waits, and everyone else is answered. Then it goes on, or
//! the time is up.

use std::time::Duration;

use rustix::process::Signal;

use super::link::Link;
use super::node::{Kind, Node};
use crate::support::{Connection, Daemon, wait_until};

/// How long a reply that must not come is waited for.
const QUIET: Duration = Duration::from_millis(300);

/// A primary, a replica of any make, and the network between them.
struct Pair {
    primary: Daemon,
    link: Link,
    replica: Node,
}

impl Pair {
    fn start(kind: Kind, args: &[&str]) -> Pair {
        let mode = [
            "--min-sync-replicas",
            "1",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let primary = Daemon::start(&[&mode[..], args].concat());
        let link = Link::to(primary.port());
        let port = link.port().to_string();
        let replica = Node::start(
            kind,
            &["--replicaof", "127.0.0.1", &port].map(str::to_owned),
        );
        let pair = Pair {
            primary,
            link,
            replica,
        };
        pair.wait_for_state("ok");
        pair
    }

    fn state(&self) -> String {
        self.primary.info("sync_state").unwrap_or_default()
    }

    fn wait_for_state(&self, state: &str) {
        wait_until(&format!("sync_state {state}"), || self.state() == state);
    }

    /// A connection that has sent the commands of `lines`, separated by `;`.
    fn sends(&self, lines: &str) -> Connection {
        let mut connection = self.primary.connect();
        let lines: Vec<&str> = lines.split(';').map(str::trim).collect();
        connection.send(format!("{}\r\n", lines.join("\r\n")).as_bytes());
        connection
    }
}

fn replies(connection: &mut Connection, lines: &str) -> String {
    let replies = lines.split(';').map(|_| {
        let reply = connection.reply();
        String::from_utf8_lossy(&reply).into_owned()
    });
    replies.collect()
}

/// What is there before; a write; a read that shows the write, and its reply.
const SHOWN: &[(&str, &str, &str, &str)] = &[
    ("PING", "SET s1 v", "GET s1", "$1\r\nv\r\n"),
    ("SET s2 v", "DEL s2", "GET s2", "$-1\r\n"),
    ("SET s3 v", "DEL s3", "EXISTS s3", ":0\r\n"),
    ("SET s4 v", "RENAME s4 s4b", "TYPE s4", "+none\r\n"),
    ("SET s5 v", "RENAME s5 s5b", "STRLEN s5b", ":1\r\n"),
    ("SET s6 v", "EXPIRE s6 100", "PERSIST s6", ":1\r\n"),
    ("HSET h1 f a", "HSET h1 f b", "HGET h1 f", "$1\r\nb\r\n"),
    ("PING", "RPUSH l1 a", "LLEN l1", ":1\r\n"),
    ("RPUSH l2 a", "LPOP l2", "LRANGE l2 0 -1", "*0\r\n"),
    ("PING", "SADD t1 a", "SISMEMBER t1 a", ":1\r\n"),
    ("PING", "ZADD z1 1 a", "ZSCORE z1 a", "$1\r\n1\r\n"),
    ("SET m1 v", "MULTI;INCR m2;EXEC", "GET m2", "$1\r\n1\r\n"),
    (
        "PING",
        "SET e1 v",
        "MULTI;GET e1;EXEC",
        "+OK\r\n+QUEUED\r\n*1\r\n$1\r\nv\r\n",
    ),
    (
        "PING",
        "SET e2 v",
        "EVAL \"return redis.call('get','e2')\" 0",
        "$1\r\nv\r\n",
    ),
    (
        "PING",
        "EVAL \"redis.call('set','e3','v')\" 0",
        "GET e3",
        "$1\r\nv\r\n",
    ),
    (
        "RPUSH o1 1",
        "SET w_1 v",
        "SORT o1 BY nosort GET w_*",
        "*1\r\n$1\r\nv\r\n",
    ),
    (
        "SET g1 5",
        "SET g1 abc",
        "INCRBYFLOAT g1 1",
        "-ERR value is not a valid float\r\n",
    ),
    (
        "RPUSH y1 a",
        "SET y2 v",
        "LPUSH y2 a",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    ),
    (
        "XADD x1 1-1 f v;XGROUP CREATE x1 g 0",
        "XREADGROUP GROUP g c STREAMS x1 >",
        "XPENDING x1 g - + 1 nobody",
        "*0\r\n",
    ),
    ("SETBIT b1 7 0", "SETBIT b1 7 1", "BITCOUNT b1", ":1\r\n"),
    ("PING", "PFADD p1 a", "PFCOUNT p1", ":1\r\n"),
    ("PING", "JSON.SET j1 $ 1", "JSON.GET j1", "$1\r\n1\r\n"),
    (
        "PING",
        "GEOADD q1 1 1 a",
        "GEOSEARCH q1 FROMLONLAT 1 1 BYRADIUS 1 km",
        "*1\r\n$1\r\na\r\n",
    ),
    (
        "PING",
        "SELECT 3;SET d3 v",
        "SELECT 3;GET d3",
        "+OK\r\n$1\r\nv\r\n",
    ),
    (
        "SELECT 5;SET d5 v",
        "SELECT 5;FLUSHDB",
        "SELECT 5;GET d5",
        "+OK\r\n$-1\r\n",
    ),
    (
        "SELECT 6;SET d6 v",
        "SWAPDB 6 7",
        "SELECT 7;GET d6",
        "+OK\r\n$1\r\nv\r\n",
    ),
    (
        "PING",
        "FUNCTION LOAD \"#!lua name=l1\\nredis.register_function{function_name='f1',\
      callback=function() return 1 end, flags={'no-writes'}}\"",
        "FCALL_RO f1 0",
        ":1\r\n",
    ),
    ("PING", "SET k1 v", "SELECT 9;DBSIZE", "+OK\r\n:0\r\n"),
    ("PING", "SET k2 v", "SELECT 9;KEYS *", "+OK\r\n*0\r\n"),
    ("PING", "SET k3 v", "SELECT 9;RANDOMKEY", "+OK\r\n$-1\r\n"),
    (
        "PING",
        "SET k4 v",
        "SELECT 9;SCAN 0",
        "+OK\r\n*2\r\n$1\r\n0\r\n*0\r\n",
    ),
    (
        "PING",
        "SET k5 v",
        "FUNCTION LIST LIBRARYNAME none",
        "*0\r\n",
    ),
    (
        "PING",
        "SET k6 v",
        "EVAL \"return #redis.call('keys','none*')\" 0",
        ":0\r\n",
    ),
    (
        "TS.CREATE u1 LABELS a b",
        "TS.ADD u1 1 1",
        "TS.MGET FILTER a=c",
        "*0\r\n",
    ),
    (
        "HSET v1 f old;FT.CREATE i1 PREFIX 1 v SCHEMA f TAG",
        "HSET v1 f new",
        "FT.TAGVALS i1 g",
        "-SEARCH_FIELD_NOT_FOUND No such field\r\n",
    ),
];

/// A write waits for the replica, and so does everything that shows it; nothing else does.
pub fn replies_that_show_a_write_wait(kind: Kind) {
    let pair = Pair::start(kind, &[]);
    let is_known = |lines: &str| kind == Kind::Russet || !lines.contains('.');
    let cases = SHOWN.iter().filter(|(_, write, ..)| is_known(write));
    let cases: Vec<_> = cases.collect();
    for (before, ..) in &cases {
        let mut connection = pair.sends(before);
        replies(&mut connection, before);
    }
    wait_until("all to be acknowledged", || {
        pair.primary.info("sync_unsafe_bytes").as_deref() == Some("0")
    });
    pair.link.halt();
    let mut writers: Vec<Connection> = cases.iter().map(|case| pair.sends(case.1)).collect();
    wait_until("all writes to wait", || {
        pair.primary.info("sync_held_clients").as_deref() == Some(&cases.len().to_string())
    });
    let mut readers: Vec<Connection> = cases.iter().map(|case| pair.sends(case.2)).collect();
    assert_eq!(pair.primary.connect().ask("GET untouched"), "$-1\r\n");
    assert_eq!(pair.primary.connect().ask("HGET untouched f"), "$-1\r\n");
    let held = (2 * cases.len()).to_string();
    wait_until("all reads to wait", || {
        pair.primary.info("sync_held_clients").as_deref() == Some(&held)
    });
    for (reader, case) in readers.iter_mut().zip(&cases).take(3) {
        assert!(reader.is_silent_for(QUIET), "{}", case.2);
    }
    pair.link.advance();
    for (writer, (_, write, ..)) in writers.iter_mut().zip(&cases) {
        let shown = replies(writer, write);
        assert!(!shown.starts_with("-INDOUBT"), "{write}: {shown}");
    }
    for (reader, (_, _, read, shown)) in readers.iter_mut().zip(&cases) {
        assert_eq!(&replies(reader, read), shown, "{read}");
    }
    assert_eq!(pair.primary.info("sync_unsafe_bytes").as_deref(), Some("0"));
    assert!(pair.replica.is_linked());
}

/// Replies keep their order, and replies that are safe leave before those that are not.
pub fn a_pipeline_is_answered_in_parts() {
    let pair = Pair::start(Kind::Russet, &[]);
    let mut c = pair.primary.connect();
    assert_eq!(c.ask("SET a 1"), "+OK\r\n");
    pair.link.halt();
    c.send(b"GET a\r\nSET a 2\r\nGET a\r\n");
    assert!(c.is_silent_for(QUIET));
    c.send(b"PING\r\nGET b\r\n");
    assert!(c.is_silent_for(QUIET), "no reply overtakes another");
    pair.link.advance();
    assert_eq!(
        replies(&mut c, "GET;SET;GET;PING;GET"),
        "$1\r\n1\r\n+OK\r\n$1\r\n2\r\n+PONG\r\n$-1\r\n"
    );
    // A client that never stops: each turn's replies follow the acknowledgement of that turn.
    for round in 0..200 {
        for at in 0..20 {
            c.send(format!("SET k{at} {round}\r\n").as_bytes());
        }
        if round >= 2 {
            for _ in 0..20 {
                assert_eq!(c.reply(), b"+OK\r\n");
            }
        }
    }
}

/// One client's buffer: a clean key, and a key that another client has written, between two writes.
/// Nothing leaves before the other's write is safe, and then all of it in its order; a connection
/// that is closed meanwhile holds nobody up.
pub fn a_buffer_waits_for_what_another_client_wrote() {
    let pair = Pair::start(Kind::Russet, &[]);
    assert_eq!(pair.primary.connect().ask("SET b 1"), "+OK\r\n");
    let held = |count: &str| {
        wait_until(&format!("the replies of {count} clients to wait"), || {
            pair.primary.info("sync_held_clients").as_deref() == Some(count)
        });
    };
    let mut asks = pair.primary.connect();
    assert_eq!(
        asks.ask("CONFIG SET latency-monitor-threshold 1"),
        "+OK\r\n"
    );
    pair.link.halt();
    let mut other = pair.sends("SET a other");
    held("1");
    assert!(asks.ask("CLIENT LIST").contains(" sync-held=5\n"));
    let mut c = pair.sends("SET d 1;GET b;GET a;SET c 1");
    held("2");
    let gone = pair.sends("SET e 1;GET a");
    held("3");
    // Its replies still wait: the end may be that of the client's commands alone.
    drop(gone);
    assert!(c.is_silent_for(QUIET) && other.is_silent_for(QUIET));
    pair.link.advance();
    assert_eq!(
        replies(&mut c, "SET;GET;GET;SET"),
        "+OK\r\n$1\r\n1\r\n$5\r\nother\r\n+OK\r\n"
    );
    assert_eq!(replies(&mut other, "SET"), "+OK\r\n");
    held("0");
    let waits = asks.ask("LATENCY HISTORY sync-ack");
    assert!(waits.starts_with("*1\r\n*2\r\n"), "{waits}");
    assert!(asks.ask("LATENCY DOCTOR").contains("min-sync-replicas"));
}

/// With `sync-replica-reads safe` a replica shows what its primary has called safe, and answers all
/// else at once.
pub fn a_replica_shows_only_what_is_safe() {
    let pair = Pair::start(Kind::Russet, &["--sync-timeout", "60000"]);
    let upstream = pair.primary.port().to_string();
    let reader = Daemon::start(&[
        "--replicaof",
        "127.0.0.1",
        &upstream,
        "--min-sync-replicas",
        "1",
        "--sync-timeout",
        "60000",
        "--sync-replica-reads",
        "safe",
    ]);
    wait_until("two replicas", || {
        pair.primary.info("sync_good_replicas").as_deref() == Some("2")
    });
    let mut c = pair.primary.connect();
    assert_eq!(c.ask("CONFIG SET min-sync-replicas 2"), "+OK\r\n");
    for line in ["SET a old", "SET b other", "XADD s 1-0 f v"] {
        assert!(!c.ask(line).starts_with('-'), "{line}");
    }
    assert_eq!(reader.connect().ask("GET a"), "$3\r\nold\r\n");
    let mut blocked = reader.connect();
    blocked.send(b"XREAD BLOCK 0 STREAMS s $\r\n");
    wait_until("a blocked client", || {
        reader.info("blocked_clients").as_deref() == Some("1")
    });

    pair.link.halt();
    let _writers = [pair.sends("SET a new"), pair.sends("XADD s 2-0 f v")];
    // The reader has the writes: it holds replies that show them.
    let reads = [
        "GET a",
        "DBSIZE",
        "EXISTS b a",
        "EVAL return(redis.call('get',KEYS[1])) 1 a",
    ];
    let mut readers: Vec<Connection> = Vec::new();
    wait_until("the writes to arrive", || {
        let mut c = reader.connect();
        c.send(b"GET a\r\n");
        let waits = c.is_silent_for(QUIET);
        readers.push(c);
        waits
    });
    readers.truncate(0);
    for read in reads {
        let mut c = reader.connect();
        let words: Vec<&str> = read.split(' ').collect();
        c.send(&crate::support::resp::command(&words));
        readers.push(c);
    }
    assert_eq!(reader.connect().ask("GET b"), "$5\r\nother\r\n");
    assert_eq!(reader.connect().ask("PING"), "+PONG\r\n");
    for c in readers.iter_mut().chain([&mut blocked]) {
        assert!(c.is_silent_for(QUIET));
    }

    pair.link.advance();
    let shown = ["$3\r\nnew\r\n", ":3\r\n", ":2\r\n", "$3\r\nnew\r\n"];
    for ((c, read), shown) in readers.iter_mut().zip(reads).zip(shown) {
        assert_eq!(String::from_utf8_lossy(&c.reply()), shown, "{read}");
    }
    assert!(blocked.reply().starts_with(b"*1\r\n"));

    // A replica that is new gets its word without a write.
    let late = Daemon::start(&[
        "--replicaof",
        "127.0.0.1",
        &upstream,
        "--min-sync-replicas",
        "1",
        "--sync-replica-reads",
        "safe",
    ]);
    wait_until("the new replica's data", || {
        late.connect().ask("GET a").ends_with("new\r\n")
    });
    drop(late);
    wait_until("two replicas", || {
        pair.primary.info("sync_good_replicas").as_deref() == Some("2")
    });

    // Of a primary that has gone, the last changes are not shown; by `any` they are.
    pair.link.halt();
    let _writer = pair.sends("SET b late");
    wait_until("the write to arrive", || {
        let mut c = reader.connect();
        c.send(b"GET b\r\n");
        c.is_silent_for(QUIET)
    });
    let mut c = reader.connect();
    let mut waiting = reader.connect();
    waiting.send(b"GET b\r\n");
    assert!(waiting.is_silent_for(QUIET));
    assert_eq!(c.ask("CONFIG SET sync-timeout 500"), "+OK\r\n");
    let refusal = "-NOSYNCREPLICAS The last write to this data is not acknowledged yet.\r\n";
    assert_eq!(String::from_utf8_lossy(&waiting.reply()), refusal);
    assert_eq!(waiting.rest(), b"");
    assert_eq!(c.ask("CONFIG SET sync-replica-reads any"), "+OK\r\n");
    assert_eq!(c.ask("GET b"), "$4\r\nlate\r\n");

    // A copy of other data replaces the change: its reader does not see it once the new stream is
    // longer.
    for line in ["sync-replica-reads safe", "sync-timeout 60000"] {
        assert_eq!(c.ask(&format!("CONFIG SET {line}")), "+OK\r\n");
    }
    let mut waiting = reader.connect();
    waiting.send(b"GET b\r\n");
    assert!(waiting.is_silent_for(QUIET));
    let other = Daemon::start(&[]);
    let order = format!("REPLICAOF 127.0.0.1 {}", other.port());
    assert_eq!(c.ask(&order), "+OK\r\n");
    assert_eq!(String::from_utf8_lossy(&waiting.reply()), refusal);
    assert_eq!(waiting.rest(), b"");
}

/// After `sync-timeout` the outcome of a write is in doubt, later writes and reads of that data are
/// refused at once, other data is served; all of it is well again once the replica is back.
pub fn what_is_late_is_in_doubt() {
    let pair = Pair::start(Kind::Russet, &["--sync-timeout", "600"]);
    pair.link.halt();
    let mut writer = pair.sends("PING;SET a 1;PING");
    wait_until("the write to wait", || {
        pair.primary.info("sync_held_clients").as_deref() == Some("1")
    });
    let mut reader = pair.sends("GET a");
    let (in_doubt, not_yet) = (
        "-INDOUBT Not acknowledged by 1 sync replica within 600 ms: this command and those after \
         it on this connection may survive or not.\r\n",
        "-NOSYNCREPLICAS The last write to this data is not acknowledged yet.\r\n",
    );
    assert_eq!(replies(&mut writer, "PING"), in_doubt);
    assert_eq!(writer.rest(), b"");
    assert_eq!(replies(&mut reader, "GET a"), not_yet);
    assert_eq!(reader.rest(), b"");
    pair.wait_for_state("lost");
    let mut c = pair.primary.connect();
    let refused = "-NOSYNCREPLICAS Not enough sync replicas: 0 of 1 acknowledge. Nothing was \
                   executed.\r\n";
    for (line, reply) in [
        ("SET b 1", refused),
        ("GET a", not_yet),
        ("DBSIZE", not_yet),
        ("GET b", "$-1\r\n"),
        ("PING", "+PONG\r\n"),
        ("MULTI", "+OK\r\n"),
        ("SET b 1", refused),
        (
            "EXEC",
            "-EXECABORT Transaction discarded because of previous errors.\r\n",
        ),
    ] {
        assert_eq!(c.ask(line), reply, "{line}");
    }
    assert_eq!(pair.primary.info("sync_timeouts").as_deref(), Some("2"));
    pair.link.advance();
    pair.wait_for_state("ok");
    assert_eq!(c.ask("GET a"), "$1\r\n1\r\n");
    assert_eq!(c.ask("SET b 1"), "+OK\r\n");
}

/// Without enough replicas a write waits before it runs: it is refused, or runs once they are back.
pub fn writes_wait_for_replicas_before_they_run() {
    let mut pair = Pair::start(Kind::Russet, &["--sync-timeout", "60000"]);
    pair.replica.server.kill();
    pair.wait_for_state("forming");
    let mut writer = pair.sends("SET a 1");
    assert!(writer.is_silent_for(QUIET));
    let mut c = pair.primary.connect();
    assert_eq!(c.ask("GET a"), "$-1\r\n", "it has not run");
    pair.replica.server.restart();
    assert_eq!(replies(&mut writer, "SET a 1"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG SET min-sync-replicas 2"), "+OK\r\n");
    assert_eq!(c.ask("CONFIG SET sync-timeout 300"), "+OK\r\n");
    let refused = "-NOSYNCREPLICAS Not enough sync replicas: 1 of 2 acknowledge. Nothing was \
                   executed.\r\n";
    assert_eq!(c.ask("SET a 2"), refused);
    assert_eq!(c.ask("CONFIG SET min-sync-replicas 0"), "+OK\r\n");
    assert_eq!(c.ask("SET a 3"), "+OK\r\n");
    assert_eq!(pair.primary.info("sync_state"), None);
}

/// A primary that becomes a replica tells the clients that wait that the outcome is unknown.
pub fn a_deposed_primary_says_so() {
    let pair = Pair::start(Kind::Russet, &[]);
    pair.link.halt();
    let mut writer = pair.sends("SET a 1");
    wait_until("the write to wait", || {
        pair.primary.info("sync_held_clients").as_deref() == Some("1")
    });
    let port = pair.replica.port();
    let mut c = pair.primary.connect();
    assert_eq!(c.ask(&format!("REPLICAOF 127.0.0.1 {port}")), "+OK\r\n");
    let deposed = "-INDOUBT Another server leads now: this command and those after it on this \
                   connection may survive or not.\r\n";
    assert_eq!(replies(&mut writer, "SET a 1"), deposed);
}

/// A keyspace event is about a write that is safe; a blocked reader is served with it.
pub fn events_and_blocked_readers_wait() {
    let pair = Pair::start(Kind::Russet, &["--notify-keyspace-events", "KEA"]);
    let mut blocked = pair.sends("BLPOP list 0");
    let mut subscriber = pair.sends("SUBSCRIBE __keyspace@0__:list");
    replies(&mut subscriber, "SUBSCRIBE");
    let mut listener = pair.sends("SUBSCRIBE plain");
    replies(&mut listener, "SUBSCRIBE");
    wait_until("the wait to begin", || {
        pair.primary.info("blocked_clients").as_deref() == Some("1")
    });
    pair.link.halt();
    let mut writer = pair.sends("RPUSH list v");
    assert!(blocked.is_silent_for(QUIET));
    assert!(subscriber.is_silent_for(Duration::from_millis(1)));
    // A message is no write: no client waits for it.
    assert_eq!(pair.primary.connect().ask("PUBLISH plain hello"), ":1\r\n");
    replies(&mut listener, "message");
    pair.link.advance();
    assert_eq!(replies(&mut writer, "RPUSH"), ":1\r\n");
    assert_eq!(
        replies(&mut blocked, "BLPOP"),
        "*2\r\n$4\r\nlist\r\n$1\r\nv\r\n"
    );
    let event = replies(&mut subscriber, "message");
    assert!(event.contains("rpush"), "{event}");
}

/// A promoted replica shows at once what its primary had called safe; what was on its way then
/// waits for a replica.
pub fn a_promoted_replica_shows_what_was_safe() {
    let mut pair = Pair::start(Kind::Russet, &[]);
    let mut c = pair.primary.connect();
    let replica = pair.replica.port();
    let mut r = Connection::open(replica).expect("it listens");
    let line = "CONFIG SET min-sync-replicas 1 sync-timeout 500";
    assert_eq!(r.ask(line), "+OK\r\n");
    let offset = |server: &Daemon, field| {
        let value = server.info(field).expect("the field");
        value.parse::<u64>().expect("an offset")
    };
    let before = offset(&pair.primary, "master_repl_offset");
    assert_eq!(c.ask("SET old 1"), "+OK\r\n");
    wait_until("the note of the safe position", || {
        offset(&pair.replica.server, "sync_safe_offset") > before
    });
    // Two replicas are needed from here on, and the other is stopped.
    let port = pair.primary.port().to_string();
    let other = Node::start(
        Kind::Russet,
        &["--replicaof", "127.0.0.1", &port].map(str::to_owned),
    );
    wait_until("two replicas", || {
        pair.primary.info("sync_good_replicas").as_deref() == Some("2")
    });
    assert_eq!(c.ask("CONFIG SET min-sync-replicas 2"), "+OK\r\n");
    pair.wait_for_state("ok");
    other.server.signal(Signal::STOP);
    let _writer = pair.sends("SET new 1");
    wait_until("the write at the replica", || {
        r.ask("GET new") == "$1\r\n1\r\n"
    });
    pair.primary.kill();
    assert_eq!(r.ask("REPLICAOF NO ONE"), "+OK\r\n");
    assert_eq!(r.ask("GET old"), "$1\r\n1\r\n", "it was safe");
    let refused = "-NOSYNCREPLICAS Not enough sync replicas: 0 of 1 acknowledge. Nothing was \
                   executed.\r\n";
    assert_eq!(r.ask("SET old 2"), refused);
    let not_yet = "-NOSYNCREPLICAS The last write to this data is not acknowledged yet.\r\n";
    assert_eq!(r.ask("GET new"), not_yet);
    other.server.signal(Signal::CONT);
}

/// FAILOVER in the mode: the notes of the stream do not keep the offsets apart, and the new primary
/// serves writes with the old primary as its replica.
pub fn a_failover_hands_the_mode_over() {
    let primary = Daemon::start(&[
        "--min-sync-replicas",
        "1",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let port = primary.port().to_string();
    let replica = Node::start(
        Kind::Russet,
        &[
            "--replicaof",
            "127.0.0.1",
            &port,
            "--min-sync-replicas",
            "1",
        ]
        .map(str::to_owned),
    );
    let state = |server: &Daemon| server.info("sync_state").unwrap_or_default();
    wait_until("the mode", || state(&primary) == "ok");
    let mut c = primary.connect();
    for n in 0..100 {
        assert_eq!(c.ask(&format!("SET key {n}")), "+OK\r\n");
    }
    let line = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 10000", replica.port());
    assert_eq!(c.ask(&line), "+OK\r\n");
    wait_until("the new primary", || {
        replica.server.info("role").as_deref() == Some("master") && state(&replica.server) == "ok"
    });
    let mut c = replica.server.connect();
    assert_eq!(c.ask("GET key"), "$2\r\n99\r\n");
    assert_eq!(c.ask("SET key 100"), "+OK\r\n");
    wait_until("the old primary to follow", || {
        primary.connect().ask("GET key") == "$3\r\n100\r\n"
    });
}
