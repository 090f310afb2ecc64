//! Documents with their distances from a vector.

use super::{Cursor, END};

/// A walk over documents with distances.
pub(crate) struct Distances<'i> {
    /// Ascending by document.
    list: Vec<(u32, f64)>,
    at: usize,
    /// The condition that the documents passed, on the same document.
    filter: Option<Cursor<'i>>,
    /// The place of its name among those of the query; `None`: it yields nothing.
    pub(crate) place: Option<usize>,
    pub(crate) weight: f64,
}

impl<'i> Distances<'i> {
    pub(crate) fn new(
        mut list: Vec<(u32, f64)>,
        filter: Option<Cursor<'i>>,
        place: Option<usize>,
        weight: f64,
    ) -> Distances<'i> {
        list.sort_unstable_by_key(|(id, _)| *id);
        let mut distances = Distances {
            list,
            at: 0,
            filter,
            place,
            weight,
        };
        distances.follow();
        distances
    }

    fn follow(&mut self) {
        let id = self.id();
        if let Some(filter) = &mut self.filter {
            filter.seek(id);
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.list.get(self.at).map_or(END, |(id, _)| *id)
    }

    /// The distance of the document.
    pub(crate) fn distance(&self) -> f64 {
        self.list
            .get(self.at)
            .map_or(f64::NAN, |(_, distance)| *distance)
    }

    pub(crate) fn filter(&self) -> Option<&Cursor<'i>> {
        self.filter.as_ref()
    }

    pub(crate) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.list.len());
        self.follow();
    }

    pub(crate) fn seek(&mut self, to: u32) {
        self.at += self.list[self.at..].partition_point(|(id, _)| *id < to);
        self.follow();
    }

    pub(crate) fn estimate(&self) -> u64 {
        self.list.len() as u64
    }
}
