//! MIN, MAX and INFO.

use super::super::row::{READ_KEY, READS};
use super::row::{MISSING, READING};
use russet_command::{Arity, Category};
use russet_server::{Call, CommandResult, Spec};
use russet_types::TDigest;

/// Bytes of a node, and of the data beside the nodes, as INFO counts.
const NODE_BYTES: usize = 16;
const OTHER_BYTES: usize = 8;

pub(super) const MIN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    ..Spec::new("tdigest.min", min)
};

/// `TDIGEST.MIN key`: the least value.
///
/// Reply: double (RESP2: bulk string); nan without values.
fn min(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let min = call.db.read::<TDigest>(key)?.ok_or(MISSING)?.min();
    call.reply.double(min.unwrap_or(f64::NAN));
    Ok(())
}

pub(super) const MAX: Spec = Spec {
    handler: max,
    name: "tdigest.max",
    ..MIN
};

/// `TDIGEST.MAX key`: the greatest value.
///
/// Reply: as of MIN.
fn max(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let max = call.db.read::<TDigest>(key)?.ok_or(MISSING)?.max();
    call.reply.double(max.unwrap_or(f64::NAN));
    Ok(())
}

pub(super) const INFO: Spec = Spec {
    handler: info,
    name: "tdigest.info",
    tips: &["dont_cache"],
    ..MIN
};

/// `TDIGEST.INFO key`: facts of a digest. "Memory usage" is that of Redis, which allocates all
/// nodes at once.
///
/// Reply: map (RESP2: array) of names and integers.
fn info(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let digest = call.db.read::<TDigest>(key)?.ok_or(MISSING)?;
    let figures = digest.figures();
    let bytes = NODE_BYTES * digest.capacity() + OTHER_BYTES;
    let facts = [
        ("Compression", digest.compression()),
        ("Capacity", digest.capacity() as i64),
        ("Merged nodes", figures.merged_nodes as i64),
        ("Unmerged nodes", figures.unmerged_nodes as i64),
        ("Merged weight", figures.merged_weight),
        ("Unmerged weight", figures.unmerged_weight),
        ("Observations", digest.observations()),
        ("Total compressions", figures.compressions),
        ("Memory usage", bytes as i64),
    ];
    call.reply.map(facts.len());
    for (name, n) in facts {
        call.reply.simple(name);
        call.reply.int(n);
    }
    Ok(())
}
