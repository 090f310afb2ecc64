//! Early reads: the requests of several clients, of which each sends a single short command at a
//! time, are read before the first request runs, so that their keys are in the cache by then.
//!
//!     read, read, read ...  -> directory words prefetched, bytes kept in `Turn::early`
//!     before the first runs -> table lines, then entries, of all keys
//!     run, run, run ...     -> in the order of the reads
//!
//! A client that pipelines has this within its batch (`clients::batch`). Between two requests of
//! different clients lie two system calls, so a lookup otherwise waits for the memory each time:
//! half a microsecond of a GET among a million keys, of seven.
//!
//! Invariants
//!   1. Commands run in the order of their clients' reads: a read that is not early waits, in the
//!      client's own input, for the early reads.
//!   2. A client's early bytes run before any later bytes of the client: a guest, which reads from
//!      clients while a script is busy, gets them first ([`Loop::give_back_early`]).
//!   3. Between its read and its run a client is in the table, as any other: commands may stop or
//!      close it, and the bytes read are then kept in its input.
//!
//! Cost: a copy of up to [`EARLY_BYTES_MAX`] bytes, and the command is parsed twice.

use super::Loop;

use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use crate::server::parts::run::early::{EARLY_BYTES_MAX, EARLY_MAX};

impl Loop {
    /// Before an event: if the most reads wait, they run, and the next reads are early.
    #[inline]
    pub(super) fn begin_early(&mut self) {
        if !self.reads_early {
            self.run_early();
            self.reads_early = true;
        }
    }

    /// Runs the early reads that are left; further reads of the turn are not early.
    pub(super) fn end_early(&mut self) {
        self.reads_early = false;
        self.run_early();
    }

    /// Whether the bytes read are a single short command, which is kept and runs later.
    #[inline]
    pub(super) fn takes_early(&mut self, session: &Session, bytes: &[u8]) -> bool {
        self.reads_early && bytes.len() <= EARLY_BYTES_MAX && self.keep_early(session, bytes)
    }

    fn keep_early(&mut self, session: &Session, bytes: &[u8]) -> bool {
        if session.client.flags.contains(ClientFlags::PRIMARY) {
            return false;
        }
        let batch = &mut self.batch;
        batch.clear();
        if !self.engine.parse_only_command(session, batch, bytes) {
            return false;
        }
        let early = &mut self.engine.server.turn.early;
        early.add(session, bytes, batch.first_key());
        self.reads_early = early.len() < EARLY_MAX;
        true
    }

    /// Runs the early reads, in their order.
    fn run_early(&mut self) {
        let engine = &mut self.engine;
        let keys = engine.server.turn.early.prefetch(&engine.keyspace);
        let stats = &mut engine.server.stats.batches;
        stats.prefetches += u64::from(keys > 0);
        stats.keys_prefetched += keys as u64;
        while let Some(read) = self.engine.server.turn.early.next() {
            let clients = &mut self.engine.server.clients;
            let Some(mut session) = clients.take_at(read.slot, read.generation) else {
                continue;
            };
            let keep = if session.client.runs() {
                self.run_read(&mut session, &read.bytes, 0)
            } else {
                session.input.give(read.bytes.clone());
                self.keep_read(&mut session)
            };
            self.engine.server.turn.early.reuse(read.bytes);
            self.settle(session, keep);
        }
    }

    /// Runs the early reads that precede this client's read, whose bytes are in its input; `None`:
    /// the client has been closed.
    #[cold]
    pub(super) fn after_early(&mut self, session: Box<Session>) -> Option<Box<Session>> {
        let (slot, generation) = (session.slot, session.generation);
        self.engine.server.clients.put_back(session);
        self.run_early();
        self.engine.server.clients.take_at(slot, generation)
    }

    /// A guest runs the early reads, before it reads more of their clients.
    pub(super) fn give_back_early(&mut self) {
        while let Some(read) = self.engine.server.turn.early.next() {
            let clients = &mut self.engine.server.clients;
            if let Some(mut session) = clients.take_at(read.slot, read.generation) {
                session.input.give(read.bytes);
                let id = session.client.id;
                clients.put_back(session);
                self.advance(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::super::tests::{Peer, connect, request, word};
    use super::*;

    /// Clients that each send a piece before a turn.
    struct Many {
        peer: Peer,
        sockets: Vec<UnixStream>,
    }

    impl Many {
        fn new(clients: usize) -> Many {
            let mut peer = Peer::new();
            let mut sockets: Vec<_> = (0..clients).map(|_| connect(&mut peer.all)).collect();
            for socket in &mut sockets {
                socket.write_all(b"PING\r\n").expect("room");
                peer.all.turn().expect("a turn");
                assert_eq!(read(socket), "+PONG\r\n");
            }
            Many { peer, sockets }
        }

        fn send(&mut self, pieces: &[&[u8]]) {
            for (socket, piece) in self.sockets.iter_mut().zip(pieces) {
                socket.write_all(piece).expect("room");
            }
        }

        fn turn(&mut self) {
            self.peer.all.turn().expect("a turn");
        }

        /// The replies in one turn to a piece of each client.
        fn replies(&mut self, pieces: &[&[u8]]) -> Vec<String> {
            self.send(pieces);
            self.turn();
            self.sockets.iter_mut().map(read).collect()
        }

        fn id(&self, client: usize) -> u64 {
            // The first client is the peer's own.
            self.peer.all.engine.server.clients.ids()[client + 1].0
        }
    }

    fn read(socket: &mut UnixStream) -> String {
        let mut bytes = Vec::new();
        // The read would wait, or the connection has ended, when all is read.
        let _ = socket.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn command(words: &[&str]) -> Vec<u8> {
        let words: Vec<Vec<u8>> = words.iter().map(|text| word(text)).collect();
        request(&words)
    }

    #[test]
    fn commands_run_in_the_order_of_the_reads_short_or_long_whole_or_not() {
        let mut many = Many::new(2 * EARLY_MAX + 3);
        let long = "x".repeat(2 * EARLY_BYTES_MAX);
        let mut wanted = String::new();
        let pieces: Vec<Vec<u8>> = (0..many.sockets.len())
            .map(|at| {
                let short = at.to_string();
                let text = if at % 7 == 3 { &long } else { &short };
                let append = command(&["APPEND", "k", text]);
                wanted.push_str(text);
                match at % 5 {
                    // The beginning of another command follows.
                    2 => [&append[..], b"*2\r\n$3\r\nGE"].concat(),
                    // Two commands.
                    4 => [append, command(&["STRLEN", "k"])].concat(),
                    _ => append,
                }
            })
            .collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let replies = many.replies(&pieces);
        assert!(replies.iter().all(|reply| reply.starts_with(':')));
        let value = many.replies(&[&command(&["GET", "k"])]).swap_remove(0);
        assert_eq!(value, format!("${}\r\n{wanted}\r\n", wanted.len()));
    }

    #[test]
    fn an_early_read_of_a_client_that_was_closed_does_not_run() {
        let mut many = Many::new(3);
        let kill = command(&["CLIENT", "KILL", "ID", &many.id(1).to_string()]);
        let set = command(&["SET", "k", "1"]);
        let replies = many.replies(&[&kill, &set, &command(&["EXISTS", "k"])]);
        assert_eq!(replies, [":1\r\n", "", ":0\r\n"]);
    }

    #[test]
    fn early_reads_wait_while_their_client_is_paused() {
        let mut many = Many::new(4);
        let pause = command(&["CLIENT", "PAUSE", "100000", "WRITE"]);
        let incr = command(&["INCR", "n"]);
        let long = [
            incr.clone(),
            command(&["SET", "t", &"x".repeat(2 * EARLY_BYTES_MAX)]),
        ];
        let get = command(&["GET", "n"]);
        let replies = many.replies(&[&pause, &incr, &long.concat(), &get]);
        assert_eq!(replies, ["+OK\r\n", "", "", "$-1\r\n"]);
        many.send(&[&command(&["CLIENT", "UNPAUSE"])]);
        many.turn();
        many.turn();
        let replies: Vec<String> = many.sockets.iter_mut().map(read).collect();
        assert_eq!(replies, ["+OK\r\n", ":1\r\n", ":2\r\n+OK\r\n", ""]);
    }

    #[test]
    fn an_unreadable_request_among_early_reads_is_answered_as_ever() {
        let mut many = Many::new(3);
        let get = command(&["GET", "k"]);
        let replies = many.replies(&[&get, b"*1\r\n$x\r\n", &get]);
        let error = "-ERR Protocol error: invalid bulk length\r\n";
        assert_eq!(replies, ["$-1\r\n", error, "$-1\r\n"]);
    }
}
