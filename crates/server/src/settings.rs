//! Applies changed settings: a list maps directives to actions.
//!
//! At the start and by CONFIG SET all state that is derived from settings is computed anew
//! ([`derive`]); it cannot fail. An action that reaches outside the process, or acts on data, is a
//! row of [`ROWS`], which runs once if any of its directives has changed, in the order of the list.
//!
//! Cost: O(clients), for their limits.

use crate::origin::Origin;
use crate::parts::clients::{output_limits, tls};
use crate::parts::observe::command_log::Thresholds;
use crate::process::{self, FileLimit};
use crate::state::Server;
use crate::{
    observe::{crash, watchdog},
    process::{listen, log},
};
use russet_base::memory::alloc;
use russet_config::{Config, SlotStats, UseFigure, system_text};
use russet_keyspace::{ClockUse, Keyspace, LazyfreeCauses, PrefixRule, RemovalWords};
use russet_types::Limits;

/// The parts that a row changes.
struct SettingContext<'a> {
    keyspace: &'a mut Keyspace,
    server: &'a mut Server,
    /// The origin of CONFIG SET.
    origin: Origin,
}

/// A change that cannot be applied.
pub struct SettingError {
    /// The directive.
    pub name: &'static str,
    pub why: String,
    /// Rows that were tried before this action's row.
    rows: usize,
}

/// The action after a change of some directives.
struct Row {
    of: &'static [&'static str],
    /// An error refuses the change.
    act: fn(&mut SettingContext<'_>) -> Result<(), String>,
}

const fn row(
    of: &'static [&'static str],
    act: fn(&mut SettingContext<'_>) -> Result<(), String>,
) -> Row {
    Row { of, act }
}

/// The refusal of counts that began at start or not at all.
const COUNTS_LATE: &str = "memory tracking cannot be enabled at runtime";

/// All rows. Certificates must be in use before a port listens.
const ROWS: &[Row] = &[
    row(&["loglevel"], |on| {
        log::set_level(on.server.config.loglevel);
        Ok(())
    }),
    row(&["log-format"], |on| {
        log::set_format(on.server.config.log_format);
        Ok(())
    }),
    row(&["log-timestamp-format"], |on| {
        log::set_timestamp(on.server.config.log_timestamp_format);
        Ok(())
    }),
    row(&["rdbcompression"], |on| {
        log_compression(&on.server.config);
        Ok(())
    }),
    row(&["crash-log-enabled"], |on| {
        crash::catch_signals(on.server.config.crash_log_enabled);
        Ok(())
    }),
    row(&["proc-title-template"], |on| {
        process::show_title(&on.server.config);
        Ok(())
    }),
    row(&["dir"], |on| {
        let dir = on.server.config.dir.0.path();
        std::env::set_current_dir(dir).map_err(|error| system_text(&error))
    }),
    row(
        &["dir", "dbfilename", "save", "appendonly", "dir-lock"],
        |on| {
            let server = &mut *on.server;
            if !server.persist.saving.on_disk {
                return Ok(());
            }
            let followed = server.persist.locks.follow(&server.config);
            followed.map_err(|error| error.to_string())
        },
    ),
    row(&tls::SETTINGS, |on| {
        const FAILED: &str = "Unable to update TLS configuration. Check server logs.";
        on.server
            .connections
            .configure_tls(&on.server.config, &on.server.now)
            .map_err(|_| FAILED.to_owned())
    }),
    row(&["tls-port", "port"], |on| {
        listen_again(on, "Unable to listen on this port. Check server logs.")
    }),
    row(&["bind"], |on| {
        listen_again(on, "Failed to bind to specified addresses.")
    }),
    row(&["metrics-port", "metrics-bind"], |on| {
        const FAILED: &str = "Unable to listen on this port. Check server logs.";
        let server = &mut *on.server;
        server.connections.relisten = true;
        let listeners = &mut server.connections.scrapes.listeners;
        listen::reopen_metrics(&server.config, listeners).map_err(|_| FAILED.to_owned())
    }),
    row(
        &[
            "audit-log",
            "audit-categories",
            "audit-users",
            "audit-on-full",
        ],
        |on| on.server.configure_audit(),
    ),
    row(&["console-port", "console-bind", "console-tls"], |on| {
        const FAILED: &str = "Unable to listen on this port. Check server logs.";
        let server = &mut *on.server;
        server.connections.relisten = true;
        let listeners = &mut server.connections.console.pool.listeners;
        listen::reopen_console(&server.config, listeners).map_err(|_| FAILED.to_owned())
    }),
    row(&["maxclients"], raise_file_limit),
    row(&["oom-score-adj", "oom-score-adj-values"], |on| {
        const FAILED: &str = "Failed to set current oom_score_adj. Check server logs.";
        process::apply_oom_score(&on.server.config).map_err(|_| FAILED.to_owned())
    }),
    row(&["jemalloc-bg-thread"], |on| {
        let by_thread = on.server.config.jemalloc_bg_thread;
        alloc::give_back_by_thread(by_thread).map_err(|error| error.to_string())
    }),
    row(&["key-memory-histograms"], |on| {
        if on.server.config.key_memory_histograms && !on.keyspace.counts_bytes() {
            Err(COUNTS_LATE.to_owned())
        } else {
            Ok(())
        }
    }),
    row(&["cluster-slot-stats-enabled"], |on| {
        let wants = on.server.config.cluster_slot_stats_enabled;
        // Valkey has no such figure, and Valkey's `yes` does not ask for it.
        let is_late = wants.contains(SlotStats::MEM) && !on.keyspace.counts_slot_bytes();
        if is_late && on.server.config.dialect.counts_slot_memory() {
            Err(COUNTS_LATE.to_owned())
        } else {
            Ok(())
        }
    }),
    row(&["aof-disable-auto-gc"], |on| {
        on.server.persist.aof.apply_history(&on.server.config);
        Ok(())
    }),
    row(&["appendonly"], |on| {
        let (wanted, in_transaction) = (on.server.config.appendonly, on.origin == Origin::Exec);
        let session = &mut on.server.persist.backups.session;
        if session.switched_on && !wanted {
            // The directive was `no` before: the file is on only for a backup, and is switched off
            // with the backup.
            return Ok(());
        }
        session.switched_on = false;
        on.server
            .set_appendonly(on.keyspace, wanted, in_transaction)
    }),
    row(&["maxmemory", "maxmemory-reserve"], |on| {
        on.server.memory.limit.update(&on.server.config);
        shrink(on);
        Ok(())
    }),
    row(&["flush-grace"], |on| {
        on.server.flush_grace_changed(on.keyspace);
        Ok(())
    }),
    row(&["repl-backlog-size"], |on| {
        let size = &mut on.server.config.repl_backlog_size;
        *size = (*size).max(REPL_BACKLOG_MIN);
        if let Some(backlog) = on.server.stream.backlog_mut() {
            backlog.resize(*size);
        }
        Ok(())
    }),
    row(&["repl-compression"], |on| {
        on.server.replication.repl_compression_changed(
            &on.server.config,
            &mut on.server.clients,
            &mut on.server.turn,
        );
        Ok(())
    }),
    row(&["min-sync-replicas", "sync-reads"], |on| {
        on.server.set_group_acknowledgements(on.keyspace)?;
        on.server.update_sync_writes(on.keyspace);
        Ok(())
    }),
    row(&["sync-replica-reads"], |on| {
        on.server.update_sync_writes(on.keyspace);
        Ok(())
    }),
    row(&["changes-retain"], |on| {
        on.server.tend_changes(on.keyspace);
        Ok(())
    }),
    row(&["cluster-bus-port-protected-mode", "tls-cluster"], |on| {
        const OPEN: &str = "the bus of this node would be open to all who can reach it: \
                            cluster-bus-port-protected-mode needs tls-cluster";
        let config = &on.server.config;
        let protects = config.cluster_enabled && config.cluster_bus_port_protected_mode;
        if protects && !config.tls_cluster {
            Err(OPEN.to_owned())
        } else {
            Ok(())
        }
    }),
    row(&["requirepass"], |on| {
        on.server.requirepass_changed();
        Ok(())
    }),
];

/// Minimum backlog for CONFIG SET; a configuration file may set less.
const REPL_BACKLOG_MIN: u64 = 16 * 1024;

impl Server {
    /// The configuration is complete: derives all state from it.
    pub(crate) fn settings_loaded(&mut self, keyspace: &mut Keyspace) {
        derive(keyspace, self);
    }

    /// Directives have changed. On error the caller restores the old values and calls
    /// [`Server::settings_restored`].
    pub fn settings_changed(
        &mut self,
        keyspace: &mut Keyspace,
        changed: &[&'static str],
        origin: Origin,
    ) -> Result<(), SettingError> {
        let mut on = SettingContext {
            keyspace,
            server: self,
            origin,
        };
        for (rows, row) in ROWS.iter().enumerate() {
            let of = changed.iter().find(|name| row.of.contains(name));
            if let Some(name) = of {
                (row.act)(&mut on).map_err(|why| SettingError { name, why, rows })?;
            }
        }
        derive(keyspace, self);
        Ok(())
    }

    /// The old values of directives are back: undoes the actions that ran before the change was
    /// refused.
    pub fn settings_restored(
        &mut self,
        keyspace: &mut Keyspace,
        changed: &[&'static str],
        refused: &SettingError,
        origin: Origin,
    ) {
        let mut on = SettingContext {
            keyspace,
            server: self,
            origin,
        };
        for row in &ROWS[..=refused.rows] {
            if row.of.iter().any(|name| changed.contains(name)) {
                // The actions worked before; an action that fails now has been logged.
                let _ = (row.act)(&mut on);
            }
        }
        derive(keyspace, self);
    }
}

/// Computes everything that is derived from settings.
fn derive(keyspace: &mut Keyspace, server: &mut Server) {
    keyspace_settings(keyspace, &server.config);
    server.cluster_settings_changed(keyspace);
    if let Some(driver) = &mut server.migrations {
        driver.set_settings(russet_cluster::migration::Settings::of(&server.config));
    }
    server.gates.latency_tracking = server.config.latency_tracking;
    server.diagnostics.latency.threshold_ms = server.config.latency_monitor_threshold;
    server.gates.thresholds = Thresholds::of(&server.config, &server.cycles);
    server.persist.aof.apply_settings(&server.config);
    server.memory.limit.update(&server.config);
    server.config.watchdog_period = watchdog::period_ms(&server.config);
    server.gates.is_watched = server.config.watchdog_period > 0;
    server.update_hooks();
    watchdog::watch(server.config.watchdog_period);
    server.collation.follow(&server.config.locale_collate);
    server.update_interest();
    server
        .memory
        .set_client_memory_limit(&server.config, &mut server.clients);
    if server.memory.limit.maxmemory() == 0 {
        server.stats.record_memory(true, server.now.mono_ms);
    }
    let scripts_max = server.config.maxmemory_scripts as usize;
    server.scripting.scripts.set_eval_bytes_max(scripts_max);
    let script_bytes_max = server.config.script_memory_limit as usize;
    server.scripting.scripts.set_memory_limit(script_bytes_max);
    server
        .scripting
        .libraries
        .set_memory_limit(script_bytes_max);
    server.diagnostics.command_logs.trim(&server.config);
    server.apply_hotkey_settings();
    server.apply_slot_stats();
    server.update_listeners(keyspace);
    output_limits::limit_all(&mut server.clients, &server.config);
    server.limit_readers(None);
    let (config, now_ms) = (&server.config, server.now.mono_ms);
    server.memory.defrag.settings_changed(config, now_ms);
    server.memory.packing.settings_changed(config);
}

/// The keyspace's settings, from the configuration.
fn keyspace_settings(keyspace: &mut Keyspace, config: &Config) {
    keyspace.clock_use = match config.maxmemory_policy.clock {
        Some(UseFigure::Count) => ClockUse::Lfu {
            log_factor: config.lfu_log_factor,
            decay_minutes: config.lfu_decay_time,
        },
        Some(UseFigure::LastChange) => ClockUse::Lrm,
        Some(UseFigure::LastUse) | None => ClockUse::Lru,
    };
    keyspace.lazyfree.lazy = LazyfreeCauses {
        expire: config.lazyfree_lazy_expire,
        eviction: config.lazyfree_lazy_eviction,
        server_del: config.lazyfree_lazy_server_del,
        user_del: config.lazyfree_lazy_user_del,
    };
    keyspace.lazyfree.timed = config.latency_monitor_threshold > 0;
    keyspace.set_prefix_rule(config.prefix_stats.then(|| {
        PrefixRule {
            delimiter: config
                .prefix_stats_delimiter
                .first()
                .copied()
                .unwrap_or(b':'),
            depth: config.prefix_stats_depth as usize,
            lines_max: config.prefix_stats_max_prefixes as usize,
        }
    }));
    let counts_slots = config.cluster_slot_stats_enabled.contains(SlotStats::MEM)
        && config.dialect.counts_slot_memory();
    // As in Redis, if memory is counted for slots, INFO keysizes has the distribution of memory,
    // too.
    keyspace
        .set_counts_bytes(config.key_memory_histograms || counts_slots && config.cluster_enabled);
    keyspace.set_counts_slot_bytes(counts_slots);
    keyspace.removal_words = RemovalWords::new(
        config.lazyfree_lazy_expire,
        config.lazyfree_lazy_eviction,
        config.lazyfree_lazy_server_del,
    );
    keyspace.limits = Limits::of(config);
    keyspace.dialect = config.dialect;
}

/// Logs the effect of `rdbcompression`, if it asks for a form that is not written.
pub(crate) fn log_compression(config: &Config) {
    if config.rdbcompression.is_for_whole_files() {
        tracing::warn!(
            "rdbcompression {}: snapshots are written as with 'yes', which compresses strings; files \
             that are compressed as a whole are read",
            config.rdbcompression.name()
        );
    }
}

fn listen_again(on: &mut SettingContext<'_>, failed: &str) -> Result<(), String> {
    let server = &mut *on.server;
    // In any case, because sockets may have been closed and reopened.
    server.connections.relisten = true;
    let listeners = &mut server.connections.listeners;
    listen::reopen_tcp(&server.config, listeners).map_err(|_| failed.to_owned())
}

fn raise_file_limit(on: &mut SettingContext<'_>) -> Result<(), String> {
    match process::raise_file_limit(on.server.config.maxclients) {
        FileLimit::Enough => Ok(()),
        FileLimit::Clients(possible) => Err(format!(
            "The operating system is not able to handle the specified number of clients, try \
             with {possible}"
        )),
        FileLimit::TooLow(limit) => Err(format!("only {limit} files may be open")),
    }
}

/// A limit below the used memory evicts when the next turn begins, as far as the policy allows: so
/// that the changes of a transaction stay one unit.
fn shrink(on: &mut SettingContext<'_>) {
    let (limit, used) = (on.server.memory.limit.maxmemory(), alloc::used_memory());
    if limit > 0 && limit < used as u64 {
        tracing::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the \
             current memory usage ({used}). This will result in key eviction and/or the \
             inability to accept new write commands depending on the maxmemory-policy."
        );
        on.server.turn.evicting = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_config::DIRECTIVES;

    #[test]
    fn rows_name_directives_that_can_be_changed() {
        for name in ROWS.iter().flat_map(|row| row.of) {
            let known = DIRECTIVES.iter().any(|directive| directive.name == *name);
            assert!(known, "{name}");
        }
    }
}
