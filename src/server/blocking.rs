//! Clients that wait: for a key to have something, for a time to pass, for memory to be
//! given back.
//!
//! A command that finds nothing states what it waits for ([`super::Call::block_on_keys`])
//! and its client leaves the stage with the arguments kept. When a key it waits for gets a
//! value of the right type, the command runs again from the start, first come first served;
//! it either answers or waits on in its old place. So there is one implementation of each
//! command, not a second one for the blocked.

use std::collections::BTreeSet;

use super::client::{Client, ClientFlags};
use super::dispatch::pauses;
use super::session::Session;
use super::{Engine, Server, run};
use crate::command::CommandError;
use crate::keyspace::{ClientId, DbIndex, Keyspace};
use crate::resp::{OwnedArgs, Reply};
use crate::types::Type;

/// What a client is told when its time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReply {
    Ok,
    NullArray,
    Null,
    /// The number that WAIT has counted so far.
    Int(i64),
    /// Both numbers of WAITAOF.
    Ints([i64; 2]),
}

impl TimeoutReply {
    /// Writes it as the reply to the command that waited.
    pub fn write(self, reply: &mut Reply) {
        match self {
            TimeoutReply::Ok => reply.ok(),
            TimeoutReply::NullArray => reply.null_array(),
            TimeoutReply::Null => reply.null(),
            TimeoutReply::Int(n) => reply.int(n),
            TimeoutReply::Ints(both) => {
                reply.array(2);
                both.into_iter().for_each(|n| reply.int(n));
            }
        }
    }
}

/// Why and until when a client waits.
#[derive(Debug)]
pub struct Blocked {
    pub db: DbIndex,
    pub keys: Vec<Box<[u8]>>,
    /// The type of value that it can use; `None`: it waits for time alone.
    pub kind: Option<Type>,
    /// Monotonic milliseconds.
    pub deadline_ms: Option<u64>,
    pub on_timeout: TimeoutReply,
    /// The mark in the helper thread's work that it waits for (`keyspace::LazyFree`).
    pub mark: Option<u64>,
    pub args: OwnedArgs,
    /// What its tries have taken so far, in ticks of the cycle counter.
    pub ticks: u64,
}

impl Blocked {
    /// Waits until one of the keys has a value of this type, or for the deadline.
    pub fn on_keys(
        db: DbIndex,
        keys: Vec<Box<[u8]>>,
        kind: Type,
        deadline_ms: Option<u64>,
        on_timeout: TimeoutReply,
    ) -> Blocked {
        Blocked {
            keys,
            kind: Some(kind),
            ..Blocked::for_time(db, deadline_ms, on_timeout)
        }
    }

    /// Waits for nothing but the deadline (WAIT without replicas).
    pub fn for_time(db: DbIndex, deadline_ms: Option<u64>, on_timeout: TimeoutReply) -> Blocked {
        Blocked {
            db,
            keys: Vec::new(),
            kind: None,
            deadline_ms,
            on_timeout,
            mark: None,
            args: OwnedArgs::new(),
            ticks: 0,
        }
    }

    /// Waits until the helper thread has come to `mark`; OK is the answer whatever ends it.
    pub fn for_memory(db: DbIndex, mark: u64) -> Blocked {
        Blocked {
            mark: Some(mark),
            ..Blocked::for_time(db, None, TimeoutReply::Ok)
        }
    }
}

/// Deadlines of blocked clients, earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, ClientId)>,
}

impl Deadlines {
    /// How many clients wait with a deadline.
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
    /// The command that has just run wants to wait: its client is put where its keys or its
    /// time will find it.
    pub(super) fn enter_blocked(&mut self, session: &mut Session) {
        let client = &session.client;
        let Some(blocked) = &client.blocked else {
            return;
        };
        for key in &blocked.keys {
            self.keyspace.waiting.wait(blocked.db, key, client.id);
        }
        if let Some(at) = blocked.deadline_ms {
            self.server.deadlines.add(at, client.id);
        }
        if let Some(mark) = blocked.mark {
            self.server.awaiting_memory.push((mark, client.id));
        }
        self.server.blocked_clients += 1;
    }

    /// The client waits no longer; what it sent meanwhile is executed next.
    pub fn unblock(&mut self, session: &mut Session) {
        unblock(&mut self.keyspace, &mut self.server, session);
    }

    /// Serves clients whose keys have got something, in the order they came. What they do
    /// may make other keys ready, until nothing is. `running` is the client whose command
    /// was the cause: it is out of the list of clients, but may watch what others now touch.
    #[cold]
    pub fn serve_ready_keys(&mut self, running: Option<&mut Session>) {
        while self.keyspace.waiting.has_ready() {
            for (db, key) in self.keyspace.waiting.take_ready() {
                // Who is served leaves the line; who is not stays in his place.
                let mut at = 0;
                for _ in 0..self.keyspace.waiting.waiters(db, &key) {
                    let Some(id) = self.keyspace.waiting.waiter(db, &key, at) else {
                        break;
                    };
                    let kind = self.keyspace.db(db).info(&key).map(|info| info.kind);
                    if kind.is_none() {
                        break;
                    }
                    let Some(mut session) = self.server.clients.take(id) else {
                        at += 1;
                        continue;
                    };
                    let wants = session.client.blocked.as_ref().map(|b| b.kind);
                    if wants == Some(kind) {
                        self.retry(&mut session);
                    }
                    self.server.put_back(session);
                    if self.keyspace.waiting.waiter(db, &key, at) == Some(id) {
                        at += 1;
                    }
                }
            }
        }
        let touched = std::mem::take(&mut self.server.touched_running);
        if let Some(running) = running
            && touched.contains(&running.client.id)
        {
            running.client.flags |= ClientFlags::DIRTY_CAS;
        }
    }

    /// Runs a blocked client's command again.
    fn retry(&mut self, session: &mut Session) {
        super::crash::note_client(&session.client);
        let Some(blocked) = session.client.blocked.as_mut() else {
            return;
        };
        let args = std::mem::take(&mut blocked.args);
        session.client.flags.remove(ClientFlags::BLOCKED);
        let row = args
            .args()
            .get(0)
            .and_then(|name| self.server.table.find(name));
        let Some(id) = row.map(|row| row.id) else {
            return;
        };
        if pauses(&self.server, session, self.server.table.row(id).spec) {
            // Its wait is over; the command comes again, as if new, when the pause ends.
            session.input.put_first(args.args());
            session.client.flags |= ClientFlags::POSTPONED;
            stop_waiting(&mut self.keyspace, &mut self.server, &mut session.client);
            return;
        }
        let mark = session.reply.mark();
        let Session { client, reply, .. } = session;
        self.server.begin_commands();
        run(
            &mut self.keyspace,
            &mut self.server,
            client,
            reply,
            id,
            args.args(),
            &[],
            true,
        );
        if session.client.flags.contains(ClientFlags::BLOCKED) {
            // It waits on, in its old places: its keys and its deadline are the same.
            return;
        }
        self.after_reply(session, mark);
        self.unblock(session);
        self.aftermath(session);
    }

    /// Tells clients whose time is up, and lets them go.
    pub(super) fn time_out_blocked(&mut self) {
        let now = self.server.now.mono_ms;
        while let Some(id) = self.server.deadlines.take_due(now) {
            self.end_wait(id);
        }
    }

    /// Gives a client the answer for whose time is up, and lets it go.
    pub(super) fn end_wait(&mut self, id: ClientId) {
        unblock_client(&mut self.keyspace, &mut self.server, id, None);
    }

    /// Answers clients whose flushed databases have been freed (FLUSHALL SYNC).
    pub(super) fn serve_freed(&mut self) {
        let met = self.keyspace.lazyfree.marks_met();
        let waiting = &mut self.server.awaiting_memory;
        let served = waiting.partition_point(|&(mark, _)| mark <= met);
        for (mark, id) in waiting.drain(..served).collect::<Vec<_>>() {
            // It may have been let go meanwhile, and wait for something else by now.
            let still = |b: &Blocked| b.mark == Some(mark);
            if let Some(session) = self.server.clients.get_mut(id)
                && session.client.blocked.as_deref().is_some_and(still)
            {
                self.end_wait(id);
            }
        }
    }
}

/// See [`Engine::unblock`].
fn unblock(keyspace: &mut Keyspace, server: &mut Server, session: &mut Session) {
    if stop_waiting(keyspace, server, &mut session.client) {
        server.resume(session);
    }
}

/// Takes a client out of everything that it waits in. `false`: it did not wait.
pub(super) fn stop_waiting(
    keyspace: &mut Keyspace,
    server: &mut Server,
    client: &mut Client,
) -> bool {
    let Some(blocked) = client.blocked.take() else {
        return false;
    };
    client.flags.remove(ClientFlags::BLOCKED);
    for key in &blocked.keys {
        keyspace.waiting.leave(blocked.db, key, client.id);
    }
    if let Some(at) = blocked.deadline_ms {
        server.deadlines.remove(at, client.id);
    }
    server.blocked_clients -= 1;
    true
}

/// CLIENT UNBLOCK: as if its time were up, or with an error. `false`: it does not wait.
pub fn unblock_client(
    keyspace: &mut Keyspace,
    server: &mut Server,
    id: ClientId,
    error: Option<&CommandError>,
) -> bool {
    let Some(mut session) = server.clients.take(id) else {
        return false;
    };
    let waits = session.client.blocked.is_some();
    if let Some(blocked) = &session.client.blocked {
        server.count_unserved(&session.client, error.is_some());
        match error {
            Some(error) => {
                session.reply.error(error);
                server.stats.count_error(session.reply.last_error());
            }
            None => blocked.on_timeout.write(&mut session.reply),
        }
        unblock(keyspace, server, &mut session);
    }
    server.put_back(session);
    waits
}
