//! The terms, or the tags of a field, that a prefix, a part, a pattern or a fuzzy word stands for:
//! the first in the order of their bytes, up to the search's limit.
//!
//! Cost: a prefix asks only the terms that begin with it; a fuzzy word skips terms whose beginnings
//! are too far; parts and patterns ask the terms that have their pairs of bytes with
//! WITHSUFFIXTRIE, else all. Tags are asked in the order of their numbers, and the tags with the
//! least texts are kept.

use std::collections::BinaryHeap;

use levenshtein_automata::{DFA, Distance, SINK_STATE};
use roaring::RoaringBitmap;

use super::super::expansions::Test;
use super::super::{END, WordCursor};
use super::found::{FoundTerm, PartMatches, TagField};
use super::{Clock, Job, PreparedPart};
use crate::index::{Index, Part, Tags, Term, to_successor};
use crate::query::{Fields, Node, QueryError};
use crate::search::Search;

/// Some fields have WITHSUFFIXTRIE, and the fields that are asked lack it.
const NO_SUFFIXES: &[u8] = b"Contains query on fields without WITHSUFFIXTRIE support";

/// See the module.
#[derive(Debug)]
pub(crate) struct TermsJob {
    test: Test,
    way: Way,
    most: usize,
    /// The fields of terms that count.
    fields: u128,
}

/// How terms are looked for, and how far the search is.
#[derive(Debug)]
enum Way {
    /// In their order, from a text on.
    InOrder {
        from: Vec<u8>,
        found: Vec<FoundTerm>,
    },
    /// By number, from `next` on; `among`: only these.
    ByNumber {
        next: u32,
        among: Option<RoaringBitmap>,
        tags: Option<usize>,
        least: BinaryHeap<FoundTerm>,
    },
}

/// Whether a document holds a term in some fields.
fn is_held(index: &Index, term: &Term, fields: u128) -> bool {
    let positions = index.schema().has_offsets;
    WordCursor::new(term, fields, 1.0, positions, (0, END)).id() != END
}

impl TermsJob {
    pub(super) fn begin(
        index: &Index,
        search: &Search,
        node: &Node,
        tags: Option<TagField>,
    ) -> Result<PreparedPart, QueryError> {
        let folds = tags.is_none_or(|tags| tags.folds);
        let Some(test) = Test::of(node, search.prefix_min, folds) else {
            return Ok(PreparedPart::Found(PartMatches::Nothing));
        };
        let by_number = |among, tags| Way::ByNumber {
            next: 0,
            among,
            tags,
            least: BinaryHeap::new(),
        };
        let (way, fields) = if let Some(TagField { place, .. }) = tags {
            let Part::Tags(of) = index.part_at(place) else {
                return Ok(PreparedPart::Found(PartMatches::Nothing));
            };
            let among = of.with_pairs(&test.pairs());
            (by_number(among, Some(place)), 0)
        } else {
            let is_within = matches!(test, Test::Suffix(_) | Test::Part(_) | Test::Pattern(_));
            let suffixes = index.fields_with_suffixes().filter(|_| is_within);
            if let Some(with) = suffixes
                && node.fields != Fields::ALL
                && node.fields.0 & !with.0 != 0
            {
                return Err(QueryError(NO_SUFFIXES.to_vec()));
            }
            let Some(fields) = index.fields_of(node) else {
                return Ok(PreparedPart::Found(PartMatches::Nothing));
            };
            let way = if suffixes.is_some() {
                by_number(Some(index.terms().with_pairs(&test.pairs())), None)
            } else {
                let from = match &test {
                    Test::Prefix(prefix) => prefix.clone(),
                    _ => Vec::new(),
                };
                let found = Vec::new();
                Way::InOrder { from, found }
            };
            (way, fields)
        };
        Ok(PreparedPart::Job(Job::Terms(TermsJob {
            test,
            way,
            most: search.expansions_max,
            fields,
        })))
    }

    /// See [`Job::step`].
    pub(super) fn step(
        &mut self,
        index: &Index,
        _search: &Search,
        clock: &mut Clock<'_>,
    ) -> Option<PartMatches> {
        let is_cut = match (&self.test, &self.way) {
            (Test::Fuzzy(_), Way::InOrder { .. }) => self.take_near(index, clock)?,
            (_, Way::InOrder { .. }) => self.take_in_order(index, clock)?,
            _ => self.take_by_number(index, clock)?,
        };
        let terms = match &mut self.way {
            Way::InOrder { found, .. } => std::mem::take(found),
            Way::ByNumber { least, .. } => std::mem::take(least).into_sorted_vec(),
        };
        Some(PartMatches::Terms {
            terms: terms.into(),
            is_cut,
        })
    }

    /// Whether there are more than it may stand for; `None`: the time is over.
    fn take_in_order(&mut self, index: &Index, clock: &mut Clock<'_>) -> Option<bool> {
        let Way::InOrder { from, found } = &mut self.way else {
            return Some(false);
        };
        let mut walk = index.terms().walk();
        walk.seek(from);
        while let Some(term) = walk.term() {
            if clock.spend(2) {
                *from = term.text.to_vec();
                return None;
            }
            if let Test::Prefix(prefix) = &self.test
                && !term.text.starts_with(prefix)
            {
                break;
            }
            // An empty text is kept for INDEXEMPTY alone: it is no word.
            let is_word = !term.text.is_empty() && !term.postings.is_empty();
            if is_word && self.test.passes(&term.text) {
                if found.len() == self.most {
                    return Some(true);
                }
                if is_held(index, term, self.fields)
                    && let Some(number) = walk.number()
                {
                    found.push(FoundTerm::new(&term.text, number));
                }
                clock.spend(term.postings.len() / 256);
            }
            walk.advance();
        }
        Some(false)
    }

    /// The same for a fuzzy word: terms with a beginning that the word's automaton refuses are
    /// skipped.
    fn take_near(&mut self, index: &Index, clock: &mut Clock<'_>) -> Option<bool> {
        let (Test::Fuzzy(automaton), Way::InOrder { from, found }) = (&self.test, &mut self.way)
        else {
            return Some(false);
        };
        let mut walk = index.terms().walk();
        walk.seek(from);
        let mut beginning = Vec::new();
        while let Some(head) = walk.head() {
            if clock.spend(2) {
                *from = walk.term()?.text.to_vec();
                return None;
            }
            // Most are refused by their first bytes, for which no text is read.
            let len = head.iter().position(|byte| *byte == 0).unwrap_or(8);
            beginning.clear();
            if let Ok(refused) = refusal(automaton, &head[..len]) {
                beginning.extend_from_slice(&head[..refused]);
            } else {
                let Some(term) = walk.term() else {
                    break;
                };
                match refusal(automaton, &term.text) {
                    Ok(refused) => beginning.extend_from_slice(&term.text[..refused]),
                    Err(state) => {
                        let passes = matches!(automaton.distance(state), Distance::Exact(_));
                        let is_word = !term.text.is_empty() && !term.postings.is_empty();
                        if passes && is_word {
                            if found.len() == self.most {
                                return Some(true);
                            }
                            if is_held(index, term, self.fields)
                                && let Some(number) = walk.number()
                            {
                                found.push(FoundTerm::new(&term.text, number));
                            }
                        }
                        walk.advance();
                        continue;
                    }
                }
            }
            // No term that begins so passes.
            if !to_successor(&mut beginning) {
                break;
            }
            walk.seek(&beginning);
        }
        Some(false)
    }

    fn take_by_number(&mut self, index: &Index, clock: &mut Clock<'_>) -> Option<bool> {
        let Way::ByNumber {
            next,
            among,
            tags,
            least,
        } = &mut self.way
        else {
            return Some(false);
        };
        let tags = tags.and_then(|place| match index.part_at(place) {
            Part::Tags(tags) => Some(tags),
            _ => None,
        });
        let end = tags.map_or(index.terms().end(), Tags::end);
        let mut some = among.as_ref().map(|among| {
            let mut numbers = among.iter();
            numbers.advance_to(*next);
            numbers
        });
        loop {
            let number = match &mut some {
                Some(numbers) => numbers.next(),
                None => Some(*next).filter(|next| *next < end),
            };
            let Some(number) = number else {
                let is_cut = least.len() > self.most;
                if is_cut {
                    least.pop();
                }
                return Some(is_cut);
            };
            if clock.spend(2) {
                *next = number;
                return None;
            }
            *next = number + 1;
            let text = match tags {
                Some(tags) => tags.known(number).map(|tag| &tag.text),
                None => {
                    let term = index.terms().known(number);
                    let term = term.filter(|term| {
                        !term.text.is_empty()
                            && !term.postings.is_empty()
                            && self.test.passes(&term.text)
                            && is_held(index, term, self.fields)
                    });
                    term.map(|term| &term.text)
                }
            };
            let Some(text) = text.filter(|text| self.test.passes(text)) else {
                continue;
            };
            // A text more than the limit is kept, to know whether there are more.
            if least.len() <= self.most {
                least.push(FoundTerm::new(text, number));
            } else if least.peek().is_some_and(|last| *text < last.text) {
                least.pop();
                least.push(FoundTerm::new(text, number));
            }
        }
    }
}

/// After how many bytes an automaton refuses a text; or the state at the end of the text.
fn refusal(automaton: &DFA, text: &[u8]) -> Result<usize, u32> {
    let mut state = automaton.initial_state();
    let refused = text.iter().position(|byte| {
        state = automaton.transition(state, *byte);
        state == SINK_STATE
    });
    refused.map(|at| at + 1).ok_or(state)
}
