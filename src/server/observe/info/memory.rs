//! INFO memory, and the figures that MEMORY STATS and MEMORY DOCTOR share with it.

use super::{Source, Writer};

use crate::base::text::human;

use crate::base::cgroup::Owner;
use crate::base::{alloc, usage};
use crate::config::Choice;
use crate::keyspace::DbIndex;

/// Where the memory is.
#[derive(Clone, Debug, Default)]
pub struct MemoryFigures {
    pub used: usize,
    pub peak: usize,
    pub rss: usize,
    pub startup: usize,
    pub allocator: alloc::Totals,
    /// Everything but keys and values.
    pub overhead: usize,
    /// Scripts of EVAL, libraries, and the Lua states of both.
    pub scripts: usize,
    pub libraries: usize,
    pub script_states: usize,
    pub clients: usize,
    /// Bytes waiting to be written to the append only file.
    pub aof_buffer: usize,
    /// Tables of the databases in use.
    pub tables: Vec<(DbIndex, usize)>,
    /// Expiry entries of hash fields.
    pub field_expiries: usize,
    /// Channels, patterns and their subscribers.
    pub pubsub: usize,
    /// Keys that clients track, and their prefixes.
    pub tracking: usize,
    pub users: usize,
    /// Watched keys.
    pub watched: usize,
    pub command_logs: usize,
    /// Latency histograms by command.
    pub histograms: usize,
    pub hotkeys: usize,
    pub prefix_stats: usize,
    /// Values saved early, before they changed, that wait to be written.
    pub snapshot_early: usize,
    /// Private pages of a child that saves: resident, but not in this process's allocator.
    pub child_cow: usize,
    pub keys: usize,
}

/// Takes all figures; the allocator's and `rss` are up to 0.1 s old. O(clients + databases).
pub fn memory_figures(from: &Source<'_>) -> MemoryFigures {
    let startup = from.server.identity.startup_bytes;
    let server = from.server;
    let clients = from.client_totals().memory + server.clients.table_bytes();
    let log = from.server.persist.aof.log();
    let aof_buffer = log.map_or(0, |log| log.writer.buffer_bytes());
    let tables: Vec<(DbIndex, usize)> = from
        .keyspace
        .in_use()
        .map(|(at, db)| (at, db.table_bytes()))
        .collect();
    let scripting = &from.server.scripting;
    let (scripts, libraries) = (scripting.scripts.bytes(), scripting.libraries.bytes());
    let script_states = scripting.scripts.vm_bytes() + scripting.libraries.vm_bytes();
    let field_expiries = from.keyspace.in_use();
    let field_expiries = field_expiries
        .map(|(_, db)| db.fields().memory_bytes())
        .sum();
    let pubsub = server.messages.pubsub.memory_bytes();
    let tracking = server.messages.tracking.memory_bytes();
    let users = server.acl.users.memory_bytes();
    let watched = from.keyspace.watchers.memory_bytes();
    let command_logs = server.diagnostics.command_logs.memory_bytes();
    let histograms = server
        .diagnostics
        .command_stats
        .iter()
        .filter_map(|s| s.latency.as_ref());
    let histograms = histograms.map(|its| its.memory_bytes()).sum();
    let hotkeys = server.diagnostics.hotkeys.memory_bytes();
    let prefix_stats = from.keyspace.prefix_bytes();
    let snapshot_early = from.keyspace.early_bytes();
    let child = server.persist.snapshots.child_progress();
    MemoryFigures {
        used: from.used,
        peak: alloc::peak_memory(),
        rss: usage::recent_resident_bytes(),
        startup,
        allocator: alloc::totals().unwrap_or_default(),
        overhead: startup
            + clients
            + aof_buffer
            + scripts
            + libraries
            + script_states
            + field_expiries
            + pubsub
            + tracking
            + users
            + watched
            + command_logs
            + histograms
            + hotkeys
            + prefix_stats
            + snapshot_early
            + tables.iter().map(|(_, bytes)| bytes).sum::<usize>(),
        scripts,
        libraries,
        script_states,
        clients,
        aof_buffer,
        tables,
        field_expiries,
        pubsub,
        tracking,
        users,
        watched,
        command_logs,
        histograms,
        hotkeys,
        prefix_stats,
        snapshot_early,
        child_cow: child.map_or(0, |child| child.cow as usize),
        keys: from.keyspace.in_use().map(|(_, db)| db.len()).sum(),
    }
}

impl MemoryFigures {
    /// russet's own lines: the name in INFO, that in MEMORY STATS, bytes.
    pub fn own_lines(&self) -> [(&'static str, &'static str, usize); 12] {
        let tables = self.tables.iter().map(|(_, bytes)| bytes).sum();
        [
            ("mem_db_tables", "db.tables", tables),
            ("mem_field_expiries", "field.expiries", self.field_expiries),
            ("mem_pubsub", "pubsub", self.pubsub),
            ("mem_tracking", "tracking", self.tracking),
            ("mem_users", "users", self.users),
            ("mem_watched_keys", "watched.keys", self.watched),
            ("mem_command_logs", "command.logs", self.command_logs),
            (
                "mem_latency_histograms",
                "latency.histograms",
                self.histograms,
            ),
            ("mem_hotkeys", "hotkeys", self.hotkeys),
            ("mem_prefix_stats", "prefix.stats", self.prefix_stats),
            ("mem_snapshot_early", "snapshot.early", self.snapshot_early),
            ("mem_snapshot_cow", "snapshot.cow", self.child_cow),
        ]
    }

    /// Bytes of keys and values.
    pub fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead)
    }

    /// Bytes allocated since start-up, at least 1.
    pub fn net(&self) -> usize {
        self.used.saturating_sub(self.startup).max(1)
    }

    /// The dataset's share of what was allocated since start-up.
    pub fn dataset_percent(&self) -> f64 {
        self.dataset() as f64 * 100.0 / self.net() as f64
    }

    pub fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }
}

/// `a / b` and `a - b`: an amount of memory against its reference.
pub fn excess(a: usize, b: usize) -> (f64, i64) {
    (a as f64 / b.max(1) as f64, a as i64 - b as i64)
}

pub(in crate::server) fn memory(from: &Source<'_>, to: &mut Writer) {
    let m = memory_figures(from);
    let config = &from.server.config;
    let lazyfree = &from.keyspace.lazyfree;
    let system = rustix::system::sysinfo();
    let total = system.totalram as u64 * u64::from(system.mem_unit.max(1));
    let scripting = &from.server.scripting;
    let (vm_eval, vm_functions) = (scripting.scripts.vm_bytes(), scripting.libraries.vm_bytes());
    let (scripts_eval, functions) = (scripting.scripts.bytes(), scripting.libraries.bytes());
    to.section("Memory");
    to.fields(&[
        ("used_memory", &m.used),
        ("used_memory_human", &human(m.used as u64)),
        ("used_memory_rss", &m.rss),
        ("used_memory_rss_human", &human(m.rss as u64)),
        ("used_memory_peak", &m.peak),
        ("used_memory_peak_human", &human(m.peak as u64)),
        (
            "used_memory_peak_perc",
            &format_args!("{:.2}%", m.peak_percent()),
        ),
        ("used_memory_overhead", &m.overhead),
        ("used_memory_startup", &m.startup),
        ("used_memory_dataset", &m.dataset()),
        (
            "used_memory_dataset_perc",
            &format_args!("{:.2}%", m.dataset_percent()),
        ),
        ("allocator_allocated", &m.allocator.allocated),
        ("allocator_active", &m.allocator.active),
        ("allocator_resident", &m.allocator.resident),
        ("allocator_muzzy", &0),
        ("total_system_memory", &total),
        ("total_system_memory_human", &human(total)),
        ("used_memory_lua", &vm_eval),
        ("used_memory_vm_eval", &vm_eval),
        ("used_memory_lua_human", &human(vm_eval as u64)),
        ("used_memory_scripts_eval", &scripts_eval),
        ("number_of_cached_scripts", &scripting.scripts.len()),
        ("number_of_functions", &scripting.libraries.functions()),
        ("number_of_libraries", &scripting.libraries.len()),
        ("used_memory_vm_functions", &vm_functions),
        ("used_memory_vm_total", &(vm_eval + vm_functions)),
        (
            "used_memory_vm_total_human",
            &human((vm_eval + vm_functions) as u64),
        ),
        ("used_memory_functions", &functions),
        ("used_memory_scripts", &(scripts_eval + functions)),
        (
            "used_memory_scripts_human",
            &human((scripts_eval + functions) as u64),
        ),
        ("maxmemory", &from.server.memory.limit.maxmemory()),
        (
            "maxmemory_human",
            &human(from.server.memory.limit.maxmemory()),
        ),
        ("maxmemory_policy", &config.maxmemory_policy.name()),
    ]);
    // russet's own: the base of `maxmemory auto`, and whether too much is resident.
    let limit = &from.server.memory.limit;
    let found = limit.found().map_or((0, "none"), |(bytes, owner)| {
        let owner = match owner {
            Owner::Machine => "machine",
            Owner::Cgroup => "cgroup",
        };
        (bytes, owner)
    });
    to.fields(&[
        ("maxmemory_auto_of", &found.1),
        ("maxmemory_auto_memory", &found.0),
        (
            "maxmemory_resident_exceeded",
            &u8::from(limit.resident_exceeded()),
        ),
    ]);
    for (name, (ratio, bytes)) in [
        (
            // What defragmentation could free: small slabs alone, as in Redis.
            "allocator_frag",
            excess(
                m.allocator.allocated + m.allocator.unused,
                m.allocator.allocated,
            ),
        ),
        (
            "allocator_rss",
            excess(m.allocator.resident, m.allocator.active),
        ),
        ("rss_overhead", excess(m.rss, m.allocator.resident)),
        ("mem_fragmentation", excess(m.rss, m.used)),
    ] {
        to.line(format_args!("{name}_ratio:{ratio:.2}"));
        to.line(format_args!("{name}_bytes:{bytes}"));
    }
    to.fields(&[
        (
            "mem_not_counted_for_evict",
            &from.server.memory.limit.not_counted(),
        ),
        ("mem_replication_backlog", &0),
        ("mem_total_replication_buffers", &0),
        ("mem_replica_full_sync_buffer", &0),
        ("mem_clients_slaves", &0),
        ("mem_clients_normal", &m.clients),
        ("mem_cluster_links", &0),
        ("mem_aof_buffer", &m.aof_buffer),
    ]);
    for (name, _, bytes) in m.own_lines() {
        to.field(name, bytes);
    }
    to.fields(&[
        (
            "mem_allocator",
            &format_args!("jemalloc-{}", alloc::version()),
        ),
        ("mem_overhead_db_hashtable_rehashing", &0),
        (
            "active_defrag_running",
            &from.server.memory.defrag.running(),
        ),
        ("lazyfree_pending_objects", &lazyfree.pending()),
        ("lazyfreed_objects", &lazyfree.freed()),
    ]);
}
