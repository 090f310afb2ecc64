//! Synchronous replication at work (`min-sync-replicas`): when it begins and ends, the turn's
//! acknowledgements, the replies that they release, and those that have waited too long.
//!
//! A turn of the primary: acknowledgements that the turn has read move the safe position
//! ([`Engine::continue_sync_writes`], before the stream of the turn leaves); replies that the
//! position releases leave with the turn's own; the stream leaves before any reply
//! (`Server::queue_replicas`), so that the replicas' time runs beside the loop's. A replica sends
//! its position at the end of each turn that applied something (`Server::acknowledge_turn`), once
//! its log has handed the bytes to the kernel. Redis and Valkey acknowledge only when they are
//! asked: while such a replica counts, the primary appends a GETACK to each turn with writes.
//!
//! State, decisions and messages: `parts::replication::sync_writes`. The replies:
//! `clients::waiting_replies`. The keys: `UnconfirmedKeys`.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::waiting_replies::OverdueReply;
use crate::parts::persist::Persist;
use crate::parts::replication::sync_writes::{
    DEPOSED, SyncFacts, SyncState, UNCONFIRMED_READ, in_doubt, too_few,
};
use crate::state::Server;
use crate::state::world::Engine;
use russet_config::{SyncReads, SyncReplicaReads};
use russet_keyspace::{ClientId, Keyspace};
use russet_replication::quorum::{QuorumNote, Report};
use russet_replication::{ReplOffset, Stream};

/// Asks a replica of Redis or Valkey for an acknowledgement; a replica of russet acknowledges each
/// turn from then on.
const GETACK_TURN: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$4\r\nturn\r\n";
/// As before: each second, and when asked.
const GETACK_SECOND: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$6\r\nsecond\r\n";

/// Why replies that wait do not leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitEnd {
    /// They were not safe within `sync-timeout`.
    Late,
    /// This server has ceased to be the primary.
    Deposed,
    /// A copy of another server's data replaces this replica's.
    Replaced,
}

impl Server {
    /// The position up to which replies may acknowledge and show writes.
    #[inline]
    pub fn reply_limit(&self) -> ReplOffset {
        let log = self.persist.aof.log();
        let logged = log.map_or(ReplOffset::MAX, |log| log.writer.safe());
        let sync = &self.replication.sync_writes;
        if sync.is_on() {
            logged.min(sync.safe())
        } else {
            sync.shown.map_or(logged, |shown| logged.min(shown))
        }
    }

    /// The position that a client's latest reply needs; 0: none.
    #[inline]
    pub(crate) fn needs_of(&self, client: &Client) -> ReplOffset {
        let sync = &self.replication.sync_writes;
        if client.shows_data && sync.is_on() {
            return self.needs_of_read(client);
        }
        let shows = || {
            let is_other = client.flags.intersects(ClientFlags::BETWEEN_SERVERS);
            sync.shown.is_some() && !is_other
        };
        let needs = if sync.is_on() || shows() {
            client.needs
        } else {
            client.wrote_to
        };
        // A full synchronization may have replaced the history in which the client wrote.
        if needs > self.stream.offset() {
            0
        } else {
            needs
        }
    }

    /// The same for a client whose replies show data, with `sync-reads linear`.
    #[cold]
    fn needs_of_read(&self, client: &Client) -> ReplOffset {
        let (linear, end) = (&self.replication.sync_writes.linear, self.stream.offset());
        let written = if client.needs > end { 0 } else { client.needs };
        if linear.has_unjudged {
            // The next turn decides; the lease is kept by notes, so the stream grows.
            return end + 1;
        }
        written.max(linear.round)
    }

    /// The role or a setting has changed: the mode begins, goes on with other numbers, or ends.
    pub fn update_sync_writes(&mut self, keyspace: &mut Keyspace) {
        let needed = self.config.min_sync_replicas as usize;
        let is_wanted = needed > 0 && !self.replication.is_replica();
        let (end, now_ms) = (self.stream.offset(), self.now.mono_ms);
        let sync = &mut self.replication.sync_writes;
        match (is_wanted, sync.is_on()) {
            (true, false) => {
                sync.begin(needed, end, now_ms);
                tracing::info!(
                    "Writes are acknowledged once {needed} replicas have them \
                     (min-sync-replicas)"
                );
                self.replication
                    .asks_each_turn(&mut self.persist, &mut self.stream, &self.now);
            }
            (true, true) => sync.set_needed(needed),
            (false, true) => {
                sync.end();
                tracing::info!("Writes are acknowledged without waiting for replicas");
                if !self.replication.is_replica() {
                    self.persist
                        .append_for_replicas(&mut self.stream, &self.now, GETACK_SECOND);
                }
                self.release_replies();
            }
            (false, false) => {}
        }
        self.update_unconfirmed(keyspace, is_wanted);
        let is_linear =
            self.replication.quorum.is_some() && self.config.sync_reads == SyncReads::Linear;
        self.replication.sync_writes.linear.is_on = is_linear && is_wanted;
        keyspace.unconfirmed.report_reads(is_linear && is_wanted);
        self.update_hooks();
        self.sync_state_changed();
    }

    /// Which keys readers wait for: at a primary. A replica of such a group keeps the table, so
    /// that only what its primary did not call safe waits once it is promoted.
    fn update_unconfirmed(&mut self, keyspace: &mut Keyspace, leads: bool) {
        let keys = &mut keyspace.unconfirmed;
        let (end, sync) = (self.stream.offset(), &mut self.replication.sync_writes);
        let asks = self.config.sync_replica_reads == SyncReplicaReads::Safe;
        sync.shown = None;
        if self.config.min_sync_replicas == 0 || self.config.sync_reads == SyncReads::Any {
            keys.end();
        } else if !leads {
            if !keys.follow(asks) {
                keys.begin_following(end, asks);
            }
            sync.shown = asks.then(|| keys.safe());
        } else if keys.is_on() {
            keys.lead();
            sync.set_safe(keys.safe());
        } else {
            keys.begin(end);
            keys.set_safe(sync.safe());
        }
    }

    /// A replica has applied its primary's stream up to here.
    #[inline]
    pub(crate) fn applied_unconfirmed(&mut self, keyspace: &mut Keyspace) {
        if keyspace.unconfirmed.is_on() {
            keyspace.unconfirmed.commit(self.stream.offset());
            // The stream's own lookups show nothing.
            keyspace.unconfirmed.take_met();
        }
    }

    /// The link to the primary is online again: what is safe of the data is not known. `is_copy`:
    /// the data is another.
    pub(crate) fn doubt_unconfirmed(&mut self, keyspace: &mut Keyspace, is_copy: bool) {
        let (keys, end) = (&mut keyspace.unconfirmed, self.stream.offset());
        let sync = &mut self.replication.sync_writes;
        if is_copy && keys.is_on() {
            keys.begin_following(end, sync.shown.is_some());
            sync.shown = sync.shown.map(|_| 0);
        } else {
            keys.doubt_all(end);
        }
    }

    /// Commands are looked at before they run, for the watchdog or for reads without keys.
    pub(crate) fn update_hooks(&mut self) {
        let sync = &self.replication.sync_writes;
        let reads =
            sync.shown.is_some() || sync.is_on() && self.config.sync_reads != SyncReads::Any;
        self.gates.has_hooks = self.gates.is_watched || reads;
    }

    fn sync_state_changed(&mut self) {
        if self.replication.sync_writes.delays_writes() {
            self.update_interest();
        } else {
            // Commands that waited run, or are refused.
            self.pause_changed();
        }
    }

    /// The replies that are safe by now leave in this turn.
    pub(crate) fn release_replies(&mut self) {
        let limit = self.reply_limit();
        let end = self.stream.offset();
        while let Some(id) = self.replies.release(limit, end) {
            if self.diagnostics.latency.threshold_ms > 0 {
                self.record_sync_wait(id);
            }
            if let Some(session) = self.clients.take(id) {
                self.put_back(session);
            }
        }
    }

    /// LATENCY's event `sync-ack`: how long a reply has waited for replicas.
    #[cold]
    fn record_sync_wait(&mut self, id: ClientId) {
        let sync = &self.replication.sync_writes;
        if (sync.is_on() || sync.shown.is_some())
            && let Some(since_ms) = self.replies.waits_since(id)
        {
            let millis = self.now.mono_ms.saturating_sub(since_ms);
            self.diagnostics.latency.add_if_slow("sync-ack", millis);
        }
    }

    /// Ends connections whose replies will not leave. Connections that only receive messages keep
    /// waiting if the replies are only late.
    fn end_waiting(&mut self, overdue: Vec<OverdueReply>, cause: WaitEnd) {
        for OverdueReply { client: id, free } in overdue {
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            let exempt = ClientFlags::PUBSUB.union(ClientFlags::BETWEEN_SERVERS);
            let is_exempt = session.client.flags.intersects(exempt) || session.stream.is_none();
            if is_exempt && cause == WaitEnd::Late {
                self.clients.put_back(session);
                continue;
            }
            let sync = &self.replication.sync_writes;
            let has_written = sync.is_on() && session.client.wrote_to > sync.safe();
            let error = match cause {
                WaitEnd::Deposed => DEPOSED.to_owned(),
                WaitEnd::Late if has_written => {
                    in_doubt(self.replication.sync_writes.needed(), &self.config)
                }
                WaitEnd::Late | WaitEnd::Replaced => UNCONFIRMED_READ.to_owned(),
            };
            self.end_with(&mut session, free, error);
            self.turn.queue_flush(&mut session);
            self.clients.put_back(session);
        }
    }

    /// Ends a connection after `free` bytes of its pending reply and this error.
    fn end_with(&mut self, session: &mut Session, free: usize, error: String) {
        session.reply.keep_pending(free);
        if session.stream.is_some() && !session.client.flags.contains(ClientFlags::PUBSUB) {
            session.reply.error_line(error.as_bytes());
        }
        // Nothing of the rest waits.
        session.client.needs = 0;
        session.client.wrote_to = 0;
        self.replication.sync_writes.counts.timeouts += 1;
        let detail = Disconnection::new(EndReason::Sync, error);
        session.client.close_after_reply(detail);
    }

    /// This server ceases to be the primary: clients that wait learn that the outcome is unknown.
    pub(crate) fn depose_sync_writes(&mut self) {
        if !self.replication.sync_writes.is_on() {
            return;
        }
        let safe = self.replication.sync_writes.safe();
        self.end_all_waiting(safe, WaitEnd::Deposed);
        // The client whose command has deposed this server.
        self.replication
            .sync_writes
            .doubt_after(self.stream.offset());
    }

    /// Another copy is about to replace the data of this replica: replies that wait for a part of
    /// the old stream never leave, because the new stream may reach their positions without it.
    pub(crate) fn end_reads_of_old_data(&mut self) {
        if let Some(shown) = self.replication.sync_writes.shown {
            self.end_all_waiting(shown, WaitEnd::Replaced);
        }
    }

    /// Ends all connections whose replies need more of the stream than the part up to `safe`.
    fn end_all_waiting(&mut self, safe: ReplOffset, cause: WaitEnd) {
        let mut waiting = self.replies.take_all();
        // Replies of this turn, which nothing has judged.
        let is_known = |id: ClientId| waiting.iter().any(|reply| reply.client == id);
        // Needs of an earlier copy say nothing where no reply waits.
        let ends = |session: &Session| match cause {
            WaitEnd::Replaced => {
                let is_other = session
                    .client
                    .flags
                    .intersects(ClientFlags::BETWEEN_SERVERS);
                session.reply.pending_len() > 0 && !is_other
            }
            WaitEnd::Late | WaitEnd::Deposed => true,
        };
        let unjudged = self.clients.iter().filter(|session| {
            let client = &session.client;
            client.needs > safe && ends(session) && !is_known(client.id)
        });
        let unjudged: Vec<OverdueReply> = unjudged
            .map(|session| OverdueReply {
                client: session.client.id,
                free: 0,
            })
            .collect();
        waiting.extend(unjudged);
        self.end_waiting(waiting, cause);
    }

    /// A client's reply is about to leave. If it needs a part of the stream that was not safe when
    /// this server ceased to be the primary, its client learns that the outcome is unknown.
    #[inline]
    pub(crate) fn doubt_reply(&mut self, session: &mut Session) {
        if self.replication.sync_writes.doubts(session.client.needs) {
            self.end_with(session, 0, DEPOSED.to_owned());
        }
    }

    /// The error of a command that too few replicas would acknowledge.
    pub(crate) fn sync_refusal(&mut self) -> String {
        let sync = &mut self.replication.sync_writes;
        sync.counts.refused += 1;
        let replicas = &self.replication.replicas;
        too_few(replicas.that_acked(sync.written()), sync.needed())
    }

    /// At the end of a replica's turn: sends the primary our position, if it wants that each turn
    /// and the position has moved.
    #[inline]
    pub(crate) fn acknowledge_turn(&mut self) {
        if self.replication.acks.is_each_turn {
            self.acknowledge_turn_now();
        }
    }

    fn acknowledge_turn_now(&mut self) {
        let upstream = self.replication.upstream.as_ref();
        let group = self.replication.quorum.as_ref();
        let Some(id) = upstream.and_then(|upstream| upstream.client) else {
            return;
        };
        if group.is_some_and(|group| !group.core.may_acknowledge()) {
            return;
        }
        let position = self.past().acknowledgeable();
        if position != self.replication.acks.sent {
            self.replication.acks.sent = position;
            self.send_ack(id);
        }
    }
}

impl Server {
    /// Notes in the stream which part of it is safe, for replicas that may be promoted.
    fn note_safe(&mut self, safe: ReplOffset) {
        self.append_ping(&QuorumNote::Safe(safe).text());
    }

    /// A note of the primary is in the stream, from `begin` to `end`.
    pub(crate) fn note_group(
        &mut self,
        keyspace: &mut Keyspace,
        note: &QuorumNote,
        begin: ReplOffset,
        end: ReplOffset,
    ) {
        if let QuorumNote::Safe(safe) = note
            && keyspace.unconfirmed.is_on()
        {
            keyspace.unconfirmed.set_safe(*safe);
            let shown = &mut self.replication.sync_writes.shown;
            if shown.is_some() {
                *shown = Some(keyspace.unconfirmed.safe());
                self.release_replies();
            }
        }
        self.stream.note_group(note, begin, end);
        self.report_quorum(keyspace, Report::Note { note, begin, end });
    }
}

impl crate::parts::replication::Replication {
    /// Has the replicas acknowledge each turn; those of Redis and Valkey acknowledge now.
    pub(crate) fn asks_each_turn(
        &mut self,
        persist: &mut Persist,
        stream: &mut Stream,
        now: &russet_base::clock::Now,
    ) {
        if self.sync_writes.is_on() && stream.backlog().is_some() {
            persist.append_for_replicas(stream, now, GETACK_TURN);
            self.sends_at_once = true;
        }
    }
}

impl Engine {
    /// After the commands of a turn have run, before its stream and its replies leave: replies that
    /// show data leave at once if the lease holds now, because it held when they ran. Else they
    /// need an acknowledgement of a note that follows them.
    #[inline]
    pub(crate) fn judge_reads(&mut self) {
        if self.server.replication.sync_writes.linear.has_unjudged {
            self.judge_reads_now();
        }
    }

    #[cold]
    fn judge_reads_now(&mut self) {
        let server = &mut self.server;
        // The clock is read after the data.
        let now_ms = server.monotonic_ms();
        let group = server.replication.quorum.as_ref();
        let holds = group.is_some_and(|group| group.core.lease_holds(now_ms));
        let may_append = server.gates.pause().is_none();
        if !holds && may_append {
            let safe = server.replication.sync_writes.safe();
            server.append_group_note(&mut self.keyspace, &QuorumNote::Safe(safe));
        }
        let end = self.server.stream.offset();
        let linear = &mut self.server.replication.sync_writes.linear;
        linear.has_unjudged = false;
        linear.rounds += u64::from(!holds);
        linear.round = match (holds, may_append) {
            (true, _) => 0,
            (false, true) => end,
            (false, false) => end + 1,
        };
    }

    /// Before the stream of the turn leaves: takes the acknowledgements that the turn has read.
    #[inline]
    pub(crate) fn continue_sync_writes(&mut self) {
        if self.server.replication.sync_writes.is_on() {
            self.continue_sync_writes_now();
        }
    }

    fn continue_sync_writes_now(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let config = &server.config;
        let replication = &mut server.replication;
        let (before, now_ms) = (replication.sync_writes.safe(), server.now.mono_ms);
        let changed = match &replication.quorum {
            // The group's machine has counted.
            Some(group) => {
                let (state, is_full) = (group.sync_state(), group.delays_writes());
                replication.sync_writes.take_state(state, is_full)
            }
            None => {
                let needed = replication.sync_writes.needed();
                replication.sync_writes.judge(SyncFacts {
                    replicas: replication.replicas.sync_replicas(),
                    safe: replication.replicas.synced_by(needed, config.sync_on),
                    now_ms,
                    timeout_ms: u64::from(config.sync_timeout),
                    window: config.sync_window,
                })
            }
        };
        let is_alone = replication.quorum.is_none();
        let safe = replication.sync_writes.safe();
        // While a hand-over waits for equal offsets nothing but writes may move them.
        let may_append = server.gates.pause().is_none();
        if replication.sync_writes.has_unsafe() {
            replication.sends_at_once = true;
            let written = replication.sync_writes.written();
            let is_asked = replication.sync_writes.asked_at >= written;
            if is_alone && may_append && !is_asked && replication.replicas.must_be_asked() {
                replication.sync_writes.asked_at = written;
                replication.request_acks(&mut server.persist, &mut server.stream, &server.now);
            }
        }
        if safe > before {
            keyspace.unconfirmed.set_safe(safe);
            server.release_replies();
        }
        if is_alone
            && may_append
            && let Some(safe) = server.replication.sync_writes.take_note(now_ms)
        {
            server.note_safe(safe);
        }
        if may_append && let Some(safe) = server.replication.sync_writes.take_owed_note() {
            if is_alone {
                server.note_safe(safe);
            } else {
                server.append_group_note(keyspace, &QuorumNote::Safe(safe));
            }
        }
        if changed {
            server.log_sync_state();
            server.sync_state_changed();
        }
    }

    /// Called by cron: ends the connections whose replies have waited for `sync-timeout`.
    pub(crate) fn end_overdue_replies(&mut self) {
        let server = &mut self.server;
        let timeout_ms = u64::from(server.config.sync_timeout);
        let sync = &server.replication.sync_writes;
        let holds = sync.is_on() || sync.shown.is_some();
        if !holds || timeout_ms == 0 || server.replies.is_empty() {
            return;
        }
        if let Some(before_ms) = server.now.mono_ms.checked_sub(timeout_ms) {
            let overdue = server.replies.take_overdue(before_ms);
            server.end_waiting(overdue, WaitEnd::Late);
        }
    }
}

impl Server {
    fn log_sync_state(&self) {
        let sync = &self.replication.sync_writes;
        let replicas = &self.replication.replicas;
        let (needed, there) = (sync.needed(), replicas.sync_replicas());
        let current = replicas.that_acked(sync.written());
        match sync.state() {
            SyncState::Off => {}
            SyncState::Forming => tracing::warn!(
                "Writes wait: {there} of {needed} sync replicas are connected and acknowledge"
            ),
            SyncState::Normal => {
                tracing::info!("Writes are served: {there} sync replicas acknowledge");
            }
            SyncState::Lost => tracing::warn!(
                "Writes are refused: {current} of {needed} sync replicas have acknowledged the last \
                 write, {} bytes of the stream are not safe",
                sync.unsafe_bytes()
            ),
        }
    }

    /// A client of the console, whose answers have no bytes in a reply: whether the answer waits.
    /// If so, the client is queued for the moment when it need not.
    pub(crate) fn holds_answer(&mut self, id: ClientId) -> bool {
        let Some(session) = self.clients.get(id) else {
            return false;
        };
        let needs = self.needs_of(&session.client);
        let holds = needs > self.reply_limit();
        if holds {
            self.replies.await_position(id, needs);
        }
        holds
    }
}
