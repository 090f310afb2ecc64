//! The simulated network: a connection is two pairs of sockets, and the network holds the inner
//! ends.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use russet_replication::{NoRequest, first_request};

/// The bytes on their way in a direction; beyond them the sender's socket fills.
const ON_WAY_MAX: usize = 96 * 1024;

/// A number that depends only on the four arguments.
pub fn draw(seed: u64, a: u64, b: u64, c: u64) -> u64 {
    let mut z = seed;
    for part in [a, b, c] {
        z = (z ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

/// A direction of a connection.
#[derive(Default)]
pub struct Pipe {
    waiting: VecDeque<u8>,
    /// Whether the sender has closed.
    ended: bool,
}

/// The place where a node has the bytes after a position of the stream.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Coverage {
    #[default]
    No,
    /// In the append only file: the node may continue from it.
    InLog,
    /// In the backlog: the node must continue from it.
    InBacklog,
}

/// A replica's request, and whether the other end could have continued.
#[derive(Default)]
pub struct PsyncRequest {
    pub position: Option<(String, u64)>,
    /// The coverage at the other end before its turn, and after.
    pub before: Coverage,
    pub after: Coverage,
    pub is_answered: bool,
    /// The answer is a full sync, which the replica has not loaded yet.
    pub is_full: bool,
}

/// A connection from a replica to its primary.
pub struct Link {
    pub number: u64,
    pub from: usize,
    pub to: usize,
    /// The ends of the dialling node and of the accepting node.
    ends: [Option<UnixStream>; 2],
    pipes: [Pipe; 2],
    /// The link carries no more bytes, and its ends do not notice.
    pub is_silent: bool,
    /// Bytes of the replica that are not a whole request yet.
    said: Vec<u8>,
    has_asked: bool,
    /// Lines of the primary before its answer to PSYNC.
    received: Vec<u8>,
    pub asked: PsyncRequest,
}

impl Link {
    pub fn new(
        number: u64,
        from: usize,
        to: usize,
        dialling: UnixStream,
        accepting: UnixStream,
    ) -> Link {
        let hold = |end: UnixStream| {
            end.set_nonblocking(true).expect("a socket");
            Some(end)
        };
        Link {
            number,
            from,
            to,
            ends: [hold(dialling), hold(accepting)],
            pipes: Default::default(),
            is_silent: false,
            said: Vec::new(),
            has_asked: false,
            received: Vec::new(),
            asked: PsyncRequest::default(),
        }
    }

    pub fn joins(&self, a: usize, b: usize) -> bool {
        (self.from, self.to) == (a, b) || (self.from, self.to) == (b, a)
    }

    pub fn is_over(&self) -> bool {
        self.ends.iter().all(Option::is_none)
    }

    /// Whether a node holds its end open.
    pub fn is_held_by(&self, node: usize) -> bool {
        let is_end = self.from == node || self.to == node;
        is_end && self.ends[self.side(node)].is_some()
    }

    /// Whether no byte is on its way.
    pub fn is_calm(&self) -> bool {
        self.is_silent
            || self
                .pipes
                .iter()
                .all(|pipe| pipe.waiting.is_empty() && !pipe.ended)
    }

    fn side(&self, node: usize) -> usize {
        usize::from(node != self.from)
    }

    /// Takes the bytes that a node has written.
    pub fn collect(&mut self, node: usize) -> Result<(), String> {
        let side = self.side(node);
        let mut bytes = [0; 16 * 1024];
        loop {
            let pipe = &mut self.pipes[side];
            let Some(end) = &mut self.ends[side] else {
                return Ok(());
            };
            if pipe.waiting.len() >= ON_WAY_MAX {
                return Ok(());
            }
            match end.read(&mut bytes) {
                Ok(n) if n > 0 => {
                    if side == 0 {
                        self.note_said(&bytes[..n])?;
                    } else {
                        self.note_received(&bytes[..n])?;
                    }
                    if !self.is_silent {
                        self.pipes[side].waiting.extend(&bytes[..n]);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The node has closed, or died.
                _ => {
                    self.ends[side] = None;
                    self.pipes[side].ended = true;
                    return Ok(());
                }
            }
        }
    }

    /// Gives a node the bytes that have arrived: all of them, or a part that ends at any byte.
    pub fn deliver(&mut self, node: usize, luck: u64) {
        if self.is_silent {
            return;
        }
        let to = self.side(node);
        let pipe = &mut self.pipes[1 - to];
        let there = pipe.waiting.len();
        let part = match luck % 10 {
            0 => 0,
            1..=2 if there > 0 => (luck >> 8) as usize % (there + 1),
            _ => there,
        };
        let Some(end) = &mut self.ends[to] else {
            pipe.waiting.clear();
            return;
        };
        let mut sent = 0;
        while sent < part {
            let bytes = pipe.waiting.as_slices().0;
            let piece = bytes.len().min(part - sent);
            match end.write(&bytes[..piece]) {
                Ok(n) => {
                    pipe.waiting.drain(..n);
                    sent += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    pipe.waiting.clear();
                    break;
                }
            }
        }
        if pipe.ended && pipe.waiting.is_empty() {
            self.ends[to] = None;
        }
    }

    /// Ends the connection on both sides; each side gets a part of the bytes on their way.
    pub fn cut(&mut self, luck: u64) {
        for to in 0..2 {
            let pipe = &mut self.pipes[1 - to];
            let part = (luck >> (8 * to)) as usize % (pipe.waiting.len() + 1);
            let bytes: Vec<u8> = pipe.waiting.drain(..part).collect();
            if let Some(end) = &mut self.ends[to] {
                let _ = end.write(&bytes);
            }
            self.ends[to] = None;
        }
    }

    /// A node's machine is gone, and the other end does not notice.
    pub fn lose(&mut self, node: usize) {
        let side = self.side(node);
        self.ends[side] = None;
        self.is_silent = true;
    }

    /// Whether the primary has the request and owes the answer: its coverage at that moment counts.
    pub fn wants_answer(&self) -> bool {
        self.asked.position.is_some() && !self.asked.is_answered
    }

    fn note_said(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.said.extend_from_slice(bytes);
        loop {
            let request = match first_request(&self.said) {
                Ok(request) => request,
                Err(NoRequest::Short) => return Ok(()),
                Err(NoRequest::Invalid) => {
                    let text = String::from_utf8_lossy(&self.said);
                    return Err(format!("neither a request nor a newline: {text:.80}"));
                }
            };
            let words: Vec<Vec<u8>> = request.words.iter().map(|word| word.to_vec()).collect();
            let len = request.len;
            self.said.drain(..len);
            let name = words[0].to_ascii_uppercase();
            let second = words.get(1).map(|word| word.to_ascii_lowercase());
            let is_ack = name == b"REPLCONF" && second.as_deref() == Some(b"ack");
            let known: [&[u8]; 4] = [b"PING", b"AUTH", b"REPLCONF", b"PSYNC"];
            let expected = if self.has_asked {
                is_ack
            } else {
                known.contains(&&name[..]) && !is_ack
            };
            if !expected {
                let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
                return Err(format!("a replica says {words:?}"));
            }
            if name == b"PSYNC" {
                self.has_asked = true;
                let text = |at: usize| String::from_utf8_lossy(&words[at]).into_owned();
                let next: i64 = text(2).parse().unwrap_or(-1);
                if next > 0 {
                    self.asked.position = Some((text(1), next as u64 - 1));
                }
            }
        }
    }

    fn note_received(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.asked.is_answered || self.received.len() > 4096 {
            return Ok(());
        }
        self.received.extend_from_slice(bytes);
        while let Some(end) = self.received.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let full = line.starts_with(b"+FULLRESYNC");
            let partial = line.starts_with(b"+CONTINUE");
            if !full && !partial {
                continue;
            }
            self.asked.is_answered = true;
            self.asked.is_full = full;
            let PsyncRequest {
                position,
                before,
                after,
                ..
            } = &self.asked;
            if full && *before == Coverage::InBacklog && *after == Coverage::InBacklog {
                return Err(format!("a full sync although {position:?} is covered"));
            }
            if partial && *before == Coverage::No && *after == Coverage::No {
                return Err(format!(
                    "a partial sync although {position:?} is not covered"
                ));
            }
            return Ok(());
        }
        Ok(())
    }
}
