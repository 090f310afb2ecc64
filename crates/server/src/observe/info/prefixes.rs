//! INFO prefixstats: keys, memory and accesses by key prefix. russet's own.
//!
//!     prefix_stats:1
//!     db0_prefix_1:keys=2,bytes=96,reads=1,writes=3,misses=2,expired=0,packed=1,saved=40,
//!         prefix=user:          (in the same line)

use super::{InfoWriter, Source};

use russet_base::text::Printable;

/// Lines per database, of the prefixes with the most bytes; PREFIXSTATS reports all.
const LINES: usize = 100;

pub fn prefix_stats(from: &Source<'_>, to: &mut InfoWriter) {
    let keyspace = from.keyspace;
    to.section("Prefixstats");
    to.field("prefix_stats", u8::from(from.server.config.prefix_stats));
    to.field("prefix_stats_walking", u8::from(keyspace.walks_prefixes()));
    for (at, _) in keyspace.in_use() {
        let lines = keyspace.highest_prefixes(at, |figures| figures.bytes);
        let lines = lines.into_iter().flatten().take(LINES);
        for (number, (name, figures)) in lines.enumerate() {
            let figures = figures.named().map(|(its, value)| format!("{its}={value}"));
            to.line(format_args!(
                "db{}_prefix_{}:{},prefix={}",
                at.0,
                number + 1,
                figures.join(","),
                Printable(name),
            ));
        }
    }
}
