//! Flushed data that is set aside (`keyspace::passes::aside`), at work: how long it waits, when it
//! is freed earlier, and the effects of its return on the log, snapshots and replicas.
//!
//!     grace      cron frees data that has waited for `flush-grace` seconds
//!     memory     the data counts towards no limit, and is freed as soon as it and the used memory
//!                exceed `maxmemory`, or the machine's or container's memory is short
//!     the log    has the flush and `FLUSH UNDO`; lines record which flushes were set aside, and
//!                which were freed since (`AsideLine`). A replay does the same, whatever
//!                `flush-grace` is then. A base has no data that is set aside: rewrites wait for
//!                the end of the grace; a rewrite that cannot wait frees the data
//!     indexes    the definitions of a database's indexes are kept beside its data, and made again
//!     replicas   repeat flush and undo. A replica that has not set the data aside asks for a full
//!                synchronization; the primary gives a full synchronization to a replica that has
//!                not announced that it knows the command (`capa flush-undo`)
//!
//! Invariant: an undo in the log, or in the stream from a replica's position on, names a flush that
//! is before it there; a replay has the data that the flush deleted.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::table::Clients;
use crate::execution::execute::Author;
use crate::origin::Origin;
use crate::parts::cluster::ClusterDriver;
use crate::parts::execution::scripting::ScriptState;
use crate::parts::migration::MigrationDriver;
use crate::parts::persist::Persist;
use crate::parts::persist::aof::AofState;
use crate::parts::persist::loading::LoadState;
use crate::parts::replication::Replication;
use crate::parts::replication::replica_link::Replica;
use crate::parts::run::turn::Turn;
use crate::persist::aof::rewrite::is_in_unit;
use crate::search::text_settings;
use crate::state::Server;
use russet_base::memory::{alloc, pressure};
use russet_command::CommandError;
use russet_config::Config;
use russet_keyspace::{DbIndex, Keyspace, PendingFlush};
use russet_persistence::aof::{AsideLine, AsideLines};
use russet_replication::primary::ReplicaState;
use russet_replication::{ReplOffset, Stream};

const NOTHING: CommandError = CommandError::Text("ERR there is no flush to undo");
const NOT_EMPTY: CommandError = CommandError::Text(
    "ERR the database is not empty: REPLACE sets aside what is in it, and brings back the flushed data",
);
const REPLICA: CommandError =
    CommandError::Text("ERR this server is a replica: undo the flush on its primary");
const MIGRATES: CommandError =
    CommandError::Text("ERR a flush cannot be undone while slots are migrated");
const SAVES: CommandError =
    CommandError::Text("ERR a snapshot that cannot be ended has the data: try again later");

/// The arguments of FLUSH UNDO.
#[derive(Clone, Copy, Debug)]
pub struct UndoRequest {
    pub db: Option<DbIndex>,
    /// The present data of the databases is set aside in turn.
    pub replaces: bool,
    /// From the log or the primary: the flush that was undone there, by the number of flushes after
    /// it, and its keys.
    pub named: Option<(u64, usize)>,
}

impl Server {
    /// FLUSHALL and FLUSHDB: sets aside the data of these databases, and returns the number of its
    /// keys. `None`: the data may not be set aside, and the caller frees it. With `now` the result
    /// is always `None`, and all data that was set aside before is freed.
    pub fn flush_aside(
        &mut self,
        keyspace: &mut Keyspace,
        (client, origin): (&Client, Origin),
        dbs: &[DbIndex],
        now: bool,
    ) -> Option<usize> {
        // A flush by a client of a writable replica is not in the primary's stream.
        let is_local = self.replication.is_replica() && !client.repeats(origin);
        let is_empty = dbs.iter().all(|&db| keyspace.database(db).is_empty());
        let at_ms = match origin {
            _ if now || is_local || is_empty => None,
            Origin::Loading => self.persist.loading.flushes.set_aside_ms,
            _ => (self.config.flush_grace > 0).then(|| keyspace.now_ms()),
        };
        if at_ms.is_some() && self.search.listens() {
            self.search
                .catch_up(&mut self.json_paths, &self.cycles, keyspace);
            let oldest = keyspace.pending_flushes().next();
            let number = keyspace.flushes() + 1;
            let oldest = oldest.map_or(number, |flush| flush.number);
            (self.search).set_aside(number, dbs, oldest, self.now.mono_ms);
        }
        let keys = at_ms.map(|at_ms| keyspace.flush_aside(dbs.iter().copied(), at_ms));
        if keys.is_none() {
            keyspace.count_flush();
        }
        if now || is_local {
            keyspace.forget_aside();
        }
        if origin != Origin::Loading {
            self.persist.aof.flushed_aside_ms = at_ms.or(self.persist.aof.flushed_aside_ms);
        }
        self.update_aside_limit(keyspace);
        keys
    }

    /// The data set aside has changed: adapts the limit above which memory has to be freed.
    pub fn update_aside_limit(&mut self, keyspace: &Keyspace) {
        if self.memory.limit.set_bytes_aside(keyspace.aside_bytes()) {
            self.update_interest();
        }
    }

    /// CONFIG SET flush-grace: frees data that has waited for as long.
    pub fn flush_grace_changed(&mut self, keyspace: &mut Keyspace) {
        let now_ms = keyspace.now_ms();
        keyspace.end_grace(
            now_ms - self.replication.flush_grace_ms(&self.config),
            now_ms,
        );
        self.update_aside_limit(keyspace);
    }

    // --- undo ---

    /// FLUSH UNDO: brings back the data that a flush has set aside. Returns the flush, for the
    /// effect.
    pub fn undo_flush(
        &mut self,
        keyspace: &mut Keyspace,
        (client, origin): (&mut Client, Origin),
        asked: UndoRequest,
    ) -> Result<PendingFlush, CommandError> {
        let repeats = client.repeats(origin);
        if !repeats && self.replication.is_replica() {
            return Err(REPLICA);
        }
        if !repeats && migrates_slots(self.migrations.as_deref(), self.cluster.as_deref()) {
            return Err(MIGRATES);
        }
        let is_primary = client.flags.contains(ClientFlags::PRIMARY);
        let found = find_flush(keyspace, asked).and_then(|found| {
            let is_other = asked.named.is_some_and(|(_, keys)| keys != found.keys());
            if is_other && is_primary {
                return Err(NOTHING);
            }
            if is_other {
                tracing::warn!(
                    "The log undoes a flush of other keys than were flushed here: {} keys",
                    found.keys()
                );
            }
            if keyspace.is_saving() {
                // The flush's databases are exchanged. FLUSHALL, too, ends a save; a rewrite begins
                // again.
                self.cancel_save(keyspace);
                self.give_up_sync(keyspace);
                self.restart_rewrite(keyspace);
            }
            (!keyspace.is_saving()).then_some(found).ok_or(SAVES)
        });
        if found.is_err() && is_primary {
            self.replication.ask_full_copy(&mut self.turn, client);
        }
        let found = found?;
        if keyspace.has_unrecorded() {
            // Deletions that are not recorded yet must not meet the keys that return.
            self.record_all_dropped_keys(keyspace);
        }
        let taken = keyspace.take_flushed(found.number, asked.db);
        if asked.replaces {
            let dbs: Vec<DbIndex> = found.databases.iter().map(|(db, _)| *db).collect();
            let at = (&*client, origin);
            if self.flush_aside(keyspace, at, &dbs, false).is_none() {
                for &db in &dbs {
                    keyspace.flush(db, true);
                }
            }
        }
        let keys = keyspace.bring_back(taken);
        keyspace.dirty += keys as u64;
        self.bring_indexes_back(keyspace, (found.number, asked.db));
        self.update_aside_limit(keyspace);
        self.replication
            .drop_replicas_without_undo(&mut self.clients, &mut self.turn);
        tracing::info!("FLUSH UNDO: {keys} keys are back");
        Ok(found)
    }

    /// The indexes of the databases whose data is back.
    fn bring_indexes_back(&mut self, keyspace: &mut Keyspace, flush: (u64, Option<DbIndex>)) {
        // The data that was there before went with its indexes.
        if keyspace.has_news() {
            self.notify_changes(keyspace, Author::Server);
        }
        let (texts, now_ms) = (text_settings(&self.config), self.now.mono_ms);
        self.search.bring_back(flush, texts, now_ms);
        self.update_listeners(keyspace);
    }

    /// The effect of an undo is recorded: deletes keys of slots that other nodes serve by now.
    /// Returns their number.
    pub fn flush_undone(&mut self, keyspace: &mut Keyspace) -> usize {
        if self.replication.is_replica() || self.persist.loading.in_progress() {
            0
        } else {
            self.drop_foreign_slots(keyspace)
        }
    }

    // --- freeing ---

    /// Cron: frees data that has waited for long enough, or whose memory is needed.
    pub fn tend_aside(&mut self, keyspace: &mut Keyspace) {
        if self.persist.loading.in_progress() {
            return;
        }
        self.replication
            .settle_undo(&self.scripting, &self.stream, &mut self.persist);
        self.update_aside_limit(keyspace);
        if keyspace.has_aside() {
            self.flush_grace_changed(keyspace);
            self.free_aside_for_room(keyspace);
            self.free_aside_under_pressure(keyspace);
        }
        if self.migrations.as_ref().is_some_and(|it| it.has_kept()) && pressure::is_short() {
            self.give_up_kept_slots(keyspace);
        }
        record_freed(&mut self.persist, &self.scripting, keyspace);
    }

    fn free_aside_under_pressure(&mut self, keyspace: &mut Keyspace) {
        if keyspace.has_aside() && pressure::is_short() {
            let bytes = keyspace.forget_aside();
            tracing::warn!(
                "Memory is short: {} that a flush has set aside are freed",
                russet_base::text::human(bytes as u64)
            );
            self.update_aside_limit(keyspace);
        }
    }

    /// Frees data that is set aside, oldest first, as far as this data and the used memory exceed
    /// `maxmemory`.
    pub(crate) fn free_aside_for_room(&mut self, keyspace: &mut Keyspace) {
        let bound = self.memory.limit.eviction_bound();
        let mut freed = 0;
        while keyspace.has_aside() {
            let bytes = keyspace.aside_bytes();
            if !alloc::exceeds(bound.saturating_sub(bytes)) {
                break;
            }
            keyspace.free_oldest_aside();
            let gone = bytes - keyspace.aside_bytes();
            freed += gone;
            if gone == 0 {
                // A snapshot has the data: its memory is freed when that has ended.
                break;
            }
        }
        if freed > 0 {
            tracing::info!(
                "maxmemory is reached: {} that a flush has set aside are freed",
                russet_base::text::human(freed as u64)
            );
            self.update_aside_limit(keyspace);
        }
    }

    // --- the log ---

    /// A base of the log is made from the present keyspace: frees the data set aside.
    pub(super) fn free_aside_for_base(&mut self, keyspace: &mut Keyspace) {
        self.replication
            .settle_undo(&self.scripting, &self.stream, &mut self.persist);
        self.persist.aof.flushed_aside_ms = None;
        self.persist.aof.rewrites.waits_since_ms = None;
        if keyspace.has_aside() && self.persist.aof.state() != AofState::Off {
            keyspace.forget_aside();
            self.update_aside_limit(keyspace);
            tracing::info!(
                "The append only file is rewritten: what a flush has set aside is freed"
            );
        }
    }

    /// The log has been replayed.
    pub(super) fn replayed_flushes(&mut self, keyspace: &mut Keyspace) {
        if self.persist.loading.flushes.set_aside_ms.take().is_some() {
            // The flush of the last line was cut off: another line ends it, so that it does not
            // apply to the next flush.
            keyspace.set_freed();
        }
        self.flush_grace_changed(keyspace);
        self.replication
            .settle_undo(&self.scripting, &self.stream, &mut self.persist);
    }

    // --- replicas ---

    /// Whether a rewrite has to wait for the end of the grace, because a base has no data that is
    /// set aside. A rewrite waits once, for `flush-grace` seconds: flushes that follow each other
    /// do not hold it for ever.
    pub(super) fn delay_rewrite_for_grace(&mut self, keyspace: &Keyspace) -> bool {
        let aof = &self.persist.aof;
        let is_needed = aof.state() != AofState::On || aof.is_incomplete();
        let (now_ms, grace_ms) = (
            self.now.mono_ms,
            self.replication.flush_grace_ms(&self.config).unsigned_abs(),
        );
        let rewrites = &mut self.persist.aof.rewrites;
        if is_needed || !keyspace.has_aside() {
            rewrites.waits_since_ms = None;
            return false;
        }
        let since_ms = *rewrites.waits_since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) <= grace_ms
    }
}

impl Replication {
    /// Disconnects replicas that do not know FLUSH UNDO before the command reaches them: they
    /// reconnect, and get a full synchronization. A second link stays, because it does not carry
    /// the stream.
    pub(crate) fn drop_replicas_without_undo(&mut self, clients: &mut Clients, turn: &mut Turn) {
        self.replicas.undone_now = true;
        let is_later = |its: &Replica| {
            matches!(
                its.state,
                ReplicaState::Introduced | ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot
            )
        };
        let replicas = self.replicas.iter();
        let ids: Vec<_> = replicas
            .filter(|its| !its.facts.knows_undo() && !its.facts.rdb_channel_link && !is_later(its))
            .map(|its| its.id)
            .collect();
        for id in ids {
            let detail = "it does not know FLUSH UNDO, and needs a full copy";
            turn.close_by_id(clients, id, Disconnection::new(EndReason::Link, detail));
        }
    }

    /// The primary's undo names a flush that this replica lacks: everything is copied anew.
    pub(crate) fn ask_full_copy(&mut self, turn: &mut Turn, client: &mut Client) {
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        tracing::warn!(
            "The primary has undone a flush whose data is not here any more: asking for a full copy"
        );
        upstream.core.diverged = true;
        client.flags |= ClientFlags::CLOSE_ASAP;
        client.ends_by(Disconnection::new(
            EndReason::Link,
            "an undone flush needs a full copy",
        ));
        turn.to_close.push(client.id);
    }

    /// How long flushed data waits, milliseconds; 0: nothing is set aside. A replica keeps flushed
    /// data longer than its primary, because it receives the undo later.
    pub(crate) fn flush_grace_ms(&self, config: &Config) -> i64 {
        let grace_ms = i64::from(config.flush_grace) * 1000;
        if self.is_replica() && grace_ms > 0 {
            grace_ms + i64::from(config.repl_timeout) * 1000
        } else {
            grace_ms
        }
    }

    /// Seconds that data flushed at `at_ms` still waits.
    pub fn seconds_left(&self, config: &Config, at_ms: i64, now_ms: i64) -> i64 {
        (at_ms.saturating_add(self.flush_grace_ms(config)) - now_ms).max(0) / 1000
    }

    /// The last undo in the stream is before this position.
    pub(crate) fn record_undone(&mut self, persist: &mut Persist, at: Option<ReplOffset>) {
        self.replicas.undone_at = at;
        persist.aof.record_undone(at);
    }

    /// Notes the position of an undo, once the stream has it.
    pub(crate) fn settle_undo(
        &mut self,
        scripting: &ScriptState,
        stream: &Stream,
        persist: &mut Persist,
    ) {
        if !scripting.is_running() && std::mem::take(&mut self.replicas.undone_now) {
            self.record_undone(persist, Some(stream.offset()));
        }
    }
}

fn find_flush(keyspace: &Keyspace, asked: UndoRequest) -> Result<PendingFlush, CommandError> {
    let back = asked.named.map(|(back, _)| back);
    let found = keyspace.pending_flush(back, asked.db).ok_or(NOTHING)?;
    let is_full = |(db, _): &(DbIndex, usize)| !keyspace.database(*db).is_empty();
    if !asked.replaces && found.databases.iter().any(is_full) {
        Err(NOT_EMPTY)
    } else {
        Ok(found)
    }
}

/// Whether slots are being migrated: keys that came back could be at two nodes, the older copies
/// here.
fn migrates_slots(migrations: Option<&MigrationDriver>, cluster: Option<&ClusterDriver>) -> bool {
    let is_open = cluster.is_some_and(|driver| driver.core.open_slots() != (false, false));
    is_open || migrations.is_some_and(|driver| !driver.machine.is_idle())
}

/// Records in the log which flushes are no longer set aside. Only between units, so that the
/// log has all flushes so far.
fn record_freed(persist: &mut Persist, scripting: &ScriptState, keyspace: &mut Keyspace) {
    if is_in_unit(scripting, keyspace) {
        return;
    }
    if let Some(kept) = keyspace.take_kept_flushes() {
        persist.aof.record_aside_line(AsideLine::Kept(kept));
    }
}

impl LoadState {
    /// The replay of the log has come to lines about flushes that were set aside.
    pub(crate) fn replay_aside(&mut self, keyspace: &mut Keyspace, lines: AsideLines) {
        if let Some(kept) = lines.kept {
            keyspace.keep_flushes(kept);
        }
        let flushes = &mut self.flushes;
        if lines != AsideLines::default() {
            flushes.set_aside_ms = lines.set_aside_ms;
            flushes.before = keyspace.flushes();
        }
    }

    /// A unit of the log has been replayed: flushes after it are set aside only if another line
    /// orders it.
    pub(crate) fn replayed_unit(&mut self, keyspace: &Keyspace) {
        let flushes = &mut self.flushes;
        if flushes.set_aside_ms.is_some() && flushes.before != keyspace.flushes() {
            flushes.set_aside_ms = None;
        }
    }
}
