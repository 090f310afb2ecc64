//! Handshakes of TLS in the loop: strangers, time limits, shares of a turn.
//! Real commands run in process, because a table of a few would not show it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::ClientConnection;

use super::{Peer, connect};
use russet_net::Address;
use russet_net::tls::testing::{self, Authority, Subject};

/// A loop under TLS, and the client ends of `many` connections.
fn with_clients(many: usize) -> (Peer, Vec<TcpStream>) {
    with_threads(1, many)
}

/// The same, with so many I/O threads, which do the handshakes if there are more than one.
fn with_threads(threads: u32, many: usize) -> (Peer, Vec<TcpStream>) {
    let mut peer = Peer::new();
    let config = &mut peer.all.engine.server.config;
    config.io_threads = threads;
    config.io_threads_always_active = true;
    peer.all.start_io_threads();
    let materials = Authority::shared().materials();
    peer.all
        .engine
        .server
        .connections
        .tls
        .install(Some(materials));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let clients = (0..many).map(|_| {
        let client = TcpStream::connect(address).expect("connected");
        let (socket, from) = listener.accept().expect("accepted");
        socket.set_nonblocking(true).expect("a socket");
        let socket = mio::net::TcpStream::from_std(socket);
        peer.all.welcome_tls(socket, Address::Tcp(from));
        client
    });
    let clients = clients.collect();
    (peer, clients)
}

fn client() -> ClientConnection {
    let authority = Authority::shared();
    let mut settings = testing::settings(russet_net::tls::Authentication::Mandatory);
    let own = authority.issue(&Subject::named("a client"));
    let materials = testing::build(&mut settings, authority, &own).expect("all is well");
    let config = materials.client.expect("authorities");
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(&config), name).expect("a client")
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    client().write_tls(&mut bytes).expect("a vector");
    bytes
}

/// Regression: a command that came with the end of the handshake ran, though protected mode
/// refuses the client.
#[test]
fn a_stranger_runs_no_command_with_the_end_of_the_handshake() {
    stranger(1);
    stranger(2);
}

fn stranger(threads: u32) {
    let (mut peer, _) = with_threads(threads, 0);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut socket = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
    let (accepted, _) = listener.accept().expect("accepted");
    accepted.set_nonblocking(true).expect("a socket");
    let from = Address::Tcp("192.0.2.1:1000".parse().expect("an address"));
    let accepted = mio::net::TcpStream::from_std(accepted);
    peer.all.welcome_tls(accepted, from);
    let limit = Some(std::time::Duration::from_millis(100));
    socket.set_read_timeout(limit).expect("a socket");
    let mut client = client();
    let mut text = Vec::new();
    let mut has_sent = false;
    for _ in 0..50 {
        if !client.is_handshaking() && !has_sent {
            client.writer().write_all(b"SET k v\r\n").expect("room");
            has_sent = true;
        }
        // A single write: the server reads the end of the handshake and the command at once.
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("a vector");
        }
        if socket.write_all(&bytes).is_err() {
            break;
        }
        peer.all.turn().expect("a turn");
        match client.read_tls(&mut socket) {
            Ok(0) => break,
            Ok(_) => {
                client.process_new_packets().expect("TLS");
                let _ = client.reader().read_to_end(&mut text);
            }
            Err(_) => {}
        }
    }
    let text = String::from_utf8_lossy(&text);
    assert!(has_sent && text.starts_with("-DENIED"), "{text}");
    assert!(!text.contains("+OK"), "{text}");
    assert_eq!(peer.all.engine.keyspace.stats.misses, 0);
    let db = peer.all.engine.keyspace.db(russet_keyspace::DbIndex(0));
    assert_eq!(db.len(), 0);
}

#[test]
fn half_a_handshake_is_nobodys_connection() {
    let (mut peer, clients) = with_clients(5);
    peer.send(b"ACL SETUSER default clients=2\r\n");
    let server = &mut peer.all.engine.server;
    assert_eq!(server.clients.len(), 1 + clients.len());
    let from = Address::Tcp("127.0.0.1:1000".parse().expect("an address"));
    assert_eq!(server.refuses(&from), None);
    let _second = connect(&mut peer.all);
    let refusal = peer.all.engine.server.refuses(&from);
    assert!(refusal.is_some_and(|reported| reported.contains("clients=2")));
}

#[test]
fn half_a_handshake_ends_when_its_time_is_over() {
    half(1);
    half(2);
}

fn half(threads: u32) {
    let (mut peer, mut clients) = with_threads(threads, 1);
    let hello = hello();
    clients[0]
        .write_all(&hello[..hello.len() / 2])
        .expect("sent");
    for _ in 0..5 {
        peer.all.turn().expect("a turn");
    }
    let server = &mut peer.all.engine.server;
    server.watch_tls();
    assert_eq!(server.clients.len(), 2);
    server.now.mono_ms += 61_000;
    server.watch_tls();
    peer.all.close_clients();
    peer.all.post_io_threads();
    let server = &peer.all.engine.server;
    assert_eq!(
        (server.clients.len(), server.stats.clients.failed_handshakes),
        (1, 1)
    );
    let mut end = [0];
    let limit = Some(std::time::Duration::from_secs(5));
    clients[0].set_read_timeout(limit).expect("a socket");
    assert!(matches!(clients[0].read(&mut end), Ok(0) | Err(_)));
}

#[test]
fn many_handshakes_take_their_share_of_a_turn() {
    let (mut peer, mut clients) = with_clients(40);
    let mut other = connect(&mut peer.all);
    let hello = hello();
    for client in &mut clients {
        client.write_all(&hello).expect("sent");
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut turns = 0;
    loop {
        other.write_all(b"PING\r\n").expect("room");
        peer.all.turn().expect("a turn");
        let mut reply = [0; 100];
        assert_eq!(other.read(&mut reply).expect("answered"), 7);
        turns += 1;
        if peer.all.handshakes().ready.is_empty() {
            break;
        }
    }
    assert!(turns > 5, "{turns}");
    for client in &mut clients {
        let mut first = [0];
        client.read_exact(&mut first).expect("a server's hello");
        assert_eq!(first, [0x16]);
    }
}
