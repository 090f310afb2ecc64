//! A search of a field's graph, step by step: the documents whose vectors are nearest to a target,
//! or within a radius of it.
//!
//!     begin -> a walk (`walk`) -> what was found is measured -> documents
//!
//! A short walk by codes is a single step; all other walks run until their time is over, and
//! continue later over the graph as it is then. Rows that were found are measured by themselves,
//! with the documents that they belong to then.
//!
//! If documents have several vectors, a walk may find too few documents: the search begins anew for
//! twice as many rows. If the graph has no more, the search says so ([`SearchOutcome::TooFew`]):
//! vectors that are near to nothing are not in it, and the caller compares all.
//!
//! Cost: the walk, and a distance for each row that was found.

use ahash::RandomState;
use hashbrown::HashMap;

use super::Vectors;
use super::near::Near;
use super::walk::{ByCodes, ByRows, Heaps, Ring};
use super::{NONE, graph::Graph};
use russet_encodings::hnsw::POOL_MAX;

/// Rows that a walk by codes finds beyond the wanted number, because the best of all are then taken
/// by their distances: so many and a share of `ef`.
const SPARE: usize = 4;
const SPARE_SHARE: usize = 16;

/// The most elements of rows that a walk in a single step finds: it measures some twenty times as
/// many.
const AT_ONCE_ELEMENTS: usize = 1 << 18;

/// Bytes of a row that are compared in a unit of work.
const BYTES_OF_UNIT: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct GraphSearch {
    goal: Goal,
    stage: Stage,
    /// Rows that the walk may find: more than documents if these have several.
    rows_max: usize,
    /// Documents with their distances; of each the least.
    pub(super) found: Vec<Near>,
    /// The places of documents in `found`, if documents may have several rows.
    places: Option<HashMap<u32, usize, RandomState>>,
}

/// The documents that are searched for.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// This many documents.
    Nearest(usize),
    Within {
        radius: f64,
        epsilon: f64,
    },
}

#[derive(Debug)]
enum Stage {
    Begin,
    Heaps(Heaps),
    Ring(Ring),
    /// Rows that were found are measured; `bool`: the graph has no more.
    Measure(Vec<Near>, bool),
    /// Rows that are not in the graph, from this row on.
    Loose(u32),
}

/// The outcome of a step.
#[derive(Debug)]
pub(crate) enum SearchOutcome {
    /// The step's time is over.
    More,
    /// Each document once, in no order.
    Found(Vec<Near>),
    /// The graph has fewer documents than are asked for.
    TooFew,
}

/// Whether a document counts.
type Passes<'p> = Option<&'p dyn Fn(u32) -> bool>;

impl GraphSearch {
    /// For the nearest documents, `ef` of them or some more.
    pub(crate) fn nearest(ef: usize) -> GraphSearch {
        GraphSearch::of(Goal::Nearest(ef), ef)
    }

    /// For the documents within a radius.
    pub(crate) fn within(radius: f64, epsilon: f64) -> GraphSearch {
        GraphSearch::of(Goal::Within { radius, epsilon }, usize::MAX)
    }

    fn of(goal: Goal, rows_max: usize) -> GraphSearch {
        GraphSearch {
            goal,
            stage: Stage::Begin,
            rows_max,
            found: Vec::new(),
            places: None,
        }
    }

    /// Continues until `spend`, which learns of each few units of work, ends the step. Targets come
    /// from [`Vectors::target`].
    pub(crate) fn step(
        &mut self,
        vectors: &Vectors,
        target: &[u8],
        passes: Passes<'_>,
        spend: &mut dyn FnMut(usize) -> bool,
    ) -> SearchOutcome {
        let Some(graph) = &vectors.graph else {
            return SearchOutcome::TooFew;
        };
        if vectors.rows.is_loose_target(target) {
            // No row is near to the target.
            return match self.goal {
                Goal::Nearest(_) => SearchOutcome::TooFew,
                Goal::Within { .. } => SearchOutcome::Found(Vec::new()),
            };
        }
        loop {
            let next = match &mut self.stage {
                Stage::Begin => Some(self.begin(vectors, graph, target, passes)),
                Stage::Heaps(_) | Stage::Ring(_) => {
                    self.walk(vectors, graph, target, passes, spend)
                }
                Stage::Measure(..) => match self.measure(vectors, target, passes, spend) {
                    None => None,
                    Some(is_all) => match self.goal {
                        Goal::Within { .. } => Some(Stage::Loose(0)),
                        Goal::Nearest(ef) if self.found.len() >= ef => {
                            return SearchOutcome::Found(std::mem::take(&mut self.found));
                        }
                        Goal::Nearest(_) if is_all => return SearchOutcome::TooFew,
                        Goal::Nearest(_) => {
                            self.rows_max = self.rows_max.saturating_mul(2);
                            self.found.clear();
                            Some(Stage::Begin)
                        }
                    },
                },
                Stage::Loose(from) => {
                    let Goal::Within { radius, .. } = self.goal else {
                        return SearchOutcome::Found(std::mem::take(&mut self.found));
                    };
                    let rest = vectors.loose.range(*from..).copied();
                    let units = units(vectors);
                    let mut left = None;
                    for row in rest {
                        if spend(units) {
                            left = Some(row);
                            break;
                        }
                        let near = vectors.measured(row, target);
                        if near.distance <= radius {
                            put(&mut self.found, &mut self.places, near);
                        }
                    }
                    match left {
                        None => return SearchOutcome::Found(std::mem::take(&mut self.found)),
                        Some(row) => {
                            *from = row;
                            None
                        }
                    }
                }
            };
            match next {
                Some(next) => self.stage = next,
                None => return SearchOutcome::More,
            }
        }
    }

    fn begin(&self, vectors: &Vectors, graph: &Graph, target: &[u8], passes: Passes<'_>) -> Stage {
        let rows = &vectors.rows;
        let by_rows = ByRows {
            rows,
            metric: rows.metric(),
            target,
        };
        if let Goal::Within { radius, epsilon } = self.goal {
            return match graph.start(&by_rows, 0) {
                None => Stage::Measure(Vec::new(), true),
                Some(start) => {
                    let distance = rows.distance(target, rows.get(start.document));
                    let start = Near::new(start.document, distance);
                    Stage::Ring(Ring::new(rows, start, radius, epsilon))
                }
            };
        }
        let ef = self.rows_max;
        let of_row = |row: u32| passes.is_none_or(|passes| passes(vectors.documents[row as usize]));
        let code = rows
            .codes()
            .and_then(|codes| Some((codes, codes.of_target(target)?)));
        let (start, ef) = match &code {
            Some((codes, code)) => {
                let by = ByCodes {
                    graph,
                    codes,
                    target: codes.target(code),
                };
                let spare = SPARE + ef / SPARE_SHARE;
                let wanted = ef.saturating_add(spare);
                let elements = wanted.saturating_mul(rows.dimensions());
                if passes.is_none() && wanted <= POOL_MAX && elements <= AT_ONCE_ELEMENTS {
                    let walk = by.walk(rows, 0, (ef, spare), &mut usize::MAX.clone());
                    let found = walk.iter().flat_map(|walk| walk.found());
                    let found: Vec<Near> = found.map(|near| Near::new(near.id(), 0.0)).collect();
                    let is_all = found.len() < ef;
                    return Stage::Measure(found, is_all);
                }
                (graph.start(&by, 0), wanted)
            }
            None => (graph.start(&by_rows, 0), ef),
        };
        match start {
            None => Stage::Measure(Vec::new(), true),
            Some(start) => Stage::Heaps(Heaps::new(rows, start, ef, of_row(start.document))),
        }
    }

    /// Continues the walk; `None`: the time is over.
    fn walk(
        &mut self,
        vectors: &Vectors,
        graph: &Graph,
        target: &[u8],
        passes: Passes<'_>,
        spend: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Stage> {
        let rows = &vectors.rows;
        let units = units(vectors);
        let spend = |measured: usize| spend(measured * units);
        let of_row = |row: u32| passes.is_none_or(|passes| passes(vectors.documents[row as usize]));
        let is_over = match &mut self.stage {
            Stage::Ring(ring) => {
                ring.advance(graph, |row| rows.distance(target, rows.get(row)), spend)
            }
            Stage::Heaps(heaps) => {
                let code = rows
                    .codes()
                    .and_then(|codes| Some((codes, codes.of_target(target)?)));
                match &code {
                    Some((codes, code)) => {
                        let by = ByCodes {
                            graph,
                            codes,
                            target: codes.target(code),
                        };
                        heaps.advance((graph, 0), &by, of_row, spend)
                    }
                    None => {
                        let by = ByRows {
                            rows,
                            metric: rows.metric(),
                            target,
                        };
                        heaps.advance((graph, 0), &by, of_row, spend)
                    }
                }
            }
            _ => true,
        };
        if !is_over {
            return None;
        }
        let found = match std::mem::replace(&mut self.stage, Stage::Begin) {
            Stage::Heaps(heaps) => heaps.into_found(),
            Stage::Ring(ring) => ring.into_found(),
            _ => Vec::new(),
        };
        let is_all = found.len() < self.rows_max;
        Some(Stage::Measure(found, is_all))
    }

    /// Measures rows that were found, and adds their documents. Returns whether the graph has no
    /// more; `None`: the time is over.
    fn measure(
        &mut self,
        vectors: &Vectors,
        target: &[u8],
        passes: Passes<'_>,
        spend: &mut dyn FnMut(usize) -> bool,
    ) -> Option<bool> {
        let Stage::Measure(rows, is_all) = &mut self.stage else {
            return Some(true);
        };
        if self.found.is_empty() {
            self.found.reserve(rows.len());
            let places = || HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
            self.places = vectors.takes_several().then(places);
        }
        let radius = match self.goal {
            Goal::Within { radius, .. } => radius,
            Goal::Nearest(_) => f64::INFINITY,
        };
        let units = units(vectors);
        while let Some(row) = rows.pop() {
            let row = row.document;
            if let Some(ahead) = rows.len().checked_sub(AHEAD) {
                vectors.rows.prefetch(rows[ahead].document);
            }
            let document = vectors.documents[row as usize];
            // The document may be gone, or the row may belong to another document by now.
            if document != NONE && passes.is_none_or(|passes| passes(document)) {
                let near = vectors.measured(row, target);
                if near.distance <= radius || radius == f64::INFINITY {
                    put(&mut self.found, &mut self.places, near);
                }
            }
            if spend(units) {
                return None;
            }
        }
        Some(*is_all)
    }
}

/// A row is prefetched so many rows before it is measured.
const AHEAD: usize = 4;

/// Units of work of a distance.
fn units(vectors: &Vectors) -> usize {
    1 + vectors.row_bytes() / BYTES_OF_UNIT
}

/// Adds a document with a distance, or lowers the distance of a known document.
fn put(found: &mut Vec<Near>, places: &mut Option<HashMap<u32, usize, RandomState>>, near: Near) {
    if let Some(places) = places {
        let at = *places.entry(near.document).or_insert(found.len());
        if let Some(known) = found.get_mut(at) {
            *known = (*known).min(near);
            return;
        }
    }
    found.push(near);
}
