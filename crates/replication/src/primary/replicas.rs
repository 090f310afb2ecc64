//! The table of replicas: who there is, and the positions that so many of them have.
//!
//! Few replicas are expected: the table is a list.

use std::collections::VecDeque;

use super::facts::{Facts, Peer};
use super::failing::FailingReplicas;
use super::replica::{Replica, ReplicaState, Transport};
use super::snapshots::BegunSnapshot;
use crate::history::ReplOffset;
use russet_config::SyncMedium;
use russet_keyspace::ClientId;

/// Disconnected replicas that are remembered.
const DEPARTED_MAX: usize = 16;

/// The replicas of this server, oldest first; see the module.
#[derive(Debug, Default)]
pub struct Replicas<T> {
    pub(super) all: Vec<Replica<T>>,
    pins: Vec<Pin>,
    /// Addresses of replicas that were disconnected last, and the positions they had acknowledged.
    departed: VecDeque<(String, u16, ReplOffset)>,
    /// Replicas that do not load the snapshots that they are sent.
    pub failing: FailingReplicas,
    /// The snapshot for replicas that was begun last.
    pub(super) snapshot: Option<BegunSnapshot>,
    /// Since when there is no replica, monotonic milliseconds.
    pub alone_since_ms: Option<u64>,
    /// When the stream had its last PING, monotonic milliseconds.
    pub(super) pinged_ms: u64,
    /// The last undo of a flush is before this position of the stream.
    pub undone_at: Option<ReplOffset>,
    /// Another undo is at the end of the stream, or about to be.
    pub undone_now: bool,
    /// Replicas that had more of the stream than this server, because this server has lost the end
    /// of its stream.
    pub ahead: ReplicasAhead,
    /// Full synchronizations begun, partial synchronizations granted and refused.
    pub syncs: SyncCounts,
}

/// Replicas that asked to continue from a position that this server has not reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplicasAhead {
    /// How many have asked so.
    pub count: u64,
    /// The position that the last replica asked for, and the end of the history that both servers
    /// share.
    pub last: Option<(ReplOffset, ReplOffset)>,
}

/// INFO's `sync_full`, `sync_partial_ok`, `sync_partial_err`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncCounts {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// `sync_partial_err`.
    pub partial_err: u64,
}

/// The consequences of the end of a link.
#[derive(Debug, Default)]
pub struct Departure {
    /// The link was a replica's.
    pub was_replica: bool,
    /// It was the last replica.
    pub is_last: bool,
    /// Other links of the same replica, which are of no use without this link.
    pub useless: Vec<ClientId>,
}

/// A part of the stream that is kept for a main link that has not joined (Valkey).
#[derive(Debug)]
struct Pin {
    /// The second link, which may have ended.
    second: ClientId,
    from: ReplOffset,
    /// When the pin is given up, monotonic milliseconds; `None`: while the second link is there.
    until_ms: Option<u64>,
}

/// How long a main link may take to join after the second link has ended.
const GRACE_MS: u64 = 5000;

impl<T: Transport> Replicas<T> {
    /// Replicas that have asked for the stream.
    pub fn iter(&self) -> impl Iterator<Item = &Replica<T>> {
        self.all
            .iter()
            .filter(|r| !matches!(r.state, ReplicaState::Introduced))
    }

    /// The same as [`Replicas::iter`], to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Replica<T>> {
        self.all
            .iter_mut()
            .filter(|r| !matches!(r.state, ReplicaState::Introduced))
    }

    /// Replicas as INFO lists them. A replica with two links is listed once, as in Redis, unless it
    /// connects as Valkey does.
    pub fn listed(&self) -> impl Iterator<Item = &Replica<T>> {
        self.iter().filter(|replica| !replica.is_unlisted())
    }

    /// Replicas whose stream is compressed.
    pub fn packing(&self) -> usize {
        let all = self.all.iter();
        all.filter(|replica| replica.transport.is_packed()).count()
    }

    // --- two links ---

    /// Second links that have not asked for a snapshot within `limit_ms`. While such a link exists,
    /// the primary does not disconnect the silent main link.
    pub fn silent(&self, now_ms: u64, limit_ms: u64) -> impl Iterator<Item = ClientId> {
        let is_silent = move |r: &&Replica<T>| {
            r.facts.rdb_channel_link
                && matches!(r.state, ReplicaState::Introduced)
                && now_ms.saturating_sub(r.received_ms) > limit_ms
        };
        self.all.iter().filter(is_silent).map(|replica| replica.id)
    }

    /// Whether the second link of this main link is there.
    pub fn has_second(&self, main: &Replica<T>) -> bool {
        let is_second =
            |r: &Replica<T>| r.facts.main == Some(main.id) || main.facts.second == Some(r.id);
        self.all.iter().any(is_second)
    }

    /// Keeps the stream from here on for the main link of this second link.
    pub fn pin(&mut self, second: ClientId, from: ReplOffset) {
        self.pins.push(Pin {
            second,
            from,
            until_ms: None,
        });
    }

    /// Whether a main link can join this second link.
    pub fn can_join(&self, second: ClientId) -> bool {
        self.pins.iter().any(|pin| pin.second == second)
    }

    /// The main link of this second link has joined, or never will.
    pub fn unpin(&mut self, second: ClientId) {
        self.pins.retain(|pin| pin.second != second);
    }

    /// The second link has brought its snapshot and ends: its main link may still join for a while.
    fn keep_pin(&mut self, second: ClientId, now_ms: u64) {
        for pin in self.pins.iter_mut().filter(|pin| pin.second == second) {
            pin.until_ms = Some(now_ms + GRACE_MS);
        }
    }

    /// Drops the pins for main links that have not joined in time. Returns their number.
    pub fn drop_old_pins(&mut self, now_ms: u64) -> usize {
        let before = self.pins.len();
        self.pins
            .retain(|pin| pin.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        before - self.pins.len()
    }

    /// Number of [`Replicas::iter`].
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no replica has asked for the stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of a client, if it has announced anything.
    pub fn get(&self, id: ClientId) -> Option<&Replica<T>> {
        self.all.iter().find(|replica| replica.id == id)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Replica<T>> {
        self.all.iter_mut().find(|replica| replica.id == id)
    }

    /// The node of a cluster that a client has said to be.
    pub fn node_of(&self, id: ClientId) -> Option<Box<[u8]>> {
        let facts = &self.all.iter().find(|replica| replica.id == id)?.facts;
        facts.member.clone().or_else(|| facts.node_id.clone())
    }

    /// The entry of a client that announces a fact, made if it is missing.
    pub fn introduce(&mut self, peer: Peer, now_ms: u64) -> &mut Replica<T> {
        let at = match self.all.iter().position(|replica| replica.id == peer.id) {
            Some(at) => at,
            None => {
                self.all.push(Replica {
                    id: peer.id,
                    connection: peer.ip,
                    facts: Facts::default(),
                    transport: T::default(),
                    state: ReplicaState::Introduced,
                    sent: 0,
                    acked: 0,
                    acked_on_disk: 0,
                    is_confirmed: false,
                    is_replaced: false,
                    received_ms: now_ms,
                    received_bytes: 0,
                    over_soft_since_ms: None,
                    is_mute: false,
                });
                self.all.len() - 1
            }
        };
        &mut self.all[at]
    }

    /// The name of a client in the log, which may be a replica.
    pub fn name_of(&self, id: ClientId) -> String {
        match self.get(id) {
            Some(replica) => replica.name(),
            None => format!("client id #{}", id.0),
        }
    }

    /// A link has ended. `is_killed`: by an operator, which says nothing about the snapshots that
    /// the replica can load.
    pub fn depart(&mut self, id: ClientId, is_killed: bool, now_ms: u64) -> Departure {
        let Some(replica) = self.get(id) else {
            return Departure::default();
        };
        let address = replica.address();
        let owes_ack = !is_killed && replica.owes_ack_of_copy();
        if replica.acked > 0 {
            let acked = replica.acked;
            self.remember(address.clone(), acked);
        }
        if owes_ack {
            self.failing.note(address, now_ms);
        }
        let (was_replica, useless) = self.remove(id, now_ms);
        let is_last = was_replica && self.is_empty();
        if is_last {
            self.alone_since_ms = Some(now_ms);
        }
        Departure {
            was_replica,
            is_last,
            useless,
        }
    }

    /// The client is gone. Returns whether it was a replica, and the other links of its replica
    /// that are of no use without it.
    fn remove(&mut self, id: ClientId, now_ms: u64) -> (bool, Vec<ClientId>) {
        let Some(at) = self.all.iter().position(|replica| replica.id == id) else {
            return (false, Vec::new());
        };
        let gone = self.all.remove(at);
        // A second link that is closed by this side has brought all of the snapshot.
        let has_all = matches!(gone.state, ReplicaState::AwaitsAck);
        if has_all {
            self.keep_pin(id, now_ms)
        } else {
            self.unpin(id)
        }
        for main in self.all.iter_mut().filter(|r| r.facts.second == Some(id)) {
            // The main link's time for an acknowledgement begins.
            main.received_ms = now_ms;
        }
        let is_useless = |other: &&Replica<T>| {
            let is_second = other.facts.main == Some(id) || gone.facts.second == Some(other.id);
            let is_main = gone.facts.main == Some(other.id) || other.facts.second == Some(id);
            is_second
                || is_main
                    && !has_all
                    && matches!(
                        other.state,
                        ReplicaState::Streams | ReplicaState::AwaitsSnapshot
                    )
        };
        let others = self.all.iter().filter(is_useless).map(|other| other.id);
        let was_replica = !matches!(gone.state, ReplicaState::Introduced);
        (was_replica, others.collect())
    }

    /// A replica that has acknowledged something is disconnected.
    fn remember(&mut self, address: (String, u16), acked: ReplOffset) {
        let (ip, port) = address;
        self.departed
            .retain(|(its_ip, its_port, _)| (its_ip, *its_port) != (&ip, port));
        self.departed.push_back((ip, port, acked));
        if self.departed.len() > DEPARTED_MAX {
            self.departed.pop_front();
        }
    }

    /// The positions that replicas have acknowledged, now or before they were disconnected, with
    /// their addresses.
    pub fn acknowledged_positions(&self) -> Vec<(String, u16, ReplOffset)> {
        let present = self.iter().map(|replica| {
            let (ip, port) = replica.address();
            (ip, port, replica.acked)
        });
        present.chain(self.departed.iter().cloned()).collect()
    }

    /// Forgets the replicas that are no longer there.
    pub fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Replicas that receive the stream, or will after their snapshot.
    fn readers(&self) -> impl Iterator<Item = &Replica<T>> {
        let reads = |r: &&Replica<T>| {
            !matches!(
                r.state,
                ReplicaState::Introduced | ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot
            )
        };
        self.all.iter().filter(reads).filter(|r| !r.facts.rdb_only)
    }

    /// The first position of the stream that a replica has still to be sent from the backlog.
    pub fn unsent(&self) -> Option<ReplOffset> {
        let readers = self.readers().filter(|r| !r.transport.reads_log());
        let unsent = readers.map(|replica| replica.sent);
        unsent.chain(self.pins.iter().map(|pin| pin.from)).min()
    }

    /// Replicas that are online and take the data, each once.
    fn holders(&self) -> impl Iterator<Item = &Replica<T>> {
        let holds = |r: &&Replica<T>| r.is_online() && !r.facts.observer && !r.is_replaced;
        self.all.iter().filter(holds)
    }

    /// Replicas that are online and take the data.
    pub fn that_count(&self) -> usize {
        self.holders().count()
    }

    /// Replicas that are online and have acknowledged this position.
    pub fn that_acked(&self, offset: ReplOffset) -> usize {
        self.holders().filter(|r| r.has_acked(offset)).count()
    }

    /// The position that this many online replicas have acknowledged; 0: there are fewer.
    pub fn acked_by(&self, replicas: usize) -> ReplOffset {
        self.position_of(replicas, |replica| replica.acked)
    }

    /// The highest `position` that this many online replicas have reached; 0: there are fewer.
    /// O(replicas^2), of few, because it runs for each turn that brings an acknowledgement.
    fn position_of(
        &self,
        replicas: usize,
        position: impl Fn(&Replica<T>) -> ReplOffset,
    ) -> ReplOffset {
        let all = || self.holders().filter(|replica| replica.is_confirmed);
        let has = |at: ReplOffset| all().filter(|r| position(r) >= at).count() >= replicas;
        let positions = all().map(&position).filter(|at| has(*at));
        positions.max().filter(|_| replicas > 0).unwrap_or(0)
    }

    /// Replicas that are online and have this position on disk.
    pub fn that_synced(&self, offset: ReplOffset) -> usize {
        let synced = |r: &&Replica<T>| r.is_confirmed && r.acked_on_disk >= offset;
        self.holders().filter(synced).count()
    }

    /// Replicas that count for `min-replicas-to-write`.
    pub fn good(&self, lag_max_ms: u64, now_ms: u64) -> usize {
        let is_good = |r: &&Replica<T>| now_ms.saturating_sub(r.received_ms) <= lag_max_ms;
        self.holders().filter(is_good).count()
    }

    /// Replicas whose acknowledgements count for `min-sync-replicas`.
    pub fn sync_replicas(&self) -> usize {
        self.holders()
            .filter(|replica| replica.is_confirmed)
            .count()
    }

    /// The position that `needed` of these replicas have; 0: there are fewer.
    pub fn synced_by(&self, needed: usize, medium: SyncMedium) -> ReplOffset {
        match medium {
            SyncMedium::Memory => self.acked_by(needed),
            SyncMedium::Disk => self.position_of(needed, |replica| replica.acked_on_disk),
        }
    }

    /// Whether a replica that counts acknowledges only when it is asked.
    pub fn must_be_asked(&self) -> bool {
        self.holders().any(|replica| !replica.facts.acks_each_turn)
    }

    /// Online replicas that have not acknowledged everything up to the end of the stream.
    pub fn lagging(&self, offset: ReplOffset) -> usize {
        self.iter()
            .filter(|r| r.is_online() && !r.is_mute && !r.has_acked(offset))
            .count()
    }
}
