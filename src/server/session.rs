//! A connection of a client: the client, its socket, what it has sent and what it will be sent.

use super::client::Client;
use super::input::Input;
use crate::net::Stream;
use crate::resp::Reply;

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
    /// The round of the loop's rests in which it last spoke, see `gather`.
    pub seen_in: u32,
    /// The poll tells when the socket can be written to.
    pub write_armed: bool,
    /// Stands in the list of clients to be flushed this turn.
    pub flush_queued: bool,
    /// Stands in the list of clients with more to read or execute.
    pub ready_queued: bool,
    /// The last read filled its buffer: the socket may hold more, and no event will tell.
    pub more_to_read: bool,
    /// The peer will send no more; what it has sent may not all be read.
    pub peer_closed: bool,
    /// Nothing is read from it any more, and it is closed as soon as its replies have left or
    /// its peer does not take them.
    pub ends: bool,
    /// Its last command had a large argument, so that its next one may begin one: most of a
    /// long read would have to be copied.
    pub expects_large: bool,
    /// Its share of what `maxmemory-clients` counts.
    pub counted_bytes: usize,
}

impl Session {
    pub fn new(client: Client, stream: Option<Stream>) -> Session {
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
            more_to_read: false,
            peer_closed: false,
            ends: false,
            expects_large: false,
            counted_bytes: 0,
        }
    }

    /// Under TLS whose keys are not agreed on yet.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_handshaking)
    }

    pub fn is_tls(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.tls().is_some())
    }

    /// Brings the client's figures of its query buffer up to date.
    pub fn note_query_buffer(&mut self) {
        let Session { client, input, .. } = self;
        // What is parsed of a command that is not whole waits no more, but for large arguments.
        client.buffers.query_bytes = input.unparsed_bytes();
        client.buffers.query_capacity = input.buffer_bytes();
        client.buffers.query_growth = input.growth_bytes();
        client.buffers.query_list = input.list_bytes();
    }
}
