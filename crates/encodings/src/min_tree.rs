//! A tree of minima over an array of times: the minimum, and its position.
//!
//! Cost: the minimum O(1); setting a leaf, and finding the least leaf, O(log n) groups of 16.
//! Leaves are only ever added; an unused leaf is `NEVER`.

use russet_base::memory::alloc::vec_bytes;
use russet_base::memory::mover::Mover;

/// A time that is never reached.
pub const NEVER: i64 = i64::MAX;

const FANOUT: usize = 16;

/// Minima of groups of 16, of groups of those, up to a single minimum.
pub struct MinTree {
    levels: Vec<Vec<i64>>,
}

impl Default for MinTree {
    fn default() -> Self {
        MinTree::new()
    }
}

impl MinTree {
    /// A tree without leaves, whose minimum is [`NEVER`].
    pub fn new() -> MinTree {
        MinTree {
            levels: vec![Vec::new()],
        }
    }

    /// The minimum of all leaves.
    pub fn min(&self) -> i64 {
        self.levels[self.levels.len() - 1]
            .first()
            .copied()
            .unwrap_or(NEVER)
    }

    /// Adds a leaf with the value `NEVER`.
    pub fn push(&mut self) {
        self.levels[0].push(NEVER);
        let mut level = 0;
        while self.levels[level].len() > 1 {
            let groups = self.levels[level].len().div_ceil(FANOUT);
            if level + 1 == self.levels.len() {
                let first = self.group_min(level, 0);
                self.levels.push(vec![first]);
            }
            if self.levels[level + 1].len() == groups {
                break;
            }
            self.levels[level + 1].push(NEVER);
            level += 1;
        }
    }

    fn group_min(&self, level: usize, group: usize) -> i64 {
        let leaves = &self.levels[level];
        let end = leaves.len().min((group + 1) * FANOUT);
        leaves[group * FANOUT..end]
            .iter()
            .copied()
            .min()
            .unwrap_or(NEVER)
    }

    /// Number of leaves.
    pub(crate) fn len(&self) -> usize {
        self.levels[0].len()
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        vec_bytes(&self.levels) + self.levels.iter().map(vec_bytes).sum::<usize>()
    }

    /// Offers the tree's blocks.
    pub fn relocate(&mut self, mover: &mut Mover) {
        mover.vec(&mut self.levels);
        self.levels.iter_mut().for_each(|level| mover.vec(level));
    }

    /// The value of a leaf. Panics if there is no such leaf.
    pub fn get(&self, leaf: usize) -> i64 {
        self.levels[0][leaf]
    }

    /// Sets the value of a leaf. O(log n) groups.
    pub fn set(&mut self, leaf: usize, value: i64) {
        let mut index = leaf;
        let mut value = value;
        for level in 0..self.levels.len() {
            if self.levels[level][index] == value {
                return;
            }
            self.levels[level][index] = value;
            index /= FANOUT;
            value = self.group_min(level, index);
        }
    }

    /// A leaf whose value is the minimum.
    pub fn first(&self) -> Option<usize> {
        let min = self.min();
        if min == NEVER {
            return None;
        }
        let mut index = 0;
        for level in self.levels.iter().rev().skip(1) {
            let start = index * FANOUT;
            let group = &level[start..level.len().min(start + FANOUT)];
            index = start + group.iter().position(|&value| value == min)?;
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_least_of_all_leaves_is_known_and_found(
            ops in prop::collection::vec((0usize..400, 0i64..1000), 0..800)
        ) {
            let (mut tree, mut model) = (MinTree::new(), Vec::new());
            for (leaf, value) in ops {
                if leaf >= model.len() {
                    tree.push();
                    model.push(NEVER);
                } else {
                    // Some leaves become unused again.
                    let value = if value < 200 { NEVER } else { value };
                    tree.set(leaf, value);
                    model[leaf] = value;
                }
                let least = model.iter().copied().min().unwrap_or(NEVER);
                prop_assert_eq!(tree.min(), least);
                prop_assert_eq!(tree.first().is_none(), least == NEVER);
                if let Some(first) = tree.first() {
                    prop_assert_eq!((tree.get(first), model[first]), (least, least));
                }
            }
            prop_assert_eq!(tree.len(), model.len());
        }
    }
}
