//! This server as a primary: PSYNC, the snapshots of full synchronizations, acknowledgements.
//!
//! Invariants
//!   1. A replica is sent no byte of the stream beyond [`Past::sendable`].
//!   2. At most one snapshot for replicas is being made; all waiting replicas with the same needs
//!      share it, and a replica with other needs waits for the snapshot's end.
//!   3. A replica continues only within this dataset's history, from the backlog or from the log.
//!
//! Cost: PSYNC and the start of a snapshot O(replicas); the snapshot is written by
//! `parts::persist::snapshot` and sent by `run::feed`. The second link of a replica: `channel`.

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::table::Clients;
use crate::parts::migration::MigrationDriver;
use crate::parts::persist::snapshot::{SyncContent, SyncForm};
use crate::parts::replication::packing::CompressedLink;
use crate::parts::replication::replicas::{Facts, Filter, Replica, ReplicaState, SnapshotWait};
use crate::parts::replication::sending::{
    SharedSync, SnapshotFraming, SnapshotTransfer, SyncNeeds,
};
use crate::parts::replication::{PausePoint, Replication};
use crate::parts::run::turn::Turn;
use crate::state::Server;
use crate::state::world::Engine;
use russet_base::clock::Now;
use russet_base::text::with_article;
use russet_command::CommandError;
use russet_config::{Config, Dialect};
use russet_keyspace::{ClientId, Keyspace};
use russet_persistence::rdb::{
    Obstacle, PeerFormat, RdbOrigin, VERSION_MEMBER_TTLS, obstacle, sync_version,
    version_with_imports,
};
use russet_replication::{Position, ReplOffset};
use russet_resp::Reply;

/// The highest RDB version of a replica that announces no version: Redis 7.0 reads 10; a replica
/// that knows the RDB channel is Redis 8.
const OLD_RDB: u32 = 10;
const REDIS_8_RDB: u32 = 12;

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

fn content(facts: &Facts) -> SyncContent {
    match facts.filter {
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

fn peer_format(facts: &Facts) -> PeerFormat {
    match facts.version {
        // A russet reads all.
        _ if facts.flush_undo => PeerFormat::Redis {
            max: VERSION_MEMBER_TTLS,
        },
        // A Valkey version with Redis's second link is russet's.
        Some(version) if !facts.rdb_channel => PeerFormat::Valkey { version },
        _ if facts.rdb_channel || facts.main.is_some() => PeerFormat::Redis { max: REDIS_8_RDB },
        _ => PeerFormat::Redis { max: OLD_RDB },
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
        let now_ms = self.now.mono_ms;
        self.replication.replicas.introduce(client.id, now_ms);
        let name = self.replication.replica_name(client);
        tracing::info!("Replica {name} asks for synchronization");
        let node = self.replication.replicas.node_of(client.id);
        if let Some(node) = node {
            self.trust_node(&node, "it replicates this node");
        }
        self.replication.doubt_earlier_links(&self.clients, client);
        self.open_backlog(keyspace);
        if let SyncRequest::From(from) = asked
            && self.continue_stream(client, reply, from, &name)
        {
            return Ok(());
        }
        if matches!(asked, SyncRequest::From(_) | SyncRequest::Unknown) {
            self.replication.syncs.partial_err += 1;
        }
        if self
            .replication
            .offer_channel(&self.config, &self.now, &mut self.acl, client, reply)
        {
            return Ok(());
        }
        let facts = &self.replication.replicas.introduce(client.id, now_ms).facts;
        let (main, is_second) = (facts.main, facts.rdb_channel_link);
        if main.is_some_and(|main| !self.replication.has_main_link(main)) {
            return Err(CommandError::Text("ERR The main connection is gone"));
        }
        if is_second {
            client.flags |= ClientFlags::RDB_CHANNEL;
        }
        self.replication.syncs.full += 1;
        self.acl.becomes_link(client, ClientFlags::REPLICA);
        let main = main.and_then(|main| self.replication.replicas.get(main));
        let main_knows_undo = main.is_some_and(|main| main.facts.flush_undo);
        let replica = self.replication.replicas.introduce(client.id, now_ms);
        // The second link announces less than the main link, and reads the same snapshots.
        replica.facts.flush_undo |= main_knows_undo;
        replica.is_mute = matches!(asked, SyncRequest::Sync);
        replica.received_ms = now_ms;
        replica.state = ReplicaState::Waits(SnapshotWait {
            since_ms: now_ms,
            by_sync: replica.is_mute,
        });
        self.replication.alone_since_ms = None;
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

    /// +CONTINUE, if the backlog or the log has the stream after `from`.
    fn continue_stream(
        &mut self,
        client: &mut Client,
        reply: &mut Reply,
        from: Position,
        name: &str,
    ) -> bool {
        let facts = &self
            .replication
            .replicas
            .introduce(client.id, self.now.mono_ms)
            .facts;
        let facts = facts.clone();
        if self.replication.crosses_undo(&facts, from.offset) {
            tracing::info!(
                "Partial resynchronization not accepted: after the offset {} a flush was undone, which \
                 replica {name} cannot repeat",
                from.offset
            );
            return false;
        }
        let is_held = self.stream.continues(from);
        let log = if is_held {
            None
        } else {
            self.past().log_feed(from)
        };
        if log.is_none() && !is_held {
            if let Some(end) = self.stream.is_ahead(from) {
                let ahead = &mut self.replication.ahead;
                ahead.count += 1;
                ahead.last = Some((from.offset, end));
                tracing::warn!(
                    "Replica {name} is ahead: it has the history {} up to offset {}, this server \
                     up to offset {end}. What it has beyond was lost here, and it is synchronized \
                     anew.",
                    from.id,
                    from.offset
                );
            }
            let asked = from.offset + 1;
            if self.stream.is_past(from) {
                tracing::info!(
                    "Unable to partial resync with replica {name} for lack of backlog (Replica \
                     request was: {asked})."
                )
            } else {
                tracing::info!(
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica \
                     asked for '{}', my replication IDs are '{}' and '{}')",
                    from.id,
                    self.stream.history().id,
                    self.stream.history().earlier_id()
                )
            }
            return false;
        }
        let now_ms = self.now.mono_ms;
        let id = self.stream.history().id;
        let behind = self.stream.offset() - from.offset;
        let replica = self.replication.replicas.introduce(client.id, now_ms);
        if replica.facts.psync2 {
            reply.raw(format!("+CONTINUE {id}\r\n").as_bytes())
        } else {
            reply.raw(b"+CONTINUE\r\n")
        }
        // The main link of two gets the stream while the second link brings the snapshot.
        replica.state = match replica.facts.second {
            Some(_) => ReplicaState::Streams,
            None => ReplicaState::Online,
        };
        let second = replica.facts.second;
        (replica.sent, replica.acked) = (from.offset, from.offset);
        replica.is_confirmed = second.is_none();
        replica.received_ms = now_ms;
        let source = match log {
            Some(_) => "the append only file",
            None => "backlog",
        };
        replica.log = log.map(Box::new);
        self.replication.begin_packing(&self.config, client.id);
        if let Some(second) = second {
            self.replication.replicas.unpin(second);
        }
        self.acl.becomes_link(client, ClientFlags::REPLICA);
        self.replication
            .asks_each_turn(&mut self.persist, &mut self.stream, &self.now);
        let end = self.stream.offset();
        self.replication.sync_writes.owe_note(end);
        self.replication.alone_since_ms = None;
        self.replication.syncs.partial_ok += 1;
        tracing::info!(
            "Partial resynchronization request from {name} accepted. Sending {behind} bytes of \
             {source} starting from offset {}.",
            from.offset + 1
        );
        true
    }

    /// REPLCONF ACK: a replica has applied the stream up to `applied`, and has it on disk up to
    /// `synced`.
    pub fn acknowledged(
        &mut self,
        id: ClientId,
        name: &str,
        applied: ReplOffset,
        synced: Option<ReplOffset>,
    ) {
        let now_ms = self.now.mono_ms;
        let Some(replica) = self.replication.replicas.get_mut(id) else {
            return;
        };
        replica.received_ms = now_ms;
        (replica.is_confirmed, replica.is_replaced) = (true, false);
        replica.acked = replica.acked.max(applied);
        replica.acked_on_disk = replica.acked_on_disk.max(synced.unwrap_or(0));
        if matches!(
            replica.state,
            ReplicaState::AwaitsAck | ReplicaState::Streams
        ) {
            self.replica_online(id, name);
        }
        if !self.replication.failing.is_empty() {
            self.replication.failing.recovered(name);
        }
        self.replication.has_acks = true;
        self.quorum_acknowledged(id, applied, synced);
    }

    /// A replica has everything: it gets the stream from here on.
    pub(crate) fn replica_online(&mut self, id: ClientId, name: &str) {
        let now_ms = self.now.mono_ms;
        let replica = self.replication.replicas.get(id);
        if replica.is_some_and(|replica| !replica.gets_stream()) {
            self.replication.begin_packing(&self.config, id);
        }
        if let Some(replica) = self.replication.replicas.get_mut(id) {
            replica.state = ReplicaState::Online;
            replica.facts.second = None;
            replica.received_ms = now_ms;
            tracing::info!("Synchronization with replica {name} succeeded");
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
        let id = client.id;
        if let Some(replica) = self.replication.replicas.get(id).filter(|r| r.acked > 0) {
            let (port, acked) = (replica.facts.port, replica.acked);
            let ip = replica.facts.announced_ip(Some(client));
            self.replication.replicas.remember(ip, port, acked);
        }
        let now_ms = self.now.mono_ms;
        let replica = self.replication.replicas.get(id);
        // If an operator ends the link, that says nothing about the snapshots that the replica can
        // load.
        let ending = client.ending.as_deref();
        let is_killed = ending.is_some_and(|ending| ending.reason == EndReason::Killed);
        if let Some(replica) = replica.filter(|replica| !is_killed && replica.owes_ack_of_copy()) {
            let address = (replica.facts.announced_ip(Some(client)), replica.facts.port);
            self.replication.failing.note(address, now_ms);
        }
        let (was_replica, useless) = self.replication.replicas.remove(id, now_ms);
        if was_replica && self.replication.replicas.packing() == 0 {
            self.replication.packs.free();
        }
        if was_replica && self.replication.replicas.is_empty() {
            self.replication.alone_since_ms = Some(now_ms);
            self.update_interest();
        }
        for other in useless {
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

    /// Waiting replicas join the current snapshot if it meets their needs, can be read from its
    /// begin, and the backlog has the stream after it.
    fn join_sync(&mut self, ids: &[ClientId], needs: SyncNeeds) -> bool {
        let Some(sync) = self.replication.sync.take() else {
            return false;
        };
        let is_under_way = sync.spool.total().is_none() && sync.spool.failure().is_none();
        if !is_under_way {
            return false;
        }
        let backlog = self.stream.backlog();
        let crosses = |id: &ClientId| {
            let replica = self.replication.replicas.get(*id);
            replica.is_some_and(|its| self.replication.crosses_undo(&its.facts, sync.at.offset))
        };
        let joins = sync.needs == needs
            && !ids.iter().any(crosses)
            && self.stream.history().id == sync.at.id
            && backlog.is_some_and(|backlog| backlog.holds(sync.at.offset))
            && sync.spool.reader().is_some();
        if joins {
            tracing::info!("Waiting for end of BGSAVE for SYNC");
            self.replication.send_snapshot(
                &self.config,
                &self.now,
                &mut self.clients,
                &mut self.turn,
                ids,
                &sync,
            );
        }
        self.replication.sync = Some(sync);
        joins
    }
}

impl Engine {
    /// Begins the snapshot that replicas wait for, if it is due; or lets them join the current
    /// snapshot.
    pub(crate) fn begin_due_syncs(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let waits = |r: &&Replica| matches!(r.state, ReplicaState::Waits(_));
        let waiting: Vec<ClientId> = {
            let replicas = server.replication.replicas.iter();
            replicas.filter(waits).map(|r| r.id).collect()
        };
        let waiting =
            server
                .replication
                .without_failing(&server.clients, &server.now, keyspace, waiting);
        let Some(&first) = waiting.first() else {
            return;
        };
        let needs_of = |server: &Server, id: ClientId| {
            let replica = server.replication.replicas.get(id).expect("it waits");
            sync_needs(&server.config, &replica.facts)
        };
        let needs = needs_of(server, first);
        let waiting = waiting.into_iter();
        let same: Vec<ClientId> = waiting
            .filter(|&id| needs_of(server, id) == needs)
            .collect();
        if server.join_sync(&same, needs) {
            return;
        }
        let replica = server.replication.replicas.get(first).expect("it waits");
        let ReplicaState::Waits(SnapshotWait { since_ms, .. }) = replica.state else {
            return;
        };
        let busy = server.persist.snapshots.in_progress()
            || server.persist.aof.rewrites.in_progress()
            || server.persist.loading.in_progress();
        if busy
            || needs.sent_as == SnapshotFraming::Mark
                && delays_sync(&server.config, &server.now, since_ms, same.len())
        {
            return;
        }
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
                let sync = SharedSync {
                    spool,
                    needs,
                    at: server.stream.position(),
                };
                // The snapshot names no database for the stream after it.
                server.stream.select_anew();
                server.replication.send_snapshot(
                    &server.config,
                    &server.now,
                    &mut server.clients,
                    &mut server.turn,
                    &same,
                    &sync,
                );
                server.replication.sync = Some(sync);
                server.replication.pause_at(PausePoint::SnapshotBegun);
            }
            Err(why) => {
                tracing::warn!("BGSAVE failed, replicas are disconnected: {why}");
                for id in same {
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
    /// A replica's address, as the log names it.
    pub fn replica_name(&self, client: &Client) -> String {
        let replica = self.replicas.get(client.id);
        match replica.map(|replica| &replica.facts) {
            Some(facts) if facts.port > 0 => {
                format!("{}:{}", facts.announced_ip(Some(client)), facts.port)
            }
            _ => format!("client id #{}", client.id.0),
        }
    }

    /// The stream begins for this replica: whether it is compressed stays so as long as the link.
    pub(crate) fn begin_packing(&mut self, config: &Config, id: ClientId) {
        let replica = self.replicas.get(id);
        let packs = replica.is_some_and(|replica| packs_for(config, &replica.facts));
        if let Some(replica) = self.replicas.get_mut(id) {
            replica.packing = packs.then(|| Box::new(CompressedLink::new(replica.sent)));
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

    /// The address of a link's replica in the table of replicas that fail to load their copies.
    pub(crate) fn failing_address(&self, clients: &Clients, replica: &Replica) -> (String, u16) {
        let main = replica.facts.main;
        let main = main.and_then(|main| self.replicas.get(main));
        main.unwrap_or(replica).address(clients)
    }

    /// Whether the copy for a replica may begin now. If not, logs it, once for each copy.
    pub(crate) fn log_failing(
        &mut self,
        clients: &Clients,
        now: &Now,
        keyspace: &Keyspace,
        id: ClientId,
    ) -> bool {
        let Some(replica) = self.replicas.get(id) else {
            return true;
        };
        let reads = peer_format(&replica.facts);
        let (ip, port) = self.failing_address(clients, replica);
        let now_ms = now.mono_ms;
        let Some(failing) = self.failing.at(&ip, port) else {
            return true;
        };
        if failing.retry_ms <= now_ms {
            return true;
        }
        if !std::mem::replace(&mut failing.is_reported, true) {
            failing.obstacle = obstacle(keyspace, reads);
            let needs = failing
                .obstacle
                .as_ref()
                .map_or_else(String::new, obstacle_line);
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

    /// The waiting replicas except replicas in a pause: a replica that has acknowledged none of its
    /// earlier copies waits before the next copy. Logs the pauses.
    pub(crate) fn without_failing(
        &mut self,
        clients: &Clients,
        now: &Now,
        keyspace: &Keyspace,
        waiting: Vec<ClientId>,
    ) -> Vec<ClientId> {
        if self.failing.is_empty() {
            return waiting;
        }
        let may_continue = |id: &ClientId| self.log_failing(clients, now, keyspace, *id);
        waiting.into_iter().filter(may_continue).collect()
    }

    /// Sends this snapshot to these waiting replicas.
    pub(crate) fn send_snapshot(
        &mut self,
        config: &Config,
        now: &Now,
        clients: &mut Clients,
        turn: &mut Turn,
        ids: &[ClientId],
        sync: &SharedSync,
    ) {
        let now_ms = now.mono_ms;
        for &id in ids {
            let Some(reader) = sync.spool.reader() else {
                return;
            };
            let Some(mut session) = clients.take(id) else {
                continue;
            };
            let (mut pinned, mut main) = (None, None);
            if let Some(replica) = self.replicas.get_mut(id) {
                let by_sync = matches!(
                    replica.state,
                    ReplicaState::Waits(SnapshotWait { by_sync: true, .. })
                );
                if by_sync && sync.needs.by_channel {
                    let Position {
                        id: history,
                        offset,
                    } = sync.at;
                    // -1: no database; the stream selects it.
                    let line = format!("$ENDOFF:{offset} {history} -1 {}\r\n", id.0);
                    session.reply.raw(line.as_bytes());
                    pinned = Some(id);
                } else if !by_sync {
                    let Position { id, offset } = sync.at;
                    let line = format!("+FULLRESYNC {id} {offset}\r\n");
                    session.reply.raw(line.as_bytes());
                }
                replica.sent = sync.at.offset;
                let sending =
                    SnapshotTransfer::new(sync.spool.clone(), reader, sync.needs.sent_as, now_ms);
                replica.state = ReplicaState::Sending(Box::new(sending));
                main = replica.facts.main;
            }
            if let Some(second) = pinned {
                self.replicas.pin(second, sync.at.offset);
            }
            if let Some(main) = main {
                self.begin_streaming(config, now, main, sync.at.offset);
            }
            turn.queue_flush(&mut session);
            clients.put_back(session);
        }
    }

    /// Other links with this link's announced address count as replaced until an acknowledgement
    /// arrives on them: that distinguishes replicas that share an address from a replica that has
    /// connected again.
    pub(crate) fn doubt_earlier_links(&mut self, clients: &Clients, client: &Client) {
        let replicas = &self.replicas;
        let Some(this) = replicas.get(client.id).map(|replica| &replica.facts) else {
            return;
        };
        if this.port == 0 || this.rdb_channel_link {
            return;
        }
        let ip = this.announced_ip(Some(client));
        let is_same = |other: &&Replica| {
            other.id != client.id && other.facts.port == this.port && other.address(clients).0 == ip
        };
        let same: Vec<ClientId> = replicas.iter().filter(is_same).map(|r| r.id).collect();
        for id in same {
            if let Some(other) = self.replicas.get_mut(id) {
                other.is_replaced = true;
            }
        }
    }
}

/// Whether a replica's next snapshot, or the stream that follows for it, is compressed.
fn packs_for(config: &Config, facts: &Facts) -> bool {
    config.repl_compression.is_on() && facts.lz4
}

/// Whether the replica's stream is compressed and should no longer be, or the reverse.
fn is_packed_otherwise(config: &Config, replica: &Replica) -> bool {
    replica.is_online() && replica.packing.is_some() != packs_for(config, &replica.facts)
}

/// The form and content of the snapshot that a replica needs.
fn sync_needs(config: &Config, facts: &Facts) -> SyncNeeds {
    let content = content(facts);
    // A part of the data is never taken from a file, as in Redis.
    let by_channel = facts.rdb_channel_link;
    let is_part = content != SyncContent::Everything;
    // The length of a compressed snapshot is known only at its end.
    let packed = packs_for(config, facts) && (by_channel || facts.eof);
    let by_mark = by_channel || facts.eof && (config.repl_diskless_sync || is_part || packed);
    SyncNeeds {
        reads: peer_format(facts),
        content,
        sent_as: if by_mark {
            SnapshotFraming::Mark
        } else {
            SnapshotFraming::Length
        },
        by_channel,
        packed,
    }
}

/// The form of a snapshot that begins now.
fn sync_form(
    config: &Config,
    migrations: Option<&MigrationDriver>,
    keyspace: &Keyspace,
    needs: SyncNeeds,
) -> SyncForm {
    let (version, dialect) = match config.rdb_version {
        0 => sync_version(keyspace, needs.reads),
        asked => (asked, RdbOrigin::of_written(asked)),
    };
    let is_valkey = config.dialect == Dialect::Valkey;
    let imports = migrations.filter(|_| is_valkey);
    let has_imports = imports.is_some_and(|it| it.machine.copied_imports().next().is_some());
    let (version, dialect) = match config.rdb_version {
        0 if has_imports => version_with_imports((version, dialect), needs.reads),
        _ => (version, dialect),
    };
    SyncForm {
        version,
        dialect,
        content: needs.content,
        packed: needs.packed,
    }
}

/// Whether the replicas that wait for a snapshot of unannounced length should wait for others.
fn delays_sync(config: &Config, now: &Now, since_ms: u64, waiting: usize) -> bool {
    let waited_ms = now.mono_ms.saturating_sub(since_ms);
    let enough = config.repl_diskless_sync_max_replicas as usize;
    config.repl_diskless_sync
        && waited_ms < u64::from(config.repl_diskless_sync_delay) * 1000
        && (enough == 0 || waiting < enough)
}

fn close_changed(turn: &mut Turn, clients: &mut Clients, id: ClientId) {
    let detail = "repl-compression was changed";
    turn.close_by_id(clients, id, Disconnection::new(EndReason::Link, detail));
}
