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
//! Cost: a search, O(ef x M) distances in practice; an insertion, a search and some M^2 distances;
//! 4 x (2M + 1) bytes a row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ahash::RandomState;
use hashbrown::HashMap;

use super::near::Near;
use super::rows::Rows;
use russet_encodings::prefetch::prefetch;

/// Rows of a chunk of links.
const CHUNK_ROWS: usize = 256;

/// So many rows before one is measured, it is prefetched.
const AHEAD: usize = 5;

/// Room is made for so many of the nearest rows at first.
const ROOM: usize = 256;

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

/// Rows that a search has seen, as bits.
struct Seen(Vec<u64>);

impl Seen {
    fn new(rows: &Rows) -> Seen {
        Seen(vec![0; (rows.end() as usize).div_ceil(64)])
    }

    /// Marks a row; false: it was marked.
    fn mark(&mut self, row: u32) -> bool {
        let (word, bit) = (&mut self.0[row as usize / 64], 1 << (row % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
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

    fn links(&self, row: u32, level: usize) -> &[u32] {
        if level > 0 {
            return self.above.get(&row).map_or(&[], |lists| &lists[level - 1]);
        }
        let (chunk, at) = self.place(row);
        let count = self.links[chunk][at] as usize;
        &self.links[chunk][at + 1..at + 1 + count]
    }

    /// Brings the links of a row that is probably walked from next into the processor's caches.
    #[inline]
    fn prefetch_links(&self, row: u32) {
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

    /// The row of a level that greedy steps from one lead to.
    fn descend(&self, measure: &impl Fn(u32) -> f64, mut at: Near, from: usize, to: usize) -> Near {
        for level in (to + 1..=from).rev() {
            loop {
                let links = self.links(at.document, level).iter();
                let near = links.map(|row| Near::new(*row, measure(*row)));
                match near.min() {
                    Some(nearest) if nearest < at => at = nearest,
                    _ => break,
                }
            }
        }
        at
    }

    /// The entry, with its distance.
    fn start(&self, measure: &impl Fn(u32) -> f64) -> Option<(Near, usize)> {
        let entry = self.entry?;
        let near = Near::new(entry, measure(entry));
        Some((near, self.level(entry)))
    }

    /// The nearest rows of a level, at most `ef`, ascending; those that do not pass are walked
    /// over.
    fn search_level(
        &self,
        rows: &Rows,
        measure: &impl Fn(u32) -> f64,
        start: Near,
        ef: usize,
        level: usize,
        passes: &impl Fn(u32) -> bool,
    ) -> Vec<Near> {
        let mut seen = Seen::new(rows);
        seen.mark(start.document);
        let mut open = BinaryHeap::with_capacity(ef.min(ROOM) * 4);
        open.push(Reverse(start));
        let mut found = BinaryHeap::with_capacity(ef.min(ROOM) + 1);
        let mut fresh = Vec::with_capacity(self.links_max(level));
        if passes(start.document) {
            found.push(start);
        }
        while let Some(Reverse(at)) = open.pop() {
            if found.len() >= ef && found.peek().is_some_and(|worst| at > *worst) {
                break;
            }
            fresh.clear();
            let links = self.links(at.document, level).iter().copied();
            fresh.extend(links.filter(|row| seen.mark(*row)));
            fresh.iter().take(AHEAD).for_each(|row| rows.prefetch(*row));
            for (n, row) in fresh.iter().copied().enumerate() {
                if let Some(later) = fresh.get(n + AHEAD) {
                    rows.prefetch(*later);
                }
                let near = Near::new(row, measure(row));
                if found.len() >= ef && found.peek().is_some_and(|worst| near >= *worst) {
                    continue;
                }
                if open.peek().is_none_or(|Reverse(next)| near < *next) {
                    self.prefetch_links(row);
                }
                open.push(Reverse(near));
                if passes(row) {
                    found.push(near);
                    if found.len() > ef {
                        found.pop();
                    }
                }
            }
        }
        found.into_sorted_vec()
    }

    /// The nearest rows that pass, at most `ef`, ascending.
    pub(super) fn search(
        &self,
        rows: &Rows,
        target: &[u8],
        ef: usize,
        passes: &impl Fn(u32) -> bool,
    ) -> Vec<Near> {
        let measure = &|row| rows.rough_distance(target, rows.get(row));
        let Some((start, level)) = self.start(measure) else {
            return Vec::new();
        };
        let start = self.descend(measure, start, level, 0);
        let mut found = self.search_level(rows, measure, start, ef, 0, passes);
        for near in &mut found {
            near.distance = rows.distance(target, rows.get(near.document));
        }
        found.sort_unstable();
        found
    }

    /// The rows within a radius. The walk goes on as long as rows are within `radius` and a share
    /// of it, `epsilon`, more.
    pub(super) fn within(
        &self,
        rows: &Rows,
        target: &[u8],
        radius: f64,
        epsilon: f64,
    ) -> Vec<Near> {
        let measure = &|row| rows.distance(target, rows.get(row));
        let Some((start, level)) = self.start(measure) else {
            return Vec::new();
        };
        let start = self.descend(measure, start, level, 0);
        let mut seen = Seen::new(rows);
        seen.mark(start.document);
        let mut open = BinaryHeap::from([Reverse(start)]);
        let mut found = Vec::new();
        // It shrinks to the radius as the walk comes nearer.
        let mut reach = start.distance.max(radius);
        while let Some(Reverse(at)) = open.pop() {
            let far = reach * (1.0 + epsilon);
            if at.distance > far {
                break;
            }
            reach = reach.min(at.distance.max(radius));
            if at.distance <= radius {
                found.push(at);
            }
            for row in self.links(at.document, 0) {
                if seen.mark(*row) {
                    let near = Near::new(*row, measure(*row));
                    if near.distance <= far {
                        open.push(Reverse(near));
                    }
                }
            }
        }
        found
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

    /// Puts a row into the graph.
    pub(super) fn insert(&mut self, rows: &Rows, row: u32) {
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
        let measure = &|other| rows.between(row, other);
        let Some((start, top)) = self.start(measure) else {
            self.entry = Some(row);
            return;
        };
        let mut start = self.descend(measure, start, top, level);
        for level in (0..=level.min(top)).rev() {
            let ef = self.ef_construction;
            let near = self.search_level(rows, measure, start, ef, level, &|_| true);
            start = near.first().copied().unwrap_or(start);
            for other in self.choose(rows, &near, self.m) {
                self.link(rows, row, other, level);
            }
            if self.links(row, level).is_empty() {
                self.force_link(rows, row, &near, level);
            }
        }
        if level > top {
            self.entry = Some(row);
        }
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
