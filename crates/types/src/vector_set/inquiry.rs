//! A query of VSIM under way, in slices between which the set may change.

use super::content::Content;
use super::filter::Filter;
use russet_encodings::hnsw::{FoundNode, Progress, Query, Scan, Search};

/// The bounds of a search.
#[derive(Debug)]
pub struct SearchBounds {
    /// The most elements to find.
    pub count: usize,
    /// Candidates that are kept while searching, at least `count`.
    pub ef: usize,
    /// Similarities below 1 minus this are left out.
    pub epsilon: f32,
    /// FILTER: elements whose attributes do not match are left out.
    pub filter: Option<Filter>,
    /// The most nodes that a search with a filter visits.
    pub filter_ef: usize,
    /// Compare with all elements.
    pub exact: bool,
}

/// See the module.
pub struct SimilaritySearch {
    walk: Walk,
    filter: Option<Filter>,
    count: usize,
    epsilon: f32,
}

enum Walk {
    Graph(Box<Search>),
    All(Box<Scan>),
}

impl SimilaritySearch {
    /// Begins a search of the set as it is now.
    pub fn new(content: &Content, query: Query, wanted: SearchBounds) -> SimilaritySearch {
        let SearchBounds { count, filter, .. } = wanted;
        let ef = wanted.ef.max(count).min(content.len());
        let walk = match (wanted.exact, &filter) {
            (true, _) => Walk::All(Box::new(Scan::new(content.index(), query, ef))),
            (false, None) => Walk::Graph(Box::new(Search::new(query, ef))),
            (false, Some(_)) => {
                Walk::Graph(Box::new(Search::filtered(query, ef, wanted.filter_ef)))
            }
        };
        SimilaritySearch {
            walk,
            filter,
            count,
            epsilon: wanted.epsilon,
        }
    }

    /// Continues for about `budget` distances; reads of attributes count as well, each by its cost.
    pub fn step(&mut self, content: &Content, budget: usize) -> Progress {
        const DISTANCE_NANOS: usize = 50;
        let filter = self.filter.as_ref();
        let mut matches = |payload, cost: &mut usize| {
            let attributes = content.element_at(payload).attributes;
            let Some(filter) = filter.filter(|_| !attributes.is_empty()) else {
                return filter.is_none();
            };
            let mut nanos = 0;
            let passes = filter.matches_counted(attributes, &mut nanos);
            *cost += nanos / DISTANCE_NANOS;
            passes
        };
        match &mut self.walk {
            Walk::Graph(search) => search.step(content.index(), budget, &mut matches),
            Walk::All(scan) => {
                let matches = filter.is_some().then_some(&mut matches as _);
                scan.step(content.index(), budget, matches)
            }
        }
    }

    /// The elements found, the nearest first.
    pub fn found(&self, content: &Content) -> Vec<FoundNode> {
        let mut found = match &self.walk {
            Walk::Graph(search) => search.results(content.index()),
            Walk::All(scan) => scan.results(content.index()),
        };
        found.truncate(self.count);
        let far = |found: &FoundNode| found.distance / 2.0 > self.epsilon;
        let near = found.iter().position(far).unwrap_or(found.len());
        found.truncate(near);
        found
    }
}
