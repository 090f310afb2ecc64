//! The documents of vectors near to a vector: the nearest K, with or without a condition, or all
//! within a distance.
//!
//! A condition is walked first, among the documents of INKEYS if keys are named. If few documents
//! meet it, or a large share of all vectors is wanted, each document is compared; else the graph is
//! searched for vectors whose documents meet it. Documents with expired keys are never among the
//! nearest.
//!
//! Source: KNN and VECTOR_RANGE of Redis Stack 7.4, and their errors.

use std::sync::Arc;

use super::super::windows::{Course, Windows};
use super::found::PartMatches;
use super::options::Options;
use super::{Clock, DocumentDistances, DocumentSet, Job, PreparedPart};
use crate::index::{GraphSearch, Index, Near, Nearest, Part, SearchOutcome, Vectors};
use crate::query::{Kind, Node, QueryError, Reach, VectorQuery};
use crate::search::Search;

/// Documents that a condition leaves and that are all compared, at most.
const COMPARED_MAX: usize = 2048;
/// Elements of vectors that are compared in a unit of work.
const ELEMENTS: usize = 64;
/// Documents that change during the search of vectors, and are measured again at the end: further
/// documents count as they were.
const CHANGED_MAX: usize = 4096;
/// If one vector in so many is wanted, it is quicker to compare all vectors than to walk a graph.
const SHARE: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct NearestJob {
    field: usize,
    target: Vec<u8>,
    reach: Reach,
    options: Options,
    stage: Stage,
    /// Documents that meet the condition.
    passing: Option<DocumentSet>,
    measured: DocumentDistances,
    /// Documents that have changed since it began, ascending.
    changed: Vec<u32>,
}

#[derive(Debug)]
enum Stage {
    /// The condition is walked.
    Condition(Course),
    /// Documents are compared, from this number on.
    Compare(u32, Nearest),
    Graph(GraphSearch),
    /// Chooses the nearest of the documents that the graph has given.
    Choose(Vec<Near>, Nearest),
    /// The documents that were found are put in order.
    Collect(Vec<Near>),
}

fn vectors_of(index: &Index, field: usize) -> Option<&Vectors> {
    match index.part_at(field) {
        Part::Vectors(vectors) => Some(vectors),
        _ => None,
    }
}

impl NearestJob {
    pub(super) fn begin(
        index: &Index,
        search: &Search,
        node: &Node,
        query: &VectorQuery,
    ) -> Result<PreparedPart, QueryError> {
        let Some((field, Part::Vectors(vectors))) = index.part(&query.field) else {
            return Ok(PreparedPart::Found(PartMatches::Nothing));
        };
        if let Some(name) = &node.distance_field
            && index.schema().field(name).is_some()
        {
            let text: [&[u8]; 3] = [b"Property `", name, b"` already exists in schema"];
            return Err(QueryError(text.concat()));
        }
        let options = Options::of(index, field, vectors, query)?;
        let end = index.documents().end();
        let stage = match query.reach {
            Reach::Nearest(0) => Stage::Collect(Vec::new()),
            Reach::Nearest(_) if query.filter.is_some() || search.in_keys.is_some() => {
                Stage::Condition(Course::default())
            }
            reach => Stage::of_all(reach, options, vectors),
        };
        let job = NearestJob {
            field,
            target: vectors.target(&query.vector),
            reach: query.reach,
            options,
            passing: matches!(stage, Stage::Condition(_)).then(|| DocumentSet::new(end, 0)),
            stage,
            measured: DocumentDistances::new(end),
            changed: Vec::new(),
        };
        Ok(PreparedPart::Job(Job::Nearest(Box::new(job))))
    }

    /// See [`Job::step`].
    pub(super) fn step(
        &mut self,
        index: &Index,
        search: &Search,
        node: &Node,
        clock: &mut Clock<'_>,
    ) -> Result<Option<PartMatches>, QueryError> {
        let Some(vectors) = vectors_of(index, self.field) else {
            return Ok(Some(PartMatches::Nothing));
        };
        loop {
            let next = match &mut self.stage {
                Stage::Condition(_) => self.walk_condition(index, search, node, clock)?,
                Stage::Compare(..) => self.compare(index, search, vectors, clock),
                Stage::Graph(_) => self.by_graph(search, vectors, clock),
                Stage::Choose(near, nearest) => {
                    while let Some(near) = near.pop() {
                        nearest.put(near);
                        if clock.spend(1) {
                            return Ok(None);
                        }
                    }
                    let nearest = std::mem::replace(nearest, Nearest::new(0));
                    Some(Stage::Collect(nearest.into_list()))
                }
                Stage::Collect(near) => {
                    while let Some(Near { document, distance }) = near.pop() {
                        let distance = match self.changed.binary_search(&document) {
                            Ok(_) => vectors.distance(document, &self.target),
                            Err(_) => Some(distance),
                        };
                        if let Some(distance) = distance.filter(|_| index.is_alive(document)) {
                            self.measured.put(document, distance);
                        }
                        if clock.spend(1) {
                            return Ok(None);
                        }
                    }
                    self.measured.finish();
                    let mut measured = std::mem::take(&mut self.measured);
                    if matches!(self.reach, Reach::Within(_)) {
                        recheck(index, node, &self.changed, &mut measured);
                    }
                    return Ok(Some(PartMatches::Distances(Arc::new(measured))));
                }
            };
            match next {
                Some(next) => self.stage = next,
                None => return Ok(None),
            }
        }
    }

    /// Walks the condition; `None`: the time is over.
    fn walk_condition(
        &mut self,
        index: &Index,
        search: &Search,
        node: &Node,
        clock: &mut Clock<'_>,
    ) -> Result<Option<Stage>, QueryError> {
        let (Stage::Condition(course), Some(passing)) = (&mut self.stage, &mut self.passing) else {
            return Ok(Some(Stage::compare(self.reach)));
        };
        if let Kind::Vector(query) = &node.kind
            && let Some(filter) = &query.filter
        {
            let plain = search.for_documents();
            let mut windows = Windows::new(index, filter, &plain, course);
            while !windows.is_over() {
                for hit in windows.by_ref() {
                    passing.add(hit.document.0);
                    if clock.spend(2) {
                        return Ok(None);
                    }
                }
                windows.failure()?;
                if clock.spend(64) {
                    return Ok(None);
                }
            }
        } else if let Some(keys) = &search.in_keys {
            keys.iter().for_each(|id| passing.add(id.0));
        }
        passing.finish();
        let k = match self.reach {
            Reach::Nearest(k) => k as usize,
            Reach::Within(_) => 0,
        };
        let vectors = vectors_of(index, self.field);
        let vectors = vectors.filter(|_| passing.len() > COMPARED_MAX.max(k.saturating_mul(SHARE)));
        Ok(Some(match vectors {
            Some(vectors) => Stage::of_all(self.reach, self.options, vectors),
            None => Stage::compare(self.reach),
        }))
    }

    /// Compares documents with the target; `None`: the time is over.
    fn compare(
        &mut self,
        index: &Index,
        search: &Search,
        vectors: &Vectors,
        clock: &mut Clock<'_>,
    ) -> Option<Stage> {
        let Stage::Compare(next, nearest) = &mut self.stage else {
            return None;
        };
        let among = search.among.as_deref();
        let end = index.documents().end();
        let units = 1 + vectors.row_bytes() / ELEMENTS;
        loop {
            let id = match &self.passing {
                Some(passing) => passing.next(*next),
                None => Some(*next).filter(|id| *id < end),
            };
            let Some(id) = id else {
                let nearest = std::mem::replace(nearest, Nearest::new(0));
                return Some(Stage::Collect(nearest.into_list()));
            };
            *next = id + 1;
            let counts = clock.lives(id) && Search::counts(among, id);
            let counts = counts || matches!(self.reach, Reach::Within(_));
            if let Some(distance) = vectors.distance(id, &self.target).filter(|_| counts) {
                match self.reach {
                    Reach::Nearest(_) => nearest.put(Near::new(id, distance)),
                    Reach::Within(radius) if distance <= vectors.radius(radius) => {
                        self.measured.put(id, distance);
                    }
                    Reach::Within(_) => {}
                }
            }
            if clock.spend(units) {
                return None;
            }
        }
    }

    /// Goes on with the search of the graph; `None`: the time is over.
    fn by_graph(
        &mut self,
        search: &Search,
        vectors: &Vectors,
        clock: &mut Clock<'_>,
    ) -> Option<Stage> {
        let Stage::Graph(of_graph) = &mut self.stage else {
            return None;
        };
        let (among, passing) = (search.among.as_deref(), self.passing.as_ref());
        let lives = clock.living();
        let passes = |id: u32| {
            Search::counts(among, id)
                && passing.is_none_or(|passing| passing.has(id))
                && lives.is_none_or(|lives| lives(id))
        };
        let is_nearest = matches!(self.reach, Reach::Nearest(_));
        let has_condition = passing.is_some() || among.is_some() || lives.is_some();
        let condition = (is_nearest && has_condition).then_some(&passes as &dyn Fn(u32) -> bool);
        let spend = &mut |units| clock.spend(units);
        match (
            of_graph.step(vectors, &self.target, condition, spend),
            self.reach,
        ) {
            (SearchOutcome::More, _) => None,
            (SearchOutcome::Found(near), Reach::Nearest(k)) => {
                Some(Stage::Choose(near, Nearest::new(k as usize)))
            }
            (SearchOutcome::Found(near), Reach::Within(_)) => Some(Stage::Collect(near)),
            (SearchOutcome::TooFew, reach) => Some(Stage::compare(reach)),
        }
    }

    /// Records documents that have changed, ascending.
    pub(super) fn recheck_changed(&mut self, index: &Index, changed: &[u32]) {
        if let Some(vectors) = vectors_of(index, self.field) {
            let (measured, target) = (&mut self.measured, &self.target);
            measured.update(changed, |id, is_there| {
                let distance = vectors.distance(id, target);
                distance.filter(|_| is_there && index.is_alive(id))
            });
        }
        if self.changed.len() < CHANGED_MAX {
            self.changed.extend_from_slice(changed);
            self.changed.sort_unstable();
            self.changed.dedup();
            self.changed.truncate(CHANGED_MAX);
        }
    }
}

impl Stage {
    fn compare(reach: Reach) -> Stage {
        let k = match reach {
            Reach::Nearest(k) => k as usize,
            Reach::Within(_) => 0,
        };
        Stage::Compare(0, Nearest::new(k))
    }

    /// The way through all vectors, or through the vectors of documents that pass.
    fn of_all(reach: Reach, options: Options, vectors: &Vectors) -> Stage {
        let Options {
            ef_runtime,
            epsilon,
        } = options;
        match reach {
            _ if !vectors.has_graph() => Stage::compare(reach),
            Reach::Within(radius) => {
                Stage::Graph(GraphSearch::within(vectors.radius(radius), epsilon))
            }
            Reach::Nearest(k) => {
                let ef = ef_runtime.max(k as usize);
                if ef.saturating_mul(SHARE) >= vectors.rows_end() {
                    Stage::compare(reach)
                } else {
                    Stage::Graph(GraphSearch::nearest(ef))
                }
            }
        }
    }
}

/// Looks again at documents that have changed: found documents keep their places if their distance
/// is not above all others, and documents within a distance are as they are now.
pub(super) fn recheck(
    index: &Index,
    node: &Node,
    changed: &[u32],
    measured: &mut DocumentDistances,
) {
    let Kind::Vector(query) = &node.kind else {
        return;
    };
    let Some((_, Part::Vectors(vectors))) = index.part(&query.field) else {
        return;
    };
    let target = vectors.target(&query.vector);
    let (is_radius, most) = match query.reach {
        Reach::Within(radius) => (true, vectors.radius(radius)),
        Reach::Nearest(_) => {
            let is_found = changed.iter().any(|id| measured.distance(*id).is_some());
            let farthest = measured.farthest().filter(|_| is_found);
            (false, farthest.unwrap_or(f64::NEG_INFINITY))
        }
    };
    measured.update(changed, |id, was_found| {
        if !was_found && !is_radius {
            return None;
        }
        let distance = vectors.distance(id, &target);
        distance.filter(|its| *its <= most && index.is_alive(id))
    });
}
