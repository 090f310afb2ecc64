//! Shutting down: signals, SHUTDOWN, and the save before it.
//!
//!     drain      clients finish and leave              at most `shutdown-drain-seconds`
//!     replicas   writes are held until replicas        at most `shutdown-timeout`
//!                have acknowledged the whole stream
//!     successor  with FAILOVER: a replica takes over   at most `SUCCESSOR_MS`
//!     end        snapshots are cancelled, the log is fsynced, the final snapshot is saved
//!
//! NOW skips the waits. A failed save cancels the shutdown, unless it is forced. Until the end
//! SHUTDOWN ABORT cancels it. Cost: O(replicas) a turn while it waits; the save blocks, O(data).
//! The request and its flags: `parts::persist::shutdown`.

use crate::clients::table::Clients;
use crate::parts::replication::Replication;
use russet_base::clock::Now;
use russet_replication::Stream;
use std::sync::atomic::Ordering;

use signal_hook::consts::SIGINT;

use crate::clients::blocked::Until;
use crate::clients::client::ClientKind;
use crate::clients::session::Session;
use crate::parts::persist::shutdown::{Shutdown, ShutdownRequest, WaitingShutdown};
use crate::process::log::MASTER_INSIDE;
use crate::state::Server;
use crate::state::world::{Engine, Flow};
use russet_command::CommandError;
use russet_config::Config;
use russet_keyspace::{Audience, ClientId, DbIndex, Keyspace};

/// Time limit for a replica to receive the order to take over.
const SUCCESSOR_MS: u64 = 500;

impl Engine {
    /// Handles requests made by signals.
    pub(crate) fn handle_signals(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        if server.shutdown.signals.reload.swap(false, Ordering::AcqRel) {
            server.reload_config(keyspace);
        }
        // In Redis cron does this, so not while cron is paused (DEBUG PAUSE-CRON).
        if server.debug.cron_paused {
            return;
        }
        let Some(request) = server.shutdown.signalled(&server.config) else {
            return;
        };
        tracing::info!("User requested shutdown...");
        server.begin_shutdown(request, true);
        self.continue_shutdown();
    }

    /// Continues a shutdown that waits: the wait ends when replicas have everything, or at the
    /// deadline.
    pub(crate) fn continue_shutdown(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let Some(waiting) = server.shutdown.waiting else {
            return;
        };
        if let Some(until_ms) = waiting.drains_until_ms {
            if server.now.mono_ms < until_ms && clients_to_drain(&server.clients) > 0 {
                return;
            }
            server.await_replicas(waiting.request, waiting.by_signal);
            return self.continue_shutdown();
        }
        let is_late = waiting.deadline_ms <= server.now.mono_ms;
        if !is_late && server.replication.lagging_replicas(&server.stream) > 0 {
            return;
        }
        if waiting.request.failover
            && !waiting.has_reported
            && server.cluster.is_some()
            && ask_successor(&server.replication, &server.stream, keyspace)
        {
            // The stream must reach it before this process ends.
            let waiting = WaitingShutdown {
                deadline_ms: server.now.mono_ms + SUCCESSOR_MS,
                has_reported: true,
                ..waiting
            };
            server.shutdown.waiting = Some(waiting);
            server.change_pause(|gates| gates.shuts_down = true);
            self.take_effects();
            self.server.replication.request_acks(
                &mut self.server.persist,
                &mut self.server.stream,
                &self.server.now,
            );
            return;
        }
        server.shutdown.waiting = None;
        server.end_shutdown(keyspace, waiting.request, waiting.by_signal);
        if server.shutdown.request.is_none() {
            server.change_pause(|gates| gates.shuts_down = false);
            server.end_shutdown_waits(keyspace);
        }
    }

    /// Whether the loop stops: a shutdown was requested and is prepared.
    pub(crate) fn shutdown_flow(&self) -> Flow {
        match self.server.shutdown.request {
            Some(_) => Flow::Stop,
            None => Flow::GoOn,
        }
    }
}

impl Shutdown {
    /// The request that a signal makes, unless a shutdown is requested already.
    fn signalled(&self, config: &Config) -> Option<ShutdownRequest> {
        let is_requested = self.request.is_some() || self.waiting.is_some();
        if self.signals.stop.load(Ordering::Acquire) == 0 || is_requested {
            return None;
        }
        let flags = match self.signals.first.load(Ordering::Acquire) {
            SIGINT => config.shutdown_on_sigint,
            _ => config.shutdown_on_sigterm,
        };
        Some(ShutdownRequest::from(flags))
    }

    /// Whether a signal or SHUTDOWN has asked for the end.
    pub fn is_under_way(&self) -> bool {
        let is_requested = self.request.is_some() || self.waiting.is_some();
        is_requested || self.signals.stop.load(Ordering::Acquire) > 0
    }

    fn forget_signals(&self) {
        self.signals.stop.store(0, Ordering::Release);
    }

    /// SHUTDOWN ABORT: cancels a shutdown requested by a signal and not yet done. `false`: there is
    /// none.
    fn abort(&mut self) -> bool {
        let waited = self.waiting.take().is_some();
        let aborted = self.signals.stop.swap(0, Ordering::AcqRel) > 0 || waited;
        if aborted {
            tracing::info!("Shutdown manually aborted.");
        }
        aborted
    }
}

impl Server {
    /// SHUTDOWN, or its signal: begins the shutdown, which ends at the end of the turn, or when
    /// clients have gone (`shutdown-drain-seconds`) and replicas have everything, or at the
    /// deadline.
    pub fn begin_shutdown(&mut self, request: ShutdownRequest, by_signal: bool) {
        let drain_s = u64::from(self.config.shutdown_drain_seconds);
        if request.now || drain_s == 0 {
            return self.await_replicas(request, by_signal);
        }
        let clients = clients_to_drain(&self.clients);
        tracing::info!("Waiting up to {drain_s} s for {clients} clients before shutting down.");
        self.shutdown.waiting = Some(WaitingShutdown {
            request,
            deadline_ms: u64::MAX,
            by_signal,
            has_reported: false,
            drains_until_ms: Some(self.now.mono_ms + drain_s * 1000),
        });
    }

    /// The part of a shutdown that waits for replicas.
    fn await_replicas(&mut self, request: ShutdownRequest, by_signal: bool) {
        let mut timeout_ms = u64::from(self.config.shutdown_timeout) * 1000;
        if request.now || self.replication.lagging_replicas(&self.stream) == 0 {
            timeout_ms = 0;
        }
        self.shutdown.waiting = Some(WaitingShutdown {
            request,
            deadline_ms: self.now.mono_ms + timeout_ms,
            by_signal,
            has_reported: false,
            drains_until_ms: None,
        });
        if timeout_ms > 0 {
            tracing::info!("Waiting for replicas before shutting down.");
            self.replication
                .request_acks(&mut self.persist, &mut self.stream, &self.now);
            self.change_pause(|gates| gates.shuts_down = true);
        }
    }

    /// SHUTDOWN ABORT. `false`: none is in progress.
    pub fn abort_shutdown(&mut self, keyspace: &mut Keyspace) -> bool {
        let aborted = self.shutdown.abort();
        if aborted {
            self.change_pause(|gates| gates.shuts_down = false);
            self.end_shutdown_waits(keyspace);
        }
        aborted
    }

    /// Replies to clients whose SHUTDOWN waited, because the shutdown did not happen.
    fn end_shutdown_waits(&mut self, keyspace: &mut Keyspace) {
        const FAILED: CommandError =
            CommandError::Text("ERR Errors trying to SHUTDOWN. Check logs.");
        let waits = |s: &&Session| {
            let blocked = s.client.blocked.as_deref();
            matches!(blocked.map(|b| &b.until), Some(Until::Shutdown))
        };
        let ids: Vec<ClientId> = self
            .clients
            .iter()
            .filter(waits)
            .map(|s| s.client.id)
            .collect();
        for id in ids {
            self.unblock_client(keyspace, id, Some(&FAILED));
        }
    }

    /// Ends the service, if everything that must be saved can be. `false`: the service continues.
    pub fn end_shutdown(
        &mut self,
        keyspace: &mut Keyspace,
        request: ShutdownRequest,
        by_signal: bool,
    ) -> bool {
        log_lagging_replicas(&self.replication, &self.stream, &self.now);
        let is_prepared = self.prepare_shutdown(keyspace, request);
        if is_prepared {
            self.shutdown.request = Some(request);
        } else if by_signal {
            tracing::warn!(
                "SIGTERM received but errors trying to shut down the server, check the logs for \
                 more information. It goes on serving: SHUTDOWN NOSAVE ends it without saving, and \
                 what is in no file is lost then"
            );
            self.shutdown.forget_signals();
        } else {
            tracing::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
        }
        is_prepared
    }

    /// Prepares the shutdown: saves if that is requested, or configured and not forbidden. `false`:
    /// the save failed, and the server continues unless the shutdown is forced.
    fn prepare_shutdown(&mut self, keyspace: &mut Keyspace, request: ShutdownRequest) -> bool {
        let is_voter = self
            .cluster
            .as_ref()
            .is_some_and(|driver| driver.core.is_voter());
        if request.safe && is_voter && !request.force {
            tracing::warn!(
                "This node serves slots and votes in the cluster: it does not shut down."
            );
            return false;
        }
        if self.persist.aof.writes_first_base() && !request.force {
            tracing::warn!("Writing initial AOF, can't exit");
            return false;
        }
        if self.cancel_save(keyspace) {
            tracing::warn!("A snapshot was being saved: it is given up.");
        }
        self.give_up_sync(keyspace);
        self.cancel_rewrite(keyspace);
        if self.persist.aof.log().is_some() {
            tracing::info!("Calling fsync() on the AOF file.");
        }
        if !self.persist.aof.finish(&self.now, &self.stream) && !request.force {
            tracing::warn!("Error writing the append only file, can't exit.");
            return false;
        }
        let wanted = match request.save {
            _ if self.is_sentinel() => false,
            Some(wanted) => wanted,
            None => !self.config.save.0.is_empty(),
        };
        // A partial load would replace the complete file.
        if !wanted || !self.persist.saving.on_disk || self.persist.loading.in_progress() {
            return true;
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        if self.save_now(keyspace) {
            return true;
        }
        if request.force {
            tracing::warn!("Error trying to save the DB, but we are exiting anyway.");
            return true;
        }
        tracing::warn!(
            "Error trying to save the DB, can't exit: {}",
            self.persist.saving.last_error
        );
        false
    }
}

/// The number of clients, without links to servers and clients that wait for the shutdown.
fn clients_to_drain(clients: &Clients) -> usize {
    let stays = |s: &&Session| {
        let blocked = s.client.blocked.as_deref();
        let waits = matches!(blocked.map(|b| &b.until), Some(Until::Shutdown));
        let kind = s.client.kind();
        !waits && matches!(kind, ClientKind::Normal | ClientKind::Pubsub)
    };
    clients.iter().filter(stays).count()
}

impl Replication {
    /// Online replicas that have not acknowledged everything.
    pub(crate) fn lagging_replicas(&self, stream: &Stream) -> usize {
        if self.is_replica() {
            return 0;
        }
        self.replicas.lagging(stream.offset())
    }
}

fn log_lagging_replicas(replication: &Replication, stream: &Stream, now: &Now) {
    let offset = stream.offset();
    let replicas = &replication.replicas;
    if replicas.is_empty() {
        return;
    }
    let mut in_sync = 0;
    for replica in replicas.iter() {
        if replica.has_acked(offset) {
            in_sync += 1;
            continue;
        }
        let (ip, port) = replica.address();
        let lag_s = now.mono_ms.saturating_sub(replica.received_ms) / 1000;
        tracing::info!(
            "Lagging replica {ip}:{port} reported offset {} behind {MASTER_INSIDE}, lag={lag_s}, \
             state={}.",
            offset.saturating_sub(replica.acked),
            replica.state_name()
        );
    }
    tracing::info!(
        "{in_sync} of {} replicas are in sync when shutting down.",
        replicas.len()
    );
}

/// SHUTDOWN FAILOVER: asks a replica that has everything to take over. `false`: there is none,
/// or a replica is older than Valkey 9.0 and does not know the request.
fn ask_successor(replication: &Replication, stream: &Stream, keyspace: &mut Keyspace) -> bool {
    const VERSION_MIN: (u32, u32, u32) = (9, 0, 0);
    if replication.is_replica() {
        return false;
    }
    let offset = stream.offset();
    let mut successor = None;
    for replica in replication.replicas.iter() {
        if replica
            .facts
            .version
            .is_none_or(|version| version < VERSION_MIN)
        {
            tracing::warn!("Unable to perform a shutdown failover: a replica is older than 9.0.");
            return false;
        }
        if replica.is_online() && replica.has_acked(offset) {
            successor = successor.or_else(|| replica.facts.node_id.clone());
        }
    }
    let Some(id) = successor else {
        tracing::warn!("Unable to find a replica to perform the shutdown failover.");
        return false;
    };
    tracing::info!(
        "Sending CLUSTER FAILOVER FORCE to replica {} before shutting down.",
        String::from_utf8_lossy(&id)
    );
    let words: [&[u8]; 5] = [b"CLUSTER", b"FAILOVER", b"FORCE", b"REPLICAID", &id];
    let effects = &mut keyspace.effects;
    effects.record_for(Audience::REPLICAS, DbIndex(0), words.into_iter());
    true
}
