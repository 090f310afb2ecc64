//! Searches: the entries of the best scores whose texts begin like a query.
//!
//! Nodes wait in a heap by the best score that an entry below them can have, entries by their own
//! score. An entry that comes first in the heap is found. Equal scores come in the order of the
//! trie, as a rule. Once the heap holds as many entries as the search wants, nodes and entries that
//! come after all of them are left out.
//!
//!     score = own * e^(-2 * edits) / sqrt(1 + |letters - bytes of the query|)
//!
//! A text as long as the query that agrees with it in its first half has [`EXACT`] for its own
//! score: the whole text would be meant, but this is what Redis compares.

use super::letters::{self, Letters};
use super::nearness::{EDITS_MAX, Nearness, Query};
use super::{ROOT, Suggestion, Suggestions};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::LazyLock;

/// The own score of a text that equals the query.
const EXACT: f32 = i32::MAX as f32;
/// Redis refuses queries of so many letters.
pub const QUERY_LETTERS_MAX: usize = 100;

/// A query, and the values derived from it.
#[derive(Debug)]
struct Search {
    query: Query,
    bytes: usize,
    /// [`root_of`] the usual distances: taking a root takes longer than all else of a score.
    roots: &'static [f64; ROOTS],
}

const ROOTS: usize = 64;
static ROOTS_OF: LazyLock<[f64; ROOTS]> = LazyLock::new(|| std::array::from_fn(root_of));

/// How far a path of the trie is read.
#[derive(Clone, Copy, Debug)]
struct Path {
    nearness: Nearness,
    letters: Letters,
    /// Letters that have begun.
    len: u16,
    /// Whether the text agrees with the first half of the query, as far as the text goes.
    agrees: bool,
}

#[derive(Clone, Copy, Debug)]
struct QueueItem {
    /// The score of an entry; the best score below a node.
    score: f32,
    is_entry: bool,
    order: u32,
    node: u32,
    path: Path,
}

/// The best scores of entries that have been met, as many as the search's count, ascending.
#[derive(Debug)]
struct BestScores {
    wanted: usize,
    scores: Vec<f32>,
}

impl BestScores {
    fn new(wanted: usize) -> BestScores {
        BestScores {
            wanted,
            scores: Vec::new(),
        }
    }

    /// Whether as many entries as the search's count have better scores.
    fn is_above(&self, score: f32) -> bool {
        let is_full = self.scores.len() == self.wanted;
        is_full && self.scores.first().is_some_and(|least| score < *least)
    }

    fn meet(&mut self, score: f32) {
        /// More than that are never found to be better: the bar would cost more than it spares.
        const WANTED_MAX: usize = 64;
        if self.wanted > WANTED_MAX {
            return;
        }
        let at = self.scores.partition_point(|other| *other < score);
        if self.scores.len() < self.wanted {
            self.scores.insert(at, score);
        } else if at > 0 {
            self.scores[..at].rotate_left(1);
            self.scores[at - 1] = score;
        }
    }
}

impl PartialEq for QueueItem {
    fn eq(&self, other: &QueueItem) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for QueueItem {}

impl PartialOrd for QueueItem {
    fn partial_cmp(&self, other: &QueueItem) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueueItem {
    fn cmp(&self, other: &QueueItem) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(self.is_entry.cmp(&other.is_entry))
            .then(other.order.cmp(&self.order))
    }
}

/// An entry that was found in the order of texts.
#[derive(Debug)]
struct FoundEntry {
    score: f32,
    /// Of equal scores the lesser is better.
    order: u64,
    text: Vec<u8>,
    payload: Option<Box<[u8]>>,
}

impl PartialEq for FoundEntry {
    fn eq(&self, other: &FoundEntry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FoundEntry {}

impl PartialOrd for FoundEntry {
    fn partial_cmp(&self, other: &FoundEntry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FoundEntry {
    fn cmp(&self, other: &FoundEntry) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then(other.order.cmp(&self.order))
    }
}

/// A search under way: it keeps its state between steps, and each step gets the dictionary as an
/// argument.
#[derive(Debug)]
pub struct SuggestionSearch {
    search: Search,
    wanted: usize,
    /// The dictionary's as the search began.
    stamp: u64,
    way: SearchOrder,
}

#[derive(Debug)]
enum SearchOrder {
    BestFirst {
        heap: BinaryHeap<QueueItem>,
        bar: BestScores,
        order: u32,
        found: usize,
    },
    /// Entries in the order of their texts, from a given text on; the worst entry kept is on top.
    InOrder {
        from: Vec<u8>,
        kept: BinaryHeap<Reverse<FoundEntry>>,
        order: u64,
    },
    /// The worst of those kept first, until all are in order.
    Sorted {
        kept: BinaryHeap<Reverse<FoundEntry>>,
        best_last: Vec<FoundEntry>,
    },
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchProgress {
    /// The search continues with the next step.
    More,
    /// The dictionary has changed: the search began again, so entries that the caller took before
    /// do not count.
    Anew,
    /// All is found.
    Done,
}

/// Whether a step has to end; called for each entry or node.
type IsOver<'o> = &'o mut dyn FnMut() -> bool;
type Take<'t> = &'t mut dyn FnMut(&Suggestion<'_>);

impl SuggestionSearch {
    /// A search for the `max` entries of the best scores that begin like `prefix`, whatever the
    /// case of its letters; `is_fuzzy`: also with an edit. `None`: the prefix has
    /// [`QUERY_LETTERS_MAX`] letters or more.
    pub fn new(
        of: &Suggestions,
        prefix: &[u8],
        is_fuzzy: bool,
        max: usize,
    ) -> Option<SuggestionSearch> {
        let letters = letters::folded(prefix);
        if letters.len() >= QUERY_LETTERS_MAX {
            return None;
        }
        let edits = if is_fuzzy { EDITS_MAX } else { 0 };
        let search = Search {
            query: Query { letters, edits },
            bytes: prefix.len(),
            roots: &ROOTS_OF,
        };
        let heap = BinaryHeap::from([QueueItem {
            score: 0.0,
            is_entry: false,
            order: 0,
            node: ROOT,
            path: search.start(),
        }]);
        Some(SuggestionSearch {
            search,
            wanted: max,
            stamp: of.stamp,
            way: SearchOrder::BestFirst {
                heap,
                bar: BestScores::new(max),
                order: 0,
                found: 0,
            },
        })
    }

    /// Continues until `is_over`, and passes the found entries to `take`, best first.
    pub fn step(
        &mut self,
        of: &Suggestions,
        is_over: IsOver<'_>,
        take: Take<'_>,
    ) -> SearchProgress {
        if let SearchOrder::BestFirst { .. } = self.way {
            if of.stamp == self.stamp {
                return self.step_best_first(of, is_over, take);
            }
            self.way = SearchOrder::InOrder {
                from: Vec::new(),
                kept: BinaryHeap::new(),
                order: 0,
            };
            return SearchProgress::Anew;
        }
        if let SearchOrder::InOrder { .. } = self.way
            && !self.read_in_order(of, is_over)
        {
            return SearchProgress::More;
        }
        let SearchOrder::Sorted { kept, best_last } = &mut self.way else {
            return SearchProgress::Done;
        };
        while let Some(Reverse(worst)) = kept.pop() {
            best_last.push(worst);
            if is_over() {
                return SearchProgress::More;
            }
        }
        while let Some(best) = best_last.pop() {
            take(&Suggestion {
                text: best.text,
                score: best.score,
                payload: best.payload.as_deref(),
            });
            if is_over() {
                return SearchProgress::More;
            }
        }
        SearchProgress::Done
    }

    fn step_best_first(
        &mut self,
        of: &Suggestions,
        is_over: IsOver<'_>,
        take: Take<'_>,
    ) -> SearchProgress {
        let (search, wanted_max) = (&self.search, self.wanted);
        let SearchOrder::BestFirst {
            heap,
            bar,
            order,
            found,
        } = &mut self.way
        else {
            return SearchProgress::Done;
        };
        while *found < wanted_max
            && let Some(waiting) = heap.pop()
        {
            let QueueItem {
                score,
                is_entry,
                node,
                path,
                ..
            } = waiting;
            if is_entry {
                *found += 1;
                take(&Suggestion {
                    text: of.text(node),
                    score,
                    payload: of.payload(node),
                });
                if is_over() {
                    return SearchProgress::More;
                }
                continue;
            }
            let wanted = search.wanted(&path);
            for child in of.children(node) {
                let held = &of.nodes[child as usize];
                if wanted.is_some_and(|wanted| !wanted.begins_with(held.first)) {
                    continue;
                }
                let mut path = path;
                if !search.read(&mut path, of.label(child)) {
                    continue;
                }
                let mut push = |score, is_entry| {
                    if bar.is_above(score) {
                        return;
                    }
                    if is_entry {
                        bar.meet(score);
                    }
                    *order += 1;
                    heap.push(QueueItem {
                        score,
                        is_entry,
                        order: *order,
                        node: child,
                        path,
                    });
                };
                if held.is_entry && path.nearness.is_match && !path.letters.is_within() {
                    push(search.score(held.score, &path), true);
                }
                if held.child != super::NONE {
                    push(search.best(held.best, &path), false);
                }
            }
            if is_over() {
                return SearchProgress::More;
            }
        }
        SearchProgress::Done
    }

    /// Reads entries in the order of their texts; whether all were read.
    fn read_in_order(&mut self, of: &Suggestions, is_over: IsOver<'_>) -> bool {
        let SearchOrder::InOrder { from, kept, order } = &mut self.way else {
            return true;
        };
        let mut node = of.first_from(from);
        while let Some(at) = node {
            if of.nodes[at as usize].is_entry {
                let text = of.text(at);
                let mut path = self.search.start();
                let is_near = self.search.read(&mut path, &text);
                if is_near && path.nearness.is_match && !path.letters.is_within() {
                    *order += 1;
                    kept.push(Reverse(FoundEntry {
                        score: self.search.score(of.nodes[at as usize].score, &path),
                        order: *order,
                        text,
                        payload: of.payload(at).map(Box::from),
                    }));
                    if kept.len() > self.wanted {
                        kept.pop();
                    }
                }
            }
            node = of.after(at);
            if let Some(next) = node.filter(|_| is_over()) {
                *from = of.text(next);
                return false;
            }
        }
        self.way = SearchOrder::Sorted {
            kept: std::mem::take(kept),
            best_last: Vec::new(),
        };
        true
    }
}

/// The letter that has to come next.
#[derive(Clone, Copy)]
struct NextLetter(u32);

impl NextLetter {
    /// Whether it may begin with a byte.
    #[inline]
    fn begins_with(self, byte: u8) -> bool {
        // Bytes beyond are parts of letters, some of which are without case as these are.
        !byte.is_ascii() || letters::fold(byte.into()) == self.0
    }
}

/// The divisor of the score of a text whose length differs so much from the query's.
fn root_of(distance: usize) -> f64 {
    (1.0 + distance as f64).sqrt()
}

impl Search {
    /// The path to the root.
    fn start(&self) -> Path {
        Path {
            nearness: Nearness::start(&self.query),
            letters: Letters::default(),
            len: 0,
            agrees: true,
        }
    }

    /// The letter that has to come next on a path: without edits it is the next letter of the
    /// query.
    fn wanted(&self, path: &Path) -> Option<NextLetter> {
        if self.query.edits > 0 || path.letters.is_within() {
            return None;
        }
        self.query
            .letters
            .get(usize::from(path.len))
            .copied()
            .map(NextLetter)
    }

    /// Reads a label; false: nothing that begins so is found.
    fn read(&self, path: &mut Path, label: &[u8]) -> bool {
        if path.nearness.is_done() && !path.letters.is_within() && label.is_ascii() {
            // Nothing but their number counts.
            path.len += label.len() as u16;
            return true;
        }
        for byte in label {
            path.len += u16::from(!path.letters.is_within());
            let Some(letter) = path.letters.read(*byte) else {
                continue;
            };
            if path.nearness.is_done() {
                continue;
            }
            path.agrees = path.agrees && self.agrees(usize::from(path.len) - 1, letter);
            if !path.nearness.read(&self.query, letters::fold(letter)) {
                return false;
            }
        }
        true
    }

    /// Whether a letter of a text equals the query's letter, if that letter is in the first half of
    /// the query. Redis compares 16 bits of a letter, and of the middle letter 8.
    fn agrees(&self, at: usize, letter: u32) -> bool {
        let letters = &self.query.letters;
        let Some(wanted) = letters.get(at) else {
            return true;
        };
        match at.cmp(&(letters.len() / 2)) {
            Ordering::Less => *wanted as u16 == letter as u16,
            Ordering::Equal if letters.len() % 2 == 1 => *wanted as u8 == letter as u8,
            _ => true,
        }
    }

    fn score(&self, own: f32, path: &Path) -> f32 {
        let len = usize::from(path.len);
        let is_exact = len > 0 && len == self.query.letters.len() && path.agrees;
        let own = if is_exact { EXACT } else { own };
        self.weigh(own, path.nearness.edits, len.abs_diff(self.bytes))
    }

    /// At least the score of any entry below the end of a path, the best of whose own is known.
    fn best(&self, own: f32, path: &Path) -> f32 {
        let len = usize::from(path.len);
        let may_be_exact = len < self.query.letters.len() && path.agrees;
        let own = if may_be_exact { own.max(EXACT) } else { own };
        let edits = path.nearness.fewest();
        let least = len + usize::from(!path.letters.is_within());
        // A score below 0 comes nearer to it the longer the text.
        self.weigh(own.max(0.0), edits, least.saturating_sub(self.bytes))
    }

    fn weigh(&self, own: f32, edits: u8, distance: usize) -> f32 {
        let mut score = own;
        if self.query.edits > 0 {
            score = (f64::from(score) * (-2.0 * f64::from(edits)).exp()) as f32;
        }
        let root = self.roots.get(distance).copied();
        let root = root.unwrap_or_else(|| root_of(distance));
        (f64::from(score) / root) as f32
    }
}
