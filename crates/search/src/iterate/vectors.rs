//! Cursors of vectors near to a vector, which `prepare::nearest` finds.

use super::build::{Builder, CursorResult};
use super::prepare::found::PartMatches;
use super::prepare::options::{Options, graph_of};
use super::{Cursor, Distances};
use crate::index::Part;
use crate::query::{Node, QueryError, Reach, VectorQuery};

impl<'i> Builder<'i, '_> {
    pub(super) fn vector(&mut self, node: &Node, query: &VectorQuery) -> CursorResult<'i> {
        let Some((field, Part::Vectors(vectors))) = self.index.part(&query.field) else {
            return Ok(Cursor::Empty);
        };
        if let Some(name) = &node.distance_field
            && self.index.schema().field(name).is_some()
        {
            let text: [&[u8]; 3] = [b"Property `", name, b"` already exists in schema"];
            return Err(QueryError(text.concat()));
        }
        let place = node.distance_field.as_ref().map(|name| {
            let known = self.distance_names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                self.distance_names.push(name.clone());
                self.distance_names.len() - 1
            })
        });
        if self.estimates {
            let options = Options::of(self.index, field, vectors, query)?;
            let graph = graph_of(self.index, field);
            return self.vector_estimate(query, graph.map(|_| options.ef_runtime));
        }
        let PartMatches::Distances(measured) = self.found(node) else {
            return Ok(Cursor::Empty);
        };
        // The filter is for the scores of found documents; it is not counted, because it was walked
        // when they were found.
        let filter = query.filter.as_ref();
        let filter = filter.filter(|_| measured.len() > 0);
        let tallies = self.tallies.take();
        let filter = filter.map(|filter| self.build(filter)).transpose();
        self.tallies = tallies;
        let distances = Distances::new(measured, filter?, place, node.weight, self.from);
        Ok(Cursor::Distances(Box::new(distances)))
    }

    /// The number of documents that are compared, or that meet the condition; `ef`: the graph's.
    fn vector_estimate(&mut self, query: &VectorQuery, ef: Option<usize>) -> CursorResult<'i> {
        if let Some(filter) = &query.filter {
            return self.build(filter);
        }
        let all = self.index.len();
        let compared = match (query.reach, ef) {
            (Reach::Nearest(k), Some(ef)) => all.min(ef.max(k as usize)),
            _ => all,
        };
        Ok(self.estimated(compared))
    }
}
