//! Figures of the primaries for metrics: series for each, under redis_exporter's names, and
//! `russet_sentinel_*` for russet's own. Figures of the Sentinel itself are fields of INFO.
//!
//! As in redis_exporter a failover begins new series, because the address is a label of most;
//! `russet_sentinel_*` has the name alone.

use super::seen::{PrimaryView, Status};

/// A value: integers stay integers.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A count, a setting, 0 or 1.
    Whole(i64),
    /// Seconds.
    Real(f64),
}

/// Names and values of labels.
pub type Labels = Vec<(&'static str, String)>;

/// A figure of each primary.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The name of its series. A counter's ends in `_total`.
    pub metric: &'static str,
    /// The line of the metrics that explains it.
    pub help: &'static str,
    /// The labels of a primary's series.
    pub labels: fn(&PrimaryView<'_>) -> Labels,
    /// The value of a primary's series.
    pub value: fn(&PrimaryView<'_>) -> Number,
}

const fn figure(
    metric: &'static str,
    help: &'static str,
    labels: fn(&PrimaryView<'_>) -> Labels,
    value: fn(&PrimaryView<'_>) -> Number,
) -> Figure {
    Figure {
        metric,
        help,
        labels,
        value,
    }
}

/// All figures of a primary, in the order of the metrics.
#[rustfmt::skip]
pub const FIGURES: &[Figure] = &[
    figure("redis_sentinel_master_status", "Whether a primary is up; the label says what is seen", by_status, |seen| flag(seen.status == Status::Ok)),
    figure("redis_sentinel_master_ckquorum_status", "Whether enough Sentinels can be reached for a failover; the label is the reply of CKQUORUM", by_reach, |seen| flag(seen.reach.is_enough())),
    figure("redis_sentinel_master_slaves", "Replicas of a primary", by_address, |seen| count(seen.replicas)),
    figure("redis_sentinel_master_ok_slaves", "Replicas that can be reached and have a link to their primary", by_address, |seen| count(seen.replicas_usable)),
    figure("redis_sentinel_master_sentinels", "Sentinels that watch a primary, this one included", by_address, |seen| count(seen.sentinels)),
    figure("redis_sentinel_master_ok_sentinels", "Sentinels that can be reached and have been heard of lately, this one included", by_address, |seen| count(seen.sentinels_usable)),
    figure("redis_sentinel_master_setting_ckquorum", "The quorum as configured", by_address, |seen| count(seen.quorum)),
    figure("redis_sentinel_master_setting_failover_timeout", "failover-timeout in milliseconds", by_address, |seen| Number::Whole(seen.failover_timeout_ms)),
    figure("redis_sentinel_master_setting_parallel_syncs", "parallel-syncs as configured", by_address, |seen| Number::Whole(seen.parallel_syncs)),
    figure("redis_sentinel_master_setting_down_after_milliseconds", "down-after-milliseconds as configured", by_address, |seen| Number::Whole(seen.down_after_ms)),
    figure("russet_sentinel_master_failovers_total", "Failovers of a primary that this Sentinel has seen", by_name, |seen| count(seen.failovers as usize)),
    figure("russet_sentinel_master_failover_in_progress", "Whether this Sentinel leads a failover now", by_name, |seen| flag(seen.is_in_failover)),
    figure("russet_sentinel_master_config_epoch", "The epoch of the last failover", by_name, |seen| count(seen.config_epoch as usize)),
    figure("russet_sentinel_master_last_ok_ping_seconds", "Seconds since a primary last answered PING well", by_name, |seen| Number::Real(seen.last_ok_ping_ms as f64 / 1000.0)),
];

fn count(n: usize) -> Number {
    Number::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}

fn flag(is_so: bool) -> Number {
    Number::Whole(i64::from(is_so))
}

fn by_name(seen: &PrimaryView<'_>) -> Labels {
    vec![(
        "master_name",
        String::from_utf8_lossy(seen.name).into_owned(),
    )]
}

fn by_address(seen: &PrimaryView<'_>) -> Labels {
    let host = String::from_utf8_lossy(seen.host);
    let address = ("master_address", format!("{host}:{}", seen.port));
    [by_name(seen), vec![address]].concat()
}

fn by_status(seen: &PrimaryView<'_>) -> Labels {
    let status = ("master_status", seen.status.name().to_owned());
    [by_address(seen), vec![status]].concat()
}

fn by_reach(seen: &PrimaryView<'_>) -> Labels {
    [by_name(seen), vec![("message", seen.reach.text())]].concat()
}
