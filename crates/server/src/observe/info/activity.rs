//! INFO persistence and stats: saves, the append only file, counters and rates.
//!
//! Fields that only russet or Valkey has stand among Redis's, each with a comment. The append only
//! file's fields are shown while it is open, the fields of loading while data is loaded.
//! Cost: O(1). Elsewhere: `figures::stats` counts; `replication` writes that section.

use super::writer::{Hundredths, Value};
use super::{InfoWriter, Source};

use crate::parts::persist::aof::AofState;
use crate::parts::persist::snapshot::Consumer;
use crate::parts::persist::snapshot::child::ChildProgress;
use russet_acl::Reason;
use russet_base::text::Printable;
use russet_keyspace::damaged_frames;
use russet_pubsub::Kind;
use russet_types::shared_figures;

pub(crate) fn persistence(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Persistence");
    let loading = &from.server.persist.loading;
    let is_async = loading.is_async();
    to.fields(&[
        ("loading", &u8::from(loading.in_progress() && !is_async)),
        ("async_loading", &u8::from(is_async)),
    ]);
    let server = from.server;
    snapshot_progress(from, to);
    to.field("rdb_changes_since_last_save", from.keyspace.dirty);
    let saving = &from.server.persist.saving;
    // As in Redis, a snapshot for replicas counts.
    let is_saving = saving.in_progress() || server.persist.snapshots.serves_replicas();
    to.field("rdb_bgsave_in_progress", u8::from(is_saving));
    to.field("rdb_last_save_time", saving.last_save_s);
    let ok = |ok: bool| if ok { "ok" } else { "err" };
    to.field("rdb_last_bgsave_status", ok(saving.last_status_ok));
    if !saving.last_status_ok && !saving.last_error.is_empty() {
        // russet's own.
        let why = Printable(saving.last_error.as_bytes());
        to.field("rdb_last_bgsave_error", format_args!("{why}"));
    }
    to.field("rdb_last_bgsave_time_sec", saving.last_time_s);
    let current_s = saving.current_time_s(from.server.now.mono_ms);
    to.field("rdb_current_bgsave_time_sec", current_s);
    to.field("rdb_saves", saving.saves);
    to.field("rdb_saves_consecutive_failures", saving.failed_in_a_row);
    let loaded = from.server.persist.loading.last();
    to.field("rdb_last_cow_size", server.persist.snapshots.forks.save_cow);
    to.field("rdb_last_load_keys_expired", loaded.keys_expired);
    to.field("rdb_last_load_keys_loaded", loaded.keys_loaded);
    aof(from, to);
    to.field(
        "aof_last_cow_size",
        server.persist.snapshots.forks.rewrite_cow,
    );
    let session = &server.persist.backups.session;
    to.field("backup_in_progress", u8::from(session.state.is_active()));
    to.zeros(&["module_fork_in_progress", "module_fork_last_cow_size"]);
    snapshot_method(from, to);
    aof_file(from, to);
}

/// The snapshot that is being made.
fn snapshot_progress(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let child = server.persist.snapshots.child_progress();
    let cow = |of: fn(&ChildProgress) -> u64| child.map_or(0, of);
    let reported_ms = child.map_or(server.now.mono_ms, |child| child.reported_ms);
    to.fields(&[
        ("current_cow_peak", &cow(|child| child.cow_peak)),
        ("current_cow_size", &cow(|child| child.cow)),
        (
            "current_cow_size_age",
            &(server.now.mono_ms.saturating_sub(reported_ms) / 1000),
        ),
    ]);
    let (saved, total) = match child {
        Some(child) => (child.keys, child.keys_total),
        None => from.keyspace.pass_progress(),
    };
    let percent = 100.0 * saved as f64 / total.max(1) as f64;
    to.field("current_fork_perc", format_args!("{percent:.2}"));
    to.field("current_save_keys_processed", saved);
    to.field("current_save_keys_total", total);
    if from.keyspace.is_saving() {
        // russet's own: values saved early, before they changed, that wait to be written.
        to.field("snapshot_early_bytes", from.keyspace.early_bytes());
    }
}

/// Valkey 9.2's: how snapshots are made.
fn snapshot_method(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let kind = |forked| if forked { "fork" } else { "forkless" };
    let forked = server.persist.snapshots.last_forked;
    let saving = &server.persist.saving;
    let current = if saving.in_progress() {
        kind(forked)
    } else {
        "none"
    };
    to.field("rdb_current_bgsave_type", current);
    to.field("rdb_last_bgsave_type", kind(saving.last_forked));
    let remaining_s = if forked {
        -1
    } else {
        saving.remaining_s(from.keyspace.pass_progress(), server.now.mono_ms)
    };
    to.field("forkless_estimated_seconds_remaining", remaining_s);
}

fn aof(from: &Source<'_>, to: &mut InfoWriter) {
    let (aof, now_ms) = (&from.server.persist.aof, from.server.now.mono_ms);
    let rewrites = &aof.rewrites;
    let is_scheduled = from.server.persist.snapshots.is_queued(Consumer::Rewrite);
    let status = |ok| if ok { "ok" } else { "err" };
    to.fields(&[
        ("aof_enabled", &u8::from(aof.state() != AofState::Off)),
        ("aof_rewrite_in_progress", &u8::from(rewrites.in_progress())),
        ("aof_rewrite_scheduled", &u8::from(is_scheduled)),
        ("aof_last_rewrite_time_sec", &rewrites.last_time_s),
        (
            "aof_current_rewrite_time_sec",
            &rewrites.current_time_s(now_ms),
        ),
        ("aof_last_bgrewrite_status", &status(rewrites.last_ok)),
        ("aof_rewrites", &rewrites.done),
        (
            "aof_rewrites_consecutive_failures",
            &rewrites.failed_in_a_row,
        ),
        ("aof_last_write_status", &status(aof.is_sound())),
    ]);
}

/// The fields of an open file, and of loading while it lasts.
fn aof_file(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    if let Some(log) = server.persist.aof.log() {
        let writer = &log.writer;
        to.fields(&[
            ("aof_current_size", &log.current_bytes()),
            ("aof_base_size", &log.base_bytes),
            (
                "aof_pending_rewrite",
                &u8::from(server.persist.snapshots.is_queued(Consumer::Rewrite)),
            ),
            ("aof_buffer_length", &writer.buffer_bytes()),
            (
                "aof_pending_bio_fsync",
                &u8::from(writer.sync_in_progress()),
            ),
            ("aof_delayed_fsync", &writer.delayed_syncs),
        ]);
        let scrubs = &server.persist.aof.scrubs;
        to.fields(&[
            ("aof_scrub_in_progress", &u8::from(scrubs.in_progress())),
            ("aof_scrubs", &scrubs.done),
            ("aof_last_scrub_time", &scrubs.last_s),
            ("aof_last_scrub_time_sec", &scrubs.last_time_s),
            ("aof_damaged_files", &scrubs.damage.len()),
        ]);
        if let Some(first) = scrubs.damage.first() {
            to.field("aof_first_damage", first.to_string());
        }
    }
    if let Some(load) = server.persist.loading.progress() {
        to.fields(&[
            ("loading_start_time", &load.began_s),
            ("loading_total_bytes", &load.total_bytes),
            ("loading_rdb_used_mem", &load.rdb_used_mem),
            ("loading_loaded_bytes", &load.loaded_bytes),
            (
                "loading_loaded_perc",
                &format_args!("{:.2}", load.percent()),
            ),
            ("loading_eta_seconds", &load.eta_s(server.now.mono_ms)),
        ]);
    }
}

/// In Redis's order.
pub fn stats(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Stats");
    traffic(from, to);
    key_removals_and_lookups(from, to);
    subscriptions(from, to);
    let server = from.server;
    to.field("latest_fork_usec", server.persist.snapshots.forks.last_us);
    to.field("total_forks", server.persist.snapshots.forks.total);
    to.field(
        "migrate_cached_sockets",
        server.connections.migrate_links.len(),
    );
    to.field(
        "slave_expires_tracked_keys",
        server.replication.local_expiries.len(),
    );
    defrag(from, to);
    packing(from, to);
    tracking(from, to);
    errors(from, to);
    reads_and_writes(from, to);
    client_buffers(from, to);
    event_loop(from, to);
    slow_commands(from, to);
    let shared = shared_figures();
    to.fields(&[
        ("hash_templates", &shared.schemas),
        ("hash_template_keys", &shared.hashes),
    ]);
    access_denials(from, to);
    let (audited, unaudited) = server.diagnostics.audit.figures();
    to.fields(&[
        ("audit_lines_written", &audited),
        ("audit_lines_dropped", &unaudited),
    ]);
    closed_connections(from, to);
    if server.cluster.is_none() && server.config.cluster_compatibility_sample_ratio > 0 {
        let count = server.stats.cluster_incompatible_ops;
        to.field("cluster_incompatible_ops", count);
    }
}

/// Connections, commands, bytes of the network, and full and partial synchronizations.
fn traffic(from: &Source<'_>, to: &mut InfoWriter) {
    let syncs = from.server.replication.replicas.syncs;
    let (stats, rates) = (&from.server.stats, &from.server.diagnostics.rates);
    let kib = |bytes: u64| Hundredths(bytes as f64 / 1024.0);
    to.fields(&[
        ("total_connections_received", &stats.clients.connections),
        ("total_commands_processed", &stats.commands),
        ("instantaneous_ops_per_sec", &rates.commands.per_second()),
        ("total_net_input_bytes", &stats.net_input_bytes),
        ("total_net_output_bytes", &stats.net_output_bytes),
        ("total_net_repl_input_bytes", &stats.net_repl_input_bytes),
        ("total_net_repl_output_bytes", &stats.net_repl_output_bytes),
        ("instantaneous_input_kbps", &kib(rates.input.per_second())),
        ("instantaneous_output_kbps", &kib(rates.output.per_second())),
        (
            "instantaneous_input_repl_kbps",
            &kib(rates.repl_input.per_second()),
        ),
        (
            "instantaneous_output_repl_kbps",
            &kib(rates.repl_output.per_second()),
        ),
        ("rejected_connections", &stats.clients.rejected_connections),
        (
            "rejected_priority_connections",
            &stats.clients.rejected_priority_connections,
        ),
        ("sync_full", &syncs.full),
        ("sync_partial_ok", &syncs.partial_ok),
        ("sync_partial_err", &syncs.partial_err),
    ]);
}

/// Expired and evicted keys and fields, then the lookups.
fn key_removals_and_lookups(from: &Source<'_>, to: &mut InfoWriter) {
    let (stats, keys) = (&from.server.stats, &from.keyspace.stats);
    let (exceeded_ms, current_exceeded_ms) = stats.exceeded_ms(from.server.now.mono_ms);
    to.fields(&[
        ("expired_subkeys", &keys.expired_fields),
        // As Valkey names them.
        ("expired_fields", &keys.expired_fields),
        ("expired_subkeys_active", &keys.expired_fields_actively),
        ("expired_keys", &keys.expired),
        ("expired_keys_active", &keys.expired_actively),
        ("expired_stale_perc", &Hundredths(stats.stale_percent())),
        ("expired_time_cap_reached_count", &0),
        (
            "expire_cycle_cpu_milliseconds",
            &(stats.active_expire_us / 1000),
        ),
        ("evicted_keys", &keys.evicted),
        // Of Redis 8.12.
        ("blessed_keys", &from.keyspace.blessed_keys()),
        ("evicted_clients", &stats.clients.evicted_clients),
        ("evicted_scripts", &from.server.scripting.scripts.evicted),
        ("total_eviction_exceeded_time", &exceeded_ms),
        ("current_eviction_exceeded_time", &current_exceeded_ms),
        ("keyspace_hits", &keys.hits),
        ("keyspace_misses", &keys.misses),
    ]);
}

fn subscriptions(from: &Source<'_>, to: &mut InfoWriter) {
    for (name, kind) in [
        ("pubsub_channels", Kind::Channel),
        ("pubsub_patterns", Kind::Pattern),
        ("pubsubshard_channels", Kind::Shard),
    ] {
        to.field(name, from.server.messages.pubsub.count(kind));
    }
}

fn defrag(from: &Source<'_>, to: &mut InfoWriter) {
    let defrag = from.server.memory.defrag.figures(from.server.now.mono_ms);
    to.fields(&[
        ("active_defrag_hits", &defrag.hits),
        ("active_defrag_misses", &defrag.misses),
        ("active_defrag_key_hits", &defrag.key_hits),
        ("active_defrag_key_misses", &defrag.key_misses),
        ("total_active_defrag_time", &defrag.total_ms),
        ("current_active_defrag_time", &defrag.current_ms),
    ]);
}

/// Values compressed with shared dictionaries.
fn packing(from: &Source<'_>, to: &mut InfoWriter) {
    let (trained, rejected) = from.server.memory.packing.trainings();
    let packing = &from.server.memory.packing.figures;
    to.fields(&[
        ("packed_total", &packing.packed),
        (
            "packed_reads",
            &from.keyspace.packing.figures().frames.reads,
        ),
        ("packed_promoted", &packing.promoted),
        ("packed_refused", &packing.refused),
        ("packed_backoffs", &packing.backoffs),
        ("packed_dictionaries_trained", &trained),
        ("packed_dictionaries_rejected", &rejected),
        ("packed_damaged_reads", &damaged_frames()),
    ]);
}

/// Keys that clients cache.
fn tracking(from: &Source<'_>, to: &mut InfoWriter) {
    let tracking = &from.server.messages.tracking;
    to.fields(&[
        ("tracking_total_keys", &tracking.readers().keys()),
        ("tracking_total_items", &tracking.readers().items()),
        ("tracking_total_prefixes", &tracking.broadcast().len()),
    ]);
}

fn errors(from: &Source<'_>, to: &mut InfoWriter) {
    let stats = &from.server.stats;
    to.fields(&[
        ("unexpected_error_replies", &stats.unexpected_error_replies),
        ("total_error_replies", &stats.total_error_replies),
        ("dump_payload_sanitizations", &0),
    ]);
}

fn reads_and_writes(from: &Source<'_>, to: &mut InfoWriter) {
    let stats = &from.server.stats;
    let batches = &stats.batches;
    let io_threads = &from.server.connections.io_threads;
    let (thread_reads, thread_writes) = io_threads.reads_and_writes();
    to.fields(&[
        ("total_reads_processed", &stats.reads),
        ("total_writes_processed", &stats.writes),
        ("io_threaded_reads_processed", &thread_reads),
        ("io_threaded_writes_processed", &thread_writes),
        ("io_threaded_total_prefetch_batches", &batches.prefetches),
        (
            "io_threaded_total_prefetch_entries",
            &batches.keys_prefetched,
        ),
    ]);
}

/// Clients that exceeded a limit of their buffers.
fn client_buffers(from: &Source<'_>, to: &mut InfoWriter) {
    let stats = &from.server.stats;
    to.fields(&[
        (
            "client_query_buffer_limit_disconnections",
            &stats.clients.query_buffer_disconnections,
        ),
        (
            "client_output_buffer_limit_disconnections",
            &stats.clients.output_buffer_disconnections,
        ),
        ("reply_buffer_shrinks", &0),
        ("reply_buffer_expands", &0),
    ]);
}

/// Turns of the loop, and the commands that a turn runs at once.
fn event_loop(from: &Source<'_>, to: &mut InfoWriter) {
    let (server, stats, rates) = (
        from.server,
        &from.server.stats,
        &from.server.diagnostics.rates,
    );
    let batches = &stats.batches;
    let pipeline = batches.commands as f64 / batches.parsed.max(1) as f64;
    let turns = rates.turns.per_second();
    let turn_us = rates.turn_us.per_second().checked_div(turns).unwrap_or(0);
    to.fields(&[
        ("eventloop_cycles", &stats.turns),
        ("eventloop_duration_sum", &stats.turn_us),
        (
            "eventloop_duration_cmd_sum",
            &server.cycles.micros(stats.command_ticks),
        ),
        ("instantaneous_eventloop_cycles_per_sec", &turns),
        ("instantaneous_eventloop_duration_usec", &turn_us),
        (
            "eventloop_cycles_with_clients_processing",
            &batches.turns_with_clients,
        ),
        ("total_client_processing_events", &batches.client_runs),
        ("avg_pipeline_length_sum", &batches.commands),
        ("avg_pipeline_length_cnt", &batches.parsed),
        ("avg_pipeline_length", &Hundredths(pipeline)),
    ]);
}

fn slow_commands(from: &Source<'_>, to: &mut InfoWriter) {
    let slow = &from.server.stats.slow;
    let millis = |us: u64| Hundredths(us as f64 / 1000.0);
    to.fields(&[
        ("slowlog_commands_count", &slow.commands),
        ("slowlog_commands_time_ms_max", &millis(slow.us_max)),
        ("slowlog_commands_time_ms_sum", &millis(slow.us_sum)),
    ]);
}

/// Logins, commands, keys and channels that ACL refused.
fn access_denials(from: &Source<'_>, to: &mut InfoWriter) {
    let (stats, log) = (&from.server.stats, &from.server.acl.log);
    let denied = |reason| log.denied(reason);
    to.fields(&[
        ("acl_access_denied_auth", &denied(Reason::Auth)),
        ("acl_access_denied_cmd", &denied(Reason::Command)),
        ("acl_access_denied_key", &denied(Reason::Key)),
        ("acl_access_denied_channel", &denied(Reason::Channel)),
        ("acl_access_denied_tls_cert", &stats.denied_certificates),
        ("acl_access_denied_db", &denied(Reason::Database)),
    ]);
}

/// The counts of each reason on one line: russet's own.
fn closed_connections(from: &Source<'_>, to: &mut InfoWriter) {
    to.put("closed_connections:");
    for (at, (reason, count)) in from.server.diagnostics.closed.counts().enumerate() {
        to.put(if at == 0 { "" } else { "," });
        to.put(reason.word());
        to.put("=");
        count.append_to(to);
    }
    to.put("\r\n");
}
