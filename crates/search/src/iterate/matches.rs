//! The documents that a query matches, one by one, with their scores.
//!
//! Documents of which nothing but their scores is asked come by the block, if their scores are
//! sums; the others one by one, from the tree of cursors as it stands on each.
//!
//! Cost: a document is found as its parts find it, and scored in O(parts that match it).

use smallvec::SmallVec;
use std::sync::Arc;

use super::blocks::{Blocks, Filler};
use super::build::Builder;
use super::counted::{self, PartProfile};
use super::{Cursor, END, Role};
use crate::hit::{DocumentId, Hit, Scored};
use crate::index::Index;
use crate::query::{Node, QueryError};
use crate::score::{Scorer, Scoring};
use crate::search::Search;

/// A walk over the documents that a query matches, ascending by number.
pub struct Matches<'i> {
    index: &'i Index,
    root: Cursor<'i>,
    scoring: Option<Scoring>,
    explains: bool,
    /// Whether hits have the words that they matched.
    with_terms: bool,
    distance_names: Vec<Vec<u8>>,
    is_cut: bool,
    /// Documents that come by the block; `None`: they come one by one.
    blocks: Option<Blocks>,
    /// A bit for each document that counts.
    among: Option<Arc<[u64]>>,
    /// Of BM25STD.NORM: all hits, as their scores depend on each other.
    normed: Option<std::vec::IntoIter<Hit>>,
}

impl Index {
    /// The documents that a query matches. The tree is one of [`Index::expand`].
    ///
    /// # Errors
    ///
    /// A vector of another size than the field's, and shapes.
    pub fn matches<'i>(&'i self, root: &Node, search: &Search) -> Result<Matches<'i>, QueryError> {
        self.matches_of(root, Builder::new(self, search))
    }

    /// The same; what is found for the parts of the query is kept in it, until [`Node::forget`]:
    /// asking again costs less. The index must not change in between.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn matches_for_now<'i>(
        &'i self,
        root: &Node,
        search: &Search,
    ) -> Result<Matches<'i>, QueryError> {
        let mut builder = Builder::new(self, search);
        builder.keeps_found = true;
        self.matches_of(root, builder)
    }

    /// About how many documents a query looks at: the estimate by which its parts are ordered. Of
    /// an intersection it is the least of the parts', of a union their sum, of a vector that is
    /// sought in a graph the nodes that are kept.
    ///
    /// # Errors
    ///
    /// As [`Index::matches`].
    pub fn estimate(&self, root: &Node, search: &Search) -> Result<u64, QueryError> {
        let mut builder = Builder::new(self, search);
        builder.estimates = true;
        Ok(builder.build_root(root)?.estimate())
    }

    pub(super) fn matches_of<'i>(
        &'i self,
        root: &Node,
        mut builder: Builder<'i, '_>,
    ) -> Result<Matches<'i>, QueryError> {
        let search = builder.search;
        let cursor = builder.build_root(root)?;
        let scoring = search.scores.then_some(builder.scoring);
        let is_of_sums = scoring.as_ref().is_none_or(Scoring::is_of_sums);
        // Reads are counted where they happen.
        let is_asked_more = search.explains || search.profiles || search.terms;
        let are_all = builder.distance_names.is_empty() && search.among.is_none();
        let is_plain = are_all && !is_asked_more;
        let mut matches = Matches {
            index: self,
            root: cursor,
            scoring,
            blocks: (is_of_sums && is_plain).then(Blocks::default),
            explains: search.explains,
            with_terms: search.terms,
            distance_names: builder.distance_names,
            is_cut: builder.is_cut,
            among: search.among.clone(),
            normed: None,
        };
        if search.scores && search.scorer == Scorer::Bm25StdNorm {
            let mut hits: Vec<Hit> = matches.by_ref().collect();
            let of_all = search.statistics.as_ref().and_then(|its| its.best);
            let best = hits.iter().map(|hit| hit.score).fold(0.0, f64::max);
            let best = of_all.unwrap_or(best);
            for hit in hits.iter_mut().filter(|_| best > 0.0) {
                hit.score /= best;
            }
            matches.normed = Some(hits.into_iter());
        }
        Ok(matches)
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

    /// Whether nothing is known of documents but their scores.
    pub fn are_plain(&self) -> bool {
        self.distance_names.is_empty() && !self.explains
    }

    /// Adds the next documents with their scores, at most `most`; none if there are no more.
    pub fn next_scored(&mut self, most: usize, out: &mut Vec<Scored>) {
        let end = out.len() + most;
        if self.normed.is_none()
            && let Some(blocks) = &mut self.blocks
        {
            let filler = Filler {
                scoring: self.scoring.as_ref(),
                documents: self.index.documents(),
            };
            while out.len() < end {
                let next = blocks.next(&mut self.root, filler);
                if next.is_empty() {
                    return;
                }
                let count = next.len().min(end - out.len());
                out.extend_from_slice(&next[..count]);
                blocks.take(count);
            }
            return;
        }
        let all = self.by_ref().take(most);
        out.extend(all.map(|hit| Scored {
            document: hit.document,
            score: hit.score,
        }));
    }

    /// Passes over documents that do not count; the number of the one that it stands on then.
    #[inline]
    fn seek_counted(&mut self) -> u32 {
        if let Some(among) = self.among.as_deref() {
            while self.root.id() != END && !Search::counts(Some(among), self.root.id()) {
                self.root.advance();
            }
        }
        self.root.id()
    }

    /// Passes over the documents before one: for a walk that goes on later, over an index that may
    /// have changed.
    pub fn skip_to(&mut self, id: DocumentId) {
        match &mut self.normed {
            Some(normed) => {
                let left: Vec<Hit> = normed.by_ref().filter(|hit| hit.document >= id).collect();
                *normed = left.into_iter();
            }
            None => {
                if let Some(blocks) = &mut self.blocks {
                    blocks.skip_to(id.0);
                }
                self.root.seek(id.0);
            }
        }
    }

    /// How many documents are left, which are then passed. Without scores; O(documents).
    pub fn count_rest(&mut self) -> usize {
        if let Some(normed) = &mut self.normed {
            return normed.by_ref().count();
        }
        let mut count = self.blocks.as_mut().map_or(0, Blocks::take_rest);
        while self.seek_counted() != END {
            count += 1;
            self.root.advance();
        }
        count
    }
}

impl Iterator for Matches<'_> {
    type Item = Hit;

    /// The next document. Its distances are NaN where a vector's part did not match.
    fn next(&mut self) -> Option<Hit> {
        if let Some(normed) = &mut self.normed {
            return normed.next();
        }
        let documents = self.index.documents();
        if let Some(blocks) = &mut self.blocks {
            let filler = Filler {
                scoring: self.scoring.as_ref(),
                documents,
            };
            let Scored { document, score } = *blocks.next(&mut self.root, filler).first()?;
            blocks.take(1);
            return Some(Hit {
                document,
                score,
                distances: SmallVec::new(),
                terms: Vec::new(),
                explanation: None,
            });
        }
        let id = self.seek_counted();
        if id == END {
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
            score,
            distances,
            terms,
            explanation: steps.pop(),
        })
    }
}

/// Words of a hit, at most.
const TERMS_MAX: usize = 100;

/// The words and tags of all parts that stand on the document, in the order of the parts: of those
/// that must all match the rarest first.
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
