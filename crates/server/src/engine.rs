//! The engine: keyspace and server together, and the work between commands.
//!
//! Cron runs `effective_hz` times a second. Work that may take long is continued in slices, a slice
//! in each turn: eviction, freed values ([`FREE_NANOS`]), keys counted by prefix ([`WALK_NANOS`]).
//! Invariant: every change of a state that a gate reads calls `update_interest`, so
//! `gates.interest` always fits the current state.
//! Elsewhere: `state::world` has the types, `run` the loop that calls all this, `execution` the
//! commands, `persist` and `replication` their own parts of cron.

use crate::parts::replication::Replication;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clients::client::{Client, ClientFlags};
use crate::clients::ending::{Disconnection, EndReason};
use crate::clients::session::Session;
use crate::clients::table::Clients;
use crate::figures::stats::{CommandStats, Stats};
use crate::observe::{crash, info};
use crate::parts::execution::gates::{GateState, Gates, Interest};
use crate::parts::observe::Diagnostics;
use crate::parts::persist::Persist;
use crate::parts::persist::shutdown::Shutdown;
use crate::parts::run::identity::Identity;
use crate::parts::run::signals::Signals;
use crate::parts::search::Indexes;
use crate::parts::users::Acl;
use crate::state::Server;
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use russet_base::clock::{self, Cycles, Now};
use russet_base::random;
use russet_cluster::migration::Name;
use russet_config::Config;
use russet_json::PathCache;
use russet_keyspace::{ClientId, ExpiryMode, Keyspace, LongestRemovals};

/// Compiled paths of JSON commands, and the bytes that all may take.
const JSON_PATHS: usize = 1024;
const JSON_PATHS_BYTES: usize = 4 << 20;

/// Time per turn to free removed large values in the loop.
const FREE_NANOS: u64 = 200_000;

/// Time per turn to count existing keys by prefix.
const WALK_NANOS: u64 = 300_000;
/// Time per call of `cron` to remove expired lines of streams' producers.
const IIDS_BUDGET: Duration = Duration::from_millis(1);

impl Engine {
    /// An engine ready to run commands; nothing listens yet.
    pub fn new(config: Config, table: CommandTable, signals: Arc<Signals>) -> Engine {
        crash::set_command_names(table.rows().iter().map(|row| row.full_name));
        let mut engine = Engine::bare(config, table, signals);
        engine.server.settings_loaded(&mut engine.keyspace);
        engine.server.identity.startup_bytes = russet_base::memory::alloc::used_memory();
        engine
    }

    /// The parts of an engine, before the configuration is applied.
    pub(super) fn bare(config: Config, table: CommandTable, signals: Arc<Signals>) -> Engine {
        let command_stats = table
            .rows()
            .iter()
            .map(|_| CommandStats::default())
            .collect();
        let started = Instant::now();
        let now = Now::read(started);
        let databases = config.databases_served() as usize;
        let mut keyspace = if config.cluster_enabled {
            Keyspace::with_slots(databases)
        } else {
            Keyspace::new(databases)
        };
        let acl = Acl::new(&table, &config.requirepass);
        keyspace.set_now_ms(now.unix_ms());
        let identity = Identity {
            run_id: random::hex(40),
            executable: std::env::current_exe().unwrap_or_default(),
            config_file: None,
            reload: None,
            started,
            started_at: now.unix_s(),
            startup_bytes: 0,
        };
        let diagnostics = Diagnostics {
            command_stats,
            ..Diagnostics::default()
        };
        let server = Server {
            config,
            identity,
            table,
            now,
            cycles: Cycles::new(),
            stats: Stats::default(),
            diagnostics,
            clients: Clients::default(),
            connections: Default::default(),
            replies: Default::default(),
            gates: Default::default(),
            turn: Default::default(),
            stream: Default::default(),
            replication: Default::default(),
            changes: Default::default(),
            scripting: Default::default(),
            collation: Default::default(),
            acl,
            messages: Default::default(),
            memory: Default::default(),
            persist: Persist::new(now.unix_s()),
            cluster: None,
            migrations: None,
            tasks: Default::default(),
            turns: Default::default(),
            json_paths: PathCache::new(JSON_PATHS, JSON_PATHS_BYTES),
            search: Indexes::default(),
            sentinel: None,
            shutdown: Shutdown {
                signals,
                request: None,
                waiting: None,
            },
            debug: Default::default(),
        };
        Engine {
            keyspace,
            server,
            loader: None,
        }
    }

    /// The connection is over: removes every reference to the client.
    pub(super) fn forget(&mut self, session: &mut Session) {
        let Engine {
            keyspace, server, ..
        } = self;
        server.let_go(keyspace, &mut session.client);
        server.acl.leave_account(&mut session.client);
        server.memory.clients.uncount(session);
        server.replies.forget(session.client.id);
        if session.slot != u32::MAX {
            server.clients.remove(session);
        }
    }

    /// Continues an eviction that ran out of time.
    pub fn continue_eviction(&mut self) {
        if std::mem::take(&mut self.server.turn.evicting)
            && self.server.memory.limit.maxmemory() > 0
        {
            self.server.make_room(&mut self.keyspace, None);
            self.after_removals();
        }
    }

    /// Continues the removal of keys of lost slots.
    fn continue_drop(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let nanos = server
            .turn
            .slice_nanos(server.migrations.as_deref(), &server.stats, &server.cycles)
            .unwrap_or(FREE_NANOS);
        server.free_dropped(keyspace, nanos);
    }

    /// Continues freeing removed values, and reports how long removals took.
    pub(super) fn continue_freeing(&mut self) {
        let Engine {
            keyspace, server, ..
        } = self;
        let lazyfree = &mut keyspace.lazyfree;
        if lazyfree.has_slices() {
            lazyfree.free_slices(server.cycles.ticks(FREE_NANOS));
        }
        server.turn.freeing = lazyfree.has_slices();
        server.turn.dropping = false;
        if keyspace.has_dropped() {
            self.continue_drop();
        }
        let Engine {
            keyspace, server, ..
        } = self;
        if keyspace.walks_prefixes() {
            server.turn.freeing |= keyspace.walk_prefixes(server.cycles.ticks(WALK_NANOS));
        }
        let lazyfree = &mut keyspace.lazyfree;
        if lazyfree.timed {
            let LongestRemovals { expiry, eviction } = std::mem::take(&mut lazyfree.longest);
            for (event, ticks) in [("expire-del", expiry), ("evict-del", eviction)] {
                let millis = server.cycles.micros(ticks) / 1000;
                server.diagnostics.latency.add_if_slow(event, millis);
            }
        }
    }

    /// Resumes paused clients when the pause has run out.
    pub(super) fn end_pause(&mut self) {
        let now_ms = self.server.now.mono_ms;
        let pause = self.server.gates.client_pause;
        if pause.is_some_and(|pause| pause.until_ms <= now_ms) {
            self.server.change_pause(|gates| gates.client_pause = None);
        }
        let handover = self.server.gates.hands_over_until_ms;
        if handover.is_some_and(|until_ms| until_ms <= now_ms) {
            self.server
                .change_pause(|gates| gates.hands_over_until_ms = None);
        }
    }

    // --- cron ---

    /// Work that is due `hz` times a second.
    pub(super) fn cron(&mut self) {
        let server = &mut self.server;
        let began = clock::cycles();
        let hz = server.clients.effective_hz(&server.config);
        server.turn.cron_due_ms = server.now.mono_ms + 1000 / hz;
        if server.debug.cron_paused {
            return;
        }
        server.turn.cron_turns += 1;
        let Engine {
            server, keyspace, ..
        } = self;
        server.cycles.calibrate();
        server.diagnostics.latency.now_s = server.now.unix_s();
        // Updates the peak and the memory of other threads.
        russet_base::memory::alloc::used_memory();
        server.stats.record_peak(
            russet_base::memory::alloc::peak_memory(),
            server.now.unix_s(),
        );
        let rates = &mut server.diagnostics.rates;
        rates.sample(&server.stats, server.now.mono_ms);
        server.stats.record_stale_share(keyspace.volatile());
        keyspace.packing.tidy();
        server.end_due_hotkeys();
        server.check_backup_session(keyspace);
        self.tend_replication();
        self.end_overdue_replies();
        let server = &mut self.server;
        server.watch_memory_limit();
        server.tend_aside(&mut self.keyspace);
        server.tend_indexes(&mut self.keyspace);
        server.scripting.collect_garbage(&server.cycles);
        server.scripting.children.tend(server.now.mono_ms);
        server.watch_clients();
        server.watch_audit();
        server.watch_tls();
        server.limit_readers(None);
        self.tend_snapshots();
        if !self.server.persist.loading.in_progress() {
            self.keyspace.expire_iids(IIDS_BUDGET);
        }
        let server = &mut self.server;
        let persist = &mut server.persist;
        persist.aof.tend_scrubs(&server.config, &server.now);
        server
            .connections
            .migrate_links
            .close_idle(server.now.mono_ms);
        let (config, now_ms) = (&server.config, server.now.mono_ms);
        server.memory.defrag.check_fragmentation(config, now_ms);
        let cache = &mut server.memory.defrag.cache;
        cache.watch(server.stats.commands, now_ms);
        self.keep_info();
        let server = &mut self.server;
        server.stats.cron_ticks += clock::cycles().wrapping_sub(began);
    }

    /// Renews INFO for a crash report if that is due. O(clients + databases).
    fn keep_info(&mut self) {
        /// Time between renewals: at least a second, and `SHARE` times as long as a renewal
        /// takes.
        const PERIOD_MS: u64 = 1000;
        const SHARE: u64 = 2000;
        let server = &mut self.server;
        let now_ms = server.now.mono_ms;
        if now_ms < server.diagnostics.report_due_ms {
            return;
        }
        let began = clock::cycles();
        let source = info::Source::new(&self.keyspace, server, None);
        crash::renew_info(&info::info(&source, &[]), server.now.unix_us);
        let took = server.cycles.nanos(clock::cycles().wrapping_sub(began));
        let rest_ms = took * SHARE / 1_000_000;
        server.diagnostics.report_due_ms = now_ms + rest_ms.max(PERIOD_MS);
    }
}

impl Server {
    /// Removes the client from watches, waits, its user's queue, MONITOR and subscriptions.
    pub(super) fn let_go(&mut self, keyspace: &mut Keyspace, client: &mut Client) {
        client.unwatch(&mut keyspace.watchers);
        if client.blocked.as_ref().is_some_and(|b| b.until.is_done()) {
            self.count_unserved(client, false);
        }
        self.turn.stop_waiting(&mut self.clients, keyspace, client);
        self.acl.resume(client);
        if client.flags.contains(ClientFlags::MONITOR) {
            self.set_monitor(client.id, false);
        }
        let moves_slots = ClientFlags::INTERNAL | ClientFlags::SENDS_SLOTS;
        if client.flags.intersects(moves_slots)
            && let Some(driver) = &mut self.migrations
        {
            driver.gone.push(client.id.0);
        }
        self.unsubscribe_all(keyspace, client);
        self.end_tracking(keyspace, client);
        if client.flags.contains(ClientFlags::PRIMARY) {
            self.primary_gone(keyspace, client);
        }
        self.replica_gone(client);
        self.quorum_peer_gone(keyspace, client.id);
        self.changes.drop_reader(client.id);
    }

    /// CLIENT KILL of another client: removes the client from all queues now; the loop closes the
    /// connection before it sleeps. `false`: there is no such client.
    pub fn kill_client(
        &mut self,
        keyspace: &mut Keyspace,
        id: ClientId,
        ending: impl Into<Disconnection>,
    ) -> bool {
        let Some(mut session) = self.clients.take(id) else {
            return false;
        };
        let closing = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
        if !closing {
            session.client.ends_by(ending);
            session.push_ending();
            self.let_go(keyspace, &mut session.client);
            self.acl.leave_account(&mut session.client);
            // The peer is notified now, however long this turn takes.
            if let Some(stream) = &session.stream {
                stream.shut_down();
            }
            self.connections.io_threads.shut_down(&mut session);
            self.turn.close_soon(&mut session, EndReason::Killed);
        }
        self.clients.put_back(session);
        !closing
    }

    /// The commands that concern the gates.
    fn interest(&self) -> Interest {
        let mut state = GateState::empty();
        let pause = self.gates.pause();
        let gates = &self.gates;
        let holds = pause.is_some()
            || !gates.held_slots.is_empty()
            || gates.log_is_full
            || self.replication.sync_writes.delays_writes();
        state.set(GateState::PAUSED, holds);
        state.set(GateState::PAUSED_ALL, pause.is_some_and(|pause| pause.all));
        let is_lost = self.replication.sync_writes.is_lost() || self.replication.is_leaderless;
        state.set(GateState::LOST_REPLICAS, is_lost);
        state |= role_state(&self.replication, &self.config, &self.now);
        let snapshots = &self.persist.snapshots;
        let unsaved = snapshots.writers.guards_large() || snapshots.writers.holds_all();
        state.set(GateState::UNSAVED, unsaved);
        let failed =
            self.persist.saving.stops_writes(&self.config) || self.persist.aof.refuses_writes();
        state.set(GateState::FAILED, failed);
        let guarded = !self.config.remote_admin_without_auth;
        state.set(GateState::GUARDED, guarded);
        let loading = &self.persist.loading;
        state.set(GateState::ASYNC_LOADING, loading.is_async());
        state.set(
            GateState::LOADING,
            loading.in_progress() && !loading.is_async(),
        );
        state.set(GateState::BUSY, self.scripting.is_busy());
        let is_sampled = self.config.cluster_compatibility_sample_ratio > 0;
        state.set(GateState::SAMPLED, is_sampled && self.cluster.is_none());
        state.set(GateState::UNAUDITED, self.gates.refuses_audited);
        let bound = self.eviction_bound();
        Interest::of(state, self.memory.limit.room_bound(bound))
    }

    /// The server's state has changed: recomputes the commands that concern the gates.
    pub fn update_interest(&mut self) {
        self.gates.interest = self.interest();
    }

    /// Commands begin or end to be held: for CLIENT PAUSE, for FAILOVER, for a shutdown that waits
    /// for replicas, or until a failover on the cluster's bus is over.
    pub fn change_pause(&mut self, change: impl FnOnce(&mut Gates)) {
        change(&mut self.gates);
        self.pause_changed();
    }

    /// Writes begin to wait because too much waits for the disk, or cease to.
    #[cold]
    pub(super) fn set_log_full(&mut self, on: bool) {
        self.gates.log_is_full = on;
        if on {
            self.update_interest()
        } else {
            self.pause_changed()
        }
    }

    /// Ends the hold of a job's slots: each held command is routed again.
    pub(super) fn release_slots(&mut self, job: Name) {
        if self.gates.held_slots.release(job) {
            self.pause_changed();
        }
    }

    pub(crate) fn pause_changed(&mut self) {
        self.update_interest();
        if self.gates.pause().is_none() {
            let postponed: Vec<ClientId> = self
                .clients
                .iter()
                .filter(|s| s.client.flags.contains(ClientFlags::POSTPONED))
                .map(|s| s.client.id)
                .collect();
            self.resume_postponed(postponed);
        }
    }

    /// Resumes these clients, whose commands were postponed.
    pub(super) fn resume_postponed(&mut self, ids: Vec<ClientId>) {
        for id in ids {
            let Some(mut session) = self.clients.take(id) else {
                continue;
            };
            session.client.flags.remove(ClientFlags::POSTPONED);
            self.turn.resume(&mut session);
            self.put_back(session);
        }
    }

    /// Puts back a session that was taken to write to it.
    pub(super) fn put_back(&mut self, mut session: Box<Session>) {
        if session.reply.is_full() {
            self.enforce_output_limit(&mut session);
        } else if !session.reply.is_empty() {
            self.turn.queue_flush(&mut session);
        }
        self.clients.put_back(session);
    }

    /// Reads the clocks again for the rest of this turn.
    pub fn read_clock(&mut self, keyspace: &mut Keyspace) {
        if self.debug.clock_by_hand {
            return;
        }
        self.now = Now::read(self.identity.started);
        self.turn.served_us = None;
        keyspace.set_now_ms(self.now.unix_ms());
    }

    /// How expired keys are treated in this turn. During an import its client decides which keys
    /// expire.
    pub fn expiring(&self) -> ExpiryMode {
        let is_replica = self.replication.is_replica();
        if self.debug.shows_expired {
            return ExpiryMode::Replay;
        }
        if self.gates.pause().is_some() || self.config.import_mode || is_replica {
            // A replica's keys expire when its primary says so.
            ExpiryMode::Hide
        } else if self.debug.no_active_expire {
            ExpiryMode::DeleteWhenMet
        } else {
            ExpiryMode::Delete
        }
    }
}

/// The states of this server's role that gates read.
fn role_state(replication: &Replication, config: &Config, now: &Now) -> GateState {
    let mut state = GateState::empty();
    state.set(GateState::READ_ONLY, replication.is_read_only(config));
    state.set(GateState::STALE, replication.is_stale(config));
    state.set(
        GateState::FEW_REPLICAS,
        replication.lacks_replicas(config, now),
    );
    state
}
