//! Memory as INFO tells it: when it is taken, and when it is back.

use crate::support::{Daemon, wait_until};

fn used(server: &Daemon) -> u64 {
    let text = server.info("used_memory").expect("INFO has it");
    text.parse().expect("a number")
}

#[test]
fn a_flush_that_is_not_async_has_freed_its_memory_when_it_answers() {
    let server = Daemon::start(&["--enable-debug-command", "yes"]);
    let mut c = server.connect();
    let before = used(&server);
    for flush in ["FLUSHALL", "FLUSHALL SYNC", "FLUSHDB SYNC"] {
        assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+OK\r\n");
        c.ask("SADD set a");
        for chunk in 0..50 {
            let members: Vec<String> = (0..1000).map(|i| format!("{chunk}:{i}")).collect();
            c.ask(&format!("SADD set {}", members.join(" ")));
        }
        assert!(used(&server) > before + (20 << 20));
        // What stands behind it in the pipeline waits with it.
        c.send(format!("{flush}\r\nINFO memory\r\nDBSIZE\r\n").as_bytes());
        assert_eq!(c.reply(), b"+OK\r\n");
        let info = String::from_utf8(c.reply()).expect("text");
        assert_eq!(c.reply(), b":0\r\n");
        let line = |l: &str| {
            l.strip_prefix("used_memory:")
                .and_then(|n| n.parse::<u64>().ok())
        };
        let after = info.lines().find_map(line).expect("a line");
        assert!(after < before + (1 << 20), "{flush}: {before} {after}");
    }
    assert_eq!(c.ask("MULTI"), "+OK\r\n");
    assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+QUEUED\r\n");
    assert_eq!(c.ask("FLUSHALL SYNC"), "+QUEUED\r\n");
    assert_eq!(c.ask("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
    assert!(used(&server) < before + (1 << 20));
}

#[test]
fn a_limit_far_below_what_is_used_is_reached_between_other_work() {
    let server = Daemon::start(&[
        "--maxmemory-policy",
        "allkeys-random",
        "--enable-debug-command",
        "yes",
    ]);
    let mut c = server.connect();
    assert_eq!(c.ask("DEBUG POPULATE 200000 key 100"), "+OK\r\n");
    let limit = used(&server) / 2;
    assert_eq!(c.ask(&format!("CONFIG SET maxmemory {limit}")), "+OK\r\n");
    // The command that set it did a small part of the work.
    let at_once = c.ask("DBSIZE");
    let keys = |reply: &str| reply[1..].trim().parse::<u64>().expect("a number");
    assert!(keys(&at_once) > 150_000, "{at_once}");
    assert_eq!(c.ask("SET another value"), "+OK\r\n");
    // INFO itself takes some memory.
    wait_until("the limit is kept", || used(&server) < limit + (1 << 18));
    assert!(keys(&c.ask("DBSIZE")) < 150_000);
}
