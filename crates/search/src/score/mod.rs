//! Computes the score of a document from the cursors of a query that stand on it.
//!
//!     N documents, n of them hold the term, f the term's weighted frequency in the document
//!     idf      floor(log2(1 + (N + 1) / n));  BM25STD: ln(1 + (N - n + 0.5) / (n + 0.5))
//!     TFIDF    w f idf, summed; times the document's score / highest f / spread
//!     DOCNORM  the same / document length / spread
//!     BM25     idf f / (f + k (1 - b + b avg)), b 0.5; times score / spread
//!     BM25STD  w idf f (k + 1) / (f + k (1 - b + b length / avg)), b 0.75; times score
//!     DISMAX   w f; the highest of a union
//!
//! k is 1.2, avg the average length of documents, spread the distance between words. RediSearch
//! 2.10 has b 0.5 for BM25STD, and no w for terms.
//!
//! Source: scores of Redis Stack 7.4; of Redis 8.10 as the documentation and clients' tests have
//! them.

mod explain;
mod statistics;
#[cfg(test)]
mod tests;

pub use statistics::{BYTES_MAX, Statistics};
pub(crate) use statistics::{PartCount, WORDS};

use crate::hit::Explanation;
use crate::index::Facts;
use crate::iterate::{Cursor, Role, spread};
use crate::search::Search;

/// How documents are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scorer {
    TfIdf,
    TfIdfDocNorm,
    Bm25,
    #[default]
    Bm25Std,
    /// Divided by the best score of the query.
    Bm25StdNorm,
    Bm25StdTanh,
    DisMax,
    DocScore,
    Hamming,
}

const NAMES: [(Scorer, &str); 9] = [
    (Scorer::TfIdf, "TFIDF"),
    (Scorer::TfIdfDocNorm, "TFIDF.DOCNORM"),
    (Scorer::Bm25, "BM25"),
    (Scorer::Bm25Std, "BM25STD"),
    (Scorer::Bm25StdNorm, "BM25STD.NORM"),
    (Scorer::Bm25StdTanh, "BM25STD.TANH"),
    (Scorer::DisMax, "DISMAX"),
    (Scorer::DocScore, "DOCSCORE"),
    (Scorer::Hamming, "HAMMING"),
];

impl Scorer {
    /// Of a name, in capital letters.
    pub fn named(name: &[u8]) -> Option<Scorer> {
        let mut all = NAMES.iter();
        all.find(|(_, its)| its.as_bytes() == name)
            .map(|(scorer, _)| *scorer)
    }

    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Whether scores depend on the documents and terms of the whole index.
    pub fn uses_statistics(self) -> bool {
        !matches!(self, Scorer::DisMax | Scorer::DocScore | Scorer::Hamming)
    }
}

/// Steps of a score, if the query asks for them.
pub(crate) type Steps<'s> = Option<&'s mut Vec<Explanation>>;

/// 1.2 as a float, as RediSearch has it.
const K: f64 = 1.2f32 as f64;

/// The facts of an index and a query that scores ask for.
#[derive(Debug)]
pub(crate) struct ScoreContext {
    pub(crate) scorer: Scorer,
    documents: f64,
    length_average: f64,
    /// Of BM25STD.
    b: f64,
    weighs_terms: bool,
    tanh_factor: f64,
    payload: Option<Vec<u8>>,
}

/// The part of a term in the scores of documents, if scores are sums of such parts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TermScore {
    /// BM25STD.
    Saturating {
        /// Weight times idf.
        factor: f64,
        b: f64,
        average: f64,
    },
    /// DISMAX.
    Weighted(f64),
    /// Of sets whose documents are all alike.
    Constant(f64),
}

impl TermScore {
    /// Of a document of some length that holds the term so often.
    #[inline]
    pub(crate) fn of(&self, frequency: f64, length: u32) -> f64 {
        match *self {
            TermScore::Saturating { factor, b, average } => {
                // Documents without words are of the average length.
                let share = if average == 0.0 {
                    1.0
                } else {
                    f64::from(length) / average
                };
                factor * frequency * (K + 1.0) / (frequency + K * (1.0 - b + b * share))
            }
            TermScore::Weighted(weight) => weight * frequency,
            TermScore::Constant(share) => share,
        }
    }
}

/// A term on a document.
#[derive(Clone, Copy)]
struct Leaf<'c> {
    text: &'c [u8],
    frequency: u32,
    idf: f64,
    weight: f64,
}

impl ScoreContext {
    pub(crate) fn new(search: &Search, documents: usize, length_total: u64) -> ScoreContext {
        let (documents, length_total) = match &search.statistics {
            Some(of_all) => (of_all.documents, of_all.length),
            None => (documents as u64, length_total),
        };
        ScoreContext {
            scorer: search.scorer,
            documents: documents as f64,
            length_average: length_total as f64 / documents.max(1) as f64,
            b: if search.is_2_10 { 0.5 } else { 0.75 },
            weighs_terms: !search.is_2_10,
            tanh_factor: search.tanh_factor,
            payload: search.payload.clone(),
        }
    }

    /// The score of a document that the cursor stands on. With `steps`, a step is added that
    /// explains the score.
    pub(crate) fn score(
        &self,
        root: &Cursor<'_>,
        facts: Facts,
        payload: Option<&[u8]>,
        steps: Steps<'_>,
    ) -> f64 {
        let score = f64::from(facts.score);
        match self.scorer {
            Scorer::TfIdf | Scorer::TfIdfDocNorm => self.tf_idf(root, facts, steps),
            Scorer::Bm25 => {
                let mut parts = Vec::new();
                let sum = self.sum(root, facts, steps.is_some().then_some(&mut parts));
                let slop = spread(root);
                explain::bm25(steps, parts, sum, score, slop);
                score * sum / slop as f64
            }
            Scorer::Bm25Std | Scorer::Bm25StdNorm | Scorer::Bm25StdTanh => {
                let mut parts = Vec::new();
                let sum = self.sum(root, facts, steps.is_some().then_some(&mut parts));
                let whole = self.whole(sum, facts);
                if self.scorer == Scorer::Bm25StdTanh {
                    explain::bm25_tanh(steps, parts, sum, score, self.tanh_factor, whole);
                } else {
                    explain::bm25_std(steps, parts, sum, score);
                }
                whole
            }
            Scorer::DisMax => self.sum(root, facts, steps),
            Scorer::DocScore => {
                explain::document_score(steps, score);
                score
            }
            Scorer::Hamming => self.hamming(payload, steps),
        }
    }

    /// Whether scores are made of sums alone, [`ScoreContext::sum`] and [`ScoreContext::whole`]: of
    /// documents nothing is asked but their facts.
    pub(crate) fn is_of_sums(&self) -> bool {
        matches!(
            self.scorer,
            Scorer::Bm25Std | Scorer::Bm25StdNorm | Scorer::Bm25StdTanh | Scorer::DisMax
        )
    }

    /// Whether only the best part of a union counts.
    pub(crate) fn takes_best(&self) -> bool {
        self.scorer == Scorer::DisMax
    }

    /// The score of a document from a sum, if scores [are sums](ScoreContext::is_of_sums).
    #[inline]
    pub(crate) fn whole(&self, sum: f64, facts: Facts) -> f64 {
        match self.scorer {
            Scorer::DisMax => sum,
            Scorer::Bm25StdTanh => (f64::from(facts.score) * sum / self.tanh_factor).tanh(),
            _ => f64::from(facts.score) * sum,
        }
    }

    /// The part of a term in sums.
    pub(crate) fn term(&self, idf: f64, weight: f64) -> TermScore {
        if self.scorer == Scorer::DisMax {
            return TermScore::Weighted(weight);
        }
        let weight = if self.weighs_terms { weight } else { 1.0 };
        TermScore::Saturating {
            factor: weight * idf,
            b: self.b,
            average: self.length_average,
        }
    }

    /// The part of a set in sums, for the frequency 1.
    pub(crate) fn set(&self, role: Role<'_>, weight: f64) -> TermScore {
        match role {
            Role::Tag { idf, .. } => self.term(idf, weight),
            Role::Plain if self.takes_best() => TermScore::Constant(weight * 0.0),
            Role::Everything | Role::Numbers if self.takes_best() => self.term(0.0, weight),
            Role::Everything => self.term(1.0, weight),
            Role::Numbers | Role::Plain => TermScore::Constant(0.0),
        }
    }

    fn tf_idf(&self, root: &Cursor<'_>, facts: Facts, steps: Steps<'_>) -> f64 {
        let score = f64::from(facts.score);
        let norm = match self.scorer {
            Scorer::TfIdf => facts.frequency_max,
            _ => facts.length,
        };
        if facts.score == 0.0 {
            explain::nothing(steps);
            return 0.0;
        }
        let mut parts = Vec::new();
        let sum = self.sum(root, facts, steps.is_some().then_some(&mut parts));
        let slop = spread(root);
        explain::tf_idf(steps, parts, sum, score, norm, slop);
        // A document without words has no score, as in Redis 8; in 2.10 it is infinite or NaN.
        if sum == 0.0 || norm == 0 {
            return 0.0;
        }
        score * sum / f64::from(norm) / slop as f64
    }

    fn hamming(&self, payload: Option<&[u8]>, steps: Steps<'_>) -> f64 {
        let pair = self.payload.as_deref().zip(payload);
        let Some((asked, own)) = pair.filter(|(a, b)| a.len() == b.len() && !a.is_empty()) else {
            explain::no_payload(steps);
            return 0.0;
        };
        let differing = asked
            .iter()
            .zip(own)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum::<u32>();
        let score = 1.0 / f64::from(differing + 1);
        explain::hamming(steps, own.len(), differing, score);
        score
    }

    /// The sum over the parts that stand on the document.
    pub(crate) fn sum(&self, part: &Cursor<'_>, facts: Facts, steps: Steps<'_>) -> f64 {
        match part {
            Cursor::Word(word) => {
                let leaf = Leaf {
                    text: word.text,
                    frequency: word.frequency(),
                    idf: word.idf,
                    weight: word.weight,
                };
                self.of_term(leaf, facts, steps)
            }
            Cursor::Ids(ids) => match ids.role {
                Role::Tag { text, idf } => {
                    let leaf = Leaf {
                        text,
                        frequency: 1,
                        idf,
                        weight: ids.weight,
                    };
                    self.of_term(leaf, facts, steps)
                }
                role => self.of_set(role, ids.weight, facts, steps),
            },
            Cursor::Intersection(of) => {
                self.of_parts(of.parts().iter(), of.weight, false, facts, steps)
            }
            Cursor::Union(of) => self.of_parts(of.matched(), of.weight, true, facts, steps),
            Cursor::Distances(of) => match of.filter() {
                None => {
                    explain::absent(steps, self.scorer);
                    0.0
                }
                Some(filter) if self.scorer == Scorer::DisMax => self.sum(filter, facts, steps),
                // The distance is a part without a score.
                Some(filter) => {
                    let parts = [&Cursor::Empty, filter];
                    self.of_parts(parts.into_iter(), of.weight, false, facts, steps)
                }
            },
            Cursor::Optional(rest) if rest.part.id() == rest.all.id() => {
                self.sum(&rest.part, facts, steps)
            }
            Cursor::Optional(_) => self.of_set(Role::Numbers, 0.0, facts, steps),
            Cursor::Counted(of) => self.sum(&of.part, facts, steps),
            Cursor::Empty | Cursor::Not(_) => {
                explain::absent(steps, self.scorer);
                0.0
            }
        }
    }

    fn of_parts<'c, 'i: 'c>(
        &self,
        parts: impl Iterator<Item = &'c Cursor<'i>>,
        weight: f64,
        is_union: bool,
        facts: Facts,
        steps: Steps<'_>,
    ) -> f64 {
        let mut inner = Vec::new();
        let explains = steps.is_some();
        let takes_best = is_union && self.takes_best();
        let mut sum = 0.0;
        for part in parts {
            let of_part = self.sum(part, facts, explains.then_some(&mut inner));
            sum = if takes_best {
                f64::max(sum, of_part)
            } else {
                sum + of_part
            };
        }
        explain::parts(steps, inner, self.scorer, weight, sum);
        weight * sum
    }

    fn of_term(&self, leaf: Leaf<'_>, facts: Facts, steps: Steps<'_>) -> f64 {
        let f = f64::from(leaf.frequency);
        match self.scorer {
            Scorer::TfIdf | Scorer::TfIdfDocNorm => {
                let value = leaf.weight * f * leaf.idf;
                explain::tf_idf_term(steps, value, leaf.weight, leaf.frequency, leaf.idf);
                value
            }
            Scorer::Bm25 => {
                let weight = if self.weighs_terms { leaf.weight } else { 1.0 };
                let share = f / (f + K * (1.0 - 0.5 + 0.5 * self.length_average));
                let value = weight * leaf.idf * share;
                let weight = self.weighs_terms.then_some(weight);
                explain::bm25_term(
                    steps,
                    value,
                    weight,
                    leaf.idf,
                    leaf.frequency,
                    self.length_average,
                );
                value
            }
            Scorer::DisMax => {
                let value = leaf.weight * f;
                explain::dis_max_term(steps, value, leaf.weight, leaf.frequency);
                value
            }
            _ => self.bm25_std(leaf, facts, steps),
        }
    }

    fn bm25_std(&self, leaf: Leaf<'_>, facts: Facts, steps: Steps<'_>) -> f64 {
        let idf = leaf.idf;
        let f = f64::from(leaf.frequency);
        let weight = if self.weighs_terms { leaf.weight } else { 1.0 };
        let (b, average) = (self.b, self.length_average);
        let value = self.term(idf, leaf.weight).of(f, facts.length);
        let weight = self.weighs_terms.then_some(weight);
        explain::bm25_std_term(
            steps,
            leaf.text,
            value,
            weight,
            idf,
            f,
            b,
            facts.length,
            average,
        );
        value
    }

    /// Of documents without a term.
    fn of_set(&self, role: Role<'_>, weight: f64, facts: Facts, steps: Steps<'_>) -> f64 {
        let frequency = u32::from(!matches!(role, Role::Plain));
        match self.scorer {
            Scorer::TfIdf | Scorer::TfIdfDocNorm => {
                let value = weight * f64::from(frequency);
                explain::tf_idf_set(steps, value, weight, frequency);
                value
            }
            Scorer::Bm25 => {
                let f = f64::from(frequency);
                let value = weight * f / (f + K * (1.0 - 0.5 + 0.5 * self.length_average));
                explain::bm25_set(steps, value, weight, frequency, self.length_average);
                value
            }
            Scorer::DisMax => {
                let value = weight * f64::from(frequency);
                explain::dis_max_term(steps, value, weight, frequency);
                value
            }
            _ if role == Role::Everything => {
                let leaf = Leaf {
                    text: b"*",
                    frequency: 1,
                    idf: 1.0,
                    weight,
                };
                self.bm25_std(leaf, facts, steps)
            }
            _ => {
                explain::absent(steps, self.scorer);
                0.0
            }
        }
    }

    /// The factor of a term that `documents` hold, as the scorer has it.
    pub(crate) fn idf(&self, documents: u64) -> f64 {
        let all = self.documents;
        // Documents may have come after all shards were asked for theirs.
        let n = f64::min(documents as f64, all);
        match self.scorer {
            Scorer::TfIdf | Scorer::TfIdfDocNorm | Scorer::Bm25 => {
                (1.0 + (all + 1.0) / n.max(1.0)).log2().floor()
            }
            Scorer::Bm25Std | Scorer::Bm25StdNorm | Scorer::Bm25StdTanh => {
                // RediSearch computes in floats up to the logarithm.
                let (without, with) = ((all - n) as f32 + 0.5, n as f32 + 0.5);
                f64::from(1.0 + without / with).ln()
            }
            Scorer::DisMax | Scorer::DocScore | Scorer::Hamming => 0.0,
        }
    }
}
