//! A client that knows slots: it may ask any node, and follows MOVED and ASK.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::support::resp::{Connection, Reply, command};

/// Time limit of a command, with all redirections and an election.
const LIMIT: Duration = Duration::from_secs(60);
/// Time limit of a write that need not succeed, because the next key may belong to a working shard.
const WRITE_LIMIT: Duration = Duration::from_millis(200);

/// See the module.
pub struct Client {
    ports: Vec<u16>,
    /// The connection to each port.
    connections: HashMap<u16, Connection>,
    /// The node of each slot, from MOVED.
    slots: HashMap<u16, u16>,
    /// The next node to ask about a slot without a known node.
    next: usize,
}

/// The port at the end of the error's address.
fn port_in(error: &str) -> Option<u16> {
    error.rsplit(':').next()?.trim().parse().ok()
}

impl Client {
    pub fn new(ports: &[u16]) -> Client {
        Client {
            ports: ports.to_vec(),
            connections: HashMap::new(),
            slots: HashMap::new(),
            next: 0,
        }
    }

    /// Runs a command on a single key, on whichever node it is. After an error that asks for
    /// another try the client tries again, until the time limit.
    #[track_caller]
    pub fn run(&mut self, slot: u16, args: &[&str]) -> Reply {
        match self.run_within(LIMIT, slot, args) {
            Ok((_, reply)) => reply,
            Err(last) => panic!("after {LIMIT:?} still no reply to {args:?}: {last}"),
        }
    }

    /// Runs a write on a single key, then WAIT on the same connection. Returns whether a replica
    /// has acknowledged the write in a short time; without an acknowledgement it may be written or
    /// not.
    #[track_caller]
    pub fn write_and_wait(&mut self, slot: u16, args: &[&str]) -> bool {
        let Ok((port, reply)) = self.run_within(WRITE_LIMIT, slot, args) else {
            return false;
        };
        assert!(!matches!(reply, Reply::Error(_)), "{args:?}: {reply:?}");
        let acknowledged = self.ask(port, false, &["WAIT", "1", "100"]);
        matches!(acknowledged, Some(Reply::Integer(1..)))
    }

    /// Runs a write on a single key, and returns whether its reply has come in a short time, and is
    /// no error. Otherwise the key may be written or not.
    #[track_caller]
    pub fn write(&mut self, slot: u16, args: &[&str]) -> bool {
        let replied = self.run_within(WRITE_LIMIT, slot, args);
        matches!(replied, Ok((_, reply)) if !matches!(reply, Reply::Error(_)))
    }

    /// [`Client::run`], with the port of the node that replied. An error is the last reply.
    fn run_within(
        &mut self,
        limit: Duration,
        slot: u16,
        args: &[&str],
    ) -> Result<(u16, Reply), String> {
        let end = Instant::now() + limit;
        let mut asked = None;
        let mut last = String::new();
        while Instant::now() < end {
            let port = match asked.or_else(|| self.slots.get(&slot).copied()) {
                Some(port) => port,
                None => {
                    self.next = (self.next + 1) % self.ports.len();
                    self.ports[self.next]
                }
            };
            let reply = self.ask(port, asked.take().is_some(), args);
            let text = match reply {
                Some(Reply::Error(text)) => String::from_utf8_lossy(&text).into_owned(),
                Some(reply) => return Ok((port, reply)),
                None => "no connection".to_owned(),
            };
            match text.split(' ').next() {
                Some("MOVED") => _ = port_in(&text).map(|port| self.slots.insert(slot, port)),
                Some("ASK") => asked = port_in(&text),
                Some("TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "no") => {
                    self.slots.remove(&slot);
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return Ok((port, Reply::Error(text.into_bytes()))),
            }
            last = text;
        }
        Err(last)
    }

    /// `None` if the node does not answer.
    fn ask(&mut self, port: u16, is_asking: bool, args: &[&str]) -> Option<Reply> {
        if let Entry::Vacant(place) = self.connections.entry(port) {
            place.insert(Connection::open(port).ok()?);
        }
        let connection = self.connections.get_mut(&port)?;
        let mut call = || {
            if is_asking {
                connection.write(&command(&["ASKING"])).ok()?;
                connection.read().ok()?;
            }
            connection.write(&command(args)).ok()?;
            connection.read().ok().map(|(_, reply)| reply)
        };
        let reply = call();
        if reply.is_none() {
            self.connections.remove(&port);
        }
        reply
    }
}

/// The slot of a key without a hash tag: CRC-16/XMODEM, bit by bit.
pub fn slot_of(key: &str) -> u16 {
    let crc = key.bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 }
        })
    });
    crc % 16384
}
