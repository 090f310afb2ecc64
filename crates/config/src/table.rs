//! The table of directives and their fields: name, value, default, limits.
//!
//! A row is a directive, in the order of `redis.conf.example`, which explains each of
//! them. From the rows the macro generates
//!
//!   - [`Config`], with one typed public field per row,
//!   - its `Default`,
//!   - [`DIRECTIVES`], whose functions read and write those fields.
//!
//! A row: `field: type = default => "name" | "alias", kind, [flags], support;`. Kinds:
//! `flag` (yes or no), `number`, `memory` and `octal` with limits, `choice` (a name), `text`,
//! `text_or_unset`, `secret` (both unset if empty), `special` (a grammar of its own).

use super::checks;
use super::choices::*;
use super::dialect::Dialect;
use super::directive::Support::{NotNeeded, Works};
use super::directive::{Directive, EmptyMeaning, Flags, Unit, ValueKind};
use super::outside::ExternalValue;
use super::policy::EvictionPolicy;
use super::problem::line::FileLine;
use super::special::*;
use super::words::Text;

const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;
const UINT_MAX: i128 = u32::MAX as i128;
const LONG_MIN: i128 = i64::MIN as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const ULONG_MAX: i128 = u64::MAX as i128;

macro_rules! directives {
    ($(
        $field:ident: $type:ty = $default:expr =>
            $name:literal $(| $alias:literal)?, $kind:ident $(($($rule:expr),+))?,
            [$($flag:ident)*], $support:expr;
    )+) => {
        /// All settings of a server. Fields are named after their directives, which
        /// `redis.conf.example` explains; units are the directive's.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "redis.conf.example describes the directives")]
        #[allow(non_snake_case, reason = "Redis has names with an underscore after a dash")]
        pub struct Config {
            $(pub $field: $type,)+
            /// `rename-command` lines: a command's name, then its new name or nothing.
            pub renamed_commands: Vec<FileLine>,
            /// `loadmodule` lines of modules that are built in: nothing is loaded.
            pub built_in: Vec<FileLine>,
            /// Settings of modules that have no effect here, by name.
            pub unused: std::collections::BTreeMap<Vec<u8>, Text>,
            /// `user` lines: a name, then rules.
            pub users: Vec<FileLine>,
            /// `role` lines, likewise.
            pub roles: Vec<FileLine>,
            /// The process is a Sentinel.
            pub is_sentinel: bool,
            /// The dialect that the program's name implies.
            pub named_dialect: Dialect,
            /// `sentinel` lines, read by a Sentinel only.
            pub sentinel_lines: Vec<FileLine>,
            /// Values that came from files of their own or from the environment.
            pub given: Vec<ExternalValue>,
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $($field: $default,)+
                    renamed_commands: Vec::new(),
                    built_in: Vec::new(),
                    unused: Default::default(),
                    users: Vec::new(),
                    roles: Vec::new(),
                    is_sentinel: false,
                    named_dialect: Dialect::default(),
                    sentinel_lines: Vec::new(),
                    given: Vec::new(),
                }
            }
        }

        /// All directives except directives that occur only in files (`include`, `user`,
        /// `loadmodule`, `rename-command`).
        pub static DIRECTIVES: &[Directive] = &[$(Directive {
            name: $name,
            alias: alias!($($alias)?),
            flags: Flags::empty()$(.union(Flags::$flag))*,
            support: $support,
            kind: kind!($field, $kind $(($($rule),+))?),
        },)+];

        /// Pairs of field name and directive name, for the test that compares them.
        #[cfg(test)]
        const FIELDS: &[(&str, &str)] = &[$((stringify!($field), $name)),+];
    };
}

macro_rules! alias {
    () => {
        None
    };
    ($alias:literal) => {
        Some($alias)
    };
}

macro_rules! kind {
    ($field:ident, flag) => {
        ValueKind::Bool {
            get: |c| c.$field,
            set: |c, yes| c.$field = yes,
        }
    };
    ($field:ident, number($min:expr, $max:expr)) => {
        kind!($field, Unit::Plain, $min, $max)
    };
    ($field:ident, number($min:expr, $max:expr, $check:expr)) => {
        kind!($field, Unit::Plain, $min, $max, $check)
    };
    ($field:ident, memory($min:expr, $max:expr)) => {
        kind!($field, Unit::Memory, $min as i128, $max)
    };
    ($field:ident, octal($min:expr, $max:expr)) => {
        kind!($field, Unit::Octal, $min, $max)
    };
    // A test checks that the limits fit the field, so `as` loses nothing.
    ($field:ident, $unit:expr, $min:expr, $max:expr) => {
        kind!($field, $unit, $min, $max, |_, _| Ok(()))
    };
    ($field:ident, $unit:expr, $min:expr, $max:expr, $check:expr) => {
        ValueKind::Number {
            unit: $unit,
            min: $min,
            max: $max,
            check: $check,
            get: |c| c.$field as i128,
            set: |c, n| c.$field = n as _,
        }
    };
    ($field:ident, choice) => {
        ValueKind::Choice {
            names: |c| c.$field.names(),
            get: |c| c.$field.name(),
            set: |c, name| match Choice::parse(name) {
                Some(value) => {
                    c.$field = value;
                    true
                }
                None => false,
            },
        }
    };
    ($field:ident, text) => {
        kind!($field, EmptyMeaning::Value, |_| Ok(()))
    };
    ($field:ident, text($check:expr)) => {
        kind!($field, EmptyMeaning::Value, $check)
    };
    ($field:ident, text_or_unset) => {
        kind!($field, EmptyMeaning::Unset, |_| Ok(()))
    };
    ($field:ident, text_or_unset($check:expr)) => {
        kind!($field, EmptyMeaning::Unset, $check)
    };
    ($field:ident, secret) => {
        kind!($field, EmptyMeaning::UnsetSecret, |_| Ok(()))
    };
    ($field:ident, $empty:expr, $check:expr) => {
        ValueKind::Text {
            empty: $empty,
            check: $check,
            get: |c| &c.$field,
            set: |c, text| c.$field = text,
        }
    };
    ($field:ident, special) => {
        ValueKind::Special {
            read: |c, words, append| c.$field.read(words, append),
            text: |c| c.$field.text(),
            lines: |c, default| c.$field.lines(&default.$field),
        }
    };
}

directives! {
    // Network
    bind: BindAddresses = BindAddresses::default() =>
        "bind", special, [MULTI_ARG VOLATILE], Works;
    bind_source_addr: Text = Text::default() =>
        "bind-source-addr", text_or_unset, [], Works;
    protected_mode: bool = true =>
        "protected-mode", flag, [], Works;
    enable_protected_configs: Allowed = Allowed::No =>
        "enable-protected-configs", choice, [IMMUTABLE], Works;
    enable_debug_command: Allowed = Allowed::No =>
        "enable-debug-command", choice, [IMMUTABLE], Works;
    enable_module_command: Allowed = Allowed::No =>
        "enable-module-command", choice, [IMMUTABLE], Works;
    port: u16 = 6379 =>
        "port", number(0, 65535), [], Works;
    tcp_backlog: u32 = 511 =>
        "tcp-backlog", number(0, INT_MAX), [IMMUTABLE], Works;
    unixsocket: Text = Text::default() =>
        "unixsocket", text_or_unset, [IMMUTABLE], Works;
    unixsocketperm: u32 = 0 =>
        "unixsocketperm", octal(0, 0o777), [IMMUTABLE], Works;
    timeout: u32 = 0 =>
        "timeout", number(0, INT_MAX), [], Works;
    tcp_keepalive: u32 = 300 =>
        "tcp-keepalive", number(0, INT_MAX), [], Works;
    socket_mark_id: u32 = 0 =>
        "socket-mark-id", number(0, UINT_MAX), [IMMUTABLE], Works;
    max_new_connections_per_cycle: u32 = 10 =>
        "max-new-connections-per-cycle", number(1, 1000), [], Works;

    // TLS
    tls_port: u16 = 0 =>
        "tls-port", number(0, 65535), [], Works;
    max_new_tls_connections_per_cycle: u32 = 1 =>
        "max-new-tls-connections-per-cycle", number(1, 1000), [], Works;
    tls_cert_file: Text = Text::default() =>
        "tls-cert-file", text_or_unset, [VOLATILE], Works;
    tls_key_file: Text = Text::default() =>
        "tls-key-file", text_or_unset, [VOLATILE], Works;
    tls_key_file_pass: Text = Text::default() =>
        "tls-key-file-pass", text_or_unset, [SENSITIVE], Works;
    tls_client_cert_file: Text = Text::default() =>
        "tls-client-cert-file", text_or_unset, [VOLATILE], Works;
    tls_client_key_file: Text = Text::default() =>
        "tls-client-key-file", text_or_unset, [VOLATILE], Works;
    tls_client_key_file_pass: Text = Text::default() =>
        "tls-client-key-file-pass", text_or_unset, [SENSITIVE], Works;
    tls_dh_params_file: Text = Text::default() =>
        "tls-dh-params-file", text_or_unset, [VOLATILE], NotNeeded;
    tls_ca_cert_file: Text = Text::default() =>
        "tls-ca-cert-file", text_or_unset, [VOLATILE], Works;
    tls_ca_cert_dir: Text = Text::default() =>
        "tls-ca-cert-dir", text_or_unset, [VOLATILE], Works;
    tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes =>
        "tls-auth-clients", choice, [], Works;
    tls_auth_clients_user: TlsAuthClientsUser = TlsAuthClientsUser::Off =>
        "tls-auth-clients-user", choice, [], Works;
    tls_replication: bool = false =>
        "tls-replication", flag, [], Works;
    tls_cluster: bool = false =>
        "tls-cluster", flag, [], Works;
    tls_protocols: Text = Text::default() =>
        "tls-protocols", text_or_unset, [], Works;
    tls_ciphers: Text = Text::default() =>
        "tls-ciphers", text_or_unset, [], Works;
    tls_ciphersuites: Text = Text::default() =>
        "tls-ciphersuites", text_or_unset, [], Works;
    tls_groups: Text = Text::default() =>
        "tls-groups", text_or_unset, [], Works;
    tls_prefer_server_ciphers: bool = false =>
        "tls-prefer-server-ciphers", flag, [], Works;
    tls_session_caching: bool = true =>
        "tls-session-caching", flag, [], Works;
    tls_session_cache_size: u32 = 20_480 =>
        "tls-session-cache-size", number(0, INT_MAX), [], Works;
    tls_session_cache_timeout: u32 = 300 =>
        "tls-session-cache-timeout", number(0, INT_MAX), [], Works;
    tls_expected_peer_name: Text = Text::default() =>
        "tls-expected-peer-name", text_or_unset, [], Works;
    tls_auto_reload_interval: u32 = 0 =>
        "tls-auto-reload-interval", number(0, INT_MAX), [], Works;

    // General
    daemonize: bool = false =>
        "daemonize", flag, [IMMUTABLE], Works;
    supervised: Supervised = Supervised::No =>
        "supervised", choice, [IMMUTABLE], Works;
    pidfile: Text = Text::default() =>
        "pidfile", text_or_unset, [IMMUTABLE], Works;
    loglevel: LogLevel = LogLevel::Notice =>
        "loglevel", choice, [], Works;
    logfile: Text = Text::default() =>
        "logfile", text, [IMMUTABLE], Works;
    syslog_enabled: bool = false =>
        "syslog-enabled", flag, [IMMUTABLE], Works;
    syslog_ident: Text = "redis".into() =>
        "syslog-ident", text, [IMMUTABLE], Works;
    syslog_facility: SyslogFacility = SyslogFacility::Local0 =>
        "syslog-facility", choice, [IMMUTABLE], Works;
    crash_log_enabled: bool = true =>
        "crash-log-enabled", flag, [], Works;
    crash_memcheck_enabled: bool = true =>
        "crash-memcheck-enabled", flag, [], NotNeeded;
    databases: u32 = 16 =>
        "databases", number(1, INT_MAX), [IMMUTABLE], Works;
    always_show_logo: bool = false =>
        "always-show-logo", flag, [IMMUTABLE], Works;
    hide_user_data_from_log: bool = false =>
        "hide-user-data-from-log", flag, [], Works;
    set_proc_title: bool = true =>
        "set-proc-title", flag, [IMMUTABLE], Works;
    proc_title_template: Text = "{title} {listen-addr} {server-mode}".into() =>
        "proc-title-template", text(checks::proc_title_template), [], Works;
    locale_collate: Text = Text::default() =>
        "locale-collate", text(checks::locale), [], Works;
    ignore_warnings: Text = Text::default() =>
        "ignore-warnings", text, [], NotNeeded;

    // Snapshots
    save: SavePoints = SavePoints::default() =>
        "save", special, [MULTI_ARG], Works;
    stop_writes_on_bgsave_error: bool = true =>
        "stop-writes-on-bgsave-error", flag, [], Works;
    rdbcompression: RdbCompression = RdbCompression::Yes =>
        "rdbcompression", special, [], Works;
    rdbchecksum: bool = true =>
        "rdbchecksum", flag, [IMMUTABLE], Works;
    sanitize_dump_payload: SanitizePayload = SanitizePayload::No =>
        "sanitize-dump-payload", choice, [DEBUG], Works;
    dbfilename: Text = "dump.rdb".into() =>
        "dbfilename", text(checks::db_filename), [PROTECTED], Works;
    rdb_del_sync_files: bool = false =>
        "rdb-del-sync-files", flag, [], Works;
    dir: Dir = Dir::default() =>
        "dir", special, [PROTECTED DENY_LOADING VOLATILE], Works;
    dir_lock: bool = true =>
        "dir-lock", flag, [], Works;
    rdb_save_incremental_fsync: bool = true =>
        "rdb-save-incremental-fsync", flag, [], Works;
    preload_file: Text = Text::default() =>
        "preload-file", text(checks::preload_file), [IMMUTABLE], Works;
    rdb_version: u32 = 0 =>
        "rdb-version", number(0, 81, checks::rdb_version), [], Works;
    rdb_unknown_modules: UnknownModules = UnknownModules::Refuse =>
        "rdb-unknown-modules", choice, [], Works;
    snapshot_method: SnapshotMethod = SnapshotMethod::Auto =>
        "snapshot-method", choice, [], Works;
    snapshot_max_wait_ms: u32 = 50 =>
        "snapshot-max-wait-ms", number(0, INT_MAX), [], Works;
    rdb_key_save_delay: i32 = 0 =>
        "rdb-key-save-delay", number(INT_MIN, INT_MAX), [HIDDEN], Works;
    key_load_delay: i32 = 0 =>
        "key-load-delay", number(INT_MIN, INT_MAX), [HIDDEN], Works;
    loading_process_events_interval_bytes: u64 = 524_288 =>
        "loading-process-events-interval-bytes", number(1024, INT_MAX), [HIDDEN], Works;

    // Replication
    replicaof: ReplicaOf = ReplicaOf::default() =>
        "replicaof" | "slaveof", special, [IMMUTABLE MULTI_ARG], Works;
    masterauth: Text = Text::default() =>
        "masterauth" | "primaryauth", secret, [SENSITIVE], Works;
    masteruser: Text = Text::default() =>
        "masteruser" | "primaryuser", text_or_unset, [SENSITIVE], Works;
    replica_serve_stale_data: bool = true =>
        "replica-serve-stale-data" | "slave-serve-stale-data", flag, [], Works;
    replica_read_only: bool = true =>
        "replica-read-only" | "slave-read-only", flag, [DEBUG], Works;
    repl_diskless_sync: bool = true =>
        "repl-diskless-sync", flag, [DEBUG], Works;
    repl_diskless_sync_delay: u32 = 5 =>
        "repl-diskless-sync-delay", number(0, INT_MAX), [], Works;
    repl_diskless_sync_max_replicas: u32 = 0 =>
        "repl-diskless-sync-max-replicas", number(0, INT_MAX), [], Works;
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled =>
        "repl-diskless-load", choice, [DEBUG DENY_LOADING], Works;
    repl_rdb_channel: bool = true =>
        "repl-rdb-channel", flag, [HIDDEN], Works;
    repl_ping_replica_period: u32 = 10 =>
        "repl-ping-replica-period" | "repl-ping-slave-period", number(1, INT_MAX), [], Works;
    repl_timeout: u32 = 60 =>
        "repl-timeout", number(1, INT_MAX), [], Works;
    repl_disable_tcp_nodelay: bool = false =>
        "repl-disable-tcp-nodelay", flag, [], Works;
    repl_backlog_size: u64 = MB =>
        "repl-backlog-size", memory(1, LONG_MAX), [], Works;
    repl_backlog_ttl: u64 = 3600 =>
        "repl-backlog-ttl", number(0, LONG_MAX), [], Works;
    repl_log_retain: u64 = 0 =>
        "repl-log-retain", memory(0, LONG_MAX), [], Works;
    repl_log_retain_seconds: u64 = 0 =>
        "repl-log-retain-seconds", number(0, LONG_MAX), [], Works;
    changes_retain: u64 = 0 =>
        "changes-retain", memory(0, LONG_MAX), [], Works;
    replica_full_sync_buffer_limit: u64 = 0 =>
        "replica-full-sync-buffer-limit", memory(0, LONG_MAX), [], Works;
    replica_priority: u32 = 100 =>
        "replica-priority" | "slave-priority", number(0, INT_MAX), [], Works;
    propagation_error_behavior: PropagationErrors = PropagationErrors::Ignore =>
        "propagation-error-behavior", choice, [], Works;
    replica_ignore_disk_write_errors: bool = false =>
        "replica-ignore-disk-write-errors", flag, [], Works;
    replica_announced: bool = true =>
        "replica-announced", flag, [], Works;
    min_replicas_to_write: u32 = 0 =>
        "min-replicas-to-write" | "min-slaves-to-write", number(0, INT_MAX), [], Works;
    min_replicas_max_lag: u32 = 10 =>
        "min-replicas-max-lag" | "min-slaves-max-lag", number(0, INT_MAX), [], Works;
    min_sync_replicas: u32 = 0 =>
        "min-sync-replicas", number(0, INT_MAX), [], Works;
    sync_on: SyncMedium = SyncMedium::Memory =>
        "sync-on", choice, [], Works;
    sync_timeout: u32 = 5000 =>
        "sync-timeout", number(0, INT_MAX), [], Works;
    sync_window: u64 = 64 * MB =>
        "sync-window", memory(0, LONG_MAX), [], Works;
    sync_reads: SyncReads = SyncReads::Safe =>
        "sync-reads", choice, [], Works;
    sync_replica_reads: SyncReplicaReads = SyncReplicaReads::Any =>
        "sync-replica-reads", choice, [], Works;
    sync_lease: u32 = 1000 =>
        "sync-lease", number(100, 3_600_000), [], Works;
    sync_quorum: bool = false =>
        "sync-quorum", flag, [IMMUTABLE], Works;
    sync_replicas: u32 = 0 =>
        "sync-replicas", number(0, 31), [], Works;
    sync_eligible: bool = true =>
        "sync-eligible", flag, [], Works;
    sync_takeover_timeout: u32 = 10_000 =>
        "sync-takeover-timeout", number(1, INT_MAX), [], Works;
    replica_announce_ip: Text = Text::default() =>
        "replica-announce-ip" | "slave-announce-ip", text_or_unset, [], Works;
    replica_announce_port: u16 = 0 =>
        "replica-announce-port" | "slave-announce-port", number(0, 65535), [], Works;

    // Keys tracking
    tracking_table_max_keys: usize = 1_000_000 =>
        "tracking-table-max-keys", number(0, LONG_MAX), [], Works;

    // Security
    acllog_max_len: u64 = 128 =>
        "acllog-max-len", number(0, LONG_MAX), [], Works;
    aclfile: Text = Text::default() =>
        "aclfile", text, [IMMUTABLE], Works;
    requirepass: Text = Text::default() =>
        "requirepass", secret, [SENSITIVE], Works;
    requirepass_file: Text = Text::default() =>
        "requirepass-file", text, [IMMUTABLE], Works;
    masterauth_file: Text = Text::default() =>
        "masterauth-file", text, [IMMUTABLE], Works;
    acl_pubsub_default: PubsubDefault = PubsubDefault::ResetChannels =>
        "acl-pubsub-default", choice, [], Works;
    remote_admin_without_auth: bool = true =>
        "remote-admin-without-auth", flag, [], Works;
    auth_failures_per_second: u32 = 10 =>
        "auth-failures-per-second", number(0, INT_MAX), [], Works;

    // Clients
    maxclients: u32 = 10_000 =>
        "maxclients", number(1, UINT_MAX), [], Works;

    // Memory management
    maxmemory: MaxMemory = MaxMemory::Bytes(0) =>
        "maxmemory", special, [], Works;
    maxmemory_reserve: MemoryOrPercent = MemoryOrPercent::Percent(25) =>
        "maxmemory-reserve", special, [], Works;
    maxmemory_resident_warning: u32 = 25 =>
        "maxmemory-resident-warning", number(0, 1000), [], Works;
    maxmemory_policy: EvictionPolicy = EvictionPolicy::NO_EVICTION =>
        "maxmemory-policy", choice, [], Works;
    maxmemory_samples: u32 = 5 =>
        "maxmemory-samples", number(1, 64), [], Works;
    maxmemory_eviction_tenacity: u32 = 10 =>
        "maxmemory-eviction-tenacity", number(0, 100), [], Works;
    replica_ignore_maxmemory: bool = true =>
        "replica-ignore-maxmemory" | "slave-ignore-maxmemory", flag, [], Works;
    active_expire_effort: u32 = 1 =>
        "active-expire-effort", number(1, 10), [], NotNeeded;

    // Lazy freeing
    lazyfree_lazy_eviction: bool = false =>
        "lazyfree-lazy-eviction", flag, [DEBUG], Works;
    lazyfree_lazy_expire: bool = false =>
        "lazyfree-lazy-expire", flag, [DEBUG], Works;
    lazyfree_lazy_server_del: bool = false =>
        "lazyfree-lazy-server-del", flag, [DEBUG], Works;
    replica_lazy_flush: bool = false =>
        "replica-lazy-flush" | "slave-lazy-flush", flag, [], Works;
    lazyfree_lazy_user_del: bool = false =>
        "lazyfree-lazy-user-del", flag, [DEBUG], Works;
    lazyfree_lazy_user_flush: bool = false =>
        "lazyfree-lazy-user-flush", flag, [DEBUG], Works;
    flush_grace: u32 = 0 =>
        "flush-grace", number(0, 3600), [], Works;

    // Threads
    io_threads: u32 = 1 =>
        "io-threads", number(1, 128), [DEBUG], Works;

    // Kernel
    oom_score_adj: OomScoreAdj = OomScoreAdj::No =>
        "oom-score-adj", choice, [], Works;
    oom_score_adj_values: OomScoreAdjValues = OomScoreAdjValues::default() =>
        "oom-score-adj-values", special, [MULTI_ARG], Works;
    disable_thp: bool = true =>
        "disable-thp", flag, [IMMUTABLE], NotNeeded;

    // Append only file
    appendonly: bool = false =>
        "appendonly", flag, [VOLATILE], Works;
    appendfilename: Text = "appendonly.aof".into() =>
        "appendfilename", text(checks::aof_filename), [IMMUTABLE], Works;
    backupdirname: Text = "backupdir".into() =>
        "backupdirname", text(checks::backup_dirname), [IMMUTABLE], Works;
    backup_sealed_ttl: u64 = 0 =>
        "backup-sealed-ttl", number(0, LONG_MAX), [], Works;
    appenddirname: Text = "appendonlydir".into() =>
        "appenddirname", text(checks::aof_dirname), [IMMUTABLE], Works;
    appendfsync: AppendFsync = AppendFsync::EverySec =>
        "appendfsync", choice, [], Works;
    no_appendfsync_on_rewrite: bool = false =>
        "no-appendfsync-on-rewrite", flag, [], Works;
    auto_aof_rewrite_percentage: u32 = 100 =>
        "auto-aof-rewrite-percentage", number(0, INT_MAX), [], Works;
    auto_aof_rewrite_min_size: u64 = 64 * MB =>
        "auto-aof-rewrite-min-size", memory(0, LONG_MAX), [], Works;
    aof_checksum: bool = true =>
        "aof-checksum", flag, [], Works;
    aof_load_truncated: bool = true =>
        "aof-load-truncated", flag, [], Works;
    aof_scrub_hours: u32 = 0 =>
        "aof-scrub-hours", number(0, 87_600), [], Works;
    aof_load_corrupt_tail_max_size: u64 = 0 =>
        "aof-load-corrupt-tail-max-size", number(0, LONG_MAX), [], Works;
    aof_use_rdb_preamble: bool = true =>
        "aof-use-rdb-preamble", flag, [], Works;
    aof_timestamp_enabled: bool = false =>
        "aof-timestamp-enabled", flag, [], Works;
    aof_rewrite_incremental_fsync: bool = true =>
        "aof-rewrite-incremental-fsync", flag, [], Works;
    aof_disable_auto_gc: bool = false =>
        "aof-disable-auto-gc", flag, [HIDDEN], Works;

    // Shutdown
    shutdown_timeout: u32 = 10 =>
        "shutdown-timeout", number(0, INT_MAX), [], Works;
    shutdown_drain_seconds: u32 = 0 =>
        "shutdown-drain-seconds", number(0, 86_400), [], Works;
    shutdown_on_sigint: ShutdownFlags = ShutdownFlags::default() =>
        "shutdown-on-sigint", special, [MULTI_ARG], Works;
    shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default() =>
        "shutdown-on-sigterm", special, [MULTI_ARG], Works;

    // Long commands
    busy_reply_threshold: u64 = 5000 =>
        "busy-reply-threshold" | "lua-time-limit", number(0, LONG_MAX), [], Works;
    script_memory_limit: u64 = 512 * MB =>
        "script-memory-limit", memory(1 << 20, 1 << 30), [], Works;
    script_rollback: bool = false =>
        "script-rollback", flag, [], Works;
    script_undo_max_bytes: u64 = 64 * MB =>
        "script-undo-max-bytes", memory(0, LONG_MAX), [], Works;

    // Cluster
    cluster_enabled: bool = false =>
        "cluster-enabled", flag, [IMMUTABLE], Works;
    cluster_config_file: Text = "nodes.conf".into() =>
        "cluster-config-file", text, [IMMUTABLE], Works;
    cluster_node_timeout: u64 = 15_000 =>
        "cluster-node-timeout", number(0, LONG_MAX), [], Works;
    cluster_port: u16 = 0 =>
        "cluster-port", number(0, 65535), [IMMUTABLE], Works;
    cluster_replica_validity_factor: u32 = 10 =>
        "cluster-replica-validity-factor" | "cluster-slave-validity-factor", number(0, INT_MAX), [], Works;
    cluster_migration_barrier: u32 = 1 =>
        "cluster-migration-barrier", number(0, INT_MAX), [], Works;
    cluster_allow_replica_migration: bool = true =>
        "cluster-allow-replica-migration", flag, [], Works;
    cluster_require_full_coverage: bool = true =>
        "cluster-require-full-coverage", flag, [], Works;
    cluster_replica_no_failover: bool = false =>
        "cluster-replica-no-failover" | "cluster-slave-no-failover", flag, [], Works;
    cluster_allow_reads_when_down: bool = false =>
        "cluster-allow-reads-when-down", flag, [], Works;
    cluster_allow_pubsubshard_when_down: bool = true =>
        "cluster-allow-pubsubshard-when-down", flag, [], Works;
    cluster_link_sendbuf_limit: u64 = 0 =>
        "cluster-link-sendbuf-limit", memory(0, ULONG_MAX), [], Works;
    cluster_announce_hostname: Text = Text::default() =>
        "cluster-announce-hostname", text_or_unset(checks::hostname), [], Works;
    cluster_announce_human_nodename: Text = Text::default() =>
        "cluster-announce-human-nodename", text_or_unset(checks::node_name), [], Works;
    cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip =>
        "cluster-preferred-endpoint-type", choice, [], Works;
    cluster_compatibility_sample_ratio: u32 = 0 =>
        "cluster-compatibility-sample-ratio", number(0, 100), [], Works;
    cluster_bus_port_protected_mode: bool = false =>
        "cluster-bus-port-protected-mode", flag, [], Works;
    cluster_slot_migration_handoff_max_lag_bytes: u64 = MB =>
        "cluster-slot-migration-handoff-max-lag-bytes", memory(0, LONG_MAX), [], Works;
    cluster_slot_migration_write_pause_timeout: u64 = 10_000 =>
        "cluster-slot-migration-write-pause-timeout", number(0, LONG_MAX), [], Works;
    cluster_bus_allow: Networks = Networks(Vec::new()) =>
        "cluster-bus-allow", special, [MULTI_ARG], Works;
    cluster_meet_secret: Text = Text::default() =>
        "cluster-meet-secret", text_or_unset, [SENSITIVE], Works;
    cluster_ping_interval: u64 = 0 =>
        "cluster-ping-interval", number(0, LONG_MAX), [HIDDEN], Works;
    cluster_announce_ip: Text = Text::default() =>
        "cluster-announce-ip", text_or_unset(checks::announced_ip), [], Works;
    cluster_announce_tls_port: u16 = 0 =>
        "cluster-announce-tls-port", number(0, 65535), [], Works;
    cluster_announce_port: u16 = 0 =>
        "cluster-announce-port", number(0, 65535), [], Works;
    cluster_announce_bus_port: u16 = 0 =>
        "cluster-announce-bus-port", number(0, 65535), [], Works;

    // Command logs
    slowlog_log_slower_than: i64 = 10_000 =>
        "slowlog-log-slower-than" | "commandlog-execution-slower-than",
        number(-1, LONG_MAX), [], Works;
    slowlog_entry_max_argc: usize = 32 =>
        "slowlog-entry-max-argc", number(2, INT_MAX), [], Works;
    slowlog_entry_max_string_len: usize = 128 =>
        "slowlog-entry-max-string-len", number(1, LONG_MAX), [], Works;
    slowlog_max_len: u64 = 128 =>
        "slowlog-max-len" | "commandlog-slow-execution-max-len",
        number(0, LONG_MAX), [], Works;
    commandlog_request_larger_than: i64 = 1 << 20 =>
        "commandlog-request-larger-than", number(-1, LONG_MAX), [], Works;
    commandlog_large_request_max_len: u64 = 128 =>
        "commandlog-large-request-max-len", number(0, LONG_MAX), [], Works;
    commandlog_reply_larger_than: i64 = 1 << 20 =>
        "commandlog-reply-larger-than", number(-1, LONG_MAX), [], Works;
    commandlog_large_reply_max_len: u64 = 128 =>
        "commandlog-large-reply-max-len", number(0, LONG_MAX), [], Works;

    // Latency
    latency_monitor_threshold: u64 = 0 =>
        "latency-monitor-threshold", number(0, LONG_MAX), [], Works;
    latency_tracking: bool = true =>
        "latency-tracking", flag, [], Works;
    latency_tracking_info_percentiles: Percentiles = Percentiles::default() =>
        "latency-tracking-info-percentiles", special, [MULTI_ARG], Works;

    // Keyspace events
    notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::default() =>
        "notify-keyspace-events", special, [], Works;

    // Encodings
    hash_max_listpack_entries: usize = 512 =>
        "hash-max-listpack-entries" | "hash-max-ziplist-entries", number(0, LONG_MAX), [], Works;
    hash_max_listpack_value: usize = 64 =>
        "hash-max-listpack-value" | "hash-max-ziplist-value", memory(0, LONG_MAX), [], Works;
    hash_share_names: bool = true =>
        "hash-share-names", flag, [], Works;
    json_integers_wrap: bool = false =>
        "json-integers-wrap", flag, [], Works;
    json_auto_create_deep_paths: bool = false =>
        "json-auto-create-deep-paths", flag, [IMMUTABLE], Works;
    bf_error_rate: ErrorRate = ErrorRate(0.01) =>
        "bf-error-rate", special, [], Works;
    bf_initial_size: u64 = 100 =>
        "bf-initial-size", number(1, 1_048_576), [], Works;
    bf_expansion_factor: u32 = 2 =>
        "bf-expansion-factor", number(0, 32768), [], Works;
    cf_bucket_size: u16 = 2 =>
        "cf-bucket-size", number(1, 255), [], Works;
    cf_initial_size: u64 = 1024 =>
        "cf-initial-size", number(2, 1_048_576), [], Works;
    cf_expansion_factor: u16 = 1 =>
        "cf-expansion-factor", number(0, 32768), [], Works;
    cf_max_expansions: u64 = 32 =>
        "cf-max-expansions", number(1, 65535), [], Works;
    cf_max_iterations: u16 = 20 =>
        "cf-max-iterations", number(1, 65535), [], Works;
    ts_chunk_size_bytes: ChunkSize = ChunkSize(4096) =>
        "ts-chunk-size-bytes", special, [], Works;
    ts_compaction_policy: CompactionPolicy = CompactionPolicy::default() =>
        "ts-compaction-policy", special, [], Works;
    ts_duplicate_policy: SeriesPolicy = SeriesPolicy::Block =>
        "ts-duplicate-policy", choice, [], Works;
    ts_encoding: SeriesEncoding = SeriesEncoding::Compressed =>
        "ts-encoding", choice, [], Works;
    ts_retention_policy: u64 = 0 =>
        "ts-retention-policy", number(0, LONG_MAX), [], Works;
    ts_ignore_max_time_diff: u64 = 0 =>
        "ts-ignore-max-time-diff", number(0, LONG_MAX), [], Works;
    ts_ignore_max_val_diff: IgnoredChange = IgnoredChange(0.0) =>
        "ts-ignore-max-val-diff", special, [], Works;
    ts_num_threads: u32 = 3 =>
        "ts-num-threads", number(1, 16), [], NotNeeded;
    ts_topology_events: bool = true =>
        "ts-topology-events", flag, [IMMUTABLE], NotNeeded;
    ts_libmr_protocol: Text = "INTERNAL".into() =>
        "ts-libmr-protocol", text, [IMMUTABLE], NotNeeded;
    search_default_dialect: u32 = 1 =>
        "search-default-dialect", number(1, 4), [], Works;
    search_default_scorer: SearchScorer = SearchScorer::Bm25Std =>
        "search-default-scorer", choice, [], Works;
    search_timeout: u64 = 500 =>
        "search-timeout", number(0, LONG_MAX), [], Works;
    search_on_timeout: SearchOnTimeout = SearchOnTimeout::Return =>
        "search-on-timeout", choice, [], Works;
    search_max_search_results: u64 = 1_000_000 =>
        "search-max-search-results", number(0, 2_147_483_648), [], Works;
    search_max_aggregate_results: u64 = 2_147_483_648 =>
        "search-max-aggregate-results", number(0, 2_147_483_648), [], Works;
    search_max_prefix_expansions: u64 = 200 =>
        "search-max-prefix-expansions", number(1, LONG_MAX), [], Works;
    search_min_prefix: u64 = 2 =>
        "search-min-prefix", number(1, LONG_MAX), [], Works;
    search_min_stem_len: u64 = 4 =>
        "search-min-stem-len", number(2, LONG_MAX), [], Works;
    search_cursor_max_idle: u64 = 300_000 =>
        "search-cursor-max-idle", number(0, LONG_MAX), [], Works;
    search_index_cursor_limit: u64 = 128 =>
        "search-index-cursor-limit", number(0, LONG_MAX), [], Works;
    search_cursor_read_size: u64 = 1000 =>
        "search-cursor-read-size", number(1, LONG_MAX), [], Works;
    search_max_aggregate_groups: u64 = 1_000_000 =>
        "search-max-aggregate-groups", number(1, 67_108_864), [], Works;
    search_bm25std_tanh_factor: u64 = 4 =>
        "search-bm25std-tanh-factor", number(1, 10_000), [], Works;
    search_min_phonetic_term_len: u64 = 3 =>
        "search-min-phonetic-term-len", number(1, LONG_MAX), [], Works;
    search_multi_text_slop: u32 = 100 =>
        "search-multi-text-slop", number(1, UINT_MAX), [IMMUTABLE], Works;
    search_on_loading: SearchOnLoading = SearchOnLoading::Return =>
        "search-on-loading", choice, [], Works;
    search_on_oom: SearchOnOom = SearchOnOom::Return =>
        "search-on-oom", choice, [], Works;
    search_error_codes: bool = true =>
        "search-error-codes", flag, [], Works;
    search__print_profile_clock: bool = true =>
        "search-_print-profile-clock", flag, [], Works;
    search_global_idf: bool = false =>
        "search-global-idf", flag, [], Works;
    search_enable_unstable_features: bool = false =>
        "search-enable-unstable-features", flag, [], NotNeeded;
    hash_min_template_entries: usize = 0 =>
        "hash-min-template-entries", number(0, LONG_MAX), [], Works;
    hash_max_template_entries: usize = 0 =>
        "hash-max-template-entries", number(0, LONG_MAX), [], Works;
    hash_rdb_load_min_template_entries: u64 = 0 =>
        "hash-rdb-load-min-template-entries", number(0, LONG_MAX), [], NotNeeded;
    hash_rdb_load_max_template_entries: u64 = 0 =>
        "hash-rdb-load-max-template-entries", number(0, LONG_MAX), [], NotNeeded;
    hash_rdb_load_template_disassembly_threshold: u64 = 0 =>
        "hash-rdb-load-template-disassembly-threshold", number(0, LONG_MAX), [], NotNeeded;
    list_max_listpack_size: i32 = -2 =>
        "list-max-listpack-size" | "list-max-ziplist-size", number(INT_MIN, INT_MAX), [], Works;
    list_compress_depth: u32 = 0 =>
        "list-compress-depth", number(0, INT_MAX), [DEBUG], Works;
    set_max_intset_entries: usize = 512 =>
        "set-max-intset-entries", number(0, LONG_MAX), [], Works;
    set_max_listpack_entries: usize = 128 =>
        "set-max-listpack-entries", number(0, LONG_MAX), [], Works;
    set_max_listpack_value: usize = 64 =>
        "set-max-listpack-value", number(0, LONG_MAX), [], Works;
    zset_max_listpack_entries: usize = 128 =>
        "zset-max-listpack-entries" | "zset-max-ziplist-entries", number(0, LONG_MAX), [], Works;
    zset_max_listpack_value: usize = 64 =>
        "zset-max-listpack-value" | "zset-max-ziplist-value", memory(0, LONG_MAX), [], Works;
    hll_sparse_max_bytes: usize = 3000 =>
        "hll-sparse-max-bytes", memory(0, LONG_MAX), [], Works;
    stream_node_max_bytes: usize = 4096 =>
        "stream-node-max-bytes", memory(0, LONG_MAX), [], Works;
    stream_node_max_entries: u64 = 100 =>
        "stream-node-max-entries", number(0, LONG_MAX), [], Works;
    bitmap_default_roaring: bool = false =>
        "bitmap-default-roaring", flag, [], Works;
    array_slice_size: usize = 4096 =>
        "array-slice-size", number(256, 65536, checks::array_slice_size), [], Works;
    array_sparse_kmax: usize = 10 =>
        "array-sparse-kmax", number(0, 256, checks::array_sparse_kmax), [], Works;
    array_sparse_kmin: usize = 5 =>
        "array-sparse-kmin", number(0, 256, checks::array_sparse_kmin), [], Works;
    stream_idmp_duration: u32 = 100 =>
        "stream-idmp-duration", number(1, 86_400), [], Works;
    stream_idmp_maxsize: u32 = 100 =>
        "stream-idmp-maxsize", number(1, 10_000), [], Works;

    // Engine
    activerehashing: bool = true =>
        "activerehashing", flag, [], NotNeeded;
    client_output_buffer_limit: OutputBufferLimits = OutputBufferLimits::default() =>
        "client-output-buffer-limit", special, [MULTI_ARG], Works;
    lookahead: u32 = 16 =>
        "lookahead", number(1, INT_MAX), [], Works;
    client_query_buffer_limit: u64 = GB =>
        "client-query-buffer-limit", memory(MB, LONG_MAX), [DEBUG], Works;
    maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0) =>
        "maxmemory-clients", special, [], Works;
    proto_max_bulk_len: u64 = 512 * MB =>
        "proto-max-bulk-len", memory(MB, LONG_MAX), [DEBUG], Works;
    hz: u32 = 10 =>
        "hz", number(0, INT_MAX), [], Works;
    dynamic_hz: bool = true =>
        "dynamic-hz", flag, [], Works;
    lfu_log_factor: u32 = 10 =>
        "lfu-log-factor", number(0, INT_MAX), [], Works;
    lfu_decay_time: u32 = 1 =>
        "lfu-decay-time", number(0, INT_MAX), [], Works;

    // Active defragmentation
    activedefrag: bool = false =>
        "activedefrag", flag, [DEBUG], Works;
    active_defrag_ignore_bytes: u64 = 100 * MB =>
        "active-defrag-ignore-bytes", memory(1, LONG_MAX), [], Works;
    active_defrag_threshold_lower: u32 = 10 =>
        "active-defrag-threshold-lower", number(0, 1000), [], Works;
    active_defrag_threshold_upper: u32 = 100 =>
        "active-defrag-threshold-upper", number(0, 1000), [], Works;
    active_defrag_cycle_min: u32 = 1 =>
        "active-defrag-cycle-min", number(1, 99), [], Works;
    active_defrag_cycle_max: u32 = 25 =>
        "active-defrag-cycle-max", number(1, 99), [], Works;
    active_defrag_max_scan_fields: u64 = 1000 =>
        "active-defrag-max-scan-fields", number(1, LONG_MAX), [], Works;
    jemalloc_bg_thread: bool = true =>
        "jemalloc-bg-thread", flag, [], Works;
    huge_pages: bool = true =>
        "huge-pages", flag, [IMMUTABLE], Works;

    // Modules of Redis's distribution, and choices within its engine
    vset_force_single_threaded_execution: bool = false =>
        "vset-force-single-threaded-execution", flag, [], Works;
    task_threads: u32 = 1 =>
        "task-threads" | "vset-threads", number(0, 64), [], Works;
    lazyexpire_nested_arbitrary_keys: bool = true =>
        "lazyexpire-nested-arbitrary-keys", flag, [HIDDEN], NotNeeded;

    // Processors
    server_cpulist: Text = Text::default() =>
        "server-cpulist" | "server_cpulist", text_or_unset(checks::processors), [IMMUTABLE], Works;
    bio_cpulist: Text = Text::default() =>
        "bio-cpulist" | "bio_cpulist", text_or_unset(checks::processors), [IMMUTABLE], Works;
    aof_rewrite_cpulist: Text = Text::default() =>
        "aof-rewrite-cpulist" | "aof_rewrite_cpulist", text_or_unset(checks::processors), [IMMUTABLE], Works;
    bgsave_cpulist: Text = Text::default() =>
        "bgsave-cpulist" | "bgsave_cpulist", text_or_unset(checks::processors), [IMMUTABLE], Works;

    // Debugging
    watchdog_period: u32 = 0 =>
        "watchdog-period", number(0, INT_MAX), [HIDDEN], Works;
    use_exit_on_panic: bool = false =>
        "use-exit-on-panic", flag, [HIDDEN], Works;

    // Valkey's
    active_defrag_cycle_us: u32 = 500 =>
        "active-defrag-cycle-us", number(0, 100_000), [], Works;
    availability_zone: Text = Text::default() =>
        "availability-zone", text, [], Works;
    cluster_announce_client_ipv4: Text = Text::default() =>
        "cluster-announce-client-ipv4", text_or_unset(checks::ipv4), [], Works;
    cluster_announce_client_ipv6: Text = Text::default() =>
        "cluster-announce-client-ipv6", text_or_unset(checks::ipv6), [], Works;
    cluster_announce_client_port: u16 = 0 =>
        "cluster-announce-client-port", number(0, 65535), [], Works;
    cluster_announce_client_tls_port: u16 = 0 =>
        "cluster-announce-client-tls-port", number(0, 65535), [], Works;
    cluster_blacklist_ttl: i64 = 60 =>
        "cluster-blacklist-ttl", number(LONG_MIN, LONG_MAX), [], Works;
    cluster_config_save_behavior: ClusterConfigSave = ClusterConfigSave::Sync =>
        "cluster-config-save-behavior", choice, [], Works;
    cluster_databases: u32 = 1 =>
        "cluster-databases", number(1, INT_MAX), [IMMUTABLE], Works;
    cluster_manual_failover_timeout: u32 = 5000 =>
        "cluster-manual-failover-timeout", number(1, INT_MAX), [], Works;
    cluster_message_gossip_perc: u32 = 10 =>
        "cluster-message-gossip-perc", number(1, 100), [HIDDEN], Works;
    cluster_slot_migration_log_max_len: u64 = 1000 =>
        "cluster-slot-migration-log-max-len", number(0, LONG_MAX), [], Works;
    cluster_slot_stats_enabled: SlotStats = SlotStats::default() =>
        "cluster-slot-stats-enabled", special, [MULTI_ARG], Works;
    key_memory_histograms: bool = false =>
        "key-memory-histograms", flag, [], Works;
    slot_migration_max_failover_repl_bytes: i64 = 0 =>
        "slot-migration-max-failover-repl-bytes", number(-1, LONG_MAX), [], Works;
    dual_channel_replication_enabled: bool = false =>
        "dual-channel-replication-enabled", flag, [], Works;
    bgsave_default_method: BgsaveMethod = BgsaveMethod::Fork =>
        "bgsave-default-method", choice, [], NotNeeded;
    forkless_infrastructure_enabled: bool = false =>
        "forkless-infrastructure-enabled", flag, [IMMUTABLE], NotNeeded;
    repl_throttling_enabled: bool = false =>
        "repl-throttling-enabled", flag, [], NotNeeded;
    repl_compression: StreamCompression = StreamCompression::No =>
        "repl-compression", choice, [], Works;
    maxmemory_scripts: u64 = 0 =>
        "maxmemory-scripts", memory(0, LONG_MAX), [], Works;
    hotkey_top_k: u32 = 0 =>
        "hotkey-top-k", number(0, 1024), [], Works;
    hotkey_window_seconds: u32 = 10 =>
        "hotkey-window-seconds", number(1, 86_400), [], Works;
    hotkey_sampling_percentage: u32 = 10 =>
        "hotkey-sampling-percentage", number(1, 100), [], Works;
    maxclients_reserved: u32 = 0 =>
        "maxclients-reserved", number(0, INT_MAX), [], Works;
    priority_subnets: Subnets = Subnets::default() =>
        "priority-subnets", special, [MULTI_ARG], Works;
    priority_preemptive_poll_interval_us: u32 = 0 =>
        "priority-preemptive-poll-interval-us", number(0, INT_MAX), [], NotNeeded;
    tls_alt_cert_file: Text = Text::default() =>
        "tls-alt-cert-file", text_or_unset, [VOLATILE], Works;
    tls_alt_key_file: Text = Text::default() =>
        "tls-alt-key-file", text_or_unset, [VOLATILE], Works;
    tls_alt_key_file_pass: Text = Text::default() =>
        "tls-alt-key-file-pass", text_or_unset, [SENSITIVE], Works;
    rdb_version_check: RdbVersionCheck = RdbVersionCheck::Strict =>
        "rdb-version-check", choice, [], Works;
    import_mode: bool = false =>
        "import-mode", flag, [], Works;
    log_timestamp_format: LogTimestamp = LogTimestamp::Legacy =>
        "log-timestamp-format", choice, [], Works;
    unixsocketgroup: Text = Text::default() =>
        "unixsocketgroup", text_or_unset, [IMMUTABLE], Works;
    mptcp: bool = false =>
        "mptcp", flag, [IMMUTABLE], Works;
    repl_mptcp: bool = false =>
        "repl-mptcp", flag, [IMMUTABLE], Works;
    io_threads_always_active: bool = false =>
        "io-threads-always-active", flag, [HIDDEN], Works;
    min_io_threads_avoid_copy_reply: u32 = 7 =>
        "min-io-threads-avoid-copy-reply", number(0, INT_MAX), [HIDDEN], NotNeeded;
    min_string_size_avoid_copy_reply: u32 = 16_384 =>
        "min-string-size-avoid-copy-reply", number(0, INT_MAX), [HIDDEN], NotNeeded;
    min_string_size_avoid_copy_reply_threaded: u32 = 65_536 =>
        "min-string-size-avoid-copy-reply-threaded", number(0, INT_MAX), [HIDDEN], NotNeeded;
    prefetch_batch_max_size: u32 = 16 =>
        "prefetch-batch-max-size", number(0, 128), [], NotNeeded;
    hash_seed: Text = Text::default() =>
        "hash-seed", text_or_unset, [IMMUTABLE SENSITIVE], NotNeeded;
    extended_redis_compatibility: bool = false =>
        "extended-redis-compatibility", flag, [], NotNeeded;
    lua_enable_insecure_api: bool = false =>
        "lua-enable-insecure-api" | "lua-enable-deprecated-api", flag, [HIDDEN PROTECTED], NotNeeded;
    rdma_bind: Text = Text::default() =>
        "rdma-bind", text_or_unset, [], NotNeeded;
    rdma_completion_vector: i32 = -1 =>
        "rdma-completion-vector", number(-1, 1024), [IMMUTABLE], NotNeeded;
    rdma_port: u16 = 0 =>
        "rdma-port", number(0, 65535), [], NotNeeded;
    rdma_rx_size: u32 = 1 << 20 =>
        "rdma-rx-size", number(65_536, 16_777_216), [IMMUTABLE], NotNeeded;
    debug_context: Text = Text::default() =>
        "debug-context", text, [HIDDEN], NotNeeded;
    enable_debug_assert: bool = false =>
        "enable-debug-assert", flag, [IMMUTABLE HIDDEN], NotNeeded;

    // russet's own
    dialect: Dialect = Dialect::Redis =>
        "dialect", choice, [IMMUTABLE], Works;
    prefix_stats: bool = false =>
        "prefix-stats", flag, [], Works;
    prefix_stats_delimiter: Text = Text::from(b":".as_slice()) =>
        "prefix-stats-delimiter", text(checks::one_byte), [], Works;
    prefix_stats_depth: u32 = 1 =>
        "prefix-stats-depth", number(1, 16), [], Works;
    prefix_stats_max_prefixes: u32 = 1024 =>
        "prefix-stats-max-prefixes", number(1, 1_000_000), [], Works;
    log_format: LogFormat = LogFormat::Redis =>
        "log-format", choice, [], Works;
    audit_log: Text = Text::default() =>
        "audit-log", text, [], Works;
    audit_categories: Text = "@admin @dangerous @scripting".into() =>
        "audit-categories", text, [], Works;
    audit_users: Text = "*".into() =>
        "audit-users", text, [], Works;
    audit_on_full: AuditOnFull = AuditOnFull::Drop =>
        "audit-on-full", choice, [], Works;
    active_defrag_idle: bool = true =>
        "active-defrag-idle", flag, [], Works;
    compress_values: CompressValues = CompressValues::No =>
        "compress-values", choice, [], Works;
    compress_start_percent: u32 = 75 =>
        "compress-start-percent", number(1, 100), [], Works;
    compress_idle_seconds: u32 = 300 =>
        "compress-idle-seconds", number(0, 1_000_000), [], Works;
    compress_cpu_percent: u32 = 5 =>
        "compress-cpu-percent", number(1, 100), [], Works;
    compress_min_bytes: u64 = 128 =>
        "compress-min-bytes", memory(64, 16 * MB as i128), [], Works;
    compress_max_bytes: u64 = 256 << 10 =>
        "compress-max-bytes", memory(64, 16 * MB as i128), [], Works;
    compress_dictionaries: u32 = 64 =>
        "compress-dictionaries", number(0, 200), [], Works;
    compress_dictionary_memory: u64 = 8 * MB =>
        "compress-dictionary-memory", memory(0, LONG_MAX), [], Works;
    compress_exclude: Text = Text::default() =>
        "compress-exclude", text, [], Works;
    busy_poll_usec: u32 = 10 =>
        "busy-poll-usec", number(0, 100), [], Works;
    event_coalesce_usec: u32 = 100 =>
        "event-coalesce-usec", number(0, 1000), [], Works;
    metrics_port: u16 = 0 =>
        "metrics-port", number(0, 65535), [], Works;
    metrics_bind: BindAddresses = BindAddresses::loopback() =>
        "metrics-bind", special, [MULTI_ARG], Works;
    metrics_allow: Networks = Networks::loopback() =>
        "metrics-allow", special, [MULTI_ARG], Works;
    metrics_password: Text = Text::default() =>
        "metrics-password", secret, [SENSITIVE], Works;
    console_port: u16 = 0 =>
        "console-port", number(0, 65535), [VOLATILE], Works;
    console_bind: BindAddresses = BindAddresses::loopback() =>
        "console-bind", special, [MULTI_ARG], Works;
    console_allow: Networks = Networks::loopback() =>
        "console-allow", special, [MULTI_ARG], Works;
    console_hosts: HostNames = HostNames::default() =>
        "console-hosts", special, [MULTI_ARG], Works;
    console_tls: bool = false =>
        "console-tls", flag, [], Works;
    console_insecure: bool = false =>
        "console-insecure", flag, [], Works;
    repl_spool_memory: u64 = 64 * MB =>
        "repl-spool-memory", memory(MB as i128, LONG_MAX), [], Works;
    replica_min_retain_percent: u32 = 1 =>
        "replica-min-retain-percent", number(0, 100), [], Works;
    demotion_lost_max_bytes: u64 = 64 * MB =>
        "demotion-lost-max-bytes", memory(0, LONG_MAX), [], Works;
    ready_max_lag: u32 = 0 =>
        "ready-max-lag", number(0, INT_MAX), [], Works;
}

/// The directive with this name or alias, in any case.
pub fn find(name: &[u8]) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.is_named(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fields_are_named_as_their_directives() {
        for (field, name) in FIELDS {
            assert_eq!(*field, name.replace('-', "_"));
        }
    }

    #[test]
    fn no_two_directives_share_a_name() {
        let mut seen = HashSet::new();
        for name in DIRECTIVES.iter().flat_map(Directive::names) {
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn every_default_and_every_bound_fits_its_field() {
        let default = Config::default();
        for directive in DIRECTIVES {
            let ValueKind::Number {
                min, max, get, set, ..
            } = directive.kind
            else {
                continue;
            };
            assert!((min..=max).contains(&get(&default)), "{}", directive.name);
            for bound in [min, max] {
                let mut config = Config::default();
                set(&mut config, bound);
                assert_eq!(get(&config), bound, "{}", directive.name);
            }
        }
    }

    #[test]
    fn every_default_reads_back_as_itself() {
        for directive in DIRECTIVES
            .iter()
            .filter(|d| !matches!(d.name, "dir" | "replicaof"))
        {
            let mut config = Config::default();
            let text = directive.text(&config);
            let words = if directive.flags.contains(Flags::MULTI_ARG) {
                super::super::words::split(&text).unwrap()
            } else {
                vec![text.into()]
            };
            directive.read(&mut config, &words, false).unwrap();
            assert!(config == Config::default(), "{}", directive.name);
        }
    }

    /// Redis 8.0's core table has this many names in `CONFIG GET *` (aliases included) and this
    /// many hidden names; this table adds sixty-one of its own, the names of metrics, Valkey's six
    /// of the command logs, and its other names and eight hidden names; then the names of Redis 8.2
    /// to 8.10 and Valkey 9.2, four of Redis 8.12, eight of Redis's module of filters, ten of that
    /// of time series, nineteen of that of indexes.
    #[test]
    fn the_table_has_as_many_names_as_redis() {
        let hidden = |d: &&Directive| d.flags.contains(Flags::HIDDEN);
        let shown = DIRECTIVES
            .iter()
            .filter(|d| !hidden(d))
            .flat_map(Directive::names)
            .count();
        assert_eq!(shown, 203 + 61 + 49 + 41 + 4 + 8 + 10 + 19);
        assert_eq!(DIRECTIVES.iter().filter(hidden).count(), 8 + 8 + 1);
    }
}
