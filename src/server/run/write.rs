//! Clients are answered: all replies of a turn leave in [`Loop::flush_replies`], and nowhere
//! else.
//!
//! Whoever writes to a client puts it on `Server::flush`. Its turn of writing is bounded; what
//! is left goes out with the next turns, so that a reply of any length holds nobody up. A
//! socket that takes no more is waited for by the poll, whose event puts the client on the
//! list again.

use std::io::ErrorKind;

use super::Loop;
use crate::keyspace::ClientId;
use crate::net::Target;
use crate::server::Server;
use crate::server::client::ClientFlags;
use crate::server::engine::let_go;
use crate::server::session::Session;

/// What one client's reply may take of a turn: while others wait to be answered or to go on,
/// and when nobody does.
const SHARE_BYTES: usize = 64 * 1024;
const SHARE_ALONE_BYTES: usize = 1024 * 1024;
/// Output buffers kept for reuse, and the largest that is worth keeping.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 128 * 1024;

/// Empty output buffers: a client has one only while something waits to be sent.
#[derive(Default)]
pub(super) struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    /// Gives a client without a buffer one for its next replies.
    #[inline]
    pub(super) fn give_to(&mut self, session: &mut Session) {
        if session.reply.capacity() == 0
            && let Some(buffer) = self.0.pop()
        {
            session.reply.give_buffer(buffer);
        }
    }

    /// Takes the buffer of a client to whom all is sent.
    #[inline]
    fn take_from(&mut self, session: &mut Session) {
        let capacity = session.reply.capacity();
        if capacity > 0 {
            let buffer = session.reply.take_buffer();
            if self.0.len() < SPARE_BUFFERS_MAX && capacity <= SPARE_BYTES_MAX {
                self.0.push(buffer);
            }
        }
    }

    /// Gives most of them back to the allocator: now and then, while few are needed.
    pub(super) fn shrink(&mut self) {
        self.0.truncate(SPARE_BUFFERS_MAX / 4);
    }
}

/// What became of a client's reply in this turn.
enum Sent {
    All,
    /// Its share is used up, and the socket would take more.
    Part,
    /// The socket takes no more; the poll tells when it does.
    Stuck,
    /// The connection is over.
    Over,
}

impl Server {
    /// The client's replies go out with those of this turn.
    #[inline]
    pub(in crate::server) fn queue_flush(&mut self, session: &mut Session) {
        if !session.flush_queued {
            session.flush_queued = true;
            self.flush.push(session.client.id);
        }
    }
}

impl Loop {
    /// Sends what waits, each client its share.
    pub(super) fn flush_replies(&mut self) {
        let server = &mut self.engine.server;
        let mut queued = std::mem::take(&mut server.flush);
        let is_alone = queued.len() == 1 && server.ready.is_empty() && self.acceptor.is_idle();
        let share = if is_alone {
            SHARE_ALONE_BYTES
        } else {
            SHARE_BYTES
        };
        for &id in &queued {
            self.flush_client(id, share);
        }
        queued.clear();
        // Those who have more to be sent are on the new list already.
        queued.append(&mut self.engine.server.flush);
        self.engine.server.flush = queued;
    }

    fn flush_client(&mut self, id: ClientId, share: usize) {
        let Some(mut session) = self.engine.server.clients.take(id) else {
            return;
        };
        session.flush_queued = false;
        let is_dropped = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        let sent = if is_dropped {
            Sent::Stuck
        } else {
            self.flush(&mut session, share)
        };
        let server = &mut self.engine.server;
        match sent {
            Sent::Over => return self.close(session),
            Sent::Part => server.queue_flush(&mut session),
            Sent::All | Sent::Stuck => {}
        }
        server.count_client_memory(&mut session);
        server.clients.put_back(session);
    }

    fn flush(&mut self, session: &mut Session, share: usize) -> Sent {
        let Some(stream) = session.stream.as_mut() else {
            return Sent::Over;
        };
        let waiting = session.reply.pending_len();
        session.client.reply_peak = session.client.reply_peak.max(waiting);
        let mut left = share;
        while !session.reply.is_empty() {
            if left == 0 {
                return Sent::Part;
            }
            match session.reply.write_to(stream, left) {
                Ok(0) => return Sent::Over,
                Ok(n) => {
                    left -= n;
                    session.client.bytes_out += n as u64;
                    let server = &mut self.engine.server;
                    session.client.last_active_ms = server.now.mono_ms;
                    server.stats.net_output_bytes += n as u64;
                    server.stats.writes += 1;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock && !session.ends => {
                    return self.arm_write(session, true);
                }
                Err(e) => {
                    tracing::debug!(client = session.client.id.0, "Writing to client: {e}");
                    return Sent::Over;
                }
            }
        }
        if session
            .client
            .flags
            .contains(ClientFlags::CLOSE_AFTER_REPLY)
        {
            return Sent::Over;
        }
        session.client.soft_limit_since_ms = None;
        self.spare.take_from(session);
        self.arm_write(session, false)
    }

    /// Lets the poll tell when the socket takes more, or no longer.
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
        match stream.want_write(self.poll.registry(), token, on) {
            Ok(()) => sent,
            Err(_) => Sent::Over,
        }
    }

    /// The connection is over, and the client takes part in nothing any more. What its last
    /// commands answered is still sent, as far as the peer takes it at once.
    pub(super) fn end(&mut self, mut session: Box<Session>) {
        let flags = &mut session.client.flags;
        if session.reply.is_empty() || flags.contains(ClientFlags::CLOSE_ASAP) {
            return self.close(session);
        }
        flags.insert(ClientFlags::CLOSE_AFTER_REPLY);
        session.ends = true;
        session.more_to_read = false;
        session.input.reset();
        let server = &mut self.engine.server;
        let_go(&mut self.engine.keyspace, server, &mut session.client);
        server.queue_flush(&mut session);
        server.clients.put_back(session);
    }

    /// Closes those who are to be closed in this turn, whatever waits for them.
    pub(super) fn close_clients(&mut self) {
        for id in std::mem::take(&mut self.engine.server.to_close) {
            if let Some(session) = self.engine.server.clients.take(id) {
                self.close(session);
            }
        }
    }

    pub(super) fn close(&mut self, mut session: Box<Session>) {
        self.engine.forget(&mut session);
        if let Some(mut stream) = session.stream.take() {
            stream.deregister(self.poll.registry());
        }
    }
}
