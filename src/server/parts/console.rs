//! The state of the console: its connections, and the sessions of users who have logged in. `run/roles/console.rs`
//! drives the connections, `server::console` answers calls.
//!
//! A session is a client without a connection of its own, so that CLIENT LIST shows it, CLIENT KILL and
//! changes of users end it, and each of its commands passes the gates. A token opens it; only its hash
//! is kept.
//!
//! Bounds: [`CONNECTIONS_MAX`], [`SESSIONS_MAX`], [`STREAMS_MAX`].

use sha2::{Digest, Sha256};

use crate::base::glob;
use crate::console::calls::{CommandCall, Login, Monitor};
use crate::console::history::History;
use crate::console::http::{Head, Method};
use crate::keyspace::ClientId;
use crate::net::{Address, Listener, Slab, Stream};
use crate::replication::ReplOffset;
use crate::resp::Args;
use crate::server::figures::histogram::Histogram;

/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 64;
/// Sessions at a time; the one longest unused makes room.
pub const SESSIONS_MAX: usize = 32;
/// Connections that carry a stream.
pub const STREAMS_MAX: usize = 8;
/// A session ends after this time without a call, and after this time in all.
const IDLE_MS: u64 = 30 * 60 * 1000;
const AGE_MS: u64 = 12 * 3600 * 1000;
/// Bytes of events that wait for a stream's connection; later ones are dropped.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub struct Console {
    pub listeners: Vec<Listener>,
    pub slab: Slab<Box<Connection>>,
    /// Connections may be waiting at a listener.
    pub waiting: bool,
    /// A connection has more to do before the loop sleeps.
    pub is_urgent: bool,
    pub sessions: Sessions,
    /// What streams want to see of all commands.
    pub taps: Vec<Tap>,
    /// Figures over time, while the console has a port.
    pub history: Option<Box<History>>,
    /// When the next row of a second is due, monotonic milliseconds.
    pub sample_due_ms: u64,
    /// Counters at the last row, and the durations of turns.
    pub counted: Counted,
    pub turns: Option<Histogram>,
    /// An offset of the log that was not on disk when it was seen, and when that was.
    pub unsynced: Option<(ReplOffset, u64)>,
}

impl Console {
    /// The slots of all connections, with their generations.
    pub fn places(&self) -> Vec<(u32, u32)> {
        let all = self.slab.iter();
        all.map(|(slot, generation, _)| (slot, generation))
            .collect()
    }

    /// Number of connections that carry a stream.
    pub fn streams(&self) -> usize {
        self.slab
            .iter()
            .filter(|(_, _, connection)| matches!(connection.task, Task::Stream(_)))
            .count()
    }
}

/// Counters whose growth a row shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub at_ms: u64,
    pub commands: u64,
    pub net_in: u64,
    pub net_out: u64,
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub evicted: u64,
    pub errors: u64,
    pub rejected: u64,
    pub turn_us: u64,
    pub cpu_us: u64,
}

/// One connection.
pub struct Connection {
    pub stream: Stream,
    pub peer: Address,
    /// Received, and not yet taken.
    pub input: Vec<u8>,
    /// The head of the request whose body is awaited.
    pub head: Option<Box<Head>>,
    pub output: Vec<u8>,
    /// Bytes of the output sent.
    pub sent: usize,
    pub write_armed: bool,
    pub task: Task,
    /// Of the request being answered.
    pub method: Method,
    pub keep_alive: bool,
    /// The client whose writes the output acknowledges.
    pub acknowledges: Option<ClientId>,
    /// When the connection is closed unless something happens, monotonic milliseconds.
    pub due_ms: u64,
}

impl Connection {
    pub fn new(stream: Stream, peer: Address, due_ms: u64) -> Connection {
        Connection {
            stream,
            peer,
            input: Vec::new(),
            head: None,
            output: Vec::new(),
            sent: 0,
            write_armed: false,
            task: Task::Read,
            method: Method::Get,
            keep_alive: true,
            acknowledges: None,
            due_ms,
        }
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    pub fn is_tls(&self) -> bool {
        self.stream.tls().is_some()
    }
}

/// What a connection is doing.
pub enum Task {
    /// It waits for a request, or for the rest of one.
    Read,
    /// A login is judged when its time has come, monotonic milliseconds.
    LogIn {
        login: Box<Login>,
        at_ms: u64,
        /// The request comes from this machine and names it as such.
        is_here: bool,
    },
    /// Commands are being run.
    Run(Box<Job>),
    /// Events are sent until one side ends it.
    Stream(Box<Feed>),
    /// It is closed when the output is sent.
    Close,
}

/// The commands of a call.
pub struct Job {
    pub session: ClientId,
    pub call: CommandCall,
    /// The next command.
    pub at: usize,
    /// The replies so far, as the elements of a JSON list.
    pub replies: Vec<u8>,
    /// Microseconds of each.
    pub micros: Vec<u64>,
    /// A command waits, for the end of CLIENT PAUSE or of a snapshot.
    pub waits: bool,
}

/// What a stream shows.
pub struct Feed {
    pub session: ClientId,
    /// The client that has its subscriptions, if it has any.
    pub subscriber: Option<ClientId>,
    pub stats: bool,
    /// Number of the last event.
    pub last_id: u64,
    /// Events dropped since the last one that was sent.
    pub dropped: u64,
    pub heartbeat_due_ms: u64,
}

/// A session.
struct Opened {
    /// Of the token.
    hash: [u8; 32],
    client: ClientId,
    began_ms: u64,
    used_ms: u64,
}

/// All sessions. Each operation is O(sessions), which are few.
#[derive(Default)]
pub struct Sessions {
    all: Vec<Opened>,
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Sessions {
    /// Adds a session; returns the client of the one that makes room for it.
    pub fn open(&mut self, token: &str, client: ClientId, now_ms: u64) -> Option<ClientId> {
        let mut gone = None;
        if self.all.len() >= SESSIONS_MAX {
            let oldest = (0..self.all.len()).min_by_key(|&at| self.all[at].used_ms);
            gone = oldest.map(|at| self.all.swap_remove(at).client);
        }
        self.all.push(Opened {
            hash: hash(token),
            client,
            began_ms: now_ms,
            used_ms: now_ms,
        });
        gone
    }

    /// The client of the session that this token opens, which is used now.
    pub fn find(&mut self, token: &str, now_ms: u64) -> Option<ClientId> {
        // Hashes are compared: the time reveals nothing of a token.
        let hash = hash(token);
        let opened = self.all.iter_mut().find(|opened| opened.hash == hash)?;
        if opened.is_over(now_ms) {
            return None;
        }
        opened.used_ms = now_ms;
        Some(opened.client)
    }

    /// Removes sessions whose time is up, and those whose client is gone; returns the clients of the former.
    pub fn end_due(&mut self, now_ms: u64, is_there: impl Fn(ClientId) -> bool) -> Vec<ClientId> {
        self.all.retain(|opened| is_there(opened.client));
        let due = self.all.extract_if(.., |opened| opened.is_over(now_ms));
        due.map(|opened| opened.client).collect()
    }
}

impl Opened {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_ms) >= IDLE_MS
            || now_ms.saturating_sub(self.began_ms) >= AGE_MS
    }
}

/// A stream's wish to see commands, and those that wait for it.
pub struct Tap {
    /// Slot and generation of its connection.
    pub place: (u32, u32),
    pub wish: Monitor,
    /// When it ends, monotonic milliseconds.
    pub ends_ms: u64,
    /// Events since the start of a second.
    second_ms: u64,
    shown: u32,
    /// Events as JSON, with the length of each.
    pub events: Vec<Vec<u8>>,
    bytes: usize,
    pub dropped: u64,
}

impl Tap {
    pub fn new(place: (u32, u32), wish: Monitor, now_ms: u64) -> Tap {
        Tap {
            place,
            ends_ms: now_ms + u64::from(wish.seconds) * 1000,
            wish,
            second_ms: now_ms,
            shown: 0,
            events: Vec::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    /// Whether the command is one that it shows now; counts those beyond its rate as dropped.
    pub fn wants(&mut self, name: &str, user: &[u8], args: Args<'_>, now_ms: u64) -> bool {
        let wish = &self.wish;
        let fits = wish.command.as_deref().is_none_or(|wanted| wanted == name)
            && wish.user.as_deref().is_none_or(|wanted| wanted == user)
            && wish.key.as_deref().is_none_or(|pattern| {
                let mut args = args.from(1).iter();
                args.any(|arg| glob::matches(pattern, arg, false))
            });
        if !fits {
            return false;
        }
        if now_ms >= self.second_ms + 1000 {
            (self.second_ms, self.shown) = (now_ms, 0);
        }
        if self.shown >= wish.rate || self.bytes >= EVENT_BYTES_MAX {
            self.dropped += 1;
            return false;
        }
        self.shown += 1;
        true
    }

    pub fn add(&mut self, event: Vec<u8>) {
        self.bytes += event.len();
        self.events.push(event);
    }

    /// Takes the events that wait, and how many were dropped.
    pub fn take(&mut self) -> (Vec<Vec<u8>>, u64) {
        self.bytes = 0;
        (
            std::mem::take(&mut self.events),
            std::mem::take(&mut self.dropped),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.open("a", ClientId(1), 0), None);
        assert_eq!(sessions.find("a", IDLE_MS - 1), Some(ClientId(1)));
        assert_eq!(sessions.find("b", 1), None);
        assert_eq!(sessions.find("a", 2 * IDLE_MS - 1), None);
        let mut now_ms = 0;
        sessions.open("b", ClientId(2), 0);
        while now_ms + IDLE_MS / 2 < AGE_MS {
            now_ms += IDLE_MS / 2;
            assert_eq!(sessions.find("b", now_ms), Some(ClientId(2)));
        }
        assert_eq!(sessions.find("b", AGE_MS), None);
        let mut gone = sessions.end_due(AGE_MS, |_| true);
        gone.sort();
        assert_eq!(gone, [ClientId(1), ClientId(2)]);
        assert!(sessions.all.is_empty());
    }

    #[test]
    fn there_are_few_sessions_and_none_has_its_token() {
        let mut sessions = Sessions::default();
        for n in 0..SESSIONS_MAX as u64 {
            assert_eq!(sessions.open(&format!("t{n}"), ClientId(n), n), None);
        }
        sessions.find("t0", 1000);
        assert_eq!(sessions.open("new", ClientId(99), 1001), Some(ClientId(1)));
        assert_eq!(sessions.find("t1", 1002), None);
        assert_eq!(sessions.all.len(), SESSIONS_MAX);
        assert!(sessions.all.iter().all(|s| !s.hash.starts_with(b"t0")));
        assert!(sessions.end_due(1002, |id| id == ClientId(0)).is_empty());
        assert_eq!(sessions.all.len(), 1, "the others' clients are gone");
    }
}
