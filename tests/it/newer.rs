//! Words of Redis 8.12 from outside: what the log, a restart and replicas make of them.

use crate::support::{Daemon, wait_until};

const MARK: &str = "*1\r\n$8\r\nNO-EVICT\r\n";

/// Whether the server has the marks of `key:0` to `key:9`, but of `key:4`, and the moved members.
fn is_same(server: &Daemon) -> bool {
    let mut c = server.connect();
    let has_marks = (0..10).all(|n| {
        let mark = if n == 4 { "*0\r\n" } else { MARK };
        c.ask(&format!("BLESS GET key:{n}")) == mark
    });
    has_marks
        && c.ask("ZRANGE to 0 -1") == "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"
        && c.ask("EXISTS from") == ":0\r\n"
        && c.ask("CMS.QUERY cms x y") == "*2\r\n:7\r\n:200\r\n"
}

#[test]
fn the_log_and_replicas_have_marks_moved_members_and_sketches() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let of = format!("127.0.0.1 {}", server.port());
        let mut c = server.connect();
        for n in 0..10 {
            c.ask(&format!("SET key:{n} value"));
        }
        for n in 0..5 {
            assert_eq!(c.ask(&format!("BLESS SET key:{n} NO-EVICT")), ":1\r\n");
        }
        assert_eq!(c.ask("CMS.INITBYDIM cms 50 3 CELL_SIZE 1"), "+OK\r\n");
        assert_eq!(c.ask("CMS.INCRBY cms x 9 y 200"), "*2\r\n:9\r\n:200\r\n");
        // These marks come with a full synchronization, the next with the stream.
        let replica = Daemon::start(&["--replicaof", &of]);
        wait_until("the replica to be in step", || {
            replica.info("master_link_status").as_deref() == Some("up")
        });
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        for n in 5..10 {
            assert_eq!(c.ask(&format!("BLESS SET key:{n} NO-EVICT")), ":1\r\n");
        }
        c.ask("SET key:3 another EX 1000");
        assert_eq!(c.ask("BLESS CLEAR key:4 NO-EVICT"), ":1\r\n");
        let refused = "*2\r\n:7\r\n-CMS: INCRBY overflow\r\n";
        assert_eq!(c.ask("CMS.INCRBY cms x -2 y 56"), refused);
        let mut waiting = server.connect();
        waiting.send(b"BZMOVE from to MIN 0 COUNT 2\r\n");
        wait_until("the client to wait", || {
            server.info("blocked_clients").as_deref() == Some("1")
        });
        assert_eq!(c.ask("ZADD from 1 a 2 b 3 c"), ":3\r\n");
        let moved = "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n";
        assert_eq!(waiting.reply(), moved.as_bytes());
        let moved = "*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n";
        assert_eq!(c.ask("ZMOVEMEMBER from to NX MEMBERS 2 a c"), moved);
        assert!(is_same(&server));
        wait_until("the replica to follow", || is_same(&replica));
        let before = c.ask("DEBUG DIGEST");
        wait_until("the replica's data to be the same", || {
            replica.connect().ask("DEBUG DIGEST") == before
        });
        server.kill();
        server.restart();
        assert!(is_same(&server), "{preamble}");
        assert_eq!(server.connect().ask("DEBUG DIGEST"), before, "{preamble}");
    }
}

/// Fills sets whose members expire, in every encoding.
fn fill_expiring_sets(c: &mut crate::support::Connection) {
    c.ask("SADD few a b 3");
    c.ask("SPEXPIREAT few 33177117420000 MEMBERS 2 a 3");
    c.ask("SADD integers 1 2 3");
    c.ask("SPEXPIREAT integers 33177117420001 MEMBERS 1 2");
    for n in 0..600 {
        c.ask(&format!("SADD many m:{n} {n}"));
    }
    for n in 0..200 {
        let at = 33_177_117_420_000u64 + n;
        c.ask(&format!("SPEXPIREAT many {at} MEMBERS 2 m:{n} {n}"));
    }
    c.ask("SADDEX brief PX 1 MEMBERS 2 x y");
    c.ask("SADD brief z");
}

#[test]
fn sets_whose_members_expire_are_the_same_after_all_ways() {
    for preamble in ["yes", "no"] {
        let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let mut server = Daemon::start(&args);
        let of = format!("127.0.0.1 {}", server.port());
        let mut c = server.connect();
        fill_expiring_sets(&mut c);
        wait_until("the members to expire", || c.ask("SCARD brief") == ":1\r\n");
        let digest = c.ask("DEBUG DIGEST");
        let is_same = |server: &Daemon| server.connect().ask("DEBUG DIGEST") == digest;
        let replica = Daemon::start(&["--replicaof", &of]);
        wait_until("the replica's data to be the same", || is_same(&replica));
        assert!(
            server
                .info("db0")
                .is_some_and(|line| line.ends_with("subexpiry=3"))
        );
        assert!(c.ask("BGREWRITEAOF").starts_with("+Background"));
        wait_until("the rewrite to end", || {
            server.info("aof_rewrite_in_progress").as_deref() == Some("0")
        });
        c.ask("SADDEX after KEEPTTL MEMBERS 1 x");
        c.ask("DEL after");
        server.kill();
        server.restart();
        assert!(is_same(&server), "{preamble}: the log");
        let mut c = server.connect();
        assert_eq!(
            c.ask("SPEXPIRETIME few MEMBERS 2 a b"),
            "*2\r\n:33177117420000\r\n:-1\r\n"
        );
        assert_eq!(
            c.ask("SPEXPIRETIME many MEMBERS 1 7"),
            "*1\r\n:33177117420007\r\n"
        );
        c.ask("DEBUG RELOAD");
        assert!(is_same(&server), "{preamble}: a file");
        // An older version holds the members without their expiries.
        c.ask("CONFIG SET rdb-version 12");
        assert_eq!(c.ask("DEBUG RELOAD"), "+OK\r\n");
        assert_eq!(
            c.ask("SPEXPIRETIME few MEMBERS 2 a b"),
            "*2\r\n:-1\r\n:-1\r\n"
        );
        assert_eq!(c.ask("SCARD many"), ":1200\r\n");
        // Again with the lowest version that holds everything.
        c.ask("CONFIG SET rdb-version 0");
    }
}
