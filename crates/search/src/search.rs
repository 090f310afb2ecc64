//! The options of a query, apart from its text: the options of FT.SEARCH and FT.AGGREGATE that
//! decide which documents match, and their scores.

use std::sync::Arc;

use crate::hit::DocumentId;
use crate::score::{Scorer, Statistics};
use crate::text::Language;

/// EXPANDER: the terms that are looked for beside a query's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expander {
    /// `DEFAULT`: their synonyms, sounds and stems.
    #[default]
    All,
    /// `SYNONYM`
    Synonyms,
    /// `PHONETIC`
    Sounds,
    /// `SBSTEM`
    Stems,
    /// Of another name: no terms are added.
    Nothing,
}

impl Expander {
    /// Of a name, whose case counts.
    pub fn named(name: &[u8]) -> Expander {
        match name {
            b"DEFAULT" => Expander::All,
            b"SYNONYM" => Expander::Synonyms,
            b"PHONETIC" => Expander::Sounds,
            b"SBSTEM" => Expander::Stems,
            _ => Expander::Nothing,
        }
    }

    /// Whether it finds what another alone finds.
    pub(crate) fn finds(self, kind: Expander) -> bool {
        self == Expander::All || self == kind
    }
}

/// The options of a query.
#[derive(Clone, Debug)]
pub struct Search {
    pub scorer: Scorer,
    /// Of the query's words; `None`: the index's.
    pub language: Option<Language>,
    /// VERBATIM: words are not expanded.
    pub verbatim: bool,
    pub expander: Expander,
    /// INKEYS: the only documents that may match.
    pub in_keys: Option<Vec<DocumentId>>,
    /// A bit for each document that counts; `None`: all do.
    pub among: Option<Arc<[u64]>>,
    /// HAMMING compares payloads with it.
    pub payload: Option<Vec<u8>>,
    /// Whether hits have scores; without they are 0, and found more quickly.
    pub scores: bool,
    /// EXPLAINSCORE.
    pub explains: bool,
    /// `matched_terms`: hits have the words that they matched.
    pub terms: bool,
    /// FT.PROFILE: reads of parts are counted.
    pub profiles: bool,
    /// Terms that a prefix, a part, a pattern or a fuzzy word stands for, at most.
    pub expansions_max: usize,
    /// Bytes of a prefix, or of another part of a word, at least.
    pub prefix_min: usize,
    /// BM25STD.TANH divides scores by it.
    pub tanh_factor: f64,
    /// Of all shards, for their scores; `None`: this index has all documents.
    pub statistics: Option<Arc<Statistics>>,
    /// BM25STD.NORM: the best score, of which all are shares; `None`: it is to be found first.
    pub best: Option<f64>,
    /// FT.HYBRID: tags have no share in scores.
    pub is_hybrid: bool,
    /// Whether scores and expanded words are as in RediSearch 2.10, not as in Redis 8.10.
    pub is_2_10: bool,
}

impl Search {
    /// Whether the best score must be found before documents have theirs.
    pub(crate) fn needs_best(&self) -> bool {
        self.scores && self.scorer == Scorer::Bm25StdNorm && self.best.is_none()
    }

    /// The same documents, with the scores among which the best is looked for.
    pub(crate) fn for_best(&self) -> Search {
        Search {
            scorer: Scorer::Bm25Std,
            explains: false,
            profiles: false,
            terms: false,
            ..self.clone()
        }
    }

    /// The same documents, with nothing but their numbers.
    pub(crate) fn for_documents(&self) -> Search {
        Search {
            scores: false,
            explains: false,
            profiles: false,
            terms: false,
            ..self.clone()
        }
    }

    /// Whether a document counts.
    #[inline]
    pub(crate) fn counts(among: Option<&[u64]>, id: u32) -> bool {
        among.is_none_or(|bits| {
            let word = bits.get(id as usize / 64);
            word.is_some_and(|word| word >> (id % 64) & 1 == 1)
        })
    }
}

impl Default for Search {
    fn default() -> Search {
        Search {
            scorer: Scorer::default(),
            language: None,
            verbatim: false,
            expander: Expander::All,
            in_keys: None,
            among: None,
            payload: None,
            scores: true,
            explains: false,
            terms: false,
            profiles: false,
            expansions_max: 200,
            prefix_min: 2,
            tanh_factor: 4.0,
            statistics: None,
            best: None,
            is_hybrid: false,
            is_2_10: false,
        }
    }
}
