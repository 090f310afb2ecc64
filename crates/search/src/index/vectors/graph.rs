//! HNSW: a graph over rows that leads a search to the nearest rows.
//!
//! After Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs" (2016). A row has a level, 0 for all but a share of
//! 1/M of the rows, and links to near rows on each level up to that level: 2M on level 0, M above.
//!
//!     level 0    chunks: of each row, count | 2M rows
//!     above      of the few rows that reach there: lists of rows, level by level
//!
//! Invariants
//!   1. Links are mutual on each level, never doubled, never to the row itself.
//!   2. The entry is a row of the highest level.
//!   3. A path leads through all rows of level 0 (`path`), so a search that finds fewer rows than
//!      it wants has met all rows.
//!
//! A removed row leaves no mark: the graph links the row's neighbours among themselves.
//!
//! Distances are measured between codes while codes are in use (`codes`), else between rows: both
//! are good enough to link near rows. Searches: `walk`.
//!
//! Cost: an insertion, a search and some M^2 distances; 4 x (2M + 3) bytes a row. With a great M or
//! EF an insertion makes fewer links, from fewer candidates, so that it ends within some
//! milliseconds.

use std::cmp::Reverse;

use ahash::RandomState;
use hashbrown::HashMap;

use super::chunks::ChunkShape;
use super::near::Near;
use super::path::Path;
use super::rows::Rows;
use russet_encodings::prefetch::prefetch;

/// The rank of the row whose distance is recorded, so that a few equal rows do not count.
const GAP_RANK: usize = 9;

/// The highest level.
const LEVEL_MAX: usize = 24;

/// The most distances that are measured to choose the links of a row, to choose the link that a
/// full list gives up, and to sort all lists that a new row is linked with or that a removed row
/// leaves. An M of up to 180 needs no more.
const CHOICE_MAX: usize = 1 << 14;
const HIDDEN_MAX: usize = 1 << 12;
const SORTED_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Graph {
    m: usize,
    ef_construction: usize,
    shape: ChunkShape,
    links: Vec<Box<[u32]>>,
    path: Path,
    /// The links of level 1, 2, ... of rows above level 0.
    above: HashMap<u32, Vec<Vec<u32>>, RandomState>,
    entry: Option<u32>,
    /// The rows that are in it, as bits.
    present: Vec<u64>,
    random: u64,
}

impl Graph {
    pub(super) fn new(m: usize, ef_construction: usize) -> Graph {
        let m = m.max(2);
        Graph {
            m,
            ef_construction: ef_construction.max(m),
            shape: ChunkShape::of((2 * m + 1) * size_of::<u32>()),
            links: Vec::new(),
            path: Path::default(),
            above: HashMap::default(),
            entry: None,
            present: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The row at which walks begin, and that row's level.
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
        let (chunk, place) = self.shape.place(row);
        (chunk, place * (2 * self.m + 1))
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

    /// A level for a new row: each further level has a chance of 1/M.
    fn draw_level(&mut self) -> usize {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let drawn = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        let share = (drawn as f64 + 1.0) / (1u64 << 53) as f64;
        ((-share.ln() / (self.m as f64).ln()) as usize).min(LEVEL_MAX)
    }

    /// Links that a new row gets on a level, at most.
    fn new_links_max(&self) -> usize {
        self.m.min((SORTED_MAX / (2 * self.m + 1)).max(2))
    }

    /// Chooses up to `most` of the candidates, which ascend: first each candidate to which no
    /// chosen row is nearer than the target is, then the nearest others.
    fn choose(&self, rows: &Rows, candidates: &[Near], most: usize) -> Vec<u32> {
        let mut chosen: Vec<u32> = Vec::with_capacity(most);
        let mut others = Vec::new();
        let mut left = CHOICE_MAX;
        for near in candidates {
            if chosen.len() == most {
                break;
            }
            left = left.saturating_sub(chosen.len());
            let is_hidden = |row: &u32| rows.between(*row, near.document) < near.distance;
            if left == 0 || chosen.iter().any(is_hidden) {
                others.push(near.document);
            } else {
                chosen.push(near.document);
            }
        }
        let room = most - chosen.len();
        chosen.extend(others.into_iter().take(room));
        chosen
    }

    /// Links two rows of a level that both have room.
    fn join(&mut self, row: u32, other: u32, level: usize) {
        for (a, b) in [(row, other), (other, row)] {
            let mut links = self.links(a, level).to_vec();
            links.push(b);
            self.set_links(a, level, &links);
        }
    }

    /// Ends the link of two rows of a level.
    fn part(&mut self, row: u32, other: u32, level: usize) {
        self.unlink(row, other, level);
        self.unlink(other, row, level);
    }

    /// Whether the link of two rows must stay.
    fn must_stay(&self, row: u32, other: u32, level: usize) -> bool {
        level == 0 && self.path.is_beside(row, other)
    }

    /// The row that a full list, ascending, gives up: the farthest row to which another is nearer
    /// than the list's own row is, else the farthest row.
    fn dropped(&self, rows: &Rows, a: u32, near: &[Near], level: usize) -> Option<u32> {
        let mut left = HIDDEN_MAX;
        let mut is_hidden = |at: usize| {
            let it = &near[at];
            let mut nearer = near[..at].iter().take(left);
            left -= left.min(at);
            nearer.any(|n| rows.between(n.document, it.document) < it.distance)
        };
        let may_go = |at: &usize| !self.must_stay(a, near[*at].document, level);
        let mut candidates = (0..near.len()).rev().filter(may_go);
        let farthest = candidates.clone().next()?;
        let dropped = candidates.find(|at| is_hidden(*at)).unwrap_or(farthest);
        Some(near[dropped].document)
    }

    /// Links two rows of a level, and a row with too many links gives up a link. A row with M / 2
    /// links or fewer keeps them all.
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
            let Some(dropped) = self.dropped(rows, a, &near, level) else {
                return;
            };
            let needs = |of: u32| self.links(of, level).len() <= self.m / 2;
            let victim = if dropped != b && !needs(dropped) {
                dropped
            } else if needs(b) {
                // The farthest that can spare it.
                let mut spare = near.iter().rev().map(|near| near.document);
                let may_go = |to: &u32| !needs(*to) && !self.must_stay(a, *to, level);
                match spare.find(|to| *to != b && may_go(to)) {
                    Some(victim) => victim,
                    None => return,
                }
            } else {
                return;
            };
            self.part(a, victim, level);
        }
        self.join(row, other, level);
    }

    /// Puts a row into the path, after another, and links it with both neighbours.
    fn put_into_path(&mut self, rows: &Rows, row: u32, after: u32) {
        let next = self.path.after(after);
        let is_full = |row: u32| self.links(row, 0).len() == self.links_max(0);
        if is_full(after) || next.is_some_and(is_full) {
            // The two that are neighbours no more have room then.
            let own = self.links(after, 0).iter().copied();
            let loose = own.filter(|to| !self.path.is_beside(after, *to));
            let far = loose.map(|to| Near::new(to, rows.between(after, to))).max();
            if let Some(victim) = next.or(far.map(|near| near.document)) {
                self.part(after, victim, 0);
            }
        }
        self.path.put(row, Some(after));
        self.join(after, row, 0);
        if let Some(next) = next {
            self.join(row, next, 0);
        }
    }

    /// Puts a row into the graph. Returns the distance of a row near to the new row.
    pub(super) fn insert(&mut self, rows: &Rows, row: u32) -> Option<f64> {
        let (stride, rows_each) = (2 * self.m + 1, self.shape.rows());
        while self.links.len() * rows_each <= row as usize {
            self.links.push(vec![0; rows_each * stride].into());
            let words = (self.links.len() * rows_each).div_ceil(64);
            self.present.resize(words, 0);
        }
        self.present[row as usize / 64] |= 1 << (row % 64);
        self.set_links(row, 0, &[]);
        let level = self.draw_level();
        if level > 0 {
            self.above.insert(row, vec![Vec::new(); level]);
        }
        let Some((_, top)) = self.entry() else {
            self.entry = Some(row);
            self.path.put(row, None);
            return None;
        };
        let around = self.around(rows, row, level);
        if let Some(after) = self.nearest_of(row, &around) {
            self.put_into_path(rows, row, after);
        }
        for (level, near) in &around {
            for other in self.choose(rows, near, self.new_links_max()) {
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

    /// The row of level 0 that is nearest to a new row, as far as is known.
    fn nearest_of(&self, row: u32, around: &[(usize, Vec<Near>)]) -> Option<u32> {
        let near = around.last().map_or(&[][..], |(_, near)| near);
        let mut near = near.iter().map(|near| near.document);
        near.find(|to| *to != row).or(self.entry)
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
                self.part(nearest, far.document, level);
                let links = self.links(far.document, level);
                if links.is_empty() {
                    // The row stays reachable by the new row.
                    self.set_links(far.document, level, &[row]);
                    self.set_links(row, level, &[far.document]);
                }
            }
        }
        self.join(row, nearest, level);
    }

    /// Takes a row out of the graph.
    pub(super) fn remove(&mut self, rows: &Rows, row: u32) {
        for level in (0..=self.level(row)).rev() {
            let around = self.links(row, level).to_vec();
            for other in &around {
                self.unlink(*other, row, level);
            }
            self.set_links(row, level, &[]);
            if level == 0
                && let Some((before, after)) = self.path.remove(row)
                && !self.links(before, 0).contains(&after)
            {
                // Both rows have room, because they have just lost a link.
                self.join(before, after, 0);
            }
            self.link_among(rows, &around, level);
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

    /// Each of some rows finds new neighbours among the others.
    fn link_among(&mut self, rows: &Rows, around: &[u32], level: usize) {
        let others = (SORTED_MAX / around.len().max(1)).max(2);
        for (at, other) in around.iter().enumerate() {
            let all = around[at + 1..].iter().chain(&around[..at]).take(others);
            let mut near: Vec<Near> = all
                .map(|to| Near::new(*to, rows.between(*other, *to)))
                .collect();
            near.sort_unstable();
            for to in near.iter().take(2) {
                self.link(rows, *other, to.document, level);
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let above: usize = self
            .above
            .values()
            .flatten()
            .map(|list| list.capacity() * 4 + 24)
            .sum();
        let links = self.links.len() * self.shape.rows() * (2 * self.m + 1) * 4;
        links + self.path.bytes() + above + self.above.capacity() * 32
    }
}

#[cfg(test)]
impl Graph {
    /// Checks invariants 1 and 3, and that all rows are in the graph that should be.
    pub(super) fn check(&self, rows: impl Iterator<Item = u32>) {
        let (mut count, mut ends) = (0, 0);
        for row in rows {
            count += 1;
            match self.path.after(row) {
                Some(after) => assert!(self.links(row, 0).contains(&after)),
                None => ends += 1,
            }
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
        assert_eq!(ends, count.min(1), "one path");
        assert_eq!(
            count,
            self.present
                .iter()
                .map(|bits| bits.count_ones())
                .sum::<u32>()
        );
    }
}
