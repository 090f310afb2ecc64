//! Documents that a query matched.

use smallvec::SmallVec;

/// The number of a document within an index; numbers of removed documents are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub u32);

/// A document that a query matched, with the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredDocument {
    pub document: DocumentId,
    pub score: f64,
}

/// A document that a query matched, with its score, distances and terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub document: DocumentId,
    pub score: f64,
    /// Distances that vector parts of the query yield, in the order of `Matches::distance_names`;
    /// NaN: the part did not match.
    pub distances: SmallVec<[f64; 1]>,
    /// The words and tags that it matched, if the query asks for them; at most 100.
    pub terms: Vec<Box<[u8]>>,
    /// The steps of the score, if the query asks for them.
    pub explanation: Option<Explanation>,
}

impl From<ScoredDocument> for Hit {
    fn from(scored: ScoredDocument) -> Hit {
        Hit {
            document: scored.document,
            score: scored.score,
            distances: SmallVec::new(),
            terms: Vec::new(),
            explanation: None,
        }
    }
}

/// A step of a score, with the steps that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub text: String,
    pub parts: Vec<Explanation>,
}
