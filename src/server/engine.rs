//! The engine: the keyspace beside the server, and the work between commands.

use std::sync::Arc;
use std::time::Instant;

use super::blocking::{Deadlines, stop_waiting};
use super::client::{Client, ClientFlags};
use super::clients::Clients;
use super::command_log::Thresholds;
use super::gates::Interest;
use super::limits::eviction;
use super::loading::LoadFigures;
use super::outbox::Outbox;
use super::saving::Saving;
use super::session::Session;
use super::{
    Acl, CommandStats, CommandTable, Latency, Pause, Rates, RecentPeaks, Server, Signals, Stats,
};
use crate::base::clock::{self, Cycles, Now};
use crate::base::random;
use crate::config::Config;
use crate::keyspace::{ClientId, ClockUse, EvictionOrder, Keyspace, Lazy, Longest, RemovalWords};
use crate::types::{Fill, Limits};

/// How long the loop frees in one turn what was let go: large values only.
const FREE_NANOS: u64 = 200_000;

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    Stop,
    /// What was kept cannot be loaded.
    Fail,
}

/// See the module.
pub struct Engine {
    pub keyspace: Keyspace,
    pub server: Server,
}

impl Engine {
    /// An engine that is ready to run commands; nothing listens yet.
    pub fn new(config: Config, table: CommandTable, signals: Arc<Signals>) -> Engine {
        super::crash::set_command_names(table.rows().iter().map(|row| row.full_name));
        let mut engine = Engine::bare(config, table, signals);
        engine.apply_config();
        engine.server.startup_bytes = crate::base::alloc::used_memory();
        engine
    }

    /// What an engine consists of, before it takes anything from its configuration.
    pub(super) fn bare(config: Config, table: CommandTable, signals: Arc<Signals>) -> Engine {
        let command_stats = table
            .rows()
            .iter()
            .map(|_| CommandStats::default())
            .collect();
        let started = Instant::now();
        let now = Now::read(started);
        let mut keyspace = Keyspace::new(config.databases as usize);
        let acl = Acl::new(&table, &config.requirepass);
        keyspace.now_ms = now.unix_ms();
        let server = Server {
            config,
            config_file: None,
            executable: std::env::current_exe().unwrap_or_default(),
            table,
            command_stats,
            stats: Stats::default(),
            rates: Rates::default(),
            started,
            clock_by_hand: false,
            started_at: now.unix_s(),
            now,
            cycles: Cycles::new(),
            run_id: random::hex(40),
            replid: random::hex(40),
            startup_bytes: 0,
            clients: Clients::default(),
            outbox: Outbox::default(),
            pubsub: Default::default(),
            tracking: Default::default(),
            recorder: None,
            command_logs: Default::default(),
            latency: Latency::default(),
            recent: RecentPeaks::default(),
            client_memory: Default::default(),
            http_told_ms: None,
            monitors: Vec::new(),
            aof: Default::default(),
            backups: Default::default(),
            loader: None,
            load_progress: None,
            pause: None,
            shutdown: None,
            signals,
            interest: Interest::default(),
            has_monitors: false,
            latency_tracking: true,
            ended: 0,
            thresholds: Thresholds::NONE,
            deadlines: Deadlines::default(),
            awaiting_memory: Vec::new(),
            flush: Vec::new(),
            ready: Vec::new(),
            to_close: Vec::new(),
            blocked_clients: 0,
            cron_due_ms: 0,
            cron_turns: 0,
            evicting: false,
            freeing: false,
            listeners: Vec::new(),
            metrics: Default::default(),
            relisten: false,
            saving: Saving::new(now.unix_s()),
            forks: Default::default(),
            in_exec: false,
            migrate_links: Default::default(),
            load_due_us: 0,
            last_load: LoadFigures::default(),
            skips_checksums: false,
            cron_paused: false,
            scripting: Default::default(),
            acl,
            registry: None,
            guest: None,
            tls: Default::default(),
            defrag: Default::default(),
        };
        Engine { keyspace, server }
    }

    /// As [`Server::apply_config`].
    pub fn apply_config(&mut self) {
        let Engine { keyspace, server } = self;
        server.apply_config(keyspace);
    }

    /// The connection is over: nothing names the client any more.
    pub(super) fn forget(&mut self, session: &mut Session) {
        let Engine { keyspace, server } = self;
        let_go(keyspace, server, &mut session.client);
        server.uncount_client_memory(session);
        if session.slot != u32::MAX {
            server.clients.remove(session);
        }
    }

    /// Goes on with an eviction that time did not suffice for.
    pub(super) fn evict_on(&mut self) {
        if std::mem::take(&mut self.server.evicting) && self.server.config.maxmemory > 0 {
            self.server.make_room(&mut self.keyspace);
            self.after_removals();
        }
    }

    /// Goes on freeing what was let go, and tells how long removals took.
    pub(super) fn free_on(&mut self) {
        let Engine { keyspace, server } = self;
        let lazyfree = &mut keyspace.lazyfree;
        if lazyfree.has_slices() {
            lazyfree.free_slices(server.cycles.ticks(FREE_NANOS));
        }
        server.freeing = lazyfree.has_slices();
        if lazyfree.timed {
            let Longest { expiry, eviction } = std::mem::take(&mut lazyfree.longest);
            for (event, ticks) in [("expire-del", expiry), ("evict-del", eviction)] {
                let millis = server.cycles.micros(ticks) / 1000;
                server.latency.add_if_slow(event, millis);
            }
        }
    }

    /// A pause that has run out lets its clients go on.
    pub(super) fn end_pause(&mut self) {
        if self
            .server
            .pause
            .is_some_and(|p| p.until_ms <= self.server.now.mono_ms)
        {
            self.server.set_pause(None);
        }
    }

    // --- cron ---

    /// Work that is due `hz` times a second.
    pub(super) fn cron(&mut self) {
        let server = &mut self.server;
        let began = clock::cycles();
        let hz = server.effective_hz();
        server.cron_due_ms = server.now.mono_ms + 1000 / hz;
        if server.cron_paused {
            return;
        }
        server.cron_turns += 1;
        self.handle_signals();
        let Engine { server, keyspace } = self;
        server.cycles.calibrate();
        server.latency.now_s = server.now.unix_s();
        // Asked for the sake of its peak, which is noted whenever it is asked for.
        crate::base::alloc::used_memory();
        let now = server.now.mono_ms;
        server.rates.commands.sample(server.stats.commands, now);
        server.rates.input.sample(server.stats.net_input_bytes, now);
        server
            .rates
            .output
            .sample(server.stats.net_output_bytes, now);
        server.rates.turns.sample(server.stats.turns, now);
        server.rates.turn_us.sample(server.stats.turn_us, now);
        server.stats.note_stale(keyspace.volatile());
        server.watch_clients();
        server.watch_tls();
        server.limit_readers(None);
        self.look_at_saving_child();
        self.look_at_rewrites();
        let server = &mut self.server;
        server.recount_client_memory();
        server.migrate_links.close_idle(server.now.mono_ms);
        self.begin_due_save();
        let server = &mut self.server;
        server.look_at_fragmentation(server.now.mono_ms);
        server.empty_idle_cache();
        server.stats.cron_ticks += clock::cycles().wrapping_sub(began);
    }
}

/// Nothing happens for the client's sake any more: no watch, no wait, no MONITOR, no message.
pub(super) fn let_go(keyspace: &mut Keyspace, server: &mut Server, client: &mut Client) {
    client.unwatch(&mut keyspace.watchers);
    stop_waiting(keyspace, server, client);
    if client.flags.contains(ClientFlags::MONITOR) {
        server.set_monitor(client.id, false);
    }
    server.unsubscribe_all(keyspace, client);
    server.end_tracking(keyspace, client);
}

/// CLIENT KILL of another client: from now on it takes part in nothing, and it is closed
/// before the loop sleeps. `false`: there is none.
pub fn kill_client(keyspace: &mut Keyspace, server: &mut Server, id: ClientId) -> bool {
    let Some(mut session) = server.clients.take(id) else {
        return false;
    };
    let closing = session.client.flags.contains(ClientFlags::CLOSE_ASAP);
    if !closing {
        let_go(keyspace, server, &mut session.client);
        server.close_soon(&mut session);
    }
    server.clients.put_back(session);
    !closing
}

/// What the keyspace takes from the configuration.
fn keyspace_settings(keyspace: &mut Keyspace, config: &Config) {
    keyspace.clock_use =
        if eviction(config).is_some_and(|e| e.order == EvictionOrder::LeastFrequentlyUsed) {
            ClockUse::Lfu {
                log_factor: config.lfu_log_factor,
                decay_minutes: config.lfu_decay_time,
            }
        } else {
            ClockUse::Lru
        };
    keyspace.lazyfree.lazy = Lazy {
        expire: config.lazyfree_lazy_expire,
        eviction: config.lazyfree_lazy_eviction,
        server_del: config.lazyfree_lazy_server_del,
        user_del: config.lazyfree_lazy_user_del,
    };
    keyspace.lazyfree.timed = config.latency_monitor_threshold > 0;
    keyspace.removal_words =
        RemovalWords::new(config.lazyfree_lazy_expire, config.lazyfree_lazy_eviction);
    keyspace.limits = Limits {
        hash_max_listpack_entries: config.hash_max_listpack_entries,
        hash_max_listpack_value: config.hash_max_listpack_value,
        set_max_intset_entries: config.set_max_intset_entries,
        set_max_listpack_entries: config.set_max_listpack_entries,
        set_max_listpack_value: config.set_max_listpack_value,
        zset_max_listpack_entries: config.zset_max_listpack_entries,
        zset_max_listpack_value: config.zset_max_listpack_value,
        stream_node_max_bytes: config.stream_node_max_bytes,
        stream_node_max_entries: config.stream_node_max_entries,
        list_fill: Fill::new(config.list_max_listpack_size as _),
        list_compress_depth: u16::try_from(config.list_compress_depth).unwrap_or(u16::MAX),
    };
}

impl Server {
    /// Brings all that is derived from the configuration up to date: at start-up and after
    /// every CONFIG SET. What needs more than memory (sockets, folders) is done by the caller.
    pub fn apply_config(&mut self, keyspace: &mut Keyspace) {
        keyspace_settings(keyspace, &self.config);
        self.latency_tracking = self.config.latency_tracking;
        self.latency.threshold_ms = self.config.latency_monitor_threshold;
        self.set_thresholds();
        self.apply_aof_config();
        self.update_interest();
        self.set_client_memory_limit();
        if self.config.maxmemory == 0 {
            self.stats.note_memory(true, self.now.mono_ms);
        }
        self.trim_command_logs();
        self.update_listeners(keyspace);
        self.limit_outputs();
        self.limit_readers(None);
        self.defrag.settings_changed(&self.config, self.now.mono_ms);
    }

    /// The server's state has changed: other commands may concern the gates.
    pub(super) fn update_interest(&mut self) {
        self.interest = Interest::of(self);
    }

    /// CLIENT PAUSE and UNPAUSE.
    pub fn set_pause(&mut self, pause: Option<Pause>) {
        self.pause = pause;
        self.update_interest();
        if pause.is_none() {
            let postponed: Vec<ClientId> = self
                .clients
                .iter()
                .filter(|s| s.client.flags.contains(ClientFlags::POSTPONED))
                .map(|s| s.client.id)
                .collect();
            for id in postponed {
                let Some(mut session) = self.clients.take(id) else {
                    continue;
                };
                session.client.flags.remove(ClientFlags::POSTPONED);
                self.resume(&mut session);
                self.put_back(session);
            }
        }
    }

    /// A client that was stopped runs again: the loop goes on with its input.
    pub(super) fn resume(&mut self, session: &mut Session) {
        if !session.input.is_empty() {
            session.input.runnable = true;
        }
        if !session.ready_queued {
            session.ready_queued = true;
            self.ready.push(session.client.id);
        }
    }

    /// Puts a session back that was taken to write to it.
    pub(super) fn put_back(&mut self, mut session: Box<Session>) {
        if session.reply.is_full() {
            self.enforce_output_limit(&mut session);
        } else if !session.reply.is_empty() {
            self.queue_flush(&mut session);
        }
        self.clients.put_back(session);
    }

    /// Work that cannot wait for the next event.
    pub(super) fn has_urgent(&self) -> bool {
        !self.flush.is_empty()
            || !self.to_close.is_empty()
            || self.shutdown.is_some()
            || self.evicting
            || self.loader.is_some()
            || self.freeing
    }

    /// Reads the clocks again, for what follows in this turn.
    pub fn read_clock(&mut self, keyspace: &mut Keyspace) {
        if self.clock_by_hand {
            return;
        }
        self.now = Now::read(self.started);
        keyspace.now_ms = self.now.unix_ms();
    }

    /// Starts a new replication history.
    pub fn change_replid(&mut self) {
        self.replid = random::hex(40);
    }

    /// `hz`, raised with the number of clients when `dynamic-hz` says so.
    pub fn effective_hz(&self) -> u64 {
        let mut hz = (self.config.hz as u64).clamp(1, 500);
        if self.config.dynamic_hz {
            while self.clients.len() as u64 / hz > 200 && hz < 500 {
                hz *= 2;
            }
        }
        hz.min(500)
    }
}
