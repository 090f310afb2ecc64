//! The modules of other servers whose commands are built in.
//!
//! Clients decide by the names and versions that INFO, MODULE LIST and HELLO show. A `loadmodule`
//! line for such a file loads nothing: what it would load is there. Its arguments are the
//! directives that Redis 8 has in their place.

use super::words::Text;

/// Settings of Redis 8's modules that tune threads, pools and collectors which are not here: they
/// are accepted, and `--check-config` notes that they have no effect.
const UNUSED: &[&str] = &[
    "search-_bg-index-mem-pct-thr",
    "search-_bg-index-oom-pause-time",
    "search-_free-resource-on-thread",
    "search-_numeric-compress",
    "search-_max-foreground-timeout-limit",
    "search-_numeric-ranges-parents",
    "search-_prioritize-intersect-union-children",
    "search-bg-index-sleep-gap",
    "search-conn-per-shard",
    "search-cursor-reply-threshold",
    "search-fork-gc-clean-threshold",
    "search-fork-gc-retry-interval",
    "search-fork-gc-run-interval",
    "search-fork-gc-sleep-before-exit",
    "search-friso-ini",
    "search-gc-scan-size",
    "search-indexer-yield-every-ops",
    "search-io-threads",
    "search-max-doctablesize",
    "search-min-operation-workers",
    "search-no-gc",
    "search-no-mem-pools",
    "search-partial-indexed-docs",
    "search-raw-docid-encoding",
    "search-threads",
    "search-tiered-hnsw-buffer-limit",
    "search-topology-validation-timeout",
    "search-union-iterator-heap",
    "search-upgrade-index",
    "search-vss-max-resize",
    "search-workers",
    "search-workers-priority-bias-threshold",
];

/// The settings of Redis's search that no list here has are settings of later releases: a file that
/// has them must not stop the start.
const OF_SEARCH: &str = "search-";

/// The setting that loads code, which is refused.
const LOADS: &str = "search-ext-load";

/// The setting of a module of Redis 8 that has no effect here: its name in small letters.
pub(super) fn unused(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let is_known = UNUSED.contains(&name.as_str());
    let is_later = name.len() > OF_SEARCH.len() && name.starts_with(OF_SEARCH) && name != LOADS;
    (is_known || is_later).then_some(name)
}

/// The value of an argument of a module as its directive has it: -1 stands for no limit.
pub(super) fn value_of(directive: &str, value: &[u8]) -> Text {
    const UNLIMITED: [&str; 2] = ["search-max-search-results", "search-max-aggregate-results"];
    let is_unlimited = value == b"-1" && UNLIMITED.contains(&directive);
    let value = if is_unlimited { b"2147483648" } else { value };
    Text::from(value)
}

/// A module whose commands are built in.
#[derive(Debug)]
pub struct Module {
    /// As MODULE LIST has it.
    pub name: &'static str,
    /// As its own releases number themselves: 8.10.2 is 81002.
    pub version: u32,
    /// As MODULE LIST has it: what is built in has none, or a word.
    pub path: &'static str,
    /// The options that INFO shows.
    pub options: &'static str,
    /// The file that a `loadmodule` line names; `""`: it has none.
    pub file: &'static str,
    /// The file of Valkey's module of the same commands.
    valkey_file: &'static str,
    /// The arguments of that line, each with its directive.
    arguments: &'static [(&'static str, &'static str)],
}

const VECTOR_SET: Module = Module {
    name: "vectorset",
    version: 1,
    path: "",
    options: "handle-io-errors|handle-repl-async-load",
    file: "",
    valkey_file: "",
    arguments: &[],
};

const LUA: Module = Module {
    name: "lua",
    version: 1,
    path: "lua",
    options: "",
    file: "",
    valkey_file: "",
    arguments: &[],
};

const JSON: Module = Module {
    name: "ReJSON",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "rejson.so",
    valkey_file: "libjson.so",
    arguments: &[("AUTO_CREATE_DEEP_PATHS", "json-auto-create-deep-paths")],
};

const SKETCHES: Module = Module {
    name: "bf",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "redisbloom.so",
    valkey_file: "libvalkey_bloom.so",
    arguments: &[
        ("ERROR_RATE", "bf-error-rate"),
        ("INITIAL_SIZE", "bf-initial-size"),
        ("BF_ERROR_RATE", "bf-error-rate"),
        ("BF_INITIAL_SIZE", "bf-initial-size"),
        ("BF_EXPANSION_FACTOR", "bf-expansion-factor"),
        ("CF_BUCKET_SIZE", "cf-bucket-size"),
        ("CF_INITIAL_SIZE", "cf-initial-size"),
        ("CF_EXPANSION_FACTOR", "cf-expansion-factor"),
        ("CF_MAX_EXPANSIONS", "cf-max-expansions"),
        ("CF_MAX_ITERATIONS", "cf-max-iterations"),
    ],
};

const TIME_SERIES: Module = Module {
    name: "timeseries",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "redistimeseries.so",
    valkey_file: "",
    arguments: &[
        ("COMPACTION_POLICY", "ts-compaction-policy"),
        ("RETENTION_POLICY", "ts-retention-policy"),
        ("CHUNK_SIZE_BYTES", "ts-chunk-size-bytes"),
        ("CHUNK_TYPE", "ts-encoding"),
        ("ENCODING", "ts-encoding"),
        ("DUPLICATE_POLICY", "ts-duplicate-policy"),
        ("NUM_THREADS", "ts-num-threads"),
        ("IGNORE_MAX_TIME_DIFF", "ts-ignore-max-time-diff"),
        ("IGNORE_MAX_VAL_DIFF", "ts-ignore-max-val-diff"),
    ],
};

const SEARCH: Module = Module {
    name: "search",
    version: 81002,
    path: "",
    options: "handle-io-errors",
    file: "redisearch.so",
    valkey_file: "libsearch.so",
    arguments: &[
        ("DEFAULT_DIALECT", "search-default-dialect"),
        ("TIMEOUT", "search-timeout"),
        ("ON_TIMEOUT", "search-on-timeout"),
        ("MAXSEARCHRESULTS", "search-max-search-results"),
        ("MAXAGGREGATERESULTS", "search-max-aggregate-results"),
        ("MAXEXPANSIONS", "search-max-prefix-expansions"),
        ("MAXPREFIXEXPANSIONS", "search-max-prefix-expansions"),
        ("MINPREFIX", "search-min-prefix"),
        ("MINSTEMLEN", "search-min-stem-len"),
        ("CURSOR_MAX_IDLE", "search-cursor-max-idle"),
        ("CURSOR_READ_SIZE", "search-cursor-read-size"),
        ("DEFAULT_SCORER", "search-default-scorer"),
        ("INDEX_CURSOR_LIMIT", "search-index-cursor-limit"),
        ("MAX_AGGREGATE_GROUPS", "search-max-aggregate-groups"),
        ("BM25STD_TANH_FACTOR", "search-bm25std-tanh-factor"),
        ("MIN_PHONETIC_TERM_LEN", "search-min-phonetic-term-len"),
        ("MULTI_TEXT_SLOP", "search-multi-text-slop"),
        ("ON_OOM", "search-on-oom"),
        ("_PRINT_PROFILE_CLOCK", "search-_print-profile-clock"),
    ],
};

/// Redis's, as its image has them.
pub(super) const REDIS: &[Module] = &[VECTOR_SET, JSON, SKETCHES, SEARCH, TIME_SERIES];
/// Valkey's settings, and Redis's settings that do not clash with them.
pub(super) const VALKEY: &[Module] = &[LUA, JSON, SKETCHES, SEARCH, TIME_SERIES];

/// The module whose file a `loadmodule` line names, if it is built in.
pub(super) fn built_in(path: &[u8]) -> Option<&'static Module> {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let named = |module: &&Module| {
        let names = [module.file, module.valkey_file];
        !file.is_empty() && names.iter().any(|name| name.as_bytes() == file)
    };
    REDIS.iter().chain(VALKEY).find(named)
}

/// Whether a `loadmodule` line names a file that has no commands of its own: Redis Stack's
/// configuration loads it, for names of other releases.
pub(super) fn has_no_commands(path: &[u8]) -> bool {
    path == b"rediscompat.so" || path.ends_with(b"/rediscompat.so")
}

impl Module {
    /// The directive of an argument: the name that it has in the module, or its own.
    pub(super) fn directive(&self, argument: &[u8]) -> Option<&'static str> {
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(argument);
        let mut known = self.arguments.iter();
        let found = known.find(|(name, directive)| is(name) || is(directive));
        found.map(|(_, directive)| *directive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file() {
        let name = |path: &[u8]| built_in(path).map(|module| module.name);
        assert_eq!(
            name(b"/usr/local/lib/redis/modules//rejson.so"),
            Some("ReJSON")
        );
        assert_eq!(name(b"rejson.so"), Some("ReJSON"));
        assert_eq!(name(b"/usr/lib/valkey/libjson.so"), Some("ReJSON"));
        assert_eq!(name(b"libsearch.so"), Some("search"));
        assert_eq!(name(b"libvalkey_bloom.so"), Some("bf"));
        assert_eq!(name(b"/x/redisbloom.so"), Some("bf"));
        for other in [&b"/x/rejson.so/"[..], b"", b"/", b"/x/other.so"] {
            assert_eq!(name(other), None);
        }
    }

    #[test]
    fn arguments_are_directives() {
        for module in REDIS.iter().chain(VALKEY) {
            for (name, directive) in module.arguments {
                assert_eq!(module.directive(name.as_bytes()), Some(*directive));
                assert!(
                    crate::table::find(directive.as_bytes()).is_some(),
                    "{directive}"
                );
            }
        }
        assert_eq!(TIME_SERIES.directive(b"ts-encoding"), Some("ts-encoding"));
        assert_eq!(TIME_SERIES.directive(b"OSS_GLOBAL_PASSWORD"), None);
    }
}
