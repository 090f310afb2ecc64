//! The directives' named values.
//!
//! A refusal lists the names in this order. Where two names mean the same, CONFIG GET shows
//! the first.

/// A value that a configuration line gives by name.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every accepted name with its meaning.
    const NAMES: &'static [(&'static str, Self)];

    /// The value with this name, in any case.
    fn parse(name: &[u8]) -> Option<Self> {
        let found = Self::NAMES
            .iter()
            .find(|(n, _)| name.eq_ignore_ascii_case(n.as_bytes()));
        found.map(|&(_, value)| value)
    }

    /// The value's name in a configuration file.
    fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, value)| *value == self);
        found.expect("every value has a name").0
    }

    /// The accepted names, as a refusal lists them.
    fn names(self) -> Vec<&'static str> {
        Self::NAMES.iter().map(|&(name, _)| name).collect()
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $type:ident { $($name:literal $value:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $(#[doc = concat!("`", $name, "`.")] $value),+ }

        impl Choice for $type {
            const NAMES: &'static [(&'static str, Self)] =
                &[$(($name, $type::$value)),+];
        }
    )+};
}

choices! {
    /// `supervised`: who started the daemon.
    Supervised { "upstart" Upstart, "systemd" Systemd, "auto" Auto, "no" No }

    /// `syslog-facility`.
    SyslogFacility {
        "user" User, "local0" Local0, "local1" Local1, "local2" Local2, "local3" Local3,
        "local4" Local4, "local5" Local5, "local6" Local6, "local7" Local7
    }

    /// `loglevel`: the least important line that is still logged.
    LogLevel {
        "debug" Debug, "verbose" Verbose, "notice" Notice, "warning" Warning, "nothing" Nothing
    }

    /// `compress-values`: whether cold strings are packed in memory.
    CompressValues { "no" No, "auto" Auto, "yes" Yes }

    /// `snapshot-method`: background saves run on the loop between ticks or in a forked child.
    SnapshotMethod { "auto" Auto, "loop" Loop, "fork" Fork }

    /// `bgsave-default-method` (Valkey 9.2); `snapshot-method` decides.
    BgsaveMethod { "fork" Fork, "forkless" Forkless }

    /// `repl-compression` (Valkey 9.2). There is one codec, LZ4, which serves for Zstandard as
    /// well.
    StreamCompression { "no" No, "yes" Yes, "lz4" Lz4, "zstd" Zstd }

    /// `log-timestamp-format`: Redis's time of a line, ISO 8601 or milliseconds since 1970.
    LogTimestamp { "legacy" Legacy, "iso8601" Iso8601, "milliseconds" Milliseconds }

    /// `rdb-version-check`: whether loading files of later versions is attempted.
    RdbVersionCheck { "strict" Strict, "relaxed" Relaxed }

    /// `rdb-unknown-modules`: whether loading passes over data of modules.
    UnknownModules { "refuse" Refuse, "skip" Skip }

    /// `cluster-config-save-behavior`.
    ClusterConfigSave { "sync" Sync, "best-effort" BestEffort }

    /// `appendfsync`: when the append only file is synced to disk.
    AppendFsync { "everysec" EverySec, "always" Always, "no" No }

    /// `sync-on`: what a replica must have done with a write before it counts.
    SyncMedium { "memory" Memory, "disk" Disk }

    /// `sync-reads`: whether reads wait for what they show.
    SyncReads { "safe" Safe, "linear" Linear, "any" Any }

    /// `sync-replica-reads`: whether reads at a replica wait for what they show.
    SyncReplicaReads { "any" Any, "safe" Safe }

    /// `repl-diskless-load`; the last choice is Redis's `flushdb` and Valkey's `flush-before-load`.
    DisklessLoad { "disabled" Disabled, "on-empty-db" OnEmptyDb, "swapdb" SwapDb,
        "flushdb" FlushDb, "flush-before-load" FlushBeforeLoad }

    /// `tls-auth-clients`.
    TlsAuthClients { "no" No, "yes" Yes, "optional" Optional }

    /// `tls-auth-clients-user`: the field of a client's certificate that names its user.
    TlsAuthClientsUser { "CN" CommonName, "URI" Uri, "off" Off }

    /// `acl-pubsub-default`.
    PubsubDefault { "allchannels" AllChannels, "resetchannels" ResetChannels }

    /// `sanitize-dump-payload`.
    SanitizePayload { "no" No, "yes" Yes, "clients" Clients }

    /// `enable-debug-command`, `enable-protected-configs`, `enable-module-command`: allowed to no
    /// connection, all, or only local connections.
    Allowed { "no" No, "yes" Yes, "local" Local }

    /// `cluster-preferred-endpoint-type`.
    EndpointType { "ip" Ip, "hostname" Hostname, "unknown-endpoint" Unknown }

    /// `ts-duplicate-policy`: the fate of a second sample at a timestamp.
    SeriesPolicy {
        "block" Block, "last" Last, "first" First, "min" Min, "max" Max, "sum" Sum
    }

    /// `ts-encoding`: chunks of new time series.
    SeriesEncoding { "compressed" Compressed, "uncompressed" Uncompressed }

    /// `search-default-scorer`: how documents are scored where a query names no scorer.
    SearchScorer {
        "BM25STD" Bm25Std, "BM25STD.NORM" Bm25StdNorm, "BM25STD.TANH" Bm25StdTanh, "BM25" Bm25,
        "TFIDF" TfIdf, "TFIDF.DOCNORM" TfIdfDocNorm, "DISMAX" DisMax, "DOCSCORE" DocScore,
        "HAMMING" Hamming
    }

    /// `search-on-timeout`: what a query replies whose time is up.
    SearchOnTimeout { "return" Return, "fail" Fail, "return_strict" ReturnStrict }

    /// `search-on-loading`: what a query replies while its index reads again the keys of a start.
    SearchOnLoading { "return" Return, "fail" Fail }

    /// `search-on-oom`: what a query replies while used memory exceeds `maxmemory`.
    SearchOnOom { "return" Return, "fail" Fail, "ignore" Ignore }

    /// `propagation-error-behavior`.
    PropagationErrors { "ignore" Ignore, "panic" Panic, "panic-on-replicas" PanicOnReplicas }
}

/// `oom-score-adj`: whether to set the kernel's OOM score, and relative to which base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// Unchanged.
    No,
    /// `oom-score-adj-values` are added to the score at start.
    Relative,
    /// `oom-score-adj-values` are the score.
    Absolute,
}

/// `audit-on-full`: the treatment of commands to be audited while the audit's log is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOnFull {
    /// They run; their lines are counted.
    Drop,
    /// They are refused.
    Block,
}

impl Choice for AuditOnFull {
    const NAMES: &'static [(&'static str, Self)] =
        &[("drop", AuditOnFull::Drop), ("block", AuditOnFull::Block)];
}

/// `log-format`: the form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Redis's lines: `pid:role time mark message`.
    Redis,
    /// `name=value` pairs, as Valkey writes them.
    Logfmt,
    /// An object per line.
    Json,
}

impl Choice for LogFormat {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("redis", LogFormat::Redis),
        ("legacy", LogFormat::Redis),
        ("logfmt", LogFormat::Logfmt),
        ("json", LogFormat::Json),
    ];
}

impl Choice for OomScoreAdj {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("no", OomScoreAdj::No),
        ("yes", OomScoreAdj::Relative),
        ("relative", OomScoreAdj::Relative),
        ("absolute", OomScoreAdj::Absolute),
    ];
}

impl StreamCompression {
    /// Whether the stream may be compressed: any value but `no`.
    pub fn is_on(self) -> bool {
        self != StreamCompression::No
    }
}

impl Allowed {
    /// Whether a connection may do it.
    pub fn allows(self, is_local: bool) -> bool {
        self == Allowed::Yes || (self == Allowed::Local && is_local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_the_first_is_written() {
        assert_eq!(OomScoreAdj::parse(b"RELATIVE"), Some(OomScoreAdj::Relative));
        assert_eq!(OomScoreAdj::Relative.name(), "yes");
        assert_eq!(LogLevel::parse(b"loud"), None);
        assert_eq!(AppendFsync::No.names(), ["everysec", "always", "no"]);
    }

    #[test]
    fn local_means_connections_from_this_machine() {
        assert!(Allowed::Local.allows(true));
        assert!(!Allowed::Local.allows(false));
        assert!(!Allowed::No.allows(true));
    }
}
