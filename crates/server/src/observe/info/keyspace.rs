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

pub(in crate::server) fn keyspace(from: &Source<'_>, to: &mut InfoWriter) {
    let keyspace = from.keyspace;
    to.section("Keyspace");
    for (at, db) in keyspace.in_use() {
        let avg_ttl = db.average_ttl_ms(keyspace.now_ms(), TTL_SAMPLES);
        let (name, volatile_items) = (keyspace.dialect.volatile_items(), db.fields().len());
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
pub(in crate::server) fn keysizes(from: &Source<'_>, to: &mut InfoWriter) {
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
fn short(size: u64) -> (u64, &'static str) {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let unit = size.checked_ilog2().unwrap_or(0) as usize / 10;
    (size >> (10 * unit), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    fn short(size: u64) -> String {
        let (many, unit) = super::short(size);
        format!("{many}{unit}")
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1, 512, 1 << 10, 1 << 19, 1 << 20, 1 << 35, 1 << 62].map(short);
        assert_eq!(shown, ["0", "1", "512", "1K", "512K", "1M", "32G", "4E"]);
    }

    /// Every command updates the histogram: it drifts if a command forgets to.
    #[test]
    fn keysizes_follow_every_kind_of_change() {
        let mut t = Testbed::new();
        let mut after = |commands: &[&str], want: &str| {
            for command in commands {
                t.run(command);
            }
            let text = t.run("INFO keysizes");
            let lines: Vec<_> = text.lines().filter(|l| l.contains('=')).collect();
            assert_eq!(
                lines.join(" ").replace("distrib_", ""),
                want,
                "{commands:?}"
            );
        };
        after(&["SET a 9", "SET e xy"], "db0_strings_sizes:1=1,2=1");
        after(&["INCR a", "SETRANGE e 99 x"], "db0_strings_sizes:2=1,64=1");
        after(
            &["INCRBY a 99999999", "APPEND e '*'"],
            "db0_strings_sizes:8=1,64=1",
        );
        after(&["DECRBY a 100000008", "GETDEL e"], "db0_strings_sizes:1=1");
        after(&["FLUSHALL", "RPUSH l 1 2 3 4"], "db0_lists_items:4=1");
        after(&["LMOVE l m LEFT LEFT", "RPOP l 9"], "db0_lists_items:1=1");
        after(
            &["COPY m l DB 1", "SWAPDB 0 1"],
            "db0_lists_items:1=1 db1_lists_items:1=1",
        );
        after(&["MOVE l 1", "FLUSHDB ASYNC"], "db1_lists_items:1=2");
        after(&["FLUSHALL ASYNC", "SADD s 1 2 3"], "db0_sets_items:2=1");
        after(&["SORT s STORE l", "SPOP s 3"], "db0_lists_items:2=1");
        after(
            &["RENAME l n", "ZADD z 1 a", "ZUNIONSTORE n 1 z"],
            "db0_zsets_items:1=2",
        );
        after(&["SET z x", "HSET n f v", "DEL n"], "db0_strings_sizes:1=1");
        after(
            &["HSET h a 1 b 2", "HEXPIRE h 0 FIELDS 1 a", "DEL z"],
            "db0_hashes_items:1=1",
        );
        after(&["HEXPIRE h 0 FIELDS 1 b"], "");
    }

    /// The bytes are MEMORY USAGE's, which adds the table's own ten.
    #[test]
    fn keys_are_counted_by_their_bytes_on_request() {
        let mut t = Testbed::new();
        t.run("RPUSH early x");
        assert!(!t.run("INFO keysizes").contains("lists_sizes"));
        t.engine.server.config.key_memory_histograms = true;
        t.apply_config();
        t.run("DEL early");
        let sizes = |t: &mut Testbed| {
            let text = t.run("INFO keysizes").replace("distrib_", "");
            let is_one = |l: &&str| l.contains("s_sizes:") && !l.contains("strings");
            text.lines().filter(is_one).collect::<Vec<_>>().join(" ")
        };
        let bin = |t: &mut Testbed, key: &str| {
            let usage = t.run(&format!("MEMORY USAGE {key}"));
            let usage: u64 = usage
                .trim_matches([':', '\r', '\n'])
                .parse()
                .expect("a number");
            short(1 << (usage - 10).ilog2())
        };
        t.run("SET s x");
        t.run("XADD x * a b");
        t.run("ARSET a 1 x");
        t.run("RPUSH l 1");
        let small = bin(&mut t, "l");
        assert_eq!(sizes(&mut t), format!("db0_lists_sizes:{small}=1"));
        let long = "k".repeat(3000);
        t.run(&format!("RPUSH {long} 1"));
        let large = bin(&mut t, &long);
        assert_eq!(
            sizes(&mut t),
            format!("db0_lists_sizes:{small}=1,{large}=1")
        );
        t.run("PEXPIRE l 100000");
        t.run("RPUSH l 11111111111111111111111111111111");
        let lists = format!("lists_sizes:{}=1,{large}=1", bin(&mut t, "l"));
        assert_eq!(sizes(&mut t), format!("db0_{lists}"));
        t.run("SWAPDB 0 3");
        for n in 0..300 {
            t.run(&format!("HSET h f{n} v"));
        }
        let hash = bin(&mut t, "h");
        assert_eq!(
            sizes(&mut t),
            format!("db0_hashes_sizes:{hash}=1 db3_{lists}")
        );
        t.run("SET h x");
        t.run("FLUSHDB");
        t.run("ZADD h 1 a");
        t.run("SADD m 1");
        t.run("COPY h g DB 3");
        t.run("RENAME m n");
        let (zset, set) = (bin(&mut t, "h"), bin(&mut t, "n"));
        let here = format!("db0_sets_sizes:{set}=1 db0_zsets_sizes:{zset}=1");
        let there = lists.replace("lists", "db3_lists");
        assert_eq!(
            sizes(&mut t),
            format!("{here} {there} db3_zsets_sizes:{zset}=1")
        );
        t.engine.keyspace.check_invariants();
        t.run("FLUSHALL ASYNC");
        assert_eq!(sizes(&mut t), "");
        t.engine.keyspace.check_invariants();
    }
}
