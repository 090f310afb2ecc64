//! Vectors near to one: the nearest K, with or without a condition, or all within a distance.

use std::collections::BinaryHeap;

use super::build::{Builder, Built};
use super::{Cursor, Distances, END};
use crate::index::{Part, Target, Vectors};
use crate::query::{Node, QueryError, Reach, VectorQuery};

/// The nearest documents so far: the farthest of them is on top.
struct Nearest {
    most: usize,
    heap: BinaryHeap<Near>,
}

#[derive(Clone, Copy, PartialEq)]
struct Near {
    distance: f64,
    document: u32,
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Near) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Near) -> std::cmp::Ordering {
        let by_distance = self.distance.total_cmp(&other.distance);
        by_distance.then(self.document.cmp(&other.document))
    }
}

impl Nearest {
    fn put(&mut self, document: u32, distance: f64) {
        let near = Near { distance, document };
        if self.heap.len() < self.most {
            self.heap.push(near);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && near < *farthest
        {
            *farthest = near;
        }
    }

    fn list(self) -> Vec<(u32, f64)> {
        self.heap
            .into_iter()
            .map(|near| (near.document, near.distance))
            .collect()
    }
}

fn error(text: String) -> QueryError {
    QueryError(text.into_bytes())
}

impl<'i> Builder<'i, '_> {
    pub(super) fn vector(&mut self, node: &Node, query: &VectorQuery) -> Built<'i> {
        let Some((_, Part::Vectors(vectors))) = self.index.part(&query.field) else {
            return Ok(Cursor::Empty);
        };
        let place = node.distance_field.as_ref().map(|name| {
            let known = self.distance_names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                self.distance_names.push(name.clone());
                self.distance_names.len() - 1
            })
        });
        let (size, expected) = (query.vector.len(), vectors.row_bytes());
        if size != expected {
            return Err(error(format!(
                "Error parsing vector similarity query: query vector blob size ({size}) does not \
                 match index's expected size ({expected})."
            )));
        }
        let target = vectors.target(&query.vector);
        match query.reach {
            Reach::Within(radius) => {
                if radius < 0.0 {
                    return Err(error(format!(
                        "Error parsing vector similarity query: negative radius ({}) given in a \
                         range query",
                        crate::numbers::general(radius, 6)
                    )));
                }
                let near = vectors
                    .all(&target)
                    .filter(|(_, distance)| *distance <= radius);
                let list = near.collect();
                Ok(Cursor::Distances(Box::new(Distances::new(
                    list,
                    None,
                    place,
                    node.weight,
                ))))
            }
            Reach::Nearest(k) => self.nearest(node, query, vectors, &target, k as usize, place),
        }
    }

    fn nearest(
        &mut self,
        node: &Node,
        query: &VectorQuery,
        vectors: &'i Vectors,
        target: &Target,
        k: usize,
        place: Option<usize>,
    ) -> Built<'i> {
        let mut nearest = Nearest {
            most: k,
            heap: BinaryHeap::new(),
        };
        let filter = match &query.filter {
            None => {
                vectors
                    .all(target)
                    .for_each(|(id, distance)| nearest.put(id, distance));
                None
            }
            Some(filter) => {
                let mut documents = self.build(filter)?;
                while documents.id() != END {
                    if let Some(distance) = vectors.distance(documents.id(), target) {
                        nearest.put(documents.id(), distance);
                    }
                    documents.advance();
                }
                // From the start again, for the scores of those that are found.
                Some(self.build(filter)?)
            }
        };
        let distances = Distances::new(nearest.list(), filter, place, node.weight);
        Ok(Cursor::Distances(Box::new(distances)))
    }
}
