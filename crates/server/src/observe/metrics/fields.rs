//! Which of INFO's fields are metrics, and their names: `redis_exporter`'s if it has a name, so
//! that dashboards made for it work unchanged; `russet_*` for russet's own.
//!
//! INFO remains the only source of figures: a field that changes there changes here.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::exposition::MetricKind::{self, Counter, Gauge, Unknown};
use crate::observe::info::OWN_METRICS;

/// A metric that is a field of INFO.
#[derive(Clone, Copy)]
pub struct Row {
    /// The field's name in INFO.
    pub field: &'static str,
    pub metric: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
}

const fn row(
    field: &'static str,
    metric: &'static str,
    kind: MetricKind,
    help: &'static str,
) -> Row {
    Row {
        field,
        metric,
        kind,
        help,
    }
}

/// All rows: the rows below, and the rows of the memory's own figures.
pub fn rows() -> impl Iterator<Item = Row> {
    let own = OWN_METRICS.iter();
    let own = own.map(|(field, metric, help)| row(field, metric, Gauge, help));
    ROWS.iter().copied().chain(own)
}

/// The row of a field.
pub fn find(field: &str) -> Option<Row> {
    static BY_FIELD: LazyLock<HashMap<&str, Row, ahash::RandomState>> =
        LazyLock::new(|| rows().map(|row| (row.field, row)).collect());
    BY_FIELD.get(field).copied()
}

/// Sections of INFO that have such fields.
pub(crate) const SECTIONS: &[&[u8]] = &[
    b"server",
    b"clients",
    b"memory",
    b"persistence",
    b"stats",
    b"replication",
    b"cpu",
    b"cluster",
    b"debug",
    b"sentinel",
];

/// In INFO's order, without the memory's own figures, whose rows are beside them.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Server
    row("uptime_in_seconds", "redis_uptime_in_seconds", Gauge, "Seconds since the server started"),
    row("process_id", "redis_process_id", Gauge, "The process's number"),
    row("hz", "redis_hz", Gauge, "Turns of cron a second"),
    row("configured_hz", "redis_configured_hz", Gauge, "Turns of cron a second as configured"),
    row("io_threads_active", "redis_io_threads_active", Gauge, "Whether threads of their own read and write for clients"),
    // Clients
    row("connected_clients", "redis_connected_clients", Gauge, "Connected clients, replicas left out"),
    row("cluster_connections", "redis_cluster_connections", Gauge, "Connections of the cluster's bus"),
    row("maxclients", "redis_max_clients", Gauge, "Clients that may be connected at a time"),
    row("client_recent_max_input_buffer", "redis_client_recent_max_input_buffer_bytes", Gauge, "The largest input buffer of the last seconds"),
    row("client_recent_max_output_buffer", "redis_client_recent_max_output_buffer_bytes", Gauge, "The largest output buffer of the last seconds"),
    row("blocked_clients", "redis_blocked_clients", Gauge, "Clients that wait for a key or for a pause to end"),
    row("tracking_clients", "redis_tracking_clients", Gauge, "Clients that are told when keys they have read change"),
    row("pubsub_clients", "redis_pubsub_clients", Gauge, "Clients that subscribe"),
    row("watching_clients", "redis_watching_clients", Gauge, "Clients that watch keys for a transaction"),
    row("clients_in_timeout_table", "redis_clients_in_timeout_table", Gauge, "Clients whose wait has an end"),
    row("total_watched_keys", "redis_total_watched_keys", Gauge, "Watched keys"),
    row("total_blocking_keys", "redis_total_blocking_keys", Gauge, "Keys that clients wait for"),
    row("total_blocking_keys_on_nokey", "redis_total_blocking_keys_on_nokey", Gauge, "Keys that clients wait for and whose end they are told"),
    row("paused_timeout_milliseconds", "redis_paused_timeout_milliseconds", Gauge, "What is left of the pause that holds commands back"),
    // Memory
    row("used_memory", "redis_memory_used_bytes", Gauge, "Bytes that the allocator has given out"),
    row("used_memory_rss", "redis_memory_used_rss_bytes", Gauge, "Bytes of the process that are in memory"),
    row("used_memory_peak", "redis_memory_used_peak_bytes", Gauge, "The most bytes ever given out"),
    row("used_memory_overhead", "redis_memory_used_overhead_bytes", Gauge, "Bytes that are no keys and values"),
    row("used_memory_startup", "redis_memory_used_startup_bytes", Gauge, "Bytes in use when the server was ready"),
    row("used_memory_dataset", "redis_memory_used_dataset_bytes", Gauge, "Bytes of keys and values"),
    row("allocator_allocated", "redis_allocator_allocated_bytes", Gauge, "Bytes given out, by the allocator's own count"),
    row("allocator_active", "redis_allocator_active_bytes", Gauge, "Bytes of pages in use"),
    row("allocator_resident", "redis_allocator_resident_bytes", Gauge, "Bytes of pages in memory"),
    row("allocator_muzzy", "redis_allocator_muzzy_bytes", Gauge, "Bytes of pages that the system may take back"),
    row("total_system_memory", "redis_total_system_memory_bytes", Gauge, "Memory of the machine"),
    row("used_memory_lua", "redis_memory_used_lua_bytes", Gauge, "Bytes of the interpreter of EVAL"),
    row("used_memory_vm_eval", "redis_memory_used_vm_eval_bytes", Gauge, "Bytes of the interpreter of EVAL"),
    row("used_memory_scripts_eval", "redis_memory_used_scripts_eval_bytes", Gauge, "Bytes of cached scripts"),
    row("number_of_cached_scripts", "redis_number_of_cached_scripts", Gauge, "Cached scripts"),
    row("number_of_functions", "redis_number_of_functions", Gauge, "Functions"),
    row("number_of_libraries", "redis_number_of_libraries", Gauge, "Libraries of functions"),
    row("used_memory_vm_functions", "redis_memory_used_vm_functions_bytes", Gauge, "Bytes of the interpreter of functions"),
    row("used_memory_vm_total", "redis_memory_used_vm_total", Unknown, "Bytes of both interpreters"),
    row("used_memory_functions", "redis_memory_used_functions_bytes", Gauge, "Bytes of libraries"),
    row("used_memory_scripts", "redis_memory_used_scripts_bytes", Gauge, "Bytes of scripts and libraries"),
    row("maxmemory", "redis_memory_max_bytes", Gauge, "maxmemory; 0: no limit"),
    row("maxmemory_resident_exceeded", "russet_maxmemory_resident_exceeded", Gauge, "Whether far more than maxmemory is resident"),
    row("allocator_frag_ratio", "redis_allocator_frag_ratio", Gauge, "Active over allocated bytes"),
    row("allocator_frag_bytes", "redis_allocator_frag_bytes", Gauge, "Active less allocated bytes"),
    row("allocator_rss_ratio", "redis_allocator_rss_ratio", Gauge, "Resident over active bytes"),
    row("allocator_rss_bytes", "redis_allocator_rss_bytes", Gauge, "Resident less active bytes"),
    row("rss_overhead_ratio", "redis_rss_overhead_ratio", Gauge, "Memory of the process over the allocator's"),
    row("rss_overhead_bytes", "redis_rss_overhead_bytes", Gauge, "Memory of the process less the allocator's"),
    row("mem_fragmentation_ratio", "redis_mem_fragmentation_ratio", Gauge, "Memory of the process over used memory"),
    row("mem_fragmentation_bytes", "redis_mem_fragmentation_bytes", Gauge, "Memory of the process less used memory"),
    row("mem_not_counted_for_evict", "redis_mem_not_counted_for_eviction_bytes", Gauge, "Bytes that do not count towards maxmemory"),
    row("mem_replication_backlog", "redis_mem_replication_backlog_bytes", Gauge, "Bytes of the replication backlog"),
    row("mem_total_replication_buffers", "redis_mem_total_replication_buffers_bytes", Gauge, "Bytes of the backlog and of what replicas are still to be sent"),
    row("mem_clients_slaves", "redis_mem_clients_slaves", Gauge, "Bytes of replicas' connections"),
    row("mem_clients_normal", "redis_mem_clients_normal", Gauge, "Bytes of clients"),
    row("mem_cluster_links", "redis_mem_cluster_links_bytes", Gauge, "Bytes of the cluster's links"),
    row("mem_aof_buffer", "redis_mem_aof_buffer_bytes", Gauge, "Bytes that wait to be written to the append only file"),
    row("active_defrag_running", "redis_active_defrag_running", Gauge, "Whether memory is being defragmented"),
    row("lazyfree_pending_objects", "redis_lazyfree_pending_objects", Gauge, "Values that wait to be freed"),
    row("packed_keys", "russet_packed_keys", Gauge, "Values that are packed"),
    row("packed_bytes", "russet_packed_bytes", Gauge, "Bytes of packed values"),
    row("packed_raw_bytes", "russet_packed_raw_bytes", Gauge, "Bytes of packed values before they were packed"),
    row("packed_dictionary_bytes", "russet_packed_dictionary_bytes", Gauge, "Bytes of the dictionaries of packed values"),
    row("lazyfreed_objects", "redis_lazyfreed_objects_total", Counter, "Values freed behind the loop's back"),
    // Persistence
    row("loading", "redis_loading_dump_file", Gauge, "Whether data is being loaded"),
    row("async_loading", "redis_async_loading", Gauge, "Whether data is being loaded while the old is served"),
    row("current_cow_peak", "redis_current_cow_peak_bytes", Gauge, "The most bytes copied for a child that saves"),
    row("current_cow_size", "redis_current_cow_size_bytes", Gauge, "Bytes copied for a child that saves"),
    row("current_save_keys_processed", "redis_current_save_keys_processed", Gauge, "Keys that the save under way has written"),
    row("current_save_keys_total", "redis_current_save_keys", Gauge, "Keys that the save under way will write"),
    row("snapshot_early_bytes", "russet_snapshot_early_bytes", Gauge, "Bytes that were about to change and wait to be saved"),
    row("rdb_changes_since_last_save", "redis_rdb_changes_since_last_save", Gauge, "Changes that no snapshot has"),
    row("rdb_bgsave_in_progress", "redis_rdb_bgsave_in_progress", Gauge, "Whether a snapshot is being made"),
    row("rdb_last_save_time", "redis_rdb_last_save_timestamp_seconds", Gauge, "When the last snapshot was made"),
    row("rdb_last_bgsave_status", "redis_rdb_last_bgsave_status", Gauge, "Whether the last snapshot came to its end"),
    row("rdb_last_bgsave_time_sec", "redis_rdb_last_bgsave_duration_sec", Gauge, "Seconds that the last snapshot took; -1: there was none"),
    row("rdb_current_bgsave_time_sec", "redis_rdb_current_bgsave_duration_sec", Gauge, "Seconds of the snapshot under way; -1: there is none"),
    row("rdb_saves", "redis_rdb_saves_total", Counter, "Snapshots made"),
    row("rdb_last_cow_size", "redis_rdb_last_cow_size_bytes", Gauge, "Bytes copied for the last child that made a snapshot"),
    row("rdb_last_load_keys_expired", "redis_rdb_last_load_expired_keys", Gauge, "Keys of the file loaded last that were due"),
    row("rdb_last_load_keys_loaded", "redis_rdb_last_load_loaded_keys", Gauge, "Keys of the file loaded last"),
    row("aof_enabled", "redis_aof_enabled", Gauge, "Whether there is an append only file"),
    row("aof_rewrite_in_progress", "redis_aof_rewrite_in_progress", Gauge, "Whether the append only file is being rewritten"),
    row("aof_rewrite_scheduled", "redis_aof_rewrite_scheduled", Gauge, "Whether a rewrite waits for a snapshot to end"),
    row("aof_last_rewrite_time_sec", "redis_aof_last_rewrite_duration_sec", Gauge, "Seconds that the last rewrite took; -1: there was none"),
    row("aof_current_rewrite_time_sec", "redis_aof_current_rewrite_duration_sec", Gauge, "Seconds of the rewrite under way; -1: there is none"),
    row("aof_last_bgrewrite_status", "redis_aof_last_bgrewrite_status", Gauge, "Whether the last rewrite came to its end"),
    row("aof_rewrites", "redis_aof_rewrites_total", Counter, "Rewrites done"),
    row("aof_rewrites_consecutive_failures", "redis_aof_rewrites_consecutive_failures", Gauge, "Rewrites in a row that failed"),
    row("aof_last_write_status", "redis_aof_last_write_status", Gauge, "Whether the append only file takes writes"),
    row("aof_last_cow_size", "redis_aof_last_cow_size_bytes", Gauge, "Bytes copied for the last child that rewrote the file"),
    row("module_fork_in_progress", "redis_module_fork_in_progress", Gauge, "Whether a module's child runs"),
    row("module_fork_last_cow_size", "redis_module_fork_last_cow_size", Gauge, "Bytes copied for the last child of a module"),
    row("aof_current_size", "redis_aof_current_size_bytes", Gauge, "Bytes of the append only file"),
    row("aof_base_size", "redis_aof_base_size_bytes", Gauge, "Its bytes after the last rewrite"),
    row("aof_pending_rewrite", "redis_aof_pending_rewrite", Gauge, "Whether a rewrite waits for a snapshot to end"),
    row("aof_buffer_length", "redis_aof_buffer_length", Gauge, "Bytes that wait to be written"),
    row("aof_pending_bio_fsync", "redis_aof_pending_bio_fsync", Gauge, "Whether an fsync is under way"),
    row("aof_scrub_in_progress", "russet_aof_scrub_in_progress", Gauge, "Whether the append only file is being read again"),
    row("aof_scrubs", "russet_aof_scrubs_total", Counter, "Times that the append only file was read again"),
    row("aof_last_scrub_time", "russet_aof_last_scrub_timestamp_seconds", Gauge, "When it was read again last; 0: not yet"),
    row("aof_last_scrub_time_sec", "russet_aof_last_scrub_duration_sec", Gauge, "Seconds that this took; -1: not yet"),
    row("aof_damaged_files", "russet_aof_damaged_files", Gauge, "Its files that are damaged, as far as is known"),
    row("aof_delayed_fsync", "redis_aof_delayed_fsync", Gauge, "Times that an fsync was waited for"),
    row("loading_start_time", "redis_loading_start_timestamp_seconds", Gauge, "When loading began"),
    row("loading_total_bytes", "redis_loading_file_bytes", Gauge, "Bytes to be loaded"),
    row("loading_loaded_bytes", "redis_loading_loaded_bytes", Gauge, "Bytes loaded"),
    row("loading_eta_seconds", "redis_loading_eta_seconds", Gauge, "Seconds that loading may still take"),
    // Stats
    row("total_connections_received", "redis_connections_received_total", Counter, "Connections taken"),
    row("total_commands_processed", "redis_commands_processed_total", Counter, "Commands executed"),
    row("instantaneous_ops_per_sec", "redis_instantaneous_ops_per_second", Gauge, "Commands a second"),
    row("total_net_input_bytes", "redis_net_input_bytes_total", Counter, "Bytes read from clients"),
    row("total_net_output_bytes", "redis_net_output_bytes_total", Counter, "Bytes written to clients"),
    row("total_net_repl_input_bytes", "redis_net_repl_input_bytes_total", Counter, "Bytes read for replication"),
    row("total_net_repl_output_bytes", "redis_net_repl_output_bytes_total", Counter, "Bytes written for replication"),
    row("rejected_connections", "redis_rejected_connections_total", Counter, "Connections refused"),
    row("sync_full", "redis_replica_resyncs_full", Gauge, "Full resynchronizations with replicas"),
    row("sync_partial_ok", "redis_replica_partial_resync_accepted", Gauge, "Partial resynchronizations accepted"),
    row("sync_partial_err", "redis_replica_partial_resync_denied", Gauge, "Partial resynchronizations denied"),
    row("expired_subkeys", "redis_expired_subkeys_total", Counter, "Fields of hashes that expired"),
    row("expired_keys", "redis_expired_keys_total", Counter, "Keys that expired"),
    row("expired_stale_perc", "redis_expired_stale_percentage", Gauge, "Percent of the keys with an expiry that were due"),
    row("expired_time_cap_reached_count", "redis_expired_time_cap_reached_total", Counter, "Expire cycles that ended before their work"),
    row("expire_cycle_cpu_milliseconds", "redis_expire_cycle_cpu_time_ms_total", Counter, "Milliseconds spent on expiring keys"),
    row("evicted_keys", "redis_evicted_keys_total", Counter, "Keys evicted"),
    row("blessed_keys", "redis_blessed_keys", Gauge, "Keys that eviction passes over"),
    row("evicted_clients", "redis_evicted_clients_total", Counter, "Clients closed under maxmemory-clients"),
    row("evicted_scripts", "redis_evicted_scripts_total", Counter, "Scripts that left the cache"),
    row("total_eviction_exceeded_time", "redis_eviction_exceeded_time_ms_total", Counter, "Milliseconds over maxmemory"),
    row("current_eviction_exceeded_time", "redis_current_eviction_exceeded_time_ms", Gauge, "Milliseconds over maxmemory that go on"),
    row("keyspace_hits", "redis_keyspace_hits_total", Counter, "Lookups that found their key"),
    row("keyspace_misses", "redis_keyspace_misses_total", Counter, "Lookups that did not"),
    row("pubsub_channels", "redis_pubsub_channels", Gauge, "Channels with subscribers"),
    row("pubsub_patterns", "redis_pubsub_patterns", Gauge, "Patterns with subscribers"),
    row("pubsubshard_channels", "redis_pubsubshard_channels", Gauge, "Shard channels with subscribers"),
    row("latest_fork_usec", "redis_latest_fork_usec", Gauge, "Microseconds that the last fork took"),
    row("total_forks", "redis_forks_total", Counter, "Forks"),
    row("migrate_cached_sockets", "redis_migrate_cached_sockets_total", Unknown, "Connections that MIGRATE keeps"),
    row("slave_expires_tracked_keys", "redis_slave_expires_tracked_keys", Gauge, "Keys with an expiry that a writable replica tracks"),
    row("active_defrag_hits", "redis_defrag_hits", Gauge, "Values moved to lie closer"),
    row("active_defrag_misses", "redis_defrag_misses", Gauge, "Values left where they were"),
    row("active_defrag_key_hits", "redis_defrag_key_hits", Gauge, "Keys moved to lie closer"),
    row("active_defrag_key_misses", "redis_defrag_key_misses", Gauge, "Keys left where they were"),
    row("packed_total", "russet_packed_total", Counter, "Values that were packed"),
    row("packed_reads", "russet_packed_reads_total", Counter, "Reads of packed values"),
    row("packed_promoted", "russet_packed_promoted_total", Counter, "Packed values that were unpacked because they were read often"),
    row("packed_damaged_reads", "russet_packed_damaged_reads_total", Counter, "Reads of packed values that failed"),
    row("tracking_total_keys", "redis_tracking_total_keys", Gauge, "Keys that somebody is to be told of"),
    row("tracking_total_items", "redis_tracking_total_items", Gauge, "Pairs of such a key and a client"),
    row("tracking_total_prefixes", "redis_tracking_total_prefixes", Gauge, "Prefixes that somebody is to be told of"),
    row("unexpected_error_replies", "redis_unexpected_error_replies", Gauge, "Errors in what a primary or the append only file sent"),
    row("total_error_replies", "redis_total_error_replies", Gauge, "Error replies"),
    row("dump_payload_sanitizations", "redis_dump_payload_sanitizations", Gauge, "Payloads checked in depth"),
    row("total_reads_processed", "redis_total_reads_processed", Gauge, "Reads from clients' sockets"),
    row("total_writes_processed", "redis_total_writes_processed", Gauge, "Writes to clients' sockets"),
    row("client_query_buffer_limit_disconnections", "redis_client_query_buffer_limit_disconnections_total", Counter, "Clients closed for what they sent"),
    row("client_output_buffer_limit_disconnections", "redis_client_output_buffer_limit_disconnections_total", Counter, "Clients closed for what they did not read"),
    row("audit_lines_written", "redis_audit_lines_written_total", Counter, "Lines of the audit log"),
    row("audit_lines_dropped", "redis_audit_lines_dropped_total", Counter, "Lines that the audit log did not take"),
    row("eventloop_cycles", "redis_eventloop_cycles_total", Counter, "Turns of the loop"),
    row("eventloop_duration_sum", "redis_eventloop_duration_sum_usec_total", Counter, "Microseconds spent in turns"),
    row("eventloop_duration_cmd_sum", "redis_eventloop_duration_cmd_sum_usec_total", Counter, "Microseconds spent in commands"),
    row("acl_access_denied_auth", "redis_acl_access_denied_auth_total", Counter, "Logins refused"),
    row("acl_access_denied_cmd", "redis_acl_access_denied_cmd_total", Counter, "Commands refused by a user's rules"),
    row("acl_access_denied_key", "redis_acl_access_denied_key_total", Counter, "Keys refused by a user's rules"),
    row("acl_access_denied_channel", "redis_acl_access_denied_channel_total", Counter, "Channels refused by a user's rules"),
    // Replication
    row("connected_slaves", "redis_connected_slaves", Gauge, "Connected replicas"),
    row("master_repl_offset", "redis_master_repl_offset", Gauge, "Bytes of the replication stream so far"),
    row("second_repl_offset", "redis_second_repl_offset", Gauge, "Up to where the history before is this one"),
    row("repl_backlog_active", "redis_repl_backlog_is_active", Gauge, "Whether there is a replication backlog"),
    row("repl_backlog_size", "redis_replication_backlog_bytes", Gauge, "The size of the replication backlog"),
    row("repl_backlog_first_byte_offset", "redis_repl_backlog_first_byte_offset", Gauge, "The offset of its first byte"),
    row("repl_backlog_histlen", "redis_repl_backlog_history_bytes", Gauge, "Its bytes in use"),
    row("repl_log_first_byte_offset", "redis_repl_log_first_byte_offset", Gauge, "The first offset that the append only file can serve; 0: none"),
    row("sync_min_replicas", "russet_sync_min_replicas", Gauge, "min-sync-replicas; absent while it is 0"),
    row("sync_good_replicas", "russet_sync_good_replicas", Gauge, "Replicas that are connected and acknowledge"),
    row("sync_safe_offset", "russet_sync_safe_offset", Gauge, "The offset up to which enough replicas have the stream"),
    row("sync_unsafe_bytes", "russet_sync_unsafe_bytes", Gauge, "Bytes of writes that too few replicas have"),
    row("sync_unsafe_ms", "russet_sync_unsafe_milliseconds", Gauge, "The age of the oldest of these writes"),
    row("sync_unsafe_keys", "russet_sync_unsafe_keys", Gauge, "Keys whose last change too few replicas have"),
    row("sync_held_clients", "russet_sync_held_clients", Gauge, "Clients whose replies wait for replicas or the disk"),
    row("sync_held_bytes", "russet_sync_held_bytes", Gauge, "Bytes of these replies"),
    row("sync_timeouts", "russet_sync_timeouts_total", Counter, "Connections ended because a reply waited longer than sync-timeout"),
    row("sync_refused_commands", "russet_sync_refused_commands_total", Counter, "Commands refused because too few replicas acknowledge"),
    row("sync_read_rounds", "russet_sync_read_rounds_total", Counter, "Turns whose reads waited because the lease did not hold (sync-reads linear)"),
    row("sync_member", "russet_sync_member", Gauge, "Whether this server is a member of its group (sync-quorum)"),
    row("sync_clean", "russet_sync_clean", Gauge, "Whether its promise counts: it has all that it has acknowledged"),
    row("sync_unclean_ms", "russet_sync_unclean_milliseconds", Gauge, "How long it has not been whole"),
    row("sync_acknowledgements", "russet_sync_acknowledgements", Gauge, "Members that must acknowledge each write, as the group has noted"),
    row("sync_members", "russet_sync_members", Gauge, "Members of the group"),
    row("sync_members_changing", "russet_sync_members_changing", Gauge, "Whether the last change of the members is not acknowledged"),
    row("sync_takeovers", "russet_sync_takeovers_total", Counter, "How often this server has begun to lead"),
    row("sync_takeovers_refused", "russet_sync_takeovers_refused_total", Counter, "Takeovers without enough promises"),
    row("sync_tail_bytes", "russet_sync_tail_bytes_total", Counter, "Bytes that takeovers have fetched from other members"),
    row("sync_lossy_takeovers", "russet_sync_lossy_takeovers_total", Counter, "Takeovers by QUORUM TAKEOVER LOSSY"),
    row("slave_priority", "redis_slave_priority", Gauge, "replica-priority"),
    // CPU
    row("used_cpu_sys", "redis_cpu_sys_seconds_total", Counter, "Seconds of the process in the kernel"),
    row("used_cpu_user", "redis_cpu_user_seconds_total", Counter, "Seconds of the process outside the kernel"),
    row("used_cpu_sys_children", "redis_cpu_sys_children_seconds_total", Counter, "Seconds of its children in the kernel"),
    row("used_cpu_user_children", "redis_cpu_user_children_seconds_total", Counter, "Seconds of its children outside the kernel"),
    row("used_cpu_sys_main_thread", "redis_cpu_sys_main_thread_seconds_total", Counter, "Seconds of the loop's thread in the kernel"),
    row("used_cpu_user_main_thread", "redis_cpu_user_main_thread_seconds_total", Counter, "Seconds of the loop's thread outside the kernel"),
    // Cluster
    row("cluster_enabled", "redis_cluster_enabled", Gauge, "Whether this is a node of a cluster"),
    row("cluster_state", "redis_cluster_state", Gauge, "Whether the cluster is well, as this node sees it"),
    row("cluster_slots_assigned", "redis_cluster_slots_assigned", Gauge, "Slots that some node serves"),
    row("cluster_slots_ok", "redis_cluster_slots_ok", Gauge, "Slots of nodes that answer"),
    row("cluster_slots_pfail", "redis_cluster_slots_pfail", Gauge, "Slots of nodes that do not answer this one"),
    row("cluster_slots_fail", "redis_cluster_slots_fail", Gauge, "Slots of nodes that have failed"),
    row("cluster_known_nodes", "redis_cluster_known_nodes", Gauge, "Nodes that this one knows"),
    row("cluster_size", "redis_cluster_size", Gauge, "Primaries with slots"),
    row("cluster_current_epoch", "redis_cluster_current_epoch", Gauge, "The newest epoch"),
    row("cluster_my_epoch", "redis_cluster_my_epoch", Gauge, "The epoch of this node's slots"),
    row("cluster_stats_messages_sent", "redis_cluster_messages_sent_total", Counter, "Messages sent on the bus"),
    row("cluster_stats_messages_received", "redis_cluster_messages_received_total", Counter, "Messages received on the bus"),
    row("cluster_slot_migration_active_tasks", "redis_cluster_slot_migration_active_tasks", Gauge, "Slot migrations of this node that go on"),
    row("cluster_slot_migration_active_trim_running", "redis_cluster_slot_migration_active_trim_running", Gauge, "Deletions of lost slots of which not all replicas and the log have heard"),
    row("cluster_slot_migration_stats_active_trim_started", "redis_cluster_slot_migration_active_trim_started_total", Counter, "Such deletions begun"),
    row("cluster_slot_migration_stats_active_trim_completed", "redis_cluster_slot_migration_active_trim_completed_total", Counter, "Such deletions completed"),
    // Debug
    row("eventloop_cmd_per_cycle_max", "russet_commands_per_turn_max", Gauge, "The most commands of one turn"),
    // Sentinel
    row("sentinel_masters", "redis_sentinel_masters", Gauge, "Primaries that this Sentinel watches"),
    row("sentinel_tilt", "redis_sentinel_tilt", Gauge, "Whether the Sentinel is in TILT: its clock has jumped or it was stopped, and it concludes nothing"),
    row("sentinel_running_scripts", "redis_sentinel_running_scripts", Gauge, "Scripts that run"),
    row("sentinel_scripts_queue_length", "redis_sentinel_scripts_queue_length", Gauge, "Scripts that run or wait"),
    row("sentinel_simulate_failure_flags", "redis_sentinel_simulate_failure_flags", Gauge, "Failures that SENTINEL SIMULATE-FAILURE has asked for"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_given_once_and_counters_end_as_such() {
        let mut seen = HashSet::new();
        for row in rows() {
            assert!(seen.insert(row.metric), "{}", row.metric);
            assert!(
                row.kind != Counter || row.metric.ends_with("_total"),
                "{}",
                row.metric
            );
            assert!(
                row.kind != Gauge || !row.metric.ends_with("_total"),
                "{}",
                row.metric
            );
        }
    }
}
