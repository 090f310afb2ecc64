//! The loop with clients on sockets, whose other ends the tests hold. The real commands run in
//! process, because a table of a few commands would not show the loop's behaviour.

mod budgets;
mod early;
mod handshake;
mod read;
mod write;

use mio::Poll;
use russet_config::Config;
use russet_server::CommandTable;
use russet_server::inside::{Engine, Loop, Signals};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use russet_net::{Address, Stream};

/// A loop with one client, whose other end is `socket`.
pub(super) struct Peer {
    pub(super) all: Loop,
    pub(super) socket: UnixStream,
    pub(super) replies: Vec<u8>,
}

impl Peer {
    pub(super) fn new() -> Peer {
        let table = CommandTable::new(&crate::table());
        let engine = Engine::new(Config::default(), table, Arc::new(Signals::default()));
        let poll = Poll::new().expect("a poll");
        let mut all = Loop::new(engine, poll).expect("a loop");
        let socket = connect(&mut all);
        Peer {
            all,
            socket,
            replies: Vec::new(),
        }
    }

    /// Sends a piece and runs the loop until it has read all of it.
    pub(super) fn send(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        self.socket.write_all(piece).expect("room in the socket");
        loop {
            self.all.turn().expect("a turn");
            let before = self.replies.len();
            let _ = self.socket.read_to_end(&mut self.replies);
            // The socket may have been full: the rest comes in another turn.
            let may_be_full = self.replies.len() - before > 100_000;
            if self.all.engine.server.turn.ready.is_empty() && !may_be_full {
                return;
            }
        }
    }
}

pub(super) fn connect(all: &mut Loop) -> UnixStream {
    let (here, there) = UnixStream::pair().expect("sockets");
    there.set_nonblocking(true).expect("a socket");
    here.set_nonblocking(true).expect("a socket");
    let stream = Stream::Unix(mio::net::UnixStream::from_std(there));
    all.welcome(stream, Address::Unix("/test".into()));
    here
}

pub(super) fn request(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

pub(super) fn word(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}
