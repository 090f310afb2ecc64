//! Metrics of a Sentinel's primaries: series for each, under redis_exporter's names, and
//! `russet_sentinel_*` for russet's own. Figures of the Sentinel itself are fields of INFO
//! (`fields`).
//!
//! As in redis_exporter a failover begins new series, because the address is a label of most;
//! `russet_sentinel_*` has the name alone.

use super::exposition::MetricKind::{self, Counter, Gauge};
use super::exposition::{Families, Labels, Value};
use super::families::{label, whole};

use russet_sentinel::{Seen, Sentinel, Status};

/// A number of a primary.
struct Row {
    metric: &'static str,
    kind: MetricKind,
    help: &'static str,
    value: fn(&Seen<'_>) -> Value,
}

const fn row(
    metric: &'static str,
    kind: MetricKind,
    help: &'static str,
    value: fn(&Seen<'_>) -> Value,
) -> Row {
    Row {
        metric,
        kind,
        help,
        value,
    }
}

/// With the labels `master_name` and `master_address`.
#[rustfmt::skip]
const BY_ADDRESS: &[Row] = &[
    row("redis_sentinel_master_slaves", Gauge, "Replicas of a primary", |seen| count(seen.replicas)),
    row("redis_sentinel_master_ok_slaves", Gauge, "Replicas that can be reached and have a link to their primary", |seen| count(seen.replicas_usable)),
    row("redis_sentinel_master_sentinels", Gauge, "Sentinels that watch a primary, this one included", |seen| count(seen.sentinels)),
    row("redis_sentinel_master_ok_sentinels", Gauge, "Sentinels that can be reached and have been heard of lately, this one included", |seen| count(seen.sentinels_usable)),
    row("redis_sentinel_master_setting_ckquorum", Gauge, "The quorum as configured", |seen| count(seen.quorum)),
    row("redis_sentinel_master_setting_failover_timeout", Gauge, "failover-timeout in milliseconds", |seen| Value::Whole(seen.failover_timeout_ms)),
    row("redis_sentinel_master_setting_parallel_syncs", Gauge, "parallel-syncs as configured", |seen| Value::Whole(seen.parallel_syncs)),
    row("redis_sentinel_master_setting_down_after_milliseconds", Gauge, "down-after-milliseconds as configured", |seen| Value::Whole(seen.down_after_ms)),
];

/// With the label `master_name`.
#[rustfmt::skip]
const BY_NAME: &[Row] = &[
    row("russet_sentinel_master_failovers_total", Counter, "Failovers of a primary that this Sentinel has seen", |seen| whole(seen.failovers)),
    row("russet_sentinel_master_failover_in_progress", Gauge, "Whether this Sentinel leads a failover now", |seen| Value::Whole(i64::from(seen.is_in_failover))),
    row("russet_sentinel_master_config_epoch", Gauge, "The epoch of the last failover", |seen| whole(seen.config_epoch)),
    row("russet_sentinel_master_last_ok_ping_seconds", Gauge, "Seconds since a primary last answered PING well", |seen| Value::Real(seen.last_ok_ping_ms as f64 / 1000.0)),
];

fn count(n: usize) -> Value {
    whole(n as u64)
}

fn name_of(seen: &Seen<'_>) -> Labels {
    label("master_name", String::from_utf8_lossy(seen.name))
}

fn address_of(seen: &Seen<'_>) -> Labels {
    let mut labels = name_of(seen);
    let address = format!("{}:{}", String::from_utf8_lossy(seen.host), seen.port);
    labels.0.push(("master_address", address));
    labels
}

/// Adds the series of each primary. O(instances).
pub(super) fn add(core: &Sentinel, to: &mut Families) {
    let primaries: Vec<Seen<'_>> = core.primaries_seen().collect();
    let samples = |of: &dyn Fn(&Seen<'_>) -> (Labels, Value)| primaries.iter().map(of).collect();
    let status = |seen: &Seen<'_>| {
        let mut labels = address_of(seen);
        labels
            .0
            .push(("master_status", seen.status.name().to_owned()));
        (labels, Value::Whole(i64::from(seen.status == Status::Ok)))
    };
    let help = "Whether a primary is up; the label says what is seen";
    to.several(
        "redis_sentinel_master_status",
        Gauge,
        help,
        samples(&status),
    );
    let quorum = |seen: &Seen<'_>| {
        let mut labels = name_of(seen);
        labels.0.push(("message", seen.reach.text()));
        (labels, Value::Whole(i64::from(seen.reach.is_enough())))
    };
    let help = "Whether enough Sentinels can be reached for a failover; the label is the reply of CKQUORUM";
    let metric = "redis_sentinel_master_ckquorum_status";
    to.several(metric, Gauge, help, samples(&quorum));
    for row in BY_ADDRESS {
        let sample = |seen: &Seen<'_>| (address_of(seen), (row.value)(seen));
        to.several(row.metric, row.kind, row.help, samples(&sample));
    }
    for row in BY_NAME {
        let sample = |seen: &Seen<'_>| (name_of(seen), (row.value)(seen));
        to.several(row.metric, row.kind, row.help, samples(&sample));
    }
    let is_saved = Value::Whole(i64::from(core.is_saved()));
    let help = "Whether the configuration file has the state of the Sentinel; no vote is given until it has";
    to.single("russet_sentinel_state_saved", Gauge, help, is_saved);
}
