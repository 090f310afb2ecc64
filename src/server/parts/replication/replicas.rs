//! The replicas of this server: what each has said of itself, how far it has been sent the stream,
//! and what it has acknowledged.
//!
//!     Introduced -> Waits -> Sending -> AwaitsAck -> Online
//!              (partial: straight to Online)
//!
//! A replica is a client with the flag `REPLICA`. Its stream is not copied to it: [`Replica::sent`]
//! is its position in the backlog, from which the loop writes to its socket. Few replicas are
//! expected: the table is a list.

use std::collections::VecDeque;

use super::sending::Sending;

use crate::keyspace::ClientId;
use crate::replication::ReplOffset;

/// What a replica says of itself (REPLCONF).
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
    /// `capa observer`: a tool that only watches the stream (`russet tail`).
    pub observer: bool,
    /// `rdb-only 1`: it wants a snapshot and no stream.
    pub rdb_only: bool,
    /// `rdb-filter-only`: which parts of a snapshot it wants.
    pub filter: Option<Filter>,
}

/// The parts of a snapshot that `rdb-filter-only` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Functions,
    Nothing,
}

/// How far a replica has come.
#[derive(Debug, Default)]
pub(in crate::server) enum State {
    /// It has said something of itself, and asked for nothing yet.
    #[default]
    Introduced,
    /// It waits for a snapshot to begin.
    Waits(Waiting),
    /// Its snapshot is being made or sent.
    Sending(Box<Sending>),
    /// It has a whole snapshot of unannounced length: it is sent nothing until it acknowledges.
    AwaitsAck,
    Online,
}

/// A replica that waits for a snapshot to begin.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Waiting {
    pub since_ms: u64,
    /// It asked by SYNC: no +FULLRESYNC, no ACKs.
    pub by_sync: bool,
}

/// One replica.
#[derive(Debug)]
pub struct Replica {
    pub id: ClientId,
    pub facts: Facts,
    pub(in crate::server) state: State,
    /// The position up to which the stream has been given to its socket.
    pub(in crate::server) sent: ReplOffset,
    /// What it has acknowledged: applied, and on its disk.
    pub acked: ReplOffset,
    pub acked_on_disk: ReplOffset,
    /// When it was heard last, monotonic milliseconds.
    pub heard_ms: u64,
    /// Since when what it has still to be sent exceeds the soft limit, monotonic milliseconds.
    pub(in crate::server) over_soft_since_ms: Option<u64>,
    /// It asked by SYNC, and never acknowledges.
    pub(in crate::server) is_mute: bool,
}

impl Replica {
    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online)
    }

    /// INFO's word for its state.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            State::Introduced | State::Waits(_) => "wait_bgsave",
            State::Sending(sending) if sending.waits() => "wait_bgsave",
            State::Sending(_) | State::AwaitsAck => "send_bulk",
            State::Online => "online",
        }
    }
}

/// Disconnected replicas that are remembered.
const DEPARTED_MAX: usize = 16;

/// All replicas, oldest first.
#[derive(Debug, Default)]
pub struct Replicas {
    all: Vec<Replica>,
    /// Addresses of replicas that were disconnected last, and what they had acknowledged.
    departed: VecDeque<(String, u16, ReplOffset)>,
}

impl Replicas {
    /// Replicas that have asked for the stream.
    pub fn iter(&self) -> impl Iterator<Item = &Replica> {
        self.all
            .iter()
            .filter(|r| !matches!(r.state, State::Introduced))
    }

    pub(in crate::server) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.all
            .iter_mut()
            .filter(|r| !matches!(r.state, State::Introduced))
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

    pub(in crate::server) fn get_mut(&mut self, id: ClientId) -> Option<&mut Replica> {
        self.all.iter_mut().find(|replica| replica.id == id)
    }

    /// The entry of a client that says something of itself.
    pub fn introduce(&mut self, id: ClientId, now_ms: u64) -> &mut Replica {
        let at = match self.all.iter().position(|replica| replica.id == id) {
            Some(at) => at,
            None => {
                self.all.push(Replica {
                    id,
                    facts: Facts::default(),
                    state: State::Introduced,
                    sent: 0,
                    acked: 0,
                    acked_on_disk: 0,
                    heard_ms: now_ms,
                    over_soft_since_ms: None,
                    is_mute: false,
                });
                self.all.len() - 1
            }
        };
        &mut self.all[at]
    }

    /// The client is gone. Returns whether it was a replica.
    pub(in crate::server) fn remove(&mut self, id: ClientId) -> bool {
        let Some(at) = self.all.iter().position(|replica| replica.id == id) else {
            return false;
        };
        !matches!(self.all.remove(at).state, State::Introduced)
    }

    /// A replica that has acknowledged something is disconnected; `ip` as it is announced.
    pub(in crate::server) fn remember(&mut self, ip: String, port: u16, acked: ReplOffset) {
        self.departed
            .retain(|(its_ip, its_port, _)| (its_ip, *its_port) != (&ip, port));
        self.departed.push_back((ip, port, acked));
        if self.departed.len() > DEPARTED_MAX {
            self.departed.pop_front();
        }
    }

    /// See [`Replicas::remember`].
    pub(in crate::server) fn departed(&self) -> impl Iterator<Item = &(String, u16, ReplOffset)> {
        self.departed.iter()
    }

    pub(in crate::server) fn forget_departed(&mut self) {
        self.departed.clear();
    }

    /// Replicas that receive the stream, or will after their snapshot.
    fn readers(&self) -> impl Iterator<Item = &Replica> {
        let reads = |r: &&Replica| !matches!(r.state, State::Introduced | State::Waits(_));
        self.all.iter().filter(reads).filter(|r| !r.facts.rdb_only)
    }

    /// The first position of the stream that a replica has still to be sent.
    pub(in crate::server) fn unsent(&self) -> Option<ReplOffset> {
        self.readers().map(|replica| replica.sent).min()
    }

    /// Replicas that are online and have the data.
    fn holders(&self) -> impl Iterator<Item = &Replica> {
        let holds = |r: &&Replica| r.is_online() && !r.facts.observer;
        self.all.iter().filter(holds)
    }

    /// Replicas that are online and have acknowledged this position.
    pub fn that_acked(&self, offset: ReplOffset) -> usize {
        self.holders().filter(|r| r.acked >= offset).count()
    }

    /// Replicas that are online and have this position on disk.
    pub fn that_synced(&self, offset: ReplOffset) -> usize {
        let synced = |r: &&Replica| r.acked_on_disk >= offset;
        self.holders().filter(synced).count()
    }

    /// Replicas that count for `min-replicas-to-write`.
    pub fn good(&self, lag_max_ms: u64, now_ms: u64) -> usize {
        let is_good = |r: &&Replica| now_ms.saturating_sub(r.heard_ms) <= lag_max_ms;
        self.holders().filter(is_good).count()
    }
}
