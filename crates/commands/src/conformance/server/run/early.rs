//! Single short commands of several clients, which are read first, then run.
//! Real commands run in process, because a table of a few would not show it.

use russet_server::inside::{EARLY_BYTES_MAX, EARLY_MAX};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::{Peer, connect, request, word};

/// Clients that send one piece each before a turn.
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
        // The first one is the peer's own.
        self.peer.all.engine.server.clients.ids()[client + 1].0
    }
}

fn read(socket: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // When all bytes are read the socket would wait, or has ended.
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
