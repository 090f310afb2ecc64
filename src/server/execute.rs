//! Running a handler, and what follows from it: statistics, slow log, MONITOR, effects,
//! clients that waited for what it wrote.

use super::call::{Call, Effect};
use super::client::ClientFlags;
use super::dispatch::resolve;
use super::session::Session;
use super::{Engine, Server, crash};
use crate::base::clock;
use crate::command::Flags;
use crate::keyspace::{DbIndex, KeyHash, Keyspace, Removed, RemovedPart};
use crate::resp::{Args, OwnedArgs, Reply};

use super::client::Client;

impl Engine {
    /// Runs a command that has passed the gates, with everything around it.
    #[inline]
    pub fn execute(
        &mut self,
        session: &mut Session,
        id: usize,
        args: Args<'_>,
        hashes: &[KeyHash],
    ) {
        let Session { client, reply, .. } = session;
        client.last_command = Some(self.server.table.row(id).full_name);
        run(
            &mut self.keyspace,
            &mut self.server,
            client,
            reply,
            id,
            args,
            hashes,
            false,
        );
        if client.flags.contains(ClientFlags::BLOCKED) {
            self.enter_blocked(session);
        }
        let mut others = false;
        if self.keyspace.has_aftermath() || self.server.effects.wanted() {
            self.aftermath(session);
            others = true;
        }
        if self.keyspace.waiting.has_ready() {
            // What a long transaction wrote may have expired before anybody is served.
            self.server.read_clock(&mut self.keyspace);
            self.serve_ready_keys(Some(session));
            others = true;
        }
        if others {
            // What others had of it is not the next command's time.
            self.server.begin_commands();
        }
    }

    /// What the keyspace has to tell others after a command, a transaction or a script.
    #[cold]
    pub(super) fn aftermath(&mut self, session: &mut Session) {
        let Engine { keyspace, server } = self;
        if keyspace.watchers.has_touched() {
            for id in keyspace.watchers.take_touched() {
                if id == session.client.id {
                    session.client.flags |= ClientFlags::DIRTY_CAS;
                } else if let Some(other) = server.clients.get_mut(id) {
                    other.client.flags |= ClientFlags::DIRTY_CAS;
                } else {
                    server.touched_running.push(id);
                }
            }
        }
        keyspace.events.clear();
        state_removed(keyspace, server);
        server.effects.deliver();
    }
}

/// Runs one handler: the only place that calls one. EXEC and scripts come here too.
#[inline]
#[allow(clippy::too_many_arguments)]
pub fn run(
    keyspace: &mut Keyspace,
    server: &mut Server,
    client: &mut Client,
    reply: &mut Reply,
    id: usize,
    args: Args<'_>,
    hashes: &[KeyHash],
    retry: bool,
) {
    let row = server.table.row(id);
    let (spec, name) = (row.spec, row.full_name);
    client.commands += u64::from(!retry);
    client.args_bytes = args.bytes();
    crash::note_command(id);
    let (dirty, errors) = (keyspace.dirty, reply.errors());
    let counted = server.stats.total_error_replies;
    let mut db = keyspace.db(client.db).with_hashes(hashes);
    if client.flags.contains(ClientFlags::NO_TOUCH) {
        db = db.without_touch();
    }
    let selected = client.db;
    let start = server.ended;
    let mut call = Call {
        args,
        reply,
        db,
        client,
        server,
        effect: Effect::Verbatim,
        name,
        retry,
    };
    let result = (spec.handler)(&mut call);
    let Call { effect, .. } = call;
    if let Err(error) = result {
        reply.error(&error);
    }
    server.ended = clock::cycles();
    let ticks = server.ended.wrapping_sub(start);
    crash::note_no_command();

    if server.has_monitors && !retry && !spec.flags.contains(Flags::SKIP_MONITOR) {
        server.feed_monitors(client, reply, spec, args);
    }
    if (keyspace.dirty != dirty || effect == Effect::Always) && server.effects.wanted() {
        state_effect(server, keyspace, selected, effect, args);
    }
    if client.flags.contains(ClientFlags::BLOCKED) {
        // Counted when it has been served.
        if let Some(blocked) = &mut client.blocked {
            blocked.ticks += ticks;
        }
        return;
    }
    let earlier = match &client.blocked {
        Some(blocked) if retry => blocked.ticks,
        _ => 0,
    };
    let ticks = ticks + earlier;
    // Errors of the commands that it ran itself were counted with them.
    let nested = server.stats.total_error_replies.saturating_sub(counted);
    let failed = (reply.errors() - errors) > nested;
    if failed {
        server.stats.count_error(reply.last_error());
    }
    if !client.flags.contains(ClientFlags::DENY_BLOCKING) {
        server.stats.command_ticks += ticks;
    }
    server.count_call(id, ticks, failed);
    if ticks >= server.slow_ticks {
        server.note_slow(client, spec, args, ticks);
    }
}

impl Server {
    /// Commands begin now. Each command of a batch begins where the one before it ended, so
    /// that the counter is read once a command: a read costs as much as a small command.
    #[inline]
    pub(super) fn begin_commands(&mut self) {
        self.ended = clock::cycles();
    }

    /// Counts one finished call.
    #[inline]
    fn count_call(&mut self, id: usize, ticks: u64, failed: bool) {
        let stats = &mut self.command_stats[id];
        stats.calls += 1;
        stats.ticks += ticks;
        stats.failed += failed as u64;
        if self.latency_tracking {
            stats.record_latency(self.cycles.nanos(ticks));
        }
        self.stats.commands += 1;
    }

    /// Counts the command of a client whose wait ended without another try: by its deadline
    /// or by CLIENT UNBLOCK.
    pub(super) fn count_unserved(&mut self, client: &Client, failed: bool) {
        let Some(blocked) = &client.blocked else {
            return;
        };
        let args = blocked.args.args();
        let row = args.get(0).and_then(|name| self.table.find(name));
        let Ok(id) = resolve(self, row.map(|row| row.id), args) else {
            return;
        };
        let ticks = blocked.ticks;
        self.count_call(id, ticks, failed);
        if ticks >= self.slow_ticks {
            let spec = self.table.row(id).spec;
            self.note_slow(client, spec, args, ticks);
        }
    }
}

/// Files what a command did under its effects, behind the removals that came before it.
#[cold]
fn state_effect(
    server: &mut Server,
    keyspace: &mut Keyspace,
    db: DbIndex,
    effect: Effect,
    args: Args<'_>,
) {
    state_removed(keyspace, server);
    match effect {
        Effect::Nothing => {}
        Effect::Verbatim | Effect::Always => server.effects.state(db, args.to_owned()),
        Effect::Rewritten(all) => {
            for args in all {
                server.effects.state(db, args);
            }
        }
    }
}

/// Expired and evicted keys become `DEL`s (or `UNLINK`s, as configured).
fn state_removed(keyspace: &mut Keyspace, server: &mut Server) {
    for removed in std::mem::take(&mut keyspace.removed) {
        server.state_removal(&removed);
    }
}

impl Engine {
    /// Keys that went by themselves between commands: each removal is a unit of its own.
    pub(super) fn deliver_removals(&mut self) {
        for removed in std::mem::take(&mut self.keyspace.removed) {
            self.server.state_removal(&removed);
            self.server.effects.deliver();
        }
    }
}

impl Server {
    fn state_removal(&mut self, removed: &Removed) {
        let key = &removed.key[..];
        let args: OwnedArgs = match &removed.what {
            RemovedPart::Expired => [self.expire_word(), key].into_iter().collect(),
            RemovedPart::Evicted => [self.evict_word(), key].into_iter().collect(),
            RemovedPart::Field(field) => [b"HDEL", key, field].into_iter().collect(),
        };
        self.effects.state(removed.db, args);
    }

    /// The command that stands for a removal by expiry, as `lazyfree-lazy-expire` says.
    pub fn expire_word(&self) -> &'static [u8] {
        deletion(self.config.lazyfree_lazy_expire)
    }

    fn evict_word(&self) -> &'static [u8] {
        deletion(self.config.lazyfree_lazy_eviction)
    }
}

fn deletion(lazy: bool) -> &'static [u8] {
    if lazy { b"UNLINK" } else { b"DEL" }
}
