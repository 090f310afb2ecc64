//! The connection of a client that debugs: written and read in turn, waiting each time.
//!
//! The socket stays as it is, without blocking: the wait is a poll of its own, in slices, between
//! which the session may be ended. A client that takes no bytes for [`WRITE_PATIENCE`] counts as
//! gone.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use russet_net::{Stream, await_stream};
use russet_resp::Reply;

/// Between two looks at whether the session must end.
const SLICE_MS: u32 = 100;
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

/// See the module.
pub struct Wire {
    stream: Stream,
    /// How long the client may take for its next command.
    patience: Duration,
    /// The connection is over.
    is_over: bool,
}

impl Wire {
    pub fn new(stream: Stream, patience: Duration) -> Wire {
        Wire {
            stream,
            patience,
            is_over: false,
        }
    }

    pub fn into_stream(self) -> Stream {
        self.stream
    }

    pub fn descriptor(&self) -> i32 {
        self.stream.fd()
    }

    /// Another process continues the connection.
    pub fn hand_over(&mut self) {
        self.stream.hand_over();
    }

    pub fn send(&mut self, mut bytes: &[u8]) {
        self.write(|stream| {
            while !bytes.is_empty() {
                let n = stream.write(bytes)?;
                bytes = &bytes[n..];
            }
            stream.flush()
        });
    }

    /// Sends all of a reply, and empties it.
    pub fn send_reply(&mut self, reply: &mut Reply) {
        self.write(|stream| {
            while !reply.is_empty() {
                reply.write_to(stream, usize::MAX)?;
            }
            stream.flush()
        });
    }

    /// Has `write` continue whenever the socket takes bytes, until it is done.
    fn write(&mut self, mut write: impl FnMut(&mut Stream) -> std::io::Result<()>) {
        let began = Instant::now();
        while !self.is_over {
            match write(&mut self.stream) {
                Ok(()) => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    await_stream(&self.stream, true, SLICE_MS);
                    self.is_over = began.elapsed() >= WRITE_PATIENCE;
                }
                Err(_) => self.is_over = true,
            }
        }
    }

    /// Waits for bytes and appends them, as long as `goes_on`. `false`: none will come.
    pub fn receive(&mut self, into: &mut Vec<u8>, goes_on: impl Fn() -> bool) -> bool {
        let began = Instant::now();
        let mut bytes = [0; READ_BYTES];
        while !self.is_over && goes_on() && began.elapsed() < self.patience {
            match self.stream.fill(&mut bytes) {
                Ok((0, _)) => self.is_over = true,
                Ok((n, _)) => {
                    into.extend_from_slice(&bytes[..n]);
                    return true;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    await_stream(&self.stream, false, SLICE_MS);
                }
                Err(_) => self.is_over = true,
            }
        }
        false
    }
}
