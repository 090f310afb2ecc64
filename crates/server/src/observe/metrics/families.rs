//! Metrics with labels: by command, by error, by database, by event; and facts about the server
//! itself.
//!
//! Names and labels are redis_exporter's, and `russet_*` for russet's own. Series of commands,
//! errors and events exist once they have been counted. Series of replication are parsed from the
//! text of INFO replication.
//! Cost: O(commands called + databases + replicas + consumers), and up to [`TTL_SAMPLES`] entries.
//! Elsewhere: `fields` has metrics that are fields of INFO, `percentiles` latencies.

use super::exposition::{Families, Labels, MetricKind, Value};
use super::number;

use crate::observe::info;
use crate::observe::info::Source;
use crate::parts::observe::command_log::LogKind;
use russet_base::{memory::alloc, usage};
use russet_config::Choice;
use russet_sentinel::{FIGURES, Number, Sentinel};
use russet_types::Type;

/// Entries sampled for the average time to live, all databases together.
const TTL_SAMPLES: usize = 1000;

fn label(name: &'static str, value: impl Into<String>) -> Labels {
    Labels([(name, value.into())].into_iter().collect())
}

fn whole(n: u64) -> Value {
    Value::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}

/// `redis_up`, and an info metric whose labels identify the server.
pub(crate) fn add_instance(from: &Source<'_>, to: &mut Families) {
    let server = from.server;
    to.single(
        "redis_up",
        MetricKind::Gauge,
        "Whether the server answers",
        Value::Whole(1),
    );
    let text = info::info(from, &[b"server", b"replication"]);
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(field, _)| *field == name);
        found.map_or_else(String::new, |(_, value)| value.to_owned())
    };
    let named = [
        "role",
        "redis_mode",
        "os",
        "tcp_port",
        "run_id",
        "process_id",
        "redis_build_id",
    ];
    let mut labels: Labels = Labels(named.iter().map(|&name| (name, field(name))).collect());
    if server.is_sentinel() {
        labels.0[0].1 = "sentinel".to_owned();
    }
    labels.0.extend([
        (
            "redis_version",
            server.config.dialect.redis_version().to_owned(),
        ),
        (
            "maxmemory_policy",
            server.config.maxmemory_policy.name().to_owned(),
        ),
        ("master_replid", server.stream.history().id.to_string()),
        ("russet_version", env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let help = "What server this is";
    to.several(
        "redis_instance_info",
        MetricKind::Gauge,
        help,
        vec![(labels, Value::Whole(1))],
    );
    to.single(
        "redis_start_time_seconds",
        MetricKind::Gauge,
        "When the server started",
        Value::Whole(server.identity.started_at),
    );
    to.single(
        "redis_memory_fragmentation_ratio",
        MetricKind::Gauge,
        "As redis_mem_fragmentation_ratio, under its former name",
        fragmentation(),
    );
    // The settings that redis_exporter takes from CONFIG GET, used by alert rules.
    for (name, value) in [
        (
            "redis_config_maxclients",
            u64::from(server.config.maxclients),
        ),
        ("redis_config_maxmemory", server.memory.limit.maxmemory()),
    ] {
        to.single(
            name,
            MetricKind::Gauge,
            "The directive as configured",
            whole(value),
        );
    }
}

fn fragmentation() -> Value {
    let used = alloc::used_memory().max(1) as f64;
    Value::Real(usage::resident_bytes() as f64 / used)
}

pub fn add_all(from: &Source<'_>, to: &mut Families) {
    commands(from, to);
    errors(from, to);
    closed_connections(from, to);
    budgets(from, to);
    changes(from, to);
    databases(from, to);
    latency(from, to);
    logs(from, to);
    scrapes(from, to);
}

/// The figures of a Sentinel's primaries (`russet_sentinel::FIGURES`). O(instances).
pub(crate) fn add_sentinel(core: &Sentinel, to: &mut Families) {
    let primaries: Vec<_> = core.primaries_seen().collect();
    for figure in FIGURES {
        let kind = if figure.metric.ends_with("_total") {
            MetricKind::Counter
        } else {
            MetricKind::Gauge
        };
        let samples = primaries.iter().map(|seen| {
            let value = match (figure.value)(seen) {
                Number::Whole(n) => Value::Whole(n),
                Number::Real(x) => Value::Real(x),
            };
            (Labels((figure.labels)(seen).into()), value)
        });
        to.several(figure.metric, kind, figure.help, samples.collect());
    }
    to.single(
        "russet_sentinel_state_saved",
        MetricKind::Gauge,
        "Whether the configuration file has the state of the Sentinel; no vote is given until it has",
        Value::Whole(i64::from(core.is_saved())),
    );
}

fn commands(from: &Source<'_>, to: &mut Families) {
    let server = from.server;
    let mut all: [Vec<(Labels, Value)>; 4] = Default::default();
    for (row, stats) in from.commands_used() {
        let seconds = server.cycles.micros(stats.ticks) as f64 / 1e6;
        let values = [
            whole(stats.calls),
            Value::Real(seconds),
            whole(stats.rejected),
            whole(stats.failed),
        ];
        for (samples, value) in all.iter_mut().zip(values) {
            samples.push((label("cmd", row.full_name), value));
        }
    }
    const NAMES: [(&str, &str); 4] = [
        ("redis_commands_total", "Calls of a command"),
        (
            "redis_commands_duration_seconds_total",
            "Seconds spent in a command",
        ),
        (
            "redis_commands_rejected_calls_total",
            "Calls refused before they ran",
        ),
        (
            "redis_commands_failed_calls_total",
            "Calls that ran and failed",
        ),
    ];
    for (samples, (name, help)) in all.into_iter().zip(NAMES) {
        to.several(name, MetricKind::Counter, help, samples);
    }
}

/// Users with budgets.
fn budgets(from: &Source<'_>, to: &mut Families) {
    let (users, all) = info::budgets::accounts(from.server);
    if all == 0 {
        return;
    }
    to.single(
        "redis_users_with_budgets",
        MetricKind::Gauge,
        "Users with budgets, of which at most 1000 are told of by name",
        whole(all as u64),
    );
    type Read = fn(&info::budgets::Line) -> Value;
    const FAMILIES: [(&str, MetricKind, &str, Read); 5] = [
        (
            "redis_user_clients",
            MetricKind::Gauge,
            "Connections of a user with budgets",
            |its| whole(its.clients),
        ),
        (
            "redis_user_held_clients",
            MetricKind::Gauge,
            "Those of them that are held back",
            |its| whole(its.held),
        ),
        (
            "redis_user_delayed_commands_total",
            MetricKind::Counter,
            "Commands and reads of a user that waited for a budget",
            |its| whole(its.figures.delayed),
        ),
        (
            "redis_user_delayed_seconds_total",
            MetricKind::Counter,
            "How long they waited",
            |its| Value::Real(its.figures.delayed_ms as f64 / 1000.0),
        ),
        (
            "redis_user_refused_commands_total",
            MetricKind::Counter,
            "Commands and connections of a user that a budget refused",
            |its| whole(its.figures.refusals()),
        ),
    ];
    for (name, kind, help, read) in FAMILIES {
        let samples = users
            .iter()
            .map(|its| (label("user", its.user.clone()), read(its)));
        to.several(name, kind, help, samples.collect());
    }
}

/// Consumers of the change stream.
fn changes(from: &Source<'_>, to: &mut Families) {
    let consumers: Vec<_> = info::changes::consumers(from.server).collect();
    type Read = fn(&info::changes::Line) -> u64;
    const FAMILIES: [(&str, &str, Read); 2] = [
        (
            "redis_changes_consumer_lag_bytes",
            "Bytes of the stream that a consumer of changes has not acknowledged",
            |its| its.lag,
        ),
        (
            "redis_changes_consumer_lost",
            "Whether changes that it has not acknowledged are not kept any more",
            |its| u64::from(its.is_lost),
        ),
    ];
    for (name, help, read) in FAMILIES.into_iter().filter(|_| !consumers.is_empty()) {
        let samples = consumers
            .iter()
            .map(|its| (label("consumer", its.name.clone()), whole(read(its))));
        to.several(name, MetricKind::Gauge, help, samples.collect());
    }
}

fn closed_connections(from: &Source<'_>, to: &mut Families) {
    let counts = from.server.diagnostics.closed.counts();
    let samples = counts
        .map(|(reason, count)| (label("reason", reason.word()), whole(count)))
        .collect();
    to.several(
        "redis_closed_connections_total",
        MetricKind::Counter,
        "Connections that ended, by the reason",
        samples,
    );
}

fn errors(from: &Source<'_>, to: &mut Families) {
    let errors = from.server.stats.errors.iter();
    let samples = errors
        .map(|(code, &count)| (label("err", String::from_utf8_lossy(code)), whole(count)))
        .collect();
    to.several(
        "redis_errors_total",
        MetricKind::Counter,
        "Error replies by their code",
        samples,
    );
}

/// The types that INFO keysizes counts.
const SIZES: [(Type, &str); 5] = [
    (Type::String, "string"),
    (Type::List, "list"),
    (Type::Set, "set"),
    (Type::Zset, "zset"),
    (Type::Hash, "hash"),
];

fn databases(from: &Source<'_>, to: &mut Families) {
    let keyspace = from.keyspace;
    let mut keys = Vec::new();
    let mut expiring = Vec::new();
    let mut fields = Vec::new();
    let mut ttl = Vec::new();
    let mut types = Vec::new();
    let databases = keyspace.in_use().count().max(1);
    for (at, db) in keyspace.in_use() {
        let name = || label("db", format!("db{}", at.0));
        keys.push((name(), whole(db.len() as u64)));
        expiring.push((name(), whole(db.volatile() as u64)));
        fields.push((
            name(),
            whole((db.fields().len() + db.members().len()) as u64),
        ));
        let average_ms = db.average_ttl_ms(keyspace.now_ms(), TTL_SAMPLES / databases);
        ttl.push((name(), Value::Real(average_ms as f64 / 1000.0)));
        for (kind, text) in SIZES {
            let count: u64 = db.sizes().of(kind).map(|(_, keys)| keys).sum();
            if count > 0 {
                let mut labels = name();
                labels.0.push(("type", text.to_owned()));
                types.push((labels, whole(count)));
            }
        }
    }
    let gauge = MetricKind::Gauge;
    to.several("redis_db_keys", gauge, "Keys", keys);
    to.several(
        "redis_db_keys_expiring",
        gauge,
        "Keys with an expiry",
        expiring,
    );
    let help = "Hashes with fields that expire";
    to.several("redis_db_keys_with_expiring_items", gauge, help, fields);
    let help = "Seconds that keys with an expiry have left on average, sampled";
    to.several("redis_db_avg_ttl_seconds", gauge, help, ttl);
    to.several(
        "russet_db_type_keys",
        gauge,
        "Keys of a type, streams left out",
        types,
    );
}

fn latency(from: &Source<'_>, to: &mut Families) {
    let series = || from.server.diagnostics.latency.series.iter();
    let last = series().filter_map(|(event, series)| Some((event, *series.samples.back()?)));
    let (mut at, mut long, mut most) = (Vec::new(), Vec::new(), Vec::new());
    for (event, (when_s, ms)) in last {
        at.push((label("event_name", *event), Value::Whole(when_s)));
        long.push((label("event_name", *event), Value::Real(ms as f64 / 1000.0)));
    }
    for (event, series) in series() {
        let seconds = Value::Real(series.max_ms as f64 / 1000.0);
        most.push((label("event_name", *event), seconds));
    }
    let gauge = MetricKind::Gauge;
    to.several(
        "redis_latency_spike_last",
        gauge,
        "When the last spike was, Unix seconds",
        at,
    );
    let help = "How long the last spike was";
    to.several("redis_latency_spike_duration_seconds", gauge, help, long);
    let help = "How long the longest spike was";
    to.several("russet_latency_spike_max_seconds", gauge, help, most);
}

fn logs(from: &Source<'_>, to: &mut Families) {
    let gauge = MetricKind::Gauge;
    let logs = &from.server.diagnostics.command_logs;
    let slow = &logs.of(LogKind::Slow).entries();
    let len = |kind| whole(logs.of(kind).entries().len() as u64);
    to.single(
        "redis_slowlog_length",
        gauge,
        "Entries of SLOWLOG",
        whole(slow.len() as u64),
    );
    if let Some(last) = slow.front() {
        let help = "The number of its last entry";
        to.single("redis_slowlog_last_id", gauge, help, whole(last.id));
        let help = "How long the last slow command took";
        let seconds = Value::Real(last.value as f64 / 1e6);
        to.single(
            "redis_last_slow_execution_duration_seconds",
            gauge,
            help,
            seconds,
        );
    }
    for (name, kind) in [
        ("redis_commandlog_slow_length", LogKind::Slow),
        (
            "redis_commandlog_large_request_length",
            LogKind::LargeRequest,
        ),
        ("redis_commandlog_large_reply_length", LogKind::LargeReply),
    ] {
        to.single(name, gauge, "Entries of COMMANDLOG", len(kind));
    }
}

fn scrapes(from: &Source<'_>, to: &mut Families) {
    let figures = from.server.diagnostics.metrics.figures;
    to.single(
        "redis_exporter_scrapes_total",
        MetricKind::Counter,
        "Scrapes, this one included",
        whole(figures.scrapes),
    );
    let stats = &from.server.stats;
    let seconds = |micros: u64| Value::Real(micros as f64 / 1e6);
    let p99 = from.server.diagnostics.latency.turns.percentile(99.0);
    for (name, help, micros) in [
        (
            "russet_turn_max_seconds",
            "The longest turn of the loop",
            stats.slowest_turn_us,
        ),
        (
            "russet_turn_p99_seconds",
            "A turn of the loop that one in a hundred exceeds",
            p99,
        ),
    ] {
        to.single(name, MetricKind::Gauge, help, seconds(micros));
    }
    to.single(
        "russet_scrapes_refused_total",
        MetricKind::Counter,
        "Connections and requests refused on metrics-port",
        whole(figures.refused),
    );
    to.single(
        "redis_exporter_last_scrape_duration_seconds",
        MetricKind::Gauge,
        "What the scrape before took of the loop",
        Value::Real(figures.last_micros as f64 / 1e6),
    );
}

/// INFO replication of a primary, and its line for each replica.
pub(crate) fn add_replication(info: &str, to: &mut Families) {
    add_upstream(info, to);
    for (name, metric, help) in [
        (
            "master_sync_refused_keys",
            "russet_master_sync_refused_keys",
            "Keys of the snapshot that this replica refuses because it has far more",
        ),
        (
            "master_sync_refused_own_keys",
            "russet_master_sync_refused_own_keys",
            "Keys that it keeps",
        ),
        (
            "demotion_lost_commands",
            "russet_demotion_lost_commands",
            "Commands that the last demotion lost, and that are kept in a file",
        ),
        (
            "demotion_lost_bytes",
            "russet_demotion_lost_bytes",
            "Bytes of their stream",
        ),
    ] {
        if let Some(value) = field(info, name).and_then(number) {
            to.single(metric, MetricKind::Gauge, help, value);
        }
    }
    add_replicas(info, to);
}

/// The value of a line of INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value)
}

/// The link of a replica to its primary.
fn add_upstream(info: &str, to: &mut Families) {
    let field = |name: &str| field(info, name);
    let gauge = MetricKind::Gauge;
    if let (Some(host), Some(port)) = (field("master_host"), field("master_port")) {
        let primary = || {
            let mut labels = label("master_host", host);
            labels.0.push(("master_port", port.to_owned()));
            labels
        };
        let up = Value::Whole(i64::from(field("master_link_status") == Some("up")));
        let help = "Whether the link to the primary is up";
        to.several("redis_master_link_up", gauge, help, vec![(primary(), up)]);
        for (name, metric, help) in [
            (
                "master_last_io_seconds_ago",
                "redis_master_last_io_seconds_ago",
                "Seconds since the primary was heard of",
            ),
            (
                "master_sync_in_progress",
                "redis_master_sync_in_progress",
                "Whether the data set is on its way from the primary",
            ),
            (
                "slave_repl_offset",
                "redis_slave_repl_offset",
                "Bytes of the primary's stream that were taken",
            ),
        ] {
            if let Some(value) = field(name).and_then(number) {
                to.several(metric, gauge, help, vec![(primary(), value)]);
            }
        }
        let mut labels = primary();
        labels.0.push((
            "read_only",
            field("slave_read_only").unwrap_or("1").to_owned(),
        ));
        let info = vec![(labels, Value::Whole(1))];
        to.several(
            "redis_slave_info",
            gauge,
            "What primary this replica has",
            info,
        );
    }
}

/// The acknowledgements of each replica.
fn add_replicas(info: &str, to: &mut Families) {
    let gauge = MetricKind::Gauge;
    let (mut offsets, mut lags, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    let end: Option<i64> = field(info, "master_repl_offset").and_then(|text| text.parse().ok());
    for line in info.lines() {
        let Some((labels, offset, lag)) = replica(line) else {
            continue;
        };
        if let (Some(end), Value::Whole(offset)) = (end, &offset) {
            let bytes = end.saturating_sub(*offset).max(0);
            behind.push((labels.clone(), Value::Whole(bytes)));
        }
        offsets.push((labels.clone(), offset));
        lags.push((labels, lag));
    }
    let help = "Bytes of the stream that a replica has acknowledged";
    to.several("redis_connected_slave_offset_bytes", gauge, help, offsets);
    let help = "Bytes of the stream that a replica has not acknowledged";
    to.several("russet_connected_slave_lag_bytes", gauge, help, behind);
    let help = "Seconds since a replica last acknowledged";
    to.several("redis_connected_slave_lag_seconds", gauge, help, lags);
}

/// `slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0`.
fn replica(line: &str) -> Option<(Labels, Value, Value)> {
    let (name, rest) = line.split_once(':')?;
    name.strip_prefix("slave")?.parse::<u32>().ok()?;
    let word = |name: &str| {
        let mut words = rest.split(',').filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let labels = [
        ("slave_ip", word("ip")?.to_owned()),
        ("slave_port", word("port")?.to_owned()),
        ("slave_state", word("state")?.to_owned()),
    ];
    let labels = Labels(labels.into_iter().collect());
    Some((labels, number(word("offset")?)?, number(word("lag")?)?))
}
