//! This server as a primary: PSYNC, the snapshots of full synchronizations, acknowledgements.
//!
//! `russet_replication::primary` decides; here the decisions are carried out: replies, snapshots,
//! lines of the log.
//!
//! Invariant: a replica is sent no byte of the stream beyond [`Past::sendable`].
//!
//! Cost: PSYNC and the start of a snapshot O(replicas); the snapshot is written by
//! `parts::persist::snapshot` and sent by `run::feed`.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::table::Clients;
use crate::parts::migration::MigrationDriver;
use crate::parts::persist::snapshot::{SyncContent, SyncForm};
use crate::parts::replication::packing::CompressedLink;
use crate::parts::replication::replica_link::Replica;
use crate::parts::replication::sending::SnapshotTransfer;
use crate::parts::replication::{PausePoint, Replication};
use crate::parts::run::turn::Turn;
use crate::parts::users::Acl;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::text::with_article;
use russet_command::CommandError;
use russet_config::{Config, Dialect};
use russet_keyspace::{ClientId, Keyspace};
use russet_persistence::aof::LogFeed;
use russet_persistence::rdb::{
    Obstacle, PeerFormat, RdbOrigin, VERSION_MEMBER_TTLS, obstacle, sync_version,
    version_with_imports,
};
use russet_replication::primary::{
    DueSnapshot, FailingReplicas, Filter, ReaderMake, Refusal, SnapshotFraming, SyncAnswer,
    SyncNeeds, SyncRequest,
};
use russet_replication::{ChannelProtocol, Position, ReplOffset};
use russet_resp::Reply;

/// The highest RDB version of a replica that announces no version: Redis 7.0 reads 10; a replica
/// that knows the RDB channel is Redis 8.
const OLD_RDB: u32 = 10;
const REDIS_8_RDB: u32 = 12;

fn content(needs: SyncNeeds) -> SyncContent {
    match needs.filter {
        None => SyncContent::Everything,
        Some(Filter::Functions) => SyncContent::FunctionsOnly,
        Some(Filter::Nothing) => SyncContent::Nothing,
    }
}

/// Describes for the log the data that a replica cannot read.
fn obstacle_line(obstacle: &Obstacle) -> String {
    let Obstacle { what, version, key } = obstacle;
    let key = key.as_ref().map_or_else(String::new, |(at, key)| {
        format!(", such as '{}' (db {})", key.escape_ascii(), at.0)
    });
    let what = with_article(what);
    format!(" There is a key that is {what}{key}, which needs RDB version {version}.")
}

fn peer_format(reader: ReaderMake) -> PeerFormat {
    match reader {
        ReaderMake::Russet => PeerFormat::Redis {
            max: VERSION_MEMBER_TTLS,
        },
        ReaderMake::Valkey(version) => PeerFormat::Valkey { version },
        ReaderMake::Redis8 => PeerFormat::Redis { max: REDIS_8_RDB },
        ReaderMake::Unknown => PeerFormat::Redis { max: OLD_RDB },
    }
}

impl Server {
    /// PSYNC and SYNC. The reply follows when a snapshot begins, unless the stream continues.
    pub fn synchronize(
        &mut self,
        keyspace: &mut Keyspace,
        client: &mut Client,
        reply: &mut Reply,
        asked: SyncRequest,
    ) -> Result<(), CommandError> {
        // As in Redis, which counts a monitor among the replicas.
        if (client.flags).intersects(ClientFlags::REPLICA | ClientFlags::MONITOR) {
            return Ok(());
        }
        if self.replication.is_cut_off() {
            return Err(CommandError::Text(
                "NOMASTERLINK Can't SYNC while not connected with my master",
            ));
        }
        let group = self.replication.quorum.as_ref();
        if group.is_some_and(|group| !group.leads() && group.core.group().is_some()) {
            return Err(CommandError::Text(
                "NOMASTERLINK Can't SYNC while this server does not lead its group",
            ));
        }
        if !reply.is_empty() {
            return Err(CommandError::Text(
                "ERR SYNC and PSYNC are invalid with pending output",
            ));
        }
        let (peer, now_ms) = (client.link_peer(), self.now.mono_ms);
        let name = self.replication.replicas.introduce(peer, now_ms).name();
        tracing::info!("Replica {name} asks for synchronization");
        let node = self.replication.replicas.node_of(client.id);
        if let Some(node) = node {
            self.trust_node(&node, "it replicates this node");
        }
        self.open_backlog(keyspace);
        let log = match asked {
            SyncRequest::From(from) if !self.stream.continues(from) => self.past().log_feed(from),
            _ => None,
        };
        let (refusal, answer) = self.replication.replicas.request(
            peer,
            asked,
            &self.stream,
            log.is_some(),
            &self.config,
            now_ms,
        );
        if let (Some(refusal), SyncRequest::From(from)) = (refusal, asked) {
            self.log_refusal(refusal, from, &name);
        }
        match answer {
            SyncAnswer::Continues { names_history } => {
                self.continue_stream(client, reply, log, names_history, &name);
                return Ok(());
            }
            SyncAnswer::OpensChannel(protocol) => {
                offer_channel(&mut self.acl, client, reply, protocol);
                tracing::info!(
                    "Replica {name} is capable of rdb channel synchronization, and partial sync \
                     isn't possible. Full sync will continue with dedicated rdb channel."
                );
                return Ok(());
            }
            SyncAnswer::MainIsGone => {
                return Err(CommandError::Text("ERR The main connection is gone"));
            }
            SyncAnswer::Waits { is_second: true } => client.flags |= ClientFlags::RDB_CHANNEL,
            SyncAnswer::Waits { is_second: false } => {}
        }
        self.acl.becomes_link(client, ClientFlags::REPLICA);
        if self.config.repl_diskless_sync && self.config.repl_diskless_sync_delay > 0 {
            tracing::info!("Delay next BGSAVE for diskless SYNC");
        }
        Ok(())
    }

    /// Opens the backlog for the first replica: the stream is counted from here on.
    pub(crate) fn open_backlog(&mut self, keyspace: &mut Keyspace) {
        if self.stream.backlog().is_some() {
            return;
        }
        self.stream.keep_backlog(self.config.repl_backlog_size);
        self.update_effects(keyspace);
        tracing::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            self.stream.history().id,
            self.stream.history().earlier_id()
        );
    }

    /// Says in the log why a replica cannot continue after `from`.
    fn log_refusal(&self, refusal: Refusal, from: Position, name: &str) {
        if let Refusal::Ahead(end) = refusal {
            tracing::warn!(
                "Replica {name} is ahead: it has the history {} up to offset {}, this server \
                 up to offset {end}. What it has beyond was lost here, and it is synchronized \
                 anew.",
                from.id,
                from.offset
            );
        }
        match refusal {
            Refusal::Undo => tracing::info!(
                "Partial resynchronization not accepted: after the offset {} a flush was undone, which \
                 replica {name} cannot repeat",
                from.offset
            ),
            Refusal::Past => tracing::info!(
                "Unable to partial resync with replica {name} for lack of backlog (Replica request \
                 was: {}).",
                from.offset + 1
            ),
            Refusal::Foreign | Refusal::Ahead(_) => tracing::info!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for \
                 '{}', my replication IDs are '{}' and '{}')",
                from.id,
                self.stream.history().id,
                self.stream.history().earlier_id()
            ),
        }
    }

    /// +CONTINUE: the backlog serves the replica, or the log does.
    fn continue_stream(
        &mut self,
        client: &mut Client,
        reply: &mut Reply,
        log: Option<LogFeed>,
        names_history: bool,
        name: &str,
    ) {
        if names_history {
            let id = self.stream.history().id;
            reply.raw(format!("+CONTINUE {id}\r\n").as_bytes())
        } else {
            reply.raw(b"+CONTINUE\r\n")
        }
        let source = match log {
            Some(_) => "the append only file",
            None => "backlog",
        };
        let mut sent = 0;
        if let Some(replica) = self.replication.replicas.get_mut(client.id) {
            sent = replica.sent;
            replica.transport.log = log.map(Box::new);
        }
        self.replication.begin_packing(&self.config, client.id);
        self.acl.becomes_link(client, ClientFlags::REPLICA);
        self.replication
            .asks_each_turn(&mut self.persist, &mut self.stream, &self.now);
        let end = self.stream.offset();
        self.replication.sync_writes.owe_note(end);
        tracing::info!(
            "Partial resynchronization request from {name} accepted. Sending {} bytes of {source} \
             starting from offset {}.",
            end - sent,
            sent + 1
        );
    }

    /// REPLCONF ACK: a replica has applied the stream up to `applied`, and has it on disk up to
    /// `synced`.
    pub fn acknowledged(&mut self, id: ClientId, applied: ReplOffset, synced: Option<ReplOffset>) {
        let now_ms = self.now.mono_ms;
        let replicas = &mut self.replication.replicas;
        if replicas.get(id).is_none() {
            return;
        }
        if replicas.acknowledge(id, applied, synced, now_ms) {
            self.replica_online(id);
        }
        self.replication.has_acks = true;
        self.quorum_acknowledged(id, applied, synced);
    }

    /// A replica has everything: it gets the stream from here on.
    pub(crate) fn replica_online(&mut self, id: ClientId) {
        let begins = self.replication.replicas.go_online(id, self.now.mono_ms);
        if begins {
            self.replication.begin_packing(&self.config, id);
        }
        if let Some(replica) = self.replication.replicas.get(id) {
            tracing::info!("Synchronization with replica {} succeeded", replica.name());
        }
        self.replication
            .asks_each_turn(&mut self.persist, &mut self.stream, &self.now);
        let end = self.stream.offset();
        self.replication.sync_writes.owe_note(end);
        let replica = self.replication.replicas.get(id);
        if replica.is_some_and(|replica| is_packed_otherwise(&self.config, replica)) {
            close_changed(&mut self.turn, &mut self.clients, id);
        }
        self.update_interest();
    }

    /// A client is gone: forgets it if it was a replica. Called for every client that ends.
    pub(crate) fn replica_gone(&mut self, client: &Client) {
        let ending = client.ending.as_deref();
        let is_killed = ending.is_some_and(|ending| ending.reason == EndReason::Killed);
        let replicas = &mut self.replication.replicas;
        let departure = replicas.depart(client.id, is_killed, self.now.mono_ms);
        if departure.was_replica && self.replication.replicas.packing() == 0 {
            self.replication.packs.free();
        }
        if departure.is_last {
            self.update_interest();
        }
        for other in departure.useless {
            let detail = "the other connection of the replica ended";
            if self.turn.close_by_id(
                &mut self.clients,
                other,
                Disconnection::new(EndReason::Link, detail),
            ) {
                tracing::info!("The other connection of a replica that uses two is closed.");
            }
        }
    }

    /// The snapshot that replicas wait for, if it is due.
    fn due_snapshot(&mut self, keyspace: &Keyspace) -> Option<DueSnapshot> {
        if !self.replication.replicas.waits_for_snapshot() {
            return None;
        }
        // Others may join it as long as it is being made, and can be read from its begin.
        let spool = self.replication.sync.as_ref();
        let is_open = spool.is_some_and(|it| {
            it.total().is_none() && it.failure().is_none() && it.reader().is_some()
        });
        let is_busy = self.persist.snapshots.in_progress()
            || self.persist.aof.rewrites.in_progress()
            || self.persist.loading.in_progress();
        let now_ms = self.now.mono_ms;
        let replicas = &mut self.replication.replicas;
        let mut failing = std::mem::take(&mut replicas.failing);
        let may_copy = |replica: &Replica| {
            let main = replica.facts.main.and_then(|main| replicas.get(main));
            let address = main.unwrap_or(replica).address();
            let reader = replica.facts.reader();
            may_copy(&mut failing, keyspace, (address, reader), now_ms)
        };
        let state = (is_open, is_busy);
        let due = replicas.due_snapshot(&self.config, &self.stream, state, now_ms, may_copy);
        replicas.failing = failing;
        due
    }
}

impl Engine {
    /// Begins the snapshot that replicas wait for, if it is due; or lets them join the current
    /// snapshot.
    pub(crate) fn begin_due_syncs(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let (ids, needs) = match server.due_snapshot(keyspace) {
            Some(DueSnapshot::Begins(ids, needs)) => (ids, needs),
            Some(DueSnapshot::Joins(ids)) => {
                tracing::info!("Waiting for end of BGSAVE for SYNC");
                return server.send_snapshot(&ids);
            }
            None => return,
        };
        match needs.sent_as {
            SnapshotFraming::Mark if needs.by_channel => tracing::info!(
                "Starting BGSAVE for SYNC with target: replicas sockets (rdb-channel)"
            ),
            SnapshotFraming::Mark => {
                tracing::info!("Starting BGSAVE for SYNC with target: replicas sockets")
            }
            SnapshotFraming::Length => tracing::info!("Starting BGSAVE for SYNC with target: disk"),
        }
        let form = sync_form(
            &server.config,
            server.migrations.as_deref(),
            keyspace,
            needs,
        );
        match server.begin_sync_snapshot(keyspace, form) {
            Ok(spool) => {
                // In Valkey's dialect the snapshot names the imports: the stream must not, because
                // Valkey's replicas take an import that begins for an import without keys.
                if server.config.dialect == Dialect::Redis {
                    server.with_migrations(keyspace, |m, around| m.announce_again(around));
                }
                let at = server.stream.position();
                // The snapshot names no database for the stream after it.
                server.stream.select_anew();
                server.replication.replicas.snapshot_begun(needs, at);
                server.replication.sync = Some(spool);
                server.send_snapshot(&ids);
                server.replication.pause_at(PausePoint::SnapshotBegun);
            }
            Err(why) => {
                tracing::warn!("BGSAVE failed, replicas are disconnected: {why}");
                for id in ids {
                    let detail = "the snapshot for it failed";
                    server.turn.close_by_id(
                        &mut server.clients,
                        id,
                        Disconnection::new(EndReason::Link, detail),
                    );
                }
            }
        }
    }
}

impl Replication {
    /// The stream begins for this replica: whether it is compressed stays so as long as the link.
    pub(crate) fn begin_packing(&mut self, config: &Config, id: ClientId) {
        let replica = self.replicas.get(id);
        let packs = replica.is_some_and(|replica| replica.facts.is_packed(config));
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.transport.packing = packs.then(|| Box::new(CompressedLink::new(replica.sent)));
        }
    }

    /// `repl-compression` has changed: links that it concerns are made anew, and continue where
    /// they were. During a snapshot that waits until the replica is online.
    pub(crate) fn repl_compression_changed(
        &mut self,
        config: &Config,
        clients: &mut Clients,
        turn: &mut Turn,
    ) {
        let others = self.replicas.iter();
        let others = others.filter(|replica| is_packed_otherwise(config, replica));
        let mut ids: Vec<ClientId> = others.map(|replica| replica.id).collect();
        let is_on = config.repl_compression.is_on();
        let upstream = self.upstream.as_ref();
        let upstream = upstream.filter(|upstream| upstream.core.unpacks() != is_on);
        ids.extend(upstream.and_then(|upstream| upstream.client));
        for id in ids {
            close_changed(turn, clients, id);
        }
    }
}

impl Server {
    /// Sends the snapshot that was begun last to these waiting replicas.
    fn send_snapshot(&mut self, ids: &[ClientId]) {
        let now_ms = self.now.mono_ms;
        for &id in ids {
            let Some(spool) = self.replication.sync.clone() else {
                return;
            };
            let Some(reader) = spool.reader() else {
                return;
            };
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            let replicas = &mut self.replication.replicas;
            if let Some(start) = replicas.send_snapshot(id, now_ms) {
                session.reply.raw(start.line(id).as_bytes());
                if let Some(replica) = replicas.get_mut(id) {
                    let snapshot = SnapshotTransfer::new(spool, reader, start.sent_as, now_ms);
                    replica.transport.snapshot = Some(Box::new(snapshot));
                }
                if let Some(main) = start.main {
                    self.replication.begin_packing(&self.config, main);
                }
            }
            self.turn.queue_flush(&mut session);
            self.clients.put_back(session);
        }
    }
}

/// Asks a replica that needs everything to open a second link.
fn offer_channel(acl: &mut Acl, client: &mut Client, reply: &mut Reply, protocol: ChannelProtocol) {
    match protocol {
        ChannelProtocol::RdbChannel { main } => {
            reply.raw(format!("+RDBCHANNELSYNC {main}\r\n").as_bytes());
            acl.becomes_link(client, ClientFlags::REPLICA);
        }
        // The main link sends PSYNC again, once the second link has a snapshot.
        ChannelProtocol::DualChannel => reply.raw(b"+DUALCHANNELSYNC\r\n"),
    }
}

/// Whether the copy for a replica with this address may begin. A replica that has acknowledged none
/// of its earlier copies waits before the next copy, which is logged once for each copy.
fn may_copy(
    failing: &mut FailingReplicas,
    keyspace: &Keyspace,
    ((ip, port), reader): ((String, u16), ReaderMake),
    now_ms: u64,
) -> bool {
    let Some(failing) = failing.at(&ip, port) else {
        return true;
    };
    if failing.retry_ms <= now_ms {
        return true;
    }
    if !std::mem::replace(&mut failing.is_reported, true) {
        let obstacle = obstacle(keyspace, peer_format(reader));
        let needs = obstacle.as_ref().map_or_else(String::new, obstacle_line);
        failing.unreadable = obstacle.map(|it| (it.what, it.version));
        tracing::warn!(
            "Replica {ip}:{port} was sent a whole copy {} times and has acknowledged none: it \
             probably cannot load it.{needs} The next one begins in {} s. `russet check-rdb --for` \
             names what another server cannot read of a file.",
            failing.copies,
            (failing.retry_ms - now_ms).div_ceil(1000)
        );
    }
    false
}

/// Whether the replica's stream is compressed and should no longer be, or the reverse.
fn is_packed_otherwise(config: &Config, replica: &Replica) -> bool {
    replica.is_online() && replica.transport.packing.is_some() != replica.facts.is_packed(config)
}

/// The form of a snapshot that begins now.
fn sync_form(
    config: &Config,
    migrations: Option<&MigrationDriver>,
    keyspace: &Keyspace,
    needs: SyncNeeds,
) -> SyncForm {
    let reads = peer_format(needs.reader);
    let (version, dialect) = match config.rdb_version {
        0 => sync_version(keyspace, reads),
        asked => (asked, RdbOrigin::of_written(asked)),
    };
    let is_valkey = config.dialect == Dialect::Valkey;
    let imports = migrations.filter(|_| is_valkey);
    let has_imports = imports.is_some_and(|it| it.machine.copied_imports().next().is_some());
    let (version, dialect) = match config.rdb_version {
        0 if has_imports => version_with_imports((version, dialect), reads),
        _ => (version, dialect),
    };
    SyncForm {
        version,
        dialect,
        content: content(needs),
        packed: needs.packed,
    }
}

fn close_changed(turn: &mut Turn, clients: &mut Clients, id: ClientId) {
    let detail = "repl-compression was changed";
    turn.close_by_id(clients, id, Disconnection::new(EndReason::Link, detail));
}
