//! The state of the console: its connections, and the sessions of logged-in users. `run::http` and
//! `run::console` drive the connections, `server::console` answers calls.
//!
//! A session is a client without a connection of its own, so that CLIENT LIST shows it, CLIENT KILL
//! and changes of users end it, and each of its commands passes the gates. A token opens it; only
//! its hash is kept.
//!
//! Bounds: [`SESSIONS_MAX`], [`USER_SESSIONS_MAX`], [`STREAMS_MAX`].

use sha2::{Digest, Sha256};

use crate::clients::client::{Client, ClientFlags};
use crate::figures::histogram::Histogram;
use crate::parts::http::Pool;
use crate::parts::persist::disk::DiskWatch;
use russet_acl::{Proof, UserId};
use russet_base::glob;
use russet_console::calls::{CommandCall, Login, Monitor};
use russet_console::events::Messages;
use russet_console::history::History;
use russet_console::pack::AnswerCompressor;
use russet_keyspace::{ClientId, DbIndex};
use russet_net::Address;
use russet_replication::ReplOffset;
use russet_resp::Args;

/// Sessions at a time, of all users and of a single user. Beyond the user's limit, the server ends
/// the user's longest unused session; beyond the limit of all, the longest unused session of the
/// user with the most sessions.
pub const SESSIONS_MAX: usize = 32;
pub const USER_SESSIONS_MAX: usize = 8;
/// Connections that carry a stream.
pub const STREAMS_MAX: usize = 8;
/// A session ends after this time without a call, and after this time in all.
const IDLE_MS: u64 = 30 * 60 * 1000;
const AGE_MS: u64 = 12 * 3600 * 1000;
/// Bytes of events that wait for a stream's connection; later events are dropped.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub struct Console {
    pub pool: Pool,
    /// A connection has more to do before the loop sleeps.
    pub is_urgent: bool,
    /// The slot whose answer was packed last.
    pub packed: u32,
    pub sessions: Sessions,
    /// The session whose command runs now.
    pub running: Option<RunningSession>,
    /// The streams that show commands, with their filters.
    pub taps: Vec<Tap>,
    /// Figures over time, while the console has a port.
    pub history: Option<Box<History>>,
    /// When the next row of a second is due, monotonic milliseconds.
    pub sample_due_ms: u64,
    /// Counters at the last row, and the durations of turns.
    pub counted: CounterSample,
    pub turns: Option<Histogram>,
    /// An offset of the log that was not on disk when it was seen, and when that was.
    pub unsynced: Option<(ReplOffset, u64)>,
    pub disk: DiskWatch,
}

impl Console {
    /// The connection whose answer is packed next: they take turns.
    pub fn next_to_pack(&self) -> Option<(u32, u32)> {
        let waiting = || {
            let packing = self.pool.slab.iter();
            let packing = packing.filter(|(_, _, c)| matches!(c.task, Task::Pack(_)));
            packing.map(|(slot, generation, _)| (slot, generation))
        };
        let later = waiting().find(|&(slot, _)| slot > self.packed);
        later.or_else(|| waiting().next())
    }

    /// Number of connections that carry a stream.
    pub fn streams(&self) -> usize {
        self.pool
            .slab
            .iter()
            .filter(|(_, _, connection)| matches!(connection.task, Task::Stream(_)))
            .count()
    }
}

/// A session whose command runs: it is not in the table of clients meanwhile. Other calls of the
/// session use this entry if the command is a script that lasts.
#[derive(Clone)]
pub struct RunningSession {
    pub client: ClientId,
    pub user: UserId,
    pub flags: ClientFlags,
    pub peer: Address,
    pub db: DbIndex,
    /// Set for the session when the command has ended.
    pub is_locked: bool,
}

impl RunningSession {
    pub fn of(client: &Client) -> RunningSession {
        RunningSession {
            client: client.id,
            user: client.user,
            flags: client.flags,
            peer: client.identity.peer.clone(),
            db: client.db,
            is_locked: client.console.is_none_or(|of| of.is_locked),
        }
    }
}

/// Counters whose growth a row shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CounterSample {
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

/// The present work of a connection.
pub enum Task {
    /// The connection waits for a request, or for the rest of a request.
    Read,
    /// A login is judged at this time, monotonic milliseconds.
    LogIn {
        login: Box<Login>,
        at_ms: u64,
        /// The request comes from this machine and names it as such.
        is_here: bool,
        /// The session of the request's cookie, which ends with the login.
        before: Option<ClientId>,
    },
    /// Commands are being run.
    Run(Box<Job>),
    /// The answer is being compressed.
    Pack(Box<AnswerCompressor>),
    /// Events are sent until either side closes the connection.
    Stream(Box<Feed>),
    /// The connection is closed when the output is sent.
    Close,
    /// The server refuses the request before all of it is there. After the refusal it reads and
    /// drops so many more bytes, because a peer whose connection closes with unread input sees a
    /// reset instead of the refusal.
    Drain { left: usize },
}

impl Task {
    /// Whether the task continues in each turn, without an event.
    pub fn continues(&self) -> bool {
        match self {
            Task::Run(job) => !job.waits,
            Task::Pack(_) => true,
            _ => false,
        }
    }
}

/// The commands of a call.
pub struct Job {
    pub session: ClientId,
    pub call: CommandCall,
    /// The next command.
    pub at: usize,
    /// The replies so far, as the elements of a JSON list.
    pub replies: Vec<u8>,
    /// The time of each command, microseconds.
    pub micros: Vec<u64>,
    /// Ticks (`clock::cycles`) of all earlier turns, and when this turn of it began.
    pub ticks: u64,
    pub began: u64,
    /// The call runs on a client that stands in for the session.
    pub stands_in: bool,
    /// A command waits, for the end of CLIENT PAUSE or of a snapshot.
    pub waits: bool,
}

/// The content of a stream.
pub struct Feed {
    pub session: ClientId,
    /// The client that has the stream's subscriptions, if any.
    pub subscriber: Option<ClientId>,
    pub stats: bool,
    /// Number of the last event.
    pub last_id: u64,
    /// Events dropped since the last sent event.
    pub dropped: u64,
    pub heartbeat_due_ms: u64,
    pub messages: Messages,
}

/// A session.
struct ConsoleSession {
    /// The hash of the token.
    hash: [u8; 32],
    client: ClientId,
    user: UserId,
    began_ms: u64,
    used_ms: u64,
    /// The proof that the session's login gave.
    proof: Proof,
    /// The token no longer opens the session; the session's client is to be closed.
    is_ended: bool,
}

/// All sessions. Each operation is O(sessions), which are few.
#[derive(Default)]
pub struct Sessions {
    all: Vec<ConsoleSession>,
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Sessions {
    /// Adds a session; returns the client of the session that ended to make room, if any.
    pub fn open(
        &mut self,
        token: &str,
        (client, user, proof): (ClientId, UserId, Proof),
        now_ms: u64,
    ) -> Option<ClientId> {
        let gone = self.user_to_lose(user).and_then(|user| {
            let of_user = self.all.iter_mut();
            let of_user = of_user.filter(|opened| !opened.is_ended && opened.user == user);
            let oldest = of_user.min_by_key(|opened| opened.used_ms)?;
            oldest.is_ended = true;
            Some(oldest.client)
        });
        self.all.push(ConsoleSession {
            hash: hash(token),
            client,
            user,
            began_ms: now_ms,
            used_ms: now_ms,
            proof,
            is_ended: false,
        });
        gone
    }

    /// The user that loses a session when `new` opens another session.
    fn user_to_lose(&self, new: UserId) -> Option<UserId> {
        let live = || self.all.iter().filter(|opened| !opened.is_ended);
        let count = |user| live().filter(|opened| opened.user == user).count();
        if count(new) >= USER_SESSIONS_MAX {
            return Some(new);
        }
        let is_full = live().count() >= SESSIONS_MAX;
        let users = live().map(|opened| opened.user);
        users.max_by_key(|&user| count(user)).filter(|_| is_full)
    }

    /// The client of the session that this token opens; `renews`: it is used now.
    pub fn find(&mut self, token: &str, renews: bool, now_ms: u64) -> Option<ClientId> {
        // Hashes are compared: the time reveals nothing of a token.
        let hash = hash(token);
        let opened = self.all.iter_mut().find(|opened| opened.hash == hash)?;
        if opened.is_over(now_ms) {
            return None;
        }
        if renews {
            opened.used_ms = now_ms;
        }
        Some(opened.client)
    }

    /// Ends the sessions whose login would not be accepted again: the user is off, or no longer has
    /// the password.
    pub fn end_unproven(&mut self, still_admits: impl Fn(UserId, Proof) -> bool) {
        for opened in &mut self.all {
            opened.is_ended |= !still_admits(opened.user, opened.proof);
        }
    }

    /// Ends the session of this client.
    pub fn end(&mut self, client: ClientId) {
        for opened in &mut self.all {
            opened.is_ended |= opened.client == client;
        }
    }

    /// Sessions that are over, whose clients have to be closed. A session stays in the list until
    /// its client is gone, because a client cannot be closed while its command runs.
    pub fn end_due(&mut self, now_ms: u64, is_there: impl Fn(ClientId) -> bool) -> Vec<ClientId> {
        self.all.retain(|opened| is_there(opened.client));
        let due = self.all.iter().filter(|opened| opened.is_over(now_ms));
        due.map(|opened| opened.client).collect()
    }
}

impl ConsoleSession {
    fn is_over(&self, now_ms: u64) -> bool {
        self.is_ended
            || now_ms.saturating_sub(self.used_ms) >= IDLE_MS
            || now_ms.saturating_sub(self.began_ms) >= AGE_MS
    }
}

/// A stream's filter of commands, and the commands that wait to be sent to it.
pub struct Tap {
    /// Slot and generation of the stream's connection.
    pub place: (u32, u32),
    pub wish: Monitor,
    /// When the tap ends, monotonic milliseconds.
    pub ends_ms: u64,
    /// Events since the start of a second.
    second_ms: u64,
    shown: u32,
    /// Events as JSON.
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

    /// Whether the stream shows the command; counts commands beyond its rate as dropped.
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

    const USER: UserId = UserId::DEFAULT;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let mut sessions = Sessions::default();
        assert_eq!(
            sessions.open("a", (ClientId(1), USER, Proof::default()), 0),
            None
        );
        assert_eq!(sessions.find("a", true, IDLE_MS - 1), Some(ClientId(1)));
        assert_eq!(sessions.find("b", true, 1), None);
        assert_eq!(sessions.find("a", true, 2 * IDLE_MS - 1), None);
        let mut now_ms = 0;
        sessions.open("b", (ClientId(2), USER, Proof::default()), 0);
        while now_ms + IDLE_MS / 2 < AGE_MS {
            now_ms += IDLE_MS / 2;
            assert_eq!(sessions.find("b", true, now_ms), Some(ClientId(2)));
        }
        assert_eq!(sessions.find("b", true, AGE_MS), None);
        let mut gone = sessions.end_due(AGE_MS, |_| true);
        gone.sort();
        assert_eq!(gone, [ClientId(1), ClientId(2)]);
        assert!(sessions.end_due(AGE_MS, |_| false).is_empty());
        assert!(sessions.all.is_empty());
    }

    #[test]
    fn calls_that_a_page_makes_by_itself_do_not_prolong_a_session() {
        let mut sessions = Sessions::default();
        sessions.open("a", (ClientId(1), USER, Proof::default()), 0);
        assert_eq!(sessions.find("a", false, IDLE_MS - 1), Some(ClientId(1)));
        assert_eq!(sessions.find("a", false, IDLE_MS), None);
    }

    #[test]
    fn a_session_that_was_ended_is_closed_when_it_can_be() {
        let mut sessions = Sessions::default();
        sessions.open("a", (ClientId(1), USER, Proof::default()), 0);
        sessions.end(ClientId(1));
        assert_eq!(sessions.find("a", true, 1), None);
        for _ in 0..2 {
            assert_eq!(sessions.end_due(1, |_| true), [ClientId(1)]);
        }
        assert!(sessions.end_due(1, |_| false).is_empty());
    }

    #[test]
    fn a_user_has_few_sessions_and_takes_none_of_others() {
        let users: Vec<UserId> = (0..10).map(UserId::numbered).collect();
        let mut sessions = Sessions::default();
        assert_eq!(
            sessions.open("admin", (ClientId(1000), users[9], Proof::default()), 0),
            None
        );
        for n in 0..USER_SESSIONS_MAX as u64 {
            let id = (ClientId(n), users[0], Proof::default());
            assert_eq!(sessions.open(&format!("t{n}"), id, n), None);
        }
        sessions.find("t0", true, 1000);
        let gone = sessions.open("new", (ClientId(99), users[0], Proof::default()), 1001);
        assert_eq!(gone, Some(ClientId(1)));
        assert_eq!(sessions.find("t1", true, 1002), None);
        assert!(sessions.all.iter().all(|s| !s.hash.starts_with(b"t0")));
        // Many users together lose sessions before a user with few.
        for n in 0..100 {
            let user = users[1 + n as usize % 5];
            sessions.open(
                &format!("u{n}"),
                (ClientId(2000 + n), user, Proof::default()),
                2000 + n,
            );
        }
        assert_eq!(sessions.find("admin", true, 3000), Some(ClientId(1000)));
        let live = sessions.all.iter().filter(|opened| !opened.is_ended);
        assert_eq!(live.count(), SESSIONS_MAX);
    }
}
