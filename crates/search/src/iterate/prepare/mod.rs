//! Prepares a query: finds the terms and documents of the parts step by step, before documents are
//! walked, and keeps them from slice to slice.
//!
//! The terms of a pattern, the documents of a circle, the nearest vectors: finding them may take
//! long, and is done once. A step ends when the time is over, and the next step continues there;
//! the index may change in between. Cursors over the result are made quickly, for each window of
//! documents anew.
//!
//! | module | what |
//! |---|---|
//! | `clock` | how long a step takes |
//! | `found` | what cursors are made of |
//! | `gathered`, `measured` | documents that were found, without and with distances |
//! | `terms` | the terms, or tags, of a prefix, a part, a pattern or a fuzzy word |
//! | `members` | the documents of a range, a circle, or of shapes with a relation to another |
//! | `tallies` | the figures of nodes, for ANALYZE |
//! | `nearest`, `options` | the documents of vectors near to a vector |
//!
//! Invariants
//!   1. The result names no document that is gone, and has changed documents as they are now,
//!      because [`Preparation`] looks at each change again. Terms that are gone are left out as
//!      cursors are made.
//!   2. A step takes some ten microseconds more than the time that it is given.
//!
//! Cost: the searches of the parts. Memory of a part: a bit for each document at most, 8 bytes and
//! a bit if the part has distances, 200 terms if it has terms.

mod clock;
pub(crate) mod found;
mod gathered;
mod measured;
mod members;
mod nearest;
pub(crate) mod options;
pub(crate) mod tallies;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use clock::Clock;
pub(crate) use gathered::DocumentSet;
pub(crate) use measured::DocumentDistances;

use super::windows::{Course, Windows};
use super::{END, Matches};
use crate::index::Index;
use crate::query::{Kind, Node, QueryError};
use crate::search::Search;
use found::{PartMatches, TagField};
use members::MembersJob;
use nearest::NearestJob;
use terms::TermsJob;

/// Changed documents times parts that are looked at again, at most: beyond it, all is found anew.
const RECHECKS_MAX: usize = 16384;

/// The work on a part of a query, step by step.
#[derive(Debug)]
pub(crate) enum Job {
    Terms(TermsJob),
    Members(MembersJob),
    Nearest(Box<NearestJob>),
}

impl Job {
    /// The work for a part; `None`: the part's cursor needs no preparation.
    fn begin(
        index: &Index,
        search: &Search,
        node: &Node,
        tags: Option<TagField>,
    ) -> Result<Option<PreparedPart>, QueryError> {
        match &node.kind {
            Kind::Affix { .. } | Kind::Pattern(_) | Kind::Fuzzy { .. } => {
                TermsJob::begin(index, search, node, tags).map(Some)
            }
            _ if tags.is_some() => Ok(None),
            Kind::Range { .. } | Kind::Near { .. } | Kind::Shape { .. } => {
                MembersJob::begin(index, node).map(Some)
            }
            Kind::Vector(query) => NearestJob::begin(index, search, node, query).map(Some),
            _ => Ok(None),
        }
    }

    /// Goes on until the time is over (`None`), or all is found.
    fn step(
        &mut self,
        index: &Index,
        search: &Search,
        node: &Node,
        clock: &mut Clock<'_>,
    ) -> Result<Option<PartMatches>, QueryError> {
        match self {
            Job::Terms(job) => Ok(job.step(index, search, clock)),
            Job::Members(job) => Ok(job.step(index, clock)),
            Job::Nearest(job) => job.step(index, search, node, clock),
        }
    }
}

/// A part that is begun: some are found at once.
pub(super) enum PreparedPart {
    Job(Job),
    Found(PartMatches),
}

/// Looks again at documents that were found for a part, while they are gathered or after.
fn recheck_own(index: &Index, node: &mut Node, changed: &[u32]) {
    if let Some(mut job) = node.found.take::<Job>() {
        match &mut job {
            Job::Members(job) => job.recheck(index, changed),
            Job::Nearest(job) => job.recheck_changed(index, changed),
            Job::Terms(_) => {}
        }
        node.found.put(job);
    }
    if let Some(mut found) = node.found.take::<PartMatches>() {
        match &mut found {
            PartMatches::Documents(members, gathered) => {
                let gathered = Arc::make_mut(gathered);
                members::recheck(members, index, changed, gathered);
                gathered.finish();
            }
            PartMatches::Distances(measured) => {
                nearest::recheck(index, node, changed, Arc::make_mut(measured));
            }
            PartMatches::Nothing | PartMatches::Terms { .. } => {}
        }
        node.found.put(found);
    }
}

/// Prepares a part and the parts in it. Returns whether all is found.
fn prepare(
    index: &Index,
    search: &Search,
    node: &mut Node,
    tags: Option<TagField>,
    clock: &mut Clock<'_>,
) -> Result<bool, QueryError> {
    if node.found.get::<PartMatches>().is_some() {
        return Ok(true);
    }
    let tags = match &node.kind {
        Kind::Tag { field, .. } => match TagField::of(index, field) {
            None => return Ok(true),
            tags => tags,
        },
        _ => tags,
    };
    for part in node.parts_mut() {
        if !prepare(index, search, part, tags, clock)? {
            return Ok(false);
        }
    }
    let begun = match node.found.take::<Job>() {
        None => Job::begin(index, search, node, tags)?,
        Some(job) => Some(PreparedPart::Job(job)),
    };
    let found = match begun {
        None => return Ok(true),
        Some(PreparedPart::Found(found)) => found,
        Some(PreparedPart::Job(mut job)) => match job.step(index, search, node, clock)? {
            Some(found) => found,
            None => {
                node.found.put(job);
                return Ok(false);
            }
        },
    };
    node.found.put(found);
    Ok(true)
}

/// Counts the parts whose documents are kept.
fn kept(node: &Node) -> usize {
    let own = match (node.found.get::<Job>(), node.found.get::<PartMatches>()) {
        (Some(job), _) => !matches!(job, Job::Terms(_)),
        (_, Some(found)) => matches!(
            found,
            PartMatches::Documents(..) | PartMatches::Distances(_)
        ),
        _ => false,
    };
    usize::from(own) + node.parts().iter().map(kept).sum::<usize>()
}

/// About how many cursors a prepared query has.
pub(super) fn parts(node: &Node) -> usize {
    let own = match node.found.get::<PartMatches>() {
        Some(PartMatches::Terms { terms, .. }) => terms.len(),
        _ => 1,
    };
    own + node.parts().iter().map(parts).sum::<usize>()
}

/// Whether a part stands for more terms than it may.
fn is_cut(node: &Node) -> bool {
    let own = match node.found.get::<PartMatches>() {
        Some(PartMatches::Terms { is_cut, .. }) => *is_cut,
        _ => false,
    };
    own || node.parts().iter().any(is_cut)
}

fn recheck(index: &Index, node: &mut Node, changed: &[u32]) {
    for part in node.parts_mut() {
        recheck(index, part, changed);
    }
    recheck_own(index, node, changed);
}

/// How far a query is prepared.
#[derive(Debug, Default)]
pub struct Preparation {
    /// The place in the log of changes up to which all changes were looked at.
    mark: Option<u64>,
    is_done: bool,
    /// The best score so far, of a query whose scores are shares of it.
    best: f64,
    course: Course,
}

impl Index {
    /// The documents that a query matches. The tree comes from [`Index::expand`]. All is prepared
    /// and walked at once; for work in slices there are [`Preparation`] and [`Windows`].
    ///
    /// # Errors
    ///
    /// A vector of another size than the field's, and shapes.
    pub fn matches<'i>(&'i self, root: &Node, search: &Search) -> Result<Matches<'i>, QueryError> {
        let (root, search) = self.prepared(root, search)?;
        self.matches_within(&root, &search, (0, END))
    }

    /// A query that is prepared at once.
    pub(super) fn prepared(
        &self,
        root: &Node,
        search: &Search,
    ) -> Result<(Node, Search), QueryError> {
        let (mut root, mut search) = (root.clone(), search.clone());
        let clock = &mut Clock::endless();
        Preparation::default().advance(self, &mut root, &mut search, clock)?;
        Ok((root, search))
    }
}

impl Preparation {
    /// Whether the query can be walked.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether a part of the query stands for more terms than it may.
    pub fn hit_limit_of_expansions(&self, root: &Node) -> bool {
        is_cut(root)
    }

    /// Continues the preparation of a query, a tree of [`Index::expand`], until the time is over or
    /// all is prepared; returns whether all is. The caller calls it before each slice of the
    /// query's walk, because it looks again at documents that have changed.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn advance(
        &mut self,
        index: &Index,
        root: &mut Node,
        search: &mut Search,
        clock: &mut Clock<'_>,
    ) -> Result<bool, QueryError> {
        self.catch_up(index, root);
        if self.is_done {
            return Ok(true);
        }
        self.is_done = prepare(index, search, root, None, clock)?
            && self.find_best(index, root, search, clock)?;
        Ok(self.is_done)
    }

    /// Looks at what has changed since the last call.
    fn catch_up(&mut self, index: &Index, root: &mut Node) {
        let changes = index.changes();
        let Some(mark) = self.mark.replace(changes.mark()) else {
            return;
        };
        let changed: Option<Vec<u32>> = changes.since(mark).map(|changed| {
            let mut changed: Vec<u32> = changed.collect();
            changed.sort_unstable();
            changed.dedup();
            changed
        });
        match changed {
            Some(changed) if changed.is_empty() => {}
            Some(changed) if changed.len() * kept(root) <= RECHECKS_MAX => {
                recheck(index, root, &changed);
            }
            _ => {
                root.forget();
                self.is_done = false;
            }
        }
    }

    /// Finds the best score of a query whose scores are shares of it.
    fn find_best(
        &mut self,
        index: &Index,
        root: &Node,
        search: &mut Search,
        clock: &mut Clock<'_>,
    ) -> Result<bool, QueryError> {
        if !search.needs_best() {
            return Ok(true);
        }
        let of_all = search.statistics.as_ref().and_then(|its| its.best);
        if of_all.is_none() {
            let plain = search.for_best();
            let mut windows = Windows::new(index, root, &plain, &mut self.course);
            while !windows.is_over() {
                for hit in windows.by_ref() {
                    self.best = self.best.max(hit.score);
                    if clock.spend(4) {
                        return Ok(false);
                    }
                }
                windows.failure()?;
                if clock.spend(64) {
                    return Ok(false);
                }
            }
        }
        search.best = Some(of_all.unwrap_or(self.best));
        Ok(true)
    }
}
