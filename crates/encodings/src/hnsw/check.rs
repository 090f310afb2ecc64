//! The check of a whole index, for tests and fuzzing.

use std::collections::HashSet;

use super::index::Index;
use super::parameters::LEVEL_MAX;

impl Index {
    /// Returns the first violation of an invariant. O(n * M^2): for tests and fuzzing.
    pub fn check_invariants(&self) -> Result<(), String> {
        let (mut nodes, mut counts) = (0, [0; LEVEL_MAX + 1]);
        let mut uids = HashSet::new();
        for id in self.iter() {
            nodes += 1;
            counts[self.level(id)] += 1;
            let uid = self.uid(id);
            if uid == 0 || uid > self.max_uid() || !uids.insert(uid) {
                return Err(format!("{id:?}: uid {uid}"));
            }
            for level in 0..=self.level(id) {
                self.check_links(id.0, level)
                    .map_err(|error| format!("{id:?} at level {level}: {error}"))?;
            }
        }
        if nodes != self.len() {
            return Err(format!("{nodes} nodes, counted as {}", self.len()));
        }
        if counts != self.level_counts {
            return Err(format!(
                "levels {counts:?}, counted as {:?}",
                self.level_counts
            ));
        }
        let top = counts.iter().rposition(|&count| count > 0);
        match (self.entry_point(), top) {
            (None, None) if self.max_level() == 0 => Ok(()),
            (Some(entry), Some(top))
                if self.contains(entry) && self.level(entry) == top && self.max_level() == top =>
            {
                Ok(())
            }
            (entry, top) => Err(format!("entry {entry:?}, highest level {top:?}")),
        }
    }

    fn check_links(&self, id: u32, level: usize) -> Result<(), String> {
        let links = self.store.links(id, level);
        let max = self.store.links_max(id, level);
        if links.len() > max {
            return Err(format!("{} links of {max}", links.len()));
        }
        for (at, &link) in links.iter().enumerate() {
            if link == id || links[..at].contains(&link) {
                return Err(format!("doubled, or to itself: {link}"));
            }
            if !self.store.is_live(link) || self.store.level(link) < level {
                return Err(format!("to no node of the level: {link}"));
            }
            if !self.is_linked(link, id, level) {
                return Err(format!("not mutual: {link}"));
            }
        }
        Ok(())
    }
}
