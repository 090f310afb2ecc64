//! When keys are counted by prefix, and the resulting figures.

use std::cmp::Reverse;

use super::{KeyUse, PrefixFigures, PrefixName, PrefixRule};
use crate::{Database, DbIndex, Keyspace};
use russet_base::clock;

impl Keyspace {
    /// Sets how keys are counted by prefix; `None`: they are not. A changed rule restarts the
    /// count: existing keys are walked in slices ([`Keyspace::walk_prefixes`]).
    pub fn set_prefix_rule(&mut self, rule: Option<PrefixRule>) {
        if self.prefix_rule == rule {
            return;
        }
        self.prefix_rule = rule;
        for db in self.dbs.iter_mut() {
            db.count_prefixes(rule);
        }
    }

    /// Counts existing keys by prefix, for `ticks` of the cycle counter and at least a segment of a
    /// table; returns whether there is more.
    pub fn walk_prefixes(&mut self, ticks: u64) -> bool {
        let began = clock::cycles();
        for db in self.dbs.iter_mut() {
            while db.walk_prefixes() {
                if clock::cycles().wrapping_sub(began) >= ticks {
                    return true;
                }
            }
        }
        false
    }

    /// Whether the uses of keys are counted by prefix: those of the console are not.
    pub fn set_uses_counted(&mut self, on: bool) {
        self.counts_uses = on;
    }

    /// Counts a use of a key, present or not.
    #[inline(always)]
    pub(crate) fn count_use(&mut self, at: DbIndex, key: &[u8], what: KeyUse) {
        if self.prefix_rule.is_some() {
            self.count_ruled(at, key, what);
        }
    }

    /// See [`Keyspace::count_use`].
    #[cold]
    fn count_ruled(&mut self, at: DbIndex, key: &[u8], what: KeyUse) {
        if self.counts_uses {
            self.dbs[at].count_use(key, what);
        }
    }

    /// Whether some keys are still to be counted by prefix.
    pub fn walks_prefixes(&self) -> bool {
        self.prefix_rule.is_some() && self.dbs.iter().any(|db| db.walks_prefixes())
    }

    /// The lines of a database, in no order; `None`: nothing is counted.
    pub fn prefix_lines(
        &self,
        at: DbIndex,
    ) -> Option<impl Iterator<Item = (PrefixName<'_>, PrefixFigures)>> {
        Some(self.dbs[at].prefixes()?.lines())
    }

    /// The named lines of a database, highest figure first; `None`: nothing is counted. O(n log n).
    pub fn highest_prefixes(
        &self,
        at: DbIndex,
        figure: impl Fn(&PrefixFigures) -> u64,
    ) -> Option<Vec<(&[u8], PrefixFigures)>> {
        let lines = self.prefix_lines(at)?;
        let mut lines: Vec<_> = lines.map(|(name, its)| (name.text(), its)).collect();
        lines.sort_unstable_by_key(|(name, its)| (Reverse(figure(its)), *name));
        Some(lines)
    }

    /// Memory of the counts, bytes.
    pub fn prefix_bytes(&self) -> usize {
        let tables = self.dbs.iter().filter_map(Database::prefixes);
        tables.map(|table| table.memory_bytes()).sum()
    }
}
