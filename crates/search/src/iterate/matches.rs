//! Walks the documents that a query matches, and scores them.
//!
//! If the caller asks for documents and scores alone, and scores are sums, documents come in blocks
//! (`blocks`). Otherwise the tree of cursors moves from document to document, and the score, the
//! distances and the words of each are read from the tree.
//!
//! Cost: a document is found as the query's parts find it, and scored in O(parts that match).

use smallvec::SmallVec;
use std::sync::Arc;

use super::blocks::{Blocks, Filler};
use super::build::Builder;
use super::counted::{self, PartProfile};
use super::{Cursor, Role};
use crate::hit::{DocumentId, Hit, ScoredDocument};
use crate::index::Index;
use crate::query::{Node, QueryError};
use crate::score::{ScoreContext, Scorer};
use crate::search::Search;

/// A walk over the documents that a query matches, ascending by number, within a window of these.
pub struct Matches<'i> {
    index: &'i Index,
    root: Cursor<'i>,
    scoring: Option<ScoreContext>,
    explains: bool,
    /// Whether hits have the words that they matched.
    with_terms: bool,
    distance_names: Vec<Vec<u8>>,
    is_cut: bool,
    /// Documents that come in blocks; `None`: the tree moves from document to document.
    blocks: Option<Blocks>,
    /// A bit for each document that counts.
    among: Option<Arc<[u64]>>,
    /// BM25STD.NORM: the best score, by which all scores are divided.
    best: Option<f64>,
    /// The walk ends before the document of this number.
    limit: u32,
}

impl Index {
    /// The documents of a prepared query with numbers from `from` on, below `limit`.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub(super) fn matches_within<'i>(
        &'i self,
        root: &Node,
        search: &Search,
        (from, limit): (u32, u32),
    ) -> Result<Matches<'i>, QueryError> {
        let mut builder = Builder::new(self, search);
        (builder.from, builder.limit) = (from, limit);
        self.matches_of(root, builder)
    }

    /// The names of the distances that documents of a query have.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`]: this call finds the errors of a query that is prepared in slices.
    pub fn check(&self, root: &Node, search: &Search) -> Result<Vec<Vec<u8>>, QueryError> {
        let mut builder = Builder::new(self, search);
        (builder.estimates, builder.checks, builder.limit) = (true, true, 0);
        builder.build_root(root)?;
        Ok(builder.distance_names)
    }

    /// About how many documents a query looks at: the estimate that orders parts. An intersection
    /// counts the least estimate of the parts, a union the sum, the search of a graph of vectors
    /// the nodes that it keeps. Terms and tags that are compared with a pattern count, too; the
    /// documents of many terms are taken for all documents.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn estimate(&self, root: &Node, search: &Search) -> Result<u64, QueryError> {
        let mut builder = Builder::new(self, search);
        (builder.estimates, builder.limit) = (true, 0);
        let documents = builder.build_root(root)?.estimate();
        Ok(documents.saturating_add(builder.looked_at as u64))
    }

    pub(super) fn matches_of<'i>(
        &'i self,
        root: &Node,
        mut builder: Builder<'i, '_>,
    ) -> Result<Matches<'i>, QueryError> {
        let search = builder.search;
        let cursor = builder.build_root(root)?;
        let scoring = search.scores.then_some(builder.scoring);
        let is_of_sums = scoring.as_ref().is_none_or(ScoreContext::is_of_sums);
        // Reads are counted where they happen.
        let is_asked_more = search.explains || search.profiles || search.terms;
        let are_all = builder.distance_names.is_empty() && search.among.is_none();
        let is_plain = are_all && !is_asked_more;
        let is_share = search.scores && search.scorer == Scorer::Bm25StdNorm;
        Ok(Matches {
            index: self,
            root: cursor,
            scoring,
            blocks: (is_of_sums && is_plain).then(Blocks::default),
            explains: search.explains,
            with_terms: search.terms,
            distance_names: builder.distance_names,
            is_cut: builder.is_cut,
            among: search.among.clone(),
            best: search.best.filter(|best| is_share && *best > 0.0),
            limit: builder.limit,
        })
    }
}

impl Matches<'_> {
    /// The names of the distances that hits have.
    pub fn distance_names(&self) -> &[Vec<u8>] {
        &self.distance_names
    }

    /// Whether a prefix or the like stands for more terms than were asked.
    pub fn hit_limit_of_expansions(&self) -> bool {
        self.is_cut
    }

    /// The reads so far of each part of the query, if [`Search::profiles`].
    pub fn profile(&self) -> PartProfile {
        counted::profile(&self.root)
    }

    /// Ends a walk with counted reads between two documents. Returns the document at which the next
    /// walk continues; reads from that document on do not count.
    pub(super) fn leave(&mut self) -> u32 {
        let next = self.root.id();
        counted::take_back(&mut self.root, next);
        next
    }

    /// The least document that the query may match after the documents that were taken, as far as
    /// is known.
    pub(super) fn reached(&self) -> u32 {
        self.root.id()
    }

    /// Whether nothing is known of documents but their scores.
    pub fn are_plain(&self) -> bool {
        self.distance_names.is_empty() && !self.explains
    }

    /// Adds the next documents with their scores, at most `most`; none if there are no more.
    pub fn next_scored(&mut self, most: usize, out: &mut Vec<ScoredDocument>) {
        let (begin, end) = (out.len(), out.len() + most);
        if let Some(blocks) = &mut self.blocks {
            let filler = Filler {
                scoring: self.scoring.as_ref(),
                documents: self.index.documents(),
                limit: self.limit,
            };
            while out.len() < end {
                let next = blocks.next(&mut self.root, filler);
                if next.is_empty() {
                    break;
                }
                let count = next.len().min(end - out.len());
                out.extend_from_slice(&next[..count]);
                blocks.take(count);
            }
            if let Some(best) = self.best {
                out[begin..].iter_mut().for_each(|hit| hit.score /= best);
            }
            return;
        }
        let all = self.by_ref().take(most);
        out.extend(all.map(|hit| ScoredDocument {
            document: hit.document,
            score: hit.score,
        }));
    }

    /// Passes over documents that do not count; returns the number of the document that the walk
    /// then stands on.
    #[inline]
    fn seek_counted(&mut self) -> u32 {
        if let Some(among) = self.among.as_deref() {
            while self.root.id() < self.limit && !Search::counts(Some(among), self.root.id()) {
                self.root.advance();
            }
        }
        self.root.id()
    }
}

impl Iterator for Matches<'_> {
    type Item = Hit;

    /// The next document. A distance is NaN if the vector's part did not match.
    fn next(&mut self) -> Option<Hit> {
        let documents = self.index.documents();
        if let Some(blocks) = &mut self.blocks {
            let filler = Filler {
                scoring: self.scoring.as_ref(),
                documents,
                limit: self.limit,
            };
            let ScoredDocument { document, score } =
                *blocks.next(&mut self.root, filler).first()?;
            blocks.take(1);
            return Some(Hit {
                document,
                score: self.best.map_or(score, |best| score / best),
                distances: SmallVec::new(),
                terms: Vec::new(),
                explanation: None,
            });
        }
        let id = self.seek_counted();
        if id >= self.limit {
            return None;
        }
        let mut steps = Vec::new();
        let score = self.scoring.as_ref().map_or(0.0, |scoring| {
            let payload = match scoring.scorer {
                Scorer::Hamming => documents.payload(id),
                _ => None,
            };
            let steps = self.explains.then_some(&mut steps);
            scoring.score(&self.root, documents.facts(id), payload, steps)
        });
        let mut distances = SmallVec::new();
        if !self.distance_names.is_empty() {
            distances.resize(self.distance_names.len(), f64::NAN);
            take_distances(&self.root, id, &mut distances);
        }
        let mut terms = Vec::new();
        if self.with_terms {
            take_terms(&self.root, id, &mut terms);
        }
        self.root.advance();
        Some(Hit {
            document: DocumentId(id),
            score: self.best.map_or(score, |best| score / best),
            distances,
            terms,
            explanation: steps.pop(),
        })
    }
}

/// Words of a hit, at most.
const TERMS_MAX: usize = 100;

/// The words and tags of all parts that stand on the document, in the order of the parts: an
/// intersection has the rarest part first.
fn take_terms(part: &Cursor<'_>, id: u32, out: &mut Vec<Box<[u8]>>) {
    if part.id() != id || out.len() == TERMS_MAX {
        return;
    }
    match part {
        Cursor::Word(word) => out.push(word.text.into()),
        Cursor::Ids(ids) => {
            if let Role::Tag { text, .. } = ids.role {
                out.push(text.into());
            }
        }
        Cursor::Intersection(of) => of.parts().iter().for_each(|part| take_terms(part, id, out)),
        Cursor::Union(of) => of.matched().for_each(|part| take_terms(part, id, out)),
        Cursor::Optional(rest) => take_terms(&rest.part, id, out),
        Cursor::Distances(of) => {
            if let Some(filter) = of.filter() {
                take_terms(filter, id, out);
            }
        }
        Cursor::Counted(of) => take_terms(&of.part, id, out),
        Cursor::Empty | Cursor::Not(_) => {}
    }
}

/// The distances of all vector parts that stand on the document.
fn take_distances(part: &Cursor<'_>, id: u32, out: &mut [f64]) {
    if part.id() != id {
        return;
    }
    match part {
        Cursor::Distances(of) => {
            if let Some(place) = of.place {
                out[place] = of.distance();
            }
            if let Some(filter) = of.filter() {
                take_distances(filter, id, out);
            }
        }
        Cursor::Intersection(of) => of
            .parts()
            .iter()
            .for_each(|part| take_distances(part, id, out)),
        Cursor::Union(of) => of.matched().for_each(|part| take_distances(part, id, out)),
        Cursor::Optional(rest) => take_distances(&rest.part, id, out),
        Cursor::Counted(of) => take_distances(&of.part, id, out),
        Cursor::Empty | Cursor::Word(_) | Cursor::Ids(_) | Cursor::Not(_) => {}
    }
}
