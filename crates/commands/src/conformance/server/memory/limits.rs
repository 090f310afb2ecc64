//! Clients that are refused, idle, or hold too much.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_net::Address;
use russet_server::inside::{HELD_MAX_S, PROTECTED_MODE};
use russet_server::{ClientFlags, Server};

#[test]
fn protected_mode_accepts_clients_of_this_machine() {
    let mut t = Testbed::new();
    let strangers = [
        Address::Unknown,
        Address::Tcp("192.0.2.1:5".parse().expect("an address")),
    ];
    let neighbours = [
        Address::Unix("/tmp/s".into()),
        Address::Tcp("127.0.0.1:5".parse().expect("an address")),
    ];
    let server = &mut t.engine.server;
    for stranger in &strangers {
        assert_eq!(server.refuses(stranger).as_deref(), Some(PROTECTED_MODE));
    }
    for neighbour in &neighbours {
        assert_eq!(server.refuses(neighbour), None);
    }
    server.config.protected_mode = false;
    assert_eq!(server.refuses(&strangers[0]), None);
}

/// A migration's link may be silent for as long as its own timeouts allow.
#[test]
fn idle_clients_are_closed_and_links_of_migrations_are_not() {
    let mut t = Testbed::new();
    let flags = [
        ClientFlags::empty(),
        ClientFlags::SENDS_SLOTS,
        ClientFlags::INTERNAL,
    ];
    let ids = flags.map(|flag| {
        let id = t.connect();
        let server = &mut t.engine.server;
        let mut session = server.clients.take(id).expect("connected");
        session.client.flags |= flag;
        session.client.traffic.last_active_ms = server.now.mono_ms;
        server.clients.put_back(session);
        id
    });
    let server = &mut t.engine.server;
    server.config.timeout = 10;
    server.now.mono_ms += 10_999;
    server.watch_clients();
    assert!(!server.turn.to_close.contains(&ids[0]), "not yet");
    server.now.mono_ms += 1;
    server.watch_clients();
    let closed = ids.map(|id| server.turn.to_close.contains(&id));
    assert_eq!(closed, [true, false, false]);
}

#[test]
fn a_client_that_is_not_read_and_reads_nothing_is_closed() {
    let mut t = Testbed::new();
    let (reader, idle) = (t.connect(), t.connect());
    assert_eq!(t.run("CONFIG SET maxmemory 1mb"), "+OK\r\n");
    let server = &mut t.engine.server;
    for (id, bytes) in [(reader, 20 << 20), (idle, 1000)] {
        let mut session = server.clients.take(id).expect("connected");
        session.client.traffic.last_active_ms = server.now.mono_ms;
        session.reply.raw(&vec![b'x'; bytes]);
        server.memory.clients.count(&mut session);
        server.clients.put_back(session);
    }
    let holds = |server: &Server, id| {
        let session = server.clients.get(id).expect("connected");
        server.memory.clients.holds(session)
    };
    assert!(holds(server, reader) && !holds(server, idle));
    server.now.mono_ms += HELD_MAX_S * 1000 + 999;
    server.watch_clients();
    assert_eq!(server.turn.to_close, []);
    server.now.mono_ms += 1;
    server.watch_clients();
    assert_eq!(server.turn.to_close, [reader]);
    // A limit that is set closes clients, and holds none.
    assert_eq!(t.run("CONFIG SET maxmemory-clients 30mb"), "+OK\r\n");
    assert!(!holds(&t.engine.server, reader));
}
