//! Sends replies: the replies of a turn in [`Loop::flush_replies`], a write per client.
//!
//! Writing to a client's reply puts the client on the list `Turn::flush`. A client's writes per
//! turn are bounded, and the rest is sent in the next turns, so that a long reply delays no other
//! client. For a full socket the poll reports when it is writable, and the client is put on the
//! list again.

use crate::server::console::streams::pass_messages;
use std::io::{self, ErrorKind, Write};

use super::Loop;
use super::read::go_on_soon;

use crate::server::clients::client::{Client, ClientFlags};
use crate::server::clients::ending::{EndReason, Ending};
use crate::server::clients::output::{STATIC_REPLY_BYTES, buffers};
use crate::server::clients::session::Session;
use crate::server::state::Server;
use russet_base::text::system_text;
use russet_keyspace::ClientId;
use russet_net::Target;
use russet_net::io_thread::Handoff;
use russet_resp::{Part, Reply};

/// A client's share of a turn for its replies: while others wait to be answered or to continue, and
/// when none does.
const SHARE_BYTES: usize = 64 * 1024;
const SHARE_ALONE_BYTES: usize = 1024 * 1024;
/// A rest of at most this part of a share is sent with it.
const REST_PART: usize = 4;

/// Clients after whose replies the I/O threads get their tasks, so that they begin with them.
const POSTED: usize = 32;

/// The result of sending a client's replies in this turn.
pub(super) enum Sent {
    All,
    /// The client's share is used up, and the socket would take more.
    Part,
    /// The socket is full; the poll reports when it is writable.
    Stuck,
    /// The connection is over.
    Over,
}

/// Gives replies to an I/O thread, without copying what is shared: about as much as `max` bytes and
/// its room.
fn give_to(handoff: &mut Handoff, reply: &mut Reply, max: usize) -> io::Result<usize> {
    if handoff.is_broken() {
        return Err(ErrorKind::BrokenPipe.into());
    }
    let room = handoff.room().min(max);
    if room == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    Ok(reply.give_away(room, |part| match part {
        Part::Own(bytes) => handoff.push_own(bytes),
        Part::Shared(bytes) => handoff.push_shared(bytes),
    }))
}

impl Server {
    /// A client's socket, or its I/O thread, has taken so many bytes.
    #[inline]
    fn count_sent(&mut self, client: &mut Client, n: usize) {
        client.traffic.bytes_out += n as u64;
        client.traffic.last_active_ms = self.now.mono_ms;
        self.stats.net_output_bytes += n as u64;
        self.stats.writes += 1;
        if client.flags.contains(ClientFlags::BUDGETED) {
            self.acl.note_sent(&self.now, client, n);
        }
    }
}

impl Loop {
    /// Sends pending replies, each client's share.
    pub(in crate::server) fn flush_replies(&mut self) {
        let server = &mut self.engine.server;
        let mut queued = std::mem::take(&mut server.turn.flush);
        let is_alone = queued.len() == 1
            && server.turn.ready.iter().all(|id| *id == queued[0])
            && self.acceptor.is_idle();
        let share = if is_alone {
            SHARE_ALONE_BYTES
        } else {
            SHARE_BYTES
        };
        for (at, &id) in queued.iter().enumerate() {
            self.flush_client(id, share);
            if at % POSTED == POSTED - 1 {
                self.post_io_threads();
            }
        }
        queued.clear();
        // Clients with more to send are on the new list already.
        queued.append(&mut self.engine.server.turn.flush);
        self.engine.server.turn.flush = queued;
    }

    fn flush_client(&mut self, id: ClientId, share: usize) {
        let Some(mut session) = self.engine.server.clients.take(id) else {
            return;
        };
        session.flush_queued = false;
        if session.client.console.is_some() {
            // The client has no connection of its own.
            self.engine.server.connections.console.is_urgent = true;
            pass_messages(&mut self.engine.server.connections, &mut session);
            return self.engine.server.clients.put_back(session);
        }
        let is_dropped = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        let wrote_to = session.client.wrote_to;
        let sent = if is_dropped || self.engine.server.persist.aof.withholds(wrote_to, id) {
            Sent::Stuck
        } else {
            self.flush(&mut session, share)
        };
        let server = &mut self.engine.server;
        match sent {
            Sent::Over => return self.close(session),
            Sent::Part => server.turn.queue_flush(&mut session),
            Sent::All | Sent::Stuck => {}
        }
        if !server.connections.io_threads.is_empty() {
            self.place(&mut session);
        }
        let server = &mut self.engine.server;
        server.memory.clients.count(&mut session);
        if session.held_queued && !server.memory.clients.holds(&session) {
            go_on_soon(&mut session, &mut server.turn);
        }
        server.clients.put_back(session);
    }

    fn flush(&mut self, session: &mut Session, share: usize) -> Sent {
        let Some(stream) = session.stream.as_mut() else {
            return Sent::Over;
        };
        let waiting = session.reply.pending_len();
        session.client.buffers.reply_peak = session.client.buffers.reply_peak.max(waiting);
        if waiting > STATIC_REPLY_BYTES {
            let server = &mut self.engine.server;
            let buffers = buffers(&session.client, &session.reply);
            server.diagnostics.recent.note(server.now.mono_ms, buffers);
        }
        if let Some(handoff) = stream.handoff()
            && let n @ 1.. = handoff.take_uncounted()
        {
            self.engine.server.count_sent(&mut session.client, n);
        }
        // A small rest is not worth a turn of its own.
        let most = share + share / REST_PART;
        let mut left = if waiting > most { share } else { most };
        while !session.reply.is_empty() {
            if left == 0 {
                return Sent::Part;
            }
            let written = match stream.handoff() {
                Some(handoff) if session.reply.has_pieces() => {
                    give_to(handoff, &mut session.reply, left)
                }
                _ => session.reply.write_to(stream, left),
            };
            match written {
                Ok(0) => return Sent::Over,
                Ok(n) => {
                    left = left.saturating_sub(n);
                    self.engine.server.count_sent(&mut session.client, n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock && !session.ends => {
                    return self.arm_write(session, true);
                }
                Err(e) => {
                    tracing::debug!(client = session.client.id.0, "Writing to client: {e}");
                    let detail = format!("writing: {}", system_text(&e));
                    session
                        .client
                        .ends_by(Ending::new(EndReason::Broken, detail));
                    return Sent::Over;
                }
            }
        }
        // Bytes buffered by TLS are sent only when the socket has them.
        match stream.flush() {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock && !session.ends => {
                return self.arm_write(session, true);
            }
            Err(_) => return Sent::Over,
        }
        if session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY)
        {
            // Its I/O thread reports when the socket has taken all.
            let handoff = stream.handoff().filter(|_| !session.ends);
            let is_on_its_way = handoff.is_some_and(|handoff| handoff.request_sent_report());
            return if is_on_its_way {
                self.arm_write(session, true)
            } else {
                Sent::Over
            };
        }
        if session.client.flags.contains(ClientFlags::REPLICA) {
            match self.feed(session, left) {
                Sent::All => {}
                Sent::Stuck => return self.arm_write(session, true),
                ended => return ended,
            }
        }
        session.client.buffers.soft_limit_since_ms = None;
        self.engine.server.memory.spare.take_from(session);
        self.arm_write(session, false)
    }

    /// Registers for, or deregisters from, writable events of the poll.
    fn arm_write(&mut self, session: &mut Session, on: bool) -> Sent {
        let sent = if on { Sent::Stuck } else { Sent::All };
        if session.write_armed == on {
            return sent;
        }
        let token = Target::client(session.slot, session.generation).into();
        let Some(stream) = session.stream.as_mut() else {
            return Sent::Over;
        };
        session.write_armed = on;
        match stream.want_write(&self.registry, token, on) {
            Ok(()) => sent,
            Err(_) => Sent::Over,
        }
    }

    /// The connection is over: removes the client from everything. The replies to its last commands
    /// are still sent, as far as the peer takes them at once.
    pub(in crate::server) fn end(&mut self, mut session: Box<Session>) {
        let flags = &mut session.client.flags;
        if session.reply.is_empty() || flags.contains(ClientFlags::CLOSE_ASAP) {
            return self.close(session);
        }
        flags.insert(ClientFlags::CLOSE_AFTER_REPLY);
        session.ends = true;
        session.more_to_read = false;
        session.input.reset();
        let server = &mut self.engine.server;
        server.let_go(&mut self.engine.keyspace, &mut session.client);
        server.turn.queue_flush(&mut session);
        server.clients.put_back(session);
    }

    /// Closes the clients that are to be closed in this turn, whatever is pending.
    pub(in crate::server) fn close_clients(&mut self) {
        for id in std::mem::take(&mut self.engine.server.turn.to_close) {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.close(session);
            }
        }
    }

    /// The service ends: RESP3 clients get the push `closing`, as far as their sockets take it.
    pub(in crate::server) fn announce_end(&mut self) {
        for session in self.engine.server.clients.iter_mut() {
            session.client.ends_by(EndReason::Shutdown);
            session.push_ending();
        }
    }

    pub(in crate::server) fn close(&mut self, mut session: Box<Session>) {
        if self.engine.server.shutdown.request.is_some() {
            // The connection is closed with all others, so that a client that sees the end finds
            // the server gone.
            return self.engine.server.clients.put_back(session);
        }
        session.push_ending();
        self.engine.server.note_closed(&mut session);
        self.engine.forget(&mut session);
        if self
            .engine
            .server
            .connections
            .io_threads
            .close(&mut session)
        {
            return;
        }
        if let Some(mut stream) = session.stream.take() {
            stream.deregister(&self.registry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::tests::{Peer, connect, request, word};
    use super::*;

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
        // Nothing is left to be done until the socket is writable.
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
        // The element was delivered to a single client or stayed for the others.
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
                // The server closes the connection before the rest is read.
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
}
