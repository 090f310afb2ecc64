//! Searches of a graph: the nearest rows, those within a radius, and where a new row belongs.
//!
//! Rows are compared by their codes where there are any in use (`codes`), else by themselves. The
//! first is the walk that vector sets have, over one sorted array ([`Walk`]). A condition, or many
//! results, need two heaps: rows to go on from, and rows found.
//!
//! | compared by | what is searched for |
//! |---|---|
//! | codes, one array | the nearest, at most [`POOL_MAX`]; where a new row belongs |
//! | codes, heaps | the nearest of those that pass, or of more |
//! | rows, heaps | the same without codes; those within a radius |
//!
//! Distances that a search returns are those of rows, measured again, and so is their order.
//!
//! Cost: O(ef x M) distances in practice. Memory: a bit a row, and `ef` rows with distances.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::codes::{Codes, Target};
use super::graph::Graph;
use super::near::Near;
use super::rows::Rows;
use crate::schema::Metric;
use russet_encodings::hnsw::{self, BATCH, Nodes, POOL_MAX, UPPER_EF, Walk};

/// So many rows before one is measured, it is prefetched.
const AHEAD: usize = 5;

/// Room is made for so many of the nearest rows at first.
const ROOM: usize = 256;

/// Rows found by codes beyond those asked for, from which the best by their distances are taken:
/// so many and a share of `ef`.
const SPARE: usize = 4;
const SPARE_SHARE: usize = 16;

/// Elements that are compared, and rows at least, where a new row looks for its neighbours: some
/// milliseconds, which only a great EF_CONSTRUCTION or M would exceed.
const NEW_ELEMENTS_MAX: usize = 1 << 26;
const NEW_ROWS_MIN: usize = 1 << 11;

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

/// Rows compared with a target.
trait Measure {
    fn measure(&self, row: u32) -> f64;
    fn fetch(&self, row: u32);
}

/// By themselves.
struct ByRows<'r> {
    rows: &'r Rows,
    metric: Metric,
    target: &'r [u8],
}

impl Measure for ByRows<'_> {
    #[inline]
    fn measure(&self, row: u32) -> f64 {
        self.rows
            .rough(self.metric, self.target, self.rows.get(row))
    }

    #[inline]
    fn fetch(&self, row: u32) {
        self.rows.prefetch(row);
    }
}

/// By their codes, along the links of a graph.
struct ByCodes<'r> {
    graph: &'r Graph,
    codes: &'r Codes,
    target: Target<'r>,
}

impl Measure for ByCodes<'_> {
    #[inline]
    fn measure(&self, row: u32) -> f64 {
        f64::from(self.codes.distance(self.target, row))
    }

    #[inline]
    fn fetch(&self, row: u32) {
        self.prefetch(row);
    }
}

impl Nodes for ByCodes<'_> {
    #[inline]
    fn links(&self, id: u32, level: usize) -> &[u32] {
        self.graph.links(id, level)
    }

    #[inline]
    fn prefetch_links(&self, id: u32, level: usize) {
        if level == 0 {
            self.graph.prefetch_links(id);
        }
    }

    #[inline]
    fn record(&self, id: u32) -> &[u8] {
        self.codes.get(id)
    }

    #[inline]
    fn record_bytes(&self) -> usize {
        self.codes.stride()
    }

    #[inline]
    fn distance(&self, id: u32) -> f32 {
        self.codes.distance(self.target, id)
    }

    #[inline]
    fn distances<'d>(&self, ids: &[u32], distances: &'d mut [f32; BATCH]) -> &'d [f32] {
        self.codes.distances(self.target, ids, distances)
    }

    #[inline]
    fn prefetch(&self, id: u32) {
        self.codes.prefetch(id);
    }
}

impl ByCodes<'_> {
    /// Walks down to a level, and there over the nearest `reach`, until `budget` distances are used
    /// up; finds as many and `spare`.
    fn walk(
        &self,
        rows: &Rows,
        to: usize,
        (reach, spare): (usize, usize),
        budget: &mut usize,
    ) -> Option<Walk> {
        let (entry, top) = self.graph.entry()?;
        let mut walk = Walk::get();
        let start = hnsw::Near::new(self.codes.distance(self.target, entry), entry);
        let limit = |level| {
            if level == to { reach + spare } else { UPPER_EF }
        };
        walk.start(start, limit(top.max(to)), rows.end());
        for level in (to + 1..=top).rev() {
            walk.run(self, level, usize::MAX, usize::MAX, budget);
            walk.descend(limit(level - 1), rows.end());
        }
        walk.run(self, to, reach, usize::MAX, budget);
        Some(walk)
    }
}

impl Graph {
    /// The row of a level that greedy steps from one lead to.
    fn descend(&self, by: &impl Measure, mut at: Near, from: usize, to: usize) -> Near {
        for level in (to + 1..=from).rev() {
            loop {
                let links = self.links(at.document, level);
                links.iter().for_each(|row| by.fetch(*row));
                let near = links.iter().map(|row| Near::new(*row, by.measure(*row)));
                match near.min() {
                    Some(nearest) if nearest < at => at = nearest,
                    _ => break,
                }
            }
        }
        at
    }

    /// Where a walk of a level begins.
    fn start(&self, by: &impl Measure, to: usize) -> Option<Near> {
        let (entry, top) = self.entry()?;
        let near = Near::new(entry, by.measure(entry));
        Some(self.descend(by, near, top, to))
    }

    /// The nearest rows of a level, at most `ef`, ascending, as far as `budget` distances reach;
    /// those that do not pass are walked over.
    fn search_level(
        &self,
        rows: &Rows,
        by: &impl Measure,
        start: Near,
        (ef, level): (usize, usize),
        passes: Option<&dyn Fn(u32) -> bool>,
        budget: &mut usize,
    ) -> Vec<Near> {
        let passes = |row| passes.is_none_or(|passes| passes(row));
        let mut seen = Seen::new(rows);
        seen.mark(start.document);
        let mut open = BinaryHeap::with_capacity(ef.min(ROOM) * 4);
        open.push(Reverse(start));
        let mut found = BinaryHeap::with_capacity(ef.min(ROOM) + 1);
        let mut fresh = Vec::new();
        if passes(start.document) {
            found.push(start);
        }
        while let Some(Reverse(at)) = open.pop() {
            if *budget == 0 || found.len() >= ef && found.peek().is_some_and(|worst| at > *worst) {
                break;
            }
            fresh.clear();
            let links = self.links(at.document, level).iter().copied();
            fresh.extend(links.filter(|row| seen.mark(*row)));
            *budget = budget.saturating_sub(fresh.len());
            fresh.iter().take(AHEAD).for_each(|row| by.fetch(*row));
            for (n, row) in fresh.iter().copied().enumerate() {
                if let Some(later) = fresh.get(n + AHEAD) {
                    by.fetch(*later);
                }
                let near = Near::new(row, by.measure(row));
                if found.len() >= ef && found.peek().is_some_and(|worst| near >= *worst) {
                    continue;
                }
                if level == 0 && open.peek().is_none_or(|Reverse(next)| near < *next) {
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

    /// The nearest rows, of those that pass if there is a condition: at most `ef`, ascending.
    pub(super) fn search(
        &self,
        rows: &Rows,
        target: &[u8],
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let code = rows
            .codes()
            .and_then(|codes| Some((codes, codes.of_target(target)?)));
        let mut found = match &code {
            Some((codes, code)) => {
                let target = codes.target(code);
                let by = &ByCodes {
                    graph: self,
                    codes,
                    target,
                };
                let spare = SPARE + ef / SPARE_SHARE;
                if passes.is_none() && ef.saturating_add(spare) <= POOL_MAX {
                    let walk = by.walk(rows, 0, (ef, spare), &mut usize::MAX.clone());
                    let found = walk.iter().flat_map(|walk| walk.found());
                    found.map(|near| Near::new(near.id(), 0.0)).collect()
                } else {
                    self.by_heaps(rows, by, ef.saturating_add(spare), passes)
                }
            }
            None => {
                let by = &ByRows {
                    rows,
                    metric: rows.metric(),
                    target,
                };
                self.by_heaps(rows, by, ef, passes)
            }
        };
        found
            .iter()
            .take(AHEAD)
            .for_each(|near| rows.prefetch(near.document));
        for at in 0..found.len() {
            if let Some(later) = found.get(at + AHEAD) {
                rows.prefetch(later.document);
            }
            found[at].distance = rows.distance(target, rows.get(found[at].document));
        }
        found.sort_unstable();
        found.truncate(ef);
        found
    }

    fn by_heaps(
        &self,
        rows: &Rows,
        by: &impl Measure,
        ef: usize,
        passes: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<Near> {
        let Some(start) = self.start(by, 0) else {
            return Vec::new();
        };
        self.search_level(rows, by, start, (ef, 0), passes, &mut usize::MAX.clone())
    }

    /// The rows near to a new one on a level and those below it, highest level first, ascending.
    pub(super) fn around(&self, rows: &Rows, row: u32, level: usize) -> Vec<(usize, Vec<Near>)> {
        let Some((_, top)) = self.entry() else {
            return Vec::new();
        };
        let (highest, ef) = (level.min(top), self.ef_construction());
        let budget = &mut (NEW_ELEMENTS_MAX / rows.dimensions()).max(NEW_ROWS_MIN);
        let mut around = Vec::with_capacity(highest + 1);
        if let Some(codes) = rows.codes().filter(|_| ef <= POOL_MAX) {
            let by = &ByCodes {
                graph: self,
                codes,
                target: codes.linked(row),
            };
            let Some(mut walk) = by.walk(rows, highest, (ef, 0), budget) else {
                return around;
            };
            for level in (0..=highest).rev() {
                if level < highest {
                    walk.descend(ef, rows.end());
                    walk.run(by, level, usize::MAX, usize::MAX, budget);
                }
                let found = walk.found().iter();
                let near = found.map(|near| Near::new(near.id(), f64::from(near.distance())));
                around.push((level, near.collect()));
            }
            return around;
        }
        let by = &ByRows {
            rows,
            metric: rows.linking(),
            target: rows.get(row),
        };
        let Some(mut start) = self.start(by, highest) else {
            return around;
        };
        for level in (0..=highest).rev() {
            let near = self.search_level(rows, by, start, (ef, level), None, budget);
            start = near.first().copied().unwrap_or(start);
            around.push((level, near));
        }
        around
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
        let by = &ByRows {
            rows,
            metric: rows.metric(),
            target,
        };
        let Some(start) = self.start(by, 0) else {
            return Vec::new();
        };
        let start = Near::new(start.document, measure(start.document));
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
}
