//! Blocks and serves clients that wait (`clients::blocked`).
//!
//!     handler blocks -> enter_blocked -> key ready, event  -> retry -> replies, or keeps waiting
//!                                     -> deadline, UNBLOCK -> timeout reply or error
//!                                     -> connection closed -> stop_waiting
//!
//! Invariants
//!   1. A retry passes the gates again: memory, role or routes may have changed since it blocked.
//!   2. A client that keeps waiting has its old place in the wait queues and its first deadline.
//!   3. Clients are served in order of arrival, until no key is ready.
//!
//! Cost: O(clients that wait for the key) for each ready key; O(log n) for a deadline.
//! Elsewhere: the keyspace has the wait queues (`Waiting`) and decides that a key is ready.

use crate::clients::blocked::{BlockingState, OnTimeout, Until, Wake};
use crate::clients::client::{Client, ClientFlags};
use crate::clients::session::Session;
use crate::execution::dispatch::after_reply;
use crate::execution::gates::{self, GatedCommand, Stop};
use crate::origin::Origin;
use crate::state::Server;
use crate::state::world::{Engine, World};
use russet_command::CommandError;
use russet_keyspace::{ClientId, Keyspace, ReadyKey};

impl Engine {
    /// The command that has just run blocks: adds the client to the wait queues of the command's
    /// keys and to the deadlines.
    pub(crate) fn enter_blocked(&mut self, session: &mut Session) {
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
        let wake = blocked.wake;
        if let Until::Memory { mark } = blocked.until {
            self.server.turn.awaiting_memory.push((mark, client.id));
        }
        if let Until::Synced {
            offset: Some(offset),
        } = blocked.until
        {
            self.server.persist.aof.await_synced(offset, client.id);
        }
        self.server.clients.blocked += 1;
        let id = client.id;
        self.server.turn.register_wake(&mut self.keyspace, id, wake);
    }

    /// Serves clients whose keys became ready, in order of arrival. Their commands may make other
    /// keys ready; repeats until no key is ready.
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
    pub(crate) fn retry(&mut self, session: &mut Session) {
        crate::observe::crash::record_client(&session.client);
        let Some(blocked) = session.client.blocked.as_mut() else {
            return;
        };
        let args = std::mem::take(&mut blocked.args);
        let id = blocked.row;
        let wake = std::mem::take(&mut blocked.wake);
        self.server
            .turn
            .forget_wake(&mut self.keyspace, session.client.id, wake);
        session.client.flags.remove(ClientFlags::BLOCKED);
        // The server's state may have changed since it blocked: memory may have run out.
        let asked = GatedCommand::new(&self.server, id, args.args(), Origin::Retry);
        let mark = session.reply.mark();
        let mut world = self.world(session);
        match gates::pass(&mut world, &asked) {
            Ok(()) => {}
            Err(Stop::Refused(error) | Stop::Elsewhere(error)) => {
                self.server.diagnostics.command_stats[id].rejected += 1;
                session.reply.error(&error);
                let code = session.reply.last_error();
                self.server.stats.count_error(code);
                let asked = (id, args.args());
                (self.server).record_refused((&session.client, None), asked, Origin::Retry, code);
                after_reply(session, mark);
                return self.server.turn.unblock(
                    &mut self.server.clients,
                    &mut self.keyspace,
                    session,
                );
            }
            Err(Stop::Postponed(_)) => {
                // The client's wait is over; when the pause ends, the command runs as if it were
                // new.
                session.input.put_first(args.args());
                session.client.flags |= ClientFlags::POSTPONED;
                self.server.turn.stop_waiting(
                    &mut self.server.clients,
                    &mut self.keyspace,
                    &mut session.client,
                );
                return;
            }
        }
        self.server.turn.timing.begin();
        self.run_charged(session, Origin::Retry, id, args.args(), &[]);
        if args.large_bytes() > 0 {
            // The bytes of a large argument are no longer counted.
            self.keyspace.lazyfree.drop_later(Box::new(args), 0, 0);
        }
        if session.client.flags.contains(ClientFlags::BLOCKED) {
            // The client keeps waiting in its old places, with the same keys and deadline.
            let wake = session.client.blocked.as_ref().map(|blocked| blocked.wake);
            let wake = wake.unwrap_or_default();
            self.server
                .turn
                .register_wake(&mut self.keyspace, session.client.id, wake);
            return;
        }
        after_reply(session, mark);
        self.server
            .turn
            .unblock(&mut self.server.clients, &mut self.keyspace, session);
        if !self.server.messages.outbox.is_empty() {
            self.deliver_posts(Some(session));
        }
    }

    /// Runs the command of a blocked client again.
    pub(crate) fn retry_by_id(&mut self, id: ClientId) {
        if let Some(mut session) = self.server.clients.take(id) {
            self.retry(&mut session);
            self.server.put_back(session);
        }
    }

    /// Runs the commands of clients again that wait for a pending entry of a stream which can be
    /// claimed now, in the order of their arrival.
    pub fn wake_claimants(&mut self) {
        let now = self.server.now.mono_ms;
        if self.server.turn.wakes.next().is_none_or(|due| due > now) {
            return;
        }
        while let Some(id) = self.server.turn.wakes.take_due(now) {
            let session = self.server.clients.get_mut(id);
            if let Some(blocked) = session.and_then(|s| s.client.blocked.as_deref_mut()) {
                blocked.wake = Wake::Never;
                for key in blocked.keys() {
                    self.keyspace.waiting.signal(blocked.db, key);
                }
            }
        }
        self.serve_ready_keys();
    }

    /// Answers clients whose time is up, and unblocks them.
    pub fn time_out_blocked(&mut self) {
        let now = self.server.now.mono_ms;
        while let Some(id) = self.server.turn.deadlines.take_due(now) {
            self.end_wait(id);
        }
    }

    /// Gives a client its timeout reply, and unblocks it.
    pub(crate) fn end_wait(&mut self, id: ClientId) {
        self.server.unblock_client(&mut self.keyspace, id, None);
    }

    /// Runs the commands again whose work off the loop has ended.
    pub(crate) fn serve_tasks(&mut self) {
        for ended in self.server.tasks.take_ended() {
            let Some(mut session) = self.server.clients.take(ended.client) else {
                continue;
            };
            let blocked = session.client.blocked.as_deref_mut();
            let waiting = blocked.filter(|blocked| match &blocked.until {
                Until::Task(ticket) => ended.is_for(ticket),
                _ => false,
            });
            if let Some(blocked) = waiting {
                blocked.ticks += ended.ticks;
                self.server.tasks.put_result(ended.result);
                self.retry(&mut session);
                // Left over if a gate has refused the command.
                self.server.tasks.take_result();
            }
            self.server.put_back(session);
        }
    }

    /// Continues long work of a command; `is_idle`: the turn has had nothing else to do.
    pub(crate) fn continue_search(&mut self, is_idle: bool) {
        if self.server.tasks.has_slices() {
            let turn = self.server.stats.turns;
            self.server.tasks.run_slice(turn, is_idle);
            self.serve_tasks();
        }
    }

    /// Answers clients whose flushed databases have been freed (FLUSHALL SYNC).
    pub fn serve_freed(&mut self) {
        let met = self.keyspace.lazyfree.marks_met();
        let waiting = &mut self.server.turn.awaiting_memory;
        let served = waiting.partition_point(|&(mark, _)| mark <= met);
        for (mark, id) in waiting.drain(..served).collect::<Vec<_>>() {
            // The client may have been unblocked, and may be waiting for something else by now.
            let still =
                |b: &BlockingState| matches!(b.until, Until::Memory { mark: m } if m == mark);
            if let Some(session) = self.server.clients.get_mut(id)
                && session.client.blocked.as_deref().is_some_and(still)
            {
                self.end_wait(id);
            }
        }
    }
}

impl Server {
    /// Ends the waits for the append only file with an error, in the order of the clients.
    pub(crate) fn refuse_waits_for_aof(&mut self, keyspace: &mut Keyspace, error: &CommandError) {
        let waits = |client: &&Client| {
            let until = client.blocked.as_deref().map(|blocked| &blocked.until);
            matches!(
                until,
                Some(
                    Until::Synced { .. }
                        | Until::Acked {
                            local: Some(true),
                            ..
                        }
                )
            )
        };
        let clients = self.clients.iter().map(|session| &session.client);
        let mut ids: Vec<ClientId> = clients.filter(waits).map(|client| client.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.unblock_client(keyspace, id, Some(error));
        }
    }

    /// Whether CLIENT UNBLOCK cannot shorten the client's wait, because the client waits for the
    /// decision on a login attempt, or for work off the loop.
    pub fn waits_in_any_case(&self, id: ClientId) -> bool {
        let blocked = self
            .clients
            .get(id)
            .and_then(|s| s.client.blocked.as_deref());
        blocked.is_some_and(|blocked| matches!(blocked.until, Until::LogIn | Until::Task(_)))
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
            session.client.traffic.commands += 1;
            let mark = session.reply.mark();
            match error {
                Some(error) => {
                    session.reply.error(error);
                    self.stats.count_error(session.reply.last_error());
                }
                None => answer_timeout(keyspace, self, &mut session),
            }
            self.turn.unblock(&mut self.clients, keyspace, &mut session);
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
    let mut world = World::new(keyspace, server, client, reply);
    match blocked.on_timeout {
        OnTimeout::Reply(write) => write(world.reply),
        OnTimeout::Handler => world.answer(blocked.row, blocked.args.args()),
    }
    session.client.blocked = Some(blocked);
}
