//! Documents that any part matches.
//!
//! If parts are few, a step asks each. Many parts stand in a heap by their documents, and the parts
//! on the present document in a list. The first step makes the heap, because documents that are
//! taken in blocks (`blocks`) need no heap.
//!
//! Cost of a step: O(parts) up to [`FLAT_MAX`], then O(matched x log parts).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Cursor, END};

/// The most parts without a heap.
const FLAT_MAX: usize = 16;

/// A walk over the documents of any part.
pub(crate) struct Union<'i> {
    parts: Vec<Cursor<'i>>,
    id: u32,
    pub(crate) weight: f64,
    /// Whether only the first part on a document counts for the score.
    is_choice: bool,
    /// Whether many parts stand in a heap.
    is_heaped: bool,
    /// If so: the parts that stand on the document, ascending, and all others that have not ended.
    matched: Vec<usize>,
    heap: BinaryHeap<Reverse<(u32, usize)>>,
}

impl<'i> Union<'i> {
    pub(crate) fn new(parts: Vec<Cursor<'i>>, weight: f64) -> Union<'i> {
        let mut union = Union {
            parts,
            id: END,
            weight,
            is_choice: false,
            is_heaped: false,
            matched: Vec::new(),
            heap: BinaryHeap::new(),
        };
        union.find_least();
        union
    }

    /// A union of terms that an expression stands for: the first term on a document counts.
    pub(crate) fn choice(parts: Vec<Cursor<'i>>, weight: f64) -> Union<'i> {
        Union {
            is_choice: true,
            ..Union::new(parts, weight)
        }
    }

    pub(crate) fn parts_mut(&mut self) -> &mut [Cursor<'i>] {
        &mut self.parts
    }

    pub(crate) fn parts(&self) -> &[Cursor<'i>] {
        &self.parts
    }

    /// Whether only the first part on a document counts for the score.
    pub(crate) fn is_choice(&self) -> bool {
        self.is_choice
    }

    /// Moves the parts forward, by any steps, and then the union to the least of their documents.
    pub(crate) fn move_parts(&mut self, forward: impl FnMut(&mut Cursor<'i>)) {
        self.parts.iter_mut().for_each(forward);
        self.is_heaped = false;
        self.find_least();
    }

    /// Makes the heap of many parts; false: there are few.
    fn heap_up(&mut self) -> bool {
        if self.parts.len() <= FLAT_MAX {
            return false;
        }
        if !self.is_heaped {
            let ids = self.parts.iter().enumerate();
            self.heap = ids.map(|(at, part)| Reverse((part.id(), at))).collect();
            self.is_heaped = true;
            self.pop_matched();
        }
        true
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    fn find_least(&mut self) {
        self.id = self.parts.iter().map(Cursor::id).min().unwrap_or(END);
    }

    /// Puts a part back by the document that it stands on.
    fn push(&mut self, at: usize) {
        let id = self.parts[at].id();
        if id != END {
            self.heap.push(Reverse((id, at)));
        }
    }

    fn pop_matched(&mut self) {
        self.matched.clear();
        self.id = self.heap.peek().map_or(END, |Reverse((id, _))| *id);
        while let Some(Reverse((id, at))) = self.heap.peek().copied() {
            if id != self.id || id == END {
                break;
            }
            self.heap.pop();
            self.matched.push(at);
        }
    }

    pub(crate) fn advance(&mut self) {
        if !self.heap_up() {
            for part in &mut self.parts {
                if part.id() == self.id {
                    part.advance();
                }
            }
            return self.find_least();
        }
        for place in 0..self.matched.len() {
            let at = self.matched[place];
            self.parts[at].advance();
            self.push(at);
        }
        self.pop_matched();
    }

    pub(crate) fn seek(&mut self, to: u32) {
        if self.id >= to {
            return;
        }
        if !self.heap_up() {
            self.parts.iter_mut().for_each(|part| part.seek(to));
            return self.find_least();
        }
        for place in 0..self.matched.len() {
            let at = self.matched[place];
            self.parts[at].seek(to);
            self.push(at);
        }
        while let Some(Reverse((id, at))) = self.heap.peek().copied() {
            if id >= to {
                break;
            }
            self.heap.pop();
            self.parts[at].seek(to);
            self.push(at);
        }
        self.pop_matched();
    }

    /// The parts that stand on the document, in the order of the query, or the first of them.
    pub(crate) fn matched(&self) -> impl Iterator<Item = &Cursor<'i>> {
        let (flat, heaped) = if self.is_heaped {
            (&[][..], self.matched.as_slice())
        } else {
            (self.parts.as_slice(), &[][..])
        };
        let flat = flat.iter().filter(|part| part.id() == self.id);
        let most = if self.is_choice { 1 } else { usize::MAX };
        flat.chain(heaped.iter().map(|at| &self.parts[*at]))
            .take(most)
    }

    pub(crate) fn estimate(&self) -> u64 {
        self.parts.iter().map(Cursor::estimate).sum()
    }
}
