//! Documents of a query in blocks, with their scores, for queries that ask for nothing else.
//!
//! The documents of a term are read as they are stored, some 128 at once, the documents of a set by
//! the window. A union takes documents by the window, too: one part after another adds to the sums
//! of the documents within the window, because this way no step has to look for the least document.
//! Unions within a union have windows of their own. Any other part goes from document to document.
//!
//!     window = a bit for each of WINDOW documents: a part has it | a sum for each
//!
//! Invariant: scores are equal to [`ScoreContext::score`] to the last bit, because parts are added
//! in the order of the query.
//!
//! Cost: O(1) for each document of each part, and O(parts + WINDOW / 64) for a window.

#[cfg(test)]
mod tests;

use super::{Cursor, Union};
use crate::hit::{DocumentId, ScoredDocument};
use crate::index::Documents;
use crate::score::ScoreContext;

/// Documents of a window: their sums fit into the nearest cache.
const WINDOW: u32 = 4096;

/// Documents of a block, if the cursor goes from document to document.
const STEPS: usize = 128;

/// Documents that were found and not taken yet.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    found: Vec<ScoredDocument>,
    /// How many of them are taken.
    taken: usize,
    /// Windows for unions.
    spare: Vec<Window>,
}

/// How the parts of a union make the sum of a document.
#[derive(Clone, Copy, Debug)]
enum Combine {
    /// The first counts alone.
    First,
    Sum,
    Best,
}

#[derive(Debug)]
struct Window {
    bits: Box<[u64]>,
    sums: Box<[f64]>,
}

impl Window {
    fn new() -> Window {
        Window {
            bits: vec![0; WINDOW as usize / 64].into(),
            sums: vec![0.0; WINDOW as usize].into(),
        }
    }

    /// Adds the share of a part to the document at a place.
    #[inline]
    fn add(&mut self, at: u32, combine: Combine, share: impl FnOnce() -> f64) {
        let (word, bit) = (&mut self.bits[at as usize / 64], 1 << (at % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        if !is_new && matches!(combine, Combine::First) {
            return;
        }
        let sum = &mut self.sums[at as usize];
        let before = if is_new { 0.0 } else { *sum };
        *sum = match combine {
            Combine::Best => f64::max(before, share()),
            Combine::First | Combine::Sum => before + share(),
        };
    }

    /// Calls `take` with the places of documents, ascending, and their sums, and empties itself.
    fn drain(&mut self, mut take: impl FnMut(u32, f64)) {
        for (at, word) in self.bits.iter_mut().enumerate() {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let place = at as u32 * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                take(place, self.sums[place as usize]);
            }
        }
    }
}

/// How documents are scored. Without a scoring all scores are 0.
#[derive(Clone, Copy)]
pub(super) struct Filler<'f> {
    pub(super) scoring: Option<&'f ScoreContext>,
    pub(super) documents: &'f Documents,
    /// Documents from this number on are not taken.
    pub(super) limit: u32,
}

impl Blocks {
    /// The documents that may be taken next, at least one unless the query is at the end.
    pub(super) fn next(&mut self, root: &mut Cursor<'_>, filler: Filler<'_>) -> &[ScoredDocument] {
        while self.taken == self.found.len() && root.id() < filler.limit {
            self.found.clear();
            self.taken = 0;
            filler.fill(root, self);
        }
        &self.found[self.taken..]
    }

    /// Takes some of the next documents.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
    }
}

impl Filler<'_> {
    fn fill(&self, root: &mut Cursor<'_>, blocks: &mut Blocks) {
        let Blocks { found, spare, .. } = blocks;
        let put = |id: u32, score: f64| ScoredDocument {
            document: DocumentId(id),
            score,
        };
        match root {
            Cursor::Word(word) => {
                let end = word.block_end().min(self.limit);
                word.scan(end, |id, frequency| {
                    found.push(put(id, f64::from(frequency)));
                });
                let Some(scoring) = self.scoring else {
                    return found.iter_mut().for_each(|found| found.score = 0.0);
                };
                let term = scoring.term(word.idf, word.weight);
                for found in found {
                    let facts = self.documents.facts(found.document.0);
                    let sum = term.of(found.score, facts.length);
                    found.score = scoring.whole(sum, facts);
                }
            }
            Cursor::Union(union) => {
                let mut window = spare.pop().unwrap_or_else(Window::new);
                let from = union.id() & !63;
                let weight = union.weight;
                self.add_parts(union, from, &mut window, spare);
                window.drain(|at, sum| {
                    let id = from + at;
                    let score = self.scoring.map_or(0.0, |scoring| {
                        scoring.whole(weight * sum, self.documents.facts(id))
                    });
                    found.push(put(id, score));
                });
                spare.push(window);
            }
            Cursor::Ids(ids) => {
                let end = ids.id().saturating_add(WINDOW).min(self.limit);
                let Some(scoring) = self.scoring else {
                    return ids.scan(end, |id| found.push(put(id, 0.0)));
                };
                let set = scoring.set(ids.role, ids.weight);
                ids.scan(end, |id| {
                    let facts = self.documents.facts(id);
                    let sum = set.of(1.0, facts.length);
                    found.push(put(id, scoring.whole(sum, facts)));
                });
            }
            other => {
                while other.id() < self.limit && found.len() < STEPS {
                    let id = other.id();
                    let score = self.scoring.map_or(0.0, |scoring| {
                        let facts = self.documents.facts(id);
                        scoring.whole(scoring.sum(other, facts, None), facts)
                    });
                    found.push(put(id, score));
                    other.advance();
                }
            }
        }
    }

    /// Adds the shares of a union's parts to a window from a document on, and moves the parts
    /// beyond it.
    fn add_parts(
        &self,
        union: &mut Union<'_>,
        from: u32,
        window: &mut Window,
        spare: &mut Vec<Window>,
    ) {
        let end = from.saturating_add(WINDOW).min(self.limit);
        let combine = match self.scoring {
            _ if union.is_choice() => Combine::First,
            Some(scoring) if scoring.takes_best() => Combine::Best,
            _ => Combine::Sum,
        };
        union.move_parts(|part| {
            if part.id() < end {
                self.add_part(part, (from, end), combine, window, spare);
            }
        });
    }

    fn add_part(
        &self,
        part: &mut Cursor<'_>,
        (from, end): (u32, u32),
        combine: Combine,
        window: &mut Window,
        spare: &mut Vec<Window>,
    ) {
        match (part, self.scoring) {
            (Cursor::Word(word), None) => {
                word.scan(end, |id, _| window.add(id - from, Combine::First, || 0.0));
            }
            (Cursor::Word(word), Some(scoring)) => {
                let term = scoring.term(word.idf, word.weight);
                let documents = self.documents;
                word.scan(end, |id, frequency| {
                    window.add(id - from, combine, || {
                        term.of(f64::from(frequency), documents.facts(id).length)
                    });
                });
            }
            (Cursor::Ids(ids), None) => {
                ids.scan(end, |id| window.add(id - from, Combine::First, || 0.0));
            }
            (Cursor::Ids(ids), Some(scoring)) => {
                let set = scoring.set(ids.role, ids.weight);
                let documents = self.documents;
                ids.scan(end, |id| {
                    window.add(id - from, combine, || {
                        set.of(1.0, documents.facts(id).length)
                    });
                });
            }
            (Cursor::Union(inner), _) => {
                let mut below = spare.pop().unwrap_or_else(Window::new);
                let weight = inner.weight;
                self.add_parts(inner, from, &mut below, spare);
                below.drain(|at, sum| window.add(at, combine, || weight * sum));
                spare.push(below);
            }
            (other, scoring) => {
                while other.id() < end {
                    let id = other.id();
                    window.add(id - from, combine, || {
                        scoring.map_or(0.0, |scoring| {
                            scoring.sum(other, self.documents.facts(id), None)
                        })
                    });
                    other.advance();
                }
            }
        }
    }
}
