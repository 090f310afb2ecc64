//! Snapshots for full synchronizations: which replicas share one, when it begins, and what follows.
//!
//! At most one is being made. Replicas that ask later join it if it meets their needs, can still be
//! read from its begin, and the backlog has the stream after it.

use super::facts::{SnapshotFraming, SyncNeeds};
use super::replica::{Replica, ReplicaState, SnapshotWait, Transport};
use super::replicas::Replicas;
use crate::Stream;
use crate::history::Position;
use russet_config::Config;
use russet_keyspace::ClientId;

/// A snapshot for replicas that was begun, which others may join.
#[derive(Clone, Copy, Debug)]
pub(super) struct BegunSnapshot {
    needs: SyncNeeds,
    /// The position of the stream that follows the snapshot.
    at: Position,
}

/// The snapshot that replicas wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueSnapshot {
    /// These replicas join the snapshot that is being made.
    Joins(Vec<ClientId>),
    /// A snapshot begins for these replicas.
    Begins(Vec<ClientId>, SyncNeeds),
}

/// The line before a snapshot, for the link that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotLead {
    /// `+FULLRESYNC id offset`.
    FullResync,
    /// `$ENDOFF:offset id -1 client`: the second link of Valkey's protocol.
    EndOffset,
    /// A replica that asked by SYNC gets the snapshot at once.
    Nothing,
}

/// The start of a snapshot on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotStart {
    /// The line that comes before.
    pub lead: SnapshotLead,
    /// The position of the stream that follows.
    pub at: Position,
    /// How the snapshot is sent.
    pub sent_as: SnapshotFraming,
    /// The main link that gets the stream from now on.
    pub main: Option<ClientId>,
}

impl SnapshotStart {
    /// The line before the snapshot, for the link of this client; empty if there is none.
    pub fn line(&self, id: ClientId) -> String {
        let Position {
            id: history,
            offset,
        } = self.at;
        match self.lead {
            SnapshotLead::FullResync => format!("+FULLRESYNC {history} {offset}\r\n"),
            // -1: no database; the stream selects it.
            SnapshotLead::EndOffset => format!("$ENDOFF:{offset} {history} -1 {}\r\n", id.0),
            SnapshotLead::Nothing => String::new(),
        }
    }
}

/// The next stage of a link that has sent its whole snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentSnapshot {
    /// The link closes, because its replica wanted a snapshot and no stream, or is the second link
    /// of this main link.
    Closes(Option<ClientId>),
    /// Nothing is sent before the replica acknowledges.
    AwaitsAck,
    /// The stream follows.
    Streams,
}

impl<T: Transport> Replicas<T> {
    /// The snapshot that is due now, if any. `is_open`: a snapshot for replicas is being made, and
    /// can still be read from its begin. `is_busy`: the server can begin none now. `may_copy`: the
    /// copy for this replica may begin, or is put off because earlier ones were of no use.
    pub fn due_snapshot(
        &self,
        config: &Config,
        stream: &Stream,
        (is_open, is_busy): (bool, bool),
        now_ms: u64,
        mut may_copy: impl FnMut(&Replica<T>) -> bool,
    ) -> Option<DueSnapshot> {
        let mut waiting = self.waiting().filter(|replica| may_copy(replica));
        let first = waiting.next()?;
        let needs = first.facts.sync_needs(config);
        let same = waiting.filter(|replica| replica.facts.sync_needs(config) == needs);
        let ids: Vec<ClientId> = std::iter::once(first).chain(same).map(|r| r.id).collect();
        if let Some(begun) = self.snapshot.filter(|_| is_open)
            && self.joins(&ids, needs, begun, stream)
        {
            return Some(DueSnapshot::Joins(ids));
        }
        let ReplicaState::Waits(wait) = first.state else {
            return None;
        };
        let is_delayed = needs.sent_as == SnapshotFraming::Mark
            && waits_for_others(config, now_ms, wait, ids.len());
        (!is_busy && !is_delayed).then_some(DueSnapshot::Begins(ids, needs))
    }

    /// Whether waiting replicas can be sent the snapshot that is being made: it meets their needs,
    /// and the backlog has the stream after it.
    fn joins(
        &self,
        ids: &[ClientId],
        needs: SyncNeeds,
        begun: BegunSnapshot,
        stream: &Stream,
    ) -> bool {
        let crosses = |id: &ClientId| {
            let replica = self.get(*id);
            replica.is_some_and(|its| self.crosses_undo(&its.facts, begun.at.offset))
        };
        begun.needs == needs
            && !ids.iter().any(crosses)
            && stream.history().id == begun.at.id
            && stream
                .backlog()
                .is_some_and(|backlog| backlog.holds(begun.at.offset))
    }

    /// Whether a replica waits for a snapshot to begin.
    pub fn waits_for_snapshot(&self) -> bool {
        self.waiting().next().is_some()
    }

    fn waiting(&self) -> impl Iterator<Item = &Replica<T>> {
        self.iter()
            .filter(|replica| matches!(replica.state, ReplicaState::Waits(_)))
    }

    /// Whether the snapshot that was begun last is sent as it is made.
    pub fn sends_by_mark(&self) -> bool {
        let begun = self.snapshot.as_ref();
        begun.is_some_and(|begun| begun.needs.sent_as == SnapshotFraming::Mark)
    }

    /// A snapshot has begun; the stream follows at this position.
    pub fn snapshot_begun(&mut self, needs: SyncNeeds, at: Position) {
        self.snapshot = Some(BegunSnapshot { needs, at });
    }

    /// This waiting replica is sent the snapshot that was begun last. `None`: there is no snapshot,
    /// or the replica is gone.
    pub fn send_snapshot(&mut self, id: ClientId, now_ms: u64) -> Option<SnapshotStart> {
        let BegunSnapshot { needs, at } = self.snapshot?;
        let replica = self.get_mut(id)?;
        let state = std::mem::replace(&mut replica.state, ReplicaState::Sending);
        let by_sync = matches!(
            state,
            ReplicaState::Waits(SnapshotWait { by_sync: true, .. })
        );
        replica.sent = at.offset;
        let main = replica.facts.main;
        let lead = match (by_sync, needs.by_channel) {
            (false, _) => SnapshotLead::FullResync,
            (true, true) => SnapshotLead::EndOffset,
            (true, false) => SnapshotLead::Nothing,
        };
        if lead == SnapshotLead::EndOffset {
            self.pin(id, at.offset);
        }
        let main = main.filter(|&main| self.awaits_second(main));
        if let Some(replica) = main.and_then(|main| self.get_mut(main)) {
            // The second link's snapshot has begun: the main link gets the stream from there on.
            replica.state = ReplicaState::Streams;
            replica.sent = at.offset;
            replica.received_ms = now_ms;
        }
        Some(SnapshotStart {
            lead,
            at,
            sent_as: needs.sent_as,
            main,
        })
    }

    /// A link has sent its whole snapshot.
    pub fn snapshot_sent(
        &mut self,
        id: ClientId,
        sent_as: SnapshotFraming,
        now_ms: u64,
    ) -> Option<SentSnapshot> {
        let replica = self.get_mut(id)?;
        replica.received_ms = now_ms;
        if replica.facts.rdb_only {
            replica.state = ReplicaState::AwaitsAck;
            let main = replica.facts.main;
            let streams = |main: &Replica<T>| main.state == ReplicaState::Streams;
            let main = main.filter(|&main| self.get(main).is_some_and(streams));
            return Some(SentSnapshot::Closes(main));
        }
        if sent_as == SnapshotFraming::Mark && !replica.is_mute {
            replica.state = ReplicaState::AwaitsAck;
            return Some(SentSnapshot::AwaitsAck);
        }
        Some(SentSnapshot::Streams)
    }
}

/// Whether replicas that wait for a snapshot of unannounced length should wait for others.
fn waits_for_others(config: &Config, now_ms: u64, wait: SnapshotWait, waiting: usize) -> bool {
    let waited_ms = now_ms.saturating_sub(wait.since_ms);
    let enough = config.repl_diskless_sync_max_replicas as usize;
    config.repl_diskless_sync
        && waited_ms < u64::from(config.repl_diskless_sync_delay) * 1000
        && (enough == 0 || waiting < enough)
}
