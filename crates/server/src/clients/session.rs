//! A client's connection: the client, its socket, its input and its pending replies.
//!
//! Invariants
//!   1. `flush_queued`, `ready_queued` and `held_queued` say that the session is in that list, so
//!      it is in each at most once.
//!   2. `slot` and `generation` are in the session's token; an event of an older generation belongs
//!      to an earlier session.
//!
//! Cost: the input's sizes in `ClientBuffers` are kept current (`update_query_buffer`), so limits
//! and CLIENT LIST read figures only.
//! Elsewhere: `run` reads, writes and closes; `table` has all sessions.

use std::io::Write;

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::EndReason;
use crate::clients::input::Input;
use russet_net::Stream;
use russet_resp::Reply;

/// See the module.
#[derive(Debug)]
pub struct Session {
    pub client: Client,
    pub reply: Reply,
    pub input: Input,
    /// `None` for clients without a connection (tests).
    pub stream: Option<Stream>,
    pub slot: u32,
    pub generation: u32,
    /// The round of the loop's rests in which the client was last active, see `gather`.
    pub seen_in: u32,
    /// The poll reports when the socket is writable.
    pub write_armed: bool,
    /// The client is in the list of clients to be flushed this turn.
    pub flush_queued: bool,
    /// The client is in the list of clients with more to read or execute.
    pub ready_queued: bool,
    /// The client is in the list of clients that the loop does not read from until they take their
    /// replies.
    pub held_queued: bool,
    /// The last read filled its buffer: the socket may hold more, and no event will report it.
    pub more_to_read: bool,
    /// The peer will send no more; some of its bytes may be unread.
    pub peer_closed: bool,
    /// The loop reads nothing more from the client, and closes it as soon as its replies have left,
    /// or if the peer does not read them.
    pub ends: bool,
    /// The client's last command had a large argument, so the next may have a large argument too:
    /// most of a long read would have to be copied.
    pub expects_large: bool,
    /// The push with the reason of the connection's end was sent, or must not be sent.
    reported_end: bool,
}

impl Client {
    /// The memory that the server holds for this client, `reply` included, in bytes. A large
    /// argument counts in full from its first byte on, as in Redis, which allocates it at once, so
    /// that limits do not depend on how fast the bytes arrive.
    pub fn memory_bytes(&self, reply: &Reply) -> usize {
        let text = |t: &Option<Box<str>>| t.as_ref().map_or(0, |t| t.len());
        let blocked = self.blocked.as_ref().map_or(0, |b| b.memory_bytes());
        let subscriptions = self.subscriptions.as_ref().map_or(0, |s| s.memory_bytes());
        size_of::<Session>()
            + reply.memory_bytes()
            + self.buffers.query_capacity
            + self.buffers.query_growth
            + self.buffers.query_list
            + self.buffers.in_flight
            + self.multi_bytes()
            + self.watched.memory_bytes()
            + blocked
            + subscriptions
            + self.buffers.tracking_bytes
            + self.fieldsets.memory_bytes()
            + text(&self.identity.name)
            + text(&self.identity.lib_name)
            + text(&self.identity.lib_ver)
    }

    /// As [`Client::memory_bytes`], but only bytes allocated for this client alone, now: without
    /// bytes that its replies share with the keyspace or with other clients
    /// (`alloc::bytes_for_replies`).
    pub fn own_bytes(&self, reply: &Reply) -> usize {
        let buffers = &self.buffers;
        let other = reply.memory_bytes() + buffers.query_growth + buffers.in_flight;
        self.memory_bytes(reply) - other + reply.own_bytes() + buffers.at_io_thread
    }
}

impl Session {
    pub fn new(mut client: Client, stream: Option<Stream>) -> Session {
        let is_tls = stream.as_ref().is_some_and(|stream| stream.tls().is_some());
        client.flags.set(ClientFlags::TLS, is_tls);
        Session {
            client,
            reply: Reply::new(),
            input: Input::default(),
            stream,
            slot: 0,
            generation: 0,
            seen_in: 0,
            write_armed: false,
            flush_queued: false,
            ready_queued: false,
            held_queued: false,
            more_to_read: false,
            peer_closed: false,
            ends: false,
            expects_large: false,
            reported_end: false,
        }
    }

    /// Under TLS, and the handshake is not complete.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_handshaking)
    }

    pub fn is_tls(&self) -> bool {
        self.client.flags.contains(ClientFlags::TLS)
    }

    /// Notifies a RESP3 client why the server ends its connection: the push `closing REASON
    /// DETAIL`, once, if no reply waits before it and the socket takes it now. It does not name the
    /// client that killed it. A client with subscriptions gets no push: libraries would pass it to
    /// the application as a message.
    pub(crate) fn push_ending(&mut self) {
        let Some(ending) = &self.client.ending else {
            return;
        };
        // The client's subscriptions may end before its connection.
        self.reported_end |= self.client.flags.contains(ClientFlags::PUBSUB);
        let is_due = ending.reason.needs_reason() && !self.reported_end;
        if !is_due || !self.reply.resp3() || !self.reply.is_empty() {
            return;
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        self.reported_end = true;
        let mut push = Reply::new();
        push.set_resp3(true);
        push.push(3);
        push.bulk(b"closing");
        push.bulk(ending.reason.word().as_bytes());
        push.bulk(match ending.reason {
            EndReason::Killed => b"",
            _ => ending.detail.as_bytes(),
        });
        // The connection ends whether or not this arrives.
        let _ = push.write_to(stream, usize::MAX);
        let _ = stream.flush();
    }

    /// Updates the client's query buffer figures.
    pub fn update_query_buffer(&mut self) {
        let Session { client, input, .. } = self;
        // The parsed part of an incomplete command no longer counts, except large arguments.
        client.buffers.query_bytes = input.unparsed_bytes();
        client.buffers.query_capacity = input.buffer_bytes();
        client.buffers.query_growth = input.growth_bytes();
        client.buffers.query_list = input.list_bytes();
    }
}
