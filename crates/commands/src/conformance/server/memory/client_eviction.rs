//! `maxmemory-clients`: which clients are closed.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn a_tiny_limit_still_lets_clients_take_it_back() {
    let mut t = Testbed::new();
    let client = t.connect();
    for limit in ["1", "1%"] {
        assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
        let set = format!("CONFIG SET maxmemory-clients {limit}");
        assert_eq!(t.run_as(client, &set), "+OK\r\n");
        t.engine.evict_clients();
        assert_eq!(t.engine.server.stats.clients.evicted_clients, 0);
    }
}

#[test]
fn the_largest_client_goes_unless_it_is_exempt() {
    let mut t = Testbed::new();
    let (big, exempt) = (t.connect(), t.connect());
    for client in [big, exempt] {
        t.run_as(client, "MULTI");
        t.run_as(client, &format!("SET a {}", "x".repeat(100_000)));
    }
    let session = t.engine.server.clients.get_mut(exempt).expect("connected");
    session.client.flags |= russet_server::ClientFlags::NO_EVICT;
    assert_eq!(t.run("CONFIG SET maxmemory-clients 150k"), "+OK\r\n");
    t.engine.evict_clients();
    assert_eq!(t.engine.server.stats.clients.evicted_clients, 1);
    let flags = |id| {
        t.engine
            .server
            .clients
            .get(id)
            .expect("still there")
            .client
            .flags
    };
    assert!(flags(big).contains(russet_server::ClientFlags::CLOSE_ASAP));
    assert!(!flags(exempt).contains(russet_server::ClientFlags::CLOSE_ASAP));
}
