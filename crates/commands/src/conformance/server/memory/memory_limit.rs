//! `maxmemory`: its automatic value, what counts towards it, its warnings.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_server::inside::Engine;

#[test]
fn auto_is_the_memory_less_the_reserve_and_stays_auto() {
    let mut t = Testbed::new();
    assert_eq!(
        t.run("CONFIG SET maxmemory auto maxmemory-reserve 50%"),
        "+OK\r\n"
    );
    let (memory, _) = t.engine.server.memory.limit.found().expect("auto");
    assert_eq!(
        t.engine.server.memory.limit.maxmemory(),
        memory - memory / 2
    );
    assert_eq!(
        t.run("CONFIG GET maxmemory"),
        "*2\r\n$9\r\nmaxmemory\r\n$4\r\nauto\r\n"
    );
    assert_eq!(t.run("CONFIG SET maxmemory-reserve 1mb"), "+OK\r\n");
    assert_eq!(t.engine.server.memory.limit.maxmemory(), memory - (1 << 20));
    let info = t.run("INFO memory");
    assert!(
        info.contains(&format!("maxmemory:{}\r\n", memory - (1 << 20))),
        "{info}"
    );
    assert_eq!(t.run("CONFIG SET maxmemory 0"), "+OK\r\n");
    assert_eq!(t.engine.server.memory.limit.maxmemory(), 0);
    assert!(t.engine.server.memory.limit.found().is_none());
}

#[test]
fn a_limit_set_in_a_transaction_evicts_after_it() {
    let mut t = Testbed::new();
    t.run("MULTI");
    t.run("INCR a");
    t.run("CONFIG SET maxmemory 1 maxmemory-policy allkeys-lru");
    t.run("INCR a");
    assert_eq!(t.run("EXEC"), "*3\r\n:1\r\n+OK\r\n:2\r\n");
    t.engine.continue_eviction();
    assert_eq!(t.run("CONFIG SET maxmemory 0"), "+OK\r\n");
    assert_eq!(t.run("EXISTS a"), ":0\r\n");
}

#[test]
fn what_waits_for_the_disk_does_not_count_towards_the_limit() {
    let mut t = Testbed::new();
    t.run("CONFIG SET maxmemory 1 maxmemory-policy noeviction");
    assert!(t.run("SET a 1").starts_with("-OOM"));
    let server = &mut t.engine.server;
    assert!(server.memory.limit.set_not_counted(1 << 40));
    server.update_interest();
    assert_eq!(t.run("SET a 1"), "+OK\r\n");
    assert_eq!(
        t.run("EVAL return(redis.call('set','a','2').ok) 0"),
        "$2\r\nOK\r\n"
    );
    // The log is off, and no snapshot is under way.
    let Engine {
        server, keyspace, ..
    } = &mut t.engine;
    server.measure_not_counted(keyspace);
    assert!(t.run("SET a 1").starts_with("-OOM"));
}

#[test]
fn resident_memory_far_beyond_the_limit_is_logged() {
    let mut t = Testbed::new();
    assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
    let server = &mut t.engine.server;
    server.now.mono_ms += 2000;
    server.watch_memory_limit();
    assert!(server.memory.limit.resident_exceeded());
    assert!(
        t.run("INFO memory")
            .contains("maxmemory_resident_exceeded:1\r\n")
    );
    assert_eq!(t.run("CONFIG SET maxmemory-resident-warning 0"), "+OK\r\n");
    let server = &mut t.engine.server;
    server.now.mono_ms += 2000;
    server.watch_memory_limit();
    assert!(!server.memory.limit.resident_exceeded());
}
