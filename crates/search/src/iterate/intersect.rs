//! Documents that all parts match, perhaps with their words near each other.
//!
//! The part with the fewest documents leads, the others seek to the leader's documents.

use super::positions::{self, Nearness};
use super::{Cursor, END};

/// A walk over the documents of all parts.
pub(crate) struct Intersection<'i> {
    /// By their numbers of documents, unless the order of words counts.
    parts: Vec<Cursor<'i>>,
    /// The part with the fewest documents.
    lead: usize,
    id: u32,
    pub(crate) weight: f64,
    nearness: Option<Nearness>,
    room: Vec<Vec<u32>>,
    /// From this document on it is not known whether all parts match.
    limit: u32,
}

impl<'i> Intersection<'i> {
    /// `order`: the numbers of documents by which parts are ordered; `None`: their own.
    pub(crate) fn new(
        mut parts: Vec<Cursor<'i>>,
        order: Option<Vec<u64>>,
        nearness: Option<Nearness>,
        weight: f64,
        limit: u32,
    ) -> Intersection<'i> {
        if nearness.is_none_or(|nearness| !nearness.in_order) {
            match order {
                None => parts.sort_by_key(Cursor::estimate),
                Some(order) => {
                    let mut ordered: Vec<_> = order.into_iter().zip(parts).collect();
                    ordered.sort_by_key(|(documents, _)| *documents);
                    parts = ordered.into_iter().map(|(_, part)| part).collect();
                }
            }
        }
        let by_estimate = |at: &usize| parts[*at].estimate();
        let lead = (0..parts.len()).min_by_key(by_estimate).unwrap_or(0);
        let mut intersection = Intersection {
            parts,
            lead,
            id: END,
            weight,
            nearness,
            room: Vec::new(),
            limit,
        };
        intersection.settle();
        intersection
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Moves to the first document of all parts, from the lead's document on.
    fn settle(&mut self) {
        'documents: loop {
            let id = self.parts.get(self.lead).map_or(END, Cursor::id);
            if id >= self.limit {
                self.id = id;
                return;
            }
            for part in &mut self.parts {
                part.seek(id);
                let other = part.id();
                if other != id {
                    self.parts[self.lead].seek(other);
                    continue 'documents;
                }
            }
            if let Some(nearness) = self.nearness
                && !positions::are_near(&self.parts, nearness, &mut self.room)
            {
                self.parts[self.lead].advance();
                continue;
            }
            self.id = id;
            return;
        }
    }

    pub(crate) fn advance(&mut self) {
        if self.id != END {
            self.parts[self.lead].advance();
            self.settle();
        }
    }

    pub(crate) fn seek(&mut self, to: u32) {
        if self.id < to {
            self.parts[self.lead].seek(to);
            self.settle();
        }
    }

    pub(crate) fn parts_mut(&mut self) -> &mut [Cursor<'i>] {
        &mut self.parts
    }

    pub(crate) fn parts(&self) -> &[Cursor<'i>] {
        &self.parts
    }

    pub(crate) fn estimate(&self) -> u64 {
        self.parts.iter().map(Cursor::estimate).min().unwrap_or(0)
    }
}
