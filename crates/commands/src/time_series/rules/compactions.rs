//! The destinations that `ts-compaction-policy` makes with a new series.
//!
//!     key_AGGREGATOR_bucket[_align]     a destination's key; in a cluster `{key}_...`, if only so
//!                                       the key is in the slot of the source
//!
//! ADD, INCRBY and DECRBY make destinations, CREATE does not, as in Redis. They skip a destination
//! whose key is taken.
//!
//! Effects: CREATE of the source and of each destination, CREATERULE, then the command, which finds
//! the series. So the log and replicas need no policy.

use super::super::options::defaults;
use russet_config::Compaction;
use russet_keyspace::{Class, slot_of};
use russet_resp::Args;
use russet_server::Call;
use russet_timeseries::range::EvenBuckets;
use russet_timeseries::{Aggregator, Labels, Options, Rule, Series};
use russet_types::TimeSeries;

/// Makes the destinations of a series that has just been made, without samples; `options`: the
/// words with which it was. `false`: there is no policy.
pub(crate) fn make(call: &mut Call<'_>, key: &[u8], options: Args<'_>) -> bool {
    if call.server.config.ts_compaction_policy.0.is_empty() {
        return false;
    }
    if call.effects_wanted() {
        let mut words: Vec<&[u8]> = vec![b"TS.CREATE", key];
        words.extend(options.iter());
        call.rewrite(&words);
    }
    let policy = call.server.config.ts_compaction_policy.0.clone();
    for rule in &policy {
        make_one(call, key, rule);
    }
    true
}

fn make_one(call: &mut Call<'_>, key: &[u8], asked: &Compaction) {
    let Some(of) = Aggregator::by_name(asked.aggregator.as_bytes()) else {
        return;
    };
    let Some(dest) = name(key, of, asked, call.server.config.cluster_enabled) else {
        return;
    };
    let bucket = asked.bucket_ms.to_string();
    let Ok(Some(source)) = call.db.peek::<TimeSeries>(key) else {
        return;
    };
    let own: [(&[u8], &[u8]); 2] = [
        (b"aggregation", of.name().as_bytes()),
        (b"time_bucket", bucket.as_bytes()),
    ];
    let labels = Labels::new(source.labels().iter().chain(own));
    let options = Options {
        retention_ms: asked.retention_ms,
        ignored_ms: 0,
        ignored_change: 0.0,
        ..defaults(&call.server.config)
    };
    let mut series = Series::new(options, labels);
    series.set_source(Some(key));
    let place = call.db.place(&dest);
    if place.is_taken() {
        return;
    }
    let buckets = EvenBuckets {
        duration: asked.bucket_ms as i64,
        align: asked.align_ms as i64,
    };
    if call.db.effects_wanted() {
        record(call, key, (&dest, &series), (of, buckets));
    }
    call.db.put(&dest, TimeSeries::from(series));
    if let Ok(Some(mut source)) = call.db.write::<TimeSeries>(key) {
        source.change_rules(|rules| rules.push(Rule::new(&dest, of, buckets)));
    }
    call.db.changed_by(&dest, 0, Class::empty(), "");
}

/// The destination's key. `None`: none is in the slot of the source.
fn name(key: &[u8], of: Aggregator, asked: &Compaction, is_cluster: bool) -> Option<Vec<u8>> {
    let mut rest = format!("_{}_{}", of.name(), asked.bucket_ms);
    if asked.align_ms > 0 {
        rest.push_str(&format!("_{}", asked.align_ms));
    }
    let plain = [key, rest.as_bytes()].concat();
    let is_right = |name: &Vec<u8>| !is_cluster || slot_of(name) == slot_of(key);
    if is_right(&plain) {
        return Some(plain);
    }
    Some([b"{", key, b"}", rest.as_bytes()].concat()).filter(is_right)
}

/// Records the commands that make a destination and the rule.
fn record(
    call: &mut Call<'_>,
    key: &[u8],
    (dest, series): (&[u8], &Series),
    (of, buckets): (Aggregator, EvenBuckets),
) {
    let options = series.options();
    let retention = options.retention_ms.to_string();
    let chunk = options.chunk_bytes.to_string();
    let encoding: &[u8] = if options.is_packed {
        b"COMPRESSED"
    } else {
        b"UNCOMPRESSED"
    };
    let mut words: Vec<&[u8]> = vec![b"TS.CREATE", dest];
    let fixed: [&[u8]; 7] = [
        b"RETENTION",
        retention.as_bytes(),
        b"CHUNK_SIZE",
        chunk.as_bytes(),
        b"ENCODING",
        encoding,
        b"LABELS",
    ];
    words.extend(fixed);
    for (name, value) in series.labels().iter() {
        words.extend([name, value]);
    }
    call.rewrite(&words);
    let (duration, align) = (buckets.duration.to_string(), buckets.align.to_string());
    call.rewrite(&[
        b"TS.CREATERULE",
        key,
        dest,
        b"AGGREGATION",
        of.name().as_bytes(),
        duration.as_bytes(),
        align.as_bytes(),
    ]);
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    const POLICY: &str = "CONFIG SET ts-compaction-policy max:10m:1h;sum:1M:0d:500m";

    #[test]
    fn a_policy_makes_destinations_with_a_series() {
        let mut t = Testbed::new();
        assert_eq!(t.run(POLICY), "+OK\r\n");
        t.run("SET k_SUM_60000_500 taken");
        t.take_effects();
        t.run("TS.CREATE made");
        t.run("TS.ADD k 5 1 LABELS a b");
        t.run("TS.INCRBY n 2 TIMESTAMP 7");
        assert_eq!(
            t.take_effects(),
            [
                "TS.CREATE made",
                "TS.CREATE k LABELS a b",
                "TS.CREATE k_MAX_10 RETENTION 3600000 CHUNK_SIZE 4096 ENCODING COMPRESSED LABELS a b \
                 aggregation MAX time_bucket 10",
                "TS.CREATERULE k k_MAX_10 AGGREGATION MAX 10 0",
                "TS.ADD k 5 1 LABELS a b",
                "TS.CREATE n TIMESTAMP 7",
                "TS.CREATE n_MAX_10 RETENTION 3600000 CHUNK_SIZE 4096 ENCODING COMPRESSED LABELS \
                 aggregation MAX time_bucket 10",
                "TS.CREATERULE n n_MAX_10 AGGREGATION MAX 10 0",
                "TS.CREATE n_SUM_60000_500 RETENTION 0 CHUNK_SIZE 4096 ENCODING COMPRESSED LABELS \
                 aggregation SUM time_bucket 60000",
                "TS.CREATERULE n n_SUM_60000_500 AGGREGATION SUM 60000 500",
                "TS.INCRBY n 2 TIMESTAMP 7",
            ]
        );
        t.run("TS.ADD k 15 3");
        assert_eq!(t.run("TS.GET k_MAX_10"), "*2\r\n:0\r\n+1\r\n");
        assert_eq!(
            t.run("TS.QUERYINDEX a=b time_bucket=10"),
            "*1\r\n$8\r\nk_MAX_10\r\n"
        );
        assert_eq!(t.run("EXISTS made_MAX_10"), ":0\r\n");
        t.engine.keyspace.check_invariants();
    }

    #[test]
    fn a_failed_script_leaves_no_destinations() {
        let mut t = Testbed::new();
        t.run(POLICY);
        let script = b"#!lua flags=atomic\nredis.call('ts.add', KEYS[1], 1, 1)\nerror('x')";
        t.run_args(&[b"EVAL", script, b"1", b"k"]);
        assert_eq!(t.run("DBSIZE"), ":0\r\n");
    }
}
