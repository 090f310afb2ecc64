//! Blocked clients: they wait until a key has a value of their type, a time has passed, memory is
//! freed, or data is on disk.
//!
//! A command that finds nothing states what it waits for ([`super::Call::block_on_keys`]); its
//! client blocks, with the arguments kept. When a key gets a value of the right type, the command
//! runs again from the start, first come first served; it either answers or keeps its place in the
//! wait queue. So each command has one implementation, not a second one for blocked clients. The
//! reply to a timeout is computed when the time is up ([`OnTimeout`]).
//!
//! Deadlines are ordered by time: O(log n) to add and to remove one. A blocked client's next
//! commands stay in its input and run when it resumes.

use std::collections::BTreeSet;

use super::client::{Client, ClientFlags};
use super::dispatch::after_reply;
use super::gates::{self, Asked, pauses};
use super::session::Session;
use super::world::{Origin, World};
use super::{Engine, Server};
use crate::command::CommandError;
use crate::keyspace::{ClientId, DbIndex, Keyspace, ReadyKey};
use crate::resp::OwnedArgs;
use crate::types::Type;

/// Writes the reply of a client whose time is up.
pub type OnTimeout = fn(&mut World<'_>, &Blocked);

/// What a client waits for.
#[derive(Debug)]
pub enum Until {
    /// One of the keys has a value of this type; with `guards` also when one of them is removed or
    /// changes its type, which the command itself must report.
    Keys {
        keys: Vec<Box<[u8]>>,
        kind: Type,
        guards: bool,
    },
    /// The helper thread has reached this mark (`keyspace::LazyFree`).
    Memory { mark: u64 },
    /// The append only file is on disk up to this offset; `None`: that, and a condition that cannot
    /// be met.
    Synced { offset: Option<u64> },
    /// Its backup is made.
    Backup,
    /// Only the deadline.
    Time,
    /// Its login attempt is decided at the deadline; CLIENT UNBLOCK does not shorten that.
    LogIn,
}

impl Until {
    /// Whether the command has done its work and only its reply is pending: it counts as a call
    /// even if the client is gone.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self, Until::Keys { .. })
    }
}

/// Why and until when a client waits.
#[derive(Debug)]
pub struct Blocked {
    pub db: DbIndex,
    pub until: Until,
    /// Monotonic milliseconds.
    pub deadline_ms: Option<u64>,
    pub on_timeout: OnTimeout,
    /// The command that waits, by its row's number.
    pub row: usize,
    pub args: OwnedArgs,
    /// Ticks of the cycle counter spent on its tries so far.
    pub ticks: u64,
}

impl Blocked {
    /// The keys that it waits for.
    pub fn keys(&self) -> &[Box<[u8]>] {
        match &self.until {
            Until::Keys { keys, .. } => keys,
            _ => &[],
        }
    }

    /// Whether it must be woken when a key is removed or changes its type.
    fn guards(&self) -> bool {
        matches!(self.until, Until::Keys { guards: true, .. })
    }

    /// Whether a key wakes it that now has the type `found` (`None`: there is no such key);
    /// `has_news`: it has new elements.
    fn wants(&self, found: Option<Type>, has_news: bool) -> bool {
        match self.until {
            Until::Keys { kind, .. } if found == Some(kind) => has_news,
            Until::Keys { guards, .. } => guards,
            _ => false,
        }
    }

    /// Memory, approximately, bytes.
    pub fn memory_bytes(&self) -> usize {
        let keys: usize = self.keys().iter().map(|key| key.len()).sum();
        size_of::<Blocked>() + self.args.memory_bytes() + keys
    }
}

/// Deadlines of blocked clients, earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, ClientId)>,
}

impl Deadlines {
    /// The number of clients that wait with a deadline.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub fn add(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.insert((at_ms, client));
    }

    pub fn remove(&mut self, at_ms: u64, client: ClientId) {
        self.by_time.remove(&(at_ms, client));
    }

    /// The earliest deadline, in monotonic milliseconds.
    pub fn next(&self) -> Option<u64> {
        self.by_time.first().map(|d| d.0)
    }

    /// Takes one client whose time is up.
    pub fn take_due(&mut self, now_ms: u64) -> Option<ClientId> {
        let first = *self.by_time.first().filter(|d| d.0 <= now_ms)?;
        self.by_time.remove(&first);
        Some(first.1)
    }
}

impl Engine {
    /// The command that has just run blocks: adds its client to the wait queues of its keys and to
    /// the deadlines.
    pub(super) fn enter_blocked(&mut self, session: &mut Session) {
        let client = &session.client;
        let Some(blocked) = &client.blocked else {
            return;
        };
        for key in blocked.keys() {
            self.keyspace
                .waiting
                .wait(blocked.db, key, client.id, blocked.guards());
        }
        if let Some(at) = blocked.deadline_ms {
            self.server.turn.deadlines.add(at, client.id);
        }
        if let Until::Memory { mark } = blocked.until {
            self.server.turn.awaiting_memory.push((mark, client.id));
        }
        if let Until::Synced {
            offset: Some(offset),
        } = blocked.until
        {
            self.server.await_synced(offset, client.id);
        }
        self.server.clients.blocked += 1;
    }

    /// Serves clients whose keys became ready, in order of arrival. Their commands may make other
    /// keys ready; repeats until none is.
    #[cold]
    pub fn serve_ready_keys(&mut self) {
        while self.keyspace.waiting.has_ready() {
            for ready in self.keyspace.waiting.take_ready() {
                let ReadyKey { db, key, has_news } = ready;
                // A client that is served leaves the queue; the others keep their place.
                let mut at = 0;
                for _ in 0..self.keyspace.waiting.waiters(db, &key) {
                    let Some(id) = self.keyspace.waiting.waiter(db, &key, at) else {
                        break;
                    };
                    let kind = self.keyspace.db(db).info(&key).map(|info| info.kind);
                    if kind.is_none() && !self.keyspace.waiting.is_guarded() {
                        break;
                    }
                    let Some(mut session) = self.server.clients.take(id) else {
                        at += 1;
                        continue;
                    };
                    let blocked = session.client.blocked.as_ref();
                    if blocked.is_some_and(|b| b.wants(kind, has_news)) {
                        self.retry(&mut session);
                    }
                    self.server.put_back(session);
                    if self.keyspace.waiting.waiter(db, &key, at) == Some(id) {
                        at += 1;
                    }
                }
            }
        }
    }

    /// Runs a blocked client's command again.
    fn retry(&mut self, session: &mut Session) {
        super::crash::note_client(&session.client);
        let Some(blocked) = session.client.blocked.as_mut() else {
            return;
        };
        let args = std::mem::take(&mut blocked.args);
        let id = blocked.row;
        session.client.flags.remove(ClientFlags::BLOCKED);
        let spec = self.server.table.row(id).spec;
        // The server's state may have changed since it blocked: memory may have run out.
        let asked = Asked {
            spec,
            row: id,
            args: args.args(),
            origin: Origin::Retry,
        };
        if pauses(&self.server, &session.client, asked) {
            // Its wait is over; when the pause ends the command runs as if it were new.
            session.input.put_first(args.args());
            session.client.flags |= ClientFlags::POSTPONED;
            self.server
                .stop_waiting(&mut self.keyspace, &mut session.client);
            return;
        }
        let mark = session.reply.mark();
        let Session { client, reply, .. } = session;
        let mut world = World {
            keyspace: &mut self.keyspace,
            server: &mut self.server,
            client,
            reply,
        };
        if let Err(error) = gates::check(&mut world, asked) {
            self.server.diagnostics.command_stats[id].rejected += 1;
            session.reply.error(&error);
            self.server.stats.count_error(session.reply.last_error());
            after_reply(session, mark);
            return self.server.unblock(&mut self.keyspace, session);
        }
        self.server.begin_commands();
        self.run_unit(session, Origin::Retry, id, args.args(), &[]);
        if session.client.flags.contains(ClientFlags::BLOCKED) {
            // It keeps waiting, in its old places: its keys and its deadline are the same.
            return;
        }
        after_reply(session, mark);
        self.server.unblock(&mut self.keyspace, session);
        if !self.server.outbox.is_empty() {
            self.deliver_posts(Some(session));
        }
    }

    /// Answers clients whose time is up, and unblocks them.
    pub(super) fn time_out_blocked(&mut self) {
        let now = self.server.now.mono_ms;
        while let Some(id) = self.server.turn.deadlines.take_due(now) {
            self.end_wait(id);
        }
    }

    /// Gives a client its timeout reply, and unblocks it.
    pub(super) fn end_wait(&mut self, id: ClientId) {
        self.server.unblock_client(&mut self.keyspace, id, None);
    }

    /// Answers clients whose flushed databases have been freed (FLUSHALL SYNC).
    pub(super) fn serve_freed(&mut self) {
        let met = self.keyspace.lazyfree.marks_met();
        let waiting = &mut self.server.turn.awaiting_memory;
        let served = waiting.partition_point(|&(mark, _)| mark <= met);
        for (mark, id) in waiting.drain(..served).collect::<Vec<_>>() {
            // It may have been unblocked, and be waiting for something else by now.
            let still = |b: &Blocked| matches!(b.until, Until::Memory { mark: m } if m == mark);
            if let Some(session) = self.server.clients.get_mut(id)
                && session.client.blocked.as_deref().is_some_and(still)
            {
                self.end_wait(id);
            }
        }
    }
}

impl Server {
    /// Removes a client from everything it waits in. `false`: it was not blocked.
    pub(super) fn stop_waiting(&mut self, keyspace: &mut Keyspace, client: &mut Client) -> bool {
        let Some(blocked) = client.blocked.take() else {
            return false;
        };
        client.flags.remove(ClientFlags::BLOCKED);
        for key in blocked.keys() {
            keyspace
                .waiting
                .leave(blocked.db, key, client.id, blocked.guards());
        }
        if let Some(at) = blocked.deadline_ms {
            self.turn.deadlines.remove(at, client.id);
        }
        self.clients.blocked -= 1;
        true
    }

    /// Unblocks the client; the input it has sent meanwhile runs next.
    fn unblock(&mut self, keyspace: &mut Keyspace, session: &mut Session) {
        if self.stop_waiting(keyspace, &mut session.client) {
            self.resume(session);
        }
    }

    /// Ends the waits for the append only file with an error, in the order of the clients.
    pub(super) fn refuse_waits_for_aof(&mut self, keyspace: &mut Keyspace, error: &CommandError) {
        let waits = |client: &&Client| {
            let until = client.blocked.as_deref().map(|blocked| &blocked.until);
            matches!(until, Some(Until::Synced { .. }))
        };
        let clients = self.clients.iter().map(|session| &session.client);
        let mut ids: Vec<ClientId> = clients.filter(waits).map(|client| client.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.unblock_client(keyspace, id, Some(error));
        }
    }

    /// Whether a client waits for the decision on its login attempt.
    pub fn waits_to_log_in(&self, id: ClientId) -> bool {
        let blocked = self
            .clients
            .get(id)
            .and_then(|s| s.client.blocked.as_deref());
        blocked.is_some_and(|blocked| matches!(blocked.until, Until::LogIn))
    }

    /// CLIENT UNBLOCK: as if its time were up, or with an error. `false`: it is not blocked.
    pub fn unblock_client(
        &mut self,
        keyspace: &mut Keyspace,
        id: ClientId,
        error: Option<&CommandError>,
    ) -> bool {
        let Some(mut session) = self.clients.take(id) else {
            return false;
        };
        let waits = session.client.blocked.is_some();
        if waits {
            self.count_unserved(&session.client, error.is_some());
            let mark = session.reply.mark();
            match error {
                Some(error) => {
                    session.reply.error(error);
                    self.stats.count_error(session.reply.last_error());
                }
                None => answer_timeout(keyspace, self, &mut session),
            }
            self.unblock(keyspace, &mut session);
            after_reply(&mut session, mark);
        }
        self.put_back(session);
        waits
    }
}

/// Writes the timeout reply of a client.
fn answer_timeout(keyspace: &mut Keyspace, server: &mut Server, session: &mut Session) {
    let Session { client, reply, .. } = session;
    let Some(blocked) = client.blocked.take() else {
        return;
    };
    let mut world = World {
        keyspace,
        server,
        client,
        reply,
    };
    (blocked.on_timeout)(&mut world, &blocked);
    session.client.blocked = Some(blocked);
}
