//! `dialect`: where Redis and Valkey differ and both cannot be had.
//!
//! A row for each difference, a method of [`Dialect`]; code asks where the difference shows and
//! nowhere else. Features that do not clash are in both dialects and have no row: commands,
//! options, fields and words that only one dialect knows. The directive counts at start only, so
//! whatever is made then (defaults, the libraries of scripts) never changes.
//!
//! `docs/compatibility.md` describes the rows for users.
//!
//! # Dialects
//!
//! If Redis and Valkey differ and both cannot be had, one table decides: each row is a method of
//! `Dialect` with two values, and code asks it at the point where the difference shows
//! (`server.config.dialect`; commands of data `Db::dialect`), never before. The directive counts at
//! start only: scripts' libraries are built by it and the reader takes its defaults once all lines
//! are known (`Dialect::set_defaults`; a rewrite compares with the same defaults). Nothing on the
//! way of a plain command asks. Commands from the append only file and the primary were taken
//! before, perhaps in the other dialect: they are read in both (`Call::was_taken_before`). The
//! oracle plays all groups beside Valkey, with russet in its dialect.

use super::choices::Choice;
use super::modules::{self, Module};
use russet_base::numbers::float;

/// `dialect`: the server whose answers count where Redis and Valkey differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Redis's.
    #[default]
    Redis,
    /// Valkey's.
    Valkey,
}

impl Choice for Dialect {
    const NAMES: &'static [(&'static str, Self)] =
        &[("redis", Dialect::Redis), ("valkey", Dialect::Valkey)];
}

/// The version of Redis whose messages we print.
pub(super) const REDIS_VERSION: &str = "8.10.2";
/// The version of Valkey whose answers are given.
const VALKEY_VERSION: &str = "9.1.2";

macro_rules! differences {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $redis:expr, $valkey:expr;)+) => {
        impl Dialect {
            $($(#[$doc])+
            #[inline]
            pub const fn $name(self) -> $type {
                match self {
                    Dialect::Redis => $redis,
                    Dialect::Valkey => $valkey,
                }
            })+
        }
    };
}

differences! {
    // The server's name and version.

    /// The name in logs, `--version` and crash reports.
    product: &'static str = "Redis", "Valkey";
    /// The version beside that name, and HELLO's.
    version: &'static str = REDIS_VERSION, VALKEY_VERSION;
    /// The version of Redis that the server compares to: INFO, scripts, files.
    redis_version: &'static str = REDIS_VERSION, "7.2.4";
    /// The `valkey_version` of INFO, of scripts, and of a replica's handshake: without it Valkey
    /// sends no fields that expire.
    valkey_version: Option<&'static str> = None, Some(VALKEY_VERSION);
    /// The first words of the error for a script's command whose keys another node serves.
    script_attempted: &'static str = "Script attempted", "Attempted";
    /// That error distinguishes a slot without an owner, and a second slot.
    names_slots_in_script: bool = true, false;
    /// A cluster has several databases (`cluster-databases`).
    has_cluster_databases: bool = false, true;
    /// HELLO's `server`.
    hello_name: &'static str = "redis", "valkey";
    /// INFO's and the scripts' `server_name`, which only Valkey has: tools recognise it by this
    /// line.
    server_name: Option<&'static str> = None, Some("valkey");
    /// CONFIG SET takes a name and its alias at once, and the later one wins.
    sets_by_alias_too: bool = false, true;

    /// MODULE LIST: Redis's vector sets and Valkey's Lua are modules, which are built in.
    /// Other modules that are built in have their place there, too.
    modules: &'static [Module] = modules::REDIS, modules::VALKEY;

    /// The fact in RDB files that has the version.
    version_fact: (&'static str, &'static str) =
        ("redis-ver", REDIS_VERSION), ("valkey-ver", VALKEY_VERSION);
    /// The file of a daemon without `pidfile`.
    pidfile: &'static str = "/var/run/redis.pid", "/var/run/valkey.pid";
    /// The primary's name in log lines: in capitals, as the first word, inside a sentence.
    primary_words: [&'static str; 3] =
        ["MASTER", "Master", "master"], ["PRIMARY", "Primary", "primary"];

    // Numbers and positions.

    /// Scores, positions and lengths may be hexadecimal.
    hex_doubles: bool = true, false;
    /// Coordinates of GEOPOS and the like have as many digits as needed, not 17 after the point.
    short_coordinates: bool = true, false;
    /// The error of GEOSEARCH and the like for a member that does not exist names it.
    names_missing_member: bool = false, true;
    /// GEOSEARCH without or with several shapes: the shapes that its error lists.
    geo_shapes: &'static str = "BYRADIUS and BYBOX", "BYRADIUS, BYBOX and BYPOLYGON";

    // Requests.

    /// A bulk string of a request must end with CR and LF; otherwise two bytes of any kind end it.
    checks_bulk_ends: bool = false, true;
    /// In an inline command a quoted part may be followed by more of the same word.
    joins_quoted: bool = false, true;

    // Keys and transactions.

    /// BITCOUNT looks at the unit before the end of the range, as BITPOS does.
    bit_unit_first: bool = false, true;
    /// GETEX looks at the time even if there is no key.
    getex_time_first: bool = false, true;
    /// `notify-keyspace-events` has the letters of arrays, of overwritten values and other types,
    /// and of channels by field.
    has_redis_events: bool = true, false;
    /// SCAN with an unknown TYPE finds nothing.
    scans_any_type: bool = true, false;
    /// MULTI and WATCH inside MULTI have errors of their own, and the transaction stays sound.
    nested_multi: bool = true, false;
    /// COMMAND INFO in RESP3: a command without subcommands has an empty set of them, not an array.
    no_subcommands_is_set: bool = true, false;
    /// The error of a command inside MULTI names the command.
    names_refused_in_multi: bool = false, true;
    /// The event of a key that is removed because the time that was set has passed.
    past_key_event: &'static str = "del", "expired";
    /// INCREX replies the new value and the difference, not the new value alone.
    increx_replies_difference: bool = true, false;
    /// MSETEX with a wrong number of keys.
    msetex_numkeys: &'static str =
        "ERR invalid numkeys value", "ERR invalid numkeys value or out of range";
    /// MSETEX with fewer pairs than that.
    msetex_pairs: &'static str = "ERR wrong number of key-value pairs", "ERR syntax error";
    /// MSETEX's events of a key: `expire` comes before `set`.
    msetex_expires_first: bool = true, false;
    /// HGETEX counts its lookup as a hit or miss, with the event `keymiss`.
    hgetex_counts: bool = false, true;
    /// A negative offset of ZRANGE's LIMIT counts from the far end of a large set; otherwise it
    /// finds nothing.
    negative_offset_counts_back: bool = false, true;
    /// XREAD's error for unbalanced keys and IDs: the part about IDs.
    xread_ids: &'static str = "an ID, '+', or '$'", "an ID or '$'";

    /// OBJECT ENCODING: the length of key and text together, by the key's, up to which a string is
    /// `embstr`: Redis from 8.2 on fits both in a block of 64 bytes, Valkey in a block of 128.
    embstr_max: fn(usize) -> usize = |_| 41, |key| if key < 32 { 113 } else { 111 };

    /// CLIENT LIST ID is a filter as others: connections are in their order, once each. An ID that
    /// is no number is a syntax error, of CLIENT KILL, too.
    ids_are_filters: bool = false, true;

    // Fields of hashes that expire.

    /// `FIELDS n field ...` are the last arguments, parsed before the key's type is checked;
    /// times may be as late as any number, and errors are Valkey's. HSETEX takes NX and XX.
    fields_last: bool = false, true;
    /// An expiry of a field that is later than can be stored is refused; otherwise the latest that
    /// can be, in the year 4199, counts.
    refuses_late_fields: bool = true, false;
    /// Expired fields stay, hidden, until the cycle deletes them, or a command that sets them; to
    /// HSET, HDEL and HEXPIRE they are missing.
    keeps_expired_fields: bool = false, true;
    /// The event of fields that are removed because the time that was set has passed.
    past_field_event: &'static str = "hdel", "hexpired";
    /// OBJECT ENCODING names the form of small hashes whose fields may expire.
    has_listpackex: bool = true, false;
    /// INFO keyspace: the number of keys with elements that expire.
    volatile_items: &'static str = "subexpiry", "keys_with_volatile_items";
    /// DUMP and files have fields that expire in Valkey's form, which Redis cannot read.
    valkey_files: bool = false, true;

    // Roles.

    /// A node of a cluster that becomes a replica redirects clients blocked on keys to the node
    /// that serves them now, and others stay blocked; otherwise all get an error and are closed.
    redirects_waits: bool = false, true;

    // Users.

    /// ACL GETUSER and LIST show `sanitize-payload` or `skip-sanitize-payload`.
    shows_sanitizing: bool = true, false;
    /// ACL CAT without a category lists `pathhash`, which Redis does not have; rules take it
    /// anyway.
    lists_path_hashes: bool = false, true;
    /// CLUSTER SLOT-STATS has `memory-bytes`.
    counts_slot_memory: bool = true, false;
    /// ACL GETUSER shows `databases` for every user, not only for users that have such rules.
    shows_all_databases: bool = false, true;
    /// Lines of an ACL file that begin with `#` are skipped.
    acl_file_comments: bool = true, false;
    /// ACL LOAD and SAVE without a file.
    no_acl_file: &'static str =
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify \
         users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a \
         Redis configuration file set) in order to store users in the Redis configuration.",
        "ERR This instance is not configured to use an ACL file. You may want to specify users \
         via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a \
         configuration file set) in order to store users in the configuration.";

    // Scripts.

    /// The table of functions that errors name: both names work.
    script_table: &'static str = "redis.", "server.";
    /// Errors of a script name its SHA-1 or function.
    names_script: bool = true, false;
    /// EVALSHA of an unknown script.
    no_script: &'static str =
        "NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT No matching script.";
    /// `redis.call()` without arguments.
    no_script_arguments: &'static str =
        "Please specify at least one argument for this redis lib call",
        "Please specify at least one argument for this call";
    /// `redis.call` with arguments of other types.
    bad_script_arguments: &'static str =
        "Lua redis lib command arguments must be strings or integers",
        "Command arguments must be strings or integers";
    /// `redis.call` of an unknown command.
    unknown_in_script: &'static str =
        "ERR Unknown Redis command called from script", "ERR Unknown command called from script";
    /// `redis.call` with a wrong number of arguments.
    wrong_arity_in_script: &'static str =
        "ERR Wrong number of args calling Redis command from script",
        "ERR Wrong number of args calling command from script";
    /// FUNCTION LOAD of code that registers a wrong name: the name is a function's, and the error
    /// is of loading, not of the code.
    checks_names_later: bool = false, true;
    /// The engine of a shebang has exactly the name `lua`; otherwise in any case.
    exact_engine: bool = true, false;
    /// The error of an unknown engine in a shebang: the text before its name and after it.
    unknown_engine: (&'static str, &'static str) =
        ("Unexpected engine in script shebang: ", ""), ("Could not find scripting engine '", "'");

    // Defaults.

    /// Directives with another default than the table's.
    defaults: &'static [(&'static str, &'static str)] = &[], VALKEY_DEFAULTS;
}

const VALKEY_DEFAULTS: &[(&str, &str)] = &[
    ("hide-user-data-from-log", "yes"),
    ("lazyfree-lazy-eviction", "yes"),
    ("lazyfree-lazy-expire", "yes"),
    ("lazyfree-lazy-server-del", "yes"),
    ("lazyfree-lazy-user-del", "yes"),
    ("lazyfree-lazy-user-flush", "yes"),
    ("repl-backlog-size", "10mb"),
    ("replica-lazy-flush", "yes"),
    ("syslog-ident", "valkey"),
];

impl Dialect {
    /// An error text that names the product.
    pub fn named(self, text: &str) -> String {
        text.replace("Redis", self.product())
    }

    /// A double in an argument: a score, a position, a length.
    #[inline]
    pub fn parse_double(self, text: &[u8]) -> Option<f64> {
        let is_hex = !self.hex_doubles() && memchr::memchr2(b'x', b'X', text).is_some();
        float::parse_double(text).filter(|_| !is_hex)
    }

    /// The dialect of a program of this name: `valkey-server` and the like speak Valkey's.
    pub fn of_program(name: &str) -> Dialect {
        if name.starts_with("valkey-") {
            Dialect::Valkey
        } else {
            Dialect::Redis
        }
    }
}

/// `Redis server v=8.10.2 ...`, as `--version` prints it and tools read it.
pub(crate) fn version_line(dialect: Dialect) -> String {
    format!("{} server {}", dialect.product(), version(dialect))
}

/// The line of `--version` after a program's name.
pub fn version(dialect: Dialect) -> String {
    let (russet, version) = (env!("CARGO_PKG_VERSION"), dialect.version());
    format!("v={version} sha=00000000:0 malloc=jemalloc bits=64 build=russet-{russet}")
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources, load};
    use super::*;

    fn config(text: &str, named: Dialect) -> Config {
        let sources = Sources {
            stdin: Some(text.as_bytes().to_vec()),
            dialect: named,
            ..Sources::default()
        };
        load(&sources).expect("it loads")
    }

    #[test]
    fn names_of_programs_imply_a_dialect() {
        for (name, dialect) in [
            ("valkey-server", Dialect::Valkey),
            ("redis-server", Dialect::Redis),
            ("russet", Dialect::Redis),
        ] {
            assert_eq!(Dialect::of_program(name), dialect, "{name}");
        }
    }

    #[test]
    fn a_line_overrides_the_name() {
        assert_eq!(config("", Dialect::Valkey).dialect, Dialect::Valkey);
        assert_eq!(
            config("dialect redis", Dialect::Valkey).dialect,
            Dialect::Redis
        );
        assert_eq!(
            config("dialect Valkey", Dialect::Redis).dialect,
            Dialect::Valkey
        );
    }

    #[test]
    fn defaults_follow_the_dialect_wherever_its_line_is() {
        for text in [
            "dialect valkey\nrepl-backlog-size 3mb",
            "repl-backlog-size 3mb\ndialect valkey",
        ] {
            let config = config(text, Dialect::Redis);
            assert_eq!(config.repl_backlog_size, 3 << 20);
            assert!(config.lazyfree_lazy_eviction);
        }
        let config = config("dialect redis", Dialect::Valkey);
        assert!(!config.lazyfree_lazy_eviction);
    }

    /// A value that is the default of Redis alone would have been lost.
    #[test]
    fn a_rewrite_keeps_what_differs_from_the_dialects_defaults() {
        let rewritten = |text: &str, named| {
            let text = config(text, named).rewrite(b"", false);
            let text = String::from_utf8(text).expect("UTF-8");
            let is_wanted = |line: &&str| {
                ["dialect", "lazyfree", "repl-backlog", "syslog"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            let lines: Vec<&str> = text.lines().filter(is_wanted).collect();
            lines.join("; ")
        };
        assert_eq!(rewritten("", Dialect::Valkey), "");
        assert_eq!(
            rewritten("dialect valkey", Dialect::Redis),
            "dialect valkey"
        );
        assert_eq!(rewritten("dialect redis", Dialect::Valkey), "dialect redis");
        assert_eq!(
            rewritten("repl-backlog-size 1mb", Dialect::Valkey),
            "repl-backlog-size 1mb"
        );
    }
}
