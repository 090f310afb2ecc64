//! The work of each second, and of each turn that sends: time limits of links, PINGs, limits of
//! unsent bytes, the end of an idle backlog.

use super::replica::{ReplicaState, Transport};
use super::replicas::Replicas;
use crate::Stream;
use crate::history::ReplOffset;
use russet_config::Config;
use russet_keyspace::ClientId;

/// The stage in which a link was silent for too long; the texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// A second link that has asked for nothing.
    Handshake,
    /// A link whose snapshot is sent, or a main link without its second link.
    FullSync,
    /// A link with the stream.
    Streaming,
}

impl Silence {
    /// The stage, as Redis's log names it.
    pub fn stage(self) -> &'static str {
        match self {
            Silence::Handshake => "rdb channel handshake",
            Silence::FullSync => "full sync",
            Silence::Streaming => "streaming sync",
        }
    }
}

/// The work of a second.
#[derive(Debug, Default)]
pub struct CronWork {
    /// Main links that did not join in time.
    pub lost_mains: usize,
    /// The stream gets a PING.
    pub pings: bool,
    /// Links that wait for a snapshot get a newline.
    pub waiting: Vec<ClientId>,
    /// Links that are disconnected.
    pub silent: Vec<(ClientId, Silence)>,
}

impl<T: Transport> Replicas<T> {
    /// Called once a second. `may_ping`: the stream may move. `received`: the bytes that a link has
    /// received so far; while a replica loads a snapshot it sends newlines, which are no commands.
    pub fn tend(
        &mut self,
        config: &Config,
        now_ms: u64,
        may_ping: bool,
        received: impl Fn(ClientId) -> u64,
    ) -> CronWork {
        let mut work = CronWork {
            lost_mains: self.drop_old_pins(now_ms),
            ..CronWork::default()
        };
        if self.is_empty() {
            return work;
        }
        let period_ms = u64::from(config.repl_ping_replica_period) * 1000;
        if may_ping && now_ms.saturating_sub(self.pinged_ms) >= period_ms {
            self.pinged_ms = now_ms;
            work.pings = true;
        }
        for replica in self.iter_mut() {
            let bytes = received(replica.id);
            if std::mem::replace(&mut replica.received_bytes, bytes) != bytes {
                replica.received_ms = now_ms;
            }
        }
        let limit_ms = u64::from(config.repl_timeout) * 1000;
        let handshakes = self.silent(now_ms, limit_ms);
        work.silent
            .extend(handshakes.map(|id| (id, Silence::Handshake)));
        for replica in self.iter() {
            let is_silent = now_ms.saturating_sub(replica.received_ms) > limit_ms;
            let is_stuck = || {
                let moved_ms = replica.transport.snapshot_moved_ms();
                now_ms.saturating_sub(moved_ms) > limit_ms
            };
            let silence = match replica.state {
                ReplicaState::Waits(_) => {
                    work.waiting.push(replica.id);
                    None
                }
                ReplicaState::Sending if replica.transport.waits_for_snapshot() => {
                    work.waiting.push(replica.id);
                    None
                }
                ReplicaState::Sending => is_stuck().then_some(Silence::FullSync),
                ReplicaState::Online if replica.is_mute => None,
                ReplicaState::Online | ReplicaState::AwaitsAck => {
                    is_silent.then_some(Silence::Streaming)
                }
                // The main link of two is silent while the second link is at work.
                ReplicaState::AwaitsSnapshot | ReplicaState::Streams => {
                    (is_silent && !self.has_second(replica)).then_some(Silence::FullSync)
                }
                ReplicaState::Introduced => None,
            };
            work.silent
                .extend(silence.map(|silence| (replica.id, silence)));
        }
        work
    }

    /// Whether a primary without replicas has kept its backlog for `repl-backlog-ttl`. Called once
    /// a second while nothing else needs the backlog.
    pub fn outlasts_backlog(&mut self, config: &Config, now_ms: u64) -> bool {
        let ttl_ms = config.repl_backlog_ttl.saturating_mul(1000);
        if ttl_ms == 0 || !self.is_empty() {
            return false;
        }
        let since_ms = *self.alone_since_ms.get_or_insert(now_ms);
        let is_over = now_ms.saturating_sub(since_ms) >= ttl_ms;
        if is_over {
            self.alone_since_ms = None;
        }
        is_over
    }

    /// Replicas for which too much of the stream is held (`client-output-buffer-limit replica`).
    pub fn over_limit(&mut self, config: &Config, stream: &Stream, now_ms: u64) -> Vec<ClientId> {
        let limit = config.client_output_buffer_limit.replica;
        let backlog = stream.backlog().map_or(0, |backlog| backlog.size());
        let long_ms = limit.soft_seconds.saturating_mul(1000);
        let mut over = Vec::new();
        for replica in self.iter_mut() {
            let held = match replica.state {
                ReplicaState::Waits(_) | ReplicaState::AwaitsSnapshot => 0,
                _ if replica.facts.rdb_only => 0,
                // The log has it.
                _ if replica.transport.reads_log() => 0,
                _ => stream.offset().saturating_sub(replica.sent),
            };
            let exceeds = |bytes: u64| bytes > 0 && held > bytes.max(backlog);
            let is_soft = exceeds(limit.soft_bytes);
            let since_ms = if is_soft {
                *replica.over_soft_since_ms.get_or_insert(now_ms)
            } else {
                replica.over_soft_since_ms = None;
                now_ms
            };
            if exceeds(limit.hard_bytes) || is_soft && now_ms.saturating_sub(since_ms) > long_ms {
                over.push(replica.id);
            }
        }
        over
    }

    /// The position from which on the backlog has to serve replicas, if it may hold so many bytes
    /// beside its size; replicas that are further back are served from the log.
    pub fn log_serves_before(
        &self,
        config: &Config,
        stream: &Stream,
        beside_max: u64,
    ) -> Option<ReplOffset> {
        let backlog = stream.backlog()?;
        let limit = config.client_output_buffer_limit.replica;
        let bounds = [limit.soft_bytes, limit.hard_bytes].map(|bytes| match bytes {
            0 => u64::MAX,
            bytes => bytes.max(backlog.size()),
        });
        let most = bounds
            .into_iter()
            .fold(backlog.size() + beside_max, u64::min);
        Some(stream.offset().saturating_sub(most))
    }
}
