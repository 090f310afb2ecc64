//! Connections that speak HTTP: pages of the console, and scrapes of metrics and probes.
//! `run/http.rs` drives them.
//!
//! Bounds: [`Port::connections_max`] at a time, of each port.

use crate::parts::console::Task;
use russet_config::Config;
use russet_console::http::{Method, RequestHead};
use russet_console::refusals::Refusal;
use russet_keyspace::ClientId;
use russet_net::{Address, Listener, Role, Slab, Stream, Target};

/// A port that speaks HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Console,
    Metrics,
}

impl Port {
    pub const ALL: [Port; 2] = [Port::Metrics, Port::Console];

    /// Connections at a time.
    pub fn connections_max(self) -> usize {
        match self {
            Port::Console => 64,
            Port::Metrics => 32,
        }
    }

    /// Whether `console-allow` or `metrics-allow` permits this address. A Unix socket's peer is
    /// local.
    pub fn admits(self, config: &Config, peer: &Address) -> bool {
        let allowed = match self {
            Port::Console => &config.console_allow,
            Port::Metrics => &config.metrics_allow,
        };
        match peer {
            Address::Tcp(address) => allowed.contains(address.ip().to_canonical()),
            Address::Unix(_) => true,
            Address::Unknown => false,
        }
    }

    pub fn listener(self, at: usize) -> Target {
        let role = match self {
            Port::Console => Role::ConsoleListener,
            Port::Metrics => Role::MetricsListener,
        };
        Target::lasting(role, at)
    }

    pub fn connection(self, (slot, generation): (u32, u32)) -> Target {
        let role = match self {
            Port::Console => Role::Console,
            Port::Metrics => Role::Scrape,
        };
        Target {
            role,
            slot,
            generation,
        }
    }
}

/// Why the console shows nothing to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRefusal {
    /// `console-allow` does not have the address.
    Foreign,
    /// The peer is another machine, and there is no TLS.
    Open,
}

impl AddressRefusal {
    /// Connections at a time that are refused in words, of all that the console has.
    pub const CONNECTIONS_MAX: usize = 8;

    /// The refusal of a peer with this address.
    pub fn of(self, address: &str) -> Refusal<'_> {
        match self {
            AddressRefusal::Foreign => Refusal::Foreign(address),
            AddressRefusal::Open => Refusal::Open(address),
        }
    }
}

/// The sockets and the connections of a port.
#[derive(Default)]
pub struct Pool {
    pub listeners: Vec<Listener>,
    pub slab: Slab<Box<Connection>>,
    /// Connections may be waiting at a listener.
    pub waiting: bool,
}

impl Pool {
    /// The slots of all connections, with their generations.
    pub fn places(&self) -> Vec<(u32, u32)> {
        let all = self.slab.iter();
        all.map(|(slot, generation, _)| (slot, generation))
            .collect()
    }

    /// The connection to close when a new connection needs room: idle or half-sent requests must
    /// not keep pages and health checks out.
    pub fn longest_waiting(&self) -> Option<(u32, u32)> {
        let waiting = self.slab.iter().filter_map(|(slot, generation, c)| {
            let rank = c.waits_for_peer()?;
            Some((rank, c.due_ms, (slot, generation)))
        });
        let longest = waiting.min_by_key(|&(rank, due_ms, _)| (rank, due_ms));
        longest.map(|(.., place)| place)
    }

    /// Bytes of the buffers.
    pub fn memory_bytes(&self) -> usize {
        let all = self.slab.iter();
        all.map(|(_, _, c)| c.input.capacity() + c.output.capacity())
            .sum()
    }
}

/// An HTTP connection.
pub struct Connection {
    pub port: Port,
    pub stream: Stream,
    pub peer: Address,
    /// Received, and not yet taken.
    pub input: Vec<u8>,
    /// The head of the request whose body is awaited.
    pub head: Option<Box<RequestHead>>,
    pub output: Vec<u8>,
    /// Bytes of the output sent.
    pub sent: usize,
    pub write_armed: bool,
    pub task: Task,
    /// Why the server refuses the connection's only request. The answer waits until the request has
    /// been read, because a browser shows no answer that precedes its request.
    pub refused: Option<AddressRefusal>,
    /// The method of the request being answered.
    pub method: Method,
    pub keep_alive: bool,
    /// A whole answer has left.
    pub was_answered: bool,
    /// The client whose writes the output acknowledges.
    pub acknowledges: Option<ClientId>,
    /// When the connection is closed unless something happens, monotonic milliseconds.
    pub due_ms: u64,
}

impl Connection {
    pub fn new(port: Port, stream: Stream, peer: Address, due_ms: u64) -> Connection {
        Connection {
            port,
            stream,
            peer,
            input: Vec::new(),
            head: None,
            output: Vec::new(),
            sent: 0,
            write_armed: false,
            task: Task::Read,
            refused: None,
            method: Method::Get,
            keep_alive: true,
            was_answered: false,
            acknowledges: None,
            due_ms,
        }
    }

    /// Extends the deadline of a console connection. A scrape's total time is limited, so its
    /// deadline stays.
    pub fn extend(&mut self, due_ms: u64) {
        if self.port == Port::Console {
            self.due_ms = due_ms;
        }
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// The priority for closing the connection when a new connection needs room, 0 first; `None` if
    /// the server itself is at work for it. 0: the peer has sent no whole request yet. 1: the
    /// connection waits for a later request. 2: the peer does not read its answer.
    pub fn waits_for_peer(&self) -> Option<u8> {
        match self.task {
            Task::Read | Task::Close | Task::Drain { .. } => {}
            _ => return None,
        }
        Some(match (self.unsent() > 0, self.was_answered) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        })
    }

    /// The peer's address, without its port.
    pub fn peer_host(&self) -> String {
        match &self.peer {
            Address::Tcp(address) => address.ip().to_canonical().to_string(),
            other => other.to_string(),
        }
    }

    pub fn is_tls(&self) -> bool {
        self.stream.tls().is_some()
    }
}
