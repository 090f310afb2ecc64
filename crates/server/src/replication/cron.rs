//! Cron's work for the replication links, once a second: PINGs, acknowledgements, time limits.
//!
//! A link that is silent for `repl-timeout` ends; a link that waits for a snapshot is kept alive by
//! a newline. Cost: O(replicas), and at most 10,000 keys whose expiry this replica's own clients
//! set. The limit on unsent bytes of a replica ([`Server::limit_replicas`]) is applied each turn.
//!
//! The link to the primary, and its time limits: `russet_replication::upstream`. States of
//! replicas: `russet_replication::primary`. The change stream: `changes`.

use crate::clients::ending::{Disconnection, EndReason};
use crate::parts::persist::Persist;
use crate::parts::replication::Replication;
use crate::state::Server;
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use russet_base::clock::Now;
use russet_config::Config;
use russet_keyspace::{ClientId, DbIndex, Keyspace};
use russet_replication::Stream;
use russet_resp::{Args, Reply};

/// Seconds between two checks of the files that are kept for replicas.
const RETAIN_CHECK_S: u64 = 10;
/// Bytes beyond the size of the backlog that a replica may hold in memory, if the log has them.
const BESIDE_MAX: u64 = 8 << 20;

impl Engine {
    /// Called by cron in each of its cycles; works once a second.
    pub(crate) fn tend_replication(&mut self) {
        let second = self.server.now.mono_ms / 1000;
        if std::mem::replace(&mut self.server.replication.tended_s, second) == second {
            return;
        }
        self.tend_replicas();
        self.server.tend_quorum(&mut self.keyspace);
        self.server.tend_changes(&mut self.keyspace);
        if second.is_multiple_of(RETAIN_CHECK_S) {
            let Server {
                persist, config, ..
            } = &mut self.server;
            persist.aof.apply_history(config);
        }
        self.sweep_local_expiries();
    }

    /// Deletes expired keys whose time to live was set by clients of this replica.
    fn sweep_local_expiries(&mut self) {
        const KEYS_MAX: usize = 10_000;
        let Engine {
            keyspace, server, ..
        } = self;
        let local = &mut server.replication.local_expiries;
        let now_ms = keyspace.now_ms();
        for _ in 0..KEYS_MAX {
            let Some((db, key)) = local.take_due(now_ms) else {
                break;
            };
            if !keyspace.expire_if_past(db, &key)
                && let Some(when) = keyspace.expiry_of(db, &key)
            {
                // The key's time to live has changed since.
                local.add(when, db, &key);
            }
        }
        self.after_removals();
    }
}

impl Server {
    /// Milliseconds of the monotonic clock, read now.
    pub(crate) fn monotonic_ms(&self) -> u64 {
        let elapsed = self.identity.started.elapsed().as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    /// Appends an acknowledgement for the primary. In a group with a lease it is a vow, too.
    pub fn write_ack(&mut self, reply: &mut Reply) {
        let now_ms = self.monotonic_ms();
        if let Some(driver) = &mut self.replication.quorum {
            driver.core.vow(now_ms);
        }
        self.past().write_ack(reply);
    }

    /// Sends the primary our position.
    pub(crate) fn send_ack(&mut self, id: ClientId) {
        let Some(mut session) = self.clients.take(id) else {
            return;
        };
        self.write_ack(&mut session.reply);
        self.put_back(session);
    }
}

impl Engine {
    /// Disconnects replicas that are silent or stuck for too long; sends a newline to replicas that
    /// wait for a snapshot, and a PING now and then to replicas that are online.
    fn tend_replicas(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let now_ms = server.now.mono_ms;
        server.drop_idle_backlog(keyspace);
        // A PING would move the offset that a replica waits for before it takes over.
        let may_ping = server.gates.hands_over_until_ms.is_none();
        let received = |id: ClientId| {
            let session = server.clients.get(id);
            session.map_or(0, |session| session.client.traffic.bytes_in)
        };
        let replicas = &mut server.replication.replicas;
        let work = replicas.tend(&server.config, now_ms, may_ping, received);
        for _ in 0..work.lost_mains {
            tracing::warn!(
                "A replica's main channel failed to establish PSYNC within the grace period"
            );
        }
        if work.pings {
            server.replication.ping_replicas(
                &server.gates,
                &mut server.persist,
                &mut server.stream,
                &server.now,
            );
        }
        for id in work.waiting {
            if let Some(mut session) = server.clients.take(id) {
                session.reply.raw(b"\n");
                server.put_back(session);
            }
        }
        for (id, silence) in work.silent {
            let (name, stage) = (server.replication.replicas.name_of(id), silence.stage());
            if server.clients.get(id).is_some() {
                tracing::warn!("Disconnecting timedout replica ({stage}): {name}");
                let detail = format!("it has not been heard during the {stage}");
                server.turn.close_by_id(
                    &mut server.clients,
                    id,
                    Disconnection::new(EndReason::Link, detail),
                );
            }
        }
        server.update_interest();
    }
}

impl Server {
    /// A primary without replicas keeps its backlog for `repl-backlog-ttl`.
    fn drop_idle_backlog(&mut self, keyspace: &mut Keyspace) {
        let is_needed = self.replication.is_replica()
            || self.stream.backlog().is_none()
            || self.config.changes_retain > 0
            || self.replication.sync_writes.is_on();
        let replicas = &mut self.replication.replicas;
        if is_needed || !replicas.outlasts_backlog(&self.config, self.now.mono_ms) {
            return;
        }
        self.stream.drop_backlog();
        if self.persist.aof.log().is_none() {
            self.stream.begin_history();
        }
        self.update_effects(keyspace);
        tracing::info!(
            "Replication backlog freed after {} seconds without connected replicas.",
            self.config.repl_backlog_ttl
        );
    }

    /// Disconnects replicas that hold too much of the stream (`client-output-buffer-limit
    /// replica`). With the append only file on, they are sent the stream from its files instead.
    pub(crate) fn limit_replicas(&mut self) {
        self.replication
            .move_slow_to_log(&mut self.persist, &self.stream, &self.config, &self.now);
        let now_ms = self.now.mono_ms;
        let replicas = &mut self.replication.replicas;
        let over = replicas.over_limit(&self.config, &self.stream, now_ms);
        for id in over {
            if let Some(session) = self.clients.get(id) {
                self.log_overcome(session);
                self.stats.clients.output_buffer_disconnections += 1;
                let detail = "client-output-buffer-limit of replicas";
                self.turn.close_by_id(
                    &mut self.clients,
                    id,
                    Disconnection::new(EndReason::OutputLimit, detail),
                );
            }
        }
    }
}

impl Replication {
    /// A client of this replica has written: keys that expire now are deleted when they do.
    #[cold]
    pub(crate) fn record_local_write(
        &mut self,
        table: &CommandTable,
        keyspace: &mut Keyspace,
        db: DbIndex,
        id: usize,
        args: Args<'_>,
    ) {
        let Ok(keys) = table.row(id).keys(args) else {
            return;
        };
        for (at, _) in keys {
            let key = args.at(at);
            // Keys that a command puts into another database (MOVE) are only hidden.
            if let Some(when) = keyspace.expiry_of(db, key) {
                self.local_expiries.add(when, db, key);
            }
        }
    }

    /// Replicas that hold more than the backlog are sent the stream from the log's files.
    pub(crate) fn move_slow_to_log(
        &mut self,
        persist: &mut Persist,
        stream: &Stream,
        config: &Config,
        now: &Now,
    ) {
        let Some(log) = persist.aof.log() else {
            return;
        };
        let before = self.replicas.log_serves_before(config, stream, BESIDE_MAX);
        let Some(before) = before else {
            return;
        };
        let moved = self.move_to_log(before, log, stream, now.mono_ms);
        if moved.is_err() {
            persist.aof.forget_chain();
        }
    }
}
