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
