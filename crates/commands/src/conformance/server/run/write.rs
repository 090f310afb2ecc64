//! Replies in the loop: shares of long ones, limits, clients that leave.
//! Real commands run in process, because a table of a few would not show it.

use std::io::{Read, Write};

use super::{Peer, connect, request, word};
use russet_server::inside::{REST_PART, SHARE_BYTES};

/// Reads everything that has arrived.
fn take(socket: &mut impl Read, into: &mut Vec<u8>) {
    let _ = socket.read_to_end(into);
}

#[test]
fn a_long_reply_leaves_in_shares_and_holds_nobody_up() {
    let mut peer = Peer::new();
    let text: Vec<u8> = (0..8_000_003).map(|i| (i % 251) as u8).collect();
    let element = &text[..10_007];
    let push = request(&[word("RPUSH"), word("l"), element.to_vec()]);
    for _ in 0..400 {
        peer.send(&push);
    }
    peer.replies.clear();
    let mut other = connect(&mut peer.all);
    peer.socket
        .write_all(b"LRANGE l 0 -1\r\nPING\r\n")
        .expect("room");
    let (mut got, mut answers) = (Vec::new(), Vec::new());
    let one = [b"$10007\r\n", element, b"\r\n"].concat();
    let wanted = [b"*400\r\n", &one.repeat(400)[..], b"+PONG\r\n"].concat();
    let mut turns = 0;
    while got.len() < wanted.len() {
        other.write_all(b"PING\r\n").expect("room");
        let before = peer.all.engine.server.stats.net_output_bytes;
        peer.all.turn().expect("a turn");
        let sent = peer.all.engine.server.stats.net_output_bytes - before;
        let most = SHARE_BYTES + SHARE_BYTES / REST_PART + 7;
        assert!(sent <= most as u64, "{sent}");
        take(&mut other, &mut answers);
        turns += 1;
        assert_eq!(answers.len(), 7 * turns, "each turn answers the other one");
        take(&mut peer.socket, &mut got);
    }
    assert!(got == wanted);
}

#[test]
fn a_reply_that_is_not_read_waits_for_the_socket_and_goes_on() {
    let mut peer = Peer::new();
    let echo = request(&[word("ECHO"), vec![b'x'; 50_000]]);
    let mut sent = 0;
    while !client_is_armed(&mut peer) {
        peer.socket.write_all(&echo).expect("room");
        sent += 1;
        for _ in 0..3 {
            peer.all.turn().expect("a turn");
        }
    }
    // The server has no work until the socket is writable.
    assert!(!peer.all.engine.server.turn.has_urgent(
        &peer.all.engine.server.shutdown,
        &peer.all.engine.server.connections.console
    ));
    let mut got = Vec::new();
    while got.len() < sent * 50_010 {
        take(&mut peer.socket, &mut got);
        peer.all.turn().expect("a turn");
    }
    assert!(!client_is_armed(&mut peer));
}

fn client_is_armed(peer: &mut Peer) -> bool {
    let clients = &mut peer.all.engine.server.clients;
    clients.iter_mut().next().expect("connected").write_armed
}

#[test]
fn a_leaving_client_gets_its_last_replies_and_nothing_after_them() {
    let mut peer = Peer::new();
    let mut other = connect(&mut peer.all);
    peer.socket
        .write_all(b"PING\r\nBLPOP q 0\r\n")
        .expect("room");
    peer.socket
        .shutdown(std::net::Shutdown::Write)
        .expect("a socket");
    other.write_all(b"RPUSH q a\r\n").expect("room");
    for _ in 0..4 {
        peer.all.turn().expect("a turn");
    }
    let mut got = Vec::new();
    take(&mut peer.socket, &mut got);
    assert!(got == b"+PONG\r\n" || got.ends_with(b"$1\r\na\r\n"));
    assert_eq!(peer.all.engine.server.clients.len(), 1);
    other.write_all(b"LLEN q\r\n").expect("room");
    peer.all.turn().expect("a turn");
    let mut answers = Vec::new();
    take(&mut other, &mut answers);
    // The element was delivered to one client or stayed for the others.
    let stayed = answers.ends_with(b":1\r\n");
    assert_eq!(stayed, got == b"+PONG\r\n");
}

#[test]
fn a_reply_over_the_limit_is_given_up_while_it_is_written() {
    for in_transaction in [false, true] {
        let mut peer = Peer::new();
        let config = &mut peer.all.engine.server.config;
        config.client_output_buffer_limit.normal.hard_bytes = 1 << 20;
        peer.send(&request(&[word("SET"), word("k"), vec![b'x'; 15_000]]));
        let mut mget = vec![word("MGET")];
        mget.resize(20_001, word("k"));
        let mut input = request(&mget);
        if in_transaction {
            input = [b"MULTI\r\n", &input[..], b"EXEC\r\n"].concat();
        }
        input.extend_from_slice(b"SET not run\r\n");
        peer.replies.clear();
        for piece in input.chunks(50_000) {
            // The server closes the connection before it reads the rest.
            let _ = peer.socket.write_all(piece);
            peer.all.turn().expect("a turn");
        }
        for _ in 0..20 {
            peer.all.turn().expect("a turn");
        }
        take(&mut peer.socket, &mut peer.replies);
        let reported: &[u8] = if in_transaction {
            b"+OK\r\n+QUEUED\r\n"
        } else {
            b""
        };
        assert!(reported.starts_with(&peer.replies));
        let server = &peer.all.engine.server;
        assert_eq!(server.stats.clients.output_buffer_disconnections, 1);
        assert!(server.clients.is_empty());
        let db = russet_keyspace::DbIndex(0);
        assert!(peer.all.engine.keyspace.db(db).info(b"not").is_none());
    }
}

#[test]
fn a_suppressed_reply_closes_no_client() {
    let mut peer = Peer::new();
    let config = &mut peer.all.engine.server.config;
    config.client_output_buffer_limit.normal.hard_bytes = 1 << 20;
    peer.send(&request(&[word("SET"), word("k"), vec![b'x'; 15_000]]));
    let mut mget = vec![word("MGET")];
    mget.resize(201, word("k"));
    peer.send(b"CLIENT REPLY OFF\r\n");
    peer.send(&request(&mget));
    peer.send(b"CLIENT REPLY ON\r\n");
    assert_eq!(peer.replies, b"+OK\r\n+OK\r\n");
    let clients = &mut peer.all.engine.server.clients;
    let session = clients.iter_mut().next().expect("connected");
    assert!(session.reply.capacity() < 128 * 1024);
}
