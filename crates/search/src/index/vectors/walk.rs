//! Searches of a graph: the nearest rows, the rows within a radius, and where a new row belongs.
//!
//! Rows are compared by codes if codes are in use (`codes`), else by themselves. The first search
//! is the walk that vector sets have, over a single sorted array ([`Walk`]). A condition, or many
//! results, need two heaps: rows to continue from, and rows found ([`Heaps`], [`Ring`]). The heaps
//! work step by step, over a graph that may change in between: a row that is gone leads nowhere,
//! and the end of the search measures found rows again, because a number may be another row's by
//! then (`search`).
//!
//! | compared by | what is searched for |
//! |---|---|
//! | codes, one array | the nearest, at most [`POOL_MAX`]; where a new row belongs |
//! | codes, heaps | the nearest of the rows that pass, or of more |
//! | rows, heaps | the same without codes; the rows within a radius |
//!
//! Elsewhere: `search` has the steps of a search, and measures what was found.
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

/// A row is prefetched so many rows before it is measured.
const AHEAD: usize = 5;

/// Room is made for so many of the nearest rows at first.
const ROOM: usize = 256;

/// The most elements that are compared, but at least so many rows, when a new row looks for
/// neighbours: some milliseconds, which only a great EF_CONSTRUCTION or M would exceed.
const NEW_ELEMENTS_MAX: usize = 1 << 26;
const NEW_ROWS_MIN: usize = 1 << 11;

/// Rows that a search has seen, as bits.
#[derive(Debug)]
struct VisitedRows(Vec<u64>);

impl VisitedRows {
    fn new(rows: &Rows) -> VisitedRows {
        VisitedRows(vec![0; (rows.end() as usize).div_ceil(64)])
    }

    /// Marks a row; false: it was marked.
    #[inline]
    fn mark(&mut self, row: u32) -> bool {
        let (word, bit) = (row as usize / 64, 1 << (row % 64));
        if word >= self.0.len() {
            // The row has come since the search began.
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

/// Rows compared with a target.
pub(super) trait Measure {
    fn measure(&self, row: u32) -> f64;
    fn fetch(&self, row: u32);
}

/// Compares rows by themselves.
pub(super) struct ByRows<'r> {
    pub(super) rows: &'r Rows,
    pub(super) metric: Metric,
    pub(super) target: &'r [u8],
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

/// Compares rows by their codes, along the links of a graph.
pub(super) struct ByCodes<'r> {
    pub(super) graph: &'r Graph,
    pub(super) codes: &'r Codes,
    pub(super) target: Target<'r>,
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
    pub(super) fn walk(
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
    /// The row of a level that greedy steps from `at` lead to.
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
    pub(super) fn start(&self, by: &impl Measure, to: usize) -> Option<Near> {
        let (entry, top) = self.entry()?;
        let near = Near::new(entry, by.measure(entry));
        Some(self.descend(by, near, top, to))
    }

    /// The nearest rows of a level, at most `ef`, ascending, as far as `budget` distances reach.
    fn search_level(
        &self,
        rows: &Rows,
        by: &impl Measure,
        start: Near,
        (ef, level): (usize, usize),
        budget: &mut usize,
    ) -> Vec<Near> {
        let mut heaps = Heaps::new(rows, start, ef, true);
        heaps.advance(
            (self, level),
            by,
            |_| true,
            |measured| {
                *budget = budget.saturating_sub(measured);
                *budget == 0
            },
        );
        heaps.found.into_sorted_vec()
    }

    /// The rows near to a new row on a level and the levels below, highest level first, ascending.
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
            let near = self.search_level(rows, by, start, (ef, level), budget);
            start = near.first().copied().unwrap_or(start);
            around.push((level, near));
        }
        around
    }
}

/// A walk of a level for the nearest rows, at most `ef`, as far as it is: rows to continue from,
/// and rows found, the farthest on top. Rows that do not pass are walked over.
#[derive(Debug)]
pub(super) struct Heaps {
    ef: usize,
    seen: VisitedRows,
    open: BinaryHeap<Reverse<Near>>,
    found: BinaryHeap<Near>,
}

impl Heaps {
    /// A walk from a row, which passes or not.
    pub(super) fn new(rows: &Rows, start: Near, ef: usize, passes: bool) -> Heaps {
        let mut seen = VisitedRows::new(rows);
        seen.mark(start.document);
        let mut open = BinaryHeap::with_capacity(ef.min(ROOM) * 4);
        open.push(Reverse(start));
        let mut found = BinaryHeap::with_capacity(ef.min(ROOM) + 1);
        if passes {
            found.push(start);
        }
        Heaps {
            ef,
            seen,
            open,
            found,
        }
    }

    /// Continues until all is found. `false`: `spend`, which learns how many rows each step has
    /// measured, has ended the walk before.
    pub(super) fn advance(
        &mut self,
        (graph, level): (&Graph, usize),
        by: &impl Measure,
        passes: impl Fn(u32) -> bool,
        mut spend: impl FnMut(usize) -> bool,
    ) -> bool {
        let Heaps {
            ef,
            seen,
            open,
            found,
        } = self;
        let ef = *ef;
        let mut fresh = Vec::new();
        while let Some(Reverse(at)) = open.pop() {
            if found.len() >= ef && found.peek().is_some_and(|worst| at > *worst) {
                break;
            }
            fresh.clear();
            let links = graph.links(at.document, level).iter().copied();
            fresh.extend(links.filter(|row| seen.mark(*row)));
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
                    graph.prefetch_links(row);
                }
                open.push(Reverse(near));
                if passes(row) {
                    found.push(near);
                    if found.len() > ef {
                        found.pop();
                    }
                }
            }
            if spend(1 + fresh.len()) {
                return false;
            }
        }
        true
    }

    /// The rows that were found, in no order.
    pub(super) fn into_found(self) -> Vec<Near> {
        self.found.into_vec()
    }
}

/// A walk of the lowest level for the rows within a radius, as far as it is. It continues as long
/// as rows are within the radius and a share of it, `epsilon`, more.
#[derive(Debug)]
pub(super) struct Ring {
    radius: f64,
    epsilon: f64,
    /// The reach shrinks to the radius as the walk comes nearer.
    reach: f64,
    seen: VisitedRows,
    open: BinaryHeap<Reverse<Near>>,
    found: Vec<Near>,
}

impl Ring {
    pub(super) fn new(rows: &Rows, start: Near, radius: f64, epsilon: f64) -> Ring {
        let mut seen = VisitedRows::new(rows);
        seen.mark(start.document);
        Ring {
            radius,
            epsilon,
            reach: start.distance.max(radius),
            seen,
            open: BinaryHeap::from([Reverse(start)]),
            found: Vec::new(),
        }
    }

    /// See [`Heaps::advance`]; `measure`: the distance of a row.
    pub(super) fn advance(
        &mut self,
        graph: &Graph,
        measure: impl Fn(u32) -> f64,
        mut spend: impl FnMut(usize) -> bool,
    ) -> bool {
        while let Some(Reverse(at)) = self.open.pop() {
            let far = self.reach * (1.0 + self.epsilon);
            if at.distance > far {
                break;
            }
            self.reach = self.reach.min(at.distance.max(self.radius));
            if at.distance <= self.radius {
                self.found.push(at);
            }
            let mut measured = 1;
            for row in graph.links(at.document, 0) {
                if self.seen.mark(*row) {
                    measured += 1;
                    let near = Near::new(*row, measure(*row));
                    if near.distance <= far {
                        self.open.push(Reverse(near));
                    }
                }
            }
            if spend(measured) {
                return false;
            }
        }
        true
    }

    /// The rows that were found, in no order.
    pub(super) fn into_found(self) -> Vec<Near> {
        self.found
    }
}
