//! Sends replies: the replies of a turn in [`Loop::flush_replies`], a write per client.
//!
//! Writing to a client's reply puts the client on the list `Turn::flush`. A client's writes per
//! turn are bounded, and the rest is sent in the next turns, so that a long reply delays no other
//! client. For a full socket the poll reports when it is writable, and the client is put on the
//! list again.

use crate::console::streams::pass_messages;
use std::io::{self, ErrorKind, Write};

use super::Loop;
use super::read::queue_if_ready;

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::output::{STATIC_REPLY_BYTES, buffers};
use crate::clients::session::Session;
use crate::state::Server;
use russet_base::text::system_text;
use russet_keyspace::ClientId;
use russet_net::Target;
use russet_net::io_thread::Handoff;
use russet_resp::{Part, Reply};

/// A client's share of a turn for its replies: while others wait to be answered or to continue, and
/// when none does.
pub const SHARE_BYTES: usize = 64 * 1024;
const SHARE_ALONE_BYTES: usize = 1024 * 1024;
/// A rest of at most this part of a share is sent with it.
pub const REST_PART: usize = 4;

/// Clients after whose replies the I/O threads get their tasks, so that they begin with them.
const POSTED: usize = 32;

/// The result of sending a client's replies in this turn.
pub(super) enum SendOutcome {
    All,
    /// The rest waits until the writes that it acknowledges or shows are safe.
    Withheld,
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
    /// Whether all of a client's replies may leave now, and no client waits.
    #[inline]
    fn may_send_all(&self, client: &Client) -> bool {
        self.replies.is_empty() && self.needs_of(client) <= self.reply_limit()
    }

    /// How many of a client's pending bytes may leave now.
    fn sendable(&mut self, session: &Session, pending: usize) -> usize {
        let client = &session.client;
        let needs = self.needs_of(client);
        let limit = self.reply_limit();
        let now_ms = self.now.mono_ms;
        self.replies
            .sendable(client.id, pending, needs, (limit, now_ms))
    }

    /// A client's socket, or its I/O thread, has taken so many bytes.
    #[inline]
    fn count_sent(&mut self, client: &mut Client, n: usize) {
        client.traffic.bytes_out += n as u64;
        client.traffic.last_active_ms = self.now.mono_ms;
        self.stats.net_output_bytes += n as u64;
        self.stats.writes += 1;
        if client.flags.contains(ClientFlags::BUDGETED) {
            self.acl.charge_sent(&self.now, client, n);
        }
    }
}

impl Loop {
    /// Sends pending replies, each client's share.
    pub(crate) fn flush_replies(&mut self) {
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
        self.engine.server.doubt_reply(&mut session);
        let sent = if session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
            SendOutcome::Stuck
        } else if self.engine.server.may_send_all(&session.client) {
            self.flush(&mut session, share, usize::MAX)
        } else {
            self.flush_in_part(&mut session, share)
        };
        let server = &mut self.engine.server;
        match sent {
            SendOutcome::Over => return self.close(session),
            SendOutcome::Part => server.turn.queue_flush(&mut session),
            SendOutcome::All => session.client.shows_data = false,
            SendOutcome::Stuck | SendOutcome::Withheld => {}
        }
        if !server.connections.io_threads.is_empty() {
            self.place(&mut session);
        }
        let server = &mut self.engine.server;
        server.memory.clients.count(&mut session);
        if session.held_queued && !server.memory.clients.holds(&session) {
            queue_if_ready(&mut session, &mut server.turn);
        }
        server.clients.put_back(session);
    }

    /// Sends the part of a client's replies that may leave, at most its share.
    #[cold]
    #[inline(never)]
    fn flush_in_part(&mut self, session: &mut Session, share: usize) -> SendOutcome {
        let pending = session.reply.pending_len();
        let sendable = self.engine.server.sendable(session, pending);
        let sent = self.flush(session, share, sendable);
        let taken = pending.saturating_sub(session.reply.pending_len());
        let replies = &mut self.engine.server.replies;
        replies.sent(session.client.id, taken);
        sent
    }

    /// Sends a client's replies, at most its share of them and `sendable` bytes.
    fn flush(&mut self, session: &mut Session, share: usize, sendable: usize) -> SendOutcome {
        let Some(stream) = session.stream.as_mut() else {
            return SendOutcome::Over;
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
        let is_withheld = sendable < waiting.min(left);
        if is_withheld {
            left = sendable;
        }
        while !session.reply.is_empty() {
            if left == 0 {
                return if is_withheld {
                    self.send_buffered(session)
                } else {
                    SendOutcome::Part
                };
            }
            let written = match stream.handoff() {
                Some(handoff) if session.reply.has_pieces() => {
                    give_to(handoff, &mut session.reply, left)
                }
                _ => session.reply.write_to(stream, left),
            };
            match written {
                Ok(0) => return SendOutcome::Over,
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
                        .ends_by(Disconnection::new(EndReason::Broken, detail));
                    return SendOutcome::Over;
                }
            }
        }
        // Bytes buffered by TLS are sent only when the socket has them.
        match stream.flush() {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock && !session.ends => {
                return self.arm_write(session, true);
            }
            Err(_) => return SendOutcome::Over,
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
                SendOutcome::Over
            };
        }
        if session.client.flags.contains(ClientFlags::REPLICA) {
            match self.feed(session, left) {
                SendOutcome::All => {}
                SendOutcome::Stuck => return self.arm_write(session, true),
                ended => return ended,
            }
        }
        session.client.buffers.soft_limit_since_ms = None;
        self.engine.server.memory.spare.take_from(session);
        self.arm_write(session, false)
    }

    /// The part of a reply that may leave has been written; under TLS the socket may still have to
    /// take it.
    #[cold]
    fn send_buffered(&mut self, session: &mut Session) -> SendOutcome {
        let flushed = session.stream.as_mut().map(|stream| stream.flush());
        match flushed {
            Some(Ok(())) => SendOutcome::Withheld,
            Some(Err(e)) if e.kind() == ErrorKind::WouldBlock && !session.ends => {
                self.arm_write(session, true)
            }
            Some(Err(_)) | None => SendOutcome::Over,
        }
    }

    /// Registers for, or deregisters from, writable events of the poll.
    fn arm_write(&mut self, session: &mut Session, on: bool) -> SendOutcome {
        let sent = if on {
            SendOutcome::Stuck
        } else {
            SendOutcome::All
        };
        if session.write_armed == on {
            return sent;
        }
        let token = Target::client(session.slot, session.generation).into();
        let Some(stream) = session.stream.as_mut() else {
            return SendOutcome::Over;
        };
        session.write_armed = on;
        match stream.want_write(&self.registry, token, on) {
            Ok(()) => sent,
            Err(_) => SendOutcome::Over,
        }
    }

    /// The connection is over: removes the client from everything. The replies to its last commands
    /// are still sent, as far as the peer takes them at once.
    pub fn end(&mut self, mut session: Box<Session>) {
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
    pub fn close_clients(&mut self) {
        for id in std::mem::take(&mut self.engine.server.turn.to_close) {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.close(session);
            }
        }
    }

    /// The service ends: RESP3 clients get the push `closing`, as far as their sockets take it.
    pub(crate) fn announce_end(&mut self) {
        for session in self.engine.server.clients.iter_mut() {
            session.client.ends_by(EndReason::Shutdown);
            session.push_ending();
        }
    }

    pub(crate) fn close(&mut self, mut session: Box<Session>) {
        if self.engine.server.shutdown.request.is_some() {
            // The connection is closed with all others, so that a client that sees the end finds
            // the server gone.
            return self.engine.server.clients.put_back(session);
        }
        session.push_ending();
        self.engine.server.record_closed(&mut session);
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
