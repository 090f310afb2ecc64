//! Documents with their distances from a vector.

use std::sync::Arc;

use super::prepare::DocumentDistances;
use super::{Cursor, END};

/// A walk over documents with distances.
pub(crate) struct Distances<'i> {
    of: Arc<DocumentDistances>,
    id: u32,
    distance: f64,
    /// The condition that the documents passed, on the same document.
    filter: Option<Cursor<'i>>,
    /// The place of the distance's name among the query's names; `None`: no distance is yielded.
    pub(crate) place: Option<usize>,
    pub(crate) weight: f64,
}

impl<'i> Distances<'i> {
    /// On the first document that is `from` or more.
    pub(crate) fn new(
        of: Arc<DocumentDistances>,
        filter: Option<Cursor<'i>>,
        place: Option<usize>,
        weight: f64,
        from: u32,
    ) -> Distances<'i> {
        let mut distances = Distances {
            of,
            id: END,
            distance: f64::NAN,
            filter,
            place,
            weight,
        };
        distances.find(from);
        distances
    }

    fn find(&mut self, from: u32) {
        (self.id, self.distance) = self.of.next(from).unwrap_or((END, f64::NAN));
        if let Some(filter) = &mut self.filter {
            filter.seek(self.id);
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The distance of the document.
    pub(crate) fn distance(&self) -> f64 {
        self.distance
    }

    pub(crate) fn filter_mut(&mut self) -> Option<&mut Cursor<'i>> {
        self.filter.as_mut()
    }

    pub(crate) fn filter(&self) -> Option<&Cursor<'i>> {
        self.filter.as_ref()
    }

    pub(crate) fn advance(&mut self) {
        if self.id != END {
            self.find(self.id + 1);
        }
    }

    pub(crate) fn seek(&mut self, to: u32) {
        if self.id < to {
            self.find(to);
        }
    }

    pub(crate) fn estimate(&self) -> u64 {
        self.of.len() as u64
    }
}
