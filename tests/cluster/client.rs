//! A client that knows slots: it asks any node, and follows MOVED and ASK.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::support::resp::{Connection, Reply, command};

/// Time limit of one command, all redirections and an election included.
const LIMIT: Duration = Duration::from_secs(60);

/// See the module.
pub struct Client {
    ports: Vec<u16>,
    /// By port.
    connections: HashMap<u16, Connection>,
    /// The node of a slot, as told by MOVED.
    slots: HashMap<u16, u16>,
    /// The next node to ask when none is known.
    next: usize,
}

/// The port that the error's address ends in.
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

    /// Runs a command of one key, wherever it is; an error that asks for another try is followed by one
    /// until the limit.
    #[track_caller]
    pub fn run(&mut self, slot: u16, args: &[&str]) -> Reply {
        self.run_somewhere(slot, args).1
    }

    /// Runs a write of one key, then WAIT on the same connection: whether a replica has acknowledged it
    /// within a second.
    #[track_caller]
    pub fn write_and_wait(&mut self, slot: u16, args: &[&str]) -> bool {
        let (port, reply) = self.run_somewhere(slot, args);
        assert!(!matches!(reply, Reply::Error(_)), "{args:?}: {reply:?}");
        let acknowledged = self.ask(port, false, &["WAIT", "1", "1000"]);
        matches!(acknowledged, Some(Reply::Integer(1..)))
    }

    /// [`Client::run`], with the port of the node that has replied.
    #[track_caller]
    fn run_somewhere(&mut self, slot: u16, args: &[&str]) -> (u16, Reply) {
        let end = Instant::now() + LIMIT;
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
                Some(reply) => return (port, reply),
                None => "no connection".to_owned(),
            };
            match text.split(' ').next() {
                Some("MOVED") => _ = port_in(&text).map(|port| self.slots.insert(slot, port)),
                Some("ASK") => asked = port_in(&text),
                Some("TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "no") => {
                    self.slots.remove(&slot);
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return (port, Reply::Error(text.into_bytes())),
            }
            last = text;
        }
        panic!("after {LIMIT:?} still no reply to {args:?}: {last}");
    }

    /// `None`: the node does not answer.
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
