//! PSYNC and SYNC: a replica asks for the stream, and acknowledges it.
//!
//! The stream continues only within this dataset's history, and not over an undo that the replica
//! does not know. Everything else is a whole copy, by one link or by two.

use super::facts::Peer;
use super::replica::{ReplicaState, SnapshotWait, Transport};
use super::replicas::Replicas;
use crate::history::{Position, ReplOffset};
use crate::{ChannelProtocol, Stream};
use russet_config::Config;
use russet_keyspace::ClientId;

/// A request for synchronization, by PSYNC or SYNC.
#[derive(Clone, Copy, Debug)]
pub enum SyncRequest {
    /// Everything, by SYNC.
    Sync,
    /// Everything.
    Full,
    /// The stream after this position.
    From(Position),
    /// The stream after a position whose id is malformed.
    Unknown,
}

/// Why the stream does not continue at the position that a replica asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// After it a flush was undone, which the replica cannot repeat.
    Undo,
    /// Neither the backlog nor the log has the stream from there on any more.
    Past,
    /// It is of another history.
    Foreign,
    /// This server's stream ends before, here.
    Ahead(ReplOffset),
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncAnswer {
    /// +CONTINUE, with the id of the history if the replica understands that.
    Continues {
        /// The replica understands the id.
        names_history: bool,
    },
    /// The replica is to open a second link.
    OpensChannel(ChannelProtocol),
    /// The main link of this second link is gone.
    MainIsGone,
    /// The reply follows when a snapshot begins.
    Waits {
        /// It is the second link of a replica.
        is_second: bool,
    },
}

impl<T: Transport> Replicas<T> {
    /// A client asks for the stream. `is_logged`: the files of the log have it after the position
    /// that is asked for. Beside the answer: why the stream does not continue, if that was asked.
    pub fn request(
        &mut self,
        peer: Peer,
        request: SyncRequest,
        stream: &Stream,
        is_logged: bool,
        config: &Config,
        now_ms: u64,
    ) -> (Option<Refusal>, SyncAnswer) {
        self.introduce(peer, now_ms);
        self.doubt_earlier_links(peer.id);
        let mut refusal = None;
        if let SyncRequest::From(from) = request {
            refusal = self.refusal(peer.id, from, stream, is_logged);
            match refusal {
                None => return (None, self.continue_from(peer.id, from.offset, now_ms)),
                Some(Refusal::Ahead(end)) => {
                    self.ahead.count += 1;
                    self.ahead.last = Some((from.offset, end));
                }
                Some(_) => {}
            }
        }
        if matches!(request, SyncRequest::From(_) | SyncRequest::Unknown) {
            self.syncs.partial_err += 1;
        }
        (
            refusal,
            self.wait_for_snapshot(peer.id, request, config, now_ms),
        )
    }

    /// Why the stream does not continue for a replica after `from`; `None`: it does.
    fn refusal(
        &self,
        id: ClientId,
        from: Position,
        stream: &Stream,
        is_logged: bool,
    ) -> Option<Refusal> {
        let facts = &self.get(id)?.facts;
        if self.crosses_undo(facts, from.offset) {
            Some(Refusal::Undo)
        } else if is_logged || stream.continues(from) {
            None
        } else if let Some(end) = stream.is_ahead(from) {
            Some(Refusal::Ahead(end))
        } else if stream.is_past(from) {
            Some(Refusal::Past)
        } else {
            Some(Refusal::Foreign)
        }
    }

    fn continue_from(&mut self, id: ClientId, offset: ReplOffset, now_ms: u64) -> SyncAnswer {
        self.alone_since_ms = None;
        self.syncs.partial_ok += 1;
        let Some(replica) = self.get_mut(id) else {
            return SyncAnswer::MainIsGone;
        };
        let (second, names_history) = (replica.facts.second, replica.facts.psync2);
        // The main link of two gets the stream while the second link brings the snapshot.
        replica.state = match second {
            Some(_) => ReplicaState::Streams,
            None => ReplicaState::Online,
        };
        (replica.sent, replica.acked) = (offset, offset);
        replica.is_confirmed = second.is_none();
        replica.received_ms = now_ms;
        if let Some(second) = second {
            self.unpin(second);
        }
        SyncAnswer::Continues { names_history }
    }

    fn wait_for_snapshot(
        &mut self,
        id: ClientId,
        request: SyncRequest,
        config: &Config,
        now_ms: u64,
    ) -> SyncAnswer {
        let Some(replica) = self.get_mut(id) else {
            return SyncAnswer::MainIsGone;
        };
        if let Some(channel) = replica.facts.channel(config, id) {
            if matches!(channel, ChannelProtocol::RdbChannel { .. }) {
                replica.state = ReplicaState::AwaitsSnapshot;
                replica.received_ms = now_ms;
                self.alone_since_ms = None;
            }
            // With Valkey's protocol the main link sends PSYNC again, once the second link has a
            // snapshot.
            return SyncAnswer::OpensChannel(channel);
        }
        let (main, is_second) = (replica.facts.main, replica.facts.rdb_channel_link);
        if main.is_some_and(|main| !self.awaits_second(main)) {
            return SyncAnswer::MainIsGone;
        }
        self.syncs.full += 1;
        let main = main.and_then(|main| self.get(main));
        let main_knows_undo = main.is_some_and(|main| main.facts.flush_undo);
        if let Some(replica) = self.get_mut(id) {
            // The second link announces less than the main link, and reads the same snapshots.
            replica.facts.flush_undo |= main_knows_undo;
            replica.is_mute = matches!(request, SyncRequest::Sync);
            replica.received_ms = now_ms;
            replica.state = ReplicaState::Waits(SnapshotWait {
                since_ms: now_ms,
                by_sync: replica.is_mute,
            });
        }
        self.alone_since_ms = None;
        SyncAnswer::Waits { is_second }
    }

    /// Whether this client is a main link that waits for its second link.
    pub fn awaits_second(&self, main: ClientId) -> bool {
        let replica = self.get(main);
        replica.is_some_and(|replica| replica.state == ReplicaState::AwaitsSnapshot)
    }

    /// Whether the stream after `from` has an undo, and the replica does not know FLUSH UNDO.
    pub fn crosses_undo(&self, facts: &super::Facts, from: ReplOffset) -> bool {
        let is_later = self.undone_at.is_some_and(|at| from < at);
        !facts.knows_undo() && (is_later || self.undone_now)
    }

    /// Other links with this link's announced address count as replaced until an acknowledgement
    /// arrives on them: that distinguishes replicas that share an address from a replica that has
    /// connected again.
    fn doubt_earlier_links(&mut self, id: ClientId) {
        let Some(this) = self.get(id) else {
            return;
        };
        if this.facts.port == 0 || this.facts.rdb_channel_link {
            return;
        }
        let address = this.address();
        let asks = |other: &&mut super::Replica<T>| other.state != ReplicaState::Introduced;
        for other in self.all.iter_mut().filter(asks) {
            if other.id != id && other.address() == address {
                other.is_replaced = true;
            }
        }
    }

    /// A replica has applied the stream up to `applied`, and has it on disk up to `synced`. Returns
    /// whether that makes it online.
    pub fn acknowledge(
        &mut self,
        id: ClientId,
        applied: ReplOffset,
        synced: Option<ReplOffset>,
        now_ms: u64,
    ) -> bool {
        let Some(replica) = self.get_mut(id) else {
            return false;
        };
        replica.received_ms = now_ms;
        (replica.is_confirmed, replica.is_replaced) = (true, false);
        replica.acked = replica.acked.max(applied);
        replica.acked_on_disk = replica.acked_on_disk.max(synced.unwrap_or(0));
        let was_waited_for = matches!(
            replica.state,
            ReplicaState::AwaitsAck | ReplicaState::Streams
        );
        if !self.failing.is_empty() {
            let name = self.name_of(id);
            self.failing.recovered(&name);
        }
        was_waited_for
    }

    /// A replica has everything: it gets the stream from here on. Returns whether the stream only
    /// begins for it now.
    pub fn go_online(&mut self, id: ClientId, now_ms: u64) -> bool {
        let Some(replica) = self.get_mut(id) else {
            return false;
        };
        let begins = !replica.gets_stream();
        replica.state = ReplicaState::Online;
        replica.facts.second = None;
        replica.received_ms = now_ms;
        begins
    }
}
