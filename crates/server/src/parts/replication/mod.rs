//! Replication: which servers follow this one (`replication::primary`), and which server it follows
//! ([`upstream`]). The stream itself, its offset and its history, belongs to `replication::Stream`.
//!
//! Both own state and answer questions; the loop drives the sockets (`run::upstream`,
//! `run::write`), and `server::replication` carries out the consequences of a change of role for
//! the rest of the server.

pub mod changes;
pub mod failover;
pub mod local_expiries;
pub mod packing;
pub mod past;
pub mod quorum;
pub mod replica_link;
pub mod sending;
mod slow;
pub mod sync_writes;
pub mod upstream;

use russet_base::clock::Now;
use russet_config::Config;
use russet_keyspace::ClientId;
use russet_persistence::spool::Spool;
use russet_replication::Stream;
use russet_replication::quorum::QuorumNote;
use rustix::process::{Signal, getpid, kill_process};

use failover::Failover;
use local_expiries::LocalExpiries;
use packing::Packs;
use quorum::QuorumDriver;
use replica_link::{Replica, Replicas};
use sync_writes::SyncWrites;

use russet_replication::ReplOffset;
use russet_replication::primary::ReplicaState;
use russet_replication::upstream::Phase;

use upstream::Upstream;

/// See the module.
#[derive(Default)]
pub struct Replication {
    /// The servers that follow this one.
    pub replicas: Replicas,
    /// The primary that this server follows; `None`: it is a primary itself.
    pub upstream: Option<Box<Upstream>>,
    /// The last second in which cron checked the links.
    pub(crate) tended_s: u64,
    /// A client waits for acknowledgements: the stream gets a GETACK in this turn.
    pub(crate) asks_acks: bool,
    /// The stream leaves in this turn, without waiting for more bytes.
    pub(crate) sends_at_once: bool,
    /// Since when a part of the stream waits for more, in ticks (`run::feed`).
    pub(crate) gathers_since: Option<u64>,
    /// Acknowledgements have been received since the clients that wait for them were last checked.
    pub(crate) has_acks: bool,
    /// The bytes of the snapshot for replicas that was begun last.
    pub sync: Option<Spool>,
    /// Compresses the stream for replicas that take it so.
    pub(crate) packs: Packs,
    /// Links on which compressed bytes were damaged.
    pub compression_errors: u64,
    /// Keys that this replica expires by itself.
    pub local_expiries: LocalExpiries,
    /// The writes that the last demotion has lost.
    pub lost: Option<LostWrites>,
    /// Synchronous replication, at a primary.
    pub sync_writes: SyncWrites,
    /// How this replica acknowledges.
    pub(crate) acks: AckHabit,
    /// This server's place in a group whose failovers lose no acknowledged write (`sync-quorum`).
    pub quorum: Option<Box<QuorumDriver>>,
    /// This server has no primary and is none: its group has no leader that it knows.
    pub is_leaderless: bool,
    /// The note of a group in the command that is being applied, until its position is known.
    pub noted: Option<QuorumNote>,
    /// Clients in WAIT or WAITAOF, and some whose wait has ended.
    pub(crate) awaiting_acks: Vec<ClientId>,
    /// FAILOVER in progress.
    pub failover: Option<Failover>,
    /// DEBUG REPL-PAUSE: the point at which the process stops itself.
    pub pause_at: Option<PausePoint>,
}

/// The port at which other servers reach this one.
pub(crate) fn announced_port(config: &Config) -> u16 {
    match config.replica_announce_port {
        0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
        0 => config.port,
        announced => announced,
    }
}

/// How a replica acknowledges its primary's stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AckHabit {
    /// At the end of each turn that has moved the position, instead of each second.
    pub(crate) is_each_turn: bool,
    /// The positions that were sent last: applied, and on disk.
    pub(crate) sent: (ReplOffset, ReplOffset),
}

/// Writes that a demotion has lost.
#[derive(Clone, Debug)]
pub struct LostWrites {
    pub commands: u64,
    /// Bytes of the stream.
    pub bytes: u64,
    /// The file that has them.
    pub file: String,
}

/// The point at which DEBUG REPL-PAUSE stops the process, until it gets SIGCONT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausePoint {
    /// A primary, when a snapshot for replicas has begun.
    SnapshotBegun,
    /// A replica, before it dials the second link.
    BeforeChannel,
    /// A replica, before it replays the stream that the main link has brought.
    Replay,
}

impl Replication {
    /// The primary asks for an acknowledgement, once (`*`), at the end of each turn (`turn`) or
    /// each second (`second`). Returns whether it is sent now, rather than at the end of the turn.
    pub fn set_ack_habit(&mut self, word: &[u8]) -> bool {
        match word {
            b"turn" => self.acks.is_each_turn = true,
            b"second" => self.acks.is_each_turn = false,
            _ => {}
        }
        // At the end of the turn even if the position has not moved.
        self.acks.sent = (0, 0);
        !self.acks.is_each_turn
    }

    /// Whether DEBUG REPL-PAUSE has named this point.
    pub(crate) fn pauses_at(&self, point: PausePoint) -> bool {
        self.pause_at == Some(point)
    }

    /// Stops the process if DEBUG REPL-PAUSE has named this point.
    pub fn pause_at(&self, point: PausePoint) {
        if self.pauses_at(point) {
            tracing::warn!("Process is about to stop: DEBUG REPL-PAUSE");
            // It cannot fail, because the process is the caller.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// Whether a snapshot of the primary is being loaded.
    pub(crate) fn loads(&self) -> bool {
        // A socket has events; a file has none.
        let phase = self.upstream.as_ref().map(|upstream| upstream.core.phase());
        phase == Some(Phase::LoadingFile)
    }

    /// Whether this server is a replica whose link to its primary is down.
    pub fn is_cut_off(&self) -> bool {
        let upstream = self.upstream.as_ref();
        self.is_leaderless || upstream.is_some_and(|upstream| !upstream.is_online())
    }

    /// A note is applied, from a primary or from a file: the note of a group is kept until its
    /// position is known.
    pub fn receive_note(&mut self, message: &[u8]) {
        self.noted = QuorumNote::parse(message);
    }

    /// Whether every replica knows native bitmaps, as far as it says so: a russet does.
    /// O(replicas).
    pub fn all_read_bitmaps(&self) -> bool {
        self.replicas.iter().all(|replica| replica.facts.flush_undo)
    }

    /// Whether this server is a replica.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.upstream.is_some() || self.is_leaderless
    }

    /// Whether clients may not write here. A server of a group without a leader takes no writes,
    /// also if its settings allow replicas writes of their own.
    pub(crate) fn is_read_only(&self, config: &Config) -> bool {
        self.is_replica() && (config.replica_read_only || self.is_leaderless)
    }

    /// Whether this is a replica that has lost its primary, and the settings forbid showing its
    /// data.
    pub(crate) fn is_stale(&self, config: &Config) -> bool {
        !config.replica_serve_stale_data && self.is_cut_off()
    }

    /// Replicas that are online and within `min-replicas-max-lag` (INFO `min_slaves_good_slaves`).
    pub fn good_replicas(&self, config: &Config, now: &Now) -> usize {
        let lag_ms = u64::from(config.min_replicas_max_lag) * 1000;
        let replicas = &self.replicas;
        replicas.good(lag_ms + 999, now.mono_ms)
    }

    /// Whether a write has to be refused because there are too few good replicas
    /// (`min-replicas-to-write`).
    pub(crate) fn lacks_replicas(&self, config: &Config, now: &Now) -> bool {
        let wanted = config.min_replicas_to_write as usize;
        wanted > 0
            && config.min_replicas_max_lag > 0
            && !self.is_replica()
            && self.good_replicas(config, now) < wanted
    }

    /// Bytes of the stream that a client, if it is a replica, has still to be sent. They are in the
    /// backlog.
    pub(crate) fn unsent_to(&self, stream: &Stream, id: ClientId) -> usize {
        let replica = self.replicas.get(id);
        let reads =
            |r: &&Replica| !matches!(r.state, ReplicaState::Introduced | ReplicaState::Waits(_));
        let unsent = replica
            .filter(reads)
            .map_or(0, |r| stream.offset().saturating_sub(r.sent));
        usize::try_from(unsent).unwrap_or(usize::MAX)
    }
}
