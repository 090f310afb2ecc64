//! Queries as cursors over ascending document numbers.
//!
//! A cursor stands on a document that its part of the query matches, or on [`END`]. It is made on
//! the first such document from a number on; `advance` goes to the next, `seek` to the first from a
//! number on. A part that combines others lets all of them stand on the document, so that scores
//! and positions are read from the tree of cursors as it stands.
//!
//! Each query is walked in windows of document numbers (`windows`), with new cursors for each
//! window. From a window's limit on, a cursor looks at nothing: it stands on the least document
//! that the part may match, as far as the cursor knows. So no step takes longer than the window,
//! even if parts have no document in common.
//!
//! | module | what |
//! |---|---|
//! | `word` | the documents of a term |
//! | `ids` | a set of documents without frequencies |
//! | `intersect`, `union` | all parts, any part |
//! | `distances` | documents with their distances from a vector |
//! | `positions` | whether words stand near or in order |
//! | `counted` | parts whose reads are counted |
//! | `analysis`, `tallies` | a query that is run to see what its parts cost |
//! | `prepare` | what must be found before cursors are made: terms, circles, near vectors |
//! | `build`, `expansions`, `near`, `vectors` | a query's tree as cursors |
//! | `statistics` | the figures of a query at one shard, and at all |
//! | `blocks` | documents and their scores by the block |
//! | `matches` | the documents of a query within a window, with their scores |
//! | `windows` | a query's walk, window by window |

mod analysis;
mod blocks;
mod build;
mod counted;
#[cfg(test)]
mod deep_tests;
mod distances;
mod expansions;
mod ids;
mod intersect;
mod matches;
mod near;
mod positions;
mod prepare;
mod statistics;
#[cfg(test)]
mod tests;
mod union;
mod vectors;
mod windows;
mod word;

pub use analysis::Analysis;
pub use counted::PartProfile;
pub use matches::Matches;
pub use prepare::tallies::Figures;
pub use prepare::{Clock, Preparation};
pub use windows::{Course, Windows};

pub(crate) use counted::ProfiledCursor;
pub(crate) use distances::Distances;
pub(crate) use expansions::Test;
pub(crate) use ids::{Ids, Role};
pub(crate) use intersect::Intersection;
pub(crate) use positions::spread;
pub(crate) use union::Union;
pub(crate) use word::WordCursor;

pub(crate) use crate::index::END;

/// A part of a query, on a document.
pub(crate) enum Cursor<'i> {
    Empty,
    Word(WordCursor<'i>),
    Ids(Ids<'i>),
    Intersection(Box<Intersection<'i>>),
    Union(Box<Union<'i>>),
    Not(Box<FullScan<'i>>),
    Optional(Box<FullScan<'i>>),
    Distances(Box<Distances<'i>>),
    Counted(Box<ProfiledCursor<'i>>),
}

/// A walk over all documents with a part of them: for NOT the documents outside of it, for OPTIONAL
/// all.
pub(crate) struct FullScan<'i> {
    pub(crate) all: Ids<'i>,
    pub(crate) part: Cursor<'i>,
    /// The part is not asked from this document on.
    pub(crate) limit: u32,
}

impl FullScan<'_> {
    /// Moves to the first document, from here on, that the part does not match.
    fn skip_part(&mut self) {
        while self.all.id() < self.limit {
            self.part.seek(self.all.id());
            if self.part.id() != self.all.id() {
                return;
            }
            self.all.advance();
        }
    }
}

impl<'i> Cursor<'i> {
    /// All documents outside a part.
    pub(crate) fn not(all: Ids<'i>, part: Cursor<'i>, limit: u32) -> Cursor<'i> {
        let mut rest = Box::new(FullScan { all, part, limit });
        rest.skip_part();
        Cursor::Not(rest)
    }

    /// All documents, of which a part matches some. The part's own weight is replaced.
    pub(crate) fn optional(
        all: Ids<'i>,
        mut part: Cursor<'i>,
        weight: f64,
        limit: u32,
    ) -> Cursor<'i> {
        part.set_weight(weight);
        let mut rest = Box::new(FullScan { all, part, limit });
        rest.part.seek(rest.all.id());
        Cursor::Optional(rest)
    }

    /// The cursor without the counting part around it.
    pub(crate) fn plain_mut(&mut self) -> &mut Cursor<'i> {
        match self {
            Cursor::Counted(of) => &mut of.part,
            plain => plain,
        }
    }

    /// The document, or [`END`].
    #[inline]
    pub(crate) fn id(&self) -> u32 {
        match self {
            Cursor::Empty => END,
            Cursor::Word(word) => word.id(),
            Cursor::Ids(ids) => ids.id(),
            Cursor::Intersection(of) => of.id(),
            Cursor::Union(of) => of.id(),
            Cursor::Not(rest) | Cursor::Optional(rest) => rest.all.id(),
            Cursor::Distances(of) => of.id(),
            Cursor::Counted(of) => of.part.id(),
        }
    }

    /// Moves to the next document.
    pub(crate) fn advance(&mut self) {
        match self {
            Cursor::Empty => {}
            Cursor::Word(word) => word.advance(),
            Cursor::Ids(ids) => ids.advance(),
            Cursor::Intersection(of) => of.advance(),
            Cursor::Union(of) => of.advance(),
            Cursor::Not(rest) => {
                rest.all.advance();
                rest.skip_part();
            }
            Cursor::Optional(rest) => {
                rest.all.advance();
                rest.part.seek(rest.all.id());
            }
            Cursor::Distances(of) => of.advance(),
            Cursor::Counted(of) => of.advance(),
        }
    }

    /// Moves to the first document with a number of `to` or more, unless the cursor is there.
    pub(crate) fn seek(&mut self, to: u32) {
        match self {
            Cursor::Empty => {}
            Cursor::Word(word) => word.seek(to),
            Cursor::Ids(ids) => ids.seek(to),
            Cursor::Intersection(of) => of.seek(to),
            Cursor::Union(of) => of.seek(to),
            Cursor::Not(rest) => {
                rest.all.seek(to);
                rest.skip_part();
            }
            Cursor::Optional(rest) => {
                rest.all.seek(to);
                rest.part.seek(rest.all.id());
            }
            Cursor::Distances(of) => of.seek(to),
            Cursor::Counted(of) => of.seek(to),
        }
    }

    /// Sets the factor of the part's score.
    pub(crate) fn set_weight(&mut self, weight: f64) {
        match self {
            Cursor::Empty => {}
            Cursor::Word(word) => word.weight = weight,
            Cursor::Ids(ids) => ids.weight = weight,
            Cursor::Intersection(of) => of.weight = weight,
            Cursor::Union(of) => of.weight = weight,
            Cursor::Not(_) => {}
            Cursor::Optional(rest) => rest.part.set_weight(weight),
            Cursor::Distances(of) => of.weight = weight,
            Cursor::Counted(of) => of.part.set_weight(weight),
        }
    }

    /// At least as many documents as the cursor has.
    pub(crate) fn estimate(&self) -> u64 {
        match self {
            Cursor::Empty => 0,
            Cursor::Word(word) => word.documents() as u64,
            Cursor::Ids(ids) => ids.len(),
            Cursor::Intersection(of) => of.estimate(),
            Cursor::Union(of) => of.estimate(),
            Cursor::Not(rest) | Cursor::Optional(rest) => rest.all.len(),
            Cursor::Distances(of) => of.estimate(),
            Cursor::Counted(of) => of.part.estimate(),
        }
    }
}
