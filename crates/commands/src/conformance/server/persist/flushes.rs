//! Flushed data that is kept for a time: its grace, its memory, its undo.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_base::memory::alloc;
use russet_server::inside::Engine;
use russet_server::inside::Facts;

fn flushed() -> Testbed {
    let mut t = Testbed::new();
    t.run("CONFIG SET flush-grace 60");
    for key in 0..1000 {
        t.run(&format!("SET key:{key} {}", "v".repeat(500)));
    }
    t.run("FLUSHALL");
    assert!(t.engine.keyspace.has_aside());
    t
}

fn tend(t: &mut Testbed) -> bool {
    t.engine.server.tend_aside(&mut t.engine.keyspace);
    t.engine.keyspace.has_aside()
}

#[test]
fn the_grace_ends_by_time() {
    let mut t = flushed();
    t.advance_ms(59_999);
    assert!(tend(&mut t));
    t.advance_ms(1);
    assert!(!tend(&mut t));
}

#[test]
#[cfg(not(feature = "system-allocator"))]
fn it_is_freed_when_it_and_what_is_used_exceed_the_limit() {
    let mut t = flushed();
    let bytes = t.engine.keyspace.aside_bytes();
    assert!(bytes > 500_000);
    let used = alloc::used_memory();
    t.run(&format!(
        "CONFIG SET maxmemory {}",
        used + bytes + (1 << 20)
    ));
    assert_eq!(t.run("SET a 1"), "+OK\r\n");
    assert!(t.engine.keyspace.has_aside());
    t.run(&format!("CONFIG SET maxmemory {}", used + bytes / 2));
    assert_eq!(t.run("SET a 1"), "+OK\r\n");
    assert!(!t.engine.keyspace.has_aside());
}

#[test]
fn an_undo_fails_at_servers_that_do_not_know_it() {
    let mut t = flushed();
    let (old, new) = (
        Facts::default(),
        Facts {
            flush_undo: true,
            ..Facts::default()
        },
    );
    let crosses = |t: &Testbed, facts, from| {
        t.engine
            .server
            .replication
            .replicas
            .crosses_undo(facts, from)
    };
    assert!(!crosses(&t, &old, 0));
    assert_eq!(t.run("FLUSH UNDO"), ":1000\r\n");
    assert!(crosses(&t, &old, u64::MAX), "it is not in the stream yet");
    assert!(!crosses(&t, &new, 0));
    // While a log is loaded, the stream's position is not known yet.
    let Engine {
        server, keyspace, ..
    } = &mut t.engine;
    server.begin_loading(keyspace, 0);
    tend(&mut t);
    assert!(crosses(&t, &old, u64::MAX));
    let Engine {
        server, keyspace, ..
    } = &mut t.engine;
    server.end_loading(keyspace);
    tend(&mut t);
    let end = t.engine.server.stream.offset();
    assert!(!crosses(&t, &old, end));
}
