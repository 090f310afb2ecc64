//! Changes of role: REPLICAOF, the end of a link, a link that comes online.
//!
//! Invariants
//!   1. Following keeps data and history: this server asks the new primary to continue from its own
//!      position.
//!   2. A promotion begins a new id that continues the old id up to its offset. The server
//!      disconnects all replicas, so that they learn the new id.
//!   3. No wait of a client outlives the change from primary to replica; in a cluster of Valkey's
//!      dialect the new routes decide on it.
//!
//! Cost: O(clients) to become a replica, O(replicas) to become a primary.
//! Stages of the link: `russet_replication::upstream`, whose actions `upstream` carries out. The
//! snapshot: `load`.

use crate::clients::blocked::{BlockingState, Until};
use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::parts::cluster::ClusterDriver;
use crate::parts::replication::upstream::Upstream;
use crate::parts::replication::{Replication, announced_port};
use crate::parts::run::turn::Turn;
use crate::process;
use crate::process::log::{MASTER, MASTER_FIRST, MASTER_INSIDE};
use crate::replication::stream::holds_stream;
use crate::state::Server;
use russet_base::clock::Now;
use russet_command::CommandError;
use russet_config::{Config, ReplicaOf, Text};
use russet_keyspace::{Audience, ClientId, DbIndex, Keyspace};
use russet_replication::upstream::Answer;
use russet_replication::{Introduction, Position, Stream};

const UNBLOCKED: CommandError = CommandError::Text(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

impl Server {
    /// The primary of the configuration file, once the data is loaded.
    pub(crate) fn follow_configured(&mut self, keyspace: &mut Keyspace) {
        if let Some((host, port)) = self.config.replicaof.0.clone() {
            self.stream.resume_following();
            self.follow(keyspace, &host, port);
            if let Some(upstream) = &mut self.replication.upstream {
                // The data is that of the last run, when this server followed the same address.
                upstream.core.is_familiar = upstream.core.has_data;
                upstream.core.demoted = None;
            }
        } else {
            self.update_sync_writes(keyspace);
        }
    }

    /// REPLICAOF: this server follows another server from now on. Its data is replaced, or
    /// continued if that server has the same history.
    pub fn follow(&mut self, keyspace: &mut Keyspace, host: &[u8], port: u16) {
        let was_replica = self.replication.is_replica();
        self.drop_link(keyspace);
        if !was_replica {
            self.cease_to_lead(keyspace, Some((host, port)));
        }
        self.replication.is_leaderless = false;
        let host = String::from_utf8_lossy(host).into_owned();
        let before = self.replication.upstream.take();
        let mut upstream = Upstream::new(host.clone(), port, self.now.mono_ms);
        upstream.core.is_copy = before.as_ref().is_some_and(|before| before.core.is_copy);
        upstream.core.demoted = match before {
            Some(before) => before.core.demoted,
            None => Some(self.stream.position()),
        };
        // A former primary, or a replica of another primary, has data that may be continued.
        upstream.core.has_data = self.stream.is_known();
        self.replication.upstream = Some(Box::new(upstream));
        self.config.replicaof = ReplicaOf(Some((Text::from(host.as_bytes()), port)));
        self.stream.set_followed(true);
        self.role_changed(keyspace);
        tracing::info!("Connecting to {MASTER} {host}:{port}");
    }

    /// This server is the primary no longer. `primary`: where clients that wait are sent.
    pub(super) fn cease_to_lead(&mut self, keyspace: &mut Keyspace, primary: Option<(&[u8], u16)>) {
        // Pending effects go first: from then on the stream is the primary's.
        keyspace.record_dropped(Audience::LOG);
        self.repeat_effects(keyspace);
        self.depose_sync_writes();
        self.end_blocked(keyspace, primary);
    }

    /// REPLICAOF NO ONE: a replica becomes a primary. This server's replicas must reconnect,
    /// because the id of the history changes.
    pub fn become_primary(&mut self, keyspace: &mut Keyspace) {
        if !self.replication.is_replica() {
            return;
        }
        self.drop_link(keyspace);
        self.replication.upstream = None;
        self.replication.is_leaderless = false;
        self.config.replicaof = ReplicaOf(None);
        self.stream.set_followed(false);
        self.stream.promote();
        tracing::info!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            self.stream
                .history()
                .earlier
                .map_or_else(String::new, |(id, _)| id.to_string()),
            self.stream.offset() + 1,
            self.stream.history().id
        );
        self.replication
            .drop_replicas(&mut self.clients, &mut self.turn);
        self.replication.replicas.alone_since_ms = None;
        self.role_changed(keyspace);
        self.begin_log_again(keyspace);
    }

    /// Computes anew everything that depends on the role.
    pub(super) fn role_changed(&mut self, keyspace: &mut Keyspace) {
        self.replication.local_expiries.clear();
        self.update_effects(keyspace);
        keyspace.set_expiring(self.expiring());
        self.update_sync_writes(keyspace);
        self.replication.acks = Default::default();
        // The log has the reason of an error.
        let _ = process::apply_oom_score(&self.config);
        self.update_interest();
    }

    /// Ends the link to the primary, whatever its stage.
    pub(crate) fn drop_link(&mut self, keyspace: &mut Keyspace) {
        let upstream = self.replication.upstream.as_ref();
        let client = upstream.and_then(|upstream| upstream.client);
        self.answer_upstream(keyspace, Answer::GivenUp);
        if let Some(id) = client {
            self.kill_client(keyspace, id, EndReason::Role);
        }
    }

    /// Continues a stream that was held, if nothing holds it any more.
    pub(crate) fn resume_stream(&mut self, id: ClientId) {
        let is_held = |s: &Session| s.client.flags.contains(ClientFlags::POSTPONED);
        if self.clients.get(id).is_some_and(is_held)
            && !holds_stream(&self.now, &self.gates, &self.persist, &self.config)
        {
            self.resume_postponed(vec![id]);
        }
    }

    /// +CONTINUE: the primary's stream continues this server's stream, perhaps under another id.
    /// Returns whether it does.
    pub(crate) fn continues(&mut self, id: Option<russet_replication::ReplId>) -> bool {
        let is_other = id.filter(|&id| self.stream.follow_as(id));
        if let Some(id) = is_other {
            tracing::info!("{MASTER_FIRST} replication ID changed to {id}");
            self.replication
                .drop_replicas(&mut self.clients, &mut self.turn);
        }
        tracing::info!(
            "{MASTER} <-> REPLICA sync: {MASTER_FIRST} accepted a Partial Resynchronization."
        );
        self.stream.keep_backlog(self.config.repl_backlog_size);
        self.end_failover();
        is_other.is_some()
    }

    /// The dataset is the primary's at this position: our stream is the primary's.
    pub(crate) fn adopt_stream(
        &mut self,
        keyspace: &mut Keyspace,
        at: Option<Position>,
        selected: Option<DbIndex>,
    ) {
        // Undone flushes were of the history before.
        self.replication.replicas.undone_now = false;
        self.replication.record_undone(&mut self.persist, None);
        match at {
            Some(at) => self.stream.follow(at, selected),
            // SYNC gives no position: nothing can be continued later.
            None => {
                self.stream.begin_history();
                self.stream.set_selected(selected);
            }
        }
        self.stream.keep_backlog(self.config.repl_backlog_size);
        self.update_effects(keyspace);
        // The primary's replicas may lack parts of the copy.
        self.update_sync_writes(keyspace);
    }

    /// Ends the waits of clients for keys or acknowledgements with an error, because the role has
    /// changed. `primary`: the new primary's host and port, where clients that follow redirections
    /// are sent; `None`: it is not known.
    fn end_blocked(&mut self, keyspace: &mut Keyspace, primary: Option<(&[u8], u16)>) {
        if self.config.dialect.redirects_waits()
            && let Some(cluster) = &mut self.cluster
        {
            cluster.routes_changed = true;
            return;
        }
        let elsewhere = primary.map(|(host, port)| {
            let port = format!(":{port}");
            CommandError::Bytes([b"REDIRECT ", host, port.as_bytes()].concat())
        });
        let blocked = self.clients.iter().filter(|s| s.client.blocked.is_some());
        let mut ids: Vec<ClientId> = blocked.map(|s| s.client.id).collect();
        ids.sort_unstable();
        for id in ids {
            let blocked = self
                .clients
                .get(id)
                .and_then(|s| s.client.blocked.as_deref());
            if blocked.is_some_and(|b| matches!(b.until, Until::Memory { .. })) {
                // The client's work is done: only the memory is still to be freed.
                self.unblock_client(keyspace, id, None);
                continue;
            }
            if let Some(elsewhere) = &elsewhere
                && self.clients.get(id).is_some_and(goes_elsewhere)
            {
                self.unblock_client(keyspace, id, Some(elsewhere));
                continue;
            }
            if self.unblock_client(keyspace, id, Some(&UNBLOCKED))
                && let Some(session) = self.clients.get_mut(id)
            {
                let detail = "its wait ended when the role changed";
                session
                    .client
                    .close_after_reply(Disconnection::new(EndReason::Role, detail));
            }
        }
    }
}

/// Whether a client waits for keys and can be redirected to the primary.
fn goes_elsewhere(session: &Session) -> bool {
    let client = &session.client;
    let waits_for_keys = |blocked: &BlockingState| matches!(blocked.until, Until::Keys { .. });
    client.flags.contains(ClientFlags::REDIRECTS)
        && !client.flags.contains(ClientFlags::READS_HERE)
        && client.blocked.as_deref().is_some_and(waits_for_keys)
}

impl Replication {
    /// Disconnects all replicas: they reconnect and learn the new id.
    pub(crate) fn drop_replicas(&mut self, clients: &mut Clients, turn: &mut Turn) {
        let ids: Vec<ClientId> = self.replicas.iter().map(|r| r.id).collect();
        for id in ids {
            turn.close_by_id(clients, id, EndReason::Role);
        }
    }

    /// REPLICAOF with the primary that is followed already: a snapshot that was refused is taken.
    pub fn accept_sync(&mut self, now: &Now) {
        let now_ms = now.mono_ms;
        if let Some(upstream) = &mut self.upstream {
            upstream.core.accept_sync(now_ms);
        }
    }

    /// The primary has sent something.
    pub(crate) fn record_primary_alive(&mut self, now: &Now) {
        let now_ms = now.mono_ms;
        if let Some(upstream) = &mut self.upstream {
            upstream.core.received_ms = now_ms;
        }
    }

    /// A client, as a rule the primary, has sent a damaged compressed block: its connection ends.
    /// The stream continues after the part that was applied, which was sound.
    #[cold]
    pub(crate) fn log_damaged_stream(&mut self, stream: &Stream, error: &std::io::Error) {
        self.compression_errors += 1;
        tracing::warn!(
            "The compressed stream of {MASTER_INSIDE} is damaged: {error}. The link is made anew, and \
             continues after offset {}.",
            stream.offset()
        );
    }
}

/// The facts that this server may announce to its primary.
pub(crate) fn introduction(
    config: &Config,
    cluster: Option<&ClusterDriver>,
    stream: &Stream,
    quorum: Option<Vec<u8>>,
) -> Introduction {
    let secret = |text: &Text| (!text.is_empty()).then(|| text.to_vec());
    Introduction {
        user: secret(&config.masteruser),
        password: secret(&config.masterauth),
        port: announced_port(config),
        ip: secret(&config.replica_announce_ip),
        rdb_channel: config.repl_rdb_channel,
        dual_channel: config.dual_channel_replication_enabled,
        lz4: config.repl_compression.is_on(),
        dialect: config.dialect,
        node_id: cluster.map(|driver| driver.core.my_id().as_bytes().to_vec()),
        from: Some(stream.position()),
        failover: false,
        quorum,
    }
}

/// The flags of the client that is the link to the primary.
pub(crate) fn greet_primary(stream: &Stream, client: &mut Client) {
    client.flags |= ClientFlags::PRIMARY;
    client.db = stream.selected().unwrap_or_default();
}
