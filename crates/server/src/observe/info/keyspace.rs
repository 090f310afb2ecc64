//! INFO keyspace and keysizes: the databases in use, and the distribution of their keys' sizes.
//!
//!     db0:keys=3,expires=1,avg_ttl=1000,...
//!     db0_distrib_strings_sizes:1=1,4=2        lower bound of a bin = number of its keys
//!
//! Bins are powers of two. Distributions by bytes exist while `key-memory-histograms` is on.
//! Cost: O(databases in use), and at most [`TTL_SAMPLES`] entries for each average time to live;
//! sizes are counted when keys change (`keyspace::KeySizes`), not here.

use super::writer::Value;
use super::{InfoWriter, Source};

use russet_keyspace::{DbIndex, KeySizes};
use russet_types::Type;

/// Entries sampled for the average time to live; table order is hash order, so the first entries
/// are a fair sample.
const TTL_SAMPLES: usize = 1000;

pub fn keyspace(from: &Source<'_>, to: &mut InfoWriter) {
    let keyspace = from.keyspace;
    to.section("Keyspace");
    for (at, db) in keyspace.in_use() {
        let avg_ttl = db.average_ttl_ms(keyspace.now_ms(), TTL_SAMPLES);
        let name = keyspace.dialect.volatile_items();
        let volatile_items = db.fields().len() + db.members().len();
        to.line(format_args!(
            "db{}:keys={},expires={},avg_ttl={avg_ttl},{name}={volatile_items}",
            at.0,
            db.len(),
            db.volatile(),
        ));
    }
}

/// The types that are counted by size, in Redis's order, with the names of their lines.
const DISTRIBUTIONS: [(Type, &str); 5] = [
    (Type::String, "strings_sizes"),
    (Type::List, "lists_items"),
    (Type::Set, "sets_items"),
    (Type::Zset, "zsets_items"),
    (Type::Hash, "hashes_items"),
];

/// The types that are counted by their bytes (`key-memory-histograms`), with the names of their
/// lines.
const BYTE_DISTRIBUTIONS: [(Type, &str); 4] = [
    (Type::List, "lists_sizes"),
    (Type::Set, "sets_sizes"),
    (Type::Zset, "zsets_sizes"),
    (Type::Hash, "hashes_sizes"),
];

/// A line for each database and type in use: `lower bound=keys` of each non-empty bin.
pub(crate) fn keysizes(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Keysizes");
    for (at, db) in from.keyspace.in_use() {
        distributions(to, at, db.sizes(), &DISTRIBUTIONS);
        if let Some(by_bytes) = db.by_bytes() {
            distributions(to, at, by_bytes, &BYTE_DISTRIBUTIONS);
        }
    }
}

fn distributions(to: &mut InfoWriter, at: DbIndex, sizes: &KeySizes, lines: &[(Type, &str)]) {
    for (kind, name) in lines {
        let mut separator = ":";
        for (size, keys) in sizes.of(*kind) {
            if separator == ":" {
                to.put("db");
                at.0.append_to(to);
                to.put("_distrib_");
                to.put(name);
            }
            to.put(separator);
            let (many, unit) = short(size);
            many.append_to(to);
            to.put(unit);
            to.put("=");
            keys.append_to(to);
            separator = ",";
        }
        if separator == "," {
            to.put("\r\n");
        }
    }
}

/// A power of two as in `512`, `1K`, `4M`: the number and the unit.
pub fn short(size: u64) -> (u64, &'static str) {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let unit = size.checked_ilog2().unwrap_or(0) as usize / 10;
    (size >> (10 * unit), UNITS[unit])
}

#[cfg(test)]
mod tests {

    fn short(size: u64) -> String {
        let (many, unit) = super::short(size);
        format!("{many}{unit}")
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1, 512, 1 << 10, 1 << 19, 1 << 20, 1 << 35, 1 << 62].map(short);
        assert_eq!(shown, ["0", "1", "512", "1K", "512K", "1M", "32G", "4E"]);
    }
}
