//! INFO.
//!
//! `memoryUsage` is the figure of Redis, which allocates all of a chunk at once; MEMORY USAGE
//! replies the bytes that the series takes here.

use super::compact::{is_linked, rule_of};
use super::filters::{begin_labels, reply_label};
use super::options::policy_of;
use super::row::{MISSING, READ_KEY, READING, READS, WRONG_TYPE};
use russet_base::numbers::float::write_double;
use russet_command::{Arity, Category, CommandError};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_timeseries::{ChunkFigures, Labels, Rule, Series};
use russet_types::TimeSeries;

/// The number of fields, and of the fields that DEBUG adds.
const FIELDS: usize = 14;
const DEBUG_FIELDS: usize = 2;

pub(super) const INFO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    ..Spec::new("ts.info", info)
};

/// `TS.INFO key [DEBUG]`: facts of a series, and with DEBUG of each chunk.
///
/// Reply: map (RESP2: array) of names and facts. O(chunks).
fn info(call: &mut Call<'_>) -> CommandResult {
    if call.args.len() > 3 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let key = call.args.at(1);
    let series = call.db.read::<TimeSeries>(key).map_err(|_| WRONG_TYPE)?;
    series.ok_or(MISSING)?;
    let source = rule_of(&call.db, key).map(|(source, _)| source);
    let series = call.db.peek::<TimeSeries>(key)?.expect("found above");
    let rules = series.rules().iter();
    let rules: Vec<&Rule> = rules
        .filter(|rule| is_linked(&call.db, key, rule.dest()))
        .collect();
    let policy = policy_of(&series, &call.server.config).name();
    let reply = &mut *call.reply;
    let has_chunks = call.args.is(2, "DEBUG");
    reply.map(FIELDS + if has_chunks { DEBUG_FIELDS } else { 0 });
    reply_facts(&series, policy, (source.as_deref(), &rules), reply);
    if has_chunks {
        reply.simple("keySelfName");
        reply.bulk(key);
        reply.simple("Chunks");
        reply.array(series.chunks().len());
        for chunk in series.chunks() {
            reply_chunk(chunk, reply);
        }
    }
    Ok(())
}

fn reply_facts(
    series: &Series,
    policy: &str,
    (source, rules): (Option<&[u8]>, &[&Rule]),
    reply: &mut Reply,
) {
    let options = series.options();
    let mut number = |name: &str, n: u64| {
        reply.simple(name);
        reply.int(n as i64);
    };
    let (first, samples) = series.seen();
    number("totalSamples", samples);
    number("memoryUsage", series.redis_bytes(rules.len()) as u64);
    number("firstTimestamp", first);
    number("lastTimestamp", series.last_timestamp());
    number("retentionTime", options.retention_ms);
    number("chunkCount", series.chunks().len() as u64);
    number("chunkSize", options.chunk_bytes.into());
    reply.simple("chunkType");
    reply.simple(if options.is_packed {
        "compressed"
    } else {
        "uncompressed"
    });
    reply.simple("duplicatePolicy");
    reply.simple(policy);
    reply.simple("labels");
    reply_labels(series.labels(), reply);
    reply.simple("sourceKey");
    match source {
        Some(key) => reply.bulk(key),
        None => reply.null(),
    }
    reply.simple("rules");
    reply_rules(rules, reply);
    reply.simple("ignoreMaxTimeDiff");
    reply.int(options.ignored_ms as i64);
    reply.simple("ignoreMaxValDiff");
    reply.double(options.ignored_change);
}

/// All labels: a map, in RESP2 an array of pairs.
pub(super) fn reply_labels(labels: &Labels, reply: &mut Reply) {
    begin_labels(reply, labels.len());
    for (name, value) in labels.iter() {
        reply_label(name, Some(value), reply);
    }
}

/// Rules by destination: a map, in RESP2 an array of four fields each.
fn reply_rules(rules: &[&Rule], reply: &mut Reply) {
    let is_map = reply.resp3();
    if is_map {
        reply.map(rules.len());
    } else {
        reply.array(rules.len());
    }
    for rule in rules {
        if is_map {
            reply.bulk(rule.dest());
            reply.array(3);
        } else {
            reply.array(4);
            reply.bulk(rule.dest());
        }
        reply.int(rule.buckets().duration);
        reply.simple(rule.aggregator().name());
        reply.int(rule.buckets().align);
    }
}

fn reply_chunk(chunk: ChunkFigures, reply: &mut Reply) {
    let is_empty = chunk.samples == 0;
    let time = |timestamp: u64| if is_empty { -1 } else { timestamp as i64 };
    // Redis divides in single precision.
    let share = if is_empty {
        0.0
    } else {
        chunk.size as f32 / chunk.samples as f32
    };
    reply.map(5);
    let numbers = [
        ("startTimestamp", time(chunk.first)),
        ("endTimestamp", time(chunk.last)),
        ("samples", chunk.samples as i64),
        ("size", chunk.size.into()),
    ];
    for (name, n) in numbers {
        reply.simple(name);
        reply.int(n);
    }
    reply.simple("bytesPerSample");
    let mut text = Vec::new();
    write_double(&mut text, share.into());
    reply.double_text(&text);
}
