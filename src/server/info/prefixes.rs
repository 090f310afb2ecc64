//! INFO prefixstats: who uses what, by the prefixes of keys. russet's own.
//!
//!     prefix_stats:1
//!     db0_prefix_1:keys=2,bytes=96,reads=1,writes=3,misses=2,expired=0,prefix=user:

use super::{Source, Writer};
use crate::base::text::Printable;
use crate::keyspace::{PrefixFigures, PrefixName};

/// Lines that are shown of each database, those with the most bytes; PREFIXSTATS has them all.
const LINES: usize = 100;

pub(super) fn prefix_stats(from: &Source<'_>, to: &mut Writer) {
    let keyspace = from.keyspace;
    to.section("Prefixstats");
    to.field("prefix_stats", u8::from(from.server.config.prefix_stats));
    to.field("prefix_stats_walking", u8::from(keyspace.walks_prefixes()));
    for (at, _) in keyspace.in_use() {
        let lines = keyspace.prefix_lines(at).into_iter().flatten();
        let mut lines: Vec<(&[u8], PrefixFigures)> = lines
            .map(|(name, figures)| (name.text(), figures))
            .collect();
        lines.sort_unstable_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(b.0)));
        for (number, (name, f)) in lines.into_iter().take(LINES).enumerate() {
            let PrefixFigures {
                keys,
                bytes,
                reads,
                writes,
                misses,
                expired,
            } = f;
            to.line(format_args!(
                "db{}_prefix_{}:keys={keys},bytes={bytes},reads={reads},writes={writes},\
                 misses={misses},expired={expired},prefix={}",
                at.0,
                number + 1,
                Printable(name),
            ));
        }
    }
}

impl<'a> PrefixName<'a> {
    /// How a line is named. No prefix has the name of another line: each ends with the delimiter.
    pub fn text(self) -> &'a [u8] {
        match self {
            PrefixName::Prefix(name) => name,
            PrefixName::None => b"(none)",
            PrefixName::Other => b"(other)",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::Testbed;

    #[test]
    fn the_section_is_shown_where_it_is_asked_for() {
        let mut t = Testbed::new();
        assert!(!t.run("INFO").contains("# Prefixstats"));
        assert!(t.run("INFO prefixstats").contains("prefix_stats:0\r\n"));
        t.run("CONFIG SET prefix-stats yes");
        t.run("SET a,b:1 x");
        let line = "db0_prefix_1:keys=1,bytes=16,reads=0,writes=1,misses=0,expired=0,prefix=a,b:";
        let info = t.run("INFO all");
        assert!(info.contains(line), "{info}");
    }
}
