//! Plays a scenario to a server, step by step, and records its effects after each step.
//!
//! After a step another connection sends a few PINGs, one after the other. Each answer ends a turn
//! of the server's loop, in which the server has read, run and answered everything sent before.
//! Then each connection's socket has all bytes that the step causes, and the player needs no sleep.
//! Several PINGs are needed, because a client that is served may have queued commands, which serve
//! another client in the next turn.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    figures,
    scenario::{Act, CLIENTS, Scenario, Step},
    support::{Connection, Daemon, Reply, memory, resp},
};

/// Turns after which the longest chain of clients serving each other has ended.
const TURNS: usize = 5;

/// Time limit for the previous scenario's connections to disappear.
const CLEAN_LIMIT: Duration = Duration::from_secs(5);

/// Commands before every scenario.
const BEFORE: &[&str] = &[
    "CLIENT UNPAUSE",
    "CONFIG SET maxmemory 0",
    "CONFIG SET maxmemory-policy noeviction",
    "CONFIG SET hash-max-listpack-entries 512",
    "CONFIG SET list-max-listpack-size -2",
    "CONFIG SET set-max-listpack-entries 128",
    "CONFIG SET zset-max-listpack-entries 128",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "FLUSHALL",
];

/// The effects of a step, or of joined steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The last of the steps.
    pub step: usize,
    /// The bytes that each connection has received since the last observation.
    pub received: Vec<Vec<u8>>,
    /// For each connection, whether the server has closed it.
    pub closed: Vec<bool>,
    /// Figures of CLIENT LIST and INFO.
    pub figures: BTreeMap<String, String>,
}

/// A server to play scenarios to.
pub struct Side {
    daemon: Daemon,
    clients: Vec<Client>,
    control: Connection,
}

/// A connection of a scenario.
struct Client {
    stream: TcpStream,
    id: i64,
    address: String,
    closed: bool,
}

impl Client {
    fn open(port: u16) -> io::Result<Client> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CLEAN_LIMIT))?;
        stream.write_all(b"CLIENT ID\r\n")?;
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            reply.push(byte[0]);
        }
        let id = String::from_utf8_lossy(&reply);
        let id = id.trim_start_matches(':').trim().parse();
        stream.set_nonblocking(true)?;
        Ok(Client {
            id: id.map_err(|_| io::Error::from(ErrorKind::InvalidData))?,
            address: stream.local_addr()?.to_string(),
            stream,
            closed: false,
        })
    }

    /// The bytes received so far, without waiting for more.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // All bytes before WouldBlock are kept.
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => self.closed = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.closed = true,
        }
        bytes
    }
}

impl Side {
    pub fn new(daemon: Daemon) -> Side {
        let control = daemon.connect();
        Side {
            daemon,
            clients: Vec::new(),
            control,
        }
    }

    /// The effects of each step. If the server ends, the remaining steps are missing, and the
    /// player restarts the server for the next scenario.
    pub fn play(&mut self, scenario: &Scenario) -> Vec<Observation> {
        if self.prepare().is_err() {
            self.daemon.restart();
            self.prepare().expect("a fresh server can be emptied");
        }
        let mut all = Vec::new();
        let mut from = 0;
        while from < scenario.steps.len() {
            let until = scenario.group_end(from);
            match self.play_steps(&scenario.steps[from..until], scenario.gap_ms) {
                Ok(seen) => all.push(Observation {
                    step: until - 1,
                    ..seen
                }),
                Err(_) => break,
            }
            from = until;
        }
        all
    }

    /// Removes all keys and the previous scenario's clients, and resets statistics.
    fn prepare(&mut self) -> io::Result<()> {
        self.clients.clear();
        self.control = Connection::open(self.daemon.port())?;
        for line in BEFORE {
            self.ask(line)?;
        }
        let until = Instant::now() + CLEAN_LIMIT;
        while self.text("CLIENT LIST")?.lines().count() > 1 {
            if Instant::now() > until {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        for _ in 0..CLIENTS {
            self.clients.push(Client::open(self.daemon.port())?);
        }
        self.ask("CONFIG RESETSTAT")?;
        Ok(())
    }

    fn play_steps(&mut self, steps: &[Step], gap_ms: u64) -> io::Result<Observation> {
        let mut at = 0;
        while at < steps.len() {
            let client = steps[at].client;
            if steps[at].act == Act::Reconnect {
                self.clients[client] = Client::open(self.daemon.port())?;
                at += 1;
                continue;
            }
            let mut bytes = Vec::new();
            while let Some(step) = steps.get(at)
                && step.client == client
                && step.act != Act::Reconnect
            {
                let words: Vec<String> =
                    step.words().iter().map(|word| self.filled(word)).collect();
                bytes.extend(resp::command(&words));
                at += 1;
            }
            // A closed connection takes no bytes; both servers have closed it, or the previous step
            // has reported it.
            if !self.clients[client].closed {
                let _ = self.clients[client].stream.write_all(&bytes);
            }
        }
        self.settle()?;
        if gap_ms > 0 {
            std::thread::sleep(Duration::from_millis(gap_ms));
            self.settle()?;
        }
        let received = self.clients.iter_mut().map(Client::take).collect();
        let closed = self.clients.iter().map(|client| client.closed).collect();
        let ids: Vec<i64> = self.clients.iter().map(|client| client.id).collect();
        let mut seen = figures::of_clients(&self.text("CLIENT LIST")?, &ids);
        seen.extend(figures::of_info(&self.text("INFO everything")?));
        Ok(Observation {
            step: 0,
            received,
            closed,
            figures: seen,
        })
    }

    /// Returns when the server has run and answered everything sent.
    fn settle(&mut self) -> io::Result<()> {
        for _ in 0..TURNS {
            self.ask("PING")?;
        }
        Ok(())
    }

    fn filled(&self, word: &str) -> String {
        let number = |prefix: &str| -> Option<usize> {
            word.strip_prefix(prefix)?.strip_suffix('}')?.parse().ok()
        };
        if let Some(client) = number("{id:") {
            self.clients[client].id.to_string()
        } else if let Some(client) = number("{addr:") {
            self.clients[client].address.clone()
        } else {
            word.to_string()
        }
    }

    fn ask(&mut self, line: &str) -> io::Result<Reply> {
        self.control.write(format!("{line}\r\n").as_bytes())?;
        Ok(self.control.read()?.1)
    }

    fn text(&mut self, line: &str) -> io::Result<String> {
        let reply = self.ask(line)?;
        let text = reply.text().ok_or(ErrorKind::InvalidData)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Whether the server has this command.
    pub fn has_command(&mut self, name: &str) -> bool {
        matches!(
            self.ask(&format!("COMMAND INFO {name}")),
            Ok(Reply::Array(rows)) if rows.first().is_some_and(|row| *row != Reply::Null)
        )
    }

    /// Checked after every scenario.
    pub fn assert_memory_agrees(&mut self) {
        memory::assert_agrees(&mut self.control);
    }

    /// The final contents as text: each key with its type and value.
    pub fn keys(&mut self) -> io::Result<Vec<String>> {
        let mut all = Vec::new();
        self.ask("CONFIG SET maxmemory 0")?;
        for db in [0, 1] {
            self.ask(&format!("SELECT {db}"))?;
            let Reply::Array(keys) = self.ask("KEYS *")? else {
                continue;
            };
            let mut names: Vec<String> = keys
                .iter()
                .filter_map(|key| key.text())
                .map(|key| String::from_utf8_lossy(key).into_owned())
                .collect();
            names.sort();
            for key in names {
                let kind = match self.ask(&format!("TYPE {key}"))? {
                    Reply::Simple(kind) => String::from_utf8_lossy(&kind).into_owned(),
                    other => format!("{other:?}"),
                };
                let read = match kind.as_str() {
                    "string" => format!("GET {key}"),
                    "list" => format!("LRANGE {key} 0 -1"),
                    "zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
                    "hash" => format!("HGET {key} a"),
                    "set" => format!("SORT {key} ALPHA"),
                    _ => format!("EXISTS {key}"),
                };
                let content = self.ask(&read)?;
                all.push(format!("db {db}: {key} is a {kind}: {content:?}"));
            }
        }
        self.ask("SELECT 0")?;
        Ok(all)
    }
}
