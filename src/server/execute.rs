//! Running a handler, and what follows from it: statistics, slow log, MONITOR, effects,
//! clients that waited for what it wrote.

use super::call::{Call, Effect};
use super::client::ClientFlags;
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
    pub fn execute(&mut self, session: &mut Session, id: usize, args: Args<'_>, hashes: &[KeyHash]) {
        let Session { client, reply, .. } = session;
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
        if self.keyspace.has_aftermath() || self.server.effects.wanted() {
            self.aftermath(session);
        }
        if self.keyspace.waiting.has_ready() {
            self.serve_ready_keys(Some(session));
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
    client.last_command = Some(name);
    client.commands += u64::from(!retry);
    client.args_bytes = args.bytes();
    crash::note_command(id);
    if server.has_monitors && !retry && !spec.flags.contains(Flags::SKIP_MONITOR) {
        server.feed_monitors(client, spec, args);
    }
    let (dirty, errors) = (keyspace.dirty, reply.errors());
    let mut db = keyspace.db(client.db).with_hashes(hashes);
    if client.flags.contains(ClientFlags::NO_TOUCH) {
        db = db.without_touch();
    }
    let selected = client.db;
    let start = clock::cycles();
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
    let ticks = clock::cycles().wrapping_sub(start);
    crash::note_no_command();

    if client.flags.contains(ClientFlags::BLOCKED) {
        // It will be counted when it is done.
        return;
    }
    let failed = reply.errors() != errors;
    let stats = &mut server.command_stats[id];
    stats.calls += 1;
    stats.ticks += ticks;
    server.stats.commands += 1;
    if failed {
        // What a transaction's commands got wrong was counted with them.
        if !spec.flags.contains(Flags::RUNS_QUEUE) {
            stats.failed += 1;
            server.stats.count_error(reply.last_error());
        }
    }
    if server.latency_tracking {
        let nanos = server.cycles.nanos(ticks);
        server.command_stats[id].record_latency(nanos);
    }
    if ticks >= server.slow_ticks {
        server.note_slow(client, spec, args, ticks);
    }
    if (keyspace.dirty != dirty || effect == Effect::Always) && server.effects.wanted() {
        state_effect(server, keyspace, selected, effect, args);
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
