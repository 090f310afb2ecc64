//! INFO memory, and the figures that MEMORY STATS and MEMORY DOCTOR share with it.
//!
//! [`MemoryFigures`] is taken once for each report. russet's own figures are declared once, in a
//! list (`OwnFigures`) from which INFO, MEMORY STATS and the metrics take their lines.
//! Cost: O(clients + databases), and one walk over owners whose bytes no counter has
//! (`not_counted::walked`). The allocator's figures and `rss` are up to 0.1 s old. Elsewhere:
//! `not_counted` has memory without effect on `maxmemory`, `base::memory` the allocator.

use std::sync::LazyLock;

use super::writer::{Hundredths, Percent};
use super::{InfoWriter, Source};

use crate::observe::not_counted::NotCounted;
use crate::parts::memory::client_memory::not_counted_of;
use crate::parts::replication::replica_link::Replica;
use russet_base::text::human;

use russet_base::memory::cgroup::Owner;
use russet_base::{memory::alloc, usage};
use russet_config::Choice;
use russet_keyspace::DbIndex;
use russet_types::shared_figures;

/// russet's own figures, in the order of their lines: the name, which is `mem_name` in INFO, `name`
/// with dots in MEMORY STATS and `russet_mem_name_bytes` among the metrics; whether it counts as
/// overhead; its help text; the function that takes it.
macro_rules! own_figures {
    ($($name:ident, $is_overhead:literal, $help:literal, $bytes:expr;)*) => {
        /// Bytes of russet's own figures.
        #[derive(Clone, Debug, Default)]
        pub struct OwnFigures {
            $(#[doc = $help] pub $name: usize,)*
        }

        impl OwnFigures {
            fn take(from: &Source<'_>) -> OwnFigures {
                let take = |bytes: fn(&Source<'_>) -> usize| bytes(from);
                OwnFigures {
                    $($name: take($bytes),)*
                }
            }

            /// The sum of the figures that count as overhead.
            fn overhead(&self) -> usize {
                [$(if $is_overhead { self.$name } else { 0 }),*].iter().sum()
            }

            /// The lines: name and bytes.
            pub fn lines(&self) -> impl ExactSizeIterator<Item = (&'static str, usize)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }

        /// The lines' names in INFO, with their metrics and help texts.
        pub const OWN_METRICS: &[(&str, &str, &str)] = &[$((
            concat!("mem_", stringify!($name)),
            concat!("russet_mem_", stringify!($name), "_bytes"),
            $help,
        )),*];
    };
}

own_figures! {
    db_tables, true, "Bytes of the databases' tables",
        |from| from.keyspace.in_use().map(|(_, db)| db.table_bytes()).sum();
    field_expiries, true, "Bytes of the lines of hashes whose fields expire",
        |from| from.keyspace.in_use().map(|(_, db)| db.line_bytes()).sum();
    pubsub, true, "Bytes of channels, patterns and who has subscribed to them",
        |from| from.server.messages.pubsub.memory_bytes();
    tracking, true, "Bytes of keys that clients keep",
        |from| from.server.messages.tracking.memory_bytes();
    users, true, "Bytes of users",
        |from| from.server.acl.users.memory_bytes();
    watched_keys, true, "Bytes of watched keys",
        |from| from.keyspace.watchers.memory_bytes();
    command_logs, true, "Bytes of the command logs",
        |from| from.server.diagnostics.command_logs.memory_bytes();
    latency_histograms, true, "Bytes of latency by command",
        |from| from.server.diagnostics.histogram_bytes;
    hotkeys, true, "Bytes of a session of HOTKEYS",
        |from| from.server.diagnostics.hotkeys.memory_bytes();
    prefix_stats, true, "Bytes of figures by prefix",
        |from| from.keyspace.prefix_bytes();
    io_threads, true, "Bytes of the threads that read and write for clients",
        |from| from.server.connections.io_threads.iter().map(|one| one.own_bytes()).sum();
    snapshot_early, true, "Bytes that were about to change and wait to be saved",
        |from| from.keyspace.early_bytes();
    not_counted, false, "Bytes that do not count towards maxmemory",
        |from| from.not_counted().total();
    // Not in `used_memory`.
    set_aside, false, "Bytes that flushes have set aside",
        |from| from.keyspace.aside_bytes();
    // Private pages of a child: resident, but not in this process's allocator.
    snapshot_cow, false, "Bytes copied for a child that saves",
        |from| from.server.persist.snapshots.child_progress().map_or(0, |child| child.cow as usize);
}

impl Source<'_> {
    /// Memory that does not count towards `maxmemory`, measured now.
    pub fn not_counted(&self) -> NotCounted {
        let clients = not_counted_of(self.client_totals().own);
        NotCounted::measure(self.server, self.keyspace, clients).with_walked(self.server)
    }
}

/// The memory of each owner, bytes.
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
    /// The part of `clients` that connections of replicas have.
    pub replica_clients: usize,
    /// The part of the backlog that is held only for replicas.
    pub replica_excess: usize,
    /// Bytes of values in clients' replies: of shared values, and of their own copies.
    pub clients_shared: usize,
    pub clients_unshared: usize,
    /// Buffers of connections to other nodes.
    pub cluster_links: usize,
    /// The primary's stream since its snapshot, which is applied after it.
    pub full_sync_held: usize,
    /// Bytes waiting to be written to the append only file.
    pub aof_buffer: usize,
    /// The backlog.
    pub backlog: usize,
    /// The backlog, and snapshots that replicas are sent.
    pub replication_buffers: usize,
    /// Tables of the databases in use.
    pub tables: Vec<(DbIndex, usize)>,
    pub own: OwnFigures,
    /// Memory that does not count towards `maxmemory`, by owner.
    pub not_counted: Vec<(&'static str, usize)>,
    pub keys: usize,
}

/// Takes all figures; the allocator's and `rss` are up to 0.1 s old. O(clients + databases).
pub fn memory_figures(from: &Source<'_>) -> MemoryFigures {
    let startup = from.server.identity.startup_bytes;
    let server = from.server;
    let clients = from.client_totals().memory + server.clients.table_bytes();
    let of_replica = |replica: &Replica| server.clients.get(replica.id);
    let replicas = server.replication.replicas.iter().filter_map(of_replica);
    let replica_clients = replicas.map(|s| s.client.memory_bytes(&s.reply)).sum();
    let log = from.server.persist.aof.log();
    let aof_buffer = log.map_or(0, |log| log.writer.buffer_bytes());
    let backlog = server.stream.backlog();
    let replica_excess = if server.replication.replicas.is_empty() {
        0
    } else {
        backlog.map_or(0, |backlog| backlog.excess_bytes())
    };
    let backlog = backlog.map_or(0, |backlog| backlog.memory_bytes());
    let databases = from.keyspace.in_use();
    let tables = databases.map(|(at, db)| (at, db.table_bytes())).collect();
    let scripting = &from.server.scripting;
    let (scripts, libraries) = (scripting.scripts.bytes(), scripting.libraries.bytes());
    let script_states = scripting.scripts.vm_bytes() + scripting.libraries.vm_bytes();
    let own = OwnFigures::take(from);
    let upstream = server.replication.upstream.as_ref();
    let full_sync_held = upstream.map_or(0, |upstream| upstream.core.held.memory_bytes());
    let cluster_links = server.cluster.as_ref().map_or(0, |it| it.link_bytes());
    MemoryFigures {
        used: from.used,
        peak: alloc::peak_memory(),
        rss: usage::recent_resident_bytes(),
        startup,
        allocator: alloc::totals().unwrap_or_default(),
        overhead: startup
            + clients
            + backlog
            + full_sync_held
            + cluster_links
            + aof_buffer
            + scripts
            + libraries
            + script_states
            + own.overhead(),
        scripts,
        libraries,
        script_states,
        clients,
        replica_clients,
        replica_excess,
        clients_shared: from.client_totals().shared,
        clients_unshared: from.client_totals().unshared,
        cluster_links,
        full_sync_held,
        aof_buffer,
        backlog,
        replication_buffers: backlog + server.persist.snapshots.spool_bytes(),
        tables,
        own,
        not_counted: from.not_counted().lines().to_vec(),
        keys: from.keyspace.in_use().map(|(_, db)| db.len()).sum(),
    }
}

impl MemoryFigures {
    /// The connections of replicas, and the part of the backlog that is held only for them.
    pub fn of_replicas(&self) -> usize {
        self.replica_clients + self.replica_excess
    }

    /// The connections of other clients.
    pub fn of_clients(&self) -> usize {
        self.clients.saturating_sub(self.replica_clients)
    }

    /// The backlog without the part that is held only for replicas.
    pub fn of_backlog(&self) -> usize {
        self.backlog.saturating_sub(self.replica_excess)
    }

    /// Bytes of keys and values.
    pub fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead)
    }

    /// Bytes allocated since start-up, at least 1.
    pub fn net(&self) -> usize {
        self.used.saturating_sub(self.startup).max(1)
    }

    /// The dataset's share of the bytes allocated since start-up.
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

/// The machine's memory at the first report, bytes.
static SYSTEM_BYTES: LazyLock<u64> = LazyLock::new(|| {
    let system = rustix::system::sysinfo();
    system.totalram as u64 * u64::from(system.mem_unit.max(1))
});

static ALLOCATOR: LazyLock<String> = LazyLock::new(|| format!("jemalloc-{}", alloc::version()));

/// In Redis's order.
pub fn memory(from: &Source<'_>, to: &mut InfoWriter) {
    let m = memory_figures(from);
    to.section("Memory");
    totals(from, &m, to);
    scripts(from, to);
    limit(from, to);
    fragmentation(&m, to);
    owners(from, &m, to);
    let lazyfree = &from.keyspace.lazyfree;
    to.fields(&[
        ("mem_allocator", &*ALLOCATOR),
        ("mem_overhead_db_hashtable_rehashing", &0),
        (
            "active_defrag_running",
            &from.server.memory.defrag.running(),
        ),
        ("lazyfree_pending_objects", &lazyfree.pending()),
        ("lazyfreed_objects", &lazyfree.freed()),
    ]);
    packed_values(from, to);
}

/// The process, the allocator and the machine.
fn totals(from: &Source<'_>, m: &MemoryFigures, to: &mut InfoWriter) {
    let total = *SYSTEM_BYTES;
    to.fields(&[
        ("used_memory", &m.used),
        ("used_memory_human", &human(m.used as u64)),
        ("used_memory_rss", &m.rss),
        ("used_memory_rss_human", &human(m.rss as u64)),
        ("used_memory_peak", &m.peak),
        ("used_memory_peak_human", &human(m.peak as u64)),
        ("used_memory_peak_time", &from.server.stats.peak.at_s),
        ("used_memory_peak_perc", &Percent(m.peak_percent())),
        ("used_memory_overhead", &m.overhead),
        ("used_memory_startup", &m.startup),
        ("used_memory_dataset", &m.dataset()),
        ("used_memory_dataset_perc", &Percent(m.dataset_percent())),
        ("allocator_allocated", &m.allocator.allocated),
        ("allocator_active", &m.allocator.active),
        ("allocator_resident", &m.allocator.resident),
        ("allocator_muzzy", &0),
        ("total_system_memory", &total),
        ("total_system_memory_human", &human(total)),
    ]);
}

/// Lua states, scripts and libraries, and the memory that hashes share.
fn scripts(from: &Source<'_>, to: &mut InfoWriter) {
    let scripting = &from.server.scripting;
    let (vm_eval, vm_functions) = (scripting.scripts.vm_bytes(), scripting.libraries.vm_bytes());
    let (scripts_eval, functions) = (scripting.scripts.bytes(), scripting.libraries.bytes());
    to.fields(&[
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
        ("used_memory_hash_templates", &shared_figures().bytes),
        ("used_memory_scripts", &(scripts_eval + functions)),
        (
            "used_memory_scripts_human",
            &human((scripts_eval + functions) as u64),
        ),
    ]);
}

/// `maxmemory`, and the policy of eviction.
fn limit(from: &Source<'_>, to: &mut InfoWriter) {
    let (config, limit) = (&from.server.config, &from.server.memory.limit);
    to.fields(&[
        ("maxmemory", &limit.maxmemory()),
        ("maxmemory_human", &human(limit.maxmemory())),
        ("maxmemory_policy", &config.maxmemory_policy.name()),
    ]);
    // russet's own: the base of `maxmemory auto`, and whether too much is resident.
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
}

/// Ratios of neighbouring totals, and their differences in bytes.
fn fragmentation(m: &MemoryFigures, to: &mut InfoWriter) {
    for ([ratio_name, bytes_name], (ratio, bytes)) in [
        (
            // Memory that defragmentation could free: small slabs alone, as in Redis.
            ["allocator_frag_ratio", "allocator_frag_bytes"],
            excess(
                m.allocator.allocated + m.allocator.unused,
                m.allocator.allocated,
            ),
        ),
        (
            ["allocator_rss_ratio", "allocator_rss_bytes"],
            excess(m.allocator.resident, m.allocator.active),
        ),
        (
            ["rss_overhead_ratio", "rss_overhead_bytes"],
            excess(m.rss, m.allocator.resident),
        ),
        (
            ["mem_fragmentation_ratio", "mem_fragmentation_bytes"],
            excess(m.rss, m.used),
        ),
    ] {
        to.field(ratio_name, Hundredths(ratio));
        to.field(bytes_name, bytes);
    }
}

/// Memory of replication, clients, migrations and the log, then russet's own figures.
fn owners(from: &Source<'_>, m: &MemoryFigures, to: &mut InfoWriter) {
    let (slots_out, slots_in) = from
        .server
        .migrations
        .as_ref()
        .map_or((0, 0), |it| it.memory_bytes());
    to.fields(&[
        ("mem_not_counted_for_evict", &m.own.not_counted),
        ("mem_replication_backlog", &m.of_backlog()),
        ("mem_total_replication_buffers", &m.replication_buffers),
        ("mem_replica_full_sync_buffer", &m.full_sync_held),
        ("mem_clients_slaves", &m.of_replicas()),
        ("mem_clients_normal", &m.of_clients()),
        ("mem_clients_normal_shared", &m.clients_shared),
        ("mem_clients_normal_unshared", &m.clients_unshared),
        ("mem_cluster_slot_migration_output_buffer", &slots_out),
        ("mem_cluster_slot_migration_input_buffer", &slots_in),
        ("mem_cluster_slot_migration_input_buffer_peak", &0),
        ("mem_cluster_links", &m.cluster_links),
        ("mem_aof_buffer", &m.aof_buffer),
    ]);
    for ((_, bytes), (name, ..)) in m.own.lines().zip(OWN_METRICS) {
        to.field(name, bytes);
    }
}

/// Values compressed with shared dictionaries.
fn packed_values(from: &Source<'_>, to: &mut InfoWriter) {
    let packed = from.keyspace.packing.figures();
    let frames = &packed.frames;
    to.fields(&[
        ("packed_keys", &frames.frames),
        ("packed_bytes", &frames.frame_bytes),
        ("packed_raw_bytes", &frames.raw_bytes),
        (
            "packed_saved_bytes",
            &frames.raw_bytes.saturating_sub(frames.frame_bytes),
        ),
        ("packed_dictionaries", &packed.dictionaries),
        (
            "packed_prefix_dictionaries",
            &from.server.memory.packing.prefix_dictionaries(),
        ),
        ("packed_dictionary_bytes", &packed.dictionary_bytes),
    ]);
}
