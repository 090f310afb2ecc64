//! The replicas of this server: the facts that each has announced, the position up to which it has
//! been sent the stream, and the position that it has acknowledged.
//!
//!     Introduced -> Waits -> Sending -> AwaitsAck -> Online
//!              (partial: straight to Online)
//!
//! A replica with two links has an entry for each:
//!
//!     main    Introduced -> AwaitsSnapshot -> Streams -> Online
//!     second  Introduced -> Waits -> Sending -> closed
//!
//! Redis names the main link on the second link ([`Facts::main`]), and the main link streams from
//! the snapshot's position on by itself. Valkey names the second link on the main link
//! ([`Facts::second`]), which asks for the stream by PSYNC; until then, or for a grace period after
//! the second link's end, the stream from the snapshot's position on is kept ([`Pin`]).
//!
//! A replica is a client with the flag `REPLICA`. Its stream is not copied to it: [`Replica::sent`]
//! is its position in the backlog, from which the loop writes to its socket. A replica that is
//! further back than the backlog is sent the stream from the files of the log ([`Replica::log`]).
//! Few replicas are expected: the table is a list.

use crate::clients::client::Client;
use crate::clients::table::Clients;
use std::collections::VecDeque;

use super::packing::CompressedLink;
use super::sending::SnapshotTransfer;

use russet_keyspace::ClientId;
use russet_persistence::aof::LogFeed;
use russet_replication::ReplOffset;

/// The facts that a replica announces (REPLCONF).
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `listening-port`.
    pub port: u16,
    /// `ip-address`.
    pub ip: Option<Box<[u8]>>,
    /// `capa eof`: it finds the end of a snapshot whose length is not announced.
    pub eof: bool,
    /// `capa psync2`: it understands +CONTINUE with an id.
    pub psync2: bool,
    /// `capa rdb-channel-repl` (Redis 8), `capa dual-channel` (Valkey).
    pub rdb_channel: bool,
    pub dual_channel: bool,
    /// `version` (Valkey).
    pub version: Option<(u32, u32, u32)>,
    /// `set-cluster-node-id` (Valkey).
    pub node_id: Option<Box<[u8]>>,
    /// `capa node-ID` (russet): the node of the cluster that it is.
    pub member: Option<Box<[u8]>>,
    /// `capa observer`: a tool that only watches the stream (`russet tail`).
    pub observer: bool,
    /// `capa flush-undo`: it sets flushed data aside, and knows FLUSH UNDO.
    pub flush_undo: bool,
    /// `capa ack-turn` (russet): it can acknowledge each turn.
    pub acks_each_turn: bool,
    /// `capa lz4` (Valkey 9.2): it can receive snapshot and stream compressed.
    pub lz4: bool,
    /// `rdb-only 1`: it wants a snapshot and no stream.
    pub rdb_only: bool,
    /// `rdb-channel 1`: the second link of a replica.
    pub rdb_channel_link: bool,
    /// `main-ch-client-id` (Redis 8), on the second link: the main link.
    pub main: Option<ClientId>,
    /// `set-rdb-client-id` (Valkey), on the main link: the second link.
    pub second: Option<ClientId>,
    /// `rdb-filter-only`: which parts of a snapshot it wants.
    pub filter: Option<Filter>,
}

impl Facts {
    /// Whether a replica can be sent an undo; a tool that watches the stream can.
    pub(crate) fn knows_undo(&self) -> bool {
        self.flush_undo || self.observer
    }

    /// The address that a replica has announced, else the address of its connection.
    pub(crate) fn announced_ip(&self, client: Option<&Client>) -> String {
        match &self.ip {
            Some(ip) => String::from_utf8_lossy(ip).into_owned(),
            None => {
                let address = client.and_then(Client::ip);
                address.map_or_else(String::new, |a| a.ip().to_canonical().to_string())
            }
        }
    }
}

/// The parts of a snapshot that `rdb-filter-only` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Functions,
    Nothing,
}

/// The state of a replica.
#[derive(Debug, Default)]
pub enum ReplicaState {
    /// The replica has announced a fact, and asked for nothing yet.
    #[default]
    Introduced,
    /// The replica waits for a snapshot to begin.
    Waits(SnapshotWait),
    /// The main link of two, before the snapshot has begun.
    AwaitsSnapshot,
    /// The main link of two: it gets the stream while the second link brings the snapshot.
    Streams,
    /// The replica's snapshot is being made or sent.
    Sending(Box<SnapshotTransfer>),
    /// The replica has a whole snapshot of unannounced length. The primary sends nothing until the
    /// replica acknowledges.
    AwaitsAck,
    Online,
}

/// A replica that waits for a snapshot to begin.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotWait {
    pub since_ms: u64,
    /// The replica asked by SYNC: no +FULLRESYNC, no ACKs.
    pub by_sync: bool,
}

/// A replica.
#[derive(Debug)]
pub struct Replica {
    pub id: ClientId,
    pub facts: Facts,
    pub state: ReplicaState,
    /// The position up to which the stream has been given to the replica's socket.
    pub sent: ReplOffset,
    /// State of the compression, if the replica's stream is compressed.
    pub(crate) packing: Option<Box<CompressedLink>>,
    /// The reader of the log that serves the replica; `None`: the backlog serves it.
    pub log: Option<Box<LogFeed>>,
    /// The earliest time of the next try to serve the replica from the log, monotonic milliseconds.
    pub(crate) log_retry_ms: u64,
    /// The positions that the replica has acknowledged: applied, and on its disk.
    pub acked: ReplOffset,
    pub acked_on_disk: ReplOffset,
    /// The acknowledged position counts, because on this link the replica has sent it, or has asked
    /// to continue from it. Before, the replica may still be loading its snapshot.
    pub(crate) is_confirmed: bool,
    /// A later link has the same announced address, and this link has brought nothing since. It is
    /// the half-open link of a replica that has connected again, and the replica does not count
    /// twice.
    pub(crate) is_replaced: bool,
    /// When the replica's last bytes were received, monotonic milliseconds.
    pub received_ms: u64,
    /// Bytes received from the replica up to cron's last check.
    pub(crate) received_bytes: u64,
    /// Since when the replica's unsent bytes exceed the soft limit, monotonic milliseconds.
    pub(crate) over_soft_since_ms: Option<u64>,
    /// The replica's socket has the settings for replicas.
    pub(crate) is_tuned: bool,
    /// The replica asked by SYNC, and never acknowledges.
    pub(crate) is_mute: bool,
}

impl Replica {
    /// Whether the replica has acknowledged the data up to a position.
    pub(crate) fn has_acked(&self, offset: ReplOffset) -> bool {
        self.is_online() && self.is_confirmed && self.acked >= offset
    }

    /// Whether the primary has sent the replica a whole snapshot, or is sending it, and the
    /// replica, which would acknowledge it, has acknowledged nothing.
    pub(crate) fn owes_ack_of_copy(&self) -> bool {
        let facts = &self.facts;
        // Without a port, replicas cannot be distinguished.
        let acknowledges = facts.port > 0
            && !(self.is_mute || facts.rdb_only || facts.observer || facts.rdb_channel_link);
        let has_copy = matches!(
            self.state,
            ReplicaState::Sending(_)
                | ReplicaState::AwaitsAck
                | ReplicaState::Streams
                | ReplicaState::Online
        );
        acknowledges && has_copy && !self.is_confirmed && self.acked == 0
    }

    /// Whether this is the second link of a replica whose main link is listed as well.
    fn is_unlisted(&self) -> bool {
        self.facts.main.is_some()
    }

    /// INFO's word for either of two links, as in Valkey.
    pub fn link_name(&self) -> Option<&'static str> {
        if self.facts.rdb_channel_link && self.facts.main.is_none() {
            return Some("rdb-channel");
        }
        self.facts.second.map(|_| "main-channel")
    }

    /// Whether the primary sends this link the stream.
    pub(crate) fn gets_stream(&self) -> bool {
        matches!(self.state, ReplicaState::Online | ReplicaState::Streams)
    }

    /// Whether the replica's socket has taken only a part of the last block.
    pub(crate) fn is_inside_block(&self) -> bool {
        let packing = self.packing.as_ref();
        packing.is_some_and(|packing| !packing.unsent().is_empty())
    }

    pub fn is_online(&self) -> bool {
        matches!(self.state, ReplicaState::Online)
    }

    /// INFO's word for the replica's state.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            ReplicaState::Introduced | ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot => {
                "wait_bgsave"
            }
            ReplicaState::Streams if self.facts.second.is_some() => "bg_transfer",
            ReplicaState::Streams => "send_bulk_and_stream",
            ReplicaState::Sending(sending) if sending.waits() => "wait_bgsave",
            ReplicaState::Sending(_) | ReplicaState::AwaitsAck => "send_bulk",
            ReplicaState::Online => "online",
        }
    }

    /// The address under which a replica is announced.
    pub fn address(&self, clients: &Clients) -> (String, u16) {
        let client = clients.get(self.id).map(|session| &session.client);
        (self.facts.announced_ip(client), self.facts.port)
    }
}

/// Disconnected replicas that are remembered.
const DEPARTED_MAX: usize = 16;

/// All replicas, oldest first.
#[derive(Debug, Default)]
pub struct Replicas {
    all: Vec<Replica>,
    pins: Vec<Pin>,
    /// Addresses of replicas that were disconnected last, and the positions they had acknowledged.
    departed: VecDeque<(String, u16, ReplOffset)>,
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

impl Replicas {
    /// Replicas that have asked for the stream.
    pub fn iter(&self) -> impl Iterator<Item = &Replica> {
        self.all
            .iter()
            .filter(|r| !matches!(r.state, ReplicaState::Introduced))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.all
            .iter_mut()
            .filter(|r| !matches!(r.state, ReplicaState::Introduced))
    }

    /// Replicas as INFO lists them. A replica with two links is listed once, as in Redis, unless it
    /// connects as Valkey does.
    pub fn listed(&self) -> impl Iterator<Item = &Replica> {
        self.iter().filter(|replica| !replica.is_unlisted())
    }

    /// Replicas whose stream is compressed.
    pub(crate) fn packing(&self) -> usize {
        let all = self.all.iter();
        all.filter(|replica| replica.packing.is_some()).count()
    }

    // --- two links ---

    /// Second links that have not asked for a snapshot within `limit_ms`. While such a link exists,
    /// the primary does not disconnect the silent main link.
    pub(crate) fn silent(&self, now_ms: u64, limit_ms: u64) -> impl Iterator<Item = ClientId> {
        let is_silent = move |r: &&Replica| {
            r.facts.rdb_channel_link
                && matches!(r.state, ReplicaState::Introduced)
                && now_ms.saturating_sub(r.received_ms) > limit_ms
        };
        self.all.iter().filter(is_silent).map(|replica| replica.id)
    }

    /// Whether the second link of this main link is there.
    pub(crate) fn has_second(&self, main: &Replica) -> bool {
        let is_second =
            |r: &Replica| r.facts.main == Some(main.id) || main.facts.second == Some(r.id);
        self.all.iter().any(is_second)
    }

    /// Keeps the stream from here on for the main link of this second link.
    pub(crate) fn pin(&mut self, second: ClientId, from: ReplOffset) {
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
    pub(crate) fn unpin(&mut self, second: ClientId) {
        self.pins.retain(|pin| pin.second != second);
    }

    /// The second link has brought its snapshot and ends: its main link may still join for a while.
    fn keep_pin(&mut self, second: ClientId, now_ms: u64) {
        for pin in self.pins.iter_mut().filter(|pin| pin.second == second) {
            pin.until_ms = Some(now_ms + GRACE_MS);
        }
    }

    /// Drops the pins for main links that have not joined in time. Returns their number.
    pub(crate) fn drop_old_pins(&mut self, now_ms: u64) -> usize {
        let before = self.pins.len();
        self.pins
            .retain(|pin| pin.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        before - self.pins.len()
    }

    /// Number of [`Replicas::iter`].
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, id: ClientId) -> Option<&Replica> {
        self.all.iter().find(|replica| replica.id == id)
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Replica> {
        self.all.iter_mut().find(|replica| replica.id == id)
    }

    /// The node of a cluster that a client has said to be.
    pub fn node_of(&self, id: ClientId) -> Option<Box<[u8]>> {
        let facts = &self.all.iter().find(|replica| replica.id == id)?.facts;
        facts.member.clone().or_else(|| facts.node_id.clone())
    }

    /// The entry of a client that announces a fact, made if it is missing.
    pub fn introduce(&mut self, id: ClientId, now_ms: u64) -> &mut Replica {
        let at = match self.all.iter().position(|replica| replica.id == id) {
            Some(at) => at,
            None => {
                self.all.push(Replica {
                    id,
                    facts: Facts::default(),
                    state: ReplicaState::Introduced,
                    sent: 0,
                    packing: None,
                    log: None,
                    log_retry_ms: 0,
                    acked: 0,
                    acked_on_disk: 0,
                    is_confirmed: false,
                    is_replaced: false,
                    received_ms: now_ms,
                    received_bytes: 0,
                    over_soft_since_ms: None,
                    is_tuned: false,
                    is_mute: false,
                });
                self.all.len() - 1
            }
        };
        &mut self.all[at]
    }

    /// The client is gone. Returns whether it was a replica, and the other links of its replica
    /// that are of no use without it.
    pub fn remove(&mut self, id: ClientId, now_ms: u64) -> (bool, Vec<ClientId>) {
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
        let is_useless = |other: &&Replica| {
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

    /// A replica that has acknowledged something is disconnected; `ip` as it is announced.
    pub(crate) fn remember(&mut self, ip: String, port: u16, acked: ReplOffset) {
        self.departed
            .retain(|(its_ip, its_port, _)| (its_ip, *its_port) != (&ip, port));
        self.departed.push_back((ip, port, acked));
        if self.departed.len() > DEPARTED_MAX {
            self.departed.pop_front();
        }
    }

    /// See [`Replicas::remember`].
    pub(crate) fn departed(&self) -> impl Iterator<Item = &(String, u16, ReplOffset)> {
        self.departed.iter()
    }

    pub(crate) fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Replicas that receive the stream, or will after their snapshot.
    fn readers(&self) -> impl Iterator<Item = &Replica> {
        let reads = |r: &&Replica| {
            !matches!(
                r.state,
                ReplicaState::Introduced | ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot
            )
        };
        self.all.iter().filter(reads).filter(|r| !r.facts.rdb_only)
    }

    /// The first position of the stream that a replica has still to be sent from the backlog.
    pub fn unsent(&self) -> Option<ReplOffset> {
        let readers = self.readers().filter(|replica| replica.log.is_none());
        let unsent = readers.map(|replica| replica.sent);
        unsent.chain(self.pins.iter().map(|pin| pin.from)).min()
    }

    /// Replicas that are online and take the data, each once.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Replica> {
        let holds = |r: &&Replica| r.is_online() && !r.facts.observer && !r.is_replaced;
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
    pub(super) fn position_of(
        &self,
        replicas: usize,
        position: impl Fn(&Replica) -> ReplOffset,
    ) -> ReplOffset {
        let all = || self.holders().filter(|replica| replica.is_confirmed);
        let has = |at: ReplOffset| all().filter(|r| position(r) >= at).count() >= replicas;
        let positions = all().map(&position).filter(|at| has(*at));
        positions.max().filter(|_| replicas > 0).unwrap_or(0)
    }

    /// Replicas that are online and have this position on disk.
    pub fn that_synced(&self, offset: ReplOffset) -> usize {
        let synced = |r: &&Replica| r.is_confirmed && r.acked_on_disk >= offset;
        self.holders().filter(synced).count()
    }

    /// Replicas that count for `min-replicas-to-write`.
    pub fn good(&self, lag_max_ms: u64, now_ms: u64) -> usize {
        let is_good = |r: &&Replica| now_ms.saturating_sub(r.received_ms) <= lag_max_ms;
        self.holders().filter(is_good).count()
    }
}
