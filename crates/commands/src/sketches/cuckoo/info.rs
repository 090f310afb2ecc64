//! INFO and DEBUG.

use super::super::row::{READ_KEY, READS_FAST};
use super::row::{NOT_FOUND, READING};
use russet_command::{Arity, Category};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Cuckoo;

/// Bytes of Redis's structs of a filter and of a part, which INFO counts.
const FILTER_BYTES: u64 = 40;
const PART_BYTES: u64 = 16;

pub(super) const INFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING.union(Category::FAST),
    tips: &["dont_cache"],
    ..Spec::new("cf.info", info)
};

/// `CF.INFO key`: facts of a filter.
///
/// Reply: map (RESP2: array) of names and integers.
fn info(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let filter = call.db.read::<Cuckoo>(key)?.ok_or(NOT_FOUND)?;
    let parts = filter.parts().map(|part| PART_BYTES + part.len() as u64);
    let facts = [
        ("Size", FILTER_BYTES + parts.sum::<u64>()),
        ("Number of buckets", filter.buckets()),
        ("Number of filters", filter.parts().len() as u64),
        ("Number of items inserted", filter.items()),
        ("Number of items deleted", filter.deletes()),
        ("Bucket size", filter.bucket_size().into()),
        ("Expansion rate", filter.expansion().into()),
        ("Max iterations", filter.moves_max().into()),
    ];
    call.reply.map(facts.len());
    for (name, n) in facts {
        call.reply.simple(name);
        call.reply.int(i64::try_from(n).unwrap_or(i64::MAX));
    }
    Ok(())
}

pub(super) const DEBUG: Spec = Spec {
    handler: debug,
    name: "cf.debug",
    categories: READING,
    ..INFO
};

/// `CF.DEBUG key`: facts of a filter in one line.
///
/// Reply: bulk string.
fn debug(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    let filter = call.db.read::<Cuckoo>(key)?.ok_or(NOT_FOUND)?;
    let text = format!(
        "bktsize:{} buckets:{} items:{} deletes:{} filters:{} max_iterations:{} expansion:{}",
        filter.bucket_size(),
        filter.buckets(),
        filter.items(),
        filter.deletes(),
        filter.parts().len(),
        filter.moves_max(),
        filter.expansion(),
    );
    call.reply.bulk(text.as_bytes());
    Ok(())
}
