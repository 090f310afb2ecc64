//! CONFIG: reading, changing and saving the settings of a running server.
//!
//! SET changes all directives that it names, or none: if any cannot take effect, the server
//! restores all old values. SET replies when everything is in effect. Before that the handler
//! checks protected directives, and the directives that a stranger may set.
//!
//! The slow log has no values of secrets, and no value whose directive is mistyped, because such a
//! value may be a secret.
//!
//! Cost: GET and DOCS O(directives); DOCS and REWRITE read the file on the loop.
//!
//! Decided elsewhere: directives and their texts: `russet_config`; taking effect:
//! `server::settings`.

use crate::help::{self, write_help};
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_config::{Config, Gate, system_text};
use russet_keyspace::KeyspaceStats;
use russet_resp::{Args, Reply};
use russet_server::{
    Call, CommandResult, CommandStats, Histogram, Rates, Spec, Stats, TO_STRANGERS, World,
    is_stranger,
};

const CONFIG_FLAGS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) const CONFIG: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[
        CONFIG_DOCS,
        CONFIG_GET,
        CONFIG_HELP,
        CONFIG_RESETSTAT,
        CONFIG_REWRITE,
        CONFIG_SET,
    ],
    ..Spec::new("config", help)
};

const CONFIG_DOCS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: CONFIG_FLAGS,
    facts: Facts::SHOWS,
    ..Spec::new("docs", docs)
};

const CONFIG_GET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: CONFIG_FLAGS,
    facts: Facts::SHOWS,
    ..Spec::new("get", get)
};

const CONFIG_HELP: Spec = help::row(help);

const CONFIG_RESETSTAT: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: CONFIG_FLAGS,
    tips: EVERYWHERE,
    ..Spec::new("resetstat", resetstat)
};

const CONFIG_REWRITE: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: CONFIG_FLAGS.union(Flags::TAKES_OVER),
    tips: EVERYWHERE,
    ..Spec::new("rewrite", rewrite)
};

const CONFIG_SET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: CONFIG_FLAGS.union(Flags::SENSITIVE),
    tips: EVERYWHERE,
    is_secret,
    facts: Facts::SETS_DIRECTIVES,
    ..Spec::new("set", set)
};

/// Whether an argument is a secret directive's value, or may be a secret, because a name is
/// mistyped or a word is missing.
fn is_secret(args: Args<'_>, at: usize) -> bool {
    if !args.len().is_multiple_of(2) {
        return at >= 2 && russet_config::find(args.at(at)).is_none();
    }
    let is_value = at >= 3 && !at.is_multiple_of(2);
    let is_sensitive =
        |d: &russet_config::Directive| d.flags.contains(russet_config::Flags::SENSITIVE);
    is_value && russet_config::find(args.at(at - 1)).is_none_or(is_sensitive)
}

/// `CONFIG GET pattern [pattern ...]`.
///
/// Reply: a map of names and values (RESP2: an array), each once; empty if nothing matches.
fn get(call: &mut Call<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = call.args.from(2).iter().collect();
    let found = call.server.config.get(&patterns);
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(name);
        call.reply.bulk(&value);
    }
    Ok(())
}

/// `CONFIG DOCS [pattern ...]`: facts about the directives that match, beyond CONFIG GET; without a
/// pattern, about all that are not hidden.
///
/// Reply: a map of names to maps: `section` and `summary` (from redis.conf.example), `type`,
/// `default`, `value`, `file` (the value that the configuration file gives now; null without a
/// file, or if the file cannot be read), `mutable` (CONFIG SET takes the directive), `effect` (the
/// directive has an effect), `sensitive` (the value is a secret), and `alias` (the other name),
/// `min`, `max` or `values` if the directive has them. Secrets have no value, default or file.
/// O(directives), and reading the file.
fn docs(call: &mut Call<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = call.args.from(2).iter().collect();
    let server = &*call.server;
    let default = Config::default();
    let in_file = server.identity.config_of_file();
    let matches = |d: &&russet_config::Directive| {
        if patterns.is_empty() {
            !d.flags.contains(russet_config::Flags::HIDDEN)
        } else {
            patterns.iter().any(|pattern| d.matches(pattern))
        }
    };
    let found: Vec<&russet_config::Directive> =
        russet_config::DIRECTIVES.iter().filter(matches).collect();
    call.reply.map(found.len());
    for directive in found {
        call.reply.bulk(directive.name.as_bytes());
        let configs = (&default, &server.config, in_file.as_ref());
        write_docs(call.reply, directive, configs);
    }
    Ok(())
}

/// Writes a directive; the configs are the defaults, the values in use and the values of the file.
fn write_docs(
    reply: &mut Reply,
    directive: &russet_config::Directive,
    (default, now, in_file): (&Config, &Config, Option<&Config>),
) {
    let is_secret = directive.flags.contains(russet_config::Flags::SENSITIVE);
    let text = |config: &Config| (!is_secret).then(|| directive.text(config));
    let (section, summary) = directive
        .meaning()
        .map_or(("", ""), |meaning| (meaning.section, meaning.text.as_str()));
    let values = directive.values(now);
    let range = directive.range();
    let more = usize::from(!values.is_empty())
        + 2 * usize::from(range.is_some())
        + usize::from(directive.alias.is_some());
    reply.map(9 + more);
    for (name, value) in [
        ("section", section),
        ("summary", summary),
        ("type", directive.kind_name()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, value) in [
        ("default", text(default)),
        ("value", text(now)),
        ("file", in_file.and_then(text)),
    ] {
        reply.bulk(name.as_bytes());
        match value {
            Some(value) => reply.bulk(&value),
            None => reply.null(),
        }
    }
    let is_mutable = !directive.flags.contains(russet_config::Flags::IMMUTABLE);
    for (name, yes) in [
        ("mutable", is_mutable),
        ("effect", directive.has_effect()),
        ("sensitive", is_secret),
    ] {
        reply.bulk(name.as_bytes());
        reply.boolean(yes);
    }
    if let Some(alias) = directive.alias {
        reply.bulk(b"alias");
        reply.bulk(alias.as_bytes());
    }
    if let Some((min, max)) = range {
        for (name, bound) in [("min", min), ("max", max)] {
            reply.bulk(name.as_bytes());
            reply.bulk(bound.to_string().as_bytes());
        }
    }
    if !values.is_empty() {
        reply.bulk(b"values");
        reply.array(values.len());
        for value in values {
            reply.bulk(value.as_bytes());
        }
    }
}

/// `CONFIG HELP`: the subcommands, a status line each.
fn help(call: &mut Call<'_>) -> CommandResult {
    let lines = [
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "DOCS [<pattern> ...]",
        "    What the directives mean, their defaults, and what the file says.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
    ];
    write_help(call, &lines);
    Ok(())
}

/// `CONFIG RESETSTAT`: resets the counters of INFO; gauges and the slow log stay.
fn resetstat(call: &mut Call<'_>) -> CommandResult {
    let World {
        keyspace,
        server,
        reply,
        ..
    } = call.world();
    keyspace.stats = KeyspaceStats::default();
    keyspace.lazyfree.reset();
    // Denials to users, kept in `server.acl`, are not reset, as in Redis.
    // The peak stays, as in Redis.
    let peak = server.stats.peak;
    server.stats = Stats::default();
    server.stats.peak = peak;
    server.replication.replicas.syncs = Default::default();
    server.diagnostics.rates = Rates::default();
    server.diagnostics.closed.reset_counts();
    for stats in &mut server.diagnostics.command_stats {
        *stats = CommandStats::default();
    }
    server.diagnostics.histogram_bytes = 0;
    server.diagnostics.latency.turns = Histogram::default();
    server.scripting.scripts.evicted = 0;
    server.memory.defrag.reset(server.now.mono_ms);
    server.diagnostics.slot_stats.reset();
    reply.ok();
    Ok(())
}

/// The error for a server without a configuration file.
pub(super) const NO_FILE: CommandError =
    CommandError::Text("ERR The server is running without a config file");

/// `CONFIG REWRITE`: writes the current values to the server's configuration file. The comments and
/// the order stay; the server replaces the file atomically.
///
/// Reply: OK, or an error if there is no file or the server cannot write it.
fn rewrite(call: &mut Call<'_>) -> CommandResult {
    let server = &*call.server;
    let Some(file) = &server.identity.config_file else {
        return Err(NO_FILE);
    };
    let config = server.acl.config_with_users(&server.config);
    match config.rewrite_file(file, false) {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE executed with success.");
            call.reply.ok();
            Ok(())
        }
        Err(error) => {
            let why = system_text(&error);
            tracing::warn!("CONFIG REWRITE failed: {why}");
            Err(CommandError::owned(format!(
                "ERR Rewriting config file: {why}"
            )))
        }
    }
}

/// Directives that applications set, and that endanger nothing: strangers may, too.
const OF_APPLICATIONS: [&str; 5] = [
    "notify-keyspace-events",
    "maxmemory-policy",
    "slowlog-log-slower-than",
    "latency-monitor-threshold",
    "latency-tracking",
];

/// `CONFIG SET name value [name value ...]`: changes all of them, or none. Strangers
/// (`remote-admin-without-auth no`) may set only the directives that applications set.
///
/// Reply: OK once everything is in effect, such as new listening sockets or the new folder.
fn set(call: &mut Call<'_>) -> CommandResult {
    let args: Args<'_> = call.args.from(2);
    let args: Vec<&[u8]> = args.iter().collect();
    let is_local = call.client.is_local();
    let origin = call.origin;
    let World {
        keyspace,
        server,
        reply,
        client,
        ..
    } = call.world();
    let is_harmless = |name: &[u8]| {
        let mut all = OF_APPLICATIONS.iter();
        all.any(|harmless| name.eq_ignore_ascii_case(harmless.as_bytes()))
    };
    if is_stranger(&server.config, client) && !args.iter().step_by(2).all(|name| is_harmless(name))
    {
        return Err(TO_STRANGERS);
    }
    let gate = Gate {
        protected: server.config.enable_protected_configs.allows(is_local),
        loading: server.persist.loading.in_progress(),
    };
    let changes = server
        .config
        .set(&args, gate)
        .map_err(|error| CommandError::Bytes(error.line()))?;
    let names = changes.names().to_vec();
    if let Err(refused) = server.settings_changed(keyspace, &names, origin) {
        let error = changes.roll_back(&mut server.config, refused.name, &refused.why);
        // The old values worked before; the server has logged an old value that fails now.
        server.settings_restored(keyspace, &names, &refused, origin);
        return Err(CommandError::Bytes(error.line()));
    }
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn values_are_set_and_got() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CONFIG SET hz 20 timeout 7"), "+OK\r\n");
        assert_eq!(
            t.run("CONFIG GET HZ time?ut"),
            "*4\r\n$2\r\nHZ\r\n$2\r\n20\r\n$7\r\ntimeout\r\n$1\r\n7\r\n"
        );
        assert_eq!(t.run("CONFIG GET nothing"), "*0\r\n");
    }

    #[test]
    fn directives_are_explained() {
        let mut t = Testbed::new();
        t.run("HELLO 3");
        t.run("CONFIG SET maxmemory-policy allkeys-lru requirepass secret");
        let reported = t.run("CONFIG DOCS maxmemory-policy");
        assert!(
            reported.starts_with("%1\r\n$16\r\nmaxmemory-policy\r\n%10\r\n"),
            "{reported}"
        );
        for part in [
            "$7\r\nsection\r\n",
            "$4\r\ntype\r\n$6\r\nchoice\r\n",
            "$7\r\ndefault\r\n$10\r\nnoeviction\r\n",
            "$5\r\nvalue\r\n$11\r\nallkeys-lru\r\n",
            "$4\r\nfile\r\n_\r\n",
            "$7\r\nmutable\r\n#t\r\n",
            "$12\r\nvolatile-lru\r\n",
        ] {
            assert!(reported.contains(part), "{part}: {reported}");
        }
        assert!(reported.contains("$9\r\nsensitive\r\n#f\r\n"), "{reported}");
        let reported = t.run("CONFIG DOCS requirepass");
        assert!(reported.contains("$9\r\nsensitive\r\n#t\r\n") && !reported.contains("secret"));
        let reported = t.run("CONFIG DOCS masterauth");
        assert!(
            reported.contains("sensitive\r\n#t\r\n$5\r\nalias\r\n$11\r\nprimaryauth\r\n"),
            "{reported}"
        );
        let bounds = "$3\r\nmin\r\n$1\r\n0\r\n$3\r\nmax\r\n$3\r\n100\r\n";
        assert!(t.run("CONFIG DOCS busy-poll-usec").contains(bounds));
        let all = t.run("CONFIG DOCS");
        assert!(all.contains("console-port") && !all.contains("debug-context"));
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let mut t = Testbed::new();
        let late = |name: &str| {
            format!(
                "-ERR CONFIG SET failed (possibly related to argument '{name}') - memory tracking \
                 cannot be enabled at runtime\r\n"
            )
        };
        for name in ["key-memory-histograms", "cluster-slot-stats-enabled"] {
            assert_eq!(t.run(&format!("CONFIG SET {name} yes")), late(name));
            assert_eq!(t.run(&format!("CONFIG SET {name} no")), "+OK\r\n");
        }
        assert_eq!(
            t.run("CONFIG SET cluster-slot-stats-enabled cpu"),
            "+OK\r\n"
        );
        assert_eq!(t.run("CONFIG SET repl-diskless-load flushdb"), "+OK\r\n");
        assert_eq!(
            t.run("CONFIG SET hz 20 port x"),
            "-ERR CONFIG SET failed (possibly related to argument 'port') - argument couldn't \
             be parsed into an integer\r\n"
        );
        assert_eq!(t.run("CONFIG GET hz"), "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
        assert_eq!(
            t.run("CONFIG SET dir /"),
            "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected \
             config\r\n"
        );
    }

    #[test]
    fn thresholds_reach_the_keyspace_at_once() {
        let mut t = Testbed::new();
        t.run("CONFIG SET list-max-listpack-size 7 maxmemory-policy allkeys-lfu");
        assert_eq!(t.engine.keyspace.limits.list_fill.0, 7);
        let errors = t.run("CONFIG SET slowlog-max-len -1");
        assert!(errors.starts_with("-ERR CONFIG SET failed"), "{errors}");
    }

    #[test]
    fn a_backlog_is_not_made_smaller_than_16_kib() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CONFIG SET repl-backlog-size 1"), "+OK\r\n");
        assert!(
            t.run("CONFIG GET repl-backlog-size")
                .ends_with("\r\n16384\r\n")
        );
    }

    /// The conversion to microseconds overflowed: the threshold became almost zero.
    #[test]
    fn a_huge_latency_threshold_is_never_reached() {
        let mut t = Testbed::new();
        let huge =
            "CONFIG SET slowlog-log-slower-than -1 latency-monitor-threshold 18446744073709552";
        assert_eq!(t.run(huge), "+OK\r\n");
        assert_eq!(t.run("LATENCY LATEST"), "*0\r\n");
    }

    #[test]
    fn resetstat_zeroes_counters() {
        let mut t = Testbed::new();
        t.run("GET a");
        t.run("NOSUCH");
        t.run("AUTH x y");
        assert!(t.engine.keyspace.stats.misses > 0);
        assert_eq!(t.run("CONFIG RESETSTAT"), "+OK\r\n");
        assert_eq!(t.engine.keyspace.stats.misses, 0);
        assert!(t.engine.server.stats.errors.is_empty());
        let rate = &mut t.engine.server.diagnostics.rates.commands;
        (1..9).for_each(|n| rate.sample(n * 1000, n * 100));
        assert_ne!(rate.per_second(), 0);
        t.run("CONFIG RESETSTAT");
        assert_eq!(t.engine.server.diagnostics.rates.commands.per_second(), 0);
        let denied = t.engine.server.acl.log.denied(russet_acl::Reason::Auth);
        assert_eq!(denied, 1);
    }

    #[test]
    fn secrets_stay_out_of_the_slow_log() {
        let mut t = Testbed::new();
        t.run("CONFIG SET slowlog-log-slower-than 0");
        t.run("CONFIG SET hz 12 masterauth secret");
        assert_eq!(
            t.newest_slow(),
            ["CONFIG", "SET", "hz", "12", "masterauth", "(redacted)"]
        );
        t.run("CONFIG SET masterath secret");
        assert_eq!(
            t.newest_slow(),
            ["CONFIG", "SET", "masterath", "(redacted)"]
        );
    }

    #[test]
    fn rewriting_needs_a_file() {
        let mut t = Testbed::new();
        assert_eq!(
            t.run("CONFIG REWRITE"),
            "-ERR The server is running without a config file\r\n"
        );
    }

    #[test]
    fn a_password_that_goes_lets_everybody_in() {
        let mut t = Testbed::new();
        assert_eq!(t.run("CONFIG SET requirepass secret"), "+OK\r\n");
        assert_eq!(t.run("PING"), "+PONG\r\n");
        assert_eq!(t.run("CONFIG SET requirepass "), "+OK\r\n");
    }
}
