//! A graph over rows by which the nearest ones are found: HNSW.
//!
//! After Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs" (2016). A row has a level, 0 for all but one in M of
//! them, and links to near rows on each level up to its own: 2M on level 0, M above.
//!
//!     level 0    chunks: of each row, count | 2M rows
//!     above      of the few rows that reach there: lists of rows, level by level
//!
//! Invariants
//!   1. Links are mutual on each level, never doubled, never to the row itself.
//!   2. The entry is a row of the highest level.
//!
//! A row that is removed leaves no mark: its neighbours are linked among themselves.
//!
//! Distances are those of codes while these are in use (`codes`), else of rows: any will do to link
//! near rows. Searches: `walk`.
//!
//! Cost: an insertion, a search and some M^2 distances; 4 x (2M + 1) bytes a row.

use std::cmp::Reverse;

use ahash::RandomState;
use hashbrown::HashMap;

use super::near::Near;
use super::rows::Rows;
use russet_encodings::prefetch::prefetch;

/// Rows of a chunk of links.
const CHUNK_ROWS: usize = 256;

/// The rank of the row whose distance is noted, so that a few equal rows do not count.
const GAP_RANK: usize = 9;

/// The highest level.
const LEVEL_MAX: usize = 24;

#[derive(Debug)]
pub(super) struct Graph {
    m: usize,
    ef_construction: usize,
    links: Vec<Box<[u32]>>,
    /// Of rows above level 0: their links of level 1, 2, ...
    above: HashMap<u32, Vec<Vec<u32>>, RandomState>,
    entry: Option<u32>,
    /// The rows that are in it, as bits.
    present: Vec<u64>,
    random: u64,
}

impl Graph {
    pub(super) fn new(m: usize, ef_construction: usize) -> Graph {
        Graph {
            m: m.max(2),
            ef_construction: ef_construction.max(m),
            links: Vec::new(),
            above: HashMap::default(),
            entry: None,
            present: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The row at which walks begin, and its level.
    pub(super) fn entry(&self) -> Option<(u32, usize)> {
        self.entry.map(|entry| (entry, self.level(entry)))
    }

    pub(super) fn ef_construction(&self) -> usize {
        self.ef_construction
    }

    fn links_max(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    fn level(&self, row: u32) -> usize {
        self.above.get(&row).map_or(0, Vec::len)
    }

    fn place(&self, row: u32) -> (usize, usize) {
        let stride = 2 * self.m + 1;
        (
            row as usize / CHUNK_ROWS,
            row as usize % CHUNK_ROWS * stride,
        )
    }

    #[inline]
    pub(super) fn links(&self, row: u32, level: usize) -> &[u32] {
        if level > 0 {
            return self.above.get(&row).map_or(&[], |lists| &lists[level - 1]);
        }
        let (chunk, at) = self.place(row);
        let count = self.links[chunk][at] as usize;
        &self.links[chunk][at + 1..at + 1 + count]
    }

    /// Brings the links of a row that is probably walked from next into the processor's caches.
    #[inline]
    pub(super) fn prefetch_links(&self, row: u32) {
        let (chunk, at) = self.place(row);
        let begin = (&raw const self.links[chunk][at]).addr();
        prefetch(begin);
        prefetch(begin + 64);
    }

    fn set_links(&mut self, row: u32, level: usize, to: &[u32]) {
        if level > 0 {
            if let Some(lists) = self.above.get_mut(&row) {
                lists[level - 1] = to.to_vec();
            }
            return;
        }
        let (chunk, at) = self.place(row);
        self.links[chunk][at] = to.len() as u32;
        self.links[chunk][at + 1..at + 1 + to.len()].copy_from_slice(to);
    }

    fn unlink(&mut self, row: u32, from: u32, level: usize) {
        let left: Vec<u32> = self
            .links(row, level)
            .iter()
            .copied()
            .filter(|to| *to != from)
            .collect();
        self.set_links(row, level, &left);
    }

    /// A level for a new row: each further one with a chance of 1/M.
    fn draw_level(&mut self) -> usize {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let drawn = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        let share = (drawn as f64 + 1.0) / (1u64 << 53) as f64;
        ((-share.ln() / (self.m as f64).ln()) as usize).min(LEVEL_MAX)
    }

    /// Of candidates, ascending, those that no chosen one is nearer to than the target; then the
    /// nearest others, up to `most`.
    fn choose(&self, rows: &Rows, candidates: &[Near], most: usize) -> Vec<u32> {
        let mut chosen: Vec<u32> = Vec::with_capacity(most);
        let mut others = Vec::new();
        for near in candidates {
            if chosen.len() == most {
                break;
            }
            let is_hidden = |row: &u32| rows.between(*row, near.document) < near.distance;
            if chosen.iter().any(is_hidden) {
                others.push(near.document);
            } else {
                chosen.push(near.document);
            }
        }
        let room = most - chosen.len();
        chosen.extend(others.into_iter().take(room));
        chosen
    }

    /// Links two rows of a level, of which one that has too many links gives up one. A row that
    /// would have no other link is not given up.
    fn link(&mut self, rows: &Rows, row: u32, other: u32, level: usize) {
        if row == other || self.links(row, level).contains(&other) {
            return;
        }
        for (a, b) in [(row, other), (other, row)] {
            if self.links(a, level).len() < self.links_max(level) {
                continue;
            }
            let mut near: Vec<Near> = self
                .links(a, level)
                .iter()
                .chain([&b])
                .map(|to| Near::new(*to, rows.between(a, *to)))
                .collect();
            near.sort_unstable();
            // The farthest that another is nearer to than `a` is.
            let is_hidden = |at: &usize| {
                let near_one = &near[*at];
                let mut nearer = near[..*at].iter();
                nearer.any(|n| rows.between(n.document, near_one.document) < near_one.distance)
            };
            let farthest = near.len() - 1;
            let dropped = (0..near.len()).rev().find(is_hidden).unwrap_or(farthest);
            let dropped = near[dropped].document;
            let needs = |of: u32| self.links(of, level).len() <= self.m / 2;
            let victim = if dropped != b && !needs(dropped) {
                dropped
            } else if needs(b) {
                // The farthest that can spare it.
                let mut spare = near.iter().rev().map(|near| near.document);
                match spare.find(|to| *to != b && !needs(*to)) {
                    Some(victim) => victim,
                    None => return,
                }
            } else {
                return;
            };
            self.unlink(a, victim, level);
            self.unlink(victim, a, level);
        }
        for (a, b) in [(row, other), (other, row)] {
            let mut links = self.links(a, level).to_vec();
            links.push(b);
            self.set_links(a, level, &links);
        }
    }

    /// Puts a row into the graph. Returns the distance of one of the nearest to it.
    pub(super) fn insert(&mut self, rows: &Rows, row: u32) -> Option<f64> {
        let stride = 2 * self.m + 1;
        while self.links.len() * CHUNK_ROWS <= row as usize {
            self.links.push(vec![0; CHUNK_ROWS * stride].into());
            self.present.resize(self.links.len() * CHUNK_ROWS / 64, 0);
        }
        self.present[row as usize / 64] |= 1 << (row % 64);
        self.set_links(row, 0, &[]);
        let level = self.draw_level();
        if level > 0 {
            self.above.insert(row, vec![Vec::new(); level]);
        }
        let Some((_, top)) = self.entry() else {
            self.entry = Some(row);
            return None;
        };
        let around = self.around(rows, row, level);
        for (level, near) in &around {
            for other in self.choose(rows, near, self.m) {
                self.link(rows, row, other, *level);
            }
            if self.links(row, *level).is_empty() {
                self.force_link(rows, row, near, *level);
            }
        }
        if level > top {
            self.entry = Some(row);
        }
        let (_, near) = around.last()?;
        let at = (near.len().checked_sub(1)?).min(GAP_RANK);
        Some(near[at].distance)
    }

    /// Links a row that no other made room for, in place of the farthest link of the nearest row.
    fn force_link(&mut self, rows: &Rows, row: u32, near: &[Near], level: usize) {
        let Some(nearest) = near
            .first()
            .map(|near| near.document)
            .filter(|to| *to != row)
        else {
            return;
        };
        if self.links(nearest, level).len() == self.links_max(level) {
            let far = self.links(nearest, level).iter();
            let far = far
                .map(|to| Near::new(*to, rows.between(nearest, *to)))
                .max();
            if let Some(far) = far {
                self.unlink(nearest, far.document, level);
                self.unlink(far.document, nearest, level);
                let links = self.links(far.document, level);
                if links.is_empty() {
                    // It stays reachable by the new row.
                    self.set_links(far.document, level, &[row]);
                    self.set_links(row, level, &[far.document]);
                }
            }
        }
        for (a, b) in [(row, nearest), (nearest, row)] {
            let mut links = self.links(a, level).to_vec();
            links.push(b);
            self.set_links(a, level, &links);
        }
    }

    /// Takes a row out of the graph.
    pub(super) fn remove(&mut self, rows: &Rows, row: u32) {
        for level in (0..=self.level(row)).rev() {
            let around = self.links(row, level).to_vec();
            for other in &around {
                self.unlink(*other, row, level);
            }
            // Each neighbour finds new ones among the others.
            for other in &around {
                let mut near: Vec<Near> = around
                    .iter()
                    .filter(|to| *to != other)
                    .map(|to| Near::new(*to, rows.between(*other, *to)))
                    .collect();
                near.sort_unstable();
                for to in near.iter().take(2) {
                    self.link(rows, *other, to.document, level);
                }
            }
            self.set_links(row, level, &[]);
        }
        self.above.remove(&row);
        self.present[row as usize / 64] &= !(1 << (row % 64));
        if self.entry == Some(row) {
            let highest = self
                .above
                .iter()
                .max_by_key(|(row, lists)| (lists.len(), Reverse(**row)));
            let first = |(word, bits): (usize, &u64)| {
                (*bits != 0).then(|| word as u32 * 64 + bits.trailing_zeros())
            };
            let any = || self.present.iter().enumerate().find_map(first);
            self.entry = highest.map(|(row, _)| *row).or_else(any);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let above: usize = self
            .above
            .values()
            .flatten()
            .map(|list| list.capacity() * 4 + 24)
            .sum();
        self.links.len() * CHUNK_ROWS * (2 * self.m + 1) * 4 + above + self.above.capacity() * 32
    }
}

#[cfg(test)]
impl Graph {
    /// Checks invariant 1, and that all rows are in the graph that should be.
    pub(super) fn check(&self, rows: impl Iterator<Item = u32>) {
        let mut count = 0;
        for row in rows {
            count += 1;
            assert!(self.present[row as usize / 64] >> (row % 64) & 1 == 1);
            for level in 0..=self.level(row) {
                let links = self.links(row, level);
                assert!(links.len() <= self.links_max(level));
                for to in links {
                    assert_ne!(*to, row);
                    let back = self
                        .links(*to, level)
                        .iter()
                        .filter(|back| **back == row)
                        .count();
                    assert_eq!(back, 1, "{row} to {to} on level {level}");
                }
            }
            assert!(self.level(row) <= self.level(self.entry.expect("an entry")));
        }
        assert_eq!(
            count,
            self.present
                .iter()
                .map(|bits| bits.count_ones())
                .sum::<u32>()
        );
    }
}
